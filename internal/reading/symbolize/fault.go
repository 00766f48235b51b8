package symbolize

import (
	"bytes"
	"cmp"
	"debug/elf"
	"fmt"

	"github.com/inquest-project/inquest/internal/evidence/backtrace"
	"github.com/inquest-project/inquest/internal/evidence/logs"
	"github.com/inquest-project/inquest/internal/evidence/objfile"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/disasm"
	"github.com/inquest-project/inquest/internal/reading/image"
)

// Fault is the one frame that the kernel's lines on a fault tell. Of its module they tell a name, and where its code
// was mapped: a file of that name is taken if nothing contradicts it. path is where the module lay, if something else
// tells it.
func Fault(record logs.Record, path string, find image.Finder) *Result {
	f := record.Fault
	frame := backtrace.Frame{PC: &f.IP, Module: cmp.Or(path, f.Module)}
	thread := backtrace.Thread{ID: record.TID, Crashed: true, Frames: []backtrace.Frame{frame}}
	r := &Result{
		Trace: &backtrace.Trace{Name: record.Source, Form: backtrace.Kernel, Signal: record.Signal, Threads: []backtrace.Thread{thread}},
		Names: [][]backtrace.Named{{{}}},
	}
	if f.Module == "" {
		return r
	}
	file := image.ByName(find, frame.Module, func(file *objfile.File) bool { return fits(file, f) })
	if file == nil {
		r.Notes = []string{fmt.Sprintf("%s: no file of this name and layout was found; the instruction stood %s", f.Module, within(f))}
		return r
	}
	defer file.Close()
	m := &image.Module{Path: file.Path, Name: f.Module, File: file}
	vaddr, _ := vaddrOfFault(file, f)
	offset := place.Offset(vaddr - m.Vaddr(0))
	thread.Frames[0].Offset = &offset
	r.modules = map[image.Build]*image.Module{r.build(frame): m}
	r.agreeing = map[*image.Module]bool{m: true}
	r.Names[0][0] = named(file, vaddr, vaddr)
	r.Notes = []string{fmt.Sprintf("%s: the log tells no build ID: %s was taken for its name and since %s; another build would get wrong names", f.Module, file.Path, agreement(f))}
	return r
}

// within says where the instruction stood, for who has the file.
func within(f *logs.Fault) string {
	if f.FileOffset != nil {
		return fmt.Sprintf("at offset %v in the file", *f.FileOffset)
	}
	return fmt.Sprintf("%#x bytes behind the start of its executable segment", uint64(f.IP-f.ModuleBase))
}

// agreement says what speaks for a file that was taken by its name.
func agreement(f *logs.Fault) string {
	if len(f.Code) > 0 {
		return "it has the same code around the instruction"
	}
	return "its code has the size that was mapped"
}

// fits says whether nothing that the kernel told contradicts a file: the size of its executable segment, where in the
// file the instruction stood, and the code from there on.
func fits(file *objfile.File, f *logs.Fault) bool {
	vaddr, ok := vaddrOfFault(file, f)
	s := file.SegmentAt(vaddr)
	if !ok || s == nil || f.FileOffset != nil && uint64(*f.FileOffset) != vaddr-s.Vaddr+s.Offset {
		return false
	}
	code := file.From(vaddr)
	if told := f.Code[f.CodeAt:]; len(told) > 0 {
		n := min(len(told), len(code))
		return n > 0 && bytes.Equal(told[:n], code[:n])
	}
	_, ok = disasm.For(file.Machine).Decode(code, vaddr)
	return ok
}

// machines are what the kernel's lines are of, and the sizes that its pages may have there.
var machines = map[elf.Machine]struct {
	name  string
	pages []uint64
}{
	elf.EM_X86_64:  {"x86_64", []uint64{4 << 10}},
	elf.EM_AARCH64: {"aarch64", []uint64{4 << 10, 16 << 10, 64 << 10}},
}

// vaddrOfFault is the file's own address of the instruction; false if none of its executable segments has the size
// that was mapped.
func vaddrOfFault(file *objfile.File, f *logs.Fault) (uint64, bool) {
	machine := machines[file.Machine]
	for _, s := range file.Segments {
		for _, page := range machine.pages {
			first, end := s.Vaddr&^(page-1), (s.Vaddr+s.Memsz+page-1)&^(page-1)
			if s.Flags&elf.PF_X != 0 && machine.name == f.Machine && end-first == f.ModuleSize {
				return first + uint64(f.IP-f.ModuleBase), f.IP >= f.ModuleBase
			}
		}
	}
	return 0, false
}
