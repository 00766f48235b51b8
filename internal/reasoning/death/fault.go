package death

import (
	"golang.org/x/arch/x86/x86asm"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/disasm"
	"github.com/inquest-project/inquest/internal/reading/unwind"
)

const (
	// nullPage is where a null pointer's fields lie: the lowest 64 KiB are never mapped
	// (vm.mmap_min_addr).
	nullPage = 64 << 10

	pageSize = 4096

	// recursionLeast is how many rounds of the same frames are a runaway recursion.
	recursionLeast = 200
)

// faulted tells what kind of access failed, from the signal's address and the instruction.
func (s *scene) faulted() *finding.Mechanism {
	m := &finding.Mechanism{Kind: finding.Fault, Address: s.signal.Address}
	if s.outOfStack() {
		m.Kind, m.Repeats = finding.StackOverflow, s.repeats()
		return m
	}
	pc := s.frame().PC
	if !s.im.Code(pc) {
		return executed(m, pc)
	}
	const longest = 16
	i, ok := disasm.Decode(s.im.Bytes(pc, longest), uint64(pc))
	if !ok {
		return accessed(m, nil)
	}
	if target, ok := s.jumpedTo(i); ok && !s.im.Code(target) && !canonical(target) {
		return executed(m, target)
	}
	return accessed(m, s.access(i, m.Address))
}

// executed is a jump, call or return to where no code is.
func executed(m *finding.Mechanism, target place.Address) *finding.Mechanism {
	m.Kind, m.Access, m.Address = finding.FaultExecute, "execute", &target
	if target < nullPage {
		m.Kind = finding.FaultNull
	}
	return m
}

// accessed names an access by whether it wrote and where; nil where the access isn't known.
func accessed(m *finding.Mechanism, access *disasm.Access) *finding.Mechanism {
	if access != nil {
		m.Kind, m.Access = finding.FaultRead, "read"
		if access.Write {
			m.Kind, m.Access = finding.FaultWrite, "write"
		}
		if m.Address == nil && !canonical(place.Address(access.Address)) {
			address := place.Address(access.Address)
			m.Address = &address
		}
	}
	if m.Address != nil && *m.Address < nullPage {
		m.Kind = finding.FaultNull
	}
	return m
}

// outOfStack says whether the thread ran out of stack: it touched what lies right below a stack, or its
// stack pointer has left the stack downwards. A stack pointer that is junk lies below no stack.
func (s *scene) outOfStack() bool {
	const (
		guard    = 64 << 10 // what an overflow may skip without its pointer leaving the stack
		farthest = 64 << 20 // what a large local array may skip
	)
	sp := s.frame().SP
	below := func(a place.Address, distance place.Address) bool {
		if s.writable(a) {
			return false
		}
		above := s.im.SegmentAbove(a)
		return above != nil && above.Start-a <= distance && s.writable(above.Start)
	}
	if !s.writable(sp) {
		return below(sp, farthest)
	}
	a := s.signal.Address
	return a != nil && *a < sp && sp-*a < guard && below(*a, guard)
}

// repeats is how many rounds the recursion made; 0 if there is none.
func (s *scene) repeats() int {
	most := 0
	for _, f := range s.stack.Frames[s.first:] {
		most = max(most, f.Repeats)
	}
	return most
}

// jumpedTo is where a jump, call or return through a register or memory leads. The processor refuses an
// address that is not canonical while it still stands at the instruction, and doesn't tell the address.
func (s *scene) jumpedTo(i disasm.Instruction) (place.Address, bool) {
	switch {
	case i.Op == x86asm.RET:
		v, ok := s.im.Uint64(s.frame().SP)
		return place.Address(v), ok
	case !i.IsCall() && i.Op != x86asm.JMP:
		return 0, false
	}
	if reg, ok := i.Args[0].(x86asm.Reg); ok {
		v, known := registerOf(s.frame(), reg)
		return place.Address(v), known
	}
	for _, a := range i.Accesses(func(r x86asm.Reg) (uint64, bool) { return registerOf(s.frame(), r) }) {
		if v, ok := s.im.Uint64(place.Address(a.Address)); ok && !a.Write {
			return place.Address(v), true
		}
	}
	return 0, false
}

// returned says whether control came to a place without code by a return, or failed to go there: the word
// that a return takes, or has taken, is the junk. The function's own frame was overrun then.
func (s *scene) returned() bool {
	f := s.frame()
	if s.im.Code(f.PC) {
		i, _ := disasm.Decode(s.im.Bytes(f.PC, 16), uint64(f.PC))
		return i.Op == x86asm.RET
	}
	taken, ok := s.im.Uint64(f.SP - 8)
	return ok && place.Address(taken) == f.PC
}

// canonical says whether an address can exist: its upper bits repeat bit 47.
func canonical(a place.Address) bool {
	upper := int64(a) >> 47
	return upper == 0 || upper == -1
}

// access is the one of an instruction's accesses that faulted: the one at the fault's address, or one that
// can't exist, or the only one; nil if that can't be told.
func (s *scene) access(i disasm.Instruction, fault *place.Address) *disasm.Access {
	all := i.Accesses(func(r x86asm.Reg) (uint64, bool) { return registerOf(s.frame(), r) })
	for n, a := range all {
		if fault == nil && !canonical(place.Address(a.Address)) {
			return &all[n]
		}
		if fault != nil && uint64(*fault)-a.Address < uint64(max(1, a.Size)) {
			return &all[n]
		}
	}
	if len(all) == 1 {
		return &all[0]
	}
	return nil
}

// wild says whether an address is junk: nothing is mapped there or next to it. What lies next to a mapping
// was reached by going too far.
func (s *scene) wild(a place.Address) bool {
	return !s.im.Mapped(a) && !s.im.Mapped(a-pageSize) && !s.im.Mapped(a+pageSize)
}

// dwarfNumbers are the numbers of the 64-bit registers in unwind tables (System V psABI for x86-64, figure
// 3.36).
var dwarfNumbers = map[x86asm.Reg]int{
	x86asm.RAX: 0, x86asm.RDX: 1, x86asm.RCX: 2, x86asm.RBX: 3, x86asm.RSI: 4, x86asm.RDI: 5, x86asm.RBP: 6, x86asm.RSP: 7,
	x86asm.R8: 8, x86asm.R9: 9, x86asm.R10: 10, x86asm.R11: 11, x86asm.R12: 12, x86asm.R13: 13, x86asm.R14: 14, x86asm.R15: 15,
}

func registerOf(f unwind.Frame, r x86asm.Reg) (uint64, bool) {
	n, ok := dwarfNumbers[r]
	if !ok {
		return 0, false
	}
	return f.Reg(n)
}
