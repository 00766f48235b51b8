package packages

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/inquest-project/inquest/internal/evidence/rooted"
)

func owners(t *testing.T, dir string, files []string) map[string]Package {
	t.Helper()
	root, err := rooted.Open(dir)
	check(t, err)
	defer root.Close()
	found, problems := Owners(root, files)
	for _, problem := range problems {
		t.Error(problem)
	}
	return found
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestOwnersAreThoseOfDpkg asks dpkg -S for every program and library of this machine.
func TestOwnersAreThoseOfDpkg(t *testing.T) {
	if _, err := exec.LookPath("dpkg"); err != nil {
		t.Skip("no dpkg")
	}
	files, _ := filepath.Glob("/usr/lib/x86_64-linux-gnu/*.so*")
	more, _ := filepath.Glob("/usr/sbin/*")
	files = append(files, more...)
	found := owners(t, "/", files)
	listed := dpkgSearch(files)
	wrong := 0
	for _, file := range files {
		want := listed[file]
		if want == nil { // dpkg knows a file by the path that its package lists, before or after /lib became a link
			want = listed[strings.TrimPrefix(file, "/usr")]
		}
		got, known := found[file]
		if known != (want != nil) || known && !slices.Contains(want, got.Name) {
			if wrong++; wrong < 10 {
				t.Errorf("%s: dpkg says %q, we say %q", file, want, got)
			}
		}
	}
	t.Logf("%d files, %d not as dpkg has them", len(files), wrong)
	version := run(t, "dpkg-query", "-W", "-f", "${Version}", "libc6")
	if got := found["/usr/lib/x86_64-linux-gnu/libc.so.6"]; got.Version != version {
		t.Errorf("libc6: expected version %s, found %+v", version, got)
	}
}

// dpkgSearch is what dpkg -S says: file -> packages. A file that it doesn't know makes it exit with 1.
func dpkgSearch(files []string) map[string][]string {
	args := []string{"-S"}
	for _, file := range files {
		args = append(args, file, strings.TrimPrefix(file, "/usr"))
	}
	out, _ := exec.Command("dpkg", args...).Output()
	listed := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		packages, file, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if ok && !strings.HasPrefix(line, "diversion by ") {
			listed[file] = strings.Split(packages, ", ")
		}
	}
	return listed
}

func TestDivertedFilesAreTheirPackages(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		check(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		check(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	write("var/lib/dpkg/status", "Package: shell\nStatus: install ok installed\nVersion: 1\n\n"+
		"Package: other\nStatus: install ok installed\nVersion: 2\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 3\n")
	write("var/lib/dpkg/info/shell.list", "/bin/sh\n/etc/local\n")
	write("var/lib/dpkg/info/other.list", "/bin/sh\n")
	write("var/lib/dpkg/info/gone.list", "/etc/gone\n")
	write("var/lib/dpkg/diversions", "/bin/sh\n/bin/sh.distrib\nother\n/etc/local\n/etc/local.moved\n:\n")
	found := owners(t, dir, []string{"/bin/sh", "/bin/sh.distrib", "/etc/local", "/etc/local.moved", "/etc/gone"})
	want := map[string]Package{"/bin/sh": {"other", "2"}, "/bin/sh.distrib": {"shell", "1"}, "/etc/local.moved": {"shell", "1"}}
	if fmt.Sprint(found) != fmt.Sprint(want) {
		t.Errorf("expected %v, found %v", want, found)
	}
}

// rpms builds some packages: more than fit on one page of any database, one with an epoch, one so large that its
// header overflows.
func rpms(t *testing.T) []string {
	t.Helper()
	if _, err := exec.LookPath("rpmbuild"); err != nil {
		t.Skip("no rpmbuild: make setup installs it")
	}
	top := t.TempDir()
	var spec strings.Builder
	spec.WriteString("Name: base\nVersion: 1.0\nRelease: 3\nSummary: s\nLicense: l\n%description\nd\n%install\n")
	const packages = 40
	for i := range packages {
		fmt.Fprintf(&spec, "mkdir -p %%{buildroot}/opt/p%d/lib\n", i)
		for j := range 1 + 50*(i%7) {
			fmt.Fprintf(&spec, "echo %d > %%{buildroot}/opt/p%d/lib/lib%d.so\n", j, i, j)
		}
	}
	for i := range packages {
		fmt.Fprintf(&spec, "%%package -n part%d\nSummary: s\nVersion: 2.%d\n", i, i)
		if i%3 == 0 {
			spec.WriteString("Epoch: 4\n")
		}
		if i%4 == 0 {
			spec.WriteString("BuildArch: noarch\n")
		}
		fmt.Fprintf(&spec, "%%description -n part%d\nd\n%%files -n part%d\n/opt/p%d\n", i, i, i)
	}
	check(t, os.WriteFile(filepath.Join(top, "x.spec"), []byte(spec.String()), 0o644))
	run(t, "rpmbuild", "-bb", "--quiet", "--define", "_topdir "+top, "--define", "__os_install_post %{nil}", filepath.Join(top, "x.spec"))
	var built []string
	check(t, filepath.WalkDir(filepath.Join(top, "RPMS"), func(path string, d fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".rpm") {
			built = append(built, path)
		}
		return err
	}))
	return built
}

// TestOwnersAreThoseOfRPM installs packages into roots with each kind of database and asks rpm.
func TestOwnersAreThoseOfRPM(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("installing packages needs root")
	}
	built := rpms(t)
	var listing string
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		rpm := func(args ...string) string {
			return run(t, "rpm", append([]string{"--root", dir, "--dbpath", "/var/lib/rpm"}, args...)...)
		}
		rpm(append([]string{"-i", "--nodeps", "--nosignature", "--nodigest"}, built...)...)
		listing = rpm("-qa", "--qf", `[%{=NAME}.%{=ARCH} %|EPOCH?{%{=EPOCH}:}|%{=VERSION}-%{=RELEASE} %{FILENAMES}\n]`)
		asRPM(t, dir, listing)
	})
	t.Run("ndb", func(t *testing.T) { // which Debian's rpm is built without
		dir := t.TempDir()
		check(t, os.MkdirAll(filepath.Join(dir, "usr/lib/sysimage/rpm"), 0o755))
		check(t, os.WriteFile(filepath.Join(dir, "usr/lib/sysimage/rpm/Packages.db"), ndb(t, built), 0o644))
		asRPM(t, dir, listing)
	})
	t.Run("bdb", func(t *testing.T) {
		// Nothing makes such a database any more but Berkeley DB's own loader; rpm reads it still.
		if _, err := exec.LookPath("db5.3_load"); err != nil {
			t.Skip("no db5.3_load: make setup installs it")
		}
		dir := t.TempDir()
		check(t, os.MkdirAll(filepath.Join(dir, "var/lib/rpm"), 0o755))
		writeBDB(t, filepath.Join(dir, "var/lib/rpm/Packages"), built)
		asRPM(t, dir, run(t, "rpm", "--root", dir, "--dbpath", "/var/lib/rpm", "--define", "_db_backend bdb_ro",
			"-qa", "--qf", `[%{=NAME}.%{=ARCH} %|EPOCH?{%{=EPOCH}:}|%{=VERSION}-%{=RELEASE} %{FILENAMES}\n]`))
	})
}

