package image_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/evidence/elftest"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/image"
)

const (
	at    = 0x7f0000000000
	stack = 0x7ffd00000000

	ran   = "the build that ran.."
	other = "another build of it."
)

var text = bytes.Repeat([]byte{0xe8, 1, 2, 3, 4}, 20)

// process died with one library mapped from a path. Of the library's data two bytes are in the core.
func process(path string) elftest.Process {
	return elftest.Process{
		Threads:  []elftest.Thread{{TID: 1, Signal: 6, PC: at + elftest.Text, SP: stack}},
		Mappings: elftest.Mappings(path, at),
		Memory: append(elftest.Pages(elftest.Library(ran, text, nil), at, []byte{1, 2}),
			elftest.Segment{Flags: elftest.RW, Vaddr: stack, Data: elftest.Words(5, 6), Size: 4096}),
	}
}

func open(t testing.TB, core []byte, find image.Finder) *image.Image {
	t.Helper()
	parsed, err := elfcore.Parse("core", core)
	if err != nil {
		t.Fatal(err)
	}
	im := image.Open(parsed, find)
	t.Cleanup(im.Close)
	return im
}

// write puts a library of a build under a root.
func write(t testing.TB, root, path, build string, text []byte) string {
	t.Helper()
	file := filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, elftest.Library(build, text, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestABinaryOfAnotherBuildIsRefusedWithBothBuildsNamed(t *testing.T) {
	root := t.TempDir()
	file := write(t, root, "lib/x.so", other, text)
	im := open(t, process("/lib/x.so").Core(), image.Finder{Roots: []string{root}, Loose: []string{file}})
	m := im.Modules[0]
	if m.File != nil || m.Verified {
		t.Fatalf("%s was taken for build %s", m.File.Path, m.BuildID)
	}
	for _, want := range []string{hex.EncodeToString([]byte(ran)), hex.EncodeToString([]byte(other)), file} {
		if !strings.Contains(m.Problem, want) {
			t.Errorf("expected %s in %q", want, m.Problem)
		}
	}
	if b := im.Bytes(at+elftest.Text, 5); b != nil {
		t.Errorf("text % x of another build", b)
	}
	if len(im.Problems) != 1 || im.Problems[0].Part != "/lib/x.so" {
		t.Errorf("problems %v", im.Problems)
	}
}

func TestWhatTheCoreLeavesOutIsReadFromTheBuildThatRan(t *testing.T) {
	for name, find := range map[string]func(root string) image.Finder{
		"at its path under a root": func(root string) image.Finder {
			write(t, root, "lib/x.so", ran, text)
			return image.Finder{Roots: []string{root}}
		},
		"anywhere under a root": func(root string) image.Finder {
			write(t, root, "old/y.so.1", ran, text)
			return image.Finder{Roots: []string{root}}
		},
		"under a root that is a link": func(root string) image.Finder {
			write(t, root, "real/y.so.1", ran, text)
			if err := os.Symlink("real", filepath.Join(root, "link")); err != nil {
				t.Fatal(err)
			}
			return image.Finder{Roots: []string{filepath.Join(root, "link")}}
		},
		"loose, by any name": func(root string) image.Finder { return image.Finder{Loose: []string{write(t, root, "y", ran, text)}} },
		"behind one of another build": func(root string) image.Finder {
			write(t, root, "a/lib/x.so", other, text)
			write(t, root, "b/lib/x.so", ran, text)
			return image.Finder{Roots: []string{root + "/a", root + "/b"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			im := open(t, process("/lib/x.so").Core(), find(t.TempDir()))
			m := im.Module(at + elftest.Text)
			if m == nil || m.File == nil || !m.Verified || m.Problem != "" || m.Bias != at {
				t.Fatalf("module %+v", m)
			}
			if b := im.Bytes(at+elftest.Text, len(text)); !bytes.Equal(b, text) {
				t.Errorf("text % x", b)
			}
		})
	}
}

func TestUnknownMemoryIsNeverZero(t *testing.T) {
	root := t.TempDir()
	write(t, root, "lib/x.so", ran, text)
	im := open(t, process("/lib/x.so").Core(), image.Finder{Roots: []string{root}})
	for name, a := range map[string]place.Address{
		"writable data, though the file has them": at + elftest.Data + 2,
		"data across the end of what was dumped":  at + elftest.Data,
		"text behind the end of the file's":       at + elftest.Text + place.Address(len(text)) - 7,
		"stack that was not dumped":               stack + 16,
		"stack across the end of what was dumped": stack + 9,
		"nothing mapped":                          0x1000,
		"the null page":                           0,
		"the last word":                           0xfffffffffffffffc,
	} {
		if v, known := im.Uint64(a); known || v != 0 {
			t.Errorf("%s: %v holds %#x", name, a, v)
		}
	}
	buf := []byte{9, 9, 9, 9}
	if n := im.Read(at+elftest.Data, buf); n != 2 || !bytes.Equal(buf, []byte{1, 2, 9, 9}) {
		t.Errorf("read %d bytes: % x", n, buf)
	}
	if s, known := im.CString(at+elftest.Data, 8); known {
		t.Errorf("the string %q ends where the core ends", s)
	}
	if v, known := im.Uint64(stack + 8); !known || v != 6 {
		t.Errorf("a dumped word is %d, known: %v", v, known)
	}
}

// A process that went into a chroot maps files by host paths before and by jail paths after, and the root
// that somebody hands over may be the host's or the jail's.
func TestAChrootsTwoKindsOfPathLeadToTheFile(t *testing.T) {
	for _, c := range []struct{ name, mapped, onHost, root string }{
		{"host path, host's root", "/srv/jail/lib/x.so", "srv/jail/lib/x.so", ""},
		{"host path, jail's root", "/srv/jail/lib/x.so", "srv/jail/lib/x.so", "srv/jail"},
		{"jail path, jail's root", "/lib/x.so", "srv/jail/lib/x.so", "srv/jail"},
		{"jail path, host's root", "/lib/x.so", "srv/jail/lib/x.so", ""},
		{"replaced since", "/lib/x.so (deleted)", "lib/x.so", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			host := t.TempDir()
			want := write(t, host, c.onHost, ran, text)
			im := open(t, process(c.mapped).Core(), image.Finder{Roots: []string{filepath.Join(host, c.root)}})
			if m := im.Modules[0]; m.File == nil || m.File.Path != want || m.Name != "x.so" {
				t.Errorf("expected %s, found %+v", want, m)
			}
		})
	}
}

// Of a core that was cut before the library's first page the build is not known.
func TestWithoutABuildIDAFileIsTakenOnlyIfItsLayoutFitsAndStaysUnverified(t *testing.T) {
	cut := process("/lib/x.so")
	for i := range cut.Memory {
		cut.Memory[i].Data, cut.Memory[i].Size = nil, 4096
	}
	root := t.TempDir()
	file := write(t, root, "lib/x.so", ran, text)
	m := open(t, cut.Core(), image.Finder{Roots: []string{root}}).Modules[0]
	if m.File == nil || m.Verified || !strings.Contains(m.Problem, file) {
		t.Errorf("expected %s with doubt, found %+v", file, m)
	}
	for i := range cut.Mappings {
		if cut.Mappings[i].Page > 1 {
			cut.Mappings[i].Page += 16 // as a build with more text has it
		}
	}
	m = open(t, cut.Core(), image.Finder{Roots: []string{root}}).Modules[0]
	if m.File != nil || !strings.Contains(m.Problem, "layout") {
		t.Errorf("expected a refusal, found %+v", m)
	}
}

func TestNothingButRegularFilesIsOpenedForAModule(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "lib"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(root, "lib/x.so"), 0o600); err != nil {
		t.Fatal(err)
	}
	inTime(t, func() {
		if m := open(t, process("/lib/x.so").Core(), image.Finder{Roots: []string{root}}).Modules[0]; m.File != nil {
			t.Error("a FIFO was taken for a library")
		}
	})
}

// A core can hold any path, and any number of them.
func TestHostilePathsAndMappingsTakeBoundedTime(t *testing.T) {
	for _, depth := range []int{2000, 1 << 20} {
		deep := process(strings.Repeat("/x", depth)).Core()
		inTime(t, func() { open(t, deep, image.Finder{Roots: []string{t.TempDir()}}) })
	}

	many := process("/lib/x.so")
	for i := range uint64(20_000) {
		start := 0x10000 * (i + 1)
		many.Mappings = append(many.Mappings, elftest.Mapping{Start: start, End: start + 4096, Path: "/lib/y.so"})
		many.Memory = append(many.Memory, elftest.Segment{Flags: elftest.RW, Vaddr: start + 4096, Size: 4096})
	}
	inTime(t, func() { open(t, many.Core(), image.Finder{}) })
}

func inTime(t *testing.T, do func()) {
	t.Helper()
	begin := time.Now()
	done := make(chan bool)
	go func() { defer close(done); do() }()
	select {
	case <-done:
		t.Log(time.Since(begin))
	case <-time.After(10 * time.Second):
		t.Fatal("still not done after 10 s")
	}
}

func TestNothingIsReadOfANegativeSize(t *testing.T) {
	root := t.TempDir()
	write(t, root, "lib/x.so", ran, text)
	im := open(t, process("/lib/x.so").Core(), image.Finder{Roots: []string{root}})
	for _, a := range []place.Address{at + elftest.Text, stack} {
		for _, n := range []int{0, -1, -1 << 63} {
			if b := im.Bytes(a, n); len(b) > 0 {
				t.Errorf("%d bytes at %v for %d", len(b), a, n)
			}
		}
	}
}

func TestDataFilesAreNoModules(t *testing.T) {
	p := process("/lib/x.so")
	p.Mappings = append(p.Mappings, elftest.Mapping{Start: 0x10000, End: 0x20000, Path: "/usr/lib/locale/locale-archive"})
	p.Memory = append(p.Memory, elftest.Segment{Flags: elftest.R, Vaddr: 0x10000, Size: 0x10000})
	im := open(t, p.Core(), image.Finder{})
	if len(im.Modules) != 1 || im.Modules[0].Name != "x.so" {
		t.Errorf("modules %v", im.Modules)
	}
	if !im.Mapped(0x10000) || im.Code(0x10000) || !im.Code(at+elftest.Text) {
		t.Error("mapped or code is told wrongly")
	}
}

func TestWritableMemoryIsWhatTheCoreHoldsOfIt(t *testing.T) {
	regions := open(t, process("/lib/x.so").Core(), image.Finder{}).Writable()
	if len(regions) != 2 || regions[0].Start != at+elftest.Data || len(regions[0].Data) != 2 || regions[0].Stack ||
		regions[1].Start != stack || len(regions[1].Data) != 16 || !regions[1].Stack {
		t.Fatalf("regions %v", regions)
	}
	for a, want := range map[place.Address]*image.Region{
		at + elftest.Data - 1: nil, at + elftest.Data: &regions[0], at + elftest.Data + 1: &regions[0],
		at + elftest.Data + 2: nil, stack + 15: &regions[1], stack + 16: nil, 0: nil,
	} {
		if got := image.RegionAt(regions, a); got != want {
			t.Errorf("%v: expected %v, found %v", a, want, got)
		}
	}
}

// unlisted is a process whose core lists no files: the dynamic linker's list has the program and a library at
// 0x70000000, and goes on at next.
func unlisted(next uint64) elftest.Process {
	const headers, dynamic, debug, first, second, name, library = 0x20400, 0x20200, 0x20300, 0x20000, 0x20040, 0x20100, 0x70000000
	memory := make([]byte, 0x1000)
	put := func(at uint64, words ...uint64) { copy(memory[at-0x20000:], elftest.Words(words...)) }
	put(first, 0, 0, dynamic, second)
	put(second, library, name, 0, next)
	copy(memory[name-0x20000:], "/lib/x.so\x00")
	put(dynamic, 21, debug, 0, 0) // DT_DEBUG, DT_NULL
	put(debug, 1, first)
	put(headers, 4<<32|2, 0, dynamic, 0, 0x20, 0x20, 8) // PT_DYNAMIC, readable
	p := process("")
	p.Mappings = nil
	p.Auxv = []uint64{3, headers, 5, 1, 9, 0x20000, 0, 0} // AT_PHDR, AT_PHNUM, AT_ENTRY, AT_NULL
	p.Memory = append(p.Memory, elftest.Segment{Flags: elftest.RW, Vaddr: 0x20000, Data: memory})
	p.Memory = append(p.Memory, elftest.Pages(elftest.Library(ran, text, nil), library, make([]byte, 64))...)
	return p
}

// A list that leads in a circle, or to nowhere, gives what it has.
func TestTheDynamicLinkersListMayBeBroken(t *testing.T) {
	for name, next := range map[string]uint64{"whole": 0, "a circle": 0x20040, "to nowhere": 0xdead0000} {
		t.Run(name, func(t *testing.T) {
			core, err := elfcore.Parse("core", unlisted(next).Core())
			if err != nil {
				t.Fatal(err)
			}
			im := image.Open(core, image.Finder{})
			defer im.Close()
			if m := im.Module(0x70001000); m == nil || m.Path != "/lib/x.so" || m.BuildID != place.BuildID(fmt.Sprintf("%x", ran)) {
				t.Errorf("0x70001000 is of %+v", m)
			}
		})
	}
}

// FuzzOpen joins any core with any binary and asks everything of every address that either names.
func FuzzOpen(f *testing.F) {
	library := elftest.Library(ran, text, []byte{0x0e, 16})
	f.Add(process("/lib/x.so").Core(), library)
	f.Add(process("/lib/x.so").Core(), elftest.Library(other, text, nil))
	cut := process("/lib/x.so").Core()
	f.Add(cut[:len(cut)/2], library)
	f.Add(elftest.File(elftest.Core, elftest.Segment{Type: elftest.Load, Flags: elftest.RW, Vaddr: 0, Data: make([]byte, 8)}), []byte{})
	f.Add(unlisted(0).Core(), library)
	f.Add(unlisted(0x20040).Core(), library)
	for _, hostile := range elftest.Hostile() {
		f.Add(hostile, hostile)
		f.Add(process("/lib/x.so").Core(), hostile)
	}
	f.Fuzz(func(t *testing.T, data, binary []byte) {
		core, err := elfcore.Parse("core", data)
		if err != nil {
			return
		}
		root := t.TempDir()
		file := filepath.Join(root, "x.so")
		if err := os.WriteFile(file, binary, 0o600); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		im := image.Open(core, image.Finder{Roots: []string{root}, Loose: []string{file}})
		defer im.Close()
		var places []place.Address
		for _, s := range core.Segments {
			places = append(places, s.Start, s.Start+1, s.End-1, s.End)
		}
		for _, m := range core.Mappings {
			places = append(places, m.Start, m.End-1)
		}
		for _, m := range im.Modules {
			places = append(places, m.Start, m.End-1, m.Bias)
			m.SoName()
			if m.Verified && m.File == nil && m.Name != "[vdso]" {
				t.Errorf("%s is verified without a file", m.Path)
			}
		}
		for _, a := range append(places[:min(200, len(places))], 0, 0xffffffffffffffff) {
			ask(t, im, a)
		}
		im.Executable()
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("%d and %d bytes took %v", len(data), len(binary), took)
		}
	})
}

