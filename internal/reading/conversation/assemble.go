package conversation

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strconv"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/capture"
)

// Budgets. What exceeds them is counted.
const (
	// mostPackets is of how many packets the first walk keeps the places, some 100 bytes each.
	mostPackets = 1 << 18

	// mostConversations take some kilobyte each, and three with what is told of them.
	mostConversations = 1 << 19

	mostErrors = 1 << 16 // ICMP errors, and refusals
)

// Assemble reads captures to their ends and rebuilds the conversations in them. Several captures are one: the files of a
// ring, or what was captured at several places at once.
func Assemble(files ...*capture.File) *Traffic {
	t := &Traffic{files: files, Whole: true}
	newAssembler(t, t.keep).walk()
	return t
}

// Index is Assemble for those who want none of the messages, or few: it keeps no packets.
func Index(files ...*capture.File) *Traffic {
	t := &Traffic{files: files}
	newAssembler(t, func(*Conversation, time.Time) *[2]packets { return nil }).walk()
	return t
}

// keep is where the first walk keeps a packet of a conversation, until they are too many: then it keeps none.
func (t *Traffic) keep(c *Conversation, _ time.Time) *[2]packets {
	if t.kept++; t.kept > mostPackets {
		if t.Whole {
			t.Whole = false
			for _, c := range t.Conversations {
				c.packets = nil
			}
		}
		return nil
	}
	if c.packets == nil {
		c.packets = &[2]packets{}
	}
	return c.packets
}

// assembler rebuilds the captures of a Traffic.
type assembler struct {
	traffic *Traffic
	keep    func(*Conversation, time.Time) *[2]packets // where to keep a packet of a conversation; nil for nowhere
	open    map[key]*Conversation                      // the latest on each pair of ends
	begun   int                                        // conversations, those that were forgotten, too
	places  *duplicates                                // nil until packets of more than one place are met
	named   map[string]uint64                          // ends of a packet list that have no address
	loading *loading                                   // what of the captures is wanted; nil for all
	spare   []*Conversation                            // forgotten ones, to be used again
}

func newAssembler(t *Traffic, keep func(*Conversation, time.Time) *[2]packets) *assembler {
	a := &assembler{traffic: t, keep: keep, open: map[key]*Conversation{}, named: map[string]uint64{}}
	if len(t.files) > 1 {
		a.places = newDuplicates()
	}
	return a
}

// walk goes through the captures once.
func (a *assembler) walk() {
	t := a.traffic
	for file, p := range inTime(t.files) {
		a.packet(&p, Event{File: file, Frame: int32(p.Frame), Time: p.Time})
	}
	for _, f := range t.files {
		t.Damage = append(t.Damage, f.Damage()...)
		t.Dropped += f.Dropped
	}
	for _, c := range t.Conversations {
		c.Streams[Opener].finish(c.Transport)
		c.Streams[Responder].finish(c.Transport)
		c.sort()
	}
	t.fold()
}

// key is a packet's two ends, the lesser first, so that both directions have the same. An end that a packet list only
// names has a number instead of an address. There are no gaps in its memory, so that it is hashed as a whole.
type key struct {
	a, b         [16]byte
	portA, portB uint16
	protocol     uint16
}

// keyOf also says whether the ends were exchanged.
func keyOf(src, dst [16]byte, srcPort, dstPort uint16, protocol uint8) (k key, swapped bool) {
	order := bytes.Compare(src[:], dst[:])
	if order > 0 || order == 0 && srcPort > dstPort {
		return key{dst, src, dstPort, srcPort, uint16(protocol)}, true
	}
	return key{src, dst, srcPort, dstPort, uint16(protocol)}, false
}

func (a *assembler) keyOf(p *capture.Packet) (key, bool) {
	if p.Listed != nil {
		src, dst := a.numbered(p.Src, p.Listed.Source), a.numbered(p.Dst, p.Listed.Destination)
		return keyOf(src, dst, p.Src.Port(), p.Dst.Port(), p.Protocol)
	}
	// The same without copies: a packet's ends are of one family, so they have one order.
	lesser, greater := &p.Src, &p.Dst
	swapped := greater.Compare(*lesser) < 0
	if swapped {
		lesser, greater = greater, lesser
	}
	return key{lesser.Addr().As16(), greater.Addr().As16(), lesser.Port(), greater.Port(), uint16(p.Protocol)}, swapped
}

// numbered stands for the address of an end that may only have a name.
func (a *assembler) numbered(addr netip.AddrPort, name string) (number [16]byte) {
	if addr.Addr().IsValid() {
		return addr.Addr().As16()
	}
	n, known := a.named[name]
	if !known {
		n = uint64(len(a.named)) + 1
		a.named[name] = n
	}
	number[0] = 0xff // no end of a conversation is a multicast group
	binary.BigEndian.PutUint64(number[8:], n)
	return number
}

