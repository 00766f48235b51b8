package disasm

// Loads and stores of AArch64 (Arm Architecture Reference Manual, C4.1, "Loads and Stores"): the groups are told
// apart by bits 29 to 24.

// transfer is what a load or store moves, and how its address is made.
type transfer struct {
	size    int
	write   bool
	literal bool // it counts from the instruction and not from a register
	offset  int64
	indexed bool // by a register, too
}

func (op arm64Op) isMemory() bool { return op.is(0x0a000000, 0x08000000) }

func (op arm64Op) isLoad() bool {
	t, ok := op.transfer()
	return ok && !t.write
}

// forget drops the registers that a load or store may change. Of the forms with a plain offset that is the one
// loaded; the others may change any that they name.
func (op arm64Op) forget(values map[int]uint64) {
	if plain := op.is(0x3b000000, 0x39000000); !plain {
		for _, field := range []int{5, 10, 16} {
			delete(values, op.bits(field, 5))
		}
	} else if !op.isLoad() {
		return
	}
	delete(values, op.bits(0, 5))
}

// transfer decodes a load or store; false for other instructions and prefetches.
func (op arm64Op) transfer() (transfer, bool) {
	switch {
	case op.is(0xffffffe0, 0xd50b7420): // dc zva
		return transfer{write: true}, true
	case !op.isMemory():
		return transfer{}, false
	case op.is(0x3f000000, 0x08000000):
		return op.exclusive(), true
	case op.is(0x3b000000, 0x18000000):
		return op.fromLiteral()
	case op.is(0x3a000000, 0x28000000):
		return op.pair(), true
	case op.is(0x3f200c00, 0x19000000): // ldapur, stlur
		return op.single(op.signed(12, 9))
	case op.is(0x3a000000, 0x38000000):
		return op.register()
	case op.is(0xbe000000, 0x0c000000): // vector structures: their size is a sum
		return transfer{write: op.bits(22, 1) == 0}, true
	}
	return transfer{}, false
}

// exclusive is ldxr and its kind, ldar, stlr, and compare and swap, which writes.
func (op arm64Op) exclusive() transfer {
	t := transfer{size: 1 << op.bits(30, 2), write: op.bits(22, 1) == 0}
	ordered, pair := op.bits(23, 1) == 1, op.bits(21, 1) == 1
	switch {
	case pair && ordered:
		t.write = true
	case pair && op.bits(31, 1) == 0: // casp
		t.size, t.write = 8<<op.bits(30, 1), true
	case pair:
		t.size *= 2
	}
	return t
}

func (op arm64Op) fromLiteral() (transfer, bool) {
	kind, vector := op.bits(30, 2), op.bits(26, 1) == 1
	t := transfer{size: 4 << kind, literal: true, offset: op.signed(5, 19) * 4}
	if kind == 3 {
		return transfer{}, false // prfm
	}
	if kind == 2 && !vector { // ldrsw
		t.size = 4
	}
	return t, true
}

func (op arm64Op) pair() transfer {
	t := transfer{size: 2 * op.pairUnit(), write: op.bits(22, 1) == 0}
	if op.bits(23, 2) != 1 { // the offset of a post-index comes after the access
		t.offset = op.pairOffset()
	}
	return t
}

// pairUnit is the size of each of a pair.
func (op arm64Op) pairUnit() int {
	if op.bits(26, 1) == 1 {
		return 4 << min(2, op.bits(30, 2))
	}
	return 4 << op.bits(31, 1)
}

func (op arm64Op) pairOffset() int64 { return op.signed(15, 7) * int64(op.pairUnit()) }

// register is a load or store of one register, with an offset of each kind, and the atomic operations.
func (op arm64Op) register() (transfer, bool) {
	switch {
	case op.bits(24, 1) == 1:
		return op.single(int64(op.bits(10, 12)) * int64(op.singleSize()))
	case op.bits(21, 1) == 0 && op.bits(10, 2) == 1: // post-index
		return op.single(0)
	case op.bits(21, 1) == 0:
		return op.single(op.signed(12, 9))
	case op.bits(10, 2) == 2:
		t, ok := op.single(0)
		t.indexed = true
		return t, ok
	case op.bits(10, 2) == 0: // ldadd and its kind read and write; ldapr only reads
		return transfer{size: 1 << op.bits(30, 2), write: op.bits(12, 4) != 0xc}, true
	}
	return transfer{size: 8, offset: (int64(op.bits(22, 1))<<63>>54 | int64(op.bits(12, 9))) * 8}, true // ldraa
}

// single tells size and direction of the plain forms; false for a prefetch.
func (op arm64Op) single(offset int64) (transfer, bool) {
	t := transfer{size: op.singleSize(), offset: offset, write: op.bits(22, 2) == 0}
	if op.bits(26, 1) == 1 {
		t.write = op.bits(22, 1) == 0
		return t, true
	}
	return t, op.bits(30, 2) != 3 || op.bits(22, 2) != 2
}

func (op arm64Op) singleSize() int {
	if op.bits(26, 1) == 1 && op.bits(23, 1) == 1 {
		return 16
	}
	return 1 << op.bits(30, 2)
}

func (op arm64Op) accesses(at uint64, regs Registers) []Access {
	t, ok := op.transfer()
	if !ok {
		return nil
	}
	a := Access{Address: at, Size: t.size, Write: t.write}
	if !t.literal {
		base := op.bits(5, 5)
		if op.is(0xffffffe0, 0xd50b7420) { // dc zva names its register elsewhere
			base = op.bits(0, 5)
		}
		if a.Address, ok = regs(base); !ok {
			return nil
		}
		a.By = []int{base}
	}
	a.Address += uint64(t.offset)
	if t.indexed {
		index, known := op.index(regs)
		if !known {
			return nil
		}
		a.Address += index
		a.By = append(a.By, op.bits(16, 5))
	}
	return []Access{a}
}

// index is the register that is added to an address, extended and shifted as the instruction says.
func (op arm64Op) index(regs Registers) (uint64, bool) {
	n := op.bits(16, 5)
	v, ok := uint64(0), true
	if n != zeroRegister {
		v, ok = regs(n)
	}
	switch op.bits(13, 3) {
	case 2: // uxtw
		v = uint64(uint32(v))
	case 6: // sxtw
		v = uint64(int64(int32(v)))
	}
	if op.bits(12, 1) == 1 {
		shift := 0
		for 1<<shift < op.singleSize() {
			shift++
		}
		v <<= shift
	}
	return v, ok
}
