package evidence

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/inquest-project/inquest/internal/evidence/backtrace"
	"github.com/inquest-project/inquest/internal/evidence/casefile"
	"github.com/inquest-project/inquest/internal/evidence/logs"
	"github.com/inquest-project/inquest/internal/ground/mapped"
)

// abrt keeps a death in a folder of its own, /var/spool/abrt/ccpp-DATE-PID, a file an element (libreport's
// dump_dir). These name the folder for what it is.
var dumpMarks, dumpRemains = []string{"type", "analyzer"}, []string{"coredump", "coredump.zst", "core_backtrace"}

// facts are the elements that tell of the death by themselves.
var facts = []string{"time", "executable", "pid", "global_pid", "tid", "reason", "rootdir"}

func isDump(dir string) bool {
	has := func(name string) bool {
		info, err := os.Lstat(filepath.Join(dir, name))
		return err == nil && info.Mode().IsRegular()
	}
	return slices.ContainsFunc(dumpMarks, has) && slices.ContainsFunc(dumpRemains, has)
}

// addDump takes the core and what stands beside it; what nothing here reads is passed over.
func (s *Set) addDump(dir string) []error {
	var errs []error
	entries, err := os.ReadDir(dir)
	errs = append(errs, err)
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if !e.Type().IsRegular() {
			continue
		}
		kind := casefile.Element
		if !slices.Contains(facts, e.Name()) {
			head, err := headOf(path)
			errs = append(errs, err)
			if kind = recognise(head); e.Name() == "maps" && len(head) > 0 {
				kind = casefile.Maps
			}
		}
		if kind != "" {
			errs = append(errs, s.add(kind, path))
		}
	}
	return errs
}

// addDumps takes the newest of several deaths, since findings are about one.
func (s *Set) addDumps(dirs []string) []error {
	if len(dirs) == 0 {
		return nil
	}
	newest := slices.MaxFunc(dirs, func(a, b string) int { return cmp.Compare(dumped(a), dumped(b)) })
	errs := s.addDump(newest)
	for _, dir := range dirs {
		if dir != newest {
			errs = append(errs, fmt.Errorf("%s: another death, left aside for the newer %s; analyse it by itself", dir, newest))
		}
	}
	return errs
}

func dumped(dir string) int64 {
	seconds, _ := strconv.ParseInt(elementOf(filepath.Join(dir, "time")), 10, 64)
	return seconds
}

// elementOf reads an element of one line, as all are that tell a fact.
func elementOf(path string) string {
	f, err := mapped.Regular(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, 4096))
	return strings.TrimSpace(string(text))
}

// addElement notes a fact of abrt's. In a case it lies under the name it was given.
func (s *Set) addElement(path string) {
	if s.elements == nil {
		s.elements = map[string]string{}
	}
	s.elements[filepath.Base(path)] = elementOf(path)
	if root := s.elements["rootdir"]; filepath.Base(path) == "rootdir" && root != "" && root != "/" {
		s.problem(fmt.Errorf("%s: the process had %s for its root: where its binaries are not found, name that folder with --sysroot", path, root))
	}
}

// addHandlersRecords takes what crash handlers told.
func (s *Set) addHandlersRecords() {
	var records []logs.Record
	if r, ok := logs.FromABRT("abrt's time", s.elements); ok {
		records = append(records, r)
	}
	if r, ok := logs.FromCoredump(filepath.Base(s.CoreFile), func(name string) string { return attribute(s.CoreFile, name) }); ok {
		records = append(records, r)
	}
	s.Told = records
}

// attribute is what systemd-coredump noted at a core; empty if it is not there.
func attribute(path, name string) string {
	value := make([]byte, 4096)
	n, err := unix.Getxattr(path, "user.coredump."+name, value)
	if err != nil {
		return ""
	}
	return string(value[:n])
}

// written is when a core was dumped: as systemd-coredump named it, else when the file was changed last.
func written(path string, changed time.Time) time.Time {
	if r, ok := logs.FromCoredump(filepath.Base(path), func(string) string { return "" }); ok {
		return r.Time
	}
	return changed
}

// mostLogs bounds how much of a log is looked through for stacks.
const mostLogs = 64 << 20

// addPrinted takes the stack that a log holds, in a journal's entry or spread over lines; of several the last.
func (s *Set) addPrinted(path string, records []logs.Record) {
	for _, r := range slices.Backward(records) {
		if r.Kind != logs.Coredump || !backtrace.Sniff([]byte(r.Text)) {
			continue
		}
		if trace, err := backtrace.Read(r.Source, strings.NewReader(r.Text)); err == nil {
			trace.PID, trace.Signal, trace.Executable = cmp.Or(r.PID, trace.PID), cmp.Or(trace.Signal, r.Signal), cmp.Or(r.Executable, trace.Executable)
			s.printed = append(s.printed, trace)
			return
		}
	}
	f, err := mapped.Regular(path)
	if err != nil {
		return
	}
	defer f.Close()
	if trace, ok := backtrace.InLog(filepath.Base(path), io.LimitReader(f, mostLogs)); ok {
		s.printed = append(s.printed, trace)
		s.Problems = append(s.Problems, trace.Damage...)
	}
}
