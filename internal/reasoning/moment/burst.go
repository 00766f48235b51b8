package moment

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/logs"
	"github.com/inquest-project/inquest/internal/reading/conversation"
)

// burst is what the capture shows of a death: the sockets that the kernel closed together.
type burst struct {
	service   *service
	start     time.Time // the first close; zero where datagrams show no end
	end       time.Time // the last close
	lastWords time.Time // the dead process's last payload before
	lastRead  time.Time // when the last came that the dead process certainly read: what is closed with FIN, and its peer named
	deaf      time.Time // of datagrams: when the first came that nobody answered
	siblings  bool      // the service spoke on, in conversations that were open then
	restsOn   []string
	weight    int
	closing   []*dialog // those that closed in it
	named     int       // of these, how many peers the core's memory names
}

const (
	// The kernel closes all sockets of a process within a few milliseconds; between two closes of one
	// burst lies the work of freeing what was in between.
	burstGap = 5 * time.Millisecond

	// Seen in Debian's varnish: the first socket or two, then nothing for 20 ms, then all others. Across so
	// long a gap closes belong together if the service said nothing to anybody in it.
	burstPause = 50 * time.Millisecond

	// A core of many gigabytes takes this long to write; sockets close only after it.
	longestDump = 30 * time.Second

	// A burst elsewhere than the log says is believed, against the log's clock, from this many abrupt
	// closes on.
	enoughWithoutLog = 3
)

// findBurst looks for the closing of the dead process's sockets: near the log record if there is one,
// else anywhere. Where one process of several dies, a master may end the others too, and they close more
// than it did; but the core's memory names its own peers. names is nil without a core.
func findBurst(services []*service, record *logs.Record, names func(netip.AddrPort) bool) *burst {
	var near, anywhere *burst
	for _, s := range services {
		for _, b := range bursts(s, names != nil) {
			b.count(names)
			if heavier(b, anywhere) && (record == nil || record.Time.IsZero() || b.tellsAlone()) {
				anywhere = b
			}
			if record != nil && isNear(b, record) && heavier(b, near) {
				near = b
			}
		}
	}
	return cmp.Or(near, anywhere)
}

// tellsAlone says whether a burst is believed against the log's clock. Of one process of several little closes; but if its
// peer is named and the others end soon after, that is no chance.
func (b *burst) tellsAlone() bool {
	return b.weight >= enoughWithoutLog*abruptWeight || b.service.udp && b.service.fellMute() || b.named > 0 && b.othersFollowed()
}

// othersFollowed says whether nearly all that was open beside a burst was closed soon after by the service: a master that one of
// its processes died of ends the others.
func (b *burst) othersFollowed() bool {
	const enough, most = 4, 0.75
	open, closed := 0, 0
	for _, d := range b.service.dialogs {
		over := d.closing != nil && !d.closing.Time.After(b.end) || !d.peerReset.IsZero() && !d.peerReset.After(b.end)
		if over || !d.conversation.Start.Before(b.start) {
			continue
		}
		open++
		if d.closing != nil && d.closing.Time.Before(b.end.Add(quickDump)) && !d.reaction {
			closed++
		}
	}
	return closed >= enough && float64(closed) >= most*float64(open)
}

// count counts the peers that memory names. Of one process of several, only what it said to these was certainly its own; a
// master that ends the others for it makes them seem one, but memory names few of so many then.
func (b *burst) count(names func(netip.AddrPort) bool) {
	const few = 8
	var own []*dialog
	for _, d := range b.closing {
		if names != nil && names(d.conversation.Ends[d.side.Other()]) {
			own = append(own, d)
			if n := len(d.received); n > 0 && !d.closing.RST {
				b.lastRead = maxTime(b.lastRead, d.received[n-1].End)
			}
		}
	}
	b.named = len(own)
	if b.named > 0 && (b.siblings || few*b.named <= len(b.closing)) {
		b.lastWords = lastWordsBefore(own, b.start)
	}
}

