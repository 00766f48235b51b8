// Package bytesearch finds where stretches of thousands of needles stand in gigabytes of memory, at
// any alignment, at about the speed at which the memory can be read.
//
// The idea turns the usual search around. Every 8-byte gram of every needle, at every offset, goes
// into a table; memory is then probed only at each eighth byte. A common stretch of 16 bytes or more
// always covers one probed word whole (15 bytes would do), so nothing is missed; a probe that hits is
// extended to both sides as far as the bytes agree. A bitmap of one hashed bit a gram stands before
// the table and turns away nearly all probes; it fits a processor's cache.
//
// Words of eight equal bytes need care: zeros are everywhere and tell nothing, so they start no hit;
// but a needle of five hundred times 'A' is a classic, so a uniform stretch of another byte is matched
// as a whole, once. Where a needle repeats itself, a place in memory is reported with the longest
// stretch only.
package bytesearch

import (
	"cmp"
	"encoding/binary"
	"iter"
	"math/bits"
	"slices"
	"sync"
)

// MinRun is the shortest stretch that is surely found, in bytes.
const MinRun = 16

const (
	gram = 8

	// triesMost is how many of a needle's equal grams are followed from one place in memory. Only a needle that
	// repeats itself has so many; the earliest ones lead furthest on.
	triesMost = 64
)

// Hit is a maximal stretch of a needle's bytes in memory.
type Hit struct {
	Needle int // index into the needles
	Offset int // in the needle, in bytes
	Memory int // in the memory searched, in bytes
	Length int // in bytes, at least MinRun
}

// Index is the table of all grams; safe for concurrent searches.
type Index struct {
	needles [][]byte
	bitmap  []uint64
	toBit   uint // hash bits to drop to index the bitmap
	toSlot  uint // likewise the table
	starts  []int32
	table   []posting          // ordered by slot; slot i is table[starts[i]:starts[i+1]]
	uniform map[byte][]posting // starts of needles' longest uniform stretches, by byte
	reaches sync.Pool          // of *reach
}

// posting is one place of a gram in a needle.
type posting struct {
	word           uint64
	needle, offset int32
}

// NewRare indexes the needles without what more than most of them share, but for the rarest of it at each
// alignment: a whole needle is found wherever it stands, a stretch of shared text alone is not.
func NewRare(needles [][]byte, most int) *Index {
	ix := New(needles)
	ix.dropShared(most)
	return ix
}

// New indexes the needles; those shorter than MinRun are never found. The index takes some twenty bytes
// for each of theirs.
func New(needles [][]byte) *Index {
	grams := 0
	for _, n := range needles {
		if len(n) >= MinRun {
			grams += len(n) - gram + 1
		}
	}
	ix := &Index{needles: needles, uniform: map[byte][]posting{}}
	bitmapBits := max(10, bits.Len(uint(grams*16))) // sixteen bits a gram: one probe in sixteen passes wrongly
	ix.bitmap, ix.toBit = make([]uint64, 1<<bitmapBits/64), uint(64-bitmapBits)
	slotBits := max(10, bits.Len(uint(grams)))
	ix.starts, ix.toSlot = make([]int32, 1<<slotBits+1), uint(64-slotBits)
	ix.fill(grams)
	return ix
}

// fill puts every gram into the bitmap and, by counting first how many go where, into the table.
func (ix *Index) fill(grams int) {
	for i, n := range ix.needles {
		eachGram(n, func(word uint64, _ int) {
			h := hash(word)
			ix.bitmap[h>>ix.toBit/64] |= 1 << (h >> ix.toBit % 64)
			ix.starts[h>>ix.toSlot+1]++
		})
		ix.addUniform(int32(i), n)
	}
	for i := 1; i < len(ix.starts); i++ {
		ix.starts[i] += ix.starts[i-1]
	}
	next := slices.Clone(ix.starts)
	ix.table = make([]posting, ix.starts[len(ix.starts)-1])
	for i, n := range ix.needles {
		eachGram(n, func(word uint64, off int) {
			slot := hash(word) >> ix.toSlot
			ix.table[next[slot]] = posting{word, int32(i), int32(off)}
			next[slot]++
		})
	}
}

