package moment

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/inquest-project/inquest/internal/evidence/logs"
	"github.com/inquest-project/inquest/internal/evidence/wiretest"
)

// A living daemon closes connections all the time; none of these closes is the death's.
func TestTheBurstOfADeathIsFoundAmongOrdinaryCloses(t *testing.T) {
	ordinary := map[string]func(s *scene){
		"after an answer": func(s *scene) {
			l := s.dial()
			l.Say(client, "ordinary")
			l.Say(server, "answer")
			l.FIN(server)
		},
		"after a client's FIN": func(s *scene) {
			l := s.waiting("ordinary")
			s.Wait(100 * ms)
			l.FIN(client)
			s.Wait(10 * ms)
			l.FIN(server)
		},
		"after a client's FIN, with RST": func(s *scene) {
			l := s.waiting("ordinary")
			l.FIN(client)
			l.RST(server)
		},
		"of an idle connection": func(s *scene) {
			l := s.dial()
			l.Say(client, "ordinary")
			l.Say(server, "answer")
			s.Wait(time.Second)
			l.FIN(server)
		},
		"a close_notify answered by FIN at once": func(s *scene) {
			l := s.dial()
			l.Say(client, "question")
			l.Say(server, "answer")
			l.Say(client, "ordinary")
			l.FIN(server)
		},
		"by a client's RST": func(s *scene) { s.waiting("ordinary").RST(client) },
	}
	for name, closes := range ordinary {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			closes(s)
			s.Wait(200 * ms)
			quiet := s.served(1)
			s.Wait(200 * ms)
			killer, unread := s.waiting("killer"), s.waiting("unread")
			died := s.Next.Add(300 * ms).Sub(wiretest.Start)
			s.died(died, []*wiretest.Line{quiet[0], killer}, []*wiretest.Line{unread})
			m := s.judge(Process{})
			if got := since(m.Latest); got != died {
				t.Errorf("found at %v, died at %v", got, died)
			}
			want := map[string]State{"ordinary": Ended, "question 0": ClosedFIN, "killer": ClosedFIN, "unread": ClosedRST}
			if diff := cmp.Diff(want, states(m)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOrdinaryClosesAloneAreNoDeath(t *testing.T) {
	s := newScene(t)
	for _, l := range s.served(3) {
		s.Wait(5 * ms)
		l.FIN(server)
	}
	for range 3 {
		l := s.waiting("question")
		l.FIN(client)
		s.Wait(10 * ms)
		l.FIN(server)
	}
	s.waiting("gone").RST(client)
	if m := s.judge(Process{}); !m.Latest.IsZero() || m.Clock != "" || len(m.RestsOn) > 0 {
		t.Errorf("found a death at %v by %q, resting on %v", since(m.Latest), m.Clock, m.RestsOn)
	}
}

// Where all connections are idle or answered no close is abrupt; what tells is that they are the last that is heard. On
// one of them the daemon had just said something: alone, its close would be a matter of course.
func TestClosesThatNobodyIsHeardAfterAreADeath(t *testing.T) {
	nothing := func(*scene) {}
	for name, c := range map[string]struct {
		answered time.Duration // the answered line's close, after the first of the others; a close each 0.1 ms
		after    func(s *scene)
		fell     bool
	}{
		"the answered closes first":     {-100 * time.Microsecond, nothing, true},
		"the answered closes last":      {time.Millisecond, nothing, true},
		"the answered closes far ahead": {-12 * ms, nothing, true},
		"a connection is taken":         {-100 * time.Microsecond, func(s *scene) { s.dial() }, false},
		"the daemon speaks on":          {-100 * time.Microsecond, func(s *scene) { s.served(1) }, false},
	} {
		s := newScene(t)
		lines := s.served(6)
		closes := 2010 * ms
		s.at(closes + c.answered - ms)
		lines[5].Say(client, "killing question")
		lines[5].Say(server, "half an answer") // by TLS, say, before the daemon read the question
		if c.answered < 0 {
			s.at(closes + c.answered)
			lines[5].FIN(server)
		}
		for i, l := range lines[:5] {
			s.at(closes + time.Duration(i)*100*time.Microsecond)
			l.FIN(server)
		}
		if c.answered > 0 {
			s.at(closes + c.answered)
			lines[5].FIN(server)
		}
		c.after(s)
		m := s.judge(Process{})
		fell := 0
		for _, state := range states(m) {
			if state == ClosedFIN {
				fell++
			}
		}
		if c.fell != (fell == 6) || !c.fell && fell > 0 {
			t.Errorf("%s: %d fell, %v", name, fell, states(m))
		}
	}
}

// A living daemon's last closes come so close to the death that they would be joined to it.
func TestAnOrdinaryCloseRightBeforeTheDeathIsNoPartOfIt(t *testing.T) {
	for _, after := range []string{"an answer", "a client's FIN"} {
		s := newScene(t)
		killer := s.waiting("killer")
		s.Wait(100 * ms)
		ordinary := s.served(1)[0]
		if after == "a client's FIN" {
			s.Wait(100 * ms)
			ordinary.FIN(client)
		}
		ordinary.FIN(server)
		s.Wait(2 * ms)
		died := since(s.Next)
		killer.FIN(server)
		m := s.judge(Process{})
		if found := states(m); since(m.Latest) != died || found["question 0"] != Ended || found["killer"] != ClosedFIN {
			t.Errorf("a close after %s: died at %v, found %v, %v", after, died, since(m.Latest), found)
		}
	}
}

// An answered question and a close, once in a capture, are no habit that could be known; but what came later was read.
func TestACloseBeforeTheKillerCameIsNoPartOfTheDeath(t *testing.T) {
	for _, gap := range []time.Duration{45 * ms, 10 * ms, 3 * ms} {
		s := newScene(t)
		quiet := s.served(6)
		s.Wait(300 * ms)
		ordinary := s.dial()
		ordinary.Say(client, "ordinary")
		ordinary.Say(server, "answer")
		s.Wait(ms)
		ordinary.FIN(server)
		died := since(s.Next) + gap
		s.Wait(gap / 3)
		killer := s.waiting("killer")
		s.died(died, append([]*wiretest.Line{killer}, quiet...), nil)
		m := s.judge(Process{})
		if found := states(m); since(m.Latest) != died || found["killer"] != ClosedFIN || found["ordinary"] != Ended {
			t.Errorf("%v before: died at %v, found %v, %v", gap, died, since(m.Latest), found)
		}
	}
}

// Clients that are timed out are closed unanswered, too; but the daemon speaks on.
func TestThatTheDaemonFellSilentOutweighsAClose(t *testing.T) {
	s := newScene(t)
	s.died(time.Second, []*wiretest.Line{s.waiting("timed out"), s.waiting("timed out, too")}, nil)
	s.served(3)
	killer := s.waiting("killer")
	s.died(3*time.Second, []*wiretest.Line{killer}, nil)
	if m := s.judge(Process{}); since(m.Latest) != 3*time.Second || states(m)["timed out"] != Ended {
		t.Errorf("found %v, %v", since(m.Latest), states(m))
	}
}

// Each row is two closes with a pause between; the first is a message's that waited for long, unless another
// came shortly before.
func TestClosesBelongTogetherAcrossAPauseOnlyIfNothingWasSaidInIt(t *testing.T) {
	for _, c := range []struct {
		name         string
		pause        time.Duration
		word         bool
		shortly      time.Duration // 0: nothing came
		first, after State
	}{
		{"4 ms", 4 * ms, false, 0, ClosedFIN, ClosedFIN},
		{"4 ms, with a word between", 4 * ms, true, 0, ClosedFIN, ClosedFIN},
		{"20 ms", 20 * ms, false, 0, ClosedFIN, ClosedFIN},
		{"20 ms, with a word between", 20 * ms, true, 0, Ended, ClosedFIN},
		{"20 ms, and the first was asked for", 20 * ms, false, ms, Ended, ClosedFIN},
		{"20 ms, and the first came after a core was written", 20 * ms, false, 10 * ms, ClosedFIN, ClosedFIN},
		{"60 ms", 60 * ms, false, 0, Ended, ClosedFIN},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t)
			talker, quiet := s.served(1)[0], s.served(1)[0]
			quiet.Say(client, "quiet")
			quiet.Ack(server)
			first, last := s.waiting("first"), s.waiting("after")
			s.Wait(200 * ms)
			talker.Say(client, "more")
			s.Wait(200 * ms)
			name := "first"
			if c.shortly > 0 {
				first.Say(client, " goodbye")
				s.Wait(c.shortly - ms)
				name = "first goodbye"
			}
			first.FIN(server)
			closed := s.Next.Add(-ms)
			s.Next = closed.Add(c.pause / 2)
			if c.word {
				talker.Say(server, "a word")
			}
			s.Next = closed.Add(c.pause)
			last.FIN(server)
			quiet.FIN(server)
			m := s.judge(Process{})
			got := states(m)
			for name, want := range map[string]State{name: c.first, "after": c.after, "quiet": ClosedFIN} {
				if got[name] != want {
					t.Errorf("%s: expected %q, found %q in %v", name, want, got[name], got)
				}
			}
		})
	}
}

