package weigh

import (
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/inquest-project/inquest/internal/ground/finding"
)

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
	scores, shared := fitScores(c.Candidates, spoken)
	best := slices.Max(append(scores, 0))
	if best < 1 {
		return nil // the names fit all messages alike, or none
	}
	observations := make([]finding.Observation, len(c.Candidates))
	for i, candidate := range c.Candidates {
		level := "names another"
		switch {
		case scores[i] >= best*0.75:
			level = "named"
		case scores[i] >= best*0.25:
			level = "half named"
		case answeredBefore(c.Candidates, scores, best, candidate):
			level = "past it"
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

// answeredBefore says whether the same conversation holds an earlier message that the stack names and
// that was answered.
func answeredBefore(candidates []*Candidate, scores []float64, best float64, of *Candidate) bool {
	if of.Message == nil {
		return false
	}
	for i, other := range candidates {
		m := other.Message
		if m != nil && m.Conversation == of.Message.Conversation && m.Index < of.Message.Index && m.Answered != nil && scores[i] >= best*0.75 {
			return true
		}
	}
	return false
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
