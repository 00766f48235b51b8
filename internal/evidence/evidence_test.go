package evidence_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/inquest-project/inquest/internal/evidence"
	"github.com/inquest-project/inquest/internal/evidence/casefile"
	"github.com/inquest-project/inquest/internal/evidence/elftest"
)

var (
	core    = elftest.Process{Threads: []elftest.Thread{{TID: 7, Signal: 11}}}.Core()
	library = elftest.Library("some build", []byte{0xc3}, nil)
	pcap    = "\xd4\xc3\xb2\xa1\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00\x01\x00\x00\x00"
	log     = `type=ANOM_ABEND msg=audit(1391032884.818:1): auid=0 pid=31826 comm="haproxy" exe="/usr/sbin/haproxy" sig=6` + "\n"
	abrt    = "605701a8ae551604303523b4f0d3a7e98cf9e153 0x87201 - libkrb5.so.3\n605701a8ae551604303523b4f0d3a7e98cf9e153 0x84de7 krb5_get_default_realm libkrb5.so.3\n"
	list    = "4823\t22:01:24.764\tclient\tserver\tTLSv1\t254\tClient Key Exchange\n"
)

func pack(data []byte) string {
	z, _ := zstd.NewWriter(nil)
	return string(z.EncodeAll(data, nil))
}

// folder holds files by name; a name that ends in / is a folder.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func open(t testing.TB, req evidence.Request) *evidence.Set {
	t.Helper()
	s, err := evidence.Open(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// kinds are the base names of a set's files with what each was known for, in order.
func kinds(s *evidence.Set) string {
	var all []string
	for _, f := range s.Files {
		all = append(all, filepath.Base(f.Path)+"="+string(f.Kind))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func problems(s *evidence.Set) string {
	var all []string
	for _, p := range s.Problems {
		all = append(all, p.String())
	}
	return strings.Join(all, "\n")
}

var every = map[string]string{
	"a": string(core), "b": pcap, "c": log, "d": abrt, "e": list, "sub/f": string(library),
	"notes.txt": "the daemon died again tonight", "empty": "",
}

const everyKind = "a=core b=capture c=log d=backtrace e=capture"

func TestAFolderIsKnownByContentAndNotByName(t *testing.T) {
	s := open(t, evidence.Request{Paths: []string{folder(t, every)}})
	if kinds(s) != everyKind || len(s.Objects) != 1 || problems(s) != "" {
		t.Errorf("found %s and %v, problems %s", kinds(s), s.Objects, problems(s))
	}
	if len(s.Core.Threads) != 1 || len(s.Captures) != 2 || len(s.Logs) != 1 || len(s.Traces) != 1 {
		t.Errorf("%d threads, %d captures, %d log records, %d traces", len(s.Core.Threads), len(s.Captures), len(s.Logs), len(s.Traces))
	}
}

func TestTheFolderMayBeALinkButNothingInItIsFollowed(t *testing.T) {
	dir, outside := folder(t, map[string]string{"c": log}), folder(t, map[string]string{"d": abrt})
	link := filepath.Join(t.TempDir(), "evidence")
	if err := errors.Join(os.Symlink(dir, link), os.Symlink(outside, filepath.Join(dir, "more")), os.Symlink(filepath.Join(outside, "d"), filepath.Join(dir, "d"))); err != nil {
		t.Fatal(err)
	}
	s := open(t, evidence.Request{Paths: []string{link}})
	if kinds(s) != "c=log" || s.Files[0].Path != filepath.Join(link, "c") {
		t.Errorf("found %v", s.Files)
	}
}

func TestLooseFilesAreKnownAsInAFolder(t *testing.T) {
	dir := folder(t, every)
	var req evidence.Request
	for _, name := range []string{"a", "b", "c", "d", "e", "sub/f"} {
		req.Paths = append(req.Paths, filepath.Join(dir, name))
	}
	if s := open(t, req); kinds(s) != everyKind || len(s.Objects) != 1 {
		t.Errorf("found %s and %v", kinds(s), s.Objects)
	}
}

func TestAFileThatIsNamedTwiceIsEvidenceOnce(t *testing.T) {
	dir := folder(t, map[string]string{"core": string(core), "night.pcap": pcap})
	if err := os.Link(filepath.Join(dir, "night.pcap"), filepath.Join(dir, "same.pcap")); err != nil {
		t.Fatal(err)
	}
	s := open(t, evidence.Request{Paths: []string{dir, filepath.Join(dir, "core"), dir + "/."}, Captures: []string{filepath.Join(dir, "night.pcap")}})
	if kinds(s) != "core=core night.pcap=capture" || len(s.Captures) != 1 || problems(s) != "" {
		t.Errorf("found %s, problems %s", kinds(s), problems(s))
	}
}

func TestWhatAFileIsSaidToBeCounts(t *testing.T) {
	dir := folder(t, map[string]string{"strange": "Jan 29 22:01:24 lb1 haproxy[1]: nothing of note\n"})
	s := open(t, evidence.Request{Logs: []string{filepath.Join(dir, "strange")}})
	if kinds(s) != "strange=log" {
		t.Errorf("found %s", kinds(s))
	}
}

func TestOfTwoCoresTheNewerCountsAndTheOtherIsNamed(t *testing.T) {
	for name, older := range map[string]string{"the first is older": "1", "the second is older": "2"} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, map[string]string{"core.1": string(core), "core.2": string(core)})
			old, newer := filepath.Join(dir, "core."+older), filepath.Join(dir, "core."+map[string]string{"1": "2", "2": "1"}[older])
			past := time.Now().Add(-time.Hour)
			if err := os.Chtimes(old, past, past); err != nil {
				t.Fatal(err)
			}
			s := open(t, evidence.Request{Paths: []string{dir}})
			// What is left aside must not go into a case either: copied there, its age would be lost.
			if s.CoreFile != newer || kinds(s) != filepath.Base(newer)+"=core" {
				t.Errorf("took %s; files %s", s.CoreFile, kinds(s))
			}
			if !strings.Contains(problems(s), "2 cores were found: "+newer+" is the newest and was used; left aside: "+old) || len(s.CoresOf(evidence.Request{Paths: []string{dir}})) != 0 {
				t.Errorf("problems %s", problems(s))
			}
		})
	}
}

