package logs

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/place"
)

// The kernel's lines (arch/x86/mm/fault.c and kernel/traps.c, mm/oom_kill.c). Behind the file stand its
// mapping's base and size; since 6.7 the offset in the file comes before them.
var (
	segfault = regexp.MustCompile(`^(.{1,16})\[(\d+)\]: segfault at ([0-9a-f]+) ip ([0-9a-f]+) sp ([0-9a-f]+) error ([0-9a-f]+)`)
	trap     = regexp.MustCompile(`^traps: (.{1,16})\[(\d+)\] (.{1,60}?) ip:([0-9a-f]+) sp:([0-9a-f]+) error:([0-9a-f]+)`)
	oomKill  = regexp.MustCompile(`Killed process (\d+)(?:, UID \d+,)? \(([^)]*)\)`)
	mapping  = regexp.MustCompile(` in ([^\[]+)\[(?:[0-9a-f]+,)?([0-9a-f]+)\+([0-9a-f]+)\]`)

	// kernelPrefix is what syslog, the journal and dmesg put before the kernel's own text.
	kernelPrefix = regexp.MustCompile(`^(?:.*?\bkernel: )?(?:<\d+>)?(?:[a-z]+ *: *[a-z]+ *: *)?(?:\[[^\]]*\] )?`)
)

// kernelText is a line's text as the kernel printed it.
func kernelText(line string) string { return line[len(kernelPrefix.FindString(line)):] }

// parseFault reads the line on a page fault that no handler took.
func parseFault(e entry) (Record, bool) {
	if !strings.Contains(e.text, "segfault at") {
		return Record{}, false
	}
	text := kernelText(e.text)
	m := segfault.FindStringSubmatch(text)
	if m == nil {
		return Record{}, false
	}
	r := Record{Kind: Kernel, Signal: signals["SIGSEGV"], Command: m[1]}
	r.TID, _ = strconv.Atoi(m[2])
	r.Fault = &Fault{Address: address(m[3]), IP: address(m[4]), SP: address(m[5]), Error: uint64(address(m[6]))}
	r.Fault.mapped(text)
	return r, true
}

// parseTrap reads the line on a processor's trap.
func parseTrap(e entry) (Record, bool) {
	if !strings.Contains(e.text, "traps: ") {
		return Record{}, false
	}
	text := kernelText(e.text)
	m := trap.FindStringSubmatch(text)
	if m == nil {
		return Record{}, false
	}
	r := Record{Kind: Kernel, Command: m[1], Signal: trapSignal(m[3])}
	r.TID, _ = strconv.Atoi(m[2])
	r.Fault = &Fault{IP: address(m[4]), SP: address(m[5]), Error: uint64(address(m[6]))}
	r.Fault.mapped(text)
	return r, true
}

// mapped reads which file the faulting instruction was mapped from, if the line tells.
func (f *Fault) mapped(text string) {
	if m := mapping.FindStringSubmatch(text); m != nil {
		f.Module, f.ModuleBase, f.ModuleSize = m[1], address(m[2]), uint64(address(m[3]))
	}
}

// trapSignal is the signal that the kernel sends for a trap; a general protection fault's is SIGSEGV.
func trapSignal(what string) int {
	switch {
	case strings.Contains(what, "divide"), strings.Contains(what, "fp"), strings.Contains(what, "simd"):
		return signals["SIGFPE"]
	case strings.Contains(what, "invalid opcode"):
		return signals["SIGILL"]
	case strings.Contains(what, "int3"), strings.Contains(what, "debug"):
		return signals["SIGTRAP"]
	case strings.Contains(what, "stack segment"), strings.Contains(what, "alignment"), strings.Contains(what, "segment not present"):
		return signals["SIGBUS"]
	}
	return signals["SIGSEGV"]
}

// parseOOM reads the line on a process that was killed for its memory.
func parseOOM(e entry) (Record, bool) {
	m := oomKill.FindStringSubmatch(e.text)
	if m == nil {
		return Record{}, false
	}
	r := Record{Kind: OOM, Signal: signals["SIGKILL"], Command: m[2]}
	r.PID, _ = strconv.Atoi(m[1])
	return r, true
}

func address(digits string) place.Address {
	v, _ := strconv.ParseUint(digits, 16, 64) // the pattern lets only digits through; too many are unknown
	return place.Address(v)
}
