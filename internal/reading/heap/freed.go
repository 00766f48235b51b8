package heap

import "github.com/inquest-project/inquest/internal/ground/place"

// A thread's cache (malloc.c, struct tcache_perthread_struct) has for each of 64 sizes how many blocks it keeps and then,
// again for each size, the first of them. The counts are of two bytes since 2.30.
const (
	caches       = 64
	cacheSize    = head + 2*caches + 8*caches
	oldCacheSize = head + caches + 8*caches
)

// markFreed marks the blocks that are free and don't look so to their neighbours: those in threads' caches and fast bins.
func (w *walker) markFreed() {
	for _, at := range w.caches {
		lists := at + head + caches
		if w.memory.size(at) == cacheSize {
			lists += caches
		}
		if !w.isCache(lists) {
			continue
		}
		for i := range caches {
			first, _ := w.memory.word(lists + place.Address(i)*8)
			w.markList(place.Address(first), sizeClass(i), 0)
		}
	}
	for _, a := range w.arenas {
		for i := range fastBins {
			first, _ := w.memory.word(a.field - fastBins*8 + place.Address(i)*8)
			w.markList(place.Address(first)+head, sizeClass(i), head)
		}
	}
}

// sizeClass is the size of the chunks in the list of that index.
func sizeClass(i int) uint64 { return chunkLeast + uint64(i)*granule }

// isCache says whether most of the lists lead to blocks of their size. One may have been overwritten.
func (w *walker) isCache(lists place.Address) bool {
	right, wrong := 0, 0
	for i := range caches {
		first, _ := w.memory.word(lists + place.Address(i)*8)
		if first == 0 {
			continue
		}
		if w.fits(place.Address(first), sizeClass(i)) {
			right++
		} else {
			wrong++
		}
	}
	return right > wrong
}

// markList marks the blocks of a list. Links stand at the beginning of each block, and lead to something so many bytes
// before the next one. It ends at a block that is marked already: lists that something has overwritten may go in circles.
func (w *walker) markList(block place.Address, size uint64, before place.Address) {
	for w.fits(block, size) && w.mark(block) {
		link, known := w.memory.word(block)
		if !known {
			return
		}
		// Since 2.32 links are mangled (malloc.c, PROTECT_PTR). Which it is, is told by where they lead.
		next := place.Address(link) ^ block>>12
		if next != 0 && !w.fits(next+before, size) {
			next = place.Address(link)
		}
		block = next + before
	}
}

// fits says whether a block may begin at an address whose chunk is of that size.
func (w *walker) fits(block place.Address, size uint64) bool {
	return block%granule == 0 && block >= head && w.stretchAt(block-head) != nil && w.memory.size(block-head) == size
}

// mark says whether the block was not marked before.
func (w *walker) mark(block place.Address) bool {
	s := w.stretchAt(block - head)
	if s.freed == nil {
		s.freed = make([]uint64, len(s.pages)*page/granule/64)
	}
	word, mask := s.bit(block)
	if word >= len(s.freed) || s.freed[word]&mask != 0 {
		return false
	}
	s.freed[word] |= mask
	return true
}
