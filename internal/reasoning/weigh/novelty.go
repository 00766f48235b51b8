package weigh

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/finding"
)

var noveltyLevels = []string{"ordinary", "in the odd quarter", "in the odd tenth", "among the 20 oddest", "among the 5 oddest", "the oddest"}

// observeNovelty tells how unusual a message is among all that this daemon received, trait by trait: the
// mean of its three greatest surprises, in bits. There is no list of known attacks; most odd messages are
// innocent, so only the rank among all odd ones is kept.
//
// A trait's surprise is how few messages have a value of it as rare as this one. So values that are new in
// every message (names, times, random numbers) surprise nobody, and a rare value does where the usual
// ones are few.
func observeNovelty(c *Case) []finding.Observation {
	if len(c.Candidates) < fewest || c.fromMemory() {
		return nil // too few to know what is usual
	}
	rarity := raritiesOf(c.Candidates)
	surprises := make([]float64, len(c.Candidates))
	oddest := make([]string, len(c.Candidates))
	for i := range c.Candidates {
		surprises[i], oddest[i] = rarity.surprise(i)
	}
	ranks := ranksOf(surprises)
	observations := make([]finding.Observation, len(c.Candidates))
	for i := range observations {
		if len(c.Candidates[i].Data) == 0 || c.Candidates[i].Cut {
			continue // half a message is odd, whatever it is
		}
		observations[i] = finding.Observation{
			Level: noveltyLevel(ranks[i], len(ranks)),
			Facts: map[string]string{
				"rank":  strconv.Itoa(ranks[i] + 1),
				"of":    strconv.Itoa(len(ranks)),
				"trait": oddest[i],
				"bits":  fmt.Sprintf("%.1f", surprises[i]),
			},
			RestsOn: frameRefs(c.Candidates[i].Message),
		}
	}
	return observations
}

func noveltyLevel(rank, of int) string {
	switch {
	case rank < 1:
		return "the oddest"
	case rank < 5:
		return "among the 5 oddest"
	case rank < 20:
		return "among the 20 oddest"
	case rank*10 < of:
		return "in the odd tenth"
	case rank*4 < of:
		return "in the odd quarter"
	}
	return "ordinary"
}

// A trait's name is the kind of message, so that kinds are not compared with each other, and what people call
// it.
const (
	sep       = "\x00"
	positions = 4
)

// traitsOf are the ways in which a message can be unusual, by name: each field's value and size, how often
// it comes, what it follows; the message's own size; which punctuation it has, how much of it, and how far
// it goes without. Of a field that comes several times the first few are told apart by their place: that of a
// command among lines, say.
func traitsOf(c *Candidate) map[string]string {
	traits := map[string]string{}
	kind := messageKind(c)
	traits[kind+sep+"its size"] = magnitude(len(c.Data))
	times := map[string]int{}
	var order strings.Builder
	for _, f := range c.Dissection.Fields {
		name := withoutIndices(f.Name)
		times[name]++
		switch n := times[name]; {
		case n == 1:
			traits[name+sep+name] = shortened(f.Value)
			traits[name+sep+"size of "+name] = magnitude(f.Length)
			order.WriteString(name + " ")
		case n <= positions:
			traits[name+sep+strconv.Itoa(n)+". "+name] = shortened(f.Value)
		}
	}
	traits[kind+sep+"its fields"] = order.String()
	for name, n := range times {
		traits[name+sep+"number of "+name] = magnitude(n)
	}
	spell(traits, kind, c.Data[:min(searchedMost, len(c.Data))])
	return traits
}

// spell adds what can be seen of bytes without knowing their protocol.
func spell(traits map[string]string, kind string, data []byte) {
	var count [256]int
	longest, run := 0, 0
	for _, b := range data {
		count[b]++
		run++
		if b <= ' ' {
			run = 0
		}
		longest = max(longest, run)
	}
	control, high := 0, 0
	for b, n := range count {
		switch {
		case b < ' ' && b != '\t' && b != '\n' && b != '\r':
			control += n
		case b > '~':
			high += n
		case b > ' ' && !isAlphanumeric(byte(b)):
			traits[kind+sep+"number of "+string(rune(b))] = magnitude(n)
		}
	}
	traits[kind+sep+"control bytes"] = magnitude(control)
	traits[kind+sep+"bytes above 126"] = magnitude(high)
	traits[kind+sep+"longest word"] = magnitude(longest)
}

func isAlphanumeric(b byte) bool {
	return '0' <= b && b <= '9' || 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z'
}

// told is a trait's name for people.
func told(name string) string {
	_, label, _ := strings.Cut(name, sep)
	return label
}

// withoutIndices makes "suites[3].id" and "suites[17].id" one name.
func withoutIndices(name string) string {
	for {
		open := strings.IndexByte(name, '[')
		if open < 0 {
			return name
		}
		end := strings.IndexByte(name[open:], ']')
		if end < 0 {
			return name
		}
		name = name[:open] + name[open+end+1:]
	}
}

