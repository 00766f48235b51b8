package weigh

import (
	"slices"
	"time"

	"github.com/inquest-project/inquest/internal/ground/bytesearch"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reading/conversation"
	"github.com/inquest-project/inquest/internal/reasoning/moment"
)

const (
	notReceived  = "not received"
	answered     = "answered"
	passedOnward = "passed on"
	goneBefore   = "left before the death"
	longWaiting  = "long waiting"
)

var unansweredLevels = []string{
	notReceived, answered, passedOnward, goneBefore, longWaiting, "as most of its kind", "unanswered", "never a byte",
}

// unheard are the levels of messages to which no answer is in the capture.
var unheard = append([]string{notReceived}, unansweredLevels[3:]...)

// observeUnanswered tells whether the process answered a message. Who is dead answers no more; but
// who waits, for more input or for somebody else, doesn't answer either, and some messages never get
// an answer.
func observeUnanswered(c *Case) []finding.Observation {
	if c.fromMemory() {
		return nil
	}
	usual := usualAnswer(c)
	passed := passedOn(c)
	observations := make([]finding.Observation, len(c.Candidates))
	for i, candidate := range c.Candidates {
		o := finding.Observation{Level: usual.level(c, candidate), RestsOn: frameRefs(candidate.Message)}
		if on := passed[candidate]; on != nil && (candidate.Message.Answered.IsZero() || candidate.Own.Outbound) {
			o.Level = passedOnward
			o.RestsOn = append(o.RestsOn, frameRefs(on)...)
			o.Facts = map[string]string{"to": on.Conversation.Names()[on.Receiver]}
		}
		if a := candidate.Message.Answered; !a.IsZero() && o.Level == answered {
			o.RestsOn = append(o.RestsOn, frameRef(int(a.Frame)))
			o.Facts = map[string]string{"delay": a.Time.Sub(candidate.Message.End).String()}
		}
		observations[i] = o
	}
	return observations
}

// habit is how this daemon answers: how long it takes, and which kinds of message it seldom answers.
type habit struct {
	usual    time.Duration     // nine of ten answers came faster
	slow     time.Duration     // ninety-nine of a hundred did
	lingers  bool              // it closes with RST by habit
	answered map[string][2]int // by kind of message: how many of how many were answered
}

func usualAnswer(c *Case) habit {
	h := habit{answered: map[string][2]int{}, lingers: lingersZero(c)}
	var delays []time.Duration
	for _, candidate := range c.Candidates {
		if candidate.Message == nil {
			continue
		}
		if candidate.Own.Outbound {
			continue
		}
		count := h.answered[habitKind(candidate)]
		count[1]++
		if a := candidate.Message.Answered; !a.IsZero() {
			count[0]++
			delays = append(delays, a.Time.Sub(candidate.Message.End))
		}
		h.answered[habitKind(candidate)] = count
	}
	if len(delays) > 0 {
		slices.Sort(delays)
		h.usual, h.slow = delays[len(delays)*9/10], delays[len(delays)*99/100]
	}
	return h
}

// habitKind tells apart messages that a daemon may answer by different habits. What an application was told under
// encryption counts as TLS, be it decrypted or not: mostly those connections are open that were alive at the death, and
// not all that were answered. What TLS itself says is of another kind.
func habitKind(c *Candidate) string {
	switch {
	case c.Sealed && c.Dissection.Protocol == "TLS":
		return c.direction() + " TLS itself"
	case c.Sealed:
		return c.direction() + " TLS"
	}
	return messageKind(c)
}

// messageKind tells apart messages that can't be compared with each other.
func messageKind(c *Candidate) string { return c.direction() + " " + c.Dissection.Protocol }

func (c *Candidate) direction() string {
	if c.Own.Outbound {
		return "out"
	}
	return "in"
}

func (h habit) level(c *Case, candidate *Candidate) string {
	m := candidate.Message
	count := h.answered[habitKind(candidate)]
	switch {
	case readLevel(candidate, h.lingers) == unread:
		return "" // what was not read is not answered: that is no second fact
	case candidate.Ticketed, candidate.Own.Outbound: // an answer isn't answered
		return ""
	case !m.Answered.IsZero():
		return answered
	case count[0]*2 < count[1]:
		return "as most of its kind"
	case m.Conversation.Transport == "tcp" && m.AckedAt == nil && m.Conversation.Streams[candidate.Own.Side].Sent > 0 && candidate.Own.State == moment.Ended:
		return notReceived
	case candidate.Own.State == moment.Ended:
		return goneBefore
	case !c.Moment.Earliest.IsZero() && c.lastAtWork().Sub(m.End) > h.slow:
		return longWaiting
	case candidate.Carrier.Index == 0 && m.Conversation.Transport == "tcp":
		return "never a byte"
	}
	return "unanswered"
}

// passedMost is how many of the messages that were sent may have a stretch in common for it to tell what one of them was made
// of. Where a forwarder's questions are nearly alike, what they share would else lead from each to all.
const passedMost = 256

// passedOn gives for each message what the process made of it for somebody else, as proxies and forwarders
// do: the message that it then sent on a conversation of its own and that has a stretch of it; or, of what an upstream
// answered, the one that a client was sent and that has most of it. What was passed on has been read and understood; the
// process was no longer busy with it.
func passedOn(c *Case) map[*Candidate]*conversation.Message {
	sent, outbound := sentOn(c)
	if len(outbound) == 0 {
		return nil
	}
	needles := make([][]byte, len(sent))
	for i, m := range sent {
		needles[i] = folded(m.Data[:min(searchedMost, len(m.Data))])
	}
	index := bytesearch.NewRare(needles, passedMost)
	type source struct {
		candidate *Candidate
		length    int
	}
	sources := make([]source, len(sent))
	for _, candidate := range c.Candidates {
		data := folded(candidate.Data[:min(searchedMost, len(candidate.Data))])
		for hit := range index.Search(data) {
			best, on := &sources[hit.Needle], sent[hit.Needle]
			if candidate.Message.End.After(on.Start) || candidate.Message.Conversation == on.Conversation {
				continue
			}
			if toClient := !outbound[on.Conversation]; toClient && (!candidate.Own.Outbound || hit.Length*2 < len(data)) {
				continue
			}
			// Of several that say the same the latest was the occasion.
			later := best.candidate == nil || candidate.Message.End.After(best.candidate.Message.End)
			if hit.Length > best.length || hit.Length == best.length && later {
				*best = source{candidate, hit.Length}
			}
		}
	}
	passed := map[*Candidate]*conversation.Message{}
	for i, s := range sources {
		if s.candidate != nil {
			passed[s.candidate] = sent[i]
		}
	}
	return passed
}

// sentOn is all that the process sent, and the conversations that it opened itself.
func sentOn(c *Case) (sent []*conversation.Message, outbound map[*conversation.Conversation]bool) {
	outbound = map[*conversation.Conversation]bool{}
	for _, own := range c.Moment.Own {
		sent = append(sent, own.Conversation.Messages(own.Side.Other())...)
		if own.Outbound {
			outbound[own.Conversation] = true
		}
	}
	return sent, outbound
}
