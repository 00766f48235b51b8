package tlskeys

import (
	"cmp"
	"context"
	"encoding/binary"
	"iter"
	"maps"
	"math/bits"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/ground/bytesearch"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// memory is the writable memory of the dead process, by address.
type memory []elfcore.Stretch

func newMemory(stretches []elfcore.Stretch) memory {
	m := slices.Clone(stretches)
	slices.SortFunc(m, func(a, b elfcore.Stretch) int { return cmp.Compare(a.Start, b.Start) })
	return m
}

// stretch is the number of the stretch that has an address; -1 if none has.
func (m memory) stretch(a place.Address) int {
	i, found := slices.BinarySearchFunc(m, a, func(s elfcore.Stretch, a place.Address) int { return cmp.Compare(s.Start, a) })
	if !found {
		i--
	}
	if i < 0 || !m.in(i, a) {
		return -1
	}
	return i
}

func (m memory) in(stretch int, a place.Address) bool {
	return a-m[stretch].Start < place.Address(len(m[stretch].Data))
}

// from is the memory from an address on, to the end of its stretch.
func (m memory) from(a place.Address) []byte {
	i := m.stretch(a)
	if i < 0 {
		return nil
	}
	return m[i].Data[a-m[i].Start:]
}

// pointer reads a word, and gives it and the number of the stretch where it leads to; -1 where it is no address of something
// in this memory. Most pointers lead to where the last one did.
func (m memory) pointer(word []byte, last int) (to place.Address, stretch int) {
	if len(word) < 8 {
		return 0, -1
	}
	to = place.Address(binary.LittleEndian.Uint64(word))
	switch {
	case to&3 != 0 || len(m) == 0 || to < m[0].Start || to > m[len(m)-1].Start && !m.in(len(m)-1, to):
		return 0, -1
	case m.in(last, to):
		return to, last
	}
	return to, m.stretch(to)
}

// piece is a part of a stretch that one worker walks over.
type piece struct {
	elfcore.Stretch
	stretch, from, length int
}

const pieceLength = 64 << 10

func (p piece) address(at int) place.Address { return p.Start + place.Address(p.from+at) }

// window is what begins at an offset of the piece; it may reach into the next.
func (p piece) window(at int) []byte {
	at += p.from
	return p.Data[at:min(at+windowLength, len(p.Data))]
}

// pieces cuts the memory, and puts those first that are nearest to an anchor.
func (m memory) pieces(anchors []place.Address) []piece {
	type ranked struct {
		piece
		distance uint64
	}
	var all []ranked
	for i, s := range m {
		for from := 0; from < len(s.Data); from += pieceLength {
			p := piece{s, i, from, min(pieceLength, len(s.Data)-from)}
			all = append(all, ranked{p, nearest(anchors, s.Start+place.Address(from+p.length/2))})
		}
	}
	slices.SortStableFunc(all, func(a, b ranked) int { return cmp.Compare(a.distance, b.distance) })
	pieces := make([]piece, len(all))
	for i, r := range all {
		pieces[i] = r.piece
	}
	return pieces
}

// parallel has all processors do the pieces of a work, in order, until a piece's function says that it is enough.
// Each worker makes its own function.
func parallel[P any](ctx context.Context, pieces []P, worker func() func(P) bool) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			do := worker()
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(pieces) || !do(pieces[i]) {
					return
				}
			}
		})
	}
	workers.Wait()
}

// anchorsMost bounds the places that are kept of one connection's values, and of pointers to them.
const anchorsMost = 16

// anchor finds where each connection's randoms and session ID stand in memory, and where pointers to those stand:
// the structure that keeps such a pointer keeps one to the secret, too.
func (s *search) anchor() {
	var needles [][]byte
	var of []*quest
	for _, q := range s.quests {
		for _, value := range [][]byte{q.ClientRandom, q.ServerRandom, q.SessionID} {
			needles, of = append(needles, value), append(of, q)
		}
	}
	index := bytesearch.New(needles)
	owners := map[place.Address]*quest{}
	s.eachPiece(func(p piece, keep func(func())) {
		for hit := range index.Search(p.Data[p.from:min(p.from+p.length+windowLength, len(p.Data))]) {
			if hit.Length == len(needles[hit.Needle]) {
				keep(func() { s.addAnchor(of[hit.Needle], p.address(hit.Memory), owners) })
			}
		}
	})
	values := maps.Clone(owners)
	var some [1 << 16]bool // by hash: nearly all words are turned away by it, and faster than by the map
	hash := func(word uint64) uint64 { return word * 0x9e3779b97f4a7c15 >> 48 }
	for a := range values {
		some[hash(uint64(a))] = true
	}
	s.eachPiece(func(p piece, keep func(func())) {
		for at := 0; at+8 <= p.length; at += 8 {
			word := binary.LittleEndian.Uint64(p.Data[p.from+at:])
			if !some[hash(word)] {
				continue
			}
			if q := values[place.Address(word)]; q != nil {
				keep(func() { s.addAnchor(q, p.address(at), owners) })
			}
		}
	})
}

func (s *search) addAnchor(q *quest, a place.Address, owners map[place.Address]*quest) {
	if owners[a] == nil && len(q.anchors) < anchorsMost {
		owners[a] = q
		q.anchors = append(q.anchors, a)
	}
}

// targets are places of a memory, by stretch: a bit for each fourth byte.
type targets [][]uint64

// target finds what looks random and has a pointer to it. Pointers lead anywhere, which no cache can follow: so where they
// lead is noted first, and looked at then in the order of addresses.
func (s *search) target() targets {
	found := make(targets, len(s.memory))
	for i, stretch := range s.memory {
		found[i] = make([]uint64, len(stretch.Data)/256+1)
	}
	parallel(s.ctx, s.memory.pieces(nil), func() func(piece) bool {
		type target struct {
			stretch int
			offset  place.Address
		}
		var led []target // where the words of a piece lead; noted by one worker at a time, as many as can be
		return func(p piece) bool {
			led = led[:0]
			for at, last := 0, 0; at+8 <= p.length; at += 8 {
				if to, i := s.memory.pointer(p.Data[p.from+at:], last); i >= 0 {
					led = append(led, target{i, to - s.memory[i].Start})
					last = i
				}
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, to := range led {
				found[to.stretch][to.offset/256] |= 1 << (to.offset / 4 % 64)
			}
			return true
		}
	})
	s.eachPiece(func(p piece, _ func(func())) {
		for at := range found.in(p) {
			if w := p.window(at); len(w) < shortLength || !random(w[:shortLength]) {
				found[p.stretch][(p.from+at)/256] &^= 1 << (at / 4 % 64)
			}
		}
	})
	return found
}

// in gives the places in a piece. Those of a word of bits are all in one piece.
func (t targets) in(p piece) iter.Seq[int] {
	return func(yield func(int) bool) {
		for at := 0; at < p.length; at += 256 {
			for word := t[p.stretch][(p.from+at)/256]; word != 0; word &= word - 1 {
				if !yield(at + bits.TrailingZeros64(word)*4) {
					return
				}
			}
		}
	}
}

// eachPiece walks over all memory; what is done in keep is done by one worker at a time.
func (s *search) eachPiece(walk func(p piece, keep func(func()))) {
	keep := func(do func()) {
		s.mu.Lock()
		defer s.mu.Unlock()
		do()
	}
	parallel(s.ctx, s.memory.pieces(nil), func() func(piece) bool {
		return func(p piece) bool {
			walk(p, keep)
			return true
		}
	})
}