// A worker dies; another process answers on the same end, before and after.
func TestHowAConversationStoodIsTold(t *testing.T) {
	s := newScene(t)
	over := s.served(1)[0]
	s.Wait(100 * ms)
	over.FIN(client)
	over.FIN(server)
	gone := s.waiting("reset by its client")
	gone.RST(client)
	other := s.dial()
	other.Say(client, "another process's")
	other.Say(server, "yes")
	s.waiting("still open")
	read, unread := s.waiting("read"), s.waiting("unread")
	s.Wait(100 * ms)
	other.Say(client, "another process's, too")
	s.died(s.Next.Add(10*ms).Sub(wiretest.Start), []*wiretest.Line{read}, []*wiretest.Line{unread})
	s.Wait(100 * ms)
	other.Say(server, "yes")
	for _, l := range s.served(2) { // by who was started anew
		l.FIN(server)
	}
	m := s.judge(Process{})
	want := map[string]State{
		"question 0":             Ended,
		"reset by its client":    Ended,
		"still open":             Open,
		"read":                   ClosedFIN,
		"unread":                 ClosedRST,
		"another process's, too": Survived,
	}
	if diff := cmp.Diff(want, states(m)); diff != "" {
		t.Error(diff)
	}
	if !m.Siblings {
		t.Error("no siblings, though one answered after the death")
	}
	for _, own := range m.Own {
		if closed := own.State == ClosedFIN || own.State == ClosedRST; closed != (own.Close != nil) || own.Outbound || own.Side != 1 {
			t.Errorf("%+v", own)
		}
	}
}