// Of many the first are named, in one sentence; and those that were named themselves are known.
func TestOfManyCoresOneSentence(t *testing.T) {
	files := map[string]string{}
	for n := range 12 {
		files[fmt.Sprintf("core.%02d", n)] = string(core)
	}
	dir := folder(t, files)
	s := open(t, evidence.Request{Paths: []string{dir}})
	if got := problems(s); strings.Count(got, "12 cores were found") != 1 || strings.Count(got, "left aside") != 1 || !strings.Contains(got, " and 3 more") {
		t.Errorf("problems %s", got)
	}
	req := evidence.Request{Cores: []string{filepath.Join(dir, "core.03")}, Paths: []string{dir, filepath.Join(dir, "core.05")}}
	s = open(t, req)
	if got := s.CoresOf(req); len(got) != 2 || filepath.Base(got[0]) != "core.03" || filepath.Base(got[1]) != "core.05" {
		t.Errorf("named %v", got)
	}
}

func TestANewerCoreThatCantBeReadLeavesTheOlderInPlace(t *testing.T) {
	riscv := slices.Clone(core)
	riscv[18] = 243
	dir := folder(t, map[string]string{"core.1": string(core), "core.2": string(riscv)})
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "core.1"), past, past); err != nil {
		t.Fatal(err)
	}
	s := open(t, evidence.Request{Paths: []string{dir}})
	if len(s.Core.Segments) != 0 || s.Core.Name != "core.1" || !strings.Contains(problems(s), "core.2: ELF header: offset 0x12: expected a core of x86-64 or aarch64, found one of EM_RISCV") {
		t.Errorf("core %s, problems %s", s.Core.Name, problems(s))
	}
}

func TestEachDefectIsAProblemOfItsOwn(t *testing.T) {
	s := open(t, evidence.Request{Paths: []string{folder(t, map[string]string{
		"good": log, "1": "\x7fELF\x02\x01" + strings.Repeat("\x00", 10) + "\x04\x00\x3e\x00", "night.pcap.gz": "\x1f\x8b\x08\x00",
	})}})
	if len(s.Problems) != 2 || !strings.Contains(problems(s), "1: ELF header: offset 0x0: expected at least 64 bytes, found 20") ||
		!strings.Contains(problems(s), "night.pcap.gz: passed over: a file packed by gzip in which no evidence shows; unpack it with gunzip to see") {
		t.Errorf("problems:\n%s", problems(s))
	}
}

// Nothing to read is an error that says of each path why, and what to do.
func TestWhatIsNoEvidenceIsRefusedWithItsReason(t *testing.T) {
	dir := folder(t, map[string]string{"empty": "", "text": "hello", "x.gz": "\x1f\x8b\x08", "x.zst": pack([]byte("hello")), "system.journal": "LPKSHHRH\x00", "lib.so": string(library), "sub/text": "hello"})
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, says := range map[string]string{
		"empty":          "found an empty file",
		"text":           "say what it is with --core, --pcap, --log or --backtrace",
		"x.gz":           "packed by gzip in which no evidence shows; unpack it with gunzip to see",
		"x.zst":          "unpack it with unzstd to see",
		"system.journal": "journalctl -o export --file",
		"lib.so":         "tells of a death only beside a core",
		"sub":            "found none of them among 1 file(s)",
		"fifo":           "expected a regular file, found a pipe",
		"nowhere":        "no such file",
	} {
		path := filepath.Join(dir, name)
		_, err := evidence.Open(evidence.Request{Paths: []string{path}})
		if !errors.Is(err, evidence.ErrNothing) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: expected %q, found %v", name, says, err)
		}
	}
}

