package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/inquest-project/inquest/internal/evidence/environment"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// surroundings are small ones, of a proxy in production, which has a jail, and on a test machine, with what differs between any two
// hosts and much that is harmless.
func surroundings() (prod, test *environment.Environment) {
	settings := func(pairs ...string) (all []environment.Setting) {
		for i := 0; i < len(pairs); i += 2 {
			all = append(all, environment.Setting{Name: pairs[i], Value: pairs[i+1]})
		}
		return all
	}
	object := func(path, soName, id, owner string, mentions ...string) environment.Object {
		return environment.Object{Path: path, SoName: soName, BuildID: place.BuildID(id + strings.Repeat("0123456789", 4)[:36]), Size: 4711, Package: owner, Mentions: mentions}
	}
	file := func(path, sum string, size int64) environment.File {
		return environment.File{Path: path, Type: "file", Mode: "0644", Size: size, SHA256: strings.Repeat(sum, 32)}
	}
	libc := object("/lib64/libc.so.6", "libc.so.6", "0001", "glibc", "/dev/log", "/etc/hosts", "/etc/localtime", "/etc/nsswitch.conf", "/etc/resolv.conf", "/usr/share/zoneinfo", "LANG", "PATH")
	taken := time.Date(2014, 1, 29, 22, 1, 0, 0, time.UTC)
	path := strings.Repeat("/usr/local/some/folder/bin:", 4) + "/usr/bin"
	prod = &environment.Environment{
		Version: 1, Kind: environment.KindProcess, Name: "proxy, pid 31826 on prod7", Taken: taken, Root: "/var/lib/proxy",
		Unseen: []environment.Unseen{{What: "sysctls of network and IPC", Why: "the process may be in other namespaces, which we can't enter: operation not permitted"}},
		Loaded: []environment.Object{libc, object("/usr/lib64/librealm.so.3", "librealm.so.3", "0002", "realm-libs", "/etc/realm.conf", "LANG"), object("/usr/sbin/proxy", "", "0003", "proxy")},
		Files:  []environment.File{{Path: "/dev", Type: "folder", Mode: "0755"}, {Path: "/dev/log", Type: "socket", Mode: "0666"}, {Path: "/etc", Type: "folder", Mode: "0755"}, file("/etc/realm.conf", "aa", 812)},

		Process:      settings("command line", "/usr/sbin/proxy -f /etc/proxy/proxy.cfg", "root", "/var/lib/proxy", "uid", "188 188 188 188"),
		NameService:  settings("/etc/hosts", "missing", "/etc/nsswitch.conf", "missing", "/etc/resolv.conf", "missing", "hosts", "dns [!UNAVAIL=return] files", "hosts is told by", "glibc's default"),
		Limits:       settings("open files", "soft 64, hard 64 (files)", "stack size", "soft 8388608, hard unlimited (bytes)"),
		Variables:    settings("LANG", "C", "PATH", path),
		Locale:       settings("LANG", "C", "effective LC_CTYPE", "C"),
		TimeZone:     settings("/etc/localtime", "missing: times are UTC"),
		Capabilities: settings("cap_net_bind_service", "effective permitted bounding"),
		Packages:     settings("glibc", "2.12-1.132", "proxy", "1.4.24", "realm-libs", "1.10.3-10"),
		Kernel:       settings("release", "2.6.32-431"),
	}
	test = &environment.Environment{
		Version: 1, Kind: environment.KindProcess, Name: "proxy, pid 4711 on test1", Taken: taken,
		Loaded: []environment.Object{libc, object("/usr/lib64/librealm.so.3", "librealm.so.3", "0009", "realm-libs", "/etc/realm.conf", "LANG"), object("/usr/sbin/proxy", "", "0003", "proxy")},
		Files: []environment.File{file("/etc/hosts", "bb", 158), file("/etc/nsswitch.conf", "cc", 1688), file("/etc/realm.conf", "dd", 449),
			file("/etc/resolv.conf", "ee", 70), {Path: "/etc/localtime", Type: "link", Target: "../usr/share/zoneinfo/Europe/Berlin"}},

		Process:      settings("command line", "/usr/sbin/proxy -f /etc/proxy/proxy.cfg -d", "root", "/", "uid", "0 0 0 0"),
		NameService:  settings("/etc/hosts", "127.0.0.1 localhost", "/etc/nsswitch.conf", "present", "/etc/resolv.conf", "nameserver 192.0.2.53", "hosts", "files dns", "hosts is told by", "/etc/nsswitch.conf", "passwd", "files"),
		Limits:       settings("open files", "soft 1024, hard 4096 (files)", "stack size", "soft 8388608, hard unlimited (bytes)"),
		Variables:    settings("LANG", "de_DE.UTF-8", "PATH", "/opt/proxy/bin:"+path, "TERM", "xterm"),
		Locale:       settings("LANG", "de_DE.UTF-8", "effective LC_CTYPE", "de_DE.UTF-8"),
		TimeZone:     settings("/etc/localtime", "link to ../usr/share/zoneinfo/Europe/Berlin"),
		Capabilities: settings("cap_net_bind_service", "effective permitted bounding"),
		Packages:     settings("glibc", "2.12-1.132", "proxy", "1.4.24", "realm-libs", "1.10.3-10.1"),
		Kernel:       settings("release", "2.6.32-431.3.1"),
		Sysctls:      settings("net.ipv4.ip_forward", "0"),
	}
	for i := range 30 {
		prod.Files = append(prod.Files, file(fmt.Sprintf("/etc/pki/%d/%d", i%2, i), "aa", 100))
		test.Files = append(test.Files, file(fmt.Sprintf("/etc/pki/%d/%d", i%2, i), "bb", 100+int64(i%3)))
	}
	for i, e := range []*environment.Environment{prod, test} {
		e.Process = append(e.Process, environment.Setting{Name: "pid", Value: fmt.Sprint(i), Noise: true})
	}
	return prod, test
}

