package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	libaudit "github.com/elastic/go-libaudit/v2"
	"golang.org/x/sys/unix"
)

// The machine's own settings that a recording has to borrow.
const (
	corePattern   = "/proc/sys/kernel/core_pattern"
	corePipeLimit = "/proc/sys/kernel/core_pipe_limit"
	suidDumpable  = "/proc/sys/fs/suid_dumpable"
)

// runDir holds what the lab's processes share. The kernel has one core_pattern, so this is one
// fixed place and not a temporary folder.
const runDir = "/run/inquest-lab"

var (
	lockFile    = filepath.Join(runDir, "lock")
	stateFile   = filepath.Join(runDir, "borrowed.json") // what to give back; there while it is borrowed
	handlerFile = filepath.Join(runDir, "handler")       // a link to the running program
	orderFile   = filepath.Join(runDir, "order.json")    // where the core handler writes to: see coreOrder
)

// machine is the hold on the settings that exist once per kernel.
type machine struct {
	lock *os.File
}

// borrowed is how the settings were before.
type borrowed struct {
	Sysctls map[string]string
	Audit   uint32 // AUDIT_STATUS_ENABLED: 0 off, 1 on, 2 on and locked
}

// borrowMachine waits for the lock, points core dumps at this program and turns audit on. Settings
// left behind by a run that was killed are mended first.
func borrowMachine() (*machine, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("recording needs root: it makes namespaces and points the kernel's core_pattern at itself; run it with sudo")
	}
	if err := os.MkdirAll(runDir, 0o755); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(lockFile, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return nil, fmt.Errorf("waiting for %s: %w", lockFile, err)
	}
	m := &machine{lock: lock}
	if err := m.take(); err != nil {
		return nil, errors.Join(err, m.Return())
	}
	return m, nil
}

// take changes the settings, after it has made sure that they can be put back.
func (m *machine) take() error {
	if err := putBack(); err != nil {
		return fmt.Errorf("mending what an earlier run left: %w", err)
	}
	if err := remember(); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	os.Remove(handlerFile)
	if err := os.Symlink(self, handlerFile); err != nil {
		return err
	}
	for _, s := range []struct{ file, value string }{
		{corePipeLimit, "4"}, // above 0 the kernel keeps /proc/PID until the handler is done
		{suidDumpable, "2"},  // daemons that gave root away leave a core too, to a pipe alone
		{corePattern, "|" + handlerFile + " " + helperCore + " %P"},
	} {
		if err := os.WriteFile(s.file, []byte(s.value), 0); err != nil {
			return err
		}
	}
	return setAudit(1)
}

// Return puts everything back and lets the next run in.
func (m *machine) Return() error {
	return errors.Join(putBack(), m.lock.Close())
}

func remember() error {
	old := borrowed{Sysctls: map[string]string{}}
	for _, file := range []string{corePattern, corePipeLimit, suidDumpable} {
		value, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		old.Sysctls[file] = strings.TrimSpace(string(value))
	}
	client, err := libaudit.NewAuditClient(nil)
	if err != nil {
		return fmt.Errorf("opening the audit socket: %w", err)
	}
	defer client.Close()
	status, err := client.GetStatus()
	if err != nil {
		return fmt.Errorf("asking the kernel for its audit status: %w", err)
	}
	old.Audit = status.Enabled
	return writeJSON(stateFile, old)
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
		if err := setAudit(0); err != nil {
			return err
		}
	}
	os.Remove(handlerFile)
	os.Remove(orderFile)
	return os.Remove(stateFile)
}

func setAudit(enabled uint32) error {
	client, err := libaudit.NewAuditClient(nil)
	if err != nil {
		return fmt.Errorf("opening the audit socket: %w", err)
	}
	defer client.Close()
	if err := client.SetEnabled(enabled != 0, libaudit.WaitForReply); err != nil {
		return fmt.Errorf("setting audit to %s: %w", strconv.Itoa(int(enabled)), err)
	}
	return nil
}

func writeJSON(path string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
