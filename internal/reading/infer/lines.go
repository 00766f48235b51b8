package infer

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/inquest-project/inquest/internal/ground/finding"
)

// lines is what was learnt of a side that speaks in lines: those that tell how many raw bytes follow, how many words a
// line has by its first one, and how many columns one without spaces has by what parts them.
type lines struct {
	announces map[string]announcement // by the line's key
	words     map[string]int          // by its first word, of words that come often: how many it has at least
	columns   map[byte]int
	names     map[string]bool // of "name: value"
}

// announcement is how a line that ends with a number tells the length of raw bytes.
type announcement int

const (
	nothing    announcement = iota
	next                    // they follow at once
	afterEmpty              // they follow the next empty line
)

// What makes a habit of lines.
const (
	timesLeast = 3    // that something came, to be one
	habitLeast = 0.8  // of the times, it must have been kept
	keysMost   = 4096 // are looked at: names that are made up have no end
)

// mostlyText says whether nearly all messages begin with text.
func mostlyText(s []item) bool {
	const beginning = 32
	text := 0
	for _, it := range s {
		if head := it.data[:min(len(it.data), beginning)]; !bytes.ContainsFunc(head, func(r rune) bool { return r < 0x80 && !isText(byte(r)) }) {
			text++
		}
	}
	return text*10 >= len(s)*9
}

func learnLines(s []item) *lines {
	l := &lines{announces: learnAnnouncements(s), words: map[string]int{}, columns: map[byte]int{}, names: map[string]bool{}}
	var words, names habits[string]
	var columns habits[byte]
	for _, it := range s {
		l.each(it.data, func(line line) {
			text := line.text
			if name, _, ok := pair(text); ok {
				names.see(name, 1)
				return
			}
			if n := len(wordsOf(text)); n > 1 {
				words.see(string(wordsOf(text)[0].of(text)), n)
				return
			}
			for _, c := range []byte("|,;\t") {
				if n := bytes.Count(text, []byte{c}); n > 0 {
					columns.see(c, n+1)
				}
			}
		}, nil)
	}
	for word, counts := range words {
		if times(counts) >= timesLeast {
			l.words[word] = least(counts)
		}
	}
	for c, counts := range columns {
		if n, kept := usual(counts); times(counts) >= timesLeast && kept {
			l.columns[c] = n
		}
	}
	for name, counts := range names {
		l.names[name] = times(counts) >= timesLeast
	}
	return l
}

// habits count, for each key, how often a number went with it.
type habits[K comparable] map[K]map[int]int

func (h *habits[K]) see(key K, n int) {
	if *h == nil {
		*h = habits[K]{}
	}
	counts := (*h)[key]
	if counts == nil {
		if len(*h) >= keysMost {
			return
		}
		counts = map[int]int{}
		(*h)[key] = counts
	}
	counts[n]++
}

func times(counts map[int]int) (n int) {
	for _, times := range counts {
		n += times
	}
	return n
}

// least is the smallest number, but for a few times.
func least(counts map[int]int) int {
	all, n := times(counts), 0
	for few := 0; ; n++ {
		if few += counts[n]; float64(few) > (1-habitLeast)/4*float64(all) {
			return n
		}
	}
}

// usual is the number that mostly came, and whether that is a habit.
func usual(counts map[int]int) (n int, kept bool) {
	for k, times := range counts {
		if times > counts[n] || times == counts[n] && k < n {
			n = k
		}
	}
	return n, float64(counts[n]) >= habitLeast*float64(times(counts))
}

// tally is how often the number that ends lines of one kind was the length of raw bytes.
type tally struct {
	times int
	hits  [afterEmpty + 1]int
	sizes map[int]bool
}

// learnAnnouncements finds the lines whose last number is the length of raw bytes.
func learnAnnouncements(s []item) map[string]announcement {
	tallies := map[string]*tally{}
	for _, it := range s {
		if !it.cut {
			tallyLines(tallies, it.data)
		}
	}
	announces := map[string]announcement{}
	for key, t := range tallies {
		for _, a := range []announcement{next, afterEmpty} {
			if t.times >= timesLeast && len(t.sizes) > 1 && float64(t.hits[a]) >= habitLeast*float64(t.times) {
				announces[key] = a
			}
		}
	}
	return announces
}

