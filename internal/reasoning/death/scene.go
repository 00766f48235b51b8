package death

import (
	"debug/elf"
	"encoding/binary"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/ground/cursor"
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

	followed uint64 // bytes of code, in search of helpers
}

// newScene finds the outermost signal handler on the stack: a daemon that catches its own SIGSEGV, prints a
// report and aborts, or dies a second time while it reports, was killed by the first signal.
func newScene(im *image.Image, stack unwind.Stack) *scene {
	s := &scene{im: im, machine: disasm.For(im.Core.Machine), stack: stack, signal: im.Core.Signal, never: map[place.Address]bool{}}
	for i, f := range stack.Frames {
		if f.Signal && i+1 < len(stack.Frames) {
			s.first = i + 1
			if caught, ok := caughtSignal(im, f); ok {
				s.signal = caught
			}
		}
	}
	return s
}

// signalFrame is where the kernel put on the stack what a handler was called for, counted from the stack pointer in the
// trampoline: siginfo, and the context with the processor's own account of the fault (asm/sigframe.h, asm/sigcontext.h).
type signalFrame struct {
	info    place.Address
	account func(*image.Image, place.Address) (elfcore.Signal, bool)
}

var signalFrames = map[elf.Machine]signalFrame{
	elf.EM_X86_64:  {info: 304, account: trapped}, // struct ucontext comes first
	elf.EM_AARCH64: {info: 0, account: aborted64},
}

// caughtSignal is what the trampoline's handler was called for: siginfo is there if the handler asked for it
// (SA_SIGINFO).
func caughtSignal(im *image.Image, trampoline unwind.Frame) (elfcore.Signal, bool) {
	const (
		infoSize   = 128
		lastSignal = 64
	)
	frame, ok := signalFrames[im.Core.Machine]
	info := make([]byte, infoSize)
	if !ok || im.Read(trampoline.SP+frame.info, info) < infoSize {
		return elfcore.Signal{}, false
	}
	caught := elfcore.ParseSignal(cursor.New("siginfo", 0, info, binary.LittleEndian))
	if caught.Number >= 1 && caught.Number <= lastSignal {
		return caught, true
	}
	return frame.account(im, trampoline.SP)
}

// trapped tells the signal from the trap that x86-64's struct sigcontext records: its number, and for a page fault
// the address (the processor's CR2).
func trapped(im *image.Image, sp place.Address) (elfcore.Signal, bool) {
	const (
		toTrap, toAddress                    = 40 + 20*8, 40 + 22*8
		invalidOpcode, protection, pageFault = 6, 13, 14
	)
	trap, _ := im.Uint64(sp + toTrap)
	switch trap {
	case invalidOpcode:
		return elfcore.Signal{Number: sigill}, true
	case protection:
		return elfcore.Signal{Number: sigsegv, Code: elfcore.SentByKernel, HasCode: true}, true
	case pageFault:
		at, ok := im.Uint64(sp + toAddress)
		address := place.Address(at)
		return elfcore.Signal{Number: sigsegv, Address: &address}, ok
	}
	return elfcore.Signal{}, false
}

// aborted64 tells a memory fault from the address that aarch64's struct sigcontext begins with, behind siginfo and the
// head of struct ucontext. It is zero for other signals.
func aborted64(im *image.Image, sp place.Address) (elfcore.Signal, bool) {
	const toContext = 128 + 176
	at, ok := im.Uint64(sp + toContext)
	address := place.Address(at)
	return elfcore.Signal{Number: sigsegv, Address: &address}, ok && at != 0
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
