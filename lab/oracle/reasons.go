package main

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/finding"
)

// reason is why gdb and inquest differ, where both are as they should be or gdb can't know better.
type reason struct {
	Text  string
	Holds func(Difference) bool
}

// reasons is all that is known. A difference goes to the first that holds.
var reasons = []reason{
	{"Of several names of the same code gdb shows one and inquest another: both are symbols of that address.", (Difference).isAlias},
	{"gcc leaves out of the debug information what the linker calls some functions, as those made for a lambda. gdb shows the name that is there, inquest that of the symbol, which has all of it.", (Difference).isUnlinked},
	{"gdb does not see the inlined calls that gcc's link-time optimisation wrote into a copy of a function; llvm-symbolizer sees what inquest does.", (Difference).isSeenByLLVM},
	{"gdb takes a symbol without debug information for Ada's, where it has two underscores or ends in a number, and rewrites it.", (Difference).isAda},
	{"Where no unwind table is, gdb guesses, and wrongly. inquest guesses, too, says so, and rightly: with debug information of the same program gdb has all of inquest's frames.", (Difference).isProven},
	{"Where no unwind table is, both guess, and both wrongly: gdb's caller is no code, inquest passes over a frame. Each frame that inquest has from there on is marked as a guess.", (Difference).isGuess},
	{"gdb goes on where no unwind table is, by a guess, to what is no code: its frame's program counter lies in memory that could not be executed. inquest ends there.", (Difference).isJunk},
	{"A function returned to what is no code. gdb takes the next word for its caller, which is no code either; inquest finds below the stack pointer which function it was that returned, and says that it is a guess.", (Difference).isReturn},
	{"The program opened the module by a relative path, and gdb does not find its file.", (Difference).isRelative},
	{"gdb 13 refuses a program with the skeletons of gcc's split DWARF 5 whose .dwo files are lost (\"unexpected tag 'DW_TAG_skeleton_unit'\"), and shows no more than it has by then. inquest has the lines of the program itself.", (Difference).isRefused},
	{"gdb 13 never comes back from a signal frame as qemu builds it on aarch64, and is ended after some seconds. inquest's frames all come from unwind tables.", (Difference).isHung},
	{"gdb reads no lines of a unit whose .dwo file is lost. They are in the program itself: by the same source and compiler with its .dwo gdb has such lines.", (Difference).isLostUnit},
	{"The compiler says that the instruction belongs to no line (line 0 in the line table); gdb shows the line before.", (Difference).isNoLine},
}

func (d *Difference) explain() {
	for i := range reasons {
		if reasons[i].Holds(*d) {
			d.reason = &reasons[i]
			return
		}
	}
}

// frames is the frame where both differ, as both have it; false if one of them has none.
func (d Difference) frames() (gdb, ours frame, ok bool) {
	gdb, hasGDB := d.gdb.at(d.Index)
	ours, hasOurs := d.ours.at(d.Index)
	return gdb, ours, hasGDB && hasOurs
}

func (d Difference) isAlias() bool {
	gdb, ours, ok := d.frames()
	if !ok || d.Kind != Function {
		return false
	}
	table := d.item.symbols(ours.Module)
	for _, name := range []string{gdb.outer().Function, gdb.outer().Linkage} {
		for address := range table[name] {
			if table[ours.outer().Linkage][address] {
				return true
			}
		}
	}
	return false
}

func (d Difference) isUnlinked() bool {
	gdb, ours, ok := d.frames()
	if !ok || d.Kind != Function {
		return false
	}
	theirs, own := gdb.outer(), ours.outer()
	return theirs.Debug && !mangled(theirs.Linkage) && mangled(own.Linkage) &&
		lastPart(theirs.Function) == lastPart(own.Function) && len(d.item.symbols(ours.Module)[own.Linkage]) > 0
}

func mangled(name string) bool { return strings.HasPrefix(name, "_Z") }

func (d Difference) isSeenByLLVM() bool {
	gdb, ours, ok := d.frames()
	if !ok || d.Kind != Inlined || len(gdb.Calls) > 1 {
		return false
	}
	return slices.EqualFunc(d.item.llvm(ours), ours.Calls, func(name string, own call) bool {
		return lastPart(name) == lastPart(own.Function)
	})
}

func (d Difference) isAda() bool {
	gdb, ours, ok := d.frames()
	return ok && d.Kind == Function && !gdb.outer().Debug && gdb.outer().Function == asAda(ours.outer().Linkage)
}

var adaNumber = regexp.MustCompile(`\.\d+$`)

// asAda is a name as gdb decodes one of Ada's (ada_decode in gdb/ada-lang.c).
func asAda(name string) string {
	name = adaNumber.ReplaceAllString(name, "")
	if rare, ok := strings.CutSuffix(name, ".cold"); ok {
		name = rare + "[cold]"
	}
	return strings.ReplaceAll(name, "__", ".")
}

// isProven is for frames of ours that gdb has, too, when it is given the debug information.
func (d Difference) isProven() bool {
	if d.Kind != Walk && d.Kind != Longer || d.better.Frames == nil {
		return false
	}
	for _, f := range d.ours.Frames {
		theirs, ok := d.better.at(f.Index)
		if !ok && d.better.Cut {
			break
		}
		if f.Index >= d.Index && (!ok || theirs.PC != f.PC || theirs.SP != f.SP) {
			return false
		}
	}
	return true
}

func (d Difference) isGuess() bool {
	gdb, _, ok := d.frames()
	return ok && d.Kind == Walk && d.better.Frames != nil && !d.item.executable(gdb.PC) &&
		!slices.ContainsFunc(d.ours.Frames, func(f frame) bool { return f.Index >= d.Index && !finding.Trust(f.Trust).Guessed() })
}

func (d Difference) isJunk() bool {
	gdb, ok := d.gdb.at(d.Index)
	return ok && d.Kind == Shorter && !d.item.executable(gdb.PC)
}

func (d Difference) isReturn() bool {
	gdb, ours, ok := d.frames()
	from, _ := d.ours.at(d.Index - 1)
	return ok && d.Kind == Walk && ours.SP < from.SP && ours.Trust == string(finding.TrustScan) &&
		!d.item.executable(from.PC) && !d.item.executable(gdb.PC) && d.item.executable(ours.PC)
}

// isRelative is for a frame in such a module, and for what gdb makes of the rest without its tables.
func (d Difference) isRelative() bool {
	in := d.Index
	if d.Kind == Walk {
		in--
	}
	gdb, ok := d.gdb.at(in)
	return ok && gdb.Unread != "" && !filepath.IsAbs(gdb.Unread)
}

func (d Difference) isRefused() bool {
	return d.item.Lost && d.Kind == Longer && strings.Contains(d.gdb.End, "unexpected tag 'DW_TAG_skeleton_unit'")
}

func (d Difference) isLostUnit() bool {
	gdb, ours, ok := d.frames()
	return ok && d.item.Lost && d.Kind == Line && gdb.Calls[d.call].File == "" && ours.Calls[d.call].Line > 0
}

func (d Difference) isNoLine() bool {
	_, ours, ok := d.frames()
	return ok && d.Kind == Line && ours.Calls[d.call].Line == 0
}

func (d Difference) isHung() bool {
	sound := !slices.ContainsFunc(d.ours.Frames, func(f frame) bool {
		return f.Trust != string(finding.TrustContext) && f.Trust != string(finding.TrustCFI)
	})
	return d.gdb.End == hangs && sound && slices.ContainsFunc(d.ours.Frames, func(f frame) bool { return f.Signal })
}
