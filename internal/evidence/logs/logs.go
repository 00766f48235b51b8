// Package logs finds the records of deaths in logs of any form: the kernel's audit record ANOM_ABEND
// (type 1701: linux/audit.h) raw, in the kernel log, in the journal or as ausearch prints it, and the
// kernel's own lines on faults ("segfault at", "traps:") and on the OOM killer. Read is the way in; lines
// that tell of no death are passed over.
//
// A record's number is not always the process: the kernel log's brackets hold the thread, the audit
// record's pid is the process. SIGABRT leaves no line in the kernel log at all, only the audit record.
package logs

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/inquest-project/inquest/internal/ground/cursor"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// Kind is which record tells of the death.
type Kind string

// The kinds.
const (
	Audit  Kind = "audit"
	Kernel Kind = "kernel"
	OOM    Kind = "oom"
)

// Record is one death in a log. What the line doesn't tell is zero.
type Record struct {
	Kind       Kind
	Time       time.Time // UTC
	Source     string    // "audit.log:17"
	PID, TID   int
	Command    string // the crashing thread's name, at most 15 bytes
	Executable string
	Signal     int
	Text       string // the line
	Fault      *Fault // from the kernel's line on a fault
}

// Fault is what the kernel log tells of a faulting instruction.
type Fault struct {
	IP, SP, Address place.Address
	Error           uint64 // the processor's page-fault error code
	Module          string
	ModuleBase      place.Address
	ModuleSize      uint64 // in bytes
}

// maxLine bounds a line: journal exports hold binary fields of any length.
const maxLine = 1 << 20

// Read returns all records of deaths in a log. What could not be read is damage.
func Read(name string, r io.Reader) ([]Record, []cursor.Damage) {
	var records []Record
	lines := bufio.NewReaderSize(r, maxLine)
	offset := int64(0)
	for number := 1; ; number++ {
		line, err := lines.ReadSlice('\n')
		if record, ok := parse(string(bytes.TrimRight(line, "\r\n"))); ok {
			record.Source = fmt.Sprintf("%s:%d", name, number)
			records = append(records, record)
		}
		offset += int64(len(line))
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			number-- // the rest of an overlong line is looked at as if it were the next
		case errors.Is(err, io.EOF):
			return records, nil
		case err != nil:
			return records, []cursor.Damage{{Part: name, Offset: offset, Problem: "reading on: " + err.Error()}}
		}
	}
}

// Sniff says whether a file's beginning is that of a log.
func Sniff(head []byte) bool {
	if bytes.IndexByte(head, 0) >= 0 {
		return false
	}
	return logLine.Match(head)
}

// logLine is how lines of audit, syslog, dmesg, journal and ausearch begin.
var logLine = regexp.MustCompile(`(?m)^(node=\S+ )?type=[A-Z_0-9]+ msg=audit\(` +
	`|^[A-Z][a-z]{2} [ 0-3]\d \d\d:\d\d:\d\d \S+ ` +
	`|^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S* ` +
	`|^(<\d+>)?\[ *\d+\.\d+\] ` +
	`|^__CURSOR=|^\{.*"__REALTIME_TIMESTAMP"` +
	`|audit\(\d+\.\d+:\d+\)`)

// parse takes a line for a record, if it is one.
func parse(line string) (Record, bool) {
	for _, form := range []func(string) (Record, bool){parseAudit, parseFault, parseTrap, parseOOM} {
		if r, ok := form(unwrapJSON(line)); ok {
			r.Text = line
			if r.Time.IsZero() {
				r.Time = lineTime(line)
			}
			return r, true
		}
	}
	return Record{}, false
}

// unwrapJSON undoes the escapes of a journal record in JSON, so that its message reads as a line.
func unwrapJSON(line string) string {
	if !strings.HasPrefix(line, "{") {
		return line
	}
	return strings.ReplaceAll(line, `\"`, `"`)
}

var (
	auditStamp  = regexp.MustCompile(`audit\((\d+)\.(\d{3}):\d+\)`)
	ausearch    = regexp.MustCompile(`audit\((\d\d)/(\d\d)/(\d{2,4}) (\d\d:\d\d:\d\d\.\d{3}):\d+\)`)
	auditField  = regexp.MustCompile(`\b(pid|comm|exe|sig)=("[^"]*"|\S+)`)
	auditAbend  = regexp.MustCompile(`ANOM_ABEND|type=1701|_AUDIT_TYPE"?[=:]"?1701`)
	signalNames = map[string]int{"SIGQUIT": 3, "SIGILL": 4, "SIGTRAP": 5, "SIGABRT": 6, "SIGBUS": 7, "SIGFPE": 8, "SIGSEGV": 11, "SIGXCPU": 24, "SIGXFSZ": 25, "SIGSYS": 31}
)

func parseAudit(line string) (Record, bool) {
	if !auditAbend.MatchString(line) {
		return Record{}, false
	}
	r := Record{Kind: Audit, Time: auditTime(line)}
	for _, m := range auditField.FindAllStringSubmatch(line, -1) {
		value := m[2]
		switch m[1] {
		case "pid":
			r.PID, _ = strconv.Atoi(value)
		case "comm":
			r.Command = auditString(value)
		case "exe":
			r.Executable = auditString(value)
		case "sig":
			r.Signal = signalNumber(value)
		}
	}
	return r, r.PID != 0 || r.Signal != 0
}

