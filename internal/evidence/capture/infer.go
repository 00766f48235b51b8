package capture

// A packet list shows ports and sequence numbers only in rows that no higher protocol explains: a TLS
// row says "Certificate" and its length. What is missing follows from the TCP rows of the same two
// endpoints around it: the ports from the nearest one; the payload's length from the frame's, because
// the headers before it take as many bytes as in its neighbours; and the sequence numbers, because each
// side's bytes follow one another and the other side says how many it has received.

// inferFlows completes the rows of a list that don't tell everything themselves.
func inferFlows(packets []Packet) {
	inferPorts(packets)
	flows := map[listFlow][]*Packet{}
	for i := range packets {
		if p := &packets[i]; p.Protocol == TCP || p.Protocol == UDP {
			key := flowOf(p)
			flows[key] = append(flows[key], p)
		}
	}
	for _, flow := range flows {
		inferLengths(flow)
		if flow[0].Protocol == TCP {
			inferSequence(flow)
		}
	}
}

// listEnd is one end of a row, by name as printed.
type listEnd struct {
	name string
	port uint16
}

// listFlow is a conversation's two ends, the lesser first, so that both directions have one key.
type listFlow struct {
	a, b     listEnd
	protocol uint8
}

func (p *Packet) listEnds() (src, dst listEnd) {
	return listEnd{p.Listed.Source, p.Src.Port()}, listEnd{p.Listed.Destination, p.Dst.Port()}
}

func flowOf(p *Packet) listFlow {
	a, b := p.listEnds()
	if b.name < a.name || b.name == a.name && b.port < a.port {
		a, b = b, a
	}
	return listFlow{a, b, p.Protocol}
}

// inferPorts gives a row without ports those of the nearest row between the same two names: the one
// before it wherever there is one, else the one after it.
func inferPorts(packets []Packet) {
	for _, backward := range []bool{false, true} {
		nearest := map[listFlow]*Packet{}
		for i := range packets {
			p := &packets[i]
			if backward {
				p = &packets[len(packets)-1-i]
			}
			key := namesOf(p)
			if p.Src.Port() != 0 || p.Dst.Port() != 0 {
				nearest[key] = p
			} else if n := nearest[key]; n != nil {
				p.adoptPorts(n)
			}
		}
	}
}

// namesOf is a row's flow as if it had no ports.
func namesOf(p *Packet) listFlow {
	a, b := p.Listed.Source, p.Listed.Destination
	if b < a {
		a, b = b, a
	}
	return listFlow{listEnd{name: a}, listEnd{name: b}, p.Protocol}
}

func (p *Packet) adoptPorts(n *Packet) {
	if n.Listed.Source == p.Listed.Source {
		p.setPorts(n.Src.Port(), n.Dst.Port())
	} else {
		p.setPorts(n.Dst.Port(), n.Src.Port())
	}
}

// plainHeaders is what Ethernet, IPv4 and TCP take without options.
const plainHeaders = 14 + 20 + 20

// inferLengths concludes payload lengths from frame lengths. Rows that tell their Len show what the
// headers take; Ethernet pads the shortest frames, so the least seen is taken.
func inferLengths(flow []*Packet) {
	headers := -1
	for _, p := range flow {
		if over := p.Listed.Length - p.Length; !p.Listed.Inferred && !p.Flags.Has(SYN) && (headers < 0 || over < headers) {
			headers = over
		}
	}
	if headers < 0 {
		headers = plainHeaders
		if flow[0].Protocol == UDP {
			headers -= 12
		}
	}
	for _, p := range flow {
		if p.Listed.Inferred {
			p.Length = max(p.Listed.Length-headers, 0)
		}
	}
}

// inferSequence concludes sequence numbers: each side's next byte is known from the flow's start on, and
// every row moves it.
func inferSequence(flow []*Packet) {
	next := firstBytes(flow)
	for _, p := range flow {
		s := sideOf(flow, p)
		if p.Listed.Inferred {
			p.Flags |= ACK
			p.Seq, p.Ack = next[s], next[1-s]
		}
		if end := p.Seq + uint32(p.Length) + p.Flags.sequenceNumbers(); int32(end-next[s]) > 0 {
			next[s] = end
		}
	}
}

// sideOf is 0 for packets from the sender of the flow's first one and 1 for the others.
func sideOf(flow []*Packet, p *Packet) int {
	if first, _ := flow[0].listEnds(); first != (listEnd{p.Listed.Source, p.Src.Port()}) {
		return 1
	}
	return 0
}

// firstBytes is the sequence number of each side's first byte in the flow: the first number that a row
// tells, sent or acknowledged, less the bytes of the rows before it.
func firstBytes(flow []*Packet) (first [2]uint32) {
	var known [2]bool
	var sent [2]uint32
	tell := func(side int, number uint32) {
		if !known[side] {
			known[side], first[side] = true, number-sent[side]
		}
	}
	for _, p := range flow {
		s := sideOf(flow, p)
		if !p.Listed.Inferred {
			tell(s, p.Seq)
			if p.Flags.Has(ACK) {
				tell(1-s, p.Ack)
			}
		}
		sent[s] += uint32(p.Length)
	}
	return first
}

// sequenceNumbers is how many numbers the flags take up: SYN and FIN one each.
func (f Flags) sequenceNumbers() uint32 { return uint32(f>>1&1) + uint32(f&1) }
