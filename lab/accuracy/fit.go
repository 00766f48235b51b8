package main

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/optimize"

	"github.com/inquest-project/inquest/internal/reasoning/weigh"
)

// These were chosen by trying a handful of values and looking at how likely the killers of programs left
// out were; near these values little changes.
const (
	// The runs of one program are much alike: together they teach as much as so many independent deaths.
	worth = 3.0

	// penalty holds the step from each level to the next near what is expected, as a Gaussian prior does, so that what
	// one program alone shows earns little. In squared nats.
	penalty = 0.2

	// Each run is learnt from a second time, for so much of its worth, with the wire kinds withheld. Where
	// they tell nothing, as of a late death, the others must be able to single out the killer alone.
	withheld = 0.3

	// That what killed is in none of the captures is taught by each program with so much of its worth: with the programs that die
	// of no input at all it comes to about as often as weigh.NonePrior says.
	seldom = 0.02
)

// expected are the steps, in nats, at which the prior is centred: stated, because the lab's programs are too few
// to teach how seldom a message kills at once that was answered, waited for long, or was followed by another that
// was read. Measured elsewhere on real daemons with published bugs, 56 of 57 that died at once over TCP left the
// killer unanswered, the newest last message of a connection read to its end; and words that are no addresses, in the dying
// thread's registers, in a smashed stack and in a heap that was damaged long before, were of the killer's bytes and of nobody else's.
var expected = map[string]map[string]float64{
	"unanswered": {"left before the death": 2, "as most of its kind": 2, "unanswered": 2},
	"read":       {"not seen": 2, "read": 1.5},
	"socket":     {"one hop": 1, "its title": 3},
	"waits":      {"one waits": 3.35},
	"idle":       {"busy": 2},
	"at hand":    {"one": 1.5},
	"doing":      {"unnamed": 3},
	"junk":       {"some of its bytes": 2, "most of its bytes": 1},
}

// fit finds the weights under which the killers of the runs are likeliest: a conditional logit over each
// run's candidates and none of them, of which the prior is stated, penalised, in which a stronger level of a kind never
// weighs less than a weaker one. Weights are in bits, and so placed that over the innocents of the runs a
// kind's mean likelihood ratio is one.
func fit(runs []*seen, kinds ...weigh.Kind) weigh.Table {
	m := newModel(runs, kinds)
	u := m.climb()
	weights, _ := m.weights(u)
	table := weigh.Table{}
	for k, kind := range kinds {
		table[kind.Name] = map[string]float64{}
		for l, level := range kind.Levels {
			table[kind.Name][level] = math.Round(weights[m.first[k]+l]/math.Ln2*100) / 100
		}
	}
	return table
}

// model is the runs as numbers. The weights of all levels stand in one list, kind by kind; first is where
// each kind's begin.
type model struct {
	kinds   []weigh.Kind
	first   []int
	levels  int
	kind    []weigh.Kind // by level
	share   []float64    // of the innocents that a kind speaks of, the share that has the level; where it speaks of deaths as a whole, the strongest
	choices []choice
}

// choice is one run: its candidates by the levels they have.
type choice struct {
	worth    float64
	lateness float64
	missed   float64
	held     bool // the candidates are pieces of memory
	alike    []alike
	size     int   // candidates
	signs    []int // indices of levels of the death as a whole
	none     bool  // none of the candidates killed
}

// alike is all candidates of a run that have the same levels.
type alike struct {
	work, other    []int   // indices of levels: of kinds that tell which message the process was at work on, and of others
	older          []int   // those in work that tell of older damage, too
	count, killers float64 // how many there are, and how many of them are the killer or, in memory, pieces of it
}

func newModel(runs []*seen, kinds []weigh.Kind) *model {
	m := &model{kinds: kinds}
	index := map[string]int{}
	for _, kind := range kinds {
		m.first = append(m.first, m.levels)
		for _, level := range kind.Levels {
			index[kind.Name+": "+level] = m.levels
			m.kind = append(m.kind, kind)
			m.levels++
		}
	}
	perProgram := map[[2]string]float64{}
	for _, run := range runs {
		perProgram[[2]string{run.Case, run.Evidence}]++
	}
	m.share = make([]float64, m.levels)
	for _, run := range runs {
		if run.candidates() == 0 {
			continue
		}
		c := m.choice(run, index)
		c.worth = worth / perProgram[[2]string{run.Case, run.Evidence}]
		if run.Evidence == elsewhere {
			c.worth *= seldom
		}
		m.choices = append(m.choices, c)
		m.countShares(c)
	}
	m.normaliseShares()
	return m
}

