package weigh

import (
	"testing"

	"github.com/inquest-project/inquest/internal/ground/finding"
)

func TestWhoHadAnsweredAllHardlyDiedAtOnce(t *testing.T) {
	of := func(answer, read string) []finding.Observation {
		return []finding.Observation{{Kind: "unanswered", Level: answer}, {Kind: "read", Level: read}}
	}
	for name, c := range map[string]struct {
		last  []finding.Observation
		waits bool
	}{
		"all was answered":            {of(answered, "read"), false},
		"one was not":                 {of("unanswered", "read"), true},
		"one of a kind that never is": {of("as most of its kind", ""), true},
		"what waits was not read":     {[]finding.Observation{{Kind: "read", Level: unread}}, false},
		"tickets alone came back":     {[]finding.Observation{{Kind: "read", Level: "read"}}, true},
	} {
		messages := [][]finding.Observation{of(answered, "read and gone on"), of(answered, "closed before"), c.last}
		if got := Waits(messages); got != c.waits {
			t.Errorf("%s: waits is %v", name, got)
		}
		weighed, sums := Fitted().Weigh(messages, 0.03, 0)
		share := weighed[0][len(weighed[0])-1]
		if said := share.Level == "less, as all was answered"; said == c.waits || said && sums[0] > -3 {
			t.Errorf("%s: %+v, the sum of the first is %.1f", name, share, sums[0])
		}
	}
}
