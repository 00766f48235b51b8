package main

import (
	"context"
	"debug/elf"
	"fmt"
	"path/filepath"
	"strings"
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

// llvm is the functions at a caller's call by llvm-symbolizer, innermost first.
func (it Item) llvm(f frame) (functions []string) {
	path := filepath.Join(it.Roots[0], f.Module)
	call := uint64(f.Offset) - 1 // a module's first page has address 0 in the programs that this is asked for
	text, err := run(context.Background(), "/", "llvm-symbolizer", "--output-style=GNU", "--inlines", "--obj="+path, fmt.Sprintf("%#x", call))
	if err != nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := 0; i < len(lines); i += 2 { // a name, and where
		functions = append(functions, lines[i])
	}
	return functions
}
