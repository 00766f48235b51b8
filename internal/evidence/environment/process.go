package environment

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// process tells of the process itself: proc(5)'s status, and where it stands.
func (t *taker) process() {
	if t.proc == "" {
		return
	}
	e := t.env
	add := func(name, value string) { e.Process = append(e.Process, t.setting(name, value)) }
	if args := strings.Split(strings.TrimRight(t.inProc("cmdline", "command line"), "\x00"), "\x00"); args[0] != "" {
		e.Process = append(e.Process, Setting{Name: "command line", Value: printable(t.mask.arguments(args))})
	}
	for _, link := range []string{"exe", "cwd"} {
		target, err := os.Readlink(t.proc + "/" + link)
		if err != nil {
			t.unseen(link, err)
			continue
		}
		add(link, target)
	}
	status := fields(t.inProc("status", "status"))
	for _, name := range []string{"Uid", "Gid", "Groups", "Umask", "THP_enabled", "untag_mask"} {
		if value, ok := status[name]; ok {
			add(strings.ToLower(name), value)
		}
	}
	for _, name := range []string{"State", "Threads", "VmRSS", "VmSize", "Pid"} {
		e.Process = append(e.Process, t.noise(strings.ToLower(name), status[name]))
	}
	for _, name := range []string{"oom_score_adj", "coredump_filter", "attr/current"} {
		if text, err := read(t.proc + "/" + name); err == nil { // the last is there with a security module only
			add(path.Base(name), strings.TrimRight(text, "\x00\n"))
		}
	}
	e.Seccomp = append(e.Seccomp, t.setting("no new privileges", status["NoNewPrivs"]))
	if mode, ok := status["Seccomp"]; ok {
		e.Seccomp = append(e.Seccomp, t.setting("mode", map[string]string{"0": "off", "1": "strict", "2": "filter"}[mode]))
	}
	if filters, ok := status["Seccomp_filters"]; ok {
		e.Seccomp = append(e.Seccomp, t.setting("filters", filters))
	}
	t.openFiles()
}

// fields reads lines of "Name: value".
func fields(text string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			all[name] = strings.Join(strings.Fields(value), " ")
		}
	}
	return all
}

// mostOpen bounds the open files that are told; a proxy has a hundred thousand, nearly all of them sockets.
const mostOpen = 1000

