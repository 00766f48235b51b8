package main

import (
	"context"
	"embed"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed testdata/stacks.c testdata/stacks.cc
var sources embed.FS

// build is one way to compile one of the small programs.
type build struct {
	Source   string
	Compiler string
	Flags    []string
}

func (b build) name() string {
	var parts []string
	for _, f := range b.Flags {
		parts = append(parts, strings.NewReplacer("=", "-", ",", "-", "--", "-").Replace(strings.TrimLeft(f, "-")))
	}
	return strings.Join(append([]string{b.Source, b.Compiler}, parts...), "-")
}

// compilers make C++ of a .cc.
var compilers = map[string][]string{".c": {"gcc", "clang"}, ".cc": {"g++", "clang++"}}

// smallPrograms is each program by each compiler at each level, with DWARF 5 and 4, and in odd ways.
func smallPrograms() (all []Recipe) {
	for _, source := range []string{"stacks.c", "stacks.cc"} {
		for _, compiler := range compilers[filepath.Ext(source)] {
			for _, level := range []string{"-O0", "-O2", "-O3", "-Os"} {
				for _, version := range []string{"-gdwarf-5", "-gdwarf-4"} {
					all = append(all, build{source, compiler, []string{level, version}}.recipe(twice))
				}
			}
		}
	}
	return append(all, oddBuilds()...)
}

// oddBuilds are ways to lay out a program, its tables and its debug information.
func oddBuilds() (all []Recipe) {
	for _, odd := range []struct {
		flags []string
		make  arrangement
	}{
		{[]string{"-O2", "-gdwarf-5", "-no-pie"}, twice},
		{[]string{"-O2", "-gdwarf-5", "-static"}, twice},
		{[]string{"-O2", "-gdwarf-5", "-static-pie"}, twice},
		{[]string{"-O2", "-gdwarf-5", "-fno-omit-frame-pointer"}, twice},
		{[]string{"-O0", "-gdwarf-5", "-fomit-frame-pointer"}, twice},
		{[]string{"-O2", "-gdwarf-5", "-mno-red-zone"}, twice},
		{[]string{"-O2", "-gdwarf-5", "-fno-asynchronous-unwind-tables"}, twice},
		{[]string{"-O2", "-gdwarf-5", "-fno-asynchronous-unwind-tables", "-fno-omit-frame-pointer"}, twice},
		{[]string{"-O2", "-gdwarf-5", "-flto"}, twice},
		{[]string{"-O2", "-gdwarf-5", "-Wl,-z,now"}, twice},
		{[]string{"-O2", "-gdwarf-5", "-ffunction-sections"}, twice},
		{[]string{"-O2", "-gdwarf-5", "-gsplit-dwarf"}, splitDWARF},
		{[]string{"-O3", "-gdwarf-5", "-gsplit-dwarf"}, lostUnits},
		{[]string{"-O2", "-gdwarf-4", "-gsplit-dwarf"}, lostUnits},
		{[]string{"-O2", "-gdwarf-5", "-gz=zlib"}, whole},
		{[]string{"-O2", "-gdwarf-5", "-g3"}, zstdSections},
		{[]string{"-O2", "-gdwarf-5", "-Wl,--build-id=sha1"}, debugLink},
		{[]string{"-O2", "-gdwarf-5", "-Wl,--build-id=none"}, debugLink},
		{[]string{"-O3", "-gdwarf-5", "-Wl,--build-id=sha1"}, commonFile},
		{[]string{"-O2", "-g0"}, miniDebug},
		{[]string{"-O2", "-gdwarf-5", "-fstack-clash-protection"}, packed},
		{[]string{"-O1", "-gdwarf-5"}, byGDB},
	} {
		all = append(all, build{"stacks.c", "gcc", odd.flags}.recipe(odd.make))
	}
	all = append(all, build{"stacks.cc", "g++", []string{"-O2", "-gdwarf-5", "-flto"}}.recipe(twice))
	all = append(all, build{"stacks.c", "clang", []string{"-O2", "-gdwarf-5", "-gsplit-dwarf"}}.recipe(splitDWARF))
	return append(all, build{"stacks.c", "clang", []string{"-O3", "-gdwarf-5", "-gsplit-dwarf"}}.recipe(lostUnits))
}

// built is a program as the linker left it, in a folder of its own.
type built struct {
	dir  string
	path string
	root string // where its files will be gathered
	name string
}

// arrangement lets a built program die and arranges what is known of it.
type arrangement func(b built) ([]Item, error)

func (b build) recipe(arrange arrangement) Recipe {
	return Recipe{Name: b.name(), Make: func(dir string) ([]Item, error) {
		p, err := b.compile(dir)
		if err != nil {
			return nil, err
		}
		return arrange(p)
	}}
}

func (b build) compile(dir string) (built, error) {
	text, err := sources.ReadFile("testdata/" + b.Source)
	if err != nil {
		return built{}, err
	}
	p := built{dir: dir, path: filepath.Join(dir, "program"), root: filepath.Join(dir, "root"), name: b.name()}
	if err := os.WriteFile(filepath.Join(dir, b.Source), text, 0o644); err != nil {
		return built{}, err
	}
	args := []string{"-w", "-o", p.path, b.Source, "-lpthread"}
	if filepath.Ext(b.Source) == ".cc" {
		args = append(args, "-std=c++17")
	}
	if !slices.ContainsFunc(b.Flags, func(f string) bool { return strings.Contains(f, "build-id") }) {
		args = append(args, "-Wl,--build-id")
	}
	return p, tool(dir, b.Compiler, append(args, b.Flags...)...)
}

func tool(dir, name string, args ...string) error {
	_, err := run(context.Background(), dir, name, args...)
	return err
}

// tools runs one tool after the other, of which each depends on the one before.
func tools(dir string, commands ...[]string) error {
	for _, c := range commands {
		if err := tool(dir, c[0], c[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// dies lets the program as it stands die and gathers its files.
func (p built) dies() (core string, err error) {
	core, err = Death{Command: []string{p.path}}.core(p.dir)
	if err != nil {
		return "", err
	}
	return core, gather(core, p.root)
}

func (p built) item(what, core string) Item {
	return Item{Group: "small programs", Name: strings.TrimSpace(p.name + " " + what), Core: core, Roots: []string{p.root}, Program: filepath.Join(p.root, p.path)}
}

// whole has the debug information in the program.
func whole(p built) ([]Item, error) {
	core, err := p.dies()
	return []Item{p.item("", core)}, err
}

// twice is one core read with the debug information, and without any symbols.
func twice(p built) ([]Item, error) {
	core, err := p.dies()
	if err != nil {
		return nil, err
	}
	stripped := filepath.Join(p.dir, "stripped")
	if err := tool(p.dir, "strip", "-o", stripped, p.path); err != nil {
		return nil, err
	}
	bare := p
	bare.root = filepath.Join(p.dir, "bare")
	if err := replaced(p.root, bare.root, p.path, stripped); err != nil {
		return nil, err
	}
	full, poor := p.item("", core), bare.item("stripped", core)
	poor.Better = &full
	return []Item{full, poor}, nil
}

// splitDWARF has its .dwo files where the compiler left them.
func splitDWARF(p built) ([]Item, error) {
	core, err := p.dies()
	if err != nil {
		return nil, err
	}
	units, _ := filepath.Glob(filepath.Join(p.dir, "*.dwo"))
	for _, dwo := range units {
		if err := put(dwo, filepath.Join(p.root, dwo)); err != nil {
			return nil, err
		}
	}
	return []Item{p.item("", core)}, nil
}

// lostUnits has no .dwo files any more: what is left are the lines and symbols in the program.
func lostUnits(p built) ([]Item, error) {
	core, err := p.dies()
	if err != nil {
		return nil, err
	}
	units, _ := filepath.Glob(filepath.Join(p.dir, "*.dwo"))
	for _, dwo := range units {
		if err := os.Remove(dwo); err != nil {
			return nil, err
		}
	}
	it := p.item("without its .dwo", core)
	it.Lost = true
	return []Item{it}, nil
}

func zstdSections(p built) ([]Item, error) {
	if err := tool(p.dir, "objcopy", "--compress-debug-sections=zstd", p.path); err != nil {
		return nil, err
	}
	core, err := p.dies()
	return []Item{p.item("zstd sections", core)}, err
}

// debugLink has its debug information beside it, found by name and checksum.
func debugLink(p built) ([]Item, error) {
	if err := tools(p.dir,
		[]string{"objcopy", "--only-keep-debug", p.path, "program.debug"},
		[]string{"strip", p.path},
		[]string{"objcopy", "--add-gnu-debuglink=program.debug", p.path},
	); err != nil {
		return nil, err
	}
	core, err := p.dies()
	if err != nil {
		return nil, err
	}
	beside := filepath.Join(p.root, p.dir, ".debug", "program.debug")
	return []Item{p.item("by debuglink", core)}, put(filepath.Join(p.dir, "program.debug"), beside)
}

// commonFile shares debug information with another program, in a file that dwz made for both.
func commonFile(p built) ([]Item, error) {
	other := strings.TrimSuffix(p.path, "program") + "other"
	if err := tools(p.dir,
		[]string{"gcc", "-w", "-O2", "-gdwarf-5", "-Wl,--build-id", "-o", other, "stacks.c"},
		[]string{"dwz", "-m", "common.debug", "-M", "/usr/lib/debug/.dwz/common.debug", p.path, other},
		[]string{"objcopy", "--only-keep-debug", p.path, "program.debug"},
		[]string{"strip", p.path},
	); err != nil {
		return nil, err
	}
	core, err := p.dies()
	if err != nil {
		return nil, err
	}
	if err := keepDebug(filepath.Join(p.dir, "program.debug"), p.root); err != nil {
		return nil, err
	}
	return []Item{p.item("dwz -m", core)}, keepCommon(filepath.Join(p.dir, "common.debug"), p.root)
}

// keepCommon puts dwz's common file to where it is looked for by name, and by build ID.
func keepCommon(common, root string) error {
	if err := put(common, filepath.Join(root, "usr/lib/debug/.dwz", filepath.Base(common))); err != nil {
		return err
	}
	return keepDebug(common, root)
}

// miniDebug has .gnu_debugdata: symbols of its own functions, packed, as Fedora ships them.
func miniDebug(p built) ([]Item, error) {
	if err := tools(p.dir,
		[]string{"objcopy", "-S", "--remove-section", ".gdb_index", "--remove-section", ".comment", "--only-keep-debug", p.path, "mini"},
		[]string{"objcopy", "--only-keep-debug", p.path, "mini"},
		[]string{"xz", "-f", "mini"},
		[]string{"strip", p.path},
		[]string{"objcopy", "--add-section", ".gnu_debugdata=mini.xz", p.path},
	); err != nil {
		return nil, err
	}
	core, err := p.dies()
	return []Item{p.item(".gnu_debugdata", core)}, err
}

// packed is one core in each packing.
func packed(p built) ([]Item, error) {
	core, err := p.dies()
	if err != nil {
		return nil, err
	}
	if err := tools(p.dir,
		[]string{"zstd", "-q", "-f", core, "-o", core + ".zst"},
		[]string{"lz4", "-q", "-f", core, core + ".lz4"},
		[]string{"xz", "-k", "-f", "-0", core},
		[]string{"gzip", "-k", "-f", "-1", core},
	); err != nil {
		return nil, err
	}
	var items []Item
	for _, packing := range []string{"zst", "lz4", "xz", "gz"} {
		it := p.item("core."+packing, core+"."+packing)
		it.Plain = core
		items = append(items, it)
	}
	return items, nil
}

// byGDB has its core from gdb, which stopped it before it died.
func byGDB(p built) ([]Item, error) {
	core := filepath.Join(p.dir, "gdb.core")
	if err := tool(p.dir, "gdb", "-nx", "-batch", "-ex", "set debuginfod enabled off", "-ex", "set startup-with-shell off",
		"-ex", "handle SIGUSR1 SIGUSR2 nostop noprint pass", "-ex", "run", "-ex", "generate-core-file "+core, p.path); err != nil {
		return nil, err
	}
	return []Item{p.item("gcore", core)}, gather(core, p.root)
}