func auditTime(line string) time.Time {
	if m := auditStamp.FindStringSubmatch(line); m != nil {
		seconds, err := strconv.ParseInt(m[1], 10, 64)
		ms, _ := strconv.ParseInt(m[2], 10, 64)
		if err == nil {
			return time.Unix(seconds, ms*1e6).UTC()
		}
	}
	// ausearch -i prints day, month and year in the reader's zone; UTC is taken.
	if m := ausearch.FindStringSubmatch(line); m != nil {
		year := m[3]
		if len(year) == 2 {
			year = "20" + year
		}
		t, _ := time.Parse("02/01/2006 15:04:05.000", m[1]+"/"+m[2]+"/"+year+" "+m[4])
		return t
	}
	return time.Time{}
}

// auditString decodes a field that the kernel quotes if it is harmless, and prints as bare hexadecimal
// if it holds a space, a quote or a control character (audit_log_untrustedstring).
func auditString(value string) string {
	if unquoted, ok := strings.CutPrefix(value, `"`); ok {
		return strings.TrimSuffix(unquoted, `"`)
	}
	if raw, err := hex.DecodeString(value); err == nil && len(raw) > 0 {
		return string(raw)
	}
	return value
}

func signalNumber(value string) int {
	if n, err := strconv.Atoi(value); err == nil {
		return n
	}
	return signalNames[value]
}

var (
	segfault = regexp.MustCompile(`([^ ][^:\[\]]*)\[(\d+)\]: segfault at ([0-9a-f]+) ip ([0-9a-f]+) sp ([0-9a-f]+) error ([0-9a-f]+)(?: in ([^\[]+)\[(?:[0-9a-f]+,)?([0-9a-f]+)\+([0-9a-f]+)\])?`)
	trap     = regexp.MustCompile(`traps: ([^\[\]]+)\[(\d+)\] (general protection(?: fault)?|trap [a-z ]+) ip:([0-9a-f]+) sp:([0-9a-f]+) error:([0-9a-f]+)(?: in ([^\[]+)\[(?:[0-9a-f]+,)?([0-9a-f]+)\+([0-9a-f]+)\])?`)
	oomKill  = regexp.MustCompile(`(?:Out of memory|Memory cgroup out of memory): Kill(?:ed)? process (\d+)[, ]+\(?([^),]*)`)
)

func parseFault(line string) (Record, bool) {
	m := segfault.FindStringSubmatch(line)
	if m == nil {
		return Record{}, false
	}
	r := Record{Kind: Kernel, Signal: 11, Command: command(m[1])}
	r.TID, _ = strconv.Atoi(m[2])
	r.Fault = &Fault{Address: address(m[3]), IP: address(m[4]), SP: address(m[5]), Error: uint64(address(m[6])),
		Module: m[7], ModuleBase: address(m[8]), ModuleSize: uint64(address(m[9]))}
	return r, true
}

// command drops what a log puts before the kernel's text on the same line.
func command(text string) string {
	if i := strings.LastIndex(text, "] "); i >= 0 {
		text = text[i+2:]
	}
	if i := strings.LastIndex(text, ": "); i >= 0 {
		text = text[i+2:]
	}
	return strings.TrimSpace(text)
}

func parseTrap(line string) (Record, bool) {
	m := trap.FindStringSubmatch(line)
	if m == nil {
		return Record{}, false
	}
	r := Record{Kind: Kernel, Command: m[1], Signal: trapSignal(m[3])}
	r.TID, _ = strconv.Atoi(m[2])
	r.Fault = &Fault{IP: address(m[4]), SP: address(m[5]), Error: uint64(address(m[6])),
		Module: m[7], ModuleBase: address(m[8]), ModuleSize: uint64(address(m[9]))}
	return r, true
}

// trapSignal is the signal of a processor trap (arch/x86/kernel/traps.c).
func trapSignal(what string) int {
	switch {
	case strings.Contains(what, "divide"):
		return 8
	case strings.Contains(what, "invalid opcode"):
		return 4
	case strings.Contains(what, "int3"):
		return 5
	}
	return 11
}

func parseOOM(line string) (Record, bool) {
	m := oomKill.FindStringSubmatch(line)
	if m == nil {
		return Record{}, false
	}
	r := Record{Kind: OOM, Signal: 9, Command: m[2]}
	r.PID, _ = strconv.Atoi(m[1])
	return r, true
}

func address(digits string) place.Address {
	v, _ := strconv.ParseUint(digits, 16, 64) // the pattern lets only digits through; too many are unknown
	return place.Address(v)
}

var (
	isoTime      = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?`)
	journalMicro = regexp.MustCompile(`"?_(?:_REALTIME|SOURCE_REALTIME)_TIMESTAMP"?[=:] ?"?(\d{15,17})`)
)

// lineTime is the time in front of a line, where its form tells the year. A syslog line doesn't, and
// dmesg counts from the boot: those stay unknown.
func lineTime(line string) time.Time {
	if m := journalMicro.FindStringSubmatch(line); m != nil {
		us, _ := strconv.ParseInt(m[1], 10, 64)
		return time.UnixMicro(us).UTC()
	}
	stamp := strings.Replace(isoTime.FindString(line), ",", ".", 1)
	for _, layout := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, stamp); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
