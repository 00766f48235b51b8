package reasoning

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reading"
	"github.com/inquest-project/inquest/internal/reading/conversation"
	"github.com/inquest-project/inquest/internal/reading/tlskeys"
	"github.com/inquest-project/inquest/internal/reasoning/death"
	"github.com/inquest-project/inquest/internal/reasoning/moment"
)

func TestWhatTheCapturesLostIsTold(t *testing.T) {
	holes := func(missing, sent uint64) []*conversation.Conversation {
		return []*conversation.Conversation{{Streams: [2]conversation.Stream{{Sent: sent, Missing: missing}}}}
	}
	for name, c := range map[string]struct {
		traffic conversation.Traffic
		want    float64
	}{
		"nothing":                 {conversation.Traffic{Packets: 100, Conversations: holes(0, 1000)}, 0},
		"as the capture says":     {conversation.Traffic{Packets: 90, Dropped: 10, Conversations: holes(0, 1000)}, 0.1},
		"by what is missing":      {conversation.Traffic{Packets: 100, Conversations: holes(250, 1000)}, 0.25},
		"by whichever tells more": {conversation.Traffic{Packets: 50, Dropped: 50, Conversations: holes(250, 1000)}, 0.5},
		"of no traffic at all":    {conversation.Traffic{}, 0},
	} {
		if got := lost(&c.traffic, moment.Moment{}); got != c.want {
			t.Errorf("%s: %.3f, expected %.3f", name, got, c.want)
		}
	}
}

func TestABeginningBeforeTheWindowIsNotWeighed(t *testing.T) {
	from := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	at := func(end time.Duration) *conversation.Message { return &conversation.Message{End: from.Add(end)} }
	for name, c := range map[string]struct {
		message *conversation.Message
		whole   bool
		early   bool
	}{
		"ended before":           {at(-time.Second), false, true},
		"ends in the window":     {at(time.Second), false, false},
		"all traffic is at hand": {at(-time.Second), true, false},
	} {
		if got := early(c.message, &conversation.Traffic{Whole: c.whole, From: from}); got != c.early {
			t.Errorf("%s: early is %v", name, got)
		}
	}
}

// It may have the keys: that it has none would be said without having looked.
func TestACoreThatWasNotSearchedToItsEndIsSaidToBe(t *testing.T) {
	r := &reading.Reading{Traffic: &conversation.Traffic{}}
	for want, sessions := range map[string][]*reading.Session{
		"TLS keys": {{}, {}},
		"TLS keys, in a core not searched to its end": {{Unsought: true}, {}, {Opened: &tlskeys.Opened{}}},
		"": {{Unsought: true, Opened: &tlskeys.Opened{}}}, // by another that it resumes
	} {
		f := &finding.Findings{}
		tellMissing(f, r, death.Death{}, moment.Moment{}, sessions)
		i := slices.IndexFunc(f.Missing, func(m finding.Missing) bool { return strings.HasPrefix(m.What, "TLS keys") })
		switch {
		case i < 0 && want != "" || i >= 0 && f.Missing[i].What != want:
			t.Errorf("expected %q, found %+v", want, f.Missing)
		case want == "TLS keys, in a core not searched to its end" && (f.Missing[i].Facts["count"] != "2" || f.Missing[i].Facts["alive"] != "1"):
			t.Errorf("facts %v", f.Missing[i].Facts)
		}
	}
}
