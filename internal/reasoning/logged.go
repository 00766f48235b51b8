package reasoning

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/logs"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reading"
	"github.com/inquest-project/inquest/internal/reasoning/death"
	"github.com/inquest-project/inquest/internal/reasoning/moment"
)

// tellLogs tells what the logs say beside the record of the death: the program's own lines around it, its other deaths, and
// trouble that the machine had.
func tellLogs(f *finding.Findings, r *reading.Reading, when moment.Moment) {
	if f.Death == nil {
		return
	}
	p := programOf(r, when)
	f.Death.Others = others(p, r, when)
	at := hostTime(when)
	if at.IsZero() {
		return
	}
	f.Death.Log = said(p, r, when, at)
	for _, sign := range r.Signs {
		if before := at.Sub(sign.Time); before >= 0 && before <= signsWithin && len(f.Death.Signs) < signsMost {
			f.Death.Signs = append(f.Death.Signs, finding.Logged{Time: sign.Time, Source: sign.Source, Text: clipped(sign.Text)})
		}
	}
}

const (
	signsWithin = 24 * time.Hour
	signsMost   = 10
)

// program is by what lines of a log are known to be the dead process's.
type program struct {
	pid   int
	names []string // of the command and the executable
	word  *regexp.Regexp
}

func programOf(r *reading.Reading, when moment.Moment) program {
	p := program{pid: pidOf(r, when)}
	add := func(name string) {
		if name = path.Base(strings.TrimSuffix(name, " (deleted)")); name != "." && name != "/" && !slices.Contains(p.names, name) {
			p.names = append(p.names, name)
		}
	}
	if r.Image != nil {
		add(r.Image.Core.Process.Command)
		if exe := r.Image.Executable(); exe != nil {
			add(exe.Path)
		}
	}
	if when.Record != nil {
		add(when.Record.Command)
		add(when.Record.Executable)
	}
	var words []string
	for _, name := range p.names {
		words = append(words, regexp.QuoteMeta(name))
	}
	if p.pid != 0 {
		words = append(words, strconv.Itoa(p.pid))
	}
	if len(words) > 0 {
		p.word = regexp.MustCompile(`(?:^|\W)(?:` + strings.Join(words, "|") + `)(?:\W|$)`)
	}
	return p
}

// is says whether a record is of the same program, by its name.
func (p program) is(r logs.Record) bool {
	return r.Executable != "" && slices.Contains(p.names, path.Base(r.Executable)) || r.Executable == "" && slices.Contains(p.names, r.Command)
}

// wrote says whether a line is the program's: it names it, or its number.
func (p program) wrote(l logs.Line) bool {
	return p.pid != 0 && l.PID == p.pid || slices.Contains(p.names, l.Name) || p.word != nil && p.word.MatchString(l.Text)
}

// numbers says whether a line has the process's number.
func (p program) numbers(text string) bool {
	return p.pid != 0 && slices.Contains(strings.FieldsFunc(text, func(r rune) bool { return r < '0' || r > '9' }), strconv.Itoa(p.pid))
}

// hostTime is when it died by the host's clock; zero if nobody knows.
func hostTime(when moment.Moment) time.Time {
	switch {
	case when.Record != nil && !when.Record.Time.IsZero() && when.Record.Kind != logs.Supervisor:
		return when.Record.Time
	case !when.Latest.IsZero() && when.Offset != nil:
		return when.Latest.Add(*when.Offset)
	}
	return when.Latest
}

// How far around the death lines are told, and how many.
const (
	saidBefore, saidAfter = 10 * time.Second, 5 * time.Second
	mostBefore, mostAfter = 8, 4
	saidLength            = 300 // bytes of one
)

// said are the program's lines around its death, without those of the host that only tell of it.
func said(p program, r *reading.Reading, when moment.Moment, at time.Time) []finding.Logged {
	var before, after, ofIt []finding.Logged
	deaths := sourcesOf(r.Logs)
	for line, own := range r.Lines(at.Add(-saidBefore), at.Add(saidAfter)) {
		if (!own && !p.wrote(line)) || isAudit(line.Text) || deaths[line.Source] {
			continue
		}
		told := finding.Logged{Time: line.Time, Source: line.Source, Text: clipped(line.Text), Client: clientIn(line.Text, when), After: line.Time.After(at)}
		switch {
		case !told.After:
			before = last(before, told)
		case p.numbers(line.Text): // such as what its parent says of it
			ofIt = first(ofIt, told)
		default:
			after = first(after, told)
		}
	}
	if len(ofIt) > 0 {
		after = ofIt
	}
	return append(before, after...)
}

