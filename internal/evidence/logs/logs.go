// Package logs finds the records of deaths in logs of any form, and the lines around an instant. Read is the way in; what
// tells of no death is passed over, until Around asks for it.
//
// Records: the kernel's audit records ANOM_ABEND and SECCOMP (types 1701 and 1326: linux/audit.h), its lines on
// faults ("segfault at", "traps:", arm64's "unhandled") with what stands behind them, on the OOM killer and on broken
// memory, systemd-coredump's journal entry, what systemd says of a process that it kills itself, as its watchdog does, and
// what a daemon's master or supervisor says of a child that a signal ended. Signs of trouble that is no process's death are
// kept apart: machine checks, memory errors, lock-ups.
// Forms: raw audit, the kernel log with syslog's or dmesg's prefixes or none, the journal as text, JSON or export,
// what ausearch prints, and any text whose lines tell their time (stamp.go).
//
// A record's number is not always the process: the kernel log's brackets hold the thread, the audit
// record's pid is the process. SIGABRT leaves no line in the kernel log at all, only the audit record.
//
// Many lines tell no year, and many no zone. A year is that of the nearest line that tells one; where no line does, Date
// finds it by when other evidence is from. A time without a zone is taken for UTC, until Shift says better. Seconds since
// the kernel started count from where any line tells both.
package logs

import (
	"bytes"
	"fmt"
	"math"
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

	Supervisor    Kind = "supervisor"     // its parent told of it: once the core was written, not before
	MemoryFailure Kind = "memory failure" // the kernel killed it since its memory was broken

	// Of signs.
	MachineCheck Kind = "machine check"
	MemoryError  Kind = "memory error"
	LockUp       Kind = "lock-up"
)

// Record is one death in a log, or a sign. What the line doesn't tell is zero.
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

	stamp stamp
}

// Floats says whether the line that tells of it tells no zone.
func (r Record) Floats() bool { return r.stamp.floating }

// Log is what one log tells. It keeps the data that it was read from.
type Log struct {
	Name    string
	Records []Record // of deaths, in order
	Signs   []Record
	Damage  []cursor.Damage

	data  []byte
	zone  *time.Location // of times that tell none; nil if nobody knows
	shift time.Duration  // by which such times are ahead of UTC
	near  time.Time      // what times lie near that tell no year, where no line tells one
	boot  time.Time      // when the kernel started, where a line tells
}

// Read reads a log. The zone is that of times which tell none; nil if it isn't known.
func Read(name string, data []byte, zone *time.Location) *Log {
	l := &Log{Name: name, data: data, zone: zone}
	var times stamper
	behind := mostBehind + 1 // entries behind the last record
	nothing := func(raw []byte) bool { return behind > mostBehind && !telling.in(raw) }
	l.Damage = eachEntry(name, data, nothing, func(e entry) {
		l.learn(e)
		record, ok := parse(e)
		switch {
		case ok:
			behind = 0
			l.Records = append(l.Records, l.sourced(record, e, &times))
		case behind <= mostBehind:
			behind++
			l.Records[len(l.Records)-1].Fault.more(e)
			fallthrough
		default:
			if sign, ok := parseSign(e); ok && len(l.Signs) < mostSigns {
				l.Signs = append(l.Signs, l.sourced(sign, e, &times))
			}
		}
	})
	l.Records = joinWatchdogs(l.Records)
	l.tell()
	return l
}

// mostSigns bounds how many signs are kept: broken memory fills a log.
const mostSigns = 1 << 10

// sourced adds what all records have.
func (l *Log) sourced(r Record, e entry, times *stamper) Record {
	r.Source, r.Text = fmt.Sprintf("%s:%d", l.Name, e.line), e.String()
	if r.stamp = e.when(times); e.head != nil { // as journalctl -o verbose prints it
		r.stamp = stampOf(e.head)
	}
	if r.Time.IsZero() && r.stamp.coarse {
		r.Resolution = max(r.Resolution, time.Second)
	}
	if !r.Time.IsZero() { // the record's own time counts before the line's
		r.stamp = stamp{time: r.Time}
		if ausearchStamp.MatchString(e.String()) {
			r.stamp.floating = true
		}
	}
	return r
}

// learn takes from an entry when the kernel started, by which others' uptimes are times.
func (l *Log) learn(e entry) {
	if l.boot.IsZero() && bytes.Contains(e.raw, []byte("] audit: type=")) {
		if up, at := e.when(new(stamper)).uptime, auditTime(e.String()); up > 0 && !at.IsZero() {
			l.boot = at.Add(-up)
		}
	}
}

