// Package casefile keeps a case: one folder with the evidence of one death, the binaries that belong
// to it and the findings, so that it can be carried to another machine and read there alone.
//
//	CASE/
//	  manifest.json       what is here: name, kind, size and SHA-256 of every file below
//	  evidence/           cores, captures, logs and traces, as they were given
//	  binaries/BUILDID/   each program or library that the core mapped, under its base name
//	  findings.json       what was concluded
//
// Evidence is written once and verified always: Open compares every file with the manifest. The folder
// has mode 0700 and its files 0600, because a core holds keys and passwords. Names in a manifest are
// not trusted: os.Root keeps every access inside the case.
package casefile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/inquest-project/inquest/internal/ground/mapped"
	"github.com/inquest-project/inquest/internal/ground/place"
)

const (
	manifestName = "manifest.json"
	findingsName = "findings.json"
	format       = "inquest case"
	version      = 1

	// A manifest names tens of files; one larger than this is not ours.
	maxManifest = 16 << 20
)

// Kind is what a file in a case is.
type Kind string

// The kinds of files.
const (
	Core      Kind = "core"
	Capture   Kind = "capture"
	Log       Kind = "log"
	Backtrace Kind = "backtrace"
	KeyLog    Kind = "key log" // secrets of TLS connections
	Maps      Kind = "maps"    // a copy of /proc/PID/maps
	Element   Kind = "element" // a file of abrt's dump directory that tells a fact of the death
	Binary    Kind = "binary"
	Findings  Kind = "findings"
)

// Entry is one file of a case.
type Entry struct {
	Name   string `json:"name"` // slash-separated, below the case
	Kind   Kind   `json:"kind"`
	Size   int64  `json:"size"` // in bytes
	SHA256 string `json:"sha256"`
}

// Manifest lists a case's files.
type Manifest struct {
	Format  string  `json:"format"`
	Version int     `json:"version"`
	Files   []Entry `json:"files"`
}

// Writer fills a new case.
type Writer struct {
	dir      string
	manifest Manifest
	taken    map[string]bool
}

// Free says, with an error, why a new case can't go into a folder: it must not exist, or be empty. Evidence
// is never overwritten.
func Free(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("creating the case %s: %w", dir, err)
	case len(entries) > 0:
		return fmt.Errorf("creating the case %s: the folder is not empty; a case is never overwritten, so name a new one", dir)
	}
	return nil
}

// Create makes the folder of a new case, which must be free.
func Create(dir string) (*Writer, error) {
	if err := Free(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("creating the case %s: %w", dir, err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, fmt.Errorf("closing the case %s to others: %w", dir, err)
	}
	return &Writer{dir: dir, manifest: Manifest{Format: format, Version: version}, taken: map[string]bool{}}, nil
}

// AddEvidence copies a file of evidence into the case.
func (w *Writer) AddEvidence(kind Kind, file string) error {
	return w.copy(kind, w.free("evidence", filepath.Base(file)), file)
}

// AddBinary copies a program or library into the case; a build that is there already is left alone.
func (w *Writer) AddBinary(id place.BuildID, file string) error {
	if id == "" {
		id = "unknown"
	}
	name := path.Join("binaries", string(id), filepath.Base(file))
	if w.taken[name] {
		return nil
	}
	w.taken[name] = true
	return w.copy(Binary, name, file)
}

// free finds a name that isn't taken: two captures of two hosts may both be called trace.pcap.
func (w *Writer) free(folder, base string) string {
	name := path.Join(folder, base)
	for n := 2; w.taken[name]; n++ {
		name = path.Join(folder, fmt.Sprintf("%d-%s", n, base))
	}
	w.taken[name] = true
	return name
}

func (w *Writer) copy(kind Kind, name, file string) error {
	in, err := mapped.Regular(file)
	if err != nil {
		return fmt.Errorf("adding %s to the case: %w", file, err)
	}
	defer in.Close()
	return w.write(kind, name, in)
}

func (w *Writer) write(kind Kind, name string, content io.Reader) error {
	target := filepath.Join(w.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return fmt.Errorf("adding %s to the case: %w", name, err)
	}
	out, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("adding %s to the case: %w", name, err)
	}
	defer out.Close()
	hash := sha256.New()
	sparse := &sparseWriter{file: out}
	size, err := io.Copy(io.MultiWriter(sparse, hash), content)
	if err := errors.Join(err, out.Truncate(size), out.Close()); err != nil {
		return fmt.Errorf("adding %s to the case: %w", name, err)
	}
	w.manifest.Files = append(w.manifest.Files, Entry{name, kind, size, hex.EncodeToString(hash.Sum(nil))})
	return nil
}

