package evidence

import (
	"io"
	"iter"

	"github.com/inquest-project/inquest/internal/evidence/casefile"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// CanKeep says why a case can't be written to dir, if it can't.
func CanKeep(dir string) error { return casefile.Free(dir) }

// Keep writes a case that can be carried away: the evidence, the binaries that were matched with it, by build,
// the findings, and the hashes of all.
func (s *Set) Keep(dir string, binaries iter.Seq2[place.BuildID, string], findings io.Reader) error {
	w, err := casefile.Create(dir)
	if err != nil {
		return err
	}
	for _, file := range s.Files {
		if err := w.AddEvidence(file.Kind, file.Path); err != nil {
			return err
		}
	}
	for id, path := range binaries {
		if err := w.AddBinary(id, path); err != nil {
			return err
		}
	}
	return w.Seal(findings)
}
