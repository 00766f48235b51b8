package dissect

import (
	"encoding/binary"
	"fmt"
	"math"
)

const (
	// leading is how many bytes of an unknown message get fields: headers stand in front.
	leading = 8

	// tellingText is how many letters in a row are hardly chance.
	tellingText = 8
)

// binaryMessage describes a message of no known protocol by its first bytes, by what may be its own
// length, and by how random it looks.
func binaryMessage(data []byte) Dissection {
	s := &sheet{}
	for i := range min(leading, len(data)) {
		s.field(fmt.Sprintf("binary.bytes[%d]", i), fmt.Sprintf("0x%02x", data[i]), i, 1)
	}
	s.lengthPrefix(data)
	s.field("binary.entropy", fmt.Sprintf("%.0f bits a byte", entropy(data)), 0, len(data))
	if len(data) > leading {
		s.part("body", leading, len(data)-leading)
		s.part("body", leading/2, len(data)-leading/2)
	}
	if at, text := longestText(data); len(text) >= tellingText {
		s.field("binary.text", printable(text), at, len(text))
		s.part("text", at, len(text))
		s.say("%d bytes with “%s”", len(data), printable(text[:min(len(text), 60)]))
	} else {
		s.say("%d bytes, beginning %s", len(data), hexBytes(data[:min(len(data), leading)]))
	}
	s.carried(data, 0, 0)
	s.tag("binary")
	return s.done(Binary)
}

// longestText is the longest stretch of ASCII text.
func longestText(data []byte) (at int, text []byte) {
	for from := 0; from < len(data); {
		to := from
		for to < len(data) && data[to] >= ' ' && data[to] <= '~' {
			to++
		}
		if to-from > len(text) {
			at, text = from, data[from:to]
		}
		from = to + 1
	}
	return at, text
}

// lengthPrefix looks for a number near the front that is the length of what follows it, or of all.
func (s *sheet) lengthPrefix(data []byte) {
	for at := 0; at < leading; at++ {
		for _, form := range []struct {
			name string
			size int
			read func([]byte) uint64
		}{
			{"u32 big-endian", 4, func(b []byte) uint64 { return uint64(binary.BigEndian.Uint32(b)) }},
			{"u32 little-endian", 4, func(b []byte) uint64 { return uint64(binary.LittleEndian.Uint32(b)) }},
			{"u16 big-endian", 2, func(b []byte) uint64 { return uint64(binary.BigEndian.Uint16(b)) }},
			{"u16 little-endian", 2, func(b []byte) uint64 { return uint64(binary.LittleEndian.Uint16(b)) }},
		} {
			if at+form.size > len(data) {
				continue
			}
			n := form.read(data[at:])
			if n > 3 && (n == uint64(len(data)) || n == uint64(len(data)-at-form.size)) {
				s.field("binary.length", form.name, at, form.size)
				s.part("body", at+form.size, len(data)-at-form.size)
				s.carried(data[at+form.size:], at+form.size, 0)
				return
			}
		}
	}
}

// entropy is Shannon's, of the bytes, in bits.
func entropy(data []byte) float64 {
	var count [256]int
	for _, b := range data {
		count[b]++
	}
	h := 0.0
	for _, n := range count {
		if n > 0 {
			p := float64(n) / float64(len(data))
			h -= p * math.Log2(p)
		}
	}
	return h
}
