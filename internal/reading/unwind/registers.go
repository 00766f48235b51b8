package unwind

import (
	"debug/elf"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// regCount is how many registers are unwound, of the machine that has the most: by DWARF number.
const regCount = 33

// convention is what a machine's calling convention says, by DWARF numbers.
type convention struct {
	sp, fp, pc int
	link       int // the register that a call puts the return address in; -1 where it goes to the stack

	// calleeSaved are the registers that a call leaves as they were. Of all others a caller's value is
	// unknown, unless the tables say where it is.
	calleeSaved [regCount]bool

	// pointerBits are those that a pointer's address may use; in the others of a return address may stand its
	// signature.
	pointerBits uint

	trampolines [][]byte
	saved       savedContext

	contextEnd []byte // how the code begins that makecontext(3) lets its function return to
}

// savedContext is where the kernel leaves the interrupted registers for a signal handler, counted from the
// trampoline's stack pointer: struct sigcontext (asm/sigcontext.h) in ucontext in rt_sigframe.
type savedContext struct {
	offset place.Address
	order  []int // of the registers in it, by DWARF number
}

// amd64: System V psABI, section 3.2.1 and figure 3.36. The trampoline, which the C library gives the kernel
// the address of, is mov $15,%eax (or %rax); syscall: rt_sigreturn. musl's has no unwind table. A context
// ends in glibc's __start_context: mov %rbx,%rsp; mov (%rsp),%rdi; test %rdi,%rdi.
var amd64 = convention{
	sp: 7, fp: 6, pc: 16, link: -1, pointerBits: 64,
	calleeSaved: [regCount]bool{3: true, 6: true, 12: true, 13: true, 14: true, 15: true}, // rbx, rbp, r12 to r15
	trampolines: [][]byte{
		{0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05},
		{0xb8, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05},
	},
	saved:      savedContext{offset: 40, order: []int{8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7, 16}},
	contextEnd: []byte{0x48, 0x89, 0xdc, 0x48, 0x8b, 0x3c, 0x24, 0x48, 0x85, 0xff},
}

// arm64: Procedure Call Standard for the Arm 64-bit Architecture, section 6.1.1; DWARF for the same, section
// 4.1. The trampoline is in the vDSO: mov x8, #139; svc #0. What the vDSO's own unwind table says of it is
// where the interrupted function was called from, not where it was. A context ends in nop; mov x0, x19: no
// function begins with a register that calls leave alone.
var arm64 = convention{
	sp: 31, fp: 29, pc: 32, link: 30, pointerBits: 48,
	calleeSaved: [regCount]bool{19: true, 20: true, 21: true, 22: true, 23: true, 24: true, 25: true, 26: true, 27: true, 28: true, 29: true},
	trampolines: [][]byte{{0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4}},
	saved: savedContext{offset: 128 + 176 + 8, order: []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
		21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32}},
	contextEnd: []byte{0x1f, 0x20, 0x03, 0xd5, 0xe0, 0x03, 0x13, 0xaa},
}

func conventionOf(m elf.Machine) *convention {
	if m == elf.EM_AARCH64 {
		return &arm64
	}
	return &amd64
}

// registers are a frame's, as far as they are known.
type registers struct {
	value [regCount]uint64
	known [regCount]bool
}

func fromCore(r elfcore.Registers) (regs registers) {
	for n := range regCount {
		if v, ok := r.ByDWARF(n); ok {
			regs.set(n, v)
		}
	}
	return regs
}

func (r *registers) get(n int) (uint64, bool) {
	if n < 0 || n >= regCount {
		return 0, false
	}
	return r.value[n], r.known[n]
}

func (r *registers) set(n int, v uint64) { r.value[n], r.known[n] = v, true }

// address is a register that the walk has made sure of.
func (r *registers) address(n int) place.Address { return place.Address(r.value[n]) }
