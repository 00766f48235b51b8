package infer

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"math/bits"
	"slices"
)

// item is a piece of a message that begins at a place where others begin, too.
type item struct {
	head         []byte // of the record that it is the body of, what stands before the length
	data         []byte
	conversation int
	cut          bool // more followed
}

// learner finds formats. What it tries is bounded by steps.
type learner struct {
	little bool // numbers are little-endian
	steps  int
	worth  float64 // of all that was found
}

const (
	stepsMost  = 24_000_000
	depthMost  = 10
	bodiesMost = 1 << 15 // of records, that are looked at together
)

// few are at most n items, all different, evenly taken.
func few(s []item, n int) []item {
	seen := map[string]bool{}
	var different []item
	for _, it := range s {
		if key := string(it.data[:min(len(it.data), 512)]); !seen[key] {
			seen[key] = true
			different = append(different, it)
		}
	}
	if len(different) <= n {
		return different
	}
	list := make([]item, n)
	for i := range list {
		list[i] = different[i*len(different)/n]
	}
	return list
}

// learn finds how items are made. Of their first columns more may be known from items that they were told apart from.
func (l *learner) learn(s []item, known []column, depth int) format {
	s = filled(s)
	l.steps -= len(s)
	switch {
	case len(s) == 0:
		return nil
	case allText(s):
		return format{{kind: rest, name: "text"}}
	case depth > depthMost || l.steps <= 0 || len(few(s, 3)) < 3:
		return format{{kind: rest, name: "rest"}}
	}
	if c, ok := l.choice(s, true); ok {
		return l.choiceFormat(s, known, c, depth)
	}
	if g, worth := l.records(s, 0.05); worth > enough {
		l.found(worth, depth)
		return l.recordsFormat(s, known, g, depth)
	}
	if v, worth := l.variable(s); worth > enough {
		l.found(worth, depth)
		return l.variableFormat(s, known, v, depth)
	}
	if width, worth := l.elements(few(s, 64)); worth > enough { // it says nothing of the order of numbers
		return format{{kind: elements, width: width, name: "number (" + l.numberName(width) + ")"}}
	}
	if c, ok := l.choice(s, false); ok {
		return l.choiceFormat(s, known, c, depth)
	}
	if g, worth := l.records(s, 0.4); worth > enough {
		l.found(worth, depth)
		return l.recordsFormat(s, known, g, depth)
	}
	return l.columnsFormat(s, known, depth)
}

// found adds up what is explained. What was found first weighs most: within what was cut wrongly much can be found.
func (l *learner) found(worth float64, depth int) { l.worth += worth / math.Pow(8, float64(depth)) }

// filled are the items that have bytes.
func filled(s []item) []item {
	var list []item
	for _, it := range s {
		if len(it.data) > 0 {
			list = append(list, it)
		}
	}
	return list
}

// allText says whether nearly all items are text, and of more than a byte or two.
func allText(s []item) bool {
	text, length := 0, 0
	for _, it := range s {
		length += len(it.data)
		if textual(it.data) {
			text++
		}
	}
	return text*20 >= len(s)*19 && length > 2*len(s)
}

func textual(data []byte) bool {
	return !bytes.ContainsFunc(data, func(r rune) bool { return r < 0x80 && !isText(byte(r)) || r == 0xfffd })
}

// recordsFormat is that of bytes which a grammar fills.
func (l *learner) recordsFormat(s []item, known []column, g grammar, depth int) format {
	var bodies, heads, fronts []item
	misses := 0
	for _, it := range s {
		fronts = append(fronts, item{data: it.data[:min(g.skip, len(it.data))], conversation: it.conversation})
		if !g.tile(it.data) && !it.cut {
			misses++
			continue
		}
		data := it.data[min(g.skip, len(it.data)):]
		data = data[:max(0, len(data)-g.tail)]
		for range max(1, bodiesMost/len(s)) {
			n, width, ok := g.next(data)
			if !ok || n > len(data) {
				break
			}
			head := data[:g.pre]
			heads = append(heads, item{data: head, conversation: it.conversation})
			bodies = append(bodies, item{head: head, data: data[g.pre+width : n], conversation: it.conversation})
			data = data[n:]
		}
	}
	p := part{kind: records, width: g.pre, form: g.form, bias: g.bias, tail: g.tail, zero: g.zero, strict: misses*20 > len(s)}
	p.name = lengthName(g)
	if g.zero {
		p.name = "text ended by 0"
	}
	p.head = l.fixedColumns(heads, nil, g.pre, depth)
	p.inner = l.learn(bodies, nil, depth+1)
	if len(p.inner) > 0 && p.inner[0].kind == choice && p.inner[0].from.inHead {
		p.head.markType(p.inner[0].from.offset)
	}
	return append(l.fixedColumns(fronts, known, g.skip, depth), p)
}

