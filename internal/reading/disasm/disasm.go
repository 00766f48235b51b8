// Package disasm reads machine code as far as a post-mortem needs it: where a function's control goes,
// whom it calls, and which memory an instruction touches. Function decodes a whole function, Decode one
// instruction, EndsInCall tells whether an address can be a return address.
//
// x86-64 only; decoding is golang.org/x/arch's, semantics are those of the Intel manual, volume 2. Code
// is untrusted: bytes that are no instruction are passed over one by one, and questions about a function
// that holds such bytes are answered in the cautious way, which each question states.
package disasm

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/arch/x86/x86asm"
)

// Instruction is a decoded instruction and where it stands.
type Instruction struct {
	At uint64
	x86asm.Inst
}

// longest is the most bytes that an x86 instruction can have.
const longest = 15

// endbr64 and endbr32 mark where indirect jumps may land (Intel CET). The decoder doesn't know them.
var endbr64, endbr32 = []byte{0xf3, 0x0f, 0x1e, 0xfa}, []byte{0xf3, 0x0f, 0x1e, 0xfb}

// Decode decodes the instruction at the beginning of code, which stands at address at.
func Decode(code []byte, at uint64) (Instruction, bool) {
	if bytes.HasPrefix(code, endbr64) || bytes.HasPrefix(code, endbr32) {
		return Instruction{At: at, Inst: x86asm.Inst{Op: x86asm.NOP, Len: len(endbr64)}}, true
	}
	inst, err := x86asm.Decode(code[:min(longest, len(code))], 64)
	if err != nil || inst.Op == 0 || inst.Len == 0 {
		return Instruction{At: at}, false
	}
	return Instruction{At: at, Inst: inst}, true
}

// Next is the address behind the instruction.
func (i Instruction) Next() uint64 { return i.At + uint64(i.Len) }

// Target is where a direct call or jump goes.
func (i Instruction) Target() (uint64, bool) {
	if rel, ok := i.Args[0].(x86asm.Rel); ok {
		return i.Next() + uint64(int64(rel)), true
	}
	return 0, false
}

// Slot is the address of the pointer that an indirect call or jump goes by, if it is fixed: an entry of
// the global offset table.
func (i Instruction) Slot() (uint64, bool) {
	if mem, ok := i.Args[0].(x86asm.Mem); ok && mem.Base == x86asm.RIP {
		return i.Next() + uint64(mem.Disp), true
	}
	return 0, false
}

// IsCall says whether the instruction pushes a return address.
func (i Instruction) IsCall() bool { return i.Op == x86asm.CALL || i.Op == x86asm.LCALL }

// CallBefore finds the call that ends where before ends; at is the address behind it. An address that no
// call precedes is no return address. The reverse is no proof: other bytes may look like a call.
func CallBefore(before []byte, at uint64) (Instruction, bool) {
	const shortest, longestCall = 2, 8
	for n := shortest; n <= min(longestCall, len(before)); n++ {
		i, ok := Decode(before[len(before)-n:], at-uint64(n))
		if ok && i.IsCall() && i.Len == n {
			return i, true
		}
	}
	return Instruction{}, false
}

// Stub resolves a procedure linkage table's stub, [endbr64] jmp *slot(%rip), to the slot that it jumps
// by; false for other code.
func Stub(code []byte, at uint64) (slot uint64, ok bool) {
	const stubInstructions = 2
	for range stubInstructions {
		i, decoded := Decode(code, at)
		if !decoded {
			return 0, false
		}
		if i.Op == x86asm.JMP {
			return i.Slot()
		}
		if i.Op != x86asm.NOP {
			return 0, false
		}
		code, at = code[i.Len:], i.Next()
	}
	return 0, false
}

// IsPadding says whether the instruction stands between functions, where no control comes.
func (i Instruction) IsPadding() bool {
	if i.Op == x86asm.XCHG && i.Args[0] == i.Args[1] { // 66 90
		return true
	}
	return i.Op == x86asm.NOP || i.Op == x86asm.UD2 || i.Op == x86asm.HLT || i.Op == x86asm.INT
}

// Leaves says whether control may go elsewhere than to the next instruction.
func (i Instruction) Leaves() bool {
	return i.IsCall() || i.Op == x86asm.JMP || i.Op == x86asm.RET || isBranch(i.Op)
}

// Track keeps account of registers that hold constants: values is changed to what it is after the
// instruction. Only what compilers load arguments by is followed; any other write makes a register unknown.
func (i Instruction) Track(values map[x86asm.Reg]uint64) {
	to, ok := i.Args[0].(x86asm.Reg)
	if !ok || !i.writesFirst() {
		return
	}
	to = whole(to)
	switch from := i.Args[1].(type) {
	case x86asm.Imm:
		if i.Op == x86asm.MOV {
			values[to] = uint64(from)
			return
		}
	case x86asm.Reg:
		if v, known := values[whole(from)]; known && i.Op == x86asm.MOV {
			values[to] = v
			return
		}
	case x86asm.Mem:
		if i.Op == x86asm.LEA && from.Base == x86asm.RIP {
			values[to] = i.Next() + uint64(from.Disp)
			return
		}
	}
	delete(values, to)
}

// whole is the 64-bit register that a 32-bit one is the lower half of. Writing that half clears the other.
func whole(r x86asm.Reg) x86asm.Reg {
	if r >= x86asm.EAX && r <= x86asm.R15L {
		return r - x86asm.EAX + x86asm.RAX
	}
	return r
}

// JumpsInto says whether code, which stands at address at, has a direct jump from outside a range of it
// into the range. It looks at every byte, so data that look like a jump can make it err; callers must take
// yes for the cautious answer.
func JumpsInto(code []byte, at, start, end uint64) bool {
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

// FrameSize is how many bytes a function's beginning, up to its first jump or call, takes from the stack for
// saved registers and locals.
func FrameSize(code []byte) uint64 {
	var size uint64
	for at := 0; at < len(code); {
		i, ok := Decode(code[at:], uint64(at))
		if !ok || i.Leaves() {
			break
		}
		switch i.Op {
		case x86asm.PUSH:
			size += 8
		case x86asm.SUB:
			if n, ok := i.Args[1].(x86asm.Imm); ok && i.Args[0] == x86asm.RSP {
				size += uint64(n)
			}
		}
		at += i.Len
	}
	return size
}
