package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// armRoot is where Debian's cross compiler has the libraries of aarch64.
const armRoot = "/usr/aarch64-linux-gnu"

// foreignPrograms is stacks.c for aarch64, with return addresses signed and branch targets marked. It runs under
// qemu's user emulation, which writes a core of its own: without NT_FILE.
func foreignPrograms() (all []Recipe) {
	for _, flags := range [][]string{
		{"-O0", "-gdwarf-5", "-mbranch-protection=standard"},
		{"-O2", "-gdwarf-5", "-mbranch-protection=standard"},
		{"-O2", "-gdwarf-5", "-mbranch-protection=none", "-fno-omit-frame-pointer"},
		{"-Os", "-gdwarf-5", "-mbranch-protection=standard", "-static"},
	} {
		all = append(all, build{"stacks.c", "aarch64-linux-gnu-gcc", flags}.recipe(emulated))
	}
	return all
}

// emulated lets an aarch64 program die under qemu and reads its core with debug information and without. gdb
// can't read the core as it is, so it has one that was completed; inquest is asked of both.
func emulated(p built) ([]Item, error) {
	stripped := filepath.Join(p.dir, "stripped")
	if err := tool(p.dir, "aarch64-linux-gnu-strip", "-o", stripped, p.path); err != nil {
		return nil, err
	}
	raw, err := p.diesEmulated()
	if err != nil {
		return nil, err
	}
	core := filepath.Join(p.dir, "completed.core")
	bare := p
	bare.root = filepath.Join(p.dir, "bare")
	full, poor := p.item("", core), bare.item("stripped", core)
	for _, it := range []*Item{&full, &poor} {
		it.Group, it.Foreign = "aarch64", true
		if err := os.MkdirAll(it.Roots[0], 0o755); err != nil {
			return nil, err
		}
		if err := os.Symlink(filepath.Join(armRoot, "lib"), filepath.Join(it.Roots[0], "lib")); err != nil {
			return nil, err
		}
	}
	if err := putBoth(p.path, full.Program, stripped, poor.Program); err != nil {
		return nil, err
	}
	poor.Better = &full
	fullRaw, poorRaw := full.as("qemu's core", raw), poor.as("qemu's core", raw)
	return []Item{full, poor, fullRaw, poorRaw}, completed(raw, p.root, core)
}

// as is the item with another core of the same death for inquest.
func (it Item) as(what, core string) Item {
	it.Name, it.Core, it.Plain = it.Name+" "+what, core, it.Core
	return it
}

func putBoth(from, to, alsoFrom, alsoTo string) error {
	if err := put(from, to); err != nil {
		return err
	}
	return put(alsoFrom, alsoTo)
}

// diesEmulated gives the core that qemu writes into its working directory: a death in the program is not one
// of the emulator's, so that the kernel writes none.
func (p built) diesEmulated() (string, error) {
	d := Death{Command: []string{"qemu-aarch64", "-L", armRoot, p.path}, Signal: syscall.SIGKILL}
	if err := limitless(); err != nil {
		return "", err
	}
	cmd, err := d.start(p.dir)
	if err != nil {
		return "", err
	}
	defer time.AfterFunc(patience, func() { cmd.Process.Kill() }).Stop()
	cmd.Wait()
	os.Remove(filepath.Join(p.dir, "core")) // the emulator's own
	cores, _ := filepath.Glob(filepath.Join(p.dir, "qemu_*.core"))
	if len(cores) != 1 {
		said, _ := os.ReadFile(filepath.Join(p.dir, saidFile))
		return "", fmt.Errorf("qemu left the cores %v, expected one; it said:\n%s", cores, said)
	}
	return cores[0], nil
}
