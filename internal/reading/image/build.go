package image

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/inquest-project/inquest/internal/evidence/debuginfod"
	"github.com/inquest-project/inquest/internal/evidence/objfile"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// Build is a program or library that something names: by its build ID, by a path or name, or by both.
type Build struct {
	ID   place.BuildID
	Path string // may be a name alone
}

// Builds finds the files of builds without a core, as for a printed stack, and with debug information where
// there is any. Where the ID isn't known the file is taken by its name, and Verified is false. What can't be
// found has no File and a Problem. Servers are asked for all at once, last.
func Builds(find Finder, servers *debuginfod.Client, wanted []Build) map[Build]*Module {
	s := newSearch(find)
	found := map[Build]*Module{}
	for _, b := range wanted {
		if found[b] == nil {
			found[b] = s.build(b)
		}
	}
	ask(servers, found)
	return found
}

// ByName finds a file of which the path or name is all that is known, and takes the first that fits; nil if none
// does.
func ByName(find Finder, path string, fits func(*objfile.File) bool) *objfile.File {
	return newSearch(find).named(path, fits)
}

func (s *search) named(path string, fits func(*objfile.File) bool) *objfile.File {
	for _, candidate := range append(s.byName(path), s.inFolders(baseName(path))...) {
		f, err := objfile.Open(candidate)
		if err != nil {
			continue
		}
		if fits(f) {
			s.findDebug(&Module{BuildID: f.BuildID, File: f})
			return f
		}
		f.Close()
	}
	return nil
}

// findDebug finds the debug information of a module whose file is at hand.
func (s *search) findDebug(m *Module) {
	if objfile.FindDebug(m.File, s.debug) == "" {
		s.attachLooseDebug(m)
	}
}

func (s *search) build(b Build) *Module {
	m := &Module{Path: b.Path, Name: baseName(b.Path), BuildID: b.ID}
	if b.ID == "" {
		m.File = s.named(b.Path, (*objfile.File).HasCode)
	} else {
		s.attachByID(m)
		if m.File == nil && s.Host {
			s.attachFromHost(m)
		}
	}
	switch {
	case m.File == nil:
		s.attachDebugAlone(m)
	case b.ID != "":
		s.findDebug(m)
	}
	switch {
	case m.File == nil && b.ID == "":
		m.Problem = "not found, and no build ID tells which it was"
	case m.File != nil && !m.Verified:
		m.Problem = fmt.Sprintf("no build ID tells which it was: %s was taken by its name, and another build would get wrong names", m.File.Path)
	case m.File != nil:
		m.Problem = ""
	}
	return m
}

// hostFolders are where a system has its programs and libraries. They are looked through for a build of which
// no path is told, and for a name alone.
var hostFolders = []string{
	"/usr/lib/*-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib", "/usr/sbin", "/usr/bin", "/usr/libexec", "/usr/local/sbin", "/usr/local/bin",
}

func (s *search) attachFromHost(m *Module) {
	path := s.onHost()[m.BuildID]
	if f, err := objfile.Open(path); path != "" && err == nil {
		m.File, m.Verified = f, true
	}
}

// onHost is what lies in the host's folders, by build ID.
func (s *search) onHost() map[place.BuildID]string {
	if s.host != nil {
		return s.host
	}
	s.host = map[place.BuildID]string{}
	for _, pattern := range hostFolders {
		paths, _ := filepath.Glob(pattern + "/*")
		for _, path := range paths {
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				indexObject(path, s.host)
			}
		}
	}
	return s.host
}

// inFolders is where a file of this name may be in the folders of the roots and of this host.
func (s *search) inFolders(name string) (paths []string) {
	if name == "" {
		return nil
	}
	for _, root := range s.debug { // the roots, and the host if it may be asked
		for _, pattern := range hostFolders {
			folders, _ := fs.Glob(os.DirFS(root), pattern[1:])
			for _, folder := range folders {
				paths = append(paths, filepath.Join(root, folder, name))
			}
		}
	}
	return paths
}

// attachDebugAlone takes a file of debug information for the module itself: its symbols and lines have the
// same addresses.
func (s *search) attachDebugAlone(m *Module) {
	if m.BuildID == "" {
		return
	}
	for _, root := range s.debug {
		if openBuild(m, objfile.DebugPath(root, m.BuildID)) {
			return
		}
	}
	for _, path := range s.Loose {
		if openBuild(m, path) {
			return
		}
	}
}

// openBuild takes the file at the path, if it is of the module's build.
func openBuild(m *Module, path string) bool {
	f, err := objfile.Open(path)
	if err != nil {
		return false
	}
	if f.BuildID != m.BuildID {
		f.Close()
		return false
	}
	m.File, m.Verified, m.Problem = f, true, ""
	return true
}

// ask asks servers for what is still missing: the debug information of all builds, and the programs and
// libraries of those for which there is none.
func ask(servers *debuginfod.Client, found map[Build]*Module) {
	modules := slices.Collect(maps.Values(found))
	askDebug(servers, modules)
	askPrograms(servers, modules)
}

func askDebug(servers *debuginfod.Client, modules []*Module) {
	for m, path := range fetch(servers, debuginfod.Debug, modules, func(m *Module) bool { return m.File != nil && m.File.HasDebug() }) {
		attachDebug(m, path)
	}
}

func askPrograms(servers *debuginfod.Client, modules []*Module) {
	for m, path := range fetch(servers, debuginfod.Executable, modules, func(m *Module) bool { return m.File != nil }) {
		openBuild(m, path)
	}
}

// fetch asks for the files of all modules that lack one, at the same time.
func fetch(servers *debuginfod.Client, kind debuginfod.Kind, modules []*Module, has func(*Module) bool) map[*Module]string {
	var ids []place.BuildID
	for _, m := range modules {
		if m.BuildID != "" && !has(m) {
			ids = append(ids, m.BuildID)
		}
	}
	servers.FindAll(kind, ids...)
	files := map[*Module]string{}
	for _, m := range modules {
		if m.BuildID == "" || has(m) {
			continue
		}
		if path, ok := servers.Find(kind, m.BuildID); ok {
			files[m] = path
		}
	}
	return files
}

func attachDebug(m *Module, path string) {
	if m.File == nil {
		openBuild(m, path)
		return
	}
	debug, err := objfile.Open(path)
	if err == nil && m.File.AddDebug(debug) != nil {
		debug.Close()
	}
}

// Vaddr is the file's own address of an offset from the module's start.
func (m *Module) Vaddr(offset place.Offset) uint64 {
	if m.File == nil || len(m.File.Segments) == 0 {
		return uint64(offset)
	}
	return m.File.Segments[0].Vaddr&^(pageSize-1) + uint64(offset)
}
