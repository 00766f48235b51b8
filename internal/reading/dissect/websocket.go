package dissect

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Opcodes of WebSocket frames (RFC 6455, section 5.2).
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

var opNames = map[int]string{
	opContinuation: "continuation", opText: "text", opBinary: "binary", opClose: "close", opPing: "ping", opPong: "pong",
}

var closeNames = map[int]string{
	1000: "normal", 1001: "going away", 1002: "protocol error", 1003: "unsupported data", 1007: "invalid data", 1008: "policy violation",
	1009: "message too big", 1010: "extension missing", 1011: "internal error", 1012: "service restart", 1013: "try again later",
	1014: "bad gateway",
}

// websocketSide is what is known of one side's frames.
type websocketSide struct {
	deflate  bool   // permessage-deflate was agreed upon (RFC 7692)
	afresh   bool   // each message is compressed without what came before
	window   []byte // what was inflated last; nil once it can't be followed any more
	lost     bool
	opcode   int  // of a message in fragments
	deflated bool // it is compressed
	within   bool // more fragments follow
}

const (
	windowMost  = 32 << 10 // bytes that DEFLATE refers back to
	inflateMost = 1 << 20  // bytes that are made of what one TCP message holds
)

// speakWebSocket settles that both sides speak WebSocket from now on, with the extensions that the response names.
func (d *Dialogue) speakWebSocket(extensions string) {
	for _, s := range []*side{&d.client, &d.server} {
		role := "server"
		if s == &d.client {
			role = "client"
		}
		s.frames = &websocketSide{
			deflate: strings.Contains(extensions, "permessage-deflate"),
			afresh:  strings.Contains(extensions, role+"_no_context_takeover"),
		}
		s.next, s.left, s.carry = websocketFrames, 0, nil
	}
}

// miss forgets what lost bytes make useless.
func (w *websocketSide) miss() { w.within, w.window, w.lost = false, nil, true }

// websocketReader reads the frames of one message.
type websocketReader struct {
	sheet
	data    []byte
	from    *side
	state   *websocketSide
	message gathered // of a message in fragments, unmasked; what of it lies here
	made    int      // bytes inflated
}

// websocketFrames reads what a side says after the upgrade.
func websocketFrames(data []byte, hint Hint) (Dissection, bool) {
	return newWebSocketReader(data, hint).frames(0), true
}

// websocket recognises frames whose upgrade nobody captured: they end where the message does, and text is text.
func websocket(data []byte, hint Hint) (Dissection, bool) {
	if !areWebSocketFrames(data) {
		return Dissection{}, false
	}
	hint.from().frames = &websocketSide{deflate: true, lost: true}
	return websocketFrames(data, hint)
}

func areWebSocketFrames(data []byte) bool {
	const tellingText = 6 // bytes
	told := false
	for len(data) > 0 {
		f, ok := websocketHeadOf(data)
		if !ok || opNames[f.opcode] == "" || f.reserved != 0 || f.length > uint64(len(data)-f.size) || f.opcode >= opClose && f.length > 125 {
			return false
		}
		payload := data[f.size : f.size+int(f.length)]
		if f.masked {
			payload = unmasked(payload, f.mask, 0)
		}
		if f.opcode == opText {
			if !isPrintable(payload) {
				return false
			}
			told = told || len(payload) >= tellingText
		}
		data = data[f.size+int(f.length):]
	}
	return told
}

func newWebSocketReader(data []byte, hint Hint) *websocketReader {
	w := &websocketReader{data: data, from: hint.from()}
	w.state = w.from.frames
	w.tag("websocket", "ws", "frame")
	return w
}

func (w *websocketReader) frames(at int) Dissection {
	for at < len(w.data) && !w.full() {
		f, ok := websocketHeadOf(w.data[at:])
		if !ok {
			w.say("frame not complete")
			w.tag("partial")
			w.field("websocket.partial", hexBytes(w.data[at:]), at, len(w.data)-at)
			w.from.keep(w.data[at:], websocketFrames)
			break
		}
		w.head(f, at)
		at = w.payload(f, at+f.size)
	}
	if w.from.next == nil {
		w.from.next = websocketFrames
	}
	return w.done("WebSocket")
}

