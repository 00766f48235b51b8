package death

import (
	"github.com/inquest-project/inquest/internal/ground/finding"
)

// Signal numbers of Linux on x86-64 and arm64 (asm-generic/signal.h).
const (
	sigill  = 4
	sigtrap = 5
	sigabrt = 6
	sigbus  = 7
	sigfpe  = 8
	sigsegv = 11
	sigsys  = 31
)

var signalNames = map[int]string{
	1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", sigill: "SIGILL", sigtrap: "SIGTRAP", sigabrt: "SIGABRT", sigbus: "SIGBUS",
	sigfpe: "SIGFPE", 9: "SIGKILL", 10: "SIGUSR1", sigsegv: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM",
	15: "SIGTERM", 24: "SIGXCPU", 25: "SIGXFSZ", sigsys: "SIGSYS",
}

// SignalName is a signal's name, or empty if it has none.
func SignalName(n int) string { return signalNames[n] }

// mechanism tells how the process died.
func (s *scene) mechanism() *finding.Mechanism {
	if s.killed() {
		return &finding.Mechanism{Kind: finding.Killed}
	}
	switch n := s.signal.Number; {
	case n == sigabrt:
		return s.aborted()
	case s.selfSent():
		return &finding.Mechanism{Kind: finding.SignalOnly}
	case n == sigsegv:
		return s.faulted()
	case n == sigbus:
		m := s.faulted()
		m.Kind = finding.BusError
		return m
	case n == sigfpe:
		return &finding.Mechanism{Kind: finding.Arithmetic}
	case n == sigill, n == sigtrap:
		return &finding.Mechanism{Kind: finding.IllegalCode}
	}
	return &finding.Mechanism{Kind: finding.SignalOnly}
}
