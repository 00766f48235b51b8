package heap_test

import (
	"encoding/binary"
	"runtime"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/evidence/elftest"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/heap"
	"github.com/inquest-project/inquest/internal/reading/image"
)

const (
	brk     = 0x555555560000
	aligned = 0x7fff00000000 // at a multiple of 64 MiB
)

// memory is writable memory that tests write as malloc does.
type memory struct {
	at   uint64
	data []byte
}

func (m memory) put(at uint64, words ...uint64) {
	copy(m.data[at-m.at:], elftest.Words(words...))
}

// chunks writes headers, and gives the address behind the last chunk.
func (m memory) chunks(at uint64, sizes ...uint64) uint64 {
	for _, size := range sizes {
		m.put(at+8, size)
		at += size &^ 7
	}
	return at
}

func (m memory) segment() elftest.Segment {
	return elftest.Segment{Flags: elftest.RW, Vaddr: m.at, Data: m.data}
}

func walk(t testing.TB, segments ...elftest.Segment) *heap.Heap {
	core, err := elfcore.Parse("core", elftest.Process{Memory: segments}.Core())
	if err != nil {
		t.Fatal(err)
	}
	im := image.Open(core, image.Finder{})
	t.Cleanup(im.Close)
	return heap.Walk(im)
}

func expect(t *testing.T, h *heap.Heap, a, start, size uint64, free bool) {
	t.Helper()
	b, ok := h.At(place.Address(a))
	if want := (heap.Block{Start: place.Address(start), Size: size, Free: free}); !ok || b != want {
		t.Errorf("%#x: found %+v, %v, expected %+v", a, b, ok, want)
	}
}

// old is a main heap as before 2.30: three blocks in the cache, whose last one leads on to next, and one in use.
func old(next uint64) memory {
	m := memory{brk, make([]byte, 0x1000)}
	top := m.chunks(brk, 0x251, 0x31, 0x31, 0x31, 0x41)
	m.chunks(top, brk+0x1000-top|1)
	m.data[0x10+1] = 3
	m.put(brk+0x10+64+8, brk+0x260)
	m.put(brk+0x260, brk+0x290)
	m.put(brk+0x290, brk+0x2c0)
	m.put(brk+0x2c0, next)
	return m
}

func TestHeapsOfOldLibraries(t *testing.T) {
	for name, next := range map[string]uint64{"whole": 0, "a circle": brk + 0x260, "to nowhere": 0xdead0000, "to another size": brk + 0x2f0} {
		t.Run(name, func(t *testing.T) {
			h := walk(t, old(next).segment())
			for _, start := range []uint64{brk + 0x260, brk + 0x290, brk + 0x2c0} {
				expect(t, h, start, start, 0x28, true)
				expect(t, h, start+0x27, start, 0x28, true)
			}
			expect(t, h, brk+0x2f0, brk+0x2f0, 0x38, false)
			expect(t, h, brk+0x330, brk+0x330, 0x1000-0x330, true)
			if b, ok := h.At(brk + 0x2f0 - 8); ok {
				t.Errorf("a header is in %+v", b)
			}
			if len(h.Broken()) > 0 {
				t.Errorf("broken: %+v", h.Broken())
			}
		})
	}
}

// thread is the first heap of an arena. Its last but one chunk is in a fast bin, where links are mangled.
func thread(info, field uint64) (m memory, first uint64) {
	m = memory{aligned, make([]byte, 0x1000)}
	field += aligned + info
	m.put(aligned, aligned+info, 0, 0x1000, 0x1000)
	for bin := field; bin < field+127*16; bin += 16 {
		m.put(bin+16, bin, bin)
	}
	first = (field + 0x838 + 15) &^ 15
	top := m.chunks(first, 0x295, 0x35, 0x35)
	m.chunks(top, aligned+0x1000-top|1)
	m.put(field, top)
	m.put(field-9*8, top-0x30)
	m.put(top-0x20, (top-0x20)>>12)
	return m, first
}

func TestHeapsOfThreads(t *testing.T) {
	for name, layout := range map[string]struct{ info, field uint64 }{
		"2.26": {32, 0x58}, "2.27": {32, 0x60}, "2.35": {48, 0x60},
	} {
		t.Run(name, func(t *testing.T) {
			m, first := thread(layout.info, layout.field)
			h := walk(t, m.segment())
			expect(t, h, first+16, first+16, 0x288, false)
			expect(t, h, first+0x2a0, first+0x2a0, 0x28, false)
			expect(t, h, first+0x2d0, first+0x2d0, 0x28, true)
			expect(t, h, aligned+0xff0, first+0x300, aligned+0x1000-first-0x300, true)
		})
	}
}

