package disasm

import (
	"bytes"
	"encoding/binary"
	"regexp"

	"golang.org/x/arch/x86/x86asm"
)

// amd64's registers have the numbers of the System V psABI for x86-64, figure 3.36; its calls take arguments as
// in section 3.2.3.
var amd64 = Machine{
	Name:       "x86_64",
	SystemCall: 0,
	Link:       -1,
	Registers:  []string{"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"},
	Arguments:  []int{5, 4, 1, 2, 8, 9},
	Longest:    longestAMD64,
	unit:       1,
	decode:     decodeAMD64,
	callSizes:  []int{2, 3, 4, 5, 6, 7, 8},
	stub:       stubAMD64,
	frameSize:  frameSizeAMD64,
	jumpsInto:  jumpsIntoAMD64,
}

// encodedAMD64 are those numbers in the order in which instructions encode the registers.
var encodedAMD64 = [...]int{0, 2, 1, 3, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15}

// FSBase and GSBase are the numbers of x86-64's two segment bases; all others are zero in 64-bit code.
const FSBase, GSBase = 58, 59

// registerAMD64 is the number of an integer register, and the size of the part of it that is named; of ah and
// its kind, which are no lower part, the size is 0. The number is -1 for other registers.
func registerAMD64(r x86asm.Reg) (n, size int) {
	switch {
	case r >= x86asm.RAX && r <= x86asm.R15:
		return encodedAMD64[r-x86asm.RAX], 8
	case r >= x86asm.EAX && r <= x86asm.R15L:
		return encodedAMD64[r-x86asm.EAX], 4
	case r >= x86asm.AX && r <= x86asm.R15W:
		return encodedAMD64[r-x86asm.AX], 2
	case r >= x86asm.SPB && r <= x86asm.R15B:
		return encodedAMD64[r-x86asm.SPB+4], 1
	case r >= x86asm.AL && r <= x86asm.BL:
		return encodedAMD64[r-x86asm.AL], 1
	case r >= x86asm.AH && r <= x86asm.BH:
		return encodedAMD64[r-x86asm.AH], 0
	case r == x86asm.FS:
		return FSBase, 8
	case r == x86asm.GS:
		return GSBase, 8
	}
	return -1, 0
}

// valueAMD64 is what a register holds.
func valueAMD64(r x86asm.Reg, regs Registers) (uint64, bool) {
	n, size := registerAMD64(r)
	if size == 0 {
		return 0, false
	}
	v, ok := regs(n)
	return lowest(v, size), ok
}

// lowest is the lowest bytes of a word.
func lowest(v uint64, bytes int) uint64 { return v & (^uint64(0) >> (64 - 8*bytes)) }

// amd64Op is a decoded instruction of x86-64.
type amd64Op struct{ x86asm.Inst }

// endbr64 and endbr32 mark where indirect jumps may land (Intel CET). The decoder doesn't know them.
var endbr64, endbr32 = []byte{0xf3, 0x0f, 0x1e, 0xfa}, []byte{0xf3, 0x0f, 0x1e, 0xfb}

func decodeAMD64(code []byte, at uint64) (Instruction, bool) {
	if bytes.HasPrefix(code, endbr64) || bytes.HasPrefix(code, endbr32) {
		return Instruction{At: at, Len: len(endbr64), Padding: true, operation: amd64Op{x86asm.Inst{Op: x86asm.NOP, Len: len(endbr64)}}}, true
	}
	inst, err := x86asm.Decode(code[:min(longestAMD64, len(code))], 64)
	if err != nil || inst.Op == 0 || inst.Len == 0 {
		return Instruction{At: at}, false
	}
	i := Instruction{At: at, Len: inst.Len, Flow: flowAMD64(inst.Op), operation: amd64Op{inst}}
	i.Padding = isPaddingAMD64(inst)
	if i.Flow == Calls || i.Flow == Jumps || i.Flow == Branches {
		switch arg := inst.Args[0].(type) {
		case x86asm.Rel:
			i.Direct, i.Target = true, i.Next()+uint64(int64(arg))
		case x86asm.Mem:
			if arg.Base == x86asm.RIP {
				i.Slot = i.Next() + uint64(arg.Disp)
			}
		}
	}
	return i, true
}

// longestAMD64 is the most bytes that an instruction can have.
const longestAMD64 = 15

