package logs

import (
	"regexp"
	"strconv"
	"strings"
)

// The kernel's lines for arm64 (arm64_show_signal in arch/arm64/kernel/traps.c, __show_regs in process.c), which it
// prints only with debug.exception-trace=1: older ones with the address, newer ones with the name of the exception's
// class. Where the instruction stood is told among the registers, some lines below.
var (
	unhandledAt = regexp.MustCompile(`^(.{1,16})\[(\d+)\]: unhandled (.{1,60}?) \((\d+)\) at 0x([0-9a-f]+), esr 0x([0-9a-f]+)`)
	unhandled   = regexp.MustCompile(`^(.{1,16})\[(\d+)\]: unhandled exception: (?:.{1,60}?, ESR 0x([0-9a-f]+), )?(.{1,60}?)(?: in [^\[]+\[|$)`)
	register    = regexp.MustCompile(`^(pc|sp) : (?:\[<)?([0-9a-f]{8,16})\b`)
)

// parseARM64 reads the line on an exception that no handler took.
func parseARM64(e entry) (Record, bool) {
	if !strings.Contains(e.String(), "]: unhandled ") {
		return Record{}, false
	}
	text := kernelText(e.String())
	r := Record{Kind: Kernel, Fault: &Fault{Machine: "aarch64"}}
	what, syndrome, tid := "", "", ""
	if m := unhandledAt.FindStringSubmatch(text); m != nil {
		r.Command, tid, what, syndrome = m[1], m[2], m[3], m[6]
		r.Signal, _ = strconv.Atoi(m[4])
		at := address(m[5])
		r.Fault.Address = &at
	} else if m := unhandled.FindStringSubmatch(text); m != nil {
		r.Command, tid, syndrome, what = m[1], m[2], m[3], m[4]
		r.Signal = signalOfARM64(what)
	} else {
		return Record{}, false
	}
	r.TID, _ = strconv.Atoi(tid)
	r.Fault.aborted(uint64(address(syndrome)), what)
	r.Fault.mapped(text)
	return r, true
}

// signalOfARM64 is the signal that goes with what the kernel says of an exception (fault_info in arch/arm64/mm/fault.c).
func signalOfARM64(what string) int {
	switch {
	case strings.Contains(what, "translation"), strings.Contains(what, "permission"), strings.Contains(what, "access flag"):
		return signals["SIGSEGV"]
	case strings.Contains(what, "undefined"), strings.Contains(what, "illegal"):
		return signals["SIGILL"]
	case strings.Contains(what, "BRK"), strings.Contains(what, "ptrace"):
		return signals["SIGTRAP"]
	}
	return signals["SIGBUS"]
}

// aborted reads the syndrome register of an abort (ESR_EL1 in the Arm Architecture Reference Manual): its class,
// whether it wrote, and whether memory was there. Of any other exception its name is kept.
func (f *Fault) aborted(syndrome uint64, what string) {
	const instruction, data = 0x20, 0x24 // from a lower level, that is a process; the low bit says from the same
	const write, permission, kinds = 1 << 6, 0x0c, 0x3c
	class := syndrome >> 26 & 0x3f
	switch {
	case class == instruction:
		f.Access = Executes
	case class == data && syndrome&write != 0:
		f.Access = Writes
	case class == data:
		f.Access = Reads
	default:
		f.Trap = what
		return
	}
	f.Refused = syndrome&kinds == permission
}

// registers reads where the instruction stood, unless it is another process's, which was printed in between.
func (f *Fault) registers(text string) {
	m := register.FindStringSubmatch(text)
	if m == nil {
		return
	}
	v := address(m[2])
	switch {
	case m[1] == "sp" && f.IP != 0 && f.SP == 0:
		f.SP = v
	case m[1] == "pc" && f.IP == 0 && (f.ModuleSize == 0 || uint64(v-f.ModuleBase) < f.ModuleSize):
		f.IP = v
	}
}
