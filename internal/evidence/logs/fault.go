package logs

import (
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/place"
)

// Fault is what the kernel log tells of a faulting instruction.
type Fault struct {
	Machine string // "x86_64", "i686" or "aarch64"
	Trap    string // the processor's: "divide error"; empty where memory was at fault
	IP, SP  place.Address
	Address *place.Address // of the memory; nil where the lines don't tell it
	Access  Access         // empty where it isn't known
	Refused bool           // the memory is there, and may not be used so

	Module     string        // base name of the file that the instruction was mapped from
	ModuleBase place.Address // of that mapping, which is the file's executable part only
	ModuleSize uint64        // of it, in bytes
	FileOffset *place.Offset // of the instruction in the file; since Linux 6.7

	Code   []byte // around the instruction
	CodeAt int    // where in Code it begins
}

// Access is what an instruction did to memory.
type Access string

// The accesses.
const (
	Reads    Access = "read"
	Writes   Access = "write"
	Executes Access = "execute"
)

// The kernel's lines for x86 (show_signal_msg in arch/x86/mm/fault.c, show_signal in arch/x86/kernel/traps.c). Behind
// the file (print_vma_addr in mm/memory.c) stand its mapping's base and size; since 6.7 the offset in the file comes
// before them. The line behind a segfault's shows the code (show_opcodes in arch/x86/kernel/dumpstack.c).
var (
	segfault = regexp.MustCompile(`^(.{1,16})\[(\d+)\]: segfault at ([0-9a-f]+) ip ([0-9a-f]+) sp ([0-9a-f]+) error ([0-9a-f]+)`)
	trap     = regexp.MustCompile(`^traps: (.{1,16})\[(\d+)\] (?:trap )?(.{1,60}?) ip:([0-9a-f]+) sp:([0-9a-f]+) error:([0-9a-f]+)`)
	mapping  = regexp.MustCompile(` in ([^\[]+)\[(?:([0-9a-f]+),)?([0-9a-f]+)\+([0-9a-f]+)\]`)
	opcodes  = regexp.MustCompile(`^Code: ((?:[0-9a-f]{2} ){0,64})<([0-9a-f]{2})>((?: [0-9a-f]{2}){0,64})`)
)

// parseFault reads the line on a page fault that no handler took.
func parseFault(e entry) (Record, bool) {
	if !strings.Contains(e.String(), "segfault at") {
		return Record{}, false
	}
	text := kernelText(e.String())
	m := segfault.FindStringSubmatch(text)
	if m == nil {
		return Record{}, false
	}
	r := Record{Kind: Kernel, Signal: signals["SIGSEGV"], Command: m[1]}
	r.TID, _ = strconv.Atoi(m[2])
	at := address(m[3])
	r.Fault = &Fault{Address: &at, IP: address(m[4]), SP: address(m[5])}
	r.Fault.Machine = machineOf(r.Fault.SP)
	r.Fault.accessed(uint64(address(m[6])))
	r.Fault.mapped(text)
	return r, true
}

// machineOf tells a 32-bit program, by its stack: that of another lies above 4 GiB.
func machineOf(sp place.Address) string {
	if sp>>32 == 0 {
		return "i686"
	}
	return "x86_64"
}

// accessed reads the processor's error code on a page fault (arch/x86/include/asm/trap_pf.h). Of an address of the
// kernel's own the kernel always says that memory was there, not to tell where it is.
func (f *Fault) accessed(bits uint64) {
	const protection, write, fetch = 1 << 0, 1 << 1, 1 << 4
	switch {
	case bits&fetch != 0:
		f.Access = Executes
	case bits&write != 0:
		f.Access = Writes
	default:
		f.Access = Reads
	}
	f.Refused = bits&protection != 0 && int64(*f.Address) >= 0
}

// parseTrap reads the line on a processor's trap.
func parseTrap(e entry) (Record, bool) {
	if !strings.Contains(e.String(), "traps: ") {
		return Record{}, false
	}
	text := kernelText(e.String())
	m := trap.FindStringSubmatch(text)
	if m == nil {
		return Record{}, false
	}
	r := Record{Kind: Kernel, Command: m[1], Signal: trapSignal(m[3])}
	r.TID, _ = strconv.Atoi(m[2])
	r.Fault = &Fault{Trap: m[3], IP: address(m[4]), SP: address(m[5])}
	r.Fault.Machine = machineOf(r.Fault.SP)
	r.Fault.mapped(text)
	return r, true
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

// mapped reads which file the faulting instruction was mapped from, if the line tells.
func (f *Fault) mapped(text string) {
	m := mapping.FindStringSubmatch(text)
	if m == nil {
		return
	}
	f.Module, f.ModuleBase, f.ModuleSize = m[1], address(m[3]), uint64(address(m[4]))
	if m[2] != "" {
		offset := place.Offset(address(m[2]))
		f.FileOffset = &offset
	}
}

// mostBehind is how many entries behind a fault's line may still belong to it: arm64 prints all registers.
const mostBehind = 32

// more reads an entry behind the fault's own, as far as it tells more of the same.
func (f *Fault) more(e entry) {
	if f == nil {
		return
	}
	text := kernelText(e.String())
	if f.Machine == "aarch64" {
		f.registers(text)
	} else if m := opcodes.FindStringSubmatch(text); m != nil && f.Trap == "" && f.Code == nil {
		f.CodeAt = len(m[1]) / len("00 ")
		f.Code, _ = hex.DecodeString(strings.ReplaceAll(m[1]+m[2]+m[3], " ", ""))
	}
}

func address(digits string) place.Address {
	v, _ := strconv.ParseUint(digits, 16, 64) // the pattern lets only digits through; too many are unknown
	return place.Address(v)
}
