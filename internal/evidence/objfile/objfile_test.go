package objfile_test

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/elftest"
	"github.com/inquest-project/inquest/internal/evidence/objfile"
	"github.com/inquest-project/inquest/lab/dying"
)

func open(t testing.TB, path string) *objfile.File {
	t.Helper()
	f, err := objfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// libc is the library of this host that has the most of everything.
func libc(t testing.TB) string {
	t.Helper()
	paths, _ := filepath.Glob("/lib/*-linux-gnu/libc.so.6")
	if len(paths) == 0 {
		t.Fatal("no libc.so.6 in /lib/*-linux-gnu")
	}
	return paths[0]
}

func TestNamesOfALibraryAreThoseOfTheStandardReader(t *testing.T) {
	f := open(t, libc(t))
	theirs, err := elf.Open(libc(t))
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	needed, _ := theirs.ImportedLibraries()
	if fmt.Sprint(f.Needed) != fmt.Sprint(needed) || f.SoName != "libc.so.6" {
		t.Errorf("needs %v, is called %q", f.Needed, f.SoName)
	}
	notes := dying.Run(t, t.TempDir(), "readelf", "-n", libc(t))
	if f.BuildID == "" || !strings.Contains(notes, string(f.BuildID)) {
		t.Errorf("build ID %q", f.BuildID)
	}
	symbols, _ := theirs.DynamicSymbols()
	names := map[uint64]map[string]bool{}
	for _, s := range symbols {
		if names[s.Value] == nil {
			names[s.Value] = map[string]bool{}
		}
		names[s.Value][s.Name] = true
	}
	asked := 0
	for _, s := range symbols {
		if elf.ST_TYPE(s.Info) != elf.STT_FUNC || s.Section == elf.SHN_UNDEF || s.Size == 0 {
			continue
		}
		asked++
		fn, ok := f.Function(s.Value)
		if !ok || fn.Start != s.Value || !names[s.Value][fn.Name] {
			t.Errorf("%s at 0x%x: found %+v", s.Name, s.Value, fn)
		}
	}
	t.Logf("%d functions", asked)
}

func TestUnwindEntriesAreThoseOfReadelf(t *testing.T) {
	for _, path := range []string{libc(t), dying.One(t, "abort").Build(t, "-O2").Path} {
		f := open(t, path)
		asked := 0
		for line := range strings.Lines(dying.Run(t, t.TempDir(), "readelf", "-wfN", path)) {
			_, bounds, ok := strings.Cut(strings.TrimSpace(line), "pc=")
			if !ok || !strings.Contains(line, " FDE ") {
				continue
			}
			var start, end uint64
			fmt.Sscanf(bounds, "%x..%x", &start, &end)
			asked++
			for _, at := range []uint64{start, end - 1} {
				fde, ok := f.CFI(at)
				if start == end || ok && fde.Start == start && fde.End == end {
					continue
				}
				t.Errorf("%s: 0x%x: expected 0x%x to 0x%x, found %+v", path, at, start, end, fde)
			}
		}
		if asked < 5 {
			t.Errorf("%s: readelf shows %d entries", path, asked)
		}
		t.Logf("%s: %d entries", path, asked)
	}
}

func TestAStrippedFunctionHasBoundsAndASeparateFileGivesItsName(t *testing.T) {
	p := dying.One(t, "abort").Build(t, "-O1")
	span := p.Spans(t, "resolve")[0]
	fn, ok := open(t, p.Path).Function(span.Start + 3)
	if !ok || fn.Name != "" || !fn.FromFDE || fn.Start != span.Start || fn.End != span.End {
		t.Errorf("stripped: expected 0x%x to 0x%x without a name, found %+v", span.Start, span.End, fn)
	}
	f := open(t, p.Path)
	id := string(f.BuildID)
	dir := filepath.Join(p.Dir, "usr/lib/debug/.build-id", id[:2])
	os.MkdirAll(dir, 0o700)
	dying.Run(t, p.Dir, "objcopy", "--only-keep-debug", p.Named, filepath.Join(dir, id[2:]+".debug"))
	if found := objfile.FindDebug(f, []string{p.Dir}); found == "" {
		t.Fatal("the debug file was not found")
	}
	if fn, _ := f.Function(span.Start + 3); fn.Name != "resolve" || fn.Start != span.Start || fn.End != span.End {
		t.Errorf("with its debug file: found %+v", fn)
	}
}

// goProgram builds the smallest Go program, with its symbols or without.
func goProgram(t testing.TB, flags string) string {
	t.Helper()
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "small.go"), []byte("package main\n\nfunc main() { println(len(\"small\")) }\n"), 0o600)
	dying.Run(t, dir, "go", "build", "-ldflags", flags, "-o", "small", "small.go")
	return filepath.Join(dir, "small")
}

