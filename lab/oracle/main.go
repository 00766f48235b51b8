// Command oracle holds inquest's stacks against gdb's, frame by frame: it makes the material, cores of small
// programs and of Debian's, asks both, and lists every difference with its reason.
//
//	go run ./lab/oracle [-o DIR] [-runs DIR] [-table FILE] [NAME...]
//
// Material that is in DIR already is used again. A NAME is a part of an item's name; without any, all items are
// compared. A difference that reasons.go knows no reason for makes the command fail.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

func main() {
	if err := command(); err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(1)
	}
}

func command() error {
	dir := flag.String("o", "/tmp/inquest-oracle", "folder for the material")
	runs := flag.String("runs", "", "folder of recorded lab runs")
	table := flag.String("table", "", "write the table, as Markdown, to this file")
	flag.Parse()
	recipes := slices.Concat(smallPrograms(), foreignPrograms(), debianPrograms(), sourcePackages(), labRuns(*runs), dyingPrograms("lab/dying/testdata"))
	items, failed := material(*dir, wanted(recipes, flag.Args()))
	results := judge(items)
	report := tell(results)
	if *table != "" {
		if err := os.WriteFile(*table, []byte(report), 0o644); err != nil {
			return err
		}
	}
	fmt.Print(report)
	return errors.Join(failed, unexplained(results))
}

func wanted(recipes []Recipe, names []string) []Recipe {
	return slices.DeleteFunc(recipes, func(r Recipe) bool {
		return len(names) > 0 && !slices.ContainsFunc(names, func(n string) bool { return strings.Contains(r.Name, n) })
	})
}

// material makes the items. One that can't be made is said and does not keep the others.
func material(dir string, recipes []Recipe) (items []Item, failed error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	for _, r := range recipes {
		made, err := r.items(dir)
		if err != nil {
			fmt.Fprintln(os.Stderr, "oracle:", err)
			failed = errors.Join(failed, err)
			continue
		}
		items = append(items, made...)
	}
	return items, failed
}

// judge compares all items, two at a time.
func judge(items []Item) []Result {
	results := make([]Result, len(items))
	var g errgroup.Group
	g.SetLimit(2)
	for i, it := range items {
		g.Go(func() error {
			results[i] = examine(it)
			return nil
		})
	}
	g.Wait()
	return results
}

// examine asks both sides about an item.
func examine(it Item) Result {
	theirs, err := askGDB(it)
	if err != nil {
		return Result{Item: it, Failed: err}
	}
	ours, err := askOurselves(it)
	if err != nil {
		return Result{Item: it, Failed: err}
	}
	r := compare(it, theirs, ours)
	if it.Better != nil && len(r.Differences) > 0 {
		if r.better, err = askGDB(*it.Better); err != nil {
			return Result{Item: it, Failed: err}
		}
	}
	for i := range r.Differences {
		r.Differences[i].better = r.better[r.Differences[i].TID]
		r.Differences[i].explain()
	}
	return r
}

// unexplained is an error that lists the differences without a reason.
func unexplained(results []Result) error {
	var open []string
	for _, r := range results {
		if r.Failed != nil {
			open = append(open, fmt.Sprintf("%s: %v", r.Item.Name, r.Failed))
		}
		for _, d := range r.Differences {
			if d.reason == nil {
				open = append(open, d.String())
			}
		}
	}
	if len(open) == 0 {
		return nil
	}
	return fmt.Errorf("%d differences without a reason:\n%s", len(open), strings.Join(open, "\n"))
}
