package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// The pcapng format: blocks of type, length, body and length again, in sections that each have their
// own byte order and interfaces.
// https://ietf-opsawg-wg.github.io/draft-ietf-opsawg-pcapng/draft-ietf-opsawg-pcapng.html

const (
	blockSection    = 0x0a0d0d0a // reads the same in both byte orders
	blockInterface  = 1
	blockPacket     = 2 // obsolete, still met
	blockSimple     = 3
	blockStatistics = 5
	blockEnhanced   = 6
	blockSecrets    = 10

	secretsTLS = 0x544c534b // a key log as NSS writes it

	sectionMagic        = 0x1a2b3c4d
	sectionMagicSwapped = 0x4d3c2b1a

	optionEnd        = 0
	optionIfName     = 2
	optionResolution = 9
	optionOffset     = 14
	optionIfDrop     = 5
	optionOSDrop     = 7

	// maxBlock bounds a block's claimed length; secrets and name blocks are larger than frames.
	maxBlock = 1 << 28
)

// clock turns an interface's time stamps into nanoseconds. The zero value counts microseconds.
type clock struct {
	known      bool
	resolution uint8 // if_tsresol: a negative power of 10, or of 2 with the top bit set
	seconds    int64 // if_tsoffset
}

func isPcapng(head []byte) bool {
	return len(head) >= 12 && binary.BigEndian.Uint32(head) == blockSection &&
		byteOrder(head[8:], sectionMagic, sectionMagicSwapped) != nil
}

// nanos converts a time stamp to nanoseconds since 1970. Products are taken in 128 bits: with 2^-60 s
// resolution the plain product would wrap.
func (c clock) nanos(stamp uint64) int64 {
	unit := uint64(1_000_000)
	if c.known && c.resolution&0x80 != 0 {
		unit = 1 << min(c.resolution&0x7f, 63)
	} else if c.known {
		unit = 1
		for range min(c.resolution, 19) {
			unit *= 10
		}
	}
	hi, lo := bits.Mul64(stamp%unit, 1e9)
	fraction, _ := bits.Div64(hi, lo, unit)
	return int64(stamp/unit)*1e9 + int64(fraction) + c.seconds*1e9
}

// ngSection is what the blocks of one section share.
type ngSection struct {
	order      binary.ByteOrder
	interfaces []Interface
	drops      map[uint32]uint64 // by interface: statistics blocks count from the capture's start
	snap       uint32            // of the first interface, for simple packets
}

func (f *File) walkPcapng(yield func(record) bool) {
	var s *ngSection
	for off := 0; off < len(f.data); {
		rest := f.data[off:]
		if len(rest) >= 12 && binary.BigEndian.Uint32(rest) == blockSection {
			order := byteOrder(rest[8:], sectionMagic, sectionMagicSwapped)
			if order == nil {
				f.damaged(off+8, "expected a section's byte order mark 1a2b3c4d, found "+leading(rest[8:12]))
				return
			}
			f.endSection(s)
			s = &ngSection{order: order, drops: map[uint32]uint64{}}
		}
		if len(rest) < 12 {
			f.damaged(off, fmt.Sprintf("expected a block of at least 12 bytes, found %d: the file is cut short", len(rest)))
			break
		}
		length := s.order.Uint32(rest[4:])
		if length < 12 || length > maxBlock {
			f.damaged(off+4, fmt.Sprintf("expected a block's length of 12 to %d bytes, found %d", maxBlock, length))
			break
		}
		body := rest[8:]
		if uint64(length) > uint64(len(rest)) {
			f.damaged(off, fmt.Sprintf("expected a block of %d bytes, found %d: the file is cut short", length, len(rest)))
		} else {
			body = rest[8 : length-4]
		}
		if r, ok := f.block(s, s.order.Uint32(rest), body, off); ok && !yield(r.from(off)) {
			return
		}
		off += (int(length) + 3) &^ 3 // lengths are multiples of 4; writers that forget round the block all the same
	}
	f.endSection(s)
}

func (r record) from(offset int) record {
	r.at = offset
	return r
}

// endSection adds up what a section's interfaces dropped.
func (f *File) endSection(s *ngSection) {
	if s == nil {
		return
	}
	for _, n := range s.drops {
		f.Dropped += n
	}
}