// openFiles tells which files, not sockets and pipes, the process has open.
func (t *taker) openFiles() {
	dir, err := os.Open(t.proc + "/fd")
	if err != nil {
		t.unseen("open files", err)
		return
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(100 * mostOpen)
	kinds := map[string]int{}
	for _, fd := range names {
		target, err := os.Readlink(t.proc + "/fd/" + fd)
		if err != nil {
			continue // closed by now
		}
		if !strings.HasPrefix(target, "/") {
			kind, _, _ := strings.Cut(target, ":[") // "socket:[4711]", "anon_inode:[eventpoll]"
			kinds[kind]++
			continue
		}
		if kinds["file"]++; kinds["file"] <= mostOpen {
			t.near[path.Dir(target)] = true
			t.env.Process = append(t.env.Process, t.setting("opens "+target, "yes"))
		}
	}
	if kinds["file"] > mostOpen || len(names) == 100*mostOpen {
		t.unseen("some open files", fmt.Errorf("more than %d are open", mostOpen))
	}
	for kind, n := range kinds {
		t.env.Process = append(t.env.Process, t.noise("open: "+kind, strconv.Itoa(n)))
	}
}

// limits reads a table with columns of fixed width: name, soft, hard, unit.
func (t *taker) limits() {
	for line := range strings.Lines(t.inProc("limits", "limits")) {
		const nameWidth = 26
		if len(line) <= nameWidth || strings.HasPrefix(line, "Limit ") {
			continue
		}
		columns := strings.Fields(line[nameWidth:])
		if len(columns) < 2 {
			continue
		}
		value := fmt.Sprintf("soft %s, hard %s", columns[0], columns[1])
		if len(columns) > 2 {
			value += " (" + columns[2] + ")"
		}
		t.env.Limits = append(t.env.Limits, t.setting(strings.TrimPrefix(strings.TrimSpace(line[:nameWidth]), "Max "), value))
	}
}

// capabilityNames by number (linux/capability.h).
var capabilityNames = strings.Fields(`chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap
	linux_immutable net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot
	sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write
	audit_control setfcap mac_override mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore`)

// capabilities tells of each in which sets it is; those in none aren't told.
func (t *taker) capabilities() {
	if t.proc == "" {
		return
	}
	text, err := read(t.proc + "/status")
	if err != nil {
		t.unseen("capabilities", err)
		return
	}
	status := fields(text)
	in := map[int][]string{}
	for _, set := range []struct{ field, name string }{
		{"CapEff", "effective"}, {"CapPrm", "permitted"}, {"CapInh", "inheritable"}, {"CapBnd", "bounding"}, {"CapAmb", "ambient"},
	} {
		bits, err := strconv.ParseUint(status[set.field], 16, 64)
		if err != nil {
			continue // kernels before 4.3 have no ambient set
		}
		for n := range 64 {
			if bits&(1<<n) != 0 {
				in[n] = append(in[n], set.name)
			}
		}
	}
	for n, sets := range in {
		name := strconv.Itoa(n)
		if n < len(capabilityNames) {
			name = capabilityNames[n]
		}
		t.env.Capabilities = append(t.env.Capabilities, Setting{Name: "cap_" + name, Value: strings.Join(sets, " ")})
	}
}

// namespaces tells of each whether it is ours, too: its number means nothing elsewhere.
func (t *taker) namespaces() {
	if t.proc == "" {
		return
	}
	entries, err := os.ReadDir(t.proc + "/ns")
	if err != nil {
		t.unseen("namespaces", err)
		return
	}
	var apart []string
	for _, entry := range entries {
		kind := entry.Name()
		theirs, err := os.Readlink(t.proc + "/ns/" + kind)
		if err != nil {
			t.unseen("namespaces", err)
			return
		}
		value := "the snapshotter's"
		if !t.shares(kind) {
			value = "another than the snapshotter's"
			apart = append(apart, kind)
		}
		t.env.Namespaces = append(t.env.Namespaces, t.setting(kind, value), t.noise(kind+" number", theirs))
	}
	if slices.Contains(apart, "user") {
		for _, name := range []string{"uid_map", "gid_map"} {
			t.env.Namespaces = append(t.env.Namespaces, t.setting(name, strings.Join(strings.Fields(t.inProc(name, name)), " ")))
		}
	}
}

// noisyVariables are those by which supervisors and shells number what they start.
var noisyVariables = []string{"_", "PWD", "OLDPWD", "SHLVL", "HOSTNAME", "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "MAINPID",
	"LISTEN_PID", "WATCHDOG_PID", "NOTIFY_SOCKET", "XDG_SESSION_ID", "SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY", "MANAGERPID", "MEMORY_PRESSURE_WATCH"}

// variables are those that the process was started with; what it changed since stands in its memory only.
func (t *taker) variables() {
	if t.proc == "" {
		return
	}
	text, err := read(t.proc + "/environ")
	if err != nil {
		t.unseen("environment, locale", err)
		return
	}
	if text != "" && strings.Trim(text, "\x00") == "" {
		t.unseen("environment, locale", errors.New("the process has cleared it, as daemons do that write a title there"))
	}
	t.started(strings.Split(text, "\x00"))
}

// started takes variables as a process is started with them; of a name that comes twice the first counts, as for getenv(3).
func (t *taker) started(entries []string) {
	for _, entry := range entries {
		name, value, ok := strings.Cut(entry, "=")
		if _, set := t.vars[name]; !ok || set {
			continue
		}
		t.vars[name] = value
		s := t.variable(name, value)
		s.Noise = slices.Contains(noisyVariables, name)
		t.env.Variables = append(t.env.Variables, s)
	}
}

// StartedWith adds the variables that a process was started with, as its memory has them ("NAME=value"). Secrets are masked.
func (e *Environment) StartedWith(entries []string) {
	t := &taker{env: e, mask: newMasker(Target{}), vars: map[string]string{}}
	t.started(entries)
	slices.SortFunc(e.Variables, func(a, b Setting) int { return strings.Compare(a.Name, b.Name) })
}

// cgroupFiles are limits of either version of control groups.
var cgroupFiles = map[string][]string{
	"":       {"memory.max", "memory.high", "memory.swap.max", "pids.max", "cpu.max", "cpu.weight", "cpuset.cpus.effective", "cpuset.mems.effective", "memory.oom.group"}, // version 2
	"memory": {"memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.soft_limit_in_bytes", "memory.oom_control"},
	"cpu":    {"cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.shares"},
	"cpuset": {"cpuset.cpus", "cpuset.mems"},
	"pids":   {"pids.max"},
}

// cgroups tells the limits of the process's groups and of those above them, which hold for it, too. A group's own
// path is noise: it numbers containers.
func (t *taker) cgroups() {
	mounts := cgroupMounts()
	for line := range strings.Lines(t.inProc("cgroup", "cgroups")) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3) // "4:memory:/system.slice/haproxy.service"
		if len(parts) != 3 {
			continue
		}
		for controller := range strings.SplitSeq(parts[1], ",") {
			files := cgroupFiles[controller]
			t.env.Cgroups = append(t.env.Cgroups, t.noise("path of "+orVersion2(controller), parts[2]))
			if len(files) == 0 {
				continue
			}
			mount, ok := mounts[controller]
			if !ok {
				t.unseen("cgroup limits of "+orVersion2(controller), errors.New("its file system isn't mounted here"))
				continue
			}
			t.cgroupLimits(mount, parts[2], files)
		}
	}
}

