// Package compare tells what is different between two surroundings of a process, the most telling first; and of two printed
// stacks, module by module, whether both can be of the same build (Stacks).
//
// Two hosts differ in thousands of things, and one of them matters. What a difference is worth depends on whose affair
// it is: first what a backtrace touches (its modules are other builds, or they name the file, or its functions do
// what the thing governs), then what touches the program at all, then the rest. What differs between any two moments, such as
// process IDs and counters, is only counted; and many alike are told as one.
//
// Surroundings is the whole story.
package compare

import (
	"cmp"
	"maps"
	"slices"

	"github.com/inquest-project/inquest/internal/evidence/environment"
	"github.com/inquest-project/inquest/internal/ground/finding"
)

// Call is a frame of the stack that differences are held against.
type Call struct{ Module, Function string }

// Surroundings finds what is different between two, in the light of a stack, innermost call first; without one, of the programs.
func Surroundings(a, b *environment.Environment, stack []Call) *finding.Comparison {
	c := &finding.Comparison{Version: 1}
	differ := differences(a, b, c)
	light := newLight(a, b, stack)
	c.Backtrace = light.modules()
	rated := make([]rated, len(differ))
	for i, d := range differ {
		rated[i] = light.rate(d)
	}
	for _, r := range fold(rated) {
		c.Differences = append(c.Differences, r.Difference)
	}
	return c
}

// differences are all, in no order yet; what is equal and what is noise is only counted.
func differences(a, b *environment.Environment, c *finding.Comparison) (differ []finding.Difference) {
	inA, inB := facts(a), facts(b)
	for _, area := range areas(inA, inB) {
		x, y := inA[area], inB[area]
		if len(x) == 0 || len(y) == 0 {
			c.OneSided = append(c.OneSided, string(area))
			continue
		}
		names := slices.Sorted(maps.Keys(x))
		for name := range y {
			if _, both := x[name]; !both {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, name := range names {
			of, inX := x[name]
			with, inY := y[name]
			switch {
			case inX && inY && of.Value == with.Value:
				c.Equal++
				continue
			case of.Noise || with.Noise:
				c.Noise++
				continue
			}
			d := finding.Difference{Area: string(area), Name: name, A: of.Value, B: with.Value, Touches: finding.Rest}
			if !inX {
				d.OnlyIn = "b"
			} else if !inY {
				d.OnlyIn = "a"
			}
			differ = append(differ, d)
		}
	}
	return differ
}

// facts are an environment's by area and name. Objects go by the name that programs ask for, wherever they lie: a chroot or
// another distribution has them elsewhere.
func facts(e *environment.Environment) map[environment.Area]map[string]environment.Fact {
	all := map[environment.Area]map[string]environment.Fact{}
	soName := map[string]string{}
	for _, o := range e.Objects() {
		soName[o.Path] = cmp.Or(o.SoName, base(o.Path))
	}
	for f := range e.Facts() {
		if f.Area == environment.AreaObject {
			f.Name = cmp.Or(soName[f.Name], f.Name)
		}
		if all[f.Area] == nil {
			all[f.Area] = map[string]environment.Fact{}
		}
		all[f.Area][f.Name] = f
	}
	return all
}

// areas are those that either side tells something of, in order.
func areas(a, b map[environment.Area]map[string]environment.Fact) []environment.Area {
	names := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(names)
	return slices.Compact(names)
}
