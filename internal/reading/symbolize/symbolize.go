// Package symbolize names the frames of a stack that somebody printed: functions, what was inlined into them,
// and lines, from the programs and libraries of the builds that the stack tells. Trace is the way in.
//
// Of a frame the build ID and the offset in the module count. Where a form tells no build ID the module's
// name must do, and what rests on it is said; Fill takes such a name only from a file that agrees with all that was
// printed. Fault does the same for the one frame that the kernel's lines on a fault tell. An offset is the one of the PC from the module's start, as abrt
// has it; only in lines of backtrace_symbols it is the file's own address.
package symbolize

import (
	"debug/elf"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/inquest-project/inquest/internal/evidence/backtrace"
	"github.com/inquest-project/inquest/internal/evidence/debuginfod"
	"github.com/inquest-project/inquest/internal/evidence/objfile"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/image"
)

// Result is a trace with what was found out about its frames.
type Result struct {
	Trace    *backtrace.Trace
	Names    [][]backtrace.Named // by thread and frame
	Problems []string            // builds that were not found, or not for certain
	Notes    []string            // what names rest on that Fill takes without proof

	modules  map[image.Build]*image.Module
	agreeing map[*image.Module]bool // those without proof that agree with what was printed
}

// Trace names the frames of a trace.
func Trace(t *backtrace.Trace, find image.Finder, servers *debuginfod.Client) *Result {
	r := &Result{Trace: t}
	var wanted []image.Build
	for _, th := range t.Threads {
		for _, f := range th.Frames {
			if b := r.build(f); b != (image.Build{}) {
				wanted = append(wanted, b)
			}
		}
	}
	r.modules = image.Builds(find, servers, wanted)
	defer r.close()
	for _, th := range t.Threads {
		r.Names = append(r.Names, r.stack(th.Frames))
	}
	r.agreeing = r.agreements()
	r.tellProblems(wanted)
	return r
}

func (r *Result) close() {
	for _, m := range r.modules {
		if m.File != nil {
			m.File.Close()
		}
	}
}

// build is what a frame tells of its module. The program may be told for the whole trace only.
func (r *Result) build(f backtrace.Frame) image.Build {
	b := image.Build{ID: f.BuildID, Path: f.Module}
	if exe := r.Trace.Executable; exe != "" && b.ID == "" && (b.Path == "" || path.Base(exe) == b.Path) {
		b.Path = exe
	}
	return b
}

// stack names a thread's frames, innermost first: whether one was called or interrupted shows in the one
// inside it.
func (r *Result) stack(frames []backtrace.Frame) []backtrace.Named {
	frames = slices.Clone(frames)
	names := make([]backtrace.Named, len(frames))
	for i := range frames {
		m := r.modules[r.build(frames[i])]
		if m == nil || m.File == nil || frames[i].Inlined {
			continue
		}
		vaddr, ok := vaddrOf(r.Trace.Form, frames[i], m)
		if !ok {
			continue
		}
		if returnsFromHandler(m.File, vaddr) {
			frames[i].Function = trampoline
			names[i] = backtrace.Named{Function: trampoline, Module: m.Path}
			continue
		}
		lookup := vaddr
		if !r.Trace.Exact(frames, i) {
			lookup--
		}
		names[i] = named(m.File, vaddr, lookup)
		names[i].Module = m.Path
		if m.Path == "" {
			names[i].Module = m.File.Path
		}
	}
	return names
}

// trampoline is what the C library calls the code that a signal handler returns to.
const trampoline = "__restore_rt"

// returnsFromHandler knows that code by its unwind table's entry, which begins a byte early, so that whoever
// takes it for a caller finds it, too.
func returnsFromHandler(f *objfile.File, vaddr uint64) bool {
	fde, ok := f.CFI(vaddr)
	return ok && fde.CIE.Signal
}

// vaddrOf is the frame's PC as the module's file has it.
func vaddrOf(form backtrace.Form, f backtrace.Frame, m *image.Module) (uint64, bool) {
	switch {
	case f.Offset != nil && form == backtrace.Handler:
		return uint64(*f.Offset), true
	case f.Offset != nil:
		return m.Vaddr(*f.Offset), true
	case f.Into != nil:
		start, _, ok := m.File.Symbol(f.Function)
		return start + uint64(*f.Into), ok
	case f.PC != nil && m.File.Type == elf.ET_EXEC: // it lies where it was linked
		return uint64(*f.PC), true
	}
	return 0, false
}

// named is what a file tells of its code at vaddr; of a caller lookup is in its call.
func named(f *objfile.File, vaddr, lookup uint64) backtrace.Named {
	if s := f.SegmentAt(lookup); s == nil || s.Flags&elf.PF_X == 0 {
		return backtrace.Named{}
	}
	var n backtrace.Named
	if fn, ok := f.Function(lookup); ok && fn.Name != "" {
		into := place.Offset(vaddr - fn.Start)
		n.Function, n.Into = oneLine(objfile.Readable(fn.Name)), &into
	}
	calls := f.Source(lookup)
	if len(calls) == 0 {
		return n
	}
	outer := calls[len(calls)-1]
	n.File, n.Line = oneLine(outer.File), outer.Line
	if n.Function == "" {
		n.Function = oneLine(outer.Function)
	}
	for _, c := range calls[:len(calls)-1] {
		n.Inlined = append(n.Inlined, backtrace.Call{Function: oneLine(c.Function), File: oneLine(c.File), Line: c.Line})
	}
	return n
}

