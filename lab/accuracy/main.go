// Command accuracy holds inquest against the lab's truth: it analyses recorded runs, fits the table of
// weights, judges each program by weights that were fitted without it, and writes the tables that a
// sceptic wants to see.
//
//	go run ./lab/accuracy -runs DIR [-weights FILE] [-table FILE]
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/inquest-project/inquest/internal/reasoning/weigh"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "accuracy:", err)
		os.Exit(1)
	}
}

func run() error {
	dir := flag.String("runs", "lab/runs", "folder of recorded runs")
	weights := flag.String("weights", "", "write the table fitted on all runs to this file")
	tableFile := flag.String("table", "", "write the tables, as Markdown, to this file")
	flag.Parse()
	runs, err := observeAll(*dir, observe)
	if err != nil {
		return err
	}
	alone, err := observeAll(*dir, observeAlone)
	if err != nil {
		return err
	}
	if *weights != "" {
		table := fit(runs, received...)
		maps.Copy(table, fit(alone, held...))
		if err := writeJSON(*weights, table); err != nil {
			return err
		}
	}
	report := judge(runs, alone)
	fmt.Print(report)
	if *tableFile != "" {
		return os.WriteFile(*tableFile, []byte(report), 0o644)
	}
	return nil
}

// received are the kinds that speak of what a capture shows to have come, held those of what memory alone
// shows.
var received, held = func() (received, held []weigh.Kind) {
	for _, k := range weigh.Kinds {
		if k.Held {
			held = append(held, k)
		} else {
			received = append(received, k)
		}
	}
	return received, held
}()

// observeAll observes all runs in a folder, as many at a time as there are processors.
func observeAll(dir string, observe func(dir string) (*observed, error)) ([]*observed, error) {
	truths, err := filepath.Glob(filepath.Join(dir, "*", "truth.json"))
	if err != nil {
		return nil, err
	}
	if len(truths) == 0 {
		return nil, errors.New("no recorded runs in " + dir + ": record some with go run ./lab/run")
	}
	runs := make([]*observed, len(truths))
	var all errgroup.Group
	all.SetLimit(runtime.NumCPU())
	for i, t := range truths {
		all.Go(func() (err error) {
			runs[i], err = observe(filepath.Dir(t))
			if err != nil {
				return fmt.Errorf("observing %s: %w", filepath.Dir(t), err)
			}
			return nil
		})
	}
	return runs, all.Wait()
}

func writeJSON(path string, t weigh.Table) error {
	data, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}