// websocketHead is a frame's header.
type websocketHead struct {
	size     int // of the header, in bytes
	final    bool
	reserved byte // the three reserved bits
	opcode   int
	masked   bool
	mask     []byte
	length   uint64
}

// websocketHeadOf reads a frame's header; ok is false if it is not there whole.
func websocketHeadOf(data []byte) (f websocketHead, ok bool) {
	r := open("WebSocket frame", 0, data)
	first, second := r.Uint8(), r.Uint8()
	f = websocketHead{final: first&0x80 != 0, reserved: first >> 4 & 7, opcode: int(first & 15), masked: second&0x80 != 0}
	switch f.length = uint64(second & 0x7f); f.length {
	case 126:
		f.length = uint64(r.Uint16())
	case 127:
		f.length = r.Uint64()
	}
	if f.masked {
		f.mask = r.Bytes(4)
	}
	f.size = r.Pos()
	return f, r.Err() == nil
}

func (f websocketHead) name() string {
	if name := opNames[f.opcode]; name != "" {
		return name
	}
	return fmt.Sprintf("opcode %d", f.opcode)
}

func (w *websocketReader) head(f websocketHead, at int) {
	lengthAt, maskAt := at+1, at+f.size-len(f.mask)
	if maskAt > at+2 {
		lengthAt = at + 2
	}
	w.field("websocket.fin", fmt.Sprint(f.final), at, 1)
	w.field("websocket.opcode", f.name(), at, 1)
	w.field("websocket.masked", fmt.Sprint(f.masked), at+1, 1)
	w.field("websocket.length", fmt.Sprint(f.length), lengthAt, maskAt-lengthAt)
	if f.masked {
		w.field("websocket.mask", hexBytes(f.mask), maskAt, 4)
	}
	w.tag(f.name())
	w.faults(f, at)
}

// faults notes how a frame breaks the rules (RFC 6455, section 5).
func (w *websocketReader) faults(f websocketHead, at int) {
	compressed := w.state.deflate && f.reserved == 4 && (f.opcode == opText || f.opcode == opBinary)
	if f.reserved != 0 {
		w.field("websocket.reserved", fmt.Sprintf("%03b", f.reserved), at, 1)
	}
	switch {
	case f.reserved != 0 && !compressed:
		w.malformed(at, "reserved bits %03b", f.reserved)
	case opNames[f.opcode] == "":
		w.malformed(at, "opcode %d is none", f.opcode)
	case f.opcode >= opClose && (!f.final || f.length > 125):
		w.malformed(at, "a %s frame in fragments or of %d bytes", f.name(), f.length)
	case f.opcode == opContinuation && !w.state.within && !w.state.lost:
		w.malformed(at, "a continuation of nothing")
	case (f.opcode == opText || f.opcode == opBinary) && w.state.within:
		w.malformed(at, "a message begins within another")
	case f.length>>63 != 0:
		w.malformed(at, "a length of %d bytes", f.length)
	}
}

// payload reads what of a frame's payload lies in this message and returns where that ends.
func (w *websocketReader) payload(f websocketHead, at int) int {
	if f.opcode == opText || f.opcode == opBinary {
		w.state.opcode, w.state.deflated, w.state.within = f.opcode, f.reserved&4 != 0, true
		w.message = gathered{}
	}
	w.from.left = f.length
	return w.piece(f, at, 0)
}

// piece reads a piece of a frame's payload, of which some bytes came in earlier messages.
func (w *websocketReader) piece(f websocketHead, at int, before uint64) int {
	n := w.from.take(w.data[at:])
	w.from.pass(n)
	plain := w.data[at : at+n]
	if f.masked {
		plain = unmasked(plain, f.mask, before)
		w.decoded("payload", at, n, plain)
	} else {
		w.part("payload", at, n)
	}
	if w.from.left > 0 {
		w.say("%s, %d bytes of %d", f.name(), n, f.length)
		w.tag("partial")
		w.state.window, w.state.lost = nil, true
		w.from.next = payloadRest(f)
	}
	w.pieceSays(f, plain, at, before > 0)
	return at + n
}