// What siblings say up to the death tells nothing of the dead one's last words; its own do.
func TestTheWordsOfSiblingsAreNotTheDeadProcesss(t *testing.T) {
	for _, lived := range []bool{false, true} {
		s := newScene(t)
		killer := s.served(1)[0]
		words := since(s.Next) - ms
		other := s.served(1)[0]
		killer.Say(client, "killer")
		killer.Ack(server)
		s.Wait(100 * ms)
		other.Say(client, "more")
		other.Say(server, "yes")
		if !lived {
			words = since(s.Next) - ms
		}
		s.Wait(100 * ms)
		killer.FIN(server)
		s.Wait(100 * ms)
		if lived {
			other.Say(client, "again")
			other.Say(server, "yes")
		}
		m := s.judge(Process{})
		if since(m.Earliest) != words || since(m.LastWords) != words || m.Siblings != lived {
			t.Errorf("siblings %v: expected %v, found %v (last words %v), siblings %v", lived, words, since(m.Earliest), since(m.LastWords), m.Siblings)
		}
	}
}

// Seen in PostgreSQL: one backend dies, and when its core is written its parent ends all others, whose sockets
// close by dozens. The dead one's memory holds its own peer's address only.
func TestOfSeveralProcessesTheDeadOnesPeersAreInItsMemory(t *testing.T) {
	for _, names := range []bool{false, true} {
		s := newScene(t)
		others := s.served(5)
		killer := s.waiting("killer")
		s.Wait(100 * ms)
		others[0].Say(client, "more")
		others[0].Say(server, "yes")
		killer.FIN(server)
		first := since(s.Next) - ms
		s.Wait(400 * ms)
		others[1].Say(client, "more")
		others[1].Say(server, "yes")
		for _, l := range others {
			l.Say(client, "unheard")
		}
		s.Wait(100 * ms)
		for _, l := range others {
			l.FIN(server)
		}
		p := Process{}
		if names {
			p.Names = func(a netip.AddrPort) bool { return a == killer.End(client) }
		}
		if m := s.judge(p); (since(m.Latest) == first) != names {
			t.Errorf("memory names the peer %v: the death is at %v, the first close at %v", names, since(m.Latest), first)
		}
	}
}