func (a *assembler) packet(p *capture.Packet, at Event) {
	t := a.traffic
	if !p.Again {
		t.Packets++
	}
	t.rate.count(p.Time)
	if t.First.IsZero() || p.Time.Before(t.First) {
		t.First = p.Time
	}
	if p.Time.After(t.Last) {
		t.Last = p.Time
	}
	switch {
	case p.Fragment:
	case p.Protocol == capture.TCP && (p.Flags != 0 || p.Length > 0):
		a.tcp(p, at)
	case p.Protocol == capture.UDP && (p.Src.Port() != 0 || p.Dst.Port() != 0 || p.Listed != nil):
		a.udp(p, at)
	case p.ICMP != nil && p.ICMP.InnerDst.IsValid() && len(t.ICMP) < mostErrors:
		a.icmp(p, at)
	}
}

// again says whether a packet was captured before, at another place. Most captures are of one place, and don't pay for it.
func (a *assembler) again(k key, swapped bool, p *capture.Packet, at Event) bool {
	if a.places == nil {
		if p.Place == 0 && p.Of < 2 {
			return false
		}
		a.places = newDuplicates()
	}
	if a.places.has(k, swapped, p, at) {
		a.traffic.Duplicates++
		return true
	}
	return false
}

// latest is the conversation between two ends that a packet goes on with; nil where it begins one. It also says whether any
// between them is wanted.
func (a *assembler) latest(k key, at Event) (c *Conversation, wanted bool) {
	c = a.open[k]
	if a.loading == nil {
		return c, true
	}
	if here := (begin{k, at.File, at.Frame}); c != nil && c.begin != here && a.loading.wanted[here] != nil {
		c = nil
	}
	return c, a.loading.keys[k]
}

// begin starts a conversation with a packet. Without a handshake the opener is guessed.
func (a *assembler) begin(k key, swapped bool, p *capture.Packet, opener, known bool, at Event) *Conversation {
	c := a.blank()
	*c = Conversation{Number: a.begun, Transport: "tcp", OpenerKnown: known, Start: p.Time, End: p.Time,
		begin: begin{k, at.File, at.Frame}, swapped: swapped == opener, traffic: a.traffic}
	if p.Protocol == capture.UDP {
		c.Transport = "udp"
	}
	c.Ends = [2]netip.AddrPort{p.Src, p.Dst}
	if p.Listed != nil {
		c.listed = &[2]string{printable(p.Src, p.Listed.Source), printable(p.Dst, p.Listed.Destination)}
	}
	if !opener {
		c.Ends[Opener], c.Ends[Responder] = c.Ends[Responder], c.Ends[Opener]
		if c.listed != nil {
			c.listed[Opener], c.listed[Responder] = c.listed[Responder], c.listed[Opener]
		}
	}
	a.begun++
	a.open[k] = c
	if a.loading != nil {
		return c
	}
	if a.traffic.Conversations = append(a.traffic.Conversations, c); len(a.traffic.Conversations) > mostConversations {
		a.forget()
	}
	return c
}

// blank is a conversation to begin with: where millions are forgotten, one of those.
func (a *assembler) blank() *Conversation {
	n := len(a.spare)
	if n == 0 {
		return new(Conversation)
	}
	c := a.spare[n-1]
	a.spare = a.spare[:n-1]
	return c
}

// printable is how an end is shown: its address, or its name where a list tells no address.
func printable(addr netip.AddrPort, name string) string {
	if addr.Addr().IsValid() || name == "" {
		return addr.String()
	}
	return name + ":" + strconv.Itoa(int(addr.Port()))
}

// tcp adds a segment to its conversation.
func (a *assembler) tcp(p *capture.Packet, at Event) {
	k, swapped := a.keyOf(p)
	if a.again(k, swapped, p, at) {
		return
	}
	c, wanted := a.latest(k, at)
	if !wanted {
		return
	}
	syn, ack := p.Flags.Has(capture.SYN), p.Flags.Has(capture.ACK)
	switch {
	case c != nil && syn && !ack && c.reused(p, c.side(swapped)):
		c = a.begin(k, swapped, p, true, true, at)
	case c == nil && syn:
		c = a.begin(k, swapped, p, !ack, true, at)
	case c == nil:
		// The side with the lower port is taken for the server: the other's is an ephemeral one.
		c = a.begin(k, swapped, p, p.Src.Port() >= p.Dst.Port(), false, at)
	}
	side := c.side(swapped)
	a.segment(c, side, p, at)
	if p.Flags.Has(capture.RST) && c.refusedBy(side) {
		c.Refused = true
		if t := a.traffic; len(t.Refusals) < mostErrors {
			t.Refusals = append(t.Refusals, Refusal{at, c.Ends[side], c})
			c.cited = true
		}
	}
}

