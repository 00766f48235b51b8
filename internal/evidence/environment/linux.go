//go:build linux

package environment

import (
	"fmt"
	"os"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"
)

// foreign are file systems that are made by the kernel as one looks, or that lie on other hosts (statfs(2)).
var foreign = []int64{unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC, unix.DEBUGFS_MAGIC,
	unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC, unix.BPF_FS_MAGIC, unix.AUTOFS_SUPER_MAGIC, unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC,
	unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC, unix.V9FS_MAGIC, unix.CEPH_SUPER_MAGIC, unix.DEVPTS_SUPER_MAGIC}

func kernelMade(dir string) bool {
	var stat unix.Statfs_t
	return unix.Statfs(dir, &stat) == nil && slices.Contains(foreign, int64(stat.Type))
}

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
