package death

import (
	"debug/elf"
	"slices"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
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
	pc := s.frame().PC
	i, known := s.instruction(pc)
	if s.signal.Address == nil && !s.signal.HasCode {
		s.signal.Address = s.refusedAddress(i)
	}
	m := &finding.Mechanism{Kind: finding.Fault, Address: s.signal.Address}
	if known && s.im.Code(pc) {
		m.Instruction = i.Text()
	}
	switch target, jumps := i.Goes(s.register, s.word); {
	case s.outOfStack():
		m.Kind, m.Repeats = finding.StackOverflow, s.repeats()
	case !s.im.Code(pc):
		s.executed(m, pc)
	case !known:
		s.accessed(m, nil)
	case i.Flow == disasm.Stops, s.protection() && !jumps && len(i.Accesses(s.register)) == 0:
		s.refused(m)
	case jumps && !canonical(place.Address(target)):
		// The processor refuses such an address while it still stands at the jump, and doesn't tell it.
		s.executed(m, place.Address(target))
	default:
		s.accessed(m, s.access(i, m.Address))
	}
	return m
}

// refusedAddress is the address that an instruction could not have, where the core doesn't tell it: qemu's cores hold no
// siginfo.
func (s *scene) refusedAddress(i disasm.Instruction) *place.Address {
	for _, a := range i.Accesses(s.register) {
		address := place.Address(a.Address)
		rights, mapped := s.im.Flags(address)
		if !mapped || rights&elf.PF_R == 0 || a.Write && rights&elf.PF_W == 0 {
			return &address
		}
	}
	return nil
}

// protection says whether the signal is a general protection fault: the kernel sends it without an address.
func (s *scene) protection() bool {
	return s.signal.HasCode && s.signal.Code == elfcore.SentByKernel && s.signal.Address == nil
}

// refused is an instruction that the processor answers with a general protection fault: hlt, by which musl dies.
func (s *scene) refused(m *finding.Mechanism) {
	m.Kind, m.Detail = finding.IllegalCode, finding.Privileged
	if s.inAllocator() {
		m.Kind, m.Detail = finding.AllocatorCheck, ""
	} else if s.frame().Symbol == "__stack_chk_fail" {
		m.Kind, m.Detail = finding.StackProtector, ""
	}
}

// executed is a jump, call or return to where no code is.
func (s *scene) executed(m *finding.Mechanism, target place.Address) {
	m.Kind, m.Access, m.Address = finding.FaultExecute, "execute", &target
	switch {
	case target < nullPage:
		m.Kind = finding.FaultNull
	case !canonical(target):
		m.Detail, m.Pattern = finding.NonCanonical, s.pattern(uint64(target))
	case s.im.Mapped(target):
		m.Detail = finding.NotExecutable
	default:
		m.Pattern = s.pattern(uint64(target))
	}
}

// accessed names an access by whether it wrote, where, and by which register; access is nil where it isn't known.
func (s *scene) accessed(m *finding.Mechanism, access *disasm.Access) {
	if access != nil {
		m.Kind, m.Access, m.Size = finding.FaultRead, "read", access.Size
		if access.Write {
			m.Kind, m.Access = finding.FaultWrite, "write"
		}
		address := place.Address(access.Address)
		if m.Address == nil && (!canonical(address) || s.misaligned(*access)) {
			m.Address = &address
		}
		s.beyond = s.fromPointer(access.By)
		s.by(m, access.By)
	}
	if m.Address == nil {
		return
	}
	if m.Detail = s.detail(m, access); s.inAllocator() {
		m.Detail = finding.InAllocator
	}
	if *m.Address < nullPage {
		m.Kind = finding.FaultNull
	}
	if m.Kind == finding.FaultNull && access != nil && access.Write && s.constant(access.By) {
		s.onPurpose(m, access.Size)
	}
}

// constant says whether an address stands in the code itself: it was made of no register, or of one that the straight code
// before sets to a constant.
func (s *scene) constant(by []int) bool {
	f := s.frame()
	values := s.constantsUpTo(f, f.PC)
	return !slices.ContainsFunc(by, func(n int) bool { _, known := values[n]; return !known })
}

// onPurpose is a write to a low address that stands in the code. Where no field can lie, or where it was told before why,
// no pointer was null there: it can't but fail. Else a compiler may have known that a pointer was null. What was said
// before stands with the call before, as a helper's message does with its own.
//
// Seen in HAProxy, whose BUG_ON prints the condition and writes to address 1.
func (s *scene) onPurpose(m *finding.Mechanism, size int) {
	said := s.saidBefore()
	if odd := uint64(*m.Address)%uint64(max(size, 2)) != 0; odd || *m.Address == 0 && said != "" {
		m.Kind, m.Detail, m.Message = finding.Abort, finding.OnPurpose, said
	}
}

