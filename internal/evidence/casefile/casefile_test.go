package casefile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func writeCase(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "case")
	source := filepath.Join(t.TempDir(), "night.pcap")
	if err := os.WriteFile(source, []byte("packets"), 0o644); err != nil {
		t.Fatal(err)
	}
	w, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, add := range []func() error{
		func() error { return w.AddEvidence(Capture, source) },
		func() error { return w.AddEvidence(Capture, source) },
		func() error { return w.AddBinary("ab12", source) },
		func() error { return w.AddBinary("ab12", source) },
		func() error { return w.Seal(strings.NewReader("{}")) },
	} {
		if err := add(); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCaseIsPrivateAndReadsBack(t *testing.T) {
	dir := writeCase(t)
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("mode %v, %v; want 0700", info.Mode(), err)
	}
	c, err := Open(dir)
	if err != nil || len(c.Problems) != 0 {
		t.Fatalf("%v %v", err, c)
	}
	var names []string
	for _, f := range c.Files {
		names = append(names, f.Name)
	}
	want := "evidence/night.pcap evidence/2-night.pcap binaries/ab12/night.pcap findings.json"
	if got := strings.Join(names, " "); got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}

func TestASparseCoreStaysSparse(t *testing.T) {
	source := filepath.Join(t.TempDir(), "core")
	for _, c := range []struct{ begin, end string }{{"begin", "end"}, {"begin", ""}, {"", "end"}, {"", ""}} {
		const size = 64 << 20
		f, err := os.Create(source)
		if err != nil {
			t.Fatal(err)
		}
		_, err1 := f.WriteAt([]byte(c.begin), 0)
		_, err2 := f.WriteAt([]byte(c.end), size-int64(len(c.end)))
		if err := errors.Join(err1, err2, f.Truncate(size), f.Close()); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), "case")
		w, err := Create(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.AddEvidence(Core, source), w.Seal(strings.NewReader("{}"))); err != nil {
			t.Fatal(err)
		}
		if opened, err := Open(dir); err != nil || len(opened.Problems) > 0 || opened.Files[0].Size != size {
			t.Errorf("%q %q: %v, %+v", c.begin, c.end, err, opened)
		}
		info, err := os.Stat(filepath.Join(dir, "evidence/core"))
		if err != nil {
			t.Fatal(err)
		}
		if room := info.Sys().(*syscall.Stat_t).Blocks * 512; info.Size() != size || room > size/2 {
			t.Errorf("%q %q: %d bytes take %d on the disk", c.begin, c.end, info.Size(), room)
		}
	}
}

func TestCaseIsNeverOverwritten(t *testing.T) {
	if _, err := Create(writeCase(t)); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Fatalf("got %v", err)
	}
}

func TestChangedEvidenceIsSaid(t *testing.T) {
	dir := writeCase(t)
	if err := os.WriteFile(filepath.Join(dir, "evidence/night.pcap"), []byte("packetz"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Open(dir)
	if err != nil || len(c.Problems) != 1 || !strings.Contains(c.Problems[0], "changed since it was sealed") {
		t.Fatalf("%v %+v", err, c)
	}
}

func TestNoEntryLeadsOutOfTheCase(t *testing.T) {
	for _, name := range []string{"../secret", "/etc/passwd", "evidence/link"} {
		dir := writeCase(t)
		if err := os.Symlink("/etc/passwd", filepath.Join(dir, "evidence/link")); err != nil {
			t.Fatal(err)
		}
		manifest := `{"format":"inquest case","version":1,"files":[{"name":"` + name + `","kind":"core"}]}`
		if err := os.WriteFile(filepath.Join(dir, manifestName), []byte(manifest), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Open(dir)
		if err != nil || len(c.Files) != 0 || len(c.Problems) != 1 {
			t.Errorf("%s: %v %+v", name, err, c)
		}
	}
}

func TestAFileThatAManifestNamesTwiceIsReadOnce(t *testing.T) {
	dir := writeCase(t)
	entry := `{"name":"findings.json","kind":"findings"}`
	manifest := `{"format":"inquest case","version":1,"files":[` + entry + "," + entry + `]}`
	if err := os.WriteFile(filepath.Join(dir, manifestName), []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Open(dir)
	if err != nil || len(c.Files) != 1 || !strings.Contains(strings.Join(c.Problems, "\n"), "twice") {
		t.Errorf("%v %+v", err, c)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"format":"inquest case","version":1,"files":[{"name":"evidence/x","kind":"core","size":1}]}`))
	f.Add([]byte(`{"format":"inquest case","version":1,"files":[{"name":"../x","size":-1}]}`))
	f.Fuzz(func(t *testing.T, manifest []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, manifestName), manifest, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Open(dir)
		if err != nil {
			return
		}
		for _, e := range c.Files {
			rel, err := filepath.Rel(dir, c.Path(e))
			if err != nil || strings.HasPrefix(rel, "..") {
				t.Errorf("%q leads to %s", e.Name, c.Path(e))
			}
		}
	})
}
