package weigh

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math"

	"github.com/inquest-project/inquest/internal/ground/finding"
)

// Table holds the bits of each level of each kind. A level that is not in the table weighs nothing.
type Table map[string]map[string]float64

//go:embed weights.json
var fitted []byte

// Fitted is the table fitted on the lab's recorded deaths by `make accuracy`.
func Fitted() Table {
	t, err := ParseTable(fitted)
	if err != nil {
		panic(err) // built in, and tested
	}
	return t
}

// ParseTable reads a table as MarshalIndent writes it.
func ParseTable(data []byte) (Table, error) {
	var t Table
	if err := json.Unmarshal(data, &t); err != nil {
		return nil, fmt.Errorf("reading a table of weights: %w", err)
	}
	return t, nil
}

// Weigh gives each observation of a death's messages and of the death as a whole its bits, and each message the sum of its own.
//
// What tells of the message that the process was at work on is shared out among the messages: if one killed at once, then one
// did, however many came last and were not answered, and however surely the dying calls held it. Where it tells against all of
// them, it tells that none did. And where the death is a late one, which it is with the given probability, or the signs are
// against that any killed at once, it tells nothing of what killed: somebody else's message ran into the damage. So each
// message's sum is corrected, by an observation of its own.
//
// Where a share of the packets was lost, silence tells nothing with that probability.
func (t Table) Weigh(messages [][]finding.Observation, signs []finding.Observation, lateness, lost float64) ([][]finding.Observation, []float64) {
	work, sums := make([]float64, len(messages)), make([]float64, len(messages))
	mean, told := 0.0, false
	for i, observations := range messages {
		for j := range observations {
			o := &observations[j]
			if o.Bits = t[o.Kind][o.Level]; silent[o.Kind+": "+o.Level] {
				o.Bits = math.Log2((1-lost)*math.Exp2(o.Bits) + lost)
			}
			sums[i] += o.Bits
			if atWorkKind[o.Kind] {
				work[i] += o.Bits
				told = true
			}
		}
		mean += math.Exp2(work[i]) / float64(len(messages))
	}
	sign := t.sum(signs)
	if !told {
		return messages, sums
	}
	atOnce, less := (1-lateness)*math.Exp2(sign), "less"
	if sign < -1 {
		less = "less, by the signs"
	}
	for i := range messages {
		share := math.Log2(atOnce*math.Exp2(work[i])/max(mean, 1)+lateness) - work[i]
		sums[i] += share
		level := less
		if share > 0 {
			level = "more"
		}
		messages[i] = append(messages[i], finding.Observation{Kind: finding.Share, Level: level, Bits: share})
	}
	return messages, sums
}

// sum gives observations their bits, and is the sum of them.
func (t Table) sum(observations []finding.Observation) (sum float64) {
	for i := range observations {
		o := &observations[i]
		o.Bits = t[o.Kind][o.Level]
		sum += o.Bits
	}
	return sum
}

var silent = levelsOf(func(k Kind) []string { return k.Silence })

var atWorkKind = func() map[string]bool {
	kinds := map[string]bool{}
	for _, k := range Kinds {
		kinds[k.Name] = k.AtWork
	}
	return kinds
}()