// payloadRest reads what is left of a payload, and the frames behind it.
func payloadRest(f websocketHead) dissector {
	f.mask = slices.Clone(f.mask)
	return func(data []byte, hint Hint) (Dissection, bool) {
		w := newWebSocketReader(data, hint)
		w.say("%s continued", f.name())
		return w.frames(w.piece(f, 0, f.length-w.from.left)), true
	}
}

// unmasked is masked data as it was meant, with the key turned by the bytes that came before (section 5.3).
func unmasked(data, mask []byte, before uint64) []byte {
	plain := make([]byte, len(data))
	for i, b := range data {
		plain[i] = b ^ mask[(before+uint64(i))%4]
	}
	return plain
}

// pieceSays reads an unmasked payload, or a piece of one.
func (w *websocketReader) pieceSays(f websocketHead, plain []byte, at int, continued bool) {
	whole := !continued && w.from.left == 0
	switch {
	case f.opcode == opClose && whole:
		w.closing(plain, at)
	case f.opcode >= opClose || continued:
		w.shown(f.name(), plain, at)
	default:
		w.message.add(at, plain)
		if w.shown(f.name(), plain, at); f.final && whole {
			w.complete()
		}
	}
	if f.opcode <= opBinary && f.final && w.from.left == 0 {
		w.state.within, w.message = false, gathered{}
	}
}

func (w *websocketReader) shown(name string, plain []byte, at int) {
	says := printable(plain)
	if !utf8.Valid(plain) {
		says = hexBytes(plain)
	}
	if len(plain) > 0 {
		w.field("websocket.payload", says, at, len(plain))
	}
	w.say("%s, %d bytes", name, len(plain))
}

// closing reads why a side closes (section 7.4).
func (w *websocketReader) closing(plain []byte, at int) {
	w.say("close")
	if len(plain) == 0 {
		return
	}
	if len(plain) == 1 {
		w.malformed(at, "a close code of one byte")
		return
	}
	code := int(plain[0])<<8 | int(plain[1])
	says := strings.TrimSpace(fmt.Sprintf("%d %s", code, closeNames[code]))
	w.field("websocket.close.code", says, at, 2)
	w.field("websocket.close.reason", printable(plain[2:]), at+2, len(plain)-2)
	w.say("%s", says)
	w.tag(closeNames[code])
}

// complete reads what a message carries of which all fragments lie in this message.
func (w *websocketReader) complete() {
	run := w.message
	if w.state.deflated {
		w.inflated(run)
		return
	}
	w.joined("payload", run)
	w.moved(run.place, func() { w.carried(run.data, 0, 0) })
}

// inflated shows a compressed message (RFC 7692, section 7.2.2), if all that it refers back to is known.
func (w *websocketReader) inflated(run gathered) {
	w.tag("deflate", "compressed", "inflate")
	state := w.state
	if len(run.spans) == 0 || state.lost && !state.afresh {
		return
	}
	begin, size := run.place(0, len(run.data))
	tail := "\x00\x00\xff\xff" + "\x01\x00\x00\xff\xff"
	r := flate.NewReaderDict(io.MultiReader(bytes.NewReader(run.data), strings.NewReader(tail)), state.window)
	plain, err := io.ReadAll(io.LimitReader(r, int64(inflateMost-w.made)))
	if w.made += len(plain); err != nil || w.made == inflateMost {
		state.lost = true
	}
	if err != nil {
		w.malformed(begin, "inflating: %v", err)
	}
	if !state.afresh {
		window := slices.Concat(state.window, plain)
		state.window = window[max(0, len(window)-windowMost):]
	}
	w.field("websocket.inflated", printable(plain), begin, size)
	w.decoded("inflated", begin, size, plain)
	w.moved(within(begin, size), func() { w.carried(plain, 0, 0) })
}
