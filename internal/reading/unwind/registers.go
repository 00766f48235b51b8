package unwind

import (
	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// DWARF numbers of x86-64's registers (psABI, figure 3.36).
const (
	regFP    = 6  // rbp
	regSP    = 7  // rsp
	regPC    = 16 // the return address column
	regCount = 17
)

// calleeSaved are the registers that a call leaves as they were: rbx, rbp, r12 to r15. Of all others a
// caller's value is unknown, unless the tables say where it is.
var calleeSaved = [regCount]bool{3: true, 6: true, 12: true, 13: true, 14: true, 15: true}

// registers are a frame's, as far as they are known.
type registers struct {
	value [regCount]uint64
	known [regCount]bool
}

func fromCore(r elfcore.Registers) (regs registers) {
	for n := range regCount {
		if v, ok := r.ByDWARF(n); ok {
			regs.set(n, v)
		}
	}
	return regs
}

func (r *registers) get(n int) (uint64, bool) {
	if n < 0 || n >= regCount {
		return 0, false
	}
	return r.value[n], r.known[n]
}

func (r *registers) set(n int, v uint64) { r.value[n], r.known[n] = v, true }

// address is a register that the walk has made sure of.
func (r *registers) address(n int) place.Address { return place.Address(r.value[n]) }
