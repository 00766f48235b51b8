// Package logs finds the records of deaths in logs of any form. Read is the way in; what tells of no death
// is passed over.
//
// Records: the kernel's audit records ANOM_ABEND and SECCOMP (types 1701 and 1326: linux/audit.h), its lines on
// faults ("segfault at", "traps:", arm64's "unhandled") with what stands behind them, and on the OOM killer,
// systemd-coredump's journal entry, and what systemd says of a process that it kills itself, as its watchdog does.
// Forms: raw audit, the kernel log with syslog's or dmesg's prefixes or none, the journal as text, JSON or export, and
// what ausearch prints.
//
// A record's number is not always the process: the kernel log's brackets hold the thread, the audit
// record's pid is the process. SIGABRT leaves no line in the kernel log at all, only the audit record.
//
// A syslog line tells no year. It takes the year of the nearest line that tells one; where no line does,
// its time stays unknown. A time without a zone is taken for UTC.
package logs

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// Kind is which record tells of the death.
type Kind string

// The kinds.
const (
	Audit    Kind = "audit"
	Kernel   Kind = "kernel"
	OOM      Kind = "oom"
	Coredump Kind = "coredump" // systemd-coredump's
	ABRT     Kind = "abrt"     // abrt's dump directory
	Seccomp  Kind = "seccomp"
	Stopped  Kind = "stopped"  // systemd killed it
	Watchdog Kind = "watchdog" // systemd killed it since it gave no sign of life
)

// Record is one death in a log. What the line doesn't tell is zero.
type Record struct {
	Kind       Kind
	Time       time.Time     // UTC
	Resolution time.Duration // how much later than its time it may have been, where the time is rounded down
	Source     string        // "audit.log:17"
	PID, TID   int
	Command    string // the crashing thread's name, at most 15 bytes
	Executable string
	Signal     int
	Text       string // the line, or the journal entry's message
	Fault      *Fault // from the kernel's lines on a fault
	SystemCall *int   // the one that was forbidden, from a SECCOMP record
	Arch       string // whose numbers those are: "x86_64", "aarch64"
	Unit       string // systemd's, of a process that it killed
}

// Read returns all records of deaths in a log. What could not be read is damage.
func Read(name string, r io.Reader) ([]Record, []cursor.Damage) {
	var records []Record
	var undated []int // records that have a time but no year
	var anchor time.Time
	behind := 0 // entries behind the last record
	damage := eachEntry(name, r, func(e entry) {
		if e.time.Year() > 0 && !e.time.IsZero() {
			anchor = e.time
		}
		record, ok := parse(e)
		if !ok {
			if behind++; len(records) > 0 && behind <= mostBehind {
				records[len(records)-1].Fault.more(e)
			}
			return
		}
		behind = 0
		record.Source = fmt.Sprintf("%s:%d", name, e.line)
		if record.Time.Year() == 0 {
			undated = append(undated, len(records))
		} else if !record.Time.IsZero() {
			anchor = record.Time
		}
		records = append(records, record)
	})
	for _, i := range undated {
		records[i].Time = inYear(records[i].Time, anchor)
	}
	return joinWatchdogs(records), damage
}

// parse takes an entry for a record, if it is one. The record's own time counts before the line's.
func parse(e entry) (Record, bool) {
	for _, form := range []func(entry) (Record, bool){parseCoredump, parseAudit, parseSeccomp, parseFault, parseTrap, parseARM64, parseOOM, parseStopped} {
		if r, ok := form(e); ok {
			r.Text = e.text
			if r.Time.IsZero() {
				r.Time = e.time
			}
			return r, true
		}
	}
	return Record{}, false
}

// inYear puts a time without a year (in year 0) into the year that brings it nearest to the anchor.
func inYear(t, anchor time.Time) time.Time {
	if anchor.IsZero() {
		return time.Time{}
	}
	years := []time.Time{t.AddDate(anchor.Year()-1, 0, 0), t.AddDate(anchor.Year(), 0, 0), t.AddDate(anchor.Year()+1, 0, 0)}
	return slices.MinFunc(years, func(a, b time.Time) int {
		return int(a.Sub(anchor).Abs()/time.Second) - int(b.Sub(anchor).Abs()/time.Second)
	})
}

// logLine is how lines of audit, syslog, dmesg, journal and ausearch begin.
var logLine = regexp.MustCompile(`(?m)^(node=\S+ )?type=[A-Z_0-9]+ msg=audit\(` +
	`|^[A-Z][a-z]{2} [ 0-3]\d \d\d:\d\d:\d\d \S+ ` +
	`|^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S* [\w.-]+ [\w/.-]+(\[\d+\])?: ` +
	`|^(<\d+>)?\[ *\d+\.\d+\] ` +
	`|^.{1,16}\[\d+\]: (segfault at [0-9a-f]+ ip |unhandled (exception: |.{1,60} \(\d+\) at 0x))|^traps: .{1,16}\[\d+\] ` + // the kernel's own text alone
	`|^\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-3]\d \d\d:\d\d:\d\d \d{4}\] ` +
	`|^[A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d ` +
	`|^[a-z]+ *: *[a-z]+ *: *\[` +
	`|^\{.*"__REALTIME_TIMESTAMP"` +
	`|audit\(\d+\.\d+:\d+\)`)

// Sniff says whether a file's beginning is that of a log. Of all forms only the export format, which holds
// sizes in binary, has NUL bytes.
func Sniff(head []byte) bool {
	return bytes.HasPrefix(head, exportStart) || logLine.Match(head) && !slices.Contains(head, 0)
}