// choice gathers candidates that are equal by the kinds that are fitted.
func (m *model) choice(run *seen, index map[string]int) choice {
	c := choice{lateness: run.Lateness, missed: run.Missed, held: run.Evidence == coreAlone, size: run.candidates(), none: !run.kills()}
	for _, level := range run.Signs {
		if i, fitted := index[level]; fitted {
			c.signs = append(c.signs, i)
		}
	}
	at := map[string]int{}
	for _, r := range run.Rows {
		a := alike{}
		for _, level := range r.Levels {
			switch i, fitted := index[level]; {
			case !fitted:
			case m.kind[i].AtWork:
				a.work = append(a.work, i)
				if m.kind[i].Older {
					a.older = append(a.older, i)
				}
			default:
				a.other = append(a.other, i)
			}
		}
		key := fmt.Sprint(a.work, a.other)
		i, known := at[key]
		if !known {
			i = len(c.alike)
			at[key] = i
			c.alike = append(c.alike, a)
		}
		c.alike[i].count += float64(r.Count)
		c.alike[i].killers += float64(r.Kills)
	}
	return c
}

// countShares adds a run's innocents, each run with the same weight.
func (m *model) countShares(c choice) {
	if c.none {
		for _, level := range c.signs {
			m.share[level] += c.worth
		}
	}
	for _, r := range c.alike {
		innocents := r.count - r.killers
		for _, levels := range [][]int{r.work, r.other} {
			for _, level := range levels {
				m.share[level] += c.worth * innocents / float64(c.size)
			}
		}
	}
}

func (m *model) normaliseShares() {
	for k, kind := range m.kinds {
		all := m.share[m.first[k]:][:len(kind.Levels)]
		total := 0.0
		for _, s := range all {
			total += s
		}
		for i := range all {
			if total > 0 {
				all[i] /= total
			}
		}
	}
}

// climb finds the steps. A step is the square of a free number, so that it is never negative.
func (m *model) climb() []float64 {
	u := make([]float64, m.levels)
	for i := range u {
		u[i] = 0.7
	}
	var at, gradient []float64 // gonum asks for loss and gradient one after the other
	var loss float64
	evaluate := func(u []float64) {
		if !slices.Equal(at, u) {
			at = append(at[:0], u...)
			loss, gradient = m.loss(u)
		}
	}
	problem := optimize.Problem{
		Func: func(u []float64) float64 { evaluate(u); return loss },
		Grad: func(grad, u []float64) { evaluate(u); copy(grad, gradient) },
	}
	settings := &optimize.Settings{Converger: &optimize.FunctionConverge{Absolute: 1e-5, Iterations: 5}}
	result, err := optimize.Minimize(problem, u, settings, &optimize.LBFGS{})
	if result == nil {
		panic(err) // the loss is smooth and finite everywhere
	}
	return result.X
}

// weights are each level's, in nats, and its part in its kind's mean ratio, which the gradient needs.
func (m *model) weights(u []float64) (weights, part []float64) {
	weights, part = make([]float64, m.levels), make([]float64, m.levels)
	for k, kind := range m.kinds {
		first, sum, mean := m.first[k], 0.0, 0.0
		for l := range kind.Levels {
			if l > 0 {
				sum += u[first+l] * u[first+l]
			}
			weights[first+l] = sum
			part[first+l] = m.share[first+l] * math.Exp(sum)
			mean += part[first+l]
		}
		if mean == 0 {
			continue // nobody has been seen with it
		}
		for l := range kind.Levels {
			weights[first+l] -= math.Log(mean)
			part[first+l] /= mean
		}
	}
	return weights, part
}

