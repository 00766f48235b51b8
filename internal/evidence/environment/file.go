package environment

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/mapped"
)

// A snapshot is a ZIP archive, so that anybody can look into it: snapshot.json first, and then, if they were wanted,
// objects/SHA256 with the bytes of each program and library.
const (
	jsonMember   = "snapshot.json"
	objectFolder = "objects/"
	localHeader  = "PK\x03\x04"
	nameOffset   = 30 // of the first member's name in the file (ZIP's APPNOTE, section 4.3.7)
)

// Bounds of what is believed of a file that somebody hands over.
const (
	largestJSON  = 256 << 20
	mostValues   = 2_000_000 // in the JSON, twice what Take finds: a value of two bytes may become a structure of a hundred
	mostMembers  = mostObjects + 1
	largestRatio = 1032 // what deflate can reach (RFC 1951: blocks of 258 bytes for two bits)
)

// Sniff says whether head, a file's first bytes (43 are enough), is that of a snapshot.
func Sniff(head []byte) bool {
	return len(head) >= nameOffset+len(jsonMember) && bytes.HasPrefix(head, []byte(localHeader)) &&
		string(head[nameOffset:nameOffset+len(jsonMember)]) == jsonMember
}

// Open reads a file that Write has written. It reads snapshot.json alone; no name that stands in the file is followed.
func Open(path string) (*Environment, error) {
	f, err := mapped.Regular(path)
	if err != nil {
		return nil, fmt.Errorf("opening snapshot: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("opening snapshot: %w", err)
	}
	e, err := parse(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return e, nil
}

func parse(r io.ReaderAt, size int64) (*Environment, error) {
	archive, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("expected a snapshot (a ZIP archive): %w", err)
	}
	if err := checkMembers(archive.File, size); err != nil {
		return nil, err
	}
	text, err := readMember(archive.File[0])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", jsonMember, err)
	}
	// Each value but the first stands behind a comma or an opening bracket; more of these, in texts, do no harm.
	if n := bytes.Count(text, []byte(",")) + bytes.Count(text, []byte("[")) + bytes.Count(text, []byte("{")); n > mostValues {
		return nil, fmt.Errorf("%s: expected at most %d values, found %d", jsonMember, mostValues, n)
	}
	var e Environment
	if err := json.Unmarshal(text, &e); err != nil {
		return nil, fmt.Errorf("%s: %w", jsonMember, err)
	}
	if e.Version < 1 || e.Version > version {
		return nil, fmt.Errorf("%s: expected version 1 to %d, found %d: a newer inquest can read it", jsonMember, version, e.Version)
	}
	e.tidy() // whoever wrote it: the order of facts is a promise
	return &e, nil
}

// checkMembers refuses archives that no inquest has written.
func checkMembers(members []*zip.File, size int64) error {
	if len(members) == 0 || members[0].Name != jsonMember {
		return fmt.Errorf("expected %s as the archive's first member, found none", jsonMember)
	}
	if len(members) > mostMembers {
		return fmt.Errorf("expected at most %d members, found %d", mostMembers, len(members))
	}
	seen := map[string]bool{}
	for _, m := range members[1:] {
		sum, ok := strings.CutPrefix(m.Name, objectFolder)
		if raw, err := hex.DecodeString(sum); !ok || err != nil || len(raw) != sha256.Size || seen[m.Name] {
			return fmt.Errorf("%.100q: expected a member %sSHA256, each once", m.Name, objectFolder)
		}
		seen[m.Name] = true
	}
	m := members[0]
	if m.UncompressedSize64 > largestJSON {
		return fmt.Errorf("%s: expected at most %d bytes, found a claim of %d", jsonMember, largestJSON, m.UncompressedSize64)
	}
	if m.CompressedSize64 > uint64(size) || m.UncompressedSize64/largestRatio > m.CompressedSize64 {
		return fmt.Errorf("%s: expected sizes that the file of %d bytes can hold, found %d packed to %d", jsonMember, size, m.UncompressedSize64, m.CompressedSize64)
	}
	return nil
}

