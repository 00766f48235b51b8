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

// Weighed is what a death's messages come to.
type Weighed struct {
	Messages [][]finding.Observation // each with its bits
	Sums     []float64               // of each message's bits
	Late     []float64               // how likely it is of each, if it killed, that it did so late
	None     float64                 // bits for that none of them killed
}

// Weigh gives each observation of a death's messages and of the death as a whole its bits, and each message the sum of its own.
//
// What tells of the message that the process was at work on is shared out among the messages: if one killed at once, then one
// did, however many came last and were not answered, and however surely the dying calls held it. Where it tells against all of
// them, it tells that none did. And where the death is a late one, which it is with the given probability, or the signs are
// against that any killed at once, most of it tells nothing of what killed: somebody else's message ran into the damage. What
// does is shared out likewise. So each message's sum is corrected, by an observation of its own.
//
// Signs that some message was at work speak against none. Against older damage they don't: that was run into at work, too.
//
// Where a share of the packets was lost, silence tells nothing with that probability.
func (t Table) Weigh(messages [][]finding.Observation, signs []finding.Observation, lateness, lost float64) Weighed {
	w := Weighed{Messages: messages, Sums: make([]float64, len(messages)), Late: make([]float64, len(messages))}
	work, older := make(shared, len(messages)), make(shared, len(messages))
	told, held := false, false
	for i, observations := range messages {
		for j := range observations {
			o := &observations[j]
			if o.Bits = t[o.Kind][o.Level]; silent[o.Kind+": "+o.Level] {
				o.Bits = math.Log2((1-lost)*math.Exp2(o.Bits) + lost)
			}
			w.Sums[i] += o.Bits
			if kind := kinds[o.Kind]; kind.AtWork {
				told, held = true, held || kind.Held
				work[i] += o.Bits
				if kind.Older {
					older[i] += o.Bits
				}
			}
		}
	}
	sign := t.signs(signs)
	if !told {
		return w
	}
	w.None = min(0, -sign)
	atOnce, less := (1-lateness)*math.Exp2(min(0, sign)), "less"
	if sign < -1 {
		less = "less, by the signs"
	}
	atWork, before := work.out(held), older.out(held)
	for i := range messages {
		both := atOnce*atWork[i] + lateness*before[i]
		w.Late[i] = lateness * before[i] / both
		share := math.Log2(both) - work[i]
		w.Sums[i] += share
		level := less
		if share > 0 {
			level = "more"
		}
		messages[i] = append(messages[i], finding.Observation{Kind: finding.Share, Level: level, Bits: share})
	}
	return w
}

// shared is how likely it is of each message, in bits, that it is the one of which something holds that holds of one at most.
type shared []float64

// out shares that out: as likelihoods, of mean one, or less where all is against it. Not less where it is held in memory: that nothing held
// looks like a message says nothing of whether one killed.
func (s shared) out(held bool) []float64 {
	likely, mean := make([]float64, len(s)), 0.0
	for i, bits := range s {
		likely[i] = math.Exp2(bits)
		mean += likely[i] / float64(len(s))
	}
	if !held {
		mean = max(mean, 1)
	}
	for i := range likely {
		likely[i] /= mean
	}
	return likely
}

// signs gives the signs of a death their bits, and is the sum of them.
func (t Table) signs(all []finding.Observation) (sum float64) {
	for i := range all {
		o := &all[i]
		o.Bits = t[o.Kind][o.Level]
		sum += o.Bits
	}
	return sum
}

var silent = levelsOf(func(k Kind) []string { return k.Silence })

var kinds = func() map[string]Kind {
	kinds := map[string]Kind{}
	for _, k := range Kinds {
		kinds[k.Name] = k
	}
	return kinds
}()
