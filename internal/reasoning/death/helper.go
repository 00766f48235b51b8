package death

import (
	"cmp"
	"slices"

	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/disasm"
	"github.com/inquest-project/inquest/internal/reading/unwind"
)

// isHelper says whether the frame at i is of a function that exists to die: from its entry no return can be
// reached. dead says that the call which it stands in is known to never come back.
//
// main, a thread's function and an event loop never return either, and decide a lot. Their marks: the C
// library called them, or they run in a circle and their caller's code goes on behind the call, as only a
// caller that doesn't know better has it.
func (s *scene) isHelper(i int, dead bool) bool {
	frames := s.stack.Frames
	f := frames[i]
	if i+1 >= len(frames) || frames[i+1].Module == nil || isMachinery(frames[i+1]) {
		return false
	}
	caller := frames[i+1]
	entry := s.entryOf(f, caller)
	if f.Trust.Guessed() && !follows(entry, f) {
		return false
	}
	if entry == 0 && s.isFragment(f) {
		// It can't be told whose; but what a helper calls through a pointer is part of its dying.
		return s.isHelper(i+1, true)
	}
	if entry == 0 {
		entry = f.FunctionStart
	}
	ends := map[place.Address]bool{}
	if dead {
		ends[f.PC] = true
	}
	fate, known := s.fate(entry, ends, helperDepth)
	return known && !fate.Returns && (!fate.Loops || s.endsAt(caller))
}

// entryOf is the entry of the function that a caller called in order to come to the frame f; 0 if that can't be told. A
// pointer may have been set since: who dies of a failed check often takes back by what it was called, lest it be called again.
func (s *scene) entryOf(f, caller unwind.Frame) place.Address {
	c, ok := s.callBefore(caller.PC)
	if !ok {
		return 0
	}
	entry, _ := s.target(c)
	if slot := place.Address(c.Slot); slot != 0 && s.writable(slot) && s.imported(slot) == "" && !s.leads(entry, f) {
		return 0
	}
	return entry
}

// leads says whether a frame stands in a function, or where that function jumps.
func (s *scene) leads(entry place.Address, f unwind.Frame) bool {
	start, size := s.bounds(entry)
	if at := f.Lookup(); at >= start && at-start < place.Address(size) {
		return true
	}
	if size > longestFunction {
		return true
	}
	code := s.im.Bytes(start, int(size))
	return slices.ContainsFunc(s.machine.Function(code, uint64(start)).Calls(), func(c disasm.Call) bool {
		return c.Tail && c.Target >= uint64(f.FunctionStart) && c.Target < uint64(f.FunctionEnd)
	})
}

// follows says whether a frame stands in the function that its caller's call leads to. A guessed frame is proven by it.
func follows(entry place.Address, f unwind.Frame) bool {
	if f.FunctionStart != 0 {
		return entry == f.FunctionStart
	}
	return entry != 0 && f.PC-entry < unbounded
}

// unbounded is how much code is taken for a function whose end is not known: nothing names it, and no unwind table covers
// it, as it is with the part of Rust's library that is always built to abort.
const unbounded = 4096

// helperDepth is how deep a helper's own calls are followed: two calls, as a helper often ends in another, and
// some jumps besides. A function whose unlikely part was moved away jumps there and back again, and its part
// is no deeper than itself.
//
// Seen in Dovecot's libdovecot.so: the function behind i_panic goes to its unlikely part to complain that no
// backtrace can be had, comes back, and goes there a second time to abort.
const (
	helperDepth = 2*callDepth + 7*jumpDepth
	callDepth   = 8
	jumpDepth   = 1
)

// What is followed is bounded, in bytes: in a hostile library each of a million functions may go on to the
// end of the text, and call all the others.
const (
	longestFunction = 1 << 20
	mostFollowed    = 16 << 20
)

// fate follows the code from an entry. Its paths end at calls of the deadly, at calls whose return address
// is in ends, and at calls of functions that never return themselves. It is false where the code is not
// known.
func (s *scene) fate(entry place.Address, ends map[place.Address]bool, depth int) (disasm.Fate, bool) {
	start, size := s.bounds(entry)
	if s.followed += size; size > longestFunction || s.followed > mostFollowed {
		return disasm.Fate{}, false
	}
	code := s.im.Bytes(start, int(size))
	if uint64(len(code)) < size || size == 0 {
		return disasm.Fate{}, false
	}
	return s.machine.Function(code, uint64(start)).Fate(uint64(entry), func(c disasm.Call) bool {
		if c.Tail {
			return s.neverReturns(c, ends, depth-jumpDepth)
		}
		return ends[place.Address(c.Next)] || s.neverReturns(c, ends, depth-callDepth)
	}), true
}

