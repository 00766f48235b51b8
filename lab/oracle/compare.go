package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// stack is a thread's frames, by whomever; the innermost first.
type stack struct {
	TID    int
	Frames []frame
	Total  int    // with those that were folded away
	Cut    bool   // there were more
	End    string // why there are no more
}

// frame is one frame on the stack.
type frame struct {
	Index  int
	PC, SP uint64
	Signal bool
	Module string
	Offset int64  // in the module; negative if unknown
	Calls  []call // innermost first: what was inlined, and last the function that has the frame
	Trust  string // ours

	Unread string // gdb's: the module as the dynamic linker knows it, if gdb did not find its file
}

// call is a function at a place.
type call struct {
	Function string
	Linkage  string
	File     string
	Line     int
	Debug    bool // debug information has it
}

func (c call) String() string {
	if c.File == "" {
		return c.Function
	}
	return fmt.Sprintf("%s at %s:%d", c.Function, filepath.Base(c.File), c.Line)
}

func (f frame) String() string {
	return fmt.Sprintf("pc %#x sp %#x %s+%#x %v %s", f.PC, f.SP, filepath.Base(f.Module), f.Offset, f.Calls, f.Trust)
}

// Kind is what about a frame differs.
type Kind string

const (
	Walk     Kind = "walk"     // another frame than gdb's stands here, and so from here on
	Shorter  Kind = "shorter"  // gdb has more frames
	Longer   Kind = "longer"   // gdb has fewer
	Module   Kind = "module"   // the module, or the offset in it
	Function Kind = "function" // the name of the function whose frame it is
	Signal   Kind = "signal"   // whether a signal came here
	Inlined  Kind = "inlined"  // which calls were inlined
	Line     Kind = "line"     // file or line, of any of the calls
	Missing  Kind = "missing"  // a thread that only one of both has
)

// Difference is a place where gdb and inquest do not agree.
type Difference struct {
	Item   string
	TID    int
	Index  int // of the frame
	Frames int // that are not equal because of it
	Kind   Kind
	GDB    string
	Ours   string

	call   int // of the frame's calls, counted from the innermost
	gdb    stack
	ours   stack
	better stack // gdb's, with debug information
	item   Item
	reason *reason
}

func (d Difference) String() string {
	return fmt.Sprintf("%s, thread %d, frame %d: %s\n\tgdb:  %s\n\tours: %s", d.Item, d.TID, d.Index, d.Kind, d.GDB, d.Ours)
}

// Result is what an item's comparison came to.
type Result struct {
	Item        Item
	Threads     int
	Frames      int // that gdb has, as far as it was asked
	Equal       int
	Differences []Difference
	better      map[int]stack
	Failed      error // one of both could not read it
}

// compare holds our stacks against gdb's.
func compare(it Item, gdb, ours map[int]stack) Result {
	r := Result{Item: it, Threads: len(gdb)}
	for _, tid := range slices.Sorted(maps.Keys(gdb)) {
		theirs := gdb[tid]
		own, ok := ours[tid]
		found := []Difference{{Kind: Missing, Frames: len(theirs.Frames), GDB: fmt.Sprint(len(theirs.Frames), " frames"), Ours: "no such thread"}}
		if ok {
			found = compareStacks(theirs, own)
		}
		unequal := map[int]bool{}
		for i := range found {
			d := &found[i]
			d.Item, d.TID, d.gdb, d.ours, d.item = it.Name, tid, theirs, own, it
			for n := range d.Frames {
				unequal[d.Index+n] = true
			}
		}
		both := compared(theirs, own, found)
		r.Frames += both
		r.Equal += both - len(unequal)
		r.Differences = append(r.Differences, found...)
	}
	return r
}

// compared is how many of gdb's frames were held against ours: what we folded of a recursion was not.
func compared(gdb, ours stack, found []Difference) int {
	at := map[int]bool{}
	for _, f := range ours.Frames {
		if f.Index < len(gdb.Frames) {
			at[f.Index] = true
		}
	}
	for _, d := range found {
		for n := range d.Frames {
			at[d.Index+n] = true
		}
	}
	return len(at)
}