func flowAMD64(op x86asm.Op) Flow {
	switch op {
	case x86asm.CALL, x86asm.LCALL:
		return Calls
	case x86asm.JMP, x86asm.LJMP:
		return Jumps
	case x86asm.JA, x86asm.JAE, x86asm.JB, x86asm.JBE, x86asm.JCXZ, x86asm.JE, x86asm.JECXZ, x86asm.JG,
		x86asm.JGE, x86asm.JL, x86asm.JLE, x86asm.JNE, x86asm.JNO, x86asm.JNP, x86asm.JNS, x86asm.JO,
		x86asm.JP, x86asm.JRCXZ, x86asm.JS, x86asm.LOOP, x86asm.LOOPE, x86asm.LOOPNE:
		return Branches
	case x86asm.RET, x86asm.LRET, x86asm.IRET, x86asm.IRETD, x86asm.IRETQ:
		return Returns
	case x86asm.UD2, x86asm.HLT, x86asm.UD1:
		return Stops
	}
	return GoesOn
}

func isPaddingAMD64(i x86asm.Inst) bool {
	if i.Op == x86asm.XCHG && i.Args[0] == i.Args[1] { // 66 90
		return true
	}
	return i.Op == x86asm.NOP || i.Op == x86asm.UD2 || i.Op == x86asm.HLT || i.Op == x86asm.INT
}

// stubAMD64 knows [endbr64] [bnd] jmp *slot(%rip).
func stubAMD64(m *Machine, code []byte, at uint64) (slot uint64, ok bool) {
	const stubInstructions = 2
	for range stubInstructions {
		i, decoded := m.decode(code, at)
		if !decoded {
			return 0, false
		}
		if i.Flow == Jumps {
			return i.Slot, i.Slot != 0
		}
		if i.operation.(amd64Op).Op != x86asm.NOP {
			return 0, false
		}
		code, at = code[i.Len:], i.Next()
	}
	return 0, false
}

func frameSizeAMD64(i Instruction) uint64 {
	switch op := i.operation.(amd64Op); op.Op {
	case x86asm.PUSH:
		return 8
	case x86asm.SUB:
		if n, ok := op.Args[1].(x86asm.Imm); ok && op.Args[0] == x86asm.RSP {
			return uint64(n)
		}
	}
	return 0
}

func jumpsIntoAMD64(code []byte, at, start, end uint64) bool {
	for n := 1; n+4 <= len(code); n++ {
		next := at + uint64(n) + 4
		target := next + uint64(int64(int32(binary.LittleEndian.Uint32(code[n:]))))
		if target < start || target >= end || next > start && next <= end {
			continue
		}
		long := n >= 2 && code[n-2] == 0x0f && code[n-1]&0xf0 == 0x80 // jcc rel32
		if long || code[n-1] == 0xe9 {                                // jmp rel32
			return true
		}
	}
	return false
}

// text is GNU's syntax, mended: the library prints nothing for an address that is 0 and made of no register.
func (op amd64Op) text(at uint64) string {
	text := x86asm.GNUSyntax(op.Inst, at, nil)
	for _, arg := range op.Args {
		if mem, ok := arg.(x86asm.Mem); ok && mem.Base == 0 && mem.Index == 0 && mem.Disp == 0 {
			return nowhere.ReplaceAllString(text, "${1}0x0$2")
		}
	}
	return text
}

// nowhere is where an operand is left out: behind a space, a comma or a segment, before a comma or the end.
var nowhere = regexp.MustCompile(`([ ,:])(,|$)`)

// accesses asks for the bases of fs and gs as FSBase and GSBase.
func (op amd64Op) accesses(at uint64, regs Registers) []Access {
	var all []Access
	for n, arg := range op.Args {
		if mem, ok := arg.(x86asm.Mem); ok && op.touches() {
			if a, known := op.effective(mem, at, regs); known {
				a.Write, a.Size = n == 0 && op.writesFirst(), op.MemBytes
				all = append(all, a)
			}
		}
	}
	const word, rbp, rsp = 8, 6, 7
	implied := func(register int, distance uint64, write bool) {
		if v, ok := regs(register); ok {
			all = append(all, Access{Address: v - distance, Size: word, Write: write, By: []int{register}})
		}
	}
	switch op.Op {
	case x86asm.CALL, x86asm.PUSH, x86asm.PUSHFQ:
		implied(rsp, word, true)
	case x86asm.RET, x86asm.POP, x86asm.POPFQ:
		implied(rsp, 0, false)
	case x86asm.LEAVE:
		implied(rbp, 0, false)
	}
	return all
}