func orVersion2(controller string) string {
	if controller == "" {
		return "version 2"
	}
	return controller
}

type cgroupMount struct{ point, root string }

// cgroupMounts are where each controller is mounted, "" for version 2.
func cgroupMounts() map[string]cgroupMount {
	mounts := map[string]cgroupMount{}
	for m := range mountsIn("/proc/self/mountinfo") {
		at := cgroupMount{point: m.point, root: m.root}
		switch m.kind {
		case "cgroup2":
			mounts[""] = at
		case "cgroup":
			for option := range strings.SplitSeq(m.options, ",") {
				mounts[option] = at
			}
		}
	}
	return mounts
}

// cgroupLimits walks up from the group; a limit of a group n levels above is told as such.
func (t *taker) cgroupLimits(mount cgroupMount, group string, files []string) {
	below := strings.TrimPrefix(group, strings.TrimSuffix(mount.root, "/"))
	if strings.HasPrefix(path.Clean(below), "/..") || len(below) == len(group) && mount.root != "/" {
		t.unseen("cgroup limits of "+group, errors.New("the group lies outside of what is mounted here"))
		return
	}
	for level := 0; ; level++ {
		for _, file := range files {
			text, err := read(path.Join(mount.point, below, file))
			if err != nil {
				if !errors.Is(err, fs.ErrNotExist) { // a controller that isn't switched on has no files
					t.unseen("cgroup limit "+file, err)
				}
				continue
			}
			name := file
			if level > 0 {
				name += fmt.Sprintf(" (%d above)", level)
			}
			t.env.Cgroups = append(t.env.Cgroups, t.setting(name, strings.Join(strings.Fields(text), " ")))
		}
		if below == "/" || below == "" || below == "." {
			return
		}
		below = path.Dir(below)
	}
}
