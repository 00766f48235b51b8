package logs

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// entry is one line of a log, or one entry of a journal.
type entry struct {
	line   int // number of its first line, from 1
	text   string
	time   time.Time         // in year 0 where the year isn't told; zero where no time is
	fields map[string]string // of a journal entry: those that are named in wanted
}

// maxLine bounds a line and a journal's field, in bytes; the rest of a longer one is dropped.
const maxLine = 1 << 20

// exportStart is the field with which every entry begins that journalctl -o export prints.
var exportStart = []byte("__CURSOR=")

// wanted are a journal entry's fields (systemd.journal-fields(7)) that tell of deaths.
var wanted = map[string]bool{
	"MESSAGE": true, "__REALTIME_TIMESTAMP": true, "_SOURCE_REALTIME_TIMESTAMP": true, "_AUDIT_TYPE": true,
	"COREDUMP_PID": true, "COREDUMP_TID": true, "COREDUMP_SIGNAL": true, "COREDUMP_EXE": true, "COREDUMP_COMM": true, "COREDUMP_TIMESTAMP": true,
}

// eachEntry calls each for all entries of a log, whatever its form.
func eachEntry(name string, r io.Reader, each func(entry)) []cursor.Damage {
	l := &lineReader{Reader: bufio.NewReaderSize(r, maxLine)}
	walk := l.lines
	if head, _ := l.Peek(len(exportStart)); bytes.Equal(head, exportStart) {
		walk = l.export
	}
	if err := walk(each); !errors.Is(err, io.EOF) {
		return []cursor.Damage{{Part: name, Offset: l.offset, Problem: "expected more of the log, found: " + err.Error()}}
	}
	return nil
}

// lineReader reads lines of bounded length and counts them.
type lineReader struct {
	*bufio.Reader
	number int   // of the line read last
	offset int64 // in bytes, behind it
}

// next is the next line without its end, valid until the next call.
func (l *lineReader) next() ([]byte, error) {
	l.number++
	line, err := l.ReadSlice('\n')
	l.offset += int64(len(line))
	if errors.Is(err, bufio.ErrBufferFull) {
		line = bytes.Clone(line)
		err = l.drop()
	}
	if errors.Is(err, io.EOF) && len(line) > 0 {
		err = nil // a last line without an end
	}
	return bytes.TrimRight(line, "\r\n"), err
}

// drop passes over the rest of a line.
func (l *lineReader) drop() error {
	for {
		rest, err := l.ReadSlice('\n')
		l.offset += int64(len(rest))
		if !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

// lines reads a log that has an entry a line: as text, or as journalctl -o json prints it.
func (l *lineReader) lines(each func(entry)) error {
	for {
		line, err := l.next()
		if err != nil {
			return err
		}
		if len(line) == 0 {
			continue
		}
		if e, ok := jsonEntry(line); ok {
			e.line = l.number
			each(e)
			continue
		}
		text := string(line)
		each(entry{line: l.number, text: text, time: lineTime(text)})
	}
}

// jsonEntry reads a journal entry in JSON. A field that isn't text is an array of bytes, one that is too
// long is null, and one that was sent twice an array of both.
func jsonEntry(line []byte) (entry, bool) {
	var raw map[string]json.RawMessage
	if line[0] != '{' || json.Unmarshal(line, &raw) != nil {
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
func (l *lineReader) export(each func(entry)) error {
	fields, begin := map[string]string{}, 1
	flush := func() {
		if len(fields) > 0 {
			e := journalEntry(fields)
			e.line = begin
			each(e)
		}
		fields, begin = map[string]string{}, l.number+1
	}
	for {
		line, err := l.next()
		if err != nil {
			flush()
			return err
		}
		name, value, plain := bytes.Cut(line, []byte("="))
		switch {
		case len(line) == 0:
			flush()
		case plain && wanted[string(name)]:
			fields[string(name)] = string(value)
		case !plain:
			key := string(name)
			content, err := l.blob()
			if wanted[key] {
				fields[key] = string(content)
			}
			if err != nil {
				flush()
				return err
			}
		}
	}
}

// blob reads a field's size and bytes, and keeps at most maxLine of them.
func (l *lineReader) blob() ([]byte, error) {
	var size [8]byte
	if _, err := io.ReadFull(l, size[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint64(size[:])
	content, err := io.ReadAll(io.LimitReader(l, int64(min(n, maxLine))))
	if err != nil {
		return content, err
	}
	rest, err := io.CopyN(io.Discard, l, int64(min(n-uint64(len(content)), 1<<62))+1) // and the line's end
	l.offset += 8 + int64(len(content)) + rest
	return content, err
}

// journalEntry makes an entry of a journal's fields. When the source put its own time in, that counts and not
// when the journal received it.
func journalEntry(fields map[string]string) entry {
	stamp := fields["_SOURCE_REALTIME_TIMESTAMP"]
	if stamp == "" {
		stamp = fields["__REALTIME_TIMESTAMP"]
	}
	return entry{text: fields["MESSAGE"], time: microTime(stamp), fields: fields}
}

// microTime is a count of microseconds since 1970 UTC; zero where it is none.
func microTime(stamp string) time.Time {
	us, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