func heavier(b, than *burst) bool {
	if than != nil && b.named != than.named {
		return b.named > than.named
	}
	return than == nil || b.weight > than.weight || b.weight == than.weight && b.start.Before(than.start)
}

func isNear(b *burst, record *logs.Record) bool {
	t := record.Time
	closesAfter := b.start.IsZero() || b.start.After(t.Add(-early(record)))
	if b.service.udp {
		// That nobody has the port is reported when the next question comes, however long that takes.
		return closesAfter && b.lastWords.Before(t.Add(recordLate))
	}
	return closesAfter && b.start.Before(t.Add(longestDump))
}

// What speaks for a burst: each abrupt close, each other close, the service's silence afterwards.
const (
	abruptWeight  = 3
	silenceWeight = 6
)

// bursts are a service's groups of closes that hold an abrupt one, and its falling silent. What a living
// daemon closes as a matter of course is left out: right after its own answer, or after its client's FIN; and
// what only a living process can have closed, if this one left a core.
func bursts(s *service, dumped bool) []*burst {
	if s.udp {
		return silence(s)
	}
	var closing []*dialog
	for _, d := range s.dialogs {
		if d.closing != nil && !d.reaction && !d.spokeJustBefore() && !(dumped && d.closedAlive()) {
			closing = append(closing, d)
		}
	}
	slices.SortFunc(closing, func(a, b *dialog) int { return a.closing.Time.Compare(b.closing.Time) })
	var found []*burst
	for len(closing) > 0 {
		n := 1
		for n < len(closing) && s.closesTogether(closing[:n], closing[n]) {
			n++
		}
		if slices.ContainsFunc(closing[:n], (*dialog).abrupt) || s.endsWith(closing[:n]) {
			found = append(found, newBurst(s, closing[:n]))
		}
		closing = closing[n:]
	}
	return found
}

// endsWith says whether a service had no other conversation when it closed these, and never spoke again once they were
// closed: connections that are all idle or answered show nothing abrupt.
func (s *service) endsWith(closing []*dialog) bool {
	const enough = 4
	first, over := closing[0].closing.Time, closing[len(closing)-1].closing.Time.Add(burstGap)
	if len(closing) < enough || s.spokeBetween(over, forever) {
		return false
	}
	return !slices.ContainsFunc(s.dialogs, func(d *dialog) bool {
		return (d.closing == nil || d.closing.Time.After(over)) && (d.peerReset.IsZero() || d.peerReset.After(first))
	})
}

// forever is later than any capture.
var forever = time.Unix(1<<40, 0)

// closesTogether says whether the next close belongs to the burst of those before it.
func (s *service) closesTogether(before []*dialog, next *dialog) bool {
	last := before[len(before)-1].closing.Time
	gap := next.closing.Time.Sub(last)
	if gap <= burstGap {
		return true
	}
	unasked := func(d *dialog) bool { return d.abrupt() && !d.asked(beforeAnyCore) }
	return gap <= burstPause && slices.ContainsFunc(before, unasked) && !s.spokeBetween(last, next.closing.Time)
}

func newBurst(s *service, closing []*dialog) *burst {
	closing = s.withNeighbours(closing)
	b := &burst{service: s, closing: closing, start: closing[0].closing.Time, end: closing[len(closing)-1].closing.Time}
	for _, d := range closing {
		b.weight++
		if d.abrupt() {
			b.weight += abruptWeight - 1
		}
		if len(b.restsOn) < 3 {
			b.restsOn = append(b.restsOn, frameRef(int(d.closing.Frame)))
		}
	}
	b.siblings = s.spokeOn(b.start, b.end)
	if b.siblings {
		b.lastWords = lastWordsBefore(closing, b.start) // the others' words are other processes'
	} else {
		b.lastWords = s.lastWordBefore(b.start)
	}
	if !s.lastSent.After(b.end) {
		b.weight += silenceWeight
	}
	return b
}

