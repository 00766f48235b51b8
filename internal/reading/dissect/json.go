package dissect

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// isJSON says whether data is an object or array of JSON (RFC 8259) and nothing else. What is only a number or
// a word is JSON too, and says nothing.
func isJSON(data []byte) bool {
	trimmed := bytes.TrimSpace(data)
	return len(trimmed) >= 2 && (trimmed[0] == '{' || trimmed[0] == '[') && json.Valid(trimmed)
}

// jsonReader reads JSON, and keeps where each value stands.
type jsonReader struct {
	*sheet
	data  []byte
	at    int // of the next byte, in data
	base  int // of data, in the message
	depth int // of values in values

	tooDeep bool
}

// jsonDeep bounds how deep objects and arrays are followed.
const jsonDeep = 32

// json reads what is JSON, or should be: a field for each value that holds no others, named by the way to it.
func (s *sheet) json(data []byte, at, depth int) {
	if depth > nestedMost || len(data) > valueMost {
		return
	}
	s.tag("json")
	r := &jsonReader{sheet: s, data: data, base: at, depth: depth}
	for r.space(); r.at < len(data); r.space() { // several where each line is one
		if r.read("json", 0) {
			continue
		}
		if s.values < valuesMost && !r.tooDeep {
			s.malformed(at+r.at, "JSON breaks off, or breaks its rules")
		}
		return
	}
}

// read reads a value, and says whether it could be read to its end.
func (r *jsonReader) read(path string, deep int) bool {
	r.space()
	r.tooDeep = deep > jsonDeep
	if r.at >= len(r.data) || r.tooDeep {
		return false
	}
	switch r.data[r.at] {
	case '{':
		return r.list(path, '}', func(int) bool { return r.member(path, deep) })
	case '[':
		return r.list(path, ']', func(n int) bool { return r.read(fmt.Sprintf("%s[%d]", path, n), deep+1) })
	case '"':
		begin := r.at
		return r.skipString() && r.text(path, begin)
	}
	begin := r.at
	for r.at < len(r.data) && !bytes.ContainsRune([]byte(",]} \t\r\n"), rune(r.data[r.at])) {
		r.at++
	}
	return r.at > begin && r.value(path, printable(r.data[begin:r.at]), r.base+begin, r.at-begin)
}

// list reads an object's members or an array's elements, with the brackets around them.
func (r *jsonReader) list(path string, end byte, read func(n int) bool) bool {
	begin := r.at
	r.at++
	if r.accept(end) {
		return r.value(path, "empty", r.base+begin, r.at-begin)
	}
	for n := 0; read(n); n++ {
		if r.accept(end) {
			return true
		}
		if !r.accept(',') {
			return false
		}
	}
	return false
}

func (r *jsonReader) member(path string, deep int) bool {
	r.space()
	begin := r.at
	if r.at >= len(r.data) || r.data[r.at] != '"' || !r.skipString() {
		return false
	}
	name := shortName(r.data[begin+1 : r.at-1])
	r.tag(name)
	r.part("json name", r.base+begin+1, r.at-begin-2)
	return r.accept(':') && r.read(path+"."+name, deep+1)
}

// text keeps a string, and reads what it carries.
func (r *jsonReader) text(path string, begin int) bool {
	raw, at := r.data[begin+1:r.at-1], r.base+begin+1
	r.part("json value", at, len(raw))
	if bytes.IndexByte(raw, '\\') < 0 {
		more := r.value(path, printable(raw), at, len(raw))
		r.carried(raw, at, r.depth+1)
		return more
	}
	var plain string
	if json.Unmarshal(r.data[begin:r.at], &plain) != nil {
		r.value(path, printable(raw), at, len(raw))
		return false
	}
	more := r.value(path, printable([]byte(plain)), at, len(raw))
	r.decoded("json value", at, len(raw), []byte(plain))
	r.moved(within(at, len(raw)), func() { r.carried([]byte(plain), 0, r.depth+1) })
	return more
}

// skipString passes over a string, and says whether it ends.
func (r *jsonReader) skipString() bool {
	for r.at++; r.at < len(r.data); r.at++ {
		switch r.data[r.at] {
		case '\\':
			r.at++
		case '"':
			r.at++
			return true
		}
	}
	r.at = len(r.data)
	return false
}

// accept passes over a character and the space before it, if it comes next.
func (r *jsonReader) accept(c byte) bool {
	r.space()
	if r.at < len(r.data) && r.data[r.at] == c {
		r.at++
		return true
	}
	return false
}

func (r *jsonReader) space() {
	for r.at < len(r.data) && bytes.IndexByte([]byte(" \t\r\n"), r.data[r.at]) >= 0 {
		r.at++
	}
}
