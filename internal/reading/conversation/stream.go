package conversation

import (
	"slices"

	"github.com/inquest-project/inquest/internal/evidence/capture"
)

// Stream is what one side sent. Bytes are counted from 0, the first after the SYN, or the first that
// the capture shows or sees acknowledged where it begins in the middle.
type Stream struct {
	Sent        uint64 // bytes, holes included
	Acked       uint64 // how many of them the other side acknowledged; TCP only
	Holes       []Hole // sent but not captured, in order; the first mostHoles
	Missing     uint64 // bytes in all holes
	Again       uint64 // bytes that were sent again
	Packets     int    // that brought payload
	Messages    int    // sends between two of the other side's; of UDP the datagrams
	Head        []byte // the first payload, as captured
	First, Last Event  // the first and the last packet with payload that was new

	base     uint32 // sequence number of byte 0
	based    bool
	closed   bool   // a FIN was sent: it takes a number, too, which may be acknowledged
	answered uint64 // bytes that the other side had received when it last sent something
	began    uint64 // where the last message begins
	seen     bool   // a first message has begun
}

// Hole is a range that was not captured.
type Hole struct {
	Offset, Length uint64
}

// mostHoles bounds what is kept of one stream: a capture that cut each frame has a hole in each.
const mostHoles = 256

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

// acknowledge notes that the other side has all bytes before seq. It gives how many these are, and whether they are more
// than before.
func (s *Stream) acknowledge(seq uint32) (acked uint64, more bool) {
	if !s.based {
		return 0, false
	}
	n := s.offset(seq, s.Acked)
	if s.closed {
		n = min(n, int64(s.Sent))
	}
	if n < 0 {
		return 0, false
	}
	more = uint64(n) > s.Acked
	s.Acked = max(s.Acked, uint64(n))
	return uint64(n), more
}

// add counts a TCP segment's payload and gives where it begins; false where it brings nothing but what was sent before
// byte 0.
func (s *Stream) add(seq uint32, p *capture.Packet, at Event) (from int64, ok bool) {
	from = s.offset(seq, s.Sent)
	to := from + int64(p.Length)
	if to <= 0 {
		return from, false
	}
	if s.First.IsZero() {
		s.Head = p.Payload
	}
	s.count(uint64(max(from, 0)), uint64(to), uint64(max(0, to-int64(p.Length-len(p.Payload)))), at)
	return from, true
}

// append counts a datagram: it stands behind all others, whatever its length.
func (s *Stream) append(p *capture.Packet, at Event) (from int64) {
	from = int64(s.Sent)
	if s.First.IsZero() {
		s.Head = p.Payload
	}
	s.count(s.Sent, s.Sent+uint64(p.Length), s.Sent+uint64(len(p.Payload)), at)
	s.Messages = s.Packets
	return from
}

// count takes note of bytes from one offset to another, captured up to a third.
func (s *Stream) count(from, to, captured uint64, at Event) {
	s.Packets++
	if s.First.IsZero() {
		s.First = at
	}
	if to > s.Sent || to == from { // a retransmission is nothing new
		s.Last = at
	}
	if to >= s.Sent && from >= s.answered && (!s.seen || s.began < s.answered) {
		s.Messages++
		s.began, s.seen = from, true
	}
	switch {
	case from > s.Sent:
		s.lacks(s.Sent, from)
	case from < s.Sent:
		s.Again += min(to, s.Sent) - from - s.fill(from, min(captured, s.Sent))
	}
	if new := max(from, s.Sent); captured < to && new < to {
		s.lacks(max(captured, new), to)
	}
	s.Sent = max(s.Sent, to)
}

// lacks notes a hole behind all others.
func (s *Stream) lacks(from, to uint64) {
	s.Missing += to - from
	n := len(s.Holes)
	switch {
	case n > 0 && s.Holes[n-1].Offset+s.Holes[n-1].Length == from:
		s.Holes[n-1].Length += to - from
	case n < mostHoles:
		s.Holes = append(s.Holes, Hole{from, to - from})
	}
}

// fill closes holes with bytes that came late, and gives how many these were.
func (s *Stream) fill(from, to uint64) (filled uint64) {
	if len(s.Holes) == 0 || from >= to {
		return 0
	}
	var left []Hole
	for _, h := range s.Holes {
		end := h.Offset + h.Length
		lo, hi := max(h.Offset, from), min(end, to)
		if lo >= hi {
			left = append(left, h)
			continue
		}
		filled += hi - lo
		if h.Offset < lo {
			left = append(left, Hole{h.Offset, lo - h.Offset})
		}
		if hi < end {
			left = append(left, Hole{hi, end - hi})
		}
	}
	s.Holes = left[:min(len(left), mostHoles)]
	s.Missing -= filled
	return filled
}

// finish adds what was acknowledged and never captured.
func (s *Stream) finish(transport string) {
	if transport != "tcp" {
		return
	}
	if s.Acked == s.Sent+1 {
		s.Acked = s.Sent // a FIN that was not captured
	}
	if s.Acked > s.Sent {
		s.lacks(s.Sent, s.Acked)
		s.Sent = s.Acked
	}
	s.Holes = slices.Clip(s.Holes)
}
