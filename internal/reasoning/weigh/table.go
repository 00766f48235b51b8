package weigh

import (
	_ "embed"
	"encoding/json"
	"fmt"
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

func (t Table) bits(kind, level string) float64 { return t[kind][level] }
