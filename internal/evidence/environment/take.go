package environment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/rooted"
)

// Target is what to look at: a process, or a program that may not run, or a tree of files. A program and a root
// together are a program inside that root.
type Target struct {
	PID           int
	Exe, Root     string
	MaskAddresses bool // addresses of networks are replaced by numbers, the same one by the same
	ShowSecrets   bool // secrets in variables and arguments are kept
}

// version is that of what Write writes; Open reads no newer one.
const version = 1

// Take looks at a target. The error is for a target that isn't there; what can't be seen of one that is, is in Unseen.
func Take(ctx context.Context, target Target) (*Environment, error) {
	t, err := newTaker(ctx, target)
	if err != nil {
		return nil, err
	}
	defer t.close()
	for _, look := range []func(){
		t.process, t.objects, t.packages, t.files, t.variables, t.limits, t.capabilities, t.namespaces, t.cgroups,
		t.nameService, t.locale, t.timeZone, t.tunables, t.network, t.kernel, t.cpu, t.sysctls,
	} {
		if look(); ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	t.env.tidy()
	return t.env, nil
}

// taker is one look at a target.
type taker struct {
	Target
	ctx     context.Context
	env     *Environment
	mask    *masker
	proc    string            // the process's folder in /proc; empty if there is none
	root    *rooted.Root      // what the target sees as "/"; nil if we can't
	outer   *rooted.Root      // what the names of mapped files are of, and packages: other than root in a jail; nil if we can't
	whole   bool              // root is a jail's or a tree's: all of it belongs to the target
	thisOne bool              // the target is, or would be, a process of this kernel
	near    map[string]bool   // folders, inside outer, of what is open or mapped
	vars    map[string]string // the environment's variables, unmasked
	libc    libc

	hashed   int64 // bytes of objects
	mentions int   // in objects
}

func newTaker(ctx context.Context, target Target) (*taker, error) {
	t := &taker{Target: target, ctx: ctx, mask: newMasker(target), near: map[string]bool{}, vars: map[string]string{},
		env: &Environment{Version: version, Taken: time.Now().UTC().Truncate(time.Second)}}
	host, _ := os.Hostname()
	if target.PID != 0 {
		t.env.Kind = KindProcess
		return t, t.lookAtProcess(host)
	}
	dir := target.Root
	if dir == "" {
		dir = "/"
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	root, err := rooted.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the root: %w", err)
	}
	t.root, t.outer, t.env.Root = root, root, dir
	t.whole, t.thisOne = dir != "/", dir == "/" || target.Exe != ""
	switch {
	case target.Exe != "":
		t.env.Kind = KindProgram
	case t.whole:
		t.env.Kind = KindFolder
	default:
		t.env.Kind = KindHost
	}
	switch {
	case target.Exe == "":
		t.env.Name = fmt.Sprintf("%s on %s", dir, host)
	case t.whole:
		t.env.Name = fmt.Sprintf("%s in %s on %s", target.Exe, dir, host)
	default:
		if t.Exe, err = filepath.Abs(target.Exe); err != nil {
			return nil, err
		}
		t.env.Name = fmt.Sprintf("%s on %s", t.Exe, host)
	}
	if target.Exe != "" && !root.Exists(t.Exe) {
		t.close()
		return nil, fmt.Errorf("%s: there is no such program in %s", t.Exe, dir)
	}
	t.unseen("process, limits, capabilities, seccomp, namespaces, cgroups, environment", errors.New("no process was named"))
	if !t.thisOne {
		t.unseen("kernel, processor, sysctls, network", errors.New("a folder tells of files only"))
	}
	return t, nil
}

// lookAtProcess finds the process's root, and the one that the names of its mapped files are of.
func (t *taker) lookAtProcess(host string) error {
	t.proc, t.thisOne = fmt.Sprintf("/proc/%d", t.PID), true
	comm, err := os.ReadFile(t.proc + "/comm")
	if err != nil {
		return fmt.Errorf("pid %d: there is no such process, or it is hidden from this user", t.PID)
	}
	t.env.Name = fmt.Sprintf("%s, pid %d on %s", printable(strings.TrimSpace(string(comm))), t.PID, host)
	dir, err := os.Readlink(t.proc + "/root")
	if err == nil {
		t.env.Root = t.proc + "/root"
		t.root, err = rooted.Open(t.env.Root)
	}
	if err != nil {
		t.unseen("root, files, name service, time zone, packages", err)
		return nil
	}
	t.env.Process = append(t.env.Process, t.setting("root", dir))
	t.whole = dir != "/"
	t.outer = t.root
	if ours := t.shares("mnt"); t.whole && ours {
		t.env.Root = dir
		t.outer, err = rooted.Open("/")
	} else if t.whole {
		t.outer, err = nil, errors.New("the process has a root of its own in another mount namespace, of which only that root can be seen")
	}
	if err != nil {
		t.unseen("packages", err)
	}
	return nil
}

func (t *taker) close() {
	if t.outer != nil && t.outer != t.root {
		t.outer.Close()
	}
	if t.root != nil {
		t.root.Close()
	}
}

// unseen notes what couldn't be looked at, and says of the usual reason how to go round it.
func (t *taker) unseen(what string, err error) {
	why := err.Error()
	switch {
	case errors.Is(err, fs.ErrPermission):
		why = "permission denied; root can see it"
	case errors.Is(err, syscall.ESRCH):
		why = "the process ended"
	}
	t.env.Unseen = append(t.env.Unseen, Unseen{what, printable(why)})
}

// largestText bounds every text that is read: a process may have mapped a million files.
const largestText = 32 << 20

// read is a small text of /proc or /sys; of a larger one the beginning.
func read(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, largestText))
	return string(text), err
}

