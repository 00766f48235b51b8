package words

import (
	"fmt"

	"github.com/inquest-project/inquest/internal/ground/finding"
)

// traffic says what the captures held, and how far it can be relied upon.
func traffic(t *finding.Traffic) []string {
	shared := ""
	if t.Shared {
		shared = "other processes served the same ends; at most "
	}
	own := shared + fmt.Sprintf("%d of %d conversations were its own, with %d messages to it", t.Own, t.Conversations, t.Messages)
	if t.ClosedFIN+t.ClosedRST > 0 {
		own += fmt.Sprintf("; at the death %d closed with FIN, %d with RST", t.ClosedFIN, t.ClosedRST)
	}
	says := []string{own}
	if t.Strange {
		says = append(says, "nothing in the core is of any of them, no message and no address: these captures may be another process's, or of another time")
	}
	if t.TLS != nil {
		says = append(says, opened(t.TLS))
	}
	if w := t.Window; w != nil {
		says = append(says, fmt.Sprintf("the captures are too large to be weighed as a whole: read were %s to %s UTC, around the death",
			w.From.Format(clockTime), w.To.Format(clockTime)))
	}
	if t.Dropped > 0 {
		says = append(says, fmt.Sprintf("the captures lost %d of %d packets: by that share silence says less, and the killer may be among them", t.Dropped, t.Dropped+uint64(t.Packets)))
	}
	if t.Forgotten > 0 {
		says = append(says, fmt.Sprintf("%d conversations were left out, those quiet longest, since there were too many", t.Forgotten))
	}
	return says
}

func opened(t *finding.TLS) string {
	says := fmt.Sprintf("%d of its conversations were TLS", t.Connections)
	switch {
	case t.FromCore+t.FromLog == 0:
		return says + "; nothing opens them"
	case t.FromLog == 0:
		return says + fmt.Sprintf("; %d are opened with keys that the process still had in memory", t.FromCore)
	case t.FromCore == 0:
		return says + fmt.Sprintf("; %d are opened with the key log", t.FromLog)
	}
	return says + fmt.Sprintf("; %d are opened with the key log, %d with keys that the process still had in memory", t.FromLog, t.FromCore)
}
