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

	// mostBefore and mostBehind are of how many LoadAround keeps the places, before the instant and behind it: each message of
	// them is dissected and weighed, which takes kilobytes.
	mostBefore = 1 << 17
	mostBehind = 1 << 15

	// beginning is how many bytes of a conversation are its beginning, of both sides: a handshake goes into it, without
	// which nothing that is encrypted can be opened.
	beginning = 16 << 10
)

// Load walks through the captures again, for the packets from one instant to another of the conversations that are
// wanted; if they are too many, for the latest of them, from t.From on. With them it has the beginnings of these
// conversations, whenever that was. What was loaded before is given up, but for captures that are at hand as a whole,
// where there is nothing to do.
func (t *Traffic) Load(from, to time.Time, want func(*Conversation) bool) {
	t.load(&loading{at: to, before: mostLoaded}, from, to, want)
}

// LoadAround is Load of all conversations, but for fewer packets: of too many those next to an instant, from t.From to t.To.
func (t *Traffic) LoadAround(at, from, to time.Time) {
	from = t.rate.since(at, from, mostBefore)
	t.load(&loading{at: at, before: mostBefore, behind: mostBehind}, from, to, func(*Conversation) bool { return true })
}

// rate is how many packets came when, as far as packets come in the order of time.
type rate []tick

// tick is a tenth of a second, and how many packets came in it.
type tick struct {
	at      int64
	packets int
}

const (
	tickLength = 100 * time.Millisecond
	mostTicks  = 1 << 20 // more than a day
)

func (r *rate) count(t time.Time) {
	at, last := t.UnixNano()/int64(tickLength), len(*r)-1
	if last >= 0 && ((*r)[last].at == at || last+1 == mostTicks) {
		(*r)[last].packets++
		return
	}
	*r = append(*r, tick{at, 1})
}

// since is an instant from which on to another not many more packets came than so many; at the earliest a third instant.
func (r rate) since(to, from time.Time, most int) time.Time {
	for _, t := range slices.Backward(r) {
		at := time.Unix(0, t.at*int64(tickLength))
		if at.After(to) || !at.Add(tickLength).After(from) {
			continue
		}
		if most -= t.packets; most < 0 {
			return later(from, at)
		}
	}
	return from
}

func (t *Traffic) load(l *loading, from, to time.Time, want func(*Conversation) bool) {
	if t.Whole {
		return
	}
	l.traffic, l.wanted, l.keys = t, map[begin]*Conversation{}, map[key]bool{}
	t.From, t.To = from, to
	for _, c := range t.Conversations {
		c.packets = nil
		if want(c) && !c.End.Before(from) && !c.Start.After(to) {
			c.packets = &[2]packets{}
			l.wanted[c.begin], l.keys[c.key] = c, true
		}
	}
	l.walker = newAssembler(&Traffic{files: t.files}, l.keep)
	l.walker.loading = l
	l.walker.walk()
	for _, c := range l.wanted {
		c.sort()
	}
}

// loading is a walk for some packets. Conversations are told by their beginnings, so that those that nobody wants need not be
// rebuilt.
type loading struct {
	traffic    *Traffic
	walker     *assembler
	at         time.Time // the instant that what is wanted lies next to
	before     int       // how many packets may be kept of the time before it
	behind     int       // and how many may still be kept of the time behind it
	wanted     map[begin]*Conversation
	keys       map[key]bool // of these
	kept       int
	beginnings int
}

// begin is where a conversation begins.
type begin struct {
	key
	file, frame int32
}

func (l *loading) keep(again *Conversation, at time.Time) *[2]packets {
	t, c := l.traffic, l.wanted[again.begin]
	if c == nil || at.After(t.To) {
		return nil
	}
	if at.Before(t.From) {
		if again.Streams[Opener].Sent+again.Streams[Responder].Sent >= beginning || l.beginnings == mostBeginnings {
			return nil
		}
		l.beginnings++
		return c.packets
	}
	if at.After(l.at) {
		if l.behind--; l.behind < 0 {
			t.To = at
			return nil
		}
		return c.packets
	}
	if l.kept++; l.kept > l.before {
		l.drop(at)
	}
	return c.packets
}

// drop gives up the earlier half of the time up to an instant, but for beginnings, and what ended in it.
func (l *loading) drop(at time.Time) {
	from := l.traffic.From.Add(at.Sub(l.traffic.From) / 2)
	l.traffic.From, l.kept = from, 0
	for first, c := range l.wanted {
		if c.End.Before(from) {
			c.packets = nil
			delete(l.wanted, first)
			if again := l.walker.open[c.key]; again != nil && again.begin == first {
				delete(l.walker.open, c.key)
			}
			continue
		}
		for side := range c.packets {
			k := &c.packets[side]
			k.pieces = slices.DeleteFunc(k.pieces, func(p piece) bool { return p.event.Time.Before(from) && p.offset >= beginning })
			k.acks = slices.DeleteFunc(k.acks, func(a ackMark) bool { return a.time.Before(from) && a.offset >= beginning })
			l.kept += len(k.pieces) + len(k.acks)
		}
	}
}
