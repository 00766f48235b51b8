package dissect

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

const redisPort = 6379

// respForm is how values of a kind are written (RESP3 specification, of which RESP2 is a part).
type respForm struct {
	name     string
	shape    respShape
	elements int64 // aggregates: for each that their length counts
}

type respShape int

const (
	respLine      respShape = iota // the value stands in the line
	respBulk                       // the line is a length in bytes, the value follows
	respAggregate                  // the line is a number of elements, which follow
)

var respForms = map[byte]respForm{
	'+': {"string", respLine, 0}, '-': {"error", respLine, 0}, ':': {"integer", respLine, 0}, '_': {"null", respLine, 0},
	',': {"double", respLine, 0}, '#': {"boolean", respLine, 0}, '(': {"big_number", respLine, 0},
	'$': {"bulk_string", respBulk, 0}, '!': {"bulk_error", respBulk, 0}, '=': {"verbatim_string", respBulk, 0},
	'*': {"array", respAggregate, 1}, '~': {"set", respAggregate, 1}, '>': {"push", respAggregate, 1},
	'%': {"map", respAggregate, 2}, '|': {"attribute", respAggregate, 2},
}

// respReader reads values one after another.
type respReader struct {
	sheet
	data []byte
	asks bool // what is read are commands, or may be
	open []respOpen
}

// respOpen is an aggregate that is being read.
type respOpen struct {
	at      int
	name    string
	claimed int64
	left    int64  // elements
	command bool   // an array of a client's, beginning with its command's name
	verb    string // that name
}

// resp reads the protocol of Redis, versions 2 and 3: commands, with inline ones among them, or replies.
func resp(data []byte, hint Hint) (Dissection, bool) {
	if !isRESP(data, hint.Port) && !(hint.Port == redisPort && hint.FromClient && isInline(data)) {
		return Dissection{}, false
	}
	r := &respReader{data: data, asks: hint.FromClient || hint.Transport == ""}
	r.tag("redis", "resp")
	for at := 0; at < len(data) && !r.full(); {
		at = r.value(at)
	}
	r.cut()
	if !hint.FromClient && hint.Transport != "" {
		r.tag("reply", "response")
		r.answer("command", "request")
	}
	return r.done("RESP"), true
}

// isRESP says whether data begins with a value of RESP, and with the next one if there is one. Simple strings
// and errors are of other protocols, too: only what Redis says is one, and on its port any.
func isRESP(data []byte, port uint16) bool {
	if len(data) < 3 {
		return false
	}
	form, known := respForms[data[0]]
	line, next, whole := lineAt(data[:min(len(data), lineMost)], 1)
	if !known || !whole || data[next-2] != '\r' {
		return false
	}
	switch {
	case data[0] == '+' || data[0] == '-':
		return port == redisPort || data[0] == '+' && isStatus(line) || data[0] == '-' && isRedisError(line)
	case form.shape == respLine:
		return isRESPLine(data[0], line) && (next == len(data) || isRESPKind(data[next]))
	case form.shape == respBulk:
		n, ok := claimedLength(line)
		end := int64(next) + n
		return ok && (n < 0 || end+2 > int64(len(data)) || string(data[end:end+2]) == "\r\n")
	}
	_, ok := claimedLength(line)
	return ok && (next == len(data) && data[0] == '*' || next < len(data) && isRESPKind(data[next]))
}

func isRESPKind(b byte) bool { _, ok := respForms[b]; return ok }

// isRESPLine says whether a line is what its kind demands.
func isRESPLine(kind byte, line []byte) bool {
	switch kind {
	case '_':
		return len(line) == 0
	case '#':
		return string(line) == "t" || string(line) == "f"
	case ',':
		_, err := strconv.ParseFloat(string(line[:min(len(line), 400)]), 64)
		return err == nil
	case ':', '(':
		digits := bytes.TrimLeft(line, "+-")
		return len(line)-len(digits) <= 1 && len(digits) > 0 && len(bytes.Trim(digits, "0123456789")) == 0
	}
	return true
}

