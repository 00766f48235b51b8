package capture

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Packet is what one frame says, as far as it was captured and understood. A frame without an IP
// packet has only Frame and Time; one without a transport that is known here has no ports.
type Packet struct {
	Frame    int // from 1, as Wireshark counts
	Time     time.Time
	Src, Dst netip.AddrPort
	Protocol uint8 // IP protocol number: TCP, UDP, ICMP4, ICMP6 or another; 0 where there is no IP
	Seq, Ack uint32
	Flags    Flags
	Window   uint16 // as sent, not scaled
	Payload  []byte // transport payload as captured; of ICMP nothing
	Length   int    // transport payload in bytes as sent; more than len(Payload) where the frame was cut
	Fragment bool   // a fragment of an IP packet that isn't there whole yet: it has no ports, and nothing of it was read
	Again    bool   // it came before as a Fragment, and is what there is of its packet: the rest was not captured
	ID       uint16 // of the IPv4 packet; 0 also where it has none
	Place    uint32 // where the frame was captured, by interface and direction, as far as the capture tells them apart
	Of       uint32 // how many interfaces the capture had told of by then: with one alone there is one place
	ICMP     *ICMP
	Listed   *ListedInfo // from a text packet list

	part *fragment
}

// IP protocol numbers (IANA).
const (
	ICMP4 uint8 = 1
	TCP   uint8 = 6
	UDP   uint8 = 17
	ICMP6 uint8 = 58
)

// Flags are a TCP header's flag bits (RFC 9293, section 3.1).
type Flags uint8

// TCP flags.
const (
	FIN Flags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

var flagNames = [...]string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"}

// Has says whether all of the flags are set.
func (f Flags) Has(flags Flags) bool { return f&flags == flags }

func (f Flags) String() string {
	var names []string
	for i, name := range flagNames {
		if f.Has(1 << i) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// ICMP is an ICMP or ICMPv6 message, and for an error the packet that it answers: Src is who sent that.
type ICMP struct {
	Type, Code    uint8
	InnerSrc      netip.AddrPort // invalid where the message quotes no packet
	InnerDst      netip.AddrPort
	InnerProtocol uint8
	v6            bool
}

// PortUnreachable says whether nobody listened where the quoted packet went (RFC 792; RFC 4443, section 3.1).
func (m *ICMP) PortUnreachable() bool {
	if m.v6 {
		return m.Type == 1 && m.Code == 4
	}
	return m.Type == 3 && m.Code == 3
}

// ListedInfo is a row of a text packet list as it was printed.
type ListedInfo struct {
	Source, Destination string
	Protocol            string
	Length              int // of the whole frame, in bytes
	Info                string
	Relative            bool // the list has no dates: Time counts from 1970-01-01, only differences mean anything
	Inferred            bool // ports, sequence numbers and length were concluded from the rows around it
}

func timeOf(nanos int64) time.Time { return time.Unix(0, nanos).UTC() }

// leading shows the first bytes of something unknown, for error messages.
func leading(data []byte) string {
	if len(data) == 0 {
		return "an empty file"
	}
	return fmt.Sprintf("% x", data[:min(8, len(data))])
}
