package weigh

import (
	"net/netip"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reading/conversation"
	"github.com/inquest-project/inquest/internal/reading/dissect"
	"github.com/inquest-project/inquest/internal/reading/infer"
)

// Language is a protocol that no dissector knows, as it was learnt from the messages of a service.
type Language struct {
	Messages int // from so many

	model *infer.Model
}

// service is what was spoken with, in the clear or encrypted.
type service struct {
	transport string
	end       netip.AddrPort
	sealed    bool
}

func (c *Candidate) service() service {
	talk := c.Message.Conversation
	return service{talk.Transport, talk.Ends[conversation.Responder], c.Sealed}
}

// infer gives fields to candidates of which dissectors know but bytes, as what came to their service before the death
// teaches. Text keeps its words: weighed by inferred fields, killers among lines of text stood out less.
func (c *Case) infer() {
	for _, candidates := range c.services() {
		l := languageOf(candidates)
		for _, candidate := range candidates {
			if candidate.Dissection.Protocol != dissect.Binary {
				continue
			}
			if fields, more := l.Fields(candidate.heard()); more {
				candidate.Dissection.Fields, candidate.Inferred = fields, l.Messages
			}
		}
	}
}

func (c *Case) services() map[service][]*Candidate {
	services := map[service][]*Candidate{}
	for _, candidate := range c.Candidates {
		services[candidate.service()] = append(services[candidate.service()], candidate)
	}
	return services
}

// languageOf is what a service's candidates teach; nil if that isn't needed.
func languageOf(candidates []*Candidate) *Language {
	heard := make([]Heard, len(candidates))
	messages := make([]*conversation.Message, len(candidates))
	binary := false
	for i, candidate := range candidates {
		heard[i], messages[i] = candidate.heard(), candidate.Message
		binary = binary || candidate.Dissection.Protocol == dissect.Binary
	}
	if !binary || !Foreign(heard) {
		return nil
	}
	return Learn(messages)
}

func (c *Candidate) heard() Heard {
	return Heard{Message: c.Message, Sealed: c.Sealed, Cut: c.Cut, Dissection: c.Dissection}
}

// Foreign says whether dissectors know hardly any of the messages: a few may look like a protocol's by chance.
func Foreign(heard []Heard) bool {
	known := 0
	for _, h := range heard {
		if h.Dissection.Known() {
			known++
		}
	}
	return known*10 < len(heard)
}

// Learn learns from all messages of a service that were captured whole, those of a conversation in their order.
func Learn(messages []*conversation.Message) *Language {
	var list []infer.Message
	for _, m := range messages {
		if len(m.Data) == m.Length && len(m.Holes) == 0 {
			list = append(list, infer.Message{Data: m.Data, FromClient: fromClient(m), Conversation: m.Conversation.Number})
		}
	}
	return &Language{Messages: len(list), model: infer.Learn(list)}
}

// Fields are the inferred ones of a message, and whether they tell more than those that it has. Text is read by lines and
// words without them, and what values carry, too.
func (l *Language) Fields(h Heard) (fields []finding.Field, more bool) {
	if l == nil || h.Dissection.Known() || !l.model.Knows(fromClient(h.Message)) {
		return nil, false
	}
	fields = l.model.Fields(h.Message.Data, fromClient(h.Message))
	return fields, h.Dissection.Protocol == dissect.Binary || len(fields) > len(h.Dissection.Fields)
}

func fromClient(m *conversation.Message) bool { return m.Receiver == conversation.Responder }
