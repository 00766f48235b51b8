package infer

import (
	"fmt"
	"math"
	"slices"
)

// column is what is known of the bytes at one place of many items.
type column struct {
	entropy float64 // of 0 to 1: as different as that many can be
	same    bool
	value   byte // where all are the same
	text    float64
	counts  int // where a counter begins: its size
}

const (
	columnsMost = 64   // are looked at
	oddity      = 10.0 // bits that it costs if a field is as odd as one that isn't one
)

// columnsOf are the first n columns.
func columnsOf(s []item, n int) []column {
	list := make([]column, n)
	for i := range list {
		var count [256]int
		total, text := 0, 0
		for _, it := range s {
			if i < len(it.data) {
				count[it.data[i]]++
				total++
				if isText(it.data[i]) {
					text++
				}
			}
		}
		if total == 0 {
			return list[:i]
		}
		c := &list[i]
		c.text = float64(text) / float64(total)
		for b, k := range count {
			if k > 0 {
				p := float64(k) / float64(total)
				c.entropy -= p * math.Log2(p)
			}
			if k == total {
				c.same, c.value = true, byte(b)
			}
		}
		c.entropy /= max(1, min(8, math.Log2(float64(total))))
	}
	return list
}

// overlay puts columns of which more is known over others.
func overlay(list, known []column) []column {
	list = slices.Clone(list)
	copy(list, known)
	return list
}

// columnsFormat is that of items in which nothing was found that changes its size: fields of fixed size as far as nearly
// all items go, and the rest.
func (l *learner) columnsFormat(s []item, known []column, depth int) format {
	lengths := make([]int, len(s))
	for i, it := range s {
		lengths[i] = len(it.data)
	}
	slices.Sort(lengths)
	if len(lengths) == 0 {
		return nil
	}
	n := min(lengths[len(lengths)/20], columnsMost)
	if lengths[len(lengths)-1] > n {
		n = orderly(overlay(columnsOf(s, n), known))
	}
	f := l.fixedColumns(s, known, n, depth)
	if lengths[len(lengths)-1] > n {
		f = append(f, part{kind: rest, name: "rest"})
	}
	return f
}

// orderly is how many columns come before those of which nothing can be said: they hold anything, to the last.
func orderly(cols []column) int {
	const anything = 0.8
	n := len(cols)
	for n > 0 && cols[n-1].entropy > anything {
		n--
	}
	return n
}

// fixedColumns cuts the first n columns into fields: so that a number's bytes stay together, of which the leading ones
// change least, or so does text, or what is always the same.
func (l *learner) fixedColumns(s []item, known []column, n, depth int) format {
	cols := overlay(columnsOf(s, n), known)
	cols = cols[:min(len(cols), n)]
	l.counters(s, cols)
	if len(cols) == 0 {
		return nil
	}
	cuts, cost := l.segment(cols, 0)
	l.found(-oddity*cost, depth)
	if w := commonWidth(cols, cuts); w > 1 {
		cuts, _ = l.segment(cols, w)
	}
	cuts = loose(cols, cuts)
	var f format
	for i, from := range cuts {
		to := len(cols)
		if i+1 < len(cuts) {
			to = cuts[i+1]
		}
		f = append(f, part{kind: fixed, width: to - from, name: l.columnName(cols[from:to], from)})
	}
	return f
}

// counters notes where numbers stand that mostly grow a little from one item of a conversation to the next.
func (l *learner) counters(s []item, cols []column) {
	forms := []form{u32be, u16be}
	if l.little {
		forms = []form{u32le, u16le}
	}
	for i := range cols {
		for _, f := range append(forms, u8) {
			if width := formWidths[f]; i+width <= len(cols) && cols[i].counts == 0 && l.counts(s, cols, i, f) {
				cols[i].counts = width
			}
		}
	}
}

// counts says whether a number counts. Its first byte may stay 0, but not anything else: that would be no part of it.
func (l *learner) counts(s []item, cols []column, at int, f form) bool {
	const stepMost, pairsLeast = 16, 12
	high := cols[at]
	if l.little {
		high = cols[at+formWidths[f]-1]
	}
	if high.same && high.value != 0 {
		return false
	}
	last := map[int]int{}
	pairs, grows := 0, 0
	for _, it := range s {
		l.steps--
		if at+formWidths[f] > len(it.data) {
			continue
		}
		n, _, _ := f.read(it.data[at:])
		if before, ok := last[it.conversation]; ok {
			pairs++
			if n > before && n-before <= stepMost {
				grows++
			}
		}
		last[it.conversation] = n
		if pairs > pairsLeast && grows*2 < pairs {
			return false
		}
	}
	return pairs >= pairsLeast && grows*10 >= pairs*9
}

