package objfile

import (
	"debug/elf"
	"slices"
)

// notConstants are sections that are read-only data, too, but for the dynamic linker and the unwinder.
var notConstants = []string{".interp", ".eh_frame", ".eh_frame_hdr", ".gcc_except_table"}

// Constants are the stretches of the file that hold what its code only reads: literals, tables. Where the section
// headers are lost they are those segments that aren't written, which hold more than that.
func (f *File) Constants() [][]byte {
	var all [][]byte
	for _, s := range f.sections {
		if s.Type == elf.SHT_PROGBITS && s.Flags&elf.SHF_ALLOC != 0 && s.Flags&(elf.SHF_WRITE|elf.SHF_EXECINSTR) == 0 &&
			!slices.Contains(notConstants, s.Name) {
			all = append(all, s.data)
		}
	}
	if len(f.sections) > 0 {
		return all
	}
	for _, s := range f.Segments {
		if s.Flags&elf.PF_W == 0 {
			all = append(all, s.Data)
		}
	}
	return all
}
