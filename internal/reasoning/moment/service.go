package moment

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/inquest-project/inquest/internal/reading/conversation"
)

// courtesy is how soon after its answer, or after its client's FIN, a living daemon closes.
const courtesy = 25 * time.Millisecond

// service is one listening end with all its conversations: what one daemon, or several processes of
// it, answered on.
type service struct {
	name     string
	dialogs  []*dialog // ordered by start
	udp      bool
	lastSent time.Time   // by the service, over all dialogs
	words    []time.Time // of all that it sent, in order
	refused  []time.Time

	hangups []*dialog   // those that it closed by itself right after it had answered, by when
	starts  []time.Time // of all dialogs, in order
	latest  []time.Time // by start: the last that the service sent in that dialog and those before
}

// dialog is a conversation seen from one side.
type dialog struct {
	conversation *conversation.Conversation
	side         conversation.Side // whose view
	received     []*conversation.Message
	lastSent     time.Time           // zero: never
	closing      *conversation.Close // the first FIN or RST by side
	peerReset    time.Time           // when the peer reset it; zero: never
	reaction     bool                // side closed because the peer just had: the peer's death, not its own
}

func view(c *conversation.Conversation, side conversation.Side) *dialog {
	d := &dialog{conversation: c, side: side, received: c.Messages(side)}
	d.lastSent = c.Streams[side].Last.Time
	for i := range c.Closes {
		switch closing := &c.Closes[i]; {
		case closing.Side == side && d.closing == nil:
			d.closing = closing
			d.reaction = i > 0 && closing.Time.Sub(c.Closes[i-1].Time) < courtesy
		case closing.Side != side && closing.RST && d.peerReset.IsZero():
			d.peerReset = closing.Time
		}
	}
	return d
}

// abrupt says whether a side closed as a living daemon seldom does: with input unread, or with the
// last message unanswered.
func (d *dialog) abrupt() bool {
	if d.closing == nil || d.reaction {
		return false
	}
	return d.closing.RST || len(d.received) > 0 && d.received[len(d.received)-1].Answered.IsZero()
}

// spokeJustBefore says whether a side closed right after it had answered, as daemons do that keep no
// connection.
func (d *dialog) spokeJustBefore() bool {
	return !d.lastSent.IsZero() && d.closing.Time.Sub(d.lastSent) < courtesy && !d.abrupt()
}

// beforeAnyCore is sooner than a kernel closes the sockets of a process that dies, because it first writes the core.
const beforeAnyCore = 3 * time.Millisecond

// asked says whether a side closed so soon on a message, as daemons do that are told goodbye.
func (d *dialog) asked(within time.Duration) bool {
	if d.closing.RST {
		return false
	}
	for _, m := range slices.Backward(d.received) {
		if !m.End.After(d.closing.Time) { // what came later wasn't heard any more
			return d.closing.Time.Sub(m.End) < within
		}
	}
	return false
}

// closedAlive says whether no dead process's kernel closed this, if it wrote a core first: that takes longer than lies between
// this close and what the process had said last, or had read.
//
// Seen in mosquitto, whose own end was not in the capture: a client's DISCONNECT stood for it.
func (d *dialog) closedAlive() bool {
	const atOnce = 500 * time.Microsecond
	said := d.closing.Time.Sub(d.lastSent) // 0 if the kernel sent what was left as it closed
	return d.asked(atOnce) || said > 0 && said < atOnce
}

// findServices groups the conversations by the end that was called. Where a capture began in the
// middle of a conversation, the end that more conversations share is the one that was called.
func findServices(traffic *conversation.Traffic) []*service {
	shared := map[string]int{}
	for _, c := range traffic.Conversations {
		for _, name := range c.Names() {
			shared[name]++
		}
	}
	byName := map[string]*service{}
	for _, c := range traffic.Conversations {
		side, names := conversation.Responder, c.Names()
		if !c.OpenerKnown && shared[names[conversation.Opener]] > shared[names[conversation.Responder]] {
			side = conversation.Opener
		}
		key := c.Transport + " " + names[side]
		s := byName[key]
		if s == nil {
			s = &service{name: names[side], udp: c.Transport == "udp"}
			byName[key] = s
		}
		s.add(c, side)
	}
	services := make([]*service, 0, len(byName))
	for _, s := range byName {
		s.order()
		services = append(services, s)
	}
	slices.SortFunc(services, func(a, b *service) int {
		return cmp.Or(len(b.dialogs)-len(a.dialogs), cmp.Compare(a.name, b.name))
	})
	return services
}

