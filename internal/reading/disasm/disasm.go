// Package disasm reads machine code as far as a post-mortem needs it: where a function's control goes,
// whom it calls, which memory an instruction touches, and how a debugger prints it. For gives the machine
// that a core is of; its Function decodes a whole function, Decode one instruction, and CallBefore tells
// whether an address can be a return address.
//
// x86-64: decoding is golang.org/x/arch's, semantics are those of the Intel manual, volume 2. AArch64: the
// encodings are those of the Arm Architecture Reference Manual, chapter C4; golang.org/x/arch prints them.
// Registers go by the numbers that unwind tables give them. Code is untrusted: bytes that are no
// instruction are passed over one by one, and questions about a function that holds such bytes are answered
// in the cautious way, which each question states.
package disasm

import "debug/elf"

// Machine is one kind of processor.
type Machine struct {
	Name       string   // what the kernel calls it
	SystemCall int      // the register that a system call's number is in
	Registers  []string // names of the integer registers, by DWARF number
	Arguments  []int    // the registers of a call's first arguments, in order
	Link       int      // the register that a call leaves its return address in; -1 where it goes to the stack
	Longest    int      // of its instructions, in bytes

	decode    func(code []byte, at uint64) (Instruction, bool)
	unit      int   // instructions stand at multiples of it
	callSizes []int // that a call can have, in bytes
	stub      func(m *Machine, code []byte, at uint64) (slot uint64, ok bool)
	frameSize func(Instruction) uint64
	jumpsInto func(code []byte, at, start, end uint64) bool
}

var machines = map[elf.Machine]*Machine{elf.EM_X86_64: &amd64, elf.EM_AARCH64: &arm64}

// none is a machine of which no code can be read.
var none = Machine{
	Link:      -1,
	unit:      1,
	decode:    func([]byte, uint64) (Instruction, bool) { return Instruction{}, false },
	stub:      func(*Machine, []byte, uint64) (uint64, bool) { return 0, false },
	frameSize: func(Instruction) uint64 { return 0 },
	jumpsInto: func([]byte, uint64, uint64, uint64) bool { return true },
}

// For is the machine of a core or an object. Of one that isn't known no instruction decodes.
func For(m elf.Machine) *Machine {
	if known, ok := machines[m]; ok {
		return known
	}
	return &none
}

// Flow is where control goes after an instruction.
type Flow uint8

// The ways of control.
const (
	GoesOn   Flow = iota // to the next instruction
	Calls                // to a function, and back
	Jumps                // away
	Branches             // away or to the next instruction
	Returns              // to the caller
	Stops                // nowhere: the processor refuses it
)

// Instruction is a decoded instruction and where it stands.
type Instruction struct {
	At      uint64
	Len     int
	Flow    Flow
	Direct  bool // it calls, jumps or branches to Target
	Target  uint64
	Slot    uint64 // of an indirect one: address of the pointer that it goes by, an entry of the global offset table; 0 if that isn't fixed
	Padding bool   // it stands between functions, where no control comes

	operation operation
}

// operation is what an instruction does, as its machine knows it.
type operation interface {
	accesses(at uint64, regs Registers) []Access
	// goes is where an indirect call or jump or a return leads.
	goes(at uint64, regs Registers, read Memory) (uint64, bool)
	track(at uint64, values map[int]uint64)
	trap() (code int, ok bool)
	division(at uint64, regs Registers, read Memory) (Division, bool)
	text(at uint64) string
}

// Registers tells a register's value by its DWARF number; false if it isn't known.
type Registers func(n int) (uint64, bool)

// Memory tells the eight bytes at an address; false if they aren't known.
type Memory func(address uint64) (uint64, bool)

// Access is memory that an instruction touches.
type Access struct {
	Address uint64
	Size    int   // in bytes; 0 where the instruction doesn't say
	Write   bool  // it writes, or reads and writes: the processor reports a fault of such a one as a write
	By      []int // the registers that the address was made of, the base first
}

// Decode decodes the instruction at the beginning of code, which stands at address at.
func (m *Machine) Decode(code []byte, at uint64) (Instruction, bool) { return m.decode(code, at) }

