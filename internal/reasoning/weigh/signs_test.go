package weigh

import (
	"fmt"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reasoning/death"
	"github.com/inquest-project/inquest/internal/reasoning/moment"
)

func is(level string) map[string]string { return map[string]string{ofAll: level} }

var atHandScenarios = []scenario{
	{"a message that was read and waits is what the dying call has", func(t testing.TB) *Case {
		w := newWire(t)
		w.answered(5, "usual")
		w.asks(moment.ClosedFIN, "what the dying call was given")
		return core{rdi: heapAt + 0x1000, onHeap: map[int]string{0x1000: "what the dying call was given"}}.with(w)
	}, is("one")},
	{"it is another", func(t testing.TB) *Case {
		w := newWire(t)
		w.answered(5, "what was asked and answered")
		w.asks(moment.ClosedFIN, "what the dying call wasn't given")
		return core{rdi: heapAt + 0x1000, onHeap: map[int]string{0x1000: "what was asked and answered"}}.with(w)
	}, is("none")},
	{"without a core", func(t testing.TB) *Case { return asked(t, "unheard").alone() }, nil},
}

var waitsScenarios = []scenario{
	{"all was answered", func(t testing.TB) *Case {
		w := newWire(t)
		w.answered(5, "usual")
		return w.alone()
	}, is("all answered")},
	{"one was not", func(t testing.TB) *Case {
		w := newWire(t)
		w.answered(5, "usual")
		w.asks(moment.Open, "unheard")
		return w.alone()
	}, is("one waits")},
	{"what was not read waits for nothing, nor who had left", func(t testing.TB) *Case {
		w := newWire(t)
		w.answered(5, "usual")
		w.asks(moment.ClosedRST, "not read").RST(server)
		l := w.asks(moment.Ended, "left alone")
		l.Ack(server)
		l.RST(client)
		return w.alone()
	}, is("all answered")},
	{"what was passed on waits for somebody else", func(t testing.TB) *Case {
		w := newWire(t)
		w.answered(5, "usual")
		w.asks(moment.Open, "GET /forwarded/by/the/proxy")
		w.call(moment.Open).Say(client, "GET /forwarded/by/the/proxy")
		return w.alone()
	}, is("all answered")},
	{"an upstream's answer is at work till it was passed on", func(t testing.TB) *Case {
		w := newWire(t)
		w.answered(5, "usual")
		w.asks(moment.Open, "GET /forwarded/by/the/proxy")
		up := w.call(moment.Open)
		up.Say(client, "GET /forwarded/by/the/proxy")
		up.Say(server, "an answer that nobody was told")
		return w.alone()
	}, is("one waits")},
	{"and then no longer", func(t testing.TB) *Case {
		w := newWire(t)
		w.answered(5, "usual")
		l := w.asks(moment.Open, "GET /forwarded/by/the/proxy")
		up := w.call(moment.Open)
		up.Say(client, "GET /forwarded/by/the/proxy")
		up.Say(server, "an answer that somebody was told")
		l.Say(server, "an answer that somebody was told")
		return w.alone()
	}, is("all answered")},
	{"nor where its connection was over", func(t testing.TB) *Case {
		w := newWire(t)
		w.answered(5, "usual")
		up := w.call(moment.Ended)
		up.Say(client, "GET /something/for/itself")
		up.Say(server, "an answer that nobody was told")
		up.FIN(client)
		return w.alone()
	}, is("all answered")},
	{"nothing of what was taken from memory", fromMemory, nil},
	{"nothing of nothing", func(testing.TB) *Case { return &Case{} }, nil},
}

// quiet is a daemon that has answered some, within a time, and has been idle since.
func quiet(t testing.TB, took, since time.Duration) *wire {
	w := newWire(t)
	for i := range 30 {
		l := w.asks(moment.Open, fmt.Sprintf("usual %d", i))
		w.Wait(took)
		l.Say(server, "done")
	}
	w.Wait(since)
	return w
}

var idleScenarios = []scenario{
	{"it had just been sent something", func(t testing.TB) *Case { return quiet(t, ms, 0).alone() }, is("busy")},
	{"for long", func(t testing.TB) *Case { return quiet(t, ms, time.Second).alone() }, is("idle")},
	{"however fast it is, not within a moment", func(t testing.TB) *Case { return quiet(t, 0, 150*ms).alone() }, is("busy")},
	{"not within the time that a slow one takes", func(t testing.TB) *Case { return quiet(t, 300*ms, time.Second).alone() }, is("busy")},
	{"longer than a slow one takes", func(t testing.TB) *Case { return quiet(t, 300*ms, time.Minute).alone() }, is("idle")},
	{"what it did not read is nothing new", func(t testing.TB) *Case {
		w := quiet(t, ms, time.Second)
		w.asks(moment.ClosedRST, "not read").RST(server)
		return w.alone()
	}, is("idle")},
	{"what it read is, answered or not", func(t testing.TB) *Case {
		w := quiet(t, ms, time.Second)
		w.asks(moment.ClosedFIN, "read").FIN(server)
		return w.alone()
	}, is("busy")},
	{"while a handler reports it is not idle", func(t testing.TB) *Case {
		w := quiet(t, ms, 0)
		heard := w.Next
		w.Wait(time.Minute)
		m := w.died()
		m.LastWords = heard
		return NewCase(nil, nil, death.Death{Thread: -1}, m, nil)
	}, is("busy")},
	{"nothing of a handful", func(t testing.TB) *Case {
		w := newWire(t)
		w.answered(fewest-1, "one of few")
		w.Wait(time.Second)
		return w.alone()
	}, nil},
	{"nothing, where nobody knows when", func(t testing.TB) *Case {
		w := quiet(t, ms, time.Second)
		return NewCase(nil, nil, death.Death{Thread: -1}, moment.Moment{Own: w.own()}, nil)
	}, nil},
	{"nothing of what was taken from memory", fromMemory, nil},
}

// on is a case with these functions on the dying stack.
func on(functions ...string) func(testing.TB) *Case {
	return func(testing.TB) *Case { return &Case{Functions: functions} }
}

var doingScenarios = []scenario{
	{"a timer's work", on("cache_evict", "runPeriodic", "main"), is("as a timer does")},
	{"that of who was sent something", on("parse_header", "main"), is("as input is handled")},
	{"both", on("parse_header", "expireAll", "main"), is("as both")},
	{"neither", on("frobnicate", "main"), is("unnamed")},
	{"words within words don't count", on("sticky", "headers2", "main"), is("unnamed")},
	{"however programmers join them", on("HTTPServer::onRequestBody"), is("as input is handled")},
	{"nothing, where no function has a name", on(), nil},
}

// The weights are this test's: of the level's order only what must be so.
func TestWhoHadAnsweredAllHardlyDiedAtOnce(t *testing.T) {
	table := Table{
		"unanswered": {answered: -1, "unanswered": 5, "as most of its kind": 4},
		"read":       {"read": 4, unread: -1, "read and gone on": -0.5, "closed before": -0.5},
		"waits":      {allAnswered: -5, oneWaits: 0},
	}
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
		weighed, sums := weighed(table, messages, signs, 0.03, 0)
		share := weighed[0][len(weighed[0])-1]
		if said := share.Level == "less, by the signs"; said == (c.want == oneWaits) || said && sums[0] > -3 {
			t.Errorf("%s: %+v, the sum of the first is %.1f", name, share, sums[0])
		}
	}
}
