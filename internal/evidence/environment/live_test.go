package environment

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// haproxy starts Debian's haproxy as its package does: in the jail /var/lib/haproxy, as a user of its own. It returns the
// process that serves.
func haproxy(t *testing.T, env ...string) int {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a jail needs root")
	}
	program, err := exec.LookPath("haproxy")
	if err != nil {
		t.Skip("no haproxy: make setup installs it")
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "haproxy.cfg")
	check(t, os.WriteFile(config, []byte(fmt.Sprintf(`global
  chroot /var/lib/haproxy
  user haproxy
  group haproxy
  maxconn 100
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend f
  bind unix@%s/socket
  http-request return status 200
`, dir)), 0o644))
	cmd := exec.Command(program, "-db", "-f", config) // in the foreground
	cmd.Env = append(os.Environ(), env...)
	start(t, cmd)
	for range 100 {
		if _, err := os.Stat(dir + "/socket"); err == nil {
			if root, _ := os.Readlink(fmt.Sprintf("/proc/%d/root", cmd.Process.Pid)); root == "/var/lib/haproxy" {
				return cmd.Process.Pid
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("haproxy did not start")
	return 0
}

func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	check(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func take(t *testing.T, target Target) *Environment {
	t.Helper()
	e, err := Take(context.Background(), target)
	check(t, err)
	return e
}

// value is a fact's; empty if it is absent.
func value(e *Environment, area Area, name string) string {
	for f := range e.Facts() {
		if f.Area == area && f.Name == name {
			return f.Value
		}
	}
	return ""
}

func unseen(e *Environment) string {
	var all []string
	for _, u := range e.Unseen {
		all = append(all, u.What+": "+u.Why)
	}
	return strings.Join(all, "\n")
}

func TestJailedDaemon(t *testing.T) {
	pid := haproxy(t, "DB_PASSWORD=hunter2", "BACKEND=https://admin:hunter2@10.1.2.3/x", "GREETING=hello", "GLIBC_TUNABLES=glibc.malloc.tcache_count=3")
	e := take(t, Target{PID: pid})
	if len(e.Unseen) > 0 {
		t.Errorf("root can see everything, but not:\n%s", unseen(e))
	}

	// What it maps, against its own memory map and elfutils.
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	check(t, err)
	for _, o := range e.Objects() {
		if !strings.Contains(string(maps), o.Path+"\n") {
			t.Errorf("%s isn't mapped", o.Path)
		}
		if out, err := exec.Command("eu-readelf", "-n", o.Path).Output(); err == nil && !strings.Contains(string(out), "Build ID: "+string(o.BuildID)+"\n") {
			t.Errorf("%s: build ID %s isn't eu-readelf's", o.Path, o.BuildID)
		}
		if out, err := exec.Command("sha256sum", o.Path).Output(); err == nil && !strings.HasPrefix(string(out), o.SHA256) {
			t.Errorf("%s: hash isn't sha256sum's", o.Path)
		}
	}
	mapped := map[string]bool{}
	for line := range strings.Lines(string(maps)) {
		if f := strings.Fields(line); len(f) == 6 && strings.HasPrefix(f[5], "/") && f[1] == "r-xp" {
			mapped[f[5]] = true
		}
	}
	if len(e.Objects()) != len(mapped) {
		t.Errorf("expected %d objects, found %d", len(mapped), len(e.Objects()))
	}

	for _, want := range []struct {
		area        Area
		name, value string
	}{
		{AreaProcess, "root", "/var/lib/haproxy"},
		{AreaNameService, "/etc/nsswitch.conf", "missing"},
		{AreaNameService, "/etc/resolv.conf", "missing"},
		{AreaNameService, "hosts is told by", "glibc's default"},
		{AreaTimeZone, "/etc/localtime", "missing: times are UTC"},
		{AreaEnvironment, "DB_PASSWORD", "(masked)"},
		{AreaEnvironment, "BACKEND", "https://(masked)@10.1.2.3/x"},
		{AreaEnvironment, "GREETING", "hello"},
		{AreaTunable, "glibc.malloc.tcache_count", "3"},
		{AreaNamespace, "net", "the snapshotter's"},
		{AreaCapability, "cap_net_admin", "bounding"},
		{AreaNetwork, "IPv4 addresses, loopback", "yes"},
		{AreaFile, "/dev", "folder 0755 0:0"},
	} {
		if got := value(e, want.area, want.name); got != want.value {
			t.Errorf("%s %q: expected %q, found %q", want.area, want.name, want.value, got)
		}
	}
	sysctl, err := os.ReadFile("/proc/sys/net/ipv6/conf/all/disable_ipv6")
	check(t, err)
	if got := value(e, AreaSysctl, "net.ipv6.conf.all.disable_ipv6"); got != strings.TrimSpace(string(sysctl)) {
		t.Errorf("net.ipv6.conf.all.disable_ipv6: found %q", got)
	}
	mention := func(path, name string) {
		for _, o := range e.Objects() {
			if strings.Contains(o.Path, path) && !slices.Contains(o.Mentions, name) {
				t.Errorf("%s: expected a mention of %s", o.Path, name)
			}
		}
	}
	mention("libc.so.6", "/etc/resolv.conf")
	mention("libc.so.6", "GCONV_PATH")
	mention("libcrypto.so", "OPENSSL_CONF")

	// Every area must be there for compare.
	areas := map[Area]bool{}
	for f := range e.Facts() {
		areas[f.Area] = true
	}
	for _, a := range []Area{AreaObject, AreaFile, AreaNameService, AreaNetwork, AreaProcess, AreaLimit, AreaCapability, AreaSeccomp, AreaNamespace,
		AreaCgroup, AreaEnvironment, AreaLocale, AreaTimeZone, AreaTunable, AreaPackage, AreaKernel, AreaCPU, AreaSysctl} {
		if !areas[a] {
			t.Errorf("no fact is of area %q", a)
		}
	}
}

// TestSecretsStay looks for a secret in everything that is written.
func TestSecretsStay(t *testing.T) {
	const secret = "s3cr3tXYZZY"
	cmd := exec.Command("sh", "-c", "sleep 60; :", "--password="+secret, "--token", secret, "postgres://u:"+secret+"@db/x", "user=a password="+secret, `{"api_key": "`+secret+`"}`)
	cmd.Env = []string{"DB_PASS=" + secret, "MYSQL_PWD=" + secret, "aws_secret_access_key=" + secret, "GITHUB_TOKEN=" + secret,
		"URL=redis://:" + secret + "/@host:1/0", "DSN=host=db password=" + secret + " x=y", "HEADER=Authorization: Bearer " + secret,
		"CERT=-----BEGIN PRIVATE KEY-----\n" + secret + "\n-----END PRIVATE KEY-----", "JSON={\"password\": \"a " + secret + "\"}", "HARMLESS=kept"}
	start(t, cmd)
	time.Sleep(100 * time.Millisecond)
	text := func(target Target) string {
		var b strings.Builder
		check(t, take(t, target).JSON(&b))
		return b.String()
	}
	hidden := text(Target{PID: cmd.Process.Pid})
	for line := range strings.Lines(hidden) {
		if strings.Contains(line, secret) {
			t.Errorf("it is told: %s", line)
		}
	}
	if !strings.Contains(hidden, "kept") {
		t.Error("what is harmless was masked")
	}
	if n := strings.Count(text(Target{PID: cmd.Process.Pid, ShowSecrets: true}), secret); n != 14 {
		t.Errorf("expected each of 14 on request, found %d", n)
	}
}

// TestTwoLooks: what differs between two looks at an idle process is noise.
func TestTwoLooks(t *testing.T) {
	pid := haproxy(t)
	first := map[string]string{}
	key := func(f Fact) string { return string(f.Area) + ": " + f.Name }
	for f := range take(t, Target{PID: pid}).Facts() {
		if _, twice := first[key(f)]; twice {
			t.Errorf("two facts are named %s", key(f))
		}
		first[key(f)] = f.Value
	}
	seen := 0
	for f := range take(t, Target{PID: pid}).Facts() {
		seen++
		// Other tests on this machine set the pattern of cores.
		if f.Value != first[key(f)] && !f.Noise && !strings.Contains(f.Name, "kernel.core_") {
			t.Errorf("%s: %q, and then %q", key(f), first[key(f)], f.Value)
		}
	}
	if seen != len(first) {
		t.Errorf("%d facts, and then %d", len(first), seen)
	}
}

// TestNeverStopped takes snapshots of a daemon that answers requests, and looks whether it ever was in another state than
// running or sleeping, had a tracer, or answered late.
func TestNeverStopped(t *testing.T) {
	pid := haproxy(t)
	config, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	check(t, err)
	socket := filepath.Dir(strings.Split(string(config), "\x00")[3]) + "/socket"
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return net.Dial("unix", socket)
	}}}
	states := map[string]int{}
	var slowest time.Duration
	answers := 0
	// watch asks until stopped, and looks at the process all the time.
	watch := func(stop chan struct{}) {
		for {
			select {
			case <-stop:
				return
			default:
			}
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			f := fields(string(text))
			states[f["State"]+", tracer "+f["TracerPid"]]++
			began := time.Now()
			answer, err := client.Get("http://haproxy/")
			if err != nil {
				t.Error(err)
				return
			}
			answer.Body.Close()
			answers++
			slowest = max(slowest, time.Since(began))
		}
	}
	during := func(work func()) {
		stop, done := make(chan struct{}), make(chan struct{})
		slowest, answers = 0, 0
		go func() { defer close(done); watch(stop) }()
		work()
		close(stop)
		<-done
	}
	during(func() { time.Sleep(time.Second) })
	t.Logf("left alone: %d answers, the slowest after %v", answers, slowest)
	const times = 5
	var each time.Duration
	during(func() {
		began := time.Now()
		for range times {
			take(t, Target{PID: pid})
		}
		each = time.Since(began) / times
	})
	t.Logf("looked at: %d answers, the slowest after %v; %v for each snapshot; states %v", answers, slowest, each, states)
	for state := range states {
		if !strings.HasPrefix(state, "S") && !strings.HasPrefix(state, "R") || !strings.HasSuffix(state, "tracer 0") {
			t.Errorf("the process was in state %q", state)
		}
	}
	if each > 2*time.Second {
		t.Errorf("a snapshot took %v", each)
	}
	if slowest > time.Second {
		t.Errorf("an answer took %v", slowest)
	}
	// Left alone it is not even woken: what it does by itself now and then is all.
	switches := func() int {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		check(t, err)
		n, err := strconv.Atoi(fields(string(text))["voluntary_ctxt_switches"])
		check(t, err)
		return n
	}
	client.CloseIdleConnections()
	time.Sleep(200 * time.Millisecond)
	before := switches()
	for range times {
		take(t, Target{PID: pid})
	}
	if n := switches() - before; n > 20 {
		t.Errorf("the process was woken %d times", n)
	} else {
		t.Logf("woken %d times", n)
	}
}

