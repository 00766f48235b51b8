// Command run records lab cases: it lets their daemons die under traffic and keeps what is left.
//
//	go run ./lab/run -o DIR [-seed N] [-runs N] [CASE...]
//	go run ./lab/run -circumstance [CASE...]
//
// It needs root and the daemons built (make -C lab).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/inquest-project/inquest/lab"
)

func main() {
	if lab.Helper() {
		return
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

func run() error {
	var o lab.Options
	flag.StringVar(&o.Dir, "o", "lab/runs", "folder for the runs, each in DIR/CASE-SEED")
	flag.StringVar(&o.Build, "build", "lab/build", "folder of the built daemons")
	flag.Uint64Var(&o.Seed, "seed", 1, "of the traffic")
	runs := flag.Int("runs", 1, "how many runs of each case, with the seeds that follow")
	circumstance := flag.Bool("circumstance", false, "measure the cases' truth tables instead")
	flag.Parse()
	cases, err := choose(flag.Args())
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	for _, c := range cases {
		if *circumstance {
			err = measure(ctx, c, o)
		} else {
			err = record(ctx, c, o, *runs)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func choose(names []string) ([]lab.Case, error) {
	if len(names) == 0 {
		return lab.Cases(), nil
	}
	var cases []lab.Case
	for _, name := range names {
		c, err := lab.Find(name)
		if err != nil {
			return nil, err
		}
		cases = append(cases, c)
	}
	return cases, nil
}

// record records so many runs of a case. Instead of one in which the daemon survived, which is said, another is recorded, as
// long as more died.
func record(ctx context.Context, c lab.Case, o lab.Options, runs int) error {
	for died, survived := 0, 0; died < runs; o.Seed++ {
		start := time.Now()
		dir, err := lab.Record(ctx, c, o)
		switch {
		case errors.Is(err, lab.ErrSurvived) && survived <= died:
			survived++
			fmt.Println(err)
			err = os.RemoveAll(dir)
		case err == nil:
			died++
			fmt.Printf("%s recorded in %.1f s\n", dir, time.Since(start).Seconds())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func measure(ctx context.Context, c lab.Case, o lab.Options) error {
	found, err := lab.Measure(ctx, c, o)
	if err != nil {
		return err
	}
	for _, row := range found.Table {
		fmt.Printf("%s %v dies: %v\n", c.Name, row.Factors, row.Dies)
	}
	return nil
}
