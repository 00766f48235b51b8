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
	"fmt"
	"maps"
	"slices"

	"github.com/inquest-project/inquest/internal/evidence/environment"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
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
	c.SameBuild = sameBuild(a, b, c.Backtrace)
	return c
}

// differences are all, in no order yet; what is equal, what is noise and what one side did not look for is only counted.
func differences(a, b *environment.Environment, c *finding.Comparison) (differ []finding.Difference) {
	inA, inB := facts(a), facts(b)
	sightA, sightB := sightOf(a), sightOf(b)
	for _, area := range areas(inA, inB) {
		x, y := inA[area], inB[area]
		if len(x) == 0 || len(y) == 0 {
			c.OneSided = append(c.OneSided, string(area))
			continue
		}
		names := slices.AppendSeq(slices.Collect(maps.Keys(x)), maps.Keys(y))
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			of, inX := x[name]
			with, inY := y[name]
			d := finding.Difference{Area: string(area), Name: name, A: of.shown, B: with.shown, Touches: finding.Rest}
			switch {
			case inX && inY && of.Value == with.Value:
				c.Equal++
				continue
			case of.Noise || with.Noise:
				c.Noise++
				continue
			case !inX && !sightA.misses(with.Fact, sightB), !inY && !sightB.misses(of.Fact, sightA):
				c.Unlooked++
				continue
			case !inX:
				d.OnlyIn = "b"
			case !inY:
				d.OnlyIn = "a"
			}
			differ = append(differ, d)
		}
	}
	return once(differ, a, b)
}

// fact is one with how its value is told.
type fact struct {
	environment.Fact
	shown string
}

// facts are an environment's by area and name. Objects go by the name that programs ask for, wherever they lie: a chroot or
// another distribution has them elsewhere.
func facts(e *environment.Environment) map[environment.Area]map[string]fact {
	all := map[environment.Area]map[string]fact{}
	version, objects := map[string]string{}, map[string]environment.Object{}
	for _, s := range e.Packages {
		version[s.Name] = s.Value
	}
	for _, o := range e.Objects() {
		objects[o.Path] = o
	}
	for f := range e.Facts() {
		told := fact{f, f.Value}
		if o := objects[f.Name]; f.Area == environment.AreaObject {
			told.Name = soNameOf(o)
			if version[o.Package] != "" {
				told.shown += fmt.Sprintf(" (%s %s)", o.Package, version[o.Package])
			}
		}
		if all[f.Area] == nil {
			all[f.Area] = map[string]fact{}
		}
		all[f.Area][told.Name] = told
	}
	return all
}

// sameBuild are those of some modules that are the same build on both sides.
func sameBuild(a, b *environment.Environment, modules []string) (same []string) {
	inA, inB := builds(a), builds(b)
	for _, name := range modules {
		if inA[name] != "" && inA[name] == inB[name] {
			same = append(same, name)
		}
	}
	return same
}

// builds are objects' build IDs by each of their names.
func builds(e *environment.Environment) map[string]place.BuildID {
	all := map[string]place.BuildID{}
	for _, o := range e.Objects() {
		all[soNameOf(o)], all[base(o.Path)] = o.BuildID, o.BuildID
	}
	return all
}

// areas are those that either side tells something of, in order.
func areas(a, b map[environment.Area]map[string]fact) []environment.Area {
	names := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(names)
	return slices.Compact(names)
}
