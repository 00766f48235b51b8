package conversation

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/inquest-project/inquest/internal/evidence/capture"
)

// script writes a capture packet by packet; each takes a millisecond. Client is 192.0.2.1:40000 and server
// 192.0.2.2:80 unless ports are changed.
type script struct {
	t            testing.TB
	file         bytes.Buffer
	writer       *pcapgo.Writer
	frame        int
	client, port uint16
	base         [2]uint32 // sequence number of byte 0, by side
}

var start = time.Date(2014, 1, 29, 22, 1, 24, 0, time.UTC)

func newScript(t testing.TB) *script {
	s := &script{t: t, client: 40000, port: 80, base: [2]uint32{1001, 5001}}
	s.writer = pcapgo.NewWriterNanos(&s.file)
	if err := s.writer.WriteFileHeader(1<<18, layers.LinkTypeRaw); err != nil {
		t.Fatal(err)
	}
	return s
}

func at(frame int) time.Time { return start.Add(time.Duration(frame) * time.Millisecond) }

var hosts = [2]net.IP{{192, 0, 2, 1}, {192, 0, 2, 2}}

// write adds a packet and returns its frame number.
func (s *script) write(stack ...gopacket.SerializableLayer) int {
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, stack...); err != nil {
		s.t.Fatal(err)
	}
	s.frame++
	data := b.Bytes()
	info := gopacket.CaptureInfo{Timestamp: at(s.frame), CaptureLength: len(data), Length: len(data)}
	if err := s.writer.WritePacket(info, data); err != nil {
		s.t.Fatal(err)
	}
	return s.frame
}

// ip is the network layer of a packet from a side.
func ip(from Side, protocol layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 64, Protocol: protocol, SrcIP: hosts[from], DstIP: hosts[from.Other()]}
}

// tcp sends a segment: flags as letters of "SAFRP", stream offsets of its first byte and of what it acknowledges.
func (s *script) tcp(from Side, flags string, seq, ack int, payload string) int {
	n := ip(from, layers.IPProtocolTCP)
	ports := [2]uint16{s.client, s.port}
	l := &layers.TCP{SrcPort: layers.TCPPort(ports[from]), DstPort: layers.TCPPort(ports[from.Other()]), Window: 65535,
		Seq: s.base[from] + uint32(seq), Ack: s.base[from.Other()] + uint32(ack)}
	for _, f := range flags {
		switch f {
		case 'S':
			l.SYN = true
			l.Seq--
		case 'A':
			l.ACK = true
		case 'F':
			l.FIN = true
		case 'R':
			l.RST = true
		case 'P':
			l.PSH = true
		}
	}
	if !l.ACK {
		l.Ack = 0
	}
	l.SetNetworkLayerForChecksum(n)
	return s.write(n, l, gopacket.Payload(payload))
}

// shake opens the connection.
func (s *script) shake() {
	s.tcp(Opener, "S", 0, 0, "")
	s.tcp(Responder, "SA", 0, 0, "")
	s.tcp(Opener, "A", 0, 0, "")
}

func (s *script) udp(from Side, payload string) int {
	n := ip(from, layers.IPProtocolUDP)
	ports := [2]uint16{s.client, s.port}
	l := &layers.UDP{SrcPort: layers.UDPPort(ports[from]), DstPort: layers.UDPPort(ports[from.Other()])}
	l.SetNetworkLayerForChecksum(n)
	return s.write(n, l, gopacket.Payload(payload))
}

// unreachable has a side's host answer a datagram to that side by "port unreachable".
func (s *script) unreachable(side Side) int {
	inner := ip(side.Other(), layers.IPProtocolUDP)
	ports := [2]uint16{s.client, s.port}
	l := &layers.UDP{SrcPort: layers.UDPPort(ports[side.Other()]), DstPort: layers.UDPPort(ports[side])}
	l.SetNetworkLayerForChecksum(inner)
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true}, inner, l); err != nil {
		s.t.Fatal(err)
	}
	quoted := bytes.Clone(b.Bytes())
	return s.write(ip(side, layers.IPProtocolICMPv4), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 3)}, gopacket.Payload(quoted))
}

// assemble reads what was written.
func (s *script) assemble() *Traffic {
	s.t.Helper()
	f, err := capture.Parse("script.pcap", s.file.Bytes())
	if err != nil {
		s.t.Fatal(err)
	}
	return Assemble(f)
}

// only is the capture's single conversation.
func (s *script) only() *Conversation {
	s.t.Helper()
	traffic := s.assemble()
	if n := len(traffic.Conversations); n != 1 {
		s.t.Fatalf("%d conversations, want 1", n)
	}
	return traffic.Conversations[0]
}

// texts are what a side's messages hold.
func texts(c *Conversation, receiver Side) []string {
	var list []string
	for _, m := range c.Messages(receiver) {
		list = append(list, string(m.Data))
	}
	return list
}

// follow is what tshark's "follow stream" gives for the first n TCP streams: the opener's bytes of each.
func (s *script) follow(n int) []string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "follow.pcap")
	if err := os.WriteFile(path, s.file.Bytes(), 0o600); err != nil {
		s.t.Fatal(err)
	}
	args := []string{"-r", path, "-q"}
	for i := range n {
		args = append(args, "-z", fmt.Sprintf("follow,tcp,raw,%d", i))
	}
	out, err := exec.Command("tshark", args...).Output()
	if err != nil {
		s.t.Fatalf("tshark, the oracle of this test (make setup installs it): %v", err)
	}
	streams := make([]string, n)
	current := 0
	for line := range strings.Lines(string(out)) {
		if _, err := fmt.Sscanf(line, "Filter: tcp.stream eq %d", &current); err == nil {
			continue
		}
		if raw, err := hex.DecodeString(strings.TrimSuffix(line, "\n")); err == nil {
			streams[current] += string(raw)
		}
	}
	return streams
}
