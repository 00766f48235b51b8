package conversation

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/inquest-project/inquest/internal/evidence/capture"
	"github.com/inquest-project/inquest/internal/evidence/wiretest"
)

func TestMessagesEndWhereTheReceiverSends(t *testing.T) {
	s := newScript(t)
	s.shake()
	s.tcp(Opener, "PA", 0, 0, "GET /a")
	s.tcp(Opener, "PA", 6, 0, " more")
	s.tcp(Responder, "PA", 0, 11, "200 a")
	s.tcp(Opener, "PA", 11, 5, "GET /b")
	s.tcp(Responder, "A", 5, 17, "")
	c := s.only()
	if got, want := texts(c, Responder), []string{"GET /a more", "GET /b"}; !reflect.DeepEqual(got, want) {
		t.Fatalf("server received %q, want %q", got, want)
	}
	first, second := c.Messages(Responder)[0], c.Messages(Responder)[1]
	if !reflect.DeepEqual(first.Frames(), []int{4, 5}) || !reflect.DeepEqual(second.Frames(), []int{7}) {
		t.Errorf("frames %v and %v", first.Frames(), second.Frames())
	}
	if first.Answered.IsZero() || first.Answered.Frame != int32(6) || !second.Answered.IsZero() {
		t.Errorf("answered by %v and %v, want frame 6 and none", first.Answered, second.Answered)
	}
	if second.AckedAt == nil || !second.AckedAt.Equal(at(8)) || !first.Start.Equal(at(4)) || !first.End.Equal(at(5)) {
		t.Errorf("acked at %v; first from %v to %v", second.AckedAt, first.Start, first.End)
	}
	if got := texts(c, Opener); !reflect.DeepEqual(got, []string{"200 a"}) || second.Index != 1 || second.Offset != 11 {
		t.Errorf("client received %q; second message is %d at %d", got, second.Index, second.Offset)
	}
}

func TestAnAnswerThatWasSentBeforeTheDataCameDoesNotEndTheMessage(t *testing.T) {
	s := newScript(t)
	s.shake()
	s.tcp(Opener, "PA", 0, 0, "abc")
	s.tcp(Responder, "PA", 0, 0, "banner") // acknowledges nothing: it crossed the data on the way
	s.tcp(Opener, "PA", 3, 6, "def")
	c := s.only()
	if got := texts(c, Responder); !reflect.DeepEqual(got, []string{"abcdef"}) {
		t.Errorf("got %q", got)
	}
	if m := c.Messages(Responder)[0]; !m.Answered.IsZero() {
		t.Errorf("answered by %v", m.Answered)
	}
}

func TestHowASideEndedIsKeptToTheByte(t *testing.T) {
	for _, c := range []struct {
		name, flags           string
		sent, acked           int
		rst, allAcked, spoken bool
	}{
		{"read all", "FA", 5, 5, false, true, false},
		{"unread", "RA", 5, 5, true, true, false},
		{"never arrived", "RA", 5, 0, true, false, false},
	} {
		s := newScript(t)
		s.shake()
		s.tcp(Opener, "PA", 0, 0, "hello"[:c.sent])
		frame := s.tcp(Responder, c.flags, 0, c.acked, "")
		s.tcp(Responder, "R", 0, 0, "")
		conv := s.only()
		end := conv.Ending(Responder)
		if end == nil || end.RST != c.rst || int(end.Frame) != frame || int(end.Acked) != c.acked || int(end.Arrived) != c.sent || end.AllAcked() != c.allAcked {
			t.Errorf("%s: %+v", c.name, end)
		}
		if conv.Ending(Opener) != nil || conv.Spoke(Responder) || !conv.Spoke(Opener) || len(conv.Closes) != 2 {
			t.Errorf("%s: closes %v", c.name, conv.Closes)
		}
	}
}

