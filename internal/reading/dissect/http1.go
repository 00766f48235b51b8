package dissect

import (
	"bytes"
	"math"
	"regexp"
	"strconv"
	"strings"
)

var (
	requestLine = regexp.MustCompile(`^([A-Z][A-Z_-]{1,20}) (\S+) (HTTP/1\.[01])\r?\n`)
	statusLine  = regexp.MustCompile(`^(HTTP/1\.[01]) (\d{3})(?: ([^\r\n]*))?\r?\n`)
	headerName  = regexp.MustCompile("^[0-9A-Za-z!#$%&'*+.^_`|~-]+$")
	allDigits   = regexp.MustCompile(`^[0-9]+$`)
)

// firstLineMost is how long a first line may be, in bytes; servers refuse far shorter ones.
const firstLineMost = 1 << 16

// httpRequest is what a response depends on.
type httpRequest struct{ method, upgrade string }

// requestsMost bounds how many requests without a response are remembered.
const requestsMost = 256

// httpReader reads requests or responses (RFC 9112), one after another where they are pipelined.
type httpReader struct {
	sheet
	data []byte
	hint Hint
	from *side
}

func http1(data []byte, hint Hint) (Dissection, bool) {
	if head := data[:min(len(data), firstLineMost)]; !requestLine.Match(head) && !statusLine.Match(head) {
		return Dissection{}, false
	}
	return newHTTPReader(data, hint).messages(0), true
}

func newHTTPReader(data []byte, hint Hint) *httpReader {
	h := &httpReader{data: data, hint: hint, from: hint.from()}
	h.tag("http")
	return h
}

// messages reads messages to the end, or to where another protocol begins.
func (h *httpReader) messages(at int) Dissection {
	for at < len(h.data) && !h.full() && h.rest == 0 {
		next := h.message(at)
		if next <= at {
			h.noMessage(at)
			break
		}
		at = next
	}
	return h.done("HTTP")
}

// message reads the message at an offset and returns where it ends, or the offset if there is none.
func (h *httpReader) message(at int) int {
	head, body, ok := h.httpHead(h.data, at)
	switch {
	case !ok:
		return at
	case !head.complete:
		h.from.keep(h.data[at:], http1)
		return len(h.data)
	}
	b := h.bodyOf(head)
	if h.switches(head, b, body) {
		return len(h.data)
	}
	return h.body(b, body)
}

// noMessage is what stands where a first line should: the beginning of one, what follows a request to speak
// another protocol, or nothing of HTTP.
func (h *httpReader) noMessage(at int) {
	rest := h.data[at:]
	if bytes.IndexByte(rest, '\n') < 0 && len(rest) < firstLineMost && rest[0] >= 'A' && rest[0] <= 'Z' && mostlyText(rest) {
		h.say("first line not complete")
		h.tag("partial")
		h.field("http.partial", printable(rest), at, len(rest))
		h.from.keep(rest, http1)
		return
	}
	if asked := h.hint.past.requests; at > 0 && len(asked) > 0 && asked[len(asked)-1].switches() {
		h.rest = len(rest)
		return
	}
	h.malformed(at, "expected a request or status line, found %s", hexBytes(rest))
}

// switches says whether what follows the request may be no HTTP/1 any more.
func (r httpRequest) switches() bool { return r.method == "CONNECT" || r.upgrade != "" }

// switches says whether a response ends HTTP/1 on the connection, and settles what comes next: the protocol
// that was agreed upon, or what the far end of a tunnel speaks.
func (h *httpReader) switches(head httpHead, b *httpBody, at int) bool {
	tunnel := b.request.method == "CONNECT" && head.status >= 200 && head.status < 300
	if !tunnel && head.status != 101 {
		return false
	}
	protocol := strings.ToLower(head.upgrade)
	if protocol == "" {
		protocol = b.request.upgrade
	}
	h.hint.past.requests = nil
	switch {
	case tunnel:
		h.say("tunnel")
		h.tag("tunnel", "connect")
	case strings.Contains(protocol, "websocket"):
		h.hint.past.speakWebSocket(head.extensions)
	case strings.Contains(protocol, "h2c"):
		h.from.next = http2Frames
		h.from.headers = newHPACKTable(true)
	}
	h.rest = len(h.data) - at
	return true
}