// dropShared takes the grams that more than most needles have out of the table. Memory is probed at every
// eighth byte; so of each needle one gram must stay for each place that a probe may meet it at.
func (ix *Index) dropShared(most int) {
	sharers := make([]int32, len(ix.table)) // by posting: how many needles have its gram
	rarest := make([]int32, gram*len(ix.needles))
	for slot := range len(ix.starts) - 1 {
		first := ix.starts[slot]
		postings := ix.table[first:ix.starts[slot+1]]
		var counts map[uint64]int32
		if len(postings) > most {
			counts = countSharers(postings)
		}
		for i, p := range postings {
			n := int32(1) // few enough, however many
			if counts != nil {
				n = counts[p.word]
			}
			sharers[int(first)+i] = n
			if at := p.alignment(); rarest[at] == 0 || n < rarest[at] {
				rarest[at] = n
			}
		}
	}
	kept, read := int32(0), int32(0)
	for slot := range len(ix.starts) - 1 {
		ix.starts[slot] = kept
		for end := ix.starts[slot+1]; read < end; read++ {
			p := ix.table[read]
			if n := sharers[read]; int(n) <= most || n == rarest[p.alignment()] {
				ix.table[kept] = p
				kept++
			}
		}
	}
	ix.starts[len(ix.starts)-1] = kept
}

// alignment numbers a needle's places by their distance from a probe.
func (p posting) alignment() int { return int(p.needle)*gram + int(p.offset)%gram }

// countSharers counts, by gram, the needles that have it. Of each needle the postings stand together.
func countSharers(postings []posting) map[uint64]int32 {
	sharers, last := map[uint64]int32{}, map[uint64]int32{}
	for _, p := range postings {
		if n, met := last[p.word]; !met || n != p.needle {
			sharers[p.word]++
			last[p.word] = p.needle
		}
	}
	return sharers
}

// eachGram gives every gram of a needle but the uniform ones, with its offset.
func eachGram(needle []byte, do func(word uint64, off int)) {
	if len(needle) < MinRun {
		return
	}
	for off := 0; off+gram <= len(needle); off++ {
		if word := binary.LittleEndian.Uint64(needle[off:]); !isUniform(word) {
			do(word, off)
		}
	}
}

// addUniform notes the longest uniform stretch of each byte but zero.
func (ix *Index) addUniform(needle int32, data []byte) {
	var longest [256]struct{ start, length int32 }
	for off := 0; off < len(data); {
		end := off + 1
		for end < len(data) && data[end] == data[off] {
			end++
		}
		if run := &longest[data[off]]; int32(end-off) > run.length {
			run.start, run.length = int32(off), int32(end-off)
		}
		off = end
	}
	for b, run := range longest {
		if b != 0 && run.length >= MinRun {
			ix.uniform[byte(b)] = append(ix.uniform[byte(b)], posting{needle: needle, offset: run.start})
		}
	}
}

// hash spreads a word over 64 bits, of which the uppermost are the best; the factor is 2^64 divided by the
// golden ratio (Knuth, The Art of Computer Programming, volume 3, section 6.4).
func hash(word uint64) uint64 { return word * 0x9e3779b97f4a7c15 }

func isUniform(word uint64) bool { return word == (word&0xff)*0x0101010101010101 }

// Search yields the hits in memory as it meets them: every maximal stretch, but for those whose words all
// lie in others of the same needle (words of equal bytes, as zeros around it, don't count). Of these some
// come, too, and a stretch may come more than once; All reduces them.
func (ix *Index) Search(memory []byte) iter.Seq[Hit] {
	return func(yield func(Hit) bool) {
		reached := ix.reach()
		defer ix.leave(reached, len(memory))
		ends, before := reached.ends, reached.before
		for off := 0; off+gram <= len(memory); off += gram {
			word := binary.LittleEndian.Uint64(memory[off:])
			if isUniform(word) {
				if word != 0 && len(ix.uniform[memory[off]]) > 0 {
					var on bool
					if off, on = ix.searchUniform(memory, off, yield); !on {
						return
					}
				}
				continue
			}
			h := hash(word)
			if ix.bitmap[h>>ix.toBit/64]&(1<<(h>>ix.toBit%64)) == 0 {
				continue
			}
			slot := h >> ix.toSlot
			hit, tried := Hit{Needle: -1}, 0
			for _, p := range ix.table[ix.starts[slot]:ix.starts[slot+1]] {
				if p.word != word || before+off+2*gram <= ends[p.needle] || ix.inside(memory, off, p, hit) {
					continue
				}
				if tried++; hit.Needle != int(p.needle) {
					tried = 0
				} else if tried >= triesMost {
					continue
				}
				hit = ix.extend(memory, off, p)
				if hit.Length < MinRun {
					continue
				}
				ends[p.needle] = max(ends[p.needle], before+hit.Memory+hit.Length)
				if !yield(hit) {
					return
				}
			}
		}
	}
}

