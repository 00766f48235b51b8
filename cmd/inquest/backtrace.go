package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/inquest-project/inquest/internal/evidence"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reading"
	"github.com/inquest-project/inquest/internal/reasoning"
	"github.com/inquest-project/inquest/internal/telling"
)

type backtraceOptions struct {
	evidence evidence.Request
	format   string // one of backtraceForms
	disasm   bool
	json     bool
	verbose  bool
}

// backtraceForms are what --format may be: our own, and the two forms of abrt's core_backtrace.
var backtraceForms = []string{"gdb", "abrt", "abrt-json"}

func backtraceCommand() *cobra.Command {
	var o backtraceOptions
	cmd := &cobra.Command{
		Use:   "backtrace CORE [BINARY | FOLDER]...",
		Short: "What every thread of a core was doing",
		Long: `backtrace prints the stacks of all threads: functions with what was inlined into them, lines where debug
information is at hand, and module+offset that name a frame on any other machine. Threads with the same
stack are shown once. A frame that was not found by unwind tables is marked as guessed, and every stack
says why it ends.

A core may be cut anywhere, and packed by zstd, lz4, xz or gzip: it is then unpacked, up to 256 GiB, to a
file without a name in $TMPDIR or /tmp. Binaries are found on this host, under --sysroot, or among the
files named, by build ID; debug information likewise.

Exit codes: 0 done, also of a process that lived; 1 there is no stack; 2 wrong usage; 3 nothing could be read.`,
		Example: `  inquest backtrace core.31826
  inquest backtrace core.zst --sysroot ./prod-root -v --disasm`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(backtraceForms, o.format) {
				return fmt.Errorf("--format: expected one of %s, found %q", strings.Join(backtraceForms, ", "), o.format)
			}
			if err := checkSysroots(o.evidence.Sysroots); err != nil {
				return err
			}
			o.evidence.Paths = args
			return runBacktrace(cmd.OutOrStdout(), o)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&o.evidence.Sysroots, "sysroot", nil, "`folder` holds the binaries as the dead process saw them (repeatable)")
	flags.StringVar(&o.format, "format", "gdb", "print as `form`: gdb, or abrt and abrt-json for a core_backtrace in text or JSON")
	flags.BoolVar(&o.disasm, "disasm", false, "disassemble around where each thread was running")
	flags.BoolVar(&o.json, "json", false, "print as JSON")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "print registers, too")
	cmd.MarkFlagsMutuallyExclusive("format", "json")
	return cmd
}

func runBacktrace(out io.Writer, o backtraceOptions) error {
	at := startProgress(os.Stderr)
	defer at.end()
	at.stage("opening the core")
	set, err := evidence.Open(o.evidence)
	if err != nil {
		return failure{err}
	}
	defer set.Close()
	if named := set.CoresOf(o.evidence); len(named) > 1 {
		return fmt.Errorf("expected one core, found %s: print each by itself", strings.Join(named, " and "))
	}
	at.stage("reading the core and its binaries")
	ctx, stop := interruptible(context.Background())
	read := reading.Read(set, evidence.Servers(ctx, at.say))
	stop()
	defer read.Close()
	findings, died := reasoning.Backtrace(read, o.disasm)
	telling.Complete(findings)
	at.end()
	if err := tellBacktrace(out, read, findings, o); err != nil {
		return failure{err}
	}
	switch {
	case len(findings.Threads) == 0 && read.Image != nil:
		return errNoStack
	case len(findings.Threads) == 0 && !died:
		return errNoDeath
	}
	return nil
}

func tellBacktrace(out io.Writer, read *reading.Reading, f *finding.Findings, o backtraceOptions) error {
	printed := read.Printed()
	switch {
	case o.json:
		return telling.JSON(out, f)
	case o.format == "abrt":
		return printed.WriteABRT(out)
	case o.format == "abrt-json":
		return printed.WriteJSON(out)
	}
	return telling.Backtrace(out, f, styleOf(out, o.verbose))
}
