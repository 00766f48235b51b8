// Package elftest writes small cores and libraries for tests, whole or hostile. It shares nothing with the
// readers, not even a constant: an error that both made would not show.
package elftest

import (
	"encoding/binary"
	"slices"
)

var le = binary.LittleEndian

// Types of files and segments, rights of segments (elf.h).
const (
	Dyn, Core             = 3, 4
	Load, Notes, EhFrames = 1, 4, 0x6474e550
	R, RX, RW             = 4, 5, 6
)

// Segment is a program header and what it points to.
type Segment struct {
	Type, Flags uint32
	Vaddr       uint64
	Data        []byte
	Size        uint64 // in memory; that of Data where it is 0
}

// File writes an ELF file. In a core the segments' data follow each other; in anything else they stand at
// the offset that is their address.
func File(typ uint16, segments ...Segment) []byte {
	b := []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	b = le.AppendUint16(le.AppendUint16(b, typ), 62) // x86-64
	b = le.AppendUint32(b, 1)
	b = append(b, Words(0x1000, 64, 0)...) // entry, program headers, section headers
	b = le.AppendUint32(b, 0)
	for _, v := range []uint16{64, 56, uint16(len(segments)), 64, 0, 0} {
		b = le.AppendUint16(b, v)
	}
	var body []byte
	at := uint64(len(b) + 56*len(segments)) // where a core's next data stand
	for _, s := range segments {
		offset := s.Vaddr
		if typ == Core {
			offset = at
			at += uint64(len(s.Data))
		}
		b = le.AppendUint32(le.AppendUint32(b, s.Type), s.Flags)
		b = append(b, Words(offset, s.Vaddr, 0, uint64(len(s.Data)), max(s.Size, uint64(len(s.Data))), 8)...)
		body = append(body, make([]byte, max(0, int(offset)+len(s.Data)-len(body)))...)
		copy(body[offset:], s.Data)
	}
	return append(b, body[min(len(b), len(body)):]...)
}

// Words are 64-bit numbers.
func Words(values ...uint64) (b []byte) {
	for _, v := range values {
		b = le.AppendUint64(b, v)
	}
	return b
}

// Note is an ELF note.
func Note(owner string, typ uint32, desc []byte) []byte {
	b := le.AppendUint32(nil, uint32(len(owner)+1))
	b = le.AppendUint32(b, uint32(len(desc)))
	b = pad(append(append(le.AppendUint32(b, typ), owner...), 0))
	return pad(append(b, desc...))
}

func pad(b []byte) []byte { return append(b, make([]byte, -len(b)&3)...) }

// Thread is a thread at its death.
type Thread struct {
	TID, Signal           uint32
	PC, SP, FP, Argument1 uint64
}

func (t Thread) note() []byte {
	desc := make([]byte, 112)
	le.PutUint32(desc[0:], t.Signal)
	le.PutUint16(desc[12:], uint16(t.Signal))
	le.PutUint32(desc[32:], t.TID)
	regs := make([]uint64, 27)
	regs[4], regs[14], regs[16], regs[19] = t.FP, t.Argument1, t.PC, t.SP
	return Note("CORE", 1, append(append(desc, Words(regs...)...), make([]byte, 8)...))
}

// Mapping is a part of a file in a process.
type Mapping struct {
	Start, End, Page uint64
	Path             string
}

// Process is a process that died.
type Process struct {
	Threads  []Thread
	Mappings []Mapping // none: the core doesn't list them
	Memory   []Segment // Type may be left out
	Auxv     []uint64  // keys and values
}

// Core writes the process's core, as the kernel would.
func (p Process) Core() []byte {
	info := make([]byte, 136)
	le.PutUint32(info[24:], 4711)
	copy(info[40:], "daemon")
	copy(info[56:], "/sbin/daemon -d ")
	notes := Note("CORE", 3, info)
	for _, t := range p.Threads {
		notes = append(notes, t.note()...)
	}
	files, names := Words(uint64(len(p.Mappings)), 4096), []byte{}
	for _, m := range p.Mappings {
		files = append(files, Words(m.Start, m.End, m.Page)...)
		names = append(append(names, m.Path...), 0)
	}
	if len(p.Mappings) > 0 {
		notes = append(notes, Note("CORE", 0x46494c45, append(files, names...))...)
	}
	if len(p.Auxv) > 0 {
		notes = append(notes, Note("CORE", 6, Words(p.Auxv...))...)
	}
	segments := []Segment{{Type: Notes, Data: notes}}
	for _, s := range p.Memory {
		s.Type = Load
		segments = append(segments, s)
	}
	return File(Core, segments...)
}

// Places in a Library, from its start.
const (
	Text, Frames, Data, End = 0x1000, 0x2000, 0x3000, 0x4000
)

