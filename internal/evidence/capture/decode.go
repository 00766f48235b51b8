package capture

import (
	"encoding/binary"
	"net/netip"
)

// LinkType is what a frame begins with: a LINKTYPE_ number of https://www.tcpdump.org/linktypes.html.
type LinkType uint16

// Link types that are understood.
const (
	Null       LinkType = 0 // BSD loopback: the family in the capturing host's byte order
	Ethernet   LinkType = 1
	PPP        LinkType = 9
	RawBSD     LinkType = 12  // raw IP, as most systems' DLT_RAW was written by mistake
	RawOpenBSD LinkType = 14  // the same on OpenBSD
	PPPSerial  LinkType = 50  // PPP in HDLC's framing, or Cisco's
	PPPEther   LinkType = 51  // PPP over Ethernet, without Ethernet's own header
	Raw        LinkType = 101 // IPv4 or IPv6, as the first four bits say
	Loop       LinkType = 108 // OpenBSD loopback: the family in big-endian
	Cooked     LinkType = 113 // Linux "cooked", what -i any wrote
	IPv4Only   LinkType = 228
	IPv6Only   LinkType = 229
	Cooked2    LinkType = 276 // Linux "cooked" v2, what -i any writes

	linkUnknown LinkType = 0xffff
)

// EtherTypes (IEEE 802).
const (
	etherIPv4   = 0x0800
	etherIPv6   = 0x86dd
	etherVLAN   = 0x8100
	etherQinQ   = 0x88a8
	etherOldQnQ = 0x9100
	etherPPPoE  = 0x8864
	etherBridge = 0x6558 // a whole Ethernet frame
)

var big = binary.BigEndian

// decode fills the packet from a frame, as deep as the frame lets it.
func (p *Packet) decode(r record) {
	p.Place = r.place()
	p.network(r.link, r.data, r.wire, 0)
}

// place tells frames apart that were captured at several places of one host: by the interface, and by whether they came in
// or went out, where the link header tells these.
func (r record) place() uint32 {
	switch {
	case r.link == Cooked2 && len(r.data) >= 20:
		return big.Uint32(r.data[4:])<<8 | uint32(r.data[10])
	case r.link == Cooked && len(r.data) >= 16:
		return uint32(big.Uint16(r.data))<<16 | uint32(big.Uint16(r.data[2:]))
	}
	return r.iface
}

// network reads a frame from its link header on. It is called again for what tunnels carry, deeper each time.
func (p *Packet) network(link LinkType, frame []byte, wire, depth int) {
	kind, header := link.network(frame)
	if header < 0 || header > len(frame) {
		return
	}
	p.internet(kind, frame[header:], wire-header, depth)
}

func (p *Packet) internet(kind uint16, b []byte, wire, depth int) {
	switch kind {
	case etherIPv4:
		p.ipv4(b, wire, depth)
	case etherIPv6:
		p.ipv6(b, wire, depth)
	}
}

// network tells what a frame carries, as an EtherType, and how long its link header is; -1 where the
// frame is too short or carries no IP.
func (l LinkType) network(frame []byte) (ether uint16, header int) {
	switch l {
	case Ethernet:
		return tagged(frame, 12)
	case Cooked:
		return tagged(frame, 14)
	case Cooked2:
		if len(frame) < 20 {
			return 0, -1
		}
		return tagType(frame, big.Uint16(frame), 20)
	case Null, Loop:
		return family(frame)
	case PPP, PPPSerial:
		return pointToPoint(frame, 0)
	case PPPEther:
		return pointToPoint(frame, pppoeHeader)
	case Raw, RawBSD, RawOpenBSD, IPv4Only, IPv6Only:
		return version(frame)
	}
	return 0, -1
}

// tagged reads the EtherType at an offset and passes over VLAN tags.
func tagged(frame []byte, at int) (uint16, int) {
	if len(frame) < at+2 {
		return 0, -1
	}
	return tagType(frame, big.Uint16(frame[at:]), at+2)
}

