package symbolize

import (
	"maps"

	"github.com/inquest-project/inquest/internal/evidence/objfile"
	"github.com/inquest-project/inquest/internal/reading/disasm"
	"github.com/inquest-project/inquest/internal/reading/image"
)

// agreements are the modules of which no build ID tells whether the file is the one that ran, and of which the trace
// itself does: at least one name that was printed is the file's own at that place, none stands elsewhere in the file, and
// before every place that a call returns to there is a call.
func (r *Result) agreements() map[*image.Module]bool {
	agreed, refuted := map[*image.Module]bool{}, map[*image.Module]bool{}
	for _, th := range r.Trace.Threads {
		for i, f := range th.Frames {
			m := r.modules[r.build(f)]
			if m == nil || m.File == nil || m.Verified || f.Offset == nil {
				continue
			}
			vaddr, _ := vaddrOf(r.Trace.Form, f, m)
			exact := r.Trace.Exact(th.Frames, i)
			if !exact && !called(m.File, vaddr) {
				refuted[m] = true
			}
			if f.Function == "" {
				continue
			}
			start, size, known := m.File.Symbol(f.Function)
			switch covers := vaddr >= start && vaddr-start <= size; { // a call may be a function's last
			case known && covers:
				agreed[m] = true
			case known:
				refuted[m] = true
			}
		}
	}
	maps.DeleteFunc(agreed, func(m *image.Module, _ bool) bool { return refuted[m] })
	return agreed
}

// called says whether a call ends at an address.
func called(file *objfile.File, vaddr uint64) bool {
	machine := disasm.For(file.Machine)
	n := uint64(machine.LongestCall())
	before, _ := file.Data(vaddr-n, n)
	_, ok := machine.CallBefore(before, vaddr)
	return ok
}
