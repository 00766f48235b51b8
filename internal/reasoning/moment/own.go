package moment

import (
	"net/netip"
	"slices"

	"github.com/inquest-project/inquest/internal/reading/conversation"
)

// own sorts out which conversations the dead process had: those of the services that fell with it,
// and those that it opened itself.
func (m *Moment) own(process Process, traffic *conversation.Traffic, services []*service, b *burst) {
	fell := services
	if len(process.Servers) == 0 {
		fell = m.fallen(services, b)
	}
	m.Siblings = b != nil && b.siblings
	served := map[*conversation.Conversation]bool{}
	hosts := map[netip.Addr]bool{} // that it served at
	for _, s := range fell {
		if !slices.Contains(m.Servers, s.name) {
			m.Servers = append(m.Servers, s.name)
		}
		for _, d := range s.dialogs {
			served[d.conversation] = true
			hosts[d.host()] = true
			m.take(d, b, false)
		}
	}
	var calls []*dialog
	peers := map[netip.AddrPort]bool{} // that it called
	for _, c := range traffic.Conversations {
		if served[c] || c.Refused {
			continue
		}
		d := view(c, conversation.Opener)
		calls = append(calls, d)
		if called(process, d, hosts, b) {
			peers[d.peer()] = true
		}
	}
	for _, d := range calls {
		if called(process, d, hosts, b) || peers[d.peer()] && d.closedWith(b) && hosts[d.host()] {
			m.take(d, b, true)
		}
	}
}

// closedWith says whether a side closed by itself in a burst: one of several connections to the same peer, as pools hold them.
func (d *dialog) closedWith(b *burst) bool {
	return d.closing != nil && !d.reaction && b.covers(d.closing.Time)
}

// host is where a side is.
func (d *dialog) host() netip.Addr { return d.conversation.Ends[d.side].Addr() }

// peer is the other end.
func (d *dialog) peer() netip.AddrPort { return d.conversation.Ends[d.side.Other()] }

// fallen are the services that went down in the burst, or those that the user told. Without a burst it is the one that most
// messages were left unheard by after the death, or failing that the busiest.
func (m *Moment) fallen(services []*service, b *burst) []*service {
	if b != nil {
		fell := []*service{b.service}
		for _, s := range services {
			if s != b.service && fellWith(s, b) {
				fell = append(fell, s)
			}
		}
		return fell
	}
	if len(services) == 0 {
		return nil
	}
	best, most := services[0], 0
	if !m.Latest.IsZero() {
		for _, s := range services {
			if n := s.unheard(m.Latest); n > most {
				best, most = s, n
			}
		}
	}
	return []*service{best}
}

func fellWith(s *service, b *burst) bool {
	if s.lastSent.After(b.end) && !b.end.IsZero() {
		return false
	}
	if s.name == b.service.name {
		return true // one daemon, on both transports
	}
	return slices.ContainsFunc(s.dialogs, func(d *dialog) bool {
		return d.closedWith(b)
	})
}

// called says whether the dead process was the caller in a conversation: its socket closed in the
// burst, or it fell silent and the core's memory names the peer, or, without a core, the caller's
// address is the daemon's host.
func called(process Process, d *dialog, hosts map[netip.Addr]bool, b *burst) bool {
	peer := d.peer()
	if !peer.IsValid() || !hosts[d.host()] {
		return false
	}
	if b != nil && !b.end.IsZero() && d.lastSent.After(b.end) {
		return false
	}
	if d.closing != nil && b.covers(d.closing.Time) && d.abrupt() {
		return true
	}
	return process.Names == nil || process.Names(peer)
}

// take adds a conversation that was there before the death.
func (m *Moment) take(d *dialog, b *burst, outbound bool) {
	c := d.conversation
	if !m.Latest.IsZero() && c.Start.After(m.Latest) {
		return
	}
	own := Own{Conversation: c, Side: d.side, State: Open, Outbound: outbound}
	switch {
	case c.Transport == "udp":
		own.State = Datagrams
	case b == nil:
		if d.closing != nil && !m.Earliest.IsZero() && d.closing.Time.Before(m.Earliest) {
			own.State = Ended
		}
	case d.lastSent.After(b.end):
		own.State = Survived
	case d.closing != nil && b.covers(d.closing.Time):
		own.State, own.Close = ClosedFIN, d.closing
		if d.closing.RST {
			own.State = ClosedRST
		}
	case d.closing != nil && d.closing.Time.Before(b.livedUntil()), !d.peerReset.IsZero() && d.peerReset.Before(b.livedUntil()):
		own.State = Ended
	}
	m.Own = append(m.Own, own)
}
