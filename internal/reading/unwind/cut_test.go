package unwind_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/reading/image"
	"github.com/inquest-project/inquest/internal/reading/unwind"
	"github.com/inquest-project/inquest/lab/dying"
)

// place is a frame whatever it is called.
func placeOf(f unwind.Frame) string { return fmt.Sprint(f.PC, f.SP) }

// owed is how many frames of a whole stack a cut core owes, and owes as certain: the innermost, and each one
// whose callee's frame has all its memory in the cut core. Tables and text are in the binaries, which are at hand.
func owed(im *image.Image, whole unwind.Stack) int {
	for n, f := range whole.Frames {
		if n > 0 && f.Trust.Guessed() {
			return n
		}
		if f.CFA <= f.SP {
			return n + 1
		}
		if memory := make([]byte, f.CFA-f.SP); im.Read(f.SP, memory) < len(memory) {
			return n + 1
		}
	}
	return len(whole.Frames)
}

func TestACutCoreHasEveryFrameThatItsMemoryAllowsAndNoOtherUnlessGuessed(t *testing.T) {
	for _, name := range []string{"threads", "handler_altstack", "callback"} {
		t.Run(name, func(t *testing.T) {
			p := dying.One(t, name).Build(t, "-O2")
			data, err := os.ReadFile(p.Core(t))
			if err != nil {
				t.Fatal(err)
			}
			root := rootOf(t, data)
			_, whole := cut(t, data, len(data), root)
			const cuts = 200
			notes := len(data) // the smallest cut that has all notes
			found, promised := 0, 0
			for i := range cuts {
				size := len(data) * (i + 1) / cuts
				im, stacks := cut(t, data, size, root)
				if len(stacks) == len(whole) {
					notes = min(notes, size)
				}
				for n, s := range stacks {
					due := owed(im, whole[n])
					promised += due
					found += len(s.Frames)
					check(t, fmt.Sprintf("cut to %d of %d bytes", size, len(data)), s, whole[n], due)
				}
			}
			if promised < cuts*len(whole)/2 || notes == len(data) {
				t.Errorf("the cuts promise %d frames only, and have all threads from %d bytes on", promised, notes)
			}
			t.Logf("%d cuts, %d frames, %d of them owed", cuts, found, promised)
		})
	}
}

func cut(t *testing.T, data []byte, size int, root string) (*image.Image, []unwind.Stack) {
	t.Helper()
	core, err := elfcore.Parse("core", data[:size])
	if err != nil {
		t.Fatal(err)
	}
	im := image.Open(core, image.Finder{Roots: []string{root}})
	t.Cleanup(im.Close)
	return im, unwind.Threads(im)
}

// rootOf copies what a core's process ran, without the debug information that this host may have: unpacking
// that for each cut would take minutes.
func rootOf(t *testing.T, data []byte) string {
	t.Helper()
	core, err := elfcore.Parse("core", data)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for _, m := range core.Mappings {
		to := filepath.Join(root, m.Path)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		object, err := os.ReadFile(m.Path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, object, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func check(t *testing.T, where string, s, whole unwind.Stack, due int) {
	t.Helper()
	known := map[string]bool{}
	for _, f := range whole.Frames {
		known[placeOf(f)] = true
	}
	for n, f := range s.Frames {
		if !f.Trust.Guessed() && !known[placeOf(f)] {
			t.Errorf("%s: thread %d has %s", where, s.TID, show(f))
		}
		if n < due && (f.Trust != whole.Frames[n].Trust || placeOf(f) != placeOf(whole.Frames[n])) {
			t.Errorf("%s: thread %d should have %s, has %s", where, s.TID, show(whole.Frames[n]), show(f))
		}
	}
	if len(s.Frames) < due {
		t.Errorf("%s: thread %d has %d frames (%s), its memory allows %d", where, s.TID, len(s.Frames), s.End, due)
	}
}

// A core that was cut right behind its notes has registers and the module map: the innermost frame of every
// thread is named.
func TestACoreCutToItsNotesNamesTheInnermostFrames(t *testing.T) {
	p := dying.One(t, "threads").Build(t, "-O2")
	data, err := os.ReadFile(p.Core(t))
	if err != nil {
		t.Fatal(err)
	}
	root := rootOf(t, data)
	_, whole := cut(t, data, len(data), root)
	_, stacks := cut(t, data, notesEnd(data), root)
	if len(stacks) != len(whole) {
		t.Fatalf("%d threads of %d", len(stacks), len(whole))
	}
	for n, s := range stacks {
		got, want := s.Frames[0], whole[n].Frames[0]
		if got.Module == nil || got.Module.Name != want.Module.Name || got.Offset != want.Offset || got.Function != want.Function {
			t.Errorf("thread %d: expected %s, found %s", s.TID, show(want), show(got))
		}
	}
}

// notesEnd is where the core's first note segment ends (PT_NOTE is 4).
func notesEnd(core []byte) int {
	le := binary.LittleEndian
	for at := le.Uint64(core[32:]); ; at += 56 {
		if le.Uint32(core[at:]) == 4 {
			return int(le.Uint64(core[at+8:]) + le.Uint64(core[at+32:]))
		}
	}
}
