package environment

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestWrittenAndRead(t *testing.T) {
	e := take(t, Target{PID: os.Getpid()})
	path := filepath.Join(t.TempDir(), "s.snapshot")
	check(t, e.Write(path, false))
	check(t, e.Write(path, true)) // a snapshot may be taken again
	info, err := os.Stat(path)
	check(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("expected mode 0600, found %v", info.Mode())
	}
	back, err := Open(path)
	check(t, err)
	if diff := cmp.Diff(e, back, cmpopts.IgnoreUnexported(Object{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("what was read isn't what was written:\n%.2000s", diff)
	}
	if !slices.Equal(slices.Collect(e.Facts()), slices.Collect(back.Facts())) {
		t.Error("the facts differ")
	}
	data, err := os.ReadFile(path)
	check(t, err)
	if !Sniff(data[:43]) || Sniff(data[:42]) {
		t.Error("a snapshot is known by its first 43 bytes")
	}

	// Each object's bytes are there once, and are the object's.
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	check(t, err)
	hashes := map[string]bool{}
	for _, o := range e.Objects() {
		hashes[o.SHA256] = true
	}
	if n := len(archive.File) - 1; n != len(hashes) {
		t.Errorf("expected %d objects, found %d", len(hashes), n)
	}
	for _, m := range archive.File[1:] {
		r, err := m.Open()
		check(t, err)
		h := sha256.New()
		_, err = io.Copy(h, r)
		check(t, err)
		if sum := hex.EncodeToString(h.Sum(nil)); m.Name != objectFolder+sum || !hashes[sum] {
			t.Errorf("%s holds bytes with hash %s", m.Name, sum)
		}
	}
	left, _ := filepath.Glob(filepath.Dir(path) + "/*")
	if len(left) != 1 {
		t.Errorf("expected the snapshot alone, found %v", left)
	}
}

func TestNothingElseIsOverwritten(t *testing.T) {
	dir := t.TempDir()
	e := &Environment{Version: version, Name: "x", Taken: time.Unix(0, 0)}
	check(t, os.WriteFile(dir+"/precious", []byte("only copy"), 0o644))
	check(t, e.Write(dir+"/snapshot", false))
	check(t, os.Symlink("snapshot", dir+"/link"))
	check(t, os.Mkdir(dir+"/folder", 0o755))
	for _, name := range []string{"precious", "link", "folder"} {
		if err := e.Write(filepath.Join(dir, name), false); err == nil || !strings.Contains(err.Error(), "is no snapshot") {
			t.Errorf("%s: expected a refusal, found %v", name, err)
		}
	}
	if data, _ := os.ReadFile(dir + "/precious"); string(data) != "only copy" {
		t.Errorf("it is %q now", data)
	}
	if err := e.Write(dir+"/nowhere/x", false); err == nil {
		t.Error("a folder that isn't there was written to")
	}
}

// archive builds one by hand, with what its headers claim.
func archive(members ...member) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, m := range members {
		h := &zip.FileHeader{Name: m.name, Method: zip.Store, CRC32: crc32.ChecksumIEEE([]byte(m.content)),
			CompressedSize64: uint64(len(m.content)), UncompressedSize64: uint64(len(m.content))}
		if m.claim != 0 {
			h.Method, h.UncompressedSize64 = zip.Deflate, m.claim
		}
		raw, err := w.CreateRaw(h)
		if err != nil {
			panic(err)
		}
		io.WriteString(raw, m.content)
	}
	w.Close()
	return b.Bytes()
}

type member struct {
	name, content string
	claim         uint64 // length unpacked; 0 if it isn't packed
}

// deflated is an archive with one member that claims what it holds.
func deflated(content io.Reader) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, _ := w.Create(jsonMember)
	io.Copy(f, content)
	w.Close()
	return b.Bytes()
}

