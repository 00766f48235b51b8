package dissect

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
)

var (
	requestLine = regexp.MustCompile(`^([A-Z][A-Z_-]{1,20}) (\S+) (HTTP/1\.[01])\r?\n`)
	statusLine  = regexp.MustCompile(`^(HTTP/1\.[01]) (\d{3})([^\r\n]*)\r?\n`)
)

// firstLineMost is how long a first line may be, in bytes; servers refuse far shorter ones.
const firstLineMost = 1 << 16

// http1 reads requests or responses (RFC 9112), one after another where they are pipelined.
func http1(data []byte, _ Hint) (Dissection, bool) {
	if !requestLine.Match(data[:min(len(data), firstLineMost)]) && !statusLine.Match(data[:min(len(data), firstLineMost)]) {
		return Dissection{}, false
	}
	s := &sheet{}
	s.tag("http")
	for at := 0; at < len(data) && !s.full(); {
		next := s.httpMessage(data, at)
		if next <= at {
			s.malformed(at, "expected a request or status line, found %s", hexBytes(data[at:]))
			break
		}
		at = next
	}
	return s.done("HTTP"), true
}

// httpMessage reads the message at an offset and returns where it ends, or the offset if there is none.
func (s *sheet) httpMessage(data []byte, at int) int {
	head, body, ok := s.httpHead(data, at)
	if !ok {
		return at
	}
	return s.httpBody(data, body, head)
}

// httpHead reads a request or status line and the headers, and returns where the body begins.
func (s *sheet) httpHead(data []byte, at int) (head httpHead, body int, ok bool) {
	rest := data[at:]
	var first []int
	if first = requestLine.FindSubmatchIndex(rest[:min(len(rest), firstLineMost)]); first != nil {
		s.field("http.method", string(rest[first[2]:first[3]]), at+first[2], first[3]-first[2])
		s.field("http.target", printable(rest[first[4]:first[5]]), at+first[4], first[5]-first[4])
		s.field("http.version", string(rest[first[6]:first[7]]), at+first[6], first[7]-first[6])
		s.part("target", at+first[4], first[5]-first[4])
		s.target(rest[first[4]:first[5]], at+first[4])
		s.say("%s %s", rest[first[2]:first[3]], printable(rest[first[4]:first[5]]))
		s.tag("request", string(rest[first[2]:first[3]]), "uri", "url", "path")
	} else if first = statusLine.FindSubmatchIndex(rest[:min(len(rest), firstLineMost)]); first != nil {
		s.field("http.status", string(rest[first[4]:first[5]]), at+first[4], first[5]-first[4])
		s.say("response %s", rest[first[4]:first[5]])
		s.tag("response", "status")
		if rest[first[4]] != '1' { // 1xx announces the answer
			s.answer("request")
		}
	} else {
		return httpHead{}, at, false
	}
	head, body = s.httpHeaders(data, at+first[1])
	return head, body, true
}

// target reads the path's query parameters.
func (s *sheet) target(target []byte, at int) {
	query := bytes.IndexByte(target, '?')
	if query < 0 {
		return
	}
	s.tag("query")
	s.pairs("http.query", target[query+1:], at+query+1)
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
		}
		at += len(pair) + 1
	}
}

// shortName keeps a name usable as a part of a field's path.
func shortName(name []byte) string {
	if len(name) > 40 {
		name = name[:40]
	}
	return strings.ToLower(printable(name))
}

// httpHead is what the header says about the body.
type httpHead struct {
	length  int // -1 where it isn't told
	chunked bool
	form    bool
}

func (s *sheet) httpHeaders(data []byte, at int) (head httpHead, body int) {
	head.length = -1
	for at < len(data) && !s.full() {
		end := bytes.IndexByte(data[at:], '\n')
		if end < 0 {
			s.say("head not complete")
			s.tag("partial")
			return head, len(data)
		}
		line := bytes.TrimRight(data[at:at+end], "\r")
		if len(line) == 0 {
			return head, at + end + 1
		}
		name, value, found := bytes.Cut(line, []byte(":"))
		trimmed := bytes.TrimSpace(value)
		if !found {
			s.malformed(at, "expected a header line with a colon, found none")
		} else {
			s.field("http.header."+shortName(name), printable(trimmed), at, len(line))
			s.tag("header", string(name[:min(len(name), 40)]))
			s.part("header value", at+len(line)-len(trimmed), len(trimmed))
			head.read(s, strings.ToLower(string(name[:min(len(name), 40)])), strings.ToLower(string(trimmed[:min(len(trimmed), 200)])))
		}
		at += end + 1
	}
	s.say("head not complete")
	return head, len(data)
}

func (h *httpHead) read(s *sheet, name, value string) {
	switch name {
	case "content-length":
		if n, err := strconv.Atoi(value); err == nil && n >= 0 {
			h.length = n
		}
	case "transfer-encoding":
		if strings.Contains(value, "chunked") {
			h.chunked = true
			s.tag("chunked", "chunk")
		}
	case "content-type":
		h.form = strings.HasPrefix(value, "application/x-www-form-urlencoded")
		for _, word := range []string{"form", "json", "xml", "multipart", "urlencoded"} {
			if strings.Contains(value, word) {
				s.tag(word)
			}
		}
	}
}

// httpBody reads the body and returns where it ends.
func (s *sheet) httpBody(data []byte, at int, head httpHead) int {
	if head.chunked {
		return s.chunks(data, at)
	}
	n := max(0, min(head.length, len(data)-at))
	if n == 0 {
		return at
	}
	s.field("http.body", printable(data[at:at+n]), at, n)
	s.part("body", at, n)
	s.tag("body", "content")
	s.say("%d bytes of body", n)
	if n < head.length {
		s.say("body not complete")
	}
	if head.form {
		s.pairs("http.form", data[at:at+n], at)
	}
	return at + n
}

// chunks reads a chunked body (RFC 9112, section 7.1).
func (s *sheet) chunks(data []byte, at int) int {
	s.tag("body")
	total := 0
	for at < len(data) && !s.full() {
		end := bytes.IndexByte(data[at:], '\n')
		if end < 0 {
			break
		}
		digits, _, _ := strings.Cut(strings.TrimSpace(string(data[at:at+min(end, 40)])), ";")
		size, err := strconv.ParseUint(strings.TrimSpace(digits), 16, 63)
		if err != nil {
			s.malformed(at, "expected a chunk's size, found %q", digits)
			break
		}
		s.field("http.chunk.size", digits, at, end)
		at += end + 1
		n := int(min(size, uint64(len(data)-at)))
		s.part("chunk", at, n)
		total += n
		at = min(at+n+2, len(data))
		if size == 0 {
			break
		}
	}
	s.say("%d bytes in chunks", total)
	return at
}