// effective is the address that a memory operand means.
func (op amd64Op) effective(mem x86asm.Mem, at uint64, regs Registers) (Access, bool) {
	a := Access{Address: uint64(mem.Disp)}
	for _, part := range []struct {
		reg   x86asm.Reg
		scale uint64
	}{{mem.Base, 1}, {mem.Index, uint64(mem.Scale)}, {segmentBase(mem.Segment), 1}} {
		switch part.reg {
		case 0:
		case x86asm.RIP:
			a.Address += at + uint64(op.Len)
		default:
			v, ok := valueAMD64(part.reg, regs)
			if !ok {
				return Access{}, false
			}
			n, _ := registerAMD64(part.reg)
			a.Address += v * part.scale
			a.By = append(a.By, n)
		}
	}
	return a, true
}

func segmentBase(segment x86asm.Reg) x86asm.Reg {
	if segment == x86asm.FS || segment == x86asm.GS {
		return segment
	}
	return 0
}

// touches says whether a memory operand is really accessed.
func (op amd64Op) touches() bool {
	return op.Op != x86asm.LEA && op.Op != x86asm.NOP && op.Op != x86asm.UD1
}

// writesFirst says whether the instruction writes to its first operand. The list is of those that only
// read it.
func (op amd64Op) writesFirst() bool {
	switch op.Op {
	case x86asm.CMP, x86asm.TEST, x86asm.BT, x86asm.CALL, x86asm.JMP, x86asm.PUSH, x86asm.UCOMISS, x86asm.UCOMISD,
		x86asm.COMISS, x86asm.COMISD, x86asm.PTEST, x86asm.DIV, x86asm.IDIV, x86asm.MUL, x86asm.FLD, x86asm.FILD,
		x86asm.LDMXCSR, x86asm.PREFETCHNTA, x86asm.PREFETCHT0, x86asm.PREFETCHT1, x86asm.PREFETCHT2,
		x86asm.PREFETCHW, x86asm.CMPSB, x86asm.CMPSW, x86asm.CMPSD, x86asm.CMPSQ,
		x86asm.SCASB, x86asm.SCASW, x86asm.SCASD, x86asm.SCASQ:
		return false
	case x86asm.IMUL: // with one operand it multiplies rax by it
		return op.Args[1] != nil
	}
	return true
}

func (op amd64Op) goes(at uint64, regs Registers, read Memory) (uint64, bool) {
	if reg, ok := op.Args[0].(x86asm.Reg); ok && op.Op != x86asm.RET {
		return valueAMD64(reg, regs)
	}
	for _, a := range op.accesses(at, regs) {
		if !a.Write {
			return read(a.Address)
		}
	}
	return 0, false
}

func (op amd64Op) track(at uint64, values map[int]uint64) {
	first, ok := op.Args[0].(x86asm.Reg)
	if !ok || !op.writesFirst() {
		return
	}
	to, size := registerAMD64(first)
	switch from := op.Args[1].(type) {
	case x86asm.Imm:
		if op.Op == x86asm.MOV && size >= 4 {
			values[to] = lowest(uint64(from), size)
			return
		}
	case x86asm.Reg:
		v, known := valueAMD64(from, func(n int) (uint64, bool) { v, ok := values[n]; return v, ok })
		if known && op.Op == x86asm.MOV && size >= 4 {
			values[to] = lowest(v, size)
			return
		}
	case x86asm.Mem:
		if op.Op == x86asm.LEA && from.Base == x86asm.RIP {
			values[to] = at + uint64(op.Len) + uint64(from.Disp)
			return
		}
	}
	delete(values, to)
}

// trap is the displacement in ud1's operand: clang writes ud1l code(%eax),%eax.
func (op amd64Op) trap() (code int, ok bool) {
	for _, arg := range op.Args {
		if mem, ok := arg.(x86asm.Mem); ok && op.Op == x86asm.UD1 {
			return int(mem.Disp), true
		}
	}
	return 0, false
}

func (op amd64Op) division(at uint64, regs Registers, read Memory) (Division, bool) {
	if op.Op != x86asm.DIV && op.Op != x86asm.IDIV {
		return Division{}, false
	}
	switch arg := op.Args[0].(type) {
	case x86asm.Reg:
		v, ok := valueAMD64(arg, regs)
		_, size := registerAMD64(arg)
		return Division{Divisor: v, Size: size}, ok
	case x86asm.Mem:
		if a, ok := op.effective(arg, at, regs); ok && op.MemBytes > 0 && op.MemBytes <= 8 {
			v, ok := read(a.Address)
			return Division{Divisor: lowest(v, op.MemBytes), Size: op.MemBytes}, ok
		}
	}
	return Division{}, false
}
