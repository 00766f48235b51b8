package infer

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/finding"
)

// format is how some bytes are made: parts, one behind the other.
type format []part

type kind int

const (
	fixed    kind = iota // a field of so many bytes
	size                 // a length
	chunk                // bytes that a length tells the number of
	zeroEnd              // text up to a zero
	labels               // pieces with their lengths, up to one of no length
	records              // pieces of the same form, up to the end
	elements             // numbers of the same size, up to the end
	choice               // what a byte tells how to read
	rest                 // all that is left
)

type part struct {
	kind kind
	name string

	width int // fixed, elements: the size; records: how many bytes stand before the length

	form form // size, records, chunk: of the length
	bias int  // records: what is to be added to a length
	from *ref // chunk: where its length stands, if not just before; choice: where the byte stands
	tail int  // records: bytes behind the last

	zero   bool // records: what is text up to a zero instead of a length
	strict bool // records: bytes that they don't fill are something else
	inner  format
	head   format          // records: what stands before the length
	cases  map[byte]format // choice
}

// ref is a place: behind the beginning of the record that is being read, or of its body.
type ref struct {
	inHead bool
	offset int
}

// fieldsMost bounds what is kept of one message.
const fieldsMost = 4096

// walk reads a message.
type walk struct {
	data   []byte
	fields []finding.Field
}

func (w *walk) field(name string, at, end int) {
	if end > at && len(w.fields) < fieldsMost {
		w.fields = append(w.fields, finding.Field{Name: name, Value: shown(w.data[at:end]), Offset: at, Length: end - at})
	}
}

// scope is where bytes are read as a format says.
type scope struct {
	head       int // where the record begins that they are the body of
	begin, end int
	path       string // stands before the names of fields
	length     int    // the one that was read last
}

// run reads bytes as a format says.
func (w *walk) run(f format, s scope) {
	at := s.begin
	for _, p := range f {
		if at >= s.end || len(w.fields) >= fieldsMost {
			break
		}
		at = w.part(p, &s, at)
	}
	w.rest(s.path, "rest", at, s.end)
}

// part reads one part, and tells where it ends.
func (w *walk) part(p part, s *scope, at int) (next int) {
	switch p.kind {
	case fixed:
		next = min(at+p.width, s.end)
	case size:
		n, width, ok := p.form.read(w.data[at:s.end])
		if !ok {
			w.rest(s.path, "rest", at, s.end)
			return s.end
		}
		s.length, next = n, at+width
	case chunk:
		return w.chunk(p, s, at)
	case zeroEnd:
		next = at + zeroEndOf(w.data[at:s.end])
	case labels:
		next = s.end
		if n, ok := labelsOf(w.data[at:s.end]); ok {
			next = at + n
		}
	default:
		w.all(p, s, at)
		return s.end
	}
	w.field(s.path+p.name, at, next)
	return next
}

// all reads a part that goes on to the end.
func (w *walk) all(p part, s *scope, at int) {
	switch p.kind {
	case records:
		w.records(p, at, s.end, s.path)
	case elements:
		for ; at < s.end; at += p.width {
			w.field(s.path+p.name, at, min(at+p.width, s.end))
		}
	case choice:
		w.choose(p, s, at)
	default:
		w.rest(s.path, p.name, at, s.end)
	}
}

// chunk reads what a length spans: a format of its own, or one field.
func (w *walk) chunk(p part, s *scope, at int) (next int) {
	n := s.length
	if p.from != nil {
		n = w.number(p.from, p.form, s)
	}
	next = at + min(max(n, 0), s.end-at)
	if p.inner == nil {
		w.field(s.path+p.name, at, next)
	} else {
		w.run(p.inner, scope{head: at, begin: at, end: next, path: s.path + p.name + "."})
	}
	return next
}

// place is where a ref points to from a beginning.
func (r *ref) place(head, begin int) int {
	if r.inHead {
		return head + r.offset
	}
	return begin + r.offset
}

// number reads one that stands earlier, or 0.
func (w *walk) number(r *ref, f form, s *scope) int {
	at := r.place(s.head, s.begin)
	if at >= s.end {
		return 0
	}
	n, _, _ := f.read(w.data[at:s.end])
	return n
}

// choose reads what a type code tells how to read.
func (w *walk) choose(p part, s *scope, at int) {
	f, kind := p.inner, "other"
	if place := p.from.place(s.head, at); place < s.end {
		if known, ok := p.cases[w.data[place]]; ok {
			f, kind = known, codeName(w.data[place])
		}
	}
	w.run(f, scope{head: s.head, begin: at, end: s.end, path: s.path + kind + "."})
}

// codeName is a type code as a person reads it.
func codeName(b byte) string {
	if 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z' {
		return string(rune(b))
	}
	return fmt.Sprintf("0x%02x", b)
}

// records reads those that fill the bytes, each with what stands before its length, the length, and its body.
func (w *walk) records(p part, at, end int, path string) {
	g := grammar{pre: p.width, form: p.form, zero: p.zero, bias: p.bias, tail: p.tail}
	if p.strict && !g.tile(w.data[at:end]) {
		w.rest(path, "rest", at, end)
		return
	}
	for at < end-p.tail && len(w.fields) < fieldsMost {
		body, next := at+p.width, end-p.tail
		if n, width, ok := g.next(w.data[at : end-p.tail]); ok {
			body, next = at+p.width+width, min(at+n, end-p.tail)
		}
		body = min(body, next)
		w.run(p.head, scope{head: at, begin: at, end: min(at+p.width, next), path: path})
		w.field(path+p.name, min(at+p.width, next), body)
		w.run(p.inner, scope{head: at, begin: body, end: next, path: path})
		at = next
	}
	w.field(path+"trailer", max(at, end-p.tail), end)
}

// rest is what nothing is known of; text in it stands out.
func (w *walk) rest(path, name string, at, end int) {
	for at < end {
		from, to := textIn(w.data[at:end])
		w.field(path+name, at, at+from)
		w.field(path+"text", at+from, at+to)
		at += to
	}
}

// textIn is the first stretch of bytes that is hardly text by chance; at the end, if there is none.
func textIn(data []byte) (from, to int) {
	const byChance, share = 0.01, 256 / 98.0 // of all bytes one in 2.6 is text
	telling := int(math.Log(float64(len(data))/byChance) / math.Log(share))
	for from < len(data) {
		to = from
		for to < len(data) && isText(data[to]) {
			to++
		}
		if to-from >= telling {
			return from, to
		}
		from = to + 1
	}
	return len(data), len(data)
}

func isText(b byte) bool { return b >= ' ' && b <= '~' || b == '\t' || b == '\r' || b == '\n' }

// shown is a value as a person reads it: text as it is, a short number in hexadecimal digits.
func shown(b []byte) string {
	const most = 64
	cut := ""
	if len(b) > most {
		b, cut = b[:most], "…"
	}
	for _, c := range b {
		if !isText(c) {
			return fmt.Sprintf("%x%s", b, cut)
		}
	}
	q := strconv.Quote(string(b))
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`) + cut
}

// zeroEndOf is how long text is that a zero ends, with the zero.
func zeroEndOf(data []byte) int {
	for i, b := range data {
		if b == 0 {
			return i + 1
		}
	}
	return len(data)
}

// labelsOf is how long a list is of pieces with their lengths, with the empty one that ends it.
func labelsOf(data []byte) (n int, ok bool) {
	for n < len(data) {
		length := int(data[n])
		if n += 1 + length; length == 0 {
			return n, true
		}
	}
	return 0, false
}
