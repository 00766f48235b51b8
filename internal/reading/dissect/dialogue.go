package dissect

import (
	"bytes"
	"slices"
)

// Dialogue dissects the messages of one conversation, both sides', in the order in which they came. What some
// of them are is only known from earlier ones: the rest of a body, a table of headers, a protocol that both
// agreed upon. The zero value is a conversation of which nothing has been heard.
//
// Content decides what a message is. Only where an earlier message settled what comes next on its side is it
// read as that, and a side may change its protocol within a message.
//
// What is remembered is bounded: of a message that ends within something small, its beginning (carryMost); of
// something large, how much of it is to come; and each protocol's own state.
type Dialogue struct {
	client, server side
	agreed         agreement // of TLS
	opened         [2]side   // of what was decrypted of its handshake, the server's and the client's

	requests []httpRequest // of HTTP/1, not yet responded to, the oldest first
	streams  map[http2Key]*http2Stream
}

// side is what one end has said, as far as what it says next depends on it.
type side struct {
	next    dissector // reads what comes next; nil where content decides
	left    uint64    // bytes of something announced that are still to come
	carry   []byte    // the beginning of something that its last message did not complete
	sealed  bool      // TLS: it has changed to encryption
	headers *hpackTable
	frames  *websocketSide
}

// carryMost bounds what is carried from a message to the next: an HTTP/2 frame of the usual greatest size.
const carryMost = 1<<14 + 9

// Next dissects the conversation's next message.
func (d *Dialogue) Next(data []byte, hint Hint) Dissection {
	if len(data) == 0 && hint.Listed != "" {
		return listed(hint)
	}
	hint.past = d
	from := hint.from()
	d.miss(from, hint.Lost)
	carried := len(from.carry)
	if carried > 0 {
		data = slices.Concat(from.carry, data)
		from.carry = nil
	}
	whole := d.read(data, hint)
	for whole.rest > 0 && len(whole.Fields) < maxFields {
		at := len(data) - whole.rest
		whole.join(d.read(data[at:], hint), at)
	}
	whole.leaveOut(carried)
	return whole
}

// Protocol is what a conversation begins with, by the beginning of what either side said first: of a message of which nothing
// is known that came before it.
func Protocol(head []byte, hint Hint) string {
	hint.past = new(Dialogue)
	if found, ok := proxy(head, hint); ok {
		return found.Protocol
	}
	if found, ok := recognised(head, hint); ok {
		return found.Protocol
	}
	return Binary
}

// read dissects what a message begins with.
func (d *Dialogue) read(data []byte, hint Hint) Dissection {
	from := hint.from()
	if next := from.next; next != nil {
		from.next = nil
		if found, ok := next(data, hint); ok {
			return found
		}
	}
	from.left = 0
	if found, ok := proxy(data, hint); ok {
		return found
	}
	return known(data, hint)
}

// known dissects by content alone what no header of the PROXY protocol stands in front of.
func known(data []byte, hint Hint) Dissection {
	if found, ok := recognised(data, hint); ok {
		return found
	}
	return binaryMessage(data)
}

func recognised(data []byte, hint Hint) (Dissection, bool) {
	for _, read := range dissectors {
		if found, ok := read(data, hint); ok {
			return found, true
		}
	}
	return Dissection{}, false
}

// from is the side that sent the message.
func (h Hint) from() *side {
	if h.FromClient {
		return &h.past.client
	}
	return &h.past.server
}

// to is the other side.
func (h Hint) to() *side {
	if h.FromClient {
		return &h.past.server
	}
	return &h.past.client
}

// miss takes note of bytes that nobody captured. Where they are more than what was announced, nothing is known of
// what follows, nor which response is whose.
func (d *Dialogue) miss(s *side, n uint64) {
	switch {
	case n == 0:
	case n < s.left:
		s.left -= n
	default:
		d.requests = nil
		*s = side{sealed: s.sealed, frames: s.frames}
		if s.frames != nil {
			s.frames.miss()
			s.next = websocketFrames
		}
	}
}

// keep carries what a message ends with, and did not complete, to the next one, for read to begin with. It says
// whether that is small enough.
func (s *side) keep(data []byte, read dissector) bool {
	if len(data) == 0 || len(data) > carryMost {
		return false
	}
	s.carry, s.next = slices.Clone(data), read
	return true
}

// pass counts n bytes of what is left of something announced.
func (s *side) pass(n int) { s.left -= uint64(n) }

// take is how many of some bytes belong to what was announced.
func (s *side) take(data []byte) int { return int(min(s.left, uint64(len(data)))) }

// join adds what follows in the same message, from an offset on.
func (d *Dissection) join(next Dissection, at int) {
	next.shift(at)
	d.Fields = append(d.Fields, next.Fields[:min(len(next.Fields), maxFields-len(d.Fields))]...)
	d.Parts = append(d.Parts, next.Parts[:min(len(next.Parts), maxFields-len(d.Parts))]...)
	for _, tag := range next.Tags {
		if len(d.Tags) < maxFields && !slices.Contains(d.Tags, tag) {
			d.Tags = append(d.Tags, tag)
		}
	}
	for _, tag := range next.Answers {
		if !slices.Contains(d.Answers, tag) {
			d.Answers = append(d.Answers, tag)
		}
	}
	if len(d.Summary) < summaryMost {
		d.Summary += ", " + next.Protocol + ": " + next.Summary
	}
	d.rest = next.rest
}

// summaryMost is how long a summary may be for more to be added, in bytes.
const summaryMost = 1000

func (d *Dissection) shift(by int) {
	for i := range d.Fields {
		d.Fields[i].Offset += by
	}
	for i := range d.Parts {
		d.Parts[i].Offset += by
	}
}

// leaveOut drops what lies in the first n bytes, which the message before held, and cuts what begins there.
func (d *Dissection) leaveOut(n int) {
	if n == 0 {
		return
	}
	d.shift(-n)
	cut := func(offset, length int) (int, int) { return max(offset, 0), max(length+min(offset, 0), 0) }
	fields := d.Fields[:0]
	for _, f := range d.Fields {
		earlier := f.Offset < 0 && f.Offset+f.Length <= 0
		if f.Offset, f.Length = cut(f.Offset, f.Length); !earlier {
			fields = append(fields, f)
		}
	}
	d.Fields = fields
	parts := d.Parts[:0]
	for _, p := range d.Parts {
		if p.Offset, p.Length = cut(p.Offset, p.Length); p.Length > 0 {
			parts = append(parts, p)
		}
	}
	d.Parts = parts
}

// before dissects what a message holds before an offset, and leaves the rest to another protocol.
func before(at int, data []byte, hint Hint) Dissection {
	d := hint.past.read(data[:at], hint)
	d.rest = len(data) - at
	return d
}

// helloWithin is where in a message of lines a TLS ClientHello or ServerHello begins, or 0: who asks for TLS may
// begin it in the same breath.
func helloWithin(data []byte) int {
	data = data[:min(len(data), 1<<16)]
	for at := 1; at < len(data); at++ {
		i := bytes.Index(data[at:], []byte{contentHandshake, 3})
		if i < 0 {
			return 0
		}
		if at += i; isHello(data[at:]) {
			return at
		}
	}
	return 0
}

// isHello says whether data begins with a record that begins with a hello: its type, a length that the record
// can hold, and a version.
func isHello(data []byte) bool {
	return len(data) >= 11 && isRecord(data) && (data[5] == 1 || data[5] == 2) && data[6] == 0 && data[9] == 3 && data[10] <= 4 &&
		int(data[7])<<8|int(data[8])+4 <= int(data[3])<<8|int(data[4])
}
