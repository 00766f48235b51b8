package reach_test

import (
	"strings"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/evidence/elftest"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/image"
	"github.com/inquest-project/inquest/internal/reading/reach"
	"github.com/inquest-project/inquest/internal/reading/unwind"
)

const (
	stack = 0x7ffd00000000
	heap  = 0x550000000000
	codes = 0x400000
)

// What stands on the stack: the red zone, the frame of the function that died, and that of the one that called it, the
// thread's first.
const (
	died  = 128
	first = 256
	end   = 384
)

// held is what a thread held that died with rdi and a stack, beside a heap.
func held(t testing.TB, rdi uint64, words, onHeap []byte) (*image.Image, *reach.Held) {
	t.Helper()
	im, stack := thread(t, rdi, words, onHeap)
	return im, reach.From(im, stack, 0, 1)
}

func thread(t testing.TB, rdi uint64, words, onHeap []byte) (*image.Image, unwind.Stack) {
	t.Helper()
	core, err := elfcore.Parse("core", elftest.Process{
		Threads: []elftest.Thread{{TID: 1, Signal: 11, PC: codes, SP: stack + died, Argument1: rdi}},
		Memory: []elftest.Segment{
			{Flags: elftest.RX, Vaddr: codes, Size: 4096},
			{Flags: elftest.RW, Vaddr: heap, Data: onHeap, Size: 1 << 20},
			{Flags: elftest.RW, Vaddr: stack, Data: words, Size: 1 << 20},
		},
	}.Core())
	if err != nil {
		t.Fatal(err)
	}
	im := image.Open(core, image.Finder{})
	t.Cleanup(im.Close)
	s := unwind.Threads(im)[0]
	s.Frames = s.Frames[:1] // of code without a file nobody knows how large its frames are
	s.Frames[0].CFA = stack + first
	s.Frames = append(s.Frames, unwind.Frame{PC: codes + 8, SP: stack + first, CFA: stack + end})
	return im, s
}

// at puts words into zeros of a size.
func at(size int, words map[int]uint64) []byte {
	b := make([]byte, size)
	for off, w := range words {
		copy(b[off:], elftest.Words(w))
	}
	return b
}

func TestWhatIsHeldIsReachedByTheFewestHops(t *testing.T) {
	// rdi points to an object, at its offset 24 a pointer to a buffer, and in that a third pointer. The
	// red zone holds a pointer, too.
	_, h := held(t, heap+0x100,
		at(256, map[int]uint64{8: heap + 0x5000}),
		at(0x8000, map[int]uint64{0x100 + 24: heap + 0x3000, 0x3000: heap + 0x7000, 0x100 + 512: heap + 0x6000}))
	for _, c := range []struct {
		name   string
		lo, hi place.Address
		hops   int // -1: out of reach
		path   string
	}{
		{"a register", heap + 0x100, heap + 0x110, 1, "rdi"},
		{"an object that a register points into", heap + 0xf0, heap + 0x101, 1, "rdi"},
		{"through a field", heap + 0x3000, heap + 0x3010, 2, "rdi → +0x18"},
		{"behind where the pointer points", heap + 0x3001, heap + 0x3010, -1, ""},
		{"the third hop", heap + 0x7000, heap + 0x7010, -1, ""},
		{"a field behind the window", heap + 0x6000, heap + 0x6010, -1, ""},
		{"a word of the red zone", heap + 0x5000, heap + 0x5010, 1, "0x00007ffd00000008"},
		{"the stack itself", stack + 64, stack + 72, 0, "the live stack"},
		{"above the live stack", stack + 0x1000, stack + 0x1010, -1, ""},
		{"nothing mapped", 0x1000, 0x2000, -1, ""},
	} {
		p, ok := h.Into(c.lo, c.hi)
		if ok != (c.hops >= 0) || ok && (p.Hops != c.hops || h.Path(p) != c.path) {
			t.Errorf("%s: expected %d hops by %q, found %v %+v", c.name, c.hops, c.path, ok, p)
		}
	}
}