func TestAStrippedGoProgramTellsItsFunctionsItself(t *testing.T) {
	stripped := open(t, goProgram(t, "-s -w"))
	named, err := elf.Open(goProgram(t, "-w"))
	if err != nil {
		t.Fatal(err)
	}
	defer named.Close()
	symbols, _ := named.Symbols()
	asked := 0
	for _, s := range symbols {
		if elf.ST_TYPE(s.Info) != elf.STT_FUNC || s.Size == 0 || !strings.HasPrefix(s.Name, "runtime.") {
			continue
		}
		asked++
		if fn, ok := stripped.Function(s.Value); !ok || fn.Name != strings.TrimSuffix(s.Name, ".abi0") || fn.Start != s.Value {
			t.Errorf("%s at 0x%x: found %+v", s.Name, s.Value, fn)
		}
	}
	if asked < 500 {
		t.Errorf("%d functions compared", asked)
	}
}

func TestDebugInformationOfAnotherBuildIsRefused(t *testing.T) {
	one, other := dying.One(t, "abort").Build(t, "-O0"), dying.One(t, "abort").Build(t, "-O2")
	err := open(t, one.Path).AddDebug(open(t, other.Named))
	if err == nil || !strings.Contains(err.Error(), string(open(t, other.Path).BuildID)) {
		t.Errorf("found %v", err)
	}
}

func TestImportsAreNamedByTheirSlots(t *testing.T) {
	p := dying.One(t, "abort").Build(t, "-O1")
	f := open(t, p.Path)
	for line := range strings.Lines(dying.Run(t, p.Dir, "readelf", "-rW", p.Path)) {
		if !strings.Contains(line, "abort@") {
			continue
		}
		var slot uint64
		fmt.Sscanf(line, "%x", &slot)
		if name, ok := f.Import(slot); !ok || name != "abort" {
			t.Errorf("slot 0x%x: found %q", slot, name)
		}
		return
	}
	t.Error("readelf shows no relocation of abort")
}

// A name costs its symbol 24 bytes, and may be as long as the string table.
func TestSymbolsThatShareALongNameCostBoundedTimeAndMemory(t *testing.T) {
	var symbols []byte
	for i := range uint32(50_000) { // each name is the one before, less a byte
		symbols = append(symbols, elftest.Symbol(i, 0x1000+uint64(i), 1)...)
	}
	file := elftest.File(elftest.Dyn, elftest.Segment{Type: elftest.Load, Flags: elftest.RX, Data: make([]byte, 4096), Size: 1 << 20})
	file = elftest.WithSymbols(file, symbols, append(bytes.Repeat([]byte("x"), 2<<20), 0))
	f, err := objfile.Parse("x.so", file)
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn, ok := f.Function(0x1001)
	runtime.ReadMemStats(&after)
	if !ok || !strings.HasPrefix(fn.Name, "xxx") || len(fn.Name) > 64<<10 {
		t.Errorf("found %+v", fn)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
		t.Errorf("%d bytes of file took %d bytes of memory", len(file), used)
	}
}

func FuzzParse(f *testing.F) {
	p := dying.One(f, "divide").Build(f, "-O1")
	for _, path := range []string{p.Path, p.Named} {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:64])
		f.Add(data[:4096])
	}
	if data, err := os.ReadFile(goProgram(f, "-s -w")); err == nil {
		f.Add(data)
	}
	library := elftest.Library("some build", []byte{0x55, 0xe8, 0, 0, 0, 0, 0xc3}, []byte{0x41, 0x0e, 16})
	f.Add(library)
	f.Add(library[:len(library)-0x1100])
	for _, hostile := range elftest.Hostile() {
		hostile[16] = elftest.Dyn
		f.Add(hostile)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		objfile.Sniff(data)
		file, err := objfile.Parse("x", data)
		if err != nil {
			return
		}
		begin := time.Now()
		file.HasCode()
		file.Symbol("main")
		debug, _ := objfile.Parse("x.debug", data)
		objfile.FindDebug(file, []string{t.TempDir()})
		_ = file.AddDebug(debug)
		for _, d := range file.Damage {
			_ = d.String()
		}
		places := []uint64{0, file.Entry, 0x4000, 1 << 63, 1<<64 - 1}
		for _, s := range file.Segments[:min(50, len(file.Segments))] {
			places = append(places, s.Vaddr, s.Vaddr+s.Filesz/2, s.Vaddr+s.Filesz-1, s.Vaddr+s.Memsz)
		}
		for _, at := range places {
			ask(t, file, at)
		}
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("%d bytes took %v", len(data), took)
		}
	})
}

// ask asks everything of an address, and holds what must be true of the answers.
func ask(t *testing.T, file *objfile.File, at uint64) {
	if fn, ok := file.Function(at); ok && (at < fn.Start || fn.End < fn.Start || at >= fn.End) {
		t.Errorf("0x%x is not in %+v", at, fn)
	}
	if fde, ok := file.CFI(at); ok && (at < fde.Start || at >= fde.End) {
		t.Errorf("0x%x is not from 0x%x to 0x%x", at, fde.Start, fde.End)
	}
	if name, start, ok := file.NearestSymbol(at); ok && (start > at || name == "") {
		t.Errorf("%q at 0x%x lies above 0x%x", name, start, at)
	}
	if b, ok := file.Data(at, 8); ok && len(b) != 8 {
		t.Errorf("%d bytes of 8 at 0x%x", len(b), at)
	}
	if s := file.SegmentAt(at); s == nil && file.From(at) != nil {
		t.Errorf("bytes outside all segments at 0x%x", at)
	}
	file.Import(at)
}
