package conversation

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
)

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

// What happens to the packets of a nasty capture: link headers, tunnels, fragments, cuts, files.

// each changes each packet.
func each(change func(b []byte) []byte) func([]packetBytes) []packetBytes {
	return func(list []packetBytes) []packetBytes {
		for i := range list {
			list[i].data = change(list[i].data)
			list[i].wire = len(list[i].data)
		}
		return list
	}
}

// before puts a header before each packet.
func before(header ...byte) func([]packetBytes) []packetBytes {
	return each(func(b []byte) []byte { return slices.Concat(header, b) })
}

// kindOf is the EtherType of an IP packet.
func kindOf(b []byte) []byte {
	if b[0]>>4 == 6 {
		return []byte{0x86, 0xdd}
	}
	return []byte{8, 0}
}

var macs = []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}

func ethernet(tags ...byte) func([]byte) []byte {
	return func(b []byte) []byte { return slices.Concat(macs, tags, kindOf(b), b) }
}

// outer is an IPv4 header with a UDP header, if it carries UDP to a port.
func outer(protocol byte, port uint16, b []byte) []byte {
	if port != 0 {
		udp := be.AppendUint16(nil, 50000)
		udp = be.AppendUint16(udp, port)
		udp = be.AppendUint16(udp, uint16(8+len(b)))
		b = slices.Concat(udp, []byte{0, 0}, b)
	}
	ip := []byte{0x45, 0, 0, 0, 0, 7, 0, 0, 64, protocol, 0, 0, 203, 0, 113, 1, 203, 0, 113, 2}
	be.PutUint16(ip[2:], uint16(20+len(b)))
	return append(ip, b...)
}

// tunnel puts each packet behind a tunnel's header, in IPv4.
func tunnel(protocol byte, port uint16, header func(b []byte) []byte) func([]packetBytes) []packetBytes {
	return each(func(b []byte) []byte { return outer(protocol, port, slices.Concat(header(b), b)) })
}

// fragments cuts IPv4 packets that are larger than a size, and orders the parts anew.
func fragments(size int, order func(parts []packetBytes) []packetBytes) func([]packetBytes) []packetBytes {
	return func(list []packetBytes) (cut []packetBytes) {
		for _, p := range list {
			header, rest := p.data[:20], p.data[20:]
			var parts []packetBytes
			for at := 0; len(rest)-at > 0; at += size {
				h := bytes.Clone(header)
				data := rest[at:min(at+size, len(rest))]
				place := uint16(at / 8)
				if at+size < len(rest) {
					place |= 0x2000
				}
				be.PutUint16(h[2:], uint16(20+len(data)))
				be.PutUint16(h[4:], number(p))
				be.PutUint16(h[6:], place)
				parts = append(parts, packetBytes{append(h, data...), 20 + len(data), p.nanos + uint64(at), 0})
			}
			if len(parts) > 1 {
				parts = order(parts)
			}
			cut = append(cut, parts...)
		}
		return cut
	}
}

// number is a packet's own, as long as it is on its way.
func number(p packetBytes) uint16 { return uint16(p.nanos / 1e6) }

// fragments6 cuts IPv6 packets, each part with a fragment header.
func fragments6(size int) func([]packetBytes) []packetBytes {
	return func(list []packetBytes) (cut []packetBytes) {
		for _, p := range list {
			rest := p.data[40:]
			for at := 0; len(rest)-at > 0; at += size {
				h := bytes.Clone(p.data[:40])
				data := rest[at:min(at+size, len(rest))]
				place := uint16(at)
				if at+size < len(rest) {
					place |= 1
				}
				part := be.AppendUint16([]byte{h[6], 0}, place)
				part = be.AppendUint32(part, uint32(number(p)))
				h[6] = 44
				be.PutUint16(h[4:], uint16(8+len(data)))
				data = slices.Concat(h, part, data)
				cut = append(cut, packetBytes{data, len(data), p.nanos + uint64(at), 0})
			}
		}
		return cut
	}
}

func inOrderSent(parts []packetBytes) []packetBytes { return parts }

func backward(parts []packetBytes) []packetBytes {
	slices.Reverse(parts)
	return parts
}

func twice(parts []packetBytes) (all []packetBytes) {
	for _, p := range parts {
		all = append(all, p, p)
	}
	return all
}

func withoutSecond(parts []packetBytes) []packetBytes { return slices.Delete(parts, 1, 2) }

