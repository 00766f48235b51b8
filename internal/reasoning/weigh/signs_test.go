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
		last []finding.Observation
		want string
	}{
		"all was answered":            {of(answered, "read"), allAnswered},
		"one was not":                 {of("unanswered", "read"), oneWaits},
		"one of a kind that never is": {of("as most of its kind", ""), oneWaits},
		"what waits was not read":     {[]finding.Observation{{Kind: "read", Level: unread}}, allAnswered},
		"tickets alone came back":     {[]finding.Observation{{Kind: "read", Level: "read"}}, oneWaits},
	} {
		messages := [][]finding.Observation{of(answered, "read and gone on"), of(answered, "closed before"), c.last}
		whole := &Case{}
		for _, o := range messages {
			whole.Candidates = append(whole.Candidates, &Candidate{Observations: o})
		}
		signs := observeWaits(whole)
		if signs[0].Level != c.want {
			t.Errorf("%s: %v", name, signs)
		}
		signs[0].Kind = "waits"
		weighed, sums := Fitted().Weigh(messages, signs, 0.03, 0)
		share := weighed[0][len(weighed[0])-1]
		if said := share.Level == "less, by the signs"; said == (c.want == oneWaits) || said && sums[0] > -3 {
			t.Errorf("%s: %+v, the sum of the first is %.1f", name, share, sums[0])
		}
	}
}
