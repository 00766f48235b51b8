package rooted

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A jail with a link of every kind; what lies beside it must never be reached.
func jail(t *testing.T) *Root {
	t.Helper()
	base := t.TempDir()
	dir := filepath.Join(base, "jail")
	check(t, os.MkdirAll(filepath.Join(dir, "etc"), 0o755))
	check(t, os.MkdirAll(filepath.Join(dir, "usr/lib"), 0o755))
	check(t, os.WriteFile(filepath.Join(base, "secret"), []byte("outside"), 0o644))
	check(t, os.WriteFile(filepath.Join(dir, "etc/hosts"), []byte("inside"), 0o644))
	check(t, os.WriteFile(filepath.Join(dir, "secret"), []byte("the jail's own"), 0o644))
	check(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644))
	for link, target := range map[string]string{
		"lib": "usr/lib", "absolute": "/etc/hosts", "up": "../../../secret", "usr/lib/up": "../../etc/hosts",
		"loop": "loop", "dangling": "/nowhere", "chain": "/lib/up", "pipe": "/fifo",
	} {
		check(t, os.Symlink(target, filepath.Join(dir, link)))
	}
	r, err := Open(dir)
	check(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestLinksStayInside(t *testing.T) {
	r := jail(t)
	for name, want := range map[string]string{
		"/absolute": "inside", "/up": "the jail's own", "/lib/up": "inside", "/chain": "inside",
		"/../../secret": "the jail's own", "/lib/../../../secret": "the jail's own", "/usr/./lib//up": "inside",
	} {
		got, err := r.ReadFile(name, 100)
		if err != nil || string(got) != want {
			t.Errorf("%s: expected %q, found %q, %v", name, want, got, err)
		}
	}
	if real, err := r.Real("/chain"); err != nil || real != "/etc/hosts" {
		t.Errorf("expected /etc/hosts, found %s, %v", real, err)
	}
}

func TestWhatIsNoFileIsAnError(t *testing.T) {
	r := jail(t)
	for name, want := range map[string]error{"/loop": syscall.ELOOP, "/dangling": fs.ErrNotExist, "/etc/hosts/x": syscall.ENOTDIR} {
		if _, err := r.ReadFile(name, 100); !errors.Is(err, want) {
			t.Errorf("%s: expected %v, found %v", name, want, err)
		}
	}
	for _, name := range []string{"/fifo", "/pipe", "/etc"} { // and none is waited for
		if _, err := r.ReadFile(name, 100); err == nil {
			t.Errorf("%s was read", name)
		}
	}
	if _, err := r.ReadFile("/etc/hosts", 5); err == nil {
		t.Error("a bound of 5 bytes let 6 through")
	}
}