// tagType passes over VLAN tags: each is four bytes, the last two an EtherType again.
func tagType(frame []byte, ether uint16, header int) (uint16, int) {
	for ether == etherVLAN || ether == etherQinQ || ether == etherOldQnQ {
		if len(frame) < header+4 {
			return 0, -1
		}
		ether = big.Uint16(frame[header+2:])
		header += 4
	}
	if ether == etherPPPoE {
		return pointToPoint(frame, header+pppoeHeader)
	}
	return ether, header
}

// pppoeHeader is the length of a PPPoE session's header (RFC 2516, section 4).
const pppoeHeader = 6

// pointToPoint reads PPP's protocol field (RFC 1661, section 2), which HDLC's address and control may stand before
// (RFC 1662, section 3.1).
func pointToPoint(frame []byte, at int) (uint16, int) {
	const ipv4, ipv6 = 0x21, 0x57
	if len(frame) >= at+2 && frame[at] == 0xff && frame[at+1] == 3 {
		at += 2
	}
	if len(frame) < at+2 {
		return 0, -1
	}
	protocol, header := big.Uint16(frame[at:]), at+2
	if frame[at]&1 == 1 { // compressed to one byte
		protocol, header = uint16(frame[at]), at+1
	}
	switch protocol {
	case ipv4:
		return etherIPv4, header
	case ipv6:
		return etherIPv6, header
	}
	return 0, -1
}

// family reads a loopback header. The family is small in one byte order and huge in the other, so the
// order need not be known. IPv6 has another number on each BSD, on macOS and on Linux.
func family(frame []byte) (uint16, int) {
	if len(frame) < 4 {
		return 0, -1
	}
	switch min(big.Uint32(frame), binary.LittleEndian.Uint32(frame)) {
	case 2:
		return etherIPv4, 4
	case 10, 24, 28, 30:
		return etherIPv6, 4
	}
	return 0, -1
}

// version tells IPv4 from IPv6 by the first four bits.
func version(frame []byte) (uint16, int) {
	if len(frame) == 0 {
		return 0, -1
	}
	switch frame[0] >> 4 {
	case 4:
		return etherIPv4, 0
	case 6:
		return etherIPv6, 0
	}
	return 0, -1
}

// ipv4 reads an IPv4 header (RFC 791); wire is how long the packet was before the capture cut it. A
// total length of 0 is what segmentation offload leaves: then the frame's length counts.
func (p *Packet) ipv4(b []byte, wire, depth int) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return
	}
	header, total := int(b[0]&0xf)*4, int(big.Uint16(b[2:]))
	if header < 20 || header > len(b) {
		return
	}
	if total == 0 {
		total = wire
	}
	const moreFragments = 0x2000
	p.Protocol, p.ID = b[9], big.Uint16(b[4:])
	ends := ends{netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))}
	if place := big.Uint16(b[6:]); place&(0x1fff|moreFragments) != 0 {
		p.fragment(b[header:], total-header, ends, uint32(p.ID), int(place&0x1fff)*8, place&moreFragments != 0)
		return
	}
	p.transport(b[header:], total-header, ends, depth)
}

// ends are the addresses of an IP packet.
type ends struct{ src, dst netip.Addr }

// IPv6 extension headers that stand between header and transport (RFC 8200, section 4).
const (
	extHopByHop    = 0
	extRouting     = 43
	extFragment    = 44
	extAuth        = 51
	extDestination = 60
)

