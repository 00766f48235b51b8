package image

import (
	"cmp"
	"debug/elf"
	"slices"
	"strings"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/evidence/elffile"
	"github.com/inquest-project/inquest/internal/evidence/objfile"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// loaded is a program or library as the dynamic linker knows it.
type loaded struct {
	path string
	bias place.Address
}

// fromLinker is the file mappings of a core that doesn't list them (a kernel before 3.7, qemu-user, gdb
// without /proc), from what the dynamic linker keeps for debuggers: r_debug and its list of link_map (glibc's
// link.h; System V ABI, chapter 5, DT_DEBUG). Where that is lost, from the ELF headers in memory.
func (im *Image) fromLinker(s *search) []elfcore.Mapping {
	var all []elfcore.Mapping
	for _, l := range im.linkMap(s) {
		all = append(all, im.mappingsOf(l, s)...)
	}
	all = append(all, im.fromHeaders(all)...)
	slices.SortFunc(all, func(a, b elfcore.Mapping) int { return cmp.Compare(a.Start, b.Start) })
	return disjoint(all)
}

// disjoint leaves out mappings that overlap one before: lookups search by halves.
func disjoint(sorted []elfcore.Mapping) (kept []elfcore.Mapping) {
	var end place.Address
	for _, m := range sorted {
		if m.Start >= end && m.End > m.Start {
			kept, end = append(kept, m), m.End
		}
	}
	return kept
}

// Keys of the auxiliary vector (elf.h).
const (
	atPhdr, atPhnum, atBase, atEntry, atExecFn, atSysinfoEhdr = 3, 5, 7, 9, 31, 33
)

// linkMap is the program, and all that the dynamic linker has loaded for it.
func (im *Image) linkMap(s *search) []loaded {
	program, programs := im.program(s)
	if programs == nil {
		return nil
	}
	all := []loaded{program}
	for _, p := range programs {
		if p.Type == elf.PT_DYNAMIC {
			at, _ := im.dynamicEntry(program.bias+place.Address(p.Vaddr), elf.DT_DEBUG)
			all = append(all, im.linked(place.Address(at))...)
		}
	}
	for i := range all { // the linker's own name is the program's for it, which a core may leave out
		if all[i].path == "" && uint64(all[i].bias) == im.Core.Auxv[atBase] {
			all[i].path = im.interpreter(program, programs, s)
		}
	}
	return slices.DeleteFunc(all, func(l loaded) bool { return l.path == "" })
}

// interpreter is the path of the dynamic linker that the program asks for.
func (im *Image) interpreter(program loaded, programs []elf.ProgHeader, s *search) string {
	const longest = 4096
	for _, p := range programs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		if path, ok := im.CString(program.bias+place.Address(p.Vaddr), longest); ok {
			return path
		}
		if f := s.byPath(program.path); f != nil {
			defer f.Close()
			path, _ := f.Data(p.Vaddr, min(p.Filesz, longest))
			return strings.TrimRight(string(path), "\x00")
		}
	}
	return ""
}

// program finds the main program's headers where the kernel says that they are; in memory, or where the core
// has left them out, in the file by the program's name.
func (im *Image) program(s *search) (loaded, []elf.ProgHeader) {
	at, ok := im.Core.Auxv[atPhdr]
	if !ok {
		return loaded{}, nil
	}
	l := loaded{path: im.programName()}
	programs := im.programHeaders(place.Address(at), im.Core.Auxv[atPhnum])
	if programs == nil {
		if f := s.byPath(l.path); f != nil {
			defer f.Close()
			programs = f.Programs()
		}
	}
	for _, p := range programs {
		if p.Type == elf.PT_PHDR {
			l.bias = place.Address(at - p.Vaddr)
		}
	}
	return l, programs
}

// programName is the path that the program was started by, which the kernel leaves above its stack, else the
// first word of its arguments.
func (im *Image) programName() string {
	const longest = 4096
	if at, ok := im.Core.Auxv[atExecFn]; ok {
		if name, ok := im.CString(place.Address(at), longest); ok && name != "" {
			return name
		}
	}
	name, _, _ := strings.Cut(im.Core.Process.Arguments, " ")
	return cmp.Or(name, im.Core.Process.Command)
}

