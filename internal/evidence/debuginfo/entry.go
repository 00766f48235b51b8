package debuginfo

import (
	"bytes"
	"debug/dwarf"
	"encoding/binary"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// entry is a debugging information entry, with those of its attributes that are of use here.
type entry struct {
	offset   uint64 // in .debug_info
	next     uint64 // offset behind its attributes: of its first child, if it has children
	tag      dwarf.Tag
	children bool
	values   [slots]value
}

// value is an attribute's value before it is known what its form means: a number, an offset, an index. Of a
// string in the entry itself it is where that begins. A form of 0 means that the attribute is not there.
type value struct {
	form form
	n    uint64
}

func (e *entry) number(s slot) uint64 { return e.values[s].n }

// Tags that package dwarf doesn't know.
const (
	tagInlined  = dwarf.TagInlinedSubroutine
	tagSkeleton = dwarf.Tag(0x4a)
)

// slot is an attribute that is kept.
type slot int8

const (
	slotName slot = iota
	slotLinkage
	slotLow
	slotHigh
	slotRanges
	slotOrigin
	slotSpecification
	slotCallFile
	slotCallLine
	slotSibling
	slotLines
	slotDirectory
	slotLanguage
	slotDwoName
	slotDwoID
	slotStringBase
	slotAddressBase
	slotListBase
	slotRangesBase
	slots
)

// kept is the attributes' codes (DWARF 5, section 7.5.4; the last ones are GNU's and MIPS's).
var kept = map[uint64]slot{
	0x03: slotName, 0x6e: slotLinkage, 0x2007: slotLinkage,
	0x11: slotLow, 0x12: slotHigh, 0x55: slotRanges,
	0x31: slotOrigin, 0x47: slotSpecification,
	0x58: slotCallFile, 0x59: slotCallLine,
	0x01: slotSibling, 0x10: slotLines, 0x1b: slotDirectory, 0x13: slotLanguage,
	0x76: slotDwoName, 0x2130: slotDwoName, 0x2131: slotDwoID,
	0x72: slotStringBase, 0x73: slotAddressBase, 0x2133: slotAddressBase,
	0x74: slotListBase, 0x2132: slotRangesBase,
}

// form is how an attribute's value is written (DWARF 5, section 7.5.6).
type form uint16

const (
	formAddress, formBlock2, formBlock4, formData2, formData4, formData8 form = 0x01, 0x03, 0x04, 0x05, 0x06, 0x07
	formString, formBlock, formBlock1, formData1, formFlag, formSData    form = 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d
	formStrp, formUData, formRefAddress, formRef1, formRef2, formRef4    form = 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13
	formRef8, formRefUData, formIndirect, formSecOffset, formExprloc     form = 0x14, 0x15, 0x16, 0x17, 0x18
	formFlagPresent, formStrx, formAddrx, formRefSup4, formStrpSup       form = 0x19, 0x1a, 0x1b, 0x1c, 0x1d
	formData16, formLineStrp, formRefSig8, formImplicitConst             form = 0x1e, 0x1f, 0x20, 0x21
	formListIndex, formRangeListIndex, formRefSup8                       form = 0x22, 0x23, 0x24
	formStrx1, formStrx2, formStrx3, formStrx4                           form = 0x25, 0x26, 0x27, 0x28
	formAddrx1, formAddrx2, formAddrx3, formAddrx4                       form = 0x29, 0x2a, 0x2b, 0x2c
	formGNUAddrIndex, formGNUStrIndex, formGNURefAlt, formGNUStrpAlt     form = 0x1f01, 0x1f02, 0x1f20, 0x1f21
)

// abbrev is how the entries of one kind are written.
type abbrev struct {
	tag      dwarf.Tag
	children bool
	specs    []spec
}

type spec struct {
	slot     slot // passedOver for attributes of no use
	form     form
	constant int64 // of formImplicitConst
	skip     int   // of one or more that are passed over: their bytes; 0 where that depends on the entry
}

const passedOver slot = -1

// abbrevTable is by code, which compilers count from 1. Other codes are kept aside.
type abbrevTable struct {
	dense []abbrev
	other map[uint64]*abbrev
}

func (t *abbrevTable) add(code uint64, a abbrev) {
	switch {
	case code == uint64(len(t.dense))+1:
		t.dense = append(t.dense, a)
	case code > uint64(len(t.dense)) && t.other[code] == nil:
		if t.other == nil {
			t.other = map[uint64]*abbrev{}
		}
		t.other[code] = &a
	}
}

func (t *abbrevTable) find(code uint64) *abbrev {
	if code-1 < uint64(len(t.dense)) {
		return &t.dense[code-1]
	}
	return t.other[code]
}

// abbrevKey is a table, and the sizes that its forms have in a unit.
type abbrevKey struct {
	offset      uint64
	wide        bool
	addressSize int
	version     int
}

// abbreviations reads the unit's table of .debug_abbrev up to its end.
func (u *unit) abbreviations() *abbrevTable {
	if u.table != nil {
		return u.table
	}
	key := abbrevKey{u.abbrevs, u.wide, u.addressSize, u.version}
	u.table = u.in.abbrevs[key]
	if u.table != nil {
		return u.table
	}
	u.table = &abbrevTable{}
	u.in.abbrevs[key] = u.table
	r := cursor.New(".debug_abbrev", 0, u.in.section(".debug_abbrev"), binary.LittleEndian)
	r.Seek(u.abbrevs)
	start := r.Pos()
	for r.Len() > 0 && u.in.spend(0) {
		before := r.Pos()
		code := r.ULEB128()
		if code == 0 {
			break
		}
		if a := u.readAbbrev(r); r.Err() == nil {
			u.table.add(code, a)
		}
		u.in.spend(costOfKept * (r.Pos() - before))
	}
	u.in.spend(r.Pos() - start)
	return u.table
}

func (u *unit) readAbbrev(r *cursor.Reader) abbrev {
	a := abbrev{tag: dwarf.Tag(r.ULEB128()), children: r.Uint8() != 0}
	for {
		attribute, f := r.ULEB128(), form(r.ULEB128())
		s := spec{slot: passedOver, form: f}
		if f == formImplicitConst {
			s.constant = r.SLEB128()
		}
		if attribute == 0 && f == 0 || r.Err() != nil {
			return a
		}
		if to, ok := kept[attribute]; ok && (to == slotSibling || ofUse(a.tag)) {
			s.slot = to
		}
		a.addSpec(s, u.sizeOf(f))
	}
}

// addSpec joins attributes that are passed over to the one before, where the sizes of both are known.
func (a *abbrev) addSpec(s spec, size int) {
	last := len(a.specs) - 1
	switch {
	case s.slot != passedOver || size < 0:
		a.specs = append(a.specs, s)
	case last >= 0 && a.specs[last].skip > 0:
		a.specs[last].skip += size
	case size > 0:
		s.skip = size
		a.specs = append(a.specs, s)
	}
}

// ofUse says whether entries of a kind are looked at: those of functions, and what names stand in.
func ofUse(tag dwarf.Tag) bool {
	switch tag {
	case dwarf.TagCompileUnit, tagSkeleton, dwarf.TagPartialUnit, dwarf.TagSubprogram, tagInlined, dwarf.TagNamespace,
		dwarf.TagClassType, dwarf.TagStructType, dwarf.TagUnionType, dwarf.TagModule:
		return true
	}
	return false
}

// sizeOf is how many bytes a form's value takes; -1 where each says that itself.
func (u *unit) sizeOf(f form) int {
	switch f {
	case formImplicitConst, formFlagPresent:
		return 0
	case formData1, formRef1, formStrx1, formAddrx1, formFlag:
		return 1
	case formData2, formRef2, formStrx2, formAddrx2:
		return 2
	case formStrx3, formAddrx3:
		return 3
	case formData4, formRef4, formStrx4, formAddrx4, formRefSup4:
		return 4
	case formData8, formRef8, formRefSig8, formRefSup8:
		return 8
	case formData16:
		return 16
	case formAddress:
		return u.addressSize
	case formRefAddress:
		if u.version == 2 {
			return u.addressSize
		}
		return int(u.offsetSize())
	case formStrp, formLineStrp, formSecOffset, formStrpSup, formGNURefAlt, formGNUStrpAlt:
		return int(u.offsetSize())
	}
	return -1
}

// entryAt reads one entry; false where none can be read. The entry that ends a list of children has no tag.
func (u *unit) entryAt(offset uint64) (e entry, ok bool) {
	return e, u.readEntry(u.reader(offset), &e)
}

// reader reads the unit's entries from an offset of .debug_info on.
func (u *unit) reader(offset uint64) *cursor.Reader {
	r := cursor.New(".debug_info", 0, u.in.info[:u.end], binary.LittleEndian)
	r.Seek(offset)
	return r
}

// readEntry reads the entry at r into e, whatever that held.
func (u *unit) readEntry(r *cursor.Reader, e *entry) bool {
	*e = entry{offset: uint64(r.Pos())}
	code := r.ULEB128()
	if code != 0 {
		a := u.abbreviations().find(code)
		if a == nil {
			return false
		}
		e.tag, e.children = a.tag, a.children
		for i := range a.specs {
			s := &a.specs[i]
			switch {
			case s.skip > 0:
				r.Skip(uint64(s.skip))
			case s.slot == passedOver:
				u.readValue(r, *s)
			default:
				e.values[s.slot] = u.readValue(r, *s)
			}
		}
	}
	e.next = uint64(r.Pos())
	return r.Err() == nil && u.in.spend(int(e.next-e.offset))
}

func (u *unit) readValue(r *cursor.Reader, s spec) value {
	v := value{form: s.form}
	if v.form == formIndirect {
		v.form = form(r.ULEB128())
	}
	const largest = 8
	switch size := u.sizeOf(v.form); {
	case v.form == formImplicitConst:
		v.n = uint64(s.constant)
	case v.form == formFlagPresent:
		v.n = 1
	case size > largest:
		r.Skip(uint64(size))
	case size > 0:
		for i, b := range r.Bytes(uint64(size)) {
			v.n |= uint64(b) << (8 * i)
		}
	default:
		u.readSized(r, &v)
	}
	return v
}

// readSized reads a value that tells its own size. Of a text or a block it keeps where that begins.
func (u *unit) readSized(r *cursor.Reader, v *value) {
	v.n = uint64(r.Pos())
	switch v.form {
	case formUData, formRefUData, formStrx, formAddrx, formListIndex, formRangeListIndex, formGNUAddrIndex, formGNUStrIndex:
		v.n = r.ULEB128()
	case formSData:
		v.n = uint64(r.SLEB128())
	case formString:
		r.CString()
	case formBlock1:
		r.Skip(uint64(r.Uint8()))
	case formBlock2:
		r.Skip(uint64(r.Uint16()))
	case formBlock4:
		r.Skip(uint64(r.Uint32()))
	case formBlock, formExprloc:
		r.Skip(r.ULEB128())
	default:
		r.Fail("expected a form of DWARF 2 to 5, found 0x%x", uint16(v.form))
	}
}

// text is a string attribute.
func (u *unit) text(e *entry, s slot) string {
	v := e.values[s]
	switch v.form {
	case formString:
		return textAt(u.in.info[:u.end], v.n)
	case formStrp:
		return textAt(u.in.section(".debug_str"), v.n)
	case formLineStrp:
		return textAt(u.in.section(".debug_line_str"), v.n)
	case formStrx, formStrx1, formStrx2, formStrx3, formStrx4, formGNUStrIndex:
		return textAt(u.in.section(".debug_str"), u.stringOffset(v.n))
	case formGNUStrpAlt, formStrpSup:
		if u.in.common != nil {
			return textAt(u.in.common.section(".debug_str"), v.n)
		}
	}
	return ""
}

func (u *unit) stringOffset(index uint64) uint64 {
	r := cursor.New(".debug_str_offsets", 0, u.in.section(".debug_str_offsets"), binary.LittleEndian)
	r.Seek(u.base(slotStringBase) + index*u.offsetSize())
	if offset := u.readOffset(r); r.Err() == nil {
		return offset
	}
	return ^uint64(0)
}

func (u *unit) offsetSize() uint64 {
	if u.wide {
		return 8
	}
	return 4
}

// longestText is where a string is cut: C++ has names of some kilobytes.
const longestText = 16 << 10

func textAt(table []byte, offset uint64) string {
	if offset >= uint64(len(table)) {
		return ""
	}
	rest := table[offset:]
	s, _, _ := bytes.Cut(rest[:min(longestText, len(rest))], []byte{0})
	return string(s)
}

// address is an attribute that is an address; false if it is something else.
func (u *unit) address(v value) (uint64, bool) {
	switch v.form {
	case formAddress:
		return v.n, true
	case formAddrx, formAddrx1, formAddrx2, formAddrx3, formAddrx4, formGNUAddrIndex:
		return u.addressByIndex(v.n), true
	}
	return 0, false
}

func (u *unit) addressByIndex(index uint64) uint64 {
	r := cursor.New(".debug_addr", 0, u.in.section(".debug_addr"), binary.LittleEndian)
	r.Seek(u.base(slotAddressBase) + index*uint64(u.addressSize))
	a := u.readAddress(r)
	return a
}

// refersTo follows a reference to another entry, in this unit, in another one, or in the common file.
func (u *unit) refersTo(v value) (*unit, entry, bool) {
	in, offset := u.in, v.n
	switch v.form {
	case formRef1, formRef2, formRef4, formRef8, formRefUData:
		offset += u.offset
	case formRefAddress:
	case formGNURefAlt, formRefSup4, formRefSup8:
		in = u.in.common
	default:
		return nil, entry{}, false
	}
	if in == nil {
		return nil, entry{}, false
	}
	to := in.unitHolding(offset)
	if to == nil {
		return nil, entry{}, false
	}
	e, ok := to.entryAt(offset)
	return to, e, ok
}
