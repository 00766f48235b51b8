package dissect

import (
	"fmt"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// Universal tags (X.690, section 8.1.2; X.680, section 8.4).
const (
	berBoolean     = 0x01
	berInteger     = 0x02
	berOctetString = 0x04
	berNull        = 0x05
	berOID         = 0x06
	berEnumerated  = 0x0a
	berSequence    = 0x30
)

// berElement is an element of the Basic Encoding Rules: its identifier, where it begins, and its content.
type berElement struct {
	tag int // the identifier octet; of a long one the first octet is 0x1f below what follows
	at  int
	*cursor.Reader
}

// end is where in the message the element ends, before its content is read.
func (e berElement) end() int { return offset(e.Reader) + e.Len() }

// content looks at all of an element's content.
func (e berElement) content() (b []byte, at int) { return peek(e.Reader), offset(e.Reader) }

// element reads an element (X.690, section 8.1). A length that claims more than there is gets what there is.
func (s *sheet) element(r *cursor.Reader) berElement {
	at := offset(r)
	tag := int(r.Uint8())
	for n := 0; tag&0x1f == 0x1f && n < 3; n++ {
		tag = tag<<8 | int(r.Uint8())
	}
	n, known := berLength(r)
	if r.Err() == nil {
		switch {
		case !known:
			s.malformed(at+1, "expected a definite length of at most 8 bytes")
			n = uint64(r.Len())
		case n > uint64(r.Len()):
			s.malformed(at+1, "element %02x claims %d bytes, %d are there", tag, n, r.Len())
			n = uint64(r.Len())
		}
	}
	begin := offset(r)
	e := berElement{tag, at, open("BER element", begin, r.Bytes(n))}
	if r.Err() != nil { // it isn't there, nor is what it should hold
		e.Fail("%v", r.Err())
	}
	return e
}

// berLength reads a length in its definite form (section 8.1.3).
func berLength(r *cursor.Reader) (n uint64, known bool) {
	first := r.Uint8()
	if first < 0x80 {
		return uint64(first), true
	}
	if first == 0x80 || first > 0x88 {
		return 0, false
	}
	for range first & 0x7f {
		n = n<<8 | uint64(r.Uint8())
	}
	return n, true
}

// expect reads an element that must be of one of some tags. One of another is noted, and read as if it were.
func (s *sheet) expect(r *cursor.Reader, name string, tags ...int) berElement {
	ended := r.Err() != nil
	e := s.element(r)
	for _, tag := range tags {
		if e.tag == tag {
			return e
		}
	}
	switch {
	case r.Err() == nil:
		s.malformed(e.at, "expected %s with tag %02x, found tag %02x", name, tags[0], e.tag)
	case !ended:
		s.malformed(e.at, "expected %s, found the end of what holds it", name)
	}
	return e
}

// berNumber is an integer of at most eight bytes.
func berNumber(content []byte) (n int64, ok bool) {
	if len(content) == 0 || len(content) > 8 {
		return 0, false
	}
	n = int64(int8(content[0]))
	for _, b := range content[1:] {
		n = n<<8 | int64(b)
	}
	return n, true
}

// integer keeps an element's content as a number.
func (s *sheet) integer(e berElement, name string, says func(n int) string) int {
	content, at := e.content()
	n, ok := berNumber(content)
	switch {
	case ok:
		s.field(name, says(int(n)), at, len(content))
	case e.Err() == nil:
		s.field(name, hexBytes(content), at, len(content))
		s.malformed(e.at, "%s has %d bytes", name, len(content))
	}
	return int(n)
}

// octets keeps an element's content as text or as bytes, and as a part.
func (s *sheet) octets(e berElement, name string, says func([]byte) string) []byte {
	content, at := e.content()
	s.field(name, says(content), at, len(content))
	_, word, _ := strings.Cut(name, ".")
	s.part(words(snake(word)), at, len(content))
	return content
}

func boolean(n int) string { return fmt.Sprint(n != 0) }

// berOIDText shows an object identifier (section 8.19).
func berOIDText(content []byte) string {
	var b strings.Builder
	n, first := uint64(0), true
	for _, octet := range content {
		n = n<<7 | uint64(octet&0x7f)
		if octet >= 0x80 {
			continue
		}
		if first {
			root := min(n/40, 2)
			fmt.Fprintf(&b, "%d", root)
			n, first = n-root*40, false
		}
		if b.Len() > 400 {
			return b.String() + "…"
		}
		fmt.Fprintf(&b, ".%d", n)
		n = 0
	}
	return b.String()
}
