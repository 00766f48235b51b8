package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// ordinary makes packets of every transport over both IP versions.
func ordinary(t testing.TB, seed uint64, rounds int) [][]byte {
	rng := rand.New(rand.NewPCG(seed, 0))
	var packets [][]byte
	for range rounds {
		packets = append(packets, transports(t, rng, false)...)
		packets = append(packets, transports(t, rng, true)...)
	}
	return packets
}

func TestEveryLinkTypeGivesWhatGopacketReads(t *testing.T) {
	packets := ordinary(t, 1, 50)
	for _, link := range allLinks {
		var frames [][]byte
		for _, p := range packets {
			frames = append(frames, linked(t, link, p))
		}
		_, got := parse(t, pcapFile(t, link, frames...))
		if len(got) != len(packets) {
			t.Fatalf("link type %d: %d packets, want %d", link, len(got), len(packets))
		}
		for i, p := range got {
			compare(t, p, packets[i])
		}
	}
}

// compare checks a packet against what gopacket reads from the IP packet in it.
func compare(t *testing.T, p Packet, ip []byte) {
	t.Helper()
	first := gopacket.Decoder(layers.LayerTypeIPv4)
	if ip[0]>>4 == 6 {
		first = layers.LayerTypeIPv6
	}
	want := gopacket.NewPacket(ip, first, gopacket.Default)
	src, dst := want.NetworkLayer().NetworkFlow().Endpoints()
	if p.Src.Addr().String() != src.String() || p.Dst.Addr().String() != dst.String() {
		t.Fatalf("frame %d: %v to %v, want %v to %v", p.Frame, p.Src, p.Dst, src, dst)
	}
	switch l := want.TransportLayer().(type) {
	case *layers.TCP:
		if p.Protocol != TCP || p.Src.Port() != uint16(l.SrcPort) || p.Dst.Port() != uint16(l.DstPort) || p.Seq != l.Seq || p.Ack != l.Ack || p.Window != l.Window ||
			p.Flags.Has(FIN) != l.FIN || p.Flags.Has(RST) != l.RST || p.Flags.Has(PSH) != l.PSH || p.Flags.Has(SYN) != l.SYN ||
			!bytes.Equal(p.Payload, l.Payload) || p.Length != len(l.Payload) {
			t.Fatalf("frame %d: %+v, want %+v", p.Frame, p, l)
		}
	case *layers.UDP:
		if p.Protocol != UDP || p.Src.Port() != uint16(l.SrcPort) || p.Dst.Port() != uint16(l.DstPort) || !bytes.Equal(p.Payload, l.Payload) || p.Length != len(l.Payload) {
			t.Fatalf("frame %d: %+v, want %+v", p.Frame, p, l)
		}
	default:
		if p.ICMP == nil || !p.ICMP.PortUnreachable() || p.ICMP.InnerProtocol != UDP || p.ICMP.InnerDst.Port() != 9999 {
			t.Fatalf("frame %d: %+v, want a port unreachable about a datagram to port 9999", p.Frame, p.ICMP)
		}
	}
}

// TestFieldsMatchTshark asks tshark for the same fields of the same frames, Ethernet padding, VLAN tags and
// extension headers included.
func TestFieldsMatchTshark(t *testing.T) {
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	var frames [][]byte
	for i, p := range ordinary(t, 2, 20) {
		ether := layers.EthernetTypeIPv4
		if p[0]>>4 == 6 {
			ether = layers.EthernetTypeIPv6
		}
		stack := []gopacket.SerializableLayer{&layers.Ethernet{SrcMAC: mac, DstMAC: mac, EthernetType: layers.EthernetTypeDot1Q}}
		switch i % 3 {
		case 0:
			stack[0].(*layers.Ethernet).EthernetType = ether
		case 1:
			stack = append(stack, &layers.Dot1Q{VLANIdentifier: 7, Type: ether})
		case 2:
			stack[0].(*layers.Ethernet).EthernetType = layers.EthernetTypeQinQ
			stack = append(stack, &layers.Dot1Q{VLANIdentifier: 7, Type: layers.EthernetTypeDot1Q}, &layers.Dot1Q{VLANIdentifier: 8, Type: ether})
		}
		frames = append(frames, serialize(t, append(stack, gopacket.Payload(p))...))
	}
	frames = append(frames, hopByHop(t, mac), []byte{1, 2, 3}, bytes.Repeat([]byte{0xff}, 60))
	file := pcapFile(t, Ethernet, frames...)

	_, packets := parse(t, file)
	var got strings.Builder
	for _, p := range packets {
		fmt.Fprintln(&got, tsharkLine(p))
	}
	if want := tsharkFields(t, file); got.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", got.String(), want)
	}
}

