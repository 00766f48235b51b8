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
	"math/bits"
	"slices"
)

// MinRun is the shortest stretch that is surely found, in bytes.
const MinRun = 16

const gram = 8

// Hit is a maximal stretch of a needle's bytes in memory.
type Hit struct {
	Needle int // index into the needles
	Offset int // in the needle, in bytes
	Memory int // in the memory searched, in bytes
	Length int // in bytes, at least MinRun
}

// Index is the table of all grams; safe for concurrent searches.
type Index struct {
	needles  [][]byte
	bitmap   []uint64
	shift    uint // hash bits to drop to index the bitmap
	postings map[uint64][]posting
	uniform  map[byte][]posting // starts of needles' longest uniform stretches, by byte
}

type posting struct{ needle, offset int32 }

// New indexes the needles; those shorter than MinRun are never found.
func New(needles [][]byte) *Index {
	grams := 0
	for _, n := range needles {
		if len(n) >= MinRun {
			grams += len(n) - gram + 1
		}
	}
	logSize := max(10, bits.Len(uint(grams*16))) // sixteen bits a gram: one probe in sixteen passes wrongly
	ix := &Index{
		needles:  needles,
		bitmap:   make([]uint64, 1<<logSize/64),
		shift:    uint(64 - logSize),
		postings: make(map[uint64][]posting, grams),
		uniform:  map[byte][]posting{},
	}
	for i, n := range needles {
		if len(n) >= MinRun {
			ix.add(int32(i), n)
		}
	}
	return ix
}

func (ix *Index) add(needle int32, data []byte) {
	var longest [256]struct{ start, length int32 }
	for off := 0; off+gram <= len(data); off++ {
		word := binary.LittleEndian.Uint64(data[off:])
		if isUniform(word) {
			b := data[off]
			end := off + gram
			for end < len(data) && data[end] == b {
				end++
			}
			if n := int32(end - off); n > longest[b].length {
				longest[b] = struct{ start, length int32 }{int32(off), n}
			}
			off = end - gram // the next gram is the first that isn't uniform
			continue
		}
		h := ix.hash(word)
		ix.bitmap[h/64] |= 1 << (h % 64)
		ix.postings[word] = append(ix.postings[word], posting{needle, int32(off)})
	}
	for b, run := range longest {
		if b != 0 && run.length >= MinRun {
			ix.uniform[byte(b)] = append(ix.uniform[byte(b)], posting{needle, run.start})
		}
	}
}

// hash spreads a word over the bitmap; the factor is 2^64 divided by the golden ratio (Knuth, The Art
// of Computer Programming, volume 3, section 6.4).
func (ix *Index) hash(word uint64) uint64 { return word * 0x9e3779b97f4a7c15 >> ix.shift }

func isUniform(word uint64) bool { return word == (word&0xff)*0x0101010101010101 }

// Search returns every hit in memory, ordered by needle and place.
func (ix *Index) Search(memory []byte) []Hit {
	// Where each needle's diagonal (memory offset minus needle offset) has been followed to: a stretch
	// of 4 KB is probed 512 times but extended once.
	type diagonal struct {
		needle int32
		delta  int
	}
	followed := map[diagonal]int{}
	var hits []Hit
	reach := 0 // the end of the furthest diagonal followed
	for off := 0; off+gram <= len(memory); off += gram {
		word := binary.LittleEndian.Uint64(memory[off:])
		if isUniform(word) {
			if word != 0 && len(ix.uniform[memory[off]]) > 0 {
				hits, off = ix.appendUniform(hits, memory, off)
			}
			continue
		}
		h := ix.hash(word)
		if ix.bitmap[h/64]&(1<<(h%64)) == 0 {
			continue
		}
		if off > reach {
			clear(followed)
		}
		for _, p := range ix.postings[word] {
			d := diagonal{p.needle, off - int(p.offset)}
			if followed[d] > off {
				continue
			}
			hit := ix.extend(memory, off, p)
			followed[d] = hit.Memory + hit.Length
			reach = max(reach, followed[d])
			if hit.Length >= MinRun {
				hits = append(hits, hit)
			}
		}
	}
	return longest(hits)
}

// appendUniform matches a uniform stretch of memory as a whole; it returns the last probe inside it too.
func (ix *Index) appendUniform(hits []Hit, memory []byte, off int) ([]Hit, int) {
	b := memory[off]
	start, end := off, off+gram
	for start > 0 && memory[start-1] == b {
		start--
	}
	for end < len(memory) && memory[end] == b {
		end++
	}
	for _, p := range ix.uniform[b] {
		if hit := ix.extend(memory, start, p); hit.Length >= MinRun {
			hits = append(hits, hit)
		}
	}
	return hits, off + (end-off-gram)/gram*gram
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
