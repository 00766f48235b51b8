package dissect

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

const http2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// Frames (RFC 9113, section 6; ALTSVC: RFC 7838, ORIGIN: RFC 8336, PRIORITY_UPDATE: RFC 9218).
const (
	frameData           = 0
	frameHeaders        = 1
	framePriority       = 2
	frameReset          = 3
	frameSettings       = 4
	framePush           = 5
	framePing           = 6
	frameGoAway         = 7
	frameWindow         = 8
	frameContinuation   = 9
	frameAltSvc         = 10
	frameOrigin         = 12
	framePriorityUpdate = 16
)

// Flags of frames.
const (
	flagEndStream  = 0x1 // of DATA and HEADERS; ACK of SETTINGS and PING
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

// http2Kind is what a kind of frame must be like.
type http2Kind struct {
	name   string
	flags  byte // those that it may have
	length int  // in bytes; of a multiple of them for SETTINGS; -1 for any
	stream int  // 0 for the connection, 1 for a stream's, -1 for either
}

var http2Kinds = map[int]http2Kind{
	frameData:           {"DATA", flagEndStream | flagPadded, -1, 1},
	frameHeaders:        {"HEADERS", flagEndStream | flagEndHeaders | flagPadded | flagPriority, -1, 1},
	framePriority:       {"PRIORITY", 0, 5, 1},
	frameReset:          {"RST_STREAM", 0, 4, 1},
	frameSettings:       {"SETTINGS", flagEndStream, 6, 0},
	framePush:           {"PUSH_PROMISE", flagEndHeaders | flagPadded, -1, 1},
	framePing:           {"PING", flagEndStream, 8, 0},
	frameGoAway:         {"GOAWAY", 0, -1, 0},
	frameWindow:         {"WINDOW_UPDATE", 0, 4, -1},
	frameContinuation:   {"CONTINUATION", flagEndHeaders, -1, 1},
	frameAltSvc:         {"ALTSVC", 0, -1, -1},
	frameOrigin:         {"ORIGIN", 0, -1, 0},
	framePriorityUpdate: {"PRIORITY_UPDATE", 0, -1, 0},
}

var http2Settings = map[int]string{
	1: "HEADER_TABLE_SIZE", 2: "ENABLE_PUSH", 3: "MAX_CONCURRENT_STREAMS", 4: "INITIAL_WINDOW_SIZE", 5: "MAX_FRAME_SIZE",
	6: "MAX_HEADER_LIST_SIZE", 8: "ENABLE_CONNECT_PROTOCOL", 9: "NO_RFC7540_PRIORITIES",
}

var http2Errors = []string{
	"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED", "FRAME_SIZE_ERROR",
	"REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
}

// http2Key is one direction of a stream.
type http2Key struct {
	stream int
	client bool
}

// http2Stream is what is known of it.
type http2Stream struct {
	contentType string
	begun       bool // part of its body has come
}

// streamsMost bounds how many streams are remembered.
const streamsMost = 256

// http2Head is a frame's first nine bytes.
type http2Head struct {
	length, kind int
	flags        byte
	stream       int
}

const http2HeadLength = 9

func http2HeadOf(data []byte) http2Head {
	return http2Head{
		int(data[0])<<16 | int(data[1])<<8 | int(data[2]), int(data[3]), data[4],
		int(data[5]&0x7f)<<24 | int(data[6])<<16 | int(data[7])<<8 | int(data[8]),
	}
}

func (f http2Head) name() string {
	if k, known := http2Kinds[f.kind]; known {
		return k.name
	}
	return fmt.Sprintf("frame type %d", f.kind)
}

// fault is how a frame breaks its kind's rules; empty if it doesn't.
func (f http2Head) fault() string {
	k, known := http2Kinds[f.kind]
	switch {
	case !known:
		return ""
	case k.stream == 0 && f.stream != 0:
		return fmt.Sprintf("%s on stream %d, not on the connection", k.name, f.stream)
	case k.stream == 1 && f.stream == 0:
		return k.name + " on the connection, not on a stream"
	case f.kind == frameSettings && (f.length%k.length != 0 || f.flags&flagEndStream != 0 && f.length != 0):
		return fmt.Sprintf("SETTINGS of %d bytes", f.length)
	case f.kind != frameSettings && k.length >= 0 && f.length != k.length:
		return fmt.Sprintf("%s of %d bytes, not %d", k.name, f.length, k.length)
	}
	return ""
}

// http2Reader reads the frames of one message.
type http2Reader struct {
	sheet
	data      []byte
	hint      Hint
	from      *side
	fragments gathered          // the header block being put together
	bodies    map[int]*gathered // what this message holds of bodies that began in it
	order     []int             // of bodies
	ended     map[int]bool      // streams whose body ends in this message
}

// http2 reads a connection that begins with the preface, or a message in the middle of one, if it is frames
// without a doubt.
func http2(data []byte, hint Hint) (Dissection, bool) {
	if bytes.HasPrefix(data, []byte(http2Preface)) {
		h := newHTTP2Reader(data, hint)
		h.from.headers = newHPACKTable(true)
		if to := hint.to(); to.next == nil {
			to.next = http2Frames
			to.headers = newHPACKTable(true)
		}
		h.field("http2.preface", "PRI * HTTP/2.0", 0, len(http2Preface))
		h.say("preface")
		h.tag("preface")
		return h.frames(len(http2Preface)), true
	}
	if !areFrames(data) {
		return Dissection{}, false
	}
	return newHTTP2Reader(data, hint).frames(0), true
}

// http2Frames reads what a side of an HTTP/2 connection says.
func http2Frames(data []byte, hint Hint) (Dissection, bool) {
	if bytes.HasPrefix(data, []byte(http2Preface)) {
		return http2(data, hint)
	}
	if len(data) >= http2HeadLength {
		f := http2HeadOf(data)
		if _, known := http2Kinds[f.kind]; !known && http2HeadLength+f.length > len(data) {
			return Dissection{}, false
		}
	}
	return newHTTP2Reader(data, hint).frames(0), true
}

// areFrames says whether data is frames from end to end, of known kinds and as these must be, and of more than
// one or of a kind whose length is fixed.
func areFrames(data []byte) bool {
	const usualMost = 1 << 14
	n, fixed := 0, false
	for len(data) >= http2HeadLength {
		f := http2HeadOf(data)
		k, known := http2Kinds[f.kind]
		if !known || f.fault() != "" || f.flags&^k.flags != 0 || f.length > usualMost || data[5]&0x80 != 0 || f.kind == framePush && f.length < 5 {
			return false
		}
		if n++; http2HeadLength+f.length > len(data) {
			return n > 1
		}
		fixed = fixed || k.length >= 0
		data = data[http2HeadLength+f.length:]
	}
	return len(data) == 0 && (n > 1 || fixed)
}

func newHTTP2Reader(data []byte, hint Hint) *http2Reader {
	h := &http2Reader{data: data, hint: hint, from: hint.from(), bodies: map[int]*gathered{}, ended: map[int]bool{}}
	if h.from.headers == nil {
		h.from.headers = newHPACKTable(false)
	}
	if hint.past.streams == nil {
		hint.past.streams = map[http2Key]*http2Stream{}
	}
	h.tag("http2", "h2", "http", "frame")
	return h
}

func (h *http2Reader) frames(at int) Dissection {
	for at < len(h.data) && !h.full() {
		rest := h.data[at:]
		if len(rest) < http2HeadLength {
			h.incomplete(rest, at)
			break
		}
		f := http2HeadOf(rest)
		h.head(f, at)
		if http2HeadLength+f.length > len(rest) {
			h.cutFrame(f, rest, at)
			break
		}
		at += http2HeadLength
		h.frame(f, open(f.name(), at, h.data[at:at+f.length]))
		at += f.length
	}
	if h.full() {
		h.from.headers = newHPACKTable(false) // what was not read may have entered the table
	}
	h.headers(false)
	h.carriedByBodies()
	if h.from.next == nil {
		h.from.next = http2Frames
	}
	return h.done("HTTP/2")
}

func (h *http2Reader) head(f http2Head, at int) {
	h.field("http2.frame.length", decimal(f.length), at, 3)
	h.field("http2.frame.type", f.name(), at+3, 1)
	h.field("http2.frame.flags", fmt.Sprintf("0x%02x", f.flags), at+4, 1)
	h.field("http2.frame.stream", decimal(f.stream), at+5, 4)
	h.tag(f.name(), strings.ReplaceAll(f.name(), "_", ""))
	if fault := f.fault(); fault != "" {
		h.malformed(at, "%s", fault)
	}
	if open := h.from.headers.stream; open != 0 && (f.kind != frameContinuation || f.stream != open) {
		h.malformed(at, "%s on stream %d within the header block of stream %d", f.name(), f.stream, open)
	}
}

// incomplete keeps a frame that ends with the message.
func (h *http2Reader) incomplete(rest []byte, at int) bool {
	h.say("frame not complete")
	h.tag("partial")
	h.field("http2.partial", count(len(rest), "byte"), at, len(rest))
	return h.from.keep(rest, http2Frames)
}

// cutFrame is a frame of which the message holds the beginning only. DATA is read as far as it is there, and
// the rest of it only counted; what is small is kept, to be read with the rest.
func (h *http2Reader) cutFrame(f http2Head, rest []byte, at int) {
	if f.kind != frameData && http2HeadLength+f.length <= carryMost && h.incomplete(rest, at) {
		return
	}
	there := rest[http2HeadLength:]
	if h.cut = true; f.kind == frameData {
		h.frame(f, open(f.name(), at+http2HeadLength, there))
	}
	if f.kind == frameHeaders || f.kind == framePush || f.kind == frameContinuation {
		h.from.headers = newHPACKTable(false)
	}
	h.say("%s not complete, %d bytes to come", f.name(), f.length-len(there))
	h.tag("partial")
	h.from.left = uint64(f.length - len(there))
	h.from.next = frameRest(f)
}

// frameRest reads what is left of a frame, and the frames behind it.
func frameRest(f http2Head) dissector {
	return func(data []byte, hint Hint) (Dissection, bool) {
		h := newHTTP2Reader(data, hint)
		n := h.from.take(data)
		h.from.pass(n)
		h.field("http2.continued", count(n, "byte")+" of "+f.name(), 0, n)
		h.part("body", 0, n)
		h.say("%s continued, %d bytes", f.name(), n)
		h.tag(f.name(), "body")
		if h.from.left > 0 {
			h.from.next = frameRest(f)
		}
		return h.frames(n), true
	}
}

func (h *http2Reader) frame(f http2Head, r *cursor.Reader) {
	switch f.kind {
	case frameData:
		h.dataFrame(f, r)
	case frameHeaders, framePush:
		h.headersFrame(f, r)
	case frameContinuation:
		if h.from.headers.stream == 0 {
			h.malformed(offset(r), "CONTINUATION without a header block to continue")
		}
		h.fragment(f, r)
	case framePriority:
		h.say("PRIORITY of stream %d", f.stream)
		h.priority(f, r)
	case frameReset:
		delete(h.hint.past.streams, http2Key{f.stream, true})
		delete(h.hint.past.streams, http2Key{f.stream, false})
		h.say("RST_STREAM %d: %s", f.stream, h.errorCode(r, "http2.rst_stream.error"))
	case frameSettings:
		h.settings(f, r)
	case framePing:
		h.say("PING")
		h.field("http2.ping", hexBytes(peek(r)), offset(r), r.Len())
	case frameGoAway:
		h.goAway(r)
	case frameWindow:
		h.window(r)
	default:
		h.otherFrame(f, r)
	}
}

// unpadded reads the length of the padding, if there is any, and gives what is not padding.
func (h *http2Reader) unpadded(f http2Head, r *cursor.Reader) *cursor.Reader {
	if f.flags&flagPadded == 0 || r.Len() == 0 {
		return r
	}
	padding := h.number(r, 1, "http2.pad_length", decimal)
	if padding > r.Len() {
		h.malformed(offset(r)-1, "padding of %d bytes, %d are there", padding, r.Len())
		padding = r.Len()
	}
	at := offset(r)
	content := r.Bytes(uint64(r.Len() - padding))
	h.field("http2.padding", count(padding, "byte"), offset(r), padding)
	return open(f.name(), at, content)
}

func (h *http2Reader) priority(f http2Head, r *cursor.Reader) {
	at := offset(r)
	n := r.Uint32()
	if r.Err() != nil {
		return
	}
	depends := int(n & 0x7fffffff)
	h.field("http2.priority.exclusive", fmt.Sprint(n>>31 == 1), at, 4)
	h.field("http2.priority.dependency", decimal(depends), at, 4)
	h.number(r, 1, "http2.priority.weight", func(n int) string { return decimal(n + 1) })
	if depends == f.stream {
		h.malformed(at, "stream %d depends on itself", depends)
	}
}

// headersFrame reads HEADERS and PUSH_PROMISE up to their header block.
func (h *http2Reader) headersFrame(f http2Head, r *cursor.Reader) {
	r = h.unpadded(f, r)
	if f.kind == frameHeaders && f.flags&flagPriority != 0 {
		h.priority(f, r)
	}
	if f.kind == framePush {
		h.number(r, 4, "http2.push_promise.stream", func(n int) string { return decimal(n & 0x7fffffff) })
	}
	h.from.headers.stream = max(f.stream, 1)
	h.fragment(f, r)
	if f.flags&flagEndStream != 0 && f.kind == frameHeaders {
		delete(h.hint.past.streams, http2Key{f.stream, h.hint.FromClient})
	}
}

// fragment adds to the header block, and reads it if that is all of it.
func (h *http2Reader) fragment(f http2Head, r *cursor.Reader) {
	at, data := offset(r), r.Rest()
	h.part("header block", at, len(data))
	table := h.from.headers
	if len(data) > 0 && len(table.partial) > 0 {
		h.fragments = gathered{[]span{{0, at, 0}}, table.partial}
		table.partial = nil
	}
	if len(h.fragments.data)+len(data) > gatheredMost {
		h.malformed(at, "a header block of more than %d bytes", gatheredMost)
		table.whole = false
	}
	h.fragments.add(at, data)
	if f.flags&flagEndHeaders != 0 {
		h.headers(true)
	}
}

// headers reads the header block, as far as it has come.
func (h *http2Reader) headers(complete bool) {
	table := h.from.headers
	run, stream := h.fragments, table.stream
	if h.fragments = (gathered{}); complete {
		table.stream = 0
	}
	var b headerBlock
	h.moved(run.place, func() { b = h.block(table, run.data, complete) })
	switch {
	case b.method != "":
		h.say("%s %s", printable([]byte(b.method)), printable([]byte(b.path)))
		h.tag("request", b.method[:min(len(b.method), 40)], "uri", "url", "path")
	case b.status != "":
		h.say("response %s", printable([]byte(b.status)))
		h.tag("response", "status")
		if b.status[0] != '1' {
			h.answer("request")
		}
	case len(run.data) > 0:
		h.say("header fields on stream %d", stream)
	}
	if streams := h.hint.past.streams; b.contentType != "" && len(streams) < streamsMost {
		streams[http2Key{stream, h.hint.FromClient}] = &http2Stream{contentType: strings.ToLower(b.contentType[:min(len(b.contentType), 200)])}
	}
}

func (h *http2Reader) dataFrame(f http2Head, r *cursor.Reader) {
	r = h.unpadded(f, r)
	at, data := offset(r), r.Rest()
	h.field("http2.data", printable(data), at, len(data))
	h.part("body", at, len(data))
	h.say("DATA on stream %d, %d bytes", f.stream, len(data))
	h.tag("body", "content")
	stream := h.hint.past.streams[http2Key{f.stream, h.hint.FromClient}]
	body := h.bodies[f.stream]
	if body == nil && (stream == nil || !stream.begun) {
		body = &gathered{}
		h.bodies[f.stream] = body
		h.order = append(h.order, f.stream)
	}
	if body != nil {
		body.add(at, data)
	}
	if f.flags&flagEndStream != 0 {
		h.ended[f.stream] = true
	}
}

// carriedByBodies reads what the bodies that began in this message carry.
func (h *http2Reader) carriedByBodies() {
	for _, id := range h.order {
		body, contentType := h.bodies[id], ""
		if stream := h.hint.past.streams[http2Key{id, h.hint.FromClient}]; stream != nil {
			contentType = stream.contentType
			stream.begun = !strings.HasPrefix(contentType, "application/grpc")
		}
		h.joined("body", *body)
		cut := h.cut
		h.cut = cut || !h.ended[id]
		h.moved(body.place, func() { h.content(contentType, body.data, 0) })
		h.cut = cut
	}
	for id := range h.ended {
		delete(h.hint.past.streams, http2Key{id, h.hint.FromClient})
	}
}

func (h *http2Reader) settings(f http2Head, r *cursor.Reader) {
	if f.flags&flagEndStream != 0 {
		h.say("SETTINGS acknowledged")
		h.tag("ack")
		return
	}
	h.say("SETTINGS")
	h.settingsList(r)
}

func (s *sheet) settingsList(r *cursor.Reader) {
	for r.Len() >= 6 {
		at := offset(r)
		id, value := int(r.Uint16()), int(r.Uint32())
		name := http2Settings[id]
		if name == "" {
			name = fmt.Sprintf("0x%04x", id)
		}
		s.field("http2.settings."+name, decimal(value), at, 6)
		s.tag(name)
	}
}

// upgradeSettings reads the settings in the header of a request to change to HTTP/2 (RFC 7540, section 3.2.1).
func (s *sheet) upgradeSettings(value []byte, at int) {
	plain, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(string(value), "="))
	if err != nil || len(plain)%6 != 0 {
		s.malformed(at, "expected settings in base64, found %q", printable(value[:min(len(value), 40)]))
		return
	}
	s.moved(digitsAt(at), func() { s.settingsList(open("HTTP2-Settings", 0, plain)) })
}

