package unwind_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reading/image"
	"github.com/inquest-project/inquest/internal/reading/unwind"
	"github.com/inquest-project/inquest/lab/dying"
)

func open(t testing.TB, path string, roots ...string) (*image.Image, []unwind.Stack) {
	t.Helper()
	core, err := elfcore.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	im := image.Open(core, image.Finder{Host: true, Roots: roots})
	t.Cleanup(func() {
		im.Close()
		core.Close()
	})
	return im, unwind.Threads(im)
}

// show is a frame for messages.
func show(f unwind.Frame) string {
	name := "?"
	if f.Module != nil {
		name = f.Module.Name
	}
	return fmt.Sprintf("#%d %v %s+%v %s [%s]", f.Index, f.PC, name, f.Offset, f.Function, f.Trust)
}

// differs says where a stack of ours isn't gdb's, or is empty. Where we stop early the end's reason is
// part of the answer.
func differs(s unwind.Stack, theirs []dying.Frame) string {
	for _, f := range s.Frames {
		if f.Index >= dying.MostFrames {
			break
		}
		if f.Index >= len(theirs) {
			return fmt.Sprintf("gdb has %d frames, we go on with %s", len(theirs), show(f))
		}
		if f.PC != theirs[f.Index].PC {
			return fmt.Sprintf("gdb has %v %s, we have %s", theirs[f.Index].PC, theirs[f.Index].Name, show(f))
		}
	}
	if s.Total < len(theirs) {
		return fmt.Sprintf("we stop after %d frames (%s), gdb goes on with %v %s", s.Total, s.End, theirs[s.Total].PC, theirs[s.Total].Name)
	}
	return ""
}

// gdbIsWrong are programs whose stack gdb can't follow, with the reason.
var gdbIsWrong = map[string]string{
	"bus_frame":          "its assembly moves the stack pointer, and its table does not tell: gdb goes on into data",
	"coroutine":          "gdb goes on behind the context's end, to no code",
	"return_to_junk":     "gdb unwinds into the junk",
	"return_to_low_junk": "gdb unwinds into the junk",
	"smashed":            "gdb unwinds into the junk",
	"go_deadlock":        "gdb goes on behind the outermost frame, to 0",
	"go_index":           "gdb goes on behind the outermost frame, to 0",
	"go_panic":           "gdb goes on behind the outermost frame, to 0",
	"jemalloc_conf":      "gdb goes on behind the dynamic linker's entry, which has no caller",
	"musl_assertion":     "musl has no unwind tables, and gdb guesses by the code",
	"rust_divide":        "Rust's main has no unwind table, and gdb guesses by the code",
	"rust_index":         "Rust's main has no unwind table, and gdb guesses by the code",
	"rust_panic":         "Rust's main has no unwind table, and gdb guesses by the code",
}

func TestEveryFrameOfEveryThreadIsGDBs(t *testing.T) {
	for _, source := range dying.All(t) {
		for _, flags := range [][]string{{"-O0"}, {"-O2"}} {
			t.Run(source.Name+flags[len(flags)-1], func(t *testing.T) {
				p := source.Build(t, flags...)
				core := p.Core(t)
				_, stacks := open(t, core)
				theirs := p.GDB(t, core)
				if len(stacks) != len(theirs) {
					t.Fatalf("we have %d threads, gdb %d", len(stacks), len(theirs))
				}
				for _, s := range stacks {
					diff := differs(s, theirs[s.TID])
					if gdbIsWrong[source.Name] != "" {
						continue
					}
					if diff != "" {
						t.Errorf("thread %d: %s", s.TID, diff)
					}
				}
			})
		}
	}
}

func TestASmashedStackEndsAtTheJunkAndSaysSo(t *testing.T) {
	p := dying.One(t, "smashed").Build(t, "-O2")
	_, stacks := open(t, p.Core(t))
	last := stacks[0].Frames[len(stacks[0].Frames)-1]
	if !stacks[0].Smashed || last.Trust == finding.TrustScan {
		t.Errorf("expected a smashed stack, found one that ends with %s: %s", show(last), stacks[0].End)
	}
	t.Log(stacks[0].End)
}

func TestAContextIsWalkedToItsEndWithoutAGuess(t *testing.T) {
	source := dying.One(t, "coroutine")
	for name, p := range map[string]dying.Program{"x86-64": source.Build(t, "-O2"), "aarch64": source.BuildARM64(t, "-O2")} {
		t.Run(name, func(t *testing.T) {
			_, stacks := open(t, p.Core(t), dying.ARM64Root)
			frames := stacks[0].Frames
			if len(frames) != 2 || frames[1].Trust.Guessed() || !strings.HasPrefix(frames[1].Module.Name, "libc.so") || !stacks[0].Outermost {
				t.Errorf("expected what makecontext started and where it returns, found %d frames, the last %s: %s", len(frames), show(frames[len(frames)-1]), stacks[0].End)
			}
		})
	}
}

func TestAnEntryOfALinkageTableHasTheNameOfWhatItLeadsTo(t *testing.T) {
	source := dying.One(t, "linkage_table")
	for name, flags := range map[string][]string{"lazy": nil, "with endbr64": {"-fcf-protection=full", "-Wl,-z,ibtplt"}} {
		t.Run(name, func(t *testing.T) {
			source.Flags = append(slices.Clone(source.Flags), flags...)
			_, stacks := open(t, source.Build(t, "-O2").Core(t))
			f := stacks[0].Frames[0]
			if !f.Stub || f.Symbol != "system@plt" || f.Function != "system@plt" || f.Into > 4 {
				t.Errorf("expected system@plt, found %s, %v into it", show(f), f.Into)
			}
		})
	}
}

func TestRecursionIsFoldedAndCounted(t *testing.T) {
	for name, functions := range map[string]int{"recursion": 1, "nested": 3, "thread_recursion": 1} {
		t.Run(name, func(t *testing.T) {
			_, stacks := open(t, dying.One(t, name).Build(t, "-O1", "-fno-optimize-sibling-calls").Core(t))
			for _, s := range stacks {
				if s.Total < 1000 {
					continue
				}
				folded := 0
				for _, f := range s.Frames {
					if f.Repeats > 0 {
						folded++
						if got := f.Repeats * functions; got < s.Total*9/10 || got > s.Total {
							t.Errorf("%s: %d rounds of %d functions don't make %d frames", show(f), f.Repeats, functions, s.Total)
						}
					}
				}
				if folded != functions {
					t.Errorf("expected %d folded functions, found %d", functions, folded)
				}
				return
			}
			t.Error("no thread has a deep stack")
		})
	}
}

// Go's linker points to its own build ID by a program header, not to the GNU one; and a goroutine's outermost
// return address follows no call.
func TestAGoroutineIsWalkedToItsEndWithoutAGuess(t *testing.T) {
	_, stacks := open(t, dying.One(t, "go_panic").Build(t, "-O2").Core(t))
	frames := stacks[0].Frames
	for _, f := range frames {
		if f.Trust.Guessed() {
			t.Errorf("guessed: %s", show(f))
		}
	}
	if last := frames[len(frames)-1]; last.Function != "runtime.goexit" || !stacks[0].Outermost {
		t.Errorf("the last frame is %s: %s", show(last), stacks[0].End)
	}
}
