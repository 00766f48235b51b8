package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"
	_ "time/tzdata" // a host may have none

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/inquest-project/inquest/internal/evidence"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reading"
	"github.com/inquest-project/inquest/internal/reasoning"
	"github.com/inquest-project/inquest/internal/telling"
)

type analyzeOptions struct {
	evidence evidence.Request
	caseDir  string
	json     bool
	verbose  bool
	servers  []string
	zone     string
	other    string           // another environment, as compare takes it
	ends     []netip.AddrPort // listening ends of the dead process
	width    int              // of the text; 0 where the terminal shall tell
}

func analyzeCommand() *cobra.Command {
	var o analyzeOptions
	cmd := &cobra.Command{
		Use:   "analyze [FILE | FOLDER | CASE]...",
		Short: "From a dead daemon's remains to a verdict",
		Long: `analyze reads the evidence of one death and answers: who died, how, who is the culprit, what
killed it. Files and folders are known by their content: a core (whole or cut; plain, zstd, lz4, xz or gzip), packet
captures (pcap, pcapng, or a packet list pasted as text), TLS key logs, logs with the death's record, the daemon's
own logs, backtraces, and the programs and libraries of the dead process.

Exit codes: 0 a death was found, whatever the verdict; 1 no death found; 2 wrong usage; 3 no evidence
could be read, or what was found not be written.`,
		Example: `  inquest analyze ./evidence
  inquest analyze --core core.31826 --pcap night.pcap --log audit.log --sysroot ./prod-root
  inquest analyze ./evidence --compare test.snapshot`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.evidence.Paths = args
			r := o.evidence
			if len(r.Paths)+len(r.Cores)+len(r.Captures)+len(r.Logs)+len(r.Backtraces) == 0 {
				return fmt.Errorf("nothing to analyse: name a folder or files, such as inquest analyze ./evidence")
			}
			if err := checkSysroots(r.Sysroots); err != nil {
				return err
			}
			for _, server := range o.servers {
				end, err := netip.ParseAddrPort(server)
				if err != nil {
					return fmt.Errorf("--server: expected an address and a port, such as 192.0.2.1:443 or [2001:db8::1]:53, found %q", server)
				}
				o.ends = append(o.ends, end)
			}
			if o.zone != "" {
				zone, err := zoneOf(o.zone)
				if err != nil {
					return err
				}
				o.evidence.Zone = zone
			}
			if o.caseDir != "" { // before an hour of reading, not behind it
				if err := evidence.CanKeep(o.caseDir); err != nil {
					return err
				}
			}
			return runAnalyze(cmd.OutOrStdout(), o)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&o.evidence.Cores, "core", nil, "`file` is a core")
	flags.StringArrayVar(&o.evidence.Captures, "pcap", nil, "`file` is a packet capture, or a packet list as text (repeatable)")
	flags.StringArrayVar(&o.evidence.Logs, "log", nil, "`file` is a log (repeatable)")
	flags.StringArrayVar(&o.evidence.Backtraces, "backtrace", nil, "`file` is a printed stack: abrt's core_backtrace, gdb's bt, eu-stack's and others (repeatable)")
	flags.StringArrayVar(&o.evidence.Sysroots, "sysroot", nil, "`folder` holds the binaries as the dead process saw them (repeatable)")
	flags.StringArrayVar(&o.servers, "server", nil, "`address` where the dead process listened, such as 192.0.2.1:443; else the traffic tells (repeatable)")
	flags.StringVar(&o.zone, "tz", "", "`zone` of times in logs that tell none, such as Europe/Berlin or +02:00; else other evidence tells")
	flags.StringVar(&o.other, "compare", "", "hold against the death what `other` ran among: whatever compare takes, such as a snapshot")
	flags.StringVarP(&o.caseDir, "output", "o", "", "write a case that can be carried away to `folder`")
	flags.BoolVar(&o.json, "json", false, "print the findings as JSON")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "print everything: all threads, all evidence")
	return cmd
}

// zoneOf is a time zone by its name, or by how much it is ahead of UTC.
func zoneOf(name string) (*time.Location, error) {
	if t, err := time.Parse("-07:00", name); err == nil {
		return t.Location(), nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "" {
		return nil, fmt.Errorf("--tz: expected a zone such as Europe/Berlin, UTC or +02:00, found %q", name)
	}
	return zone, nil
}

func runAnalyze(out io.Writer, o analyzeOptions) error {
	at := startProgress(os.Stderr)
	defer at.end()
	at.stage("opening the evidence")
	set, err := evidence.Open(o.evidence)
	if err != nil {
		return failure{err}
	}
	defer set.Close()
	at.stage("reading the core, its binaries and the captures")
	ctx, stop := interruptible(context.Background())
	read := reading.Read(set, evidence.Servers(ctx, at.say))
	stop()
	defer read.Close()
	at.stage("weighing the messages")
	findings, died := reasoning.Analyze(read, o.ends...)
	if o.other != "" {
		at.stage("looking at " + o.other)
		other, err := openSide(context.Background(), o.other)
		if err != nil {
			return failure{err}
		}
		findings.Circumstances = reasoning.Compare(deathSide("this death", read), other, nil)
	}
	telling.Complete(findings)
	at.end()
	if err := tell(out, findings, o); err != nil {
		return failure{err}
	}
	if !died {
		return errNoDeath
	}
	if o.caseDir != "" {
		if err := writeCase(o.caseDir, set, read, findings); err != nil {
			return failure{err}
		}
	}
	return nil
}

func tell(out io.Writer, f *finding.Findings, o analyzeOptions) error {
	if o.json {
		return telling.JSON(out, f)
	}
	style := styleOf(out, o.verbose)
	if o.width != 0 {
		style.Width = o.width
	}
	return telling.Text(out, f, style)
}

// styleOf asks the terminal; what is piped gets no colour and a width that fits a mail.
func styleOf(out io.Writer, verbose bool) telling.Style {
	style := telling.Style{Width: 100, Verbose: verbose}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		style.Color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			style.Width = max(40, width)
		}
	}
	return style
}

func writeCase(dir string, set *evidence.Set, read *reading.Reading, f *finding.Findings) error {
	var findings bytes.Buffer
	if err := telling.JSON(&findings, f); err != nil {
		return err
	}
	return set.Keep(dir, read.Binaries(), &findings)
}
