package dissect

import (
	"bytes"
	"strconv"
)

// lineAt is the line at an offset without its end, which is CR LF or LF alone, and where the next one begins.
// A line that the message's end cuts is not whole.
func lineAt(data []byte, at int) (line []byte, next int, whole bool) {
	end := bytes.IndexByte(data[at:], '\n')
	if end < 0 {
		return data[at:], len(data), false
	}
	return bytes.TrimSuffix(data[at:at+end], []byte("\r")), at + end + 1, true
}

// token is a word of a line, and where in the message it stands.
type token struct {
	text []byte
	at   int
}

// tokens are the words of a line that begins at an offset, at most so many.
func tokens(line []byte, at, most int) []token {
	var list []token
	for from := 0; len(list) < most; {
		for from < len(line) && line[from] == ' ' {
			from++
		}
		if from == len(line) {
			break
		}
		end := from
		for end < len(line) && line[end] != ' ' {
			end++
		}
		list = append(list, token{line[from:end], at + from})
		from = end
	}
	return list
}

// keep makes a token a field.
func (s *sheet) keep(name string, t token) { s.field(name, printable(t.text), t.at, len(t.text)) }

// isNumber says whether text is a decimal number that fits 64 bits.
func isNumber(text []byte) bool {
	for _, b := range text {
		if b < '0' || b > '9' {
			return false
		}
	}
	return len(text) > 0 && len(text) < 20
}

// isWord says whether text is a word as commands are: letters, digits, '_', '-' and '.', a letter first.
func isWord(text []byte) bool {
	for _, b := range text {
		if !alphanumeric(b) && b != '_' && b != '-' && b != '.' {
			return false
		}
	}
	return len(text) > 0 && len(text) <= 40 && !isNumber(text[:1])
}

// claimedLength reads the length that a line tells of what follows; -1 stands for nothing, as RESP has it.
func claimedLength(line []byte) (n int64, ok bool) {
	if string(line) == "-1" {
		return -1, true
	}
	if !isNumber(line) {
		return 0, false
	}
	n, err := strconv.ParseInt(string(line), 10, 62)
	return n, err == nil
}