// ipv6 reads an IPv6 header and passes over its extension headers. A payload length of 0 is a
// jumbogram's or what segmentation offload leaves.
func (p *Packet) ipv6(b []byte, wire, depth int) {
	if len(b) < 40 || b[0]>>4 != 6 {
		return
	}
	total := int(big.Uint16(b[4:]))
	if total == 0 {
		total = wire - 40
	}
	ends := ends{netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))}
	next, rest := b[6], b[40:]
	for {
		n := 0
		switch {
		case len(rest) < 8:
		case next == extHopByHop || next == extRouting || next == extDestination:
			n = 8 + 8*int(rest[1])
		case next == extAuth:
			n = 8 + 4*int(rest[1])
		case next == extFragment:
			n = 8
			if place := big.Uint16(rest[2:]); place&^6 != 0 { // an atomic fragment is the whole packet
				p.Protocol = rest[0]
				p.fragment(rest[n:], total-n, ends, big.Uint32(rest[4:]), int(place&^7), place&1 != 0)
				return
			}
		}
		if n == 0 || n > len(rest) {
			break
		}
		next, rest, total = rest[0], rest[n:], total-n
	}
	p.Protocol = next
	p.transport(rest, total, ends, depth)
}

// transport reads what is behind the IP header; length is how much of it was sent.
func (p *Packet) transport(b []byte, length int, ends ends, depth int) {
	p.Src, p.Dst = netip.AddrPortFrom(ends.src, 0), netip.AddrPortFrom(ends.dst, 0)
	length = max(length, 0)
	b = b[:min(length, len(b))] // Ethernet pads short packets
	switch p.Protocol {
	case TCP:
		p.tcp(b, length)
	case UDP:
		p.udp(b)
		p.tunnelled(depth)
	case ICMP4, ICMP6:
		p.icmp(b)
	case protocolIPv4, protocolIPv6, protocolGRE:
		p.encapsulated(b, length, depth)
	}
}

// ports reads the two ports that TCP and UDP both begin with; an ICMP error may quote no more of them.
func (p *Packet) ports(b []byte) {
	if len(b) < 4 {
		return
	}
	p.Src = netip.AddrPortFrom(p.Src.Addr(), big.Uint16(b))
	p.Dst = netip.AddrPortFrom(p.Dst.Addr(), big.Uint16(b[2:]))
}

// tcp reads a TCP header (RFC 9293, section 3.1).
func (p *Packet) tcp(b []byte, length int) {
	p.ports(b)
	if len(b) < 20 {
		return
	}
	header := int(b[12]>>4) * 4
	if header < 20 || header > length {
		return
	}
	p.Seq, p.Ack = big.Uint32(b[4:]), big.Uint32(b[8:])
	p.Flags = Flags(b[13])
	p.Window = big.Uint16(b[14:])
	p.Payload = b[min(header, len(b)):]
	p.Length = length - header
}

// udp reads a UDP header (RFC 768). Its length field, unlike IP's, tells the whole datagram's length
// even in the first of several fragments.
func (p *Packet) udp(b []byte) {
	p.ports(b)
	if len(b) < 8 {
		return
	}
	p.Payload = b[8:]
	p.Length = len(p.Payload)
	if n := int(big.Uint16(b[4:])); n >= 8 {
		p.Length = n - 8
		p.Payload = p.Payload[:min(p.Length, len(p.Payload))]
	}
}

// icmp reads an ICMP header (RFC 792, RFC 4443) and, of an error, the addresses and ports of the packet
// that it quotes.
func (p *Packet) icmp(b []byte) {
	if len(b) < 8 {
		return
	}
	m := &ICMP{Type: b[0], Code: b[1], v6: p.Protocol == ICMP6}
	p.ICMP = m
	quotes := m.Type == 3 || m.Type == 4 || m.Type == 5 || m.Type == 11 || m.Type == 12
	if m.v6 {
		quotes = m.Type >= 1 && m.Type <= 4
	}
	if !quotes {
		return
	}
	var inner Packet
	if kind, _ := version(b[8:]); kind == etherIPv4 {
		inner.ipv4(b[8:], len(b)-8, deepest)
	} else if kind == etherIPv6 {
		inner.ipv6(b[8:], len(b)-8, deepest)
	}
	m.InnerSrc, m.InnerDst, m.InnerProtocol = inner.Src, inner.Dst, inner.Protocol
}
