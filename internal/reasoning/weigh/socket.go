package weigh

import (
	"encoding/binary"
	"maps"
	"net/netip"
	"regexp"
	"runtime"
	"sync"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/conversation"
	"github.com/inquest-project/inquest/internal/reading/image"
	"github.com/inquest-project/inquest/internal/reading/reach"
)

var socketLevels = []string{"not held", "two hops", "one hop", "its title"}

// observeSocket tells whether the address of a message's sender stands within reach of the dying
// thread, as a socket address: many daemons keep the peer's beside the connection.
func observeSocket(c *Case) []finding.Observation {
	if c.Image == nil || c.Held == nil || c.fromMemory() {
		return nil
	}
	near := peersWithin(c.Held.Windows(c.Image))
	titled := c.titled()
	if len(near)+len(titled) == 0 {
		return nil
	}
	conversations := map[*conversation.Conversation]bool{}
	observations := make([]finding.Observation, len(c.Candidates))
	for i, candidate := range c.Candidates {
		observations[i].Level = "not held"
		if titled[candidate.peer()] {
			conversations[candidate.Message.Conversation] = true
			observations[i] = finding.Observation{Level: "its title", Facts: map[string]string{"peer": candidate.peer().String()}}
		} else if s, ok := near[candidate.peer()]; ok {
			conversations[candidate.Message.Conversation] = true
			observations[i] = finding.Observation{
				Level:   [...]string{"one hop", "one hop", "two hops"}[s.Hops],
				RestsOn: []string{s.To.String()},
				Facts:   map[string]string{"path": c.Held.Path(s.Pointer), "peer": candidate.peer().String()},
			}
		}
	}
	if n := len(conversations); n == 0 || n > socketsMost {
		return nil // it keeps no addresses there, or a table of them
	}
	return observations
}

// titled are the peers that the process named in its own title, as one that serves a single client may: "postgres: app shop
// 192.0.2.7(41234) UPDATE".
func (c *Case) titled() map[netip.AddrPort]bool {
	peers := map[netip.AddrPort]bool{}
	for _, m := range addressInTitle.FindAllStringSubmatch(c.Image.Core.Process.Arguments, -1) {
		peer, err := netip.ParseAddrPort(m[1] + ":" + m[2])
		if err != nil {
			peer, err = netip.ParseAddrPort("[" + m[1] + "]:" + m[2])
		}
		if err == nil {
			peers[netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())] = true
		}
	}
	return peers
}

// addressInTitle is an address and its port, with any of the signs between them that people write.
var addressInTitle = regexp.MustCompile(`\[?([0-9a-fA-F.:]*[0-9a-fA-F])\]?(?:\(|:|\.|#| port )([0-9]{1,5})\b`)

// socketsMost is how many conversations' addresses within reach still single one out.
const socketsMost = 3

// seen is a socket address in memory and the pointer by which it was come to.
type seen struct {
	reach.Pointer
	To place.Address
}

// peersWithin collects the socket addresses in windows of memory, each with its nearest place.
func peersWithin(windows []reach.Window) map[netip.AddrPort]seen {
	near := map[netip.AddrPort]seen{}
	for _, w := range windows {
		for off := int(-w.To & (sockaddrAlignment - 1)); off+8 <= len(w.Data); off += sockaddrAlignment {
			if addr, ok := socketAddress(w.Data[off:]); ok {
				if known, ok := near[addr]; !ok || w.Hops < known.Hops {
					near[addr] = seen{w.Pointer, w.Pointer.To + place.Address(off)}
				}
			}
		}
	}
	return near
}

// sockaddrAlignment is that of a struct sockaddr's members.
const sockaddrAlignment = 4

// Linux's address families, in a sockaddr's first two bytes in host byte order.
const (
	familyIPv4 = 2
	familyIPv6 = 10
)

// socketAddress reads a struct sockaddr_in or sockaddr_in6: family, port and address in network byte
// order (Linux, include/uapi/linux/in.h and in6.h). The kernel fills an IPv4 one with eight zeros. Text is read as an IPv6 one easily; so it must be an
// address that somebody can have, with the flow information that nobody uses.
func socketAddress(b []byte) (netip.AddrPort, bool) {
	switch family := binary.LittleEndian.Uint16(b); {
	case family == familyIPv4 && len(b) >= 16 && binary.LittleEndian.Uint64(b[8:]) == 0:
		addr := netip.AddrFrom4([4]byte(b[4:8]))
		port := binary.BigEndian.Uint16(b[2:])
		const multicast = 224 // and everything above is nobody's address
		return netip.AddrPortFrom(addr, port), port != 0 && b[4] != 0 && b[4] < multicast
	case family == familyIPv6 && len(b) >= 24:
		addr := netip.AddrFrom16([16]byte(b[8:24])).Unmap()
		port := binary.BigEndian.Uint16(b[2:])
		known := addr.Is4() || addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast() || b[8]>>5 == 1
		return netip.AddrPortFrom(addr, port), port != 0 && known && binary.LittleEndian.Uint32(b[4:]) == 0
	}
	return netip.AddrPort{}, false
}

// SocketAddresses are all the socket addresses that a process's own writable memory holds. What it shares with
// others may name their peers.
func SocketAddresses(im *image.Image) map[netip.AddrPort]bool {
	pieces := piecesOf(im)
	found := make([]map[netip.AddrPort]bool, runtime.GOMAXPROCS(0))
	var searchers sync.WaitGroup
	for i := range found {
		found[i] = map[netip.AddrPort]bool{}
		searchers.Go(func() {
			for p := range pieces {
				if !p.region.Other {
					p.socketAddresses(found[i])
				}
			}
		})
	}
	searchers.Wait()
	for _, more := range found[1:] {
		maps.Copy(found[0], more)
	}
	return found[0]
}

// socketAddresses adds those that begin in a piece.
func (p piece) socketAddresses(all map[netip.AddrPort]bool) {
	memory := p.region.Data
	for off := p.at; off < p.at+pieceSize && off+8 <= len(memory); off += sockaddrAlignment {
		if family := binary.LittleEndian.Uint16(memory[off:]); family != familyIPv4 && family != familyIPv6 {
			continue // nearly everywhere
		}
		if addr, ok := socketAddress(memory[off:]); ok {
			all[addr] = true
		}
	}
}
