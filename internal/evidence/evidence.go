// Package evidence is the first room: what was found. Open takes files and folders as somebody hands
// them over, knows each by its content and not by its name, and returns them opened, with whatever
// could not be read as problems. Nothing is concluded here.
package evidence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/backtrace"
	"github.com/inquest-project/inquest/internal/evidence/capture"
	"github.com/inquest-project/inquest/internal/evidence/casefile"
	"github.com/inquest-project/inquest/internal/evidence/debuginfod"
	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/evidence/keylog"
	"github.com/inquest-project/inquest/internal/evidence/logs"
	"github.com/inquest-project/inquest/internal/evidence/objfile"
	"github.com/inquest-project/inquest/internal/evidence/unpack"
	"github.com/inquest-project/inquest/internal/ground/cursor"
	"github.com/inquest-project/inquest/internal/ground/mapped"
)

// ErrNothing means that none of the files given could be read as evidence.
var ErrNothing = errors.New("no evidence could be read")

// Request names what to read. Paths are known by their content, folders are walked; the other lists
// say what their files are.
type Request struct {
	Paths      []string
	Cores      []string
	Captures   []string
	Logs       []string
	Backtraces []string
	Sysroots   []string       // roots under which the dead process's binaries lie
	Zone       *time.Location // of times in logs that tell none; nil if it isn't known
}

// Set is the evidence of one death.
type Set struct {
	Core     *elfcore.Core
	CoreFile string    // its path
	CoreTime time.Time // when it was written, if its file still tells
	Captures []*capture.File
	Logs     []*logs.Log
	Told     []logs.Record // of deaths, by crash handlers' folders and files
	Traces   []backtrace.Trace
	Keys     []keylog.Entry // of TLS connections
	Sysroots []string
	Maps     string   // the path of a copy of /proc/PID/maps; empty if there is none
	Objects  []string // programs, libraries and debug files that were among the paths
	Named    []string // those of them that were named themselves, not a folder that they lie in
	Files    []File
	Carried  bool // read from a case, which brings its own binaries
	Problems []cursor.Damage

	cores    []string          // the paths of all that were found
	printed  []backtrace.Trace // in logs
	elements map[string]string // of abrt's dump directory
	zone     *time.Location
	mapped   []*mapped.File
	seen     []fs.FileInfo // of what was added: a file may be named twice, or lie in a folder that is named, too
}

// File is one file of evidence that was read.
type File struct {
	Path string
	Kind casefile.Kind
	Size int64 // in bytes
}

// Open reads everything the request names. It fails only if nothing could be read; a core and its
// captures stay mapped until Close.
func Open(req Request) (*Set, error) {
	s := &Set{Sysroots: req.Sysroots, zone: req.Zone}
	var errs []error
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	for _, given := range []struct {
		kind  casefile.Kind
		paths []string
	}{
		{casefile.Core, req.Cores},
		{casefile.Capture, req.Captures},
		{casefile.Log, req.Logs},
		{casefile.Backtrace, req.Backtraces},
	} {
		for _, path := range given.paths {
			note(s.addAs(given.kind, path))
		}
	}
	for _, path := range req.Paths { // last: what a file was said to be counts
		note(s.addPath(path))
	}
	if len(s.Files) == 0 {
		s.Close()
		if len(s.Objects) > 0 {
			note(fmt.Errorf("%s: a program or library tells of a death only beside a core, a backtrace or a log", s.Objects[0]))
		}
		return nil, errors.Join(append(errs, ErrNothing)...)
	}
	s.addHandlersRecords()
	s.Traces = append(s.Traces, s.printed...) // a stack that was handed over counts before one in a log
	if err := s.useMaps(); err != nil {
		errs = append(errs, err)
	}
	for _, err := range errs {
		s.problem(err)
	}
	s.noteCores()
	return s, nil
}

// useMaps takes the mapped files from a copy of /proc/PID/maps where the core doesn't list them.
func (s *Set) useMaps() error {
	if s.Core == nil || s.Maps == "" || len(s.Core.Mappings) > 0 {
		return nil
	}
	f, err := mapped.Regular(s.Maps)
	if err != nil {
		return err
	}
	defer f.Close()
	s.Core.Mappings = elfcore.ParseMaps(f)
	return nil
}