// sparseWriter leaves a hole where zeros are to be written: a core may be a hundred times larger than the
// room that it takes on the disk. Its file must be truncated to its size in the end.
type sparseWriter struct {
	file *os.File
	at   int64
}

func (w *sparseWriter) Write(p []byte) (int, error) {
	w.at += int64(len(p))
	if len(bytes.Trim(p, "\x00")) == 0 {
		return len(p), nil
	}
	return w.file.WriteAt(p, w.at-int64(len(p)))
}

// Seal writes the findings and, last, the manifest: a folder without one is no case.
func (w *Writer) Seal(findings io.Reader) error {
	if err := w.write(Findings, findingsName, findings); err != nil {
		return err
	}
	data, err := json.MarshalIndent(w.manifest, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the manifest of %s: %w", w.dir, err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, manifestName), append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing the manifest of %s: %w", w.dir, err)
	}
	return nil
}

// IsCase says whether a folder holds a case.
func IsCase(dir string) bool {
	info, err := os.Lstat(filepath.Join(dir, manifestName))
	return err == nil && info.Mode().IsRegular()
}

// Case is an opened case whose files agree with its manifest, but for those in Problems.
type Case struct {
	Dir      string
	Files    []Entry
	Problems []string // files that are missing or changed, in words
}

// Open reads a case's manifest and verifies every file. A changed or missing file is a problem and
// not an error: the rest is still evidence.
func Open(dir string) (*Case, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the case %s: %w", dir, err)
	}
	defer root.Close()
	manifest, err := readManifest(root)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", filepath.Join(dir, manifestName), err)
	}
	c := &Case{Dir: dir}
	seen := map[string]bool{} // a manifest that names a large file a million times would keep us busy
	for _, entry := range manifest.Files {
		if seen[entry.Name] {
			c.Problems = append(c.Problems, fmt.Sprintf("%s: named twice in the manifest", entry.Name))
			continue
		}
		seen[entry.Name] = true
		if err := verify(root, entry); err != nil {
			c.Problems = append(c.Problems, fmt.Sprintf("%s: %v", entry.Name, err))
			if errors.Is(err, errNotRead) {
				continue
			}
		}
		c.Files = append(c.Files, entry)
	}
	return c, nil
}

// Path is where an entry lies on this machine.
func (c *Case) Path(e Entry) string { return filepath.Join(c.Dir, filepath.FromSlash(e.Name)) }

func readManifest(root *os.Root) (Manifest, error) {
	var m Manifest
	f, err := root.Open(manifestName)
	if err != nil {
		return m, err
	}
	defer f.Close()
	if err := json.NewDecoder(io.LimitReader(f, maxManifest)).Decode(&m); err != nil {
		return m, fmt.Errorf("expected a case's manifest: %w", err)
	}
	if m.Format != format || m.Version != version {
		return m, fmt.Errorf("expected format %q version %d, found %q version %d", format, version, m.Format, m.Version)
	}
	return m, nil
}

var errNotRead = errors.New("could not be read")

func verify(root *os.Root, e Entry) error {
	if !fs.ValidPath(e.Name) {
		return fmt.Errorf("%w: the name leads out of the case", errNotRead)
	}
	// A named pipe would stall the reader, so what it is comes before opening it.
	if info, err := root.Lstat(filepath.FromSlash(e.Name)); err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("%w: expected a regular file in the case", errNotRead)
	}
	f, err := root.Open(filepath.FromSlash(e.Name))
	if err != nil {
		return fmt.Errorf("%w: %v", errNotRead, err)
	}
	defer f.Close()
	hash := sha256.New()
	size, err := io.Copy(hash, f)
	if err != nil {
		return fmt.Errorf("%w: %v", errNotRead, err)
	}
	if sum := hex.EncodeToString(hash.Sum(nil)); sum != e.SHA256 {
		return fmt.Errorf("changed since it was sealed: expected %d bytes with SHA-256 %s, found %d bytes with %s", e.Size, e.SHA256, size, sum)
	}
	return nil
}
