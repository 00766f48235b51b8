package weigh

import (
	"bytes"
	"net/netip"
	"slices"
	"unicode/utf8"

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
// stretches of text, and bytes that a dissector knows, within reach of its registers and stack. The nearest
// come first.
func (c *Case) FromMemory() {
	if c.Held == nil {
		return
	}
	regions := c.Image.Writable()
	taken := map[place.Address]bool{}
	sender := nearestPeer(c.Held.Windows(c.Image))
	said := map[string]bool{}
	for _, p := range c.Held.Ways() {
		if len(c.Candidates) >= heldLimit {
			break
		}
		start, data := messageAround(regions, p.To)
		if len(data) == 0 || taken[start] || said[string(data)] || c.isSurroundings(start, data) {
			continue
		}
		taken[start], said[string(data)] = true, true
		c.Candidates = append(c.Candidates, &Candidate{
			Data:       data,
			Dissection: dissect.Message(data, dissect.Hint{}),
			Memory:     &Found{Extent: whole, Exact: true, Address: start, Length: len(data), Pointer: &p, Path: c.Held.Path(p)},
			Peer:       sender,
		})
	}
}

// isSurroundings says whether text is what the process was started with, and nobody's input: arguments and
// environment, which the kernel puts above the first frame of the stack together with the program's name
// (AT_EXECFN, getauxval(3)), or the path of a file that it has mapped.
func (c *Case) isSurroundings(at place.Address, data []byte) bool {
	const atExecFn = 31
	name := place.Address(c.Image.Core.Auxv[atExecFn])
	regions := c.Image.Writable()
	if started := image.RegionAt(regions, name); started != nil && started == image.RegionAt(regions, at) && at >= c.Held.StackEnd {
		return at > name-heldMost
	}
	return slices.ContainsFunc(c.Image.Modules, func(m *image.Module) bool { return m.Path == string(data) })
}

// messageAround is what looks like a message at an address: bytes of a protocol that begin there or shortly
// before, or the stretch of text in which it lies.
func messageAround(regions []image.Region, a place.Address) (place.Address, []byte) {
	const headerMost = 16 // what stands before the part that a parser has come to
	region := image.RegionAt(regions, a)
	if region == nil {
		return 0, nil
	}
	at := int(a - region.Start)
	for back := 0; back <= min(headerMost, at); back++ {
		ahead := region.Data[at-back : min(len(region.Data), at+heldMost)]
		if n := dissect.Framed(ahead); n > back {
			return a - place.Address(back), ahead[:n]
		}
	}
	first, last := stretch(region.Data, at, isText)
	if !utf8.Valid(region.Data[first:last]) {
		first, last = stretch(region.Data, at, isASCII)
	}
	if last-first < heldShortest {
		return 0, nil
	}
	return region.Start + place.Address(first), region.Data[first:last]
}

// stretch is the range around a position in which all bytes are of a kind.
func stretch(data []byte, at int, kind func(byte) bool) (first, last int) {
	first, last = at, at
	for first > 0 && at-first < heldMost && kind(data[first-1]) {
		first--
	}
	for last < len(data) && last-at < heldMost && kind(data[last]) {
		last++
	}
	return first, last
}

func isASCII(b byte) bool { return b >= ' ' && b <= '~' || b == '\n' || b == '\r' || b == '\t' }

func isText(b byte) bool { return isASCII(b) || b >= 0x80 }

// nearestPeer is the one socket address of fewest hops, if there is only one at that distance that can
// be a client's. What lies more than one hop off may be another connection's.
func nearestPeer(windows []reach.Window) netip.AddrPort {
	const ephemeral, furthest = 1024, 1 // ports from the first on are a caller's
	var nearest netip.AddrPort
	hops, ambiguous := furthest+1, false
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

var formLevels = []string{"a word", "text", "lines", "a protocol's"}

// observeForm tells how much a stretch of memory looks like a message. It speaks only where there is no
// capture: what came over the wire needs no look.
func observeForm(c *Case) []finding.Observation {
	return observeHeld(c, func(_ int, candidate *Candidate) finding.Observation {
		level := "text"
		switch p := candidate.Dissection.Protocol; {
		case p != "text" && p != "binary":
			level = "a protocol's"
		case bytes.ContainsAny(candidate.Data, "\r\n"):
			level = "lines"
		case !bytes.ContainsAny(candidate.Data, " \t,;:=&?|"):
			level = "a word"
		}
		return finding.Observation{Level: level, Facts: map[string]string{"protocol": candidate.Dissection.Protocol}}
	})
}

var nearLevels = []string{"further away", "among the 10 nearest", "among the 3 nearest", "the nearest"}

// observeNear tells how near the dying thread had it, among all that it had: by what the innermost registers
// and stack words lead to.
func observeNear(c *Case) []finding.Observation {
	return observeHeld(c, func(i int, candidate *Candidate) finding.Observation {
		level := "further away"
		switch {
		case i == 0:
			level = "the nearest"
		case i < 3:
			level = "among the 3 nearest"
		case i < 10:
			level = "among the 10 nearest"
		}
		return finding.Observation{
			Level:   level,
			RestsOn: []string{candidate.Memory.Address.String()},
			Facts:   map[string]string{"path": candidate.Memory.Path},
		}
	})
}

// observeHeld observes what was found in memory alone; nothing where the candidates are a capture's.
func observeHeld(c *Case, observe func(i int, candidate *Candidate) finding.Observation) []finding.Observation {
	observations := make([]finding.Observation, len(c.Candidates))
	for i, candidate := range c.Candidates {
		if candidate.Message != nil {
			return nil
		}
		observations[i] = observe(i, candidate)
	}
	return observations
}
