package disasm_test

import (
	"debug/elf"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/inquest-project/inquest/internal/evidence/objfile"
	"github.com/inquest-project/inquest/internal/reading/disasm"
	"github.com/inquest-project/inquest/lab/dying"
)

var amd64, arm64 = disasm.For(elf.EM_X86_64), disasm.For(elf.EM_AARCH64)

// number is a register's, by its name.
func number(m *disasm.Machine, name string) int { return slices.Index(m.Registers, name) }

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
		body := amd64.Function(data, span.Start)
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
			fate := amd64.Function(code(t, test.code), 0x1000).Fate(0x1000, never)
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
		if i, got := amd64.CallBefore(code(t, text), 0x1008); got != want {
			t.Errorf("%s: found %v (%v)", text, got, i)
		}
	}
}

// registers makes registers of "name=hex" words.
func registers(t *testing.T, m *disasm.Machine, text string) disasm.Registers {
	t.Helper()
	values := map[int]uint64{}
	for _, word := range strings.Fields(text) {
		name, value, _ := strings.Cut(word, "=")
		v, err := strconv.ParseUint(value, 16, 64)
		if n := number(m, name); err == nil && n >= 0 {
			values[n] = v
		} else {
			t.Fatalf("%s is no register's value", word)
		}
	}
	return func(n int) (uint64, bool) { v, ok := values[n]; return v, ok }
}

func TestAccessesTellWhereAndWhether(t *testing.T) {
	amd64Regs := registers(t, amd64, "rax=1000 rbx=10 rsp=7000 rsi=2000 rdi=3000")
	arm64Regs := registers(t, arm64, "x0=1000 x1=10 sp=7000 x2=fffffffffffffff0")
	for _, test := range []struct {
		m          *disasm.Machine
		regs       disasm.Registers
		code, want string
	}{
		{amd64, amd64Regs, "8b 40 28", "read 4 at 1028 by rax"},                      // mov 0x28(%rax),%eax
		{amd64, amd64Regs, "89 44 98 04", "write 4 at 1044 by rax rbx"},              // mov %eax,4(%rax,%rbx,4)
		{amd64, amd64Regs, "48 83 00 01", "write 8 at 1000 by rax"},                  // addq $1,(%rax)
		{amd64, amd64Regs, "80 38 00", "read 1 at 1000 by rax"},                      // cmpb $0,(%rax)
		{amd64, amd64Regs, "48 8d 40 28", ""},                                        // lea
		{amd64, amd64Regs, "55", "write 8 at 6ff8 by rsp"},                           // push %rbp
		{amd64, amd64Regs, "c3", "read 8 at 7000 by rsp"},                            // ret
		{amd64, amd64Regs, "ff 10", "read 8 at 1000 by rax, write 8 at 6ff8 by rsp"}, // call *(%rax)
		{amd64, amd64Regs, "a4", "write 0 at 3000 by rdi, read 0 at 2000 by rsi"},    // movsb: the decoder gives no size
		{amd64, amd64Regs, "8b 41 08", ""},                                           // mov 8(%rcx),%eax: rcx is not known
		{arm64, arm64Regs, "00 08 40 b9", "read 4 at 1008 by x0"},                    // ldr w0, [x0, #8]
		{arm64, arm64Regs, "1f 0c 00 f9", "write 8 at 1018 by x0"},                   // str xzr, [x0, #24]
		{arm64, arm64Regs, "00 78 61 f8", "read 8 at 1080 by x0 x1"},                 // ldr x0, [x0, x1, lsl #3]
		{arm64, arm64Regs, "00 c8 62 38", "read 1 at ff0 by x0 x2"},                  // ldrb w0, [x0, w2, sxtw]
		{arm64, arm64Regs, "fd 7b be a9", "write 16 at 6fe0 by sp"},                  // stp x29, x30, [sp, #-32]!
		{arm64, arm64Regs, "fd 7b c2 a8", "read 16 at 7000 by sp"},                   // ldp x29, x30, [sp], #32
		{arm64, arm64Regs, "00 f0 5f b8", "read 4 at fff by x0"},                     // ldur w0, [x0, #-1]
		{arm64, arm64Regs, "01 14 00 38", "write 1 at 1000 by x0"},                   // strb w1, [x0], #1
		{arm64, arm64Regs, "00 04 c0 3d", "read 16 at 1010 by x0"},                   // ldr q0, [x0, #16]
		{arm64, arm64Regs, "01 00 21 b8", "write 4 at 1000 by x0"},                   // ldadd w1, w1, [x0]
		{arm64, arm64Regs, "02 fc 5f 88", "read 4 at 1000 by x0"},                    // ldaxr w2, [x0]
		{arm64, arm64Regs, "01 fc 9f c8", "write 8 at 1000 by x0"},                   // stlr x1, [x0]
		{arm64, arm64Regs, "40 00 00 58", "read 8 at 400008 by "},                    // ldr x0, literal
		{arm64, arm64Regs, "20 74 0b d5", "write 0 at 1000 by x0"},                   // dc zva, x0
		{arm64, arm64Regs, "00 00 80 f9", ""},                                        // prfm
		{arm64, arm64Regs, "00 04 00 91", ""},                                        // add x0, x0, #1
		{arm64, arm64Regs, "60 00 40 f9", ""},                                        // ldr x0, [x3]: x3 is not known
	} {
		i, ok := test.m.Decode(code(t, test.code), 0x400000)
		var got []string
		for _, a := range i.Accesses(test.regs) {
			got = append(got, accessText(test.m, a))
		}
		if found := strings.Join(got, ", "); !ok || found != test.want {
			t.Errorf("%s (%s): expected %q, found %q", test.code, i.Text(), test.want, found)
		}
	}
}