// TestOtherNamespaces looks into a network, mount, user, host name and IPC namespace.
func TestOtherNamespaces(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("namespaces need root")
	}
	jail := t.TempDir()
	cmd := exec.Command("unshare", "--net", "--mount", "--ipc", "--uts", "sh", "-c",
		"mount -t tmpfs none "+jail+" && mkdir "+jail+"/inside && echo 1 >/proc/sys/net/ipv4/ip_forward && echo 77 >/proc/sys/kernel/msgmni && exec sleep 60")
	start(t, cmd)
	waitFor(t, cmd.Process.Pid, "sleep")
	e := take(t, Target{PID: cmd.Process.Pid})
	for _, want := range []struct {
		area        Area
		name, value string
	}{
		{AreaNamespace, "net", "another than the snapshotter's"},
		{AreaNamespace, "mnt", "another than the snapshotter's"},
		{AreaNamespace, "pid", "the snapshotter's"},
		{AreaNetwork, "IPv4 default route", "none"},
		{AreaNetwork, "IPv4 addresses, loopback", "none"},
		{AreaSysctl, "net.ipv4.ip_forward", "1"},
		{AreaSysctl, "kernel.msgmni", "77"},
	} {
		if got := value(e, want.area, want.name); got != want.value {
			t.Errorf("%s %q: expected %q, found %q", want.area, want.name, want.value, got)
		}
	}
	if len(e.Objects()) < 2 || e.Objects()[0].Package == "" {
		t.Errorf("expected sleep's objects with their packages, found %+v", e.Objects())
	}
	if n := len(e.Unseen); n > 1 { // short private files
		t.Errorf("root can see everything, but not:\n%s", unseen(e))
	}
	for range 10 { // also when it is the main thread's turn, which can't be thrown away
		take(t, Target{PID: cmd.Process.Pid})
	}
	if own := take(t, Target{PID: os.Getpid()}); value(own, AreaNetwork, "IPv4 addresses, loopback") != "yes" || value(own, AreaNamespace, "net") != "the snapshotter's" {
		t.Error("we are in another namespace now")
	}
}

