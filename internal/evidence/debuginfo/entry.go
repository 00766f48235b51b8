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
	slot     slot // -1 for attributes that are passed over
	form     form
	constant int64 // of formImplicitConst
}

// abbrevTable is by code.
type abbrevTable map[uint64]*abbrev

// abbrevTable reads a table of .debug_abbrev up to its end.
func (i *Info) abbrevTable(offset uint64) abbrevTable {
	if t, known := i.abbrevs[offset]; known {
		return t
	}
	t := abbrevTable{}
	i.abbrevs[offset] = t
	r := cursor.New(".debug_abbrev", 0, i.section(".debug_abbrev"), binary.LittleEndian)
	r.Seek(offset)
	start := r.Pos()
	for r.Len() > 0 {
		code := r.ULEB128()
		if code == 0 {
			break
		}
		if a := readAbbrev(r); r.Err() == nil && t[code] == nil {
			t[code] = a
		}
	}
	i.spend(costOfKept * (r.Pos() - start))
	return t
}

func readAbbrev(r *cursor.Reader) *abbrev {
	a := &abbrev{tag: dwarf.Tag(r.ULEB128()), children: r.Uint8() != 0}
	for {
		attribute, f := r.ULEB128(), form(r.ULEB128())
		s := spec{slot: -1, form: f}
		if f == formImplicitConst {
			s.constant = r.SLEB128()
		}
		if attribute == 0 && f == 0 || r.Err() != nil {
			return a
		}
		if to, ok := kept[attribute]; ok {
			s.slot = to
		}
		a.specs = append(a.specs, s)
	}
}

// entryAt reads one entry; false where none can be read. The entry that ends a list of children has no tag.
func (u *unit) entryAt(offset uint64) (entry, bool) {
	r := u.reader(offset)
	return u.readEntry(r)
}

// reader reads the unit's entries from an offset of .debug_info on.
func (u *unit) reader(offset uint64) *cursor.Reader {
	r := cursor.New(".debug_info", 0, u.in.info[:u.end], binary.LittleEndian)
	r.Seek(offset)
	return r
}

func (u *unit) readEntry(r *cursor.Reader) (e entry, ok bool) {
	e.offset = uint64(r.Pos())
	code := r.ULEB128()
	if code != 0 {
		a := u.in.abbrevTable(u.abbrevs)[code]
		if a == nil {
			return e, false
		}
		e.tag, e.children = a.tag, a.children
		for _, s := range a.specs {
			v := u.readValue(r, s)
			if s.slot >= 0 {
				e.values[s.slot] = v
			}
		}
	}
	e.next = uint64(r.Pos())
	return e, r.Err() == nil && u.in.spend(int(e.next-e.offset))
}

func (u *unit) readValue(r *cursor.Reader, s spec) value {
	f := s.form
	if f == formIndirect {
		f = form(r.ULEB128())
	}
	v := value{form: f}
	switch f {
	case formAddress:
		v.n = u.readAddress(r)
	case formData1, formRef1, formStrx1, formAddrx1, formFlag:
		v.n = uint64(r.Uint8())
	case formData2, formRef2, formStrx2, formAddrx2:
		v.n = uint64(r.Uint16())
	case formStrx3, formAddrx3:
		v.n = uint64(r.Uint16())
		v.n |= uint64(r.Uint8()) << 16
	case formData4, formRef4, formStrx4, formAddrx4, formRefSup4:
		v.n = uint64(r.Uint32())
	case formData8, formRef8, formRefSig8, formRefSup8:
		v.n = r.Uint64()
	case formUData, formRefUData, formStrx, formAddrx, formListIndex, formRangeListIndex, formGNUAddrIndex, formGNUStrIndex:
		v.n = r.ULEB128()
	case formSData:
		v.n = uint64(r.SLEB128())
	case formImplicitConst:
		v.n = uint64(s.constant)
	case formStrp, formLineStrp, formSecOffset, formStrpSup, formGNURefAlt, formGNUStrpAlt:
		v.n = u.readOffset(r)
	case formRefAddress:
		if u.version == 2 {
			v.n = u.readAddress(r)
		} else {
			v.n = u.readOffset(r)
		}
	case formFlagPresent:
		v.n = 1
	default:
		u.skipBlock(r, &v)
	}
	return v
}

// skipBlock passes over what has a length of its own.
func (u *unit) skipBlock(r *cursor.Reader, v *value) {
	v.n = uint64(r.Pos())
	switch v.form {
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
	case formData16:
		r.Skip(16)
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
