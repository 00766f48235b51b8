package main

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// labRuns is the recorded runs of the lab's daemons, each with its debug information and without.
func labRuns(dir string) (all []Recipe) {
	cores, _ := filepath.Glob(filepath.Join(dir, "*", "evidence", "core"))
	for _, core := range cores {
		run := filepath.Dir(filepath.Dir(core))
		name := "lab-" + filepath.Base(run)
		all = append(all, Recipe{Name: name, Make: func(dir string) ([]Item, error) { return labRun(name, run, dir) }})
	}
	return all
}

func labRun(name, run, dir string) ([]Item, error) {
	root, debug := filepath.Join(dir, "root"), filepath.Join(run, "debug")
	if err := layOut(filepath.Join(run, "sysroot"), root); err != nil {
		return nil, err
	}
	core := filepath.Join(run, "evidence", "core")
	program, err := executable(core, root)
	if err != nil {
		return nil, err
	}
	bare := Item{Group: "the lab's daemons", Name: name, Core: core, Roots: []string{root}, Program: program}
	if found, _ := filepath.Glob(filepath.Join(debug, "usr/lib/debug/.build-id/*/*")); len(found) == 0 {
		return []Item{bare}, nil
	}
	full := bare
	full.Name, full.Roots = name+" with debug information", []string{root, debug}
	return []Item{bare, full}, nil
}

// layOut copies a root, with the names by which programs ask for their libraries.
func layOut(from, root string) error {
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return putObject(path, filepath.Join(root, strings.TrimPrefix(path, from)))
	})
	if err != nil {
		return err
	}
	return mergeUsr(root)
}

// dyingPrograms is the programs by which the other tests make deaths.
func dyingPrograms(dir string) (all []Recipe) {
	sources, _ := filepath.Glob(filepath.Join(dir, "*.c*"))
	for _, source := range sources {
		name := "dying-" + filepath.Base(source)
		all = append(all, Recipe{Name: name, Make: func(dir string) ([]Item, error) {
			p := built{dir: dir, path: filepath.Join(dir, "program"), root: filepath.Join(dir, "root"), name: name}
			if err := compileDying(p, source); err != nil {
				return nil, err
			}
			return twice(p)
		}})
	}
	return all
}

func compileDying(p built, source string) error {
	text, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	source, err = filepath.Abs(source)
	if err != nil {
		return err
	}
	args := []string{"-w", "-O2", "-g", "-Wl,--build-id", "-o", p.path, source}
	for line := range strings.Lines(string(text)) {
		if flags, ok := strings.CutPrefix(line, "// flags: "); ok {
			args = append(args, strings.Fields(flags)...)
		}
	}
	compiler := "gcc"
	if filepath.Ext(source) == ".cc" {
		compiler = "g++"
	}
	_, err = run(context.Background(), p.dir, compiler, args...)
	return err
}
