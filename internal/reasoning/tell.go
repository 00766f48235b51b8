package reasoning

import (
	"debug/elf"
	"fmt"
	"path"
	"slices"

	"github.com/inquest-project/inquest/internal/evidence/backtrace"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading"
	"github.com/inquest-project/inquest/internal/reading/unwind"
	"github.com/inquest-project/inquest/internal/reasoning/death"
)

// machineName is what uname -m calls a machine.
func machineName(m elf.Machine) string {
	switch m {
	case elf.EM_X86_64:
		return "x86_64"
	case elf.EM_AARCH64:
		return "aarch64"
	}
	return m.String()
}

// tellThreads puts the thread that died of it first, then the core's order.
func tellThreads(f *finding.Findings, r *reading.Reading, d death.Death) {
	if r.Image == nil {
		tellTraces(f, r.Traces)
		return
	}
	for i, stack := range r.Stacks {
		t := thread(stack)
		if t.Died = i == d.Thread && f.Death != nil; t.Died {
			f.Threads = append([]finding.Thread{t}, f.Threads...)
		} else {
			f.Threads = append(f.Threads, t)
		}
	}
}

// shownFrames bounds how many frames of one thread go into the findings.
const shownFrames = 256

func thread(stack unwind.Stack) finding.Thread {
	t := finding.Thread{TID: stack.TID, End: stack.End, Registers: map[string]place.Address{}}
	if stack.Total > len(stack.Frames) {
		t.Total = stack.Total
	}
	for name, value := range stack.Regs.Named() {
		t.Registers[name] = place.Address(value)
	}
	inlined := 0
	for _, fr := range stack.Frames[:min(shownFrames, len(stack.Frames))] {
		for _, f := range frames(fr) {
			f.Level = fr.Index + inlined
			if f.Trust == finding.TrustInline {
				inlined++
			}
			t.Frames = append(t.Frames, f)
		}
	}
	return t
}

// frames is a frame each for the functions that were inlined where a frame stands, and the frame itself.
func frames(fr unwind.Frame) []finding.Frame {
	var all []finding.Frame
	for _, call := range fr.Inlined {
		f := frame(fr)
		f.Function, f.File, f.Line = call.Function, call.File, call.Line
		f.Into, f.Nearest, f.Trust, f.Signal = nil, "", finding.TrustInline, false
		all = append(all, f)
	}
	return append(all, frame(fr))
}

// shownIndex is where a stack's frame stands among the findings' frames: of the culprit's, where the function
// that was named does.
func shownIndex(frames []unwind.Frame, at int, function string) int {
	shown := at
	for _, f := range frames[:at] {
		shown += len(f.Inlined)
	}
	for n, call := range frames[at].Inlined {
		if call.Function == function {
			return shown + n
		}
	}
	return shown + len(frames[at].Inlined)
}

func frame(fr unwind.Frame) finding.Frame {
	out := finding.Frame{
		PC: &fr.PC, Function: fr.Function, Nearest: fr.Nearest, File: fr.File, Line: fr.Line,
		Trust: fr.Trust, Repeats: fr.Repeats, Signal: fr.Signal,
	}
	if fr.Function != "" || fr.Nearest != "" {
		out.Into = &fr.Into
	}
	if m := fr.Module; m != nil {
		out.Module, out.Path, out.BuildID, out.Offset = m.Name, m.Path, m.BuildID, &fr.Offset
	}
	return out
}

// tellTraces tells of the thread that died first, as a core does; gdb prints it last.
func tellTraces(f *finding.Findings, traces []backtrace.Trace) {
	for _, trace := range traces {
		for _, t := range slices.SortedStableFunc(slices.Values(trace.Threads), diedFirst) {
			told := finding.Thread{TID: t.ID, Died: t.Crashed}
			for level, fr := range t.Frames {
				frame := finding.Frame{
					Level: level, PC: fr.PC, BuildID: fr.BuildID, Offset: fr.Offset, Function: fr.Function,
					Module: moduleName(fr), File: fr.File, Line: fr.Line, Trust: finding.TrustPrinted,
				}
				if level+1 < len(t.Frames) && foundInline(fr, t.Frames[level+1]) {
					frame.Trust = finding.TrustInline
				}
				told.Frames = append(told.Frames, frame)
			}
			f.Threads = append(f.Threads, told)
		}
	}
}

// foundInline says whether a frame was inlined into the next one, and nobody printed that: it has been found, and shares
// the other's place.
func foundInline(fr, next backtrace.Frame) bool {
	return fr.Inlined && (fr.PC != nil && fr.PC == next.PC || fr.Offset != nil && fr.Offset == next.Offset)
}

func diedFirst(a, b backtrace.Thread) int {
	switch {
	case a.Crashed && !b.Crashed:
		return -1
	case b.Crashed && !a.Crashed:
		return 1
	}
	return 0
}

// moduleName is the base name of a printed frame's module, or its build ID.
func moduleName(fr backtrace.Frame) string {
	if fr.Module == "" {
		return string(fr.BuildID)
	}
	return path.Base(fr.Module)
}

func tellModules(f *finding.Findings, r *reading.Reading) {
	if r.Image == nil {
		return
	}
	for _, m := range r.Image.Modules {
		told := finding.Module{Path: m.Path, BuildID: m.BuildID, Start: m.Start, End: m.End, Problem: m.Problem}
		if m.File != nil {
			told.File = m.File.Path
		}
		f.Modules = append(f.Modules, told)
	}
}

func percent(part, of int64) string { return fmt.Sprintf("%d %%", part*100/max(1, of)) }
