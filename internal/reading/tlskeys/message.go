package tlskeys

import (
	"slices"
	"time"

	"github.com/inquest-project/inquest/internal/reading/conversation"
)

// Opened is what a connection's records hold.
type Opened struct {
	Messages [2][]*Message // by receiver, in order: what each side was told under encryption
	Problems []string      // what could not be opened, and why

	closed [2][]uint64 // by receiver, in order: where in the stream records begin that hold something and were not opened
}

// Closed says whether a message of the conversation holds a record that was not opened, be it that it was never encrypted.
// A ChangeCipherSpec doesn't count: it says nothing more.
func (o *Opened) Closed(m *conversation.Message) bool {
	closed := o.closed[m.Receiver]
	i, _ := slices.BinarySearch(closed, m.Offset)
	return i < len(closed) && closed[i] < m.Offset+uint64(m.Length)
}

// Message is what a side received, decrypted: the content of successive records of one kind that came in one of the
// conversation's messages. Its Data is plaintext; its Offset and Segments are those of the ciphertext
// that became it, byte by byte, in the same stream and frames.
type Message struct {
	conversation.Message
	Carrier *conversation.Message // the conversation's, in which its first record ends
	Kind    byte                  // the records' content type: 21 alert, 22 handshake, 23 application data
	Records []Record
	Lost    uint64 // bytes of the stream between what was opened before and its first record
}

// IsApplication says whether it is what the application said, and not TLS itself.
func (m *Message) IsApplication() bool { return m.Kind == contentApplication }

// Record is a record that carried a part of a Message.
type Record struct {
	Stream  uint64    // offset of its header in the sender's stream
	Sealed  int       // its length there, with the header
	Offset  int       // of its content in the Message
	Length  int       // of its content
	Counted uint64    // its sequence number
	End     time.Time // when all of it had come: before, nothing of it can be read
}

// messages gathers what a side's peer sent it: a message ends where the conversation's does, or where the
// records' kind changes.
func (c *Connection) messages(receiver conversation.Side, records []plain) []*Message {
	carriers := c.Conversation.Messages(receiver)
	frames := framesOf(carriers)
	var all []*Message
	var m *Message
	next := uint64(0) // where the record behind the last begins
	for i, p := range records {
		lost := p.offset - next
		if next = p.offset + headerLength + uint64(len(p.body)); i == 0 {
			lost = 0
		}
		if len(p.data) == 0 {
			continue
		}
		last := next - 1
		for len(carriers) > 1 && carriers[1].Offset <= last {
			carriers = carriers[1:]
		}
		if m == nil || m.Carrier != carriers[0] || m.Kind != p.kind {
			m = &Message{Kind: p.kind, Carrier: carriers[0], Lost: lost, Message: conversation.Message{
				Conversation: c.Conversation, Receiver: receiver, Index: len(all), Offset: p.begin(),
				Answered: carriers[0].Answered, AckedAt: carriers[0].AckedAt,
			}}
			all = append(all, m)
		}
		frames = m.add(p, frames)
	}
	return all
}

// answer finds for what an application was told what it said next: TLS may say something in between, as a server of TLS
// 1.3 that sends tickets once it knows the client.
func (o *Opened) answer() {
	for receiver, messages := range o.Messages {
		said := o.Messages[1-receiver]
		for _, m := range messages {
			if !m.IsApplication() || m.Answered.IsZero() {
				continue
			}
			i := slices.IndexFunc(said, func(s *Message) bool { return s.IsApplication() && !s.Segments[0].Before(m.Answered) })
			if m.Answered = (conversation.Event{}); i >= 0 {
				m.Answered = said[i].Segments[0].Event
				said = said[i:]
			}
		}
	}
}

// begin is where in the stream the bytes stand that became the record's content.
func (p plain) begin() uint64 { return p.offset + headerLength + uint64(p.skip) }

// span is a range of a stream and the frame that brought it.
type span struct {
	conversation.Event
	from, to uint64
}

func framesOf(messages []*conversation.Message) (spans []span) {
	for _, m := range messages {
		for _, s := range m.Segments {
			from := m.Offset + uint64(s.Offset)
			spans = append(spans, span{s.Event, from, from + uint64(s.Length)})
		}
	}
	return spans
}

// add joins a record's content to the message, and gives the frames that are still needed for those after it.
func (m *Message) add(p plain, frames []span) []span {
	rec := Record{Stream: p.offset, Sealed: headerLength + len(p.body), Offset: len(m.Data), Length: len(p.data), Counted: p.seq}
	from, to := p.begin(), p.begin()+uint64(len(p.data))
	for len(frames) > 0 && frames[0].to <= p.offset {
		frames = frames[1:]
	}
	for _, f := range frames {
		if f.from >= p.offset+uint64(rec.Sealed) {
			break
		}
		if f.Time.After(rec.End) {
			rec.End = f.Time
		}
		if m.Start.IsZero() || f.Time.Before(m.Start) {
			m.Start = f.Time
		}
		if low, high := max(f.from, from), min(f.to, to); low < high {
			m.Segments = append(m.Segments, conversation.Segment{Event: f.Event, Offset: rec.Offset + int(low-from), Length: int(high - low)})
		}
	}
	if rec.End.After(m.End) {
		m.End = rec.End
	}
	m.Records = append(m.Records, rec)
	m.Data = append(m.Data, p.data...)
	m.Length = len(m.Data)
	return frames
}

// By is what of the message could be read by an instant: the records that had come whole by then, up to the first
// that had not; nil if there is none. It is the message itself if all had.
func (m *Message) By(at time.Time) *Message {
	late := slices.IndexFunc(m.Records, func(r Record) bool { return r.End.After(at) })
	switch late {
	case -1:
		return m
	case 0:
		return nil
	}
	cut := *m
	end := m.Records[late].Offset
	cut.Records = m.Records[:late]
	cut.Data, cut.Length, cut.End = m.Data[:end], end, m.Start
	for _, r := range cut.Records {
		if r.End.After(cut.End) {
			cut.End = r.End
		}
	}
	n := slices.IndexFunc(m.Segments, func(s conversation.Segment) bool { return s.Offset >= end })
	cut.Segments = m.Segments[:n]
	return &cut
}
