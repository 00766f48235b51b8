// Package death tells how a process died and who is the culprit. Judge reads a core's stacks, FromTrace a
// printed one.
//
// The culprit is the innermost frame that isn't dying machinery: raise, abort, assertions and the C
// library's checks; functions of libc and the runtimes that only did as asked; a signal handler and all
// it called; and any helper that never returns, known from its code and not from its name. In a stack
// overflow it is the recursion.
//
// Its role is "decided" where it brought the death about by itself: it aborted, its check failed, it
// used a null pointer, it overran its own stack frame. It is "victim" where it tripped over damage that
// must be older: a heap that the allocator finds broken, a pointer that is junk.
package death

import (
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/image"
	"github.com/inquest-project/inquest/internal/reading/unwind"
)

// Death is how, and who.
type Death struct {
	Finding   finding.Death
	Culprit   *finding.Culprit
	Thread    int      // index of the stack of the thread that died of it; -1 without a core
	Frame     int      // the culprit's, in that stack; -1 if there is none
	Functions []string // the names on that stack from the culprit outward
}

// Judge concludes from a core.
func Judge(im *image.Image, stacks []unwind.Stack) Death {
	d := Death{Thread: -1, Frame: -1}
	signal := im.Core.Signal
	d.Finding.SignalNumber, d.Finding.Signal = signal.Number, SignalName(signal.Number)
	d.Finding.Sender = sender(im)
	if len(stacks) == 0 {
		d.Finding.Mechanism = &finding.Mechanism{Kind: finding.SignalOnly}
		return d
	}
	d.Thread = dyingThread(stacks)
	stack := stacks[d.Thread]
	d.Finding.Thread = stack.TID
	d.Finding.Mechanism = mechanism(im, stack)
	if d.Finding.Mechanism.Kind == finding.Killed {
		return d // the decision was made elsewhere
	}
	d.accuse(im, stack)
	return d
}

// sender is who sent the signal, if a process did.
func sender(im *image.Image) *finding.Sender {
	s := im.Core.Signal
	if s.SenderPID == nil {
		return nil
	}
	from := &finding.Sender{PID: *s.SenderPID, Self: *s.SenderPID == im.Core.Process.PID}
	if s.SenderUID != nil {
		from.UID = *s.SenderUID
	}
	return from
}

// dyingThread is the first, which dumped, unless its stack is idle and another's stands in abort: a
// process that kills itself by kill() may dump its main thread.
func dyingThread(stacks []unwind.Stack) int {
	if dies(stacks[0]) {
		return 0
	}
	for i, s := range stacks {
		if dies(s) {
			return i
		}
	}
	return 0
}

func dies(s unwind.Stack) bool {
	for _, f := range s.Frames[:min(len(s.Frames), 8)] {
		if deadly[f.Function] {
			return true
		}
	}
	return false
}

// accuse picks the culprit's frame.
func (d *Death) accuse(im *image.Image, stack unwind.Stack) {
	kind := d.Finding.Mechanism.Kind
	at, rule := culpritFrame(im, stack, kind)
	if at < 0 {
		return
	}
	f := stack.Frames[at]
	d.Frame = at
	c := &finding.Culprit{Function: f.Function, Role: role(kind, d.Finding.Mechanism), Thread: stack.TID, Frame: &at, Rule: rule}
	if m := f.Module; m != nil {
		c.Module, c.BuildID, c.Offset = moduleName(m), m.BuildID, &f.Offset
		if c.Function == "" {
			c.Nearest = nearest(stack, at)
		}
	}
	c.Chain = chain(stack.Frames[at:])
	d.Culprit = c
	for _, f := range stack.Frames[at:] {
		if f.Function != "" {
			d.Functions = append(d.Functions, f.Function)
		}
	}
}

// moduleName is the base name of a module, or its build ID where it has none.
func moduleName(m *image.Module) string {
	if m.Name == "" {
		return string(m.BuildID)
	}
	return m.Name
}

// culpritFrame is the index of the culprit's frame, and the rule that picked it.
func culpritFrame(im *image.Image, stack unwind.Stack, kind finding.MechanismKind) (at int, rule string) {
	frames := stack.Frames
	if kind == finding.StackOverflow {
		for i, f := range frames {
			if f.Repeats > 0 && !isRuntime(f.Module) {
				return i, "recursion"
			}
		}
	}
	start := belowHandler(frames)
	for i := start; i < len(frames); i++ {
		f := frames[i]
		if f.Module == nil || isRuntime(f.Module) || deadly[f.Function] {
			continue
		}
		if i > start && deliberate(kind) && neverReturns(im, f, callerOf(frames, i)) {
			continue
		}
		return i, "innermost"
	}
	return -1, ""
}

func callerOf(frames []unwind.Frame, i int) *unwind.Frame {
	if i+1 < len(frames) {
		return &frames[i+1]
	}
	return nil
}

// belowHandler is the frame that a fault's signal interrupted, where a handler stands above it: a
// daemon that catches its own SIGSEGV, reports, and dies again.
func belowHandler(frames []unwind.Frame) int {
	for i, f := range frames {
		if f.Signal {
			return i + 1
		}
	}
	return 0
}

// deliberate says whether a process dies of this by a call of its own, so that helpers may stand between.
func deliberate(kind finding.MechanismKind) bool {
	switch kind {
	case finding.Abort, finding.Assertion, finding.Fortify, finding.StackProtector, finding.SignalOnly:
		return true
	}
	return false
}

func role(kind finding.MechanismKind, m *finding.Mechanism) string {
	switch kind {
	case finding.AllocatorCheck:
		return finding.Victim
	case finding.FaultRead, finding.FaultWrite, finding.Fault, finding.BusError:
		return finding.Victim
	case finding.FaultExecute:
		if m.Access == overranOwnFrame {
			return finding.Decided
		}
		return finding.Victim
	}
	return finding.Decided
}

// nearest says where a function without a name lies, by what is named around it: its nearest callers in
// the same module.
func nearest(stack unwind.Stack, at int) string {
	f := stack.Frames[at]
	for _, outer := range stack.Frames[at+1:] {
		if outer.Module == f.Module && outer.Function != "" {
			return "called by " + outer.Function
		}
	}
	if f.Nearest != "" {
		return "behind " + f.Nearest
	}
	return ""
}

// chain folds frames, innermost first, into the modules by which control came, the outermost first.
// Frames of the runtime, such as __libc_start_main, are no station.
func chain(frames []unwind.Frame) []finding.Link {
	var links []finding.Link
	for i := len(frames) - 1; i >= 0; i-- {
		f := frames[i]
		if f.Module == nil || isRuntime(f.Module) {
			continue
		}
		if n := len(links); n > 0 && links[n-1].Module == moduleName(f.Module) {
			links[n-1].Function = f.Function
			links[n-1].Frames++
			continue
		}
		links = append(links, finding.Link{Module: moduleName(f.Module), Function: f.Function, Frames: 1})
	}
	return links
}

func addressOf(a place.Address) *place.Address { return &a }
