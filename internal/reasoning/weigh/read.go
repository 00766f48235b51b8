package weigh

import (
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reasoning/moment"
)

const (
	anothers     = "another process's"
	unread       = "unread"
	closedBefore = "closed before"
)

var readLevels = []string{
	anothers, unread, "reset by habit", closedBefore, "read and gone on", "not seen", "perhaps half read", "read",
}

// observeRead tells what the kernel said of the dead process's reading: it closes a socket with FIN
// when the process had read all its input and with RST when at least the last byte was unread (Linux,
// tcp_close: "data was not read by the application"; RFC 2525, section 2.17). So RST acquits a message
// of which no byte can have been read. Not one that came in several segments: of that the beginning may
// have killed. And not where the daemon closes with RST by habit (SO_LINGER 0).
func observeRead(c *Case) []finding.Observation {
	if c.fromMemory() {
		return nil
	}
	lingers := lingersZero(c)
	observations := make([]finding.Observation, len(c.Candidates))
	for i, candidate := range c.Candidates {
		o := finding.Observation{Level: readLevel(candidate, lingers)}
		if candidate.Own.Close != nil && candidate.Last() {
			o.RestsOn = []string{frameRef(int(candidate.Own.Close.Frame))}
		}
		observations[i] = o
	}
	return observations
}

func readLevel(c *Candidate, lingers bool) string {
	switch state := c.Own.State; {
	case state == moment.Survived:
		return anothers
	case state == moment.Datagrams:
		return ""
	case state == moment.Ended:
		return closedBefore
	case !c.Last():
		return "read and gone on"
	case state == moment.ClosedFIN:
		return "read"
	case state == moment.ClosedRST && lingers:
		return "reset by habit"
	case state == moment.ClosedRST && (c.Cut || len(c.Carrier.Segments) > 1):
		return "perhaps half read"
	case state == moment.ClosedRST:
		return unread
	}
	return "not seen"
}

// lingersZero says whether this daemon's ordinary closes, before the death, are resets although all had
// been answered.
func lingersZero(c *Case) bool {
	resets, closes := 0, 0
	for _, candidate := range c.Candidates {
		if candidate.Message == nil || candidate.Own.State != moment.Ended || !candidate.Last() || candidate.Message.Answered.IsZero() {
			continue
		}
		for _, closing := range candidate.Message.Conversation.Closes {
			if closing.Side == candidate.Own.Side {
				closes++
				if closing.RST {
					resets++
				}
				break
			}
		}
	}
	return closes >= 4 && resets*4 > closes
}
