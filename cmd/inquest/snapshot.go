package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/inquest-project/inquest/internal/evidence"
)

type snapshotOptions struct {
	target   evidence.SnapshotTarget
	out      string
	binaries bool
	json     bool
}

func snapshotCommand() *cobra.Command {
	var o snapshotOptions
	cmd := &cobra.Command{
		Use:   "snapshot (PID | --exe PROGRAM | --root FOLDER) -o FILE",
		Short: "A process's or a host's surroundings in one file",
		Long: `snapshot writes down what a process runs among, to be held against another's: the build of every program and library
that it maps, the files below its root, how it looks up names, its limits, capabilities, namespaces and control groups, variables,
locale, time zone and network, and the host's packages, kernel, processor and sysctls.

With --exe it is the surroundings that a program would be started in, with the libraries that its dynamic linker would find;
with --root those that a folder holds, as a jail or an unpacked image; with both those of a program inside that folder.

Nothing is changed, and the process is neither stopped nor traced. What can't be seen, as another user or in another
namespace, is said. Secrets in variables and arguments are masked, known by their names and forms; look before you send it on.

Exit codes: 0 done, also if not all could be seen; 2 wrong usage; 3 no such process, program or folder, or nothing could be written.`,
		Example: `  inquest snapshot $(pidof -s haproxy) -o prod.snapshot
  inquest snapshot --exe /usr/sbin/haproxy -o test.snapshot
  inquest snapshot --root /var/lib/haproxy -o jail.snapshot --mask-addresses
  inquest snapshot 4711 --json | jq '.name_service'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.aim(args); err != nil {
				return err
			}
			return runSnapshot(cmd.Context(), cmd.OutOrStdout(), o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.target.Exe, "exe", "", "look at what `program` would be started with")
	flags.StringVar(&o.target.Root, "root", "", "look at what `folder` holds")
	flags.StringVarP(&o.out, "output", "o", "", "write to `file`, which only its owner may read")
	flags.BoolVar(&o.binaries, "with-binaries", false, "keep the bytes of each program and library, too")
	flags.BoolVar(&o.target.MaskAddresses, "mask-addresses", false, "write numbers in place of network addresses")
	flags.BoolVar(&o.target.ShowSecrets, "show-secrets", false, "don't mask secrets")
	flags.BoolVar(&o.json, "json", false, "print as JSON what the file holds; -o may be left out")
	return cmd
}

// aim checks that there is one target, and a place for the answer.
func (o *snapshotOptions) aim(args []string) error {
	if len(args) == 1 {
		pid, err := strconv.Atoi(args[0])
		if err != nil || pid < 1 {
			return fmt.Errorf("expected the number of a process, found %q; a program is named by --exe", args[0])
		}
		o.target.PID = pid
	}
	named := o.target.Exe != "" || o.target.Root != ""
	switch {
	case o.target.PID != 0 && named:
		return errors.New("expected either a process or --exe and --root, found both")
	case o.target.PID == 0 && !named:
		return errors.New("expected the number of a process, --exe PROGRAM or --root FOLDER")
	case o.out == "" && !o.json:
		return errors.New("expected -o FILE to write to, or --json")
	case o.out == "" && o.binaries:
		return errors.New("--with-binaries: expected -o FILE to keep them in")
	case o.out != "":
		return evidence.CanKeepSnapshot(o.out)
	}
	return nil
}

func runSnapshot(ctx context.Context, out io.Writer, o snapshotOptions) error {
	at := startProgress(os.Stderr)
	defer at.end()
	at.stage("looking around")
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	start := time.Now()
	seen, err := evidence.Snapshot(ctx, o.target)
	if err != nil {
		return failure{err}
	}
	took := time.Since(start)
	if o.out != "" {
		at.stage("writing " + o.out)
		if err := seen.Write(o.out, o.binaries); err != nil {
			return failure{err}
		}
	}
	at.end()
	if o.json {
		err = seen.JSON(out)
	} else {
		err = tellSnapshot(out, seen, took, o.out)
	}
	if err != nil {
		return failure{err}
	}
	return nil
}

// tellSnapshot says what was seen, and what wasn't: what has the same reason together.
func tellSnapshot(out io.Writer, seen *evidence.Surroundings, took time.Duration, path string) error {
	fmt.Fprintf(out, "%s, seen in %.1f s\n", seen.Name, took.Seconds())
	for line := range seen.Summary() {
		fmt.Fprintln(out, " ", line)
	}
	if len(seen.Unseen) > 0 {
		fmt.Fprintln(out, "not seen:")
	}
	var reasons []string
	unseen := map[string][]string{}
	for _, u := range seen.Unseen {
		if unseen[u.Why] == nil {
			reasons = append(reasons, u.Why)
		}
		unseen[u.Why] = append(unseen[u.Why], u.What)
	}
	for _, why := range reasons {
		fmt.Fprintf(out, "  %s: %s\n", strings.Join(unseen[why], ", "), why)
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "written to %s, %d bytes\n", path, info.Size())
	return err
}
