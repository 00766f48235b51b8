package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// limit bounds one run, from the daemon's start to the truth.
const limit = 60 * time.Second

// Options say how to record.
type Options struct {
	Dir   string // the run goes to DIR/CASE-SEED
	Build string // lab/build or lab/build-renamed
	Seed  uint64 // of the traffic
}

// order is what the outer process tells the inner one, which plays the run inside its namespaces.
type order struct {
	Case    string
	Seed    uint64
	Run     string // folder of the run
	Build   string // folder of the case's build
	Factors map[string]bool
	Measure bool // only tell whether the daemon dies: nothing is kept
}

// result is what the inner process tells back.
type result struct {
	Died bool
}

// ErrSurvived means that the daemon got what kills and lived: some deaths need luck, which a busy machine can spoil.
var ErrSurvived = errors.New("the daemon survived")

// Record lets the case's daemon die once and returns the folder with what is left of it.
func Record(ctx context.Context, c Case, o Options) (string, error) {
	run, err := filepath.Abs(filepath.Join(o.Dir, c.Name+"-"+strconv.FormatUint(o.Seed, 10)))
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(run, home("")) {
		return "", fmt.Errorf("%s: a run can't be kept below %s, where the daemon's own file system is", run, home(""))
	}
	if err := os.RemoveAll(run); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Join(run, "evidence"), 0o755); err != nil {
		return "", err
	}
	r, err := perform(ctx, c, o, run, c.usual(), false)
	if err == nil && !r.Died {
		err = fmt.Errorf("%s, seed %d: %w", c.Name, o.Seed, ErrSurvived)
	}
	return run, err
}

// RecordOne records like Record; where the daemon survived, as happens on a busy machine, it is let die once more with the next seed.
func RecordOne(ctx context.Context, c Case, o Options) (string, error) {
	dir, err := Record(ctx, c, o)
	if errors.Is(err, ErrSurvived) {
		o.Seed++
		return Record(ctx, c, o)
	}
	return dir, err
}

// Measure runs the case under every combination of its factors and returns the truth table found.
func Measure(ctx context.Context, c Case, o Options) (Circumstance, error) {
	found := Circumstance{Factors: c.Circumstance().Factors}
	for _, factors := range c.combinations() {
		run, err := os.MkdirTemp("", "inquest-lab-")
		if err != nil {
			return found, err
		}
		defer os.RemoveAll(run)
		if err := os.Mkdir(filepath.Join(run, "evidence"), 0o755); err != nil {
			return found, err
		}
		r, err := perform(ctx, c, o, run, factors, true)
		if err != nil {
			return found, fmt.Errorf("%s with %v: %w", c.Name, factors, err)
		}
		found.Table = append(found.Table, Outcome{factors, r.Died})
	}
	return found, nil
}

// perform borrows the machine and plays one run in namespaces of its own.
func perform(ctx context.Context, c Case, o Options, run string, factors map[string]bool, measure bool) (r result, err error) {
	build, err := filepath.Abs(filepath.Join(o.Build, c.Name))
	if err != nil {
		return r, err
	}
	if _, err := os.Stat(build); err != nil {
		return r, fmt.Errorf("%w: build the lab first (make -C lab)", err)
	}
	m, err := borrowMachine()
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, m.Return()) }()
	log, err := startAuditLog(filepath.Join(run, "evidence", "audit.log"))
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, log.Stop()) }()
	return runInside(ctx, order{c.Name, o.Seed, run, build, factors, measure})
}

// runInside starts this same program again, in new namespaces, and waits for its result.
func runInside(ctx context.Context, o order) (r result, err error) {
	// The death signal comes when the thread that forked ends, not the process: keep to one thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	text, err := json.Marshal(o)
	if err != nil {
		return r, err
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe", helperInside, string(text))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGTERM,
		Setpgid:    true, // a Ctrl-C is ours to pass on
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it ends its daemons itself
	cmd.WaitDelay = 5 * time.Second
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("%s, seed %d: %w", o.Case, o.Seed, errors.Join(err, ctx.Err()))
	}
	return r, json.Unmarshal(out, &r)
}

// The program's own subcommands, which the kernel and Record start.
const (
	helperCore   = "lab-core"
	helperInside = "lab-inside"
)

// Helper does what this process was started for, if it was started by the kernel or by Record, and
// says so. Every program that calls Record must call it first thing: it is found again through
// os.Executable.
func Helper() bool {
	if len(os.Args) != 3 {
		return false
	}
	var err error
	switch os.Args[1] {
	case helperCore:
		err = handleCore(os.Args[2])
	case helperInside:
		err = inside(os.Args[2])
	default:
		return false
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
	return true
}
