package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/inquest-project/inquest/internal/reasoning/weigh"
	"github.com/inquest-project/inquest/lab"
)

// What the weights say must hold for real daemons that none of them was fitted on.
func TestTheKillerIsFoundInDaemonsThatNothingWasFittedOn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("recording needs root")
	}
	for _, c := range lab.Daemons() {
		t.Run(c.Name, func(t *testing.T) {
			dir, err := lab.RecordOne(context.Background(), c, lab.Options{Dir: t.TempDir(), Build: filepath.Join("..", "build"), Seed: 1})
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
			if !s.Right.Culprit || !s.Right.Mechanism {
				t.Errorf("right were %+v, the truth is %+v by %s", s.Right, truth.Culprit, truth.Mechanism)
			}
			j := judge(s, weigh.Fitted())
			if !first(j) {
				t.Errorf("the killer is at %d of %d", j.place, j.candidates)
			}
			if j.sureOfWrong {
				t.Errorf("what is not true was given more than %.0f %%", 100*sure)
			}
			t.Logf("the killer of %d candidates is at %d with %.3f; the likeliest has %.3f", j.candidates, j.place, j.truth, j.said)
		})
	}
}
