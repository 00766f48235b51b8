package infer

import "math"

// variable is something of changing size: where it begins, and what tells its end.
type variable struct {
	skip int  // bytes before it, or before its length
	kind kind // chunk, zeroEnd or labels
	form form
	gap  int  // bytes between a length and what it spans
	head *ref // where its length stands, if not just before
}

// span is where the variable begins in an item, and where it ends.
func (v variable) span(it item) (begin, end int, ok bool) {
	data := it.data
	if len(data) < v.skip {
		return 0, 0, false
	}
	switch v.kind {
	case zeroEnd:
		n := textToZero(data[v.skip:])
		return v.skip, v.skip + n, n > 0
	case labels:
		n, ok := labelsOf(data[v.skip:])
		return v.skip, v.skip + n, ok
	}
	source, at := data, v.skip
	if v.head != nil {
		source, at = it.head, v.head.offset
	}
	if at >= len(source) {
		return 0, 0, false
	}
	n, width, ok := v.form.read(source[at:])
	if v.head != nil {
		width = 0
	}
	begin = v.skip + width + v.gap
	end = begin + n
	return begin, end, ok && end >= begin && end <= len(data)
}

// variable finds what changes its size first, if anything is worth it.
func (l *learner) variable(s []item) (best variable, worth float64) {
	const skipMost = 48
	s = few(s, 48)
	worth = math.Inf(-1)
	try := func(v variable) {
		if w := l.weigh(v, s) - math.Log2(float64(2+v.skip))*2 - float64(v.gap); w > worth {
			best, worth = v, w
		}
	}
	for skip := 0; skip <= skipMost && l.steps > 0; skip++ {
		try(variable{skip: skip, kind: zeroEnd})
		try(variable{skip: skip, kind: labels})
		for _, f := range l.forms() {
			for gap := 0; gap <= 8; gap++ {
				try(variable{skip: skip, kind: chunk, form: f, gap: gap})
			}
		}
		for at := range min(24, headLength(s)) {
			for _, f := range l.forms()[:2] {
				try(variable{skip: skip, kind: chunk, form: f, head: &ref{true, at}})
			}
		}
	}
	return best, worth
}

func headLength(s []item) int {
	if len(s) == 0 {
		return 0
	}
	return len(s[0].head)
}

// weigh is what a variable is worth: for text that it spans wholly, or for what follows being explained by lengths to
// the end.
func (l *learner) weigh(v variable, s []item) float64 {
	var worth float64
	seen := map[string]bool{}
	misses, sizes := 0, map[int]bool{}
	var left [][]byte
	for _, it := range s {
		begin, end, ok := v.span(it)
		if l.steps--; v.kind != chunk {
			l.steps -= len(it.data) / 16
		}
		if !ok {
			if misses++; misses*20 > len(s) {
				return math.Inf(-1)
			}
			worth -= missCost
			continue
		}
		sizes[end-begin] = true
		left = append(left, it.data[end:])
		piece := it.data[begin:end]
		if key := string(piece); !seen[key] {
			seen[key] = true
			worth += v.textWorth(it.data, begin, end)
		}
	}
	if len(sizes) < 2 || len(seen) < 3 {
		return math.Inf(-1)
	}
	if v.kind == chunk && v.gap == 0 && worth < enough {
		worth = max(worth, l.chain(left, 3)+math.Log2(float64(len(sizes))))
	}
	return worth
}

// textWorth is what it is worth that text, and no more than text, is spanned.
func (v variable) textWorth(data []byte, begin, end int) float64 {
	piece := data[begin:end]
	switch v.kind {
	case zeroEnd:
		return textBits * float64(min(len(piece)-1, 12))
	case labels:
		worth := 0.0
		for at := 0; at < len(piece)-1; at += 1 + int(piece[at]) {
			label := piece[at+1 : at+1+int(piece[at])]
			if !textual(label) {
				return -missCost
			}
			worth += 2 + textBits*float64(len(label))
		}
		return worth
	}
	switch {
	case len(piece) == 0:
		return 0
	case !textual(piece):
		return -2 * missCost
	}
	worth := textBits * float64(min(len(piece), 12))
	if end < len(data) && isText(data[end]) {
		worth -= 4
	}
	if begin > 0 && isText(data[begin-1]) && v.head == nil && v.form != u8 {
		worth -= 4
	}
	return worth
}

// chain is what it is worth that from where pieces begin a few lengths, each behind what the one before it spans, lead to
// the end. For each it costs something that it could have been another.
func (l *learner) chain(pieces [][]byte, depth int) float64 {
	const skipMost, linkCost = 4, 5
	best := math.Inf(-1)
	if depth == 0 || l.steps <= 0 {
		return best
	}
	ends := make([]int, len(pieces))
	for skip := 0; skip <= skipMost; skip++ {
		for _, f := range l.forms() {
			switch worth, ended, ok := l.link(pieces, skip, f, ends); {
			case !ok:
			case ended == len(pieces):
				best = max(best, worth-linkCost)
			case ended == 0:
				left := make([][]byte, len(pieces))
				for i, piece := range pieces {
					left[i] = piece[ends[i]:]
				}
				best = max(best, l.chain(left, depth-1)-linkCost)
			}
		}
	}
	return best
}

// link follows one length, and tells how many pieces end with what it spans.
func (l *learner) link(pieces [][]byte, skip int, f form, ends []int) (worth float64, ended int, ok bool) {
	seen := make(map[int]bool, 8)
	for i, piece := range pieces {
		l.steps--
		if len(piece) <= skip {
			return 0, 0, false
		}
		n, width, ok := f.read(piece[skip:])
		if ends[i] = skip + width + n; !ok || ends[i] > len(piece) {
			return 0, 0, false
		}
		if ends[i] == len(piece) {
			ended++
		}
		if !seen[ends[i]] {
			seen[ends[i]] = true
			worth += log2[ends[i]]
		}
	}
	if len(seen) < 3 {
		worth = math.Inf(-1)
	}
	return worth, ended, true
}

// variableFormat is what stands before it, itself, and what follows.
func (l *learner) variableFormat(s []item, known []column, v variable, depth int) format {
	var fronts, pieces, left []item
	var gaps []item
	for _, it := range s {
		begin, end, ok := v.span(it)
		if !ok {
			continue
		}
		fronts = append(fronts, item{data: it.data[:v.skip], conversation: it.conversation})
		gaps = append(gaps, item{data: it.data[begin-v.gap : begin], conversation: it.conversation})
		pieces = append(pieces, item{data: it.data[begin:end], conversation: it.conversation})
		head := it.head
		if head == nil {
			head = it.data[:v.skip]
		}
		left = append(left, item{head: head, data: it.data[end:], conversation: it.conversation})
	}
	f := l.fixedColumns(fronts, known, v.skip, depth)
	switch v.kind {
	case zeroEnd:
		f = append(f, part{kind: zeroEnd, name: "text ended by 0"})
	case labels:
		f = append(f, part{kind: labels, name: "pieces with lengths, ended by 0"})
	default:
		p := part{kind: chunk, name: "bytes", form: v.form, from: v.head}
		if v.head == nil {
			f = append(f, part{kind: size, form: v.form, name: "length (" + formNames[v.form] + ", of what follows)"})
			f = append(f, l.fixedColumns(gaps, nil, v.gap, depth)...)
		}
		if allText(filled(pieces)) {
			p.name = "text"
		} else {
			p.inner = l.learn(pieces, nil, depth+1)
		}
		f = append(f, p)
	}
	return append(f, l.learn(left, nil, depth+1)...)
}
