package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/evidence/objfile"
	"github.com/inquest-project/inquest/internal/reading/image"
)

// Item is one core, with all that either side may look at.
type Item struct {
	Group   string // its heading in the table
	Name    string
	Core    string
	Plain   string   // the same core unpacked, for gdb; empty if Core is not packed
	Roots   []string // the first has the binaries at their paths; debug information is under any
	Program string   // the executable, as it lies there
	Foreign bool     // of another processor than this host's
	Lost    bool     // its split units' files are not there
	Better  *Item    // the same core with debug information
}

func (it Item) plainCore() string {
	if it.Plain != "" {
		return it.Plain
	}
	return it.Core
}

// Recipe makes items: mostly several of one death, which differ in what is known about the program.
type Recipe struct {
	Name string
	Make func(dir string) ([]Item, error)
}

// itemsFile remembers in a recipe's folder what was made there.
const itemsFile = "items.json"

// items makes a recipe's items, or finds them made.
func (r Recipe) items(under string) ([]Item, error) {
	dir := filepath.Join(under, r.Name)
	file := filepath.Join(dir, itemsFile)
	text, err := os.ReadFile(file)
	if err == nil {
		var made []Item
		return made, json.Unmarshal(text, &made)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	made, err := r.fresh(dir)
	if err != nil {
		return nil, fmt.Errorf("making %s: %w", r.Name, err)
	}
	text, err = json.MarshalIndent(made, "", "\t")
	if err != nil {
		return nil, err
	}
	return made, os.WriteFile(file, text, 0o644)
}

func (r Recipe) fresh(dir string) ([]Item, error) {
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	// A daemon that gave root away works and dies here, too.
	if err := os.Chmod(dir, 0o777); err != nil {
		return nil, err
	}
	return r.Make(dir)
}

// gather puts every program and library that a core names under a root, at its path.
func gather(core, root string) error {
	c, err := elfcore.Open(core)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, m := range c.Mappings {
		if isObject(m.Path) {
			if err := putObject(m.Path, filepath.Join(root, m.Path)); err != nil {
				return err
			}
		}
	}
	return mergeUsr(root)
}

// putObject puts a library under the name that programs ask for it by, too: gdb goes by the dynamic linker's
// list, which has that one.
func putObject(path, to string) error {
	if err := put(path, to); err != nil {
		return err
	}
	f, err := objfile.Open(path)
	if err != nil {
		return nil // something else that was mapped
	}
	defer f.Close()
	if f.SoName == "" || f.SoName != filepath.Base(f.SoName) {
		return nil
	}
	return put(path, filepath.Join(filepath.Dir(to), f.SoName))
}

// mergeUsr lays a root out as Debian's is, where /lib is /usr/lib.
func mergeUsr(root string) error {
	for _, dir := range []string{"lib", "lib64", "bin", "sbin"} {
		if err := os.Symlink("usr/"+dir, filepath.Join(root, dir)); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	const loader = "ld-linux-x86-64.so.2"
	if err := os.MkdirAll(filepath.Join(root, "usr/lib64"), 0o755); err != nil {
		return err
	}
	err := os.Symlink("../lib/x86_64-linux-gnu/"+loader, filepath.Join(root, "usr/lib64", loader))
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	return err
}

func isObject(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var head [20]byte
	n, _ := f.Read(head[:])
	return objfile.Sniff(head[:n])
}

// put gives a file a second name, or a copy where that can't be. What is there already stays.
func put(from, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if os.Link(from, to) == nil {
		return nil
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}

// keepDebug puts a file of debug information to where it is looked for by build ID.
func keepDebug(debug, root string) error {
	id, err := buildID(debug)
	if err != nil {
		return err
	}
	return put(debug, filepath.Join(root, "usr/lib/debug/.build-id", id[:2], id[2:]+".debug"))
}

func buildID(path string) (string, error) {
	notes, err := run(context.Background(), "/", "readelf", "-n", path)
	if err != nil {
		return "", err
	}
	_, after, found := strings.Cut(notes, "Build ID: ")
	if !found {
		return "", fmt.Errorf("%s: expected a build ID, found none", path)
	}
	id, _, _ := strings.Cut(after, "\n")
	return id, nil
}

// replaced is a copy of a root in which one file is another.
func replaced(root, to, path, by string) error {
	err := filepath.WalkDir(root, func(p string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return put(p, filepath.Join(to, strings.TrimPrefix(p, root)))
	})
	if err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(to, path)); err != nil {
		return err
	}
	return errors.Join(put(by, filepath.Join(to, path)), mergeUsr(to))
}

// executable is the dead program's file, under a root.
func executable(core, root string) (string, error) {
	c, err := elfcore.Open(core)
	if err != nil {
		return "", err
	}
	defer c.Close()
	im := image.Open(c, image.Finder{Roots: []string{root}})
	defer im.Close()
	m := im.Executable()
	if m == nil {
		return "", fmt.Errorf("%s: expected to know its program, found none under %s", core, root)
	}
	return filepath.Join(root, m.Path), nil
}
