package packages

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strconv"

	"github.com/inquest-project/inquest/internal/evidence/rooted"
	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// rpm's databases by age, newest first, in either folder; each is one table of number -> header.
var rpmDatabases = []struct {
	file    string
	headers func(part string, data []byte) (iter.Seq[[]byte], func() error)
}{
	{"rpmdb.sqlite", sqliteHeaders},
	{"Packages.db", ndbHeaders},
	{"Packages", bdbHeaders},
}

var rpmDirs = []string{"/usr/lib/sysimage/rpm", "/var/lib/rpm"}

func readRPM(root *rooted.Root, s *search) error {
	for _, dir := range rpmDirs {
		for _, db := range rpmDatabases {
			name := dir + "/" + db.file
			file, err := root.Map(name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			defer file.Close()
			headers, damage := db.headers(name, file.Data)
			problems := []error{claimHeaders(name, headers, len(file.Data), s), damage()}
			// What rpm wrote last stands in the log alone until SQLite takes it over, as it does when rpm ends.
			if info, err := root.Lstat(name + "-wal"); err == nil && info.Size() > 0 {
				problems = append(problems, fmt.Errorf("%s-wal: expected an empty log, found %d bytes: rpm is at work, or was killed; what it changed last was not read", name, info.Size()))
			}
			return errors.Join(problems...)
		}
	}
	return fs.ErrNotExist
}

// claimHeaders goes through all packages; of damaged ones the first is told, and their number. Headers don't overlap,
// so all of them are no larger than the file; in a hostile one each could be as large.
func claimHeaders(name string, headers iter.Seq[[]byte], size int, s *search) error {
	var first error
	bad := 0
	for data := range headers {
		if size -= len(data); size < 0 {
			return fmt.Errorf("%s: expected headers that don't overlap, found more bytes of them than the file has", name)
		}
		h, err := parseHeader(name, data)
		if err != nil {
			if bad++; first == nil {
				first = err
			}
			continue
		}
		h.claimFiles(s)
	}
	if bad > 1 {
		return fmt.Errorf("%w (and %d more headers)", first, bad-1)
	}
	return first
}

// Tags of a header (rpmtag.h) that tell of a package and its files.
const (
	tagName        = 1000
	tagVersion     = 1001
	tagRelease     = 1002
	tagEpoch       = 1003
	tagArch        = 1022
	tagDirIndexes  = 1116
	tagBaseNames   = 1117
	tagDirNames    = 1118
	typeInt32      = 4
	typeString     = 6
	typeStringList = 8
	typeI18NString = 9
)

// header is a package's metadata: entries of tag, type, offset and count, then the data that they point to (the
// file format's description in RPM's manual). In a database it has no magic number before it.
type header struct {
	entries map[uint32]entry
	data    []byte
}

type entry struct{ kind, offset, count uint32 }

func parseHeader(part string, blob []byte) (*header, error) {
	r := cursor.New(part+": header", 0, blob, binary.BigEndian)
	count, size := r.Uint32(), r.Uint32()
	if fit := uint32(r.Len() / 16); count > fit {
		r.Fail("expected at most %d entries, found a count of %d", fit, count)
		count = 0
	}
	h := &header{entries: make(map[uint32]entry, min(count, 256))}
	for range count {
		tag := r.Uint32()
		h.entries[tag] = entry{r.Uint32(), r.Uint32(), r.Uint32()}
	}
	h.data = r.Bytes(uint64(size))
	if _, named := h.entries[tagName]; !named {
		r.Fail("expected a package's name (tag %d), found none", tagName)
	}
	return h, r.Err()
}

// strings are a tag's values: text that ends in NUL, one after another.
func (h *header) strings(tag uint32) iter.Seq[string] {
	return func(yield func(string) bool) {
		e := h.entries[tag]
		if e.kind != typeString && e.kind != typeStringList && e.kind != typeI18NString || uint64(e.offset) >= uint64(len(h.data)) {
			return
		}
		rest := h.data[e.offset:]
		for range e.count {
			text, after, ok := bytes.Cut(rest, []byte{0})
			if !ok || !yield(string(text)) {
				return
			}
			rest = after
		}
	}
}

func (h *header) string(tag uint32) string {
	for s := range h.strings(tag) {
		return s
	}
	return ""
}

// number is the i-th of a tag's 32-bit values.
func (h *header) number(tag uint32, i int) (uint32, bool) {
	e := h.entries[tag]
	at := uint64(e.offset) + 4*uint64(i)
	if e.kind != typeInt32 || uint64(i) >= uint64(e.count) || at+4 > uint64(len(h.data)) {
		return 0, false
	}
	return binary.BigEndian.Uint32(h.data[at:]), true
}

// claimFiles joins folders and names, which a header holds apart.
func (h *header) claimFiles(s *search) {
	p := Package{Name: h.string(tagName), Version: h.string(tagVersion) + "-" + h.string(tagRelease)}
	if arch := h.string(tagArch); arch != "" {
		p.Name += "." + arch
	}
	if epoch, ok := h.number(tagEpoch, 0); ok {
		p.Version = strconv.FormatUint(uint64(epoch), 10) + ":" + p.Version
	}
	var folders []string
	i := 0
	for base := range h.strings(tagBaseNames) {
		if s.bases[base] {
			if folders == nil {
				for folder := range h.strings(tagDirNames) {
					folders = append(folders, folder)
				}
			}
			if n, ok := h.number(tagDirIndexes, i); ok && uint64(n) < uint64(len(folders)) {
				s.claim(p, folders[n]+base)
			}
		}
		i++
	}
}
