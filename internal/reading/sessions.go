package reading

import (
	"context"
	"slices"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/evidence/keylog"
	"github.com/inquest-project/inquest/internal/reading/conversation"
	"github.com/inquest-project/inquest/internal/reading/tlskeys"
)

// Session is a TLS connection and what opened it.
type Session struct {
	Conversation *conversation.Conversation
	Connection   *tlskeys.Connection // nil if its handshake can't be read
	Secrets      tlskeys.Secrets
	Opened       *tlskeys.Opened // nil if nothing was
	InCore       []tlskeys.Place // where the secrets stood that were found in the core; none if a key log had them
	Unsought     bool            // the search of the core had to end before it was over, and found nothing that opens this
	Problem      string          // why it is not open, where something is known
}

// Resumes says whether it may resume another session.
func (s *Session) Resumes() bool { return s.Connection != nil && len(s.Connection.Resumed()) > 0 }

// Sessions are the TLS connections among conversations, opened as far as key logs open them.
func (r *Reading) Sessions(among []*conversation.Conversation) (all []*Session) {
	logged := map[string][]keylog.Entry{} // by what knows the connection: a log may be of thousands
	for _, e := range r.Keys {
		logged[e.Connection()] = append(logged[e.Connection()], e)
	}
	for _, c := range among {
		if !tlskeys.Sniff(c) {
			continue
		}
		s := &Session{Conversation: c}
		var err error
		if s.Connection, err = tlskeys.Read(c); err != nil {
			s.Problem = err.Error()
			if t := r.Traffic; !t.Whole && c.Start.Before(t.From) {
				s.Problem = "the handshake came before the part that was read of the captures, which are too large: cut them with editcap -A and -B"
			}
		} else {
			s.try(s.Connection.Logged(slices.Concat(logged[string(s.Connection.ClientRandom)], logged[""])))
		}
		all = append(all, s)
	}
	Resume(all)
	return all
}

// Resume opens sessions with the masters of those that they resume, or that resume them.
func Resume(sessions []*Session) {
	closed := map[string][]*Session{} // by the names of the master that they may have
	names := func(s *Session) []string { return slices.Concat(s.Connection.Granted(), s.Connection.Resumed()) }
	var open []*Session
	for _, s := range sessions {
		switch {
		case s.Opened != nil:
			open = append(open, s)
		case s.Connection != nil:
			for _, name := range names(s) {
				closed[name] = append(closed[name], s)
			}
		}
	}
	for len(open) > 0 && len(closed) > 0 {
		known := open[0]
		open = open[1:]
		for _, name := range names(known) {
			for _, s := range closed[name] {
				if s.Opened != nil {
					continue
				}
				problem := s.Problem
				if s.try(known.Secrets); s.Opened == nil {
					s.Problem = problem
					continue
				}
				s.InCore = known.InCore
				open = append(open, s)
			}
			delete(closed, name)
		}
	}
}

// OpenFromCore looks in the core's memory, until ctx ends, for the secrets of sessions that are not open; for those of the
// first ones first. With all it goes on, when everything is open, for secrets that only others need to read it.
func (r *Reading) OpenFromCore(ctx context.Context, sessions []*Session, all bool) {
	if r.Image == nil {
		return
	}
	closed := map[*tlskeys.Connection]*Session{}
	var wanted []*tlskeys.Connection
	for _, s := range sessions {
		if s.Connection != nil && s.Opened == nil {
			closed[s.Connection] = s
			wanted = append(wanted, s.Connection)
		}
	}
	if len(wanted) == 0 {
		return
	}
	open := 0
	for found := range tlskeys.Find(ctx, r.writable(), wanted) {
		s := closed[found.Connection]
		before := s.Opened
		if s.try(found.Secrets); s.Opened == nil {
			continue
		}
		if s.InCore = found.At; before == nil {
			open++
		}
		if open == len(wanted) && !all {
			return
		}
	}
	if ctx.Err() != nil {
		for _, s := range closed {
			s.Unsought = s.Opened == nil
		}
	}
}

func (r *Reading) writable() (memory []elfcore.Stretch) {
	for _, region := range r.Image.Writable() {
		memory = append(memory, elfcore.Stretch{Start: region.Start, Data: region.Data})
	}
	return memory
}

// try opens what secrets open.
func (s *Session) try(secrets tlskeys.Secrets) {
	if secrets.Empty() {
		return
	}
	opened := s.Connection.Open(secrets)
	if len(opened.Messages[conversation.Opener])+len(opened.Messages[conversation.Responder]) == 0 {
		s.Problem = "the secrets that are known of it open nothing"
		return
	}
	s.Secrets, s.Opened, s.Problem = secrets, opened, ""
}

// KeyLog is the secrets that opened sessions, as lines of a key log.
func KeyLog(sessions []*Session) (log []keylog.Entry) {
	for _, s := range sessions {
		if s.Opened != nil {
			log = append(log, s.Connection.Entries(s.Secrets)...)
		}
	}
	return log
}
