package weigh

import (
	"cmp"
	"slices"
	"time"

	"github.com/inquest-project/inquest/internal/reading/conversation"
	"github.com/inquest-project/inquest/internal/reading/dissect"
	"github.com/inquest-project/inquest/internal/reading/tlskeys"
	"github.com/inquest-project/inquest/internal/reasoning/moment"
)

// hear dissects what the dead process received on one of its conversations by an instant, and on TCP what it
// sent, too: what a message is may hang on both. Each is read once, in the order in which they came.
func (c *Case) hear(own moment.Own, opened *tlskeys.Opened, latest time.Time) {
	var sent []*conversation.Message
	if own.Conversation.Transport == "tcp" {
		sent = own.Conversation.Messages(own.Side.Other())
	}
	received := own.Conversation.Messages(own.Side)
	if len(received)+len(sent) == 0 {
		return // of a long capture's conversations hardly any are at hand
	}
	ears := Ears{Opened: opened}
	var watch tickets
	for _, m := range Merged(received, sent) {
		for _, h := range ears.Hear(m, latest) {
			if refused(m) {
				continue // nobody received it
			}
			if m.Receiver == own.Side {
				candidate := &Candidate{
					Message: h.Message, Carrier: m, Sealed: h.Sealed, Own: own, Data: h.Message.Data, Cut: h.Cut, Dissection: h.Dissection,
				}
				c.Candidates = append(c.Candidates, candidate)
				watch.asked(candidate)
			} else {
				c.answers[m] = append(c.answers[m], h.Dissection.Answers...)
				watch.said(h.Dissection)
			}
		}
	}
}

// refused says whether a datagram came to a port that nobody had: the host said so at once.
func refused(m *conversation.Message) bool {
	const atOnce = 10 * time.Millisecond
	u := m.Conversation.Unreachable
	if u == nil || m.Conversation.Transport != "udp" || u.Side != m.Receiver || m.End.After(u.Time) || u.Time.Sub(m.End) > atOnce {
		return false
	}
	all := m.Conversation.Messages(m.Receiver)
	return m.Index == len(all)-1 || all[m.Index+1].End.After(u.Time)
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
		for _, h := range ears.Hear(sent, time.Time{}) {
			answers = append(answers, h.Dissection.Answers...)
		}
		c.answers[sent] = answers
	}
	return answers
}

// Ears hear one conversation: a stream as a whole, datagrams one by one. What was decrypted is a dialogue of its own.
type Ears struct {
	Opened *tlskeys.Opened // what of it was decrypted; nil where nothing was

	outer, inner dissect.Dialogue
	heard        [2]uint64 // how far, by receiver
	opened       [2]int    // messages of Opened that were heard, by receiver
	lost         [2]uint64 // bytes before the next one that nobody captured, or opened
}

// Heard is what a message says: itself, or a part of it that was encrypted.
type Heard struct {
	Message    *conversation.Message // as far as it had come
	Sealed     bool                  // it was encrypted
	Cut        bool                  // more of it came later
	Dissection dissect.Dissection
}

// Hear dissects the next message, as far as it had come by an instant, or all of it if that is zero. Where all that it
// brought was decrypted, this alone is heard.
func (e *Ears) Hear(m *conversation.Message, by time.Time) (all []Heard) {
	inner := e.decrypted(m, by)
	arrived := m
	if !by.IsZero() {
		arrived = m.By(by)
	}
	if arrived != nil && (len(inner) == 0 || e.Opened.Closed(m)) {
		all = append(all, Heard{Message: arrived, Cut: arrived != m, Dissection: e.encrypted(arrived)})
	}
	for _, message := range inner {
		all = append(all, Heard{Message: &message.Message.Message, Sealed: true, Cut: message.cut, Dissection: e.plain(message.Message)})
	}
	return all
}

// encrypted dissects a message as it is on the wire.
func (e *Ears) encrypted(m *conversation.Message) dissect.Dissection {
	hint := hintOf(m)
	hint.Listed, hint.Lost = m.Listed, m.Offset-e.heard[m.Receiver]
	e.heard[m.Receiver] = m.Offset + uint64(len(m.Data))
	if hint.Transport != "tcp" {
		return dissect.Message(m.Data, hint)
	}
	return e.outer.Next(m.Data, hint)
}

// plaintext is what was decrypted of a message, as far as it had come.
type plaintext struct {
	*tlskeys.Message
	cut bool
}

// decrypted is what was decrypted of a message and had come by an instant.
func (e *Ears) decrypted(carrier *conversation.Message, by time.Time) (all []plaintext) {
	if e.Opened == nil {
		return nil
	}
	receiver := carrier.Receiver
	for _, m := range e.Opened.Messages[receiver][e.opened[receiver]:] {
		if m.Carrier != carrier {
			break
		}
		e.opened[receiver]++
		arrived := m
		if !by.IsZero() {
			arrived = m.By(by)
		}
		if arrived != nil {
			all = append(all, plaintext{arrived, arrived != m})
		}
	}
	return all
}

// plain dissects a decrypted message.
func (e *Ears) plain(m *tlskeys.Message) dissect.Dissection {
	hint := hintOf(&m.Message)
	e.lost[m.Receiver] += m.Lost
	if !m.IsApplication() {
		return e.outer.Decrypted(m.Kind, m.Data, hint.FromClient)
	}
	hint.Lost = e.lost[m.Receiver]
	e.lost[m.Receiver] = 0
	return e.inner.Next(m.Data, hint)
}

func hintOf(m *conversation.Message) dissect.Hint {
	return dissect.Hint{
		Transport:  m.Conversation.Transport,
		Port:       m.Conversation.Ends[conversation.Responder].Port(),
		FromClient: fromClient(m),
	}
}
