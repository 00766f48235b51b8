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

// searched bounds how long the core is searched for keys.
const searched = 20 * time.Second

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
	ctx, stop := context.WithTimeout(context.Background(), searched)
	defer stop()
	r.OpenFromCore(ctx, wanted, false)
	reading.Resume(sessions)
	return sessions
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
