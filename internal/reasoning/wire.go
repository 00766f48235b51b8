package reasoning

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/keylog"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reading"
	"github.com/inquest-project/inquest/internal/reading/conversation"
	"github.com/inquest-project/inquest/internal/reading/dissect"
	"github.com/inquest-project/inquest/internal/reasoning/weigh"
)

// Wire tells what the captures say by themselves. If follow is the number of a conversation, from 1, it is the only one
// that is told, with its messages; with 0 all are, without.
func Wire(ctx context.Context, r *reading.Reading, follow int) *finding.Wire {
	t := r.Traffic
	w := &finding.Wire{Version: 1, Captures: t.Captures(), Packets: t.Packets, Dropped: t.Dropped, Duplicates: t.Duplicates,
		Folded: t.Folded, Forgotten: t.Forgotten, ICMPErrors: len(t.ICMP)}
	if t.Packets > 0 {
		w.First, w.Last = &t.First, &t.Last
	}
	told := slices.DeleteFunc(slices.Clone(t.Conversations), func(c *conversation.Conversation) bool { return follow > 0 && c.Number+1 != follow })
	w.Conversations = converseAll(told)
	if follow == 0 && len(r.Keys) > 0 {
		tellInside(w, r)
	}
	if follow > 0 && len(w.Conversations) == 1 {
		c, sessions := followed(ctx, r, follow)
		heard := hear(c, sessions)
		l := language(r.Traffic, c, heard)
		w.Conversations[0].Messages = spoken(c, heard, sessions, l)
		if l != nil {
			w.Conversations[0].Inferred = l.Messages
		}
	}
	for _, p := range r.Problems {
		w.Problems = append(w.Problems, p.String())
	}
	return w
}

// tellInside tells what is spoken inside of the TLS connections that key logs open.
func tellInside(w *finding.Wire, r *reading.Reading) {
	t := r.Traffic
	t.Load(t.First, t.Last, func(c *conversation.Conversation) bool { return protocol(c) == "TLS" })
	sessions := r.Sessions(t.Conversations)
	w.TLS = counted(sessions)
	spoken := map[int]string{}
	for _, s := range sessions {
		spoken[s.Conversation.Number+1] = inside(s)
	}
	for i := range w.Conversations {
		w.Conversations[i].Inside = spoken[w.Conversations[i].Number]
	}
}

// inside is the protocol of the first message that was decrypted and is none of TLS itself.
func inside(s *reading.Session) string {
	ears := weigh.Ears{Opened: s.Opened}
	for _, carrier := range both(s.Conversation) {
		for _, h := range ears.Hear(carrier, time.Time{}) {
			if h.Sealed && h.Dissection.Protocol != "TLS" {
				return h.Dissection.Protocol
			}
		}
	}
	return ""
}

// followed loads a conversation, and opens what TLS it has. One that resumes another is opened with the other's secrets.
func followed(ctx context.Context, r *reading.Reading, number int) (*conversation.Conversation, []*reading.Session) {
	t := r.Traffic
	wanted := func(c *conversation.Conversation) bool { return c.Number+1 == number }
	c := t.Conversations[slices.IndexFunc(t.Conversations, wanted)]
	t.Load(t.First, t.Last, wanted)
	sessions := r.Sessions([]*conversation.Conversation{c})
	r.OpenFromCore(ctx, sessions, false)
	if len(sessions) > 0 && sessions[0].Opened == nil && sessions[0].Resumes() {
		t.Load(t.First, t.Last, func(other *conversation.Conversation) bool {
			return wanted(other) || other.Ends[conversation.Responder] == c.Ends[conversation.Responder]
		})
		sessions = r.Sessions(t.Conversations)
	}
	return c, sessions
}

// KeyLog opens all TLS connections of the captures that key logs open, or keys that are found in the core until ctx ends,
// and gives the secrets that did it, and how many connections there are; nil if none.
func KeyLog(ctx context.Context, r *reading.Reading) ([]keylog.Entry, *finding.TLS) {
	t := r.Traffic
	t.Load(t.First, t.Last, func(c *conversation.Conversation) bool { return c.Transport == "tcp" })
	sessions := r.Sessions(t.Conversations)
	latest := slices.Clone(sessions) // first: of these the process may still have had the keys
	slices.Reverse(latest)
	r.OpenFromCore(ctx, latest, true)
	reading.Resume(sessions)
	return reading.KeyLog(sessions), counted(sessions)
}

var sides = [2]string{conversation.Opener: "client", conversation.Responder: "server"}

// converseAll tells of all conversations, a share of them on each processor: what is spoken in each has to be found out.
func converseAll(all []*conversation.Conversation) []finding.Conversation {
	told := make([]finding.Conversation, len(all))
	var wait sync.WaitGroup
	share := len(all)/runtime.GOMAXPROCS(0) + 1
	for from := 0; from < len(all); from += share {
		wait.Go(func() {
			for i, c := range all[from:min(from+share, len(all))] {
				told[from+i] = converse(c)
			}
		})
	}
	wait.Wait()
	return told
}

