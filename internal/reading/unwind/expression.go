package unwind

import (
	"encoding/binary"

	"github.com/inquest-project/inquest/internal/ground/cursor"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/image"
)

// evaluation finds the values that rules speak of, in one frame.
type evaluation struct {
	im    *image.Image
	abi   *convention
	regs  *registers
	leaf  bool   // the frame has made no call that is under way
	frame uint64 // the CFA, once it is known

	spent *int // operations of expressions that were evaluated are added to it
}

func (e *evaluation) cfa(r rule) (uint64, bool) {
	if r.kind == isExpression {
		return e.expression(r.expression)
	}
	v, ok := e.regs.get(r.register)
	return v + uint64(r.offset), ok && r.kind == inRegister
}

// register is the caller's value of register n. Where the tables are silent the calling convention
// speaks: some registers are the callee's to keep.
func (e *evaluation) register(n int, r rule) (uint64, bool) {
	switch r.kind {
	case unspecified:
		if e.abi.calleeSaved[n] || e.leaf && n == e.abi.link {
			return e.regs.get(n)
		}
		return 0, false
	case sameValue:
		return e.regs.get(n)
	case atOffset:
		return e.im.Uint64(place.Address(e.frame + uint64(r.offset)))
	case isOffset:
		return e.frame + uint64(r.offset), true
	case inRegister:
		return e.regs.get(r.register)
	case atExpression:
		at, ok := e.expression(r.expression, e.frame)
		if !ok {
			return 0, false
		}
		return e.im.Uint64(place.Address(at))
	case isExpression:
		return e.expression(r.expression, e.frame)
	}
	return 0, false
}

// DWARF expression operations (DWARF 5, section 7.7.1): those that unwind tables use.
const (
	opAddr, opDeref                                        = 0x03, 0x06
	opConst1u, opConst1s, opConst2u, opConst2s             = 0x08, 0x09, 0x0a, 0x0b
	opConst4u, opConst4s, opConst8u, opConst8s             = 0x0c, 0x0d, 0x0e, 0x0f
	opConstu, opConsts                                     = 0x10, 0x11
	opDup, opDrop, opOver, opPick, opSwap                  = 0x12, 0x13, 0x14, 0x15, 0x16
	opAnd, opMinus, opMul, opNeg, opNot, opOr, opPlus      = 0x1a, 0x1c, 0x1e, 0x1f, 0x20, 0x21, 0x22
	opPlusUconst, opShl, opShr, opShra, opXor              = 0x23, 0x24, 0x25, 0x26, 0x27
	opBranch, opEq, opGe, opGt, opLe, opLt, opNe, opSkip   = 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x2f
	opLit0, opLit31, opBreg0, opBreg31, opBregx, opNothing = 0x30, 0x4f, 0x70, 0x8f, 0x92, 0x96
)

// expression evaluates a DWARF expression on a stack that begins with the given values; false if it
// depends on what isn't known, or can't be read.
func (e *evaluation) expression(code []byte, initial ...uint64) (uint64, bool) {
	const mostOperations = 1000 // tables have a dozen; branches could go round for ever
	s := stackMachine{evaluation: e, code: code, values: initial,
		r: cursor.New("DWARF expression", 0, code, binary.LittleEndian)}
	for n := 0; s.r.Len() > 0; n++ {
		*e.spent++
		if n > mostOperations || !s.operation(s.r.Uint8()) || s.r.Err() != nil || s.underflow {
			return 0, false
		}
	}
	v := s.pop()
	return v, !s.underflow && s.r.Err() == nil
}

type stackMachine struct {
	*evaluation
	code      []byte
	r         *cursor.Reader
	values    []uint64
	underflow bool
}

func (s *stackMachine) push(v uint64) { s.values = append(s.values, v) }

func (s *stackMachine) pop() uint64 {
	v := s.pick(0)
	s.values = s.values[:max(0, len(s.values)-1)]
	return v
}

// pick is the value at a depth, 0 being the top.
func (s *stackMachine) pick(depth int) uint64 {
	if depth >= len(s.values) {
		s.underflow = true
		return 0
	}
	return s.values[len(s.values)-1-depth]
}

func (s *stackMachine) operation(op byte) bool {
	switch {
	case op >= opLit0 && op <= opLit31:
		s.push(uint64(op - opLit0))
		return true
	case op >= opBreg0 && op <= opBreg31:
		return s.based(int(op - opBreg0))
	case op >= opConst1u && op <= opConsts || op == opAddr:
		s.push(s.constant(op))
		return true
	}
	switch op {
	case opBregx:
		return s.based(int(s.r.ULEB128()))
	case opDeref:
		v, ok := s.im.Uint64(place.Address(s.pop()))
		s.push(v)
		return ok
	case opDup:
		s.push(s.pick(0))
	case opDrop:
		s.pop()
	case opOver:
		s.push(s.pick(1))
	case opPick:
		s.push(s.pick(int(s.r.Uint8())))
	case opSwap:
		a, b := s.pop(), s.pop()
		s.push(a)
		s.push(b)
	case opNeg:
		s.push(-s.pop())
	case opNot:
		s.push(^s.pop())
	case opPlusUconst:
		s.push(s.pop() + s.r.ULEB128())
	case opSkip:
		s.skip(int16(s.r.Uint16()))
	case opBranch:
		if by := int16(s.r.Uint16()); s.pop() != 0 {
			s.skip(by)
		}
	case opNothing:
	default:
		return s.binary(op)
	}
	return true
}

func (s *stackMachine) based(register int) bool {
	offset := s.r.SLEB128()
	v, ok := s.regs.get(register)
	s.push(v + uint64(offset))
	return ok
}

func (s *stackMachine) skip(by int16) { s.r.Seek(uint64(int64(s.r.Pos()) + int64(by))) }

func (s *stackMachine) constant(op byte) uint64 {
	switch op {
	case opConst1u:
		return uint64(s.r.Uint8())
	case opConst1s:
		return uint64(int8(s.r.Uint8()))
	case opConst2u:
		return uint64(s.r.Uint16())
	case opConst2s:
		return uint64(int16(s.r.Uint16()))
	case opConst4u:
		return uint64(s.r.Uint32())
	case opConst4s:
		return uint64(int32(s.r.Uint32()))
	case opConstu:
		return s.r.ULEB128()
	case opConsts:
		return uint64(s.r.SLEB128())
	}
	return s.r.Uint64() // DW_OP_addr, DW_OP_const8u, DW_OP_const8s
}

// binary pops two values, the second operand first, and pushes the result.
func (s *stackMachine) binary(op byte) bool {
	b, a := s.pop(), s.pop()
	truth := func(t bool) {
		s.push(map[bool]uint64{true: 1}[t])
	}
	switch op {
	case opAnd:
		s.push(a & b)
	case opOr:
		s.push(a | b)
	case opXor:
		s.push(a ^ b)
	case opPlus:
		s.push(a + b)
	case opMinus:
		s.push(a - b)
	case opMul:
		s.push(a * b)
	case opShl:
		s.push(a << b)
	case opShr:
		s.push(a >> b)
	case opShra:
		s.push(uint64(int64(a) >> b))
	case opEq:
		truth(a == b)
	case opNe:
		truth(a != b)
	case opGe:
		truth(int64(a) >= int64(b))
	case opGt:
		truth(int64(a) > int64(b))
	case opLe:
		truth(int64(a) <= int64(b))
	case opLt:
		truth(int64(a) < int64(b))
	default:
		return false
	}
	return true
}
