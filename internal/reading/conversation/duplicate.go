package conversation

import (
	"encoding/binary"
	"hash/maphash"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/capture"
)

// A packet that goes through several interfaces of a host is captured at each of them (`tcpdump -i any`), and by each of
// several captures that ran at once. It was said once.

// duplicates knows the packets of the last moments.
type duplicates struct {
	seed        maphash.Seed
	recent, old map[uint64]sighting
	turned      time.Time // when recent was begun
}

// sighting is when and where a packet was seen first.
type sighting struct {
	at    time.Time
	file  int32
	place uint32
}

const (
	// onItsWay is how long a packet may take through a host.
	onItsWay = 20 * time.Millisecond

	// mostRecent bounds what is remembered.
	mostRecent = 1 << 16
)

func newDuplicates() *duplicates {
	return &duplicates{seed: maphash.MakeSeed(), recent: map[uint64]sighting{}, old: map[uint64]sighting{}}
}

// has says whether a packet was seen before, a moment ago. Where neither its place nor a number of its own tells it from
// one that was said again, it was not.
func (d *duplicates) has(k key, swapped bool, p *capture.Packet, at Event) bool {
	if len(d.recent) >= mostRecent || p.Time.Sub(d.turned) > onItsWay {
		d.old, d.recent, d.turned = d.recent, map[uint64]sighting{}, p.Time
	}
	sum := d.sum(k, swapped, p)
	first, seen := d.recent[sum]
	if !seen {
		first, seen = d.old[sum]
	}
	if !seen || p.Time.Sub(first.at).Abs() > onItsWay {
		d.recent[sum] = sighting{p.Time, at.File, p.Place}
		return false
	}
	again := p.Protocol == capture.TCP && p.Flags&capture.RST != 0 // each packet to a port that is closed has one of its own
	return p.ID != 0 || p.Protocol == capture.TCP && !again || first.file != at.File || first.place != p.Place
}

// sum is of all that stays as it is on the way.
func (d *duplicates) sum(k key, swapped bool, p *capture.Packet) uint64 {
	var h maphash.Hash
	h.SetSeed(d.seed)
	h.Write(k.a[:])
	h.Write(k.b[:])
	b := make([]byte, 0, 32)
	b = binary.BigEndian.AppendUint16(b, k.portA)
	b = binary.BigEndian.AppendUint16(b, k.portB)
	b = append(b, uint8(k.protocol), byte(p.Flags))
	b = binary.BigEndian.AppendUint32(b, p.Seq)
	b = binary.BigEndian.AppendUint32(b, p.Ack)
	b = binary.BigEndian.AppendUint16(b, p.ID)
	b = binary.BigEndian.AppendUint16(b, p.Window)
	b = binary.BigEndian.AppendUint32(b, uint32(p.Length))
	if swapped {
		b = append(b, 1)
	}
	h.Write(b)
	if p.Protocol == capture.UDP {
		h.Write(p.Payload)
	}
	return h.Sum64()
}
