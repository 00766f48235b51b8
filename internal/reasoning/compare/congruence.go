package compare

import (
	"cmp"
	"slices"
	"strings"

	"github.com/inquest-project/inquest/internal/evidence/backtrace"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// pageSize is what the loader moves a module by, so that only what an address is beyond a multiple of it is the build's own.
// Machines with larger pages move by multiples of it.
const pageSize = 4096

// mostFrames bounds what is aligned, which takes time and memory by the square: a deep recursion has a million.
const mostFrames = 2000

// Stacks tells of two printed stacks that took the same path, module by module, whether both can be of the same build.
//
// Nothing but places in code is needed. A module is mapped as a whole: between two processes that run the same build all its
// places differ by the same amount, and that by whole pages, or not at all where both are counted from the module's
// start. Where they don't, code came in or went between two of them.
func Stacks(a, b []backtrace.Frame) []finding.Congruence {
	var modules []*module
	byName := map[string]*module{}
	for _, p := range align(calls(a), calls(b)) {
		m := byName[p.module()]
		if m == nil {
			m = &module{}
			modules = append(modules, m)
			byName[p.module()] = m
		}
		m.pairs = append(m.pairs, p)
	}
	told := make([]finding.Congruence, len(modules))
	for i, m := range modules {
		told[i] = m.judge()
	}
	return told
}

// calls are a stack's frames without those that are no calls in the machine's code, and those of which no place is known. What was
// inlined has its place for the frame that it is part of, where a debugger prints it once only.
func calls(frames []backtrace.Frame) (calls []backtrace.Frame) {
	frames = frames[:min(mostFrames, len(frames))]
	var inlined *backtrace.Frame
	for i, f := range frames {
		if inlined != nil && f.PC == nil && f.Offset == nil {
			f.PC, f.Offset = inlined.PC, inlined.Offset
		}
		inlined = nil
		if f.Inlined || f.PC != nil && i+1 < len(frames) && frames[i+1].PC != nil && *f.PC == *frames[i+1].PC {
			inlined = &f
		} else if f.PC != nil || f.Offset != nil {
			calls = append(calls, f)
		}
	}
	return calls
}

// pair is one call as two stacks have it.
type pair struct{ a, b backtrace.Frame }

// align finds which frames of two stacks are the same call: those of the same function in the same order, and between
// them those that one side has no name of (Needleman and Wunsch, 1970).
func align(a, b []backtrace.Frame) (pairs []pair) {
	const gap, unnamed, same, other = -2, 1, 4, -6
	score := func(i, j int) int {
		x, y := function(a[i]), function(b[j])
		switch {
		case x == "" || y == "":
			return unnamed
		case x == y:
			return same
		}
		return other
	}
	best := make([][]int, len(a)+1) // of what is left from i and j on
	for i := range best {
		best[i] = make([]int, len(b)+1)
	}
	for i := len(a); i >= 0; i-- {
		for j := len(b); j >= 0; j-- {
			switch {
			case i == len(a):
				best[i][j] = gap * (len(b) - j)
			case j == len(b):
				best[i][j] = gap * (len(a) - i)
			default:
				best[i][j] = max(score(i, j)+best[i+1][j+1], gap+best[i+1][j], gap+best[i][j+1])
			}
		}
	}
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch best[i][j] {
		case score(i, j) + best[i+1][j+1]:
			pairs = append(pairs, pair{a[i], b[j]})
			i, j = i+1, j+1
		case gap + best[i+1][j]:
			i++
		default:
			j++
		}
	}
	return pairs
}

// function is a frame's function without what tells versions and copies of it apart.
func function(f backtrace.Frame) string {
	name, _, _ := strings.Cut(f.Function, "@")
	name, _, _ = strings.Cut(name, ".")
	return strings.TrimPrefix(name, "__GI_")
}

// module is by what a pair's module goes: the first that is known of either side.
func (p pair) module() string {
	return cmp.Or(string(p.a.BuildID), fileName(p.a), string(p.b.BuildID), fileName(p.b))
}

// fileName is a module's; empty where a paste has cut it off.
func fileName(f backtrace.Frame) string { return f.Module[strings.LastIndexByte(f.Module, '/')+1:] }

// module is what two stacks show of one.
type module struct{ pairs []pair }

// judge says whether both can be the same build, and else between which places code moved.
func (m *module) judge() finding.Congruence {
	told := finding.Congruence{Congruent: true}
	exact := true // all places are counted from the module's start
	for _, p := range m.pairs {
		told.Module = cmp.Or(told.Module, fileName(p.a), fileName(p.b))
		told.BuildA, told.BuildB = cmp.Or(told.BuildA, p.a.BuildID), cmp.Or(told.BuildB, p.b.BuildID)
		told.Places = append(told.Places, p.place())
		if name := function(p.a); name == function(p.b) {
			told.Of = cmp.Or(told.Of, name)
		}
		exact = exact && p.a.Offset != nil && p.b.Offset != nil
	}
	for _, at := range told.Places {
		told.Of = cmp.Or(told.Of, at.Function)
		if at.Function == "main" {
			told.Of = at.Function // of all modules the program alone has it
		}
	}
	if told.BuildA != "" && told.BuildB != "" {
		told.SameBuild = told.BuildA == told.BuildB
		told.Congruent = told.SameBuild
	}
	if told.SameBuild {
		return told // where places differ nevertheless, other calls were taken for the same
	}
	ordered := slices.Clone(m.pairs)
	slices.SortStableFunc(ordered, func(x, y pair) int { return cmp.Compare(x.at(), y.at()) })
	shift := func(s finding.Shift) {
		if s.Bytes != 0 {
			told.Congruent, told.Shifts = false, append(told.Shifts, s)
		}
	}
	for i, p := range ordered {
		switch {
		case i > 0:
			from := ordered[i-1].at()
			shift(finding.Shift{From: &from, To: p.at(), Bytes: p.moved() - ordered[i-1].moved()})
		case exact:
			shift(finding.Shift{To: p.at(), Bytes: p.moved()})
		default:
			beyond := p.moved() % pageSize // of all that differ by whole pages, the smallest is likeliest
			if beyond > pageSize/2 {
				beyond -= pageSize
			} else if beyond < -pageSize/2 {
				beyond += pageSize
			}
			shift(finding.Shift{To: p.at(), Bytes: beyond, Modulo: pageSize})
		}
	}
	return told
}

// place is where both sides have it: from the module's start if both say that.
func (p pair) place() finding.CongruentPlace {
	at := finding.CongruentPlace{Function: cmp.Or(p.a.Function, p.b.Function)}
	if p.a.Offset != nil && p.b.Offset != nil {
		at.A, at.B = *p.a.Offset, *p.b.Offset
		return at
	}
	at.A, at.B = spot(p.a, p.b), spot(p.b, p.a)
	return at
}

// spot is where a frame is: its address if the other side has one, too, else from its module's start if that is known.
func spot(f, other backtrace.Frame) place.Offset {
	if f.PC != nil && (other.PC != nil || f.Offset == nil) {
		return place.Offset(*f.PC)
	}
	return *f.Offset
}

// moved is how much further on side B has it, in bytes.
func (p pair) moved() int64 {
	at := p.place()
	return int64(at.B - at.A)
}

// at is by which place a pair goes: an offset, of whichever side tells one, else side A's address.
func (p pair) at() place.Offset {
	switch {
	case p.a.Offset != nil:
		return *p.a.Offset
	case p.b.Offset != nil:
		return *p.b.Offset
	}
	return place.Offset(*p.a.PC)
}
