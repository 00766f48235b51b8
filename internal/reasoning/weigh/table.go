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

// Weigh gives each observation of one message its bits, and their sum. Where the death is a late one, which
// it is with the given probability, the wire tells nothing of its killer: so much of what the wire's kinds
// weigh against the message is taken back, by an observation of its own.
func (t Table) Weigh(observations []finding.Observation, lateness float64) ([]finding.Observation, float64) {
	wire, sum, onWire := 0.0, 0.0, false
	for i := range observations {
		o := &observations[i]
		o.Bits = t[o.Kind][o.Level]
		sum += o.Bits
		if isWire[o.Kind] {
			wire, onWire = wire+o.Bits, true
		}
	}
	if !onWire {
		return observations, sum
	}
	late := math.Log2((1-lateness)*math.Exp2(wire)+lateness) - wire
	if math.Abs(late) < 0.05 {
		return observations, sum
	}
	return append(observations, finding.Observation{Kind: Late, Level: Late, Bits: late}), sum + late
}

var isWire = func() map[string]bool {
	wire := map[string]bool{}
	for _, k := range Kinds {
		wire[k.Name] = k.Wire
	}
	return wire
}()