func TestAnotherUserNamespace(t *testing.T) {
	cmd := exec.Command("unshare", "--user", "--map-root-user", "sleep", "60")
	start(t, cmd)
	if !waitFor(t, cmd.Process.Pid, "sleep") {
		t.Skip("user namespaces are off")
	}
	e := take(t, Target{PID: cmd.Process.Pid})
	if got := value(e, AreaNamespace, "user"); got != "another than the snapshotter's" {
		t.Errorf("user namespace: %q", got)
	}
	if got := value(e, AreaNamespace, "uid_map"); got != fmt.Sprintf("0 %d 1", os.Geteuid()) {
		t.Errorf("uid_map: %q", got)
	}
}

// waitFor waits until a process has become another program.
func waitFor(t *testing.T, pid int, name string) bool {
	t.Helper()
	for range 100 {
		if comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); strings.TrimSpace(string(comm)) == name {
			return true
		}
		time.Sleep(20 * time.Millisecond)
	}
	return false
}

// TestUnprivileged takes the snapshot as nobody: of a process of root's much stays unseen, which must be said, and of
// another namespace nothing may be told that is of our own.
func TestUnprivileged(t *testing.T) {
	if out := os.Getenv("INQUEST_SNAPSHOT_OF"); out != "" {
		pid, err := strconv.Atoi(out)
		check(t, err)
		check(t, take(t, Target{PID: pid}).Write(os.Getenv("INQUEST_SNAPSHOT_TO"), false))
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("becoming nobody needs root")
	}
	asNobody := func(t *testing.T, pid int) *Environment {
		t.Helper()
		dir := filepath.Join(t.TempDir())
		for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
			check(t, os.Chmod(d, 0o755))
		}
		out := filepath.Join(dir, "out")
		check(t, os.Mkdir(out, 0o777))
		check(t, os.Chmod(out, 0o777))
		self, err := os.ReadFile("/proc/self/exe")
		check(t, err)
		program := filepath.Join(dir, "test")
		check(t, os.WriteFile(program, self, 0o755))
		cmd := exec.Command(program, "-test.run=^TestUnprivileged$")
		cmd.Dir = out
		cmd.Env = append(os.Environ(), fmt.Sprintf("INQUEST_SNAPSHOT_OF=%d", pid), "INQUEST_SNAPSHOT_TO="+out+"/s")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		e, err := Open(out + "/s")
		check(t, err)
		return e
	}

	t.Run("of a daemon", func(t *testing.T) {
		e := asNobody(t, haproxy(t, "DB_PASSWORD=x"))
		for _, want := range []string{"objects: permission denied", "environment, locale: permission denied", "files, name service", "namespaces: permission denied", "sysctls of network and IPC: "} {
			if !strings.Contains(unseen(e), want) {
				t.Errorf("expected that %q is said, found\n%s", want, unseen(e))
			}
		}
		if value(e, AreaLimit, "open files") == "" || value(e, AreaKernel, "release") == "" {
			t.Error("limits and the kernel can be seen by everybody")
		}
		if value(e, AreaSysctl, "net.ipv4.ip_forward") != "" {
			t.Error("it isn't known whether the process is in our network namespace")
		}
	})
	t.Run("of its own in a namespace", func(t *testing.T) {
		cmd := exec.Command("unshare", "--user", "--map-root-user", "--net", "sleep", "60")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		start(t, cmd)
		if !waitFor(t, cmd.Process.Pid, "sleep") {
			t.Skip("user namespaces are off")
		}
		e := asNobody(t, cmd.Process.Pid)
		if !strings.Contains(unseen(e), "sysctls of network and IPC: the process may be in other namespaces, which we can't enter") || value(e, AreaSysctl, "net.ipv4.ip_forward") != "" {
			t.Errorf("another network's sysctls can't be seen, which must be said; unseen:\n%s", unseen(e))
		}
		if value(e, AreaNetwork, "IPv4 default route") != "none" || value(e, AreaNamespace, "net") != "another than the snapshotter's" {
			t.Error("the network of a process of the same user can be seen")
		}
	})
	t.Run("of its own", func(t *testing.T) {
		cmd := exec.Command("sleep", "60")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		start(t, cmd)
		e := asNobody(t, cmd.Process.Pid)
		if len(e.Objects()) < 2 || e.Objects()[0].BuildID == "" {
			t.Errorf("expected the objects of a process of the same user, found %+v; unseen:\n%s", e.Objects(), unseen(e))
		}
	})
}

