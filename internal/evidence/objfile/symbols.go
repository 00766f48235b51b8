package objfile

import (
	"cmp"
	"debug/elf"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

const symbolSize = 24 // Elf64_Sym

// Function is the code around an address.
type Function struct {
	Name       string // as in the symbol table, mangled; empty where only the bounds are known
	Start, End uint64 // vaddr; End is the first byte behind it
	FromFDE    bool   // the bounds are those of an unwind table's entry: a function, or a part that the compiler moved away
}

// symbol is a function's name. A size of 0, as hand-written assembly leaves it, means unknown.
type symbol struct {
	start, size uint64
	name        string
	rank        int // of aliases at one address the lowest is shown
}

// symbolTable is by address; of aliases the one to show comes last.
type symbolTable []symbol

// Function names the code at vaddr: by the symbol that covers it, else only by the bounds of its unwind
// table entry. It is false where neither is known.
func (f *File) Function(vaddr uint64) (Function, bool) {
	fde, hasFDE := f.CFI(vaddr)
	if s, ok := f.symbols().covering(vaddr); ok {
		return Function{Name: s.name, Start: s.start, End: s.start + s.size}, true
	}
	if !hasFDE {
		return Function{}, false
	}
	// A symbol without size that begins where the entry does names all of it.
	if s, ok := f.symbols().below(vaddr); ok && s.start == fde.Start && s.size == 0 {
		return Function{Name: s.name, Start: fde.Start, End: fde.End, FromFDE: true}, true
	}
	return Function{Start: fde.Start, End: fde.End, FromFDE: true}, true
}

// NearestSymbol is the last symbol that begins at or below vaddr in the same segment. It need not cover
// vaddr: in a stripped library it is the exported function before.
func (f *File) NearestSymbol(vaddr uint64) (name string, start uint64, ok bool) {
	s, ok := f.symbols().below(vaddr)
	if !ok || f.SegmentAt(s.start) != f.SegmentAt(vaddr) {
		return "", 0, false
	}
	return s.name, s.start, true
}

// Symbol is the address of a symbol in .dynsym or .symtab, functions and data alike, and its size.
func (f *File) Symbol(name string) (vaddr, size uint64, ok bool) {
	for _, from := range f.parts() {
		for _, table := range []string{".dynsym", ".symtab"} {
			from.eachSymbol(table, func(s elf.Symbol) {
				if s.Name == name && s.Section != elf.SHN_UNDEF {
					vaddr, size, ok = s.Value, s.Size, true
				}
			})
			if ok {
				return vaddr, size, true
			}
		}
	}
	return 0, 0, false
}

// covering is the symbol with the innermost start whose bytes include vaddr.
func (t symbolTable) covering(vaddr uint64) (symbol, bool) {
	const nested = 64 // symbols inside others are few (entry points in assembly)
	i := t.after(vaddr)
	for n := 0; i > 0 && n < nested; n++ {
		i--
		if vaddr-t[i].start < t[i].size {
			return t[i], true
		}
	}
	return symbol{}, false
}

func (t symbolTable) below(vaddr uint64) (symbol, bool) {
	if i := t.after(vaddr); i > 0 {
		return t[i-1], true
	}
	return symbol{}, false
}

// after is the index of the first symbol that begins above vaddr.
func (t symbolTable) after(vaddr uint64) int {
	i, _ := slices.BinarySearchFunc(t, vaddr, func(s symbol, v uint64) int {
		if s.start > v {
			return 1
		}
		return -1
	})
	return i
}

// parts is the files that hold symbols.
func (f *File) parts() []*File {
	parts := []*File{f}
	for _, part := range []*File{f.mini(), f.apart.debug} {
		if part != nil {
			parts = append(parts, part)
		}
	}
	return parts
}

// readSymbols is the functions of .symtab, of .dynsym, and of the debug files; without any, those that a Go program tells
// itself.
func (f *File) readSymbols() (table symbolTable) {
	for _, from := range f.parts() {
		for _, name := range []string{".symtab", ".dynsym"} {
			from.eachSymbol(name, func(s elf.Symbol) {
				if f.isFunction(s) {
					table = append(table, symbol{start: s.Value, size: s.Size, name: s.Name, rank: rank(s)})
				}
			})
		}
	}
	if len(table) == 0 {
		table = f.goFunctions()
	}
	slices.SortFunc(table, func(a, b symbol) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.rank, a.rank), cmp.Compare(b.name, a.name))
	})
	return table
}

func (f *File) isFunction(s elf.Symbol) bool {
	typ := elf.ST_TYPE(s.Info)
	isCode := typ == elf.STT_FUNC || typ == elf.STT_GNU_IFUNC
	if typ == elf.STT_NOTYPE { // assembly; but also section boundaries, so it must lie in code
		segment := f.SegmentAt(s.Value)
		isCode = segment != nil && segment.Flags&elf.PF_X != 0 && !strings.HasPrefix(s.Name, "$")
	}
	return isCode && s.Section != elf.SHN_UNDEF && s.Name != "" && s.Value+s.Size >= s.Value
}

// rank orders aliases: the name that users write (raise) before the library's own for it
// (__GI_raise), a known size before an unknown one.
func rank(s elf.Symbol) int {
	rank := 0
	switch elf.ST_BIND(s.Info) {
	case elf.STB_GLOBAL:
	case elf.STB_WEAK:
		rank = 1
	default:
		rank = 2
	}
	if s.Size == 0 {
		rank += 20
	}
	underscores := len(s.Name) - len(strings.TrimLeft(s.Name, "_"))
	return rank + 4*min(underscores, 3)
}

// eachSymbol decodes a symbol table section (Elf64_Sym).
func (f *File) eachSymbol(table string, each func(elf.Symbol)) {
	s := f.named(table)
	if s == nil {
		return
	}
	var names []byte
	if strings := f.linked(s); strings != nil {
		names = f.content(strings.Name)
	}
	r := cursor.New(f.name+": "+table, int64(s.Offset), f.content(table), binary.LittleEndian)
	// Names may share their ends, but all of them are hardly longer than the table that holds them.
	for left := 8 * len(names); r.Len() >= symbolSize && left >= 0; {
		name := r.Uint32()
		sym := elf.Symbol{Info: r.Uint8(), Other: r.Uint8(), Section: elf.SectionIndex(r.Uint16())}
		sym.Value, sym.Size = r.Uint64(), r.Uint64()
		sym.Name = stringAt(names, uint64(name))
		left -= len(sym.Name)
		each(sym)
	}
}