// Next is the address behind the instruction.
func (i Instruction) Next() uint64 { return i.At + uint64(i.Len) }

// Leaves says whether control may go elsewhere than to the next instruction.
func (i Instruction) Leaves() bool { return i.Flow != GoesOn && i.Flow != Stops }

// Accesses is the memory that an instruction touches, given the registers before it. What depends on a
// register that isn't known is left out.
func (i Instruction) Accesses(regs Registers) []Access {
	if i.operation == nil {
		return nil
	}
	return i.operation.accesses(i.At, regs)
}

// Goes is where an indirect call, an indirect jump or a return leads; false for other instructions, and where
// that isn't known.
func (i Instruction) Goes(regs Registers, read Memory) (uint64, bool) {
	if i.operation == nil || i.Direct || !i.Leaves() {
		return 0, false
	}
	return i.operation.goes(i.At, regs, read)
}

// Track keeps account of registers that hold constants: values is changed to what it is after the
// instruction. Only what compilers load arguments by is followed; any other write makes a register unknown.
func (i Instruction) Track(values map[int]uint64) {
	if i.operation != nil {
		i.operation.track(i.At, values)
	}
}

// Trap is the number that an instruction made for trapping carries: of AArch64's brk, and of the ud1 by which
// clang's -fsanitize-trap says which check failed.
func (i Instruction) Trap() (code int, ok bool) {
	if i.operation == nil {
		return 0, false
	}
	return i.operation.trap()
}

// Division is what an integer division was given.
type Division struct {
	Divisor uint64
	Size    int // of the divisor, in bytes
}

// Divides says whether an instruction is a division that the processor may refuse.
func (i Instruction) Divides() bool {
	_, ok := i.Division(func(int) (uint64, bool) { return 0, true }, func(uint64) (uint64, bool) { return 0, true })
	return ok
}

// Division is the division that an instruction makes, if the processor may refuse it; false for others.
func (i Instruction) Division(regs Registers, read Memory) (Division, bool) {
	if i.operation == nil {
		return Division{}, false
	}
	return i.operation.division(i.At, regs, read)
}

// Text is the instruction as objdump prints it.
func (i Instruction) Text() string {
	if i.operation == nil {
		return ""
	}
	return i.operation.text(i.At)
}

// CallBefore finds the call that ends where before ends; at is the address behind it. An address that no
// call precedes is no return address. The reverse is no proof: other bytes may look like a call.
func (m *Machine) CallBefore(before []byte, at uint64) (Instruction, bool) {
	for _, n := range m.callSizes {
		if n > len(before) {
			break
		}
		i, ok := m.decode(before[len(before)-n:], at-uint64(n))
		if ok && i.Flow == Calls && i.Len == n {
			return i, true
		}
	}
	return Instruction{}, false
}

// LongestCall is how many bytes before an address CallBefore looks at.
func (m *Machine) LongestCall() int {
	if len(m.callSizes) == 0 {
		return 0
	}
	return m.callSizes[len(m.callSizes)-1]
}

// LongestStub is the most bytes that a procedure linkage table's stub takes.
const LongestStub = 24

// Stub resolves a procedure linkage table's stub to the slot that it jumps by; false for other code.
func (m *Machine) Stub(code []byte, at uint64) (slot uint64, ok bool) { return m.stub(m, code, at) }

// JumpsInto says whether code, which stands at address at, has a direct jump from outside a range of it
// into the range. It looks at every place, so data that look like a jump can make it err; callers must take
// yes for the cautious answer.
func (m *Machine) JumpsInto(code []byte, at, start, end uint64) bool {
	return m.jumpsInto(code, at, start, end)
}

// FrameSize is how many bytes a function's beginning, up to its first jump or call, takes from the stack for
// saved registers and locals.
func (m *Machine) FrameSize(code []byte) uint64 {
	var size uint64
	for at := 0; at < len(code); {
		i, ok := m.decode(code[at:], uint64(at))
		if !ok || i.Leaves() {
			break
		}
		size += m.frameSize(i)
		at += i.Len
	}
	return size
}