// oneLine keeps a hostile object's names from breaking a line.
func oneLine(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, name)
}

func (r *Result) tellProblems(wanted []image.Build) {
	told := map[image.Build]bool{}
	for _, b := range wanted {
		m := r.modules[b]
		if told[b] || m.Problem == "" {
			continue
		}
		told[b] = true
		if r.agreeing[m] {
			r.Notes = append(r.Notes, fmt.Sprintf("%s: no build ID tells which it was: %s was taken by its name, and the functions that were printed are where it has them", m.Name, m.File.Path))
		}
		if b.Path == "" {
			r.Problems = append(r.Problems, m.Problem)
		} else {
			r.Problems = append(r.Problems, fmt.Sprintf("%s: %s", m.Name, m.Problem))
		}
	}
}

// Count is how many frames of calls there are, and how many have a name, printed or found.
func (r *Result) Count() (named, all int) {
	for i, th := range r.Trace.Threads {
		for j, f := range th.Frames {
			all++
			if f.Function != "" || r.Names[i][j].Function != "" {
				named++
			}
		}
	}
	return named, all
}

// Text is the trace in the form it came in.
func (r *Result) Text() ([]byte, error) { return r.Trace.Rewrite(r.Names) }

// Fill puts names into the trace itself, where nothing was printed: those from files that are certain, or agree with
// all that was printed. What was inlined becomes frames of its own.
func (r *Result) Fill() {
	for i := range r.Trace.Threads {
		th := &r.Trace.Threads[i]
		var filled []backtrace.Frame
		for j, f := range th.Frames {
			m, n := r.modules[r.build(f)], r.Names[i][j]
			if f.Function != "" || n.Function == "" || m == nil || !m.Verified && !r.agreeing[m] {
				filled = append(filled, f)
				continue
			}
			for _, call := range n.Inlined {
				inlined := f
				inlined.Function, inlined.File, inlined.Line, inlined.Inlined = call.Function, call.File, call.Line, true
				filled = append(filled, inlined)
			}
			f.Function, f.File, f.Line = n.Function, n.File, n.Line
			filled = append(filled, f)
		}
		th.Frames = filled
	}
}

// Used is the files by which Fill names frames, by build.
func (r *Result) Used() map[place.BuildID]string {
	used := map[place.BuildID]string{}
	for _, m := range r.modules {
		if m.File != nil && (m.Verified || r.agreeing[m]) {
			used[m.File.BuildID] = m.File.Path
		}
	}
	return used
}

// frame is one in JSON; all fields are optional.
type frame struct {
	Address  *place.Address   `json:"address,omitempty"`
	BuildID  place.BuildID    `json:"build_id,omitempty"`
	Offset   *place.Offset    `json:"offset,omitempty"` // from the module's start
	Module   string           `json:"module,omitempty"`
	Function string           `json:"function,omitempty"`
	Into     *place.Offset    `json:"into,omitempty"` // from the function's start
	File     string           `json:"file,omitempty"`
	Line     int              `json:"line,omitempty"`
	Inline   bool             `json:"inline,omitempty"` // its code is the next frame's
	Inlined  []backtrace.Call `json:"inlined,omitempty"`
}

type thread struct {
	ID      int     `json:"id,omitempty"`
	Crashed bool    `json:"crashed,omitempty"`
	Frames  []frame `json:"frames"`
}

// MarshalJSON is the whole result, with nothing of the form it came in.
func (r *Result) MarshalJSON() ([]byte, error) {
	t := r.Trace
	threads := []thread{}
	for i, th := range t.Threads {
		jt := thread{ID: th.ID, Crashed: th.Crashed, Frames: []frame{}}
		for j, f := range th.Frames {
			jt.Frames = append(jt.Frames, joined(f, r.Names[i][j]))
		}
		threads = append(threads, jt)
	}
	return json.Marshal(struct {
		Form       backtrace.Form `json:"form"`
		PID        int            `json:"pid,omitempty"`
		Signal     int            `json:"signal,omitempty"`
		Executable string         `json:"executable,omitempty"`
		Threads    []thread       `json:"threads"`
		Problems   []string       `json:"problems,omitempty"`
	}{t.Form, t.PID, t.Signal, t.Executable, threads, r.Problems})
}

// joined is what was printed, and where nothing was, what was found.
func joined(f backtrace.Frame, n backtrace.Named) frame {
	j := frame{f.PC, f.BuildID, f.Offset, f.Module, f.Function, f.Into, f.File, f.Line, f.Inlined, n.Inlined}
	if j.Module == "" {
		j.Module = n.Module
	}
	if j.Function == "" {
		j.Function = n.Function
	}
	if j.Into == nil {
		j.Into = n.Into
	}
	if j.File == "" {
		j.File, j.Line = n.File, n.Line
	}
	return j
}
