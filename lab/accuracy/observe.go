package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/inquest-project/inquest/internal/evidence"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reading"
	"github.com/inquest-project/inquest/internal/reading/unwind"
	"github.com/inquest-project/inquest/internal/reasoning"
	"github.com/inquest-project/inquest/internal/reasoning/death"
	"github.com/inquest-project/inquest/internal/reasoning/weigh"
	"github.com/inquest-project/inquest/lab"
)

// observeAll observes all runs in a folder, as many at a time as there are processors: with all evidence and with the core
// alone, and the first few runs of each case with every other variant, too.
func observeAll(dir string, few int, only string) ([]*seen, error) {
	truths, err := filepath.Glob(filepath.Join(dir, "*", "truth.json"))
	if err != nil {
		return nil, err
	}
	perCase := map[string]int{}
	var all []*seen
	var work errgroup.Group
	work.SetLimit(runtime.NumCPU())
	for _, path := range truths {
		run := filepath.Dir(path)
		truth, err := readTruth(path)
		if err != nil {
			return nil, err
		}
		perCase[truth.Case]++
		ordinarily := truth.Build == ordinary
		for _, v := range variants {
			if (perCase[truth.Case] > few || !ordinarily) && !v.always || !ordinarily && v.name != whole || only != "" && v.name != only {
				continue
			}
			s := &seen{}
			all = append(all, s)
			work.Go(func() error { return v.observe(s, run, truth) })
		}
	}
	return all, work.Wait()
}

func readTruth(path string) (truth lab.Truth, err error) {
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &truth)
	}
	return truth, err
}

// observed is what is looked at of one death.
type observed struct {
	*seen
	truth lab.Truth
	frame map[int]int // from the frames of the variant's capture to those of the whole one; nil where they are the same
}

// observe looks at a run with what is left of its evidence.
func (o *observed) observe(req evidence.Request) error {
	set, err := evidence.Open(req)
	if err != nil {
		return err
	}
	defer set.Close()
	r := reading.Read(set, nil)
	defer r.Close()
	d, when := reasoning.Death(r)
	c, _ := reasoning.Case(r, d, when)
	if len(set.Captures) == 0 && !reasoning.Killed(d.Finding.Mechanism) {
		c.FromMemory()
	}
	o.judge(d, r.Stacks)
	o.Lateness, o.Lost, o.Missed, o.None = c.Lateness(), c.Lost, c.Missed(), o.truth.None
	o.Members = len(o.truth.Killer.With)
	o.Before = reasoning.MayHaveComeBefore(when)
	weigh.Observe(c)
	for _, sign := range c.Signs {
		o.Signs = append(o.Signs, levelOf(sign))
	}
	candidates := make([]row, len(c.Candidates))
	for i, m := range c.Candidates {
		candidates[i] = o.candidate(m)
	}
	for i, m := range c.Candidates {
		if m.Message == nil || candidates[i].Kills == 0 {
			continue
		}
		for _, a := range weigh.Accomplices(c, m) {
			at := slices.Index(c.Candidates, a)
			candidates[at].Named = candidates[at].Members
		}
	}
	o.Rows = gather(candidates)
	return nil
}

// judge holds how it died against the truth.
func (o *observed) judge(d death.Death, stacks []unwind.Stack) {
	culprit, mechanism := finding.Culprit{}, finding.MechanismKind("")
	if d.Culprit != nil {
		culprit = *d.Culprit
	}
	if d.Finding.Mechanism != nil {
		mechanism = d.Finding.Mechanism.Kind
	}
	truth := o.truth.Culprit
	is := func(module, function string) bool {
		return module == truth.Module && (function == truth.Function || function == "")
	}
	o.Right = verdict{
		Culprit: is(culprit.Module, culprit.Function), Role: culprit.Role == truth.Role,
		Mechanism: mechanism == finding.MechanismKind(o.truth.Mechanism),
	}
	if len(stacks) > 0 {
		o.Right.Plain = is(plain(stacks[0]))
	}
}

// plain is whom the plain rule blames: the innermost frame that is no system library's, in the thread that dumped.
func plain(stack unwind.Stack) (module, function string) {
	for _, f := range stack.Frames {
		if f.Module == nil || strings.HasPrefix(f.Module.Path, "/usr/lib/") || strings.HasPrefix(f.Module.Path, "/lib/") {
			continue
		}
		return f.Module.Name, f.Function
	}
	return "", ""
}

func (o *observed) candidate(m *weigh.Candidate) row {
	c := row{Count: 1}
	for _, ob := range m.Observations {
		c.Levels = append(c.Levels, levelOf(ob))
	}
	truth := o.truth
	if m.Message == nil {
		c.Kills = one(!truth.None && shareBytes(m.Data, truth.Killer.Bytes))
		return c
	}
	c.Kills = one(!truth.None && o.is(m, truth.Killer))
	c.Members = one(slices.ContainsFunc(truth.Killer.With, func(d lab.Deed) bool { return o.is(m, d) }))
	c.Traps = one(truth.Trap != nil && o.is(m, *truth.Trap))
	c.Twins = one(truth.Twin != nil && o.is(m, *truth.Twin))
	return c
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

// is says whether a candidate is a deed of the truth: the same remote end, and a frame in common.
func (o *observed) is(m *weigh.Candidate, d lab.Deed) bool {
	if m.Message.Conversation.Names()[m.Own.Side.Other()] != d.Client {
		return false
	}
	return slices.ContainsFunc(m.Message.Frames(), func(f int) bool {
		if o.frame != nil {
			f = o.frame[f]
		}
		return slices.Contains(d.Frames, f)
	})
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
