// Package moment finds when a process died, by which clock, and which of the captured conversations
// were its own.
//
// No single clock tells. The audit record is stamped at the start of dumping by the kernel's coarse
// clock; the capture shows the process's last words and, later, the burst of FIN and RST by which the
// kernel closes its sockets once the core is written. The death lies between the last words and the
// first close of the burst, and near the record. Where record and burst disagree by more than either
// can be wrong, the host's clock and the capture's differ, and the capture's is kept.
//
// Judge is the whole story.
package moment

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/logs"
	"github.com/inquest-project/inquest/internal/reading/conversation"
)

// The record's coarse clock: measured at HZ=250 the record precedes the killing packet by up to 6 ms;
// at HZ=100 a tick is 10 ms. The capture's own stamps are exact.
const (
	recordEarly = 7 * time.Millisecond
	recordLate  = 14 * time.Millisecond

	// quickDump is how long after the record the sockets of most processes are closed.
	quickDump = time.Second
)

// Process is what is known of the dead process from elsewhere than the wire.
type Process struct {
	PID        int
	Command    string
	Executable string                    // path, or its base name
	Signal     int                       // 0 if unknown
	Servers    []netip.AddrPort          // its listening ends, where the user tells them; they overrule what the traffic tells
	Names      func(netip.AddrPort) bool // whether the core's memory holds this socket address; nil without a core
}

// Moment is when, and whose conversations.
type Moment struct {
	Earliest, Latest time.Time // zero if unknown; by the capture's clock where there is a capture
	LastWords        time.Time // the last that the dead process sent; zero if the capture doesn't tell
	Clock            string    // "capture", "audit", "kernel"
	RestsOn          []string
	Offset           *time.Duration // host's clock minus capture's, where both tell and differ
	Record           *logs.Record   // the log record of this death
	Servers          []string       // the daemon's listening ends
	Own              []Own
	Siblings         bool // other processes served the same ends and lived on
	Named            bool // the core's memory holds an end of one of its own
}

// State is how a conversation stood at the death, seen from the dead process.
type State string

// The states.
const (
	ClosedFIN State = "fin"       // closed by the death, all input read
	ClosedRST State = "rst"       // closed by the death, at least the last byte unread
	Ended     State = "ended"     // over before the death
	Open      State = "open"      // nothing shows how it ended
	Survived  State = "survived"  // its server spoke after the death: another process's
	Datagrams State = "datagrams" // UDP, which nothing closes
)

// Own is a conversation that may have been the dead process's.
type Own struct {
	Conversation *conversation.Conversation
	Side         conversation.Side // the dead process's
	State        State
	Close        *conversation.Close // by the dead process's side, at the death
	Outbound     bool                // the dead process opened it
}

// Judge finds the moment. Traffic may be nil.
func Judge(process Process, traffic *conversation.Traffic, records []logs.Record) Moment {
	m := Moment{Record: matchingRecord(process, records)}
	m.fromRecord()
	if traffic == nil || len(traffic.Conversations) == 0 {
		return m
	}
	services := findServices(traffic)
	if len(process.Servers) > 0 {
		services = slices.DeleteFunc(services, func(s *service) bool { return !s.isOne(process.Servers) })
	}
	b := findBurst(services, m.Record, process.Names)
	m.fromBurst(b)
	m.own(process, traffic, services, b)
	m.Named = process.Names != nil && slices.ContainsFunc(m.Own, func(own Own) bool {
		return process.Names(own.Conversation.Ends[conversation.Opener]) || process.Names(own.Conversation.Ends[conversation.Responder])
	})
	return m
}

// fromRecord takes the interval from the log alone.
func (m *Moment) fromRecord() {
	if m.Record == nil || m.Record.Time.IsZero() {
		return
	}
	m.Earliest, m.Latest = m.Record.Time.Add(-early(m.Record)), m.Record.Time.Add(recordLate+m.Record.Resolution)
	m.Clock = string(m.Record.Kind)
	m.RestsOn = []string{m.Record.Source}
}

// early is how much earlier than its record a death may have been. A parent hears of it when all is over.
func early(record *logs.Record) time.Duration {
	if record.Kind == logs.Supervisor {
		return recordEarly + longestDump
	}
	return recordEarly
}

// fromBurst narrows the interval by what the capture shows.
func (m *Moment) fromBurst(b *burst) {
	if b == nil {
		return
	}
	m.LastWords = b.lastWords
	earliest, latest := b.lastWords, b.start
	if latest.IsZero() {
		latest = m.Latest // datagrams only, and no port was reported closed
	}
	rests := b.restsOn
	near := !m.Latest.IsZero() && m.Latest.After(maxTime(earliest, b.lastRead)) && m.Earliest.Before(latest)
	dumping := !near && m.Latest.After(b.lastRead) && !m.Latest.IsZero() && m.Latest.Before(latest) && latest.Sub(m.Latest) < quickDump
	switch {
	case dumping:
		// The service spoke on after the record, and its sockets closed soon after: others of its processes or threads went on
		// while the core was written, or the clocks differ by as little.
		earliest, rests = m.Earliest, append(m.RestsOn, rests...)
	case near:
		// Both clocks agree: the record says not later than its span, and the burst not later than its
		// first close, which a large core delays by seconds.
		earliest, latest = maxTime(earliest, m.Earliest), minTime(latest, m.Latest)
		rests = append(m.RestsOn, rests...)
	case m.Record != nil && !m.Record.Time.IsZero():
		if b.start.IsZero() {
			latest = b.deaf.Add(courtesy) // as long as it may have worked on the first that it didn't answer
		}
		offset := m.Record.Time.Sub(latest)
		m.Offset = &offset
		rests = append(m.RestsOn, rests...)
	}
	m.Earliest, m.Latest, m.Clock, m.RestsOn = earliest, latest, "capture", rests
}

// matchingRecord picks the record of this death: of this pid and program first, else of this program,
// else the last one. Pids are reused and a record's comm is a thread's name, so neither alone decides.
func matchingRecord(p Process, records []logs.Record) *logs.Record {
	var best *logs.Record
	bestScore := -1
	for i := range records {
		r := &records[i]
		score := 0
		sameFile := p.Executable != "" && r.Executable != "" && program(r.Executable) == program(p.Executable)
		if p.PID != 0 && (r.PID == p.PID || r.TID == p.PID) {
			score += 4
		}
		if sameFile {
			score += 3
		}
		if p.Command != "" && r.Command == p.Command {
			score += 2
		}
		if p.Signal != 0 && r.Signal == p.Signal {
			score++
		}
		if p.Executable != "" && r.Executable != "" && !sameFile && r.Command != p.Command {
			continue // another program's, by a pid that was used again
		}
		known := p.PID != 0 || p.Executable != "" || p.Command != ""
		if known && score < 2 {
			continue // another program's death
		}
		if score >= bestScore {
			best, bestScore = r, score
		}
	}
	return best
}

// program is the base name of an executable, which may have been replaced while it ran.
func program(executable string) string {
	return path.Base(strings.TrimSuffix(executable, " (deleted)"))
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func frameRef(n int) string { return fmt.Sprintf("frame %d", n) }
