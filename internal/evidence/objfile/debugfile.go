package objfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"slices"

	"github.com/inquest-project/inquest/internal/ground/place"
)

// FindDebug looks for f's separate debug information under the given roots ("/" for this host), adds it,
// and returns its path; empty if there is none. It looks by build ID, and by the name in .gnu_debuglink
// next to the object, in its .debug directory, and under usr/lib/debug (GDB manual, "Debugging
// Information in Separate Files"). The build ID decides; where there is none, the link's checksum.
func FindDebug(f *File, roots []string) string {
	f.apart.roots = roots
	for _, path := range f.debugPaths() {
		if f.openDebug(path) {
			return path
		}
	}
	f.findCommon(f)
	return ""
}

func (f *File) openDebug(path string) bool {
	debug, err := open(path, parse)
	if err != nil {
		return false
	}
	if f.AddDebug(debug) != nil {
		debug.Close()
		return false
	}
	return true
}

const debugDir = "usr/lib/debug"

func (f *File) debugPaths() []string {
	var paths []string
	for _, root := range f.apart.roots {
		if f.BuildID != "" {
			paths = append(paths, DebugPath(root, f.BuildID))
		}
	}
	link, _ := f.debugLink()
	if link == "" {
		return paths
	}
	dir := filepath.Dir(f.Path)
	paths = append(paths, filepath.Join(dir, link), filepath.Join(dir, ".debug", link))
	for _, root := range f.apart.roots {
		inside := dir
		if rel, err := filepath.Rel(root, dir); err == nil {
			inside = rel
		}
		paths = append(paths, filepath.Join(root, debugDir, inside, link))
	}
	return paths
}

// DebugPath is where the debug information of a build lies under a root.
func DebugPath(root string, id place.BuildID) string {
	return filepath.Join(root, debugDir, ".build-id", string(id[:min(2, len(id))]), string(id[min(2, len(id)):])+".debug")
}

// debugLink is the file name in .gnu_debuglink, and the checksum behind it. A name with a path in it is no
// such name: it must not lead out of the directory.
func (f *File) debugLink() (name string, sum uint32) {
	s := f.section(".gnu_debuglink")
	if s == nil {
		return "", 0
	}
	link, _, _ := bytes.Cut(s.data, []byte{0})
	name = string(link)
	const alignment = 4
	at := (len(link) + alignment) / alignment * alignment
	if name != filepath.Base(name) || name == ".." || name == "." || len(s.data) < at+4 {
		return "", 0
	}
	return name, binary.LittleEndian.Uint32(s.data[at:])
}

// HasDebug says whether the file came with debug information, or was given some.
func (f *File) HasDebug() bool {
	return f.apart.debug != nil || f.named(".debug_info") != nil || f.named(".zdebug_info") != nil
}

// AddDebug takes names and tables from a separate debug file, which f owns from then on. It must be
// called before anything is looked up, and refuses a file of another build.
func (f *File) AddDebug(debug *File) error {
	if err := f.sameBuild(debug); err != nil {
		return err
	}
	if !slices.ContainsFunc([]string{".symtab", ".debug_frame", ".debug_info", ".zdebug_info"}, func(name string) bool { return debug.named(name) != nil }) {
		return fmt.Errorf("%s: expected symbols, unwind tables or debug information, found none of them", debug.Path)
	}
	f.apart.debug = debug
	f.findCommon(debug)
	return nil
}

func (f *File) sameBuild(debug *File) error {
	switch _, sum := f.debugLink(); {
	case f.BuildID != "" && debug.BuildID != f.BuildID:
		return fmt.Errorf("%s: expected debug information of build %s, found that of %s", debug.Path, f.BuildID, debug.BuildID)
	case f.BuildID == "" && debug.BuildID != "":
		return fmt.Errorf("%s: expected debug information of a file without a build ID, found that of %s", debug.Path, debug.BuildID)
	case f.BuildID == "" && sum != crc32.ChecksumIEEE(debug.raw):
		return fmt.Errorf("%s: expected a file with checksum %08x, as .gnu_debuglink has it, found %08x", debug.Path, sum, crc32.ChecksumIEEE(debug.raw))
	}
	return nil
}

// findCommon opens the file that dwz moved parts of the debug information to, named in .gnu_debugaltlink of
// the file that holds the rest (dwz(1); GDB manual, as above). Its build ID follows the name.
func (f *File) findCommon(of *File) {
	s := of.section(".gnu_debugaltlink")
	if s == nil {
		return
	}
	name, id, _ := bytes.Cut(s.data, []byte{0})
	want := place.BuildID(fmt.Sprintf("%x", id))
	for _, path := range f.commonPaths(string(name), filepath.Dir(of.Path), want) {
		common, err := open(path, parse)
		if err != nil {
			continue
		}
		if common.BuildID == want {
			f.apart.common = common
			return
		}
		common.Close()
	}
	f.apart.lacks = append(f.apart.lacks, fmt.Sprintf("%s (build %s), which dwz moved names to", name, want))
}

func (f *File) commonPaths(name, dir string, id place.BuildID) []string {
	var paths []string
	if !filepath.IsAbs(name) {
		paths = append(paths, filepath.Join(dir, name))
	}
	for _, root := range f.apart.roots {
		if len(id) > 2 {
			paths = append(paths, DebugPath(root, id))
		}
		if filepath.IsAbs(name) {
			paths = append(paths, filepath.Join(root, name))
		}
		paths = append(paths, filepath.Join(root, debugDir, ".dwz", filepath.Base(name)))
	}
	return slices.Compact(paths)
}