// TestJailInAnotherNamespace is a container that was made by chroot: of the tree outside of its root nothing can be seen.
func TestJailInAnotherNamespace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a jail needs root")
	}
	dir := t.TempDir()
	for _, o := range take(t, Target{Exe: "/bin/sleep"}).Objects() {
		data, err := os.ReadFile(o.Path)
		check(t, err)
		check(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, o.Path)), 0o755))
		check(t, os.WriteFile(filepath.Join(dir, o.Path), data, 0o755))
	}
	for _, link := range []string{"lib", "lib64"} {
		check(t, os.Symlink("usr/lib", filepath.Join(dir, link)))
	}
	check(t, os.Symlink("x86_64-linux-gnu/ld-linux-x86-64.so.2", filepath.Join(dir, "usr/lib/ld-linux-x86-64.so.2")))
	cmd := exec.Command("unshare", "--mount", "--root="+dir, "/usr/bin/sleep", "60")
	start(t, cmd)
	if !waitFor(t, cmd.Process.Pid, "sleep") {
		t.Skip("sleep is of another kind here")
	}
	e := take(t, Target{PID: cmd.Process.Pid})
	if len(e.Objects()) != 3 || e.Objects()[0].BuildID == "" {
		t.Errorf("expected sleep, its linker and libc, found %+v", e.Objects())
	}
	if got := value(e, AreaFile, "/lib"); got != "link to usr/lib" {
		t.Errorf("expected the jail's files, found %q for /lib", got)
	}
	if !strings.Contains(unseen(e), "packages: the process has a root of its own in another mount namespace") {
		t.Errorf("expected a word about packages, found\n%s", unseen(e))
	}
}

