package mapped

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAFileIsMappedAsItIs(t *testing.T) {
	for _, content := range []string{"", "x", strings.Repeat("evidence ", 1000)} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(f.Data) != content {
			t.Errorf("expected %d bytes, found %d", len(content), len(f.Data))
		}
		if err := f.Close(); err != nil || f.Data != nil {
			t.Errorf("closing: %v, %d bytes left", err, len(f.Data))
		}
		if err := f.Close(); err != nil {
			t.Errorf("closing twice: %v", err)
		}
	}
}

// A reader that waits on a FIFO would hang the analysis; a device would act on being opened.
func TestOnlyRegularFilesAreOpened(t *testing.T) {
	dir := t.TempDir()
	fifo, socket := filepath.Join(dir, "fifo"), filepath.Join(dir, "socket")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for path, found := range map[string]string{dir: "a folder", fifo: "a pipe", socket: "a socket", "/dev/null": "a device"} {
		done := make(chan error, 1)
		go func() {
			_, err := Open(path)
			done <- err
		}()
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), found) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: expected it to be refused as %s, found %v", path, found, err)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("%s: opening it waits", path)
		}
	}
}

func TestLongHolesAreToldLessAMarginAtTheirEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sparse")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const MiB = 1 << 20
	for _, at := range []int64{0, 40 * MiB, 40*MiB + MiB/2} { // between the last two lies a short hole
		if _, err := f.WriteAt([]byte("data"), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(100 * MiB); err != nil {
		t.Fatal(err)
	}
	m, err := From(f)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if len(m.Holes) != 2 {
		t.Fatalf("expected two holes, found %v", m.Holes)
	}
	for i, want := range []Hole{{0, 40 * MiB}, {40*MiB + MiB/2, 100 * MiB}} {
		got := m.Holes[i]
		// The file system's blocks may be of 4 to 64 KiB.
		if got.Start < want.Start+margin || got.Start > want.Start+margin+64<<10 || got.End > want.End-margin || got.End < want.End-margin-64<<10 {
			t.Errorf("hole %d: expected %v less %d, found %v", i, want, margin, got)
		}
	}
	if err := os.WriteFile(path, make([]byte, 3*MiB), 0o600); err != nil {
		t.Fatal(err)
	}
	if m, err := Open(path); err != nil || len(m.Holes) != 0 {
		t.Errorf("zeros that were written are no hole: %v, %v", m.Holes, err)
	}
}
