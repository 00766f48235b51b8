package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/inquest-project/inquest/lab/machine"
)

// patience is how long a program may take to get ready, and to die.
const patience = 20 * time.Second

// Death is how a program is brought to its end.
type Death struct {
	Command []string
	Env     []string
	As      *syscall.Credential // nil for root
	Ready   func() bool         // nil: the program dies by itself
	Traffic func() (stop func(), err error)
	Signal  syscall.Signal
}

// core lets the program die in dir and gives its core's path. The kernel's core_pattern is borrowed meanwhile.
func (d Death) core(dir string) (core string, err error) {
	hold, err := machine.Borrow(filepath.Join(dir, "core.%p"))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, hold.Return()) }()
	if err := limitless(); err != nil {
		return "", err
	}
	cmd, err := d.start(dir)
	if err != nil {
		return "", err
	}
	if err := d.kill(cmd); err != nil {
		cmd.Process.Kill()
		return "", errors.Join(err, cmd.Wait())
	}
	cmd.Wait()
	core = filepath.Join(dir, fmt.Sprintf("core.%d", cmd.Process.Pid))
	if _, err := os.Stat(core); err != nil {
		said, _ := os.ReadFile(filepath.Join(dir, saidFile))
		return "", fmt.Errorf("%s left no core; it said:\n%s", d.Command[0], said)
	}
	return core, nil
}

// limitless lets this program's children leave cores of any size.
func limitless() error {
	return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY})
}

// saidFile is what the program said.
const saidFile = "said.txt"

func (d Death) start(dir string) (*exec.Cmd, error) {
	said, err := os.Create(filepath.Join(dir, saidFile))
	if err != nil {
		return nil, err
	}
	defer said.Close()
	cmd := exec.Command(d.Command[0], d.Command[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, said, said
	cmd.Env = append(os.Environ(), d.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: d.As, Setpgid: true}
	return cmd, cmd.Start()
}

// kill waits until the program is ready and under traffic, and ends it. One that dies by itself is given time.
func (d Death) kill(cmd *exec.Cmd) error {
	if d.Ready == nil {
		time.AfterFunc(patience, func() { cmd.Process.Kill() })
		return nil
	}
	if !eventually(d.Ready) {
		return fmt.Errorf("%s was not ready within %v", d.Command[0], patience)
	}
	if d.Traffic != nil {
		stop, err := d.Traffic()
		if err != nil {
			return err
		}
		defer stop()
	}
	time.Sleep(300 * time.Millisecond)
	return cmd.Process.Signal(d.Signal)
}

func eventually(ready func() bool) bool {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if ready() {
			return true
		}
	}
	return false
}

// answers says whether somebody accepts connections at an address.
func answers(network, address string) func() bool {
	return func() bool {
		c, err := net.Dial(network, address)
		if err == nil {
			c.Close()
		}
		return err == nil
	}
}