// readMember unpacks one; archive/zip checks its length and sum.
func readMember(m *zip.File) ([]byte, error) {
	r, err := m.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	text := bytes.NewBuffer(make([]byte, 0, m.UncompressedSize64))
	if _, err := io.Copy(text, io.LimitReader(r, largestJSON+1)); err != nil {
		return nil, fmt.Errorf("unpacking the %d bytes that it claims: %w", m.UncompressedSize64, err)
	}
	return text.Bytes(), nil
}

// Write keeps the environment in one file that only its owner may read, with the bytes of its objects if wanted. A file that
// is there already is replaced only if it is a snapshot, too. What of the objects is gone by now is noted in Unseen.
func (e *Environment) Write(path string, withBinaries bool) (err error) {
	if err := CanWrite(path); err != nil {
		return err
	}
	sources := map[string]*os.File{}
	defer func() {
		for _, f := range sources {
			f.Close()
		}
	}()
	if withBinaries {
		e.openSources(sources)
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part") // which is 0600
	if err != nil {
		return fmt.Errorf("writing snapshot: %w", err)
	}
	defer func() {
		if err != nil {
			os.Remove(temporary.Name())
			err = fmt.Errorf("writing snapshot %s: %w", path, err)
		}
	}()
	archive := zip.NewWriter(temporary)
	err = e.writeMembers(archive, sources)
	if err = errors.Join(err, archive.Close(), temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}

// CanWrite says why a snapshot must not be written to path, if it must not: only another snapshot is replaced.
func CanWrite(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("writing snapshot: %w", err)
	}
	if info.Mode().IsRegular() {
		f, err := mapped.Regular(path)
		if err != nil {
			return fmt.Errorf("writing snapshot: %w", err)
		}
		defer f.Close()
		head := make([]byte, nameOffset+len(jsonMember))
		if n, _ := io.ReadFull(f, head); Sniff(head[:n]) {
			return nil
		}
	}
	return fmt.Errorf("%s: it is there already and is no snapshot; name another file, or remove it", path)
}

// openSources opens each object once, by hash.
func (e *Environment) openSources(sources map[string]*os.File) {
	for _, o := range e.Loaded {
		if sources[o.SHA256] != nil || o.source == "" {
			continue
		}
		f, err := mapped.Regular(o.source)
		if err != nil {
			e.Unseen = append(e.Unseen, Unseen{"bytes of " + o.Path, printable(err.Error())})
			continue
		}
		sources[o.SHA256] = f
	}
}

func (e *Environment) writeMembers(archive *zip.Writer, sources map[string]*os.File) error {
	w, err := archive.CreateHeader(&zip.FileHeader{Name: jsonMember, Method: zip.Deflate, Modified: e.Taken})
	if err != nil {
		return err
	}
	if err := e.JSON(w); err != nil {
		return err
	}
	for _, o := range e.Loaded {
		f := sources[o.SHA256]
		if f == nil {
			continue
		}
		sources[o.SHA256] = nil
		if err := writeObject(archive, o, f); err != nil {
			return fmt.Errorf("%s: %w", o.Path, err)
		}
	}
	return nil
}

func writeObject(archive *zip.Writer, o Object, f *os.File) error {
	defer f.Close()
	w, err := archive.Create(objectFolder + o.SHA256)
	if err != nil {
		return err
	}
	hash := sha256.New()
	if _, err := io.Copy(io.MultiWriter(w, hash), f); err != nil {
		return err
	}
	if sum := hex.EncodeToString(hash.Sum(nil)); sum != o.SHA256 {
		return fmt.Errorf("it changed while it was copied: expected SHA-256 %s, found %s; take the snapshot again", o.SHA256, sum)
	}
	return nil
}

// JSON writes the environment as it stands in a snapshot.
func (e *Environment) JSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	return encoder.Encode(e)
}