// The daemon's last words come at 100 ms, its first close comes when the core is written.
func TestTheIntervalIsBoundedByLastWordsRecordAndFirstClose(t *testing.T) {
	const words = 100 * ms
	for _, c := range []struct {
		name             string
		record           time.Duration // -1: none
		closed           time.Duration
		earliest, latest time.Duration
		offset           time.Duration // 0: none
		clock            string
	}{
		{"no record", -1, 400 * ms, words, 400 * ms, 0, "capture"},
		{"a record with the close behind it", 200 * ms, 205 * ms, 193 * ms, 205 * ms, 0, "capture"},
		{"a record right behind the last words", 103 * ms, 105 * ms, words, 105 * ms, 0, "capture"},
		{"a core that takes seconds to write", 200 * ms, 6 * time.Second, 193 * ms, 214 * ms, 0, "capture"},
		{"a record stamped a tick before the last words", 90 * ms, 300 * ms, words, 104 * ms, 0, "capture"},
		{"a record before the last words, and the sockets closed within a second of it", 50 * ms, 300 * ms, 43 * ms, 300 * ms, 0, "capture"},
		{"a record before the last words, and the sockets closed nearly a second later", 50 * ms, 1063 * ms, 43 * ms, 1063 * ms, 0, "capture"},
		{"a record before the last words, and the sockets closed more than a second later", 50 * ms, 1064 * ms, words, 1064 * ms, -1014 * ms, "capture"},
		{"a host's clock 5 s behind", 400*ms - 5*time.Second, 400 * ms, words, 400 * ms, -5 * time.Second, "capture"},
		{"a host's clock 5 s ahead", 400*ms + 5*time.Second, 400 * ms, words, 400 * ms, 5 * time.Second, "capture"},
		{"a host's clock an hour ahead", 400*ms + time.Hour, 400 * ms, words, 400 * ms, time.Hour, "capture"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t)
			s.at(10 * ms)
			killer, unread, third := s.waiting("killer"), s.waiting("unread"), s.waiting("third")
			s.at(words - ms)
			l := s.dial() // three packets
			s.at(words - ms)
			l.Say(client, "question")
			l.Say(server, "answer")
			s.died(c.closed, []*wiretest.Line{killer}, []*wiretest.Line{unread, third})
			s.Wait(time.Second)
			s.served(1) // by who was started anew
			var records []logs.Record
			if c.record != -1 {
				records = append(records, audited(c.record))
			}
			m := s.judge(dead, records...)
			if since(m.Earliest) != c.earliest || since(m.Latest) != c.latest || m.Clock != c.clock || since(m.LastWords) != words {
				t.Errorf("expected %v to %v by %s, found %v to %v by %s; last words %v", c.earliest, c.latest, c.clock,
					since(m.Earliest), since(m.Latest), m.Clock, since(m.LastWords))
			}
			found := time.Duration(0)
			if m.Offset != nil {
				found = *m.Offset
			}
			if found != c.offset {
				t.Errorf("expected an offset of %v, found %v", c.offset, found)
			}
			if slices.Contains(m.RestsOn, "audit.log:1") != (c.record != -1) || len(m.RestsOn) < 3 {
				t.Errorf("rests on %v", m.RestsOn)
			}
		})
	}
}

