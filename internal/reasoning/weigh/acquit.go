package weigh

import (
	"slices"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reasoning/moment"
)

const (
	// clear is the probability below which a message is acquitted, if something clears it.
	clear = 0.05

	acquittedMost = 20
)

// Acquitted are the messages that a rule of thumb would accuse and that the evidence clears: what came
// last before the death, or was closed by it. The newest come first, as somebody who compares
// timestamps by eye would meet them. The first so many are suspects, whatever else is said of them.
func Acquitted(r Ranking, suspects int) []*Candidate {
	var cleared []*Candidate
	for i, c := range r.Candidates {
		if i < suspects && Suspected(c, i) {
			continue
		}
		if c.Message != nil && c.Probability < clear && accusedByEye(c) && len(Reasons(c)) > 0 {
			cleared = append(cleared, c)
		}
	}
	slices.SortStableFunc(cleared, func(a, b *Candidate) int { return b.Message.End.Compare(a.Message.End) })
	return cleared[:min(acquittedMost, len(cleared))]
}

// Suspected says whether a message is one that the evidence speaks for, or the first that may have killed at all: where much
// speaks for none, that lowers all.
func Suspected(c *Candidate, place int) bool {
	const least = 0.001
	return c.Bits >= 0 || place == 0 && c.Probability >= least
}

func accusedByEye(c *Candidate) bool {
	switch c.Own.State {
	case moment.ClosedFIN, moment.ClosedRST, moment.Open, moment.Datagrams:
		return c.Last()
	}
	return false
}

// Reasons are the observations that clear a message.
func Reasons(c *Candidate) []finding.Observation {
	var reasons []finding.Observation
	for _, o := range c.Observations {
		if clears[o.Kind+": "+o.Level] {
			reasons = append(reasons, o)
		}
	}
	return reasons
}

var clears = levelsOf(func(k Kind) []string { return k.Clears })

// levelsOf are some levels of each kind, by the kind's name and theirs.
func levelsOf(some func(Kind) []string) map[string]bool {
	levels := map[string]bool{}
	for _, k := range Kinds {
		for _, l := range some(k) {
			levels[k.Name+": "+l] = true
		}
	}
	return levels
}
