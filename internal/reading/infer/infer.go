// Package infer finds fields in messages of a protocol that nobody knows, from many of its messages alone. Learn looks
// at what a service and its clients said, each side by itself, and Model.Fields then says of a message which bytes
// belong together and what they seem to be: a length and of what, a type code, a counter, text.
//
// A side is read as text, by lines, if its messages begin with text; else as binary. What is looked for in binary
// messages, in this order, each time in all that begin at the same place: records with a length that fill the bytes to
// the end; a byte that tells kinds apart; a length, a zero or a list that ends something of changing size; and columns,
// the fields of fixed size. What lies in a record, or behind something of changing size, is looked at in the same way.
//
// A length is believed for where it leads: one that leads by chance to the very end of a message does so about once in
// as many times as its records are long, so each different message that it explains is worth the logarithm of that in
// bits. What is believed must be worth more than the ways in which it could have been found.
//
// The ideas are those of the literature on protocols learnt from traces: of FieldHunter (Bermudez et al., 2015), which
// tests what numbers go with; of NEMESYS (Kleber et al., 2018), for which numbers change least in their first bytes; of
// BinaryInferno (Chandler et al., 2023), which tries patterns of serialization on all messages at once. Streams are not
// put together: a message that begins within a unit is read as if it began one.
//
// Messages are hostile. What is looked at of them is bounded, in bytes and in steps, and so are the fields of one: to
// learn takes two seconds at most, whatever they are.
package infer

import (
	"math"

	"github.com/inquest-project/inquest/internal/ground/finding"
)

// Message is one that a service received or sent.
type Message struct {
	Data         []byte
	FromClient   bool
	Conversation int // in each, messages are in the order in which they came
}

// What of the messages is looked at, of each side.
const (
	sampleMost  = 2000    // messages
	messageMost = 4096    // bytes of one
	bytesMost   = 2 << 20 // bytes of all
	fewest      = 8       // messages of which anything can be learnt
)

// Model is what was learnt of a service. The zero value knows nothing.
type Model struct {
	client, server side
}

// side is what was learnt of one side's messages.
type side struct {
	lines  *lines
	format format
}

// Learn finds out how the messages of a service are made. Numbers are taken for big-endian and for little-endian, on
// both sides alike, and what explains more is kept.
func Learn(messages []Message) *Model {
	client, server := sample(messages, true), sample(messages, false)
	best, worth := &Model{}, math.Inf(-1)
	for _, little := range []bool{false, true} {
		l := learner{little: little, steps: stepsMost}
		m := &Model{client: l.side(client), server: l.side(server)}
		if l.worth > worth {
			best, worth = m, l.worth+enough // the order of networks is the likelier one
		}
	}
	return best
}

func (l *learner) side(items []item) side {
	switch {
	case len(items) < fewest:
		return side{}
	case mostlyText(items):
		return side{lines: learnLines(items)}
	}
	return side{format: l.learn(items, nil, 0)}
}

// sample takes messages of one side, evenly if they are many.
func sample(messages []Message, fromClient bool) (items []item) {
	count := 0
	for _, m := range messages {
		if m.FromClient == fromClient && len(m.Data) > 0 {
			count++
		}
	}
	step := max(1, (count+sampleMost-1)/sampleMost)
	n, bytes := 0, 0
	for _, m := range messages {
		if m.FromClient != fromClient || len(m.Data) == 0 {
			continue
		}
		if n++; n%step != 0 || bytes > bytesMost {
			continue
		}
		data := m.Data[:min(len(m.Data), messageMost)]
		bytes += len(data)
		items = append(items, item{data: data, conversation: m.Conversation, cut: len(data) < len(m.Data)})
	}
	return items
}

// Fields are those of a message, in order. They may leave bytes out, such as spaces between words.
func (m *Model) Fields(data []byte, fromClient bool) []finding.Field {
	s := &m.server
	if fromClient {
		s = &m.client
	}
	w := walk{data: data}
	switch {
	case s.lines != nil:
		w.lines(s.lines)
	case s.format != nil:
		w.run(s.format, scope{end: len(data)})
	}
	return w.fields
}

// Knows says whether anything was learnt of a side's messages.
func (m *Model) Knows(fromClient bool) bool {
	s := m.server
	if fromClient {
		s = m.client
	}
	return s.lines != nil || s.format != nil
}
