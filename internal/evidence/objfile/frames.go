package objfile

import (
	"cmp"
	"debug/elf"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// CIE is what the unwind table's entries of many functions have in common.
type CIE struct {
	CodeAlign      uint64 // factor of advances
	DataAlign      int64  // factor of offsets from the CFA
	ReturnRegister int    // DWARF number of the column that holds the return address
	Signal         bool   // a signal handler's return trampoline: its caller was interrupted, and made no call
	Instructions   []byte // call frame instructions that every entry begins with
}

// FDE is an unwind table's entry: how to find the caller of the code from Start to End.
type FDE struct {
	Start, End   uint64 // vaddr
	CIE          CIE
	Instructions []byte
}

// CFI finds the entry for vaddr in .eh_frame, and where there is none in .debug_frame.
func (f *File) CFI(vaddr uint64) (*FDE, bool) {
	for _, t := range f.frames() {
		if fde, ok := t.find(vaddr); ok {
			return fde, true
		}
	}
	return nil, false
}

// frameTables are in the order of trust: .eh_frame is what the program itself unwinds by.
type frameTables []*frameTable

// frameTable is a section of CIEs and FDEs.
type frameTable struct {
	part  string
	base  int64 // of data in the file
	vaddr uint64
	data  []byte
	debug bool // .debug_frame, which points to CIEs and marks them in another way than .eh_frame

	header    *searchTable // nil: index the table by walking it
	indexOnce sync.Once
	index     []indexEntry // by start
}

type indexEntry struct {
	start, end uint64
	offset     uint64 // of the FDE in data
}

func (f *File) findFrameTables() (tables frameTables) {
	if t := f.ehFrame(); t != nil {
		tables = append(tables, t)
	}
	for _, from := range []*File{f, f.apart.debug} {
		if from == nil {
			continue
		}
		if data := from.content(".debug_frame"); data != nil {
			tables = append(tables, &frameTable{part: from.name + ": .debug_frame", data: data, debug: true})
		}
	}
	return tables
}

// ehFrame finds .eh_frame by the segment that the program itself finds it by, else by its section.
func (f *File) ehFrame() *frameTable {
	header := f.searchTable()
	t := &frameTable{part: f.name + ": .eh_frame", header: header}
	if s := f.section(".eh_frame"); s != nil && s.Type != elf.SHT_NOBITS {
		t.base, t.vaddr, t.data = int64(s.Offset), s.Addr, s.data
	} else if header != nil && header.frames != 0 {
		t.vaddr, t.data = header.frames, f.From(header.frames)
	}
	if t.data == nil {
		return nil
	}
	return t
}

func (t *frameTable) find(vaddr uint64) (*FDE, bool) {
	if t.header != nil {
		if at, ok := t.header.find(vaddr); ok && at >= t.vaddr {
			if fde := t.fdeAt(at - t.vaddr); fde != nil && vaddr >= fde.Start && vaddr < fde.End {
				return fde, true
			}
		}
		return nil, false
	}
	t.indexOnce.Do(t.buildIndex)
	i, _ := slices.BinarySearchFunc(t.index, vaddr, func(e indexEntry, v uint64) int {
		if e.start > v {
			return 1
		}
		return -1
	})
	if i == 0 || vaddr >= t.index[i-1].end {
		return nil, false
	}
	fde := t.fdeAt(t.index[i-1].offset)
	return fde, fde != nil
}

// buildIndex walks the whole table. Damage ends the walk: without an entry's length there is no next one.
func (t *frameTable) buildIndex() {
	for offset := uint64(0); offset < uint64(len(t.data)); {
		entry, next, ok := t.entryAt(offset)
		if !ok {
			break
		}
		if !entry.isCIE {
			if fde := t.parseFDE(entry); fde != nil {
				t.index = append(t.index, indexEntry{start: fde.Start, end: fde.End, offset: offset})
			}
		}
		offset = next
	}
	slices.SortFunc(t.index, func(a, b indexEntry) int { return cmp.Compare(a.start, b.start) })
}

// entry is a CIE or FDE before it is known what it holds.
type entry struct {
	isCIE bool
	cie   uint64 // of an FDE: its CIE's offset in the table
	body  *cursor.Reader
	vaddr uint64 // of the body's beginning
}

// entryAt reads an entry's length and CIE pointer. The 64-bit form of DWARF is not read: it would need
// a table of more than 4 GiB.
func (t *frameTable) entryAt(offset uint64) (e entry, next uint64, ok bool) {
	r := cursor.New(t.part, t.base, t.data, binary.LittleEndian)
	r.Seek(offset)
	length := uint64(r.Uint32())
	if r.Err() != nil || length < 4 || length >= 0xfffffff0 || length > uint64(r.Len()) {
		return entry{}, 0, false
	}
	idAt := uint64(r.Pos())
	id := uint64(r.Uint32())
	body := uint64(r.Pos())
	e.body = cursor.New(t.part, r.Offset(), r.Bytes(length-4), binary.LittleEndian)
	e.vaddr = t.vaddr + body
	if t.debug {
		e.isCIE, e.cie = id == 0xffffffff, id
	} else {
		e.isCIE, e.cie = id == 0, idAt-id
	}
	return e, idAt + length, true
}

func (t *frameTable) fdeAt(offset uint64) *FDE {
	e, _, ok := t.entryAt(offset)
	if !ok || e.isCIE {
		return nil
	}
	return t.parseFDE(e)
}

func (t *frameTable) parseFDE(e entry) *FDE {
	c, _, ok := t.entryAt(e.cie)
	if !ok || !c.isCIE {
		return nil
	}
	cie, augmentation := parseCIE(c)
	if augmentation == nil {
		return nil
	}
	r := e.body
	fde := &FDE{CIE: cie, Start: readPointer(r, augmentation.encoding, e.vaddr)}
	fde.End = fde.Start + readPointer(r, augmentation.encoding&0x0f, 0)
	if augmentation.sized {
		r.Skip(r.ULEB128())
	}
	fde.Instructions = r.Rest()
	if r.Err() != nil || fde.End < fde.Start {
		return nil
	}
	return fde
}

// augmentation is what a CIE says about the form of its FDEs.
type augmentation struct {
	sized    bool // "z": augmentation data have a length and can be skipped
	encoding byte // "R": of addresses
}

// parseCIE decodes a CIE; the augmentation is nil if it can't be read.
func parseCIE(e entry) (CIE, *augmentation) {
	r := e.body
	version := r.Uint8()
	letters := r.CString()
	if version >= 4 {
		r.Skip(2) // sizes of address and segment
	}
	c := CIE{CodeAlign: r.ULEB128(), DataAlign: r.SLEB128()}
	if version == 1 {
		c.ReturnRegister = int(r.Uint8())
	} else {
		c.ReturnRegister = int(r.ULEB128())
	}
	a := readAugmentation(r, letters, &c)
	c.Instructions = r.Rest()
	if r.Err() != nil {
		return CIE{}, nil
	}
	return c, &a
}

// readAugmentation walks over the augmentation data in the order of its letters; what it doesn't know
// is skipped by length.
func readAugmentation(r *cursor.Reader, letters string, c *CIE) (a augmentation) {
	if letters == "" {
		return a
	}
	if letters[0] != 'z' {
		r.Fail("expected an augmentation that begins with z, found %q", letters)
		return a
	}
	a.sized = true
	size := r.ULEB128()
	data := cursor.New("augmentation", r.Offset(), r.Bytes(size), binary.LittleEndian)
	for _, letter := range letters[1:] {
		switch letter {
		case 'R':
			a.encoding = data.Uint8()
		case 'P':
			readPointer(data, data.Uint8(), 0)
		case 'L':
			data.Uint8()
		case 'S':
			c.Signal = true
		}
	}
	if data.Err() != nil {
		r.Fail("expected the data of augmentation %q in %d bytes", letters, size)
	}
	return a
}

// Pointer encodings (Linux Standard Base 5, section 10.5.1): a form and what the value counts from.
const (
	formAbsolute, formULEB, formU2, formU4, formU8 = 0x00, 0x01, 0x02, 0x03, 0x04
	formSLEB, formS2, formS4, formS8               = 0x09, 0x0a, 0x0b, 0x0c
	fromPC, fromData                               = 0x10, 0x30
)

// readPointer decodes a pointer; vaddr is where the reader's data begin. What it can't decode is an
// error of the reader.
func readPointer(r *cursor.Reader, encoding byte, vaddr uint64) uint64 {
	at := vaddr + uint64(r.Pos())
	var v uint64
	switch encoding & 0x0f {
	case formAbsolute, formU8, formS8:
		v = r.Uint64()
	case formULEB:
		v = r.ULEB128()
	case formSLEB:
		v = uint64(r.SLEB128())
	case formU2:
		v = uint64(r.Uint16())
	case formS2:
		v = uint64(int16(r.Uint16()))
	case formU4:
		v = uint64(r.Uint32())
	case formS4:
		v = uint64(int32(r.Uint32()))
	default:
		r.Fail("expected a pointer encoding, found 0x%02x", encoding)
	}
	if encoding&0x70 == fromPC {
		v += at
	}
	return v
}

// searchTable is .eh_frame_hdr: the FDEs' addresses, sorted.
type searchTable struct {
	vaddr   uint64 // of the section: the entries count from here
	frames  uint64 // vaddr of .eh_frame
	entries []byte // pairs of 32-bit distances: function, FDE
}

// searchTable reads .eh_frame_hdr; nil if there is none of the form that every linker writes.
func (f *File) searchTable() *searchTable {
	for _, p := range f.programs {
		if p.Type != elf.PT_GNU_EH_FRAME {
			continue
		}
		data := f.From(p.Vaddr)
		r := cursor.New(f.name+": .eh_frame_hdr", int64(p.Off), data[:min(p.Filesz, uint64(len(data)))], binary.LittleEndian)
		version, framesForm, countForm, entriesForm := r.Uint8(), r.Uint8(), r.Uint8(), r.Uint8()
		t := &searchTable{vaddr: p.Vaddr}
		t.frames = readPointer(r, framesForm, p.Vaddr)
		count := readPointer(r, countForm, p.Vaddr)
		if version != 1 || entriesForm != fromData|formS4 || count > uint64(r.Len()/8) || r.Err() != nil {
			return nil
		}
		t.entries = r.Bytes(count * 8)
		return t
	}
	return nil
}

// find is the vaddr of the FDE of the last function that begins at or below vaddr.
func (t *searchTable) find(vaddr uint64) (uint64, bool) {
	low, high := 0, len(t.entries)/8
	for low < high {
		middle := (low + high) / 2
		if t.at(middle*8) <= vaddr {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low == 0 {
		return 0, false
	}
	return t.at((low-1)*8 + 4), true
}

// at is the address that an entry's half means.
func (t *searchTable) at(offset int) uint64 {
	return t.vaddr + uint64(int32(binary.LittleEndian.Uint32(t.entries[offset:])))
}
