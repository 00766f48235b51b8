package main

import (
	"math"

	"gonum.org/v1/gonum/optimize"

	"github.com/inquest-project/inquest/internal/reasoning/weigh"
)

// penalty holds each weight near zero, as a Gaussian prior does: a level seen in few runs earns little.
// In squared nats; chosen so that a level which one run alone shows is worth about a bit.
const penalty = 0.15

// feature is one level of one kind.
type feature struct{ kind, level string }

// fit finds the weights under which the killers of the runs are likeliest: a conditional logit over each
// run's candidates and the stated prior of none of them, penalised. Weights are in bits.
func fit(runs []*observed) weigh.Table { return fitKinds(runs, nil) }

// fitKinds fits one kind alone if it is named.
func fitKinds(runs []*observed, only map[string]bool) weigh.Table {
	columns := map[feature]int{}
	var features []feature
	var problems []choice
	for _, run := range runs {
		killer := run.killer()
		if killer < 0 {
			continue // not among the candidates, so it teaches nothing about their order
		}
		p := choice{killer: killer}
		for _, c := range run.candidates {
			var row []int
			for kind, level := range c.levels {
				if only != nil && !only[kind] {
					continue
				}
				f := feature{kind, level}
				if _, ok := columns[f]; !ok {
					columns[f] = len(features)
					features = append(features, f)
				}
				row = append(row, columns[f])
			}
			p.rows = append(p.rows, row)
		}
		problems = append(problems, p)
	}
	w := maximise(problems, len(features))
	table := weigh.Table{}
	for i, f := range features {
		if table[f.kind] == nil {
			table[f.kind] = map[string]float64{}
		}
		table[f.kind][f.level] = math.Round(w[i]/math.Ln2*100) / 100
	}
	return table
}

// choice is one run: which columns each candidate has, and which candidate killed.
type choice struct {
	rows   [][]int
	killer int
}

// maximise climbs the penalised log-likelihood, which is concave, so that it ends at its one top.
func maximise(problems []choice, n int) []float64 {
	if n == 0 {
		return nil
	}
	loss := func(w []float64) float64 {
		total := 0.0
		for _, x := range w {
			total += penalty / 2 * x * x
		}
		for _, p := range problems {
			scores, top := p.scores(w)
			total -= scores[p.killer] - p.logTotal(scores, top)
		}
		return total
	}
	gradient := func(g, w []float64) {
		for i, x := range w {
			g[i] = penalty * x
		}
		for _, p := range problems {
			scores, top := p.scores(w)
			log := p.logTotal(scores, top)
			for i, row := range p.rows {
				share := math.Exp(scores[i] - log)
				for _, f := range row {
					g[f] += share
				}
			}
			for _, f := range p.rows[p.killer] {
				g[f]--
			}
		}
	}
	result, err := optimize.Minimize(optimize.Problem{Func: loss, Grad: gradient}, make([]float64, n), nil, &optimize.LBFGS{})
	if result == nil {
		panic(err) // the problem is smooth and concave: it can't fail on finite numbers
	}
	return result.X
}

func (p choice) scores(w []float64) (scores []float64, top float64) {
	scores = make([]float64, len(p.rows))
	top = math.Inf(-1)
	each, none := weigh.Prior(len(p.rows))
	prior := math.Log(each)
	for i, row := range p.rows {
		scores[i] = prior
		for _, f := range row {
			scores[i] += w[f]
		}
		top = math.Max(top, scores[i])
	}
	return scores, math.Max(top, math.Log(none))
}

func (p choice) logTotal(scores []float64, top float64) float64 {
	_, none := weigh.Prior(len(p.rows))
	total := math.Exp(math.Log(none) - top)
	for _, s := range scores {
		total += math.Exp(s - top)
	}
	return top + math.Log(total)
}
