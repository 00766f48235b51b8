package logs

import (
	"bytes"
	"fmt"
	"iter"
	"sort"
	"strconv"
	"time"
)

// Line is an entry of a log, and lines behind it that tell no time of their own.
type Line struct {
	Source string // "error.log:17"
	Time   time.Time
	Text   string
	PID    int    // of who wrote it, where a journal tells
	Name   string // of who wrote it, where a journal tells
}

// Span is when the first and the last line of a log are from that tell a time, and whether their lines tell no zone, or no
// year.
func (l *Log) Span() (first, last time.Time, floating, undated bool) {
	const tail = 64 << 10
	first, s := l.timeFrom(-1, l.near)
	for line := range bytes.Lines(l.data[max(0, len(l.data)-tail):]) {
		if next := l.entryOf(line).when(new(stamper)); !next.time.IsZero() {
			last, s = l.at(next, l.near), next
		}
	}
	return first, last, s.floating && l.zone == nil, s.undated()
}

// Zone is that of times which tell none, if it was told.
func (l *Log) Zone() *time.Location { return l.zone }

// System says whether it is a log of the whole host, and not a daemon's own.
func (l *Log) System() bool {
	const looked = 64 << 10
	return Sniff(l.data[:min(len(l.data), looked)])
}

// mostWhole is how large a log may be to be looked at from its beginning, in bytes: in a larger one the time is looked for
// by halves, as if it were in order.
const mostWhole = 16 << 20

// mostText bounds a line's text with those behind it, in bytes.
const mostText = 4 << 10

// Around are the lines of a log from one instant to another.
func (l *Log) Around(from, to time.Time) iter.Seq[Line] {
	return func(yield func(Line) bool) {
		data, skipped := l.data, 0
		if len(data) > mostWhole && !bytes.HasPrefix(data, exportStart) {
			skipped = l.before(from)
			data = data[skipped:]
		}
		lines := bytes.Count(l.data[:skipped], []byte("\n"))
		var held *Line
		var r stamper
		done := false
		over := func([]byte) bool { return done }
		eachEntry(l.Name, data, over, func(e entry) {
			at := l.at(e.when(&r), from)
			if at.IsZero() {
				if held != nil && len(held.Text) < mostText {
					held.Text += "\n" + e.String()
				}
				return
			}
			if held != nil {
				done = !yield(*held)
				held = nil
			}
			if !done && !at.Before(from) && !at.After(to) {
				held = &Line{Source: fmt.Sprintf("%s:%d", l.Name, lines+e.line), Time: at, Text: e.String(), Name: e.fields["SYSLOG_IDENTIFIER"]}
				held.PID, _ = strconv.Atoi(e.fields["_PID"])
			}
			done = done || skipped > 0 && at.After(to.Add(disorder))
		})
		if held != nil && !done {
			yield(*held)
		}
	}
}

// disorder is how far lines may be out of their order in time.
const disorder = 10 * time.Minute

// before is where a line begins behind which all is from an instant on, or a disorder before it.
func (l *Log) before(at time.Time) int {
	const step = 64 << 10
	early := at.Add(-disorder)
	n := sort.Search(len(l.data)/step, func(i int) bool {
		t, _ := l.timeFrom(i*step-1, at)
		return t.IsZero() || !t.Before(early)
	})
	begin := max(0, n-1) * step
	return 1 + bytes.LastIndexByte(l.data[:begin], '\n')
}

// timeFrom is the first time that is told in a line that begins behind an offset; if that tells no year, it lies near the
// anchor.
func (l *Log) timeFrom(at int, anchor time.Time) (time.Time, stamp) {
	const looked = 256
	if at >= 0 {
		_, at = lineAt(l.data, at)
	}
	at = max(at, 0)
	for range looked {
		if at >= len(l.data) {
			break
		}
		line, next := lineAt(l.data, at)
		s := l.entryOf(line).when(new(stamper))
		if t := l.at(s, anchor); !t.IsZero() || !s.time.IsZero() && anchor.IsZero() {
			return t, s
		}
		at = next
	}
	return time.Time{}, stamp{}
}

func (l *Log) entryOf(line []byte) entry {
	if e, ok := jsonEntry(bytes.TrimRight(line, "\r\n")); ok {
		return e
	}
	return entry{raw: line}
}
