//go:build linux

package environment

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// within calls look on a thread that has entered the process's network, IPC and host name namespaces: what /proc/sys shows
// is that of whoever reads it. The thread is thrown away afterwards; the process notices nothing.
func (t *taker) within(look func()) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: so the thread ends with this function
		if unix.Gettid() != unix.Getpid() {
			done <- t.enterAnd(look)
			return
		}
		// The main thread can't end, and its namespaces are what everybody, also we, takes for the program's. While it is
		// locked here, another goroutine runs on another thread.
		defer runtime.UnlockOSThread()
		done <- t.within(look)
	}()
	return <-done
}

func (t *taker) enterAnd(look func()) error {
	for _, kind := range []string{"net", "ipc", "uts"} {
		if t.shares(kind) {
			continue
		}
		ns, err := os.Open(t.proc + "/ns/" + kind)
		if err != nil {
			return err
		}
		err = unix.Setns(int(ns.Fd()), 0)
		ns.Close()
		if err != nil {
			return fmt.Errorf("entering the %s namespace: %w", kind, err)
		}
	}
	look()
	return nil
}