func (h *http2Reader) errorCode(r *cursor.Reader, name string) string {
	code := "nothing"
	h.number(r, 4, name, func(n int) string {
		if code = fmt.Sprintf("0x%x", n); n < len(http2Errors) {
			code = http2Errors[n]
		}
		return code
	})
	h.tag(code)
	return code
}

func (h *http2Reader) goAway(r *cursor.Reader) {
	h.number(r, 4, "http2.goaway.last_stream", func(n int) string { return decimal(n & 0x7fffffff) })
	code := h.errorCode(r, "http2.goaway.error")
	if r.Len() > 0 {
		h.field("http2.goaway.debug", printable(peek(r)), offset(r), r.Len())
	}
	h.say("GOAWAY: %s", code)
}

func (h *http2Reader) window(r *cursor.Reader) {
	at := offset(r)
	increment := h.number(r, 4, "http2.window_update.increment", func(n int) string { return decimal(n & 0x7fffffff) })
	if r.Err() == nil && increment&0x7fffffff == 0 {
		h.malformed(at, "a window grows by nothing")
	}
	h.say("WINDOW_UPDATE")
}

func (h *http2Reader) otherFrame(f http2Head, r *cursor.Reader) {
	switch f.kind {
	case frameAltSvc:
		origin := h.vector(r, 2, "http2.altsvc.origin")
		h.field("http2.altsvc.origin", printable(peek(origin)), offset(origin), origin.Len())
		h.field("http2.altsvc.value", printable(peek(r)), offset(r), r.Len())
	case framePriorityUpdate:
		h.number(r, 4, "http2.priority_update.stream", func(n int) string { return decimal(n & 0x7fffffff) })
		h.field("http2.priority_update.value", printable(peek(r)), offset(r), r.Len())
	case frameOrigin:
		for r.Len() > 0 {
			origin := h.vector(r, 2, "http2.origin")
			h.field("http2.origin", printable(peek(origin)), offset(origin), origin.Len())
		}
	default:
		h.field("http2.payload", hexBytes(peek(r)), offset(r), r.Len())
	}
	h.say("%s", f.name())
}
