package logs

import (
	"regexp"
	"strconv"
)

var (
	oomKill = regexp.MustCompile(`Killed process (\d+)(?:, UID \d+,)? \(([^)]*)\)`) // mm/oom_kill.c

	oomdKill = regexp.MustCompile(`\bKilled (?:/\S{1,300}/)?(\S{1,100}\.(?:service|scope|slice)) due to memory`) // systemd-oomd

	// kernelPrefix is what syslog, the journal and dmesg put before the kernel's own text.
	kernelPrefix = regexp.MustCompile(`^(?:.*?\bkernel: | +MESSAGE=)?(?:<\d+>)?(?:[a-z]+ *: *[a-z]+ *: *)?(?:\[[^\]]*\] )?`)
)

// kernelText is a line's text as the kernel printed it.
func kernelText(line string) string { return line[len(kernelPrefix.FindString(line)):] }

// parseOOM reads the line on a process that was killed for its memory.
func parseOOM(e entry) (Record, bool) {
	if m := oomdKill.FindStringSubmatch(e.String()); m != nil {
		return Record{Kind: OOM, Signal: signals["SIGKILL"], Unit: m[1]}, true
	}
	m := oomKill.FindStringSubmatch(e.String())
	if m == nil {
		return Record{}, false
	}
	r := Record{Kind: OOM, Signal: signals["SIGKILL"], Command: m[2]}
	r.PID, _ = strconv.Atoi(m[1])
	return r, true
}
