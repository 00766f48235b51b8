// Package machine borrows the settings that a kernel has only once, core_pattern before all, for as long
// as a daemon of the lab or a small program of the tests is made to die, and gives them back. Borrow is
// the way in. A lock keeps borrowers apart, whichever process they are in; what a borrower that was killed
// has left behind, the next one mends.
package machine

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Dir holds what borrowers share. The kernel has one core_pattern, so this is one fixed place and not a
// temporary folder.
const Dir = "/run/inquest-lab"

// Settings are the files of the machine's own that are borrowed.
var Settings = []string{corePattern, corePipeLimit, suidDumpable}

const (
	corePattern   = "/proc/sys/kernel/core_pattern"
	corePipeLimit = "/proc/sys/kernel/core_pipe_limit"
	suidDumpable  = "/proc/sys/fs/suid_dumpable"
)

var (
	lockFile  = filepath.Join(Dir, "lock")
	stateFile = filepath.Join(Dir, "borrowed.json") // what to give back; there while it is borrowed
)

// Hold is the hold on the machine's settings.
type Hold struct {
	lock *os.File
}

// borrowed is how the settings were before.
type borrowed struct {
	Sysctls map[string]string
	Audit   uint32 // AUDIT_STATUS_ENABLED: 0 off, 1 on, 2 on and locked
}

// Borrow waits for the lock and sets the core_pattern. Daemons that gave root away leave a core too, if
// the pattern is a pipe's; and the kernel keeps /proc/PID until the pipe's reader is done.
func Borrow(pattern string) (*Hold, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("borrowing the kernel's core_pattern needs root: run it with sudo")
	}
	if err := os.MkdirAll(Dir, 0o755); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(lockFile, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return nil, fmt.Errorf("waiting for %s: %w", lockFile, err)
	}
	h := &Hold{lock: lock}
	if err := take(pattern); err != nil {
		return nil, errors.Join(err, h.Return())
	}
	return h, nil
}

// take changes the settings, after it has made sure that they can be put back.
func take(pattern string) error {
	if err := putBack(); err != nil {
		return fmt.Errorf("mending what an earlier borrower left: %w", err)
	}
	if err := remember(); err != nil {
		return err
	}
	for _, s := range []struct{ file, value string }{
		{corePipeLimit, "4"}, // above 0 the kernel waits for the reader
		{suidDumpable, "2"},
		{corePattern, pattern},
	} {
		if err := os.WriteFile(s.file, []byte(s.value), 0); err != nil {
			return err
		}
	}
	return nil
}

// Return puts everything back and lets the next borrower in.
func (h *Hold) Return() error {
	return errors.Join(putBack(), h.lock.Close())
}

// Audit turns the kernel's audit on.
func (h *Hold) Audit() error { return setAudit(true) }

func remember() error {
	old := borrowed{Sysctls: map[string]string{}}
	for _, file := range Settings {
		value, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		old.Sysctls[file] = strings.TrimSpace(string(value))
	}
	enabled, err := auditEnabled()
	if err != nil {
		return err
	}
	old.Audit = enabled
	text, err := json.Marshal(old)
	if err != nil {
		return err
	}
	return os.WriteFile(stateFile, text, 0o600)
}

// putBack restores what stateFile remembers. The file goes last: until then the work isn't done.
func putBack() error {
	text, err := os.ReadFile(stateFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var old borrowed
	if err := json.Unmarshal(text, &old); err != nil {
		return fmt.Errorf("reading %s: %w", stateFile, err)
	}
	for file, value := range old.Sysctls {
		if err := os.WriteFile(file, []byte(value), 0); err != nil {
			return err
		}
	}
	if old.Audit == 0 {
		if err := setAudit(false); err != nil {
			return err
		}
	}
	return os.Remove(stateFile)
}