// TestForeignFileSystems: what the kernel makes isn't walked through.
func TestForeignFileSystems(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	dir := t.TempDir()
	check(t, os.MkdirAll(dir+"/a b/proc", 0o755))
	check(t, os.MkdirAll(dir+"/tmp", 0o755))
	cmd := exec.Command("unshare", "--mount", "sh", "-c", `mount -t proc none "$0/a b/proc" && mount -t tmpfs none "$0/tmp" && touch "$0/tmp/inside" && cd / && exec sleep 60 <"$0/tmp/inside"`, dir)
	start(t, cmd)
	if !waitFor(t, cmd.Process.Pid, "sleep") {
		t.Skip("proc can't be mounted here")
	}
	// As a jail's it would be the process's root; its mounts are seen in either case by the process's own table.
	root := &taker{proc: fmt.Sprintf("/proc/%d", cmd.Process.Pid)}
	if got := root.foreignMounts(); got[dir+"/a b/proc"] != "proc" || got[dir+"/tmp"] != "" {
		t.Errorf("expected proc to be foreign and tmpfs not, found %v", got)
	}
	e := take(t, Target{PID: cmd.Process.Pid})
	if got := value(e, AreaFile, dir+"/tmp/inside"); !strings.HasPrefix(got, "file 0644") {
		t.Errorf("expected the open file's folder, found %q", got)
	}
	own := take(t, Target{Root: dir})
	if got := value(own, AreaFile, "/tmp"); !strings.HasPrefix(got, "folder") {
		t.Errorf("nothing is mounted in our own namespace, but found %q", got)
	}
	check(t, exec.Command("mount", "-t", "proc", "none", dir+"/a b/proc").Run())
	defer exec.Command("umount", dir+"/a b/proc").Run()
	own = take(t, Target{Root: dir})
	if got := value(own, AreaFile, "/a b/proc"); got != "mount of proc" || len(own.Files) > 4 {
		t.Errorf("expected a mount that isn't entered, found %q and %d files", got, len(own.Files))
	}
}