// Without a capture, or without a burst in it, the record alone tells.
func TestTheRecordAloneGivesItsOwnSpan(t *testing.T) {
	for _, name := range []string{"no capture", "no burst"} {
		var m Moment
		if name == "no capture" {
			m = Judge(dead, nil, []logs.Record{audited(time.Second)})
		} else {
			s := newScene(t)
			s.served(2)
			m = s.judge(dead, audited(time.Second))
			if len(m.Own) != 2 || m.Own[0].State != Open {
				t.Errorf("%s: own %+v", name, m.Own)
			}
		}
		if since(m.Earliest) != time.Second-recordEarly || since(m.Latest) != time.Second+recordLate || m.Clock != "audit" || !slices.Equal(m.RestsOn, []string{"audit.log:1"}) {
			t.Errorf("%s: %v to %v by %s, resting on %v", name, since(m.Earliest), since(m.Latest), m.Clock, m.RestsOn)
		}
	}
	if m := Judge(dead, nil, nil); m.Record != nil || !m.Latest.IsZero() || m.Clock != "" {
		t.Errorf("out of nothing: %+v", m)
	}
}

// Closes are believed if the record is near, as it may be before them by as long as a core takes to write;
// against the record's clock only if they are many.
func TestAFewClosesFarFromTheRecordAreNotBelieved(t *testing.T) {
	for _, c := range []struct {
		closes   int
		record   time.Duration // behind the first close
		believed bool
	}{
		{1, 0, true},
		{1, -20 * time.Second, true},
		{1, -time.Minute, false},
		{1, time.Minute, false},
		{2, time.Minute, false},
		{3, time.Minute, true},
		{3, -time.Minute, true},
	} {
		s := newScene(t)
		living := s.served(1)[0]
		var lines []*wiretest.Line
		for range c.closes {
			lines = append(lines, s.waiting("question"))
		}
		s.died(time.Second, lines, nil)
		s.Wait(time.Second)
		living.Say(client, "more")
		living.Say(server, "still here")
		m := s.judge(dead, audited(time.Second+c.record))
		if believed := m.Clock == "capture"; believed != c.believed {
			t.Errorf("%d closes, the record %v behind: clock %q", c.closes, c.record, m.Clock)
		}
	}
}

// Over UDP a death is silence: the last answer bounds it from below, and from above the first report that
// nobody has the port, which comes only when the next question does.
func TestADeathOverDatagramsLiesBetweenTheLastAnswerAndThePortUnreachable(t *testing.T) {
	for _, c := range []struct {
		name             string
		unreachable      time.Duration // -1: none came
		record           time.Duration // -1: none
		earliest, latest time.Duration
		clock            string
	}{
		{"reported at once", 110 * ms, -1, 52 * ms, 110 * ms, "capture"},
		{"with a record", 110 * ms, 100 * ms, 93 * ms, 110 * ms, "capture"},
		{"never reported", -1, 100 * ms, 93 * ms, 114 * ms, "capture"},
		{"reported when somebody asked again, after minutes", 5 * time.Minute, 100 * ms, 93 * ms, 114 * ms, "capture"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t)
			answered, killer := s.Line(s.caller(), daemon), s.Line(s.caller(), daemon)
			s.at(50 * ms)
			answered.UDP(client, "question")
			s.at(52 * ms)
			answered.UDP(server, "answer")
			s.at(100 * ms)
			killer.UDP(client, "killer")
			if c.unreachable != -1 {
				s.at(c.unreachable)
				killer.Unreachable(server)
				s.Wait(time.Second)
				answered.UDP(client, "again")
				answered.Unreachable(server)
				late := s.Line(s.caller(), daemon)
				late.UDP(client, "too late")
				late.Unreachable(server)
			}
			var records []logs.Record
			if c.record != -1 {
				records = append(records, audited(c.record))
			}
			m := s.judge(dead, records...)
			if since(m.Earliest) != c.earliest || since(m.Latest) != c.latest || m.Clock != c.clock || m.Offset != nil {
				t.Errorf("expected %v to %v by %s, found %v to %v by %s, offset %v", c.earliest, c.latest, c.clock, since(m.Earliest), since(m.Latest), m.Clock, m.Offset)
			}
			for name, state := range states(m) {
				if state != Datagrams {
					t.Errorf("%s: %s", name, state)
				}
			}
			if len(m.Own) != 2 || len(m.Servers) != 1 || m.Servers[0] != daemon {
				t.Errorf("%d conversations of %v", len(m.Own), m.Servers)
			}
		})
	}
}