// magnitude is a size on a scale that doubles twice a step of two: 37 and 38 bytes are alike, 37 and 370
// aren't.
func magnitude(n int) string {
	if n < 8 {
		return strconv.Itoa(n)
	}
	exponent := bits.Len(uint(n)) - 2
	low := n >> exponent << exponent
	return strconv.Itoa(low) + " to " + strconv.Itoa(low+1<<exponent-1)
}

// shortened keeps a value comparable without keeping all of a long one.
func shortened(value string) string {
	const most = 80
	if len(value) <= most {
		return value
	}
	return strings.ToValidUTF8(value[:most], "") + "…"
}

// rarity tells how often each trait's values came. Names and values are numbered: tens of thousands of messages have some
// forty traits each, and mostly the same.
type rarity struct {
	numbers  map[string]int32
	strings  []string
	messages [][]trait
	traits   map[int32]*values // by name
	rarest   []int             // of each message: how many messages have its rarest trait at all; in order
}

// trait is a name and a value, as numbers.
type trait struct{ name, value int32 }

// values are one trait's.
type values struct {
	count    map[int32]int
	messages int         // that have the trait
	atMost   map[int]int // times a value came -> messages whose value came no oftener
}

func raritiesOf(candidates []*Candidate) *rarity {
	r := &rarity{numbers: map[string]int32{}, traits: map[int32]*values{}}
	for _, candidate := range candidates {
		r.add(traitsOf(candidate))
	}
	for _, v := range r.traits {
		for _, n := range v.count {
			v.atMost[n] += n
		}
		total := 0
		for _, n := range slices.Sorted(maps.Keys(v.atMost)) {
			total += v.atMost[n]
			v.atMost[n] = total
		}
	}
	for _, m := range r.messages {
		_, n := r.rarestOf(m)
		r.rarest = append(r.rarest, n)
	}
	slices.Sort(r.rarest)
	return r
}

// add counts the traits of one more message.
func (r *rarity) add(traits map[string]string) {
	message := make([]trait, 0, len(traits))
	for name, value := range traits {
		t := trait{r.number(name), r.number(value)}
		message = append(message, t)
		if r.traits[t.name] == nil {
			r.traits[t.name] = &values{count: map[int32]int{}, atMost: map[int]int{}}
		}
		r.traits[t.name].count[t.value]++
		r.traits[t.name].messages++
	}
	r.messages = append(r.messages, message)
}

func (r *rarity) number(s string) int32 {
	n, known := r.numbers[s]
	if !known {
		n = int32(len(r.strings))
		r.numbers[s], r.strings = n, append(r.strings, s)
	}
	return n
}

// rarestOf is the trait that the fewest messages have at all.
func (r *rarity) rarestOf(message []trait) (name string, messages int) {
	messages = math.MaxInt
	for _, t := range message {
		if n := r.traits[t.name].messages; n < messages || n == messages && r.strings[t.name] < name {
			name, messages = r.strings[t.name], n
		}
	}
	return name, messages
}

// surprise is the mean of the three greatest surprises of a message's traits, in bits, and what is the
// greatest.
func (r *rarity) surprise(message int) (mean float64, oddest string) {
	const counted = 3
	traits := r.messages[message]
	all := make([]float64, 0, len(traits)+1)
	greatest := math.Inf(-1)
	surprised := func(bits float64, what func() string) { // of several that surprise as much the first by name
		if bits > greatest {
			greatest, oddest = bits, what()
		} else if bits == greatest {
			oddest = min(oddest, what())
		}
		all = append(all, bits)
	}
	for _, t := range traits {
		v := r.traits[t.name]
		surprised(math.Log2(float64(v.messages)/float64(v.atMost[v.count[t.value]])), func() string {
			return told(r.strings[t.name]) + ": " + r.strings[t.value]
		})
	}
	rarest, n := r.rarestOf(traits)
	asRare, _ := slices.BinarySearch(r.rarest, n+1)
	surprised(math.Log2(float64(len(r.rarest))/float64(max(1, asRare))), func() string { return "it has a " + told(rarest) })
	slices.SortFunc(all, func(a, b float64) int { return cmp.Compare(b, a) })
	for _, bits := range all[:min(counted, len(all))] {
		mean += bits / counted
	}
	return mean, oddest
}

// ranksOf gives each value its place among all, from the greatest, which is 0. Equal values share the middle of
// their places: were it the first, most messages would be odd where most are alike.
func ranksOf(values []float64) []int {
	ascending := slices.Sorted(slices.Values(values))
	ranks := make([]int, len(values))
	for i, v := range values {
		first, _ := slices.BinarySearch(ascending, v)
		behind, _ := slices.BinarySearch(ascending, math.Nextafter(v, math.Inf(1)))
		greater, equal := len(values)-behind, behind-first
		ranks[i] = greater + (equal-1)/2
	}
	return ranks
}
