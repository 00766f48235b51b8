package weigh

import (
	"slices"
	"time"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reasoning/moment"
)

// observeUnanswered tells whether the process answered a message. Who is dead answers no more; but
// who waits, for more input or for somebody else, doesn't answer either, and some messages never get
// an answer.
func observeUnanswered(c *Case) []finding.Observation {
	usual := usualAnswer(c)
	observations := make([]finding.Observation, len(c.Candidates))
	for i, candidate := range c.Candidates {
		if candidate.Message == nil {
			return nil
		}
		level := usual.level(c, candidate)
		o := finding.Observation{Level: level, RestsOn: frameRefs(candidate.Message)}
		if a := candidate.Message.Answered; a != nil {
			o.RestsOn = append(o.RestsOn, frameRef(a.Frame))
			o.Facts = map[string]string{"delay": a.Time.Sub(candidate.Message.End).String()}
		}
		observations[i] = o
	}
	return observations
}

// habit is how this daemon answers: how long it takes, and which kinds of message it seldom answers.
type habit struct {
	slow     time.Duration     // ninety-nine of a hundred answers came faster
	answered map[string][2]int // by kind of message: how many of how many were answered
}

func usualAnswer(c *Case) habit {
	h := habit{answered: map[string][2]int{}}
	var delays []time.Duration
	for _, candidate := range c.Candidates {
		if candidate.Message == nil {
			continue
		}
		count := h.answered[messageKind(candidate)]
		count[1]++
		if a := candidate.Message.Answered; a != nil {
			count[0]++
			delays = append(delays, a.Time.Sub(candidate.Message.End))
		}
		h.answered[messageKind(candidate)] = count
	}
	if len(delays) > 0 {
		slices.Sort(delays)
		h.slow = delays[len(delays)*99/100]
	}
	return h
}

// messageKind tells apart messages that a daemon may answer by different habits.
func messageKind(c *Candidate) string {
	direction := "in"
	if c.Own.Outbound {
		direction = "out"
	}
	return direction + " " + c.Dissection.Protocol
}

func (h habit) level(c *Case, candidate *Candidate) string {
	m := candidate.Message
	count := h.answered[messageKind(candidate)]
	switch {
	case m.Answered != nil:
		return "answered"
	case count[0]*2 < count[1]:
		return "as most of its kind"
	case m.Conversation.Transport == "tcp" && m.AckedAt == nil && m.Conversation.Streams[candidate.Own.Side].Sent > 0 && candidate.Own.State == moment.Ended:
		return "not received"
	case candidate.Own.State == moment.Ended:
		return "left before the death"
	case !c.Moment.Earliest.IsZero() && c.Moment.Earliest.Sub(m.End) > h.slow:
		return "long waiting"
	case m.Index == 0 && m.Conversation.Transport == "tcp":
		return "never a byte"
	}
	return "unanswered"
}
