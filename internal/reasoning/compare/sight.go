package compare

import (
	"path"
	"strings"

	"github.com/inquest-project/inquest/internal/evidence/environment"
)

// sight is where a side was looked at. There, what it doesn't tell of isn't; elsewhere nobody knows, and what nobody has
// looked for is no difference.
type sight struct {
	kind      environment.Kind
	listed    map[string]bool // folders of which the files are known
	there     map[string]bool // files and folders
	blind     map[string]bool // what could not be seen
	deep      bool            // folders below listed ones are listed, too, if there is anything in them
	variables bool
	sysctls   bool
}

func sightOf(e *environment.Environment) *sight {
	s := &sight{kind: e.Kind, listed: map[string]bool{}, there: map[string]bool{}, blind: map[string]bool{}, variables: len(e.Variables) > 0, sysctls: true}
	for _, f := range e.Files {
		s.listed[path.Dir(f.Path)], s.there[f.Path] = true, true
		if f.Type == "mount" {
			s.blind[environment.FilesIn+f.Path] = true
		}
	}
	root := e.Root
	for _, p := range e.Process {
		if p.Name == "root" {
			root = p.Value
		}
	}
	s.deep = root != "/"
	for _, u := range e.Unseen {
		s.blind[u.What] = true
		s.sysctls = s.sysctls && !strings.Contains(u.What, "sysctls")
		s.deep = s.deep && !strings.HasPrefix(u.What, environment.FilesFrom)
	}
	return s
}

// misses says whether a fact that other tells of is missing here, not only not looked for.
func (s *sight) misses(f environment.Fact, other *sight) bool {
	switch f.Area {
	case environment.AreaFile:
		return s.missesFile(f.Name)
	case environment.AreaObject, environment.AreaPackage:
		// A folder holds more than any program maps; a stack, and a host without a program, name a few.
		few := s.kind == environment.KindHost || s.kind == environment.KindStack
		return !few && !s.blind[environment.OtherObjects] && (other.kind != environment.KindFolder || s.kind == environment.KindFolder)
	case environment.AreaLocale, environment.AreaTunable, environment.AreaTimeZone:
		return strings.HasPrefix(f.Name, "/") || s.variables
	case environment.AreaNameService:
		// Files and modules are looked for where a source is named that reads them; files in /etc are listed beside.
		return !strings.HasPrefix(f.Name, "/") && !strings.HasPrefix(f.Name, "module ") && f.Name != "hosts" && f.Name != hostsToldBy
	case environment.AreaSysctl:
		return s.sysctls
	}
	return true
}

// missesFile finds the nearest folder above a file that is listed, and whether the way to the file ends there.
func (s *sight) missesFile(name string) bool {
	const longest = 4096 // bytes that the kernel takes
	if len(name) > longest {
		return false
	}
	for at := name; at != "/" && at != "."; at = path.Dir(at) {
		if s.listed[path.Dir(at)] {
			return !s.there[at] || (s.deep || strings.HasPrefix(at, "/etc/")) && !s.blind[environment.FilesIn+at]
		}
	}
	return s.deep && len(s.there) > 0
}