// asRPM compares owners with rpm's listing of package, version and file a line.
func asRPM(t *testing.T, dir, listing string) {
	t.Helper()
	want := map[string]Package{}
	var files []string
	for line := range strings.Lines(listing) {
		if f := strings.Fields(line); len(f) == 3 {
			want[f[2]] = Package{f[0], f[1]}
			files = append(files, f[2])
		}
	}
	found := owners(t, dir, files)
	wrong := 0
	for _, file := range files {
		if found[file] != want[file] {
			if wrong++; wrong < 10 {
				t.Errorf("%s: rpm says %v, we say %v", file, want[file], found[file])
			}
		}
	}
	if len(files) < 1000 {
		t.Errorf("expected a few thousand files, found %d: %.200s", len(files), listing)
	}
	t.Logf("%d files, %d wrong", len(files), wrong)
}

// headerOf is a package file's header as databases keep it, without its magic. Such a file is a lead of 96 bytes, a
// signature header padded to 8, and the header.
func headerOf(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	check(t, err)
	length := func(at int) int {
		return 16 + 16*int(binary.BigEndian.Uint32(data[at+8:])) + int(binary.BigEndian.Uint32(data[at+12:]))
	}
	start := 96 + (length(96)+7)/8*8
	return data[start+8 : start+length(start)]
}

// ndb is rpm's database in its own form: slots on one page of 4096 bytes, then the blobs, in blocks of 16.
func ndb(t *testing.T, built []string) []byte {
	t.Helper()
	file := append([]byte("RpmP"), make([]byte, 4092)...)
	file[8], file[12] = 7, 1 // generation, pages
	for i := 32; i < 4096; i += 16 {
		copy(file[i:], "Slot")
	}
	for i, name := range built {
		header := headerOf(t, name)
		slot := file[32+16*(2*i+1):] // every second one is free
		binary.LittleEndian.PutUint32(slot[4:], uint32(i+1))
		binary.LittleEndian.PutUint32(slot[8:], uint32(len(file)/16))
		blob := append([]byte("BlbS"), byte(i+1), 0, 0, 0, 1, 2, 3, 4)
		blob = append(binary.LittleEndian.AppendUint32(blob, uint32(len(header))), header...)
		file = append(file, blob...)
		file = append(file, make([]byte, (16-len(file)%16)%16)...)
	}
	return file
}

// writeBDB loads headers into a hash as rpm keeps it: number -> header.
func writeBDB(t *testing.T, path string, built []string) {
	t.Helper()
	var dump strings.Builder
	dump.WriteString("VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=4096\nHEADER=END\n")
	dump.WriteString(" 00000000\n 29000000\n")
	for i, file := range built {
		fmt.Fprintf(&dump, " %02x000000\n %x\n", i+1, headerOf(t, file))
	}
	dump.WriteString("DATA=END\n")
	cmd := exec.Command("db5.3_load", path)
	cmd.Stdin = strings.NewReader(dump.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("db5.3_load: %v\n%s", err, out)
	}
}

// FuzzDatabases gives a damaged database to each reader: none may panic, hang, or hold more than the file's size.
func FuzzDatabases(f *testing.F) {
	f.Add([]byte(sqliteMagic))
	f.Add([]byte("RpmP\x00\x00\x00\x00\x07\x00\x00\x00\x01\x00\x00\x00"))
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x61\x15\x06\x00\x09\x00\x00\x00\x00\x02\x00\x00"))
	for _, seed := range []string{"small.sqlite", "small.bdb"} {
		data, err := os.ReadFile(filepath.Join("testdata", seed))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, db := range rpmDatabases {
			s := &search{asked: map[string]string{"/opt/a": "/opt/a"}, bases: map[string]bool{"a": true}, owners: map[string]Package{}}
			headers, damage := db.headers("fuzz", data)
			claimHeaders("fuzz", headers, len(data), s)
			damage()
		}
	})
}
