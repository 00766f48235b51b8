package main

import (
	"math"
	"slices"
	"testing"

	"github.com/inquest-project/inquest/internal/reasoning/weigh"
)

func TestTheGradientIsThatOfTheLoss(t *testing.T) {
	all, err := readSeen("seen.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	for name, held := range map[string]bool{"captures": false, "the core alone": true} {
		first := map[string]bool{} // of each program and variant
		runs := slices.DeleteFunc(slices.Clone(all), func(s *seen) bool {
			of := s.Case + s.Evidence
			wanted := (s.Evidence == coreAlone) == held && (held || s.Evidence == whole || s.Evidence == elsewhere) && !first[of]
			first[of] = true
			return !wanted
		})
		kinds := slices.DeleteFunc(slices.Clone(weigh.Kinds), func(k weigh.Kind) bool { return k.Held != held })
		m := newModel(runs, kinds)
		steps := make([]float64, m.levels)
		for i := range steps {
			steps[i] = 0.5 + 0.03*float64(i%7)
		}
		_, gradient := m.loss(steps)
		for i := range steps {
			const h = 1e-5
			around := func(by float64) float64 {
				moved := slices.Clone(steps)
				moved[i] += by
				loss, _ := m.loss(moved)
				return loss
			}
			if slope := (around(h) - around(-h)) / (2 * h); math.Abs(slope-gradient[i]) > 1e-4*(1+math.Abs(slope)) {
				t.Errorf("%s, a step of %s: the loss's slope is %.6f, its gradient %.6f", name, m.kind[i].Name, slope, gradient[i])
			}
		}
	}
}
