package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/inquest-project/inquest/internal/evidence"
	"github.com/inquest-project/inquest/internal/reading"
	"github.com/inquest-project/inquest/internal/reasoning"
	"github.com/inquest-project/inquest/internal/telling"
)

type compareOptions struct {
	backtrace string
	verbose   bool
	json      bool
	width     int // of the text; 0 where the terminal shall tell
}

func compareCommand() *cobra.Command {
	var o compareOptions
	cmd := &cobra.Command{
		Use:   "compare A B",
		Short: "What is different over there, the most telling first",
		Long: `compare holds two surroundings against each other: snapshots (inquest snapshot), processes that run here (their numbers), folders that
hold a file system, cases, cores, or printed backtraces, in any mix. It prints what is different, the most telling first: what
a backtrace touches, then what the program touches, then the rest, each with why it may matter. Many alike are one line, and what
differs between any two moments is only counted.

The backtrace is that of a core or a printed stack among the two, or the one in --backtrace, in any form that symbolize reads.

Of two backtraces of the same path it tells, module by module, which can be the same build, from places in code alone:
no core, no symbols and no access to the other machine are needed.

Exit codes: 0 done, also if they differ; 2 wrong usage; 3 one of them could not be read.`,
		Example: `  inquest compare prod.snapshot test.snapshot --backtrace core_backtrace
  inquest compare prod.snapshot $(pidof -s haproxy)
  inquest compare core_backtrace gdb-where.txt`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runCompare(cmd.Context(), cmd.OutOrStdout(), args[0], args[1], o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.backtrace, "backtrace", "", "hold the differences against the stack in `file`")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "show all, and what would settle it")
	flags.BoolVar(&o.json, "json", false, "print as JSON")
	return cmd
}

func runCompare(ctx context.Context, out io.Writer, a, b string, o compareOptions) error {
	at := startProgress(os.Stderr)
	defer at.end()
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	var stack reading.Stack
	if o.backtrace != "" {
		var err error
		if stack, err = readStack(o.backtrace); err != nil {
			return failure{err}
		}
	}
	var sides [2]reasoning.Side
	for i, name := range []string{a, b} {
		at.stage("looking at " + name)
		side, err := openSide(ctx, name)
		if err != nil {
			return failure{err}
		}
		sides[i] = side
	}
	at.stage("comparing")
	comparison := reasoning.Compare(sides[0], sides[1], stack)
	telling.CompleteComparison(comparison)
	at.end()
	var err error
	if o.json {
		err = telling.JSON(out, comparison)
	} else {
		style := styleOf(out, o.verbose)
		if o.width != 0 {
			style.Width = o.width
		}
		err = telling.Comparison(out, comparison, style)
	}
	if err != nil {
		return failure{err}
	}
	return nil
}

// openSide takes what it is given for what it is, and of a death reads what it tells of its surroundings.
func openSide(ctx context.Context, given string) (reasoning.Side, error) {
	side, err := evidence.OpenSide(ctx, given)
	if err != nil {
		return reasoning.Side{}, err
	}
	if side.Death == nil {
		return reasoning.Side{Name: side.Name, Surroundings: side.Surroundings}, nil
	}
	defer side.Close()
	read := reading.Read(side.Death, nil)
	defer read.Close()
	s := deathSide(side.Name, read)
	if len(s.Stack) == 0 && len(s.Surroundings.Loaded) == 0 {
		return s, fmt.Errorf("%s: it tells nothing of a process's surroundings: expected a snapshot, a core, a backtrace, the number of a process or a folder with a file system", given)
	}
	return s, nil
}

// deathSide is what the evidence of a death tells.
func deathSide(name string, read *reading.Reading) reasoning.Side {
	return reasoning.Side{Name: name, Surroundings: read.Surroundings(), Stack: read.Died()}
}

// readStack is the stack in a file that died.
func readStack(path string) (reading.Stack, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	trace, err := evidence.ReadTrace(filepath.Base(path), f)
	if err != nil {
		return nil, err
	}
	return reading.DiedIn(trace), nil
}