func TestASYNAnsweredByRSTIsARefusal(t *testing.T) {
	s := newScript(t)
	s.tcp(Opener, "S", 0, 0, "")
	frame := s.tcp(Responder, "RA", 0, 0, "")
	s.client++
	s.shake()
	s.tcp(Responder, "RA", 0, 0, "") // closed from the accept queue: no refusal
	traffic := s.assemble()
	if len(traffic.Refusals) != 1 || len(traffic.Conversations) != 2 {
		t.Fatalf("%d refusals, %d conversations", len(traffic.Refusals), len(traffic.Conversations))
	}
	r := traffic.Refusals[0]
	if int(r.Frame) != frame || r.Endpoint.String() != "192.0.2.2:80" || !r.Conversation.Refused || traffic.Conversations[1].Refused {
		t.Errorf("%+v", r)
	}
}

func TestANewSYNOnOldPortsIsANewConversation(t *testing.T) {
	s := newScript(t)
	s.shake()
	s.tcp(Opener, "PA", 0, 0, "one")
	s.tcp(Opener, "S", 0, 0, "") // the same SYN again is none
	s.base = [2]uint32{900001, 700001}
	s.shake()
	s.tcp(Opener, "PA", 0, 0, "two")
	traffic := s.assemble()
	if len(traffic.Conversations) != 2 {
		t.Fatalf("%d conversations, want 2", len(traffic.Conversations))
	}
	for i, want := range []string{"one", "two"} {
		if got := texts(traffic.Conversations[i], Responder); !reflect.DeepEqual(got, []string{want}) {
			t.Errorf("conversation %d: %q, want %q", i, got, want)
		}
	}
}

func TestTheOpenerIsKnownFromTheHandshakeElseGuessed(t *testing.T) {
	s := newScript(t)
	s.tcp(Responder, "SA", 0, 0, "") // its SYN was not captured
	if c := s.only(); !c.OpenerKnown || c.Names() != [2]string{"192.0.2.1:40000", "192.0.2.2:80"} {
		t.Errorf("%v, known %v", c.Names(), c.OpenerKnown)
	}
	s = newScript(t)
	s.tcp(Responder, "PA", 70, 30, "in the middle")
	s.tcp(Opener, "PA", 30, 83, "answer")
	c := s.only()
	if c.OpenerKnown || c.Names()[Opener] != "192.0.2.1:40000" || c.Streams[Responder].Sent != 13 || len(c.Streams[Responder].Holes) != 0 {
		t.Errorf("%v, known %v, %+v", c.Names(), c.OpenerKnown, c.Streams[Responder])
	}
	if got := texts(c, Opener); !reflect.DeepEqual(got, []string{"in the middle"}) {
		t.Errorf("client received %q", got)
	}
}

func TestLostBytesAreAHoleWithItsSize(t *testing.T) {
	s := newScript(t)
	s.shake()
	s.tcp(Opener, "PA", 0, 0, "abc")
	s.tcp(Opener, "PA", 8, 0, "ijk")
	s.tcp(Responder, "A", 0, 20, "")
	c := s.only()
	out := c.Streams[Opener]
	if want := []Hole{{3, 5}, {11, 9}}; !reflect.DeepEqual(out.Holes, want) || out.Sent != 20 || out.Acked != 20 {
		t.Errorf("holes %v, %d sent, %d acked", out.Holes, out.Sent, out.Acked)
	}
	m := c.Messages(Responder)[0]
	if string(m.Data) != "abc\x00\x00\x00\x00\x00ijk" || !reflect.DeepEqual(m.Holes, []Hole{{3, 5}}) || m.Length != 11 {
		t.Errorf("%q, holes %v, length %d", m.Data, m.Holes, m.Length)
	}
}

func TestOfAMessageByAnInstantThereIsWhatHadArrived(t *testing.T) {
	s := newScript(t)
	s.shake()
	first := s.tcp(Opener, "PA", 0, 0, "abc")
	late := s.tcp(Opener, "PA", 8, 0, "ijk")
	m := s.only().Messages(Responder)[0]
	if whole := m.By(at(late)); whole != m {
		t.Errorf("by its last frame %+v", whole)
	}
	if by := m.By(at(late).Add(-1)); by == nil || string(by.Data) != "abc\x00\x00\x00\x00\x00"[:by.Length] || len(by.Segments) != 1 || !by.End.Equal(at(first)) {
		t.Errorf("before its last frame %+v", by)
	}
	if by := m.By(at(first).Add(-1)); by != nil {
		t.Errorf("before its first frame %+v", by)
	}
}