// bounds are those of the function at an address; size is 0 where there is none.
func (s *scene) bounds(a place.Address) (start place.Address, size uint64) {
	module, fn, ok := s.im.Function(a)
	switch {
	case module == nil:
		return a, 0
	case !ok:
		return a, uint64(len(s.im.Bytes(a, unbounded)))
	case fn.End <= fn.Start:
		return a, 0
	}
	return place.Address(fn.Start) + module.Bias, fn.End - fn.Start
}

// neverReturns says whether a call never comes back, whoever makes it. A jump into the part of a function
// that the compiler moved away counts as a call, and is followed likewise.
func (s *scene) neverReturns(c disasm.Call, ends map[place.Address]bool, depth int) bool {
	target, name := s.target(c)
	if deadly[name] != "" {
		return true
	}
	if known, asked := s.never[target]; asked {
		return known
	}
	if target == 0 || depth < 0 || isRuntime(s.im.Module(target)) {
		return false
	}
	s.never[target] = false // recursion: in doubt it returns
	fate, known := s.fate(target, ends, depth)
	s.never[target] = known && !fate.Returns && !fate.Loops
	return s.never[target]
}

// target is where a call leads, and its name: through the linkage table by the name that the dynamic linker
// has for its entry, and by what the process had bound it to.
func (s *scene) target(c disasm.Call) (place.Address, string) {
	direct, slot := place.Address(c.Target), c.Slot
	if direct != 0 {
		if through, ok := s.machine.Stub(s.im.Bytes(direct, disasm.LongestStub), c.Target); ok {
			slot = through
		}
	}
	if slot == 0 {
		return direct, s.nameAt(direct)
	}
	bound, _ := s.im.Uint64(place.Address(slot))
	return place.Address(bound), cmp.Or(s.imported(place.Address(slot)), s.nameAt(place.Address(bound)))
}

// imported is the name that the dynamic linker binds a pointer by; empty if it doesn't.
func (s *scene) imported(slot place.Address) string {
	m := s.im.Module(slot)
	if m == nil || m.File == nil {
		return ""
	}
	name, _ := m.File.Import(uint64(slot - m.Bias))
	return name
}

func (s *scene) nameAt(a place.Address) string {
	if a == 0 {
		return ""
	}
	_, fn, _ := s.im.Function(a)
	return fn.Name
}

// callBefore is the call that a return address stands behind.
func (s *scene) callBefore(back place.Address) (disasm.Call, bool) {
	longest := s.machine.LongestCall()
	before := s.im.Bytes(back-place.Address(longest), longest)
	if len(before) < longest {
		return disasm.Call{}, false
	}
	i, ok := s.machine.CallBefore(before, uint64(back))
	return disasm.Call{At: i.At, Next: uint64(back), Target: i.Target, Slot: i.Slot}, ok
}

// calledBy is the entry of the function that a caller's frame called; 0 if that can't be told.
func (s *scene) calledBy(caller unwind.Frame) place.Address {
	c, ok := s.callBefore(caller.PC)
	if !ok {
		return 0
	}
	entry, _ := s.target(c)
	return entry
}

// endsAt says whether the caller's code ends behind its call: the compiler knew that the call never comes
// back.
func (s *scene) endsAt(caller unwind.Frame) bool {
	if caller.FunctionEnd != 0 && caller.PC >= caller.FunctionEnd {
		return true
	}
	i, ok := s.instruction(caller.PC)
	return ok && i.Padding
}

// isFragment says whether a frame stands in a part that the compiler moved out of its function (GCC's
// ".cold", with bounds of its own): other code of the module jumps into it. That such a part ends in abort
// says nothing of the function.
func (s *scene) isFragment(f unwind.Frame) bool {
	if f.Module == nil || f.Module.File == nil {
		return true
	}
	segment := f.Module.File.SegmentAt(uint64(f.Lookup() - f.Module.Bias))
	if segment == nil {
		return true
	}
	at := uint64(f.Module.Bias) + segment.Vaddr
	return s.machine.JumpsInto(segment.Data, at, uint64(f.FunctionStart), uint64(f.FunctionEnd))
}

// behindStaticAbort finds abort in a program that holds the C library in itself and has lost its names: the
// innermost function that never returns, and all that it called in order to send the signal. It gives the
// frame that called it; the first where nothing of the kind is found.
func (s *scene) behindStaticAbort() int {
	const deepest = 8
	frames := s.stack.Frames
	if s.signal.HasCode && !s.selfSent() || isRuntime(s.frame().Module) || s.hasRuntime() {
		return s.first
	}
	for i := s.first; i < min(len(frames)-1, s.first+deepest); i++ {
		f := frames[i]
		if deadly[f.Symbol] != "" {
			return s.first // names will do
		}
		if fate, known := s.fate(f.FunctionStart, nil, 0); known && !fate.Returns {
			return i + 1
		}
	}
	return s.first
}

func (s *scene) hasRuntime() bool {
	for _, m := range s.im.Modules {
		if isRuntime(m) && m.Name != "[vdso]" {
			return true
		}
	}
	return false
}