// packed is the raw content of such a member.
func packed(content io.Reader) string {
	data := deflated(content)
	r, _ := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	raw, _ := r.File[0].OpenRaw()
	text, _ := io.ReadAll(raw)
	return string(text)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestHostileSnapshots(t *testing.T) {
	good := `{"version":1,"name":"x","taken":"2026-01-01T00:00:00Z"}`
	sum := strings.Repeat("ab", 32)
	for _, test := range []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "expected a snapshot"},
		{"another archive", archive(member{name: "readme", content: "x"}), "expected snapshot.json as the archive's first member"},
		{"not the first", archive(member{name: "a", content: "x"}, member{name: jsonMember, content: good}), "first member"},
		{"a way out", archive(member{name: jsonMember, content: good}, member{name: "objects/../../etc/passwd", content: "x"}), `"objects/../../etc/passwd": expected a member objects/SHA256`},
		{"an object twice", archive(member{name: jsonMember, content: good}, member{name: "objects/" + sum, content: "x"}, member{name: "objects/" + sum, content: "x"}), "each once"},
		{"a claim of much", archive(member{jsonMember, packed(strings.NewReader(good)), 1 << 40}), "found a claim of 1099511627776"},
		{"a claim of more than there can be", archive(member{jsonMember, packed(strings.NewReader(good)), 200 << 20}), "sizes that the file"},
		{"a claim of less than there is", archive(member{jsonMember, packed(io.LimitReader(zeros{}, 10<<20)), 100_000}), "unpacking the 100000 bytes that it claims"},
		{"a bomb of nothing", deflated(io.LimitReader(zeros{}, 100<<20)), "invalid character"},
		{"a bomb of values", deflated(strings.NewReader(`{"version":1,"files":[{}` + strings.Repeat(",{}", 2_000_000) + "]}")), "expected at most 2000000 values"},
		{"no JSON", archive(member{name: jsonMember, content: "hello"}), "invalid character"},
		{"a newer one", archive(member{name: jsonMember, content: `{"version":99}`}), "expected version 1 to 1, found 99"},
		{"a wrong type", archive(member{name: jsonMember, content: `{"version":1,"files":{"path":3}}`}), "cannot unmarshal"},
		{"cut", archive(member{name: jsonMember, content: good})[:100], "expected a snapshot"},
	} {
		path := filepath.Join(t.TempDir(), "hostile")
		check(t, os.WriteFile(path, test.data, 0o600))
		_, err := Open(path)
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: expected an error with %q and the file's name, found %v", test.name, test.want, err)
		}
	}
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("a folder was opened")
	}
}

