package main

import (
	"cmp"
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
	gdb    stack
	ours   stack
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
}

// compare holds our stacks against gdb's.
func compare(it Item, gdb, ours map[int]stack) Result {
	r := Result{Item: it, Threads: len(gdb)}
	for _, tid := range slices.Sorted(maps.Keys(gdb)) {
		theirs := gdb[tid]
		own, ok := ours[tid]
		r.Frames += len(theirs.Frames)
		found := []Difference{{Kind: Missing, Frames: len(theirs.Frames), GDB: fmt.Sprint(len(theirs.Frames), " frames"), Ours: "no such thread"}}
		if ok {
			found = compareStacks(theirs, own)
		}
		unequal := map[int]bool{}
		for i := range found {
			d := &found[i]
			d.Item, d.TID, d.gdb, d.ours = it.Name, tid, theirs, own
			for n := range d.Frames {
				unequal[d.Index+n] = true
			}
		}
		r.Equal += len(theirs.Frames) - len(unequal)
		r.Differences = append(r.Differences, found...)
	}
	return r
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
	return []Difference{{Kind: Longer, Index: at, GDB: gdb.End, Ours: ours.at(at)}}
}

// at is the frame of that index, if it wasn't folded away.
func (s stack) at(index int) string {
	i := slices.IndexFunc(s.Frames, func(f frame) bool { return f.Index >= index })
	if i < 0 {
		return ""
	}
	return s.Frames[i].String()
}

// compareFrames is for a frame that both have.
func compareFrames(gdb, ours frame) (found []Difference) {
	differ := func(kind Kind, same bool, theirs, own any) {
		if !same {
			found = append(found, Difference{Kind: kind, Index: ours.Index, Frames: 1, GDB: fmt.Sprint(theirs), Ours: fmt.Sprint(own)})
		}
	}
	differ(Signal, gdb.Signal == ours.Signal, gdb.Signal, ours.Signal)
	if gdb.Offset >= 0 {
		differ(Module, gdb.Module == ours.Module && gdb.Offset == ours.Offset, gdb, ours)
	}
	outer, own := gdb.Calls[len(gdb.Calls)-1], ours.Calls[len(ours.Calls)-1]
	differ(Function, sameFunction(outer, own), outer.Function, own.Function)
	differ(Inlined, sameInlined(gdb.Calls, ours.Calls), names(gdb.Calls), names(ours.Calls))
	if len(gdb.Calls) == len(ours.Calls) {
		for i, c := range gdb.Calls {
			differ(Line, sameLine(c, ours.Calls[i]), c, ours.Calls[i])
		}
	}
	return found
}

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

// sameFunction compares names without parameters, which gdb leaves out.
func sameFunction(gdb, ours call) bool {
	return plainName(gdb.Function) == plainName(ours.Function)
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

// plainName is a demangled name without parameters, return type and spaces.
func plainName(name string) string {
	name = cmp.Or(name, "??")
	depth, from, end := 0, 0, len(name)
	for i, r := range name {
		switch r {
		case '<':
			depth++
		case '>':
			depth--
		case '(':
			if depth == 0 && i > from && !strings.HasPrefix(name[i:], "(anonymous namespace)") && !strings.HasSuffix(name[:i], "operator") {
				end = i
			}
			depth++
		case ')':
			depth--
		case ' ':
			if depth == 0 && end == len(name) && !strings.HasSuffix(name[:i], "operator") {
				from = i + 1
			}
		}
	}
	if from > end {
		from = 0
	}
	return strings.ReplaceAll(name[from:end], " ", "")
}
