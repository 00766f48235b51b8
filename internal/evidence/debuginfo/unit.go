package debuginfo

import (
	"debug/dwarf"
	"encoding/binary"
	"slices"
	"sort"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// unit is a compilation unit, or a part of one that dwz moved to a unit of its own.
type unit struct {
	in          *Info
	offset, end uint64 // in .debug_info
	body        uint64 // offset of the root entry
	version     int
	wide        bool // offsets have 8 bytes: the 64-bit form
	addressSize int
	abbrevs     uint64 // offset in .debug_abbrev
	id          uint64 // what a skeleton and its split unit have in common
	skeleton    *unit  // of a split unit: the one in the program

	root      entry
	rootRead  bool
	table     *abbrevTable
	split     *unit
	splitRead bool
	functions spanIndex
	scopes    []scope // by start
	indexed   bool
	lines     *lineTable
}

// Unit types of DWARF 5 (section 7.5.1) whose header has 8 more bytes: the split unit's ID.
const (
	unitSkeleton, unitSplit        = 4, 5
	unitType, unitSplitType        = 2, 6
	largest32               uint64 = 0xfffffff0 // of a 32-bit length; above are escapes
)

// readUnits walks over the units' headers. Damage ends the walk: without its length no unit shows the next.
func (i *Info) readUnits() {
	r := cursor.New(".debug_info", 0, i.info, binary.LittleEndian)
	for r.Len() > 0 {
		u := &unit{in: i, offset: uint64(r.Pos())}
		length := uint64(r.Uint32())
		if length >= largest32 {
			u.wide, length = true, r.Uint64()
		}
		if length > uint64(r.Len()) || length == 0 {
			return
		}
		u.end = uint64(r.Pos()) + length
		if keep := u.readHeader(r); r.Err() != nil {
			return
		} else if keep {
			i.units = append(i.units, u)
		}
		r.Seek(u.end)
	}
}

// readHeader reads what follows the length; false for units that hold types only, and for what no compiler
// of today's machines writes.
func (u *unit) readHeader(r *cursor.Reader) bool {
	u.version = int(r.Uint16())
	kind := byte(0)
	if u.version >= 5 {
		kind, u.addressSize = r.Uint8(), int(r.Uint8())
		u.abbrevs = u.readOffset(r)
	} else {
		u.abbrevs = u.readOffset(r)
		u.addressSize = int(r.Uint8())
	}
	if kind == unitSkeleton || kind == unitSplit {
		u.id = r.Uint64()
	}
	u.body = uint64(r.Pos())
	return u.version >= 2 && u.version <= 5 && kind != unitType && kind != unitSplitType &&
		(u.addressSize == 8 || u.addressSize == 4) && u.body <= u.end
}

// readOffset reads an offset into a section.
func (u *unit) readOffset(r *cursor.Reader) uint64 {
	if u.wide {
		return r.Uint64()
	}
	return uint64(r.Uint32())
}

func (u *unit) readAddress(r *cursor.Reader) uint64 {
	if u.addressSize == 4 {
		return uint64(r.Uint32())
	}
	return r.Uint64()
}

// unitHolding is the unit whose entries cover an offset; nil if none does.
func (i *Info) unitHolding(offset uint64) *unit {
	n := sort.Search(len(i.units), func(n int) bool { return i.units[n].offset > offset })
	if n == 0 || offset < i.units[n-1].body || offset >= i.units[n-1].end {
		return nil
	}
	return i.units[n-1]
}

// rootEntry is the entry that describes the unit.
func (u *unit) rootEntry() *entry {
	if !u.rootRead {
		u.rootRead = true
		u.root, _ = u.entryAt(u.body)
	}
	return &u.root
}

// whole is the unit that holds the functions: of a skeleton the split one; nil if that is missing.
func (u *unit) whole() *unit {
	root := u.rootEntry()
	name := u.text(root, slotDwoName)
	if name == "" || u.skeleton != nil {
		return u
	}
	if u.splitRead {
		return u.split
	}
	u.splitRead = true
	if u.in.openSplit != nil {
		if sections := u.in.openSplit(name, u.text(root, slotDirectory)); sections != nil {
			u.split = u.openSplit(sections)
		}
	}
	if u.split == nil && !slices.Contains(u.in.missing, name) {
		u.in.missing = append(u.in.missing, name)
	}
	return u.split
}

// openSplit reads a .dwo file, which has one unit and names its sections so; addresses, and before DWARF 5
// ranges, stay in the program.
func (u *unit) openSplit(sections Sections) *unit {
	i := Open(func(name string) []byte {
		if name == ".debug_addr" || name == ".debug_ranges" {
			return u.in.section(name)
		}
		return sections(name + ".dwo")
	}, nil, nil)
	if i == nil || len(i.units) == 0 {
		return nil
	}
	split := i.units[0]
	split.skeleton = u
	if split.splitID() != u.splitID() {
		return nil
	}
	return split
}

// splitID is in the header, and before DWARF 5 in the root.
func (u *unit) splitID() uint64 {
	if u.version >= 5 {
		return u.id
	}
	return u.rootEntry().number(slotDwoID)
}

// base is where an index or offset counts from that a unit's root gives once for all (DWARF 5, section
// 7.26 to 7.29). A split unit has them in its skeleton, or they are those of a file with one unit only.
func (u *unit) base(s slot) uint64 {
	if v := u.rootEntry().values[s]; v.form != 0 {
		return v.n
	}
	if u.skeleton == nil {
		return 0
	}
	if s == slotAddressBase || s == slotRangesBase {
		return u.skeleton.base(s)
	}
	headers := map[slot]uint64{slotStringBase: 8, slotListBase: 12}
	if u.version < 5 {
		return 0
	}
	return headers[s]
}

// unitAt finds the unit of the code at pc.
func (i *Info) unitAt(pc uint64) *unit {
	if s, ok := i.spans.find(pc); ok {
		return i.unitFrom(s.of)
	}
	i.walkRoots()
	if s, ok := i.rest.find(pc); ok {
		return i.unitFrom(s.of)
	}
	return nil
}

func (i *Info) unitFrom(offset uint64) *unit {
	n, found := slices.BinarySearchFunc(i.units, offset, func(u *unit, o uint64) int {
		return int(int64(u.offset) - int64(o))
	})
	if !found {
		return nil
	}
	return i.units[n]
}

// walkRoots asks the units themselves where their code is, those of which .debug_aranges doesn't speak:
// clang writes no such table, and in one program some objects may have it and others not.
func (i *Info) walkRoots() {
	if i.walked {
		return
	}
	i.walked = true
	for _, u := range i.units {
		if i.listed[u.offset] {
			continue
		}
		if root := u.rootEntry(); root.tag == dwarf.TagCompileUnit || root.tag == tagSkeleton {
			u.eachRange(root, func(start, end uint64) { i.rest.add(start, end, u.offset) })
		}
	}
	i.rest.sort()
}