// compareStacks goes along both until they part. What we folded of a recursion isn't compared.
func compareStacks(gdb, ours stack) (found []Difference) {
	for _, own := range ours.Frames {
		if own.Index >= len(gdb.Frames) {
			break
		}
		theirs := gdb.Frames[own.Index]
		if theirs.PC != own.PC || theirs.SP != own.SP {
			rest := len(gdb.Frames) - own.Index
			return append(found, Difference{Kind: Walk, Index: own.Index, Frames: rest, GDB: theirs.String(), Ours: own.String()})
		}
		found = append(found, compareFrames(theirs, own)...)
	}
	return append(found, compareEnds(gdb, ours)...)
}

func compareEnds(gdb, ours stack) []Difference {
	at := min(len(gdb.Frames), ours.Total)
	switch {
	case gdb.Cut && ours.Total >= len(gdb.Frames) || len(gdb.Frames) == ours.Total:
		return nil
	case ours.Total < len(gdb.Frames):
		return []Difference{{Kind: Shorter, Index: at, Frames: len(gdb.Frames) - at, GDB: gdb.Frames[at].String(), Ours: ours.End}}
	}
	next, _ := ours.at(at)
	return []Difference{{Kind: Longer, Index: at, GDB: gdb.End, Ours: next.String()}}
}

// at is the frame of that index, if it is there and wasn't folded away.
func (s stack) at(index int) (frame, bool) {
	i := slices.IndexFunc(s.Frames, func(f frame) bool { return f.Index == index })
	if i < 0 {
		return frame{}, false
	}
	return s.Frames[i], true
}

// compareFrames is for a frame that both have.
func compareFrames(gdb, ours frame) (found []Difference) {
	differ := func(kind Kind, call int, same bool, theirs, own any) {
		if !same {
			found = append(found, Difference{Kind: kind, Index: ours.Index, call: call, Frames: 1, GDB: fmt.Sprint(theirs), Ours: fmt.Sprint(own)})
		}
	}
	differ(Signal, 0, gdb.Signal == ours.Signal, gdb.Signal, ours.Signal)
	if gdb.Offset >= 0 {
		differ(Module, 0, gdb.Module == ours.Module && gdb.Offset == ours.Offset, gdb, ours)
	}
	outer := len(gdb.Calls) - 1
	differ(Function, outer, sameFunction(gdb.outer(), ours.outer()), gdb.outer().Function, ours.outer().Function)
	differ(Inlined, 0, sameInlined(gdb.Calls, ours.Calls), names(gdb.Calls), names(ours.Calls))
	if len(gdb.Calls) == len(ours.Calls) {
		for i, c := range gdb.Calls {
			differ(Line, i, sameLine(c, ours.Calls[i]), c, ours.Calls[i])
		}
	}
	return found
}

// outer is the function that has the frame.
func (f frame) outer() call { return f.Calls[len(f.Calls)-1] }

func sameInlined(gdb, ours []call) bool {
	inner := func(calls []call) []call { return calls[:len(calls)-1] }
	return slices.EqualFunc(inner(gdb), inner(ours), sameFunction)
}

func names(calls []call) []string {
	var all []string
	for _, c := range calls {
		all = append(all, c.Function)
	}
	return all
}

// sameFunction compares what the linker calls them, where both know that, else names without parameters, which
// gdb leaves out.
func sameFunction(gdb, ours call) bool {
	return gdb.Linkage != "" && gdb.Linkage == ours.Linkage || plainName(gdb.Function) == plainName(ours.Function)
}

// sameLine compares a line and as much of the path as both have: gdb gives some as the compiler was called.
func sameLine(gdb, ours call) bool {
	if gdb.Line != ours.Line {
		return false
	}
	a, b := filepath.Clean("/"+gdb.File), filepath.Clean("/"+ours.File)
	if len(a) < len(b) {
		a, b = b, a
	}
	return strings.HasSuffix(a, b)
}
