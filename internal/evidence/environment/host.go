package environment

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// locale is what setlocale and iconv would find.
func (t *taker) locale() {
	add := func(name, value string) { t.env.Locale = append(t.env.Locale, t.variable(name, value)) }
	for name, value := range t.vars {
		if name == "LANG" || name == "LANGUAGE" || name == "LOCPATH" || strings.HasPrefix(name, "LC_") {
			add(name, value)
		}
	}
	if t.proc != "" && len(t.vars) > 0 {
		for _, category := range []string{"LC_CTYPE", "LC_COLLATE", "LC_NUMERIC", "LC_TIME", "LC_MESSAGES"} {
			effective := "C"
			for _, name := range []string{"LANG", category, "LC_ALL"} { // the last that is set counts
				if t.vars[name] != "" {
					effective = t.vars[name]
				}
			}
			add("effective "+category, effective)
		}
	}
	t.present(&t.env.Locale, "/usr/lib/locale/locale-archive", "/usr/lib/locale/C.utf8", "/usr/lib/locale/C.UTF-8",
		"/usr/lib/x86_64-linux-gnu/gconv/gconv-modules", "/usr/lib/x86_64-linux-gnu/gconv/gconv-modules.cache",
		"/usr/lib64/gconv/gconv-modules", "/usr/lib64/gconv/gconv-modules.cache")
}

// present tells of files whether they are there: in a jail they often aren't, and nobody is told.
func (t *taker) present(section *[]Setting, names ...string) {
	if t.root == nil {
		return
	}
	for _, name := range names {
		value := "missing"
		if t.root.Exists(name) {
			value = "present"
		}
		*section = append(*section, t.setting(name, value))
	}
}

// timeZone is what localtime would find.
func (t *taker) timeZone() {
	if zone, ok := t.vars["TZ"]; ok {
		t.env.TimeZone = append(t.env.TimeZone, t.setting("TZ", zone))
	}
	if t.root == nil {
		return
	}
	value := "missing: times are UTC"
	if target, err := t.root.Readlink("/etc/localtime"); err == nil && t.root.Exists("/etc/localtime") {
		value = "link to " + target
	} else if t.root.Exists("/etc/localtime") {
		value = "present"
	}
	t.env.TimeZone = append(t.env.TimeZone, t.setting("/etc/localtime", value))
	if text, err := t.root.ReadFile("/etc/timezone", smallFile); err == nil {
		t.env.TimeZone = append(t.env.TimeZone, t.setting("/etc/timezone", strings.TrimSpace(string(text))))
	}
	t.present(&t.env.TimeZone, "/usr/share/zoneinfo")
}

// tunables are what changes glibc's ways: its version, and variables that it heeds.
func (t *taker) tunables() {
	add := func(name, value string) { t.env.Tunables = append(t.env.Tunables, t.variable(name, value)) }
	if t.libc.version != "" {
		add("glibc", t.libc.version)
	}
	for entry := range strings.SplitSeq(t.vars["GLIBC_TUNABLES"], ":") {
		if name, value, ok := strings.Cut(entry, "="); ok {
			add(name, value)
		}
	}
	for name, value := range t.vars {
		if strings.HasPrefix(name, "MALLOC_") || strings.HasPrefix(name, "LD_") || strings.HasPrefix(name, "RES_") || name == "LOCALDOMAIN" {
			add(name, value)
		}
	}
	if t.root != nil {
		if text, err := t.root.ReadFile("/etc/ld.so.preload", smallFile); err == nil {
			add("/etc/ld.so.preload", strings.Join(strings.Fields(string(text)), " "))
		}
	}
}

// kernel is what uname tells, and how it was started.
func (t *taker) kernel() {
	if !t.thisOne {
		return
	}
	for name, file := range map[string]string{
		"release": "/proc/sys/kernel/osrelease", "version": "/proc/sys/kernel/version", "command line": "/proc/cmdline",
		"security modules": "/sys/kernel/security/lsm", "transparent huge pages": "/sys/kernel/mm/transparent_hugepage/enabled",
		"clock": "/sys/devices/system/clocksource/clocksource0/current_clocksource",
	} {
		text, err := read(file)
		if err == nil {
			text = t.mask.arguments(strings.Fields(text))
			t.env.Kernel = append(t.env.Kernel, Setting{Name: name, Value: printable(text)})
		} else if !errors.Is(err, fs.ErrNotExist) {
			t.unseen("kernel's "+name, err)
		}
	}
	t.env.Kernel = append(t.env.Kernel, t.setting("machine", map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]))
}

