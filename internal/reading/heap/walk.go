package heap

import (
	"cmp"
	"slices"

	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/image"
)

// walker is who fills a Heap.
type walker struct {
	Heap
	spans  []extent
	arenas []arena
	taken  []extent        // where main heaps of known arenas are
	caches []place.Address // chunks that may be a thread's cache
}

// addressMost is more than any program's address on x86-64 and aarch64. Sums of addresses below don't wrap.
const addressMost = 1 << 56

// extent is writable memory without a gap that no file backs. Its end may be missing in the core.
type extent struct{ start, known, end place.Address }

// Walk finds the heaps of glibc's malloc in an image and walks them.
func Walk(im *image.Image) *Heap {
	w := &walker{Heap: Heap{memory: memory{im: im}}}
	regions := w.anonymous(im)
	for _, a := range w.mainArenas(im) {
		w.mainHeap(a.top)
	}
	var at place.Address
	for _, r := range regions { // and not spans: in what was never touched nothing begins
		end := r.Start + place.Address(len(r.Data))
		for at = max(at, (r.Start+page-1)&^(page-1)); at < end; at = w.take(at) {
		}
	}
	slices.SortFunc(w.stretches, func(a, b stretch) int { return cmp.Compare(a.start, b.start) })
	slices.SortFunc(w.broken, func(a, b Broken) int { return cmp.Compare(a.Header, b.Header) })
	w.markFreed()
	for i, b := range w.broken {
		w.broken[i].Before, _ = w.At(b.Before.Start)
	}
	if !w.Known() { // then who knows whose mappings those are
		w.mapped = nil
	}
	return &w.Heap
}

// anonymous are the regions in which heaps may be, and sets the spans that they lie in. Stacks are among them: the kernel
// joins them with mappings that stand behind them.
func (w *walker) anonymous(im *image.Image) (regions []image.Region) {
	segments := im.Core.Segments
	for _, r := range im.Writable() {
		for len(segments) > 0 && segments[0].End <= r.Start {
			segments = segments[1:]
		}
		if r.Other || im.Module(r.Start) != nil || len(segments) == 0 || r.Start > addressMost {
			continue
		}
		regions = append(regions, r)
		s := segments[0]
		known := s.Start + place.Address(len(s.Data))
		last := len(w.spans) - 1
		switch {
		case last >= 0 && w.spans[last].end == s.End: // another region of that segment
		case last >= 0 && w.spans[last].known == s.Start:
			w.spans[last].known, w.spans[last].end = known, s.End
		default:
			w.spans = append(w.spans, extent{s.Start, known, s.End})
		}
	}
	return regions
}

func (w *walker) spanAt(a place.Address) (extent, bool) {
	i, found := slices.BinarySearchFunc(w.spans, a, func(s extent, a place.Address) int { return cmp.Compare(s.start, a) })
	if !found {
		i--
	}
	if i < 0 || a >= w.spans[i].end {
		return extent{}, false
	}
	return w.spans[i], true
}

// take takes what begins at a page, a heap or a block of its own, and is the address behind it.
func (w *walker) take(at place.Address) place.Address {
	for _, t := range w.taken {
		if at >= t.start && at < t.end {
			return t.end
		}
	}
	span, ok := w.spanAt(at)
	if !ok {
		return at + page
	}
	if first, b, ok := w.threadHeap(at, span); ok {
		w.walk(first, b)
		return b.end
	}
	switch word, _ := w.memory.word(at + sizeWord); {
	case isFirst(word): // the C library's data may be lost
		if b := w.mainBounds(span); w.leads(at, 0, b) {
			w.walk(at, b)
			return b.end
		}
	case word&(page-1) == isMapped && word > page && word&^flags <= uint64(span.end-at):
		w.mapped = append(w.mapped, w.mappedBlock(at, word&^flags))
		return at + place.Address(word&^flags)
	}
	return at + page
}

// mappedBlock is the block in a mapping of its own. If it was asked for at an alignment, then its chunk begins further on
// and says how far.
func (w *walker) mappedBlock(at place.Address, size uint64) Block {
	for alignment := uint64(2 * granule); alignment < size; alignment *= 2 {
		block := (uint64(at) + head + alignment - 1) &^ (alignment - 1)
		before := block - head - uint64(at)
		if before == 0 || before >= size {
			continue
		}
		told, _ := w.memory.word(place.Address(block) - head)
		word, _ := w.memory.word(place.Address(block) - sizeWord)
		if told == before && word == size-before|isMapped {
			return Block{Start: place.Address(block), Size: size - before - head}
		}
	}
	return Block{Start: at + head, Size: size - head}
}

// bounds are those of a heap.
type bounds struct {
	known place.Address // as far as the core has it
	end   place.Address
	top   place.Address // its last chunk; 0: that isn't known, or there is none as in the full heaps of an arena
	main  bool
}

