package dissect

import (
	"fmt"
	"strings"
)

const memcachedPort = 11211

// memcachedLine is how a line of memcached's text protocol is written (doc/protocol.txt of memcached): a letter
// for each word after the first, the last one for all that follow. A line that is telling is of no other
// protocol; all others are taken for memcached's on its port only.
type memcachedLine struct {
	words   string // k key, f flags, e expiration, l length of a value, c cas, v value, s subcommand, m meta flag, r "noreply", t text
	least   int    // words that must be there
	value   bool   // a value follows
	telling bool
}

var memcachedCommands = map[string]memcachedLine{
	"set": {"kfelr", 4, true, true}, "add": {"kfelr", 4, true, true}, "replace": {"kfelr", 4, true, true},
	"append": {"kfelr", 4, true, true}, "prepend": {"kfelr", 4, true, true}, "cas": {"kfelcr", 5, true, true},
	"get": {"k", 1, false, false}, "gets": {"k", 1, false, false}, "gat": {"ek", 2, false, true}, "gats": {"ek", 2, false, true},
	"incr": {"kvr", 2, false, true}, "decr": {"kvr", 2, false, true}, "touch": {"ker", 2, false, true}, "delete": {"kr", 1, false, false},
	"ms": {"klm", 2, true, true}, "mg": {"km", 1, false, false}, "md": {"km", 1, false, false}, "ma": {"km", 1, false, false},
	"me": {"km", 1, false, false}, "mn": {"", 0, false, false}, "stats": {"s", 0, false, false}, "flush_all": {"er", 0, false, false},
	"version": {"", 0, false, false}, "verbosity": {"vr", 0, false, false}, "quit": {"", 0, false, false}, "slabs": {"s", 0, false, false},
	"lru": {"s", 0, false, false}, "lru_crawler": {"s", 0, false, true}, "watch": {"s", 0, false, false}, "shutdown": {"s", 0, false, false},
	"cache_memlimit": {"vr", 1, false, true}, "misbehave": {"", 0, false, false},
}

var memcachedReplies = map[string]memcachedLine{
	"VALUE": {"kflc", 3, true, true}, "VA": {"lm", 1, true, false}, "HD": {"m", 0, false, false}, "EN": {"", 0, false, false},
	"NS": {"m", 0, false, false}, "EX": {"m", 0, false, false}, "NF": {"m", 0, false, false}, "MN": {"", 0, false, false}, "ME": {"km", 1, false, false},
	"STORED": {"", 0, false, true}, "NOT_STORED": {"", 0, false, true}, "EXISTS": {"", 0, false, false}, "NOT_FOUND": {"", 0, false, true},
	"DELETED": {"", 0, false, false}, "TOUCHED": {"", 0, false, true}, "END": {"", 0, false, false}, "OK": {"", 0, false, false},
	"ERROR": {"t", 0, false, false}, "CLIENT_ERROR": {"t", 1, false, true}, "SERVER_ERROR": {"t", 1, false, true},
	"STAT": {"nt", 1, false, true}, "VERSION": {"t", 1, false, false}, "RESET": {"", 0, false, false}, "BUSY": {"t", 0, false, false},
}

var memcachedWords = map[byte]string{
	'k': "key", 'f': "flags", 'e': "expiration", 'l': "value.length", 'c': "cas", 'v': "value", 's': "subcommand", 'm': "meta_flag",
	'r': "noreply", 't': "name_value", 'n': "name",
}

// memcached reads memcached's protocols: the one of lines, with its meta commands, and the binary one.
func memcached(data []byte, hint Hint) (Dissection, bool) {
	if isMemcachedHeader(data) {
		return memcachedBinary(data)
	}
	if !isMemcachedText(data, hint.Port) {
		return Dissection{}, false
	}
	m := &memcachedReader{data: data}
	m.tag("memcached", "memcache")
	for at := 0; at < len(data) && !m.full(); {
		at = m.line(at)
	}
	return m.done("memcached"), true
}

