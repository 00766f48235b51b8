package weigh

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// observeJunk looks for machine words that have no business in registers or on top of a stack: six or
// more bytes that are no address and no number. If they are bytes of a message, then that message
// overwrote what should have been there, now or long ago.
func observeJunk(c *Case) []finding.Observation {
	words := junkWords(c)
	if len(words) == 0 {
		return nil
	}
	type match struct {
		word  junk
		found bool
	}
	matches := make([]match, len(c.Candidates))
	holders := map[string]map[string]bool{} // word -> the distinct messages that hold it
	for i, candidate := range c.Candidates {
		data := candidate.Data[:min(searchedMost, len(candidate.Data))]
		for _, w := range words {
			if bytes.Contains(data, w.bytes) {
				if !matches[i].found {
					matches[i] = match{w, true}
				}
				if holders[string(w.bytes)] == nil {
					holders[string(w.bytes)] = map[string]bool{}
				}
				holders[string(w.bytes)][string(data)] = true
			}
		}
	}
	if len(holders) == 0 {
		return nil
	}
	observations := make([]finding.Observation, len(c.Candidates))
	for i, m := range matches {
		level := "none of it"
		if m.found {
			level = "its bytes"
			if n := len(holders[string(m.word.bytes)]); n > 3 {
				level = "bytes of many"
			}
			observations[i].RestsOn = []string{m.word.place}
			observations[i].Facts = map[string]string{"place": m.word.place, "word": fmt.Sprintf("%q", m.word.bytes)}
		}
		observations[i].Level = level
	}
	return observations
}

type junk struct {
	bytes []byte
	place string // the register, or the address of the stack word
}

const (
	junkTop   = 96 // words looked at: registers and the top of the stack
	junkLeast = 6  // bytes of a word that must not be zero
)

func junkWords(c *Case) []junk {
	if c.Image == nil || c.Held == nil {
		return nil
	}
	var words []junk
	for _, w := range c.Held.Words[:min(junkTop, len(c.Held.Words))] {
		if b, ok := junkBytes(w.Value); ok && !c.Image.Mapped(place.Address(w.Value)) {
			words = append(words, junk{b, w.Place})
		}
	}
	return words
}

// junkBytes are a word's bytes without zeros at its end, if at least six are left, none of them zero,
// and they aren't all alike: -1 and small negative numbers are numbers.
func junkBytes(value uint64) ([]byte, bool) {
	b := binary.LittleEndian.AppendUint64(nil, value)
	b = bytes.TrimRight(b, "\x00")
	if len(b) < junkLeast || bytes.IndexByte(b, 0) >= 0 {
		return nil, false
	}
	if bytes.Count(b, []byte{0xff}) >= 4 {
		return nil, false
	}
	return b, true
}