// httpHead is what the head says about what follows.
type httpHead struct {
	method      string // of a request
	status      int    // of a response
	length      int    // -1 where it isn't told
	chunked     bool
	contentType string
	upgrade     string
	extensions  string // of WebSocket
	complete    bool
	bareLF      bool
}

// httpHead reads a request or status line and the headers, and returns where the body begins.
func (s *sheet) httpHead(data []byte, at int) (head httpHead, body int, ok bool) {
	head.length = -1
	rest := data[at:min(len(data), at+firstLineMost)]
	var first []int
	if first = requestLine.FindSubmatchIndex(rest); first != nil {
		head.method = string(rest[first[2]:first[3]])
		s.requestLine(rest, first, at)
	} else if first = statusLine.FindSubmatchIndex(rest); first != nil {
		head.status, _ = strconv.Atoi(string(rest[first[4]:first[5]]))
		s.statusLine(rest, first, at)
	} else {
		return head, at, false
	}
	s.lineEnd(&head, data, at+first[1])
	body = s.httpHeaders(&head, data, at+first[1])
	return head, body, true
}

func (s *sheet) requestLine(line []byte, m []int, at int) {
	method, target := string(line[m[2]:m[3]]), line[m[4]:m[5]]
	s.field("http.method", method, at+m[2], len(method))
	s.field("http.target", printable(target), at+m[4], len(target))
	s.field("http.version", string(line[m[6]:m[7]]), at+m[6], m[7]-m[6])
	s.part("target", at+m[4], len(target))
	s.target(target, at+m[4])
	s.say("%s %s", method, printable(target))
	s.tag("request", method, "uri", "url", "path")
}

