package weigh

import (
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reading/conversation"
)

const pastIt = "past it"

var fitLevels = []string{pastIt, "names another", "half named", "named"}

// observeFit compares what a message carries with what the dying thread was doing, by the words in the
// names of its functions: a stack in parse_question was not reading an answer. Words that most messages
// share tell nothing apart and weigh nothing.
//
// It also reads where each conversation stood: where the message that the stack names lies further back
// in the conversation and has been answered, the process was past it.
func observeFit(c *Case) []finding.Observation {
	spoken := wordsOf(c.Functions)
	if len(spoken) == 0 {
		return nil
	}
	before := past{c, spoken, map[*conversation.Message]bool{}}
	scores, shared := fitScores(c.Candidates, spoken)
	best := slices.Max(append(scores, 0))
	telling := best >= 1 // else the names fit all messages alike, or none
	observations := make([]finding.Observation, len(c.Candidates))
	for i, candidate := range c.Candidates {
		level := "names another"
		switch {
		case !telling && before.answeredBefore(candidate):
			level = pastIt
		case !telling:
			continue
		case scores[i] >= best*0.75:
			level = "named"
		case scores[i] >= best*0.25:
			level = "half named"
		case before.answeredBefore(candidate):
			level = pastIt
		}
		observations[i] = finding.Observation{
			Level:   level,
			Facts:   map[string]string{"words": strings.Join(shared[i], ", "), "functions": strings.Join(firstOf(c.Functions), ", ")},
			RestsOn: firstOf(c.Functions),
		}
	}
	return observations
}

// fitScores are, for each candidate, the bits by which the words that it shares with the stack single
// it out among all candidates.
func fitScores(candidates []*Candidate, spoken map[string]bool) (scores []float64, shared [][]string) {
	count := map[string]int{}
	shared = make([][]string, len(candidates))
	for i, candidate := range candidates {
		for word := range wordsOf(candidate.Dissection.Tags) {
			if spoken[word] {
				shared[i] = append(shared[i], word)
				count[word]++
			}
		}
		slices.Sort(shared[i])
	}
	scores = make([]float64, len(candidates))
	for i := range candidates {
		for _, word := range shared[i] {
			scores[i] += math.Log2(float64(len(candidates)) / float64(count[word]))
		}
	}
	return scores, shared
}

// past says of which sent messages the dying functions' names speak as an answer; each is read once.
type past struct {
	*Case
	spoken map[string]bool
	known  map[*conversation.Message]bool
}

// answeredBefore says whether the process had, before this message came, answered in the same conversation
// what the stack names: what it sent shows what it had answered, and that holds where the capture began
// too late for the answered message itself.
func (p past) answeredBefore(c *Candidate) bool {
	if c.Message == nil {
		return false
	}
	for _, sent := range c.Message.Conversation.Messages(c.Own.Side.Other()) {
		if sent.Start.After(c.Message.Start) {
			return false
		}
		if p.isAnswer(sent) {
			return true
		}
	}
	return false
}

func (p past) isAnswer(sent *conversation.Message) bool {
	known, ok := p.known[sent]
	if ok {
		return known
	}
	for word := range joined(p.answersIn(sent)) {
		known = known || p.spoken[word]
	}
	p.known[sent] = known
	return known
}

// joined are the words of each name as one: "client hello" is spoken of by get_client_hello, not by
// client_connect.
func joined(names []string) map[string]bool {
	words := map[string]bool{}
	for _, name := range names {
		words[strings.Join(splitName(name), "")] = true
	}
	return words
}

// wordsOf splits names as programmers write them (snake_case, camelCase, ssl3_get_client_hello) into
// lowercase words of three letters or more, and joins neighbours, so that "client_hello" and
// "ClientHello" meet.
func wordsOf(names []string) map[string]bool {
	words := map[string]bool{}
	for _, name := range names {
		parts := splitName(name)
		for i, p := range parts {
			if len(p) >= 3 {
				words[p] = true
			}
			if i > 0 && len(p) >= 3 && len(parts[i-1]) >= 3 {
				words[parts[i-1]+p] = true
			}
		}
	}
	return words
}

func splitName(name string) []string {
	var parts []string
	var part []rune
	flush := func() {
		if len(part) > 0 {
			parts = append(parts, strings.ToLower(string(part)))
			part = nil
		}
	}
	previousLower := false
	for _, r := range name {
		switch {
		case !unicode.IsLetter(r):
			flush()
		case unicode.IsUpper(r) && previousLower:
			flush()
			part = append(part, r)
		default:
			part = append(part, r)
		}
		previousLower = unicode.IsLower(r)
	}
	flush()
	return parts
}
