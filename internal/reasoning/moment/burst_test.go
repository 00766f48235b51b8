package moment

import (
	"fmt"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/wiretest"
)

// A core takes longer to write than lies between a goodbye and its close, or between a word and the close behind it. So none
// of these is of the death, whose own closes the capture doesn't have.
func TestAClientsGoodbyeIsNoDeathOfAProcessThatLeftACore(t *testing.T) {
	const atOnce = wiretest.Step - 100*time.Microsecond
	for name, closes := range map[string]func(s *scene, l *wiretest.Line){
		"goodbye": func(s *scene, l *wiretest.Line) { l.Say(client, "goodbye"); s.Wait(-atOnce); l.FIN(server) },
		"last words": func(s *scene, l *wiretest.Line) {
			l.Say(client, "question")
			l.Say(server, "go away")
			s.Wait(-atOnce)
			l.RST(server)
		},
	} {
		s := newScene(t)
		lines := s.served(5)
		s.Wait(time.Second)
		for _, l := range lines[:4] {
			closes(s, l)
		}
		lines[4].Say(client, "another")
		lines[4].Say(server, "answer to another")
		s.waiting("killer")
		recorded := since(s.Next)
		s.Wait(time.Second)
		s.waiting("unread")
		peers := []string{lines[0].End(client).String(), lines[4].End(client).String()}
		m := s.judge(Process{PID: 4711, Executable: "/sbin/daemon", Names: names(peers...)}, audited(recorded))
		if m.Clock != "audit" || m.Siblings || m.Offset != nil || since(m.Latest) != recorded+recordLate {
			t.Errorf("%s: found %v to %v by %q, siblings %v, offset %v", name, since(m.Earliest), since(m.Latest), m.Clock, m.Siblings, m.Offset)
		}
	}
}

// One process a client: the one that dies is long at its core while others talk on; its own close is a lonely one, and then its
// master ends the others, who say so. The core's memory names its peer. It is found by the log's clock, however wrong that is.
func TestTheDeathOfOneProcessOfManyIsFoundWhateverTheLogsClockSays(t *testing.T) {
	const asked, closed = 2000 * ms, 2150 * ms
	for _, off := range []time.Duration{0, -300 * ms, 300 * ms, 2 * time.Second, -90 * time.Second, 90 * time.Second} {
		s := newScene(t)
		lines := s.served(12)
		s.at(asked)
		killer := lines[11]
		killer.Say(client, "killer")
		killer.Ack(server)
		for i, l := range lines[:11] {
			s.at(asked + time.Duration(10+10*i)*ms)
			l.Say(client, fmt.Sprintf("later %d", i))
			l.Say(server, fmt.Sprintf("later answer %d", i))
		}
		s.at(closed)
		killer.FIN(server)
		for i, l := range lines[:11] {
			s.at(closed + time.Duration(10+i)*ms)
			l.Say(server, "the server is restarting")
			l.FIN(server)
		}
		p := dead
		p.Names = names(killer.End(client).String())
		m := s.judge(p, audited(asked+off))
		if since(m.Earliest) > asked || since(m.Latest) < asked || since(m.Latest) > closed {
			t.Errorf("off by %v: died at %v, found %v to %v", off, asked, since(m.Earliest), since(m.Latest))
		}
		if got := states(m)["killer"]; got != ClosedFIN {
			t.Errorf("off by %v: the killer's state is %q", off, got)
		}
	}
}

// Nothing closes a datagram's socket, but who answered all and then nothing of many is dead, whatever the log's clock says.
func TestAServiceOfDatagramsThatFellMuteIsDeadWhateverTheLogsClockSays(t *testing.T) {
	s := newScene(t)
	for i := range 20 {
		l := s.Line(s.caller(), daemon)
		l.UDP(client, fmt.Sprintf("question %d", i))
		l.UDP(server, fmt.Sprintf("answer %d", i))
		s.Wait(5 * ms)
	}
	answered := since(s.Next)
	s.Line(s.caller(), daemon).UDP(client, "killer")
	asked := since(s.Next)
	for i := range 12 {
		s.Wait(5 * ms)
		s.Line(s.caller(), daemon).UDP(client, fmt.Sprintf("unheard %d", i))
	}
	m := s.judge(dead, audited(answered-90*time.Second))
	if m.Clock != "capture" || m.Offset == nil || since(m.Earliest) > answered || since(m.Latest) < asked || since(m.Latest) > asked+2*courtesy {
		t.Errorf("asked at %v, found %v to %v by %q, offset %v", asked, since(m.Earliest), since(m.Latest), m.Clock, m.Offset)
	}
}