// FuzzOpen reads damaged archives, and of what can be read lists everything.
func FuzzOpen(f *testing.F) {
	path := filepath.Join(f.TempDir(), "seed")
	e := &Environment{Version: version, Name: "x", Loaded: []Object{{Path: "/bin/a", Mentions: []string{"/etc/hosts"}}}, Files: []File{{Path: "/etc/a", Type: "file", SHA256: "ab"}},
		Sysctls: []Setting{{Name: "a", Value: "1"}}, Unseen: []Unseen{{"a", "b"}}}
	if err := e.Write(path, false); err != nil {
		f.Fatal(err)
	}
	seed, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(archive(member{name: jsonMember, content: `{"version":1,"objects":[{"path":"/a","build_id":"ff"}],"files":[{"type":"link","target":"x"}]}`}))
	f.Add(archive(member{name: jsonMember, content: `{"version":1}`}, member{name: "objects/" + strings.Repeat("ab", 32), content: "x"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		Sniff(data)
		e, err := parse(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		n := 0
		for range e.Facts() {
			n++
		}
		for range e.Summary() {
			n++
		}
		e.Objects()
		if err := e.JSON(io.Discard); err != nil {
			t.Fatal(err)
		}
	})
}

func TestMaskedAddresses(t *testing.T) {
	m := newMasker(Target{MaskAddresses: true})
	for text, want := range map[string]string{
		"nameserver 10.0.0.1":           "nameserver IPv4-1",
		"ip=10.0.0.1:255.255.255.0 b":   "ip=IPv4-1:255.255.255.0 b",
		"127.0.0.1 localhost":           "127.0.0.1 localhost",
		"at 12:30:45, std::string":      "at 12:30:45, std::string",
		"::1 [::] 300.1.1.1":            "::1 [::] 300.1.1.1",
		"http://10.0.0.1:80/10.0.0.1/8": "http://IPv4-1:80/IPv4-1/8",
	} {
		if got := m.text(text); got != want {
			t.Errorf("%q: expected %q, found %q", text, want, got)
		}
	}
	if got := m.text("2001:db8::1 fe80::1%eth0 [2001:db8::1]:53"); got != "IPv6-2 IPv6-3%eth0 [IPv6-2]:53" {
		t.Errorf("found %q", got)
	}
	if got := newMasker(Target{}).text("10.0.0.1"); got != "10.0.0.1" {
		t.Errorf("an address was masked that shouldn't be: %q", got)
	}
}

func TestMaskedSecrets(t *testing.T) {
	m := newMasker(Target{})
	for text, want := range map[string]string{
		"spec_store_bypass_disable=on iommu.passthrough=1": "spec_store_bypass_disable=on iommu.passthrough=1",
		"host=db password=abc user=x":                      "host=db password=(masked) user=x",
		"password: abc":                                    "password: (masked)",
		"https://u:p@h/x ftp://h/y":                        "https://(masked)@h/x ftp://h/y",
		"amqp://u:p/w@h:1/v":                               "amqp://(masked)@h:1/v",
		"Authorization: Bearer abcdef123":                  "Authorization: Bearer (masked)",
		"files dns":                                        "files dns",
		"https://example.net/a?token=abc&x=1":              "https://example.net/a?token=(masked)&x=1",
	} {
		if got := m.text(text); got != want {
			t.Errorf("%q: expected %q, found %q", text, want, got)
		}
	}
	if got := m.arguments([]string{"x", "--db-password", "abc", "-v", "--api-key=abc", "file"}); got != "x --db-password (masked) -v --api-key=(masked) file" {
		t.Errorf("found %q", got)
	}
}

func TestMaskedSnapshotHasNoAddress(t *testing.T) {
	open, closed := take(t, Target{PID: os.Getpid()}), take(t, Target{PID: os.Getpid(), MaskAddresses: true})
	var text strings.Builder
	check(t, closed.JSON(&text))
	for f := range open.Facts() {
		if f.Area == AreaNetwork && strings.Contains(f.Name, " address ") && f.Value != "127.0.0.1" && f.Value != "::1" && strings.Contains(text.String(), `"`+f.Value+`"`) {
			t.Errorf("%s is told", f.Value)
		}
	}
}

func TestNetworkTables(t *testing.T) {
	for _, test := range []struct {
		name string
		got  any
		want string
	}{
		{"routes", routes4("Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\neth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"),
			"[default via 192.0.2.1 dev eth0 192.0.2.0/24 dev eth0]"},
		{"IPv6 routes", routes6("00000000000000000000000000000000 00 00000000000000000000000000000000 00 fd000000000000000000000000000001 00000400 00000003 00000000 00000003     eth0\n" +
			"fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n" +
			"00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n"),
			"[default via fd00::1 dev eth0 fd00::/64 dev eth0]"},
		{"IPv6 addresses", addresses6("fe8000000000000000fc00fffe000001 04 40 20 80     eth0\n00000000000000000000000000000001 01 80 10 80       lo\nrubbish\n"), "[::1 fe80::fc:ff:fe00:1]"},
		{"addresses", addresses4("Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 192.0.2.2\n        /32 host LOCAL\n     |-- 192.0.2.255\n        /32 link BROADCAST\nLocal:\n     |-- 192.0.2.2\n        /32 host LOCAL\n"), "[192.0.2.2]"},
		{"interfaces", interfaces("Inter-|   Receive\n face |bytes\n    lo: 1 2\n  eth0:3 4\n"), "[lo eth0]"},
	} {
		if got := fmt.Sprint(test.got); got != test.want {
			t.Errorf("%s: expected %s, found %s", test.name, test.want, got)
		}
	}
}

// TestCgroupLimits reads a tree as version 2 has it, from within a container that mounts a part of it.
func TestCgroupLimits(t *testing.T) {
	dir := t.TempDir()
	check(t, os.MkdirAll(dir+"/app/worker", 0o755))
	for name, text := range map[string]string{"app/memory.max": "1073741824\n", "app/worker/memory.max": "max\n", "app/worker/cpu.max": "50000 100000\n"} {
		check(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	t1 := &taker{env: &Environment{}, mask: newMasker(Target{})}
	t1.cgroupLimits(cgroupMount{point: dir, root: "/pod"}, "/pod/app/worker", cgroupFiles[""])
	t1.env.tidy()
	if got := fmt.Sprint(t1.env.Cgroups); got != "[{cpu.max 50000 100000 false} {memory.max max false} {memory.max (1 above) 1073741824 false}]" {
		t.Errorf("found %s", got)
	}
	t1.cgroupLimits(cgroupMount{point: dir, root: "/pod"}, "/../elsewhere", cgroupFiles[""])
	if len(t1.env.Unseen) != 1 {
		t.Errorf("a group outside of the mount must be said, found %v", t1.env.Unseen)
	}
}

func TestMentions(t *testing.T) {
	data := "\x01\x02/etc/krb5.conf\x00FILE:/etc/krb5/user.keytab\x00http://x/index\x00/index.html\x00cannot open /var/run/a.sock, giving up.\x00" +
		"KRB5_CONFIG\x00lower_CASE\x00A__B\x00net.ipv6.conf.all.disable_ipv6\x00net.x\x00/proc/sys/net/core/somaxconn\x00/usr/bin:/opt/x/bin\x00/tmp\x00/etc/unfinished"
	want := "[/etc/krb5.conf /etc/krb5/user.keytab /opt/x/bin /proc/sys/net/core/somaxconn /usr/bin /var/run/a.sock KRB5_CONFIG net.ipv6.conf.all.disable_ipv6]"
	if got := fmt.Sprint(mentions([][]byte{[]byte(data)})); got != want {
		t.Errorf("expected %s\nfound    %s", want, got)
	}
}
