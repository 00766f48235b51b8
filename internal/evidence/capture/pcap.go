package capture

import (
	"encoding/binary"
	"fmt"

	"github.com/inquest-project/inquest/internal/ground/mapped"
)

// The pcap format: a 24-byte header, then records of a 16-byte header and the frame.
// https://ietf-opsawg-wg.github.io/draft-ietf-opsawg-pcap/draft-ietf-opsawg-pcap.html

const (
	pcapMicro        = 0xa1b2c3d4
	pcapMicroSwapped = 0xd4c3b2a1
	pcapNano         = 0xa1b23c4d
	pcapNanoSwapped  = 0x4d3cb2a1

	pcapHeader   = 24
	recordHeader = 16

	// maxFrame bounds a record's claimed length: libpcap's own bound for the largest snap length that
	// any link type has. What claims more is no record but damage.
	maxFrame = 1 << 20
)

func isPcap(head []byte) bool {
	_, _, ok := pcapForm(head)
	return ok && len(head) >= pcapHeader
}

// pcapForm tells a pcap file's byte order and how many nanoseconds a fraction counts.
func pcapForm(head []byte) (order binary.ByteOrder, fraction int64, ok bool) {
	if order = byteOrder(head, pcapMicro, pcapMicroSwapped); order != nil {
		return order, 1000, true
	}
	if order = byteOrder(head, pcapNano, pcapNanoSwapped); order != nil {
		return order, 1, true
	}
	return nil, 0, false
}

func (f *File) walkPcap(yield func(record) bool) {
	order, fraction, _ := pcapForm(f.data)
	link := LinkType(order.Uint32(f.data[20:]) & 0xffff) // the upper half tells frame check sequences
	f.Interfaces = []Interface{{Link: link}}
	for off := pcapHeader; off < len(f.data); {
		rest := f.data[off:]
		if len(rest) < recordHeader {
			f.damaged(off, fmt.Sprintf("expected a record's header of %d bytes, found %d: the file is cut short", recordHeader, len(rest)))
			return
		}
		captured, wire := order.Uint32(rest[8:]), order.Uint32(rest[12:])
		if captured > maxFrame {
			f.damaged(off, fmt.Sprintf("expected a frame of at most %d bytes, found a length of %d", maxFrame, captured))
			return
		}
		frame := rest[recordHeader:]
		if int(captured) > len(frame) {
			f.damaged(off, fmt.Sprintf("expected a frame of %d bytes, found %d: the file is cut short", captured, len(frame)))
		}
		frame = frame[:min(int(captured), len(frame))]
		f.expect(off + recordHeader + len(frame))
		nanos := int64(order.Uint32(rest))*1e9 + int64(order.Uint32(rest[4:]))*fraction
		if !yield(record{link: link, nanos: nanos, data: frame, wire: max(int(wire), len(frame)), at: off}) {
			return
		}
		off += recordHeader + len(frame)
	}
}

// expect tells the processor where the next record begins: to wait for its header and those in the frame would take as long
// as to read them.
func (f *File) expect(next int) {
	const cacheLine = 64
	if next+cacheLine < len(f.data) {
		mapped.Prefetch(&f.data[next])
		mapped.Prefetch(&f.data[next+cacheLine])
	}
}
