package conversation

import (
	"slices"
	"sort"
	"sync"
	"time"
)

// Message is what a side received between two of its own sends; a UDP datagram is one message.
//
// Where one ends in a TCP stream is told by the receiver: a packet with payload acknowledges what its
// kernel had received when it sent that. This holds wherever the capture was taken, where the order of
// frames would not.
type Message struct {
	Conversation *Conversation
	Receiver     Side
	Index        int        // among the messages that this side received
	Data         []byte     // as captured; zeros stand in the Holes. Shorter than Length where the end is missing
	Length       int        // in bytes, as sent
	Offset       uint64     // of its first byte in the stream
	Holes        []Hole     // ranges of Data that were not captured
	Segments     []Segment  // which frames brought it, in order of Data
	Start, End   time.Time  // when its first and its last byte came
	Answered     Event      // the receiver's first payload after it; zero if none followed
	AckedAt      *time.Time // when its last byte was acknowledged; nil if it was not, or for UDP
	Listed       string     // what a packet list says of it; the list has no bytes

	missing uint64 // bytes in Holes
}

// Segment is a range of a message that one frame brought. Its Length is as sent: of a frame that was cut
// short, or is only listed, Data may hold less.
type Segment struct {
	Event
	Offset, Length int
}

// Frames are the numbers of the frames that brought the message, in order of its bytes: of those that are counted in
// its Capture, if more than one has a part of it.
func (m *Message) Frames() []int {
	frames := make([]int, 0, len(m.Segments))
	for _, s := range m.Segments {
		if s.File == m.Segments[0].File {
			frames = append(frames, int(s.Frame))
		}
	}
	return slices.Compact(frames) // of several pieces that one packet brought, as of what was decrypted
}

// Capture is the name of the capture that the message begins in.
func (m *Message) Capture() string {
	files := m.Conversation.traffic.files
	if file := int(m.Segments[0].File); file < len(files) {
		return files[file].Name
	}
	return m.Conversation.Capture()
}

// By is what of the message had arrived by an instant, up to the first byte that had not; nil if nothing had.
// It is the message itself if all had.
func (m *Message) By(at time.Time) *Message {
	late := slices.IndexFunc(m.Segments, func(s Segment) bool { return s.Time.After(at) })
	switch late {
	case -1:
		return m
	case 0:
		return nil
	}
	end := m.Segments[late].Offset
	cut := *m
	cut.Segments = m.Segments[:late]
	cut.Length = end
	cut.Data = m.Data[:min(end, len(m.Data))]
	cut.Holes = nil
	for _, h := range m.Holes {
		if h.Offset < uint64(len(cut.Data)) {
			cut.Holes = append(cut.Holes, h)
		}
	}
	cut.End = m.Start
	for _, s := range cut.Segments {
		if s.Time.After(cut.End) {
			cut.End = s.Time
		}
	}
	return &cut
}

// lazyMessages keeps messages once they are asked for: most conversations of a capture never are.
type lazyMessages struct {
	once sync.Once
	list []*Message
}

// Messages are what a side received, in order, of the packets that are at hand. The same pointers come back each time.
func (c *Conversation) Messages(receiver Side) []*Message {
	if c.packets == nil {
		return nil
	}
	lazy := &c.packets[receiver.Other()].messages
	lazy.once.Do(func() {
		if c.Transport == "udp" {
			lazy.list = c.datagrams(receiver)
		} else {
			lazy.list = c.cutMessages(receiver)
		}
	})
	return lazy.list
}

// datagrams makes a message of each datagram. It was answered by the first that the receiver sent later.
func (c *Conversation) datagrams(receiver Side) []*Message {
	var list []*Message
	answers := c.packets[receiver].pieces
	for i, p := range c.packets[receiver.Other()].pieces {
		m := &Message{Conversation: c, Receiver: receiver, Index: i, Offset: p.offset}
		m.add(p)
		for len(answers) > 0 && answers[0].event.Before(p.event) {
			answers = answers[1:]
		}
		if len(answers) > 0 {
			m.Answered = answers[0].event
		}
		list = append(list, m)
	}
	return list
}

