package death

import (
	"golang.org/x/arch/x86/x86asm"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/disasm"
	"github.com/inquest-project/inquest/internal/reading/image"
	"github.com/inquest-project/inquest/internal/reading/unwind"
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

const (
	// nullPage is where a null pointer's fields lie: the lowest 64 KiB are never mapped
	// (vm.mmap_min_addr).
	nullPage = 64 << 10

	// recursionLeast is how many rounds of the same frames are a runaway recursion.
	recursionLeast = 200

	// overranOwnFrame is the access by which a function returns to what it wrote over its own return address.
	overranOwnFrame = "return"
)

// mechanism tells how the process died.
func mechanism(im *image.Image, stack unwind.Stack) *finding.Mechanism {
	s := im.Core.Signal
	if s.SenderPID != nil && *s.SenderPID != im.Core.Process.PID && im.Core.Process.Known {
		return &finding.Mechanism{Kind: finding.Killed}
	}
	switch s.Number {
	case sigabrt:
		return aborted(im, stack)
	case sigsegv, sigbus:
		return faulted(im, stack)
	case sigfpe:
		return &finding.Mechanism{Kind: finding.Arithmetic}
	case sigill, sigtrap:
		return &finding.Mechanism{Kind: finding.IllegalCode}
	}
	return &finding.Mechanism{Kind: finding.SignalOnly}
}

// aborted tells the kinds of abort apart by the C library's message, else by the functions on the stack.
func aborted(im *image.Image, stack unwind.Stack) *finding.Mechanism {
	if message := abortMessage(im); message != "" {
		return &finding.Mechanism{Kind: messageKind(message), Message: message}
	}
	for _, f := range stack.Frames {
		switch f.Function {
		case "__assert_fail", "__assert", "__assert_perror_fail":
			return &finding.Mechanism{Kind: finding.Assertion}
		case "__stack_chk_fail":
			return &finding.Mechanism{Kind: finding.StackProtector}
		case "__fortify_fail", "__chk_fail":
			return &finding.Mechanism{Kind: finding.Fortify}
		}
	}
	return &finding.Mechanism{Kind: finding.Abort}
}

// abortMessage is what glibc printed before it aborted: it keeps it in __abort_msg for post-mortems
// (struct abort_msg_s: a 32-bit size, then the text).
func abortMessage(im *image.Image) string {
	for _, m := range im.Modules {
		if m.File == nil || !isRuntime(m) {
			continue
		}
		vaddr, _, ok := m.File.Symbol("__abort_msg")
		if !ok {
			continue
		}
		kept, ok := im.Uint64(m.Bias + place.Address(vaddr))
		if !ok || kept == 0 {
			continue
		}
		if message, ok := im.CString(place.Address(kept)+4, 4096); ok {
			return message
		}
	}
	return ""
}

// faulted tells what kind of access failed, from the signal's address and the instruction.
func faulted(im *image.Image, stack unwind.Stack) *finding.Mechanism {
	m := &finding.Mechanism{Kind: finding.Fault}
	if n := repeats(stack); stack.Overflow || n >= recursionLeast {
		m.Kind, m.Repeats, m.Address = finding.StackOverflow, n, im.Core.Signal.Address
		return m
	}
	frames := stack.Frames
	at := belowHandler(frames)
	if at >= len(frames) {
		return m
	}
	pc := frames[at].PC
	m.Address = im.Core.Signal.Address
	if im.Core.Signal.HasCode && im.Core.Signal.Code == elfcore.SentByKernel {
		m.Address = nil // the processor doesn't tell the address of a general protection fault
	}
	if !im.Code(pc) {
		m.Kind, m.Access, m.Address = finding.FaultExecute, "execute", addressOf(pc)
		return m
	}
	code := im.Bytes(pc, 16)
	instruction, ok := disasm.Decode(code, uint64(pc))
	if !ok {
		return classify(m, false, false)
	}
	if instruction.Op == x86asm.RET {
		m.Kind, m.Access = finding.FaultExecute, overranOwnFrame
		if target, ok := im.Uint64(frames[at].SP); ok {
			m.Address = addressOf(place.Address(target))
		}
		return m
	}
	access, found := culpritAccess(instruction, frames[at], m.Address)
	if found && m.Address == nil {
		m.Address = addressOf(place.Address(access.Address))
	}
	return classify(m, found, access.Write)
}

// classify names an access by whether it wrote and where.
func classify(m *finding.Mechanism, known, write bool) *finding.Mechanism {
	if known {
		m.Kind, m.Access = finding.FaultRead, "read"
		if write {
			m.Kind, m.Access = finding.FaultWrite, "write"
		}
	}
	if m.Address != nil && *m.Address < nullPage {
		m.Kind = finding.FaultNull
	}
	return m
}

// culpritAccess is the access of an instruction that faulted: the one that covers the fault's address,
// or the only one.
func culpritAccess(i disasm.Instruction, f unwind.Frame, fault *place.Address) (disasm.Access, bool) {
	all := i.Accesses(func(r x86asm.Reg) (uint64, bool) { return registerOf(f, r) })
	for _, a := range all {
		size := max(1, a.Size)
		if fault != nil && uint64(*fault) >= a.Address && uint64(*fault) < a.Address+uint64(size) {
			return a, true
		}
	}
	if len(all) == 1 {
		return all[0], true
	}
	return disasm.Access{}, false
}

// dwarfNumbers are the numbers of the 64-bit registers in unwind tables (System V ABI for x86-64, figure
// 3.36).
var dwarfNumbers = map[x86asm.Reg]int{
	x86asm.RAX: 0, x86asm.RDX: 1, x86asm.RCX: 2, x86asm.RBX: 3, x86asm.RSI: 4, x86asm.RDI: 5, x86asm.RBP: 6, x86asm.RSP: 7,
	x86asm.R8: 8, x86asm.R9: 9, x86asm.R10: 10, x86asm.R11: 11, x86asm.R12: 12, x86asm.R13: 13, x86asm.R14: 14, x86asm.R15: 15,
}

func registerOf(f unwind.Frame, r x86asm.Reg) (uint64, bool) {
	n, ok := dwarfNumbers[r]
	if !ok {
		return 0, false
	}
	return f.Reg(n)
}

func repeats(stack unwind.Stack) int {
	most := 0
	for _, f := range stack.Frames {
		most = max(most, f.Repeats)
	}
	return most
}
