package capture

import (
	"net/netip"
	"slices"
)

// An IP packet that was too large comes in fragments (RFC 791, section 3.2; RFC 8200, section 4.5). It is there when the
// last of them has come. As Linux does, fragments that overlap spoil the whole.

// fragment is one of them, and the frame that it came in.
type fragment struct {
	frame    Packet
	ends     ends
	protocol uint8
	id       uint32
	offset   int
	length   int // as sent
	last     bool
	data     []byte
}

// of tells which packet a fragment is of.
type of struct {
	ends     ends
	protocol uint8
	id       uint32
}

// largestPacket is that of IP, and mostParts and mostWaiting bound what waits for the rest of it.
const (
	largestPacket = 64 << 10
	mostParts     = 256
	mostWaiting   = 256
)

func (p *Packet) fragment(b []byte, length int, ends ends, id uint32, offset int, more bool) {
	p.Src, p.Dst, p.Fragment = netip.AddrPortFrom(ends.src, 0), netip.AddrPortFrom(ends.dst, 0), true
	length = max(length, 0)
	p.part = &fragment{*p, ends, p.Protocol, id, offset, length, !more, b[:min(length, len(b))]}
}

// waiting are the packets that lack fragments, and in which order they began.
type waiting struct {
	packets map[of][]*fragment
	order   []of
}

// add takes a packet that is a fragment, and makes it the whole packet if it was the last that lacked. What can't wait any
// longer is given up as it is.
func (w *waiting) add(p *Packet) (given []Packet) {
	k := of{p.part.ends, p.part.protocol, p.part.id}
	parts, known := w.packets[k]
	if !known {
		if len(w.order) == mostWaiting {
			given = w.give(1)
		}
		if w.packets == nil {
			w.packets = map[of][]*fragment{}
		}
		w.order = append(w.order, k)
	}
	at, again := slices.BinarySearchFunc(parts, p.part.offset, func(f *fragment, offset int) int { return f.offset - offset })
	if again && parts[at].length == p.part.length {
		return given // captured twice
	}
	if len(parts) < mostParts && p.part.offset+p.part.length <= largestPacket {
		parts = slices.Insert(parts, at, p.part)
		w.packets[k] = parts
	}
	if data, length, whole := joined(parts); whole {
		delete(w.packets, k)
		w.order = slices.DeleteFunc(w.order, func(o of) bool { return o == k })
		p.Fragment = false
		p.transport(data, length, p.part.ends, 0)
	}
	return given
}

// give gives up the first n packets that wait: what of each was captured up to the first gap, if it has a beginning.
func (w *waiting) give(n int) (given []Packet) {
	for _, k := range w.order[:n] {
		parts := w.packets[k]
		delete(w.packets, k)
		if len(parts) > 0 && parts[0].offset == 0 {
			p := parts[0].frame
			data, _, _ := joined(parts)
			p.Fragment, p.Again = false, true
			p.transport(data, len(data), k.ends, 0)
			given = append(given, p)
		}
	}
	w.order = w.order[n:]
	return given
}

// joined is what the fragments make, as far as it was captured without a gap, and how long that was as sent.
func joined(parts []*fragment) (data []byte, length int, whole bool) {
	cut := false
	for _, f := range parts {
		if f.offset != length {
			return data, length, false
		}
		if !cut {
			data = append(data, f.data...)
			cut = len(f.data) < f.length
		}
		length += f.length
	}
	return data, length, len(parts) > 0 && parts[len(parts)-1].last
}
