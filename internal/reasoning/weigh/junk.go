package weigh

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/reach"
)

var junkLevels = []string{"none of it", "bytes of many", "some of its bytes", "most of its bytes"}

const (
	// junkTop is how many words are looked at: the registers and the innermost part of the stack from the frame of interest
	// on, where the dying functions have left what they worked on.
	junkTop = 512

	// junkLeast is the shortest piece that counts, in bytes: of a word that must not be zero, and of what it
	// has in common with a message. A daemon may have doubled, dropped or changed a byte in between.
	junkLeast = 6

	// brokenMost is how many broken headers of heap blocks are looked at.
	brokenMost = 16

	// junkShared is how many messages may hold a piece for it still to single one out, and junkSent how often
	// they may have been sent: who kills may have tried before.
	junkShared = 3
	junkSent   = 8
)

// observeJunk looks for machine words that have no business where they are: six or more bytes that are no
// address and no number, in registers, on top of a stack that was smashed, and in and before broken headers of heap
// blocks. If they are bytes of a message, then that message overwrote what should have been there, now
// or long ago.
func observeJunk(c *Case) []finding.Observation {
	if c.fromMemory() {
		return nil // what is on the stack is on the stack
	}
	pieces := junkPieces(c)
	if len(pieces) == 0 {
		return nil
	}
	held := make([]map[uint64]bool, len(c.Candidates)) // by candidate: the pieces it holds
	holders := map[uint64]int{}                        // by piece: how many distinct messages hold it
	messages := map[uint64]int{}                       // and how many in all
	seen := map[string]bool{}
	for i, candidate := range c.Candidates {
		data := candidate.Data[:min(searchedMost, len(candidate.Data))]
		held[i] = piecesIn(data, pieces)
		for piece := range held[i] {
			messages[piece]++
			if !seen[string(data)] {
				holders[piece]++
			}
		}
		seen[string(data)] = true
	}
	if len(holders) == 0 {
		return nil
	}
	own := make([]int, len(c.Candidates)) // pieces that hardly any other message holds
	for i := range held {
		for piece := range held[i] {
			if holders[piece] <= junkShared && messages[piece] <= junkSent {
				own[i]++
			}
		}
	}
	most := slices.Max(own)
	observations := make([]finding.Observation, len(c.Candidates))
	for i := range observations {
		level := "none of it"
		switch {
		case own[i] > 0 && own[i] == most:
			level = "most of its bytes"
		case own[i] > 0:
			level = "some of its bytes"
		case len(held[i]) > 0:
			level = "bytes of many"
		}
		observations[i] = citeJunk(level, held[i], holders, pieces)
	}
	return observations
}

// citeJunk cites the piece that the fewest messages hold.
func citeJunk(level string, held map[uint64]bool, holders map[uint64]int, pieces map[uint64]junk) finding.Observation {
	o := finding.Observation{Level: level}
	if len(held) == 0 {
		return o
	}
	rarest := slices.MinFunc(slices.Sorted(maps.Keys(held)), func(a, b uint64) int { return holders[a] - holders[b] })
	text := binary.LittleEndian.AppendUint64(nil, rarest)[:junkLeast]
	o.RestsOn = []string{pieces[rarest].place}
	o.Facts = map[string]string{"place": pieces[rarest].place, "word": fmt.Sprintf("%q", text)}
	return o
}

// junk is where a stretch of junk stands: in a register, or at an address with memory around it.
type junk struct {
	place  string
	around []byte
	at     int // of the stretch, in that
}

// junkPieces are all stretches of junkLeast bytes of the junk words, each as a number. The stack is looked at only where it was
// smashed: else calls keep text there, and arrays that still hold what earlier calls had in them.
func junkPieces(c *Case) map[uint64]junk {
	if c.Image == nil || c.Held == nil {
		return nil
	}
	pieces := map[uint64]junk{}
	add := func(b []byte, where junk) {
		for at := 0; at+junkLeast <= len(b); at++ {
			if piece := pieceAt(b[at:]); bytes.IndexByte(b[at:at+junkLeast], 0) < 0 && pieces[piece].place == "" {
				pieces[piece] = junk{where.place, where.around, where.at + at}
			}
		}
	}
	looked := 0
	for _, w := range c.Held.Words {
		if w.Loose() {
			continue // the last message's bytes are there, whatever it was
		}
		if looked++; looked > junkTop {
			break
		}
		if c.Image.Mapped(place.Address(w.Value)) {
			continue
		}
		if b, ok := junkBytes(w.Value); ok && (w.At == 0 || c.Stack.Smashed) {
			add(b, wordIn(c, w))
		}
	}
	for _, b := range c.Heap.Broken()[:min(brokenMost, len(c.Heap.Broken()))] {
		const before, size = 24, 8
		header := c.Image.Bytes(b.Header-before, before+size)
		add(header, junk{place: "the header of the block at " + (b.Header + size).String(), around: header})
	}
	return pieces
}

// wordIn is a word with the memory around it.
func wordIn(c *Case, w reach.Word) junk {
	const before, behind = 256, 256
	if w.At == 0 {
		return junk{place: w.Place, around: binary.LittleEndian.AppendUint64(nil, w.Value)}
	}
	from := w.At - min(before, w.At-c.Held.StackLow)
	return junk{place: w.Place, around: c.Image.Bytes(from, int(w.At-from)+behind), at: int(w.At - from)}
}

// pieceAt is the first junkLeast bytes of b as a number.
func pieceAt(b []byte) uint64 {
	return uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint16(b[4:]))<<32
}

// piecesIn are the pieces that a message holds, but for those that stand in another text which has a piece in common.
func piecesIn(data []byte, pieces map[uint64]junk) map[uint64]bool {
	var found map[uint64]bool
	for at := 0; at+junkLeast <= len(data); at++ {
		piece := pieceAt(data[at:])
		where, is := pieces[piece]
		if !is || diverges(where.around, where.at, data, at, junkLeast) {
			continue
		}
		if found == nil {
			found = map[uint64]bool{}
		}
		found[piece] = true
	}
	return found
}

// junkBytes are a word's bytes without zeros at its end, if at least six are left, none of them zero,
// and they aren't mostly alike: -1 and small negative numbers are numbers.
func junkBytes(value uint64) ([]byte, bool) {
	b := binary.LittleEndian.AppendUint64(nil, value)
	b = bytes.TrimRight(b, "\x00")
	if len(b) < junkLeast || bytes.IndexByte(b, 0) >= 0 || bytes.Count(b, b[:1]) > len(b)/2 {
		return nil, false
	}
	return b, bytes.Count(b, []byte{0xff}) < 4
}
