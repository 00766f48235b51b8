// Package elfcore turns a core file into what it tells: threads with registers, the signal and its
// sender, which file backs which addresses, and the memory that was written. Open is the way in.
//
// A core is an ELF file (type ET_CORE) whose notes come before its memory; the notes' layouts are the
// kernel's (include/linux/elfcore.h, fs/binfmt_elf.c, asm/user_64.h). Cores of x86-64 and aarch64 are read,
// whole or cut anywhere, plain or packed by zstd, lz4, xz or gzip. Nothing is looked up outside the file:
// package image joins a core with the binaries.
//
// Memory that the file doesn't hold is unknown, never zero: a Segment says how much of it is there.
// Nothing in a core is trusted: its process may have been taken over before it died.
package elfcore

import (
	"cmp"
	"debug/elf"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/inquest-project/inquest/internal/evidence/elffile"
	"github.com/inquest-project/inquest/internal/evidence/unpack"
	"github.com/inquest-project/inquest/internal/ground/cursor"
	"github.com/inquest-project/inquest/internal/ground/mapped"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// Core is what one core file tells.
type Core struct {
	Name     string // the file's base name, for errors
	Machine  elf.Machine
	Threads  []Thread // in the file's order: the thread that dumped comes first
	Process  Process
	Signal   Signal
	Auxv     map[uint64]uint64 // AT_ key to value
	Mappings []Mapping         // by address; none where the kernel was older than 3.7, or another program wrote the core
	PACMask  uint64            // aarch64: the bits of a return address that hold its signature; 0 if not told
	Segments []Segment         // by address
	Size     int64             // of the file, unpacked
	Expected int64             // the size that the headers promise; more than Size in a core that was cut
	Damage   []cursor.Damage

	memory io.Closer
	holes  []mapped.Hole
}

// Mapping is a part of a file in the address space, from the NT_FILE note.
type Mapping struct {
	Start, End place.Address
	Offset     uint64 // of Start in the file, in bytes
	Path       string // as the kernel saw it: inside a chroot it is the host's or the jail's path
}

// Segment is a range of the address space.
type Segment struct {
	Start, End place.Address
	Flags      elf.ProgFlag
	Data       []byte // what the file holds of it, from Start on: all, less, or nothing
	Dumped     bool   // whether the kernel meant to write any of it; file-backed code is left out by default

	offset uint64 // of Data in the file
}

// Stretch is a part of a segment's memory.
type Stretch struct {
	Start place.Address
	Data  []byte
}

// Written is what the file holds of a segment, less the file's long holes: zeros that the process never
// touched, in which nothing has to be looked for.
func (c *Core) Written(s Segment) []Stretch {
	var all []Stretch
	add := func(from, to uint64) { // offsets in the file
		if from < to {
			all = append(all, Stretch{s.Start + place.Address(from-s.offset), s.Data[from-s.offset : to-s.offset]})
		}
	}
	at, end := s.offset, s.offset+uint64(len(s.Data))
	first, _ := slices.BinarySearchFunc(c.holes, at, func(h mapped.Hole, at uint64) int { return cmp.Compare(h.End, at) })
	for _, hole := range c.holes[first:] {
		if hole.Start >= end {
			break
		}
		add(at, hole.Start)
		at = max(at, min(hole.End, end))
	}
	add(at, end)
	return all
}

// Process is who died, from the NT_PRPSINFO note. Known is false if the core holds none.
type Process struct {
	Known     bool
	PID, PPID int
	UID, GID  int
	Command   string // the dumping thread's name, at most 15 bytes
	Arguments string // at most 79 bytes, separated by spaces
}

// Sniff says whether head, a file's beginning, is that of a core: 20 bytes are enough of a plain one, unpack.SniffSize of one
// that is packed.
func Sniff(head []byte) bool {
	typ, ok := elffile.Sniff(unpack.Head(head, sniffed))
	return ok && typ == elf.ET_CORE
}

const sniffed = 64 // bytes

// Open maps the core at path. A packed one is unpacked first, to a file without a name in the directory for
// temporary files ($TMPDIR, else /tmp), up to 256 GiB. The error is for what is no core; a damaged core is
// returned with its Damage.
func Open(path string) (*Core, error) {
	file, damage, err := unpack.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening core: %w", err)
	}
	c, err := Parse(filepath.Base(path), file.Data)
	if err != nil {
		file.Close()
		return nil, err
	}
	c.memory, c.holes = file, file.Holes
	c.Damage = append(damage, c.Damage...)
	return c, nil
}

// Close releases the memory behind Segments.
func (c *Core) Close() error {
	if c.memory == nil {
		return nil
	}
	return c.memory.Close()
}

// Parse reads a core that is in memory, unpacked.
func Parse(name string, data []byte) (*Core, error) {
	header, damage, err := elffile.Parse(name, data)
	if err != nil {
		return nil, err
	}
	if err := checkKind(name, header); err != nil {
		return nil, err
	}
	c := &Core{Name: name, Machine: header.Machine, Size: int64(len(data)), Damage: damage}
	c.readSegments(header.Programs, data)
	c.readNotes(header.Programs, data)
	c.checkSize(header.Programs)
	return c, nil
}

func checkKind(name string, h *elffile.Header) error {
	if h.Type != elf.ET_CORE {
		return &cursor.Error{Part: name + ": ELF header", Offset: 16, Problem: fmt.Sprintf("expected a core (ET_CORE), found %v", h.Type)}
	}
	if layouts[h.Machine] == nil {
		return &cursor.Error{Part: name + ": ELF header", Offset: 18, Problem: fmt.Sprintf("expected a core of x86-64 or aarch64, found one of %v", h.Machine)}
	}
	return nil
}

func (c *Core) readSegments(programs []elf.ProgHeader, data []byte) {
	for i, p := range programs {
		if p.Type != elf.PT_LOAD {
			continue
		}
		if p.Vaddr+p.Memsz < p.Vaddr {
			c.damaged("program headers", -1, "header %d: expected a range of addresses, found 0x%x bytes at 0x%x", i, p.Memsz, p.Vaddr)
			continue
		}
		c.Segments = append(c.Segments, Segment{
			Start:  place.Address(p.Vaddr),
			End:    place.Address(p.Vaddr + p.Memsz),
			Flags:  p.Flags,
			Data:   elffile.Slice(data, p.Off, min(p.Filesz, p.Memsz)),
			Dumped: p.Filesz > 0,
			offset: p.Off,
		})
	}
	slices.SortStableFunc(c.Segments, func(a, b Segment) int { return cmp.Compare(a.Start, b.Start) })
}

// checkSize compares the file with what its headers promise. A promise that no file system could keep
// is damage to the header and no missing memory.
func (c *Core) checkSize(programs []elf.ProgHeader) {
	const largest = 1 << 52
	for i, p := range programs {
		if p.Off > largest || p.Filesz > largest {
			c.damaged("program headers", -1, "header %d: expected an offset and a size below 2^52, found 0x%x and 0x%x", i, p.Off, p.Filesz)
			continue
		}
		c.Expected = max(c.Expected, int64(p.Off+p.Filesz))
	}
	if c.Size < c.Expected {
		c.damaged("file", c.Size, "expected %d bytes, found %d: the core was cut", c.Expected, c.Size)
	}
}

func (c *Core) damaged(part string, offset int64, format string, args ...any) {
	c.Damage = append(c.Damage, cursor.Damage{Part: c.Name + ": " + part, Offset: offset, Problem: fmt.Sprintf(format, args...)})
}
