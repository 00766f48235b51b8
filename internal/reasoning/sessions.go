package reasoning

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reading"
	"github.com/inquest-project/inquest/internal/reading/conversation"
	"github.com/inquest-project/inquest/internal/reading/dissect"
	"github.com/inquest-project/inquest/internal/reading/tlskeys"
	"github.com/inquest-project/inquest/internal/reasoning/moment"
)

// How long the core may be searched for keys. A small one is searched to its end in a second, on a machine that has nothing else to
// do. In a large one the likeliest places are looked at in a second a gigabyte; all that merely looks random would take minutes, and
// what is asked for is a verdict now: who wants the rest is told how to search for as long as it takes.
const (
	small       = 256 << 20 // bytes of memory
	forSmall    = 20 * time.Second
	forGigabyte = 2 * time.Second
)

// openSessions opens the dead process's TLS connections: all that key logs open, and with keys from the core those that
// were alive at its death, which alone it still had them of. Whoever spoke last is looked for first.
func openSessions(r *reading.Reading, when moment.Moment) []*reading.Session {
	var all []*conversation.Conversation
	alive := map[*conversation.Conversation]bool{}
	for _, own := range when.Own {
		all = append(all, own.Conversation)
		alive[own.Conversation] = own.State == moment.ClosedFIN || own.State == moment.ClosedRST || own.State == moment.Open
	}
	sessions := r.Sessions(all)
	wanted := slices.DeleteFunc(slices.Clone(sessions), func(s *reading.Session) bool { return !alive[s.Conversation] })
	slices.SortStableFunc(wanted, func(a, b *reading.Session) int {
		return cmp.Compare(lastHeard(b, when).UnixNano(), lastHeard(a, when).UnixNano())
	})
	ctx, stop := context.WithTimeout(context.Background(), searchTime(r))
	defer stop()
	r.OpenFromCore(ctx, wanted, false)
	reading.Resume(sessions)
	return sessions
}

// searchTime is how long the core may be searched for keys.
func searchTime(r *reading.Reading) time.Duration {
	size := 0
	if r.Image != nil {
		for _, region := range r.Image.Writable() {
			size += len(region.Data)
		}
	}
	if size <= small {
		return forSmall
	}
	return time.Duration(float64(forGigabyte) * max(1, float64(size)/(1<<30)))
}

// unsought counts the TLS connections that the search for keys ended too early for.
func unsought(sessions []*reading.Session) (n int) {
	for _, s := range sessions {
		if s.Unsought && s.Opened == nil { // another that it resumes may have opened it since
			n++
		}
	}
	return n
}

// lastHeard is when something came last on a session's conversation before the death.
func lastHeard(s *reading.Session, when moment.Moment) (last time.Time) {
	for side := conversation.Opener; side <= conversation.Responder; side++ {
		for _, m := range slices.Backward(s.Conversation.Messages(side)) {
			if m.Start.After(last) && (when.Latest.IsZero() || !m.Start.After(when.Latest)) {
				last = m.Start
				break
			}
		}
	}
	return last
}

// opened is what was decrypted of each conversation.
func opened(sessions []*reading.Session) map[*conversation.Conversation]*tlskeys.Opened {
	all := map[*conversation.Conversation]*tlskeys.Opened{}
	for _, s := range sessions {
		all[s.Conversation] = s.Opened
	}
	return all
}

// counted tells how many TLS connections there were, and what opened them; nil if there were none.
func counted(sessions []*reading.Session) *finding.TLS {
	if len(sessions) == 0 {
		return nil
	}
	t := &finding.TLS{Connections: len(sessions)}
	for _, s := range sessions {
		switch {
		case s.Opened == nil:
		case len(s.InCore) > 0:
			t.FromCore++
		default:
			t.FromLog++
		}
	}
	return t
}

// sealed is how a message was encrypted that was decrypted.
func sealed(c *conversation.Conversation, sessions []*reading.Session) *finding.Sealed {
	i := slices.IndexFunc(sessions, func(s *reading.Session) bool { return s.Conversation == c })
	s := sessions[i]
	told := &finding.Sealed{Version: dissect.VersionName(s.Connection.Version), Suite: dissect.SuiteName(s.Connection.Suite), Keys: finding.FromKeyLog}
	for _, at := range s.InCore {
		told.Keys = finding.FromMemory
		told.At = append(told.At, at.Address)
	}
	return told
}
