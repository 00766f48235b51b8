package reasoning

import (
	"time"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reading"
	"github.com/inquest-project/inquest/internal/reasoning/moment"
)

// NoneTold is the probability of "none of the messages killed" from which on it is told what else may have been.
const NoneTold = 0.1

// tellAlternatives tells in which ways no captured message may have been what killed, so far as the evidence allows each.
func tellAlternatives(f *finding.Findings, r *reading.Reading, when moment.Moment) {
	if f.None == nil || r.Traffic == nil || f.None.Probability < NoneTold && !MayHaveComeBefore(when) {
		return
	}
	or := func(what string, facts map[string]string) {
		f.None.Or = append(f.None.Or, finding.Alternative{What: what, Facts: facts})
	}
	if f.Traffic != nil && f.Traffic.Strange {
		or("another's", nil)
	}
	for _, sign := range f.None.Signs {
		if sign.Kind == "doing" && sign.Bits < 0 && sign.Facts["words"] != "" {
			or("a timer", sign.Facts)
		}
		if sign.Kind == "idle" && sign.Bits < 0 {
			or("idle", sign.Facts)
		}
	}
	if before := when.Latest.Sub(r.Traffic.First); !when.Latest.IsZero() && before > 0 {
		or("before", map[string]string{"before": before.Round(100 * time.Millisecond).String()})
	}
	if lost(r.Traffic, when) > 0 {
		or("lost", nil)
	}
	or("unseen", nil)
}

// MayHaveComeBefore says whether some of the process's conversations are older than the captures: what killed may have come on
// them, before these began.
func MayHaveComeBefore(when moment.Moment) bool { return alreadyOpen(when) > 0 }