func tallyLines(tallies map[string]*tally, data []byte) {
	empty := 0 // where the first empty line behind this one ends
	for at := 0; at < len(data); {
		line := lineAt(data, at)
		at = line.next
		if empty >= 0 && empty <= at {
			empty = emptyAfter(data, at)
		}
		n, ok := number(line.text)
		if !ok || n == 0 {
			continue
		}
		key := keyOf(line.text)
		if tallies[key] == nil {
			if len(tallies) >= keysMost {
				continue
			}
			tallies[key] = &tally{sizes: map[int]bool{}}
		}
		tallies[key].see(data, n, at, empty)
	}
}

// see counts whether so many bytes follow at once, up to the end or an empty line, or behind the next empty line.
func (t *tally) see(data []byte, n, at, empty int) {
	t.times++
	t.sizes[n] = true
	if end := at + n; end == len(data) || end < len(data) && len(lineAt(data, end).text) == 0 {
		t.hits[next]++
	}
	if empty >= 0 && empty+n == len(data) {
		t.hits[afterEmpty]++
	}
}

// emptyAfter is where the first empty line from an offset on ends, or -1.
func emptyAfter(data []byte, at int) int {
	for at < len(data) {
		line := lineAt(data, at)
		if at = line.next; len(line.text) == 0 {
			return at
		}
	}
	return -1
}

// line is one of a message.
type line struct {
	at   int
	text []byte // without its end, which is LF, or CR and LF
	next int    // where the next one begins
}

func lineAt(data []byte, at int) line {
	end := bytes.IndexByte(data[at:], '\n')
	if end < 0 {
		return line{at, data[at:], len(data)}
	}
	return line{at, bytes.TrimSuffix(data[at:at+end], []byte("\r")), at + end + 1}
}

// number is the one that a line ends with.
func number(text []byte) (n int, ok bool) {
	const most = 9
	from := len(text)
	for from > 0 && len(text)-from < most && '0' <= text[from-1] && text[from-1] <= '9' {
		from--
	}
	for _, digit := range text[from:] {
		n = 10*n + int(digit-'0')
	}
	return n, from < len(text)
}

// keyOf is what lines of one kind have in common: a name, a first word, or the sign before a number.
func keyOf(text []byte) string {
	if name, _, ok := pair(text); ok {
		return name + ":"
	}
	words := wordsOf(text)
	if len(words) > 1 {
		return string(words[0].of(text))
	}
	return string(bytes.TrimRight(text, "0123456789"))
}

// each goes through the lines of a message, and the raw bytes between them.
func (l *lines) each(data []byte, see func(line), raw func(at, end int)) {
	awaited := -1 // bytes after the next empty line
	for at := 0; at < len(data); {
		line := lineAt(data, at)
		at = line.next
		see(line)
		bytes := 0
		if n, ok := number(line.text); ok {
			switch l.announces[keyOf(line.text)] {
			case next:
				bytes = n
			case afterEmpty:
				awaited = n
			}
		}
		if len(line.text) == 0 && awaited >= 0 {
			bytes, awaited = awaited, -1
		}
		if end := at + min(bytes, len(data)-at); end > at {
			if raw != nil {
				raw(at, end)
			}
			at = end
			if rest := lineAt(data, at); at < len(data) && len(rest.text) == 0 {
				at = rest.next // it only ends them
			}
		}
	}
}

// pair cuts "name: value".
func pair(text []byte) (name string, value []byte, ok bool) {
	const most = 40
	i := bytes.Index(text[:min(len(text), most)], []byte(": "))
	if i <= 0 {
		return "", nil, false
	}
	for _, c := range text[:i] {
		if !isNameByte(c) {
			return "", nil, false
		}
	}
	return string(text[:i]), text[i+2:], true
}

func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'
}

// piece is a part of a line.
type piece struct{ from, to int }

func (p piece) of(text []byte) []byte { return text[p.from:p.to] }

