package symbolize

import (
	"maps"

	"github.com/inquest-project/inquest/internal/evidence/objfile"
	"github.com/inquest-project/inquest/internal/reading/disasm"
	"github.com/inquest-project/inquest/internal/reading/image"
)

// spot is a place that a trace tells of a module, with what it says is there.
type spot struct {
	module   *image.Module
	vaddr    uint64 // the file's own address of it
	function string // empty if no name was printed
	exact    bool   // no call returns to it
}

// agreements are the modules of which no build ID tells whether the file is the one that ran, and of which the trace
// itself does: at least one name that was printed is the file's own at that place, none stands elsewhere in the file, and
// before every place that a call returns to there is a call.
func (r *Result) agreements() map[*image.Module]bool {
	agreed, refuted := map[*image.Module]bool{}, map[*image.Module]bool{}
	for s := range r.unproven() {
		if !s.exact && !called(s.module.File, s.vaddr) {
			refuted[s.module] = true
		}
		if s.function == "" {
			continue
		}
		start, size, known := s.module.File.Symbol(s.function)
		switch covers := s.vaddr >= start && s.vaddr-start <= size; { // a call may be a function's last
		case known && covers:
			agreed[s.module] = true
		case known:
			refuted[s.module] = true
		}
	}
	maps.DeleteFunc(agreed, func(m *image.Module, _ bool) bool { return refuted[m] })
	return agreed
}

// unproven is what the trace tells of files that were taken by their names, each once: a recursion has many frames.
func (r *Result) unproven() map[spot]bool {
	spots := map[spot]bool{}
	for _, th := range r.Trace.Threads {
		for i, f := range th.Frames {
			m := r.modules[r.build(f)]
			if m != nil && m.File != nil && !m.Verified && f.Offset != nil {
				vaddr, _ := vaddrOf(r.Trace.Form, f, m)
				spots[spot{m, vaddr, f.Function, r.Trace.Exact(th.Frames, i)}] = true
			}
		}
	}
	return spots
}

// called says whether a call ends at an address.
func called(file *objfile.File, vaddr uint64) bool {
	machine := disasm.For(file.Machine)
	n := uint64(machine.LongestCall())
	before, _ := file.Data(vaddr-n, n)
	_, ok := machine.CallBefore(before, vaddr)
	return ok
}