// A name server answers on one port over both transports. Whichever shows its death, the messages of both were
// the daemon's.
func TestADaemonOnBothTransportsFellOnBoth(t *testing.T) {
	for _, c := range []struct {
		name    string
		unheard int // questions over UDP
		state   State
	}{
		{"sockets closed", 1, ClosedFIN},
		{"silence weighs more", 8, Open}, // the death may lie on either side of the close
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t)
			over := s.served(1)[0]
			datagrams := s.Line(s.caller(), daemon)
			datagrams.UDP(client, "question")
			s.Wait(100 * ms)
			over.FIN(server)
			datagrams.UDP(server, "answer")
			waiting := s.waiting("over TCP")
			s.Wait(100 * ms)
			killer := s.Line(s.caller(), daemon)
			killer.UDP(client, "over UDP")
			waiting.FIN(server)
			s.Wait(time.Second)
			for range c.unheard {
				killer.UDP(client, "again")
			}
			killer.Unreachable(server)
			neighbour := s.Line(s.caller(), "192.0.2.2:123")
			neighbour.UDP(client, "a neighbour's")
			neighbour.UDP(server, "answer")
			m := s.judge(Process{})
			found := states(m)
			if found["over TCP"] != c.state || found["again"] != Datagrams || found["question"] != Datagrams || found["question 0"] != Ended || len(found) != 4 {
				t.Errorf("found %v of %v, died until %v", found, m.Servers, since(m.Latest))
			}
			if !slices.Equal(m.Servers, []string{daemon}) {
				t.Errorf("listening ends %v", m.Servers)
			}
		})
	}
}

// The daemon at 192.0.2.2 calls others, too, and so does its neighbour on the same host.
func TestWhatTheDeadProcessOpenedItselfIsItsOwn(t *testing.T) {
	const upstream, elsewhere = "203.0.113.9:443", "203.0.113.10:5432"
	for _, c := range []struct {
		name   string
		from   string
		then   func(s *scene, l *wiretest.Line)
		called string
		names  func(netip.AddrPort) bool
		want   State // empty: not its own
	}{
		{"reset at the death", "192.0.2.2:50000", (*scene).reset, upstream, names(), ClosedRST},
		{"closed unanswered at the death", "192.0.2.2:50000", (*scene).finished, upstream, names(), ClosedFIN},
		{"silent, and memory names the peer", "192.0.2.2:50000", nil, upstream, names(upstream), Open},
		{"silent, and memory names others", "192.0.2.2:50000", nil, upstream, names(elsewhere), ""},
		{"silent, without a core", "192.0.2.2:50000", nil, upstream, nil, Open},
		{"its caller spoke after the death", "192.0.2.2:50000", (*scene).spoke, upstream, names(upstream), ""},
		{"refused", "192.0.2.2:50000", nil, "", nil, ""},
		{"from another host", "192.0.2.77:50000", (*scene).reset, upstream, names(upstream), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t)
			quiet := s.served(2)
			var out *wiretest.Line
			if c.called == "" {
				out = s.Line(c.from, elsewhere)
				out.TCP(client, "S", 0, 0, "")
				out.TCP(server, "RA", 0, 0, "")
			} else {
				out = s.Dial(c.from, c.called)
				out.Say(client, "what its caller asks")
				out.Say(server, "its answer")
			}
			killer := s.waiting("killer")
			s.died(300*ms, []*wiretest.Line{killer, quiet[0]}, []*wiretest.Line{quiet[1]})
			if c.then != nil {
				c.then(s, out)
			}
			m := s.judge(Process{Names: c.names})
			found := State("")
			for _, own := range m.Own {
				if own.Outbound {
					found = own.State
					if own.Side != 0 || own.Conversation.Names()[1] != c.called {
						t.Errorf("%+v", own)
					}
				}
			}
			if found != c.want {
				t.Errorf("expected %q, found %q", c.want, found)
			}
			if !slices.Equal(m.Servers, []string{daemon}) {
				t.Errorf("listening ends %v", m.Servers)
			}
		})
	}
}