// tell gives the records their times.
func (l *Log) tell() {
	for _, records := range [][]Record{l.Records, l.Signs} {
		for i := range records {
			records[i].Time = l.at(records[i].stamp, time.Time{})
		}
		from := l.firm(records)
		l.follow(records, from, 1)
		l.follow(records, from, -1)
	}
}

// firm is the record that the years of the others are told from: one that tells a year, else that which lies nearest to what
// other evidence is from. Without either it is the first.
func (l *Log) firm(records []Record) int {
	for i, r := range records {
		if !r.Time.IsZero() {
			return i
		}
	}
	best, least := 0, time.Duration(math.MaxInt64)
	for i := range records {
		if t := l.at(records[i].stamp, l.near); !t.IsZero() && t.Sub(l.near).Abs() < least {
			best, least = i, t.Sub(l.near).Abs()
		}
	}
	if best < len(records) {
		records[best].Time = l.at(records[best].stamp, l.near)
	}
	return best
}

// follow dates records that tell no year, each by the one before it on the way: a log goes forward, over New Year too, and in
// disorder by a day at most. years is 1, or -1 for the way back.
func (l *Log) follow(records []Record, from, years int) {
	const day = 24 * time.Hour
	var neighbour time.Time
	for i := from; i >= 0 && i < len(records); i += years {
		r := &records[i]
		if r.Time.IsZero() && !neighbour.IsZero() {
			r.Time = l.at(r.stamp, neighbour)
			if against := time.Duration(years) * neighbour.Sub(r.Time); against > day && r.stamp.undated() {
				r.Time = l.at(r.stamp, neighbour.AddDate(years, 0, 0))
			}
		}
		if !r.Time.IsZero() {
			neighbour = r.Time
		}
	}
}

// at is a stamp's time in UTC; zero if it can't be told. If it tells no year, it lies near the anchor.
func (l *Log) at(s stamp, anchor time.Time) time.Time {
	switch {
	case s.time.IsZero() && s.uptime > 0 && !l.boot.IsZero():
		return l.boot.Add(s.uptime)
	case s.time.IsZero(), s.undated() && anchor.IsZero():
		return time.Time{}
	}
	t := s.time
	if s.undated() {
		t = inYear(t, anchor)
	}
	if !s.floating {
		return t
	}
	if l.zone != nil {
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), l.zone).UTC()
	}
	return t.Add(-l.shift)
}

// Floating says whether any record's time tells no zone, and nobody told it.
func (l *Log) Floating() bool {
	return l.zone == nil && slices.ContainsFunc(l.Records, func(r Record) bool { return r.stamp.floating && !r.Time.IsZero() })
}

// Yearless says whether any record's line tells no year.
func (l *Log) Yearless() bool {
	return slices.ContainsFunc(l.Records, func(r Record) bool { return r.stamp.undated() })
}

// Date says what times lie near that tell no year.
func (l *Log) Date(near time.Time) {
	l.near = near
	l.tell()
}

// Shift says by how much times that tell no zone are ahead of UTC.
func (l *Log) Shift(ahead time.Duration) {
	l.shift = ahead
	l.tell()
}

// mostRecord is how much of an entry is searched for a record, in bytes: the kernel's and audit's lines are shorter.
const mostRecord = 16 << 10

// parse takes an entry for a record, if it is one. Its time is set where the record itself tells one.
func parse(e entry) (Record, bool) {
	if !e.tells() {
		return Record{}, false
	}
	e.raw = e.raw[:min(len(e.raw), mostRecord)]
	for _, form := range []func(entry) (Record, bool){
		parseCoredump, parseAudit, parseSeccomp, parseFault, parseTrap, parseARM64, parseOOM, parseMemoryFailure, parseStopped, parseSupervisor,
	} {
		if r, ok := form(e); ok {
			return r, true
		}
	}
	return Record{}, false
}

// tells says whether an entry can be a record.
func (e entry) tells() bool {
	return e.fields["COREDUMP_PID"] != "" || e.fields["_AUDIT_TYPE"] != "" ||
		telling.in(e.raw)
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

// SniffStamped says whether a file's beginning is that of a log of whatever form: most lines tell a time. NUL bytes may be
// among them, as a failing host leaves them.
func SniffStamped(head []byte) bool {
	const looked = 32
	lines, stamped := 0, 0
	for line := range bytes.Lines(head) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if lines++; !stampOf(line).time.IsZero() {
			stamped++
		}
		if lines == looked {
			break
		}
	}
	return stamped > 0 && stamped*2 >= lines
}
