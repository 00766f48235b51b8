package heap_test

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/heap"
	"github.com/inquest-project/inquest/internal/reading/image"
	"github.com/inquest-project/inquest/lab/dying"
)

// build builds testdata/blocks.c.
func build(t testing.TB, compiler string, flags ...string) dying.Program {
	source, err := filepath.Abs("testdata/blocks.c")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p := dying.Program{Dir: dir, Path: filepath.Join(dir, "blocks")}
	dying.Run(t, dir, compiler, append([]string{"-O1", "-fno-builtin", "-w", "-pthread", "-s", "-o", p.Path, source}, flags...)...)
	return p
}

func open(t testing.TB, path string) *image.Image {
	core, err := elfcore.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	im := image.Open(core, image.Finder{})
	t.Cleanup(func() { im.Close(); core.Close() })
	return im
}

// line is one of what the program wrote down.
type line struct {
	fate  string
	start place.Address
	size  uint64
}

func truth(t testing.TB, dir string) (lines []line) {
	f, err := os.Open(filepath.Join(dir, "truth"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for scanner := bufio.NewScanner(f); scanner.Scan(); {
		var l line
		if _, err := fmt.Sscanf(scanner.Text(), "%s 0x%x %d", &l.fate, (*uint64)(&l.start), &l.size); err != nil {
			t.Fatalf("%q: %v", scanner.Text(), err)
		}
		lines = append(lines, l)
	}
	return lines
}

// A program knows its blocks best: what it wrote down of each must be what is found without it.
func TestEveryBlockIsFound(t *testing.T) {
	byKernel := func(t testing.TB, p dying.Program) string { return p.Core(t) }
	byGDB := func(t testing.TB, p dying.Program) string { return p.CoreByGDB(t) }
	byQEMU := func(t testing.TB, p dying.Program) string {
		dying.Run(t, p.Dir, "sh", "-c", "ulimit -c unlimited; qemu-aarch64 -L "+dying.ARM64Root+" "+p.Path+" || true")
		cores, _ := filepath.Glob(filepath.Join(p.Dir, "qemu_*.core"))
		if len(cores) != 1 {
			t.Fatalf("cores %v", cores)
		}
		return cores[0]
	}
	for name, c := range map[string]struct {
		compiler string
		flags    []string
		die      func(testing.TB, dying.Program) string
	}{
		"whole":                   {die: byKernel},
		"overrun":                 {die: byKernel, flags: []string{"-DOVERRUN"}},
		"static":                  {die: byKernel, flags: []string{"-static", "-DOVERRUN"}},
		"heap behind static data": {die: byGDB, flags: []string{"-no-pie"}}, // gdb lets nothing be placed at random
		"aarch64":                 {die: byQEMU, flags: []string{"-DOVERRUN"}, compiler: "aarch64-linux-gnu-gcc"},
	} {
		t.Run(name, func(t *testing.T) {
			p := build(t, cmp.Or(c.compiler, "gcc"), c.flags...)
			im := open(t, c.die(t, p))
			began := time.Now()
			h := heap.Walk(im)
			t.Log(time.Since(began))
			compare(t, h, truth(t, p.Dir))
		})
	}
}

// compare holds what was found against what the program wrote down, of whose blocks the last word counts.
func compare(t *testing.T, h *heap.Heap, lines []line) {
	last := map[place.Address]int{}
	var broken []line
	for i, l := range lines {
		if l.fate == "overrun" {
			broken = append(broken, l)
		} else {
			last[l.start] = i
		}
	}
	slices.SortFunc(broken, func(a, b line) int { return cmp.Compare(a.start, b.start) })
	counts := map[string]int{}
	for i, l := range lines {
		if last[l.start] != i || l.fate == "overrun" {
			continue
		}
		b, ok := h.At(l.start)
		whole := ok && b.Start == l.start && b.Size == l.size
		good := false
		switch l.fate {
		case "live":
			good = whole && !b.Free
			inner, in := h.At(l.start + place.Address(l.size) - 1)
			good = good && in && inner == b
			if behind, in := h.At(l.start + place.Address(l.size)); in && behind.Start == b.Start {
				good = false
			}
			if before, in := h.At(l.start - 1); in {
				t.Errorf("%v is before a block, and in %+v", l.start-1, before)
			}
		case "lost":
			good = !ok
		case "cached":
			good = whole && b.Free
		default: // what was freed may have been joined with its neighbours, and given anew in parts: then the program wrote that down
			fate := ""
			if i, given := last[b.Start]; given {
				fate = lines[i].fate
			}
			good = ok && (b.Free || b.Start != l.start && fate == "live")
			if whole && b.Free {
				counts["told free as it was"]++
			}
		}
		counts[l.fate]++
		if !good {
			t.Errorf("%s %v, %d bytes: found %+v, %v", l.fate, l.start, l.size, b, ok)
		}
	}
	t.Log(counts)
	if len(broken) != len(h.Broken()) {
		t.Fatalf("%d headers are broken, expected %d: %+v", len(h.Broken()), len(broken), h.Broken())
	}
	for i, b := range h.Broken() {
		l := broken[i]
		if want := (heap.Block{Start: l.start, Size: l.size}); b.Before != want || b.Header != l.start+place.Address(l.size) {
			t.Errorf("broken is %+v, expected the header behind %+v", b, want)
		}
	}
}

// What other allocators keep is no heap of glibc's, and a small program's first block may be the one that is overrun.
func TestOnlyGlibcsHeapsAreKnown(t *testing.T) {
	for name, broken := range map[string]int{"heap_overrun": 1, "double_free": 0, "jemalloc_junk": -1, "tcmalloc_free": -1, "musl_assertion": -1, "go_panic": -1} {
		t.Run(name, func(t *testing.T) {
			h := heap.Walk(open(t, dying.One(t, name).Build(t, "-O2").Core(t)))
			if h.Known() != (broken >= 0) || len(h.Broken()) != max(broken, 0) {
				t.Errorf("known: %v, broken: %+v", h.Known(), h.Broken())
			}
		})
	}
}