// Of several connections to the same peer, as pools hold them, one that had no answer due closes with the others.
func TestAnIdleConnectionOfAPoolIsItsOwnWhereAnotherToThatPeerIs(t *testing.T) {
	const upstream, elsewhere = "203.0.113.9:443", "203.0.113.10:5432"
	s := newScene(t)
	quiet := s.served(2)
	busy, idle, other := s.Dial("192.0.2.2:50000", upstream), s.Dial("192.0.2.2:50001", upstream), s.Dial("192.0.2.2:50002", elsewhere)
	for i, l := range []*wiretest.Line{busy, idle, other} {
		l.Say(client, fmt.Sprintf("what its caller asks %d", i))
		l.Say(server, fmt.Sprintf("answer %d", i))
		if l != busy {
			l.Say(client, fmt.Sprintf("and asks %d", i))
		}
	}
	killer := s.waiting("killer")
	s.died(300*ms, []*wiretest.Line{killer, quiet[0]}, []*wiretest.Line{quiet[1]})
	busy.RST(client)
	idle.FIN(client)
	other.FIN(client)
	found := states(s.judge(Process{Names: names()}))
	if found["outbound: answer 0"] != ClosedRST || found["outbound: answer 1"] != ClosedFIN || found["outbound: answer 2"] != "" {
		t.Errorf("%v", found)
	}
}

// While a core is written clients go on talking; what reaches a socket after the kernel closed it says nothing of who closed it.
func TestWhatCameAfterACloseIsNoSignThatAProcessLived(t *testing.T) {
	s := newScene(t)
	waiting := []*wiretest.Line{s.waiting("killer"), s.waiting("innocent"), s.waiting("another")}
	unread := s.waiting("unread")
	s.died(300*ms, waiting, []*wiretest.Line{unread})
	for _, l := range waiting {
		l.Say(client, ", and more")
		l.RST(server)
	}
	if m := s.judge(Process{Names: names()}, audited(290*ms)); states(m)["killer, and more"] != ClosedFIN || since(m.Latest) != 300*ms {
		t.Errorf("%v, died by %v", states(m), since(m.Latest))
	}
}

func (s *scene) reset(l *wiretest.Line)    { l.RST(client) }
func (s *scene) finished(l *wiretest.Line) { l.FIN(client) }
func (s *scene) spoke(l *wiretest.Line) {
	s.Wait(time.Second)
	l.Say(client, "more")
}

// A daemon may listen on several ends; all that closed in the burst fell with it, and what speaks on is
// another's.
func TestAllEndsThatFellInTheBurstAreTheDaemons(t *testing.T) {
	s := newScene(t)
	killer, quiet := s.waiting("killer"), s.served(2)
	control := s.Dial(s.caller(), "192.0.2.2:8080")
	control.Say(client, "control")
	control.Ack(server)
	other := s.Dial(s.caller(), "192.0.2.2:22")
	other.Say(client, "other")
	other.Ack(server)
	busy := s.Dial(s.caller(), "192.0.2.2:25")
	busy.Say(client, "closed by chance")
	busy.Ack(server)
	helper := s.Dial("192.0.2.2:50000", "192.0.2.2:4000") // which the daemon called
	helper.Say(client, "helper")
	helper.Say(server, "helped")
	s.died(300*ms, []*wiretest.Line{killer, quiet[0], control, busy}, []*wiretest.Line{quiet[1]})
	helper.FIN(client)
	helper.FIN(server)
	s.Wait(100 * ms)
	other.Say(server, "lives")
	mail := s.Dial(s.caller(), "192.0.2.2:25")
	mail.Say(client, "mail")
	mail.Say(server, "accepted")
	m := s.judge(Process{})
	slices.Sort(m.Servers)
	if want := []string{daemon, "192.0.2.2:8080"}; !slices.Equal(m.Servers, want) {
		t.Errorf("expected %v, found %v", want, m.Servers)
	}
	if found := states(m); found["control"] != ClosedFIN || found["other"] != "" {
		t.Errorf("found %v", found)
	}
}

