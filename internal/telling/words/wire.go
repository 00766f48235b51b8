package words

import (
	"fmt"
	"strings"
	"time"

	"github.com/inquest-project/inquest/internal/ground/finding"
)

// FillWire fills the sentences of what captures say.
func FillWire(w *finding.Wire) {
	w.Says = wire(w)
	for i := range w.Conversations {
		w.Conversations[i].Ended = ended(&w.Conversations[i])
	}
}

// Inferred says where fields come from that are marked as inferred.
func Inferred(messages int) string {
	return fmt.Sprintf("No dissector knows this protocol: what is marked so is inferred from %s of this service.", counted(messages, "message", "messages"))
}

func wire(w *finding.Wire) string {
	says := counted(w.Packets, "packet", "packets")
	if w.First != nil {
		says += fmt.Sprintf(" from %s to %s UTC", w.First.UTC().Format(time.DateOnly+" "+clockTime), w.Last.UTC().Format(clockTime))
	}
	says += ", " + counted(len(w.Conversations), "conversation", "conversations")
	for _, left := range []struct {
		n    int
		says string
	}{
		{int(w.Dropped), "the capture lost %d packets"},
		{w.Duplicates, "%d packet(s) captured at a second place, which count once"},
		{w.Folded, "%d conversations were captured again with addresses translated, and count once"},
		{w.Forgotten, "%d conversations were left out, those quiet longest, since there were too many"},
		{w.ICMPErrors, "%d ICMP errors"},
	} {
		if left.n > 0 {
			says += "; " + fmt.Sprintf(left.says, left.n)
		}
	}
	if w.TLS != nil {
		says += fmt.Sprintf("; %d of %d TLS connections are opened", w.TLS.FromLog+w.TLS.FromCore, w.TLS.Connections)
	}
	return says
}

// ended says how a conversation ended.
func ended(c *finding.Conversation) string {
	switch {
	case c.Refused:
		return "refused: nobody listened"
	case c.Unreachable != nil:
		return "the " + c.Unreachable.From + "'s port was closed (ICMP)"
	case c.Transport == "udp":
		return ""
	case len(c.Closes) == 0:
		return "still open at the end of the capture"
	}
	var said []string
	seen := map[string]bool{}
	for _, closing := range c.Closes {
		if seen[closing.From] {
			continue // a RST after a FIN answers what came too late
		}
		seen[closing.From] = true
		did := closing.From + " closed (FIN)"
		if closing.RST {
			did = closing.From + " reset (RST)"
		}
		if closing.Unread > 0 {
			did += fmt.Sprintf(", %d bytes unacknowledged", closing.Unread)
		}
		said = append(said, did)
	}
	return strings.Join(said, ", then ")
}