// saidBefore is the text that the running function told one that it called right before.
func (s *scene) saidBefore() string {
	const shortest = 8
	f := s.frame()
	size := int(f.PC - f.FunctionStart)
	if f.FunctionStart == 0 || size <= 0 || size > longestFunction {
		return ""
	}
	code := s.im.Bytes(f.FunctionStart, size)
	for _, i := range slices.Backward(s.machine.Function(code, uint64(f.FunctionStart)).Instructions) {
		if i.Leaves() && i.Flow != disasm.Calls {
			return ""
		}
		if i.Flow == disasm.Calls {
			f.PC = place.Address(i.Next())
			if message, _ := s.told(f); len(message) >= shortest {
				return message
			}
		}
	}
	return ""
}

// by names the register that led astray: the one whose value is junk by its looks, else how far it was to go from a pointer,
// else the base.
func (s *scene) by(m *finding.Mechanism, registers []int) {
	for n := len(registers) - 1; n >= 0; n-- {
		v, ok := s.register(registers[n])
		if !ok || registers[n] >= len(s.machine.Registers) {
			continue
		}
		off := s.beyond && !s.im.Mapped(place.Address(v)) && m.Register == ""
		if pattern := s.pattern(v); n == 0 && !s.beyond || off || pattern != "" {
			value := place.Address(v)
			m.Register, m.Value, m.Pattern = s.machine.Registers[registers[n]], &value, pattern
		}
		if m.Pattern != "" {
			return
		}
	}
}

// detail says why an address failed.
func (s *scene) detail(m *finding.Mechanism, access *disasm.Access) string {
	flags, mapped := s.im.Flags(*m.Address)
	switch {
	case !canonical(*m.Address):
		return finding.NonCanonical
	case access != nil && s.signal.Address == nil && s.misaligned(*access):
		return finding.Misaligned
	case mapped && flags&elf.PF_W == 0 && m.Access == "write":
		return finding.ReadOnly
	case mapped && flags == 0:
		return finding.NoAccess
	}
	return ""
}

// misaligned says whether an access is refused for where it lies: those of 16 bytes and more may be.
func (s *scene) misaligned(a disasm.Access) bool {
	const least = 16
	return a.Size >= least && a.Address%least != 0 && s.im.Mapped(place.Address(a.Address))
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
		if above != nil && above.Flags == 0 { // a guard
			above = s.im.SegmentAbove(above.Start)
		}
		return above != nil && above.Start-a <= distance && s.writable(above.Start)
	}
	if !s.writable(sp) {
		// However large the frame is, it ends in the stack.
		end := s.frame().CFA
		return below(sp, farthest) || end > sp && below(sp, end-sp)
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
	taken, ok := s.cameBack(f.SP, s.register)
	return ok && taken == f.PC
}

// cameBack is the address that the last return went to, or goes to: it is in the link register, or was taken from the
// stack.
func (s *scene) cameBack(sp place.Address, regs disasm.Registers) (place.Address, bool) {
	if s.machine.Link < 0 {
		taken, ok := s.im.Uint64(sp - 8)
		return place.Address(taken), ok
	}
	link, ok := regs(s.machine.Link)
	return place.Address(link), ok
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

// fromPointer says whether an address was made of a pointer to memory that is there and of how far to go from it: then that is
// what is wrong, and it was not the pointer that was damaged.
func (s *scene) fromPointer(by []int) bool {
	return len(by) > 1 && slices.ContainsFunc(by, func(n int) bool {
		v, known := s.register(n)
		return known && v >= nullPage && s.im.Mapped(place.Address(v))
	})
}

// wild says whether an address is junk: nothing that can be used is there or next to it. What lies next to a mapping
// was reached by going too far.
func (s *scene) wild(a place.Address) bool {
	return !s.usable(a) && !s.usable(a-pageSize) && !s.usable(a+pageSize) && !s.reserved(a)
}

// usable says whether an address is mapped, and not without any rights, as guards are and what allocators reserve.
func (s *scene) usable(a place.Address) bool {
	flags, told := s.im.Flags(a)
	return s.im.Mapped(a) && (!told || flags != 0)
}

// reserved says whether an address lies in memory without rights that was reached, however far it is, from memory beside it: a
// register holds a pointer to that.
func (s *scene) reserved(a place.Address) bool {
	reserve := s.im.Segment(a)
	if reserve == nil {
		return false
	}
	below, above := s.im.Segment(reserve.Start-1), s.im.Segment(reserve.End)
	for n := range s.machine.Registers {
		v, known := s.register(n)
		if held := s.im.Segment(place.Address(v)); known && held != nil && held.Flags != 0 && (held == below || held == above) {
			return true
		}
	}
	return false
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
