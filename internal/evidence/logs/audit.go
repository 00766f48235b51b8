package logs

import (
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	// auditAbend finds the record's type in all that may stand before its fields.
	auditAbend   = regexp.MustCompile(`\bANOM_ABEND\b|\btype=1701\b|<audit-1701>`)
	auditSeccomp = regexp.MustCompile(`\bSECCOMP (?:msg=|auid=)|\btype=1326\b|<audit-1326>`)
	auditName    = regexp.MustCompile(`(?:^|[\s\x1d])([A-Za-z_-]+)=`)
)

// signals are those that make a core (signal(7)) and those that kill from outside.
var signals = map[string]int{
	"SIGQUIT": 3, "SIGILL": 4, "SIGTRAP": 5, "SIGABRT": 6, "SIGBUS": 7, "SIGFPE": 8, "SIGKILL": 9, "SIGSEGV": 11,
	"SIGTERM": 15, "SIGXCPU": 24, "SIGXFSZ": 25, "SIGSYS": 31,
}

// parseAudit reads an ANOM_ABEND record.
func parseAudit(e entry) (Record, bool) {
	if !auditAbend.MatchString(e.String()) && e.fields["_AUDIT_TYPE"] != "1701" {
		return Record{}, false
	}
	r, _ := auditRecord(e, Audit)
	return r, r.PID != 0 || r.Signal != 0
}

// auditRecord reads what the records of deaths have in common.
func auditRecord(e entry, kind Kind) (Record, map[string]string) {
	// ausearch -i has decoded the strings already, and prints them without quotes.
	decode := auditString
	if ausearchStamp.MatchString(e.String()) {
		decode = func(s string) string { return s }
	}
	fields := auditFields(e.String())
	r := Record{Kind: kind, Time: auditTime(e.String()), Command: decode(fields["comm"]), Executable: decode(fields["exe"])}
	r.PID, _ = strconv.Atoi(fields["pid"])
	r.Signal = signalNumber(fields["sig"])
	return r, fields
}

// auditArches are the machines by their AUDIT_ARCH (linux/audit.h).
var auditArches = map[string]string{"c000003e": "x86_64", "x86_64": "x86_64", "c00000b7": "aarch64", "aarch64": "aarch64"}

// parseSeccomp reads a SECCOMP record. A filter that only logs sends no signal.
func parseSeccomp(e entry) (Record, bool) {
	if !auditSeccomp.MatchString(e.String()) && e.fields["_AUDIT_TYPE"] != "1326" {
		return Record{}, false
	}
	r, fields := auditRecord(e, Seccomp)
	if number, err := strconv.Atoi(fields["syscall"]); err == nil {
		r.SystemCall, r.Arch = &number, auditArches[fields["arch"]]
	}
	return r, r.Signal != 0
}

// auditFields splits "name=value name=value". A value ends where the next name begins, since ausearch -i
// leaves spaces in it.
func auditFields(text string) map[string]string {
	fields := map[string]string{}
	names := auditName.FindAllStringSubmatchIndex(text, -1)
	for i, n := range names {
		end := len(text)
		if i+1 < len(names) {
			end = names[i+1][0]
		}
		name := text[n[2]:n[3]]
		if _, twice := fields[name]; !twice { // enriched records repeat names behind the kernel's own
			fields[name] = strings.TrimSpace(text[n[1]:end])
		}
	}
	return fields
}

// auditString decodes a field that the kernel quotes if it is harmless, and prints as bare hexadecimal
// if it holds a space, a quote or a control character (audit_log_untrustedstring).
func auditString(value string) string {
	if unquoted, ok := strings.CutPrefix(value, `"`); ok {
		return strings.TrimSuffix(unquoted, `"`)
	}
	if value == "(null)" {
		return ""
	}
	if raw, err := hex.DecodeString(value); err == nil && len(raw) > 0 {
		return string(raw)
	}
	return value
}

// signalNumber reads a signal as a number or by its name.
func signalNumber(value string) int {
	if n, err := strconv.Atoi(value); err == nil {
		return n
	}
	return signals[value]
}

var dumpedCore = regexp.MustCompile(`(?:^|: )Process (\d+) \((.{1,15})\) of user \d+ (?:dumped core|terminated abnormally)`)

// parseCoredump reads systemd-coredump's journal entry, or only its message.
func parseCoredump(e entry) (Record, bool) {
	if pid := e.fields["COREDUMP_PID"]; pid != "" {
		r := Record{Kind: Coredump, Time: microTime(e.fields["COREDUMP_TIMESTAMP"]), Command: e.fields["COREDUMP_COMM"],
			Executable: e.fields["COREDUMP_EXE"], Signal: signalNumber(e.fields["COREDUMP_SIGNAL"])}
		r.PID, _ = strconv.Atoi(pid)
		r.TID, _ = strconv.Atoi(e.fields["COREDUMP_TID"])
		if r.Time.Nanosecond() == 0 { // as the kernel tells it
			r.Resolution = time.Second
		}
		return r, true
	}
	m := dumpedCore.FindStringSubmatch(e.String())
	if m == nil {
		return Record{}, false
	}
	r := Record{Kind: Coredump, Command: m[2]}
	r.PID, _ = strconv.Atoi(m[1])
	return r, true
}