// hopByHop is a TCP segment behind IPv6 hop-by-hop and destination options.
func hopByHop(t testing.TB, mac net.HardwareAddr) []byte {
	options := []byte{60, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0}
	tcp := make([]byte, 20, 25)
	binary.BigEndian.PutUint16(tcp, 1234)
	binary.BigEndian.PutUint16(tcp[2:], 80)
	tcp[12], tcp[13] = 0x50, 0x18
	body := append(options, append(tcp, "hello"...)...)
	ip := &layers.IPv6{Version: 6, HopLimit: 1, NextHeader: 0, SrcIP: net.ParseIP("2001:db8::1"), DstIP: net.ParseIP("2001:db8::2"), Length: uint16(len(body))}
	frame := serialize(t, &layers.Ethernet{SrcMAC: mac, DstMAC: mac, EthernetType: layers.EthernetTypeIPv6}, ip, gopacket.Payload(body))
	binary.BigEndian.PutUint16(frame[14+4:], uint16(len(body)))
	return frame
}

// tsharkLine prints a packet as the tshark command in tsharkFields does.
func tsharkLine(p Packet) string {
	src, dst, ports, numbers := "", "", "|", "||"
	if p.Src.IsValid() {
		src, dst = p.Src.Addr().String(), p.Dst.Addr().String()
	}
	switch {
	case p.Protocol == TCP:
		ports = fmt.Sprintf("%d|%d", p.Src.Port(), p.Dst.Port())
		numbers = fmt.Sprintf("%d|%d|%d", p.Seq, p.Ack, p.Length)
	case p.Protocol == UDP:
		ports = fmt.Sprintf("%d|%d", p.Src.Port(), p.Dst.Port())
		numbers = fmt.Sprintf("||%d", p.Length)
	}
	return fmt.Sprintf("%d|%s|%s|%s|%s", p.Frame, src, dst, ports, numbers)
}

// tsharkFields runs tshark over a capture; of an ICMP error's two IP headers the outer one counts.
func tsharkFields(t *testing.T, file []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "oracle.pcap")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-r", path, "-T", "fields", "-E", "separator=|", "-E", "occurrence=f", "-o", "tcp.relative_sequence_numbers:false"}
	fields := []string{"frame.number", "ip.src", "ipv6.src", "ip.dst", "ipv6.dst", "tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport",
		"tcp.seq_raw", "tcp.ack_raw", "tcp.len", "udp.length", "icmp.type", "icmpv6.type"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	out, err := exec.Command("tshark", args...).Output()
	if err != nil {
		t.Fatalf("tshark, the oracle of this test (make setup installs it): %v", err)
	}
	var lines strings.Builder
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "|")
		sport, dport, length := f[5]+f[7], f[6]+f[8], f[11]
		if f[13]+f[14] != "" {
			sport, dport = "", ""
		} else if f[12] != "" {
			var n int
			fmt.Sscan(f[12], &n)
			length = fmt.Sprint(n - 8)
		}
		fmt.Fprintf(&lines, "%s|%s|%s|%s|%s|%s|%s|%s\n", f[0], f[1]+f[2], f[3]+f[4], sport, dport, f[9], f[10], length)
	}
	return lines.String()
}

func TestALengthOfZeroByOffloadingIsTheFramesOwn(t *testing.T) {
	for _, ip := range ordinary(t, 3, 1) {
		at := 2
		if ip[0]>>4 == 6 {
			at = 4
		}
		zeroed := bytes.Clone(ip)
		zeroed[at], zeroed[at+1] = 0, 0
		_, want := parse(t, pcapFile(t, Raw, ip))
		_, got := parse(t, pcapFile(t, Raw, zeroed))
		if got[0].Length != want[0].Length || !bytes.Equal(got[0].Payload, want[0].Payload) {
			t.Errorf("length %d, want %d", got[0].Length, want[0].Length)
		}
	}
}

func TestASnappedFrameKeepsItsTrueLength(t *testing.T) {
	ip := ordinary(t, 4, 1)[0]
	_, whole := parse(t, pcapFile(t, Raw, ip))
	file := pcapFile(t, Raw, ip[:60])
	binary.LittleEndian.PutUint32(file[24+12:], uint32(len(ip)))
	_, cut := parse(t, file)
	if cut[0].Length != whole[0].Length || len(cut[0].Payload) >= whole[0].Length || !bytes.HasPrefix(whole[0].Payload, cut[0].Payload) {
		t.Errorf("%d bytes of %d captured, want fewer than %d", len(cut[0].Payload), cut[0].Length, whole[0].Length)
	}
}

func TestALaterFragmentHasNoPorts(t *testing.T) {
	ip := ordinary(t, 5, 1)[0]
	binary.BigEndian.PutUint16(ip[6:], 100)
	_, got := parse(t, pcapFile(t, Raw, ip))
	if p := got[0]; !p.Fragment || p.Src.Port() != 0 || p.Payload != nil || p.Src.Addr() == (netip.Addr{}) {
		t.Errorf("got %+v", p)
	}
}

func TestAWalkThatIsGivenUpWithAFragmentWaitingEnds(t *testing.T) {
	fragment := serialize(t, &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, Flags: layers.IPv4MoreFragments,
		SrcIP: net.IP{192, 0, 2, 1}, DstIP: net.IP{192, 0, 2, 2}}, gopacket.Payload("12345678"))
	f, _ := parse(t, pcapFile(t, Raw, fragment, fragment))
	seen := 0
	for range f.Packets() {
		seen++
		break
	}
	if seen != 1 {
		t.Errorf("%d packets, expected 1", seen)
	}
}
