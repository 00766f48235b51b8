// Package death tells how a process died and who is the culprit. Judge reads a core's stacks, FromTrace a
// printed one, and Told the kernel's lines on a fault.
//
// The culprit is the innermost frame that isn't dying machinery: raise, abort, assertions and the C
// library's checks; functions of libc and the runtimes that only did as asked; a signal handler and all
// it called; and any helper that never returns, known from its code and not from its name. In a stack
// overflow it is the recursion.
//
// Its role is "decided" where it brought the death about by itself: it aborted, its check failed, it
// used a null pointer, it ran over the end of a mapping. So it is where a smashed stack was found: the
// frame that was smashed is the function's own, and in nearly all cases what overran it is, too. The role
// is "victim" where the culprit tripped over damage that must be older: a heap that the allocator finds
// broken, a pointer that is junk.
package death

import (
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reading/disasm"
	"github.com/inquest-project/inquest/internal/reading/image"
	"github.com/inquest-project/inquest/internal/reading/unwind"
)

// Death is how, and who.
type Death struct {
	Finding   finding.Death
	Culprit   *finding.Culprit
	Thread    int      // index of the stack of the thread that died of it; -1 without a core
	Frame     int      // the culprit's, in that stack; -1 if there is none
	Entry     int      // of the thread's first function that is no runtime's, in that stack; -1 if there is none
	Functions []string // the names on that stack from the culprit outward
}

// Judge concludes from a core.
func Judge(im *image.Image, stacks []unwind.Stack) Death {
	d := Death{Thread: -1, Frame: -1, Entry: -1}
	signal := im.Core.Signal
	d.Finding.SignalNumber, d.Finding.Signal = signal.Number, SignalName(signal.Number)
	d.Finding.Sender, d.Finding.Changed = sender(im), changed(im)
	if len(stacks) == 0 {
		d.Finding.Mechanism = &finding.Mechanism{Kind: finding.SignalOnly}
		return d
	}
	d.Thread = dyingThread(im, stacks)
	d.Finding.Thread = stacks[d.Thread].TID
	d.Entry = entry(stacks[d.Thread])
	s := newScene(im, stacks[d.Thread])
	d.Finding.Mechanism = s.mechanism()
	if d.Finding.Mechanism.Kind == finding.Killed {
		return d // the decision was made elsewhere
	}
	d.Frame, d.Culprit = s.culprit(d.Finding.Mechanism)
	if d.Frame >= 0 {
		d.Functions = names(s.stack.Frames[d.Frame:])
	}
	return d
}

// sender is who sent the signal, if a process did.
func sender(im *image.Image) *finding.Sender {
	s := im.Core.Signal
	if s.SenderPID == nil || s.SenderUID == nil {
		return nil
	}
	return &finding.Sender{PID: *s.SenderPID, UID: *s.SenderUID, Self: *s.SenderPID == im.Core.Process.PID}
}

// dyingThread is the first, which dumped, unless the process signalled itself, the first is idle and
// another stands in the dying machinery: kill() goes to the process, and the kernel lets any thread take it.
func dyingThread(im *image.Image, stacks []unwind.Stack) int {
	from := sender(im)
	untold := !im.Core.Signal.HasCode && im.Core.Signal.Number == sigabrt // a core without siginfo
	if !untold && (from == nil || !from.Self) || dies(im, stacks[0]) {
		return 0
	}
	for i, s := range stacks {
		if dies(im, s) {
			return i
		}
	}
	return 0
}

// dies says whether a thread stands in the dying machinery, which is a few calls deep, or has just come
// back from it: kill() returns to a thread that goes on until the kernel ends it.
func dies(im *image.Image, stack unwind.Stack) bool {
	const deepest = 8
	for _, f := range stack.Frames[:min(len(stack.Frames), deepest)] {
		if deadly[f.Symbol] != "" {
			return true
		}
	}
	s := scene{im: im, machine: disasm.For(im.Core.Machine)}
	back, _ := s.cameBack(stack.Regs.SP(), stack.Regs.ByDWARF) // from the thread's last call
	c, ok := s.callBefore(back)
	_, name := s.target(c)
	return ok && deadly[name] != ""
}

// entry is the frame of the thread's first function, main or what a thread was started with: the runtime called it. Of a
// stack that was lost it is the outermost that is known. Of one that was smashed that is not the first: what smashed it
// stands there.
func entry(stack unwind.Stack) int {
	if stack.Smashed {
		return -1
	}
	frames := stack.Frames
	at := len(frames) - 1
	for i := at; i >= 0 && at-i < 4; i-- {
		if isRuntime(frames[i].Module) {
			at = i - 1 // what called the runtime is the program's _start
		}
	}
	for at >= 0 && isRuntime(frames[at].Module) {
		at--
	}
	return at
}

func names(frames []unwind.Frame) (names []string) {
	for _, f := range frames {
		for _, inlined := range f.Inlined {
			names = append(names, inlined.Function)
		}
		if f.Function != "" {
			names = append(names, f.Function)
		}
	}
	return names
}
