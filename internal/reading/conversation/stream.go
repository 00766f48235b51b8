package conversation

import (
	"container/heap"
	"slices"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/capture"
)

// Stream is what one side sent. Bytes are counted from 0, the first after the SYN, or the first that
// the capture shows or sees acknowledged where it begins in the middle.
type Stream struct {
	Sent        uint64 // bytes, holes included
	Acked       uint64 // how many of them the other side acknowledged; TCP only
	Holes       []Hole // sent but not captured, in order
	First, Last *Event // the first and the last packet with payload; nil if there was none

	base   uint32 // sequence number of byte 0
	based  bool
	closed bool // a FIN was sent: it takes a number, too, which may be acknowledged
	pieces []piece
	acks   []ackMark
}

// Hole is a range that was not captured.
type Hole struct {
	Offset, Length uint64
}

// piece is a range of a stream and the packet that first brought it.
type piece struct {
	offset uint64
	length int    // as sent
	data   []byte // as captured: a prefix
	acked  uint64 // how many of the other side's bytes the packet acknowledges
	event  Event
	listed string // what a packet list says of it
}

func (p *piece) end() uint64 { return p.offset + uint64(p.length) }

// cut is the part of a piece from one stream offset to another.
func (p piece) cut(from, to uint64) piece {
	skip := min(int(from-p.offset), len(p.data))
	keep := min(int(to-from), len(p.data)-skip)
	p.data = p.data[skip : skip+keep]
	p.offset, p.length = from, int(to-from)
	return p
}

// ackMark is when a stream's bytes up to an offset were first acknowledged.
type ackMark struct {
	offset uint64
	time   time.Time
}

// begin fixes the sequence number of byte 0 when it is first learnt.
func (s *Stream) begin(seq uint32) {
	if !s.based {
		s.base, s.based = seq, true
	}
}

// offset turns a sequence number into a count of bytes: the one nearest to what is expected next, since
// numbers wrap at 4 GiB. It is negative for what lies before byte 0.
func (s *Stream) offset(seq uint32, near uint64) int64 {
	return int64(near) + int64(int32(seq-(s.base+uint32(near))))
}

// acknowledge notes that the other side has all bytes before seq, and returns how many that are.
func (s *Stream) acknowledge(seq uint32, at time.Time) uint64 {
	if !s.based {
		return 0
	}
	n := s.offset(seq, s.Acked)
	if s.closed {
		n = min(n, int64(s.Sent))
	}
	if n < 0 {
		return 0
	}
	if uint64(n) > s.Acked {
		s.Acked = uint64(n)
		s.acks = append(s.acks, ackMark{s.Acked, at})
	}
	return uint64(n)
}

// add takes over a TCP segment's payload. Bytes before byte 0 repeat what was sent before the capture.
func (s *Stream) add(seq uint32, p *capture.Packet, acked uint64) {
	from := s.offset(seq, s.Sent)
	to := from + int64(p.Length)
	if to <= 0 {
		return
	}
	whole := piece{length: p.Length, data: p.Payload, acked: acked, event: eventOf(p), listed: listed(p)}
	if from < 0 {
		whole = whole.cut(uint64(-from), uint64(p.Length))
		from = 0
	}
	whole.offset = uint64(from)
	s.push(whole)
}

// append takes over a datagram: it stands behind all others, whatever its length.
func (s *Stream) append(p *capture.Packet, acked uint64) {
	s.push(piece{offset: s.Sent, length: p.Length, data: p.Payload, acked: acked, event: eventOf(p), listed: listed(p)})
}

func (s *Stream) push(p piece) {
	if s.First == nil {
		s.First, s.Last = &Event{p.event.Frame, p.event.Time}, &Event{}
	}
	if p.end() > s.Sent || p.length == 0 { // a retransmission is nothing new
		*s.Last = p.event
	}
	s.Sent = max(s.Sent, p.end())
	s.pieces = append(s.pieces, p)
}

// listed is what a packet list says about a payload that it doesn't show.
func listed(p *capture.Packet) string {
	if p.Listed == nil || !p.Listed.Inferred {
		return ""
	}
	return p.Listed.Info
}

// finish puts the pieces in order and finds the holes between them.
func (s *Stream) finish(transport string) {
	if transport != "tcp" {
		return
	}
	s.pieces = inOrder(s.pieces)
	if s.Acked == s.Sent+1 {
		s.Acked = s.Sent // a FIN that was not captured
	}
	s.Sent = max(s.Sent, s.Acked)
	next := uint64(0)
	for _, p := range s.pieces {
		if p.offset > next {
			s.Holes = append(s.Holes, Hole{next, p.offset - next})
		}
		captured := p.offset + uint64(len(p.data))
		if captured < p.end() {
			s.Holes = append(s.Holes, Hole{captured, p.end() - captured})
		}
		next = p.end()
	}
	if next < s.Sent {
		s.Holes = append(s.Holes, Hole{next, s.Sent - next})
	}
}

// inOrder sorts pieces by offset and takes each byte from the piece that brought it first. It sweeps over
// the stream with the pieces at hand in a heap, first come on top: a hostile capture, all overlaps and
// in reverse, costs n log n like any other.
func inOrder(pieces []piece) []piece {
	if disjoint(pieces) {
		return pieces
	}
	slices.SortStableFunc(pieces, func(a, b piece) int {
		switch {
		case a.offset < b.offset:
			return -1
		case a.offset > b.offset:
			return 1
		}
		return 0
	})
	if disjoint(pieces) {
		return pieces
	}
	var out []piece
	var hand firstCome
	position := uint64(0)
	last := -1 // index in pieces of the one that out ends with
	for i := 0; i < len(pieces) || len(hand) > 0; {
		if len(hand) == 0 {
			position = max(position, pieces[i].offset)
		}
		for ; i < len(pieces) && pieces[i].offset <= position; i++ {
			heap.Push(&hand, candidate{&pieces[i], i})
		}
		top := hand[0]
		if top.end() <= position {
			heap.Pop(&hand)
			continue
		}
		end := top.end()
		if i < len(pieces) {
			end = min(end, pieces[i].offset)
		}
		if from := position; top.index == last { // goes on after another piece began beneath it
			from = out[len(out)-1].offset
			out[len(out)-1] = top.cut(from, end)
		} else {
			out = append(out, top.cut(from, end))
		}
		last, position = top.index, end
	}
	return out
}

// disjoint says whether pieces are in order and don't overlap, as nearly all streams' are.
func disjoint(pieces []piece) bool {
	for i := 1; i < len(pieces); i++ {
		if pieces[i].offset < pieces[i-1].end() {
			return false
		}
	}
	return true
}

// candidate is a piece that covers the sweep's position.
type candidate struct {
	*piece
	index int
}

// firstCome is a heap of pieces, the one of the earliest frame on top.
type firstCome []candidate

func (h firstCome) Len() int           { return len(h) }
func (h firstCome) Less(i, j int) bool { return h[i].event.Frame < h[j].event.Frame }
func (h firstCome) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *firstCome) Push(x any)        { *h = append(*h, x.(candidate)) }
func (h *firstCome) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}