func accessText(m *disasm.Machine, a disasm.Access) string {
	verb := "read"
	if a.Write {
		verb = "write"
	}
	var by []string
	for _, n := range a.By {
		by = append(by, m.Registers[n])
	}
	return fmt.Sprintf("%s %d at %x by %s", verb, a.Size, a.Address, strings.Join(by, " "))
}

func TestConstantsAreTracked(t *testing.T) {
	for _, test := range []struct {
		m          *disasm.Machine
		code, want string
	}{
		{amd64, "488d3d10000000", "rdi=1017"},
		{amd64, "be0c000000 89f0", "rax=c rsi=c"},
		{amd64, "be0c000000 31f6", ""},
		{amd64, "be0c000000 40b601", ""},                // mov $1,%sil: a part only
		{arm64, "00 00 00 b0 00 40 00 91", "x0=2010"},   // adrp x0; add x0, x0, #16
		{arm64, "81 01 80 52", "x1=c"},                  // mov w1, #12
		{arm64, "81 01 80 d2 21 00 a0 f2", "x1=1000c"},  // movk x1, #1, lsl #16
		{arm64, "81 01 80 52 e0 03 01 aa", "x0=c x1=c"}, // mov x0, x1
		{arm64, "81 01 80 52 21 00 00 8b", ""},          // add x1, x1, x0
		{arm64, "81 01 80 52 01 00 40 f9", ""},          // ldr x1, [x0]
		{arm64, "81 01 80 52 01 00 00 f9", "x1=c"},      // str x1, [x0]
	} {
		values := map[int]uint64{}
		for _, i := range test.m.Function(code(t, test.code), 0x1000).Instructions {
			i.Track(values)
		}
		var got []string
		for n, v := range values {
			got = append(got, fmt.Sprintf("%s=%x", test.m.Registers[n], v))
		}
		slices.Sort(got)
		if found := strings.Join(got, " "); found != test.want {
			t.Errorf("%s: expected %q, found %q", test.code, test.want, found)
		}
	}
}

