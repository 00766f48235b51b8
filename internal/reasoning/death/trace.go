package death

import (
	"path"
	"strings"

	"github.com/inquest-project/inquest/internal/evidence/backtrace"
	"github.com/inquest-project/inquest/internal/evidence/objfile"
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
			d.fromThread(th, t.Interrupted(th.Frames))
			return d
		}
	}
	return d
}

// fromThread looks at what a signal handler interrupted, if there is one: the handler itself only reports.
func (d *Death) fromThread(th backtrace.Thread, interrupted int) {
	d.Finding.Thread = th.ID
	last := lastDeadly(th.Frames[interrupted:]) + interrupted
	if last >= interrupted {
		d.Finding.Mechanism.Kind = printedKind(th.Frames[interrupted : last+1])
		if d.Finding.Mechanism.Kind == finding.Abort && last+1 < len(th.Frames) && isCXXRuntime(th.Frames[last+1]) {
			d.Finding.Mechanism.Kind, d.Finding.Mechanism.Detail = finding.Exception, finding.Terminate
		}
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
		Module: printedModule(f), BuildID: f.BuildID, Function: objfile.Readable(sourceName(f.Function)), Offset: f.Offset,
		Role: printedRole(d.Finding.Mechanism.Kind), Thread: th.ID, Frame: &at, Rule: ruleInnermost,
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
		if printedDeadly(f.Function) != "" {
			last = i
		} else if last >= 0 && f.Function != "" {
			break
		}
	}
	return last
}

// printedDeadly is what a function of the machinery tells, by its name in the symbol table or as the source has it.
func printedDeadly(name string) finding.MechanismKind {
	if kind := deadly[name]; kind != "" || !strings.Contains(name, "::") {
		return kind
	}
	name, _, _ = strings.Cut(name, "(")
	for symbol, kind := range deadly {
		if strings.HasPrefix(symbol, "_Z") && objfile.Readable(symbol) == name {
			return kind
		}
	}
	return ""
}

// isCXXRuntime says whether a frame is of code without a name in C++'s runtime: what it calls abort for is
// std::terminate, since its other reasons have names.
func isCXXRuntime(f backtrace.Frame) bool {
	name, _, _ := strings.Cut(path.Base(f.Module), ".so")
	return f.Function == "" && (name == "libstdc++" || name == "libc++abi")
}

// printedKind is what the outermost of the machinery tells: it is what the culprit called.
func printedKind(machinery []backtrace.Frame) finding.MechanismKind {
	kind := finding.SignalOnly
	for _, f := range machinery {
		if told := printedDeadly(f.Function); told != "" && told != finding.SignalOnly {
			kind = told
		}
	}
	return kind
}

// printedRole is as far as a trace tells it: of a fault it has no address, and nothing shows whether the
// damage was older.
func printedRole(kind finding.MechanismKind) string {
	switch kind {
	case finding.AllocatorCheck:
		return finding.Victim
	case finding.SignalOnly:
		return ""
	}
	return finding.Decided
}

func inRuntime(frames []backtrace.Frame, at, last int) bool {
	f := frames[at]
	if isRuntimeName(f.Module) || f.Inlined && isSystemHeader(f.File) {
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
		if name := printedModule(frames[i]); name != "" && !isRuntimeName(name) {
			links = addLink(links, name, frames[i].Function)
		}
	}
	return links
}
