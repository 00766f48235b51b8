package reasoning

import (
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/reading/conversation"
)

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