// mainBounds are those of a main heap in a span: the top chunk of its arena tells where it ends, if the arena was found.
func (w *walker) mainBounds(s extent) bounds {
	b := bounds{known: s.known, end: s.end, main: true}
	for _, a := range w.arenas {
		if !a.main || a.top < s.start || a.top >= s.end {
			continue
		}
		b.top = a.top
		if size := w.memory.size(a.top); size >= chunkLeast && size <= uint64(s.end-a.top) {
			b.end = a.top + place.Address(size)
		}
	}
	b.known = min(b.known, b.end)
	return b
}

// mainHeap walks the heap of a main arena, of which the last chunk is known. The heap begins with its span, but where
// something stands before it: the program's data, as the kernel then placed nothing at random, or thread-local data of a
// program that is linked statically.
func (w *walker) mainHeap(top place.Address) {
	span, ok := w.spanAt(top)
	if !ok || slices.ContainsFunc(w.taken, func(t extent) bool { return t.start >= span.start && t.end <= span.end }) {
		return
	}
	b := w.mainBounds(span)
	first := (span.start + granule - 1) &^ (granule - 1)
	word, _ := w.memory.word(first + sizeWord)
	if _, why := w.header(first, 0, b); !isFirst(word) || why != sound {
		if first, ok = w.resume(first, 0, b); !ok {
			return
		}
	}
	w.walk(first, b)
	w.taken = append(w.taken, extent{start: first, end: b.end})
}

// isFirst says whether a size is that of a main heap's first chunk, the first thread's cache.
func isFirst(word uint64) bool { return word == cacheSize|prevInUse || word == oldCacheSize|prevInUse }

// walk walks a heap from its first chunk on, and goes on behind what is broken.
func (w *walker) walk(first place.Address, b bounds) {
	b.known = min(b.known, first+stretchMost)
	for range breaksMost {
		s, last, why := w.row(first, b)
		w.stretches = append(w.stretches, s)
		var behind place.Address
		switch {
		case why == broken:
			w.broken = append(w.broken, Broken{Header: s.end + sizeWord, Before: Block{Start: last + head}})
			behind = s.end
		case why != fence || s.end >= b.top:
			return
		} // else others have moved brk, and the heap goes on behind what is theirs
		var ok bool
		if first, ok = w.resume(s.end+chunkLeast, behind, b); !ok {
			return
		}
	}
}

// row goes from chunk to chunk as long as headers make sense. It is not empty: who calls has looked.
func (w *walker) row(first place.Address, b bounds) (s stretch, last place.Address, why verdict) {
	s = stretch{start: first, end: first}
	var size uint64
	for {
		before := size
		if size, why = w.header(s.end, before, b); why != sound {
			s.broken = why == broken
			break
		}
		if size == cacheSize || size == oldCacheSize {
			w.caches = append(w.caches, s.end)
		}
		last = s.end
		s.end += place.Address(size)
		for from := first + place.Address(len(s.pages))*page; from < min(s.end, b.known); from += page {
			s.pages = append(s.pages, uint32((last-first)/granule))
		}
	}
	if s.end == b.end && (b.top == 0 || b.top == last) {
		s.top = last
	}
	return s, last, why
}

// resume is the first place from an address on that chunks lead on from.
func (w *walker) resume(from, behind place.Address, b bounds) (place.Address, bool) {
	for at := from; at+chunkLeast <= b.known; at += granule {
		if w.leads(at, behind, b) {
			return at, true
		}
	}
	return 0, false
}

// leads says whether an address begins a row of chunks that is long, or leads exactly to the heap's end. The chunk before
// may be free only if that is the one at behind.
func (w *walker) leads(at, behind place.Address, b bounds) bool {
	word, _ := w.memory.word(at + sizeWord)
	if word&prevInUse == 0 {
		if told, known := w.memory.word(at); !known || behind == 0 || told != uint64(at-behind) {
			return false
		}
	}
	var size uint64
	for range convincing {
		var why verdict
		size, why = w.header(at, size, b)
		switch {
		case why == finished:
			return size != 0
		case why == fence:
			return size != 0 && at+2*fencePost == b.end
		case why != sound:
			return false
		}
		at += place.Address(size)
	}
	return true
}

// verdict is what stands where a header should.
type verdict int

const (
	sound    verdict = iota
	broken           // no header
	missing          // the core doesn't have it
	finished         // the heap's end
	fence            // the mark behind the last chunk, where a heap was left for another
)

const fencePost = 16 // malloc.c, sysmalloc: two headers of this size and of this size or 0, which have no blocks

