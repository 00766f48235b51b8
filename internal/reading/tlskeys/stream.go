package tlskeys

import (
	"encoding/binary"
	"iter"

	"github.com/inquest-project/inquest/internal/reading/conversation"
)

// Content types (RFC 8446, appendix B.1).
const (
	contentChange      = 20
	contentAlert       = 21
	contentHandshake   = 22
	contentApplication = 23
)

const (
	headerLength = 5
	recordMost   = 1<<14 + 2048 // of a record's body (RFC 5246, section 6.2.3)

	// recordLeast is less than any encrypted record has: a header and a tag. It tells how many records a hole
	// can have held.
	recordLeast = headerLength + 16
)

// record is one record of a stream.
type record struct {
	offset  uint64 // of its header
	kind    byte
	version uint16
	body    []byte // nil where not all of it was captured
	before  []byte // the body of the record before it, which TLS 1.0 chains it to; nil if unknown
	lost    int    // so many records at most stood between it and the one before
}

// isRecord says whether data begins like a record.
func isRecord(data []byte) bool {
	return len(data) >= headerLength && data[0] >= contentChange && data[0] <= contentApplication &&
		data[1] == 3 && data[2] <= 4 && int(binary.BigEndian.Uint16(data[3:])) <= recordMost
}

// stretch is a part of a stream that was captured without a hole.
type stretch struct {
	offset uint64
	data   []byte
}

func (s stretch) end() uint64 { return s.offset + uint64(len(s.data)) }

// stream is what one side sent, as it was captured.
type stream []stretch

func streamOf(conv *conversation.Conversation, sender conversation.Side) stream {
	var all stream
	for _, m := range conv.Messages(sender.Other()) {
		at := uint64(0)
		for _, h := range m.Holes {
			all = append(all, stretch{m.Offset + at, m.Data[at:h.Offset]})
			at = h.Offset + h.Length
		}
		all = append(all, stretch{m.Offset + at, m.Data[at:]})
	}
	return all
}

// from drops what lies before an offset.
func (s stream) from(at uint64) stream {
	for len(s) > 0 && s[0].end() <= at {
		s = s[1:]
	}
	return s
}

// bytes are the n bytes from an offset on; nil if not all were captured. They are copied only where they lie in
// several stretches.
func (s stream) bytes(at uint64, n int) []byte {
	s = s.from(at)
	if len(s) == 0 || s[0].offset > at {
		return nil
	}
	data := s[0].data[at-s[0].offset:]
	if len(data) >= n {
		return data[:n:n]
	}
	joined := append(make([]byte, 0, n), data...)
	for _, next := range s[1:] {
		if next.offset != at+uint64(len(joined)) {
			return nil
		}
		joined = append(joined, next.data[:min(len(next.data), n-len(joined))]...)
		if len(joined) == n {
			return joined
		}
	}
	return nil
}

// records are a role's records from its hello on. After a hole, or what is no record, the next header is looked
// for; a record whose length is known and whose body is cut keeps its place.
func (c *Connection) records(r Role) iter.Seq[record] {
	return func(yield func(record) bool) {
		s, at := streamOf(c.Conversation, c.side(r)), c.begin[r]
		var before []byte
		for {
			begin := at
			if s, at = s.header(at); len(s) == 0 {
				return
			}
			head := s.bytes(at, headerLength)
			n := int(binary.BigEndian.Uint16(head[3:]))
			rec := record{offset: at, kind: head[0], version: binary.BigEndian.Uint16(head[1:]), body: s.bytes(at+headerLength, n)}
			if at > begin {
				rec.lost = int(min((at-begin)/recordLeast+1, 1<<20))
			} else {
				rec.before = before
			}
			if !yield(rec) {
				return
			}
			before = rec.body
			at += headerLength + uint64(n)
			s = s.from(at)
		}
	}
}

// header finds the next record's header. Where records follow on each other it is at once there; elsewhere
// it counts only if a header follows the record it announces, or nothing is known there.
func (s stream) header(at uint64) (stream, uint64) {
	if isRecord(s.bytes(at, headerLength)) {
		return s, at
	}
	for ; len(s) > 0; s = s.from(at) {
		at = max(at, s[0].offset)
		for ; at < s[0].end(); at++ {
			head := s.bytes(at, headerLength)
			if !isRecord(head) {
				continue
			}
			next := s.bytes(at+headerLength+uint64(binary.BigEndian.Uint16(head[3:])), headerLength)
			if next == nil || isRecord(next) {
				return s, at
			}
		}
	}
	return nil, at
}