// Library writes a shared library: text that one unwind table entry covers, which begins with a CFA 8 bytes
// above the stack pointer and then executes cfi; and 64 bytes of writable data, all of them 0xdd.
func Library(buildID string, text, cfi []byte) []byte {
	cie := append(le.AppendUint32(nil, 0), "\x01zR\x00\x01\x78\x10\x01\x1b"+"\x0c\x07\x08\x90\x01"...)
	cie = pad(cie)
	frames := append(le.AppendUint32(nil, uint32(len(cie))), cie...)
	const header = 20
	fdeAt := uint32(header + len(frames))
	fde := le.AppendUint32(nil, uint32(len(frames)+4)) // back to the CIE
	fde = le.AppendUint32(fde, uint32(-(int32(Frames-Text) + int32(fdeAt) + 8)))
	fde = pad(append(append(le.AppendUint32(fde, uint32(len(text))), 0), cfi...))
	frames = append(append(le.AppendUint32(frames, uint32(len(fde))), fde...), 0, 0, 0, 0)
	table := le.AppendUint32([]byte{1, 0x1b, 0x03, 0x3b}, header-4)
	table = le.AppendUint32(table, 1)
	table = le.AppendUint32(le.AppendUint32(table, 0xfffff000), fdeAt) // Text less Frames
	id := Note("GNU", 3, []byte(buildID))
	const idAt = 0x400
	all := append(table, frames...)
	return File(Dyn,
		Segment{Type: Load, Flags: R, Data: make([]byte, idAt+len(id))},
		Segment{Type: Notes, Flags: R, Vaddr: idAt, Data: id},
		Segment{Type: Load, Flags: RX, Vaddr: Text, Data: text},
		Segment{Type: Load, Flags: R, Vaddr: Frames, Data: all},
		Segment{Type: EhFrames, Flags: R, Vaddr: Frames, Data: all},
		Segment{Type: Load, Flags: RW, Vaddr: Data, Data: slices.Repeat([]byte{0xdd}, 64)},
	)
}

// Symbol is a function in a symbol table, by its name's offset in the string table.
func Symbol(name uint32, start, size uint64) []byte {
	return append(append(le.AppendUint32(nil, name), 0x12, 0, 1, 0), Words(start, size)...)
}

// WithSymbols adds section headers, a symbol table and its strings to a file that has none.
func WithSymbols(file, symbols, names []byte) []byte {
	const sections = "\x00.symtab\x00.strtab\x00"
	file = pad(slices.Clone(file))
	at := []uint64{uint64(len(file)), uint64(len(file) + len(symbols)), uint64(len(file) + len(symbols) + len(names))}
	file = slices.Concat(file, symbols, names, []byte(sections))
	le.PutUint64(file[40:], uint64(len(file)))
	le.PutUint16(file[60:], 4) // headers, of which the last names all
	le.PutUint16(file[62:], 3)
	header := func(name, typ uint32, offset, size uint64, link uint32) {
		file = append(le.AppendUint32(le.AppendUint32(file, name), typ), Words(0, 0, offset, size)...)
		file = append(le.AppendUint32(le.AppendUint32(file, link), 0), Words(0, 0)...)
	}
	header(0, 0, 0, 0, 0)
	header(1, 2, at[0], uint64(len(symbols)), 2)
	header(9, 3, at[1], uint64(len(names)), 0)
	header(9, 3, at[2], uint64(len(sections)), 0)
	return file
}

// Mappings are those of a Library at an address.
func Mappings(path string, at uint64) []Mapping {
	var all []Mapping
	for off := uint64(0); off < End; off += 4096 {
		all = append(all, Mapping{at + off, at + off + 4096, off / 4096, path})
	}
	return all
}

// Pages is the memory of a Library at an address as a kernel dumps it: the first page and the writable
// data; text and tables are left out.
func Pages(library []byte, at uint64, data []byte) []Segment {
	return []Segment{
		{Flags: R, Vaddr: at, Data: library[:0x1000], Size: 4096},
		{Flags: RX, Vaddr: at + Text, Size: 4096},
		{Flags: R, Vaddr: at + Frames, Size: 4096},
		{Flags: RW, Vaddr: at + Data, Data: data, Size: 4096},
	}
}

// Hostile are files made to break a reader, by what is wrong with them.
func Hostile() map[string][]byte {
	whole := File(Core, Segment{Type: Notes, Data: Note("CORE", 1, make([]byte, 336))})
	many := slices.Clone(whole)
	le.PutUint16(many[56:], 0xffff)
	return map[string][]byte{
		"a core of 64 bytes without a note":    File(Core),
		"an NT_FILE count that wraps times 24": File(Core, Segment{Type: Notes, Data: Note("CORE", 0x46494c45, Words(1<<61, 4096))}),
		"a segment of 2^60 bytes":              patch(File(Core, Segment{Type: Load}), 64+32, 1<<60, 1<<60),
		"65535 program headers":                many,
		"a pcap record of 2^31 bytes": slices.Concat([]byte("\xd4\xc3\xb2\xa1\x02\x00\x04\x00"), make([]byte, 8), []byte("\x00\x00\x04\x00\x01\x00\x00\x00"),
			make([]byte, 8), []byte("\x00\x00\x00\x80\x00\x00\x00\x80"), make([]byte, 64)),
		"a pcapng block of 0 bytes": slices.Concat([]byte("\x0a\x0d\x0d\x0a\x1c\x00\x00\x00\x4d\x3c\x2b\x1a\x01\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x1c\x00\x00\x00"),
			[]byte("\x06\x00\x00\x00\x00\x00\x00\x00"), make([]byte, 24)),
	}
}

func patch(b []byte, at int, values ...uint64) []byte {
	copy(b[at:], Words(values...))
	return b
}
