package weigh

import (
	"strings"
	"testing"

	"github.com/inquest-project/inquest/internal/reasoning/moment"
)

// Of an upload of which the capture lost the middle, the end is still the body.
func TestWhatTheCaptureLostIsCounted(t *testing.T) {
	const (
		head = "PUT /a HTTP/1.1\r\nContent-Length: 20000\r\n\r\nbegin"
		lost = 15000 // more than a message spans
		end  = "SET key value"
	)
	w := newWire(t)
	l := w.asks(moment.Open, head)
	l.TCP(client, "PA", len(head)+lost, 0, end)
	c := w.alone()
	if len(c.Candidates) != 2 {
		t.Fatalf("%d messages, want 2", len(c.Candidates))
	}
	if d := c.Candidates[1].Dissection; d.Protocol != "HTTP" || !strings.Contains(d.Summary, "body continued, 13 bytes") {
		t.Errorf("the end is %s: %s", d.Protocol, d.Summary)
	}
}

func TestWhatAnAnswerAnsweredIsReadOnce(t *testing.T) {
	w := requests(t)
	c := w.alone()
	answers := 0
	for sent, tags := range c.answers {
		answers += len(tags)
		if sent.Receiver == c.Candidates[0].Message.Receiver {
			t.Errorf("%q was received, not sent", sent.Data)
		}
	}
	if answers != 1 {
		t.Errorf("%d tags of answers, want that of the one response", answers)
	}
}