// TestReplacedLibrary looks at a process whose program was deleted: only the kernel still has it.
func TestReplacedLibrary(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("reading a deleted file needs root")
	}
	data, err := os.ReadFile("/bin/sleep")
	check(t, err)
	program := filepath.Join(t.TempDir(), "sleepy")
	check(t, os.WriteFile(program, data, 0o755))
	want := take(t, Target{Exe: program})
	cmd := exec.Command(program, "60")
	start(t, cmd)
	waitFor(t, cmd.Process.Pid, "sleepy")
	check(t, os.Remove(program))
	check(t, os.WriteFile(program, []byte("another"), 0o755))
	e := take(t, Target{PID: cmd.Process.Pid})
	if got := value(e, AreaObject, program); got == "" || got != value(want, AreaObject, program) {
		t.Errorf("expected the build that runs, %s, found %q", value(want, AreaObject, program), got)
	}
}

// TestProgramHasWhatItsProcessMaps compares --exe with the living process.
func TestProgramHasWhatItsProcessMaps(t *testing.T) {
	pid := haproxy(t)
	living, would := take(t, Target{PID: pid}), take(t, Target{Exe: "/usr/sbin/haproxy"})
	paths := func(e *Environment) (all []string) {
		for _, o := range e.Objects() {
			all = append(all, o.Path+" "+string(o.BuildID))
		}
		return all
	}
	if a, b := paths(living), paths(would); !slices.Equal(a, b) {
		t.Errorf("process: %v\nprogram: %v", a, b)
	}
}

