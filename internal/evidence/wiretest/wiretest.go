// Package wiretest writes small captures for tests, packet by packet. It shares nothing with the readers,
// not even a constant: an error that both made would not show.
//
// New begins a capture, Dial or Line a conversation in it, Bytes is the pcap file. What can't be written is the
// test's mistake, and panics.
package wiretest

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// Start is when every capture starts; its first packet comes a Step later.
var Start = time.Date(2014, 1, 29, 22, 1, 24, 0, time.UTC)

// Step is how far packets are apart, where the test doesn't set the clock.
const Step = time.Millisecond

// Script is a capture in the making.
type Script struct {
	Next time.Time // when the next packet comes

	file   bytes.Buffer
	writer *pcapgo.Writer
	frame  int
}

// New begins a capture.
func New() *Script {
	s := &Script{Next: Start.Add(Step)}
	s.writer = pcapgo.NewWriterNanos(&s.file)
	must(s.writer.WriteFileHeader(1<<18, layers.LinkTypeRaw))
	return s
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// Bytes is the capture as a pcap file.
func (s *Script) Bytes() []byte { return s.file.Bytes() }

// Wait lets time pass before the next packet.
func (s *Script) Wait(d time.Duration) { s.Next = s.Next.Add(d) }

// write adds a packet and returns its frame number.
func (s *Script) write(stack ...gopacket.SerializableLayer) int {
	data := serialize(gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, stack...)
	must(s.writer.WritePacket(gopacket.CaptureInfo{Timestamp: s.Next, CaptureLength: len(data), Length: len(data)}, data))
	s.Next = s.Next.Add(Step)
	s.frame++
	return s.frame
}

func serialize(options gopacket.SerializeOptions, stack ...gopacket.SerializableLayer) []byte {
	b := gopacket.NewSerializeBuffer()
	must(gopacket.SerializeLayers(b, options, stack...))
	return bytes.Clone(b.Bytes())
}

// Side is an end of a line.
type Side int

// The two sides: who calls, and who is called.
const (
	Client Side = iota
	Server
)

// Line is what two ends say to each other.
type Line struct {
	Base [2]uint32 // by side: the sequence number of the first byte

	script *Script
	ends   [2]netip.AddrPort
	sent   [2]int // by Say and FIN, which takes a number
}

// Line is between two ends, as "192.0.2.1:40000" or "[2001:db8::1]:40000". Nothing is sent yet.
func (s *Script) Line(client, server string) *Line {
	return &Line{
		Base:   [2]uint32{1001, 5001},
		script: s,
		ends:   [2]netip.AddrPort{netip.MustParseAddrPort(client), netip.MustParseAddrPort(server)},
	}
}

// End is a side's address.
func (l *Line) End(side Side) netip.AddrPort { return l.ends[side] }

// Dial is a line with its handshake.
func (s *Script) Dial(client, server string) *Line {
	l := s.Line(client, server)
	l.Shake()
	return l
}

// Shake opens the connection.
func (l *Line) Shake() {
	l.TCP(Client, "S", 0, 0, "")
	l.TCP(Server, "SA", 0, 0, "")
	l.TCP(Client, "A", 0, 0, "")
}

// Say sends payload that acknowledges all that the other side has sent, and returns its frame.
func (l *Line) Say(from Side, payload string) int {
	seq := l.sent[from]
	l.sent[from] += len(payload)
	return l.TCP(from, "PA", seq, l.sent[1-from], payload)
}

// Ack acknowledges all that the other side has sent.
func (l *Line) Ack(from Side) int { return l.TCP(from, "A", l.sent[from], l.sent[1-from], "") }

// FIN closes a side's sending.
func (l *Line) FIN(from Side) int {
	l.sent[from]++
	return l.TCP(from, "FA", l.sent[from]-1, l.sent[1-from], "")
}

// RST resets the connection.
func (l *Line) RST(from Side) int { return l.TCP(from, "RA", l.sent[from], l.sent[1-from], "") }

// TCP sends any segment: flags as letters of "SAFRP", and the stream offsets of its first byte and of what it
// acknowledges.
func (l *Line) TCP(from Side, flags string, seq, ack int, payload string) int {
	segment := &layers.TCP{
		SrcPort: layers.TCPPort(l.ends[from].Port()), DstPort: layers.TCPPort(l.ends[1-from].Port()), Window: 65535,
		Seq: l.Base[from] + uint32(seq), Ack: l.Base[1-from] + uint32(ack),
	}
	for _, f := range flags {
		switch f {
		case 'S':
			segment.SYN = true
			segment.Seq--
		case 'A':
			segment.ACK = true
		case 'F':
			segment.FIN = true
		case 'R':
			segment.RST = true
		case 'P':
			segment.PSH = true
		}
	}
	if !segment.ACK {
		segment.Ack = 0
	}
	ip := l.ip(from, layers.IPProtocolTCP)
	must(segment.SetNetworkLayerForChecksum(ip))
	return l.script.write(ip, segment, gopacket.Payload(payload))
}

// UDP sends a datagram.
func (l *Line) UDP(from Side, payload string) int {
	ip, datagram := l.ip(from, layers.IPProtocolUDP), l.udp(from)
	must(datagram.SetNetworkLayerForChecksum(ip))
	return l.script.write(ip, datagram, gopacket.Payload(payload))
}

// Unreachable has a side's host answer a datagram to that side by "port unreachable".
func (l *Line) Unreachable(side Side) int {
	quoted := serialize(gopacket.SerializeOptions{FixLengths: true}, l.ip(1-side, layers.IPProtocolUDP), l.udp(1-side))
	return l.script.write(l.ip(side, layers.IPProtocolICMPv4), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 3)}, gopacket.Payload(quoted))
}

func (l *Line) udp(from Side) *layers.UDP {
	return &layers.UDP{SrcPort: layers.UDPPort(l.ends[from].Port()), DstPort: layers.UDPPort(l.ends[1-from].Port())}
}

// network is the header of an IP packet.
type network interface {
	gopacket.SerializableLayer
	gopacket.NetworkLayer
}

func (l *Line) ip(from Side, protocol layers.IPProtocol) network {
	if l.ends[from].Addr().Is6() {
		return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: protocol, SrcIP: l.ends[from].Addr().AsSlice(), DstIP: l.ends[1-from].Addr().AsSlice()}
	}
	return &layers.IPv4{Version: 4, TTL: 64, Protocol: protocol, SrcIP: l.ends[from].Addr().AsSlice(), DstIP: l.ends[1-from].Addr().AsSlice()}
}
