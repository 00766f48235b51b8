package dissect

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// What of a text message gets fields of its own.
const (
	textMost = 200     // lines
	wordMost = 40      // words of a line
	lineMost = 1 << 16 // bytes of a line
)

// text reads a message of lines: a verb, arguments, name=value pairs, as most line protocols have them.
func text(data []byte, hint Hint) (Dissection, bool) {
	if at := helloWithin(data); at > 0 {
		return before(at, data, hint), true
	}
	if !mostlyText(data) {
		return Dissection{}, false
	}
	s := &sheet{}
	s.say("%s", opening(data))
	whole := isJSON(data[:min(len(data), valueMost)])
	if whole {
		s.json(data, 0, 0)
	}
	for n, at := 0, 0; n < textMost && at < len(data) && !s.full(); n++ {
		end := len(data)
		if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		line := bytes.TrimRight(data[at:end], "\r\n")
		if s.textLine(line, at); !whole && isJSON(line[:min(len(line), lineMost)]) {
			s.json(line, at, 0)
		}
		at = end
	}
	return s.done(Text), true
}

// opening is a message's first words, of several lines if they are short.
func opening(data []byte) string {
	const most = 60
	lines := bytes.FieldsFunc(data[:min(len(data), most)], func(r rune) bool { return r == '\r' || r == '\n' })
	return printable(bytes.Join(lines, []byte(" ")))
}

// mostlyText says whether a message's beginning is text but for a few bytes in a hundred.
func mostlyText(data []byte) bool {
	head := data[:min(len(data), 4096)]
	odd := 0
	for len(head) > 0 {
		r, n := utf8.DecodeRune(head)
		if r == utf8.RuneError && n == 1 || r < 0x20 && r != '\n' && r != '\r' && r != '\t' || r == 0x7f {
			odd++
		}
		head = head[n:]
	}
	return len(data) > 0 && odd*20 <= min(len(data), 4096)
}

func (s *sheet) textLine(line []byte, at int) {
	s.part("line", at, len(line))
	line = line[:min(len(line), lineMost)]
	from := 0
	for i := range wordMost {
		from += len(line[from:]) - len(bytes.TrimLeftFunc(line[from:], unicode.IsSpace))
		if from == len(line) {
			break
		}
		word := line[from:]
		if end := bytes.IndexFunc(word, unicode.IsSpace); end > 0 {
			word = word[:end]
		}
		s.word(i, word, at+from)
		from += len(word)
	}
}

// word keeps the i-th word of a line: as verb, as name=value pair or as argument.
func (s *sheet) word(i int, word []byte, at int) {
	key, value, paired := bytes.Cut(word, []byte("="))
	switch {
	case paired && len(key) > 0:
		s.field("text."+shortName(key), printable(value), at, len(word))
		s.tag(shortName(key))
		s.part("value", at+len(key)+1, len(value))
	case i == 0:
		s.field("text.verb", printable(word), at, len(word))
		s.tag(shortName(word))
	default:
		s.field(fmt.Sprintf("text.arg[%d]", i-1), printable(word), at, len(word))
		s.part("word", at, len(word))
	}
}