// What /proc/cpuinfo tells: lists of which each word is a setting of its own, and single values.
var (
	flagLists = map[string]string{"flags": "flag", "Features": "flag", "bugs": "bug"}
	cpuFields = []string{"vendor_id", "cpu family", "model", "model name", "stepping", "microcode", "CPU implementer", "CPU part", "CPU variant", "cache size"}
)

// cpu is the first processor's description, and how many there are.
func (t *taker) cpu() {
	if !t.thisOne {
		return
	}
	text, err := read("/proc/cpuinfo")
	if err != nil {
		t.unseen("processor", err)
		return
	}
	first, _, _ := strings.Cut(text, "\n\n")
	for name, value := range fields(strings.ReplaceAll(first, "\t", "")) {
		if kind, ok := flagLists[name]; ok {
			for flag := range strings.FieldsSeq(value) {
				t.env.CPU = append(t.env.CPU, t.setting(kind+" "+flag, "yes"))
			}
		} else if slices.Contains(cpuFields, name) {
			t.env.CPU = append(t.env.CPU, t.setting(name, value))
		}
	}
	t.env.CPU = append(t.env.CPU, t.setting("processors", fmt.Sprint(strings.Count(text, "processor\t:"))))
}

// noisySysctls count, or number, or name the host.
var noisySysctls = []string{"kernel.random.", "kernel.ns_last_pid", "kernel.hostname", "kernel.domainname", "kernel.pty.nr", "fs.dentry-state",
	"fs.file-nr", "fs.inode-", "fs.aio-nr", "fs.quota.", "net.netfilter.nf_conntrack_count", "kernel.boot_id", "kernel.cad_pid", "kernel.sched_domain",
	"kernel.perf_event_max_sample_rate"}

// Sysctls that do something when they are read, or stand for a file system of their own.
var untouchedSysctls = []string{"vm/stat_refresh", "fs/binfmt_misc"}

// mostSysctls bounds them: each interface brings about a hundred.
const mostSysctls = 20_000

// sysctlsOf are those that belong to namespaces of networks, IPC and host names: /proc/sys shows the reader's own.
var sysctlsOf = []string{"net/", "fs/mqueue/", "kernel/msg", "kernel/shm", "kernel/sem", "kernel/auto_msgmni", "kernel/hostname", "kernel/domainname"}

// sysctls are all that can be read.
func (t *taker) sysctls() {
	if !t.thisOne {
		return
	}
	all := func() { t.readSysctls(nil) }
	if t.proc == "" || t.shares("net") && t.shares("ipc") && t.shares("uts") {
		all()
	} else if err := t.within(all); err != nil {
		t.unseen("sysctls of network and IPC", fmt.Errorf("the process may be in other namespaces, which we can't enter: %v", err))
		t.readSysctls(sysctlsOf)
	}
}

func (t *taker) readSysctls(without []string) {
	const top = "/proc/sys"
	denied := 0
	filepath.WalkDir(top, func(name string, entry fs.DirEntry, err error) error {
		below := strings.TrimPrefix(strings.TrimPrefix(name, top), "/")
		if err != nil {
			return nil // gone, as interfaces go
		}
		if slices.Contains(untouchedSysctls, below) && entry.IsDir() {
			return fs.SkipDir
		}
		left := slices.ContainsFunc(without, func(prefix string) bool { return strings.HasPrefix(below, prefix) })
		if left || slices.Contains(untouchedSysctls, below) {
			return nil
		}
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() || info.Mode()&0o444 == 0 {
			return nil
		}
		if len(t.env.Sysctls) == mostSysctls {
			t.unseen("some sysctls", fmt.Errorf("there are more than %d", mostSysctls))
			return fs.SkipAll
		}
		text, err := read(path.Join(top, below))
		if errors.Is(err, os.ErrPermission) {
			denied++
		}
		if err != nil {
			return nil // also those that can be read at some times only, as of a device that is off
		}
		// As sysctl(8) writes names: dots and slashes change places.
		s := t.setting(strings.NewReplacer("/", ".", ".", "/").Replace(below), strings.Join(strings.Fields(text), " "))
		if t.mask.secrets && (strings.HasSuffix(s.Name, "_secret") || strings.HasSuffix(s.Name, "_key")) {
			s.Value = masked // those of stable addresses, and of TCP Fast Open
		}
		s.Noise = slices.ContainsFunc(noisySysctls, func(prefix string) bool { return strings.HasPrefix(s.Name, prefix) })
		t.env.Sysctls = append(t.env.Sysctls, s)
		return nil
	})
	if denied > 0 {
		t.unseen(fmt.Sprintf("%d sysctls", denied), fs.ErrPermission)
	}
}