// isStatus says whether a simple string is one of those that Redis answers with.
func isStatus(line []byte) bool {
	switch first, _, more := bytes.Cut(line, []byte(" ")); string(first) {
	case "OK", "PONG", "QUEUED", "RESET", "string", "list", "set", "zset", "hash", "stream", "none":
		return !more
	case "FULLRESYNC", "CONTINUE", "Background":
		return true
	}
	return false
}

// isRedisError says whether a line is as Redis writes errors: a code in capital letters, then what is wrong.
func isRedisError(line []byte) bool {
	code, _, more := bytes.Cut(line, []byte(" "))
	return more && len(code) >= 3 && len(bytes.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")) == 0 && !bytes.HasPrefix(line, []byte("ERR ["))
}

// isInline says whether data begins with a command as people type it.
func isInline(data []byte) bool {
	line, _, whole := lineAt(data[:min(len(data), lineMost)], 0)
	words := tokens(line, 0, 1)
	return whole && len(words) > 0 && isWord(words[0].text)
}

// value reads the value at an offset, or an aggregate's head, and returns where the next one begins.
func (r *respReader) value(at int) int {
	form, known := respForms[r.data[at]]
	if !known {
		return r.other(at)
	}
	line, next, whole := lineAt(r.data, at+1)
	if !whole {
		r.field("resp.partial", printable(line), at, len(r.data)-at)
		r.tag("partial")
		return len(r.data)
	}
	switch form.shape {
	case respBulk:
		next = r.bulk(form, at, line, next)
	case respAggregate:
		r.aggregate(form, at, line, next)
		return next
	default:
		r.line(form, at, line, next)
	}
	r.finished()
	return next
}

// line keeps a value that stands in its line.
func (r *respReader) line(form respForm, at int, line []byte, next int) {
	r.field("resp."+form.name, printable(line), at, next-at)
	r.part(words(form.name), at+1, len(line))
	if !isRESPLine(r.data[at], line) {
		r.malformed(at, "%q is no %s", printable(line), words(form.name))
	}
	if form.name == "error" {
		code, _, _ := bytes.Cut(line, []byte(" "))
		r.tag("error", shortName(code))
	}
	if len(r.open) == 0 {
		r.say("%s", strings.TrimSpace(words(form.name)+" "+printable(line[:min(len(line), 60)])))
	}
}

// bulk keeps a value that follows its length, and returns where it ends.
func (r *respReader) bulk(form respForm, at int, line []byte, next int) int {
	n := r.length(form, at, line, next)
	if n < 0 {
		if len(r.open) == 0 {
			r.say("null")
		}
		return next
	}
	there := int(min(n, int64(len(r.data)-next)))
	value := r.data[next : next+there]
	r.field("resp."+form.name+".value", printable(value), next, there)
	r.part(words(form.name), next, there)
	r.bulkSaid(form, token{value, next})
	switch end := r.data[next+there:]; {
	case int64(there) < n:
		r.malformed(at, "%s claims %d bytes, %d are there", words(form.name), n, there)
	case len(end) >= 2 && string(end[:2]) != "\r\n":
		r.malformed(next+there, "expected CR LF after the %s, found %s", words(form.name), hexBytes(end[:2]))
		return next + there
	}
	return min(next+there+2, len(r.data))
}

// bulkSaid tells of a bulk in the summary: of a command its name and first arguments.
func (r *respReader) bulkSaid(form respForm, value token) {
	top := len(r.open) - 1
	if top < 0 {
		r.say("%s of %d bytes", words(form.name), len(value.text))
		return
	}
	a := &r.open[top]
	if !a.command {
		return
	}
	switch a.claimed - a.left {
	case 0:
		if a.command = isWord(value.text); a.command {
			a.verb = shortName(value.text)
			r.command(value)
		}
	case 1:
		if last := len(r.said) - 1; last >= 0 && strings.EqualFold(r.said[last], a.verb) { // it is told, and alone yet
			r.said[last] += " " + printable(value.text[:min(len(value.text), 40)])
		}
		if respContainers[a.verb] {
			r.tag(shortName(value.text))
		}
	}
}

// respContainers are the commands whose first argument is a command in itself.
var respContainers = map[string]bool{
	"acl": true, "client": true, "cluster": true, "command": true, "config": true, "debug": true, "function": true,
	"latency": true, "memory": true, "module": true, "object": true, "pubsub": true, "script": true, "slowlog": true,
	"xgroup": true, "xinfo": true,
}

// command keeps a command's name.
func (r *respReader) command(name token) {
	r.keep("resp.command", name)
	r.tag("command", "request", shortName(name.text))
	r.say("%s", printable(name.text))
}

// length reads a length and keeps it; what is no length is malformed, and counts as null.
func (r *respReader) length(form respForm, at int, line []byte, next int) int64 {
	n, ok := claimedLength(line)
	r.field("resp."+form.name+".length", printable(line), at, next-at)
	if !ok {
		r.malformed(at, "%q is no length of a %s", printable(line), words(form.name))
		return -1
	}
	return n
}

// aggregate begins an aggregate, whose elements come next. It may hold more aggregates, at any depth: they are
// kept in a list, which is no longer than the number of fields.
func (r *respReader) aggregate(form respForm, at int, line []byte, next int) {
	n := r.length(form, at, line, next)
	if len(r.open) == 0 && (!r.asks || form.name != "array" || n <= 0) {
		r.say("%s of %d", form.name, n)
	}
	r.tag(form.name)
	if n <= 0 {
		r.finished()
		return
	}
	r.open = append(r.open, respOpen{
		at: at, name: form.name, claimed: n * form.elements, left: n * form.elements,
		command: r.asks && form.name == "array" && len(r.open) == 0,
	})
}

// finished counts a value that is at its end, and each aggregate that ends with it. Attributes are no value:
// they stand before one.
func (r *respReader) finished() {
	for len(r.open) > 0 {
		a := &r.open[len(r.open)-1]
		if a.left--; a.left > 0 {
			return
		}
		r.open = r.open[:len(r.open)-1]
		if a.name == "attribute" {
			return
		}
	}
}

// other reads what no value begins with: an inline command, or what is out of place. Reading goes on with the
// next line.
func (r *respReader) other(at int) int {
	line, next, _ := lineAt(r.data, at)
	typed := tokens(line, at, wordMost)
	if len(r.open) > 0 || !r.asks || len(typed) == 0 || !isWord(typed[0].text) {
		r.malformed(at, "expected a type, found %s", hexBytes(r.data[at:min(at+1, len(r.data))]))
		r.open = nil
		return next
	}
	r.command(typed[0])
	for i, w := range typed[1:] {
		r.keep(fmt.Sprintf("resp.inline[%d]", i), w)
		r.part("word", w.at, len(w.text))
	}
	return next
}

// cut notes the aggregates that the message's end cuts.
func (r *respReader) cut() {
	if r.full() {
		return
	}
	for _, a := range r.open {
		r.malformed(a.at, "%s claims %d elements, %d are there", a.name, a.claimed, a.claimed-a.left)
	}
}

// framedCommand is a command with all its arguments: an array of bulk strings that begins with a name.
func framedCommand(data []byte) int {
	if !isRESP(data, 0) {
		return 0
	}
	line, at, _ := lineAt(data[:min(len(data), 32)], 1)
	n, ok := claimedLength(line)
	for i := int64(0); ok && i < n; i++ {
		var argument []byte
		argument, at = framedBulk(data, at)
		if at == 0 || i == 0 && !isWord(argument) {
			return 0
		}
	}
	if !ok || n < 1 {
		return 0
	}
	return at
}

// framedBulk is the bulk string at an offset and where it ends; 0 if it isn't there whole.
func framedBulk(data []byte, at int) (value []byte, end int) {
	if at >= len(data) || data[at] != '$' {
		return nil, 0
	}
	line, next, whole := lineAt(data[:min(len(data), at+32)], at+1)
	n, ok := claimedLength(line)
	if !whole || !ok || n < 0 || n+2 > int64(len(data)-next) || string(data[next+int(n):next+int(n)+2]) != "\r\n" {
		return nil, 0
	}
	return data[next : next+int(n)], next + int(n) + 2
}
