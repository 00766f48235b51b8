package image

import (
	"fmt"
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

func (s *search) build(b Build) *Module {
	m := &Module{Path: b.Path, Name: baseName(b.Path), BuildID: b.ID}
	if b.ID == "" {
		s.attachByPath(m)
	} else {
		s.attachByID(m)
	}
	if m.File == nil && s.Host {
		s.attachFromHost(m)
	}
	switch {
	case m.File == nil:
		s.attachDebugAlone(m)
	case objfile.FindDebug(m.File, s.debug) == "":
		s.attachLooseDebug(m)
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
// no path is told, or a name alone.
var hostFolders = []string{
	"/usr/lib/*-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib", "/usr/sbin", "/usr/bin", "/usr/libexec", "/usr/local/sbin", "/usr/local/bin",
}

func (s *search) attachFromHost(m *Module) {
	path := s.onHost().byID[m.BuildID]
	if m.BuildID == "" {
		path = s.onHost().byName[m.Name]
	}
	if f, err := objfile.Open(path); path != "" && err == nil {
		m.File, m.Verified = f, m.BuildID != ""
	}
}

// host is what lies in the host's folders.
type host struct {
	byID   map[place.BuildID]string
	byName map[string]string
}

func (s *search) onHost() host {
	if s.host.byID != nil {
		return s.host
	}
	s.host = host{map[place.BuildID]string{}, map[string]string{}}
	for _, pattern := range hostFolders {
		paths, _ := filepath.Glob(pattern + "/*")
		for _, path := range paths {
			info, err := os.Stat(path)
			if err != nil || !info.Mode().IsRegular() {
				continue
			}
			if name := filepath.Base(path); s.host.byName[name] == "" {
				s.host.byName[name] = path
			}
			indexObject(path, s.host.byID)
		}
	}
	return s.host
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