// answer is a send of the receiver: what it had received by then lies before offset.
type answer struct {
	offset uint64
	event  Event
}

// answers are the receiver's sends by what they acknowledge, each offset once, the first send of it.
func (c *Conversation) answers(receiver Side) []answer {
	var list []answer
	pieces := c.packets[receiver].pieces
	for i := range pieces {
		if n := len(list); n == 0 || pieces[i].acked > list[n-1].offset {
			list = append(list, answer{pieces[i].acked, pieces[i].event})
		}
	}
	return list
}

// cutMessages cuts a TCP stream where its receiver sent something itself.
func (c *Conversation) cutMessages(receiver Side) []*Message {
	var list []*Message
	var m *Message
	stream := &c.packets[receiver.Other()]
	answers := c.answers(receiver)
	for _, p := range stream.pieces {
		for len(answers) > 0 && answers[0].offset <= p.offset {
			answers = answers[1:]
			m = nil
		}
		for p.length > 0 {
			rest := piece{}
			if len(answers) > 0 && answers[0].offset < p.end() {
				p, rest = p.cut(p.offset, answers[0].offset), p.cut(answers[0].offset, p.end())
			}
			if m == nil || !m.reaches(p) {
				m = &Message{Conversation: c, Receiver: receiver, Index: len(list), Offset: p.offset}
				list = append(list, m)
			}
			m.add(p)
			if len(answers) > 0 && m.end() >= answers[0].offset {
				answers = answers[1:]
				m = nil
			}
			p = rest
		}
	}
	c.judge(list, stream, receiver)
	return list
}

// judge finds for each message when it was acknowledged and what answered it.
func (c *Conversation) judge(list []*Message, stream *packets, receiver Side) {
	answers := c.answers(receiver)
	for _, m := range list {
		end := m.end()
		if i := sort.Search(len(answers), func(i int) bool { return answers[i].offset >= end }); i < len(answers) {
			m.Answered = answers[i].event
		}
		if i := sort.Search(len(stream.acks), func(i int) bool { return stream.acks[i].offset >= end }); i < len(stream.acks) {
			m.AckedAt = &stream.acks[i].time
		}
	}
}

func (m *Message) end() uint64 { return m.Offset + uint64(m.Length) }

// holeAllowance bounds the zeros that stand for missing bytes: as many as were captured and some lost
// packets more. A sequence number that leaps by gigabytes starts a new message instead.
const holeAllowance = 4096

// reaches says whether a piece may be joined to the message across the hole before it.
func (m *Message) reaches(p piece) bool {
	missing := m.missing
	allowed := uint64(len(m.Data)) - missing + holeAllowance
	if len(p.data) > 0 {
		missing += p.offset - (m.Offset + uint64(len(m.Data)))
	}
	return missing <= allowed && p.offset-m.end() <= allowed
}

// add joins a piece to the message's end. A message of one piece shares the capture's memory.
func (m *Message) add(p piece) {
	at := int(p.offset - m.Offset)
	m.Segments = append(m.Segments, Segment{p.event, at, p.length})
	m.Length = at + p.length
	if len(m.Segments) == 1 {
		m.Data = p.data[:len(p.data):len(p.data)]
		m.Start, m.End = p.event.Time, p.event.Time
	} else if len(p.data) > 0 {
		if hole := at - len(m.Data); hole > 0 {
			m.Holes = append(m.Holes, Hole{uint64(len(m.Data)), uint64(hole)})
			m.missing += uint64(hole)
			m.Data = append(m.Data, make([]byte, hole)...)
		}
		m.Data = append(m.Data, p.data...)
	}
	if p.event.Time.After(m.End) {
		m.End = p.event.Time
	}
	if p.listed != "" && m.Listed != "" {
		m.Listed += "; "
	}
	m.Listed += p.listed
}
