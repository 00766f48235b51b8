package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
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
	for _, c := range lab.Cases() {
		build := filepath.Join("..", "build-renamed")
		if _, err := os.Stat(filepath.Join(build, c.Name)); err != nil {
			continue // a daemon of Debian's, which can't be renamed
		}
		t.Run(c.Name, func(t *testing.T) {
			dir, err := lab.Record(context.Background(), c, lab.Options{Dir: t.TempDir(), Build: build, Seed: 2})
			if err != nil {
				t.Fatal(err)
			}
			o, err := observe(dir)
			if err != nil {
				t.Fatal(err)
			}
			judged := &tally{}
			judged.verdict(o)
			if judged.culprit+judged.role+judged.mechanism != 3 {
				t.Errorf("culprit %+v by %s, the truth is %+v by %s", o.culprit, o.mechanism, o.truth.Culprit, o.truth.Mechanism)
			}
			if o.truth.Culprit.Module == c.Culprit.Module && c.Culprit.Module != c.Name {
				t.Errorf("the module is still called %s", c.Culprit.Module)
			}
			order, _ := rank(o, weigh.Fitted())
			if at := slices.Index(order, o.killer()); at < 0 || at >= 3 {
				t.Errorf("the killer is at %d of %d", at+1, len(order))
			}
		})
	}
}
