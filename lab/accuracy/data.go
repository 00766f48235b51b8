package main

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/finding"
)

// seen is one recorded death as inquest sees it with some of its evidence, before anything is weighed, and what is
// true of it. Candidates of which all the same is seen are one row.
type seen struct {
	Case     string   `json:"case"`
	Build    string   `json:"build"`    // by which compiler
	Evidence string   `json:"evidence"` // what of it there was: the name of a variant
	Seed     uint64   `json:"seed"`
	Right    verdict  `json:"right"`
	Lateness float64  `json:"lateness"`
	Lost     float64  `json:"lost,omitempty"`
	Missed   float64  `json:"missed,omitempty"`
	None     bool     `json:"none,omitempty"`    // no message killed
	Before   bool     `json:"before,omitempty"`  // some conversations are older than the capture
	Members  int      `json:"members,omitempty"` // of the killer's set, beside the killer
	Signs    []string `json:"signs,omitempty"`   // of the death as a whole
	Rows     []row    `json:"rows"`
}

// verdict is what was right of how it died.
type verdict struct {
	Culprit   bool `json:"culprit"`
	Role      bool `json:"role"`
	Mechanism bool `json:"mechanism"`
	Plain     bool `json:"plain"` // whether the innermost frame that is no system library's is the culprit
}

// row is so many candidates with the same levels, each as "kind: level".
type row struct {
	Levels  []string `json:"levels"`
	Count   int      `json:"count"`
	Kills   int      `json:"kills,omitempty"`   // so many of them are the killer, or in memory pieces of it
	Members int      `json:"members,omitempty"` // or earlier members of its set
	Named   int      `json:"named,omitempty"`   // of these, so many are named with the killer
	Traps   int      `json:"traps,omitempty"`
	Twins   int      `json:"twins,omitempty"`
}

// gather makes rows of candidates, each a row of one.
func gather(candidates []row) []row {
	at := map[string]int{}
	var rows []row
	for _, c := range candidates {
		key := strings.Join(c.Levels, "\n")
		i, known := at[key]
		if !known {
			i = len(rows)
			at[key] = i
			rows = append(rows, row{Levels: c.Levels})
		}
		r := &rows[i]
		r.Count += c.Count
		r.Kills += c.Kills
		r.Members += c.Members
		r.Named += c.Named
		r.Traps += c.Traps
		r.Twins += c.Twins
	}
	return rows
}

// candidates is how many there are.
func (s *seen) candidates() (n int) {
	for _, r := range s.Rows {
		n += r.Count
	}
	return n
}

// kills says whether what killed is among the candidates.
func (s *seen) kills() bool {
	return slices.ContainsFunc(s.Rows, func(r row) bool { return r.Kills > 0 })
}

// observations are those of levels.
func observations(levels []string) []finding.Observation {
	all := make([]finding.Observation, len(levels))
	for i, l := range levels {
		all[i].Kind, all[i].Level, _ = strings.Cut(l, ": ")
	}
	return all
}

func levelOf(o finding.Observation) string { return o.Kind + ": " + o.Level }

// each gives every candidate of all rows the observations of its row.
func (s *seen) each() (messages [][]finding.Observation, rows []int) {
	for i, r := range s.Rows {
		for range r.Count {
			messages = append(messages, observations(r.Levels))
			rows = append(rows, i)
		}
	}
	return messages, rows
}

// readSeen reads what writeSeen wrote: a line of JSON a death, compressed.
func readSeen(path string) ([]*seen, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	var all []*seen
	for d := json.NewDecoder(z); ; {
		s := &seen{}
		if err := d.Decode(s); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading death %d of %s: %w", len(all)+1, path, err)
		}
		all = append(all, s)
	}
}

func writeSeen(path string, all []*seen) error {
	slices.SortFunc(all, func(a, b *seen) int {
		return cmp.Or(cmp.Compare(a.Build, b.Build), cmp.Compare(a.Case, b.Case), cmp.Compare(a.Evidence, b.Evidence), cmp.Compare(a.Seed, b.Seed))
	})
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	z := gzip.NewWriter(f)
	e := json.NewEncoder(z)
	for _, s := range all {
		if err := e.Encode(s); err != nil {
			return err
		}
	}
	return errors.Join(z.Close(), f.Close())
}
