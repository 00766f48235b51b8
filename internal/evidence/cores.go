package evidence

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/inquest-project/inquest/internal/evidence/casefile"
	"github.com/inquest-project/inquest/internal/evidence/elfcore"
)

// addCore keeps one core: the newest, since findings are about one death. The others are no evidence of it.
func (s *Set) addCore(path string, info fs.FileInfo) error {
	core, err := elfcore.Open(path)
	if err != nil {
		return err
	}
	s.cores = append(s.cores, path)
	if s.Core != nil {
		previous, err := os.Stat(s.CoreFile)
		if err == nil && !written(path, info.ModTime()).After(written(s.CoreFile, previous.ModTime())) {
			return core.Close()
		}
		s.Core.Close()
		s.Files = slices.DeleteFunc(s.Files, func(f File) bool { return f.Path == s.CoreFile })
	}
	s.Core, s.CoreFile, s.CoreTime = core, path, written(path, info.ModTime())
	s.Files = append(s.Files, File{path, casefile.Core, info.Size()})
	return nil
}

// noteCores says which of several cores counts.
func (s *Set) noteCores() {
	const shown = 8
	others := slices.DeleteFunc(slices.Clone(s.cores), func(path string) bool { return path == s.CoreFile })
	if len(others) == 0 {
		return
	}
	more := ""
	if n := len(others) - shown; n > 0 {
		others, more = others[:shown], fmt.Sprintf(" and %d more", n)
	}
	s.problem(fmt.Errorf("%d cores were found: %s is the newest and was used; left aside: %s%s", len(s.cores), s.CoreFile, strings.Join(others, ", "), more))
}

// CoresOf is which cores a request names themselves, not the folders that they lie in.
func (s *Set) CoresOf(req Request) []string {
	named := slices.Concat(req.Cores, req.Paths)
	return slices.DeleteFunc(named, func(path string) bool { return !slices.Contains(s.cores, path) })
}
