package dissect

import (
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/net/http2/hpack"
)

// hpackTable is one side's header compression (RFC 7541), and the header block that it is in the middle of.
type hpackTable struct {
	decoder *hpack.Decoder
	found   []hpack.HeaderField
	whole   bool   // it has been followed from the connection's beginning
	partial []byte // of a representation that ended with the message
	stream  int    // whose header block goes on; 0 if none does
}

const (
	// tableMost bounds the table; sides that agree on more are not followed.
	tableMost = 64 << 10

	// tableUsual is its size before the sides agree on another (RFC 9113, section 6.5.2).
	tableUsual = 4096

	// partialMost bounds what is carried of a representation.
	partialMost = carryMost

	// nameUnknown stands for an entry that was made before the capture began.
	nameUnknown = "unknown"
)

func newHPACKTable(whole bool) *hpackTable {
	t := &hpackTable{whole: whole}
	t.decoder = hpack.NewDecoder(tableUsual, func(f hpack.HeaderField) { t.found = append(t.found, f) })
	t.decoder.SetAllowedMaxDynamicTableSize(tableMost)
	t.decoder.SetMaxStringLength(gatheredMost)
	return t
}

// representation is one of a header block's (RFC 7541, section 6).
type representation struct {
	length      int    // of all of it
	index       uint64 // of the entry that gives the field or its name; 0 for none
	indexed     bool   // the entry is the whole field
	remembered  bool   // it enters the table
	sizeUpdate  bool
	value       int // where the value's length stands
	valueBegin  int
	valueLength int
	huffman     bool // the value's bytes are coded
}

// nextRepresentation reads the representation that data begins with; ok is false if it is not there whole.
func nextRepresentation(data []byte) (r representation, ok bool) {
	prefix := 4
	switch b := data[0]; {
	case b&0x80 != 0:
		prefix, r.indexed = 7, true
	case b&0xc0 == 0x40:
		prefix, r.remembered = 6, true
	case b&0xe0 == 0x20:
		prefix, r.sizeUpdate = 5, true
	}
	if r.index, r.length, ok = hpackInteger(data, prefix); !ok || r.indexed || r.sizeUpdate {
		return r, ok
	}
	if r.index == 0 {
		if _, _, r.length, _, ok = hpackString(data, r.length); !ok {
			return r, false
		}
	}
	r.value = r.length
	r.valueBegin, r.valueLength, r.length, r.huffman, ok = hpackString(data, r.length)
	return r, ok
}

// hpackInteger reads an integer with a prefix of some bits (RFC 7541, section 5.1).
func hpackInteger(data []byte, prefix int) (v uint64, n int, ok bool) {
	if len(data) == 0 {
		return 0, 0, false
	}
	most := uint64(1)<<prefix - 1
	if v = uint64(data[0]) & most; v < most {
		return v, 1, true
	}
	more, n := binary.Uvarint(data[1:min(len(data), 6)])
	return v + more, 1 + n, n > 0
}

// hpackString reads a string literal at an offset (RFC 7541, section 5.2).
func hpackString(data []byte, at int) (begin, length, end int, huffman, ok bool) {
	size, n, ok := hpackInteger(data[at:], 7)
	begin = at + n
	if !ok || size > uint64(len(data)-begin) {
		return begin, 0, at, false, false
	}
	return begin, int(size), begin + int(size), data[at]&0x80 != 0, true
}

// read decodes one representation. The entry that it refers to may be unknown; the field then has no name, and
// takes its place in the table nevertheless.
func (t *hpackTable) read(data []byte, r representation) (f hpack.HeaderField, known bool, err error) {
	t.found = t.found[:0]
	if _, err = t.decoder.Write(data[:r.length]); err == nil && len(t.found) == 1 {
		return t.found[0], true, nil
	}
	if _, unknown := err.(hpack.DecodingError); !unknown || r.index == 0 || r.sizeUpdate {
		return f, false, err
	}
	if r.indexed {
		return hpack.HeaderField{Name: nameUnknown}, false, nil
	}
	first := byte(0)
	if r.remembered {
		first = 0x40
	}
	_, err = t.decoder.Write(slices.Concat([]byte{first, byte(len(nameUnknown))}, []byte(nameUnknown), data[r.value:r.length]))
	if len(t.found) == 1 {
		f = t.found[0]
	}
	return f, false, err
}

// headerBlock is what a block said, for the summary.
type headerBlock struct{ method, path, status, contentType string }

// block reads the header fields of a block, or of as much of it as the message holds. What is cut at its end is
// kept for the next message.
func (s *sheet) block(t *hpackTable, data []byte, complete bool) (b headerBlock) {
	for at := 0; at < len(data); {
		r, ok := nextRepresentation(data[at:])
		if !ok || r.length == 0 {
			if complete || len(data)-at > partialMost {
				s.malformed(at, "a header block ends within a field")
			} else {
				t.partial = slices.Clone(data[at:])
			}
			break
		}
		s.representation(t, data[at:at+r.length], r, at, &b)
		at += r.length
	}
	if complete {
		t.decoder.Close()
	}
	return b
}

func (s *sheet) representation(t *hpackTable, data []byte, r representation, at int, b *headerBlock) {
	f, known, err := t.read(data, r)
	switch {
	case s.full():
		return
	case err != nil:
		s.malformed(at, "header compression: %v", err)
		t.whole = false
		return
	case r.sizeUpdate:
		s.field("http2.table_size", fmt.Sprint(r.index), at, r.length)
		return
	case !known && t.whole:
		s.malformed(at, "entry %d is not in the table", r.index)
	case !known && r.indexed:
		f.Value = fmt.Sprintf("entry %d, of before the capture", r.index)
	case !known:
		f.Value += fmt.Sprintf(" (named by entry %d, of before the capture)", r.index)
	}
	s.field("http2.header."+shortName([]byte(f.Name)), printable([]byte(f.Value)), at, r.length)
	s.tag("header", f.Name[:min(len(f.Name), 40)])
	s.literal(f, r, at)
	b.note(f)
}

// literal keeps the value of a field that is there in full, and reads what it carries.
func (s *sheet) literal(f hpack.HeaderField, r representation, at int) {
	if r.indexed {
		return
	}
	begin := at + r.valueBegin
	read := func(at int) {
		if f.Name == ":path" {
			s.target([]byte(f.Value), at)
			return
		}
		s.headerValue([]byte(f.Value), at)
	}
	if !r.huffman {
		s.part("header value", begin, r.valueLength)
		read(begin)
		return
	}
	s.decoded("header value", begin, r.valueLength, []byte(f.Value))
	s.moved(within(begin, r.valueLength), func() { read(0) })
}

func (b *headerBlock) note(f hpack.HeaderField) {
	switch f.Name {
	case ":method":
		b.method = f.Value
	case ":path":
		b.path = f.Value
	case ":status":
		b.status = f.Value
	case "content-type":
		b.contentType = f.Value
	}
}