func converse(c *conversation.Conversation) finding.Conversation {
	told := finding.Conversation{
		Number: c.Number + 1, Capture: c.Capture(), Transport: c.Transport, Guessed: !c.OpenerKnown, Also: c.Also,
		Client: c.Names()[conversation.Opener], Server: c.Names()[conversation.Responder],
		Protocol: protocol(c), Start: c.Start.UTC(), End: c.End.UTC(), Refused: c.Refused,
		FromClient: flow(&c.Streams[conversation.Opener]), FromServer: flow(&c.Streams[conversation.Responder]),
	}
	for _, closing := range c.Closes {
		told.Closes = append(told.Closes, finding.Close{From: sides[closing.Side], RST: closing.RST, Frame: int(closing.Frame),
			Time: closing.Time.UTC(), Unread: closing.Arrived - min(closing.Arrived, closing.Acked)})
	}
	if u := c.Unreachable; u != nil {
		told.Unreachable = &finding.Close{From: sides[u.Side], Frame: int(u.Frame), Time: u.Time.UTC()}
	}
	return told
}

func flow(s *conversation.Stream) finding.Flow {
	f := finding.Flow{Packets: s.Packets, Bytes: s.Sent, Messages: s.Messages, Acked: s.Acked, Missing: s.Missing, Again: s.Again}
	for _, h := range s.Holes {
		f.Holes = append(f.Holes, finding.Hole(h))
	}
	return f
}

// protocol is that of what the client said first, or else the server: a beginning shows it.
func protocol(c *conversation.Conversation) string {
	const enough = 512
	for side := range c.Streams {
		if head := c.Streams[side].Head; len(head) > 0 {
			return dissect.Protocol(head[:min(len(head), enough)], dissect.Hint{
				Transport: c.Transport, Port: c.Ends[conversation.Responder].Port(), FromClient: conversation.Side(side) == conversation.Opener,
			})
		}
	}
	return ""
}

// hear dissects a conversation's messages, of both sides, in the order in which they came; what was decrypted in place of
// what it was encrypted in.
func hear(c *conversation.Conversation, sessions []*reading.Session) (all []weigh.Heard) {
	ears := weigh.Ears{Opened: opened(sessions)[c]}
	for _, carrier := range both(c) {
		all = append(all, ears.Hear(carrier, time.Time{})...)
	}
	return all
}

// both are both sides' messages.
func both(c *conversation.Conversation) []*conversation.Message {
	return weigh.Merged(c.Messages(conversation.Opener), c.Messages(conversation.Responder))
}

// language is learnt from all conversations with a service, if dissectors don't know what was said on one. It is nil if
// they do, or if that was encrypted: the other conversations still are.
func language(t *conversation.Traffic, c *conversation.Conversation, heard []weigh.Heard) *weigh.Language {
	if !weigh.Foreign(heard) || slices.ContainsFunc(heard, func(h weigh.Heard) bool { return h.Sealed }) {
		return nil
	}
	service := func(other *conversation.Conversation) bool {
		return other.Transport == c.Transport && other.Ends[conversation.Responder] == c.Ends[conversation.Responder]
	}
	t.Load(t.First, t.Last, service)
	var messages []*conversation.Message
	for _, other := range t.Conversations {
		if service(other) {
			messages = append(messages, both(other)...)
		}
	}
	return weigh.Learn(messages)
}

// spoken are the messages that were heard on a conversation.
func spoken(c *conversation.Conversation, heard []weigh.Heard, sessions []*reading.Session, l *weigh.Language) (all []finding.Spoken) {
	const mostBytes = 64 << 10
	for _, h := range heard {
		m, d := h.Message, h.Dissection
		told := finding.Spoken{From: sides[m.Receiver.Other()], Frames: m.Frames(), Start: m.Start.UTC(), End: m.End.UTC(),
			Offset: m.Offset, Length: m.Length, Missing: missed(m), Protocol: d.Protocol, Summary: d.Summary, Fields: d.Fields,
			Bytes: m.Data[:min(len(m.Data), mostBytes)], Answered: int(m.Answered.Frame)}
		if fields, more := l.Fields(h); more {
			told.Fields, told.Inferred = fields, true
		}
		if h.Sealed {
			told.Sealed = sealed(c, sessions)
		}
		all = append(all, told)
	}
	return all
}

// missed is how many bytes of a message were not captured.
func missed(m *conversation.Message) int {
	missing := m.Length - len(m.Data)
	for _, h := range m.Holes {
		missing += int(h.Length)
	}
	return missing
}
