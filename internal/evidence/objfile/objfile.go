// Package objfile reads programs and shared libraries: what is needed to name an address and to
// unwind through it. Open maps a file; Function names, CFI finds the unwind table's entry, Data gives
// the bytes that a process that maps the file would see.
//
// Formats: ELF (System V ABI), build IDs (NT_GNU_BUILD_ID), symbols from .symtab and .dynsym, unwind
// tables from .eh_frame with .eh_frame_hdr (Linux Standard Base 5, sections 10.6 and 10.7) and
// .debug_frame (DWARF 5, section 6.4). Separate debug files are found as GDB finds them; what they tell
// about the source is read by package debuginfo. Everything is found lazily, so that a library of 100 MB
// costs what is looked at.
//
// Addresses here are the file's own (vaddr); package image adds the distance at which a process mapped
// it. Objects are untrusted, like a core: they may come out of the same case.
package objfile

import (
	"debug/elf"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/inquest-project/inquest/internal/evidence/debuginfo"
	"github.com/inquest-project/inquest/internal/evidence/elffile"
	"github.com/inquest-project/inquest/internal/ground/cursor"
	"github.com/inquest-project/inquest/internal/ground/mapped"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// File is one program, library or file with separate debug information.
type File struct {
	Path     string // as opened
	Machine  elf.Machine
	Type     elf.Type
	Entry    uint64
	BuildID  place.BuildID // empty if the file has none
	SoName   string        // DT_SONAME
	Needed   []string      // DT_NEEDED
	Segments []Segment     // PT_LOAD, in the file's order, which is by address
	Damage   []cursor.Damage

	name     string // base name, for errors
	raw      []byte
	programs []elf.ProgHeader
	sections []section
	dynamic  map[elf.DynTag]uint64
	id       section // that holds the build ID; without content where the section headers are lost
	apart    apart
	memory   io.Closer

	// Read when they are first asked for.
	symbols  func() symbolTable
	frames   func() frameTables
	imports  func() map[uint64]string
	mini     func() *File // what .gnu_debugdata holds; nil if there is none
	source   func() *debuginfo.Info
	asked    atomic.Bool       // source was, and there is some
	unpacked map[string][]byte // sections that were compressed
	unpackMu sync.Mutex
}

// apart is what belongs to a file and lies in others.
type apart struct {
	debug  *File    // symbols, tables and debug information, of the same build
	common *File    // what dwz moved out of this debug file and others
	splits []*File  // split units
	roots  []string // where all these are looked for
	lacks  []string // what was needed and not found
}

// Segment is a part of the file that a process maps.
type Segment struct {
	Vaddr, Offset, Filesz, Memsz uint64
	Flags                        elf.ProgFlag
	Data                         []byte // Filesz bytes, or fewer in a damaged file
}

// Sniff says whether head, a file's first 20 bytes, is that of a program or library.
func Sniff(head []byte) bool {
	typ, ok := elffile.Sniff(head)
	return ok && (typ == elf.ET_EXEC || typ == elf.ET_DYN)
}

// Open maps the file at path. The error is for what is no program or library.
func Open(path string) (*File, error) { return open(path, Parse) }

func open(path string, parse func(string, []byte) (*File, error)) (*File, error) {
	file, err := mapped.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening object: %w", err)
	}
	f, err := parse(path, file.Data)
	if err != nil {
		file.Close()
		return nil, err
	}
	f.memory = file
	return f, nil
}

// Close unmaps the file and its debug file.
func (f *File) Close() error {
	for _, part := range append([]*File{f.apart.debug, f.apart.common}, f.apart.splits...) {
		if part != nil {
			part.Close()
		}
	}
	if f.memory == nil {
		return nil
	}
	return f.memory.Close()
}

// Parse reads an object that is in memory; path is what it shall be known by.
func Parse(path string, data []byte) (*File, error) {
	f, err := parse(path, data)
	if err == nil && f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return nil, &cursor.Error{Part: f.name + ": ELF header", Offset: 16,
			Problem: fmt.Sprintf("expected a program or library (ET_EXEC, ET_DYN), found %v", f.Type)}
	}
	return f, err
}

