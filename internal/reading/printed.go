package reading

import (
	"cmp"

	"github.com/inquest-project/inquest/internal/evidence/backtrace"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/unwind"
)

// Printed is the core's stacks as a trace, to be written in the forms of others. Names are those of the symbol
// tables, and recursion is unfolded as far as such forms go.
func (r *Reading) Printed() backtrace.Trace {
	var t backtrace.Trace
	if r.Image == nil {
		return t
	}
	t.Signal, t.PID = r.Image.Core.Signal.Number, r.Image.Core.Process.PID
	if exe := r.Image.Executable(); exe != nil {
		t.Executable = exe.Path
	}
	for i, s := range r.Stacks {
		th := backtrace.Thread{ID: s.TID, Crashed: i == 0}
		for _, f := range unfolded(s.Frames) {
			th.Frames = append(th.Frames, printed(f))
		}
		t.Threads = append(t.Threads, th)
	}
	return t
}

// mostRounds is more frames than any form keeps.
const mostRounds = 256

func unfolded(frames []unwind.Frame) []unwind.Frame {
	var all []unwind.Frame
	for len(frames) > 0 {
		rounds, n := frames[0].Repeats, 1
		for n < len(frames) && rounds > 0 && frames[n].Repeats == rounds {
			n++
		}
		for range max(1, min(rounds, mostRounds)) {
			all = append(all, frames[:n]...)
		}
		frames = frames[n:]
	}
	return all
}

func printed(f unwind.Frame) backtrace.Frame {
	p := backtrace.Frame{PC: &f.PC, Function: cmp.Or(f.Symbol, f.Function), File: f.File, Line: f.Line}
	if f.Module != nil {
		offset := place.Offset(f.Offset)
		p.BuildID, p.Offset, p.Module = f.Module.BuildID, &offset, f.Module.Path
	}
	return p
}