func TestTheShorterOfTwoWaysIsTold(t *testing.T) {
	_, h := held(t, heap+0x100, at(end, map[int]uint64{died + 16: heap + 0x3000}), at(0x8000, map[int]uint64{0x100: heap + 0x3000}))
	if p, ok := h.Into(heap+0x3000, heap+0x3001); !ok || p.Hops != 1 || h.Path(p) != "0x00007ffd00000090" {
		t.Errorf("found %v %+v by %s", ok, p, h.Path(p))
	}
	last := 0
	for _, p := range h.Pointers() {
		if p.Hops < last {
			t.Errorf("a way of %d hops behind one of %d", p.Hops, last)
		}
		last = p.Hops
	}
}

// What the dying call's frame leads to counts; what the first function's does, and what is left over below, is loose.
func TestWaysFromTheFirstFunctionsFrameAndFromLeftoversAreLoose(t *testing.T) {
	words := at(end, map[int]uint64{
		8:          heap + 0x5000,         // left over
		died + 8:   heap + 0x3000,         // the dying call's
		first:      heap + 0x4000,         // the first function's
		first + 8:  heap + 0x1000,         // and what a register points to, too
		first + 16: heap + 0x6000,         // and what is two hops from there
		died + 16:  stack + first + 64,    // a buffer of the first function's, as it was given to the other
		died + 24:  stack + died + 64 - 8, // a buffer of its own
	})
	onHeap := at(0x8000, map[int]uint64{0x1000: heap + 0x6000, 0x4000: heap + 0x7000, 0x3000: heap + 0x7800, 0x5000: heap + 0x7800})
	for name, c := range map[string]struct {
		frame, entry int
		loose        map[uint64]bool
	}{
		"the frame that died": {0, 1, map[uint64]bool{
			heap + 0x5000: true, heap + 0x3000: false, heap + 0x4000: true, heap + 0x1000: false, heap + 0x6000: false, heap + 0x7000: true, heap + 0x7800: false,
			stack + 8: true, stack + died: false, stack + first + 32: true, stack + first + 64: false, stack + died + 56: false,
		}},
		"no first function that is known": {0, -1, map[uint64]bool{
			heap + 0x5000: true, heap + 0x3000: false, heap + 0x4000: false, heap + 0x7000: false, stack + first + 32: false,
		}},
		"the first function itself": {1, 1, map[uint64]bool{
			heap + 0x5000: true, heap + 0x3000: true, heap + 0x4000: false, heap + 0x7000: false, stack + died: true, stack + first + 32: false,
		}},
	} {
		im, thread := thread(t, heap+0x1000, words, onHeap)
		h := reach.From(im, thread, c.frame, c.entry)
		for a, loose := range c.loose {
			if p, ok := h.Into(place.Address(a), place.Address(a+8)); !ok || p.Loose != loose {
				t.Errorf("%s: %#x: expected loose %v, found %v, %+v by %q", name, a, loose, ok, p, h.Path(p))
			}
		}
	}
}

func TestAWayOfMoreHopsThatIsNotLooseIsTold(t *testing.T) {
	_, h := held(t, heap+0x100, at(end, map[int]uint64{first: heap + 0x3000}), at(0x8000, map[int]uint64{0x100: heap + 0x3000}))
	if p, ok := h.Into(heap+0x3000, heap+0x3001); !ok || p.Loose || p.Hops != 2 || h.Path(p) != "rdi → +0x0" {
		t.Errorf("found %v %+v by %s", ok, p, h.Path(p))
	}
	if p, ok := h.Into(stack+first+8, stack+first+16); !ok || !p.Loose || h.Path(p) != "the live stack" {
		t.Errorf("found %v %+v by %s", ok, p, h.Path(p))
	}
}

