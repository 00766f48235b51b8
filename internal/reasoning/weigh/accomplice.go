package weigh

import (
	"bytes"
	"slices"
	"unicode"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reading/reach"
)

const (
	// A name that a suspect shares with more than one in so many messages ties nothing together.
	sharedByOneIn = 10

	// Shorter words are verbs and numbers.
	shortestName = 4

	// accomplicesMost is how many conversations are named beside the suspect's.
	accomplicesMost = 2
)

// Accomplices are the earlier messages without which the suspect may have been harmless, in order of
// arrival. Where the process tripped over older damage, somebody else did it, and what both speak of is a
// thing by the same name, which the dying thread held too: what one client stored, registered or freed,
// another's message dies of. Of each other conversation that speaks of it, the latest message before the
// suspect is the one that left the thing as it was; the latest conversations come first into question.
func Accomplices(c *Case, suspect *Candidate) []*Candidate {
	if c.Held == nil || suspect.Message == nil || c.Death.Culprit == nil || c.Death.Culprit.Role != finding.Victim {
		return nil
	}
	names := sharedNames(c, suspect)
	var latest []*Candidate
	for _, other := range newestFirst(c.Candidates) {
		if len(latest) == accomplicesMost {
			break
		}
		if other.Message.End.After(suspect.Message.End) || other.Message.Conversation == suspect.Message.Conversation {
			continue
		}
		known := func(l *Candidate) bool { return l.Message.Conversation == other.Message.Conversation }
		if slices.ContainsFunc(names, func(name []byte) bool { return bytes.Contains(other.Data, name) }) && !slices.ContainsFunc(latest, known) {
			latest = append(latest, other)
		}
	}
	slices.Reverse(latest)
	return latest
}

// newestFirst are the candidates of a capture, the latest first.
func newestFirst(candidates []*Candidate) []*Candidate {
	ordered := slices.DeleteFunc(slices.Clone(candidates), func(c *Candidate) bool { return c.Message == nil })
	slices.SortStableFunc(ordered, func(a, b *Candidate) int { return b.Message.End.Compare(a.Message.End) })
	return ordered
}

// sharedNames are the words of a message that few messages hold and that stand within reach of the dying
// thread.
func sharedNames(c *Case, suspect *Candidate) [][]byte {
	windows := c.Held.Windows(c.Image)
	var names [][]byte
	for _, name := range bytes.FieldsFunc(suspect.Data, isSpaceOrControl) {
		if len(name) < shortestName || holders(c.Candidates, name) > max(2, len(c.Candidates)/sharedByOneIn) {
			continue
		}
		if slices.ContainsFunc(windows, func(w reach.Window) bool { return bytes.Contains(w.Data, name) }) {
			names = append(names, name)
		}
	}
	return names
}

func isSpaceOrControl(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

func holders(candidates []*Candidate, name []byte) int {
	n := 0
	for _, c := range candidates {
		if bytes.Contains(c.Data, name) {
			n++
		}
	}
	return n
}