func TestWhereControlGoes(t *testing.T) {
	for _, test := range []struct {
		m          *disasm.Machine
		code, want string
	}{
		{arm64, "01 00 00 94", "calls 1004"},                     // bl
		{arm64, "00 00 3f d6", "calls x0"},                       // blr x0
		{arm64, "01 08 3f d7", "calls x0, its signature off"},    // blraa x0, x1
		{arm64, "ff ff ff 17", "jumps ffc"},                      // b
		{arm64, "20 02 1f d6", "jumps x17"},                      // br x17
		{arm64, "40 00 00 54", "branches 1008"},                  // b.eq
		{arm64, "40 00 00 b4", "branches 1008"},                  // cbz
		{arm64, "40 00 08 36", "branches 1008"},                  // tbz
		{arm64, "c0 03 5f d6", "returns x30"},                    // ret
		{arm64, "ff 0b 5f d6", "returns x30, its signature off"}, // retaa
		{arm64, "00 7d 20 d4", "stops"},                          // brk #1000
		{arm64, "00 00 00 00", "stops"},                          // udf
		{arm64, "3f 23 03 d5", "goes on"},                        // paciasp
		{arm64, "5f 24 03 d5", "goes on"},                        // bti c
		{arm64, "1f 20 03 d5", "goes on"},                        // nop
		{arm64, "00 00 00 02", "no instruction"},
		{amd64, "ff e0", "jumps rax"},
		{amd64, "ff 10", "calls what 2000 points to"},
		{amd64, "c3", "returns what 7000 points to"},
		{amd64, "0f 0b", "stops"},
	} {
		if got := flow(t, test.m, test.code); got != test.want {
			t.Errorf("%s: expected %s, found %s", test.code, test.want, got)
		}
	}
}

// flow says where control goes. A register that is asked for is told by its value.
func flow(t *testing.T, m *disasm.Machine, text string) string {
	const inRegister, signature, inMemory = 0x100, 0xab << 56, 0x5000
	i, ok := m.Decode(code(t, text), 0x1000)
	verb := []string{"goes on", "calls", "jumps", "branches", "returns", "stops"}[i.Flow]
	regs := func(n int) (uint64, bool) { return signature + inRegister + uint64(n), true }
	if m == amd64 {
		regs = registers(t, m, "rax=2000 rsp=7000")
	}
	read := func(a uint64) (uint64, bool) { return inMemory + a, true }
	to, goes := i.Goes(regs, read)
	switch {
	case !ok:
		return "no instruction"
	case i.Direct:
		return fmt.Sprintf("%s %x", verb, i.Target)
	case !goes:
		return verb
	case m == amd64 && to == 0x2000:
		return verb + " rax"
	case m == amd64:
		return fmt.Sprintf("%s what %x points to", verb, to-inMemory)
	case to < 1<<48:
		return fmt.Sprintf("%s %s, its signature off", verb, m.Registers[to-inRegister])
	}
	return verb + " " + m.Registers[to-signature-inRegister]
}

func TestStubsLeadToTheirSlots(t *testing.T) {
	for _, test := range []struct {
		m    *disasm.Machine
		code string
		slot uint64
	}{
		{amd64, "f30f1efa f2ff2510000000", 0x101b},
		{amd64, "ff2510000000", 0x1016},
		{amd64, "c3", 0},
		{arm64, "10000090 110a40f9 10420091 20021fd6", 0x1010},          // adrp; ldr x17, [x16, #16]; add; br x17
		{arm64, "5f2403d5 10000090 110a40f9 10420091 20021fd6", 0x1010}, // bti c
		{arm64, "fd7bbea9 c0035fd6", 0},
	} {
		if slot, ok := test.m.Stub(code(t, test.code), 0x1000); slot != test.slot || ok != (slot != 0) {
			t.Errorf("%s: expected the slot %#x, found %#x", test.code, test.slot, slot)
		}
	}
}

func TestFrameSizes(t *testing.T) {
	for _, test := range []struct {
		m    *disasm.Machine
		code string
		size uint64
	}{
		{amd64, "f30f1efa 55 4889e5 4883ec20 e800000000", 40},
		{arm64, "3f2303d5 fd7bbda9 ff4300d1 00000094", 48 + 16}, // paciasp; stp x29, x30, [sp, #-48]!; sub sp, sp, #16; bl
	} {
		if got := test.m.FrameSize(code(t, test.code)); got != test.size {
			t.Errorf("%s: expected %d bytes, found %d", test.code, test.size, got)
		}
	}
}

