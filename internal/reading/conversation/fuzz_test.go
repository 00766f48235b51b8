package conversation

import (
	"slices"
	"testing"

	"github.com/inquest-project/inquest/internal/evidence/capture"
)

// FuzzAssemble rebuilds the conversations of any capture and holds what must be true of each.
func FuzzAssemble(f *testing.F) {
	s := newScript(f)
	s.shake()
	s.tcp(Opener, "PA", 0, 0, "abc")
	s.tcp(Opener, "PA", 5, 0, "fgh")
	s.tcp(Opener, "PA", 2, 0, "cdef")
	s.tcp(Responder, "PFA", 0, 8, "x")
	s.tcp(Opener, "RA", 8, 2, "")
	f.Add(s.Bytes())
	s = newScript(f)
	s.udp(Opener, "q")
	s.unreachable(Responder)
	f.Add(s.Bytes())
	f.Add([]byte("1 0.1 a b TLSv1 254 Client Hello\n2 0.2 b a TCP 54 443 > 100 [RST, ACK] Seq=1 Ack=201 Len=0\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := capture.Parse("fuzz", data)
		if err != nil {
			return
		}
		again, err := capture.Parse("again", data) // as if it had been captured at two places
		if err != nil {
			t.Fatal(err)
		}
		whole := Assemble(file)
		checkTraffic(t, whole)
		checkTraffic(t, Assemble(file, again))
		indexed := Index(file)
		if len(indexed.Conversations) != len(whole.Conversations) {
			t.Fatalf("%d conversations, indexed %d", len(whole.Conversations), len(indexed.Conversations))
		}
		indexed.Load(indexed.First, indexed.Last, func(*Conversation) bool { return true })
		checkTraffic(t, indexed)
		for i, c := range indexed.Conversations {
			for side := Opener; side <= Responder; side++ {
				if got, want := texts(c, side), texts(whole.Conversations[i], side); !slices.Equal(got, want) {
					t.Fatalf("loaded %q, assembled %q", got, want)
				}
			}
		}
	})
}

// checkTraffic holds what must be true of each conversation.
func checkTraffic(t *testing.T, traffic *Traffic) {
	t.Helper()
	for _, c := range traffic.Conversations {
		for side := Opener; side <= Responder; side++ {
			c.Ending(side)
			checkMessages(t, c, side)
		}
		for _, close := range c.Closes {
			close.AllAcked()
		}
	}
}

// checkMessages holds that messages stand in order, are no longer than they say, and know their frames.
func checkMessages(t *testing.T, c *Conversation, receiver Side) {
	next := uint64(0)
	for i, m := range c.Messages(receiver) {
		if m.Index != i || m.Offset < next || len(m.Data) > m.Length || len(m.Frames()) == 0 {
			t.Fatalf("message %d at %d after %d, %d bytes of %d", i, m.Offset, next, len(m.Data), m.Length)
		}
		zeros := uint64(0)
		for _, h := range m.Holes {
			zeros += h.Length
			if h.Offset+h.Length > uint64(len(m.Data)) {
				t.Fatalf("hole %v in %d bytes", h, len(m.Data))
			}
		}
		if captured := uint64(len(m.Data)) - zeros; zeros > captured+holeAllowance {
			t.Fatalf("%d zeros for %d bytes", zeros, captured)
		}
		next = m.end()
	}
	if next > c.Streams[receiver.Other()].Sent {
		t.Fatalf("messages end at %d of %d", next, c.Streams[receiver.Other()].Sent)
	}
}

// BenchmarkAssemble rebuilds ten thousand short connections.
func BenchmarkAssemble(b *testing.B) {
	s := newScript(b)
	for i := range 10_000 {
		s.client = uint16(1024 + i)
		s.shake()
		s.tcp(Opener, "PA", 0, 0, "GET / HTTP/1.1\r\n\r\n")
		s.tcp(Responder, "PA", 0, 18, "HTTP/1.1 200 OK\r\n\r\n")
		s.tcp(Responder, "FA", 19, 18, "")
	}
	b.SetBytes(int64(len(s.Bytes())))
	for b.Loop() {
		s.assemble()
	}
}