// last adds a line to the last ones before the death, in their order.
func last(lines []finding.Logged, told finding.Logged) []finding.Logged {
	lines = inTime(lines, told)
	return lines[max(0, len(lines)-mostBefore):]
}

// first adds a line to the first ones after the death, in their order.
func first(lines []finding.Logged, told finding.Logged) []finding.Logged {
	lines = inTime(lines, told)
	return lines[:min(len(lines), mostAfter)]
}

func inTime(lines []finding.Logged, told finding.Logged) []finding.Logged {
	i := len(lines)
	for i > 0 && lines[i-1].Time.After(told.Time) {
		i--
	}
	return slices.Insert(lines, i, told)
}

func isAudit(text string) bool {
	return strings.Contains(text, "type=") && strings.Contains(text, "audit(")
}

// sourcesOf are the lines that are themselves records of deaths.
func sourcesOf(records []logs.Record) map[string]bool {
	sources := map[string]bool{}
	for _, r := range records {
		sources[r.Source] = r.Kind != logs.Supervisor
	}
	return sources
}

func clipped(text string) string {
	if len(text) > saidLength {
		return strings.ToValidUTF8(text[:saidLength], "") + "…"
	}
	return text
}

// clientIn is a remote end of the dead process that a line names, address and port.
func clientIn(text string, when moment.Moment) string {
	for _, own := range when.Own {
		if name := own.Conversation.Names()[own.Side.Other()]; strings.Contains(text, name) {
			return name
		}
	}
	return ""
}

// others are the program's other deaths in the logs. One death may have several records.
func others(p program, r *reading.Reading, when moment.Moment) *finding.Others {
	var o finding.Others
	counted := map[int]bool{p.pid: true}
	if r.Image != nil {
		for _, thread := range r.Image.Core.Threads { // the kernel's lines number the thread
			counted[thread.TID] = true
		}
	}
	if when.Record != nil {
		counted[when.Record.TID], counted[when.Record.PID] = true, true
	}
	place := ""
	told := map[string]bool{} // how parents put it that tell of the dead process without its name
	for i := range r.Logs {
		if n := cmp.Or(r.Logs[i].PID, r.Logs[i].TID); n != 0 && n == p.pid {
			place = cmp.Or(place, placeOf(&r.Logs[i]))
			if said := wording(&r.Logs[i]); said != "" {
				told[said] = true
			}
		}
	}
	for i := range r.Logs {
		record := &r.Logs[i]
		number := cmp.Or(record.PID, record.TID)
		if number == 0 || counted[number] || record.Time.IsZero() || !p.is(*record) && !told[wording(record)] || asked[record.Signal] {
			continue
		}
		counted[number] = true
		count(&o, record)
		if here := placeOf(record); place != "" && here == place {
			o.SamePlace++
		}
	}
	if o.Count == 0 {
		return nil
	}
	return &o
}

// wording is a parent's line on its child, where that tells no name, without what differs from one child to the next: its log
// and words are those of one program. Of other records it is empty.
func wording(r *logs.Record) string {
	if r.Kind != logs.Supervisor || r.Command != "" {
		return ""
	}
	return r.Source[:strings.LastIndex(r.Source, ":")+1] + varying.ReplaceAllString(r.Text, "")
}

var varying = regexp.MustCompile(`\d+ *|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b *`)

// asked are the signals by which processes are told to end: SIGHUP, SIGINT, SIGTERM. To obey is no death.
var asked = map[int]bool{1: true, 2: true, 15: true}

func count(o *finding.Others, r *logs.Record) {
	const most = 4
	o.Count++
	if o.First.IsZero() || r.Time.Before(o.First) {
		o.First = r.Time
	}
	if r.Time.After(o.Last) {
		o.Last = r.Time
	}
	if signal := death.SignalName(r.Signal); r.Signal != 0 && !slices.Contains(o.Signals, signal) {
		o.Signals = append(o.Signals, signal)
	}
	if len(o.RestsOn) < most {
		o.RestsOn = append(o.RestsOn, r.Source)
	}
}

// placeOf is the faulting instruction's place in its file; empty where a record doesn't tell it.
func placeOf(r *logs.Record) string {
	if r.Fault == nil || r.Fault.Module == "" {
		return ""
	}
	return r.Fault.Module + "+" + strconv.FormatUint(uint64(r.Fault.IP-r.Fault.ModuleBase), 16)
}
