package main

import (
	"path/filepath"
)

// labRuns is the recorded runs of the lab's daemons, each with its debug information and without.
func labRuns(dir string) (all []Recipe) {
	cores, _ := filepath.Glob(filepath.Join(dir, "*", "evidence", "core"))
	for _, core := range cores {
		run := filepath.Dir(filepath.Dir(core))
		name := "lab-" + filepath.Base(run)
		all = append(all, Recipe{Name: name, Make: func(string) ([]Item, error) { return labRun(name, run) }})
	}
	return all
}

func labRun(name, run string) ([]Item, error) {
	root, debug := filepath.Join(run, "sysroot"), filepath.Join(run, "debug")
	core := filepath.Join(run, "evidence", "core")
	program, err := executable(core, root)
	if err != nil {
		return nil, err
	}
	bare := Item{Group: "lab", Name: name, Core: core, Roots: []string{root}, Program: program}
	if empty(debug) {
		return []Item{bare}, nil
	}
	full := bare
	full.Name, full.Roots = name+" with debug information", []string{root, debug}
	return []Item{bare, full}, nil
}

func empty(dir string) bool {
	found, _ := filepath.Glob(filepath.Join(dir, "usr/lib/debug/.build-id/*/*"))
	return len(found) == 0
}
