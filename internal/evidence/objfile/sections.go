package objfile

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/inquest-project/inquest/internal/evidence/elffile"
	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// section is a section header with its name and content.
type section struct {
	elf.SectionHeader
	data []byte // as it stands in the file; nil for SHT_NOBITS
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
		if s.Type != elf.SHT_NOBITS {
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

// section is the first section with a name and content that isn't compressed, or nil.
func (f *File) section(name string) *section {
	if s := f.named(name); s != nil && s.Flags&elf.SHF_COMPRESSED == 0 {
		return s
	}
	return nil
}

func (f *File) named(name string) *section {
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

// content is a section's bytes, unpacked if they are compressed; nil if there are none. What was unpacked
// is kept.
func (f *File) content(name string) []byte {
	if s := f.section(name); s != nil {
		return s.data
	}
	f.unpackMu.Lock()
	defer f.unpackMu.Unlock()
	data, known := f.unpacked[name]
	if !known {
		data = f.unpack(name)
		f.unpacked[name] = data
	}
	return data
}

// Compressed sections: Elf64_Chdr (gABI, chapter 4), or before it GNU's name .zdebug_ and its header, the
// letters ZLIB and a big-endian size.
const (
	compressionHeader    = 24
	oldCompressionHeader = 12
)

func (f *File) unpack(name string) []byte {
	if s := f.named(name); s != nil && len(s.data) >= compressionHeader {
		kind, size := elf.CompressionType(binary.LittleEndian.Uint32(s.data)), binary.LittleEndian.Uint64(s.data[8:])
		return unpacked(kind, s.data[compressionHeader:], size)
	}
	if len(name) < 2 {
		return nil
	}
	if s := f.named(".z" + name[1:]); s != nil && len(s.data) >= oldCompressionHeader && bytes.HasPrefix(s.data, []byte("ZLIB")) {
		return unpacked(elf.COMPRESS_ZLIB, s.data[oldCompressionHeader:], binary.BigEndian.Uint64(s.data[4:]))
	}
	return nil
}

// largestUnpacked bounds what a section may claim to unpack to, and ratios what the forms can reach: one
// byte of zlib is at most 1032 (RFC 1951 in blocks of 258 for 2 bits), one of zstd at most 32 Ki.
const largestUnpacked = 2 << 30

var ratios = map[elf.CompressionType]uint64{elf.COMPRESS_ZLIB: 1032, elf.COMPRESS_ZSTD: 32 << 10}

// unpacked is as much of a compressed section as can be unpacked.
func unpacked(kind elf.CompressionType, packed []byte, size uint64) []byte {
	if size > largestUnpacked || size/ratios[elf.COMPRESS_ZSTD] > uint64(len(packed)) {
		return nil
	}
	switch kind {
	case elf.COMPRESS_ZLIB:
		if r, err := zlib.NewReader(bytes.NewReader(packed)); err == nil && size/ratios[kind] <= uint64(len(packed)) {
			data := make([]byte, size)
			n, _ := io.ReadFull(r, data)
			return data[:n]
		}
	case elf.COMPRESS_ZSTD:
		if z, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(max(size, 1<<20)), zstd.WithDecoderConcurrency(1)); err == nil {
			defer z.Close()
			data, _ := z.DecodeAll(packed, nil)
			return data
		}
	}
	return nil
}

// openMiniature opens the file in .gnu_debugdata, Fedora's: symbols of a stripped program, packed by xz. It is
// nil if there is none.
func (f *File) openMiniature() *File {
	const largest = 64 << 20 // the largest program's is a few megabytes
	s := f.section(".gnu_debugdata")
	if s == nil {
		return nil
	}
	r, err := xz.NewReader(bytes.NewReader(s.data))
	if err != nil {
		return nil
	}
	data, _ := io.ReadAll(io.LimitReader(r, largest))
	mini, err := parse(f.Path+": .gnu_debugdata", data)
	if err != nil {
		return nil
	}
	return mini
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
