package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/inquest-project/inquest/internal/reasoning/weigh"
	"github.com/inquest-project/inquest/lab"
)

func TestMain(m *testing.M) {
	if lab.Helper() {
		return
	}
	os.Exit(m.Run())
}

// Nothing may rest on what the lab's functions and libraries are called: in this build their names say
// nothing.
func TestTheVerdictIsTheSameWhenEverythingIsRenamed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("recording needs root")
	}
	all, err := readSeen("seen.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	var ordinarily []judged // as the published weights judge what was seen with all names
	for _, s := range all {
		if s.Build == ordinary && s.Evidence == whole {
			ordinarily = append(ordinarily, judge(s, weigh.Fitted()))
		}
	}
	for _, c := range lab.Cases() {
		build := filepath.Join("..", "build-renamed")
		if _, err := os.Stat(filepath.Join(build, c.Name)); err != nil {
			continue // a daemon of Debian's, which can't be renamed
		}
		t.Run(c.Name, func(t *testing.T) {
			dir, err := lab.RecordOne(context.Background(), c, lab.Options{Dir: t.TempDir(), Build: build, Seed: 2})
			if err != nil {
				t.Fatal(err)
			}
			truth, err := readTruth(filepath.Join(dir, "truth.json"))
			if err != nil {
				t.Fatal(err)
			}
			s := &seen{}
			if err := variants[0].observe(s, dir, truth); err != nil {
				t.Fatal(err)
			}
			named := of(ordinarily, c.Name)
			if s.Right.Plain = named[0].Right.Plain; s.Right != named[0].Right { // that rule goes by names
				t.Errorf("right were %+v, with names %+v; the truth is %+v by %s", s.Right, named[0].Right, truth.Culprit, truth.Mechanism)
			}
			if truth.Culprit.Module == c.Culprit.Module && c.Culprit.Module != c.Name && !truth.None {
				t.Errorf("the module is still called %s", c.Culprit.Module)
			}
			if j := judge(s, weigh.Fitted()); !three(j) && count(named, three) == len(named) {
				t.Errorf("the killer is at %d of %d", j.place, j.candidates)
			}
		})
	}
}
