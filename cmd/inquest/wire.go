package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/inquest-project/inquest/internal/evidence"
	"github.com/inquest-project/inquest/internal/reading"
	"github.com/inquest-project/inquest/internal/reasoning"
	"github.com/inquest-project/inquest/internal/telling"
)

type wireOptions struct {
	evidence evidence.Request
	keyLog   string // file to write secrets to
	follow   int
	json     bool
}

func wireCommand() *cobra.Command {
	var o wireOptions
	cmd := &cobra.Command{
		Use:   "wire CAPTURE... [KEYLOG]",
		Short: "What is in a capture: conversations, and the messages of one",
		Long: `wire lists the conversations of a capture: who with whom, by which protocol, how many packets with data, messages and bytes
each side sent (client/server), what was not captured, and how it ended. With --follow it prints the messages of one of
them, each with its fields: offset and length in the message, name and value. Where no dissector knows the protocol,
fields are inferred from all messages to and from the same service, and said to be.

Captures are pcap or pcapng, also packed by zstd, lz4, xz or gzip, or a packet list as Wireshark prints it; several,
or a folder, are one: the files of a ring, or what was captured at several places at once. Fragments are joined, and
tunnels (VXLAN, Geneve, GRE, IP in IP, PPP) opened. What was captured twice on its way through a host counts once.

TLS is opened with a key log (as SSLKEYLOGFILE makes programs write it) that is named beside the captures or lies in
a pcapng, and with keys that are found in the core of the process that spoke: --core. No secret counts that doesn't
open a captured record. --keylog writes those that do, for Wireshark (tls.keylog_file) and tshark.

Exit codes: 0 done; 2 wrong usage; 3 nothing could be read.`,
		Example: `  inquest wire night.pcap.gz
  inquest wire ring/ --follow 17
  inquest wire night.pcap --core core.31826 --keylog night.keys
  inquest wire night.pcap night.keys --follow 17
  inquest wire night.pcap --json | jq '.conversations[] | select(.from_client.missing)'`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("follow") && o.follow < 1 {
				return fmt.Errorf("--follow: expected the number of a conversation, from 1, found %d", o.follow)
			}
			o.evidence.Paths = args
			if o.keyLog != "" {
				if err := evidence.CanKeepKeys(o.keyLog); err != nil {
					return fmt.Errorf("--keylog: %w", err)
				}
			}
			return runWire(cmd.Context(), cmd.OutOrStdout(), o)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&o.follow, "follow", 0, "print the messages of conversation `N`")
	flags.StringArrayVar(&o.evidence.Cores, "core", nil, "`file` is the core of a process that spoke TLS here: look for its keys")
	flags.StringVar(&o.keyLog, "keylog", "", "write the secrets that open the captures' TLS to `file`, as an NSS key log")
	flags.BoolVar(&o.json, "json", false, "print as JSON")
	return cmd
}

func runWire(ctx context.Context, out io.Writer, o wireOptions) error {
	at := startProgress(os.Stderr)
	defer at.end()
	at.stage("opening the capture")
	set, err := evidence.Open(o.evidence)
	if err != nil {
		return failure{err}
	}
	defer set.Close()
	if len(set.Captures) == 0 {
		return failure{errors.New("expected a capture, found none among what was given")}
	}
	if len(o.evidence.Cores) > 0 && set.Core == nil {
		return failure{noCore(set, o.evidence.Cores)}
	}
	at.stage("reading the capture")
	read := reading.Wire(set)
	defer read.Close()
	if o.keyLog != "" {
		at.stage("looking for keys")
		if err := writeKeyLog(ctx, at, o.keyLog, read); err != nil {
			return failure{err}
		}
		at.stage("reading the capture")
	}
	wire := reasoning.Wire(ctx, read, o.follow)
	if o.follow > 0 && len(wire.Conversations) == 0 {
		return failure{fmt.Errorf("--follow %d: there is no such conversation", o.follow)}
	}
	telling.CompleteWire(wire)
	at.end()
	if o.json {
		err = telling.JSON(out, wire)
	} else {
		err = telling.Wire(out, wire, styleOf(out, false))
	}
	if err != nil {
		return failure{err}
	}
	return nil
}

// noCore says why none of the cores that were named is one.
func noCore(set *evidence.Set, paths []string) error {
	for _, problem := range set.Problems {
		for _, path := range paths {
			if said := problem.String(); strings.Contains(said, filepath.Base(path)) {
				return fmt.Errorf("--core: %s", strings.TrimPrefix(said, "evidence: "))
			}
		}
	}
	return fmt.Errorf("--core: none of %s is a core", strings.Join(paths, ", "))
}

// writeKeyLog writes what opens the captures' TLS.
func writeKeyLog(ctx context.Context, at *progress, path string, read *reading.Reading) error {
	log, tls := reasoning.KeyLog(ctx, read)
	if len(log) == 0 {
		return errors.New("--keylog: no secret that is at hand opens any TLS of these captures, so nothing was written")
	}
	if err := evidence.KeepKeys(path, log); err != nil {
		return err
	}
	at.say(fmt.Sprintf("wrote %s: %d secrets, which open %d of %d TLS connections", path, len(log), tls.FromCore+tls.FromLog, tls.Connections))
	return nil
}
