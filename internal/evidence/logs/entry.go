package logs

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// entry is one line of a log, or one entry of a journal.
type entry struct {
	line   int               // number of its first line, from 1
	raw    []byte            // the line, or of a journal entry its message
	fields map[string]string // of a journal entry: those that are named in wanted
	head   []byte            // of an indented line, the one that it belongs to
}

func (e entry) String() string { return string(e.raw) }

// maxLine bounds a line and a journal's field, in bytes; the rest of a longer one is dropped.
const maxLine = 1 << 20

// exportStart is the field with which every entry begins that journalctl -o export prints.
var exportStart = []byte("__CURSOR=")

// wanted are a journal entry's fields (systemd.journal-fields(7)) that tell of deaths, and whose they are.
var wanted = map[string]bool{
	"MESSAGE": true, "__REALTIME_TIMESTAMP": true, "_SOURCE_REALTIME_TIMESTAMP": true, "_AUDIT_TYPE": true,
	"COREDUMP_PID": true, "COREDUMP_TID": true, "COREDUMP_SIGNAL": true, "COREDUMP_EXE": true, "COREDUMP_COMM": true, "COREDUMP_TIMESTAMP": true,
	"_PID": true, "SYSLOG_IDENTIFIER": true,
}

// eachEntry calls each for all entries of a log, whatever its form, but those that are skipped by their bytes.
func eachEntry(name string, data []byte, skip func(raw []byte) bool, each func(entry)) []cursor.Damage {
	if bytes.HasPrefix(data, exportStart) {
		return export(name, data, skip, each)
	}
	number := 0
	var head []byte
	for at := 0; at < len(data); {
		line, next := lineAt(data, at)
		number++
		indented := len(line) > 0 && (line[0] == ' ' || line[0] == '\t')
		if len(line) > 0 && !indented {
			head = line
		}
		if len(line) > 0 && !skip(line) {
			e, ok := jsonEntry(line)
			if !ok {
				e = entry{raw: line}
			}
			if indented {
				e.head = head
				e.raw = bytes.TrimPrefix(e.raw, []byte("    MESSAGE=")) // as journalctl -o verbose prints it
			}
			e.line = number
			each(e)
		}
		at = next
	}
	return nil
}

// lineAt is the line at an offset, without its end and cut where it is too long, and where the next begins.
func lineAt(data []byte, at int) (line []byte, next int) {
	line, next = data[at:], len(data)
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line, next = line[:i], at+i+1
	}
	return bytes.TrimRight(line[:min(len(line), maxLine)], "\r"), next
}

// when is the time that the line, or the journal, tells. When the source put its own time into a journal, that counts and
// not when the journal received it.
func (e entry) when(r *stamper) stamp {
	switch {
	case e.head != nil: // it belongs to a line above
		return stamp{}
	case e.fields == nil:
		return r.of(e.raw)
	}
	for _, field := range []string{"_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP"} {
		if t := microTime(e.fields[field]); !t.IsZero() {
			return stamp{time: t}
		}
	}
	return stamp{}
}

// jsonEntry reads a journal entry in JSON. A field that isn't text is an array of bytes, one that is too
// long is null, and one that was sent twice an array of both. journalctl's json-sse puts a word before each, and json-seq
// a byte.
func jsonEntry(line []byte) (entry, bool) {
	line = bytes.TrimPrefix(bytes.TrimPrefix(line, []byte("data: ")), []byte{0x1e})
	var raw map[string]json.RawMessage
	if !bytes.HasPrefix(line, []byte("{")) || !bytes.Contains(line, []byte(`"MESSAGE"`)) && !bytes.Contains(line, []byte(`"__REALTIME_TIMESTAMP"`)) ||
		json.Unmarshal(line, &raw) != nil {
		return entry{}, false
	}
	fields := map[string]string{}
	for name := range wanted {
		var text string
		var numbers []jsonByte
		if json.Unmarshal(raw[name], &text) == nil {
			fields[name] = text
		} else if json.Unmarshal(raw[name], &numbers) == nil {
			fields[name] = bytesOf(numbers)
		}
	}
	return journalEntry(fields), true
}

// jsonByte is one number of an array of bytes: encoding/json would take []uint8 for base64.
type jsonByte int

func bytesOf(numbers []jsonByte) string {
	b := make([]byte, len(numbers))
	for i, n := range numbers {
		b[i] = byte(n)
	}
	return string(b)
}

// export reads the journal's export format (systemd.io/JOURNAL_EXPORT_FORMATS): a field a line, an empty line
// behind each entry. A field with control characters is its name alone, then its size in 64 bits
// little-endian, the bytes, and a line's end.
func export(name string, data []byte, skip func(raw []byte) bool, each func(entry)) (damage []cursor.Damage) {
	var fields [][2][]byte // name and value
	number, begin, from := 0, 1, 0
	flush := func(next int) {
		if len(fields) > 0 && !skip(data[from:next]) {
			e := journalEntry(textOf(fields))
			e.line = begin
			each(e)
		}
		fields, begin, from = fields[:0], number+1, next
	}
	for at := 0; at < len(data); {
		line, next := lineAt(data, at)
		number++
		key, value, plain := bytes.Cut(line, []byte("="))
		if len(line) > 0 && !plain {
			var problem string
			if value, next, problem = blob(data, next); problem != "" {
				damage = append(damage, cursor.Damage{Part: name, Offset: int64(at), Problem: problem})
			}
		}
		if wanted[string(key)] {
			fields = append(fields, [2][]byte{key, value})
		}
		if at = next; len(line) == 0 {
			flush(at)
		}
	}
	flush(len(data))
	return damage
}

func textOf(fields [][2][]byte) map[string]string {
	text := map[string]string{}
	for _, f := range fields {
		text[string(f[0])] = string(f[1])
	}
	return text
}

// blob reads a field's size and bytes, of which at most maxLine are kept.
func blob(data []byte, at int) (content []byte, next int, problem string) {
	if len(data)-at < 8 {
		return nil, len(data), fmt.Sprintf("expected a field's size of 8 bytes, found %d", len(data)-at)
	}
	n := binary.LittleEndian.Uint64(data[at:])
	rest := data[at+8:]
	if n > uint64(len(rest)) {
		return rest[:min(len(rest), maxLine)], len(data), fmt.Sprintf("expected a field of %d bytes, found %d", n, len(rest))
	}
	return rest[:min(n, maxLine)], min(at+8+int(n)+1, len(data)), "" // and the line's end
}

func journalEntry(fields map[string]string) entry {
	return entry{raw: []byte(fields["MESSAGE"]), fields: fields}
}

// microTime is a count of microseconds since 1970 UTC; zero where it is none.
func microTime(stamp string) time.Time {
	us, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
