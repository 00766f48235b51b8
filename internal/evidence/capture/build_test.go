package capture

import (
	"bytes"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// Frames and files for the tests are made by gopacket, which shares nothing with the code under test.

var epoch = time.Date(2014, 1, 29, 22, 1, 24, 790906123, time.UTC)

// serialize lays layers over each other, with lengths and checksums filled in.
func serialize(t testing.TB, stack ...gopacket.SerializableLayer) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, stack...); err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(b.Bytes())
}

// transports makes one packet of each kind, over IPv4 or IPv6, without a link layer.
func transports(t testing.TB, rng *rand.Rand, v6 bool) [][]byte {
	payload := make(gopacket.Payload, rng.IntN(300))
	for i := range payload {
		payload[i] = byte(rng.Uint32())
	}
	ip4 := func(p layers.IPProtocol) *layers.IPv4 {
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: p, SrcIP: net.IP{192, 0, 2, byte(rng.Uint32())}, DstIP: net.IP{198, 51, 100, 7}}
		if rng.IntN(2) == 0 {
			ip.Options = []layers.IPv4Option{{OptionType: 1}, {OptionType: 1}, {OptionType: 1}, {OptionType: 1}}
		}
		return ip
	}
	ip6 := func(p layers.IPProtocol) *layers.IPv6 {
		return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: p, SrcIP: net.ParseIP("2001:db8::1"), DstIP: net.ParseIP("2001:db8::2")}
	}
	network := func(p layers.IPProtocol) (gopacket.SerializableLayer, gopacket.NetworkLayer) {
		if v6 {
			ip := ip6(p)
			return ip, ip
		}
		ip := ip4(p)
		return ip, ip
	}
	var packets [][]byte
	ip, n := network(layers.IPProtocolTCP)
	tcp := &layers.TCP{SrcPort: layers.TCPPort(rng.Uint32()), DstPort: 443, Seq: rng.Uint32(), Ack: rng.Uint32(), Window: uint16(rng.Uint32()),
		ACK: true, PSH: rng.IntN(2) == 0, FIN: rng.IntN(4) == 0, RST: rng.IntN(8) == 0,
		Options: []layers.TCPOption{{OptionType: layers.TCPOptionKindNop}, {OptionType: layers.TCPOptionKindNop}, {OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: make([]byte, 8)}}}
	tcp.SetNetworkLayerForChecksum(n)
	packets = append(packets, serialize(t, ip, tcp, payload))

	ip, n = network(layers.IPProtocolUDP)
	udp := &layers.UDP{SrcPort: layers.UDPPort(rng.Uint32()), DstPort: 9999}
	udp.SetNetworkLayerForChecksum(n)
	datagram := serialize(t, ip, udp, payload)
	packets = append(packets, datagram)

	quoted := gopacket.Payload(datagram[:min(len(datagram), 64)])
	if v6 {
		ip, n = network(layers.IPProtocolICMPv6)
		icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(1, 4)}
		icmp.SetNetworkLayerForChecksum(n)
		return append(packets, serialize(t, ip, icmp, append(make(gopacket.Payload, 4), quoted...)))
	}
	ip, _ = network(layers.IPProtocolICMPv4)
	return append(packets, serialize(t, ip, &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 3)}, quoted))
}

// linked puts a link header in front of an IP packet.
func linked(t testing.TB, link LinkType, ip []byte) []byte {
	ether := layers.EthernetTypeIPv4
	family := []byte{2, 0, 0, 0}
	if ip[0]>>4 == 6 {
		ether, family = layers.EthernetTypeIPv6, []byte{30, 0, 0, 0}
	}
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	low := byte(ether)
	switch link {
	case Ethernet:
		return serialize(t, &layers.Ethernet{SrcMAC: mac, DstMAC: mac, EthernetType: ether}, gopacket.Payload(ip))
	case Cooked:
		return append([]byte{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, byte(ether >> 8), low}, ip...)
	case Cooked2:
		return append([]byte{byte(ether >> 8), low, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0}, ip...)
	case Null:
		return append(family, ip...)
	case Loop:
		return append([]byte{0, 0, 0, family[0]}, ip...)
	}
	return ip
}

// allLinks are the link types whose frames linked can make.
var allLinks = []LinkType{Ethernet, Cooked, Cooked2, Null, Loop, Raw}

// pcapFile writes frames one millisecond apart.
func pcapFile(t testing.TB, link LinkType, frames ...[]byte) []byte {
	var b bytes.Buffer
	w := pcapgo.NewWriterNanos(&b)
	if err := w.WriteFileHeader(1<<18, layers.LinkType(link)); err != nil {
		t.Fatal(err)
	}
	for i, f := range frames {
		info := gopacket.CaptureInfo{Timestamp: epoch.Add(time.Duration(i) * time.Millisecond), CaptureLength: len(f), Length: len(f)}
		if err := w.WritePacket(info, f); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func parse(t testing.TB, data []byte) (*File, []Packet) {
	t.Helper()
	f, err := Parse("test", data)
	if err != nil {
		t.Fatal(err)
	}
	return f, collect(f)
}

func collect(f *File) []Packet {
	var packets []Packet
	for p := range f.Packets() {
		packets = append(packets, p)
	}
	return packets
}