// Where a capture begins in the middle, the end that many share is the daemon's, whatever its port.
func TestOfConversationsMetInTheMiddleTheSharedEndIsTheDaemons(t *testing.T) {
	const high = "192.0.2.2:61000" // above all its clients' ports
	s := newScene(t)
	var lines []*wiretest.Line
	for range 3 {
		l := s.Line(s.caller(), high)
		l.Say(client, "in the middle")
		l.Ack(server)
		lines = append(lines, l)
	}
	s.died(200*ms, lines, nil)
	m := s.judge(Process{})
	if !slices.Equal(m.Servers, []string{high}) || len(m.Own) != 3 || m.Own[0].State != ClosedFIN {
		t.Errorf("servers %v, own %+v", m.Servers, m.Own)
	}
}

// Without a burst the service that most were left unheard by is the one that died.
func TestWithoutABurstTheUnheardServiceFell(t *testing.T) {
	s := newScene(t)
	s.served(1)
	s.at(time.Second)
	for range 5 { // busier, and alive
		l := s.Dial(s.caller(), "192.0.2.2:25")
		l.Say(client, "mail")
		l.Say(server, "accepted")
	}
	for range 2 {
		slow := s.Dial(s.caller(), "192.0.2.2:25")
		slow.Say(client, "mail")
	}
	s.waiting("unheard")
	for range 2 {
		l := s.Line(s.caller(), daemon)
		l.TCP(client, "S", 0, 0, "")
		l.TCP(server, "RA", 0, 0, "")
	}
	m := s.judge(dead, audited(500*ms))
	if !slices.Equal(m.Servers, []string{daemon}) || len(m.Own) != 1 {
		t.Errorf("servers %v with %d conversations", m.Servers, len(m.Own))
	}
}

func TestOnlyARecordOfThisDeathIsTaken(t *testing.T) {
	record := func(pid int, exe, command string, signal int) logs.Record {
		return logs.Record{Kind: logs.Audit, Time: wiretest.Start, PID: pid, Executable: exe, Command: command, Signal: signal}
	}
	own := record(4711, "/sbin/daemon", "worker", 6)
	for _, c := range []struct {
		name    string
		process Process
		records []logs.Record
		want    int // index; -1: none
	}{
		{"its own", dead, []logs.Record{own}, 0},
		{"another program's", dead, []logs.Record{record(99, "/usr/bin/other", "other", 6)}, -1},
		{"another program's, of the same pid", dead, []logs.Record{record(4711, "/usr/bin/other", "other", 6)}, -1},
		{"another program's of the same pid, and its own of a namespace's", dead, []logs.Record{record(1, "/sbin/daemon", "daemon", 6), record(4711, "/usr/bin/other", "other", 6)}, 0},
		{"an earlier death of the same program", dead, []logs.Record{own, record(4700, "/sbin/daemon", "daemon", 6)}, 0},
		{"a later death of the same program", dead, []logs.Record{record(4700, "/sbin/daemon", "daemon", 6), own}, 1},
		{"by another path", Process{Executable: "/srv/jail/sbin/daemon"}, []logs.Record{own}, 0},
		{"replaced since", Process{PID: 4711, Executable: "/sbin/daemon (deleted)"}, []logs.Record{own}, 0},
		{"by pid and a thread's name", dead, []logs.Record{record(4711, "", "worker-3", 11)}, 0},
		{"by name alone", Process{Command: "worker"}, []logs.Record{record(1, "", "other", 6), own}, 1},
		{"by signal alone", dead, []logs.Record{record(99, "", "other", 6)}, -1},
		{"the last of any, where nothing is known", Process{}, []logs.Record{own, record(4712, "/sbin/a", "a", 6)}, 1},
	} {
		m := Judge(c.process, nil, c.records)
		switch {
		case c.want < 0 && m.Record != nil:
			t.Errorf("%s: took %+v", c.name, m.Record)
		case c.want >= 0 && (m.Record == nil || m.Record.PID != c.records[c.want].PID || m.Record.Command != c.records[c.want].Command):
			t.Errorf("%s: expected %+v, found %+v", c.name, c.records[c.want], m.Record)
		}
	}
	thread := logs.Record{Kind: logs.Kernel, Time: wiretest.Start, TID: 4711}
	if m := Judge(dead, nil, []logs.Record{thread}); m.Record == nil {
		t.Error("the record of its first thread was not taken")
	}
}