func TestTree(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"etc", "lib/x86_64-linux-gnu", "proc"} {
		check(t, os.MkdirAll(filepath.Join(dir, sub), 0o755))
	}
	check(t, os.WriteFile(dir+"/etc/hosts", []byte("10.1.2.3 db # ours\n127.0.0.1 localhost\n"), 0o644))
	check(t, os.WriteFile(dir+"/etc/nsswitch.conf", []byte("hosts: files [NOTFOUND=return] mdns4 dns\n"), 0o644))
	check(t, os.WriteFile(dir+"/etc/pin", []byte("4711\n"), 0o600))
	check(t, os.Symlink("/etc/hosts", dir+"/etc/link"))
	check(t, os.Symlink("/etc/passwd", dir+"/etc/resolv.conf")) // leads nowhere here, and not to the host's
	check(t, syscall.Mkfifo(dir+"/etc/fifo", 0o644))
	libc, err := os.ReadFile("/lib/x86_64-linux-gnu/libc.so.6")
	if err != nil {
		t.Skip("no libc of this machine's kind")
	}
	check(t, os.WriteFile(dir+"/lib/x86_64-linux-gnu/libc.so.6", libc, 0o755))
	check(t, os.WriteFile(dir+"/etc/\xff\n", nil, 0o644))

	e := take(t, Target{Root: dir, MaskAddresses: true})
	for _, want := range []struct {
		area        Area
		name, value string
	}{
		{AreaNameService, "hosts", "files [NOTFOUND=return] mdns4 dns"},
		{AreaNameService, "/etc/hosts", "IPv4-1 db; 127.0.0.1 localhost"},
		{AreaNameService, "module mdns4", "missing"},
		{AreaNameService, "module dns", "inside libc"},
		{AreaNameService, "/etc/resolv.conf", "missing (a link that leads nowhere)"},
		{AreaNameService, "/run/avahi-daemon/socket", "missing"},
		{AreaFile, "/etc/link", "link to /etc/hosts"},
		{AreaFile, "/etc/fifo", "pipe 0644 0:0"},
	} {
		if got := value(e, want.area, want.name); got != want.value && os.Geteuid() == 0 {
			t.Errorf("%s %q: expected %q, found %q", want.area, want.name, want.value, got)
		}
	}
	if got := value(e, AreaFile, "/etc/pin"); strings.Count(got, " ") != 4 {
		t.Errorf("the hash of a short private file tells what is in it: %q", got)
	}
	if len(e.Objects()) != 1 || value(e, AreaTunable, "glibc") == "" {
		t.Errorf("expected libc among the objects, found %+v", e.Objects())
	}
	if _, err := Take(context.Background(), Target{Root: dir, Exe: "/bin/nothing"}); err == nil {
		t.Error("a program that isn't there was looked at")
	}
	if _, err := Take(context.Background(), Target{PID: 1 << 30}); err == nil {
		t.Error("a process that isn't there was looked at")
	}
}

func TestListingEnds(t *testing.T) {
	dir := t.TempDir()
	for i := range 5 {
		check(t, os.Mkdir(fmt.Sprintf("%s/%d", dir, i), 0o755))
		for j := range mostFiles / 4 {
			check(t, os.WriteFile(fmt.Sprintf("%s/%d/%d", dir, i, j), nil, 0o644))
		}
	}
	e := take(t, Target{Root: dir})
	if len(e.Files) != mostFiles || !strings.Contains(unseen(e), "the listing ends at 20000 files") {
		t.Errorf("expected %d files and a word about the rest, found %d:\n%s", mostFiles, len(e.Files), unseen(e))
	}
}

// TestMemoryIsBounded takes a snapshot of a process that maps much, and looks at what it cost us.
func TestMemoryIsBounded(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	e := take(t, Target{PID: haproxy(t)})
	runtime.ReadMemStats(&after)
	if mib := (after.TotalAlloc - before.TotalAlloc) >> 20; mib > 300 {
		t.Errorf("expected at most 300 MiB allocated, found %d", mib)
	} else {
		t.Logf("%d MiB allocated in all for %d objects and %d files", mib, len(e.Objects()), len(e.Files))
	}
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Take(ctx, Target{PID: os.Getpid()}); !errors.Is(err, context.Canceled) {
		t.Errorf("expected %v, found %v", context.Canceled, err)
	}
}