// Close unmaps the core, the captures and the logs.
func (s *Set) Close() error {
	var errs []error
	if s.Core != nil {
		errs = append(errs, s.Core.Close())
	}
	for _, c := range s.Captures {
		errs = append(errs, c.Close())
	}
	for _, f := range s.mapped {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

func (s *Set) problem(err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			s.problem(err)
		}
		return
	}
	var parse *cursor.Error
	if errors.As(err, &parse) {
		s.Problems = append(s.Problems, cursor.Damage(*parse))
		return
	}
	s.Problems = append(s.Problems, cursor.Damage{Part: "evidence", Offset: -1, Problem: err.Error()})
}

// addPath takes a case, a folder of evidence, or a file whose content tells what it is.
func (s *Set) addPath(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case info.IsDir() && casefile.IsCase(path):
		return s.addCase(path)
	case info.IsDir() && isDump(path):
		return errors.Join(s.addDump(path)...)
	case info.IsDir():
		return s.addFolder(path)
	}
	head, err := headOf(path)
	if err != nil {
		return err
	}
	if kind := recognise(head); kind != "" {
		if kind == casefile.Binary {
			s.Named = append(s.Named, path)
		}
		return s.add(kind, path)
	}
	found := unreadable(head)
	if found == "" {
		found = "none of these; say what it is with --core, --pcap, --log or --backtrace"
	}
	return fmt.Errorf("%s: expected a core, a capture, a log, a backtrace, a key log or a program, found %s", path, found)
}

// addAs takes a file for what it was said to be, and if it can't be read as that, says what it seems to be.
func (s *Set) addAs(kind casefile.Kind, path string) error {
	head, err := headOf(path)
	if err != nil {
		return err
	}
	seems := recognise(head)
	if found := unreadable(head); found != "" && seems == "" {
		return fmt.Errorf("%s: expected a %s, found %s", path, kind, found)
	}
	if err = s.add(kind, path); err != nil && seems != "" && seems != kind {
		return fmt.Errorf("%w; by its content it is a %s", err, seems)
	}
	return err
}

func (s *Set) addCase(dir string) error {
	c, err := casefile.Open(dir)
	if err != nil {
		return err
	}
	s.Carried = true
	for _, problem := range c.Problems {
		s.Problems = append(s.Problems, cursor.Damage{Part: dir, Offset: -1, Problem: problem})
	}
	var errs []error
	for _, e := range c.Files {
		if e.Kind != casefile.Findings {
			errs = append(errs, s.add(e.Kind, c.Path(e)))
		}
	}
	return errors.Join(errs...)
}

// addFolder walks a folder; files that are nothing we know are passed over in silence, because people
// keep notes beside their evidence. Links are not followed: they may lead anywhere.
func (s *Set) addFolder(dir string) error {
	var errs []error
	var dumps []string
	files, known := 0, 0
	root := dir + "/." // the folder that was named may be a link itself
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			errs = append(errs, err)
			return nil
		case d.IsDir() && path != root && casefile.IsCase(path):
			return fs.SkipDir // another death's
		case d.IsDir() && path != root && isDump(path):
			dumps = append(dumps, path)
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		files++
		head, err := headOf(path)
		if kind := recognise(head); kind != "" {
			known++
			err = s.add(kind, path)
		} else if found := unreadable(head); found != "" && len(head) > 0 {
			err = fmt.Errorf("%s: passed over: %s", path, found)
		}
		if err != nil {
			errs = append(errs, err)
		}
		return nil
	})
	errs = append(errs, s.addDumps(dumps)...)
	if known+len(dumps) == 0 {
		errs = append(errs, fmt.Errorf("%s: expected a core, a capture, a log or a backtrace in this folder, found none of them among %d file(s)", dir, files))
	}
	return errors.Join(append(errs, err)...)
}

// sniffed is how much of a file is looked at to know it: the log line that matters may come late, but
// the form of a log shows in its first lines. Of a packed file it is as much of what is in it.
const sniffed = 256 << 10

// headOf reads the beginning of a file, or of what it holds where it is packed and we know what that is; of an empty one
// nothing.
func headOf(path string) ([]byte, error) {
	f, err := mapped.Regular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, sniffed)
	n, err := f.ReadAt(head, 0)
	if head = head[:n]; unpack.Packed(head) {
		packed := make([]byte, unpack.SniffSize)
		n, err = f.ReadAt(packed, 0)
		if inner := unpack.Head(packed[:n], sniffed); recognise(inner) != "" {
			head = inner
		}
	}
	if n > 0 || errors.Is(err, io.EOF) {
		err = nil
	}
	return head, err
}

