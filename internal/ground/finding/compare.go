package finding

import "github.com/inquest-project/inquest/internal/ground/place"

// Comparison is what is different between two surroundings, or between two printed stacks: the candidates for question 5,
// why only there.
type Comparison struct {
	Version     int          `json:"version"` // of this JSON form; 1
	Verdict     string       `json:"verdict"` // one sentence
	A           Side         `json:"a"`
	B           Side         `json:"b"`
	Backtrace   []string     `json:"backtrace,omitempty"`   // modules on the stack that differences are held against, innermost first
	SameBuild   []string     `json:"same_build,omitempty"`  // of these, those that are the same build on both sides
	Modules     []Congruence `json:"modules,omitempty"`     // of two stacks
	Differences []Difference `json:"differences,omitempty"` // the most telling first
	Equal       int          `json:"equal"`                 // facts that are the same
	Noise       int          `json:"noise"`                 // facts that differ between any two moments: process IDs, times, counters
	Unlooked    int          `json:"unlooked"`              // facts of one side that the other was not looked at for
	OneSided    []string     `json:"one_sided,omitempty"`   // areas of which one side tells nothing
}

// Side is one of the two.
type Side struct {
	Name   string   `json:"name"`
	Kind   string   `json:"kind,omitempty"`   // what was looked at: "process", "program", "folder", "host", "core", "stack"
	Unseen []Unseen `json:"unseen,omitempty"` // what could not be looked at there
}

// Unseen is something that could not be looked at.
type Unseen struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Touches says whose affair a difference is, and so how telling.
type Touches string

// From the most telling on.
const (
	OnStack Touches = "backtrace" // a module on the stack is another, or its code or functions look there
	Program Touches = "program"   // the program maps it, or something that it maps looks there
	Rest    Touches = "rest"
)

// Difference is one thing, or many of a kind, that is different. A side that has nothing there is empty.
type Difference struct {
	Area    string   `json:"area"`
	Name    string   `json:"name"`
	A       string   `json:"a,omitempty"`
	B       string   `json:"b,omitempty"`
	OnlyIn  string   `json:"only_in,omitempty"` // "a" or "b", where the other has none
	Members []string `json:"members,omitempty"` // names, where many alike are told as one
	Touches Touches  `json:"touches"`
	By      string   `json:"by,omitempty"`  // the module or function that it touches
	How     string   `json:"how,omitempty"` // in what way: a key of telling/words
	Says    string   `json:"says,omitempty"`
	Why     string   `json:"why,omitempty"`    // it may matter
	Settle  string   `json:"settle,omitempty"` // what would show whether it does
}

// Congruence says of a module on two stacks whether both can be of the same build.
type Congruence struct {
	Module    string           `json:"module,omitempty"` // file name; empty where none was printed
	Of        string           `json:"of,omitempty"`     // a function of it, by which it can be known: one that both sides name, if there is any
	BuildA    place.BuildID    `json:"build_id_a,omitempty"`
	BuildB    place.BuildID    `json:"build_id_b,omitempty"`
	SameBuild bool             `json:"same_build,omitempty"` // both build IDs are known, and equal
	Congruent bool             `json:"congruent"`            // nothing tells the builds apart
	Places    []CongruentPlace `json:"places,omitempty"`     // as on the stack, innermost first
	Shifts    []Shift          `json:"shifts,omitempty"`     // by places in the code
	Says      string           `json:"says,omitempty"`
}

// CongruentPlace is one frame's place on both sides: an offset from the module's start, or where that isn't known an address.
type CongruentPlace struct {
	Function string       `json:"function,omitempty"`
	A        place.Offset `json:"a"`
	B        place.Offset `json:"b"`
}

// Shift is code that came in (or went, below zero) on side B between two places that side A has, by their offsets. Without From
// it is all that stands before To, and known but for multiples of Modulo, if that isn't zero.
type Shift struct {
	From   *place.Offset `json:"from,omitempty"`
	To     place.Offset  `json:"to"`
	Bytes  int64         `json:"bytes"`
	Modulo int64         `json:"modulo,omitempty"`
}