func TestAWrongFlagIsAnsweredWithWhatTheFileIs(t *testing.T) {
	dir := folder(t, map[string]string{"audit.log": log, "night.pcap": pcap, "audit.log.gz": "\x1f\x8b\x08"})
	for _, c := range []struct {
		req  evidence.Request
		says string
	}{
		{evidence.Request{Cores: []string{dir + "/audit.log"}}, "audit.log: ELF header: offset 0x0: expected the bytes 7f 45 4c 46, found 74 79 70 65; by its content it is a log"},
		{evidence.Request{Backtraces: []string{dir + "/night.pcap"}}, "by its content it is a capture"},
		{evidence.Request{Logs: []string{dir + "/audit.log.gz"}}, "audit.log.gz: expected a log, found a file packed by gzip"},
	} {
		if _, err := evidence.Open(c.req); !errors.Is(err, evidence.ErrNothing) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("expected %q, found %v", c.says, err)
		}
	}
}

func TestNothingInAFolderStallsTheReader(t *testing.T) {
	dir := folder(t, map[string]string{"audit.log": log})
	if err := errors.Join(syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600), os.Symlink(dir, filepath.Join(dir, "loop")), os.Symlink("fifo", filepath.Join(dir, "link"))); err != nil {
		t.Fatal(err)
	}
	done := make(chan string)
	go func() { done <- kinds(open(t, evidence.Request{Paths: []string{dir}})) }()
	select {
	case found := <-done:
		if found != "audit.log=log" {
			t.Errorf("found %s", found)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("still reading after 10 s")
	}
}

func TestACaseIsReadByItsManifestAndTheFilesOfOthersAreNot(t *testing.T) {
	source := folder(t, map[string]string{"audit.log": log, "x.so": string(library)})
	dir := filepath.Join(t.TempDir(), "case")
	w, err := casefile.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.AddEvidence(casefile.Log, filepath.Join(source, "audit.log")), w.AddBinary("ab", filepath.Join(source, "x.so")), w.Seal(strings.NewReader("{}"))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "evidence/core"), core, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, evidence.Request{Paths: []string{dir}})
	if !s.Carried || kinds(s) != "audit.log=log" || len(s.Objects) != 1 || s.Core != nil {
		t.Errorf("carried %v, %s, %v", s.Carried, kinds(s), s.Objects)
	}
	manifest := filepath.Join(dir, "manifest.json")
	data, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(manifest, []byte(strings.Replace(string(data), `"log"`, `"diary"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := evidence.Open(evidence.Request{Paths: []string{dir}}); err == nil || !strings.Contains(err.Error(), `expected a kind of evidence, found "diary"`) {
		t.Errorf("a kind that is none: %v", err)
	}
}

// FuzzOpen opens any file as what its content tells and as each thing that it may be said to be.
func FuzzOpen(f *testing.F) {
	for _, content := range every {
		f.Add([]byte(content))
	}
	for _, hostile := range elftest.Hostile() {
		f.Add(hostile)
		f.Add([]byte(pack(hostile)))
	}
	f.Add([]byte(pack(make([]byte, 1<<20))))
	f.Add([]byte(pack(core))[:40])
	f.Add([]byte("\x28\xb5\x2f\xfd\x00\xff\x00\x00\x00")) // the largest window
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		one := []string{path}
		begin := time.Now()
		for _, req := range []evidence.Request{{Paths: one}, {Cores: one}, {Captures: one}, {Logs: one}, {Backtraces: one}} {
			s, err := evidence.Open(req)
			if err != nil {
				if !errors.Is(err, evidence.ErrNothing) || !strings.Contains(err.Error(), "file") {
					t.Errorf("%+v: %v", req, err)
				}
				continue
			}
			if len(s.Files) != 1 || s.Files[0].Path != path || s.Files[0].Size != int64(len(content)) {
				t.Errorf("%+v: files %v", req, s.Files)
			}
			for _, c := range s.Captures {
				for range c.Packets() {
				}
				c.Damage()
			}
			if s.Core != nil {
				sum := 0
				for _, segment := range s.Core.Segments {
					for _, b := range segment.Data[:min(4096, len(segment.Data))] {
						sum += int(b) // the mapping holds what it says
					}
				}
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(begin); took > 20*time.Second {
			t.Errorf("%d bytes took %v", len(content), took)
		}
	})
}

func TestAMapsFileListsWhatTheCoreDoesNot(t *testing.T) {
	const maps = "7f0000001000-7f0000002000 r-xp 00001000 08:01 42                         /usr/lib/libx.so\n"
	s := open(t, evidence.Request{Paths: []string{folder(t, map[string]string{"core": string(core), "maps.txt": maps})}})
	if len(s.Core.Mappings) != 1 || s.Core.Mappings[0].Path != "/usr/lib/libx.so" {
		t.Errorf("mappings %+v, problems %s", s.Core.Mappings, problems(s))
	}
}
