// Command accuracy holds inquest against the lab's truth. It looks at recorded runs, with all of their evidence and with
// less, and keeps what it saw; from what was kept it fits the table of weights, judges each program by weights that
// were fitted without it, and writes the page that a sceptic wants to see.
//
//	go run ./lab/accuracy -runs DIR,DIR -seen FILE
//	go run ./lab/accuracy -seen FILE [-weights FILE] [-page FILE]
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/inquest-project/inquest/internal/reasoning/weigh"
)

// ordinary is the build that weights are fitted on; others are counted apart.
const ordinary = "build"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "accuracy:", err)
		os.Exit(1)
	}
}

func run() error {
	runs := flag.String("runs", "", "look at the recorded runs in these folders")
	few := flag.Int("few", 3, "of so many runs of each case, with less of the evidence, too")
	only := flag.String("evidence", "", "look at the runs with only this of their evidence")
	file := flag.String("seen", "lab/accuracy/seen.jsonl.gz", "what was seen: written with -runs, else read")
	weights := flag.String("weights", "", "write the table of weights to this file")
	page := flag.String("page", "", "write the tables, as Markdown, to this file, and the diagram beside it")
	flag.Parse()
	if *runs != "" {
		return look(strings.Split(*runs, ","), *few, *only, *file)
	}
	all, err := readSeen(*file)
	if err != nil {
		return err
	}
	if *weights != "" {
		if err := writeWeights(*weights, fitted(all, "")); err != nil {
			return err
		}
	}
	return report(all, *page)
}

// look looks at runs and keeps what was seen.
func look(dirs []string, few int, only, file string) error {
	var all []*seen
	for _, dir := range dirs {
		seen, err := observeAll(dir, few, only)
		if err != nil {
			return err
		}
		if len(seen) == 0 {
			return fmt.Errorf("no recorded runs in %s: record some with go run ./lab/run", dir)
		}
		all = append(all, seen...)
	}
	return writeSeen(file, all)
}

func writeWeights(path string, t weigh.Table) error {
	data, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}
