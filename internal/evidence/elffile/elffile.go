// Package elffile reads what a core and a program have in common: the ELF header, the program
// headers, and notes (System V ABI, chapters 4 and 5; for more than 65,534 program headers the gABI's
// PN_XNUM). Parse walks the headers.
//
// Only 64-bit little-endian files are read, the form of x86-64 and aarch64. Input is trusted in
// nothing: every claim is bounded by the bytes that are there, and what is cut off is reported as
// damage beside what could be read.
package elffile

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

const (
	headerSize  = 64 // Elf64_Ehdr
	programSize = 56 // Elf64_Phdr
	sectionSize = 64 // Elf64_Shdr
	manyHeaders = 0xffff
)

// Header is the ELF header and the program headers behind it.
type Header struct {
	Type     elf.Type
	Machine  elf.Machine
	Entry    uint64
	Programs []elf.ProgHeader

	// Where the section headers stand: offset in the file, count, and the index of the section that
	// holds their names. A core has none; a stripped program may have none.
	SectionOffset, SectionCount uint64
	NameSection                 uint32
}

// Sniff says whether head begins like a 64-bit little-endian ELF file, and of which type. It needs
// 20 bytes.
func Sniff(head []byte) (elf.Type, bool) {
	if len(head) < 20 || string(head[:4]) != elf.ELFMAG ||
		elf.Class(head[elf.EI_CLASS]) != elf.ELFCLASS64 || elf.Data(head[elf.EI_DATA]) != elf.ELFDATA2LSB {
		return 0, false
	}
	return elf.Type(binary.LittleEndian.Uint16(head[16:])), true
}

// Parse reads the headers of the file name. The error is for what is no ELF file at all; program
// headers that are cut off are damage.
func Parse(name string, data []byte) (*Header, []cursor.Damage, error) {
	if err := recognise(name, data); err != nil {
		return nil, nil, err
	}
	r := cursor.New(name+": ELF header", 0, data[:headerSize], binary.LittleEndian)
	r.Skip(16) // e_ident
	h := &Header{Type: elf.Type(r.Uint16()), Machine: elf.Machine(r.Uint16())}
	r.Uint32() // e_version
	h.Entry = r.Uint64()
	programOffset := r.Uint64()
	h.SectionOffset = r.Uint64()
	r.Skip(4 + 2 + 2) // e_flags, e_ehsize, e_phentsize: fixed by the class
	programs := uint64(r.Uint16())
	r.Uint16() // e_shentsize
	h.SectionCount = uint64(r.Uint16())
	h.NameSection = uint32(r.Uint16())
	damage := h.extend(name, data, &programs)
	h.Programs, damage = parsePrograms(name, data, programOffset, programs, damage)
	return h, damage, nil
}

// recognise refuses with a reason that somebody can act on.
func recognise(name string, data []byte) error {
	fail := func(offset int64, format string, args ...any) error {
		return &cursor.Error{Part: name + ": ELF header", Offset: offset, Problem: fmt.Sprintf(format, args...)}
	}
	if len(data) < headerSize {
		return fail(0, "expected at least %d bytes, found %d", headerSize, len(data))
	}
	if !bytes.HasPrefix(data, []byte(elf.ELFMAG)) {
		return fail(0, "expected the bytes 7f 45 4c 46, found % x", data[:4])
	}
	if c := elf.Class(data[elf.EI_CLASS]); c != elf.ELFCLASS64 {
		return fail(elf.EI_CLASS, "expected a 64-bit file, found %v", c)
	}
	if d := elf.Data(data[elf.EI_DATA]); d != elf.ELFDATA2LSB {
		return fail(elf.EI_DATA, "expected little-endian data, found %v", d)
	}
	return nil
}

// extend takes from section 0 the numbers that did not fit the header's 16-bit fields (gABI, chapter
// 4: PN_XNUM, SHN_LORES). A core of a process with more than 65,534 mappings has such a section.
func (h *Header) extend(name string, data []byte, programs *uint64) []cursor.Damage {
	manySections := h.SectionCount == 0 && h.SectionOffset != 0
	if *programs != manyHeaders && !manySections && h.NameSection != manyHeaders {
		return nil
	}
	r := cursor.New(name+": section header 0", 0, data, binary.LittleEndian)
	if h.SectionOffset == 0 { // or the file's own header would be read for one
		r.Fail("expected it to hold what the ELF header can't, found no section headers")
	}
	r.Seek(h.SectionOffset)
	r.Skip(32) // sh_name to sh_offset
	size, link, info := r.Uint64(), r.Uint32(), r.Uint32()
	if d, bad := r.Damage(); bad {
		return []cursor.Damage{d}
	}
	if *programs == manyHeaders {
		*programs = uint64(info)
	}
	if manySections {
		h.SectionCount = size
	}
	if h.NameSection == manyHeaders {
		h.NameSection = link
	}
	return nil
}

func parsePrograms(name string, data []byte, offset, count uint64, damage []cursor.Damage) ([]elf.ProgHeader, []cursor.Damage) {
	r := cursor.New(name+": program headers", 0, data, binary.LittleEndian)
	r.Seek(offset)
	if fit := uint64(r.Len() / programSize); count > fit {
		r.Fail("expected %d headers of %d bytes, found room for %d", count, programSize, fit)
		d, _ := r.Damage()
		damage = append(damage, d)
		r = cursor.New(name+": program headers", 0, data, binary.LittleEndian)
		r.Seek(min(offset, uint64(len(data))))
		count = fit
	}
	return Programs(r.Bytes(count * programSize)), damage
}

// Programs decodes a table of program headers.
func Programs(table []byte) []elf.ProgHeader {
	r := cursor.New("program headers", 0, table, binary.LittleEndian)
	programs := make([]elf.ProgHeader, len(table)/programSize)
	for i := range programs {
		p := &programs[i]
		p.Type, p.Flags = elf.ProgType(r.Uint32()), elf.ProgFlag(r.Uint32())
		p.Off, p.Vaddr, p.Paddr = r.Uint64(), r.Uint64(), r.Uint64()
		p.Filesz, p.Memsz, p.Align = r.Uint64(), r.Uint64(), r.Uint64()
	}
	return programs
}

// Slice is the part of data that begins at offset and is at most size bytes long: what is there of
// it, which may be nothing.
func Slice(data []byte, offset, size uint64) []byte {
	if offset >= uint64(len(data)) {
		return nil
	}
	return data[offset : offset+min(size, uint64(len(data))-offset)]
}
