package weigh

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
)

var namesLevels = []string{"none of them", "a few of them", "many of them", "most of them"}

const (
	nameShortest  = 4   // characters of a word that counts
	nameLongest   = 128 // characters that are compared
	numberLeast   = 1 << 16
	namesNear     = 96  // stretches of memory one hop away that are looked at, the nearest
	namesFar      = 256 // and two hops away
	nameRarest    = 8   // a word counts that one message in so many has, or fewer
	namesCounted  = 4   // words of a message that count, those that tell most
	namesSearched = 4 << 10
	namesTied     = 16 // messages that may have as many of them for it still to tell
)

// observeNames compares words and numbers of a message with those that the dying calls held: what a daemon parses to pieces and
// throws away leaves keys, names and numbers behind. Each counts by how few messages have it.
func observeNames(c *Case) []finding.Observation {
	if c.Image == nil || c.Held == nil || c.fromMemory() || len(c.Candidates) < fewest {
		return nil
	}
	held := namesHeld(c)
	if len(held.words) == 0 {
		return nil
	}
	mentioned := make([][]string, len(c.Candidates))
	holders := map[string]int{}
	for i, candidate := range c.Candidates {
		if !candidate.ciphertext() {
			mentioned[i] = held.in(candidate.Data[:min(namesSearched, len(candidate.Data))])
		}
		for _, name := range mentioned[i] {
			holders[name]++
		}
	}
	scores := make([]float64, len(c.Candidates))
	for i := range mentioned {
		scores[i], mentioned[i] = held.score(mentioned[i], holders, len(c.Candidates))
	}
	best := slices.Max(scores)
	if best == 0 {
		return nil
	}
	level := func(score float64) string {
		switch {
		case score >= best*0.8:
			return "most of them"
		case score >= best*0.5:
			return "many of them"
		case score > 0:
			return "a few of them"
		}
		return "none of them"
	}
	tied := 0
	for _, score := range scores {
		tied += one(score >= best*0.8)
	}
	if tied > namesTied {
		return nil
	}
	observations := make([]finding.Observation, len(c.Candidates))
	for i := range observations {
		observations[i].Level = level(scores[i])
		if len(mentioned[i]) > 0 {
			name := mentioned[i][0]
			observations[i].RestsOn = []string{held.words[name].place}
			observations[i].Facts = map[string]string{"name": name, "path": held.words[name].path, "shared": fmt.Sprint(holders[name])}
		}
	}
	return observations
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

// names are the words and numbers that the dying calls held.
type names struct {
	words   map[string]heldName // numbers as decimal text
	numbers map[uint32]bool     // of them: to look a number up costs less
}

// heldName is where one stands, and how much it counts for that.
type heldName struct {
	place  string
	path   string
	weight float64
}

// namesHeld collects what the calls under way held: in registers and on the stack, and one hop and two from there. What a
// register of the innermost call holds or points to is likeliest to be what it was at work on.
func namesHeld(c *Case) names {
	held := names{map[string]heldName{}, map[uint32]bool{}}
	for _, w := range c.Held.Words {
		if !w.Loose() {
			held.number(uint32(w.Value), w.Value, c, heldName{w.Place, w.Place, weightOf(w.At == 0, 1)})
		}
	}
	near, far := 0, 0
	for _, w := range c.Held.Windows(c.Image) {
		switch {
		case w.Loose || w.Hops == 0: // of the stack its words are looked at, and no text: much of that is left over
			continue
		case w.Hops == 1:
			near++
		default:
			far++
		}
		if w.Hops == 1 && near > namesNear || w.Hops > 1 && far > namesFar {
			continue
		}
		where := heldName{w.To.String(), c.Held.Path(w.Pointer), weightOf(c.Held.FromRegister(w.Pointer), w.Hops)}
		for word := range words(w.Data) {
			held.add(word, where)
		}
		for at := int(-w.To & 3); at+8 <= len(w.Data); at += 4 {
			held.number(binary.LittleEndian.Uint32(w.Data[at:]), binary.LittleEndian.Uint64(w.Data[at:]), c, where)
		}
	}
	return held
}

// weightOf is how much a name counts for where it stood.
func weightOf(register bool, hops int) float64 {
	switch {
	case hops > 1:
		return 0.5
	case register:
		return 2
	}
	return 1
}

func (n names) add(name string, where heldName) {
	if known, ok := n.words[name]; !ok || known.weight < where.weight {
		n.words[name] = where
	}
}

// number adds a number that is no part of an address, and no text.
func (n names) number(value uint32, word uint64, c *Case, where heldName) {
	text := binary.LittleEndian.AppendUint32(nil, value)
	if value >= numberLeast && value < math.MaxUint32-numberLeast && !goesOn(text, len(text)) && !c.Image.Mapped(place.Address(word)) {
		n.numbers[value] = true
		n.add(strconv.FormatUint(uint64(value), 10), where)
	}
}

// in are those that a message has: as words, and numbers also as four bytes in either order.
func (n names) in(data []byte) (found []string) {
	seen := map[string]bool{}
	has := func(name string) {
		if _, held := n.words[name]; held && !seen[name] {
			seen[name] = true
			found = append(found, name)
		}
	}
	for word := range words(data) {
		has(word)
	}
	for at := 0; at+4 <= len(data); at++ {
		for _, value := range [2]uint32{binary.BigEndian.Uint32(data[at:]), binary.LittleEndian.Uint32(data[at:])} {
			if n.numbers[value] {
				has(strconv.FormatUint(uint64(value), 10))
			}
		}
	}
	return found
}

// score is how much the words that a message has single it out, in bits, and those words, the most telling first.
func (n names) score(mentioned []string, holders map[string]int, messages int) (score float64, telling []string) {
	bits := func(name string) float64 {
		if holders[name]*nameRarest > messages {
			return 0
		}
		return n.words[name].weight * math.Log2(float64(messages)/float64(holders[name]))
	}
	slices.SortFunc(mentioned, func(a, b string) int { return cmp.Or(cmp.Compare(bits(b), bits(a)), cmp.Compare(a, b)) })
	for _, name := range mentioned[:min(namesCounted, len(mentioned))] {
		if b := bits(name); b > 0 {
			score += b
			telling = append(telling, name)
		}
	}
	return score, telling
}

// words are the words of some bytes, in lower case: what stands between white space, control characters and the punctuation that
// protocols separate with; and of these also the parts that are letters and digits alone.
func words(data []byte) map[string]bool {
	found := map[string]bool{}
	for _, run := range bytes.FieldsFunc(data, func(r rune) bool { return r <= ' ' || r > '~' || separates[byte(r)] }) {
		if len(run) < nameShortest || len(run) > nameLongest {
			continue
		}
		run = bytes.ToLower(run)
		found[string(run)] = true
		for _, part := range bytes.FieldsFunc(run, func(r rune) bool { return !isAlphanumeric(byte(r)) && r != '_' }) {
			if len(part) >= nameShortest {
				found[string(part)] = true
			}
		}
	}
	return found
}

var separates = func() (table [256]bool) {
	for _, b := range []byte("\"'`,;=&?<>()[]{}|") {
		table[b] = true
	}
	return table
}()