// parse reads any ELF file: what only holds debug information may have another type than what it is about.
func parse(path string, data []byte) (*File, error) {
	name := filepath.Base(path)
	header, damage, err := elffile.Parse(name, data)
	if err != nil {
		return nil, err
	}
	f := &File{Path: path, Machine: header.Machine, Type: header.Type, Entry: header.Entry,
		name: name, raw: data, programs: header.Programs, Damage: damage, unpacked: map[string][]byte{}}
	f.symbols = sync.OnceValue(f.readSymbols)
	f.frames = sync.OnceValue(f.findFrameTables)
	f.imports = sync.OnceValue(f.readImports)
	f.mini = sync.OnceValue(f.openMiniature)
	f.source = sync.OnceValue(f.openSource)
	f.readSegments()
	f.readSections(header)
	f.readBuildID()
	f.readDynamic()
	return f, nil
}

// Programs is the file's program headers.
func (f *File) Programs() []elf.ProgHeader { return f.programs }

func (f *File) readSegments() {
	for _, p := range f.programs {
		if p.Type != elf.PT_LOAD || p.Vaddr+p.Memsz < p.Vaddr {
			continue
		}
		f.Segments = append(f.Segments, Segment{Vaddr: p.Vaddr, Offset: p.Off, Filesz: p.Filesz, Memsz: p.Memsz,
			Flags: p.Flags, Data: elffile.Slice(f.raw, p.Off, p.Filesz)})
	}
}

// readBuildID looks in the segments, which no strip removes, and then in the sections: a debug file's
// note segment says nothing of the note's place in it.
func (f *File) readBuildID() {
	for _, p := range f.programs {
		if p.Type == elf.PT_NOTE && f.BuildID == "" {
			notes, _ := elffile.ParseNotes(f.name+": notes", int64(p.Off), elffile.Slice(f.raw, p.Off, p.Filesz))
			f.BuildID = elffile.BuildID(notes)
		}
	}
	for _, s := range f.sections {
		if s.Type != elf.SHT_NOTE {
			continue
		}
		notes, _ := elffile.ParseNotes(f.name+": notes", int64(s.Offset), s.data)
		if id := elffile.BuildID(notes); id != "" && (f.BuildID == "" || f.BuildID == id) {
			f.BuildID, f.id = id, s
		}
	}
}

// BuildIDNote is where a process that runs the file has its build ID, and the bytes that stand there; false if
// the file's section headers don't tell.
func (f *File) BuildIDNote() (vaddr uint64, note []byte, ok bool) {
	return f.id.Addr, f.id.data, f.id.Addr != 0
}

// Data is n bytes that a process sees at vaddr before it runs: they stand in the file. A shorter rest
// of a segment is not given.
func (f *File) Data(vaddr, n uint64) ([]byte, bool) {
	data := f.From(vaddr)
	if uint64(len(data)) < n {
		return nil, false
	}
	return data[:n:n], true
}

// From is what the file holds from vaddr to the end of the segment; nil if nothing.
func (f *File) From(vaddr uint64) []byte {
	if s := f.SegmentAt(vaddr); s != nil && vaddr-s.Vaddr < uint64(len(s.Data)) {
		return s.Data[vaddr-s.Vaddr:]
	}
	return nil
}

// SegmentAt is the segment that covers vaddr, or nil.
func (f *File) SegmentAt(vaddr uint64) *Segment {
	for i := range f.Segments {
		if s := &f.Segments[i]; vaddr >= s.Vaddr && vaddr-s.Vaddr < s.Memsz {
			return s
		}
	}
	return nil
}

// HasCode says whether the file holds the program itself. A file of separate debug information has the
// same headers and the same build ID, but its code is left out.
func (f *File) HasCode() bool {
	for _, s := range f.sections {
		if s.Flags&elf.SHF_EXECINSTR != 0 {
			return s.Type != elf.SHT_NOBITS
		}
	}
	return true
}
