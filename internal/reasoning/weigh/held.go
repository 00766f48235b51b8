package weigh

import (
	"net/netip"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/dissect"
	"github.com/inquest-project/inquest/internal/reading/image"
	"github.com/inquest-project/inquest/internal/reading/reach"
)

const (
	heldMost     = 64 << 10 // bytes of one message taken from memory
	heldShortest = 12       // bytes below which text is a name and no message
	heldLimit    = 400      // messages taken from memory, the nearest first
)

// FromMemory makes candidates of what the dying thread held, where no capture tells what it was sent:
// stretches of text, and bytes that a dissector knows, within reach of its registers and stack.
func (c *Case) FromMemory() {
	if c.Held == nil {
		return
	}
	regions := c.Image.Writable()
	taken := map[place.Address]bool{}
	sender := nearestPeer(c.Held.Windows(c.Image))
	for _, p := range c.Held.Pointers() {
		if len(c.Candidates) >= heldLimit {
			break
		}
		start, data := messageAround(regions, p.To)
		if len(data) == 0 || taken[start] {
			continue
		}
		taken[start] = true
		c.Candidates = append(c.Candidates, &Candidate{
			Data:       data,
			Dissection: dissect.Message(data, dissect.Hint{}),
			Memory:     &Found{Extent: whole, Address: start, Length: len(data), Pointer: &p, Path: c.Held.Path(p)},
			Peer:       sender,
		})
	}
}

// messageAround is what looks like a message at an address: bytes of a protocol that begin there, or the
// stretch of text in which it lies.
func messageAround(regions []image.Region, a place.Address) (place.Address, []byte) {
	region := image.RegionAt(regions, a)
	if region == nil {
		return 0, nil
	}
	at := int(a - region.Start)
	ahead := region.Data[at:min(len(region.Data), at+heldMost)]
	if n := dissect.Framed(ahead); n > 0 {
		return a, ahead[:n]
	}
	first, last := at, at
	for first > 0 && at-first < heldMost && isText(region.Data[first-1]) {
		first--
	}
	for last < len(region.Data) && last-at < heldMost && isText(region.Data[last]) {
		last++
	}
	if last-first < heldShortest {
		return 0, nil
	}
	return region.Start + place.Address(first), region.Data[first:last]
}

func isText(b byte) bool {
	return b >= 0x20 && b != 0x7f || b == '\n' || b == '\r' || b == '\t'
}

// nearestPeer is the one socket address of fewest hops, if there is only one at that distance that can
// be a client's.
func nearestPeer(windows []reach.Window) netip.AddrPort {
	const ephemeral = 1024 // ports from here on are a caller's
	var nearest netip.AddrPort
	hops, ambiguous := reach.MaxHops+1, false
	for addr, s := range peersWithin(windows) {
		switch {
		case addr.Port() < ephemeral:
		case s.Hops < hops:
			nearest, hops, ambiguous = addr, s.Hops, false
		case s.Hops == hops:
			ambiguous = true
		}
	}
	if ambiguous {
		return netip.AddrPort{}
	}
	return nearest
}

var formLevels = []string{"text", "long text", "a protocol's"}

// observeForm tells how much a stretch of memory looks like a message. It speaks only where there is no
// capture: what came over the wire needs no look.
func observeForm(c *Case) []finding.Observation {
	if len(c.Candidates) == 0 || c.Candidates[0].Message != nil {
		return nil
	}
	observations := make([]finding.Observation, len(c.Candidates))
	for i, candidate := range c.Candidates {
		level := "text"
		switch p := candidate.Dissection.Protocol; {
		case p != "text" && p != "binary":
			level = "a protocol's"
		case len(candidate.Data) >= 64:
			level = "long text"
		}
		observations[i] = finding.Observation{Level: level, Facts: map[string]string{"protocol": candidate.Dissection.Protocol}}
	}
	return observations
}