// withNeighbours are closes and those beside or between them of which one alone would be a matter of course: a
// connection on which the process had just said something when it died. Nothing was said between such a close and the first
// of the others, nor read of what came in between. Of a service that closes so by habit only those belong to them that came
// at once.
func (s *service) withNeighbours(closing []*dialog) []*dialog {
	const atOnce, enough = 500 * time.Microsecond, 4
	all := slices.Clone(closing)
	if len(closing) < enough {
		return all
	}
	first, last := closing[0].closing.Time, closing[len(closing)-1].closing.Time
	before, behind := burstPause, burstGap
	if len(s.hangups) > 0 && s.hangups[0].closing.Time.Before(first.Add(-burstPause)) {
		before, behind = atOnce, atOnce
	}
	var read time.Time // the last that the process read
	for _, d := range closing {
		read = maxTime(read, d.lastRead())
	}
	from, _ := slices.BinarySearchFunc(s.hangups, first.Add(-before), closesAt)
	for _, d := range s.hangups[from:] {
		if d.closing.Time.After(last.Add(behind)) {
			break
		}
		if !s.spokeBetween(d.closing.Time, first) && !read.After(d.closing.Time) {
			all = append(all, d)
		}
	}
	slices.SortStableFunc(all, func(a, b *dialog) int { return a.closing.Time.Compare(b.closing.Time) })
	return all
}

// closesAt orders dialogs that were closed beside an instant.
func closesAt(d *dialog, t time.Time) int { return d.closing.Time.Compare(t) }

// lastRead is when the last came that the process surely read: what is closed with FIN has been read. Zero if there is none.
func (d *dialog) lastRead() (last time.Time) {
	if n := len(d.received); n > 0 && !d.closing.RST {
		last = d.received[n-1].End
	}
	return last
}

// hangsUp says whether a side closed by itself right after it had answered.
func (d *dialog) hangsUp() bool { return d.closing != nil && !d.reaction && d.spokeJustBefore() }

func lastWordsBefore(dialogs []*dialog, t time.Time) time.Time {
	var last time.Time
	for _, d := range dialogs {
		for _, sent := range d.conversation.Messages(d.side.Other()) {
			for _, seg := range sent.Segments {
				if seg.Time.Before(t) {
					last = maxTime(last, seg.Time)
				}
			}
		}
	}
	return last
}

// silence is what a death looks like over datagrams: questions go on, answers don't, and sooner or
// later the host reports that nobody has the port.
func silence(s *service) []*burst {
	unheard := s.unheard(s.lastSent)
	if unheard == 0 || s.lastSent.IsZero() {
		return nil
	}
	closed := s.portClosed()
	b := &burst{service: s, start: closed, end: closed, lastWords: s.lastSent, deaf: s.deaf(), weight: min(unheard, silenceWeight)}
	if !closed.IsZero() {
		b.weight += silenceWeight
	}
	for _, d := range s.dialogs {
		if d.lastSent.Equal(s.lastSent) {
			sent := d.conversation.Messages(d.side.Other())
			b.restsOn = append(b.restsOn, frameRef(lastFrame(sent[len(sent)-1])))
		}
		if u := d.conversation.Unreachable; u != nil && u.Time.Equal(closed) {
			b.restsOn = append(b.restsOn, frameRef(int(u.Frame)))
		}
	}
	return []*burst{b}
}

func lastFrame(m *conversation.Message) int { return slices.Max(append(m.Frames(), 0)) }

// covers says whether an instant lies in the burst.
func (b *burst) covers(t time.Time) bool {
	return b != nil && !b.start.IsZero() && !t.Before(b.start) && !t.After(b.end.Add(burstGap))
}

// livedUntil is the instant up to which the process surely lived. Silence tells no more than its last words.
func (b *burst) livedUntil() time.Time {
	if b.service.udp {
		return b.lastWords
	}
	return b.start
}
