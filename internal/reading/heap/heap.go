// Package heap walks the heaps of glibc's malloc in a dead process, block by block, without symbols: it turns an
// image.Image into the blocks that the program was given, which of them were freed, and the headers that something has
// overwritten. Walk is the way in.
//
// The format is that of glibc's malloc/malloc.c and malloc/arena.c, 2.26 to 2.41, 64 bits: blocks ("chunks") lie close
// together, and a word before each holds its size and three flags, so that one leads to the next. What is overwritten
// ends the walk, which is the best witness of an overrun that a core has.
//
// Where heaps begin is told by their content. A malloc_state ends in the heads of 127 circular lists, each of which
// must lead back to itself: no other data do that, and beside them stand the address of the heap's last chunk
// and the fast bins. The main heap begins with the first thread's cache, a block of known size; the heaps of other
// arenas stand at multiples of 64 MiB with a heap_info. Heaps are believed only where many headers in a row
// make sense, or where they lead exactly to the heap's end.
//
// A block is free if the header behind it says so, or if it is in a thread's cache or a fast bin. Where such a list was
// overwritten, what it led to counts as in use. Freed blocks that were joined with their neighbours are one.
// What malloc keeps for itself, as the threads' caches, are blocks like others. Not known are: a header whose
// overwritten size still makes sense (the walk goes astray and breaks further on); how large a block with a broken header
// is (of what stands in it, an old header may be taken for the next); where other code has moved brk and the
// C library's data are lost, that what follows is that code's and not broken; further parts of the main heap that were
// mapped because brk failed, but for the last; heaps of other sizes than 64 MiB (glibc.malloc.hugetlb=2).
//
// The core is not trusted: the work is bounded by the memory that it holds, and what is kept by a fraction of that.
package heap

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/image"
)

// malloc.c: a chunk begins with the size of the one before it, which is kept only where that is free, and else the end of
// that one's block; then comes its own size with the flags. Then comes what the program gets.
const (
	sizeWord    = 8  // of the size in a chunk
	head        = 16 // of the block in a chunk
	granule     = 16
	chunkLeast  = 32 // bytes
	flags       = 7
	prevInUse   = 1
	isMapped    = 2 // a block of a mapping of its own
	nonMain     = 4 // of another arena than the main one
	page        = 4096
	heapMost    = 64 << 20 // arena.c, HEAP_MAX_SIZE: what heaps of threads are aligned to
	stretchMost = 64 << 30 // what a uint32 of granules counts
)

// How much is enough.
const (
	convincing = 16   // headers in a row
	breaksMost = 1000 // of a heap: more are no overrun
)

// Heap is what was found of malloc's heaps. It may be asked by several at once.
type Heap struct {
	memory    memory
	stretches []stretch // by address
	mapped    []Block   // by address: blocks that are mappings of their own
	broken    []Broken
}

// Block is what the program was given by a call of malloc.
type Block struct {
	Start place.Address
	Size  uint64 // bytes that the program may use
	Free  bool   // freed, or never given to anybody, as far as can be told
}

// Broken is a header at which a walk could not go on: what stands there is none.
type Broken struct {
	Header place.Address // of the size
	Before Block         // which ends there
}

// stretch is a row of chunks, each leading to the next.
type stretch struct {
	start, end place.Address
	pages      []uint32      // by page from start: the chunk that its first byte lies in, in granules from start
	freed      []uint64      // a bit for each granule: a block in a list of free ones begins there; nil if there is none
	top        place.Address // the last chunk of the heap, which nobody has; 0 if the stretch doesn't go so far
	broken     bool          // what stands at end is no header
}

// Known says whether there is any heap of glibc's malloc.
func (h *Heap) Known() bool { return len(h.stretches) > 0 }

// Broken are the overwritten headers, by address.
func (h *Heap) Broken() []Broken { return h.broken }

// At is the block that holds an address. No block holds what malloc keeps between blocks.
func (h *Heap) At(a place.Address) (Block, bool) {
	b, ok := h.inStretch(a)
	if !ok {
		i, _ := slices.BinarySearchFunc(h.mapped, a, func(b Block, a place.Address) int {
			if b.Start > a {
				return 1
			}
			return -1
		})
		if i == 0 {
			return Block{}, false
		}
		b = h.mapped[i-1]
	}
	return b, a >= b.Start && uint64(a-b.Start) < b.Size
}

// inStretch is the block of the chunk at an address; blocks lie half a header further than chunks.
func (h *Heap) inStretch(a place.Address) (Block, bool) {
	at := a - sizeWord
	s := h.stretchAt(at)
	if s == nil {
		return Block{}, false
	}
	m := h.memory
	chunk := s.start + granule*place.Address(s.pages[min(int((at-s.start)/page), len(s.pages)-1)])
	size := m.size(chunk)
	for at-chunk >= place.Address(size) && size > 0 {
		chunk += place.Address(size)
		size = m.size(chunk)
	}
	b := Block{Start: chunk + head, Size: size - sizeWord}
	next := chunk + place.Address(size)
	switch {
	case chunk == s.top:
		b.Size, b.Free = size-head, true // nothing is behind it
	case s.isFreed(b.Start):
		b.Free = true
	case next != s.end || !s.broken:
		word, known := m.word(next + sizeWord)
		b.Free = known && word&prevInUse == 0
	}
	return b, true
}

func (h *Heap) stretchAt(a place.Address) *stretch {
	i, found := slices.BinarySearchFunc(h.stretches, a, func(s stretch, a place.Address) int { return cmp.Compare(s.start, a) })
	if !found {
		i--
	}
	if i < 0 || a >= h.stretches[i].end {
		return nil
	}
	return &h.stretches[i]
}

// bit is where freed has the block at an address.
func (s *stretch) bit(block place.Address) (word int, mask uint64) {
	n := (block - s.start) / granule
	return int(n / 64), 1 << (n % 64)
}

func (s *stretch) isFreed(block place.Address) bool {
	word, mask := s.bit(block)
	return word < len(s.freed) && s.freed[word]&mask != 0
}

// memory reads words, most of them behind the last one.
type memory struct {
	im    *image.Image
	start place.Address
	data  []byte
}

func (m *memory) word(a place.Address) (uint64, bool) {
	if a < m.start || uint64(a-m.start)+8 > uint64(len(m.data)) {
		data := m.im.Bytes(a, math.MaxInt)
		if len(data) < 8 {
			return 0, false
		}
		m.start, m.data = a, data
	}
	return binary.LittleEndian.Uint64(m.data[a-m.start:]), true
}

// size is that of a chunk; 0 if it isn't known.
func (m *memory) size(chunk place.Address) uint64 {
	word, _ := m.word(chunk + sizeWord)
	return word &^ flags
}
