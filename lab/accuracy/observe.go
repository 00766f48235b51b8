package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"

	"github.com/inquest-project/inquest/internal/evidence"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reading"
	"github.com/inquest-project/inquest/internal/reasoning"
	"github.com/inquest-project/inquest/internal/reasoning/weigh"
	"github.com/inquest-project/inquest/lab"
)

// observed is one run: what inquest sees in it, without any weights, and what is true.
type observed struct {
	truth      lab.Truth
	culprit    finding.Culprit
	mechanism  finding.MechanismKind
	candidates []candidate
}

// candidate is a message and its observations.
type candidate struct {
	observed   []finding.Observation
	client     string // from a capture
	frames     []int
	kills      bool
	accomplice bool // named as an earlier member of the killer's set
}

// observe looks at a run with all its evidence.
func observe(dir string) (*observed, error) {
	return observeWith(dir, evidence.Request{Paths: []string{filepath.Join(dir, "evidence")}})
}

// observeAlone looks at a run's core alone.
func observeAlone(dir string) (*observed, error) {
	return observeWith(dir, evidence.Request{Cores: []string{filepath.Join(dir, "evidence", "core")}})
}

func observeWith(dir string, req evidence.Request) (*observed, error) {
	o := &observed{}
	data, err := os.ReadFile(filepath.Join(dir, "truth.json"))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &o.truth); err != nil {
		return nil, err
	}
	req.Sysroots = []string{filepath.Join(dir, "sysroot")}
	set, err := evidence.Open(req)
	if err != nil {
		return nil, err
	}
	defer set.Close()
	r := reading.Read(set, nil)
	defer r.Close()
	d, when := reasoning.Death(r)
	if d.Culprit != nil {
		o.culprit = *d.Culprit
	}
	if d.Finding.Mechanism != nil {
		o.mechanism = d.Finding.Mechanism.Kind
	}
	c, _ := reasoning.Case(r, d, when)
	if len(set.Captures) == 0 {
		c.FromMemory()
	}
	weigh.Observe(c)
	for _, m := range c.Candidates {
		o.candidates = append(o.candidates, o.candidateOf(m))
	}
	for i, m := range c.Candidates {
		if m.Message == nil || !o.candidates[i].kills {
			continue
		}
		for _, a := range weigh.Accomplices(c, m) {
			o.candidates[slices.Index(c.Candidates, a)].accomplice = true
		}
	}
	return o, nil
}

func (o *observed) candidateOf(m *weigh.Candidate) candidate {
	seen := candidate{}
	for _, ob := range m.Observations {
		seen.observed = append(seen.observed, finding.Observation{Kind: ob.Kind, Level: ob.Level})
	}
	if m.Message == nil {
		seen.kills = shareBytes(m.Data, o.truth.Killer.Bytes)
		return seen
	}
	seen.client = m.Message.Conversation.Names[m.Own.Side.Other()]
	seen.frames = m.Message.Frames()
	seen.kills = o.is(seen, o.truth.Killer)
	return seen
}

// shareBytes says whether a piece of memory is of the killer: a dozen of its bytes in a row.
func shareBytes(a, b []byte) bool {
	const dozen = 12
	pieces := map[string]bool{}
	for i := 0; i+dozen <= len(a); i++ {
		pieces[string(a[i:i+dozen])] = true
	}
	for i := 0; i+dozen <= len(b); i++ {
		if pieces[string(b[i:i+dozen])] {
			return true
		}
	}
	return false
}

// is says whether a candidate is a deed of the truth: the same remote end, and a frame in common.
func (o *observed) is(c candidate, d lab.Deed) bool {
	return c.client == d.Client && slices.ContainsFunc(c.frames, func(f int) bool { return slices.Contains(d.Frames, f) })
}

// lateness is how likely inquest takes this death for a late one.
func (o *observed) lateness() float64 { return weigh.Lateness(o.mechanism, o.culprit.Role) }

// waits says whether a message may have been at work when the process died.
func (o *observed) waits() bool {
	var messages [][]finding.Observation
	for _, c := range o.candidates {
		messages = append(messages, c.observed)
	}
	return weigh.Waits(messages)
}

// killer is the index of the message that killed; -1 if it is not among the candidates.
func (o *observed) killer() int {
	return slices.IndexFunc(o.candidates, func(c candidate) bool { return c.kills })
}