// block reads one block's body; a packet's record comes back, all else is noted.
func (f *File) block(s *ngSection, kind uint32, body []byte, off int) (record, bool) {
	switch kind {
	case blockInterface:
		f.newInterface(s, body)
	case blockStatistics:
		s.statistics(body)
	case blockEnhanced:
		if len(body) >= 20 {
			return f.packet(s, s.order.Uint32(body), body[4:], off)
		}
		f.damaged(off, fmt.Sprintf("expected a packet block's header of 20 bytes, found %d", len(body)))
	case blockPacket:
		if len(body) >= 20 {
			return f.packet(s, uint32(s.order.Uint16(body)), body[4:], off)
		}
		f.damaged(off, fmt.Sprintf("expected a packet block's header of 20 bytes, found %d", len(body)))
	case blockSimple:
		return f.simplePacket(s, body, off)
	case blockSecrets:
		f.secrets(s, body, off)
	}
	return record{}, false
}

// packet reads what enhanced and obsolete packet blocks have in common: time stamp, lengths, frame.
func (f *File) packet(s *ngSection, iface uint32, b []byte, off int) (record, bool) {
	if uint64(iface) >= uint64(len(s.interfaces)) {
		f.damaged(off, fmt.Sprintf("expected one of %d interfaces, found a packet of number %d", len(s.interfaces), iface))
		return record{link: linkUnknown}, true // still a frame: the numbers after it must stay right
	}
	in := s.interfaces[iface]
	stamp := uint64(s.order.Uint32(b))<<32 | uint64(s.order.Uint32(b[4:]))
	captured, wire := s.order.Uint32(b[8:]), s.order.Uint32(b[12:])
	frame := b[16:]
	frame = frame[:min(uint64(captured), uint64(len(frame)))]
	return record{link: in.Link, nanos: in.nanos(stamp), data: frame, wire: max(int(wire), len(frame)), iface: iface}, true
}

// simplePacket reads a block that has neither time stamp nor interface: it is of the first one, and is
// as long as the snap length allows.
func (f *File) simplePacket(s *ngSection, body []byte, off int) (record, bool) {
	if len(body) < 4 || len(s.interfaces) == 0 {
		f.damaged(off, "expected a simple packet block after an interface, found none")
		return record{link: linkUnknown}, true
	}
	wire := s.order.Uint32(body)
	captured := wire
	if s.snap > 0 {
		captured = min(wire, s.snap)
	}
	frame := body[4:]
	frame = frame[:min(uint64(captured), uint64(len(frame)))]
	return record{link: s.interfaces[0].Link, data: frame, wire: max(int(wire), len(frame))}, true
}

// secrets keeps the key log of a decryption secrets block; other kinds (WireGuard, ZigBee) open nothing here.
func (f *File) secrets(s *ngSection, body []byte, off int) {
	if len(body) < 8 {
		f.damaged(off, fmt.Sprintf("expected a secrets block's header of 8 bytes, found %d", len(body)))
		return
	}
	length, log := s.order.Uint32(body[4:]), body[8:]
	if uint64(length) > uint64(len(log)) {
		f.damaged(off+12, fmt.Sprintf("expected %d bytes of secrets, found %d", length, len(log)))
	}
	if s.order.Uint32(body) == secretsTLS {
		f.Secrets = append(f.Secrets, log[:min(uint64(length), uint64(len(log)))])
	}
}

func (f *File) newInterface(s *ngSection, body []byte) {
	in := Interface{Link: linkUnknown}
	if len(body) >= 8 {
		in.Link = LinkType(s.order.Uint16(body))
		if len(s.interfaces) == 0 {
			s.snap = s.order.Uint32(body[4:])
		}
		s.options(body[8:], func(code uint16, value []byte) {
			switch {
			case code == optionIfName:
				in.Name = string(bytes.TrimRight(value, "\x00"))
			case code == optionResolution && len(value) >= 1:
				in.known, in.resolution = true, value[0]
			case code == optionOffset && len(value) >= 8:
				in.seconds = int64(s.order.Uint64(value))
			}
		})
	}
	s.interfaces = append(s.interfaces, in)
	f.Interfaces = append(f.Interfaces, in)
}

// statistics keeps an interface's last count of dropped packets: by the interface and by the system.
func (s *ngSection) statistics(body []byte) {
	if len(body) < 12 {
		return
	}
	var drops uint64
	s.options(body[12:], func(code uint16, value []byte) {
		if (code == optionIfDrop || code == optionOSDrop) && len(value) >= 8 {
			drops += s.order.Uint64(value)
		}
	})
	s.drops[s.order.Uint32(body)] = drops
}

// options walks over a block's options; values are padded to multiples of 4 bytes.
func (s *ngSection) options(b []byte, each func(code uint16, value []byte)) {
	for len(b) >= 4 {
		code, n := s.order.Uint16(b), int(s.order.Uint16(b[2:]))
		b = b[4:]
		if code == optionEnd || n > len(b) {
			return
		}
		each(code, b[:n])
		b = b[min((n+3)&^3, len(b)):]
	}
}
