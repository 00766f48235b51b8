// Package debuginfo tells which source a code address came from: the line, and the functions that the
// compiler inlined there. Open takes a file's debugging sections, Source asks.
//
// The format is DWARF 2 to 5 (DWARF 5: sections 2.17 addresses, 3.3 subroutines, 6.1.2 .debug_aranges,
// 6.2 line numbers, 7.5 entries and forms), with GNU's forms for what dwz moved to a common file, and
// split units (DWARF 5, section 7.3.2) in .dwo files. Nothing is read before it is asked for, and then one
// compilation unit: of a library with two thousand of them a stack touches a dozen.
//
// Types, variables, macros and packages of split units (.dwp) are not read. Input is trusted in nothing:
// references are followed a few steps, and what all questions together may cost is bounded.
package debuginfo

import (
	"slices"
	"sync"
)

// Call is a place in the source.
type Call struct {
	Symbol string // the function's linkage name where it has one, else its plain name; empty if unknown
	File   string // as the compiler was told it: often relative to where it ran
	Line   int    // from 1; 0 if unknown
}

// Sections gives a section's content by its name, unpacked; nil if the file has none.
type Sections func(name string) []byte

// Opener gives the sections of the file that holds a split unit, by its name and the directory where the
// compiler ran; nil if it isn't there.
type Opener func(name, directory string) Sections

// Info is the debugging information of one program or library.
type Info struct {
	section   Sections
	openSplit Opener
	common    *Info // what dwz moved out of several files; nil if there is none
	info      []byte

	mu      sync.Mutex
	units   []*unit // by offset
	abbrevs map[abbrevKey]*abbrevTable
	spans   spanIndex       // units by address: of .debug_aranges
	rest    spanIndex       // and of the units that .debug_aranges doesn't list
	listed  map[uint64]bool // units that it does list, by offset
	walked  bool            // rest is filled
	missing []string        // names of split units' files that are not there
	spent   int
}

// mostSpent bounds what answering may cost, in bytes of debugging information that are looked at: seconds.
// The answers for a real stack take some megabytes.
const mostSpent = 1 << 30

// costOfKept is what a byte costs that makes us keep something: up to sixteen bytes of memory.
const costOfKept = 16

// Open reads the units' headers; nil where there are none. common is the file that .gnu_debugaltlink names.
func Open(section Sections, common *Info, openSplit Opener) *Info {
	i := &Info{section: section, openSplit: openSplit, common: common, info: section(".debug_info"),
		abbrevs: map[abbrevKey]*abbrevTable{}, listed: map[uint64]bool{}}
	if len(i.info) == 0 {
		return nil
	}
	i.readUnits()
	i.readRanges()
	return i
}

// Source is the calls at an address, innermost first: functions that were inlined there, and last the one
// that was compiled. It is empty where nothing is known. pc is in the file's own addresses; of a caller it
// is the call's, not the one that the call returns to.
func (i *Info) Source(pc uint64) []Call {
	i.mu.Lock()
	defer i.mu.Unlock()
	u := i.unitAt(pc)
	if u == nil {
		return nil
	}
	calls := u.callsAt(pc)
	slices.Reverse(calls)
	return calls
}

// Missing is the files of split units that were needed and not found: without them inlined functions are
// unknown.
func (i *Info) Missing() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.missing)
}

// callsAt is the calls at pc, the outermost first: each stands where it called the next, and the last where
// the line table has pc.
func (u *unit) callsAt(pc uint64) []Call {
	file, line := u.lineAt(pc)
	here := Call{File: file, Line: line}
	from := u.whole()
	if from == nil {
		return []Call{here}
	}
	var calls []Call
	for n, f := range from.functionsAt(pc) {
		if n > 0 {
			outer := &calls[n-1]
			outer.File, outer.Line = u.fileName(f.number(slotCallFile)), int(f.number(slotCallLine))
		}
		here.Symbol = from.nameOf(&f)
		calls = append(calls, here)
	}
	if calls == nil {
		return []Call{here}
	}
	return calls
}

func (i *Info) spend(bytes int) bool {
	i.spent += bytes
	return i.spent <= mostSpent
}
