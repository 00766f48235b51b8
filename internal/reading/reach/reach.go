// Package reach tells what the dead hand was holding: which writable memory can be come to from a
// thread's registers and live stack in few hops.
//
// A hop follows a pointer; from where it points, each word of the next 512 bytes may be a pointer in
// its turn. Two hops are the bound: measured on real daemons, the killing message is mostly within two,
// and three hops or wider windows reach so much of a process that they tell nothing.
package reach

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/image"
	"github.com/inquest-project/inquest/internal/reading/unwind"
)

const (
	// MaxHops is how many pointers are followed.
	MaxHops = 2

	window   = 512      // bytes in which a hop looks for the next pointer
	liveMost = 64 << 10 // bytes of live stack, from the innermost, that count as held: deep stacks hold the whole process
	redZone  = 128      // bytes below the stack pointer that leaf functions use (System V ABI for x86-64, section 3.2.2)
)

// Held is the memory that one thread could come to.
type Held struct {
	Words    []Word // registers and live stack, the innermost first
	StackLow place.Address
	StackEnd place.Address
	entry    place.Address     // where on the stack the frame of the thread's first function begins
	inner    place.Address     // where the frame of interest begins: what lies below is how it died, and left over
	kept     map[string]uint64 // what the first function has in registers, by name, as far as those that it called keep it
	saved    []span            // where on the stack they may have saved that
	pointers []Pointer         // ordered by To, then nearest
}

// Word is a machine word in a register or on the live stack.
type Word struct {
	Value uint64
	Place string        // "rdi" or the address of the stack word
	At    place.Address // of a stack word; 0 of a register
	far   int           // from what the frame of interest was doing: 0 its registers, then words of stack from its end
	loose bool          // see Pointer
}

// Loose says whether the word is one of those that loose ways begin with.
func (w Word) Loose() bool { return w.loose }

// Pointer is one way to an address.
type Pointer struct {
	To   place.Address
	Hops int // 0: on the live stack, and nothing points there; 1: a register or stack word points there

	// Loose says that the way begins in the frame of the thread's first function or in a register of its, which stays from one
	// message to the next and keeps what the last one left there; or below the frame of interest, where what it called to die has large
	// frames that it hardly uses.
	Loose  bool
	word   int // the index in Words where the way begins
	offset int // of the second hop's pointer from where the first leads, in bytes
}

// Path is the way of a pointer for people: "rdi", "rdi → +0x18", "0x00007ffd12345678 → +0x0".
func (h *Held) Path(p Pointer) string {
	switch p.Hops {
	case 0:
		return "the live stack"
	case 1:
		return h.Words[p.word].Place
	default:
		return fmt.Sprintf("%s → +0x%x", h.Words[p.word].Place, p.offset)
	}
}

// FromRegister says whether a way begins in a register of the frame of interest.
func (h *Held) FromRegister(p Pointer) bool { return p.Hops > 0 && h.Words[p.word].far == 0 }

// From follows every pointer that a thread held. What its frame of that index held is nearest: what lies
// further in is how it died, what lies further out how it came there.
// entry is the frame of the thread's first function; what that holds counts for less, but where it is itself of interest.
func From(im *image.Image, stack unwind.Stack, frame, entry int) *Held {
	h := &Held{}
	frame = max(frame, stack.Interrupted())
	h.inner, h.entry = stack.LiveRange()
	if entry > frame && entry < len(stack.Frames) {
		h.entry = stack.Frames[entry].SP
		h.kept = keptBy(stack, entry)
		h.saved = savedIn(stack.Frames[frame:entry])
	}
	if frame < len(stack.Frames) {
		h.inner = max(h.inner, stack.Frames[frame].SP)
	}
	h.addRegisters(stack, frame)
	h.addLiveStack(im, stack, frame)
	writable := im.Writable()
	var frontier []Pointer
	for i, w := range h.Words {
		frontier = append(frontier, Pointer{To: place.Address(w.Value), Hops: 1, Loose: w.loose, word: i})
	}
	slices.SortStableFunc(frontier, func(a, b Pointer) int { return h.Words[a.word].far - h.Words[b.word].far })
	type way struct {
		to    place.Address
		loose bool
	}
	seen := map[way]bool{}
	for hop := 1; hop <= MaxHops; hop++ {
		var next []Pointer
		for _, p := range frontier {
			data := h.target(writable, p.To)
			if data == nil || seen[way{p.To, false}] || seen[way{p.To, p.Loose}] {
				continue
			}
			seen[way{p.To, p.Loose}] = true
			h.pointers = append(h.pointers, p)
			if hop == MaxHops {
				continue
			}
			data = data[:min(window, len(data))]
			for off := 0; off+8 <= len(data); off += 8 {
				to := place.Address(binary.LittleEndian.Uint64(data[off:]))
				next = append(next, Pointer{To: to, Hops: hop + 1, Loose: p.Loose, word: p.word, offset: off})
			}
		}
		frontier = next
	}
	slices.SortFunc(h.pointers, func(a, b Pointer) int { return cmp.Or(cmp.Compare(a.To, b.To), nearer(a, b)) })
	return h
}

