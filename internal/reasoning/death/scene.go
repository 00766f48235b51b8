package death

import (
	"debug/elf"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/disasm"
	"github.com/inquest-project/inquest/internal/reading/image"
	"github.com/inquest-project/inquest/internal/reading/unwind"
)

// scene is the dying thread at the moment that decided: where a handler caught the signal and died later,
// that is when the signal came.
type scene struct {
	im      *image.Image
	machine *disasm.Machine
	stack   unwind.Stack
	signal  elfcore.Signal // what came at that moment
	first   int            // the frame that was running then
	never   map[place.Address]bool

	beyond   bool   // what faulted was reached from a pointer to memory that is there
	followed uint64 // bytes of code, in search of helpers
}

// newScene begins where the thread was running: a daemon that catches its own SIGSEGV, prints a report and
// aborts, or dies a second time while it reports, was killed by the first signal.
func newScene(im *image.Image, stack unwind.Stack) *scene {
	s := &scene{im: im, machine: disasm.For(im.Core.Machine), stack: stack, signal: im.Core.Signal,
		first: stack.Interrupted(), never: map[place.Address]bool{}}
	if s.first > 0 && stack.Frames[s.first-1].Caught.Number != 0 {
		s.signal = stack.Frames[s.first-1].Caught
	}
	return s
}

// frame is the frame that was running.
func (s *scene) frame() unwind.Frame { return s.stack.Frames[s.first] }

// selfSent says whether the process sent the signal to itself.
func (s *scene) selfSent() bool {
	return s.signal.SenderPID != nil && *s.signal.SenderPID == s.im.Core.Process.PID
}

// killed says whether another process sent the signal.
func (s *scene) killed() bool {
	return s.signal.SenderPID != nil && s.im.Core.Process.Known && !s.selfSent()
}

func (s *scene) writable(a place.Address) bool {
	flags, ok := s.im.Flags(a)
	return ok && flags&elf.PF_W != 0
}

// owner is the module whose data an address belongs to: what begins as zeros lies right behind the module's file.
func (s *scene) owner(a place.Address) *image.Module {
	if m := s.im.Module(a); m != nil {
		return m
	}
	return s.im.Module(a - 1)
}
