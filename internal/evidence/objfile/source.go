package objfile

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/ianlancetaylor/demangle"

	"github.com/inquest-project/inquest/internal/evidence/debuginfo"
)

// Call is a place in the source: a function and where in it.
type Call struct {
	Function string // as the source has it, without parameters; empty if unknown
	Symbol   string // its linkage name
	File     string // as the compiler was told it: often relative to where it ran
	Line     int    // from 1; 0 if unknown
}

// Source is the calls at vaddr by the debug information, innermost first: functions that were inlined
// there, and last the one that was compiled. It is empty where there is none. Of a caller ask for the
// address of its call.
func (f *File) Source(vaddr uint64) []Call {
	info := f.source()
	if info == nil {
		return nil
	}
	var calls []Call
	for _, c := range info.Source(vaddr) {
		calls = append(calls, Call{Readable(c.Symbol), c.Symbol, c.File, c.Line})
	}
	return calls
}

// Lacks names the debug information that belongs to the file and was needed and not found.
func (f *File) Lacks() []string {
	if !f.asked.Load() {
		return nil
	}
	lacks := slices.Clone(f.apart.lacks)
	for _, name := range f.source().Missing() {
		lacks = append(lacks, name+", a split unit with names of inlined functions")
	}
	return lacks
}

// openSource reads the debug information of the file or its debug file; nil if there is none.
func (f *File) openSource() (info *debuginfo.Info) {
	var common *debuginfo.Info
	if f.apart.common != nil {
		common = debuginfo.Open(f.apart.common.content, nil, nil)
	}
	for _, part := range f.parts() {
		if part.named(".debug_info") != nil || part.named(".zdebug_info") != nil {
			info = debuginfo.Open(part.content, common, f.openSplit)
		}
	}
	f.asked.Store(info != nil)
	return info
}

// openSplit finds a split unit's file where the compiler left it, under each root, or next to the program.
func (f *File) openSplit(name, directory string) debuginfo.Sections {
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(directory, name)
	}
	paths := []string{filepath.Join(filepath.Dir(f.Path), filepath.Base(name))}
	for _, root := range f.apart.roots {
		paths = append(paths, filepath.Join(root, path))
	}
	for _, path := range paths {
		if split, err := open(path, parse); err == nil {
			f.apart.splits = append(f.apart.splits, split)
			return split.content
		}
	}
	return nil
}

// Readable is a symbol as its source has it: C++ and Rust mangle theirs. Parameters are left out.
func Readable(symbol string) string {
	if !strings.HasPrefix(symbol, "_Z") && !strings.HasPrefix(symbol, "_R") {
		return symbol
	}
	const longest = 12 // as a power of two: longer names tell nobody anything
	name, err := demangle.ToString(symbol, demangle.NoParams, demangle.MaxLength(longest))
	if err != nil {
		return symbol
	}
	return name
}
