package objfile

import (
	"debug/elf"
	"encoding/binary"

	"github.com/inquest-project/inquest/internal/evidence/elffile"
	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// readDynamic reads the dynamic segment: the library's own name and what it needs.
func (f *File) readDynamic() {
	f.dynamic = map[elf.DynTag]uint64{}
	var needed []uint64
	for _, p := range f.programs {
		if p.Type != elf.PT_DYNAMIC {
			continue
		}
		r := cursor.New(f.name+": dynamic segment", int64(p.Off), elffile.Slice(f.raw, p.Off, p.Filesz), binary.LittleEndian)
		for r.Len() >= 16 {
			tag, value := elf.DynTag(r.Uint64()), r.Uint64()
			if tag == elf.DT_NULL {
				break
			}
			if tag == elf.DT_NEEDED {
				needed = append(needed, value)
			}
			f.dynamic[tag] = value
		}
	}
	if offset, ok := f.dynamic[elf.DT_SONAME]; ok {
		f.SoName = f.dynamicString(offset)
	}
	for _, offset := range needed {
		f.Needed = append(f.Needed, f.dynamicString(offset))
	}
}

// Search is where the dynamic linker is told to look for what the file needs (ld.so(8)).
type Search struct {
	Interpreter    string // the dynamic linker itself; libraries name none
	RPath, RunPath string // folders between colons, with $ORIGIN and its kind as they stand in the file
	NoDefaults     bool   // DF_1_NODEFLIB: not in the system's folders
}

// Search reads it.
func (f *File) Search() Search {
	s := Search{NoDefaults: elf.DynFlag1(f.dynamic[elf.DT_FLAGS_1])&elf.DF_1_NODEFLIB != 0}
	if offset, ok := f.dynamic[elf.DT_RPATH]; ok {
		s.RPath = f.dynamicString(offset)
	}
	if offset, ok := f.dynamic[elf.DT_RUNPATH]; ok {
		s.RunPath = f.dynamicString(offset)
	}
	for _, p := range f.programs {
		if p.Type == elf.PT_INTERP {
			s.Interpreter = stringAt(elffile.Slice(f.raw, p.Off, p.Filesz), 0)
		}
	}
	return s
}

func (f *File) dynamicString(offset uint64) string {
	return stringAt(f.From(f.dynamic[elf.DT_STRTAB]), offset)
}

// RelocatesText says whether the dynamic linker may write into segments that are not writable: that needs a mark.
func (f *File) RelocatesText() bool {
	_, marked := f.dynamic[elf.DT_TEXTREL]
	return marked || elf.DynFlag(f.dynamic[elf.DT_FLAGS])&elf.DF_TEXTREL != 0
}

// Import names the symbol that the dynamic linker puts into the pointer at vaddr: the global offset
// table's entry that a PLT stub, or a call through memory, goes by. It is known from the relocations,
// so also where the process never made the call and left the entry unresolved.
func (f *File) Import(vaddr uint64) (string, bool) {
	name, ok := f.imports()[vaddr]
	return name, ok
}

func (f *File) readImports() map[uint64]string {
	imports := map[uint64]string{}
	f.readRelocations(f.dynamic[elf.DT_JMPREL], f.dynamic[elf.DT_PLTRELSZ], imports)
	f.readRelocations(f.dynamic[elf.DT_RELA], f.dynamic[elf.DT_RELASZ], imports)
	return imports
}

// readRelocations reads a table of Elf64_Rela and keeps what stores a symbol's plain address.
func (f *File) readRelocations(vaddr, size uint64, imports map[uint64]string) {
	const entry = 24 // Elf64_Rela
	data := f.From(vaddr)
	r := cursor.New(f.name+": relocations", 0, data[:min(size, uint64(len(data)))], binary.LittleEndian)
	symbols := f.From(f.dynamic[elf.DT_SYMTAB])
	for r.Len() >= entry {
		where, info := r.Uint64(), r.Uint64()
		r.Skip(8) // addend
		if !storesAddress(f.Machine, uint32(info)) {
			continue
		}
		// The table's length stands nowhere; an index beyond the file is no symbol.
		if s := elffile.Slice(symbols, info>>32*symbolSize, 4); len(s) == 4 {
			if name := f.dynamicString(uint64(binary.LittleEndian.Uint32(s))); name != "" {
				imports[where] = name
			}
		}
	}
}

func storesAddress(m elf.Machine, relocation uint32) bool {
	switch m {
	case elf.EM_X86_64:
		switch elf.R_X86_64(relocation) {
		case elf.R_X86_64_JMP_SLOT, elf.R_X86_64_GLOB_DAT, elf.R_X86_64_64:
			return true
		}
	case elf.EM_AARCH64:
		switch elf.R_AARCH64(relocation) {
		case elf.R_AARCH64_JUMP_SLOT, elf.R_AARCH64_GLOB_DAT, elf.R_AARCH64_ABS64:
			return true
		}
	}
	return false
}
