package objfile

import (
	"debug/gosym"
	"encoding/binary"
)

// goTable is the section in which a Go program keeps the names and bounds of its functions, for its own
// tracebacks: it is left when the program is stripped.
const goTable = ".gopclntab"

// goFunctions is a stripped Go program's functions.
//
// Source: debug/gosym, and its header: the count of functions at 8, since Go 1.18 the start of the text at 24. Where a
// linker wrote no start, it is that of .text, if C has put nothing before it: then the program is entered in Go.
func (f *File) goFunctions() (table symbolTable) {
	const least, entrySize = 32, 8
	text, data := f.section(".text"), f.content(goTable)
	if text == nil || len(data) < least || binary.LittleEndian.Uint64(data[8:]) > uint64(len(data)/entrySize) {
		return nil
	}
	defer func() {
		if recover() != nil { // debug/gosym trusts what it is given
			table = nil
		}
	}()
	start, told := text.Addr, false
	if at := binary.LittleEndian.Uint64(data[24:]); at-text.Addr < text.Size {
		start, told = at, true
	}
	names, err := gosym.NewTable(nil, gosym.NewLineTable(data, start))
	if err != nil {
		return nil
	}
	for _, fn := range names.Funcs {
		if fn.End > fn.Entry {
			table = append(table, symbol{start: fn.Entry, size: fn.End - fn.Entry, name: fn.Name})
		}
		told = told || fn.Entry == f.Entry
	}
	if !told {
		return nil
	}
	return table
}