// snapped cuts each packet.
func snapped(n int) func([]packetBytes) []packetBytes {
	return func(list []packetBytes) []packetBytes {
		for i := range list {
			list[i].data = list[i].data[:min(n, len(list[i].data))]
		}
		return list
	}
}

// pcapOf writes a pcap.
func pcapOf(order binary.AppendByteOrder, magic uint32, unit uint64, link uint32, list []packetBytes) []byte {
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(b, 2)
	b = order.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = order.AppendUint32(b, 1<<18)
	b = order.AppendUint32(b, link)
	for _, p := range list {
		b = order.AppendUint32(b, uint32(p.nanos/1e9))
		b = order.AppendUint32(b, uint32(p.nanos%1e9/unit))
		b = order.AppendUint32(b, uint32(len(p.data)))
		b = order.AppendUint32(b, uint32(p.wire))
		b = append(b, p.data...)
	}
	return b
}

func rawPcap(list []packetBytes) []byte { return pcapOf(le, 0xa1b23c4d, 1, 101, list) }

// pcap writes one file.
func pcap(order binary.AppendByteOrder, magic uint32, unit uint64, link uint32) func([]packetBytes) [][]byte {
	return func(list []packetBytes) [][]byte { return [][]byte{pcapOf(order, magic, unit, link, list)} }
}

func linked(link uint32) func([]packetBytes) [][]byte { return pcap(le, 0xa1b23c4d, 1, link) }

// ngBlock appends a pcapng block.
func ngBlock(b []byte, order binary.AppendByteOrder, kind uint32, body []byte) []byte {
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	b = order.AppendUint32(b, kind)
	b = order.AppendUint32(b, uint32(12+len(body)))
	b = append(b, body...)
	return order.AppendUint32(b, uint32(12+len(body)))
}

// ngInterface is an interface of a pcapng: its link type, and the power of ten of its clock.
type ngInterface struct {
	link       uint16
	resolution byte
}

// ngSectionOf is one section with its interfaces and packets.
func ngSectionOf(order binary.AppendByteOrder, interfaces []ngInterface, list []packetBytes) []byte {
	head := order.AppendUint32(nil, 0x1a2b3c4d)
	head = order.AppendUint16(head, 1)
	head = order.AppendUint16(head, 0)
	head = append(head, bytes.Repeat([]byte{0xff}, 8)...)
	b := ngBlock(nil, order, 0x0a0d0d0a, head)
	for _, in := range interfaces {
		body := order.AppendUint16(nil, in.link)
		body = append(body, 0, 0, 0, 0, 4, 0)
		body = order.AppendUint16(body, 9)
		body = order.AppendUint16(body, 1)
		body = append(body, in.resolution, 0, 0, 0, 0, 0, 0, 0)
		b = ngBlock(b, order, 1, body)
	}
	b = ngBlock(b, order, 0xbad, []byte("a block of nobody's"))
	for _, p := range list {
		stamp := p.nanos
		for i := interfaces[p.iface].resolution; i < 9; i++ {
			stamp /= 10
		}
		body := order.AppendUint32(nil, p.iface)
		body = order.AppendUint32(body, uint32(stamp>>32))
		body = order.AppendUint32(body, uint32(stamp))
		body = order.AppendUint32(body, uint32(len(p.data)))
		body = order.AppendUint32(body, uint32(p.wire))
		body = append(body, p.data...)
		for len(body)%4 != 0 {
			body = append(body, 0)
		}
		body = append(body, slices.Concat(order.AppendUint16(order.AppendUint16(nil, 1), 3), []byte("odd\x00"), make([]byte, 4))...)
		b = ngBlock(b, order, 6, body)
	}
	return b
}

// packedBy writes a raw pcap through a packer.
func packedBy(packer func(io.Writer) io.WriteCloser) func([]packetBytes) [][]byte {
	return func(list []packetBytes) [][]byte {
		var b bytes.Buffer
		w := packer(&b)
		if _, err := w.Write(rawPcap(list)); err != nil {
			panic(err)
		}
		if err := w.Close(); err != nil {
			panic(err)
		}
		return [][]byte{b.Bytes()}
	}
}

func gzipped(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }

func lz4ed(w io.Writer) io.WriteCloser { return lz4.NewWriter(w) }

func zstded(w io.Writer) io.WriteCloser {
	z, err := zstd.NewWriter(w)
	if err != nil {
		panic(err)
	}
	return z
}

func xzed(w io.Writer) io.WriteCloser {
	x, err := xz.NewWriter(w)
	if err != nil {
		panic(err)
	}
	return x
}