type memcachedReader struct {
	sheet
	data []byte
}

// isMemcachedText looks at the first line: where it is telling, its numbers must be numbers.
func isMemcachedText(data []byte, port uint16) bool {
	line, _, whole := lineAt(data[:min(len(data), lineMost)], 0)
	list := tokens(line, 0, wordMost)
	if !whole || len(list) == 0 {
		return false
	}
	form, _, known := memcachedForm(list[0].text)
	if port == memcachedPort {
		return known || isWord(list[0].text) || isNumber(list[0].text)
	}
	return known && form.telling && form.fits(list[1:])
}

func memcachedForm(word []byte) (form memcachedLine, reply, known bool) {
	if form, known = memcachedCommands[string(word)]; known {
		return form, false, true
	}
	form, reply = memcachedReplies[string(word)]
	return form, reply, reply
}

// fits says whether words are as the form has them.
func (f memcachedLine) fits(list []token) bool {
	if len(list) < f.least {
		return false
	}
	for i, word := range list {
		switch f.word(i) {
		case 0:
			return false
		case 'f', 'l', 'c', 'v', 'e':
			if !isNumber(word.text[min(1, len(word.text)-1):]) {
				return false
			}
		case 'r':
			if string(word.text) != "noreply" {
				return false
			}
		}
	}
	return true
}

// word is the letter of the i-th word after the first.
func (f memcachedLine) word(i int) byte {
	switch {
	case i < len(f.words):
		return f.words[i]
	case strings.HasSuffix(f.words, "k") || strings.HasSuffix(f.words, "m") || strings.HasSuffix(f.words, "s") || strings.HasSuffix(f.words, "t"):
		return f.words[len(f.words)-1]
	}
	return 0
}

// line reads a line and the value that may follow it, and returns where the next line begins.
func (m *memcachedReader) line(at int) int {
	line, next, whole := lineAt(m.data, at)
	list := tokens(line, at, wordMost)
	if len(list) == 0 {
		m.malformed(at, "expected a command or a reply, found an empty line")
		return next
	}
	form, reply, known := memcachedForm(list[0].text)
	switch {
	case !known && isNumber(list[0].text): // what incr and decr answer
		m.keep("memcache.value", list[0])
		m.say("%s", list[0].text)
		m.replies()
		return next
	case !known:
		m.malformed(at, "expected a command or a reply, found %q", printable(list[0].text[:min(40, len(list[0].text))]))
	case reply:
		m.keep("memcache.response", list[0])
		m.replies()
	}
	if !reply {
		m.keep("memcache.command", list[0])
		m.tag("command", "request")
	}
	m.tag(shortName(list[0].text))
	m.say("%s", printable(line[:min(len(line), 60)]))
	length := m.arguments(form, line, list)
	switch {
	case !whole:
		m.tag("partial")
	case form.value && length >= 0:
		return m.value(next, length)
	}
	return next
}

func (m *memcachedReader) replies() {
	m.tag("reply", "response")
	m.answer("command", "request")
}

// arguments keeps the words after the first, and returns the length of the value that is announced, or -1.
func (m *memcachedReader) arguments(form memcachedLine, line []byte, list []token) (length int) {
	length = -1
	if form.words == "t" && len(list) > 1 { // all that follows is one text
		from := list[1].at - list[0].at
		from = min(from, len(line))
		name := "memcache.response.text"
		if string(list[0].text) == "VERSION" {
			name = "memcache.version"
		}
		m.keep(name, token{line[from:], list[1].at})
		return length
	}
	for i, word := range list[1:] {
		letter := form.word(i)
		switch letter {
		case 0:
			m.keep("memcache.argument", word)
			continue
		case 'k':
			m.part("key", word.at, len(word.text))
		case 'l':
			if n, ok := claimedLength(word.text); ok && n >= 0 {
				length = int(n)
			} else {
				m.malformed(word.at, "%q is no length", printable(word.text))
			}
		}
		m.keep("memcache."+memcachedWords[letter], word)
	}
	return length
}

