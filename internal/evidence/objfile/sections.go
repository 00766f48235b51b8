package objfile

import (
	"bytes"
	"debug/elf"
	"encoding/binary"

	"github.com/inquest-project/inquest/internal/evidence/elffile"
	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// section is a section header with its name and content.
type section struct {
	elf.SectionHeader
	data []byte // nil for SHT_NOBITS, and for compressed ones
}

// readSections reads the section headers. A program runs without them, so their loss is damage only.
func (f *File) readSections(h *elffile.Header) {
	if h.SectionOffset == 0 || h.SectionCount == 0 {
		return
	}
	const size = 64 // Elf64_Shdr
	r := cursor.New(f.name+": section headers", 0, f.raw, binary.LittleEndian)
	r.Seek(h.SectionOffset)
	if fit := uint64(r.Len() / size); h.SectionCount > fit {
		r.Fail("expected %d headers of %d bytes, found room for %d", h.SectionCount, size, fit)
		d, _ := r.Damage()
		f.Damage = append(f.Damage, d)
		return
	}
	f.sections = make([]section, h.SectionCount)
	names := make([]uint32, h.SectionCount)
	for i := range f.sections {
		s := &f.sections[i]
		names[i], s.Type, s.Flags = r.Uint32(), elf.SectionType(r.Uint32()), elf.SectionFlag(r.Uint64())
		s.Addr, s.Offset, s.Size = r.Uint64(), r.Uint64(), r.Uint64()
		s.Link, s.Info, s.Addralign, s.Entsize = r.Uint32(), r.Uint32(), r.Uint64(), r.Uint64()
		if s.Type != elf.SHT_NOBITS && s.Flags&elf.SHF_COMPRESSED == 0 {
			s.data = elffile.Slice(f.raw, s.Offset, s.Size)
		}
	}
	if uint64(h.NameSection) >= h.SectionCount {
		return
	}
	for i := range f.sections {
		f.sections[i].Name = stringAt(f.sections[h.NameSection].data, uint64(names[i]))
	}
}

// section is the first section with a name and content, or nil.
func (f *File) section(name string) *section {
	for i := range f.sections {
		if s := &f.sections[i]; s.Name == name && s.data != nil {
			return s
		}
	}
	return nil
}

// linked is the section that another names by sh_link, or nil.
func (f *File) linked(s *section) *section {
	if uint64(s.Link) >= uint64(len(f.sections)) {
		return nil
	}
	return &f.sections[s.Link]
}

// longestName is where a name is cut. Templates make names of some kilobytes; in a hostile file each of a
// million symbols could be named by all of the string table.
const longestName = 4096

// stringAt is the NUL-terminated string at an offset of a string table; empty where there is none.
func stringAt(table []byte, offset uint64) string {
	if offset >= uint64(len(table)) {
		return ""
	}
	rest := table[offset:]
	s, _, ok := bytes.Cut(rest[:min(longestName, len(rest))], []byte{0})
	if !ok && len(rest) < longestName {
		return "" // the table ends within it
	}
	return string(s)
}
