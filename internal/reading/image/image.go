// Package image joins a core with the binaries that its process ran into one address space, in which
// *unknown* is a value. Open finds the binaries and places them; everything that looks at the dead
// process's memory reads through it.
//
// A kernel leaves program text out of a core (core(5), coredump_filter), and a core that was cut has
// lost more. What the core doesn't hold is taken from the binary, if that is the very build that ran and
// the bytes can't have changed since: they belong to a segment that is not writable. Anything else is
// unknown, and never zero.
package image

import (
	"cmp"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/inquest-project/inquest/internal/evidence/debuginfod"
	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/evidence/objfile"
	"github.com/inquest-project/inquest/internal/ground/cursor"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// Image is the dead process's address space.
type Image struct {
	Core     *elfcore.Core
	Modules  []*Module // by address
	Problems []cursor.Damage

	mappings []elfcore.Mapping  // by address; which file backs what
	servers  *debuginfod.Client // may have what is missing; nil if nobody shall be asked
}

// Module is a program or library in the address space.
type Module struct {
	Path       string        // as mapped
	Name       string        // its base name
	Start, End place.Address // from the first to the last mapped byte
	Bias       place.Address // runtime address = the file's vaddr + Bias
	BuildID    place.BuildID // from the core, else from the file
	File       *objfile.File // nil if none was found
	Verified   bool          // File is the build that ran: the core's own build ID says so
	Problem    string        // why there is no file, or why it is not certain
	Executable bool          // the main program

	mappings []elfcore.Mapping
}

// Open joins a core with the binaries that find leads to.
func Open(core *elfcore.Core, find Finder) *Image {
	im := &Image{Core: core, mappings: core.Mappings, servers: find.Servers}
	search := newSearch(find)
	if len(im.mappings) == 0 {
		im.mappings = im.fromLinker(search)
		im.Problems = append(im.Problems, cursor.Damage{Part: core.Name, Offset: -1, Problem: unlisted(len(im.mappings))})
	}
	im.Modules = im.modules()
	for _, m := range im.Modules {
		im.identify(m)
		search.attach(m)
		im.verify(m)
	}
	askPrograms(find.Servers, im.Modules)
	for _, m := range im.Modules {
		im.locate(m)
		if m.Problem != "" {
			im.Problems = append(im.Problems, cursor.Damage{Part: m.Path, Offset: -1, Problem: m.Problem})
		}
	}
	im.addVDSO()
	im.markExecutable()
	return im
}

func unlisted(found int) string {
	if found == 0 {
		return "it doesn't list the mapped files (no NT_FILE note), and nothing in it leads to them; name the program's binary: it leads to the libraries"
	}
	return fmt.Sprintf("it doesn't list the mapped files (no NT_FILE note); %d mappings were taken from what the dynamic linker keeps, and from ELF headers in memory", found)
}

// AskDebug asks the servers for the debug information of modules that have none. It must be called before
// anything in them is looked up.
func (im *Image) AskDebug(modules []*Module) { askDebug(im.servers, modules) }

// Close unmaps the binaries; the core is its opener's to close.
func (im *Image) Close() {
	for _, m := range im.Modules {
		if m.File != nil {
			m.File.Close()
		}
	}
}

// Bytes is what is known from a on, at most n bytes, without copying. It ends where its source ends,
// so a caller that wants more asks again behind it, or uses Read.
func (im *Image) Bytes(a place.Address, n int) []byte {
	if n <= 0 { // as the size of a function that a hostile symbol makes half the address space long
		return nil
	}
	s := im.Segment(a)
	if s != nil {
		if at := uint64(a - s.Start); at < uint64(len(s.Data)) {
			return s.Data[at:][:min(uint64(n), uint64(len(s.Data))-at)]
		}
	}
	return im.fileBytes(a, n)
}

// fileBytes is what the binary tells of a. A writable segment's bytes may have been changed by the
// process, and those of RELRO by the dynamic linker; the file's are no witness then.
func (im *Image) fileBytes(a place.Address, n int) []byte {
	m := im.Module(a)
	if m == nil || m.File == nil || !m.maps(a) {
		return nil
	}
	vaddr := uint64(a - m.Bias)
	segment := m.File.SegmentAt(vaddr)
	if segment == nil || segment.Flags&elf.PF_W != 0 {
		return nil
	}
	data := m.File.From(vaddr)
	return data[:min(n, len(data))]
}

// Read copies what is known from a on, up to the first unknown byte, and says how many bytes that is.
func (im *Image) Read(a place.Address, buf []byte) int {
	n := 0
	for n < len(buf) {
		b := im.Bytes(a+place.Address(n), len(buf)-n)
		if len(b) == 0 {
			break
		}
		n += copy(buf[n:], b)
	}
	return n
}

// Uint64 reads a word, little-endian; false if any of its bytes is unknown.
func (im *Image) Uint64(a place.Address) (uint64, bool) {
	if b := im.Bytes(a, 8); len(b) == 8 {
		return binary.LittleEndian.Uint64(b), true
	}
	var buf [8]byte
	if im.Read(a, buf[:]) < 8 {
		return 0, false
	}
	return binary.LittleEndian.Uint64(buf[:]), true
}

// CString reads a string of at most limit bytes; false if its end isn't known.
func (im *Image) CString(a place.Address, limit int) (string, bool) {
	buf := make([]byte, limit)
	buf = buf[:im.Read(a, buf)]
	if n := slices.Index(buf, 0); n >= 0 {
		return string(buf[:n]), true
	}
	return "", false
}

// Mapped says whether the process had anything at a, known or not.
func (im *Image) Mapped(a place.Address) bool {
	return im.Segment(a) != nil || im.mapping(a) != nil
}

// Flags are the rights that the process had at a; false if nothing was mapped there.
func (im *Image) Flags(a place.Address) (elf.ProgFlag, bool) {
	if s := im.Segment(a); s != nil {
		return s.Flags, true
	}
	return 0, false
}

// Code says whether a lies in memory that the process could execute.
func (im *Image) Code(a place.Address) bool {
	if flags, ok := im.Flags(a); ok {
		return flags&elf.PF_X != 0
	}
	// The program headers of a core can be cut away, too.
	m := im.Module(a)
	if m == nil || m.File == nil {
		return false
	}
	segment := m.File.SegmentAt(uint64(a - m.Bias))
	return segment != nil && segment.Flags&elf.PF_X != 0
}

// SegmentAbove is the first segment that begins above a; nil if there is none.
func (im *Image) SegmentAbove(a place.Address) *elfcore.Segment {
	segments := im.Core.Segments
	i, _ := slices.BinarySearchFunc(segments, a, func(s elfcore.Segment, a place.Address) int {
		if s.Start > a {
			return 1
		}
		return -1
	})
	if i == len(segments) {
		return nil
	}
	return &segments[i]
}

// Segment is the core's that covers a, or nil.
func (im *Image) Segment(a place.Address) *elfcore.Segment {
	segments := im.Core.Segments
	i, found := slices.BinarySearchFunc(segments, a, func(s elfcore.Segment, a place.Address) int {
		switch {
		case s.Start > a:
			return 1
		case a >= s.End:
			return -1
		}
		return 0
	})
	if !found {
		return nil
	}
	return &segments[i]
}

// mapping is the file mapping that covers a, or nil.
func (im *Image) mapping(a place.Address) *elfcore.Mapping {
	return mappingAt(im.mappings, a)
}

func mappingAt(mappings []elfcore.Mapping, a place.Address) *elfcore.Mapping {
	i, found := slices.BinarySearchFunc(mappings, a, func(m elfcore.Mapping, a place.Address) int {
		switch {
		case m.Start > a:
			return 1
		case a >= m.End:
			return -1
		}
		return 0
	})
	if !found {
		return nil
	}
	return &mappings[i]
}

// Module is the module whose range covers a, or nil.
func (im *Image) Module(a place.Address) *Module {
	i, found := slices.BinarySearchFunc(im.Modules, a, func(m *Module, a place.Address) int {
		switch {
		case m.Start > a:
			return 1
		case a >= m.End:
			return -1
		}
		return 0
	})
	if !found {
		return nil
	}
	return im.Modules[i]
}

// Executable is the main program's module, or nil.
func (im *Image) Executable() *Module {
	for _, m := range im.Modules {
		if m.Executable {
			return m
		}
	}
	return nil
}

// Function is the module and function at a. The module may be known where the function isn't.
func (im *Image) Function(a place.Address) (mod *Module, fn objfile.Function, ok bool) {
	mod = im.Module(a)
	if mod == nil || mod.File == nil {
		return mod, objfile.Function{}, false
	}
	fn, ok = mod.File.Function(uint64(a - mod.Bias))
	return mod, fn, ok
}

// Region is writable memory that the core holds. Where much of it was never touched, a segment makes several.
type Region struct {
	Start place.Address
	Data  []byte
	Stack bool // a thread's stack pointer lies in it
	Other bool // a file backs it that is no program's, as of memory that processes share: others may have written there
}

// Writable is the writable memory that the core holds, in address order.
func (im *Image) Writable() []Region {
	var regions []Region
	for _, s := range im.Core.Segments {
		if s.Flags&elf.PF_W == 0 {
			continue
		}
		for _, written := range im.Core.Written(s) {
			regions = append(regions, Region{Start: written.Start, Data: written.Data, Stack: im.isStack(s), Other: im.mapping(s.Start) != nil && im.Module(s.Start) == nil})
		}
	}
	return regions
}

func (im *Image) isStack(s elfcore.Segment) bool {
	return slices.ContainsFunc(im.Core.Threads, func(t elfcore.Thread) bool {
		return t.Regs.SP() >= s.Start && t.Regs.SP() < s.End
	})
}

// markExecutable finds the main program by the address of its program headers or of its entry point,
// which the kernel passes in the auxiliary vector.
func (im *Image) markExecutable() {
	for _, key := range []uint64{atPhdr, atEntry} {
		if a, ok := im.Core.Auxv[key]; ok {
			if m := im.Module(place.Address(a)); m != nil {
				m.Executable = true
				return
			}
		}
	}
}

func byStart(a, b *Module) int { return cmp.Compare(a.Start, b.Start) }

// Anonymous says whether an address lies in writable memory that no file backs and no thread has for its
// stack: where allocators keep their blocks.
func (im *Image) Anonymous(a place.Address) bool {
	s := im.Segment(a)
	return s != nil && s.Flags&elf.PF_W != 0 && im.mapping(a) == nil && !im.isStack(*s)
}

// RegionAt is the region that holds the byte at a, or nil.
func RegionAt(regions []Region, a place.Address) *Region {
	i, found := slices.BinarySearchFunc(regions, a, func(r Region, a place.Address) int { return cmp.Compare(r.Start, a) })
	if !found {
		i--
	}
	if i < 0 || a-regions[i].Start >= place.Address(len(regions[i].Data)) {
		return nil
	}
	return &regions[i]
}
