package conversation

import (
	"slices"
	"time"
)

const (
	// mostLoaded is of how many packets Load keeps the places, some 100 bytes each, and mostBeginnings of how many that
	// came before the time that is wanted.
	mostLoaded     = 1 << 21
	mostBeginnings = 1 << 19

	// beginning is how many bytes of a conversation are its beginning, of both sides: a handshake goes into it, without
	// which nothing that is encrypted can be opened.
	beginning = 16 << 10
)

// Load walks through the captures again, for the packets from one instant to another of the conversations that are
// wanted; if they are too many, for the latest of them, from t.From on. With them it has the beginnings of these
// conversations, whenever that was. What was loaded before is given up, but for captures that are at hand as a whole,
// where there is nothing to do.
func (t *Traffic) Load(from, to time.Time, want func(*Conversation) bool) {
	if t.Whole {
		return
	}
	l := &loading{traffic: t, wanted: map[int]*Conversation{}}
	t.From, t.To = from, to
	for _, c := range t.Conversations {
		c.packets = nil
		if want(c) && !c.End.Before(from) && !c.Start.After(to) {
			c.packets = &[2]packets{}
			l.wanted[c.Number] = c
		}
	}
	newAssembler(&Traffic{files: t.files}, l.keep).walk()
	for _, c := range l.wanted {
		c.sort()
	}
}

// loading is a walk for some packets.
type loading struct {
	traffic    *Traffic
	wanted     map[int]*Conversation
	kept       int
	beginnings int
}

func (l *loading) keep(again *Conversation, at time.Time) *[2]packets {
	c := l.wanted[again.Number]
	if c == nil || at.After(l.traffic.To) {
		return nil
	}
	if at.Before(l.traffic.From) {
		if again.Streams[Opener].Sent+again.Streams[Responder].Sent >= beginning || l.beginnings == mostBeginnings {
			return nil
		}
		l.beginnings++
		return c.packets
	}
	if l.kept++; l.kept > mostLoaded {
		l.drop(at)
	}
	return c.packets
}

// drop gives up the earlier half of the time up to an instant, but for beginnings.
func (l *loading) drop(at time.Time) {
	from := l.traffic.From.Add(at.Sub(l.traffic.From) / 2)
	l.traffic.From, l.kept = from, 0
	for _, c := range l.wanted {
		for side := range c.packets {
			k := &c.packets[side]
			k.pieces = slices.DeleteFunc(k.pieces, func(p piece) bool { return p.event.Time.Before(from) && p.offset >= beginning })
			k.acks = slices.DeleteFunc(k.acks, func(a ackMark) bool { return a.time.Before(from) && a.offset >= beginning })
			l.kept += len(k.pieces) + len(k.acks)
		}
	}
}