// wordsOf are what spaces part.
func wordsOf(text []byte) (words []piece) {
	const most = 64
	for from := 0; from < len(text) && len(words) < most; {
		for from < len(text) && (text[from] == ' ' || text[from] == '\t') {
			from++
		}
		to := from
		for to < len(text) && text[to] != ' ' && text[to] != '\t' {
			to++
		}
		if to > from {
			words = append(words, piece{from, to})
		}
		from = to
	}
	return words
}

// lines reads a message by its lines.
func (w *walk) lines(l *lines) {
	l.each(w.data, func(line line) { w.line(l, line) }, func(at, end int) { w.raw(at, end) })
}

// line makes fields of a line. One that is a single field has its end, too.
func (w *walk) line(l *lines, line line) {
	name, value, paired := pair(line.text)
	words := wordsOf(line.text)
	switch {
	case len(line.text) == 0:
		w.field("empty line", line.at, line.next)
	case paired && l.names[name]:
		w.named(name, value, line.at, line.next)
	case len(words) > 1 && l.words[string(words[0].of(line.text))] > 1:
		w.words(line, words, l.words[string(words[0].of(line.text))])
	case len(words) == 1 && w.columns(l, line):
	default:
		if n, ok := number(line.text); ok {
			w.named(cmp.Or(keyOf(line.text), "number"), []byte(strconv.Itoa(n)), line.at, line.next)
			return
		}
		w.field("line", line.at, line.next)
	}
}

// named is a field that brings its name.
func (w *walk) named(name string, value []byte, at, end int) {
	if len(w.fields) < fieldsMost {
		w.fields = append(w.fields, finding.Field{Name: name, Value: shown(value), Offset: at, Length: end - at})
	}
}

// words are fields as far as all lines with this first word have them; what follows is the last.
func (w *walk) words(line line, words []piece, n int) {
	verb := words[0].of(line.text)
	for i, p := range words[:min(n, len(words))] {
		if i == n-1 {
			p.to = words[len(words)-1].to
		}
		if i == 0 {
			w.field("word", line.at+p.from, line.at+p.to)
			continue
		}
		w.word(fmt.Sprintf("%s.word[%d]", shown(verb), i), line, p)
	}
}

// word is a field, or several "name=value".
func (w *walk) word(name string, line line, p piece) {
	for _, part := range pairsOf(line.text, p) {
		text := part.of(line.text)
		at, end := line.at+part.from, line.at+part.to
		if key, value, ok := bytes.Cut(text, []byte("=")); ok && len(key) > 0 {
			w.named(string(key), value, at, end)
		} else {
			w.field(name, at, end)
		}
	}
}

// pairsOf cuts a word where "name=value" begins behind "?", "&", ";" or ",".
func pairsOf(text []byte, p piece) (parts []piece) {
	from := p.from
	for i := p.from; i < p.to; i++ {
		if !bytes.ContainsRune([]byte("?&;,"), rune(text[i])) {
			continue
		}
		j := i + 1
		for j < p.to && isNameByte(text[j]) {
			j++
		}
		if j > i+1 && j < p.to && text[j] == '=' {
			parts = append(parts, piece{from, i})
			from = i + 1
		}
	}
	return append(parts, piece{from, p.to})
}

// columns are fields of a line in which something else than spaces parts them.
func (w *walk) columns(l *lines, line line) bool {
	for _, c := range slices.Sorted(maps.Keys(l.columns)) {
		n := l.columns[c]
		if bytes.Count(line.text, []byte{c}) != n-1 {
			continue
		}
		at := line.at
		for i, column := range bytes.Split(line.text, []byte{c}) {
			w.field(fmt.Sprintf("column[%d]", i), at, at+len(column))
			at += len(column) + 1
		}
		return true
	}
	return false
}

// raw are bytes whose number a line told: lines if they are text, else one field.
func (w *walk) raw(at, end int) {
	if !textual(w.data[at:end]) {
		w.field("bytes", at, end)
		return
	}
	for at < end {
		line := lineAt(w.data[:end], at)
		w.field("text", at, line.next)
		at = line.next
	}
}