// reach is how far each needle's hits reach in a memory. Up to the last words of a hit nothing is followed: what goes on
// behind its end is met there. So a stretch of 4 KB is probed 512 times but extended twice, and a needle that repeats
// itself costs little more.
//
// It is used again for the next memory, which is counted behind the last: so nothing of it has been reached, and what was
// noted for thousands of needles need not be forgotten for each of thousands of short memories.
type reach struct {
	ends   []int // by needle
	before int   // where this memory begins
}

func (ix *Index) reach() *reach {
	if r, ok := ix.reaches.Get().(*reach); ok {
		return r
	}
	return &reach{ends: make([]int, len(ix.needles))}
}

func (ix *Index) leave(r *reach, length int) {
	r.before += length
	ix.reaches.Put(r)
}

// inside says whether the stretch through a probe lies inside another through the same probe: it has neither
// the byte before that one nor the byte behind.
func (ix *Index) inside(memory []byte, off int, p posting, hit Hit) bool {
	if hit.Needle != int(p.needle) {
		return false
	}
	needle := ix.needles[p.needle]
	has := func(at int) bool {
		i := int(p.offset) + at - off
		return at >= 0 && at < len(memory) && i >= 0 && i < len(needle) && needle[i] == memory[at]
	}
	return !has(hit.Memory-1) && !has(hit.Memory+hit.Length)
}

// All are the hits in memory, ordered by needle and place.
func (ix *Index) All(memory []byte) []Hit { return longest(slices.Collect(ix.Search(memory))) }

// searchUniform matches a uniform stretch of memory as a whole; it returns the last probe inside it, and
// whether to go on.
func (ix *Index) searchUniform(memory []byte, off int, yield func(Hit) bool) (last int, on bool) {
	b := memory[off]
	start, end := off, off+gram
	for start > 0 && memory[start-1] == b {
		start--
	}
	for end < len(memory) && memory[end] == b {
		end++
	}
	last = off + (end-off-gram)/gram*gram
	for _, p := range ix.uniform[b] {
		if hit := ix.extend(memory, start, p); hit.Length >= MinRun && !yield(hit) {
			return last, false
		}
	}
	return last, true
}

// extend follows agreeing bytes from a memory offset and a needle's offset to both sides.
func (ix *Index) extend(memory []byte, off int, p posting) Hit {
	needle := ix.needles[p.needle]
	back := 0
	for back < off && back < int(p.offset) && memory[off-back-1] == needle[int(p.offset)-back-1] {
		back++
	}
	ahead := commonPrefix(memory[off:], needle[p.offset:])
	return Hit{Needle: int(p.needle), Offset: int(p.offset) - back, Memory: off - back, Length: back + ahead}
}

func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for i+8 <= n && binary.LittleEndian.Uint64(a[i:]) == binary.LittleEndian.Uint64(b[i:]) {
		i += 8
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// longest orders the hits by needle and place, and drops those that lie inside a longer one of the
// same needle.
func longest(hits []Hit) []Hit {
	slices.SortFunc(hits, func(a, b Hit) int {
		return cmp.Or(a.Needle-b.Needle, a.Memory-b.Memory, b.Length-a.Length)
	})
	needle, end := -1, 0
	return slices.DeleteFunc(hits, func(h Hit) bool {
		if h.Needle != needle {
			needle, end = h.Needle, 0
		}
		inside := h.Memory+h.Length <= end
		end = max(end, h.Memory+h.Length)
		return inside
	})
}
