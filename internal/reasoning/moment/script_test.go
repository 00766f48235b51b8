package moment

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/capture"
	"github.com/inquest-project/inquest/internal/evidence/logs"
	"github.com/inquest-project/inquest/internal/evidence/wiretest"
	"github.com/inquest-project/inquest/internal/reading/conversation"
)

const (
	client, server = wiretest.Client, wiretest.Server
	ms             = time.Millisecond
	daemon         = "192.0.2.2:80"
)

// scene is a capture in which clients talk to a daemon. Every message that is to be found again has bytes
// of its own.
type scene struct {
	*wiretest.Script
	t       testing.TB
	clients int
	traffic *conversation.Traffic
}

func newScene(t testing.TB) *scene { return &scene{Script: wiretest.New(), t: t} }

// caller is an end that nobody has called from yet.
func (s *scene) caller() string {
	s.clients++
	return fmt.Sprintf("198.51.100.%d:%d", s.clients%250+1, 40000+s.clients)
}

// dial opens a connection to the daemon.
func (s *scene) dial() *wiretest.Line { return s.Dial(s.caller(), daemon) }

// served are clients that asked, were answered, and stay.
func (s *scene) served(n int) []*wiretest.Line {
	lines := make([]*wiretest.Line, n)
	for i := range lines {
		lines[i] = s.dial()
		lines[i].Say(client, fmt.Sprintf("question %d", i))
		lines[i].Say(server, fmt.Sprintf("answer %d", i))
	}
	return lines
}

// waiting is a client whose last question stays unanswered.
func (s *scene) waiting(question string) *wiretest.Line {
	l := s.dial()
	l.Say(client, question)
	l.Ack(server)
	return l
}

// at sets the clock, counted from the start.
func (s *scene) at(d time.Duration) { s.Next = wiretest.Start.Add(d) }

// died ends the scene: the daemon dies at a time, and the kernel closes its sockets, each a step after the
// other, with FIN or, where bytes are unread, with RST.
func (s *scene) died(at time.Duration, fin, rst []*wiretest.Line) {
	s.at(at)
	for _, l := range fin {
		l.FIN(server)
	}
	for _, l := range rst {
		l.RST(server)
	}
}

func (s *scene) judge(p Process, records ...logs.Record) Moment {
	s.t.Helper()
	f, err := capture.Parse("scene.pcap", s.Bytes())
	if err != nil {
		s.t.Fatal(err)
	}
	s.traffic = conversation.Assemble(f)
	return Judge(p, s.traffic, records)
}

// states are how the process's conversations stood, by the last thing that it received on each; of outbound
// ones with a mark.
func states(m Moment) map[string]State {
	all := map[string]State{}
	for _, own := range m.Own {
		name := ""
		if received := own.Conversation.Messages(own.Side); len(received) > 0 {
			name = string(received[len(received)-1].Data)
		}
		if own.Outbound {
			name = "outbound: " + name
		}
		all[name] = own.State
	}
	return all
}

// since is a time, counted from the start; -1 if it is unknown.
func since(t time.Time) time.Duration {
	if t.IsZero() {
		return -1
	}
	return t.Sub(wiretest.Start)
}

// audited is an audit record of a death.
func audited(at time.Duration) logs.Record {
	return logs.Record{Kind: logs.Audit, Time: wiretest.Start.Add(at), Source: "audit.log:1", PID: 4711, Executable: "/sbin/daemon", Command: "daemon", Signal: 6}
}

var dead = Process{PID: 4711, Executable: "/sbin/daemon", Command: "daemon", Signal: 6}

func names(addresses ...string) func(netip.AddrPort) bool {
	held := map[netip.AddrPort]bool{}
	for _, a := range addresses {
		held[netip.MustParseAddrPort(a)] = true
	}
	return func(a netip.AddrPort) bool { return held[a] }
}
