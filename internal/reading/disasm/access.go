package disasm

import "golang.org/x/arch/x86/x86asm"

// Access is memory that an instruction touches.
type Access struct {
	Address uint64
	Size    int  // in bytes; 0 where the instruction doesn't say
	Write   bool // it writes, or reads and writes: the processor reports a fault of such a one as a write
}

// Accesses is the memory that an instruction touches, given the registers before it. What depends on a
// register that reg doesn't know is left out. Segment bases other than fs and gs are zero in 64-bit code;
// those two are asked for as x86asm.FS and x86asm.GS.
func (i Instruction) Accesses(reg func(x86asm.Reg) (uint64, bool)) []Access {
	var all []Access
	add := func(address uint64, ok, write bool, size int) {
		if ok {
			all = append(all, Access{Address: address, Size: size, Write: write})
		}
	}
	for n, arg := range i.Args {
		if mem, ok := arg.(x86asm.Mem); ok && i.touches() {
			address, known := i.effective(mem, reg)
			add(address, known, n == 0 && i.writesFirst(), i.MemBytes)
		}
	}
	const word = 8
	sp, spKnown := reg(x86asm.RSP)
	switch i.Op {
	case x86asm.CALL, x86asm.PUSH, x86asm.PUSHFQ:
		add(sp-word, spKnown, true, word)
	case x86asm.RET, x86asm.POP, x86asm.POPFQ:
		add(sp, spKnown, false, word)
	case x86asm.LEAVE:
		bp, ok := reg(x86asm.RBP)
		add(bp, ok, false, word)
	}
	return all
}

// effective is the address that a memory operand means.
func (i Instruction) effective(mem x86asm.Mem, reg func(x86asm.Reg) (uint64, bool)) (uint64, bool) {
	address := uint64(mem.Disp)
	for _, part := range []struct {
		reg   x86asm.Reg
		scale uint64
	}{{mem.Base, 1}, {mem.Index, uint64(mem.Scale)}, {segmentBase(mem.Segment), 1}} {
		switch part.reg {
		case 0:
		case x86asm.RIP:
			address += i.Next()
		default:
			v, ok := reg(part.reg)
			if !ok {
				return 0, false
			}
			address += v * part.scale
		}
	}
	return address, true
}

func segmentBase(segment x86asm.Reg) x86asm.Reg {
	if segment == x86asm.FS || segment == x86asm.GS {
		return segment
	}
	return 0
}

// touches says whether a memory operand is really accessed.
func (i Instruction) touches() bool { return i.Op != x86asm.LEA && i.Op != x86asm.NOP }

// writesFirst says whether the instruction writes to its first operand. The list is of those that only
// read it.
func (i Instruction) writesFirst() bool {
	switch i.Op {
	case x86asm.CMP, x86asm.TEST, x86asm.BT, x86asm.CALL, x86asm.JMP, x86asm.PUSH, x86asm.UCOMISS, x86asm.UCOMISD,
		x86asm.COMISS, x86asm.COMISD, x86asm.PTEST, x86asm.DIV, x86asm.IDIV, x86asm.MUL, x86asm.FLD, x86asm.FILD,
		x86asm.LDMXCSR, x86asm.PREFETCHNTA, x86asm.PREFETCHT0, x86asm.PREFETCHT1, x86asm.PREFETCHT2,
		x86asm.PREFETCHW, x86asm.CMPSB, x86asm.CMPSW, x86asm.CMPSD, x86asm.CMPSQ,
		x86asm.SCASB, x86asm.SCASW, x86asm.SCASD, x86asm.SCASQ:
		return false
	case x86asm.IMUL: // with one operand it multiplies rax by it
		return i.Args[1] != nil
	}
	return true
}
