package words

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reasoning/weigh"
)

// Telling knows findings only, and so not the kinds; this test does.
func TestEveryLevelHasASentenceAndEverySentenceALevel(t *testing.T) {
	levels := map[string][]string{finding.Share: {"less", "more"}}
	for _, kind := range weigh.Kinds {
		levels[kind.Name] = kind.Levels
	}
	for kind, all := range levels {
		for _, level := range all {
			if observations[kind][level] == "" {
				t.Errorf("no sentence for %s: %s", kind, level)
			}
		}
	}
	for kind, sentences := range observations {
		for level := range sentences {
			if !slices.Contains(levels[kind], level) {
				t.Errorf("a sentence for %s: %s, which nothing observes", kind, level)
			}
		}
	}
}

func TestEveryMechanismHasASentence(t *testing.T) {
	source, err := os.ReadFile("../../ground/finding/finding.go")
	if err != nil {
		t.Fatal(err)
	}
	kinds := regexp.MustCompile(`MechanismKind = "([a-z_]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(kinds) < 10 {
		t.Fatalf("found %d mechanisms in finding.go", len(kinds))
	}
	for _, k := range kinds {
		if mechanisms[finding.MechanismKind(k[1])] == "" {
			t.Errorf("no sentence for %s", k[1])
		}
	}
}

func TestNobodyIsCalledTheKillerBelowEvenOdds(t *testing.T) {
	for _, c := range []struct {
		first, none float64
		want, never string
	}{
		{0.95, 0.01, "The killer is very probably", ""},
		{0.6, 0.1, "The killer is probably", "very"},
		{0.4, 0.1, "can't be told for sure", "The killer is"},
		{0.2, 0.7, "can't be told:", "The killer is"},
	} {
		f := &finding.Findings{
			Death:      &finding.Death{Signal: "SIGABRT"},
			Candidates: 40,
			Suspects:   []finding.Suspect{{Message: finding.Message{Summary: "GET /", Client: "192.0.2.1:4711", Frames: []int{12}}, Probability: c.first}},
			None:       &finding.None{Probability: c.none},
		}
		Fill(f)
		if !strings.Contains(f.Verdict, c.want) || c.never != "" && strings.Contains(f.Verdict, c.never) {
			t.Errorf("at %.2f against %.2f: %s", c.first, c.none, f.Verdict)
		}
	}
}
