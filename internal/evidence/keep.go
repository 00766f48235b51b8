package evidence

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"

	"github.com/inquest-project/inquest/internal/evidence/casefile"
	"github.com/inquest-project/inquest/internal/evidence/keylog"
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

// CanKeepKeys says why a key log can't be written to path, if it can't: what is there may be somebody's only one.
func CanKeepKeys(path string) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: it is there already, and a key log is never overwritten; to read it, name it like a capture", path)
	}
	return nil
}

// KeepKeys writes a key log that only its owner may read.
func KeepKeys(path string, log []keylog.Entry) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("writing the key log: %w", err)
	}
	if err := errors.Join(keylog.Write(file, log), file.Close()); err != nil {
		return fmt.Errorf("writing the key log %s: %w", path, err)
	}
	return nil
}