// ask asks everything of an address, and holds the answers against each other.
func ask(t *testing.T, im *image.Image, a place.Address) {
	const n = 64
	direct, buf := im.Bytes(a, n), make([]byte, n)
	known := im.Read(a, buf)
	if len(direct) > n || len(direct) > known || !bytes.Equal(direct, buf[:len(direct)]) {
		t.Errorf("%v: %d bytes at once, %d bytes read", a, len(direct), known)
	}
	if v, ok := im.Uint64(a); ok != (known >= 8) || !ok && v != 0 {
		t.Errorf("%v: a word is known: %v, of %d bytes", a, ok, known)
	}
	if s, ok := im.CString(a, n); ok && (len(s) >= known || strings.Contains(s, "\x00")) {
		t.Errorf("%v: the string %q in %d bytes", a, s, known)
	}
	if known > 0 && !im.Mapped(a) {
		t.Errorf("%v: %d bytes where nothing is mapped", a, known)
	}
	if m := im.Module(a); m != nil && (a < m.Start || a >= m.End) {
		t.Errorf("%v is not in %s", a, m.Name)
	}
	if s := im.SegmentAbove(a); s != nil && s.Start <= a {
		t.Errorf("%v is not above %v", s.Start, a)
	}
	regions := im.Writable()
	if r := image.RegionAt(regions, a); r != nil && (!slices.ContainsFunc(regions, func(o image.Region) bool { return o.Start == r.Start }) || a < r.Start) {
		t.Errorf("%v is not in the region at %v", a, r.Start)
	}
	im.Flags(a)
	im.Code(a)
	im.Function(a)
}
