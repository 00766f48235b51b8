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
		done := false
		eachEntry(l.Name, data, func(e entry) {
			if done {
				return
			}
			at := l.at(e.when(), from)
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
			done = done || skipped > 0 && at.After(to.Add(time.Hour))
		})
		if held != nil && !done {
			yield(*held)
		}
	}
}

// before is where a line begins behind which all is from later than an hour before an instant.
func (l *Log) before(at time.Time) int {
	const step = 64 << 10
	early := at.Add(-time.Hour)
	n := sort.Search(len(l.data)/step, func(i int) bool {
		t := l.timeFrom(i * step)
		return t.IsZero() || !t.Before(early)
	})
	begin := max(0, n-1) * step
	if i := bytes.LastIndexByte(l.data[:begin], '\n'); begin > 0 {
		begin = i + 1
	}
	return begin
}

// timeFrom is the first time that is told behind an offset.
func (l *Log) timeFrom(at int) time.Time {
	const looked = 256
	_, at = lineAt(l.data, at)
	for range looked {
		if at >= len(l.data) {
			break
		}
		line, next := lineAt(l.data, at)
		e, ok := jsonEntry(line)
		if !ok {
			e = entry{raw: line}
		}
		if t := l.at(e.when(), l.near); !t.IsZero() {
			return t
		}
		at = next
	}
	return time.Time{}
}
