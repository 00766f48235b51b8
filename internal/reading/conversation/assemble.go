package conversation

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/inquest-project/inquest/internal/evidence/capture"
)

// Assemble reads captures to their ends, one after another, and rebuilds the conversations in them.
func Assemble(files ...*capture.File) *Traffic {
	t := &Traffic{}
	for _, f := range files {
		a := assembler{traffic: t, capture: f.Name, open: map[key]*Conversation{}}
		for p := range f.Packets() {
			a.packet(&p)
		}
		t.Damage = append(t.Damage, f.Damage()...)
		t.Dropped += f.Dropped
	}
	for _, c := range t.Conversations {
		c.Streams[Opener].finish(c.Transport)
		c.Streams[Responder].finish(c.Transport)
	}
	return t
}

// assembler rebuilds one capture.
type assembler struct {
	traffic *Traffic
	capture string
	open    map[key]*Conversation // the latest on each pair of ends
}

// end is one end of a packet; a packet list may know only its name.
type end struct {
	addr netip.AddrPort
	name string
}

// key is a packet's two ends, the lesser first, so that both directions have the same.
type key struct {
	a, b     end
	protocol uint8
}

func keyOf(src, dst end, protocol uint8) key {
	order := src.addr.Compare(dst.addr)
	if order > 0 || order == 0 && strings.Compare(src.name, dst.name) > 0 {
		src, dst = dst, src
	}
	return key{src, dst, protocol}
}

func packetKey(p *capture.Packet) key {
	src, dst := end{addr: p.Src}, end{addr: p.Dst}
	if p.Listed != nil {
		src.name, dst.name = p.Listed.Source, p.Listed.Destination
	}
	return keyOf(src, dst, p.Protocol)
}

func (a *assembler) packet(p *capture.Packet) {
	t := a.traffic
	t.Packets++
	if t.First.IsZero() || p.Time.Before(t.First) {
		t.First = p.Time
	}
	if p.Time.After(t.Last) {
		t.Last = p.Time
	}
	switch {
	case p.Fragment:
	case p.Protocol == capture.TCP && (p.Flags != 0 || p.Length > 0):
		a.tcp(p)
	case p.Protocol == capture.UDP && (p.Src.Port() != 0 || p.Dst.Port() != 0 || p.Listed != nil):
		a.udp(p)
	case p.ICMP != nil && p.ICMP.InnerDst.IsValid():
		a.icmp(p)
	}
}

// begin starts a conversation with a packet. Without a handshake the opener is guessed.
func (a *assembler) begin(k key, p *capture.Packet, opener, known bool) *Conversation {
	c := &Conversation{Capture: a.capture, Transport: "tcp", OpenerKnown: known, Start: p.Time, End: p.Time}
	if p.Protocol == capture.UDP {
		c.Transport = "udp"
	}
	src, dst := p.Src, p.Dst
	names := [2]string{printable(src, ""), printable(dst, "")}
	if p.Listed != nil {
		names = [2]string{printable(src, p.Listed.Source), printable(dst, p.Listed.Destination)}
	}
	c.Ends, c.Names = [2]netip.AddrPort{src, dst}, names
	if !opener {
		c.Ends, c.Names = [2]netip.AddrPort{dst, src}, [2]string{names[1], names[0]}
	}
	a.open[k] = c
	a.traffic.Conversations = append(a.traffic.Conversations, c)
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
func (a *assembler) tcp(p *capture.Packet) {
	k := packetKey(p)
	c := a.open[k]
	syn, ack := p.Flags.Has(capture.SYN), p.Flags.Has(capture.ACK)
	switch {
	case c != nil && syn && !ack && c.reused(p):
		c = a.begin(k, p, true, true)
	case c == nil && syn:
		c = a.begin(k, p, !ack, true)
	case c == nil:
		// The side with the lower port is taken for the server: the other's is an ephemeral one.
		c = a.begin(k, p, p.Src.Port() >= p.Dst.Port(), false)
	}
	c.segment(p)
	if p.Flags.Has(capture.RST) && c.refusedBy(c.side(p)) {
		c.Refused = true
		a.traffic.Refusals = append(a.traffic.Refusals, Refusal{eventOf(p), c.Ends[c.side(p)], c})
	}
}

// reused says whether a SYN begins a new connection on the ports of an old one, and does not repeat the
// old one's SYN.
func (c *Conversation) reused(p *capture.Packet) bool {
	s := c.side(p)
	if c.synSeen[s] {
		return c.isn[s] != p.Seq
	}
	return true // the old one was met in the middle, or opened by the other side
}

// refusedBy says whether all that a side ever did was to answer the other's SYN by RST.
func (c *Conversation) refusedBy(s Side) bool {
	return !c.Refused && c.synSeen[s.Other()] && !c.synSeen[s] && !c.Spoke(s) && !c.Spoke(s.Other())
}

// segment takes over what one TCP segment says.
func (c *Conversation) segment(p *capture.Packet) {
	s := c.side(p)
	out, in := &c.Streams[s], &c.Streams[s.Other()]
	c.End = p.Time
	seq := p.Seq
	if p.Flags.Has(capture.SYN) {
		c.synSeen[s], c.isn[s] = true, p.Seq
		seq++ // the SYN takes the first number
		out.begin(seq)
	}
	rst := p.Flags.Has(capture.RST)
	if !rst {
		out.begin(seq)
	}
	acked := in.Acked
	if p.Flags.Has(capture.ACK) {
		if !rst {
			in.begin(p.Ack)
		}
		acked = in.acknowledge(p.Ack, p.Time)
	}
	if p.Length > 0 && !rst { // a RST's payload, if any, is a diagnostic (RFC 9293, section 3.10.7.3)
		out.add(seq, p, acked)
	}
	if rst || p.Flags.Has(capture.FIN) {
		c.Closes = append(c.Closes, Close{Side: s, RST: rst, Event: eventOf(p), Seq: p.Seq, Ack: p.Ack,
			Acked: in.Acked, Arrived: in.Sent})
	}
	if p.Flags.Has(capture.FIN) && !rst {
		out.closed = true
	}
}

// udp adds a datagram to its conversation.
func (a *assembler) udp(p *capture.Packet) {
	k := packetKey(p)
	c := a.open[k]
	if c == nil {
		// What comes first from a system port to a user port is an answer: the question was not captured.
		answer := p.Src.Port() < 1024 && p.Dst.Port() >= 1024
		c = a.begin(k, p, !answer, !answer)
	}
	c.End = p.Time
	s := c.side(p)
	c.Streams[s].append(p, c.Streams[s.Other()].Sent)
}

// icmp joins an error message to the conversation of the packet that it quotes.
func (a *assembler) icmp(p *capture.Packet) {
	m := p.ICMP
	e := ICMP{Event: eventOf(p), From: p.Src.Addr(), Type: m.Type, Code: m.Code, PortUnreachable: m.PortUnreachable(), About: Responder}
	e.Conversation = a.open[keyOf(end{addr: m.InnerSrc}, end{addr: m.InnerDst}, m.InnerProtocol)]
	if c := e.Conversation; c != nil {
		if c.Ends[Opener] == m.InnerDst {
			e.About = Opener
		}
		if e.PortUnreachable && c.Unreachable == nil {
			c.Unreachable = &Unreachable{e.Event, e.About}
		}
	}
	a.traffic.ICMP = append(a.traffic.ICMP, e)
}

func eventOf(p *capture.Packet) Event { return Event{p.Frame, p.Time} }
