package elfcore

import (
	"debug/elf"

	"github.com/inquest-project/inquest/internal/ground/cursor"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// Thread is one thread at the moment of death.
type Thread struct {
	TID    int
	Signal int // the signal that it was handling; 0 for threads that were only stopped
	Regs   Registers
}

// Registers are a thread's integer registers. The zero value knows none.
type Registers struct {
	layout *layout
	values []uint64 // in the layout's order
}

// layout is how a machine's registers stand in NT_PRSTATUS and what DWARF calls them.
type layout struct {
	names      []string // in the note's order
	dwarf      []int    // index into names by DWARF number; -1 where the note has none
	pc, sp, fp int      // indices into names
}

// amd64 is struct user_regs_struct (asm/user_64.h) and the DWARF numbers of the System V psABI for
// x86-64, figure 3.36: rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 to r15, return address.
var amd64 = layout{
	names: []string{"r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx",
		"rsi", "rdi", "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs"},
	dwarf: []int{10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0, 16},
	pc:    16, sp: 19, fp: 4,
}

// arm64 is struct user_pt_regs (asm/ptrace.h) and the DWARF numbers of the Arm 64-bit architecture's DWARF
// document (aadwarf64, section 4.1), which has the program counter as 32.
var arm64 = layout{
	names: []string{"x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16",
		"x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "x30", "sp", "pc", "pstate"},
	dwarf: []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32},
	pc:    32, sp: 31, fp: 29,
}

// layouts by machine: a new machine is a new entry here.
var layouts = map[elf.Machine]*layout{elf.EM_X86_64: &amd64, elf.EM_AARCH64: &arm64}

// PC is the address of the next instruction.
func (r Registers) PC() place.Address { return r.at(func(l *layout) int { return l.pc }) }

// SP is the stack pointer.
func (r Registers) SP() place.Address { return r.at(func(l *layout) int { return l.sp }) }

// FP is the register that code with frame pointers keeps the frame pointer in.
func (r Registers) FP() place.Address { return r.at(func(l *layout) int { return l.fp }) }

func (r Registers) at(index func(*layout) int) place.Address {
	if r.layout == nil {
		return 0
	}
	return place.Address(r.values[index(r.layout)])
}

// ByDWARF is the register with the number that call frame information uses.
func (r Registers) ByDWARF(n int) (uint64, bool) {
	if r.layout == nil || n < 0 || n >= len(r.layout.dwarf) {
		return 0, false
	}
	return r.values[r.layout.dwarf[n]], true
}

// Named is every register by the processor's name for it, in lower case.
func (r Registers) Named() map[string]uint64 {
	named := make(map[string]uint64, len(r.values))
	for i, v := range r.values {
		named[r.layout.names[i]] = v
	}
	return named
}

// DWARFNames are the names of the registers that call frame information numbers, by number.
func (r Registers) DWARFNames() []string {
	if r.layout == nil {
		return nil
	}
	names := make([]string, len(r.layout.dwarf))
	for n, i := range r.layout.dwarf {
		names[n] = r.layout.names[i]
	}
	return names
}

// readThread decodes struct elf_prstatus. The first thread's signal is the process's, until
// NT_SIGINFO says more.
func (c *Core) readThread(r *cursor.Reader) {
	r.Skip(12) // elf_siginfo: signal, code and errno of what pr_cursig says too
	t := Thread{Signal: int(r.Uint16())}
	r.Skip(2 + 8 + 8) // padding, pending and held signals
	t.TID = int(r.Uint32())
	r.Skip(3*4 + 4*16) // parent, process group, session; four times of day
	t.Regs = readRegisters(r, layouts[c.Machine])
	if r.Err() != nil {
		return
	}
	if len(c.Threads) == 0 && c.Signal.Number == 0 {
		c.Signal.Number = t.Signal
	}
	c.Threads = append(c.Threads, t)
}

func readRegisters(r *cursor.Reader, l *layout) Registers {
	values := make([]uint64, len(l.names))
	for i := range values {
		values[i] = r.Uint64()
	}
	return Registers{layout: l, values: values}
}
