package capture

// Tunnels that carry what a daemon said inside of what its host sent. The conversation inside is what counts.
const (
	protocolIPv4 = 4 // IP in IP (RFC 2003)
	protocolIPv6 = 41
	protocolGRE  = 47 // RFC 2784, RFC 2890

	portVXLAN      = 4789 // RFC 7348
	portVXLANLinux = 8472 // Linux's own, from before the port was assigned
	portGeneve     = 6081 // RFC 8926

	// deepest is how many tunnels may lie inside one another.
	deepest = 4
)

// encapsulated opens a packet whose IP header is followed by a tunnel's.
func (p *Packet) encapsulated(b []byte, length, depth int) {
	kind, header := uint16(etherIPv4), 0
	switch p.Protocol {
	case protocolIPv6:
		kind = etherIPv6
	case protocolGRE:
		kind, header = genericRouting(b)
	}
	if header >= 0 && header <= len(b) {
		p.inside(kind, b[header:], length-header, depth)
	}
}

// genericRouting reads a GRE header: its flags tell which fields are there.
func genericRouting(b []byte) (kind uint16, header int) {
	const checksum, key, sequence, acknowledged, version, pointToPointTunnel = 0x8000, 0x2000, 0x1000, 0x0080, 7, 0x880b
	if len(b) < 4 {
		return 0, -1
	}
	flags, kind, header := big.Uint16(b), big.Uint16(b[2:]), 4
	for _, f := range []uint16{checksum, key, sequence} {
		if flags&f != 0 {
			header += 4
		}
	}
	if flags&version == 1 && flags&acknowledged != 0 {
		header += 4
	}
	if kind == pointToPointTunnel && header <= len(b) {
		return pointToPoint(b, header)
	}
	return kind, header
}

// tunnelled opens a datagram that carries Ethernet frames: its port says so, and its header agrees.
func (p *Packet) tunnelled(depth int) {
	const vxlanHeader, vniValid = 8, 0x08
	switch b := p.Payload; p.Dst.Port() {
	case portVXLAN, portVXLANLinux:
		if len(b) > vxlanHeader && b[0] == vniValid && b[7] == 0 {
			p.inside(etherBridge, b[vxlanHeader:], p.Length-vxlanHeader, depth)
		}
	case portGeneve:
		if len(b) < 8 || b[0]>>6 != 0 {
			return
		}
		if header := 8 + 4*int(b[0]&0x3f); header <= len(b) {
			p.inside(big.Uint16(b[2:]), b[header:], p.Length-header, depth)
		}
	}
}

// inside puts what a tunnel carries in the place of the packet, if it is IP.
func (p *Packet) inside(kind uint16, b []byte, wire, depth int) {
	if depth >= deepest {
		return
	}
	inner := Packet{Frame: p.Frame, Time: p.Time, Place: p.Place}
	if kind == etherBridge {
		inner.network(Ethernet, b, wire, depth+1)
	} else {
		inner.internet(kind, b, wire, depth+1)
	}
	if inner.Protocol != 0 {
		*p = inner
	}
}