func (im *Image) programHeaders(at place.Address, count uint64) []elf.ProgHeader {
	const size, most = 56, 64
	data := make([]byte, size*min(count, most))
	if count == 0 || im.Read(at, data) < len(data) {
		return nil
	}
	return elffile.Programs(data)
}

// dynamicEntry is the value of a tag in a dynamic section in memory.
func (im *Image) dynamicEntry(at place.Address, tag elf.DynTag) (uint64, bool) {
	const most = 256
	for range most {
		key, ok := im.Uint64(at)
		value, ok2 := im.Uint64(at + 8)
		if !ok || !ok2 || elf.DynTag(key) == elf.DT_NULL {
			return 0, false
		}
		if elf.DynTag(key) == tag {
			return value, true
		}
		at += 16
	}
	return 0, false
}

// linked walks struct link_map: l_addr, l_name, l_ld, l_next. The first is the program itself; the vDSO has no
// file.
func (im *Image) linked(debug place.Address) (all []loaded) {
	const toMap, toName, toNext, most, longest = 8, 8, 24, 4096, 4096
	at, _ := im.Uint64(debug + toMap)
	for n := 0; at != 0 && n < most; n++ {
		bias, ok := im.Uint64(place.Address(at))
		name, _ := im.Uint64(place.Address(at) + toName)
		next, ok2 := im.Uint64(place.Address(at) + toNext)
		if !ok || !ok2 {
			break
		}
		path, _ := im.CString(place.Address(name), longest)
		if n > 0 && bias != im.Core.Auxv[atSysinfoEhdr] {
			all = append(all, loaded{path, place.Address(bias)})
		}
		at = next
	}
	return all
}

// mappingsOf is where an object's segments lie, by its program headers: in memory at its lowest page, else in
// its file.
func (im *Image) mappingsOf(l loaded, s *search) []elfcore.Mapping {
	header, _, err := elffile.Parse(l.path, im.Bytes(l.bias, pageSize))
	if err == nil {
		return mapped(l, header.Programs)
	}
	if f := s.byPath(l.path); f != nil {
		defer f.Close()
		return mapped(l, f.Programs())
	}
	return nil
}

// mapped is the pages that the dynamic linker maps for the segments. What lies in a page behind a segment's end
// in the file is mapped, too, as far as the page goes.
func mapped(l loaded, programs []elf.ProgHeader) (all []elfcore.Mapping) {
	for _, p := range programs {
		if p.Type != elf.PT_LOAD || p.Filesz == 0 || p.Vaddr+p.Filesz < p.Vaddr {
			continue
		}
		start, end := p.Vaddr&^(pageSize-1), (p.Vaddr+p.Filesz+pageSize-1)&^(pageSize-1)
		all = append(all, elfcore.Mapping{
			Start: l.bias + place.Address(start), End: l.bias + place.Address(end), Offset: p.Off &^ (pageSize - 1), Path: l.path,
		})
	}
	return all
}

// fromHeaders finds what the list doesn't have by the ELF header at the beginning of a segment: all of it, in
// a core that was cut. Such an object has no path; its build ID may lead to its file.
func (im *Image) fromHeaders(known []elfcore.Mapping) (all []elfcore.Mapping) {
	for _, s := range im.Core.Segments {
		isKnown := slices.ContainsFunc(known, func(m elfcore.Mapping) bool { return s.Start >= m.Start && s.Start < m.End })
		if isKnown || uint64(s.Start) == im.Core.Auxv[atSysinfoEhdr] {
			continue
		}
		header, _, err := elffile.Parse("", s.Data)
		if err != nil || header.Type != elf.ET_DYN && header.Type != elf.ET_EXEC {
			continue
		}
		all = append(all, mapped(loaded{bias: s.Start - lowestPage(header.Programs)}, header.Programs)...)
	}
	return all
}

// byPath opens the object at a path, wherever the search leads; nil if there is none. Nothing shows that it is
// the build that ran: what is taken from it is proved later, by the build ID.
func (s *search) byPath(path string) *objfile.File {
	for _, candidate := range s.byName(path) {
		if f, err := objfile.Open(candidate); err == nil {
			return f
		}
	}
	return nil
}
