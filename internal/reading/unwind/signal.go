package unwind

import (
	"debug/elf"
	"encoding/binary"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/ground/cursor"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/image"
)

// Interrupted is the index of the frame that was running when a handler caught a signal that kills; 0 if no such
// handler is on the stack. What the handler holds is its report and nothing of the input. A handler of another
// signal, such as a timer's, interrupts nothing that went wrong.
//
// Seen in Debian's varnishd, whose workers catch their SIGSEGV on a stack of its own (sigaltstack(2)).
func (s Stack) Interrupted() int {
	for i := len(s.Frames) - 2; i >= 0; i-- {
		if f := s.Frames[i]; f.Signal && (kills(f.Caught) || f.Caught.Number == 0 && !f.Unprovoked && !s.faulted) {
			return i + 1
		}
	}
	return 0
}

// kills says whether a signal means that a process can't go on.
func kills(s elfcore.Signal) bool {
	const sigabrt, sigsys = 6, 31
	return s.IsFault() || s.Number == sigabrt || s.Number == sigsys
}

// faulted says whether the thread that dumped died of what its own instruction did, and not of a signal that it
// was sent.
func faulted(im *image.Image, n int) bool {
	signal := im.Core.Signal
	return n == 0 && signal.IsFault() && signal.HasCode && signal.SenderPID == nil
}

// signalFrame is where the kernel put on the stack what a handler was called for, counted from the stack pointer in the
// trampoline: siginfo, and the context with the processor's own account of the fault (asm/sigframe.h, asm/sigcontext.h).
type signalFrame struct {
	info    place.Address
	account func(*image.Image, place.Address) elfcore.Signal
}

var signalFrames = map[elf.Machine]signalFrame{
	elf.EM_X86_64:  {info: 304, account: trapped}, // struct ucontext comes first
	elf.EM_AARCH64: {info: 0, account: aborted64},
}

// caught is what a trampoline's handler was called for; without a number if that can't be told. siginfo is there if
// the handler asked for it (SA_SIGINFO); else that is what the stack held before.
func caught(im *image.Image, sp place.Address) elfcore.Signal {
	const infoSize = 128
	frame, ok := signalFrames[im.Core.Machine]
	info := make([]byte, infoSize)
	if !ok || im.Read(sp+frame.info, info) < infoSize {
		return elfcore.Signal{}
	}
	caught := elfcore.ParseSignal(cursor.New("siginfo", 0, info, binary.LittleEndian))
	trap, _ := im.Uint64(sp + toTrap)
	if believable(caught, im.Core.Machine != elf.EM_X86_64 || trap != 0) {
		return caught
	}
	return frame.account(im, sp)
}

// believable says whether the kernel can have made a signal of this kind; trapped, whether the processor had trapped, as
// it has before all that the kernel sends for an instruction, but for SIGFPE, whose trap has number 0, and SIGSYS.
func believable(s elfcore.Signal, trapped bool) bool {
	const lastSignal, sigfpe, sigsys, sentByKill, sentByTkill = 64, 8, 31, 0, -6
	switch {
	case s.Number < 1 || s.Number > lastSignal:
		return false
	case !kills(s):
		return true
	case s.Code > 0:
		return trapped || s.Number == sigfpe || s.Number == sigsys
	}
	return s.Code == sentByKill || s.Code == sentByTkill
}

// toTrap is from the stack pointer in the trampoline to the trap's number in x86-64's struct sigcontext, 0 if there was
// none.
const toTrap = 40 + 20*8

// trapped tells the signal from the trap that x86-64's struct sigcontext records: its number, and for a page fault
// the address (the processor's CR2).
func trapped(im *image.Image, sp place.Address) elfcore.Signal {
	const (
		sigill, sigsegv                      = 4, 11
		toAddress                            = 40 + 22*8
		invalidOpcode, protection, pageFault = 6, 13, 14
	)
	trap, _ := im.Uint64(sp + toTrap)
	switch trap {
	case invalidOpcode:
		return elfcore.Signal{Number: sigill}
	case protection:
		return elfcore.Signal{Number: sigsegv, Code: elfcore.SentByKernel, HasCode: true}
	case pageFault:
		if at, ok := im.Uint64(sp + toAddress); ok {
			address := place.Address(at)
			return elfcore.Signal{Number: sigsegv, Address: &address}
		}
	}
	return elfcore.Signal{}
}

// unprovoked says whether a signal came from outside that isn't told itself, as a timer's: the thread had no trap, stood
// at no division, whose trap has number 0, and had not just come back from a system call that succeeded, as the one that
// raises a signal has.
func (w *walker) unprovoked(sp place.Address) bool {
	const toRAX, toRIP = 40 + 13*8, 40 + 16*8
	trap, ok := w.im.Uint64(sp + toTrap)
	if w.im.Core.Machine != elf.EM_X86_64 || !ok || trap != 0 {
		return false
	}
	result, _ := w.im.Uint64(sp + toRAX)
	at, _ := w.im.Uint64(sp + toRIP)
	if before := w.im.Bytes(place.Address(at)-2, 2); string(before) == systemCall {
		return result != 0
	}
	i, known := w.machine.Decode(w.im.Bytes(place.Address(at), w.machine.Longest), at)
	return known && !i.Divides()
}

const systemCall = "\x0f\x05" // the instruction

// aborted64 tells a memory fault from the address that aarch64's struct sigcontext begins with, behind siginfo and the
// head of struct ucontext. It is zero for other signals.
func aborted64(im *image.Image, sp place.Address) elfcore.Signal {
	const sigsegv, toContext = 11, 128 + 176
	at, ok := im.Uint64(sp + toContext)
	if !ok || at == 0 {
		return elfcore.Signal{}
	}
	address := place.Address(at)
	return elfcore.Signal{Number: sigsegv, Address: &address}
}