// isOne says whether the service's end is one of these.
func (s *service) isOne(ends []netip.AddrPort) bool {
	return slices.ContainsFunc(ends, func(e netip.AddrPort) bool { return e.String() == s.name })
}

func (s *service) add(c *conversation.Conversation, side conversation.Side) {
	if c.Refused {
		s.refused = append(s.refused, c.Start)
		return
	}
	d := view(c, side)
	s.dialogs = append(s.dialogs, d)
	s.lastSent = maxTime(s.lastSent, d.lastSent)
	for _, sent := range c.Messages(side.Other()) {
		for _, segment := range sent.Segments {
			s.words = append(s.words, segment.Time)
		}
	}
}

// order sets what is asked of each group of closes, of which a long capture has thousands.
func (s *service) order() {
	slices.SortFunc(s.words, time.Time.Compare)
	var latest time.Time
	byStart := func(a, b *dialog) int { return a.conversation.Start.Compare(b.conversation.Start) }
	for _, d := range slices.SortedFunc(slices.Values(s.dialogs), byStart) {
		latest = maxTime(latest, d.lastSent)
		s.starts, s.latest = append(s.starts, d.conversation.Start), append(s.latest, latest)
	}
	for _, d := range s.dialogs {
		if d.hangsUp() {
			s.hangups = append(s.hangups, d)
		}
	}
	slices.SortStableFunc(s.hangups, func(a, b *dialog) int { return closesAt(a, b.closing.Time) })
}

// spokeOn says whether the service spoke after one instant in a conversation that had begun before another.
func (s *service) spokeOn(begun, after time.Time) bool {
	n, _ := slices.BinarySearchFunc(s.starts, begun, time.Time.Compare)
	return n > 0 && s.latest[n-1].After(after)
}

// lastWordBefore is when the service last sent something before an instant; zero if it did not.
func (s *service) lastWordBefore(t time.Time) (last time.Time) {
	if n, _ := slices.BinarySearchFunc(s.words, t, time.Time.Compare); n > 0 {
		last = s.words[n-1]
	}
	return last
}

// portClosed is when the service's host first reported, after its last words, that nobody has the port any
// more; zero if it did not. What it reported before was that nobody had it yet.
func (s *service) portClosed() time.Time {
	var first time.Time
	for _, d := range s.dialogs {
		u := d.conversation.Unreachable
		if u != nil && u.Side == d.side && u.Time.After(s.lastSent) && (first.IsZero() || u.Time.Before(first)) {
			first = u.Time
		}
	}
	return first
}

// spokeBetween says whether the service sent anything after one instant and before another.
func (s *service) spokeBetween(from, to time.Time) bool {
	i, _ := slices.BinarySearchFunc(s.words, from, func(a, t time.Time) int {
		if a.After(t) {
			return 1
		}
		return -1
	})
	return i < len(s.words) && s.words[i].Before(to)
}

// unheard counts the messages that came after an instant and that nobody answered.
func (s *service) unheard(after time.Time) int {
	n := len(s.refused)
	for _, d := range s.dialogs {
		for _, m := range d.received {
			if m.End.After(after) && m.Answered.IsZero() {
				n++
			}
		}
	}
	return n
}

// fellMute says whether a service that answered nearly all that it was asked answered nothing any more from some time on, and
// was asked a lot.
func (s *service) fellMute() bool {
	const enough, nearly = 10, 0.9
	asked, answered := 0, 0
	for _, d := range s.dialogs {
		for _, m := range d.received {
			if m.End.Before(s.lastSent) {
				asked++
				if !m.Answered.IsZero() {
					answered++
				}
			}
		}
	}
	return s.unheard(s.lastSent) >= enough && answered >= enough && float64(answered) >= nearly*float64(asked)
}

// deaf is when the first message came of those that nobody answered after the service's last words.
func (s *service) deaf() time.Time {
	var first time.Time
	for _, d := range s.dialogs {
		for _, m := range d.received {
			if m.End.After(s.lastSent) && m.Answered.IsZero() && (first.IsZero() || m.End.Before(first)) {
				first = m.End
			}
		}
	}
	return first
}