// recognise says what a file is that begins with head; empty if it is nothing we know.
func recognise(head []byte) casefile.Kind {
	switch {
	case elfcore.Sniff(head):
		return casefile.Core
	case objfile.Sniff(head):
		return casefile.Binary
	case capture.Sniff(head):
		return casefile.Capture
	case elfcore.SniffMaps(head):
		return casefile.Maps
	case keylog.Sniff(head):
		return casefile.KeyLog
	case logs.Sniff(head): // which may hold a stack, too
		return casefile.Log
	case backtrace.Sniff(head) && !logs.SniffStamped(head):
		return casefile.Backtrace
	case capture.SniffList(head):
		return casefile.Capture
	case logs.SniffStamped(head): // a daemon's own, which may hold a stack, too
		return casefile.Log
	}
	return ""
}

// unread are the forms that evidence comes in and that are not read, by their first bytes, with what makes
// something readable of them.
var unread = []struct{ magic, what string }{
	{"\x1f\x8b", "a file packed by gzip in which no evidence shows; unpack it with gunzip to see"},
	{"\xfd7zXZ\x00", "a file packed by xz in which no evidence shows; unpack it with unxz to see"},
	{"BZh", "a file packed by bzip2; unpack it first with bunzip2"},
	{"\x04\x22\x4d\x18", "a file packed by lz4 in which no evidence shows; unpack it with unlz4 to see"},
	{"\x28\xb5\x2f\xfd", "a file packed by zstd in which no evidence shows; unpack it with unzstd to see"},
	{"PK\x03\x04", "a zip archive; unpack it first with unzip"},
	{"LPKSHHRH", "a journal as systemd keeps it; print it first with journalctl -o export --file"},
}

// unreadable says what a file is that holds nothing which can be read as it is, and what to do; else it is
// empty.
func unreadable(head []byte) string {
	if len(head) == 0 {
		return "an empty file"
	}
	for _, form := range unread {
		if bytes.HasPrefix(head, []byte(form.magic)) {
			return form.what
		}
	}
	return ""
}

func (s *Set) add(kind casefile.Kind, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(s.seen, func(seen fs.FileInfo) bool { return os.SameFile(seen, info) }) {
		return nil
	}
	s.seen = append(s.seen, info)
	switch kind {
	case casefile.Core:
		return s.addCore(path, info)
	case casefile.Capture:
		err = s.addCapture(path)
	case casefile.Log:
		err = s.addLog(path)
	case casefile.Backtrace:
		err = s.addTrace(path)
	case casefile.KeyLog:
		err = s.addKeys(path)
	case casefile.Maps:
		s.Maps = path
	case casefile.Element:
		s.addElement(path)
	case casefile.Binary:
		s.Objects = append(s.Objects, path)
		return nil // of use only beside a core, so not evidence that counts
	default:
		err = fmt.Errorf("%s: expected a kind of evidence, found %q", path, kind)
	}
	if err == nil {
		s.Files = append(s.Files, File{path, kind, info.Size()})
	}
	return err
}

func (s *Set) addCapture(path string) error {
	c, err := capture.Open(path)
	if err != nil {
		return err
	}
	s.Captures = append(s.Captures, c)
	return nil
}

func (s *Set) addLog(path string) error {
	f, unpacking, err := unpack.Open(path)
	if err != nil {
		return err
	}
	s.mapped = append(s.mapped, f)
	log := logs.Read(filepath.Base(path), f.Data, s.zone)
	s.Logs = append(s.Logs, log)
	s.Problems = append(append(s.Problems, unpacking...), log.Damage...)
	s.addPrinted(path, log.Records)
	return nil
}

func (s *Set) addTrace(path string) error {
	f, unpacking, err := unpack.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	s.Problems = append(s.Problems, unpacking...)
	trace, err := backtrace.Read(filepath.Base(path), bytes.NewReader(f.Data))
	if err != nil {
		return err
	}
	s.Traces = append(s.Traces, trace)
	s.Problems = append(s.Problems, trace.Damage...)
	return nil
}

func (s *Set) addKeys(path string) error {
	f, unpacking, err := unpack.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	keys, damage := keylog.Parse(filepath.Base(path), f.Data)
	s.Keys = append(s.Keys, keys...)
	s.Problems = append(append(s.Problems, unpacking...), damage...)
	return nil
}

// ReadTrace reads one printed stack by itself.
func ReadTrace(name string, r io.Reader) (backtrace.Trace, error) { return backtrace.Read(name, r) }

// Servers is the client of the debuginfod servers that the environment names; nil if it names none. say is told
// before one is asked; when ctx is done, all questions end.
func Servers(ctx context.Context, say func(sentence string)) *debuginfod.Client {
	servers := debuginfod.FromEnvironment(ctx)
	if servers != nil {
		servers.Say = say
	}
	return servers
}