func TestASequenceNumberThatLeapsStartsANewMessage(t *testing.T) {
	s := newScript(t)
	s.shake()
	s.tcp(Opener, "PA", 0, 0, "abc")
	s.tcp(Opener, "PA", 1<<30, 0, "def")
	c := s.only()
	if got := texts(c, Responder); !reflect.DeepEqual(got, []string{"abc", "def"}) {
		t.Errorf("got %d messages", len(got))
	}
}

func TestDatagramsAreMessagesAndUnreachableJoinsThem(t *testing.T) {
	s := newScript(t)
	s.udp(Opener, "question")
	s.udp(Opener, "")
	s.udp(Responder, "answer")
	last := s.udp(Opener, "killer")
	gone := s.unreachable(Responder)
	traffic := s.assemble()
	c := traffic.Conversations[0]
	if got := texts(c, Responder); !reflect.DeepEqual(got, []string{"question", "", "killer"}) {
		t.Fatalf("got %q", got)
	}
	m := c.Messages(Responder)
	if m[0].Answered.IsZero() || m[0].Answered.Frame != int32(3) || !m[2].Answered.IsZero() || m[2].Frames()[0] != last {
		t.Errorf("answered %v, %v", m[0].Answered, m[2].Answered)
	}
	if c.Unreachable == nil || int(c.Unreachable.Frame) != gone || c.Unreachable.Side != Responder || len(traffic.ICMP) != 1 || traffic.ICMP[0].Conversation != c {
		t.Errorf("unreachable %+v, ICMP %+v", c.Unreachable, traffic.ICMP)
	}
	if e := c.Streams[Responder].Last; e.Frame != 3 {
		t.Errorf("last answer %v", e)
	}
}

func TestThePastedListIsOneConversationClosedByRST(t *testing.T) {
	f, err := capture.Open("../../evidence/capture/testdata/packets.txt")
	if err != nil {
		t.Fatal(err)
	}
	traffic := Assemble(f)
	if len(traffic.Conversations) != 1 {
		t.Fatalf("%d conversations, want 1", len(traffic.Conversations))
	}
	c := traffic.Conversations[0]
	if c.Names() != [2]string{"client:38409", "server:443"} || c.Transport != "tcp" {
		t.Errorf("between %v over %s", c.Names(), c.Transport)
	}
	end := c.Ending(Responder)
	if end == nil || !end.RST || end.Frame != 4955 || end.Acked != 198 || !end.AllAcked() {
		t.Errorf("server ended by %+v", end)
	}
	received := c.Messages(Responder)
	if len(received) != 1 || received[0].Listed != "Client Key Exchange, Change Cipher Spec, Encrypted Handshake Message" ||
		received[0].Length != 198 || !received[0].Answered.IsZero() || !reflect.DeepEqual(received[0].Frames(), []int{4823}) {
		t.Errorf("server received %+v", received)
	}
	if sent := c.Messages(Opener); len(sent) != 1 || sent[0].Listed != "Certificate" || !reflect.DeepEqual(sent[0].Frames(), []int{4816}) {
		t.Errorf("server sent %+v", sent)
	}
}

