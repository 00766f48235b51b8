package image

import (
	"bytes"
	"cmp"
	"debug/elf"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/evidence/elffile"
	"github.com/inquest-project/inquest/internal/evidence/objfile"
	"github.com/inquest-project/inquest/internal/ground/place"
)

const pageSize = 4096

// modules groups the file mappings: consecutive ones of one file are one module, unless the file
// begins anew. Mapped data files (locales, caches) are left out: no part of them is executable.
func (im *Image) modules() []*Module {
	var all []*Module
	for _, mapping := range im.mappings {
		last := len(all) - 1
		if last < 0 || all[last].Path != mapping.Path || mapping.Offset == 0 {
			all = append(all, &Module{Path: mapping.Path, Name: baseName(mapping.Path), Start: mapping.Start})
			last++
		}
		all[last].mappings = append(all[last].mappings, mapping)
		all[last].End = max(all[last].End, mapping.End)
	}
	return slices.DeleteFunc(all, func(m *Module) bool { return !isProgram(im.Core, m) })
}

func isProgram(core *elfcore.Core, m *Module) bool {
	known := false
	first, _ := slices.BinarySearchFunc(core.Segments, m.Start, func(s elfcore.Segment, a place.Address) int { return cmp.Compare(s.Start, a) })
	for _, s := range core.Segments[first:] {
		if s.Start >= m.End {
			break
		}
		if mappingAt(m.mappings, s.Start) == nil {
			continue
		}
		known = true
		if s.Flags&elf.PF_X != 0 || bytes.HasPrefix(s.Data, []byte(elf.ELFMAG)) {
			return true
		}
	}
	return !known // the program headers were cut away: judge by the file, if one is found
}

// deletedMark is what the kernel appends to the path of a file that was unlinked or replaced, as every
// upgrade of a running daemon does.
const deletedMark = " (deleted)"

func baseName(path string) string {
	if path == "" {
		return ""
	}
	return filepath.Base(strings.TrimSuffix(path, deletedMark))
}

// maps says whether one of the module's mappings covers a: between them lie other mappings.
func (m *Module) maps(a place.Address) bool { return mappingAt(m.mappings, a) != nil }

// Offset is the distance of an address from the module's start, abrt's build_id_offset.
func (m *Module) Offset(a place.Address) place.Offset { return place.Offset(a - m.Start) }

// SoName is the library's own name for itself, else the base name it was mapped by.
func (m *Module) SoName() string {
	if m.File != nil && m.File.SoName != "" {
		return m.File.SoName
	}
	return m.Name
}

// identify reads the build ID from the module's first page, which the kernel writes for this purpose
// even where it leaves out the rest.
func (im *Image) identify(m *Module) {
	page := im.Bytes(m.Start, pageSize)
	header, _, err := elffile.Parse(m.Name, page)
	if err != nil {
		return
	}
	m.Bias = m.Start - lowestPage(header.Programs)
	for _, p := range header.Programs {
		if p.Type != elf.PT_NOTE || p.Filesz > pageSize {
			continue
		}
		desc := make([]byte, p.Filesz)
		desc = desc[:im.Read(m.Bias+place.Address(p.Vaddr), desc)]
		notes, _ := elffile.ParseNotes(m.Name, int64(p.Off), desc)
		if id := elffile.BuildID(notes); id != "" {
			m.BuildID = id
			return
		}
	}
}

// verify proves a file that was taken for its path: where it has its build ID, the process's memory has the same.
// identify may have missed it there, since a linker need not point to it by a program header: Go's doesn't.
func (im *Image) verify(m *Module) {
	if m.File == nil || m.Verified {
		return
	}
	vaddr, note, ok := m.File.BuildIDNote()
	if !ok || len(m.File.Segments) == 0 {
		return
	}
	memory := make([]byte, len(note))
	if at := m.Start - lowestPage(m.File.Programs()) + place.Address(vaddr); im.readCore(at, memory) < len(note) {
		return
	}
	if bytes.Equal(memory, note) {
		m.Verified, m.BuildID, m.Problem = true, m.File.BuildID, ""
		return
	}
	m.Problem = fmt.Sprintf("%s is build %s, the process ran another", m.File.Path, m.File.BuildID)
	m.File.Close()
	m.File = nil
}

// readCore copies what the core holds from a on. Nothing is taken from binaries.
func (im *Image) readCore(a place.Address, buf []byte) int {
	s := im.Segment(a)
	if s == nil || uint64(a-s.Start) >= uint64(len(s.Data)) {
		return 0
	}
	return copy(buf, s.Data[a-s.Start:])
}

func lowestPage(programs []elf.ProgHeader) place.Address {
	for _, p := range programs {
		if p.Type == elf.PT_LOAD {
			return place.Address(p.Vaddr &^ (pageSize - 1))
		}
	}
	return 0
}

// locate works out from the file where it was mapped.
func (im *Image) locate(m *Module) {
	if m.File == nil {
		if m.Bias == 0 {
			m.Bias = m.Start // position independent, as everything but old programs is
		}
		return
	}
	if m.BuildID == "" {
		m.BuildID = m.File.BuildID
	}
	if len(m.File.Segments) > 0 {
		m.Bias = m.Start - place.Address(m.File.Segments[0].Vaddr&^(pageSize-1))
	}
}

// fits says whether the file has a segment for each of the module's mappings, at the same distance
// from the first: builds that differ in size differ here.
func (m *Module) fits(f *objfile.File) bool {
	if len(f.Segments) == 0 {
		return false
	}
	bias := m.Start - place.Address(f.Segments[0].Vaddr&^(pageSize-1))
	for _, mapping := range m.mappings {
		lies := func(s objfile.Segment) bool { return liesIn(s, mapping, bias) }
		if !slices.ContainsFunc(f.Segments, lies) {
			return false
		}
	}
	return true
}

// liesIn says whether a mapping is of the pages that a segment touches, at the segment's place in the file.
func liesIn(s objfile.Segment, m elfcore.Mapping, bias place.Address) bool {
	start, end := uint64(m.Start-bias), uint64(m.End-bias)
	first, last := s.Vaddr&^(pageSize-1), (s.Vaddr+s.Memsz+pageSize-1)&^(pageSize-1)
	return start >= first && end <= last && start-m.Offset == s.Vaddr-s.Offset
}

// addVDSO adds the code that the kernel gives to every process. No file holds it, but the core does.
func (im *Image) addVDSO() {
	at, ok := im.Core.Auxv[atSysinfoEhdr]
	s := im.Segment(place.Address(at))
	if !ok || s == nil || s.Start != place.Address(at) {
		return
	}
	m := &Module{Path: "[vdso]", Name: "[vdso]", Start: s.Start, End: s.End, Bias: s.Start, Verified: true}
	file, err := objfile.Parse(m.Path, s.Data)
	if err != nil {
		m.Problem = fmt.Sprintf("reading the vDSO from the core: %v", err)
	} else {
		m.File, m.BuildID = file, file.BuildID
	}
	im.Modules = append(im.Modules, m)
	slices.SortFunc(im.Modules, byStart)
}
