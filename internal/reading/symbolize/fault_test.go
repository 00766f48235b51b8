package symbolize_test

import (
	"debug/elf"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inquest-project/inquest/internal/evidence/backtrace"
	"github.com/inquest-project/inquest/internal/evidence/logs"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/image"
	"github.com/inquest-project/inquest/internal/reading/symbolize"
)

// faulting builds a program and makes what the kernel prints if the function crash of it faults, mapped at 0x555500000000.
func faulting(t *testing.T, dir string) logs.Record {
	t.Helper()
	build(t, dir, "inlined", "inlined.c", "-g", "-O2", "-fno-omit-frame-pointer")
	f, err := elf.Open(filepath.Join(dir, "inlined"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	const bias = 0x555500000000
	record := logs.Record{Kind: logs.Kernel, Signal: 11, TID: 7, Source: "dmesg:1"}
	for _, s := range symbols {
		for _, p := range f.Progs {
			if s.Name != "crash" || p.Type != elf.PT_LOAD || p.Flags&elf.PF_X == 0 {
				continue
			}
			first, end := p.Vaddr&^0xfff, (p.Vaddr+p.Memsz+0xfff)&^0xfff
			offset := place.Offset(s.Value - p.Vaddr + p.Off)
			code := make([]byte, 16)
			if _, err := p.ReadAt(code, int64(s.Value-p.Vaddr)); err != nil {
				t.Fatal(err)
			}
			record.Fault = &logs.Fault{
				Machine: "x86_64", IP: place.Address(bias + s.Value), Module: "inlined", ModuleBase: place.Address(bias + first),
				ModuleSize: end - first, FileOffset: &offset, Code: code,
			}
		}
	}
	if record.Fault == nil {
		t.Fatal("the program has no function crash")
	}
	return record
}

func TestAFaultsFileIsTakenIfNothingContradictsIt(t *testing.T) {
	dir := t.TempDir()
	whole := faulting(t, dir)
	find := image.Finder{Roots: []string{dir}}
	for name, c := range map[string]struct {
		change func(*logs.Fault)
		find   image.Finder
		named  bool
		says   string
	}{
		"all agrees":         {func(*logs.Fault) {}, find, true, "same code"},
		"beside it":          {func(*logs.Fault) {}, image.Finder{Loose: []string{filepath.Join(dir, "inlined")}}, true, "same code"},
		"an old kernel":      {func(f *logs.Fault) { f.FileOffset, f.Code = nil, nil }, find, true, "size"},
		"another size":       {func(f *logs.Fault) { f.ModuleSize += 4096 }, find, false, "no file"},
		"elsewhere":          {func(f *logs.Fault) { *f.FileOffset++ }, find, false, "no file"},
		"other code":         {func(f *logs.Fault) { f.Code = append([]byte{^f.Code[0]}, f.Code[1:]...) }, find, false, "no file"},
		"another machine":    {func(f *logs.Fault) { f.Machine = "aarch64" }, find, false, "no file"},
		"outside the code":   {func(f *logs.Fault) { f.IP = f.ModuleBase - 1 }, find, false, "no file"},
		"no file":            {func(*logs.Fault) {}, image.Finder{}, false, "no file"},
		"no mapping is told": {func(f *logs.Fault) { f.Module = "" }, find, false, ""},
	} {
		record, fault, offset := whole, *whole.Fault, *whole.Fault.FileOffset
		record.Fault, fault.FileOffset = &fault, &offset
		c.change(&fault)
		r := symbolize.Fault(record, "", c.find)
		r.Fill()
		frames := r.Trace.Threads[0].Frames
		if named := frames[len(frames)-1].Function == "crash"; named != c.named || named && (frames[0].Line == 0 || frames[0].Offset == nil) {
			t.Errorf("%s: found %+v", name, frames)
		}
		if got := strings.Join(r.Notes, "\n"); !strings.Contains(got, c.says) || c.says == "" && got != "" {
			t.Errorf("%s: says %q", name, got)
		}
		if used := r.Used(); (len(used) == 1) != c.named {
			t.Errorf("%s: used %v", name, used)
		}
	}
}

// Without a build ID a file is as good as what it agrees with: the names that were printed, and calls before the places
// that calls return to.
func TestAFileThatAgreesWithTheTrace(t *testing.T) {
	dir := t.TempDir()
	build(t, dir, "inlined", "inlined.c", "-g", "-O2", "-fno-omit-frame-pointer")
	find := image.Finder{Roots: []string{dir}}
	whole := read(t, dump(t, dir, "inlined", "-b", "-m", "-q"))
	names := symbolize.Trace(whole, find, nil).Names[0]
	place := func(n place.Offset) *place.Offset { return &n }
	for what, c := range map[string]struct {
		change func([]backtrace.Frame)
		agrees bool
	}{
		"a name is where it was printed":  {func(f []backtrace.Frame) { f[1].Function = names[1].Function }, true},
		"no name was printed":             {func([]backtrace.Frame) {}, false},
		"a name is elsewhere in the file": {func(f []backtrace.Frame) { f[1].Function, f[2].Function = names[1].Function, "main" }, false},
		"no call stands before":           {func(f []backtrace.Frame) { f[1].Function, f[2].Offset = names[1].Function, place(*f[2].Offset-1) }, false},
		"a name that the file hasn't":     {func(f []backtrace.Frame) { f[1].Function, f[2].Function = names[1].Function, "recurse_impl" }, true},
	} {
		trace := backtrace.Trace{Form: whole.Form, Threads: []backtrace.Thread{{Crashed: true}}}
		for _, f := range whole.Threads[0].Frames[:3] {
			trace.Threads[0].Frames = append(trace.Threads[0].Frames, backtrace.Frame{Offset: f.Offset, Module: "inlined"})
		}
		c.change(trace.Threads[0].Frames)
		r := symbolize.Trace(&trace, find, nil)
		r.Fill()
		filled := trace.Threads[0].Frames
		if named := filled[len(filled)-3].Function == "crash"; named != c.agrees || len(r.Notes) != len(r.Used()) || named != (len(r.Used()) == 1) {
			t.Errorf("%s: found %+v, %v", what, filled, r.Notes)
		}
		if c.agrees && (len(filled) != 5 || !filled[0].Inlined || filled[0].Function != "deref" || filled[2].Inlined) {
			t.Errorf("%s: what was inlined: %+v", what, filled)
		}
	}
}
