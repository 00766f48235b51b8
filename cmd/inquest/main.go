// Command inquest finds out why a network daemon died. It takes flags in and gives exit codes and hints
// out; everything else is behind the rooms' front doors under internal.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/inquest-project/inquest/internal/evidence"
)

// Exit codes, for scripts.
const (
	exitDone       = 0 // also when the verdict is "none of these" or "cannot tell"
	exitNoDeath    = 1
	exitUsage      = 2
	exitNoEvidence = 3 // also when the findings or the case could not be written
)

// errNoDeath means that the evidence could be read and shows no death.
var errNoDeath = errors.New("no death was found in this evidence; a core, a log record or a backtrace shows one, a capture alone doesn't")

// errNoStack means that a core could be read and holds not a single thread.
var errNoStack = errors.New("no stack was found: the core has no notes, which tell of threads and the signal, or was cut before them")

// failure is an error after the command line was understood; every other error is wrong usage.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// memoryGoal is how much memory the garbage collector lets pile up; evidence is mapped and doesn't count. A gigabyte is
// promised, and the collector may be a little late.
const memoryGoal = 896 << 20

func main() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryGoal)
	}
	root := &cobra.Command{
		Use:           "inquest",
		Short:         "Find out why a network daemon died",
		Long:          "inquest finds out why a network daemon died: from a core, a packet capture, log lines and the\nbinaries it names the message that killed, the module that decided to die, and how sure that is.",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(analyzeCommand(), backtraceCommand(), symbolizeCommand(), wireCommand(), snapshotCommand(), compareCommand(), demoCommand())
	if cmd, err := root.ExecuteContextC(context.Background()); err != nil {
		code := exitCode(err)
		fmt.Fprintln(os.Stderr, "inquest:", err)
		if code == exitUsage {
			fmt.Fprintf(os.Stderr, "usage: %s --help\n", cmd.CommandPath())
		}
		os.Exit(code)
	}
}

func exitCode(err error) int {
	var f failure
	switch {
	case errors.Is(err, errNoDeath), errors.Is(err, errNoStack):
		return exitNoDeath
	case errors.Is(err, evidence.ErrNothing):
		return exitNoEvidence
	case errors.As(err, &f):
		return exitNoEvidence
	}
	return exitUsage
}

// checkSysroots says at once what a slip in a path would only show by missing names.
func checkSysroots(dirs []string) error {
	for _, dir := range dirs {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return fmt.Errorf("--sysroot %s: expected a folder that holds the dead process's file system", dir)
		}
	}
	return nil
}

// interruptible is done when the user interrupts, if there are servers to be asked: that ends the questions, and
// the next interrupt ends us.
func interruptible(parent context.Context) (context.Context, context.CancelFunc) {
	if os.Getenv("DEBUGINFOD_URLS") == "" {
		return parent, func() {}
	}
	ctx, stop := signal.NotifyContext(parent, os.Interrupt)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
