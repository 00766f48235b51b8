package dissect

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What values carry is read as long as it is convincingly what it seems, within these bounds.
const (
	valuesMost = 512     // fields of a message
	nestedMost = 6       // values in values
	valueMost  = 1 << 20 // bytes of one value
)

// value keeps a field of what a value carries, and says whether there is room for more.
func (s *sheet) value(name, value string, offset, length int) bool {
	if s.values >= valuesMost {
		return false
	}
	s.values++
	s.field(name, value, offset, length)
	return true
}

// content reads a body as what its type says, or as what it looks like.
func (s *sheet) content(kind string, data []byte, at int) {
	switch {
	case strings.HasPrefix(kind, "application/x-www-form-urlencoded"):
		s.pairs("http.form", data, at)
	case strings.HasPrefix(kind, "multipart/"):
		s.multipart(data, at)
	case strings.HasPrefix(kind, "application/grpc"):
		s.grpc(data, at)
	case strings.Contains(kind, "protobuf"):
		s.tag("protobuf")
		s.protobuf("protobuf", data, at, 0)
	case strings.Contains(kind, "json"):
		s.json(data, at, 0)
	default:
		s.carried(data, at, 0)
	}
}

// carried reads what some bytes carry, where that is beyond doubt.
func (s *sheet) carried(data []byte, at, depth int) {
	if depth > nestedMost || s.values >= valuesMost || len(data) > valueMost || len(data) == 0 {
		return
	}
	switch {
	case isJSON(data):
		s.json(data, at, depth)
	case s.base64(data, at, depth):
	case isProtobuf(data):
		s.tag("protobuf")
		s.protobuf("protobuf", data, at, depth)
	}
}

// within places everything in one range: of bytes whose order is lost on the way.
func within(at, size int) func(int, int) (int, int) {
	return func(int, int) (int, int) { return at, size }
}

// pairs reads name=value&name=value.
func (s *sheet) pairs(prefix string, data []byte, at int) {
	for more := true; more && !s.full(); {
		var pair []byte
		pair, data, more = bytes.Cut(data, []byte("&"))
		name, value, _ := bytes.Cut(pair, []byte("="))
		if len(name) > 0 {
			s.field(prefix+"."+shortName(name), printable(value), at+len(name), max(0, len(pair)-len(name)))
			s.field(prefix+".name", printable(name), at, len(name))
			s.part("field name", at, len(name))
			s.part("field value", at+len(name)+1, len(value))
			s.escaped(value, at+len(name)+1)
		}
		at += len(pair) + 1
	}
}

// escaped reads what a value carries that may be percent-encoded.
func (s *sheet) escaped(value []byte, at int) {
	if !bytes.ContainsAny(value, "%+") {
		s.carried(value, at, 1)
		return
	}
	if plain, err := url.QueryUnescape(string(value)); err == nil && len(value) <= valueMost {
		s.decoded("field value", at, len(value), []byte(plain))
		s.moved(within(at, len(value)), func() { s.carried([]byte(plain), 0, 1) })
	}
}

// headerValue reads what the words of a header's value carry: credentials, tokens.
func (s *sheet) headerValue(value []byte, at int) {
	const most = 16 // words
	for from, n := 0, 0; from < len(value) && n < most; n++ {
		end := len(value)
		if i := bytes.IndexAny(value[from:], " ;,."); i >= 0 {
			end = from + i
		}
		word := value[from:end]
		if i := bytes.IndexByte(word, '='); i > 0 && len(bytes.TrimRight(word[i:], "=")) > 0 {
			from, word = from+i+1, word[i+1:]
		}
		s.base64(word, at+from, 1)
		from = end + 1
	}
}

// Base64 shorter than this may be a word.
const base64Least = 16

var base64Begins = regexp.MustCompile(`^[0-9A-Za-z+/_-]+=*$`)

