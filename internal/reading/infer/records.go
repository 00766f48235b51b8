package infer

import "math"

// grammar is how bytes may be filled with records: each some bytes, a length, and what it spans.
type grammar struct {
	skip int // bytes before the first record
	pre  int // bytes of a record before its length
	form form
	zero bool // no length: text up to a zero, and bias bytes more
	bias int  // bytes of a record beside those that the length counts, less pre and the length's own
	tail int  // bytes behind the last record
}

// next is how long the record is that data begins with, and its length's own size.
func (g grammar) next(data []byte) (n, width int, ok bool) {
	if len(data) <= g.pre {
		return 0, 0, false
	}
	if g.zero {
		width = textToZero(data[g.pre:])
		return g.pre + width + g.bias, width, width > 0
	}
	n, width, ok = g.form.read(data[g.pre:])
	n += g.pre + width + g.bias
	return n, width, ok && n >= g.pre+width && n > 0
}

// tile says whether records fill data to the end.
func (g grammar) tile(data []byte) bool {
	_, _, _, ok := g.trace(data)
	return ok
}

// trace is tile, with a hash of where the records end, how many they are, and what it is worth that the last one ends
// where data does: of records of so many bytes one in as many ends at any place.
func (g grammar) trace(data []byte) (ends uint64, worth float64, count int, ok bool) {
	if len(data) < g.skip+g.tail {
		return 0, 0, 0, false
	}
	data = data[g.skip : len(data)-g.tail]
	wide, plain := 0, 0
	for len(data) > 0 {
		n, width, ok := g.next(data)
		if !ok || n > len(data) {
			return 0, 0, count, false
		}
		switch {
		case g.zero:
			plain += min(width-1, 12)
		case n > g.pre+width+g.bias && formWidths[g.form] > 1:
			wide++
		}
		ends = ends*1099511628211 + uint64(n)
		worth += log2[min(n, messageMost)]
		data = data[n:]
		count++
	}
	return ends, worth/float64(max(1, count)) + float64(wide) + textBits*float64(plain), count, true
}

// log2 are logarithms of lengths: to look one up costs less. Messages to be read may be longer than those that were learnt from.
var log2 = func() (table [messageMost + 1]float64) {
	for n := range table {
		table[n] = math.Log2(float64(n))
	}
	return table
}()

// textToZero is how long text is that a zero ends, with the zero; 0 if it is none.
func textToZero(data []byte) int {
	for i, b := range data {
		if b == 0 {
			return i + 1
		}
		if !isText(b) && b < 0x80 {
			return 0
		}
	}
	return 0
}

// What a grammar must be worth.
const (
	textBits = 1.4  // that a byte is text
	enough   = 14.0 // bits that a finding must be worth more than the ways to find it
	missCost = 3.0  // bits that a message costs which it does not explain
)

// judge is what a grammar is worth, in bits.
func (l *learner) judge(g grammar, s []item, misMost float64) float64 {
	if l.steps <= 0 {
		return math.Inf(-1)
	}
	worth := -math.Log2(float64((1+g.skip)*(1+g.pre))) - float64(g.tail)/2
	if g.bias != 0 {
		worth -= 2
	}
	if g.form >= varint {
		worth--
	}
	worth += float64(formWidths[g.form]) / 4 // of zeros and a length that they may belong to
	seen := map[uint64]bool{}
	misses := 0
	for i, it := range s {
		ends, bits, count, ok := g.trace(it.data)
		l.steps -= 1 + count
		switch {
		case !ok && it.cut:
		case !ok:
			misses++
			worth -= missCost
			if float64(misses) > misMost*float64(len(s)) || misses > 8 && misses*3 > i*2 {
				return math.Inf(-1)
			}
		case bits > 0 && !seen[ends]:
			seen[ends] = true
			worth += bits
		}
	}
	if len(seen) < 3 {
		return math.Inf(-1)
	}
	return worth
}

// records finds the grammar by which bytes are filled, if there is one.
func (l *learner) records(s []item, misMost float64) (best grammar, worth float64) {
	s = few(s, 64)
	worth = math.Inf(-1)
	try := func(g grammar) {
		if w := l.judge(g, s, misMost); w > worth {
			best, worth = g, w
		}
	}
	for skip := 0; skip <= 12 && l.steps > 0; skip++ {
		preMost := 20
		if skip > 0 {
			preMost = 12
		}
		for pre := 0; pre <= preMost; pre++ {
			for _, f := range l.forms() {
				for _, bias := range l.biases(s, skip, pre, f) {
					for _, tail := range []int{0, 1, 2, 4} {
						try(grammar{skip: skip, pre: pre, form: f, bias: bias, tail: tail})
					}
				}
			}
		}
		for pre := 0; pre <= 4; pre++ {
			for bias := 0; bias <= 24; bias++ {
				for _, tail := range []int{0, 1} {
					try(grammar{skip: skip, pre: pre, zero: true, bias: bias, tail: tail})
				}
			}
		}
	}
	return best, worth
}

// biases are what a length may leave out or count too much: nothing; itself; all before it; or whatever would make one
// record of most messages.
func (l *learner) biases(s []item, skip, pre int, f form) []int {
	list := []int{0}
	if f >= varint {
		return list
	}
	width := formWidths[f]
	list = append(list, -width)
	if pre > 0 {
		list = append(list, -width-pre)
	}
	const most = 24
	var votes [most + 64]int
	for _, it := range s {
		l.steps--
		if len(it.data) <= skip+pre {
			continue
		}
		if n, w, ok := f.read(it.data[skip+pre:]); ok {
			if bias := len(it.data) - skip - pre - w - n; bias >= -width-pre && bias <= most {
				votes[bias+width+pre]++
			}
		}
	}
	common, count := 0, 0
	for bias := -width - pre; bias <= most; bias++ {
		if votes[bias+width+pre] > count {
			common, count = bias, votes[bias+width+pre]
		}
	}
	if count*3 > len(s) && common != 0 && common != -width && common != -width-pre {
		list = append(list, common)
	}
	return list
}