// inProc reads one of the process's texts, and notes if it can't be.
func (t *taker) inProc(name, what string) string {
	if t.proc == "" {
		return ""
	}
	text, err := read(t.proc + "/" + name)
	if err != nil {
		t.unseen(what, err)
	}
	return text
}

// shares says whether the process is in our own namespace of a kind, as far as that can be seen.
func (t *taker) shares(kind string) bool {
	theirs, err := os.Readlink(t.proc + "/ns/" + kind)
	ours, err2 := os.Readlink("/proc/self/ns/" + kind)
	return err == nil && err2 == nil && theirs == ours
}

// setting is a name with its value, in which secrets are masked.
func (t *taker) setting(name, value string) Setting {
	return Setting{Name: printable(name), Value: printable(t.mask.text(value))}
}

// variable is a setting whose name may tell that all of its value is a secret.
func (t *taker) variable(name, value string) Setting {
	return Setting{Name: printable(name), Value: printable(t.mask.value(name, value))}
}

// noise is a setting that differs between any two moments or hosts.
func (t *taker) noise(name, value string) Setting {
	s := t.setting(name, value)
	s.Noise = true
	return s
}

// printable escapes what JSON can't hold and what a screen would act on: names of files are any bytes.
func printable(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if !strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return s
	}
	quoted := strconv.Quote(s)
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(quoted[1 : len(quoted)-1])
}

// tidy sorts every section; of what has the same name the first stays.
func (e *Environment) tidy() {
	byName := func(a, b Setting) int { return strings.Compare(a.Name, b.Name) }
	for _, section := range e.settings() {
		slices.SortStableFunc(*section, byName)
		*section = slices.CompactFunc(*section, func(a, b Setting) bool { return a.Name == b.Name })
	}
	slices.SortFunc(e.Loaded, func(a, b Object) int { return strings.Compare(a.Path, b.Path) })
	slices.SortFunc(e.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	e.Files = slices.CompactFunc(e.Files, func(a, b File) bool { return a.Path == b.Path })
}
