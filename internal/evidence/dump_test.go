package evidence_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/inquest-project/inquest/internal/evidence"
	"github.com/inquest-project/inquest/internal/evidence/logs"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// dump is what abrt 2.1 leaves of a death; the names are libreport's.
func dump(at string, more map[string]string) map[string]string {
	files := map[string]string{
		"type": "CCpp", "analyzer": "CCpp", "coredump": string(core), "core_backtrace": abrt, "time": at,
		"executable": "/usr/sbin/haproxy", "pid": "1", "global_pid": "31826", "tid": "31826", "uid": "188",
		"reason": "haproxy killed by SIGABRT", "cmdline": "/usr/sbin/haproxy -f /etc/haproxy.cfg", "package": "haproxy-1.4.24-1.el6",
		"maps":    "00400000-004b6000 r-xp 00000000 fd:00 1234                           /usr/sbin/haproxy\n",
		"environ": "PATH=/sbin\n", "open_fds": "0:/dev/null\n", "hostname": "lb1",
	}
	for name, content := range more {
		files[name] = content
	}
	return files
}

const dumpKinds = "core_backtrace=backtrace coredump=core executable=element global_pid=element maps=maps pid=element reason=element tid=element time=element"

func TestADumpDirectoryOfABRT(t *testing.T) {
	dir := folder(t, dump("1391032884", nil))
	s := open(t, evidence.Request{Paths: []string{dir}})
	if kinds(s) != dumpKinds || s.Maps != filepath.Join(dir, "maps") || s.Core == nil || len(s.Traces) != 1 || problems(s) != "" {
		t.Errorf("found %s, maps %q, problems %s", kinds(s), s.Maps, problems(s))
	}
	if len(s.Told) != 1 {
		t.Fatalf("found %+v", s.Told)
	}
	r := s.Told[0]
	if r.Kind != logs.ABRT || r.PID != 31826 || r.TID != 31826 || r.Signal != 6 || r.Command != "haproxy" || r.Executable != "/usr/sbin/haproxy" ||
		!r.Time.Equal(time.Unix(1391032884, 0)) || r.Resolution != time.Second {
		t.Errorf("found %+v", r)
	}
}

func TestAPackedCoreInADumpDirectory(t *testing.T) {
	files := dump("1391032884", map[string]string{"coredump.zst": pack(core)})
	delete(files, "coredump")
	if s := open(t, evidence.Request{Paths: []string{folder(t, files)}}); s.Core == nil || filepath.Base(s.CoreFile) != "coredump.zst" {
		t.Errorf("found %s", kinds(s))
	}
}

func TestOfASpoolTheNewestDeathIsRead(t *testing.T) {
	files := map[string]string{}
	for name, at := range map[string]string{"ccpp-a": "1391032000", "ccpp-b": "1391032884", "ccpp-c": "999"} {
		for element, content := range dump(at, nil) {
			files[name+"/"+element] = content
		}
	}
	s := open(t, evidence.Request{Paths: []string{folder(t, files)}})
	if kinds(s) != dumpKinds || !strings.Contains(s.CoreFile, "ccpp-b") || strings.Count(problems(s), "left aside") != 2 {
		t.Errorf("found %s in %s, problems %s", kinds(s), s.CoreFile, problems(s))
	}
}

func TestTheRootOfAJailedProcessIsHintedAt(t *testing.T) {
	s := open(t, evidence.Request{Paths: []string{folder(t, dump("1391032884", map[string]string{"rootdir": "/srv/jail"}))}})
	if !strings.Contains(problems(s), "/srv/jail") || !strings.Contains(problems(s), "--sysroot") {
		t.Errorf("problems %s", problems(s))
	}
}

// What a dump directory tells survives in a case.
func TestADumpDirectoryInACase(t *testing.T) {
	s := open(t, evidence.Request{Paths: []string{folder(t, dump("1391032884", nil))}})
	dir := filepath.Join(t.TempDir(), "case")
	if err := s.Keep(dir, func(func(place.BuildID, string) bool) {}, strings.NewReader("{}")); err != nil {
		t.Fatal(err)
	}
	again := open(t, evidence.Request{Paths: []string{dir}})
	if kinds(again) != dumpKinds || len(again.Told) != 1 || again.Told[0].PID != 31826 || again.Maps == "" {
		t.Errorf("found %s, %+v", kinds(again), again.Told)
	}
}

