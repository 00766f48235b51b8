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
	client     string
	frames     []int
	accomplice bool // named as an earlier member of the killer's set
}

func observe(dir string) (*observed, error) {
	o := &observed{}
	data, err := os.ReadFile(filepath.Join(dir, "truth.json"))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &o.truth); err != nil {
		return nil, err
	}
	set, err := evidence.Open(evidence.Request{
		Paths:    []string{filepath.Join(dir, "evidence")},
		Sysroots: []string{filepath.Join(dir, "sysroot")},
	})
	if err != nil {
		return nil, err
	}
	defer set.Close()
	r := reading.Read(set)
	defer r.Close()
	d, when := reasoning.Death(r)
	if d.Culprit != nil {
		o.culprit = *d.Culprit
	}
	if d.Finding.Mechanism != nil {
		o.mechanism = d.Finding.Mechanism.Kind
	}
	c := weigh.NewCase(r.Image, r.Stacks, d, when)
	weigh.Observe(c)
	for _, m := range c.Candidates {
		if m.Message == nil {
			continue
		}
		seen := candidate{
			client: m.Message.Conversation.Names[m.Own.Side.Other()],
			frames: m.Message.Frames(),
		}
		for _, ob := range m.Observations {
			seen.observed = append(seen.observed, finding.Observation{Kind: ob.Kind, Level: ob.Level})
		}
		o.candidates = append(o.candidates, seen)
	}
	for i, m := range c.Candidates {
		if o.is(o.candidates[i], o.truth.Killer) {
			for _, a := range weigh.Accomplices(c, m) {
				o.candidates[slices.Index(c.Candidates, a)].accomplice = true
			}
		}
	}
	return o, nil
}

// is says whether a candidate is a deed of the truth: the same remote end, and a frame in common.
func (o *observed) is(c candidate, d lab.Deed) bool {
	return c.client == d.Client && slices.ContainsFunc(c.frames, func(f int) bool { return slices.Contains(d.Frames, f) })
}

// lateness is how likely inquest takes this death for a late one.
func (o *observed) lateness() float64 { return weigh.Lateness(o.mechanism, o.culprit.Role) }

func (o *observed) killer() int {
	return slices.IndexFunc(o.candidates, func(c candidate) bool { return o.is(c, o.truth.Killer) })
}