func TestTrapsAndDivisions(t *testing.T) {
	for _, test := range []struct {
		m    *disasm.Machine
		code string
		trap int
	}{
		{amd64, "67 0f b9 40 16", 0x16}, // ud1l 22(%eax),%eax, as clang's -fsanitize-trap writes it
		{arm64, "00 7d 20 d4", 1000},    // brk #1000, as gcc's __builtin_trap does
	} {
		i, _ := test.m.Decode(code(t, test.code), 0x1000)
		if got, ok := i.Trap(); !ok || got != test.trap {
			t.Errorf("%s: expected %d, found %d (%s)", test.code, test.trap, got, i.Text())
		}
	}
	regs := registers(t, amd64, "rcx=ffffffff00000000 rax=3000")
	read := func(a uint64) (uint64, bool) { return a << 32, true }
	for text, want := range map[string]disasm.Division{
		"f7 f9":    {Divisor: 0, Size: 4},                  // idiv %ecx
		"48 f7 f9": {Divisor: 0xffffffff00000000, Size: 8}, // idiv %rcx
		"f7 30":    {Divisor: 0, Size: 4},                  // divl (%rax)
	} {
		i, _ := amd64.Decode(code(t, text), 0x1000)
		if got, ok := i.Division(regs, read); !ok || got != want {
			t.Errorf("%s: expected %+v, found %+v", text, want, got)
		}
	}
}

func TestAJumpFromOutsideMarksAFragment(t *testing.T) {
	text := code(t, "0f84fa000000 c3") // je 0x1100
	if !amd64.JumpsInto(text, 0x1000, 0x1100, 0x1110) || amd64.JumpsInto(text, 0x1000, 0x1101, 0x1110) {
		t.Error("a conditional jump into a range was not told from one beside it")
	}
}

func FuzzFunction(f *testing.F) {
	f.Add([]byte{0xf3, 0x0f, 0x1e, 0xfa, 0xe8, 1, 2, 3, 4, 0xc3}, uint64(0x1000))
	f.Add([]byte{0x74, 0xfe, 0xff, 0x25, 0, 0, 0, 0, 0xff, 0xe0, 6}, ^uint64(0)-4)
	f.Add([]byte{0xfd, 0x7b, 0xbe, 0xa9, 1, 0, 0, 0x94, 0xff, 0x0b, 0x5f, 0xd6}, uint64(0x1000))
	f.Fuzz(func(t *testing.T, data []byte, start uint64) {
		for _, m := range []*disasm.Machine{amd64, arm64, disasm.For(elf.EM_NONE)} {
			touchAll(m, data, start)
		}
	})
}

// touchAll asks everything of some code.
func touchAll(m *disasm.Machine, data []byte, start uint64) {
	body := m.Function(data, start)
	body.Calls()
	body.Fate(start, func(disasm.Call) bool { return false })
	body.Fate(start+3, func(c disasm.Call) bool { return c.Tail })
	m.CallBefore(data, start)
	m.Stub(data, start)
	m.FrameSize(data)
	m.JumpsInto(data, start, start, start+8)
	values := map[int]uint64{}
	regs := func(n int) (uint64, bool) { return 1, true }
	read := func(a uint64) (uint64, bool) { return a, true }
	for _, i := range body.Instructions {
		i.Accesses(regs)
		i.Goes(regs, read)
		i.Division(regs, read)
		i.Trap()
		i.Text()
		i.Track(values)
	}
}

func TestAnAddressThatIsNothingIsPrinted(t *testing.T) {
	for code, want := range map[string]string{
		"\x8b\x04\x25\x00\x00\x00\x00":         "mov 0x0,%eax",
		"\x89\x04\x25\x00\x00\x00\x00":         "mov %eax,0x0",
		"\x8b\x04\x25\x08\x00\x00\x00":         "mov 0x8,%eax",
		"\x64\x48\x8b\x04\x25\x00\x00\x00\x00": "mov %fs:0x0,%rax",
		"\x64\x48\x8b\x04\x25\x28\x00\x00\x00": "mov %fs:0x28,%rax",
		"\xc6\x04\x25\x00\x00\x00\x00\x01":     "movb $0x1,0x0",
		"\x8b\x07":                             "mov (%rdi),%eax",
	} {
		i, ok := disasm.For(elf.EM_X86_64).Decode([]byte(code), 0x1000)
		if got := i.Text(); !ok || got != want {
			t.Errorf("% x: expected %q, found %q", code, want, got)
		}
	}
}
