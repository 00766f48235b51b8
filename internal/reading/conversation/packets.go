package conversation

import (
	"container/heap"
	"slices"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/capture"
)

// packets are where a stream's bytes are, and when they were acknowledged, as far as a walk kept them.
type packets struct {
	pieces   []piece
	acks     []ackMark
	messages lazyMessages // that the other side received of these
}

// piece is a range of a stream and the packet that first brought it.
type piece struct {
	offset uint64
	length int    // as sent
	data   []byte // as captured: a prefix
	acked  uint64 // how many of the other side's bytes the packet acknowledges
	event  Event
	listed string // what a packet list says of it
}

func (p *piece) end() uint64 { return p.offset + uint64(p.length) }

// cut is the part of a piece from one stream offset to another.
func (p piece) cut(from, to uint64) piece {
	skip := min(int(from-p.offset), len(p.data))
	keep := min(int(to-from), len(p.data)-skip)
	p.data = p.data[skip : skip+keep]
	p.offset, p.length = from, int(to-from)
	return p
}

// ackMark is when a stream's bytes up to an offset were first acknowledged.
type ackMark struct {
	offset uint64
	time   time.Time
}

// add keeps a piece and what the capture has of it. Of a TCP segment, bytes before byte 0 repeat what was sent before
// the capture.
func (k *packets) add(from int64, p *capture.Packet, acked uint64, at Event) {
	whole := piece{length: p.Length, data: p.Payload, acked: acked, event: at, listed: listed(p)}
	if from < 0 {
		whole = whole.cut(uint64(-from), uint64(p.Length))
		from = 0
	}
	whole.offset = uint64(from)
	k.pieces = append(k.pieces, whole)
}

// listed is what a packet list says about a payload that it doesn't show.
func listed(p *capture.Packet) string {
	if p.Listed == nil || !p.Listed.Inferred {
		return ""
	}
	return p.Listed.Info
}

// inOrder sorts pieces by offset and takes each byte from the piece that brought it first. It sweeps over
// the stream with the pieces at hand in a heap, first come on top: a hostile capture, all overlaps and
// in reverse, costs n log n like any other.
func inOrder(pieces []piece) []piece {
	if disjoint(pieces) {
		return pieces
	}
	slices.SortStableFunc(pieces, func(a, b piece) int {
		switch {
		case a.offset < b.offset:
			return -1
		case a.offset > b.offset:
			return 1
		}
		return 0
	})
	if disjoint(pieces) {
		return pieces
	}
	var out []piece
	var hand firstCome
	position := uint64(0)
	last := -1 // index in pieces of the one that out ends with
	for i := 0; i < len(pieces) || len(hand) > 0; {
		if len(hand) == 0 {
			position = max(position, pieces[i].offset)
		}
		for ; i < len(pieces) && pieces[i].offset <= position; i++ {
			heap.Push(&hand, candidate{&pieces[i], i})
		}
		top := hand[0]
		if top.end() <= position {
			heap.Pop(&hand)
			continue
		}
		end := top.end()
		if i < len(pieces) {
			end = min(end, pieces[i].offset)
		}
		if from := position; top.index == last { // goes on after another piece began beneath it
			from = out[len(out)-1].offset
			out[len(out)-1] = top.cut(from, end)
		} else {
			out = append(out, top.cut(from, end))
		}
		last, position = top.index, end
	}
	return out
}

// disjoint says whether pieces are in order and don't overlap, as nearly all streams' are.
func disjoint(pieces []piece) bool {
	for i := 1; i < len(pieces); i++ {
		if pieces[i].offset < pieces[i-1].end() {
			return false
		}
	}
	return true
}

// candidate is a piece that covers the sweep's position.
type candidate struct {
	*piece
	index int
}

// firstCome is a heap of pieces, the one of the earliest frame on top.
type firstCome []candidate

func (h firstCome) Len() int           { return len(h) }
func (h firstCome) Less(i, j int) bool { return h[i].event.before(h[j].event) }
func (h firstCome) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *firstCome) Push(x any)        { *h = append(*h, x.(candidate)) }
func (h *firstCome) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}
