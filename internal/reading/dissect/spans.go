package dissect

import "sort"

// gathered is what lies in several ranges of the message and is read as one run of bytes: a body in chunks, a
// handshake message in two records, a header block in two frames.
type gathered struct {
	spans []span
	data  []byte
}

// span is a range of the message whose bytes begin at from in the run.
type span struct{ from, offset, length int }

// gatheredMost bounds what is copied together, in bytes.
const gatheredMost = 1 << 20

// add joins a range of the message, if there is room for it.
func (g *gathered) add(offset int, data []byte) {
	if len(data) > 0 && len(g.data)+len(data) <= gatheredMost {
		g.spans = append(g.spans, span{len(g.data), offset, len(data)})
		g.data = append(g.data, data...)
	}
}

// place turns a range of the run into one of the message. A range that lies in two spans takes what is between
// them along.
func (g *gathered) place(offset, length int) (int, int) {
	begin := g.origin(offset)
	if length == 0 {
		return begin, 0
	}
	return begin, g.origin(offset+length-1) + 1 - begin
}

func (g *gathered) origin(at int) int {
	i := sort.Search(len(g.spans), func(i int) bool { return g.spans[i].from > at }) - 1
	if i < 0 {
		return 0
	}
	s := g.spans[i]
	return s.offset + min(at-s.from, s.length)
}

// joined adds as a part what a program has as one piece and the message has in several.
func (s *sheet) joined(name string, g gathered) {
	if len(g.spans) > 1 {
		begin, length := g.place(0, len(g.data))
		s.decoded(name, begin, length, g.data)
	}
}