func lengthName(g grammar) string {
	of := "of what follows"
	switch {
	case g.bias == -g.pre-formWidths[g.form] && g.bias != 0:
		of = "of the whole"
	case g.bias == -formWidths[g.form] && g.bias != 0:
		of = "of itself and what follows"
	case g.bias > 0:
		of = fmt.Sprintf("of what follows but %d bytes", g.bias)
	}
	return fmt.Sprintf("length (%s, %s)", formNames[g.form], of)
}

// choiceFormat tells kinds apart.
func (l *learner) choiceFormat(s []item, known []column, r ref, depth int) format {
	groups := groupsBy(s, r)
	if !r.inHead {
		known = overlay(columnsOf(s, r.offset+1), known)
	}
	p := part{kind: choice, from: &r, cases: map[byte]format{}}
	for _, b := range slices.Sorted(maps.Keys(groups)) {
		p.cases[b] = l.learn(groups[b], known, depth)
		if !r.inHead {
			p.cases[b].markType(r.offset)
		}
	}
	p.inner = l.columnsFormat(s, known, depth+1)
	return format{p}
}

// groupsBy are the items by the byte at a place.
func groupsBy(s []item, r ref) map[byte][]item {
	groups := map[byte][]item{}
	for _, it := range s {
		if b, ok := it.at(r); ok {
			groups[b] = append(groups[b], it)
		}
	}
	return groups
}

// markType names the field that tells kinds apart.
func (f format) markType(offset int) {
	at := 0
	for i := range f {
		if f[i].kind != fixed || offset < at {
			return
		}
		if at += f[i].width; offset < at {
			f[i].name = "type code"
		}
	}
}

// elements finds the size of numbers that fill items of several lengths. It is worth the bits by which bytes are shorter
// to write down if those of one place in a number are written apart.
func (l *learner) elements(s []item) (size int, worth float64) {
	for _, width := range []int{2, 4, 8} {
		fits := true
		lengths := map[int]bool{}
		places := make([][256]float64, width)
		var all [256]float64
		for _, it := range s {
			fits = fits && len(it.data)%width == 0
			lengths[len(it.data)] = true
			for i, b := range it.data {
				places[i%width][b]++
				all[b]++
			}
		}
		if l.steps -= len(s); !fits || len(lengths) < 2 {
			continue
		}
		gain := adaptive(all[:]) + float64(len(lengths))*math.Log2(float64(width))
		for i := range places {
			gain -= adaptive(places[i][:])
		}
		if gain > worth {
			size, worth = width, gain
		}
	}
	return size, worth
}

// at is the byte at a place.
func (it item) at(r ref) (byte, bool) {
	data := it.data
	if r.inHead {
		data = it.head
	}
	if r.offset >= len(data) {
		return 0, false
	}
	return data[r.offset], true
}

// choice finds the byte that best tells kinds of items apart: those whose bytes are alike in kind, place by place, and
// which are about as long. It is worth the bits by which they are shorter to write down so.
func (l *learner) choice(s []item, inHead bool) (best ref, ok bool) {
	const width, kindsMost = 24, 32
	whole := l.spread(s, width)
	bestGain := 20.0
	for offset := range width {
		r := ref{inHead, offset}
		groups := groupsBy(s, r)
		if len(groups) < 2 || len(groups) > kindsMost || len(groups)*4 > len(s) {
			continue
		}
		gain := whole
		for _, b := range slices.Sorted(maps.Keys(groups)) { // in order: sums of floats hang on it
			gain -= l.spread(groups[b], width) + 8
		}
		if gain > bestGain {
			best, bestGain, ok = r, gain, true
		}
	}
	return best, ok
}

// spread is how many bits it takes to write down of what size the first bytes of items are, and the items.
func (l *learner) spread(s []item, width int) (cost float64) {
	const sizes = 10
	count := make([][sizes]float64, width+1)
	for _, it := range s {
		for i := range width {
			count[i][sizeOf(it.data, i)]++
		}
		count[width][min(bits.Len(uint(len(it.data))), sizes-1)]++
	}
	l.steps -= len(s)
	for i := range count {
		cost += adaptive(count[i][:])
	}
	return cost
}

// sizeOf is in how many bits a byte can be written; another number stands for none.
func sizeOf(data []byte, i int) int {
	if i >= len(data) {
		return 9
	}
	return bits.Len8(data[i])
}

// adaptive is how many bits an adaptive code takes that begins without an opinion (Krichevsky and Trofimov).
func adaptive(count []float64) (cost float64) {
	total := 0.0
	for _, n := range count {
		if total += n; n > 0 {
			cost -= lgamma2(n+0.5) - lgamma2(0.5)
		}
	}
	k := float64(len(count)) / 2
	return cost + lgamma2(total+k) - lgamma2(k)
}

func lgamma2(x float64) float64 {
	v, _ := math.Lgamma(x)
	return v / math.Ln2
}
