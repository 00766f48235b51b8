package main

import (
	"embed"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/inquest-project/inquest/internal/evidence"
)

// The kept run of lab case tlsfront; demo/README says how it was recorded.
//
//go:embed demo
var demoFiles embed.FS

func demoCommand() *cobra.Command {
	var o analyzeOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Analyse a shipped case: a TLS front end that died in production only",
		Long: `demo runs the real analyze on a real death that is built into the program: a TLS front end
that died in its empty chroot, with its core, a packet capture, the kernel's audit record and stripped
binaries. Nothing else is needed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runDemo(cmd.OutOrStdout(), o)
		},
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print the findings as JSON")
	cmd.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "print everything: all threads, all evidence")
	return cmd
}

func runDemo(out io.Writer, o analyzeOptions) error {
	dir, err := os.MkdirTemp("", "inquest-demo-")
	if err != nil {
		return failure{fmt.Errorf("unpacking the demo's case: %w", err)}
	}
	defer os.RemoveAll(dir)
	files, err := fs.Sub(demoFiles, "demo")
	if err != nil {
		return failure{err}
	}
	if err := os.CopyFS(dir, files); err != nil {
		return failure{fmt.Errorf("unpacking the demo's case: %w", err)}
	}
	o.evidence = evidence.Request{
		Paths:    []string{filepath.Join(dir, "evidence")},
		Sysroots: []string{filepath.Join(dir, "sysroot")},
	}
	return runAnalyze(out, o)
}