// onStack is a stack that the surroundings can be held against, as gdb prints it.
const onStack = `#0  0x00007f79bea940c5 in abort () from /lib64/libc.so.6
#1  0x00007f79be35b361 in get_fq_hostname () from /usr/lib64/librealm.so.3
#2  0x00007f79be358e27 in realm_default () from /usr/lib64/librealm.so.3
#3  0x000000000046a81a in main () from /usr/sbin/proxy
`

func writeSurroundings(dir string) error {
	prod, test := surroundings()
	return errors.Join(os.MkdirAll(dir, 0o755), prod.Write(filepath.Join(dir, "prod.snapshot"), false), test.Write(filepath.Join(dir, "test.snapshot"), false),
		os.WriteFile(filepath.Join(dir, "backtrace"), []byte(onStack), 0o644))
}

func comparison(t *testing.T, a, b string, o compareOptions) string {
	t.Helper()
	var out bytes.Buffer
	if err := runCompare(t.Context(), &out, a, b, o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestScreensOfComparisonsAreAsTheyWereApproved(t *testing.T) {
	dir := t.TempDir()
	if err := writeSurroundings(dir); err != nil {
		t.Fatal(err)
	}
	prod, test, trace := filepath.Join(dir, "prod.snapshot"), filepath.Join(dir, "test.snapshot"), filepath.Join(dir, "backtrace")
	for name, c := range map[string]struct{ a, b, backtrace string }{
		"compare":           {prod, test, ""},
		"compare-backtrace": {prod, test, trace},
		"compare-story":     {"testdata/story/core_backtrace", "testdata/story/gdb-where.txt", ""},
	} {
		for suffix, o := range map[string]compareOptions{"-100": {width: 100}, "-60": {width: 60}, "-100-v": {width: 100, verbose: true}} {
			o.backtrace = c.backtrace
			got := comparison(t, c.a, c.b, o)
			checkWidth(t, got, o.width)
			compareGolden(t, filepath.Join("testdata/golden", name+suffix+".txt"), got)
			if d := cmp.Diff(got, comparison(t, c.a, c.b, o)); d != "" {
				t.Errorf("%s: the second time it says (-first +second)\n%s", name, d)
			}
		}
		keepsSchema(t, "compare.json", []byte(comparison(t, c.a, c.b, compareOptions{backtrace: c.backtrace, json: true})))
	}
}

func TestWhichSideIsFirstDoesNotChangeWhatDiffers(t *testing.T) {
	dir := t.TempDir()
	if err := writeSurroundings(dir); err != nil {
		t.Fatal(err)
	}
	count := func(a, b string) int {
		var c struct{ Differences []json.RawMessage }
		if err := json.Unmarshal([]byte(comparison(t, filepath.Join(dir, a), filepath.Join(dir, b), compareOptions{json: true})), &c); err != nil {
			t.Fatal(err)
		}
		return len(c.Differences)
	}
	if a, b := count("prod.snapshot", "test.snapshot"), count("test.snapshot", "prod.snapshot"); a != b || a == 0 {
		t.Errorf("%d lines, and the other way round %d", a, b)
	}
	if same := comparison(t, filepath.Join(dir, "prod.snapshot"), filepath.Join(dir, "prod.snapshot"), compareOptions{}); !strings.HasPrefix(same, "Nothing differs") {
		t.Error(same)
	}
}

func TestAStackThatTellsBuildsAloneIsHeldAgainst(t *testing.T) {
	dir := t.TempDir()
	prod, _ := surroundings()
	trace := filepath.Join(dir, "core_backtrace")
	text := fmt.Sprintf("%s 0x34085 abort -\n%s 0x1165 - -\n", prod.Loaded[0].BuildID, prod.Loaded[1].BuildID)
	if err := errors.Join(writeSurroundings(dir), os.WriteFile(trace, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
	got := comparison(t, filepath.Join(dir, "test.snapshot"), filepath.Join(dir, "prod.snapshot"), compareOptions{backtrace: trace, width: 200})
	if !strings.Contains(got, "librealm.so.3 is on the stack") {
		t.Error(got)
	}
}

func TestWhatIsDifferentElsewhereIsAmongTheFindings(t *testing.T) {
	o := analyzeOptions{other: "testdata/story/gdb-where.txt"}
	o.evidence.Paths = []string{"testdata/story/core_backtrace"}
	for suffix, width := range map[string]int{"-100": 100, "-60": 60} {
		o.width = width
		got := screen(t, o)
		checkWidth(t, got, width)
		compareGolden(t, filepath.Join("testdata/golden", "story-compare"+suffix+".txt"), got)
	}
	o.json = true
	keepsSchema(t, "schema.json", []byte(screen(t, o)))
}

// FuzzCompare holds what two snapshots say against each other that anybody may have written: nothing of it reaches the screen
// as a control character, and nothing is written.
func FuzzCompare(f *testing.F) {
	prod, test := surroundings()
	prod.Files, test.Files = prod.Files[:20], test.Files[:20]
	var a, b bytes.Buffer
	if err := errors.Join(prod.JSON(&a), test.JSON(&b)); err != nil {
		f.Fatal(err)
	}
	f.Add(a.String(), b.String())
	f.Add(`{"version":1,"objects":[{"path":"\u001b[2J","build_id":"ff","mentions":["\u202e"]}],"process":[{"name":"command line","value":"\n\u0007 \u001b]0;x"}]}`,
		`{"version":1,"kind":"folder","objects":[{"path":"","soname":"\r","build_id":""}],"files":[{"path":"","type":"file"},{"path":"a/../..","type":"link","target":"\u0000"}],"process":[{"name":"","value":""},{"name":"root","value":"..."}]}`)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, a, b string) {
		for name, text := range map[string]string{"a": a, "b": b} {
			var archive bytes.Buffer
			w := zip.NewWriter(&archive)
			if m, err := w.Create("snapshot.json"); err != nil {
				t.Fatal(err)
			} else if _, err := m.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(w.Close(), os.WriteFile(filepath.Join(dir, name), archive.Bytes(), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		for _, o := range []compareOptions{{width: 60, verbose: true}, {width: 100, backtrace: "testdata/story/gdb-where.txt"}, {json: true}} {
			var out bytes.Buffer
			if err := runCompare(t.Context(), &out, filepath.Join(dir, "a"), filepath.Join(dir, "b"), o); err != nil {
				continue // one of them is no snapshot
			}
			if i := strings.IndexFunc(out.String(), func(r rune) bool { return r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) }); i >= 0 && !o.json {
				t.Errorf("a control character reaches the screen: %q", out.String()[i:min(i+40, out.Len())])
			}
			if o.json && !json.Valid(out.Bytes()) {
				t.Error("its JSON is none")
			}
		}
		if left, _ := filepath.Glob(dir + "/*"); len(left) != 2 {
			t.Errorf("something was written: %v", left)
		}
	})
}
