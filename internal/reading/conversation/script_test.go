package conversation

import (
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/capture"
	"github.com/inquest-project/inquest/internal/evidence/wiretest"
)

// script is a capture between one client and one server: 192.0.2.1:40000 and 192.0.2.2:80 unless ports are
// changed.
type script struct {
	*wiretest.Script
	t            testing.TB
	client, port uint16
	base         [2]uint32 // sequence number of byte 0, by side
}

func newScript(t testing.TB) *script {
	return &script{Script: wiretest.New(), t: t, client: 40000, port: 80, base: [2]uint32{1001, 5001}}
}

// at is when a frame came.
func at(frame int) time.Time { return wiretest.Start.Add(time.Duration(frame) * wiretest.Step) }

func (s *script) line() *wiretest.Line {
	l := s.Line(fmt.Sprintf("192.0.2.1:%d", s.client), fmt.Sprintf("192.0.2.2:%d", s.port))
	l.Base = s.base
	return l
}

func (s *script) tcp(from Side, flags string, seq, ack int, payload string) int {
	return s.line().TCP(wiretest.Side(from), flags, seq, ack, payload)
}

func (s *script) shake() { s.line().Shake() }

func (s *script) udp(from Side, payload string) int {
	return s.line().UDP(wiretest.Side(from), payload)
}

func (s *script) unreachable(side Side) int { return s.line().Unreachable(wiretest.Side(side)) }

// assemble reads what was written.
func (s *script) assemble() *Traffic {
	s.t.Helper()
	f, err := capture.Parse("script.pcap", s.Bytes())
	if err != nil {
		s.t.Fatal(err)
	}
	return Assemble(f)
}

// only is the capture's single conversation.
func (s *script) only() *Conversation {
	s.t.Helper()
	traffic := s.assemble()
	if n := len(traffic.Conversations); n != 1 {
		s.t.Fatalf("%d conversations, want 1", n)
	}
	return traffic.Conversations[0]
}

// texts are what a side's messages hold.
func texts(c *Conversation, receiver Side) []string {
	var list []string
	for _, m := range c.Messages(receiver) {
		list = append(list, string(m.Data))
	}
	return list
}

// follow is what tshark's "follow stream" gives for the first n TCP streams: the opener's bytes of each.
func (s *script) follow(n int) []string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "follow.pcap")
	if err := os.WriteFile(path, s.Bytes(), 0o600); err != nil {
		s.t.Fatal(err)
	}
	args := []string{"-r", path, "-q"}
	for i := range n {
		args = append(args, "-z", fmt.Sprintf("follow,tcp,raw,%d", i))
	}
	out, err := exec.Command("tshark", args...).Output()
	if err != nil {
		s.t.Fatalf("tshark, the oracle of this test (make setup installs it): %v", err)
	}
	streams := make([]string, n)
	current := 0
	for line := range strings.Lines(string(out)) {
		if _, err := fmt.Sscanf(line, "Filter: tcp.stream eq %d", &current); err == nil {
			continue
		}
		if raw, err := hex.DecodeString(strings.TrimSuffix(line, "\n")); err == nil {
			streams[current] += string(raw)
		}
	}
	return streams
}