// Where the core was cut nothing is broken: what is behind isn't known.
func TestACutHeapIsNotBroken(t *testing.T) {
	m := memory{brk, make([]byte, 0x1000)}
	at := m.chunks(brk, 0x291)
	for range 20 {
		at = m.chunks(at, 0x61)
	}
	m.put(at+8, 0x4001)
	h := walk(t, elftest.Segment{Flags: elftest.RW, Vaddr: brk, Data: m.data, Size: 0x10000})
	expect(t, h, brk+0x2a0, brk+0x2a0, 0x58, false)
	expect(t, h, at+0x3000, at+16, 0x3ff8, false)
	if len(h.Broken()) > 0 {
		t.Errorf("broken: %+v", h.Broken())
	}
}

func TestWhatIsNoHeap(t *testing.T) {
	junk := memory{brk, make([]byte, 0x10000)}
	for at := uint64(brk); at < brk+0x10000; at += 8 {
		junk.put(at, at*0x9e3779b97f4a7c15)
	}
	first := memory{aligned, make([]byte, 0x4000)} // of a heap, and no more; and a mapping of who knows whom
	first.put(aligned+8, 0x291)
	first.put(aligned+0x2008, 0x2002)
	h := walk(t, junk.segment(), first.segment())
	if h.Known() || len(h.Broken()) > 0 {
		t.Errorf("known: %v, broken: %+v", h.Known(), h.Broken())
	}
	if b, ok := h.At(aligned + 0x2010); ok {
		t.Errorf("found %+v", b)
	}
}

// A heap of the smallest blocks is walked in time, and takes a small part of its size.
func TestManyBlocksTakeLittle(t *testing.T) {
	const size = 256 << 20
	m := memory{brk, make([]byte, size)}
	binary.LittleEndian.PutUint64(m.data[8:], 0x291)
	at := 0x290
	for ; at+0x40 < size; at += 0x20 {
		m.data[at+8] = 0x21
	}
	binary.LittleEndian.PutUint64(m.data[at+8:], uint64(size-at)|1)
	core, err := elfcore.Parse("core", elftest.Process{Memory: []elftest.Segment{m.segment()}}.Core())
	if err != nil {
		t.Fatal(err)
	}
	im := image.Open(core, image.Finder{})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	h := heap.Walk(im)
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	used := after.TotalAlloc - before.TotalAlloc
	t.Logf("%d blocks in %v, %d KiB", size/0x20, took, used>>10)
	if took > 20*time.Second || used > size/100 {
		t.Errorf("took %v and %d bytes", took, used)
	}
	expect(t, h, brk+size/2+0x17, brk+size/2, 0x18, false)
	began = time.Now()
	for a := uint64(0); a < size; a += 0x100 {
		h.At(place.Address(brk + a))
	}
	t.Logf("%v for a look", time.Since(began)/(size/0x100))
}

// FuzzWalk puts any bytes where heaps are, and asks for every block.
func FuzzWalk(f *testing.F) {
	m, _ := thread(48, 0x60)
	earlier, _ := thread(32, 0x58)
	for _, main := range []memory{old(0), old(brk + 0x260), {brk, make([]byte, 32)}} {
		f.Add(main.data, m.data, uint64(brk))
		f.Add(main.data, earlier.data, uint64(0xffffffffffff0000))
	}
	f.Fuzz(func(t *testing.T, main, other []byte, at uint64) {
		process := elftest.Process{Memory: []elftest.Segment{
			{Flags: elftest.RW, Vaddr: at, Data: main},
			{Flags: elftest.RW, Vaddr: at + uint64(len(main)), Data: other, Size: 1 << 40},
			{Flags: elftest.RW, Vaddr: aligned, Data: other},
		}}
		core, err := elfcore.Parse("core", process.Core())
		if err != nil {
			return
		}
		im := image.Open(core, image.Finder{})
		defer im.Close()
		began := time.Now()
		h := heap.Walk(im)
		for _, s := range core.Segments {
			for offset := uint64(0); offset < min(uint64(s.End-s.Start), 1<<16); offset += 8 {
				a := s.Start + place.Address(offset)
				if b, ok := h.At(a); ok && (a < b.Start || uint64(a-b.Start) >= b.Size || !h.Known()) {
					t.Fatalf("%v is in %+v", a, b)
				}
			}
		}
		for _, b := range h.Broken() {
			if b.Before.Size == 0 || b.Before.Start+place.Address(b.Before.Size) != b.Header {
				t.Fatalf("broken: %+v", b)
			}
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("took %v", took)
		}
	})
}
