package reading

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/inquest-project/inquest/internal/evidence"
	"github.com/inquest-project/inquest/internal/evidence/logs"
	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// settle finds what the logs' times leave open, the year and the zone, by when other evidence is from, and says what it
// took. Clocks differ by whole quarters of an hour where zones do.
func (r *Reading) settle(set *evidence.Set) {
	near, what := r.about(set)
	var known *guess // of another log of the same host
	guesses := map[*logs.Log]*guess{}
	for _, log := range set.Logs {
		_, _, floating, undated := log.Span()
		if (undated || log.Yearless()) && !near.IsZero() {
			log.Date(near)
		}
		g := &guess{floating: floating || log.Floating(), undated: undated || log.Yearless(), near: what}
		if g.floating {
			if g.ahead, g.why = zoneOf(log, set, r.span()); g.why != "" && known == nil {
				known = g
			}
		}
		guesses[log] = g
	}
	for _, log := range slices.Backward(set.Logs) {
		g := guesses[log]
		if g.floating && g.why == "" && known != nil {
			g.ahead, g.why = known.ahead, "as another log's here"
		}
		log.Shift(g.ahead)
		if says := g.says(); says != "" { // first: all that rests on these times rests on it
			r.Problems = slices.Insert(r.Problems, 0, cursor.Damage{Part: log.Name, Offset: -1, Problem: says})
		}
		r.doubt(log)
	}
	for _, log := range set.Logs {
		r.Logs = append(r.Logs, log.Records...)
		r.Signs = append(r.Signs, log.Signs...)
	}
}

// guess is what a log's times were taken for.
type guess struct {
	floating bool // they tell no zone
	undated  bool // they tell no year
	ahead    time.Duration
	why      string // empty if nothing tells it
	near     string // what tells the year; empty if nothing does
}

func (g *guess) says() string {
	var says []string
	if g.floating {
		why := g.why
		if why == "" {
			why = "since nothing tells it"
		}
		says = append(says, fmt.Sprintf("its times tell no zone: taken for %s, %s; --tz tells it", zoneName(g.ahead), why))
	}
	switch {
	case g.undated && g.near == "":
		says = append(says, "its times tell no year, and nothing else tells when it was: they are not used")
	case g.undated:
		says = append(says, "its times tell no year: taken for the one nearest to "+g.near)
	}
	return strings.Join(says, "; ")
}

func zoneName(ahead time.Duration) string {
	if ahead == 0 {
		return "UTC"
	}
	return fmt.Sprintf("UTC%+03d:%02d", int(ahead/time.Hour), int(ahead.Abs()%time.Hour/time.Minute))
}

// doubt says so if a zone that was told puts a record beside the captures, and another would put it into them.
func (r *Reading) doubt(log *logs.Log) {
	span := r.span()
	for _, record := range log.Records {
		if log.Zone() == nil || !record.Floats() || record.Time.IsZero() || span[0].IsZero() {
			continue
		}
		if more, _, ok := within(record.Time, span); ok && more != 0 {
			r.Problems = slices.Insert(r.Problems, 0, cursor.Damage{Part: log.Name, Offset: -1, Problem: fmt.Sprintf(
				"with the zone that --tz tells, %s is not from the time of the captures; one that is %+.2g h from it would put it there", record.Source, more.Hours())})
			return
		}
	}
}

// about is when it happened, as other evidence than logs has it, and what that is.
func (r *Reading) about(set *evidence.Set) (time.Time, string) {
	switch {
	case r.Traffic != nil && r.Traffic.Packets > 0:
		return r.Traffic.Last, "the captures"
	case !set.CoreTime.IsZero():
		return set.CoreTime, "the core's file"
	}
	for _, log := range set.Logs {
		if log.Floating() {
			continue
		}
		for _, record := range log.Records {
			if !record.Time.IsZero() {
				return record.Time, record.Source
			}
		}
	}
	return time.Time{}, ""
}

// span is a stretch of time in which a death is likely to lie; zero if nothing tells one.
func (r *Reading) span() (s [2]time.Time) {
	const dumping = 30 * time.Second
	if r.Traffic != nil && r.Traffic.Packets > 0 {
		s[0], s[1] = r.Traffic.First, r.Traffic.Last.Add(dumping)
	}
	return s
}