func (s *sheet) statusLine(line []byte, m []int, at int) {
	status := string(line[m[4]:m[5]])
	s.field("http.version", string(line[m[2]:m[3]]), at+m[2], m[3]-m[2])
	s.field("http.status", status, at+m[4], len(status))
	if m[6] >= 0 {
		s.field("http.reason", printable(line[m[6]:m[7]]), at+m[6], m[7]-m[6])
	}
	s.say("response %s", status)
	s.tag("response", "status")
	if status[0] != '1' { // 1xx announces the answer
		s.answer("request")
	}
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

// shortName keeps a name usable as a part of a field's path.
func shortName(name []byte) string {
	if len(name) > 40 {
		name = name[:40]
	}
	return strings.ToLower(printable(name))
}

// httpHeaders reads header lines up to the empty one and returns where the body begins.
func (s *sheet) httpHeaders(head *httpHead, data []byte, at int) (body int) {
	for at < len(data) && !s.full() {
		end := bytes.IndexByte(data[at:], '\n')
		if end < 0 {
			break
		}
		s.lineEnd(head, data, at+end+1)
		line := bytes.TrimSuffix(data[at:at+end], []byte("\r"))
		if len(line) == 0 {
			head.complete = true
			return at + end + 1
		}
		s.headerLine("http.header", line, at, head)
		at += end + 1
	}
	s.say("head not complete")
	s.tag("partial")
	return len(data)
}

// lineEnd notes the first line of a head that ends, before an offset, in LF alone: what reads it and what reads
// it strictly see different lines.
func (s *sheet) lineEnd(head *httpHead, data []byte, end int) {
	if !head.bareLF && (end < 2 || data[end-2] != '\r') {
		head.bareLF = true
		s.malformed(end-1, "a line ends in LF without CR")
	}
}

// headerLine reads a header or trailer line (RFC 9112, section 5).
func (s *sheet) headerLine(prefix string, line []byte, at int, head *httpHead) {
	if line[0] == ' ' || line[0] == '\t' {
		s.field(prefix+".folded", printable(bytes.TrimSpace(line)), at, len(line))
		s.malformed(at, "a header goes on in the next line (obs-fold)")
		return
	}
	name, value, found := bytes.Cut(line, []byte(":"))
	if !found {
		s.malformed(at, "expected a header line with a colon, found none")
		return
	}
	trimmed := bytes.TrimSpace(value)
	begin := at + len(name) + 1 + bytes.Index(value, trimmed)
	s.field(prefix+"."+shortName(name), printable(trimmed), at, len(line))
	if short := name[:min(len(name), firstLineMost)]; !headerName.Match(short) {
		s.malformed(at, "a header's name has bytes that no name has: %q", printable(short[:min(len(short), 40)]))
	}
	s.tag("header", string(name[:min(len(name), 40)]))
	s.part("header value", begin, len(trimmed))
	head.read(s, strings.ToLower(string(name[:min(len(name), 40)])), strings.ToLower(string(trimmed[:min(len(trimmed), 200)])), at)
	if strings.EqualFold(string(name[:min(len(name), 40)]), "HTTP2-Settings") {
		s.upgradeSettings(trimmed, begin)
		return
	}
	s.headerValue(trimmed, begin)
}

func (h *httpHead) read(s *sheet, name, value string, at int) {
	switch name {
	case "content-length":
		h.readLength(s, value, at)
	case "transfer-encoding":
		if h.length >= 0 {
			s.malformed(at, "both Content-Length and Transfer-Encoding")
		}
		if strings.Contains(value, "chunked") {
			if h.chunked {
				s.malformed(at, "a second Transfer-Encoding: chunked")
			}
			h.chunked = true
			s.tag("chunked", "chunk")
		}
	case "content-type":
		h.contentType = value
		for _, word := range []string{"form", "json", "xml", "multipart", "urlencoded"} {
			if strings.Contains(value, word) {
				s.tag(word)
			}
		}
	case "upgrade":
		h.upgrade = value
	case "sec-websocket-extensions":
		h.extensions += value + ","
	}
}

func (h *httpHead) readLength(s *sheet, value string, at int) {
	if h.chunked {
		s.malformed(at, "both Transfer-Encoding and Content-Length")
	}
	n, err := strconv.Atoi(value)
	switch {
	case err != nil || n < 0 || !allDigits.MatchString(value):
		s.malformed(at, "expected a number of bytes as Content-Length, found %q", value)
	case h.length >= 0 && h.length != n:
		s.malformed(at, "a second Content-Length, %d after %d", n, h.length)
	case h.length >= 0:
		s.malformed(at, "a second Content-Length, the same")
	}
	if err == nil && n >= 0 && h.length < 0 {
		h.length = n
	}
}

// httpBody is a body in the reading.
type httpBody struct {
	httpHead
	request    httpRequest
	unasked    bool // a response whose request nobody saw: it may have had no body in spite of its length
	untilClose bool
	continued  bool
	trailers   bool // of a chunked body all but the trailers has been read
	chunkBytes int
	content    gathered
}

// bodyOf tells how a body is delimited (RFC 9112, section 6.3).
func (h *httpReader) bodyOf(head httpHead) *httpBody {
	b := &httpBody{httpHead: head}
	past := h.hint.past
	if head.method != "" {
		b.request = httpRequest{head.method, strings.ToLower(head.upgrade)}
		if len(past.requests) < requestsMost {
			past.requests = append(past.requests, b.request)
		}
		b.length = max(0, head.length)
		return b
	}
	if b.unasked = len(past.requests) == 0; !b.unasked {
		b.request = past.requests[0]
		if head.status >= 200 {
			past.requests = past.requests[1:]
		}
	}
	switch {
	case head.status < 200 || head.status == 204 || head.status == 304 || b.request.method == "HEAD":
		b.length, b.chunked = 0, false
	case head.length < 0 && !head.chunked:
		b.untilClose = true
	}
	return b
}

// body reads what of a body lies in this message and returns where that ends.
func (h *httpReader) body(b *httpBody, at int) int {
	if !b.continued {
		h.from.left = uint64(max(0, b.length))
		if b.untilClose {
			h.from.left = math.MaxUint64
		}
	}
	if b.chunked {
		return h.chunks(b, at)
	}
	n := h.from.take(h.data[at:])
	h.from.pass(n)
	h.bodyPiece(b, at, n)
	switch left := h.from.left; {
	case b.untilClose:
		h.from.next = b.goOn
	case left > 0:
		h.say("body not complete")
		h.from.next = b.goOn
	}
	return at + n
}

// bodyPiece keeps the bytes of a body that lie in this message.
func (h *httpReader) bodyPiece(b *httpBody, at, n int) {
	if n == 0 {
		return
	}
	piece := h.data[at : at+n]
	h.tag("body", "content")
	h.part("body", at, n)
	if b.continued {
		h.field("http.body.continued", printable(piece), at, n)
		h.say("body continued, %d bytes", n)
		return
	}
	h.field("http.body", printable(piece), at, n)
	h.say("%d bytes of body", n)
	h.cut = h.from.left > 0
	h.content(b.contentType, piece, at)
	h.cut = false
}

// goOn reads the next message of the same side as more of the body, and what follows it. Where it is not sure
// that there is a body, a status line ends it.
func (b *httpBody) goOn(data []byte, hint Hint) (Dissection, bool) {
	if (b.untilClose || b.unasked) && statusLine.Match(data[:min(len(data), firstLineMost)]) {
		return Dissection{}, false
	}
	h := newHTTPReader(data, hint)
	b.continued = true
	b.content = gathered{}
	return h.messages(h.body(b, 0)), true
}

// chunks reads a chunked body (RFC 9112, section 7.1). The line end behind a chunk counts as part of it.
func (h *httpReader) chunks(b *httpBody, at int) int {
	h.tag("body")
	if b.continued {
		h.say("body continued")
	}
	before := b.chunkBytes
	ended := false
	for at < len(h.data) && !h.full() && !ended {
		if h.from.left > 0 {
			at = h.chunk(b, at)
			continue
		}
		end := bytes.IndexByte(h.data[at:], '\n')
		if end < 0 {
			h.say("chunk not complete")
			h.from.keep(h.data[at:], b.goOn)
			at = len(h.data)
			break
		}
		ended = h.chunkLine(b, h.data[at:at+end+1], at)
		at += end + 1
	}
	h.say("%d bytes in chunks", b.chunkBytes-before)
	h.joined("body", b.content)
	if h.cut = !ended; !b.continued {
		h.moved(b.content.place, func() { h.content(b.contentType, b.content.data, 0) })
	}
	h.cut = false
	if !ended && !h.full() && h.from.next == nil {
		h.from.next = b.goOn
	}
	return at
}

// chunk reads what of a chunk lies in this message.
func (h *httpReader) chunk(b *httpBody, at int) int {
	if h.from.left > 2 {
		n := int(min(h.from.left-2, uint64(len(h.data)-at)))
		h.field("http.chunk.data", printable(h.data[at:at+n]), at, n)
		h.part("chunk", at, n)
		h.from.pass(n)
		b.chunkBytes += n
		b.content.add(at, h.data[at:at+n])
		return at + n
	}
	if expected := "\r\n"[2-h.from.left]; h.data[at] != expected {
		h.malformed(at, "expected CR LF behind a chunk, found %s", hexBytes(h.data[at:at+1]))
		if h.data[at] != '\n' {
			h.from.left = 0
			return at
		}
		h.from.left = 1
	}
	h.from.pass(1)
	return at + 1
}

// chunkLine reads the line of a chunk's size, or a trailer, and says whether it was the body's last.
func (h *httpReader) chunkLine(b *httpBody, line []byte, at int) (last bool) {
	h.lineEnd(&b.httpHead, h.data, at+len(line))
	line = bytes.TrimRight(line, "\r\n")
	if b.trailers {
		if len(line) > 0 {
			h.headerLine("http.trailer", line, at, &httpHead{length: -1})
		}
		return len(line) == 0
	}
	digits, extension, extended := bytes.Cut(line, []byte(";"))
	digits = bytes.TrimRight(digits, " \t")
	size, err := strconv.ParseUint(string(digits[:min(len(digits), 40)]), 16, 62)
	if err != nil {
		h.malformed(at, "expected a chunk's size, found %q", printable(digits[:min(len(digits), 40)]))
		return true
	}
	h.field("http.chunk.size", printable(digits), at, len(digits))
	if extended {
		h.field("http.chunk.extension", printable(extension), at+len(line)-len(extension), len(extension))
		h.tag("chunk", "extension")
	}
	h.from.left = size + 2
	if size == 0 {
		h.from.left, b.trailers = 0, true
	}
	return false
}