// nearer orders ways: what the calls under way hold before what is loose, and then those of fewer hops.
func nearer(a, b Pointer) int {
	if a.Loose != b.Loose {
		if a.Loose {
			return 1
		}
		return -1
	}
	return a.Hops - b.Hops
}

// addRegisters takes the registers of the frame that was running, and those that the frame of interest still
// had when it called on.
func (h *Held) addRegisters(stack unwind.Stack, frame int) {
	running := stack.Running()
	far := 0
	if frame > stack.Interrupted() && frame < len(stack.Frames) {
		far = furthest
		for n, name := range stack.Regs.DWARFNames() {
			if v, ok := stack.Frames[frame].Reg(n); ok {
				h.Words = append(h.Words, Word{Value: v, Place: fmt.Sprintf("%s of frame %d", name, frame), loose: h.keeps(name, v) || endsFrame(stack, v)})
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(running)) {
		h.Words = append(h.Words, Word{Value: running[name], Place: name, far: far, loose: h.keeps(name, running[name]) || endsFrame(stack, running[name])})
	}
}

// endsFrame says whether a register is a stack pointer, which leads to the end of a frame whatever lies there.
func endsFrame(stack unwind.Stack, value uint64) bool {
	return slices.ContainsFunc(stack.Frames, func(f unwind.Frame) bool { return uint64(f.SP) == value })
}

// span is a stretch of the stack.
type span struct{ from, to place.Address }

// keptBy is what a frame's function had in registers when it called on. What of it those that it called have not saved is
// still there, and is the caller's affair, not theirs.
func keptBy(stack unwind.Stack, frame int) map[string]uint64 {
	kept := map[string]uint64{}
	for n, name := range stack.Regs.DWARFNames() {
		if v, ok := stack.Frames[frame].Reg(n); ok {
			kept[name] = v
		}
	}
	return kept
}

// savedIn are the places where functions save their callers' registers: right below the return address (x86-64), or below
// the frame's end (aarch64).
func savedIn(frames []unwind.Frame) (saved []span) {
	const most = 8 * 12 // registers that functions must keep
	for _, f := range frames {
		if f.CFA > most {
			saved = append(saved, span{f.CFA - most, f.CFA})
		}
	}
	return saved
}

// keeps says whether a register still holds what the first function has there.
func (h *Held) keeps(register string, value uint64) bool {
	v, ok := h.kept[register]
	return ok && v == value
}

// isSaved says whether a word of the stack is a register of the first function's that was saved.
func (h *Held) isSaved(at place.Address, value uint64) bool {
	if !slices.ContainsFunc(h.saved, func(s span) bool { return at >= s.from && at < s.to }) {
		return false
	}
	for _, v := range h.kept {
		if v == value {
			return true
		}
	}
	return false
}

// furthest is further than any word of the stack.
const furthest = 1 << 20

func (h *Held) addLiveStack(im *image.Image, stack unwind.Stack, frame int) {
	lo, hi := stack.LiveRange()
	base := lo
	if frame < len(stack.Frames) {
		base = stack.Frames[frame].SP
	}
	if lo >= redZone {
		lo -= redZone
	}
	lo = (lo + 7) &^ 7
	if hi <= lo {
		return
	}
	// Of a deep stack what lies further out is memory like any other: there may be what pointers lead to.
	hi = min(hi, lo+liveMost)
	h.StackLow, h.StackEnd = lo, hi
	data := im.Bytes(lo, int(hi-lo))
	for off := 0; off+8 <= len(data); off += 8 {
		at := lo + place.Address(off)
		value := binary.LittleEndian.Uint64(data[off:])
		h.Words = append(h.Words, Word{Value: value, Place: at.String(), At: at, far: 1 + wordsBetween(base, at), loose: h.loose(at) || h.isSaved(at, value)})
	}
}

// loose says whether what lies at an address of the stack is none of the calls' that led to the frame of interest, but the
// first function's or left over.
func (h *Held) loose(at place.Address) bool { return at < h.inner || at >= h.entry }

// wordsBetween is how far a word of the stack lies from a frame's end; those further in count more.
func wordsBetween(base, at place.Address) int {
	const inner = 4
	if at < base {
		return inner * int(base-at) / 8
	}
	return int(at-base) / 8
}

// target is the writable memory from an address on; nil for the live stack itself, whose words are
// held already.
func (h *Held) target(writable []image.Region, a place.Address) []byte {
	if h.OnStack(a) {
		return nil
	}
	r := image.RegionAt(writable, a)
	if r == nil {
		return nil
	}
	return r.Data[a-r.Start:]
}

// OnStack says whether an address lies on the live stack.
func (h *Held) OnStack(a place.Address) bool { return a >= h.StackLow && a < h.StackEnd }

// Reaches says whether any pointer leads into memory from lo up to, but without, hi.
func (h *Held) Reaches(lo, hi place.Address) bool {
	if h == nil {
		return false
	}
	_, found := h.Into(lo, hi)
	return found
}

// Into returns the nearest pointer into memory from lo up to, but without, hi.
func (h *Held) Into(lo, hi place.Address) (Pointer, bool) {
	if lo < h.StackEnd && hi > h.StackLow {
		if p, ok := h.intoStack(lo, hi); ok {
			return p, true
		}
		return Pointer{To: lo, Loose: h.loose(max(lo, h.StackLow))}, true
	}
	i, _ := slices.BinarySearchFunc(h.pointers, lo, func(p Pointer, a place.Address) int { return cmp.Compare(p.To, a) })
	best, found := Pointer{}, false
	for ; i < len(h.pointers) && h.pointers[i].To < hi; i++ {
		if !found || nearer(h.pointers[i], best) < 0 {
			best, found = h.pointers[i], true
		}
	}
	return best, found
}

// intoStack is the nearest way into the live stack: to a buffer that a function gave to another.
func (h *Held) intoStack(lo, hi place.Address) (best Pointer, found bool) {
	for i, w := range h.Words {
		if to := place.Address(w.Value); !w.loose && to >= lo && to < hi && h.OnStack(to) && (!found || w.far < h.Words[best.word].far) {
			best, found = Pointer{To: to, Hops: 1, word: i}, true
		}
	}
	return best, found
}

// Pointers are all ways into writable memory, those of fewest hops first, and of these those that begin nearest
// to the frame of interest.
func (h *Held) Pointers() []Pointer { return h.nearestFirst(h.pointers) }

// Ways are all ways, also those to the live stack itself, where functions keep their buffers; in the same
// order.
func (h *Held) Ways() []Pointer {
	ways := slices.Clone(h.pointers)
	for i, w := range h.Words {
		if h.OnStack(place.Address(w.Value)) {
			ways = append(ways, Pointer{To: place.Address(w.Value), Hops: 1, Loose: w.loose, word: i})
		}
	}
	return h.nearestFirst(ways)
}

func (h *Held) nearestFirst(ways []Pointer) []Pointer {
	ordered := slices.Clone(ways)
	slices.SortStableFunc(ordered, func(a, b Pointer) int {
		return cmp.Or(a.Hops-b.Hops, h.Words[a.word].far-h.Words[b.word].far, a.offset-b.offset)
	})
	return ordered
}

// Window is a stretch of memory that a pointer leads to.
type Window struct {
	Pointer
	Data []byte // at most 512 bytes
}

// Windows are the stretches within reach, those of fewest hops first.
func (h *Held) Windows(im *image.Image) []Window {
	windows := make([]Window, 0, len(h.pointers)+1)
	if lo, hi := h.StackLow, h.StackEnd; hi > lo {
		windows = append(windows, Window{Pointer{To: lo}, im.Bytes(lo, int(hi-lo))})
	}
	for _, p := range h.Pointers() {
		windows = append(windows, Window{p, im.Bytes(p.To, window)})
	}
	return windows
}