// value keeps the value at an offset, and returns where the next line begins.
func (m *memcachedReader) value(at, length int) int {
	there := min(length, len(m.data)-at)
	m.field("memcache.value", printable(m.data[at:at+there]), at, there)
	m.part("value", at, there)
	end := m.data[at+there:]
	switch {
	case there < length:
		m.malformed(at, "the value's length is %d, %d bytes are there", length, there)
	case len(end) >= 2 && string(end[:2]) != "\r\n":
		m.malformed(at+there, "expected CR LF after the value, found %s", hexBytes(end[:2]))
		_, next, _ := lineAt(m.data, at+there)
		return next
	}
	return min(at+there+2, len(m.data))
}

// Of memcached's binary protocol (doc/protocol-binary.txt): the header is memcachedHeader bytes long.
const (
	memcachedRequest  = 0x80
	memcachedResponse = 0x81
	memcachedHeader   = 24
	memcachedKeyMost  = 250
)

var memcachedOpcodes = map[int]string{
	0x00: "Get", 0x01: "Set", 0x02: "Add", 0x03: "Replace", 0x04: "Delete", 0x05: "Increment", 0x06: "Decrement", 0x07: "Quit", 0x08: "Flush",
	0x09: "Get Quietly", 0x0a: "No-op", 0x0b: "Version", 0x0c: "Get Key", 0x0d: "Get Key Quietly", 0x0e: "Append", 0x0f: "Prepend", 0x10: "Statistics",
	0x11: "Set Quietly", 0x12: "Add Quietly", 0x13: "Replace Quietly", 0x14: "Delete Quietly", 0x15: "Increment Quietly", 0x16: "Decrement Quietly", 0x17: "Quit Quietly", 0x18: "Flush Quietly",
	0x19: "Append Quietly", 0x1a: "Prepend Quietly", 0x1b: "Verbosity", 0x1c: "Touch", 0x1d: "GAT", 0x1e: "GAT Quietly", 0x20: "SASL list mechanisms",
	0x21: "SASL auth", 0x22: "SASL step", 0x23: "GATK", 0x24: "GATK Quietly",
}

var memcachedStatuses = map[int]string{
	0: "No error", 1: "Key not found", 2: "Key exists", 3: "Value too large", 4: "Invalid arguments", 5: "Item not stored",
	6: "Incr/Decr on non-numeric value", 0x20: "Authentication error", 0x21: "Authentication continue", 0x81: "Unknown command", 0x82: "Out of memory",
}

// memcachedExtras are what stands between header and key, by opcode: names and sizes.
var memcachedExtras = map[int]string{
	0x01: "flags expiration", 0x02: "flags expiration", 0x03: "flags expiration", 0x11: "flags expiration", 0x12: "flags expiration",
	0x13: "flags expiration", 0x05: "delta initial expiration", 0x06: "delta initial expiration", 0x15: "delta initial expiration",
	0x16: "delta initial expiration", 0x08: "expiration", 0x18: "expiration", 0x1b: "verbosity", 0x1c: "expiration", 0x1d: "expiration",
	0x1e: "expiration", 0x23: "expiration", 0x24: "expiration",
}

// isMemcachedHeader says whether data begins with a header whose lengths can be true.
func isMemcachedHeader(data []byte) bool {
	if len(data) < memcachedHeader || data[0]&^1 != memcachedRequest || data[5] != 0 || memcachedOpcodes[int(data[1])] == "" {
		return false
	}
	key, extras := int(data[2])<<8|int(data[3]), int(data[4])
	body := int(data[8])<<24 | int(data[9])<<16 | int(data[10])<<8 | int(data[11])
	status := int(data[6])<<8 | int(data[7])
	return extras <= 20 && extras%4 == 0 && (data[0] == memcachedRequest || memcachedStatuses[status] != "") &&
		(key <= memcachedKeyMost && key+extras <= body && body < 1<<28 || body == len(data)-memcachedHeader)
}

