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
	RawBSD     LinkType = 12  // raw IP, as most systems' DLT_RAW was written by mistake
	RawOpenBSD LinkType = 14  // the same on OpenBSD
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
)

var big = binary.BigEndian

// decode fills the packet from a frame, as deep as the frame lets it.
func (p *Packet) decode(r record) {
	kind, header := r.link.network(r.data)
	if header < 0 || header > len(r.data) {
		return
	}
	switch kind {
	case etherIPv4:
		p.ipv4(r.data[header:], r.wire-header)
	case etherIPv6:
		p.ipv6(r.data[header:], r.wire-header)
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
	return ether, header
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
func (p *Packet) ipv4(b []byte, wire int) {
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
	p.Protocol = b[9]
	src, dst := netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
	fragment := big.Uint16(b[6:]) & 0x1fff
	p.transport(b[header:], total-header, src, dst, fragment != 0)
}

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
func (p *Packet) ipv6(b []byte, wire int) {
	if len(b) < 40 || b[0]>>4 != 6 {
		return
	}
	total := int(big.Uint16(b[4:]))
	if total == 0 {
		total = wire - 40
	}
	src, dst := netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
	next, rest, fragment := b[6], b[40:], false
	for !fragment {
		n := 0
		switch {
		case len(rest) < 8:
		case next == extHopByHop || next == extRouting || next == extDestination:
			n = 8 + 8*int(rest[1])
		case next == extAuth:
			n = 8 + 4*int(rest[1])
		case next == extFragment:
			n = 8
			fragment = big.Uint16(rest[2:])&^7 != 0
		}
		if n == 0 || n > len(rest) {
			break
		}
		next, rest, total = rest[0], rest[n:], total-n
	}
	p.Protocol = next
	p.transport(rest, total, src, dst, fragment)
}

// transport reads what is behind the IP header; length is how much of it was sent.
func (p *Packet) transport(b []byte, length int, src, dst netip.Addr, fragment bool) {
	p.Src, p.Dst = netip.AddrPortFrom(src, 0), netip.AddrPortFrom(dst, 0)
	length = max(length, 0)
	b = b[:min(length, len(b))] // Ethernet pads short packets
	switch {
	case fragment:
		p.Fragment = true
	case p.Protocol == TCP:
		p.tcp(b, length)
	case p.Protocol == UDP:
		p.udp(b)
	case p.Protocol == ICMP4 || p.Protocol == ICMP6:
		p.icmp(b)
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
		inner.ipv4(b[8:], len(b)-8)
	} else if kind == etherIPv6 {
		inner.ipv6(b[8:], len(b)-8)
	}
	m.InnerSrc, m.InnerDst, m.InnerProtocol = inner.Src, inner.Dst, inner.Protocol
}
