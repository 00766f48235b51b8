package unwind

import (
	"encoding/binary"

	"github.com/inquest-project/inquest/internal/evidence/objfile"
	"github.com/inquest-project/inquest/internal/ground/cursor"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// ruleKind is how a register of the caller is found (DWARF 5, section 6.4.1).
type ruleKind uint8

const (
	unspecified  ruleKind = iota // the tables are silent
	undefined                    // it is lost; for the return address: there is no caller
	sameValue                    // it was not changed
	atOffset                     // it is in memory at CFA + offset
	isOffset                     // it is CFA + offset
	inRegister                   // it is in another register; of the CFA: plus offset
	atExpression                 // it is in memory at an expression's value
	isExpression                 // it is an expression's value
)

type rule struct {
	kind       ruleKind
	register   int
	offset     int64
	expression []byte
}

// row is how to find a caller from one place in the code.
type row struct {
	cfa    rule
	regs   [regCount]rule
	column int  // of the return address
	signal bool // of a signal trampoline
}

// row finds the row for an address in the unwind tables; nil if there is none.
func (w *walker) row(a place.Address) *row {
	if r, known := w.rows[a]; known {
		return r
	}
	var r *row
	if m := w.im.Module(a); m != nil && m.File != nil {
		vaddr := uint64(a - m.Bias)
		if fde, ok := m.File.CFI(vaddr); ok {
			r = rowAt(fde, vaddr)
			w.spend(len(fde.CIE.Instructions) + len(fde.Instructions))
		}
	}
	w.rows[a] = r
	return r
}

// rowAt runs the instructions of an entry up to vaddr; nil if they can't be run.
func rowAt(fde *objfile.FDE, vaddr uint64) *row {
	m := machine{fde: fde, row: row{column: fde.CIE.ReturnRegister, signal: fde.CIE.Signal}, location: fde.Start, target: vaddr}
	// The column may be negative: it is an ULEB128 of 64 bits, cut to an int.
	if column := fde.CIE.ReturnRegister; column < 0 || column >= regCount || !m.run(fde.CIE.Instructions) {
		return nil
	}
	m.initial = m.row
	m.location = fde.Start
	if !m.run(fde.Instructions) || m.row.cfa.kind == unspecified {
		return nil
	}
	return &m.row
}

// machine executes call frame instructions (DWARF 5, section 6.4.2).
type machine struct {
	fde      *objfile.FDE
	row      row
	initial  row // after the CIE's instructions, for DW_CFA_restore
	saved    []row
	location uint64
	target   uint64
}

// Call frame instructions. The first three carry an operand in their low six bits.
const (
	cfaAdvance, cfaOffset, cfaRestore = 0x40, 0x80, 0xc0

	cfaNop, cfaSetLoc, cfaAdvance1, cfaAdvance2, cfaAdvance4     = 0x00, 0x01, 0x02, 0x03, 0x04
	cfaOffsetExtended, cfaRestoreExtended                        = 0x05, 0x06
	cfaUndefined, cfaSameValue, cfaRegister                      = 0x07, 0x08, 0x09
	cfaRemember, cfaRestoreState                                 = 0x0a, 0x0b
	cfaDef, cfaDefRegister, cfaDefOffset, cfaDefExpression       = 0x0c, 0x0d, 0x0e, 0x0f
	cfaExpression, cfaOffsetSigned, cfaDefSigned, cfaDefOffsetSF = 0x10, 0x11, 0x12, 0x13
	cfaValOffset, cfaValOffsetSigned, cfaValExpression           = 0x14, 0x15, 0x16
	cfaArgsSize, cfaNegativeOffset                               = 0x2e, 0x2f // GNU
	cfaNegateState, cfaNegateStateWithPC                         = 0x2d, 0x2c // aarch64: whether return addresses are signed
)

// run executes instructions until the row for the target is complete.
func (m *machine) run(instructions []byte) bool {
	r := cursor.New("call frame instructions", 0, instructions, binary.LittleEndian)
	for r.Len() > 0 && m.location <= m.target {
		op := r.Uint8()
		low := int(op & 0x3f)
		switch op & 0xc0 {
		case cfaAdvance:
			m.advance(uint64(low))
		case cfaOffset:
			m.set(low, rule{kind: atOffset, offset: m.factored(r)})
		case cfaRestore:
			m.restore(low)
		default:
			if !m.extended(op, r) {
				return false
			}
		}
	}
	return r.Err() == nil
}

// advance moves to a later place in the code. Past the target, the row is not to be changed any more, and
// run stops.
func (m *machine) advance(delta uint64) { m.location += delta * m.fde.CIE.CodeAlign }

func (m *machine) factored(r *cursor.Reader) int64 { return int64(r.ULEB128()) * m.fde.CIE.DataAlign }

func (m *machine) factoredSigned(r *cursor.Reader) int64 { return r.SLEB128() * m.fde.CIE.DataAlign }

// set gives a register its rule; registers that are not unwound (vector registers) are passed over.
func (m *machine) set(register int, to rule) {
	if register >= 0 && register < regCount {
		m.row.regs[register] = to
	}
}

func (m *machine) restore(register int) {
	if register >= 0 && register < regCount {
		m.row.regs[register] = m.initial.regs[register]
	}
}

// extended executes an instruction whose operands follow it; false if it is unknown.
func (m *machine) extended(op byte, r *cursor.Reader) bool {
	switch op {
	case cfaNop, cfaNegateState, cfaNegateStateWithPC: // a signature is told by the address that has one
	case cfaAdvance1:
		m.advance(uint64(r.Uint8()))
	case cfaAdvance2:
		m.advance(uint64(r.Uint16()))
	case cfaAdvance4:
		m.advance(uint64(r.Uint32()))
	case cfaRemember, cfaRestoreState:
		return m.stack(op)
	case cfaDef:
		m.row.cfa = rule{kind: inRegister, register: int(r.ULEB128()), offset: int64(r.ULEB128())}
	case cfaDefSigned:
		m.row.cfa = rule{kind: inRegister, register: int(r.ULEB128()), offset: m.factoredSigned(r)}
	case cfaDefRegister:
		m.row.cfa.register = int(r.ULEB128())
	case cfaDefOffset:
		m.row.cfa.offset = int64(r.ULEB128())
	case cfaDefOffsetSF:
		m.row.cfa.offset = m.factoredSigned(r)
	case cfaDefExpression:
		m.row.cfa = rule{kind: isExpression, expression: r.Bytes(r.ULEB128())}
	case cfaArgsSize:
		r.ULEB128()
	default:
		return m.register(op, int(r.ULEB128()), r)
	}
	return true
}

// register executes an instruction whose first operand is a register.
func (m *machine) register(op byte, register int, r *cursor.Reader) bool {
	switch op {
	case cfaOffsetExtended:
		m.set(register, rule{kind: atOffset, offset: m.factored(r)})
	case cfaOffsetSigned:
		m.set(register, rule{kind: atOffset, offset: m.factoredSigned(r)})
	case cfaNegativeOffset:
		m.set(register, rule{kind: atOffset, offset: -m.factored(r)})
	case cfaValOffset:
		m.set(register, rule{kind: isOffset, offset: m.factored(r)})
	case cfaValOffsetSigned:
		m.set(register, rule{kind: isOffset, offset: m.factoredSigned(r)})
	case cfaRestoreExtended:
		m.restore(register)
	case cfaUndefined:
		m.set(register, rule{kind: undefined})
	case cfaSameValue:
		m.set(register, rule{kind: sameValue})
	case cfaRegister:
		m.set(register, rule{kind: inRegister, register: int(r.ULEB128())})
	case cfaExpression:
		m.set(register, rule{kind: atExpression, expression: r.Bytes(r.ULEB128())})
	case cfaValExpression:
		m.set(register, rule{kind: isExpression, expression: r.Bytes(r.ULEB128())})
	default:
		return false
	}
	return true
}

// stack remembers the row or returns to it; the CFA's rule is part of it, as GCC has it.
func (m *machine) stack(op byte) bool {
	const deepest = 64
	if op == cfaRemember {
		m.saved = append(m.saved, m.row)
		return len(m.saved) <= deepest
	}
	if len(m.saved) == 0 {
		return false
	}
	last := len(m.saved) - 1
	m.row, m.saved = m.saved[last], m.saved[:last]
	return true
}

// apply finds the caller's registers by a row.
func (w *walker) apply(r *row, here step, regs registers) (next registers, cfa place.Address, end *ending) {
	w.frameRegs = regs // a million frames must not make a million copies on the heap
	e := evaluation{im: w.im, abi: w.abi, regs: &w.frameRegs, leaf: here.exact, spent: &w.spent}
	v, ok := e.cfa(r.cfa)
	cfa = place.Address(v)
	switch {
	case r.regs[r.column].kind == undefined:
		return next, cfa, &ending{why: "the outermost frame: the unwind tables say that nothing called it", outermost: true}
	case !ok:
		return next, 0, endsf("the frame of %v depends on memory or registers that are not known", here.pc)
	case !w.grows(here, cfa) && !r.signal:
		return next, 0, endsf("the stack does not grow: the frame at %v would end at %v", here.sp, cfa)
	}
	e.frame = v
	next.set(w.abi.sp, v)
	for n := range regCount {
		value, ok := e.register(n, r.regs[n])
		switch {
		case ok:
			next.set(n, value)
		case n == w.abi.sp && r.regs[n].kind != unspecified:
			return next, cfa, endsf("the stack pointer that the frame of %v saved is not known", here.pc)
		}
	}
	back, ok := next.get(r.column)
	if !ok {
		return next, cfa, w.noReturnAddress(r.regs[r.column], here, cfa)
	}
	pc := w.unsigned(back)
	if pc == 0 && !r.signal { // of a signal's frame: what was interrupted had jumped there
		return next, cfa, &ending{why: "the outermost frame: its return address is 0", outermost: true}
	}
	next.set(w.abi.pc, uint64(pc))
	return next, cfa, nil
}

// grows says whether a frame that ends at cfa is further out than here. Where calls don't touch the stack, the
// innermost function may have no frame yet.
func (w *walker) grows(here step, cfa place.Address) bool {
	return cfa > here.sp || cfa == here.sp && here.exact && w.abi.link >= 0
}

func (w *walker) noReturnAddress(r rule, here step, cfa place.Address) *ending {
	if r.kind == atOffset {
		return endsf("the stack at %v, where the return address stood, is not in the core", cfa.Add(r.offset))
	}
	return endsf("the unwind table doesn't say where the return address of %v is", here.pc)
}
