package image

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/inquest-project/inquest/internal/evidence/debuginfod"
	"github.com/inquest-project/inquest/internal/evidence/objfile"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// Finder says where binaries may be found.
type Finder struct {
	Roots []string // copies of the dead process's file system, or of parts of it
	Loose []string // binaries by themselves, of any name
	Host  bool     // look on this host, too

	Servers *debuginfod.Client // is asked for what is found nowhere; nil if nobody shall be
}

// search finds binaries for one image. A build ID decides; a path only says where to look first.
type search struct {
	Finder
	loose map[place.BuildID]string
	roots map[place.BuildID]string // filled by walking the roots, when a path has not led to a file
	host  map[place.BuildID]string // filled likewise by looking through this host's folders
	debug []string                 // where separate debug information is looked for
}

func newSearch(f Finder) *search {
	s := &search{Finder: f, loose: map[place.BuildID]string{}, debug: append([]string{}, f.Roots...)}
	for _, path := range f.Loose {
		indexObject(path, s.loose)
	}
	if f.Host {
		s.debug = append(s.debug, "/")
	}
	return s
}

// attach finds the file of a module, with its separate debug information.
func (s *search) attach(m *Module) {
	if m.BuildID != "" {
		s.attachByID(m)
	} else {
		s.attachByPath(m)
	}
	if m.File == nil && m.Path == "" && m.BuildID != "" && s.Host {
		s.attachFromHost(m)
	}
	if m.File != nil {
		s.findDebug(m)
	}
}

// attachByID takes a file of the module's build from wherever it is: loose, at its path under a root or
// on this host, or anywhere under a root. Files of other builds at its path are refused by name.
func (s *search) attachByID(m *Module) {
	var refused []string
	paths := s.paths(m.Path)
	if loose, ok := s.loose[m.BuildID]; ok {
		paths = append([]string{loose}, paths...)
	}
	for _, path := range paths {
		f, err := objfile.Open(path)
		if err != nil {
			continue
		}
		if f.BuildID == m.BuildID {
			m.File, m.Verified = f, true
			return
		}
		refused = append(refused, fmt.Sprintf("%s is build %s, the process ran %s", path, orNone(f.BuildID), m.BuildID))
		f.Close()
	}
	if path, ok := s.underRoots()[m.BuildID]; ok {
		if f, err := objfile.Open(path); err == nil {
			m.File, m.Verified = f, true
			return
		}
	}
	if len(refused) > 0 {
		m.Problem = strings.Join(refused, "; ")
	} else {
		m.Problem = fmt.Sprintf("not found: build %s", m.BuildID)
	}
}

// attachByPath is for a core that was cut before the module's first page, or never had it: without a
// build ID the file at its path is taken if its segments lie as the process's mappings do. It remains
// unverified, and the unwinder asks for proof of each step through it.
func (s *search) attachByPath(m *Module) {
	for _, path := range s.byName(m.Path) {
		f, err := objfile.Open(path)
		if err != nil {
			continue
		}
		if m.fits(f) {
			m.File = f
			m.Problem = fmt.Sprintf("the core doesn't hold the build ID; %s was taken because its path and layout fit", path)
			return
		}
		f.Close()
	}
	m.Problem = "not found: the core doesn't hold the build ID, and no file at this path has its layout"
}

// attachLooseDebug takes debug information that was handed over as a file of its own. FindDebug has
// looked in the usual places before.
func (s *search) attachLooseDebug(m *Module) {
	for _, path := range s.Loose {
		if path == m.File.Path {
			continue
		}
		debug, err := objfile.Open(path)
		if err != nil {
			continue
		}
		if m.BuildID == "" || m.File.AddDebug(debug) != nil {
			debug.Close()
		}
	}
}

// byName is where a file may be of which no build ID is known: at its path, or among the loose ones under its
// name.
func (s *search) byName(path string) []string {
	paths := s.paths(path)
	for _, loose := range s.Loose {
		if filepath.Base(loose) == baseName(path) {
			paths = append(paths, loose)
		}
	}
	return paths
}

// deepestRoot is how many directories above a file a jail's root is looked for. A hostile core's paths are
// as deep as they can be.
const deepestRoot = 32

// paths is where the module's file may be, by its path. A process that went into a chroot maps files by
// two kinds of path: host paths before, jail paths after; and a root that was given may be the host's or
// the jail's. So each path is tried under each root whole and without its first directories.
func (s *search) paths(path string) []string {
	path = strings.TrimSuffix(path, deletedMark)
	if path == "" {
		return nil
	}
	var paths []string
	for _, root := range s.Roots {
		for rest, n := filepath.Join("/", path), 0; rest != "" && n < deepestRoot; rest, n = withoutFirst(rest), n+1 {
			paths = append(paths, filepath.Join(root, filepath.Clean(rest)))
		}
	}
	if s.Host {
		paths = append(paths, path)
	}
	return paths
}

// withoutFirst drops a path's first directory: /srv/jail/lib/x becomes /jail/lib/x. Of the last part
// alone nothing is left.
func withoutFirst(path string) string {
	rest := path[1:]
	i := strings.IndexByte(rest, '/')
	if i < 0 {
		return ""
	}
	return rest[i:]
}

// underRoots is every object under the roots by build ID. The walk follows no symbolic links: what they
// lead to inside the root is met anyway, and nothing outside is evidence. The root itself may be one.
func (s *search) underRoots() map[place.BuildID]string {
	if s.roots != nil {
		return s.roots
	}
	s.roots = map[place.BuildID]string{}
	for _, root := range s.Roots {
		filepath.WalkDir(root+"/.", func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				indexObject(path, s.roots)
			}
			return nil
		})
	}
	return s.roots
}

// indexObject notes an object's build. Debug files are no use as binaries: their segments are empty.
func indexObject(path string, index map[place.BuildID]string) {
	if !isObject(path) {
		return
	}
	f, err := objfile.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	if f.BuildID != "" && f.HasCode() {
		index[f.BuildID] = path
	}
}

// isObject looks at a file's first bytes only: under a root lie many files that are none.
func isObject(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	var head [20]byte
	n, _ := file.Read(head[:])
	return objfile.Sniff(head[:n])
}

func orNone(id place.BuildID) string {
	if id == "" {
		return "unknown (it has no build ID)"
	}
	return string(id)
}