// TestStreamsMatchTsharkWhateverTheOrder sends random streams in segments that are shuffled a little,
// repeated, cut anew and overlap, across the wrap of sequence numbers.
func TestStreamsMatchTsharkWhateverTheOrder(t *testing.T) {
	s := newScript(t)
	var streams []string
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		s.client++
		s.base = [2]uint32{uint32(-3000 + rng.IntN(2000)), rng.Uint32()}
		stream := randomText(rng, 6000)
		streams = append(streams, stream)
		s.shake()
		for _, seg := range nasty(rng, len(stream)) {
			s.tcp(Opener, "PA", seg[0], 0, stream[seg[0]:seg[1]])
		}
		s.tcp(Responder, "A", 0, len(stream), "")
		s.tcp(Opener, "FA", len(stream), 0, "")
		s.tcp(Responder, "A", 0, len(stream)+1, "")
	}
	oracle := s.follow(len(streams))
	for i, c := range s.assemble().Conversations {
		got := strings.Join(texts(c, Responder), "")
		if got != streams[i] || got != oracle[i] {
			t.Errorf("stream %d: %d bytes rebuilt, %d sent, tshark has %d", i, len(got), len(streams[i]), len(oracle[i]))
		}
		if out := c.Streams[Opener]; out.Acked != uint64(len(got)) || len(out.Holes) != 0 {
			t.Errorf("stream %d: %d of %d acknowledged, holes %v", i, out.Acked, len(got), out.Holes)
		}
		provenance(t, c, streams[i])
	}
}

// provenance checks that segments tile the message without gap or overlap.
func provenance(t *testing.T, c *Conversation, stream string) {
	t.Helper()
	next := 0
	for _, m := range c.Messages(Responder) {
		for _, seg := range m.Segments {
			if seg.Offset+int(m.Offset) != next || int(seg.Frame) == 0 || !seg.Time.Equal(at(int(seg.Frame))) {
				t.Errorf("segment of frame %d at %d, want %d", seg.Frame, seg.Offset+int(m.Offset), next)
			}
			next += seg.Length
		}
	}
	if next != len(stream) {
		t.Errorf("segments reach to %d of %d", next, len(stream))
	}
}

func randomText(rng *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "abcdefghijklmnopqrstuvwxyz"[rng.IntN(26)]
	}
	return string(b)
}

// nasty cuts n bytes into segments that are shuffled a little, repeated and overlapping.
func nasty(rng *rand.Rand, n int) [][2]int {
	var list [][2]int
	for from := 0; from < n; {
		to := min(n, from+1+rng.IntN(700))
		list = append(list, [2]int{from, to})
		if rng.IntN(4) == 0 { // once more, with other bounds
			list = append(list, [2]int{max(0, from-rng.IntN(300)), min(n, to+rng.IntN(300))})
		}
		from = to
	}
	for i := range list {
		j := min(len(list)-1, i+rng.IntN(4))
		list[i], list[j] = list[j], list[i]
	}
	return list
}

// TestOverlapsInReverseAreRebuiltInTime is the order that would cost a naive list its square.
func TestOverlapsInReverseAreRebuiltInTime(t *testing.T) {
	const n = 200_000
	pieces := make([]piece, n)
	for i := range pieces {
		pieces[i] = piece{offset: uint64(n-i) * 10, length: 25, event: Event{Frame: int32(i)}}
	}
	got := inOrder(pieces)
	if !disjoint(got) || got[0].offset != 10 || got[len(got)-1].end() != n*10+25 {
		t.Errorf("%d pieces from %d to %d", len(got), got[0].offset, got[len(got)-1].end())
	}
}

