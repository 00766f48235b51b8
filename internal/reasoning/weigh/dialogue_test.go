package weigh

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/reasoning/death"
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

// The host answers a datagram to a closed port at once: that one came after the death, and the one before it did not.
func TestADatagramThatWasRefusedWasNotReceived(t *testing.T) {
	w := newWire(t)
	l := w.datagrams()
	l.UDP(client, "the killing question")
	w.Next = w.Next.Add(time.Second)
	l.UDP(client, "asked again")
	l.Unreachable(server)
	c := w.alone()
	if len(c.Candidates) != 1 || string(c.Candidates[0].Data) != "the killing question" {
		t.Errorf("weighed are %d messages, the first %q", len(c.Candidates), c.Candidates[0].Data)
	}
}

// A process holds something of what it was told; where a whole core has nothing of it, the captures may be another's.
func TestCapturesOfWhichTheCoreHasNothingMayBeAnothers(t *testing.T) {
	const held = "question 7 of a fair length"
	for name, c := range map[string]struct {
		memory  map[int]string
		named   bool
		strange bool
	}{
		"nothing":             {nil, false, true},
		"one message":         {map[int]string{0x100: held}, false, false},
		"an address of one's": {nil, true, false},
	} {
		w := newWire(t)
		for i := range 60 {
			w.asks(moment.Ended, fmt.Sprintf("question %d of a fair length", i)).Say(server, "an answer")
		}
		im, stacks := core{onHeap: c.memory}.open(t)
		when := w.died()
		when.Named = c.named
		made := NewCase(im, stacks, death.Death{}, when, nil)
		if made.Strange != c.strange {
			t.Errorf("%s: strange is %v", name, made.Strange)
		}
		if none := Rank(made, Fitted()).None; c.strange && none < 0.5 {
			t.Errorf("%s: that none killed has %.2f", name, none)
		}
	}
}