func TestACoreThatSystemdKept(t *testing.T) {
	const name = `core.ha\x20proxy.188.d97dcad5f2dd465489d1f53ec51c6eac.31826.1391032884000000.zst`
	older := strings.Replace(name, "1391032884", "1391032000", 1)
	dir := folder(t, map[string]string{name: pack(core), older: pack(core)})
	old := time.Now().Add(-time.Hour) // as after a copy: the names count
	if err := os.Chtimes(filepath.Join(dir, name), old, old); err != nil {
		t.Fatal(err)
	}
	for attribute, value := range map[string]string{"user.coredump.signal": "6", "user.coredump.exe": "/usr/sbin/haproxy"} {
		if err := unix.Setxattr(filepath.Join(dir, name), attribute, []byte(value), 0); err != nil {
			t.Skipf("this file system keeps no attributes: %v", err)
		}
	}
	s := open(t, evidence.Request{Paths: []string{dir}})
	if filepath.Base(s.CoreFile) != name || !strings.Contains(problems(s), "left aside") || len(s.Told) != 1 {
		t.Fatalf("found %s, problems %s, %+v", s.CoreFile, problems(s), s.Told)
	}
	r := s.Told[0]
	if r.Kind != logs.Coredump || r.PID != 31826 || r.Command != "ha proxy" || r.Signal != 6 || r.Executable != "/usr/sbin/haproxy" || !r.Time.Equal(time.Unix(1391032884, 0)) {
		t.Errorf("found %+v", r)
	}
}

func testdata(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("backtrace/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A journal tells of the death and holds its stack; so does the log of a daemon that catches its own signal.
func TestStacksInLogs(t *testing.T) {
	message := strings.ReplaceAll(strings.TrimSpace(testdata(t, "systemd-message.txt")), "\n", `\n`)
	entry := `{"__REALTIME_TIMESTAMP":"1795610620100000","COREDUMP_PID":"19462","COREDUMP_SIGNAL":"11","COREDUMP_EXE":"/tmp/tr/inl","COREDUMP_TIMESTAMP":"1795610620000000","MESSAGE":"` + message + `"}` + "\n"
	syslog := "Nov 25 12:43:40 host prog[7]: " + strings.ReplaceAll(strings.TrimSpace(testdata(t, "handler.txt")), "\n", "\nNov 25 12:43:40 host prog[7]: ") + "\n"
	for name, c := range map[string]struct {
		text            string
		records, frames int
		signal          int
	}{
		"short":  {testdata(t, "systemd-journal.txt"), 1, 7, 0},
		"json":   {entry, 1, 7, 11},
		"daemon": {syslog, 0, 8, 11},
	} {
		s := open(t, evidence.Request{Paths: []string{folder(t, map[string]string{"log": c.text})}})
		if kinds(s) != "log=log" || len(s.Logs[0].Records) != c.records || len(s.Traces) != 1 {
			t.Errorf("%s: found %s, %d records, %d traces", name, kinds(s), len(s.Logs[0].Records), len(s.Traces))
			continue
		}
		if trace := s.Traces[0]; len(trace.Threads[0].Frames) != c.frames || trace.Signal != c.signal {
			t.Errorf("%s: found %d frames, signal %d", name, len(trace.Threads[0].Frames), trace.Signal)
		}
	}
}

func TestAStackThatIsHandedOverCountsBeforeOneInALog(t *testing.T) {
	s := open(t, evidence.Request{Paths: []string{folder(t, map[string]string{"a.log": testdata(t, "systemd-journal.txt"), "b": abrt})}})
	if len(s.Traces) != 2 || s.Traces[0].Name != "b" {
		t.Errorf("found %+v", s.Traces)
	}
}

func TestAReportOfApport(t *testing.T) {
	s := open(t, evidence.Request{Paths: []string{folder(t, map[string]string{"_usr_sbin_x.0.crash": testdata(t, "apport.crash")})}})
	if kinds(s) != "_usr_sbin_x.0.crash=backtrace" || s.Traces[0].Signal != 11 || !strings.Contains(problems(s), "apport-unpack") {
		t.Errorf("found %s, problems %s", kinds(s), problems(s))
	}
}
