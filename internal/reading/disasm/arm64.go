package disasm

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/arch/arm64/arm64asm"
)

// arm64's registers have the numbers of DWARF for the Arm 64-bit Architecture, section 4.1; its calls take
// arguments as in the Procedure Call Standard, section 6.8.
var arm64 = Machine{
	Name:       "aarch64",
	SystemCall: 8,
	Link:       linkRegister,
	Registers: []string{"x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15",
		"x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "x30", "sp"},
	Arguments: []int{0, 1, 2, 3, 4, 5, 6, 7},
	Longest:   4,
	unit:      4,
	decode:    decodeARM64,
	callSizes: []int{4},
	stub:      stubARM64,
	frameSize: frameSizeARM64,
	jumpsInto: jumpsIntoARM64,
}

// Numbers of the registers that instructions use without naming them. In most instructions 31 is the register
// that is always zero, in addresses the stack pointer.
const linkRegister, stackPointer, zeroRegister = 30, 31, 31

// arm64Op is an instruction's word.
type arm64Op uint32

// is says whether the bits of mask are those of value. Masks and values are those of the manual's tables.
func (op arm64Op) is(mask, value uint32) bool { return uint32(op)&mask == value }

// bits are count bits from the lowest on.
func (op arm64Op) bits(lowest, count int) int { return int(uint32(op) >> lowest & (1<<count - 1)) }

// signed are those bits as a number that may be negative.
func (op arm64Op) signed(lowest, count int) int64 {
	return int64(op.bits(lowest, count)) << (64 - count) >> (64 - count)
}

func decodeARM64(code []byte, at uint64) (Instruction, bool) {
	i := Instruction{At: at, Len: 4}
	if len(code) < i.Len {
		return Instruction{At: at}, false
	}
	op := arm64Op(binary.LittleEndian.Uint32(code))
	if op.is(0x1a000000, 0x02000000) || op.is(0x9e000000, 0) && !op.isUndefined() {
		return Instruction{At: at}, false // of no group of the manual's first table: data
	}
	i.operation = op
	i.Flow = op.flow()
	i.Padding = op == nopARM64 || op.isUndefined() || op.isTrap()
	if distance, ok := op.distance(); ok {
		i.Direct, i.Target = true, at+uint64(distance)
	}
	return i, true
}

const nopARM64 = 0xd503201f

// isUndefined is for udf, which zeros decode as, too.
func (op arm64Op) isUndefined() bool { return op.is(0xffff0000, 0) }

func (op arm64Op) isTrap() bool { return op.is(0xffe0001f, 0xd4200000) } // brk

// flow knows B, BL, B.cond, CBZ, TBZ and the branches to registers, signed (BLRAA and its kind) or not.
func (op arm64Op) flow() Flow {
	switch {
	case op.is(0xfc000000, 0x94000000), op.is(0xfefff000, 0xd63f0000):
		return Calls
	case op.is(0xfc000000, 0x14000000), op.is(0xfefff000, 0xd61f0000):
		return Jumps
	case op.is(0xff000000, 0x54000000), op.is(0x7e000000, 0x34000000), op.is(0x7e000000, 0x36000000):
		return Branches
	case op.is(0xfffff000, 0xd65f0000), op.is(0xffff0000, 0xd69f0000): // and eret
		return Returns
	case op.isUndefined(), op.isTrap():
		return Stops
	}
	return GoesOn
}

// distance is how far a direct call, jump or branch goes, in bytes.
func (op arm64Op) distance() (int64, bool) {
	const word = 4
	switch {
	case op.is(0x7c000000, 0x14000000):
		return op.signed(0, 26) * word, true
	case op.is(0xff000000, 0x54000000), op.is(0x7e000000, 0x34000000):
		return op.signed(5, 19) * word, true
	case op.is(0x7e000000, 0x36000000):
		return op.signed(5, 14) * word, true
	}
	return 0, false
}

// stubARM64 knows [bti c] adrp x16, page; ldr x17, [x16, #offset]; add; [autia1716] br x17.
func stubARM64(m *Machine, code []byte, at uint64) (slot uint64, ok bool) {
	const stubInstructions, ip0, ip1 = 6, 16, 17
	values := map[int]uint64{}
	regs := func(n int) (uint64, bool) { v, ok := values[n]; return v, ok }
	for range stubInstructions {
		i, decoded := m.decode(code, at)
		if !decoded {
			return 0, false
		}
		op := i.operation.(arm64Op)
		switch {
		case i.Flow == Jumps:
			return slot, slot != 0 && !i.Direct && op.bits(5, 5) == ip1
		case op.isLoad() && op.bits(0, 5) == ip1:
			for _, a := range op.accesses(at, regs) {
				slot = a.Address
			}
		case i.Leaves() || slot == 0 && !op.isHint() && op.bits(0, 5) != ip0:
			return 0, false
		}
		i.Track(values)
		code, at = code[i.Len:], i.Next()
	}
	return 0, false
}

func (op arm64Op) isHint() bool { return op.is(0xfffff01f, 0xd503201f) }

// frameSizeARM64 knows stp and str with pre-index by the stack pointer, and sub from it.
func frameSizeARM64(i Instruction) uint64 {
	op := i.operation.(arm64Op)
	if op.bits(5, 5) != stackPointer {
		return 0
	}
	switch {
	case op.is(0xff800000, 0xd1000000) && op.bits(0, 5) == stackPointer:
		return op.immediate()
	case op.is(0x3bc00000, 0x29800000):
		return uint64(max(0, -op.pairOffset()))
	case op.is(0x3be00c00, 0x38000c00):
		return uint64(max(0, -op.signed(12, 9)))
	}
	return 0
}

func jumpsIntoARM64(code []byte, at, start, end uint64) bool {
	for n := 0; n+4 <= len(code); n += 4 {
		i, ok := decodeARM64(code[n:], at+uint64(n))
		if !ok || !i.Direct || i.Flow == Calls || i.At >= start && i.At < end {
			continue
		}
		if i.Target >= start && i.Target < end {
			return true
		}
	}
	return false
}

// goes knows that retaa names no register, and that a signed pointer's upper bits are its signature.
func (op arm64Op) goes(_ uint64, regs Registers, _ Memory) (uint64, bool) {
	const isSigned, addressBits = 11, 48
	if op.bits(isSigned, 1) == 0 {
		return regs(op.bits(5, 5))
	}
	register := op.bits(5, 5)
	if op.flow() == Returns {
		register = linkRegister
	}
	v, ok := regs(register)
	return v & (1<<addressBits - 1), ok
}

func (op arm64Op) trap() (code int, ok bool) {
	if op.isUndefined() {
		return op.bits(0, 16), true
	}
	return op.bits(5, 16), op.isTrap()
}

// division: AArch64 divides by zero without complaint.
func (op arm64Op) division(uint64, Registers, Memory) (Division, bool) { return Division{}, false }

// text is golang.org/x/arch's; what is newer than its tables stays a number.
func (op arm64Op) text(at uint64) string {
	word := binary.LittleEndian.AppendUint32(nil, uint32(op))
	inst, err := arm64asm.Decode(word)
	if err != nil {
		return fmt.Sprintf(".inst %#08x", uint32(op))
	}
	if target, ok := op.distance(); ok {
		return fmt.Sprintf("%s (%#x)", arm64asm.GNUSyntax(inst), at+uint64(target))
	}
	return arm64asm.GNUSyntax(inst)
}

// track follows adr, adrp, movz, movn, movk, mov between registers, and add and sub of constants.
func (op arm64Op) track(at uint64, values map[int]uint64) {
	to, from := op.bits(0, 5), op.bits(5, 5)
	switch {
	case op.isMemory():
		op.forget(values)
		return
	case op.isAddress():
		values[to] = op.address(at)
		return
	case op.is(0x7f800000, 0x52800000): // movz
		values[to] = op.moved()
		return
	case op.is(0x7f800000, 0x12800000): // movn
		values[to] = lowest(^op.moved(), op.width())
		return
	case op.is(0x7f800000, 0x72800000): // movk
		if v, known := values[to]; known {
			values[to] = v&^(0xffff<<op.shift()) | op.moved()
			return
		}
	case op.is(0x7fe0ffe0, 0x2a0003e0): // mov
		if v, known := values[op.bits(16, 5)]; known {
			values[to] = lowest(v, op.width())
			return
		}
	case op.is(0x3f800000, 0x11000000): // add, sub
		if v, known := values[from]; known {
			if op.bits(30, 1) == 1 {
				v -= 2 * op.immediate()
			}
			values[to] = lowest(v+op.immediate(), op.width())
			return
		}
	}
	delete(values, to)
}

func (op arm64Op) isAddress() bool { return op.is(0x1f000000, 0x10000000) }

// address is what adr and adrp compute.
func (op arm64Op) address(at uint64) uint64 {
	distance := op.signed(5, 19)<<2 | int64(op.bits(29, 2))
	if op.bits(31, 1) == 0 {
		return at + uint64(distance)
	}
	const page = 12
	return at>>page<<page + uint64(distance)<<page
}

// width is the operands' size in bytes.
func (op arm64Op) width() int { return 4 << op.bits(31, 1) }

func (op arm64Op) shift() int { return 16 * op.bits(21, 2) }

func (op arm64Op) moved() uint64 { return uint64(op.bits(5, 16)) << op.shift() }

// immediate is the constant of add and sub.
func (op arm64Op) immediate() uint64 { return uint64(op.bits(10, 12)) << (12 * op.bits(22, 1)) }
