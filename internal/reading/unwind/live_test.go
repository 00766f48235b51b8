package unwind_test

import (
	"testing"

	"github.com/inquest-project/inquest/lab/dying"
)

func TestLiveStackIsOfWhatTheSignalInterrupted(t *testing.T) {
	for _, name := range []string{"handler", "handler_altstack"} {
		t.Run(name, func(t *testing.T) {
			p := dying.One(t, name).Build(t, "-O2", "-fno-optimize-sibling-calls")
			_, stacks := open(t, p.Core(t))
			stack := stacks[0]
			interrupted := -1
			for i, f := range stack.Frames {
				if f.Signal {
					interrupted = i + 1
				}
			}
			if interrupted < 1 || interrupted >= len(stack.Frames) {
				t.Fatalf("no frame behind a signal's in %+v", stack.Frames)
			}
			lo, hi := stack.LiveRange()
			if want := stack.Frames[interrupted].SP; lo != want {
				t.Errorf("the live stack begins at %v, what was interrupted at %v", lo, want)
			}
			outermost := stack.Frames[len(stack.Frames)-1]
			if hi < outermost.SP || hi-lo > 64<<10 {
				t.Errorf("the live stack goes from %v to %v, the outermost frame is at %v", lo, hi, outermost.SP)
			}
		})
	}
}
