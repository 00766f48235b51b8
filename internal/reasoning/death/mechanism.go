package death

import (
	"github.com/elastic/go-libaudit/v2/auparse"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/disasm"
)

// Signal numbers of Linux on x86-64 and arm64 (asm-generic/signal.h).
const (
	sigill  = 4
	sigtrap = 5
	sigabrt = 6
	sigbus  = 7
	sigfpe  = 8
	sigsegv = 11
	sigxcpu = 24
	sigxfsz = 25
	sigsys  = 31
)

var signalNames = map[int]string{
	1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", sigill: "SIGILL", sigtrap: "SIGTRAP", sigabrt: "SIGABRT", sigbus: "SIGBUS",
	sigfpe: "SIGFPE", 9: "SIGKILL", 10: "SIGUSR1", sigsegv: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM",
	15: "SIGTERM", sigxcpu: "SIGXCPU", sigxfsz: "SIGXFSZ", sigsys: "SIGSYS",
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
	case n == sigxfsz: // the kernel sends it in the process's own name
		return &finding.Mechanism{Kind: finding.Limit, Detail: finding.FileSize}
	case s.selfSent() && !s.faultsAgain():
		return &finding.Mechanism{Kind: finding.SignalOnly}
	case n == sigsegv:
		return s.faulted()
	case n == sigbus:
		return s.busError()
	case n == sigfpe:
		return s.arithmetic()
	case n == sigill:
		return s.illegal(finding.IllegalCode)
	case n == sigtrap:
		return s.illegal(finding.Trap)
	case n == sigsys:
		return s.forbidden()
	case n == sigxcpu:
		return &finding.Mechanism{Kind: finding.Limit, Detail: finding.CPUTime}
	}
	return &finding.Mechanism{Kind: finding.SignalOnly}
}

// faultsAgain says whether a signal that the process sent itself stands for a fault all the same: a handler that
// raises its own signal again has it blocked, so it comes when the handler has returned to the instruction that
// faulted. That has still not run, and can't; of what the signal tells nothing but its number counts then.
func (s *scene) faultsAgain() bool {
	pc := s.frame().PC
	i, known := s.instruction(pc)
	faults := false
	switch s.signal.Number {
	case sigsegv, sigbus:
		target, jumps := i.Goes(s.register, s.word)
		faults = !s.im.Code(pc) || s.outOfStack() || s.refusedAddress(i) != nil || jumps && !s.im.Code(place.Address(target))
	case sigfpe:
		_, faults = i.Division(s.register, s.word)
	case sigill:
		faults = len(s.im.Bytes(pc, 1)) > 0 && (!known || i.Flow == disasm.Stops)
	}
	if faults {
		s.signal = elfcore.Signal{Number: s.signal.Number}
	}
	return faults
}

// busError is mostly a mapping behind the end of its file, which somebody cut. A pointer that can't be is told likewise, if it
// was used as the stack's, by way of rsp or rbp: for that x86-64 has an exception of its own, which Linux sends as SIGBUS.
func (s *scene) busError() *finding.Mechanism {
	const noMemory = 2 // BUS_ADRERR
	m := s.faulted()
	if m.Detail == finding.NonCanonical && m.Access != "" {
		return m
	}
	m.Kind = finding.BusError
	if m.Address == nil {
		return m
	}
	for _, mapping := range s.im.Core.Mappings {
		if *m.Address >= mapping.Start && *m.Address < mapping.End {
			m.File = mapping.Path
		}
	}
	if m.File != "" && (s.signal.Code == noMemory || !s.signal.HasCode) {
		m.Detail = finding.BeyondFile
	}
	return m
}

// arithmetic tells the reasons of a SIGFPE apart. The processor has one trap for a division by zero and for a quotient
// that has no room, and the kernel calls both a division by zero: the divisor tells.
func (s *scene) arithmetic() *finding.Mechanism {
	const lastInteger = 2 // FPE_INTOVF; above are the codes of floating point
	m := &finding.Mechanism{Kind: finding.Arithmetic}
	i, ok := s.instruction(s.frame().PC)
	m.Instruction = i.Text()
	if s.signal.HasCode && s.signal.Code > lastInteger && s.signal.Code != elfcore.SentByKernel {
		m.Detail = finding.Float
		return m
	}
	if !ok {
		return m
	}
	if d, ok := i.Division(s.register, s.word); ok {
		m.Size, m.Detail = d.Size, finding.ByZero
		if d.Divisor != 0 {
			m.Detail = finding.Quotient
		}
	}
	return m
}

// illegal is an instruction that the processor refuses or traps at. clang's -fsanitize-trap numbers the check that failed:
// on x86-64 in ud1, on aarch64 in brk, above 0x5500.
func (s *scene) illegal(kind finding.MechanismKind) *finding.Mechanism {
	const sanitizer, most = 0x5500, 0xff
	m := &finding.Mechanism{Kind: kind}
	pc := s.frame().PC
	i, _ := s.instruction(pc)
	if before := s.im.Bytes(pc-1, 1); kind == finding.Trap && len(before) == 1 && before[0] == int3 {
		i, _ = s.instruction(pc - 1) // this one is over when the trap is reported
	}
	m.Instruction = i.Text()
	if i.Flow == disasm.Stops {
		m.Message = s.saidBefore()
		if kind == finding.IllegalCode {
			m.Detail = finding.OnPurpose
		}
	}
	if code, ok := i.Trap(); ok && (code&^most == sanitizer || code <= most && s.machine.Longest > 4) {
		m.Kind, m.Message, m.Detail = finding.Sanitizer, failedCheck(code&most), ""
	}
	return m
}

const int3 = 0xcc

// checks are clang's names for what -fsanitize-trap can find, by number (LIST_SANITIZER_CHECKS in SanitizerHandler.h).
var checks = []string{"add-overflow", "builtin-unreachable", "cfi-check-fail", "divrem-overflow", "dynamic-type-cache-miss",
	"float-cast-overflow", "function-type-mismatch", "implicit-conversion", "invalid-builtin", "invalid-objc-cast",
	"load-invalid-value", "missing-return", "mul-overflow", "negate-overflow", "nullability-arg", "nullability-return",
	"nonnull-arg", "nonnull-return", "out-of-bounds", "pointer-overflow", "shift-out-of-bounds", "sub-overflow",
	"type-mismatch", "alignment-assumption", "vla-bound-not-positive"}

func failedCheck(code int) string {
	if code < len(checks) {
		return checks[code]
	}
	return ""
}

// forbidden names the system call that a filter forbade (seccomp(2)): its number is still in the register that it
// was asked for by, rax or x8, and its names are those of the kernel's tables.
func (s *scene) forbidden() *finding.Mechanism {
	m := &finding.Mechanism{Kind: finding.Seccomp}
	number, ok := s.register(s.machine.SystemCall)
	if ok {
		m.SystemCall = SystemCall(s.machine.Name, int(number))
	}
	return m
}

// SystemCall is a system call of a machine, "x86_64" or "aarch64".
func SystemCall(machine string, number int) *finding.SystemCall {
	return &finding.SystemCall{Number: number, Name: auparse.AuditSyscalls[machine][number]}
}