// loss is the penalised negative log-likelihood and its gradient.
func (m *model) loss(u []float64) (loss float64, gradient []float64) {
	weights, part := m.weights(u)
	byWeight := make([]float64, m.levels)
	for _, c := range m.choices {
		loss += c.loss(weights, byWeight)
		loss += c.withoutWire(m.kind).loss(weights, byWeight)
	}
	gradient = make([]float64, m.levels)
	for k, kind := range m.kinds {
		first, all := m.first[k], 0.0
		for l := range kind.Levels {
			all += byWeight[first+l]
		}
		above := 0.0 // a step moves every level from its own on
		for l := len(kind.Levels) - 1; l > 0; l-- {
			i := first + l
			above += byWeight[i] - part[i]*all
			step := u[i] * u[i]
			off := step - expected[kind.Name][kind.Levels[l]]
			loss += penalty / 2 * off * off
			gradient[i] = 2 * u[i] * (above + penalty*off)
		}
	}
	return loss, gradient
}

// withoutWire is the run as it is learnt from the second time.
func (c choice) withoutWire(kind []weigh.Kind) choice {
	c.worth *= withheld
	c.signs = nil
	c.alike = slices.Clone(c.alike)
	for i := range c.alike {
		c.alike[i].work = slices.DeleteFunc(slices.Clone(c.alike[i].work), func(level int) bool { return kind[level].Wire })
	}
	return c
}

// loss is one run's, and adds its derivatives by the weights. What tells of the message that was at
// work is shared out among the run's candidates, as weigh.Table does.
func (c choice) loss(weights, byWeight []float64) float64 {
	each, none := weigh.Prior(c.size, c.missed)
	work := c.shareOut(weights, func(r alike) []int { return r.work })
	older := c.shareOut(weights, func(r alike) []int { return r.older })
	sign := 0.0
	for _, level := range c.signs {
		sign += weights[level]
	}
	atOnce, late := (1-c.lateness)*math.Exp(sign), c.lateness*math.Exp(max(sign, 0)) // as if for all, where it is against none
	ratio, soon := make([]float64, len(c.alike)), make([]float64, len(c.alike))
	total, killing := none, 0.0
	if c.none {
		killing = none
	}
	for i, r := range c.alike {
		other := 0.0
		for _, level := range r.other {
			other += weights[level]
		}
		ratio[i] = each * math.Exp(other)
		if work.told {
			at, before := atOnce*work.likely[i], late*older.likely[i]
			soon[i] = at / (at + before)
			ratio[i] *= at + before
		}
		total += r.count * ratio[i]
		killing += r.killers * ratio[i]
	}
	pull, later := make([]float64, len(c.alike)), make([]float64, len(c.alike))
	for i, r := range c.alike {
		pull[i] = ratio[i] * (r.count/total - r.killers/killing)
		for _, level := range r.other {
			byWeight[level] += c.worth * pull[i]
		}
		later[i] = pull[i] * (1 - soon[i])
		pull[i] *= soon[i]
	}
	drawn := work.pull(c, pull, byWeight)
	if work.told {
		if lately := older.pull(c, later, byWeight); sign > 0 {
			drawn += lately
		}
	}
	for _, level := range c.signs {
		byWeight[level] += c.worth * drawn
	}
	return -c.worth * math.Log(killing/total)
}

// shares are how likely it is of each row that one of it is the message of which something holds that holds of one at
// most, as weigh.Table shares it out.
type shares struct {
	levels func(alike) []int
	likely []float64
	part   []float64 // of all candidates' sum, each row's, by which a weight moves what all are divided by; 0 if they aren't
	told   bool
}

func (c choice) shareOut(weights []float64, levels func(alike) []int) shares {
	s := shares{levels: levels, likely: make([]float64, len(c.alike)), part: make([]float64, len(c.alike))}
	mean := 0.0
	for i, r := range c.alike {
		sum := 0.0
		for _, level := range levels(r) {
			sum += weights[level]
			s.told = true
		}
		s.likely[i] = math.Exp(sum)
		mean += r.count * s.likely[i] / float64(c.size)
	}
	for i, r := range c.alike {
		if mean > 1 || c.held {
			s.likely[i] /= mean
			s.part[i] = r.count * s.likely[i] / float64(c.size)
		}
	}
	return s
}

// pull adds the derivatives by the weights of what each row pulls at its likelihood, and gives the sum of that.
func (s shares) pull(c choice, pull, byWeight []float64) (drawn float64) {
	for _, p := range pull {
		drawn += p
	}
	for i, r := range c.alike {
		for _, level := range s.levels(r) {
			byWeight[level] += c.worth * (pull[i] - drawn*s.part[i])
		}
	}
	return drawn
}
