package machine

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// settings must be read under the lock: other tests borrow, too.
func settings(t *testing.T) string {
	t.Helper()
	var all []byte
	for _, file := range Settings {
		value, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, value...)
	}
	return string(all)
}

func TestWhatWasBorrowedIsGivenBack(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("borrowing needs root")
	}
	if err := os.MkdirAll(Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	lock, err := os.OpenFile(lockFile, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	before := settings(t)
	if err := take("|/nobody/reads/this"); err != nil {
		t.Fatal(err)
	}
	if during := settings(t); during == before {
		t.Errorf("nothing was set: %q", during)
	}
	if err := setAudit(true); err != nil {
		t.Error(err)
	}
	if err := putBack(); err != nil {
		t.Fatal(err)
	}
	if after := settings(t); after != before {
		t.Errorf("the machine's settings were %q before and are %q", before, after)
	}
}
