package reasoning

import (
	"cmp"

	"github.com/inquest-project/inquest/internal/evidence/backtrace"
	"github.com/inquest-project/inquest/internal/evidence/environment"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reasoning/compare"
)

// Side is one of two that are held against each other: what is known of it.
type Side struct {
	Name         string
	Surroundings *environment.Environment
	Stack        []backtrace.Frame // that died there, innermost frame first; nil if none did
}

// Compare finds what is different between two, the most telling first, in the light of a stack: one that is given, else that which
// died on either side. Of two stacks it tells, too, which of their modules can be the same build.
func Compare(a, b Side, stack []backtrace.Frame) *finding.Comparison {
	for _, side := range []Side{a, b} {
		if len(stack) == 0 {
			stack = side.Stack
		}
	}
	paths := pathsByBuild(a, b)
	calls := make([]compare.Call, len(stack))
	for i, f := range stack {
		calls[i] = compare.Call{Module: cmp.Or(f.Module, paths[f.BuildID]), Function: f.Function}
	}
	c := compare.Surroundings(a.Surroundings, b.Surroundings, calls)
	c.A, c.B = sideOf(a), sideOf(b)
	if len(a.Stack) > 0 && len(b.Stack) > 0 {
		c.Modules = compare.Stacks(a.Stack, b.Stack)
	}
	return c
}

// pathsByBuild are what the two sides map, by builds: some stacks tell no more of a module.
func pathsByBuild(sides ...Side) map[place.BuildID]string {
	paths := map[place.BuildID]string{}
	for _, side := range sides {
		for _, o := range side.Surroundings.Objects() {
			if o.BuildID != "" {
				paths[o.BuildID] = o.Path
			}
		}
	}
	return paths
}

func sideOf(s Side) finding.Side {
	side := finding.Side{Name: s.Name, Kind: string(s.Surroundings.Kind)}
	for _, u := range s.Surroundings.Unseen {
		side.Unseen = append(side.Unseen, finding.Unseen{What: u.What, Why: u.Why})
	}
	return side
}
