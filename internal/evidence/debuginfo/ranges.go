package debuginfo

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sort"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// span is a range of addresses and what is there, by its offset in .debug_info.
type span struct{ start, end, of uint64 }

// spanIndex is ranges by start. Few lie in one another.
type spanIndex []span

// add leaves out what the linker threw away: it sets such ranges to 0 or 1, or to the end of the address space.
func (s *spanIndex) add(start, end, of uint64) {
	if start > 1 && start < end {
		*s = append(*s, span{start, end, of})
	}
}

func (s spanIndex) sort() {
	slices.SortStableFunc(s, func(a, b span) int { return cmp.Compare(a.start, b.start) })
}

// find is the innermost range around an address.
func (s spanIndex) find(a uint64) (span, bool) {
	const nested = 64
	last := sort.Search(len(s), func(n int) bool { return s[n].start > a })
	for n := last - 1; n >= max(0, last-nested); n-- {
		if a < s[n].end {
			return s[n], true
		}
	}
	return span{}, false
}

// readRanges reads .debug_aranges: the units' addresses (DWARF 5, section 6.1.2).
func (i *Info) readRanges() {
	r := cursor.New(".debug_aranges", 0, i.section(".debug_aranges"), binary.LittleEndian)
	for r.Len() > 0 {
		start := uint64(r.Pos())
		set := unit{addressSize: 8}
		length := uint64(r.Uint32())
		if length >= largest32 {
			set.wide, length = true, r.Uint64()
		}
		end := uint64(r.Pos()) + length
		if length > uint64(r.Len()) {
			break
		}
		r.Uint16() // version
		of := set.readOffset(r)
		set.addressSize = int(r.Uint8())
		segment := r.Uint8()
		if set.addressSize == 8 && segment == 0 {
			i.listed[of] = true
			const tuple = 16
			used := uint64(r.Pos()) - start
			r.Seek(start + (used+tuple-1)/tuple*tuple)
			for uint64(r.Pos())+tuple <= end && r.Err() == nil {
				a, n := r.Uint64(), r.Uint64()
				i.spans.add(a, a+n, of)
			}
		}
		r.Seek(end)
	}
	i.spans.sort()
}

// eachRange gives the addresses of an entry's code: DW_AT_low_pc and DW_AT_high_pc, or DW_AT_ranges.
func (u *unit) eachRange(e *entry, each func(start, end uint64)) {
	if v := e.values[slotRanges]; v.form != 0 {
		u.rangeList(v, each)
		return
	}
	low, ok := u.address(e.values[slotLow])
	high := e.values[slotHigh]
	if !ok || high.form == 0 {
		return
	}
	if end, isAddress := u.address(high); isAddress {
		each(low, end)
	} else {
		each(low, low+high.n)
	}
}

func (u *unit) rangeList(v value, each func(start, end uint64)) {
	origin, _ := u.address(u.rootEntry().values[slotLow])
	if u.skeleton != nil && origin == 0 {
		origin, _ = u.skeleton.address(u.skeleton.rootEntry().values[slotLow])
	}
	if u.version < 5 {
		u.oldRangeList(v.n+u.base(slotRangesBase), origin, each)
		return
	}
	lists := u.in.section(".debug_rnglists")
	at := v.n
	if v.form == formRangeListIndex {
		base := u.base(slotListBase)
		r := cursor.New(".debug_rnglists", 0, lists, binary.LittleEndian)
		r.Seek(base + v.n*u.offsetSize())
		if at = base + u.readOffset(r); r.Err() != nil {
			return
		}
	}
	u.newRangeList(lists, at, origin, each)
}

// oldRangeList reads .debug_ranges (DWARF 4, section 2.17.3). The offset of a unit's root doesn't count
// from DW_AT_GNU_ranges_base, but no split unit's skeleton has both.
func (u *unit) oldRangeList(at, base uint64, each func(start, end uint64)) {
	data := u.in.section(".debug_ranges")
	r := cursor.New(".debug_ranges", 0, data, binary.LittleEndian)
	r.Seek(at)
	all := ^uint64(0)
	if u.addressSize == 4 {
		all = 0xffffffff
	}
	for r.Len() > 0 && u.in.spend(2*u.addressSize) {
		start, end := u.readAddress(r), u.readAddress(r)
		switch {
		case r.Err() != nil || start == 0 && end == 0:
			return
		case start == all:
			base = end
		default:
			each(base+start, base+end)
		}
	}
}

// Entries of .debug_rnglists (DWARF 5, section 7.25).
const (
	listEnd, listBaseIndex, listIndices, listIndexLength = 0, 1, 2, 3
	listPair, listBase, listAddresses, listAddressLength = 4, 5, 6, 7
)

func (u *unit) newRangeList(lists []byte, at, base uint64, each func(start, end uint64)) {
	r := cursor.New(".debug_rnglists", 0, lists, binary.LittleEndian)
	r.Seek(at)
	for r.Len() > 0 && u.in.spend(8) {
		switch kind := r.Uint8(); kind {
		case listBaseIndex:
			base = u.addressByIndex(r.ULEB128())
		case listIndices:
			each(u.addressByIndex(r.ULEB128()), u.addressByIndex(r.ULEB128()))
		case listIndexLength:
			start := u.addressByIndex(r.ULEB128())
			each(start, start+r.ULEB128())
		case listPair:
			each(base+r.ULEB128(), base+r.ULEB128())
		case listBase:
			base = u.readAddress(r)
		case listAddresses:
			each(u.readAddress(r), u.readAddress(r))
		case listAddressLength:
			start := u.readAddress(r)
			each(start, start+r.ULEB128())
		default: // listEnd, or what no version has
			return
		}
		if r.Err() != nil {
			return
		}
	}
}
