package lab

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
)

// Truth is what really happened in a run: truth.json.
type Truth struct {
	Case         string       `json:"case"`
	Build        string       `json:"build"` // of the lab's, or another: gcc's is "build", clang's "build-clang"
	Seed         uint64       `json:"seed"`
	None         bool         `json:"none,omitempty"` // no message killed: there is no Killer
	Killer       Deed         `json:"killer"`
	Trap         *Deed        `json:"trap,omitempty"`
	Twin         *Deed        `json:"twin,omitempty"`
	Odd          []Deed       `json:"odd"`     // innocents that are stranger than the killer
	Waiting      []Deed       `json:"waiting"` // innocents that were read and not answered
	Culprit      Culprit      `json:"culprit"`
	Mechanism    string       `json:"mechanism"`
	Circumstance Circumstance `json:"circumstance"`
}

// Deed is one message that the daemon received.
type Deed struct {
	Client    string `json:"client"`    // the remote end, "IP:port"
	Direction string `json:"direction"` // "inbound": the remote end opened; "outbound": the daemon did
	Frames    []int  `json:"frames"`    // in capture.pcap, from 1
	Bytes     []byte `json:"bytes"`
	With      []Deed `json:"with,omitempty"` // earlier members of a deadly set, in order
}

// Culprit is the module and function that decided to die, or tripped over earlier damage.
type Culprit struct {
	Module   string `json:"module"`
	Function string `json:"function"`
	Role     string `json:"role"`             // "decided" or "victim"
	Origin   string `json:"origin,omitempty"` // the function that did the damage, if another
}

// Circumstance is a truth table over the factors of the surroundings.
type Circumstance struct {
	Factors []string  `json:"factors"`
	Table   []Outcome `json:"table"`
}

// Outcome is one row of the table.
type Outcome struct {
	Factors map[string]bool `json:"factors"`
	Dies    bool            `json:"dies"`
}

// Circumstance is the case's known table: every combination of its factors.
func (c Case) Circumstance() Circumstance {
	out := Circumstance{Factors: []string{}}
	for _, f := range c.Factors {
		out.Factors = append(out.Factors, f.Name)
	}
	for _, factors := range c.combinations() {
		out.Table = append(out.Table, Outcome{factors, c.Dies == nil || c.Dies(factors)})
	}
	return out
}

func (c Case) combinations() []map[string]bool {
	all := []map[string]bool{{}}
	for _, f := range c.Factors {
		var next []map[string]bool
		for _, m := range all {
			for _, v := range []bool{false, true} {
				n := maps.Clone(m)
				n[f.Name] = v
				next = append(next, n)
			}
		}
		all = next
	}
	return all
}

func (c Case) usual() map[string]bool {
	m := map[string]bool{}
	for _, f := range c.Factors {
		m[f.Name] = f.Usual
	}
	return m
}

// truthOf puts together what the case knows and what its script did.
func truthOf(s *Stage, build string, names map[string]string) (Truth, error) {
	t := Truth{
		Case: s.Case.Name, Build: build, Seed: s.Seed, Culprit: s.Case.Culprit.renamed(names),
		Mechanism: s.Case.Mechanism, Circumstance: s.Case.Circumstance(), None: s.Case.None,
	}
	if t.Culprit.Module != "" { // who is killed from outside has no culprit
		module, err := loadedAs(t.Culprit.Module)
		if err != nil {
			return t, err
		}
		t.Culprit.Module = module
	}
	frames, err := readFrames(s.evidence("capture.pcap"))
	if err != nil {
		return t, err
	}
	var members []Deed
	for _, d := range s.deeds() {
		deed := d.find(frames)
		switch d.Role {
		case Killer:
			t.Killer = deed
		case Member:
			members = append(members, deed)
		case Trap:
			t.Trap = &deed
		case Twin:
			t.Twin = &deed
		case Odd:
			t.Odd = append(t.Odd, deed)
		case Waiting:
			t.Waiting = append(t.Waiting, deed)
		}
	}
	if t.Killer.Client == "" && !t.None {
		return t, fmt.Errorf("%s, seed %d: the daemon died before its killer was sent", t.Case, t.Seed)
	}
	slices.SortFunc(members, func(a, b Deed) int { return slices.Compare(a.Frames, b.Frames) })
	t.Killer.With = members
	return t, nil
}

// loadedAs is the base name of the file that the dead process had mapped and that a pattern stands for.
func loadedAs(pattern string) (string, error) {
	paths, err := mapped()
	if err != nil {
		return "", err
	}
	for _, p := range paths {
		name := filepath.Base(p)
		if ok, err := filepath.Match(pattern, name); ok || err != nil {
			return name, err
		}
	}
	return "", fmt.Errorf("the dead process had no %s mapped", pattern)
}

func (c Culprit) renamed(names map[string]string) Culprit {
	for _, p := range []*string{&c.Module, &c.Function, &c.Origin} {
		if n, ok := names[*p]; ok {
			*p = n
		}
	}
	return c
}