// loose takes for one field what falls apart into single bytes that change: they don't stand in columns.
func loose(cols []column, cuts []int) []int {
	const most = 5
	var list []int
	for i := 0; i < len(cuts); {
		n := i
		for n < len(cuts) && (n+1 == len(cuts) && cuts[n]+1 == len(cols) || n+1 < len(cuts) && cuts[n]+1 == cuts[n+1]) && !cols[cuts[n]].same {
			n++
		}
		list = append(list, cuts[i])
		if n-i < most {
			n = i + 1
		}
		i = n
	}
	return list
}

// segment is where fields begin, at the least cost. Zeros are cut as the fields around them are, if these have a
// common width.
func (l *learner) segment(cols []column, common int) (cuts []int, least float64) {
	cost := make([]float64, len(cols)+1)
	from := make([]int, len(cols)+1)
	for end := 1; end <= len(cols); end++ {
		cost[end] = math.Inf(1)
		for begin := max(0, end-32); begin < end; begin++ {
			if c := cost[begin] + l.fieldCost(cols[begin:end], begin, common); c < cost[end] {
				cost[end], from[end] = c, begin
			}
		}
	}
	for end := len(cols); end > 0; end = from[end] {
		cuts = append(cuts, from[end])
	}
	slices.Reverse(cuts)
	return cuts, cost[len(cols)]
}

// fieldCost is how unlikely it is that columns are one field.
func (l *learner) fieldCost(cols []column, at, common int) float64 {
	const cost, odd = 0.5, 0.2
	width := len(cols)
	zero, magic, text, random := true, true, true, true
	for _, c := range cols {
		zero = zero && c.same && c.value == 0
		magic = magic && c.same && c.value != 0
		text = text && c.text > 0.95
		random = random && c.entropy > 0.8
	}
	switch {
	case cols[0].counts == width:
		return odd / 2
	case width == 1, text && width >= 3:
		return cost
	case zero && common > 0 && width == common:
		return odd / 2
	case magic, random && width > 4:
		return cost + odd
	}
	worse := 0.0
	switch width {
	case 2, 4:
	case 8:
		worse = odd
	case 3:
		worse = 2 * odd
	default:
		return math.Inf(1)
	}
	if at%width != 0 {
		worse += odd
	}
	return cost + worse + misfit(cols, l.little)
}

// misfit is how little columns look like a number's: where a leading byte changes, the next is anything, and hardly
// always zero where it does not.
func misfit(cols []column, little bool) (cost float64) {
	for i := range len(cols) - 1 {
		high, low := cols[i], cols[i+1]
		if little {
			high, low = low, high
		}
		switch {
		case high.same && high.value == 0:
		case high.same && low.same && low.value == 0:
			cost += 0.5
		case high.same && low.same:
			cost += 0.3
		case high.same:
			cost += 0.6
		default:
			cost += 1.2 * max(0, 0.9-low.entropy)
		}
	}
	return cost
}

// commonWidth is that of most fields that change and have more than a byte.
func commonWidth(cols []column, cuts []int) int {
	count := map[int]int{}
	best := 0
	for i, from := range cuts {
		to := len(cols)
		if i+1 < len(cuts) {
			to = cuts[i+1]
		}
		changes := slices.ContainsFunc(cols[from:to], func(c column) bool { return !c.same })
		if w := to - from; changes && (w == 2 || w == 4 || w == 8) {
			if count[w]++; count[w] > count[best] {
				best = w
			}
		}
	}
	return best
}

// columnName is what columns seem to be, and where they stand.
func (l *learner) columnName(cols []column, at int) string {
	same, text := true, true
	for _, c := range cols {
		same, text = same && c.same, text && c.text > 0.95
	}
	width := len(cols)
	switch {
	case cols[0].counts == width:
		return fmt.Sprintf("counter at %d (%s)", at, l.numberName(width))
	case same:
		return fmt.Sprintf("constant at %d (%d bytes)", at, width)
	case text && width > 2:
		return fmt.Sprintf("text at %d", at)
	case width == 1 && cols[0].entropy < 0.6:
		return fmt.Sprintf("code at %d", at)
	case width > 8:
		return fmt.Sprintf("bytes at %d", at)
	}
	return fmt.Sprintf("number at %d (%s)", at, l.numberName(width))
}

// numberName is how a number of so many bytes is written.
func (l *learner) numberName(width int) string {
	order := "big-endian"
	if l.little {
		order = "little-endian"
	}
	if width == 1 {
		return "u8"
	}
	return fmt.Sprintf("u%d %s", 8*width, order)
}
