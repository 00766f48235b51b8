package death

import (
	"path"

	"github.com/inquest-project/inquest/internal/evidence/backtrace"
	"github.com/inquest-project/inquest/internal/ground/finding"
)

// FromTrace concludes from a printed stack: names and build IDs are all there is. The signal is 0 if
// nothing tells it.
func FromTrace(t backtrace.Trace, signal int) Death {
	d := Death{Thread: -1, Frame: -1}
	d.Finding.SignalNumber, d.Finding.Signal = signal, SignalName(signal)
	d.Finding.Mechanism = &finding.Mechanism{Kind: finding.SignalOnly}
	for _, th := range t.Threads {
		if th.Crashed {
			d.fromThread(th)
			return d
		}
	}
	return d
}

func (d *Death) fromThread(th backtrace.Thread) {
	d.Finding.Thread = th.ID
	last := lastDeadly(th.Frames)
	if last >= 0 {
		d.Finding.Mechanism.Kind = printedKind(th.Frames[:last+1])
	}
	// Frames without a name in the library of the machinery are machinery too.
	at := last + 1
	for at < len(th.Frames) && inRuntime(th.Frames, at, last) {
		at++
	}
	if at >= len(th.Frames) {
		return
	}
	f := th.Frames[at]
	d.Frame = at
	d.Culprit = &finding.Culprit{
		Module: printedModule(f), BuildID: f.BuildID, Function: f.Function, Offset: f.Offset,
		Role: role(d.Finding.Mechanism.Kind, d.Finding.Mechanism), Thread: th.ID, Frame: &at, Rule: "innermost",
		Chain: printedChain(th.Frames[at:]),
	}
	if f.Function == "" {
		d.Culprit.Nearest = printedNearest(th.Frames, at)
	}
	for _, f := range th.Frames[at:] {
		if f.Function != "" {
			d.Functions = append(d.Functions, f.Function)
		}
	}
}

// lastDeadly is the outermost of the innermost frames that are dying machinery by name; -1 if there is
// none.
func lastDeadly(frames []backtrace.Frame) int {
	last := -1
	for i, f := range frames {
		if deadly[f.Function] {
			last = i
		} else if last >= 0 && f.Function != "" {
			break
		}
	}
	return last
}

func printedKind(machinery []backtrace.Frame) finding.MechanismKind {
	for _, f := range machinery {
		switch f.Function {
		case "__assert_fail", "__assert", "__assert_perror_fail":
			return finding.Assertion
		case "__stack_chk_fail":
			return finding.StackProtector
		case "__fortify_fail", "__chk_fail":
			return finding.Fortify
		case "malloc_printerr":
			return finding.AllocatorCheck
		}
	}
	return finding.Abort
}

func inRuntime(frames []backtrace.Frame, at, last int) bool {
	f := frames[at]
	if isRuntimeName(f.Module) {
		return true
	}
	return last >= 0 && f.BuildID != "" && f.BuildID == frames[last].BuildID
}

func printedModule(f backtrace.Frame) string {
	if f.Module == "" {
		return string(f.BuildID)
	}
	return path.Base(f.Module)
}

func printedNearest(frames []backtrace.Frame, at int) string {
	for _, outer := range frames[at+1:] {
		if outer.Function != "" && printedModule(outer) == printedModule(frames[at]) {
			return "called by " + outer.Function
		}
	}
	return ""
}

func printedChain(frames []backtrace.Frame) []finding.Link {
	var links []finding.Link
	for i := len(frames) - 1; i >= 0; i-- {
		f := frames[i]
		name := printedModule(f)
		if name == "" || isRuntimeName(name) {
			continue
		}
		if n := len(links); n > 0 && links[n-1].Module == name {
			links[n-1].Function = f.Function
			links[n-1].Frames++
			continue
		}
		links = append(links, finding.Link{Module: name, Function: f.Function, Frames: 1})
	}
	return links
}
