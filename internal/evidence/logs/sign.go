package logs

import (
	"bytes"
	"regexp"
	"strconv"
)

// The kernel's lines on broken hardware: a process that used broken memory is killed (mm/memory-failure.c), other errors
// are only told (machine checks: arch/x86/kernel/cpu/mce; memory controllers: drivers/edac; firmware: drivers/firmware/efi/cper.c; arm64: arch/arm64/kernel/traps.c).
// And on what hangs (kernel/watchdog.c, kernel/hung_task.c).
var (
	memoryFailure = regexp.MustCompile(`Memory failure: 0x[0-9a-f]+: (?:Sending SIGBUS to|Killing) (.{1,16}):(\d+) due to hardware memory corruption`)
	signs         = []struct {
		kind Kind
		word []byte
		form *regexp.Regexp
	}{
		{MachineCheck, []byte("[Hardware Error]"), regexp.MustCompile(`\[Hardware Error\]`)},
		{MachineCheck, []byte("achine check"), regexp.MustCompile(`(?i)\bmachine check (?:events|exception)`)},
		{MemoryError, []byte("EDAC "), regexp.MustCompile(`\bEDAC [A-Za-z]+\d*: \d+ (?:CE|UE)\b`)},
		{MemoryError, []byte("Memory failure"), regexp.MustCompile(`\bMemory failure: 0x`)},
		{MachineCheck, []byte("SError"), regexp.MustCompile(`\bSError Interrupt on CPU`)},
		{LockUp, []byte("lockup"), regexp.MustCompile(`\b(?:soft|hard) lockup\b`)},
		{LockUp, []byte("LOCKUP"), regexp.MustCompile(`\bhard LOCKUP on cpu\b`)},
		{LockUp, []byte("blocked for more than"), regexp.MustCompile(`\btask .{1,16}:\d+ blocked for more than \d+ seconds`)},
	}
)

func parseMemoryFailure(e entry) (Record, bool) {
	m := memoryFailure.FindStringSubmatch(e.String())
	if m == nil {
		return Record{}, false
	}
	r := Record{Kind: MemoryFailure, Signal: signals["SIGBUS"], Command: m[1]}
	r.PID, _ = strconv.Atoi(m[2])
	return r, true
}

// parseSign takes an entry for a sign, if it is one.
func parseSign(e entry) (Record, bool) {
	for _, s := range signs {
		if bytes.Contains(e.raw, s.word) && s.form.Match(e.raw) {
			return Record{Kind: s.kind}, true
		}
	}
	return Record{}, false
}
