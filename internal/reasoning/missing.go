package reasoning

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reading"
	"github.com/inquest-project/inquest/internal/reasoning/death"
	"github.com/inquest-project/inquest/internal/reasoning/moment"
)

// tellMissing lists the evidence that was not there: what would have told more, the most telling first.
func tellMissing(f *finding.Findings, r *reading.Reading, d death.Death, when moment.Moment, sessions []*reading.Session) {
	missing := func(what string, facts ...string) {
		m := finding.Missing{What: what, Facts: map[string]string{}}
		for i := 0; i+1 < len(facts); i += 2 {
			m.Facts[facts[i]] = facts[i+1]
		}
		f.Missing = append(f.Missing, m)
	}
	if r.Image == nil {
		missing("core")
	} else {
		if core := r.Image.Core; core.Expected > core.Size {
			missing("rest of the core", "share", percent(core.Size, core.Expected))
		}
		if names := withoutBinary(r); len(names) > 0 {
			missing("binaries", "names", strings.Join(names, ", "), "count", fmt.Sprint(len(names)))
		}
		if f.Culprit != nil && f.Culprit.Function == "" {
			missing("symbols", "module", f.Culprit.Module, "build", string(f.Culprit.BuildID))
		}
	}
	if r.Traffic == nil {
		missing("capture")
	} else {
		if r.Traffic.Dropped > 0 {
			missing("dropped packets", "count", fmt.Sprint(r.Traffic.Dropped))
		}
		if n := snapped(when); n > 0 {
			missing("ends of packets", "count", fmt.Sprint(n))
		}
		n, why := closed(sessions)
		counts := []string{"count", fmt.Sprint(n), "of", fmt.Sprint(len(sessions))}
		switch alive := unsought(sessions); {
		case n == 0:
		case alive > 0:
			missing("TLS keys, in a core not searched to its end", append(counts, "alive", fmt.Sprint(alive), "after", searchTime(r).Round(time.Second).String())...)
		case why == "" && wholeCore(r):
			missing("TLS keys, beside a core", counts...)
		default:
			missing("TLS keys", append(counts, "why", cmp.Or(why, "no key is known"))...)
		}
		if n := alreadyOpen(when); n > 0 {
			missing("beginning of the capture", "count", fmt.Sprint(n))
		}
	}
	if when.Record == nil {
		missing("log record")
	}
}

// snapped counts the messages to the dead process of which the capture has less than came.
func snapped(when moment.Moment) (n int) {
	for _, own := range when.Own {
		for _, m := range own.Conversation.Messages(own.Side) {
			if m.Length > len(m.Data) && m.Listed == "" {
				n++
			}
		}
	}
	return n
}

// withoutBinary names the modules whose code could not be read, those on the dying stack first of all.
func withoutBinary(r *reading.Reading) []string {
	var names []string
	for _, m := range r.Image.Modules {
		if m.File == nil && m.Problem != "" {
			names = append(names, m.Name)
		}
	}
	return names
}

func wholeCore(r *reading.Reading) bool {
	return r.Image != nil && r.Image.Core.Expected <= r.Image.Core.Size
}

// closed counts the TLS connections that nothing opened, and says what most of them lack; nothing if it is but the keys.
func closed(sessions []*reading.Session) (n int, why string) {
	reasons := map[string]int{}
	for _, s := range sessions {
		if s.Opened != nil {
			continue
		}
		n++
		if reasons[s.Problem]++; reasons[s.Problem] > reasons[why] {
			why = s.Problem
		}
	}
	return n, why
}

// alreadyOpen counts the dead process's conversations whose beginning was not captured: what they had
// brought before is not known.
func alreadyOpen(when moment.Moment) int {
	n := 0
	for _, own := range when.Own {
		if own.Conversation.Transport == "tcp" && !own.Conversation.OpenerKnown {
			n++
		}
	}
	return n
}
