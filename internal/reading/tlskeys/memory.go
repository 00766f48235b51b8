package tlskeys

import (
	"cmp"
	"encoding/binary"
	"slices"

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

// from is the memory from an address on, to the end of its stretch.
func (m memory) from(a place.Address) []byte {
	i, found := slices.BinarySearchFunc(m, a, func(s elfcore.Stretch, a place.Address) int { return cmp.Compare(s.Start, a) })
	if !found {
		i--
	}
	if i < 0 || a-m[i].Start >= place.Address(len(m[i].Data)) {
		return nil
	}
	return m[i].Data[a-m[i].Start:]
}

// pointer reads a word that is the address of something in this memory.
func (m memory) pointer(at place.Address) (place.Address, bool) {
	b := m.from(at)
	if len(b) < 8 {
		return 0, false
	}
	to := place.Address(binary.LittleEndian.Uint64(b))
	return to, to&3 == 0 && len(m) > 0 && to >= m[0].Start && m.from(to) != nil
}

// piece is a part of a stretch that one worker walks over.
type piece struct {
	elfcore.Stretch
	from, length int
}

const pieceLength = 64 << 10

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
	for _, s := range m {
		for from := 0; from < len(s.Data); from += pieceLength {
			p := piece{s, from, min(pieceLength, len(s.Data)-from)}
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

// anchorsMost bounds the places that are kept of one connection's values.
const anchorsMost = 16

// anchor finds where each connection's randoms and session ID stand in memory.
func (s *search) anchor() {
	var needles [][]byte
	var of []*quest
	for _, q := range s.quests {
		for _, value := range [][]byte{q.ClientRandom, q.ServerRandom, q.SessionID} {
			needles, of = append(needles, value), append(of, q)
		}
	}
	index := bytesearch.New(needles)
	for _, stretch := range s.memory {
		for hit := range index.Search(stretch.Data) {
			q := of[hit.Needle]
			if hit.Length == len(needles[hit.Needle]) && len(q.anchors) < anchorsMost {
				q.anchors = append(q.anchors, stretch.Start+place.Address(hit.Memory))
			}
		}
	}
}
