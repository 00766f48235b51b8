// Package packages tells which Debian or RPM package a file came with, and which version of it is installed, from
// the packagers' own databases and without their programs: dpkg's texts, and rpm's headers in SQLite, in its "ndb"
// or in a Berkeley DB hash. Owners is all there is to call.
//
// Nothing is locked, and nothing written: SQLite's own library would leave an index beside a database that is in
// WAL mode, and rpm's reader takes a lock that rpm waits for. A root may be a container's and its databases hostile:
// every size is bounded by the file, and every chain by its pages. What is damaged is told beside what could be read.
package packages

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/inquest-project/inquest/internal/evidence/rooted"
)

// Package is an installed package. Its name is the one that dpkg -S prints ("libc6:amd64" where several architectures
// may be installed at once, else "haproxy"), or rpm's name and architecture ("glibc.x86_64").
type Package struct{ Name, Version string }

// search is what one look into the databases is for.
type search struct {
	asked  map[string]string // a path as a package may list it -> as it was asked for
	bases  map[string]bool   // their last components
	owners map[string]Package
}

// databases are the packagers that are known, each with a reader that calls claim for every file of a package that
// may have been asked for. A reader of a database that isn't there says fs.ErrNotExist.
var databases = []struct {
	name string
	read func(*rooted.Root, *search) error
}{{"dpkg", readDpkg}, {"rpm", readRPM}}

// Owners finds the packages that files came with; a file that is in no database is absent.
func Owners(root *rooted.Root, files []string) (map[string]Package, []error) {
	s := &search{asked: map[string]string{}, bases: map[string]bool{}, owners: map[string]Package{}}
	for _, file := range files {
		for _, spelled := range spellings(root, file) {
			if _, taken := s.asked[spelled]; !taken {
				s.asked[spelled], s.bases[path.Base(spelled)] = file, true
			}
		}
	}
	for _, file := range files { // before any other spelling of another
		s.asked[file] = file
	}
	var problems []error
	for _, db := range databases {
		if err := db.read(root, s); err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, fmt.Errorf("reading %s's database: %w", db.name, err))
		}
	}
	return s.owners, problems
}

// claim says that a package brought the file at a path.
func (s *search) claim(p Package, file string) {
	if asked, ok := s.asked[file]; ok {
		if _, owned := s.owners[asked]; !owned {
			s.owners[asked] = p
		}
	}
}

// spellings are the paths by which a package may list a file: since /lib and its kind became links to /usr/lib, packages
// of before still list /lib/x where processes map /usr/lib/x, and the other way round.
func spellings(root *rooted.Root, file string) []string {
	all := []string{file}
	short := strings.TrimPrefix(file, "/usr")
	top, _, _ := strings.Cut(strings.TrimPrefix(short, "/"), "/")
	if target, err := root.Readlink("/" + top); err == nil && path.Join("/", target) == "/usr/"+top {
		all = append(all, short, "/usr"+short)
	}
	return all
}
