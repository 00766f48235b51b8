package unwind

import (
	"slices"

	"github.com/inquest-project/inquest/internal/ground/place"
)

// kept is a frame that remains after folding.
type kept struct {
	index   int // in the stack before folding
	repeats int
}

const (
	// widestRecursion is the most functions that one recursion may be made of.
	widestRecursion = 12
	// deepEnough is how many frames for each of its functions make a recursion worth folding: an honest
	// parser goes a few dozen deep.
	deepEnough = 50
	// mostFrames is how many frames are kept of a deep stack that isn't recursion: the inner half and the
	// outer half.
	mostFrames = 4096
)

// fold leaves of each recursion the innermost frame of each of its functions, with the number of rounds,
// and the outermost frame, by which the recursion was entered. Functions need not take turns regularly:
// nested input makes a parser's functions call each other in the order of the input.
func fold(steps []step, function func(place.Address) place.Address) []kept {
	var frames []kept
	for i := 0; i < len(steps); {
		members, end := recursion(steps[i:], function)
		if end == 0 {
			frames = append(frames, kept{index: i})
			i++
			continue
		}
		rounds := (end - 1) / len(members)
		for _, member := range members {
			frames = append(frames, kept{index: i + member, repeats: rounds})
		}
		i += end - 1 // the outermost frame stands for itself
		frames = append(frames, kept{index: i})
		i++
	}
	if len(frames) > mostFrames {
		frames = slices.Concat(frames[:mostFrames/2], frames[len(frames)-mostFrames/2:])
	}
	return frames
}

// recursion finds how long the stack goes on with frames of a few functions only. It gives the innermost
// frame of each of them and the end; 0 if no recursion begins here.
func recursion(steps []step, function func(place.Address) place.Address) (members []int, end int) {
	var seen []place.Address
	for i, s := range steps {
		f := function(s.lookup())
		if slices.Contains(seen, f) {
			continue
		}
		if i >= deepEnough*max(1, len(seen)) {
			return members, i
		}
		if len(seen) == 1 && !returns(steps, function, seen[0]) || len(seen) == widestRecursion {
			return nil, 0
		}
		seen, members = append(seen, f), append(members, i)
	}
	if len(steps) >= deepEnough*max(1, len(seen)) {
		return members, len(steps)
	}
	return nil, 0
}

// returns says whether the innermost function is met again soon: else it is a leaf that the recursion
// called last.
func returns(steps []step, function func(place.Address) place.Address, f place.Address) bool {
	soon := steps[1:min(len(steps), 1+deepEnough)]
	return slices.ContainsFunc(soon, func(s step) bool { return function(s.lookup()) == f })
}
