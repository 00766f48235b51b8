package lab

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/inquest-project/inquest/lab/machine"
)

// mapsFile is where the core handler leaves the dying process's memory map. It alone sees it:
// libraries may be loaded at any time, and afterwards the process is gone.
var mapsFile = filepath.Join(machine.Dir, "maps")

// mapped are the files that the dead process had mapped as its own. What it shared with others is
// memory, though it has a path.
func mapped() ([]string, error) {
	text, err := os.ReadFile(mapsFile)
	if err != nil {
		return nil, err
	}
	var paths []string
	for line := range strings.Lines(string(text)) {
		_, path, ok := strings.Cut(strings.TrimSpace(line), "/")
		f := strings.Fields(line)
		if path = "/" + path; ok && strings.HasSuffix(f[1], "p") && !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	return paths, nil
}

// keepMapped copies the dead process's files to the run's sysroot, at their paths.
func (s *Stage) keepMapped() error {
	paths, err := mapped()
	if err != nil {
		return err
	}
	for _, path := range paths {
		err := copyFile(path, filepath.Join(s.run, "sysroot", path))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // it is deleted, or was never there
			return err
		}
	}
	return nil
}

func keepDebug(from, to string) error { return copyTree(from, to) }

// copyTree copies a folder of regular files; a folder that isn't there is an empty one.
func copyTree(from, to string) error {
	if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		return copyFile(path, filepath.Join(to, rel))
	})
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
