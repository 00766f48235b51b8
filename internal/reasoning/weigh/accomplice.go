package weigh

import (
	"bytes"
	"cmp"
	"slices"
	"unicode"

	"github.com/inquest-project/inquest/internal/reading/reach"
)

const (
	// A name that a suspect shares with at most so many other messages ties them together.
	sharedByMost = 4

	// Shorter words are verbs and numbers.
	shortestName = 4
)

// Accomplices are the earlier messages without which the suspect may have been harmless, in order of
// arrival: those of other conversations that speak of the same rare name as the suspect, a name that the
// dying thread held too. What one client stored, registered or freed, another's message may die of.
func Accomplices(c *Case, suspect *Candidate) []*Candidate {
	if c.Held == nil || suspect.Message == nil {
		return nil
	}
	names := rareNames(c, suspect)
	var earlier []*Candidate
	for _, other := range c.Candidates {
		if other == suspect || other.Message == nil || other.Message.Conversation == suspect.Message.Conversation {
			continue
		}
		if other.Message.End.After(suspect.Message.End) {
			continue
		}
		if slices.ContainsFunc(names, func(name []byte) bool { return bytes.Contains(other.Data, name) }) {
			earlier = append(earlier, other)
		}
	}
	slices.SortFunc(earlier, func(a, b *Candidate) int {
		return cmp.Or(a.Message.End.Compare(b.Message.End), a.Message.Index-b.Message.Index)
	})
	return earlier
}

// rareNames are the words of a message that few other messages hold and that stand within reach of the
// dying thread.
func rareNames(c *Case, suspect *Candidate) [][]byte {
	windows := c.Held.Windows(c.Image)
	var names [][]byte
	for _, name := range bytes.FieldsFunc(suspect.Data, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if len(name) < shortestName || holders(c.Candidates, name) > 1+sharedByMost {
			continue
		}
		if slices.ContainsFunc(windows, func(w reach.Window) bool { return bytes.Contains(w.Data, name) }) {
			names = append(names, name)
		}
	}
	return names
}

func holders(candidates []*Candidate, name []byte) int {
	n := 0
	for _, c := range candidates {
		if bytes.Contains(c.Data, name) {
			n++
		}
	}
	return n
}
