package weigh

import (
	"cmp"
	"slices"
	"time"

	"github.com/inquest-project/inquest/internal/reading/conversation"
	"github.com/inquest-project/inquest/internal/reading/dissect"
	"github.com/inquest-project/inquest/internal/reasoning/moment"
)

// hear dissects what the dead process received on one of its conversations by an instant, and on TCP what it
// sent, too: what a message is may hang on both. Each is read once, in the order in which they came.
func (c *Case) hear(own moment.Own, latest time.Time) {
	var sent []*conversation.Message
	if own.Conversation.Transport == "tcp" {
		sent = own.Conversation.Messages(own.Side.Other())
	}
	var ears Ears
	for _, m := range Merged(own.Conversation.Messages(own.Side), sent) {
		arrived := m
		if !latest.IsZero() {
			arrived = m.By(latest)
		}
		switch {
		case arrived == nil:
		case m.Receiver == own.Side:
			c.Candidates = append(c.Candidates, &Candidate{
				Message: arrived, Own: own, Data: arrived.Data, Cut: arrived != m, Dissection: ears.Hear(arrived),
			})
		default:
			c.answers[m] = ears.Hear(arrived).Answers
		}
	}
}

// Merged are two sides' messages by when they began, each side's in its own order: a byte that was lost and sent
// again came late.
func Merged(a, b []*conversation.Message) []*conversation.Message {
	var list []*conversation.Message
	for len(a) > 0 && len(b) > 0 {
		if first := cmp.Or(a[0].Start.Compare(b[0].Start), cmp.Compare(a[0].Frames()[0], b[0].Frames()[0])); first <= 0 {
			list, a = append(list, a[0]), a[1:]
		} else {
			list, b = append(list, b[0]), b[1:]
		}
	}
	return slices.Concat(list, a, b)
}

// answersIn are the tags of what a message that the process sent shows it to have answered.
func (c *Case) answersIn(sent *conversation.Message) []string {
	answers, heard := c.answers[sent]
	if !heard {
		var ears Ears
		answers = ears.Hear(sent).Answers
		c.answers[sent] = answers
	}
	return answers
}

// Ears hear one conversation: a stream as a whole, datagrams one by one.
type Ears struct {
	dialogue dissect.Dialogue
	heard    [2]uint64 // how far, by receiver
}

// Hear dissects the next message.
func (e *Ears) Hear(m *conversation.Message) dissect.Dissection {
	hint := dissect.Hint{
		Transport:  m.Conversation.Transport,
		Port:       m.Conversation.Ends[conversation.Responder].Port(),
		FromClient: m.Receiver == conversation.Responder,
		Listed:     m.Listed,
		Lost:       m.Offset - e.heard[m.Receiver],
	}
	e.heard[m.Receiver] = m.Offset + uint64(len(m.Data))
	if hint.Transport != "tcp" {
		return dissect.Message(m.Data, hint)
	}
	return e.dialogue.Next(m.Data, hint)
}
