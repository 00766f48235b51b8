package conversation

import (
	"container/heap"
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

// inOrder sorts pieces by offset and takes each byte from the one that the receiver took it from. That is Linux's way: what
// goes on where the stream ends is taken at once, whatever was there before it came; what comes early waits, and of those
// that wait the one that begins first is taken up to its end, of two that begin together the longer (tcp_data_queue_ofo in
// net/ipv4/tcp_input.c). A hostile capture, all overlaps and in reverse, costs n log n like any other.
func inOrder(pieces []piece) []piece {
	if disjoint(pieces) {
		return pieces
	}
	var out []piece
	var early waiting
	next := uint64(0)
	take := func(p *piece) {
		if p.end() > next {
			out = append(out, p.cut(max(next, p.offset), p.end()))
			next = p.end()
		}
	}
	for i := range pieces {
		if pieces[i].offset > next {
			heap.Push(&early, &pieces[i])
			continue
		}
		take(&pieces[i])
		for len(early) > 0 && early[0].offset <= next {
			take(heap.Pop(&early).(*piece))
		}
	}
	for len(early) > 0 {
		take(heap.Pop(&early).(*piece)) // behind a hole that nothing filled
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

// waiting is a heap of pieces that came early, the next to be taken on top.
type waiting []*piece

func (w waiting) Len() int { return len(w) }
func (w waiting) Less(i, j int) bool {
	if w[i].offset != w[j].offset {
		return w[i].offset < w[j].offset
	}
	if w[i].end() != w[j].end() {
		return w[i].end() > w[j].end()
	}
	return w[i].event.Before(w[j].event)
}
func (w waiting) Swap(i, j int) { w[i], w[j] = w[j], w[i] }
func (w *waiting) Push(x any)   { *w = append(*w, x.(*piece)) }
func (w *waiting) Pop() any {
	last := len(*w) - 1
	x := (*w)[last]
	*w = (*w)[:last]
	return x
}
