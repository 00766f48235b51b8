package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/inquest-project/inquest/internal/evidence"
	"github.com/inquest-project/inquest/internal/reading"
	"github.com/inquest-project/inquest/internal/telling"
)

type symbolizeOptions struct {
	sysroots []string
	json     bool
}

func symbolizeCommand() *cobra.Command {
	var o symbolizeOptions
	cmd := &cobra.Command{
		Use:   "symbolize [FILE]",
		Short: "Name the functions in a stack that somebody printed",
		Long: `symbolize reads a printed stack from FILE or standard input and prints it again in the form it came in, with
functions and offsets in them, lines, and what was inlined there. Lines that nothing is known of stay as they
were. Forms: abrt's core_backtrace (text and JSON), gdb's bt, eu-stack's output, systemd-coredump's message,
apport's report, and the lines of glibc's backtrace_symbols among any others.

Programs and libraries are found by build ID under --sysroot, on this host, among its debug information, and,
only if DEBUGINFOD_URLS is set, on the debuginfod servers it names: whom we asked for what is said. A slow
server is given up after two seconds.

Exit codes: 0 the stack was printed; 2 wrong usage; 3 no stack could be read.`,
		Example: `  inquest symbolize core_backtrace --sysroot ./prod-root
  journalctl -u haproxy | inquest symbolize`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkSysroots(o.sysroots); err != nil {
				return err
			}
			if len(args) == 0 {
				return runSymbolize(cmd, "standard input", cmd.InOrStdin(), o)
			}
			f, err := os.Open(args[0])
			if err != nil {
				return failure{err}
			}
			defer f.Close()
			return runSymbolize(cmd, filepath.Base(args[0]), f, o)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&o.sysroots, "sysroot", nil, "`folder` holds the binaries as the dead process saw them (repeatable)")
	flags.BoolVar(&o.json, "json", false, "print the stacks as JSON")
	return cmd
}

func runSymbolize(cmd *cobra.Command, name string, in io.Reader, o symbolizeOptions) error {
	trace, err := evidence.ReadTrace(name, in)
	if err != nil {
		return failure{err}
	}
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	servers := evidence.Servers(ctx, func(sentence string) { fmt.Fprintln(cmd.ErrOrStderr(), "inquest:", sentence) })
	result := reading.Symbolize(&trace, o.sysroots, servers)
	notes := append(servers.Notes(), result.Problems...)
	for _, damage := range trace.Damage {
		notes = append(notes, damage.String())
	}
	for _, note := range notes {
		fmt.Fprintln(cmd.ErrOrStderr(), "inquest:", telling.Safe(note))
	}
	var text []byte
	if o.json {
		text, err = json.MarshalIndent(result, "", "  ")
		text = append(text, '\n')
	} else {
		text, err = result.Text()
	}
	if err == nil {
		err = writeText(cmd.OutOrStdout(), text)
	}
	if err != nil {
		return failure{err}
	}
	return nil
}

// writeText writes a text as it is, but for what could play tricks on a terminal if that is where it goes.
func writeText(out io.Writer, text []byte) error {
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		var safe bytes.Buffer
		for line := range strings.Lines(string(text)) {
			safe.WriteString(telling.Safe(strings.TrimSuffix(line, "\n")) + "\n")
		}
		text = safe.Bytes()
	}
	_, err := out.Write(text)
	return err
}