func TestABufferOfTheFirstFunctionsIsToldByThePointerThatTheDyingCallHas(t *testing.T) {
	_, h := held(t, stack+first+72, at(end, map[int]uint64{died + 16: stack + first + 64, first + 8: stack + first + 64}), nil)
	for _, c := range []struct {
		lo, hi place.Address
		loose  bool
		path   string
	}{
		{stack + first + 64, stack + first + 72, false, "0x00007ffd00000090"},
		{stack + first + 64, stack + first + 80, false, "rdi"},
		{stack + first + 80, stack + first + 96, true, "the live stack"},
	} {
		if p, ok := h.Into(c.lo, c.hi); !ok || p.Loose != c.loose || h.Path(p) != c.path {
			t.Errorf("%v: expected %q, loose %v, found %v %+v by %q", c.lo, c.path, c.loose, ok, p, h.Path(p))
		}
	}
}

// A register of the frame of interest is told apart from those of the frame that was running.
func TestFromRegisterIsOfTheFrameOfInterest(t *testing.T) {
	im, thread := thread(t, heap+0x100, at(end, map[int]uint64{first: heap + 0x200}), at(0x1000, map[int]uint64{0x100: heap + 0x300}))
	for _, c := range []struct {
		frame    int
		at       place.Address
		register bool
	}{
		{0, heap + 0x100, true}, {0, heap + 0x300, true}, {0, heap + 0x200, false}, {0, stack + died, false}, {1, heap + 0x100, false}, {1, heap + 0x200, false},
	} {
		h := reach.From(im, thread, c.frame, -1)
		if p, ok := h.Into(c.at, c.at+8); !ok || h.FromRegister(p) != c.register {
			t.Errorf("frame %d, %v: expected %v, found %v by %q", c.frame, c.at, c.register, ok, h.Path(p))
		}
	}
}

// A live stack of which the core holds nothing leaves the registers.
func TestUnknownStackIsNoPointer(t *testing.T) {
	_, h := held(t, heap+0x100, nil, at(0x200, nil))
	for _, w := range h.Words {
		if strings.HasPrefix(w.Place, "0x") {
			t.Errorf("a word at %s of a stack that is not in the core", w.Place)
		}
	}
	if p, ok := h.Into(heap+0x100, heap+0x101); !ok || h.Path(p) != "rdi" {
		t.Errorf("found %v %+v", ok, p)
	}
}

// FuzzFrom follows the pointers of any stack into any heap. What is found must be there, and be found again
// by its address.
func FuzzFrom(f *testing.F) {
	f.Add(uint64(heap+8), elftest.Words(heap, heap+16, stack, 0), elftest.Words(heap+24, heap, 1<<63, stack+8))
	f.Add(uint64(stack+128), at(256, map[int]uint64{128: stack + 136}), []byte{})
	f.Add(^uint64(0), elftest.Words(^uint64(0), heap+0xfffff), []byte("heap"))
	f.Fuzz(func(t *testing.T, rdi uint64, words, onHeap []byte) {
		if len(words)+len(onHeap) > 128<<10 {
			return
		}
		begin := time.Now()
		im, h := held(t, rdi, words, onHeap)
		regions := im.Writable()
		for _, p := range h.Pointers() {
			if p.Hops < 1 || p.Hops > reach.MaxHops || h.Path(p) == "" || image.RegionAt(regions, p.To) == nil {
				t.Fatalf("%d hops to %v by %q", p.Hops, p.To, h.Path(p))
			}
			if again, ok := h.Into(p.To, p.To+1); !ok || again.Loose && !p.Loose || again.Loose == p.Loose && again.Hops > p.Hops {
				t.Fatalf("%d hops, loose %v, lead to %v; asked for it: %v, %d hops, loose %v", p.Hops, p.Loose, p.To, ok, again.Hops, again.Loose)
			}
		}
		for _, w := range h.Windows(im) {
			if len(w.Data) > 64<<10 || w.Hops > 0 && (len(w.Data) > 512 || len(w.Data) == 0) {
				t.Fatalf("%d bytes at %v", len(w.Data), w.To)
			}
		}
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("%d and %d bytes took %v", len(words), len(onHeap), took)
		}
	})
}