// What a second walk loads is what the first would have kept.
func TestLoadGivesTheMessagesOfATimeAndOfTheConversationsThatAreWanted(t *testing.T) {
	s := newScript(t)
	for i := range 20 {
		s.client = uint16(40000 + i)
		s.shake()
		s.tcp(Opener, "PA", 0, 0, "question")
		s.tcp(Responder, "PA", 0, 8, "answer")
		s.tcp(Opener, "PA", 8, 6, "second")
		s.udp(Responder, "datagram")
	}
	file, err := capture.Parse("script", s.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	whole, index := Assemble(file), Index(file)
	if !whole.Whole || index.Whole || len(whole.Conversations) != len(index.Conversations) {
		t.Fatalf("%d and %d conversations", len(whole.Conversations), len(index.Conversations))
	}
	index.Load(at(1), at(1000), func(c *Conversation) bool { return c.Number%2 == 0 })
	for i, c := range index.Conversations {
		for side := Opener; side <= Responder; side++ {
			want := texts(whole.Conversations[i], side)
			if i%2 == 1 {
				want = nil
			}
			if got := texts(c, side); !reflect.DeepEqual(got, want) {
				t.Errorf("conversation %d: %q, want %q", i, got, want)
			}
			if n := c.Streams[side.Other()].Messages; i%2 == 0 && n != len(want) {
				t.Errorf("conversation %d: %d messages were counted, %d there", i, n, len(want))
			}
		}
	}
	first := index.Conversations[0]
	index.Load(first.Start, first.Start.Add(3*wiretest.Step), func(c *Conversation) bool { return true })
	if got := texts(first, Responder); !reflect.DeepEqual(got, []string{"question"}) {
		t.Errorf("of the first moments %q", got)
	}
}

// Without the handshake nothing can be opened of what was said in the time that is wanted.
func TestLoadGivesTheBeginningsToo(t *testing.T) {
	s := newScript(t)
	s.shake()
	s.tcp(Opener, "PA", 0, 0, "hello")
	s.tcp(Responder, "PA", 0, 5, "hello to you")
	long := strings.Repeat("x", 1000)
	for i := range 40 {
		s.tcp(Opener, "PA", 5+1000*i, 12, long)
	}
	begin := s.Next
	s.tcp(Opener, "PA", 40005, 12, "killer")
	file, err := capture.Parse("script", s.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	index := Index(file)
	index.Load(begin, index.Last, func(*Conversation) bool { return true })
	got := index.Conversations[0].Messages(Responder)
	if len(got) != 3 || string(got[0].Data) != "hello" || got[1].Length > beginning+1000 || string(got[2].Data) != "killer" || got[2].Offset != 40005 {
		t.Errorf("found %d messages, the second of %d bytes", len(got), got[1].Length)
	}
}

func TestAPacketThatWasCapturedAtTwoPlacesWasSaidOnce(t *testing.T) {
	s := newScript(t)
	s.shake()
	s.tcp(Opener, "PA", 0, 0, "once")
	s.udp(Opener, "datagram")
	file := func(name string) *capture.File {
		f, err := capture.Parse(name, s.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	traffic := Assemble(file("here"), file("there"))
	if len(traffic.Conversations) != 2 || traffic.Duplicates != 5 {
		t.Fatalf("%d conversations, %d duplicates", len(traffic.Conversations), traffic.Duplicates)
	}
	for i, want := range []string{"once", "datagram"} {
		if got := texts(traffic.Conversations[i], Responder); !reflect.DeepEqual(got, []string{want}) || traffic.Conversations[i].Streams[Opener].Again != 0 {
			t.Errorf("got %q, %d bytes again", got, traffic.Conversations[i].Streams[Opener].Again)
		}
	}
}

func TestTheFilesOfARingAreOneCapture(t *testing.T) {
	s := newScript(t)
	s.shake()
	s.tcp(Opener, "PA", 0, 0, "begun")
	first := s.Bytes()
	next := newScript(t)
	next.Next = s.Next
	next.tcp(Opener, "PA", 5, 0, " and ended")
	next.tcp(Responder, "PA", 0, 15, "answer")
	var files []*capture.File
	for i, data := range [][]byte{next.Bytes(), first} { // in any order
		f, err := capture.Parse([]string{"ring1", "ring0"}[i], data)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	traffic := Assemble(files...)
	if len(traffic.Conversations) != 1 {
		t.Fatalf("%d conversations", len(traffic.Conversations))
	}
	m := traffic.Conversations[0].Messages(Responder)[0]
	if string(m.Data) != "begun and ended" || m.Capture() != "ring0" || !reflect.DeepEqual(m.Frames(), []int{4}) || m.Answered.Frame != 2 {
		t.Errorf("%q of %s, frames %v, answered %v", m.Data, m.Capture(), m.Frames(), m.Answered)
	}
}
