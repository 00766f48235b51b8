package objfile

import (
	"bytes"
	"fmt"
	"path/filepath"
)

// FindDebug looks for f's separate debug information under the given roots ("/" for this host), adds it,
// and returns its path; empty if there is none. It looks by build ID, and by the name in .gnu_debuglink
// next to the object, in its .debug directory, and under usr/lib/debug (GDB manual, "Debugging
// Information in Separate Files"). The build ID decides in any case.
func FindDebug(f *File, roots []string) string {
	if f.BuildID == "" {
		return ""
	}
	for _, root := range roots {
		for _, path := range debugPaths(f, root) {
			debug, err := Open(path)
			if err != nil {
				continue
			}
			if f.AddDebug(debug) == nil {
				return path
			}
			debug.Close()
		}
	}
	return ""
}

func debugPaths(f *File, root string) []string {
	id := string(f.BuildID)
	base := filepath.Join(root, "usr/lib/debug")
	paths := []string{filepath.Join(base, ".build-id", id[:2], id[2:]+".debug")}
	link := f.debugLink()
	if link == "" {
		return paths
	}
	dir := filepath.Dir(f.Path)
	inside := dir
	if rel, err := filepath.Rel(root, dir); err == nil {
		inside = rel
	}
	return append(paths, filepath.Join(dir, link), filepath.Join(dir, ".debug", link), filepath.Join(base, inside, link))
}

// debugLink is the file name in .gnu_debuglink. A name with a path in it is no such name: it must not
// lead out of the directory.
func (f *File) debugLink() string {
	s := f.section(".gnu_debuglink")
	if s == nil {
		return ""
	}
	name, _, _ := bytes.Cut(s.data, []byte{0})
	if link := string(name); link == filepath.Base(link) && link != ".." && link != "." {
		return link
	}
	return ""
}

// AddDebug takes names and tables from a separate debug file, which f owns from then on. It must be
// called before anything is looked up, and refuses a file of another build.
func (f *File) AddDebug(debug *File) error {
	if debug.BuildID != f.BuildID {
		return fmt.Errorf("%s: expected debug information of build %s, found that of %s", debug.Path, f.BuildID, debug.BuildID)
	}
	if debug.section(".symtab") == nil && debug.section(".debug_frame") == nil {
		return fmt.Errorf("%s: expected symbols or unwind tables, found neither", debug.Path)
	}
	f.debug = debug
	return nil
}