func memcachedBinary(data []byte) (Dissection, bool) {
	s := &sheet{}
	s.tag("memcached", "memcache", "binary")
	for at := 0; at < len(data) && !s.full(); {
		if data[at]&^1 != memcachedRequest {
			s.malformed(at, "expected the magic byte 80 or 81, found %s", hexBytes(data[at:at+1]))
			break
		}
		at = s.memcachedPacket(data, at)
	}
	return s.done("memcached"), true
}

// memcachedPacket reads a request or response and returns where it ends.
func (s *sheet) memcachedPacket(data []byte, at int) int {
	r := open("header", at, data[at:])
	response := s.number(r, 1, "memcache.magic", decimal) == memcachedResponse
	opcode := s.number(r, 1, "memcache.opcode", named(memcachedOpcodes))
	keyLength := s.number(r, 2, "memcache.key.length", decimal)
	extrasLength := s.number(r, 1, "memcache.extras.length", decimal)
	s.number(r, 1, "memcache.data_type", decimal)
	status := 0
	if response {
		status = s.number(r, 2, "memcache.status", named(memcachedStatuses))
	} else {
		s.number(r, 2, "memcache.reserved", decimal)
	}
	length := s.number(r, 4, "memcache.total_body_length", decimal)
	s.number(r, 4, "memcache.opaque", decimal)
	s.number(r, 8, "memcache.cas", func(n int) string { return fmt.Sprint(uint64(n)) })
	if r.Err() != nil {
		s.malformed(at, "%v", r.Err())
		return len(data)
	}
	s.memcachedSaid(opcode, status, response)
	if there := r.Len(); length > there {
		s.malformed(at+8, "the body's length is %d, %d bytes are there", length, there)
		length = there
	}
	begin := offset(r)
	body := begin + length
	extras := s.memcachedSpan("extras", begin, extrasLength, body)
	s.memcachedExtra(data, begin, extras, opcode, response)
	key := s.memcachedSpan("key", extras, keyLength, body)
	if key > extras {
		s.field("memcache.key", printable(data[extras:key]), extras, key-extras)
		s.part("key", extras, key-extras)
	}
	switch counted := response && strings.HasPrefix(memcachedExtras[opcode], "delta"); {
	case counted && status == 0 && body-key == 8:
		s.number(open("value", key, data[key:body]), 8, "memcache.extras.response", func(n int) string { return fmt.Sprint(uint64(n)) })
	case body > key:
		s.field("memcache.value", printable(data[key:body]), key, body-key)
		s.part("value", key, body-key)
	}
	return body
}

// memcachedSpan is where a piece of a body ends: with the body, if it claims more.
func (s *sheet) memcachedSpan(name string, begin, length, body int) (end int) {
	if begin+length > body {
		s.malformed(begin, "the %s claims %d bytes, the body has %d left", name, length, body-begin)
		return body
	}
	return begin + length
}

func (s *sheet) memcachedSaid(opcode, status int, response bool) {
	name := named(memcachedOpcodes)(opcode)
	s.tag(strings.TrimSuffix(name, " Quietly"))
	if !response {
		s.tag("command", "request")
		s.say("%s", name)
		return
	}
	s.tag("response", "reply")
	s.answer("command", "request")
	if status != 0 {
		name += ": " + named(memcachedStatuses)(status)
		s.tag("error")
	}
	s.say("%s response", name)
}

func (s *sheet) memcachedExtra(data []byte, at, end, opcode int, response bool) {
	form := memcachedExtras[opcode]
	if response {
		form = "flags"
	}
	r := open("extras", at, data[at:end])
	for _, name := range strings.Fields(form) {
		width, says := 4, decimal
		switch name {
		case "delta", "initial":
			width = 8
		case "flags":
			says = func(n int) string { return fmt.Sprintf("0x%08x", n) }
		}
		if r.Len() >= width {
			s.number(r, width, "memcache.extras."+name, says)
		}
	}
	if r.Len() > 0 {
		s.field("memcache.extras.unknown", hexBytes(peek(r)), offset(r), r.Len())
	}
}
