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
