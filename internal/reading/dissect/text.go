package dissect

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// textMost is how many lines of a text message get fields of their own.
const textMost = 200

// text reads a message of lines: a verb, arguments, name=value pairs, as most line protocols have them.
func text(data []byte, _ Hint) (Dissection, bool) {
	if !mostlyText(data) {
		return Dissection{}, false
	}
	s := &sheet{}
	at := 0
	for n, line := range bytes.SplitAfter(data, []byte("\n")) {
		if n >= textMost {
			break
		}
		s.textLine(n, bytes.TrimRight(line, "\r\n"), at)
		at += len(line)
	}
	return s.done("text"), true
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

func (s *sheet) textLine(n int, line []byte, at int) {
	words := bytes.Fields(line)
	if len(words) == 0 {
		return
	}
	s.part("line", at, len(line))
	if n == 0 {
		s.say("%s", printable(line[:min(len(line), 60)]))
	}
	for i, word := range words {
		if i >= 40 {
			break
		}
		from := at + bytes.Index(line, word)
		key, value, paired := bytes.Cut(word, []byte("="))
		switch {
		case i == 0 && !paired:
			s.field("text.verb", printable(word), from, len(word))
			s.tag(printable(word))
		case paired && len(key) > 0:
			s.field("text."+shortName(key), printable(value), from, len(word))
			s.tag(shortName(key))
			s.part("value", from+len(key)+1, len(value))
		default:
			s.field(fmt.Sprintf("text.arg[%d]", i), printable(word), from, len(word))
			s.part("word", from, len(word))
		}
	}
	s.field("text.line", fmt.Sprintf("%d words", len(words)), at, len(line))
}
