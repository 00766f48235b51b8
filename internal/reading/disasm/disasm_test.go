package disasm_test

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/arch/x86/x86asm"

	"github.com/inquest-project/inquest/internal/evidence/objfile"
	"github.com/inquest-project/inquest/internal/reading/disasm"
	"github.com/inquest-project/inquest/lab/dying"
)

func code(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestInstructionBoundsAndCallsAreThoseOfObjdump(t *testing.T) {
	p := dying.One(t, "helper").Build(t, "-O2")
	f, err := objfile.Open(p.Named)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, function := range []string{"decide", "fatal", "last_words", "main"} {
		span := p.Spans(t, function)[0]
		data, _ := f.Data(span.Start, span.End-span.Start)
		body := disasm.Function(data, span.Start)
		var ours, theirs []string
		for _, i := range body.Instructions {
			ours = append(ours, fmt.Sprintf("%x", i.At))
		}
		dump := dying.Run(t, p.Dir, "objdump", "-d", "--no-show-raw-insn",
			fmt.Sprintf("--start-address=%#x", span.Start), fmt.Sprintf("--stop-address=%#x", span.End), p.Named)
		for line := range strings.Lines(dump) {
			if at, _, ok := strings.Cut(line, ":\t"); ok {
				theirs = append(theirs, strings.TrimSpace(at))
			}
		}
		if !slices.Equal(ours, theirs) {
			t.Errorf("%s: instructions at %v, objdump has %v", function, ours, theirs)
		}
	}
}

func TestFate(t *testing.T) {
	never := func(c disasm.Call) bool { return c.Target == 0x9000 }
	for _, test := range []struct {
		name, code     string
		returns, loops bool
	}{
		{"ret", "c3", true, false},
		{"endbr64, call of the deadly at 0x9000", "f30f1efa e8f77f0000 c3", false, false},
		{"a call that comes back", "e800000001 c3", true, false},
		{"a branch around the deadly call", "7405 e8f97f0000 c3", true, false},
		{"both branches die", "7405 e8f97f0000 e8f47f0000", false, false},
		{"a circle", "ebfe", false, true},
		{"a call ends the function", "e800000001", false, false},
		{"ud2", "0f0b", false, false},
		{"a switch's table", "ffe0", true, false},
		{"a tail call of the deadly", "e9fb7f0000", false, false},
		{"a tail call of another", "e900010000", true, false},
		{"bytes that are no instruction", "06", true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			fate := disasm.Function(code(t, test.code), 0x1000).Fate(0x1000, never)
			if fate.Returns != test.returns || fate.Loops != test.loops {
				t.Errorf("found %+v", fate)
			}
		})
	}
}

func TestAReturnAddressStandsBehindACall(t *testing.T) {
	for text, want := range map[string]bool{
		"90 90 90 e8 01 02 03 04": true, // call rel32
		"90 90 90 90 90 90 ff d0": true, // call *%rax
		"90 90 90 90 90 41 ff d4": true, // call *%r12
		"90 90 ff 15 01 02 03 04": true, // call *0x4030201(%rip)
		"90 90 90 90 ff 54 24 08": true, // call *8(%rsp)
		"90 90 90 90 90 90 90 90": false,
		"90 90 90 e9 01 02 03 04": false, // jmp
		"90 90 90 90 90 90 ff e0": false, // jmp *%rax
	} {
		if i, got := disasm.CallBefore(code(t, text), 0x1008); got != want {
			t.Errorf("%s: found %v (%v)", text, got, i)
		}
	}
}

func TestAccessesTellWhereAndWhether(t *testing.T) {
	values := map[x86asm.Reg]uint64{x86asm.RAX: 0x1000, x86asm.RBX: 0x10, x86asm.RSP: 0x7000, x86asm.RSI: 0x2000, x86asm.RDI: 0x3000}
	reg := func(r x86asm.Reg) (uint64, bool) { v, ok := values[r]; return v, ok }
	for _, test := range []struct{ code, want string }{
		{"8b 40 28", "[{4136 4 false}]"},             // mov 0x28(%rax),%eax
		{"89 44 98 04", "[{4164 4 true}]"},           // mov %eax,4(%rax,%rbx,4)
		{"48 83 00 01", "[{4096 8 true}]"},           // addq $1,(%rax)
		{"80 38 00", "[{4096 1 false}]"},             // cmpb $0,(%rax)
		{"48 8d 40 28", "[]"},                        // lea
		{"55", "[{28664 8 true}]"},                   // push %rbp
		{"c3", "[{28672 8 false}]"},                  // ret
		{"ff 10", "[{4096 8 false} {28664 8 true}]"}, // call *(%rax)
		{"a4", "[{12288 0 true} {8192 0 false}]"},    // movsb: the decoder gives no size
		{"8b 41 08", "[]"},                           // mov 8(%rcx),%eax: rcx is not known
	} {
		i, ok := disasm.Decode(code(t, test.code), 0x400000)
		if got := fmt.Sprint(i.Accesses(reg)); !ok || got != test.want {
			t.Errorf("%s (%v): expected %s, found %s", test.code, i.Inst, test.want, got)
		}
	}
}

func TestConstantsAreTracked(t *testing.T) {
	values := map[x86asm.Reg]uint64{}
	body := disasm.Function(code(t, "488d3d10000000 be0c000000 4889f8 31f6"), 0x1000)
	for n, i := range body.Instructions {
		i.Track(values)
		if n == 2 && (values[x86asm.RDI] != 0x1017 || values[x86asm.RSI] != 12 || values[x86asm.RAX] != 0x1017) {
			t.Errorf("found %v", values)
		}
	}
	if _, known := values[x86asm.RSI]; known {
		t.Error("a register that was computed is still taken for a constant")
	}
}

func TestAJumpFromOutsideMarksAFragment(t *testing.T) {
	text := code(t, "0f84fa000000 c3") // je 0x1100
	if !disasm.JumpsInto(text, 0x1000, 0x1100, 0x1110) || disasm.JumpsInto(text, 0x1000, 0x1101, 0x1110) {
		t.Error("a conditional jump into a range was not told from one beside it")
	}
}

func FuzzFunction(f *testing.F) {
	f.Add([]byte{0xf3, 0x0f, 0x1e, 0xfa, 0xe8, 1, 2, 3, 4, 0xc3}, uint64(0x1000))
	f.Add([]byte{0x74, 0xfe, 0xff, 0x25, 0, 0, 0, 0, 0xff, 0xe0, 6}, ^uint64(0)-4)
	f.Fuzz(func(t *testing.T, data []byte, start uint64) {
		body := disasm.Function(data, start)
		body.Calls()
		body.Fate(start, func(disasm.Call) bool { return false })
		body.Fate(start+3, func(c disasm.Call) bool { return c.Tail })
		disasm.CallBefore(data, start)
		disasm.Stub(data, start)
		disasm.FrameSize(data)
		disasm.JumpsInto(data, start, start, start+8)
		values := map[x86asm.Reg]uint64{}
		for _, i := range body.Instructions {
			i.Accesses(func(x86asm.Reg) (uint64, bool) { return 1, true })
			i.IsPadding()
			i.Track(values)
		}
	})
}
