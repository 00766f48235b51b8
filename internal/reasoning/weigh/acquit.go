package weigh

import (
	"slices"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reasoning/moment"
)

const (
	// clear is the probability below which a message is acquitted, if something speaks against it.
	clear = 0.02

	// against is how many bits a single piece of evidence must weigh to count as a reason.
	against = -0.5

	acquittedMost = 20
)

// Acquitted are the messages that a rule of thumb would accuse and that the evidence clears: what came
// last before the death, or was closed by it. The newest come first, as somebody who compares
// timestamps by eye would meet them.
func Acquitted(r Ranking) []*Candidate {
	var cleared []*Candidate
	for _, c := range r.Candidates {
		if c.Message != nil && c.Probability < clear && accusedByEye(c) && slices.ContainsFunc(c.Observations, clearing) {
			cleared = append(cleared, c)
		}
	}
	slices.SortFunc(cleared, func(a, b *Candidate) int { return b.Message.End.Compare(a.Message.End) })
	return cleared[:min(acquittedMost, len(cleared))]
}

func accusedByEye(c *Candidate) bool {
	switch c.Own.State {
	case moment.ClosedFIN, moment.ClosedRST, moment.Open, moment.Datagrams:
		return c.Last()
	}
	return false
}

func clearing(o finding.Observation) bool { return o.Bits <= against }