// Zones differ from UTC by so much, in quarters of an hour.
const (
	quarter  = 15 * time.Minute
	furthest = 14 * time.Hour
)

// zoneOf is by how much a log's times are ahead of UTC, and why; without a reason it isn't known.
func zoneOf(log *logs.Log, set *evidence.Set, span [2]time.Time) (ahead time.Duration, why string) {
	sure := sureOf(log, set)
	for _, record := range log.Records {
		if record.Time.IsZero() {
			continue
		}
		if sure := sure[record.PID+record.TID]; sure != nil {
			if ahead, ok := apart(record.Time, sure.Time); ok {
				return ahead, "which puts " + record.Source + " beside " + sure.Source
			}
		}
	}
	for i := len(log.Records) - 1; i >= 0; i-- {
		record := log.Records[i]
		if record.Time.IsZero() {
			continue
		}
		if ahead, more, ok := within(record.Time, span); ok && more == 0 {
			return ahead, "which puts " + record.Source + " into the captures"
		} else if ok {
			return ahead, fmt.Sprintf("which puts %s into the captures, as %d other zones would", record.Source, more)
		}
		if !set.CoreTime.IsZero() {
			if ahead, ok := apart(record.Time, set.CoreTime); ok {
				return ahead, "which puts " + record.Source + " beside the core's file"
			}
		}
	}
	if _, last, _, _ := log.Span(); len(log.Records) == 0 && !last.IsZero() {
		if ahead, _, ok := within(last, span); ok {
			return ahead, "which puts its last line into the captures"
		}
		if ahead, ok := apart(last, set.CoreTime); ok && !set.CoreTime.IsZero() {
			return ahead, "which puts its last line beside the core's file"
		}
	}
	return 0, ""
}

// sureOf are other logs' records whose time is sure, the first of each process, by its number.
func sureOf(log *logs.Log, set *evidence.Set) map[int]*logs.Record {
	sure := map[int]*logs.Record{}
	note := func(records []logs.Record) {
		for i := range records {
			r := &records[i]
			for _, number := range []int{r.PID, r.TID} {
				if number > 0 && sure[number] == nil && !r.Time.IsZero() {
					sure[number] = r
				}
			}
		}
	}
	note(set.Told)
	for _, other := range set.Logs {
		if other != log && !other.Floating() {
			note(other.Records)
		}
	}
	return sure
}

// apart is by how many quarters of an hour one time is ahead of another, if it is by these.
func apart(t, than time.Time) (time.Duration, bool) {
	const slack = 2 * time.Minute
	d := t.Sub(than)
	ahead := d.Round(quarter)
	return ahead, (d-ahead).Abs() <= slack && ahead.Abs() <= furthest
}

// within is by how much a time is ahead if it lies in a span: by whole hours before quarters, by the least of these. more is
// how many other answers there are.
func within(t time.Time, span [2]time.Time) (ahead time.Duration, more int, ok bool) {
	if span[0].IsZero() {
		return 0, 0, false
	}
	var all []time.Duration
	for d := -furthest; d <= furthest; d += quarter {
		if at := t.Add(-d); !at.Before(span[0]) && !at.After(span[1]) {
			all = append(all, d)
		}
	}
	if len(all) == 0 {
		return 0, 0, false
	}
	best := slices.MinFunc(all, func(a, b time.Duration) int {
		return cmp.Or(cmp.Compare((a%time.Hour).Abs(), (b%time.Hour).Abs()), cmp.Compare(a.Abs(), b.Abs()))
	})
	return best, len(all) - 1, true
}

// Lines are those of the logs from one instant to another, each with whether its log is a daemon's own.
func (r *Reading) Lines(from, to time.Time) iter.Seq2[logs.Line, bool] {
	return func(yield func(logs.Line, bool) bool) {
		for _, log := range r.logs {
			own := !log.System()
			for line := range log.Around(from, to) {
				if !yield(line, own) {
					return
				}
			}
		}
	}
}
