package death

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// pattern says what a pointer looks like that points nowhere. It is something seen and no proof: an honest
// number may look so, too. Empty where the pointer is sound or shows nothing.
func (s *scene) pattern(pointer uint64) string {
	if a := place.Address(pointer); pointer < nullPage || s.im.Mapped(a) && !s.wild(a) {
		return ""
	}
	switch filled := fill(pointer); {
	case filled == finding.JemallocJunk && !s.hasJemalloc():
		return finding.Fill
	case filled != "":
		return filled
	}
	if isText(pointer) {
		return finding.Text
	}
	if s.isFreedLink(pointer) {
		return finding.FreedLink
	}
	if s.isFreedMark(pointer) {
		return finding.FreedMark
	}
	return ""
}

// hasJemalloc says whether the process has jemalloc: as a library, or linked into the program.
func (s *scene) hasJemalloc() bool {
	for _, m := range s.im.Modules {
		if strings.HasPrefix(m.Name, "libjemalloc") {
			return true
		}
		if m.Executable && m.File != nil {
			if _, _, ok := m.File.Symbol("mallctl"); ok {
				return true
			}
		}
	}
	return false
}

// isText says whether a pointer's bytes are characters, up to zeros at its end: five at least, since many a number of four looks so.
func isText(pointer uint64) bool {
	const least = 5
	text := bytes.TrimRight(binary.LittleEndian.AppendUint64(nil, pointer), "\x00")
	for _, c := range text {
		if (c < ' ' || c > '~') && c != '\r' && c != '\n' && c != '\t' {
			return false
		}
	}
	return len(text) >= least
}

// fills are bytes that allocators fill memory with so that its misuse shows: jemalloc's junk (0xa5 new, 0x5a
// freed; opt.junk), AddressSanitizer's (max_malloc_fill_size), tcmalloc's debug allocator (kMagicDeletedByte).
var fills = map[byte]string{0xa5: finding.JemallocJunk, 0x5a: finding.JemallocJunk, 0xbe: finding.ASanFill, 0xcd: finding.DebugFill}

// noticeable are words that programmers poison memory with.
var noticeable = []uint32{0xdeadbeef, 0xdeaddead, 0xdeadc0de, 0xfeedface, 0xbaadf00d, 0xfeeefeee, 0xcafebabe, 0xdeadcafe}

// fill knows one byte over and over, as of M_PERTURB, and words made to be noticed. Code adds a field's offset to
// such a pointer, and it shows that in its lower half only.
func fill(pointer uint64) string {
	high := uint32(pointer >> 32)
	if b := byte(high); high == uint32(b)*0x01010101 && b != 0 && b != 0xff && pointer-uint64(high)<<32-uint64(high) < nullPage {
		if known := fills[b]; known != "" {
			return known
		}
		if !isText(pointer) {
			return finding.Fill
		}
	}
	if slices.Contains(noticeable, high) || slices.Contains(noticeable, uint32(pointer)) {
		return finding.Fill
	}
	return ""
}

// isFreedLink knows the pointer from one freed block to the next (glibc since 2.32: PROTECT_PTR in malloc.c), which is
// xored with its own address shifted by 12. Both lie in the same page mostly, so it can be undone from the top down.
func (s *scene) isFreedLink(pointer uint64) bool {
	const shift, blockAlign, userBits = 12, 16, 48
	if pointer>>(userBits-shift) == 0 && s.im.Anonymous(place.Address(pointer<<shift)) { // the last in its list: xored with null
		return true
	}
	next := pointer
	for range 64 / shift {
		next = pointer ^ next>>shift
	}
	return next%blockAlign == 0 && s.im.Anonymous(place.Address(next))
}

// isFreedMark says whether the C library's own data hold this word: the random key that glibc (since 2.34) writes
// into each freed block. Numbers and sizes stand among these data, too; a random word has something in its upper bits.
func (s *scene) isFreedMark(pointer uint64) bool {
	const upper = 48
	if high := pointer >> upper; high == 0 || high == 1<<(64-upper)-1 {
		return false
	}
	key := binary.LittleEndian.AppendUint64(nil, pointer)
	for _, segment := range s.im.Core.Segments {
		m := s.owner(segment.Start)
		if m != nil && m.SoName() == "libc.so.6" && s.writable(segment.Start) && bytes.Contains(segment.Data, key) {
			return true
		}
	}
	return false
}