// header judges what stands at an address behind a chunk of a known size; 0 if nothing is known before. The size that it
// gives is the chunk's, or where the heap has ended the one before.
func (w *walker) header(at place.Address, before uint64, b bounds) (uint64, verdict) {
	if at == b.end {
		return before, finished
	}
	word, known := w.memory.word(at + sizeWord)
	if !known || at+head > b.known {
		return before, missing
	}
	size := word &^ flags
	if word&prevInUse == 0 && before != 0 {
		if told, _ := w.memory.word(at); told != before {
			return 0, broken
		}
	}
	if word&^prevInUse == fencePost {
		if second, _ := w.memory.word(at + fencePost + sizeWord); second == fencePost|prevInUse || second == prevInUse {
			return before, fence
		}
	}
	switch {
	case size < chunkLeast, size%granule != 0, size > uint64(b.end-at), word&isMapped != 0, word&nonMain != 0 && b.main:
		return 0, broken
	case at < b.top && at+place.Address(size) > b.top, at == b.top && word&prevInUse == 0:
		return 0, broken
	}
	return size, sound
}

// arena is a malloc_state.
type arena struct {
	field place.Address // where it has the address of its last chunk
	top   place.Address // that address
	main  bool
	wrong int // lists
}

// malloc.c, struct malloc_state: the fast bins, top, last_remainder, then the heads of the lists.
const (
	bins      = 127
	fastBins  = 10
	behindTop = 8 + 8 + 2*bins*8 + 4*4 + 5*8 // to the end of the struct
	wrongMost = bins / 4                     // an overrun breaks a few
	mainMost  = 16                           // ldsodefs.h, DL_NNS: each namespace may have its own C library
)

// mainArenas looks for main arenas in the data of programs and libraries. Where the core doesn't list files, as qemu's,
// those may be anywhere.
func (w *walker) mainArenas(im *image.Image) []arena {
	for _, r := range im.Writable() { // and not segments, which may be mostly holes
		if r.Start > addressMost || im.Module(r.Start) == nil && len(im.Core.Mappings) > 0 {
			continue
		}
		for at := (r.Start + 7) &^ 7; at+behindTop <= r.Start+place.Address(len(r.Data)); at += 8 {
			top, _ := w.memory.word(at)
			if _, in := w.spanAt(place.Address(top)); !in || top%granule != 0 || im.Module(at) == nil && at%heapMost < page { // there are those of threads
				continue
			}
			wrong := w.wrongLists(at)
			if wrong > wrongMost {
				continue
			}
			a := arena{field: at, top: place.Address(top), main: true, wrong: wrong}
			last := len(w.arenas) - 1
			switch {
			case last < 0 || at-w.arenas[last].field >= behindTop:
				if len(w.arenas) == mainMost {
					return w.arenas
				}
				w.arenas = append(w.arenas, a)
			case wrong < w.arenas[last].wrong: // an array of lists looks like one also from its second list on
				w.arenas[last] = a
			}
		}
	}
	return w.arenas
}

// wrongLists counts the lists of a malloc_state that don't lead back, from the address of its top; more than wrongMost
// are not counted.
func (w *walker) wrongLists(top place.Address) (wrong int) {
	m := w.memory // lists lead to and fro
	for i := 0; i < bins && wrong <= wrongMost; i++ {
		bin := top + place.Address(i)*granule // as if a chunk stood there
		next, _ := w.memory.word(bin + head)
		before, _ := w.memory.word(bin + head + 8)
		back, _ := m.word(place.Address(next) + head + 8)
		forth, _ := m.word(place.Address(before) + head)
		if back != uint64(bin) || forth != uint64(bin) {
			wrong++
		}
	}
	return wrong
}

// threadHeap is the first chunk and the bounds of the heap of another arena: arena.c, struct heap_info has the arena, the
// heap before, and its size. In the first heap of an arena that is followed by the malloc_state.
func (w *walker) threadHeap(at place.Address, s extent) (first place.Address, b bounds, ok bool) {
	if at%heapMost != 0 {
		return 0, bounds{}, false
	}
	state, _ := w.memory.word(at)
	size, _ := w.memory.word(at + 16)
	info := place.Address(state % heapMost)
	home := place.Address(state) - info
	if owner, _ := w.memory.word(home); owner != state || info != 32 && info != 48 || // since 2.35 the page size is in it, too
		size == 0 || size%page != 0 || size > heapMost || size > uint64(s.end-at) {
		return 0, bounds{}, false
	}
	for _, before := range []place.Address{0x60, 0x58} { // since 2.27 a mark for the fast bins is in it, too
		field := home + info + before
		if w.wrongLists(field) > wrongMost {
			continue
		}
		first = at + info
		if at == home {
			first = (field + behindTop + granule - 1) &^ (granule - 1)
		}
		b = bounds{end: at + place.Address(size)}
		b.known = min(s.known, b.end)
		top, _ := w.memory.word(field)
		if top >= uint64(at) && top < uint64(b.end) {
			b.top = place.Address(top)
		}
		if ok = w.leads(first, 0, b); ok && at == home {
			w.arenas = append(w.arenas, arena{field: field, top: place.Address(top)})
		}
		return first, b, ok
	}
	return 0, bounds{}, false
}
