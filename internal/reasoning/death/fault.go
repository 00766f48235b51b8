package death

import (
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/disasm"
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
	i, ok := s.instruction(pc)
	if !ok {
		return accessed(m, nil)
	}
	// The processor refuses an address that can't exist while it still stands at the jump, and doesn't tell it.
	if target, ok := i.Goes(s.register, s.word); ok && !canonical(place.Address(target)) {
		return executed(m, place.Address(target))
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

// returned says whether control came to a place without code by a return, or failed to go there: the word
// that a return takes, or has taken, is the junk. The function's own frame was overrun then.
func (s *scene) returned() bool {
	f := s.frame()
	if s.im.Code(f.PC) {
		i, _ := s.instruction(f.PC)
		return i.Flow == disasm.Returns
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
	all := i.Accesses(s.register)
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

// instruction decodes the one at an address.
func (s *scene) instruction(at place.Address) (disasm.Instruction, bool) {
	return s.machine.Decode(s.im.Bytes(at, s.machine.Longest), uint64(at))
}

// register is what a register held at that moment. The bases of segments never change.
func (s *scene) register(n int) (uint64, bool) {
	switch n {
	case disasm.FSBase:
		v, ok := s.stack.Regs.Named()["fs_base"]
		return v, ok
	case disasm.GSBase:
		v, ok := s.stack.Regs.Named()["gs_base"]
		return v, ok
	}
	return s.frame().Reg(n)
}

func (s *scene) word(a uint64) (uint64, bool) { return s.im.Uint64(place.Address(a)) }
