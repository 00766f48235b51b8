package main

import (
	"debug/elf"
	"path/filepath"
)

// What is asked here to settle a difference is read by Go's own debug/elf, and not by what is being judged.

// executable says whether the core has the address in a segment that could be executed.
func (it Item) executable(pc uint64) bool {
	core, err := elf.Open(it.plainCore())
	if err != nil {
		return false
	}
	defer core.Close()
	for _, p := range core.Progs {
		if p.Type == elf.PT_LOAD && p.Vaddr <= pc && pc < p.Vaddr+p.Memsz {
			return p.Flags&elf.PF_X != 0
		}
	}
	return false
}

// symbols is the addresses of each symbol of a module, by name.
func (it Item) symbols(module string) map[string]map[uint64]bool {
	table := map[string]map[uint64]bool{}
	path := filepath.Join(it.Roots[0], module)
	files := []string{path}
	if id, err := buildID(path); err == nil {
		for _, root := range it.Roots {
			files = append(files, filepath.Join(root, "usr/lib/debug/.build-id", id[:2], id[2:]+".debug"))
		}
	}
	for _, file := range files {
		addSymbols(table, file)
	}
	return table
}

func addSymbols(table map[string]map[uint64]bool, path string) {
	f, err := elf.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	static, _ := f.Symbols()
	dynamic, _ := f.DynamicSymbols()
	for _, s := range append(static, dynamic...) {
		if s.Section == elf.SHN_UNDEF {
			continue
		}
		if table[s.Name] == nil {
			table[s.Name] = map[uint64]bool{}
		}
		table[s.Name][s.Value] = true
	}
}