// side tells which side sent a packet, by whether its key had its ends exchanged.
func (c *Conversation) side(swapped bool) Side {
	if swapped == c.swapped {
		return Opener
	}
	return Responder
}

// reused says whether a side's SYN begins a new connection on the ports of an old one, and does not repeat the
// old one's SYN.
func (c *Conversation) reused(p *capture.Packet, s Side) bool {
	if c.synSeen[s] {
		return c.isn[s] != p.Seq
	}
	both := c.synSeen[s.Other()] && !c.Streams[s].based && len(c.Closes) == 0 // open at once (RFC 9293, section 3.5)
	return !both                                                              // else the old one was met in the middle, or opened by the other side
}

// refusedBy says whether all that a side ever did was to answer the other's SYN by RST.
func (c *Conversation) refusedBy(s Side) bool {
	return !c.Refused && c.synSeen[s.Other()] && !c.synSeen[s] && !c.Spoke(s) && !c.Spoke(s.Other())
}

// segment takes over what one TCP segment says.
func (a *assembler) segment(c *Conversation, s Side, p *capture.Packet, at Event) {
	out, in := &c.Streams[s], &c.Streams[s.Other()]
	c.End = later(c.End, p.Time)
	seq := p.Seq
	if p.Flags.Has(capture.SYN) {
		c.synSeen[s], c.isn[s] = true, p.Seq
		seq++ // the SYN takes the first number
		out.begin(seq)
	}
	kept := a.keep(c, p.Time)
	rst := p.Flags.Has(capture.RST)
	if !rst {
		out.begin(seq)
	}
	acked, more := in.Acked, false
	if p.Flags.Has(capture.ACK) {
		if !rst {
			in.begin(p.Ack)
		}
		acked, more = in.acknowledge(p.Ack)
	}
	if more && kept != nil {
		kept[s.Other()].acks = append(kept[s.Other()].acks, ackMark{acked, p.Time})
	}
	if p.Length > 0 && !rst { // a RST's payload, if any, is a diagnostic (RFC 9293, section 3.10.7.3)
		in.answered = max(in.answered, acked)
		if from, ok := out.add(seq, p, at); ok && kept != nil {
			kept[s].add(from, p, acked, at)
		}
	}
	if rst || p.Flags.Has(capture.FIN) {
		if c.Closes == nil {
			c.Closes = make([]Close, 0, 2) // a side's and the other's
		}
		c.Closes = append(c.Closes[:min(len(c.Closes), mostCloses)], Close{Side: s, RST: rst, Event: at, Seq: p.Seq, Ack: p.Ack,
			Acked: in.Acked, Arrived: in.Sent})
	}
	if p.Flags.Has(capture.FIN) && !rst {
		out.closed = true
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// mostCloses bounds what is kept of one conversation: the first of them tell.
const mostCloses = 64

// udp adds a datagram to its conversation.
func (a *assembler) udp(p *capture.Packet, at Event) {
	k, swapped := a.keyOf(p)
	if a.again(k, swapped, p, at) {
		return
	}
	c, wanted := a.latest(k, at)
	if !wanted {
		return
	}
	if c == nil {
		// What comes first from a system port to a user port is an answer: the question was not captured.
		answer := p.Src.Port() < 1024 && p.Dst.Port() >= 1024
		c = a.begin(k, swapped, p, !answer, !answer, at)
	}
	c.End = later(c.End, p.Time)
	s := c.side(swapped)
	acked := c.Streams[s.Other()].Sent
	from := c.Streams[s].append(p, at)
	if kept := a.keep(c, p.Time); kept != nil {
		kept[s].add(from, p, acked, at)
	}
}

// icmp joins an error message to the conversation of the packet that it quotes.
func (a *assembler) icmp(p *capture.Packet, at Event) {
	m := p.ICMP
	e := ICMP{Event: at, From: p.Src.Addr(), Type: m.Type, Code: m.Code, PortUnreachable: m.PortUnreachable(), About: Responder}
	k, _ := keyOf(m.InnerSrc.Addr().As16(), m.InnerDst.Addr().As16(), m.InnerSrc.Port(), m.InnerDst.Port(), m.InnerProtocol)
	e.Conversation = a.open[k]
	if c := e.Conversation; c != nil {
		c.cited = true
		if c.Ends[Opener] == m.InnerDst {
			e.About = Opener
		}
		if e.PortUnreachable && c.Unreachable == nil {
			c.Unreachable = &Unreachable{e.Event, e.About}
		}
	}
	a.traffic.ICMP = append(a.traffic.ICMP, e)
}
