package elfcore

import (
	"github.com/inquest-project/inquest/internal/ground/cursor"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// Values of Signal.Code that tell where a signal came from (asm-generic/siginfo.h). Positive codes,
// but SI_KERNEL, mean a fault of the thread itself.
const (
	SentByKill   = 0    // SI_USER: kill()
	SentByQueue  = -1   // SI_QUEUE: sigqueue()
	SentByTkill  = -6   // SI_TKILL: tkill(), tgkill(): raise() and abort() do so
	SentByKernel = 0x80 // SI_KERNEL: a fault whose address the processor doesn't tell
)

// Signal is what killed, from the NT_SIGINFO note; a core older than Linux 3.7 knows the number only.
type Signal struct {
	Number    int  // 0 if unknown
	Code      int  // si_code; meaningful if HasCode
	HasCode   bool // whether the core told more than the number
	Address   *place.Address
	SenderPID *int
	SenderUID *int
}

// Numbers of signals on Linux that mean a fault.
const (
	sigILL, sigTRAP, sigBUS, sigFPE, sigSEGV = 4, 5, 7, 8, 11
)

// ParseSignal decodes a siginfo_t of x86-64 and aarch64: 128 bytes, of which 24 are looked at. It
// stands in the core's note, and on the stack of a thread that runs a signal handler.
func ParseSignal(r *cursor.Reader) Signal {
	s := Signal{Number: int(int32(r.Uint32()))}
	r.Uint32() // si_errno
	s.Code = int(int32(r.Uint32()))
	r.Uint32() // padding
	if r.Len() < 8 {
		r.Fail("expected 8 bytes of si_pid and si_uid or si_addr, found %d", r.Len())
		return s
	}
	s.HasCode = true
	switch {
	case s.Code == SentByKill || s.Code == SentByQueue || s.Code == SentByTkill:
		pid, uid := int(int32(r.Uint32())), int(int32(r.Uint32()))
		s.SenderPID, s.SenderUID = &pid, &uid
	case s.IsFault() && s.Code != SentByKernel:
		address := r.Addr()
		s.Address = &address
	}
	return s
}

// IsFault says whether this kind of signal stands for something that the thread's own instruction did.
func (s Signal) IsFault() bool {
	switch s.Number {
	case sigILL, sigTRAP, sigBUS, sigFPE, sigSEGV:
		return true
	}
	return false
}

// readSignal keeps the first siginfo: the kernel writes one, for the thread that dumped; gdb writes
// one per thread, in the threads' order.
func (c *Core) readSignal(r *cursor.Reader) {
	if !c.Signal.HasCode {
		c.Signal = ParseSignal(r)
	}
}