// base64 reads what base64 (RFC 4648) carries, and says whether it is that: what it decodes to is text, or it
// has the padding and the mixture of characters that nothing else has.
func (s *sheet) base64(data []byte, at, depth int) bool {
	if len(data) < base64Least || len(data) > valueMost || !base64Begins.Match(data[:base64Least]) {
		return false
	}
	digits := bytes.TrimRight(data, "=")
	encoding := base64.RawStdEncoding
	if bytes.ContainsAny(digits, "-_") {
		encoding = base64.RawURLEncoding
	}
	plain := make([]byte, encoding.DecodedLen(len(digits)))
	if _, err := encoding.Strict().Decode(plain, digits); err != nil || len(data)-len(digits) > 2 || bytes.ContainsAny(digits, "\r\n") {
		return false
	}
	padded := len(data) > len(digits) && len(data)%4 == 0
	if !isPrintable(plain) && !(padded && mixed(digits)) {
		return false
	}
	says := printable(plain)
	if !isPrintable(plain) {
		says = hexBytes(plain)
	}
	s.tag("base64")
	s.value("base64", says, at, len(data))
	s.decoded("base64", at, len(data), plain)
	s.moved(digitsAt(at), func() { s.carried(plain, 0, depth+1) })
	return true
}

// digitsAt places bytes in the digits of base64, at an offset, that carry them.
func digitsAt(at int) func(int, int) (int, int) {
	return func(offset, length int) (int, int) {
		begin := offset * 4 / 3
		return at + begin, (offset+length)*4/3 + min(1, (offset+length)%3) - begin
	}
}

// mixed says whether digits of base64 have both cases and a number: hexadecimal and words have not.
func mixed(digits []byte) bool {
	return bytes.ContainsFunc(digits, unicode.IsUpper) && bytes.ContainsFunc(digits, unicode.IsLower) && bytes.ContainsFunc(digits, unicode.IsDigit)
}

// isPrintable says whether data is text throughout.
func isPrintable(data []byte) bool {
	return utf8.Valid(data) && !bytes.ContainsFunc(data, func(r rune) bool { return !unicode.IsPrint(r) && !unicode.IsSpace(r) })
}

// multipart reads the parts of a multipart body (RFC 2046, section 5.1). Its first line is the boundary.
func (s *sheet) multipart(data []byte, at int) {
	line, _, _ := bytes.Cut(data, []byte("\n"))
	boundary := bytes.TrimRight(line, "\r \t")
	if len(boundary) < 3 || len(boundary) > 72 || !bytes.HasPrefix(boundary, []byte("--")) {
		s.malformed(at, "expected a multipart body's boundary, found %q", printable(line[:min(len(line), 40)]))
		return
	}
	delimiter := slices.Concat([]byte("\n"), boundary)
	from := len(line) + 1
	for n := 0; from < len(data) && !s.full(); n++ {
		end, next := len(data), len(data)
		if i := bytes.Index(data[from-1:], delimiter); i >= 0 {
			end = from - 1 + i
			next = end + len(delimiter)
		} else {
			s.say("last part not complete")
		}
		s.multipartPart(n, bytes.TrimSuffix(data[from:max(from, end)], []byte("\r")), at+from)
		after := data[next:]
		newline := bytes.IndexByte(after, '\n')
		if newline < 0 || bytes.HasPrefix(after, []byte("--")) {
			break
		}
		from = next + newline + 1
	}
}

func (s *sheet) multipartPart(n int, part []byte, at int) {
	head := httpHead{length: -1}
	from := 0
	for from < len(part) && !s.full() {
		end := bytes.IndexByte(part[from:], '\n')
		if end < 0 {
			break
		}
		line := bytes.TrimRight(part[from:from+end], "\r")
		if len(line) > 0 {
			s.headerLine(fmt.Sprintf("multipart[%d].header", n), line, at+from, &head)
			s.disposition(n, line, at+from)
		}
		if from += end + 1; len(line) == 0 {
			break
		}
	}
	body := part[from:]
	s.field(fmt.Sprintf("multipart[%d].body", n), printable(body), at+from, len(body))
	s.part("multipart body", at+from, len(body))
	s.content(head.contentType, body, at+from)
}

// disposition reads the name and file name that a part is given (RFC 7578, section 4.2).
func (s *sheet) disposition(n int, line []byte, at int) {
	for _, name := range []string{"name", "filename"} {
		for _, before := range []string{" ", ";"} {
			start := []byte(before + name + `="`)
			i := bytes.Index(line, start)
			if i < 0 {
				continue
			}
			i += len(start)
			if end := bytes.IndexByte(line[i:], '"'); end >= 0 {
				s.field(fmt.Sprintf("multipart[%d].%s", n, name), printable(line[i:i+end]), at+i, end)
				s.part(name, at+i, end)
				s.tag(name)
			}
			break
		}
	}
}
