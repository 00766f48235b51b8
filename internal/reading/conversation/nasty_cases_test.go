package conversation

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/inquest-project/inquest/internal/evidence/wiretest"
)

// chat is a conversation without any trouble: for captures whose trouble lies in the packets around it.
func chat(s *script) {
	l := s.line()
	talk(l)
}

func talk(l *wiretest.Line) {
	l.Shake()
	l.Say(wiretest.Client, "a question that takes some bytes, so that it can be cut")
	l.Say(wiretest.Server, "an answer, too, is not altogether short")
	l.Say(wiretest.Client, "and one more")
	l.FIN(wiretest.Server)
	l.FIN(wiretest.Client)
	l.Ack(wiretest.Server)
}

// chat6 is the same over IPv6.
func chat6(s *script) { talk(s.between("2001:db8::1", "2001:db8::2")) }

func (s *script) between(client, server string) *wiretest.Line {
	return s.Line(netip.AddrPortFrom(netip.MustParseAddr(client), s.client).String(), netip.AddrPortFrom(netip.MustParseAddr(server), s.port).String())
}

// wrapping begins so that the opener's numbers wrap within its first bytes.
func wrapping(s *script) {
	s.base = [2]uint32{0xffff_fffe, 0xffff_ffff}
	s.shake()
}

// segment is what the opener sends: stream offset and payload.
type segment struct {
	at   int
	data string
}

// sends has the opener send segments after a handshake, each acknowledged up to what has come, and at last all.
func sends(list ...segment) func(*script) {
	return func(s *script) {
		s.shake()
		s.upload(list...)
	}
}

func (s *script) upload(list ...segment) {
	end := 0
	for _, g := range list {
		s.tcp(Opener, "PA", g.at, 0, g.data)
		end = max(end, g.at+len(g.data))
	}
	s.tcp(Responder, "A", 0, end, "")
	s.tcp(Responder, "PA", 0, end, "done")
	s.tcp(Opener, "A", end, 4, "")
}

func nastyCases() []nastyCase {
	return slices.Concat(nastyStreams(), nastyEnds(), nastyLinks(), nastyPackets(), nastyFiles(), nastyPlaces(), nastyCut())
}

// What TCP does to a stream.
func nastyStreams() []nastyCase {
	return []nastyCase{
		{name: "no trouble", say: chat},
		{name: "retransmission", say: sends(segment{0, "abc"}, segment{0, "abc"}, segment{3, "def"})},
		{name: "retransmission of other bytes", say: sends(segment{0, "abc"}, segment{0, "xyz"}, segment{3, "def"})},
		{name: "retransmission with more", say: sends(segment{0, "abc"}, segment{0, "abcdef"}, segment{6, "g"})},
		{name: "retransmission with less", say: sends(segment{0, "abcdef"}, segment{0, "abc"}, segment{3, "def"}, segment{6, "g"})},
		{name: "retransmission of two as one", say: sends(segment{0, "abc"}, segment{3, "def"}, segment{0, "abcdef"}, segment{6, "g"})},
		{name: "overlap on the left", say: sends(segment{0, "abcd"}, segment{2, "XYef"}, segment{6, "g"})},
		{name: "overlap by a byte", say: sends(segment{0, "abcd"}, segment{3, "Xefg"})},
		{name: "overlap inside", say: sends(segment{0, "abcdef"}, segment{2, "XY"}, segment{6, "g"})},
		{name: "overlap on the right of what came early", say: sends(segment{4, "ef"}, segment{0, "abcdXY"}, segment{6, "g"})},
		{name: "overlap of a hole on both sides", say: sends(segment{0, "ab"}, segment{4, "ef"}, segment{1, "bcde"}, segment{6, "g"})},
		{name: "overlap of two that came early", say: sends(segment{3, "def"}, segment{5, "fgh"}, segment{0, "abc"}, segment{8, "i"})},
		{name: "overlap of two that came early with other bytes", say: sends(segment{5, "FGH"}, segment{3, "def"}, segment{0, "abc"}, segment{8, "i"})},
		{name: "overlap of what came early by less", say: sends(segment{3, "def"}, segment{3, "XYZg"}, segment{0, "abc"}, segment{7, "h"}),
			truth: []string{`tcp 192.0.2.1:40000 "abcXYZgh" 192.0.2.2:80 "done"`}, why: "Linux puts the longer one in the place of the one that it covers; tshark keeps what came first"},
		{name: "reordered", say: sends(segment{3, "def"}, segment{0, "abc"}, segment{6, "g"})},
		{name: "backward", say: sends(segment{8, "i"}, segment{6, "gh"}, segment{4, "ef"}, segment{2, "cd"}, segment{0, "ab"})},
		{name: "lost in the middle", say: sends(segment{0, "abc"}, segment{7, "hij"})},
		{name: "lost in two places", say: sends(segment{0, "abc"}, segment{7, "hij"}, segment{110, "z"})},
		{name: "lost at the beginning", say: sends(segment{5, "fgh"})},
		{name: "lost and filled late", say: sends(segment{0, "abc"}, segment{7, "hij"}, segment{3, "defg"}, segment{10, "k"})},
		{name: "lost and filled in part", say: sends(segment{0, "abc"}, segment{9, "jkl"}, segment{3, "def"})},
		{name: "lost at the end", say: func(s *script) {
			s.shake()
			s.tcp(Opener, "PA", 0, 0, "abc")
			s.tcp(Responder, "PA", 0, 10, "done")
			s.tcp(Opener, "A", 10, 4, "")
		}, truth: []string{`tcp 192.0.2.1:40000 "abc[7 bytes missing in capture file]." 192.0.2.2:80 "done"`},
			why: "the server acknowledges what was not captured; tshark shows a hole only before what follows it"},
		{name: "lost on both sides", say: func(s *script) {
			s.shake()
			s.tcp(Opener, "PA", 5, 0, "fgh")
			s.tcp(Responder, "PA", 0, 8, "AB")
			s.tcp(Responder, "PA", 9, 8, "J")
			s.tcp(Opener, "A", 8, 10, "")
		}},
		{name: "SYN lost", say: func(s *script) {
			s.tcp(Responder, "SA", 0, 0, "")
			s.tcp(Opener, "A", 0, 0, "")
			s.upload(segment{0, "abc"})
		}},
		{name: "SYN of the answer lost", say: func(s *script) {
			s.tcp(Opener, "S", 0, 0, "")
			s.tcp(Opener, "A", 0, 0, "")
			s.upload(segment{0, "abc"})
		}},
		{name: "SYN sent twice", say: func(s *script) {
			s.tcp(Opener, "S", 0, 0, "")
			s.tcp(Opener, "S", 0, 0, "")
			s.tcp(Responder, "SA", 0, 0, "")
			s.tcp(Responder, "SA", 0, 0, "")
			s.tcp(Opener, "A", 0, 0, "")
			s.upload(segment{0, "abc"})
		}},
		{name: "numbers wrap", say: func(s *script) { wrapping(s); s.upload(segment{0, "abc"}, segment{3, "def"}) }},
		{name: "numbers wrap and reorder", say: func(s *script) {
			wrapping(s)
			s.upload(segment{3, "def"}, segment{1, "bc"}, segment{0, "a"}, segment{6, "g"})
		}},
		{name: "numbers wrap in a hole", say: func(s *script) {
			s.base = [2]uint32{0xffff_fff0, 1}
			s.shake()
			s.upload(segment{0, "abc"}, segment{30, "def"})
		}},
		{name: "numbers wrap in a retransmission", say: func(s *script) {
			wrapping(s)
			s.upload(segment{0, "abcdef"}, segment{0, "abcdef"}, segment{1, "bcdefg"})
		}},
		{name: "data in the SYN", say: func(s *script) {
			s.tcp(Opener, "S", 0, 0, "abc")
			s.tcp(Responder, "SA", 0, 3, "")
			s.tcp(Opener, "A", 3, 0, "")
			s.upload(segment{3, "def"})
		}},
		{name: "data in the SYN refused and sent again", say: func(s *script) {
			s.tcp(Opener, "S", 0, 0, "abc")
			s.tcp(Responder, "SA", 0, 0, "")
			s.upload(segment{0, "abc"}, segment{3, "def"})
		}},
		{name: "keep-alive with a byte", say: func(s *script) {
			s.shake()
			s.tcp(Opener, "PA", 0, 0, "abc")
			s.tcp(Responder, "A", 0, 3, "")
			s.tcp(Opener, "A", 2, 0, "\x00")
			s.tcp(Responder, "A", 0, 3, "")
			s.upload(segment{3, "def"})
		}},
		{name: "keep-alive without a byte", say: func(s *script) {
			s.shake()
			s.tcp(Opener, "PA", 0, 0, "abc")
			s.tcp(Responder, "A", 0, 3, "")
			s.tcp(Opener, "A", 2, 0, "")
			s.tcp(Responder, "A", 0, 3, "")
			s.upload(segment{3, "def"})
		}},
		{name: "keep-alive before any data", say: func(s *script) {
			s.shake()
			s.tcp(Opener, "A", -1, 0, "\x00")
			s.tcp(Responder, "A", 0, 0, "")
			s.upload(segment{0, "abc"})
		}},
		{name: "zero window and probes", say: func(s *script) {
			s.shake()
			s.tcp(Opener, "PA", 0, 0, "abc")
			s.tcp(Responder, "A", 0, 3, "")
			s.tcp(Opener, "A", 3, 0, "d")
			s.tcp(Responder, "A", 0, 3, "")
			s.tcp(Opener, "A", 3, 0, "d")
			s.tcp(Responder, "A", 0, 3, "")
			s.upload(segment{3, "def"})
		}, taken: closedWindows},
		{name: "doubled acknowledgements", say: func(s *script) {
			s.shake()
			s.tcp(Opener, "PA", 0, 0, "abc")
			for range 4 {
				s.tcp(Responder, "A", 0, 0, "")
			}
			s.upload(segment{0, "abc"}, segment{3, "def"})
		}},
	}
}

// closedWindows makes all acknowledgements of the server announce a window of nothing.
func closedWindows(list []packetBytes) []packetBytes {
	for _, p := range list {
		if tcp := p.data[20:]; be.Uint16(tcp) == 80 && tcp[13] == 0x10 {
			be.PutUint16(tcp[14:], 0)
		}
	}
	return list
}

// How conversations begin and end.
func nastyEnds() []nastyCase {
	return []nastyCase{
		{name: "half open", say: func(s *script) { s.tcp(Opener, "S", 0, 0, "") }},
		{name: "refused", say: func(s *script) { s.tcp(Opener, "S", 0, 0, ""); s.tcp(Responder, "RA", 0, 0, "") }},
		{name: "opened by both at once", say: func(s *script) {
			s.tcp(Opener, "S", 0, 0, "")
			s.tcp(Responder, "S", 0, 0, "")
			s.tcp(Opener, "SA", 0, 0, "")
			s.tcp(Responder, "SA", 0, 0, "")
			s.upload(segment{0, "abc"})
		}},
		{name: "begun in the middle", say: func(s *script) { s.upload(segment{100, "abc"}, segment{103, "def"}) }},
		{name: "begun in the middle by an acknowledgement", say: func(s *script) {
			s.tcp(Responder, "A", 700, 100, "")
			s.tcp(Opener, "PA", 100, 700, "abc")
			s.tcp(Responder, "PA", 700, 103, "def")
			s.tcp(Opener, "A", 103, 703, "")
		}},
		{name: "begun in the middle with a hole", say: func(s *script) { s.upload(segment{100, "abc"}, segment{109, "def"}) }},
		{name: "begun with the answer", say: func(s *script) {
			s.tcp(Responder, "PA", 700, 100, "abc")
			s.tcp(Opener, "PA", 100, 703, "def")
			s.tcp(Responder, "A", 703, 103, "")
		}},
		{name: "RST with payload", say: func(s *script) {
			s.shake()
			s.tcp(Opener, "PA", 0, 0, "abc")
			s.tcp(Responder, "RA", 0, 3, "why I reset you")
		}, truth: []string{`tcp 192.0.2.1:40000 "abc" 192.0.2.2:80 ""`}, why: "it is a diagnostic, none of the stream's bytes (RFC 9293, section 3.10.7.3)"},
		{name: "RST without acknowledgement", say: func(s *script) {
			s.shake()
			s.tcp(Opener, "PA", 0, 0, "abc")
			s.tcp(Responder, "A", 0, 3, "")
			s.tcp(Responder, "R", 0, 0, "")
			s.tcp(Responder, "R", 0, 0, "")
		}},
		{name: "FIN with data", say: func(s *script) {
			s.shake()
			s.tcp(Opener, "PFA", 0, 0, "abc")
			s.tcp(Responder, "PFA", 0, 4, "def")
			s.tcp(Opener, "A", 4, 4, "")
		}},
		{name: "FIN sent twice", say: func(s *script) {
			s.shake()
			s.tcp(Opener, "PFA", 0, 0, "abc")
			s.tcp(Opener, "PFA", 0, 0, "abc")
			s.tcp(Responder, "FA", 0, 4, "")
			s.tcp(Responder, "FA", 0, 4, "")
			s.tcp(Opener, "A", 4, 1, "")
		}},
		{name: "FIN lost", say: func(s *script) {
			s.shake()
			s.tcp(Opener, "PA", 0, 0, "abc")
			s.tcp(Responder, "A", 0, 4, "")
			s.tcp(Responder, "FA", 0, 4, "")
			s.tcp(Opener, "A", 4, 1, "")
		}},
		{name: "FIN before the data", say: func(s *script) {
			s.shake()
			s.tcp(Opener, "FA", 6, 0, "")
			s.tcp(Opener, "PA", 3, 0, "def")
			s.tcp(Opener, "PA", 0, 0, "abc")
			s.tcp(Responder, "FA", 0, 7, "")
		}},
		{name: "closed by both at once", say: func(s *script) {
			s.shake()
			s.tcp(Opener, "PA", 0, 0, "abc")
			s.tcp(Opener, "FA", 3, 0, "")
			s.tcp(Responder, "FA", 0, 3, "")
			s.tcp(Opener, "A", 4, 1, "")
			s.tcp(Responder, "A", 1, 4, "")
		}},
		{name: "half closed and answered", say: func(s *script) {
			s.shake()
			s.tcp(Opener, "PFA", 0, 0, "abc")
			s.tcp(Responder, "PA", 0, 4, "def")
			s.tcp(Opener, "A", 4, 3, "")
			s.tcp(Responder, "PFA", 3, 4, "ghi")
			s.tcp(Opener, "A", 4, 7, "")
		}},
		{name: "ports reused after FIN", say: func(s *script) {
			chat(s)
			s.base = [2]uint32{90001, 70001}
			chat(s)
		}},
		{name: "ports reused without an end", say: func(s *script) {
			sends(segment{0, "abc"})(s)
			s.base = [2]uint32{90001, 70001}
			sends(segment{0, "xyz"})(s)
		}},
		{name: "ports reused after a refusal", say: func(s *script) {
			s.tcp(Opener, "S", 0, 0, "")
			s.tcp(Responder, "RA", 0, 0, "")
			s.base = [2]uint32{90001, 70001}
			chat(s)
		}},
		{name: "ports reused in the middle", say: func(s *script) {
			s.upload(segment{100, "abc"})
			s.base = [2]uint32{90001, 70001}
			chat(s)
		}},
		{name: "two at once", say: func(s *script) {
			a := s.line()
			s.client++
			b := s.line()
			a.Shake()
			b.Shake()
			a.Say(wiretest.Client, "abc")
			b.Say(wiretest.Client, "xyz")
			b.Say(wiretest.Server, "XYZ")
			a.Say(wiretest.Server, "ABC")
			a.Ack(wiretest.Client)
			b.Ack(wiretest.Client)
		}},
		{name: "with itself", say: func(s *script) { talk(s.between("127.0.0.1", "127.0.0.1")) }},
		{name: "datagrams", say: func(s *script) { s.udp(Opener, "abc"); s.udp(Opener, "def"); s.udp(Responder, "ghi") }},
		{name: "empty datagrams", say: func(s *script) {
			s.udp(Opener, "")
			s.udp(Opener, "abc")
			s.udp(Responder, "")
			s.udp(Responder, "def")
		}},
		{name: "datagrams that say the same", say: func(s *script) { s.udp(Opener, "abc"); s.udp(Opener, "abc") }},
		{name: "port unreachable", say: func(s *script) { s.udp(Opener, "abc"); s.unreachable(Responder) }},
	}
}

// What stands before the IP packet.
func nastyLinks() []nastyCase {
	zero := func(n int) string { return strings.Repeat("\x00", n) }
	cooked := func(b []byte) []byte {
		return slices.Concat([]byte{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0}, kindOf(b), b)
	}
	cooked2 := func(b []byte) []byte {
		return slices.Concat(kindOf(b), []byte{0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0}, b)
	}
	pppoe := func(b []byte) []byte {
		length := be.AppendUint16(nil, uint16(len(b)+2))
		return slices.Concat(macs, []byte{0x88, 0x64, 0x11, 0, 0, 1}, length, []byte{0, 0x21}, b)
	}
	padded := func(b []byte) []byte {
		b = ethernet()(b)
		return append(b, zero(max(0, 60-len(b)))...)
	}
	vxlan := func(b []byte) []byte { return slices.Concat([]byte{8, 0, 0, 0, 0, 0, 7, 0}, macs, kindOf(b)) }
	geneve := func(b []byte) []byte {
		return slices.Concat([]byte{1, 0, 0x65, 0x58, 0, 0, 7, 0, 1, 2, 3, 0}, macs, kindOf(b))
	}
	fixed := func(header string) func([]byte) []byte { return func([]byte) []byte { return []byte(header) } }
	chatSaid := []string{`tcp 192.0.2.1:40000 "a question that takes some bytes, so that it can be cutand one more" 192.0.2.2:80 "an answer, too, is not altogether short"`}
	const tunnelled = "tshark shows the tunnel's datagrams as a conversation, too; what they carry is what counts"
	return []nastyCase{
		{name: "ethernet", say: chat, taken: each(ethernet()), write: linked(1)},
		{name: "ethernet padded", say: chat, taken: each(padded), write: linked(1)},
		{name: "VLAN", say: chat, taken: each(ethernet(0x81, 0, 0, 7)), write: linked(1)},
		{name: "QinQ", say: chat, taken: each(ethernet(0x88, 0xa8, 0, 7, 0x81, 0, 0, 8)), write: linked(1)},
		{name: "VLAN in VLAN", say: chat6, taken: each(ethernet(0x81, 0, 0, 7, 0x81, 0, 0, 8)), write: linked(1)},
		{name: "cooked", say: chat, taken: each(cooked), write: linked(113)},
		{name: "cooked 2", say: chat6, taken: each(cooked2), write: linked(276)},
		{name: "raw IPv6", say: chat6},
		{name: "raw IPv4 only", say: chat, write: linked(228)},
		{name: "loopback of BSD", say: chat, taken: before(2, 0, 0, 0), write: linked(0)},
		{name: "loopback of BSD swapped", say: chat, taken: before(0, 0, 0, 2), write: linked(0)},
		{name: "loopback of macOS IPv6", say: chat6, taken: before(30, 0, 0, 0), write: linked(0)},
		{name: "loopback of OpenBSD", say: chat, taken: before(0, 0, 0, 2), write: linked(108)},
		{name: "PPP", say: chat, taken: before(0, 0x21), write: linked(9)},
		{name: "PPP in HDLC", say: chat, taken: before(0xff, 3, 0, 0x21), write: linked(50)},
		{name: "PPPoE", say: chat, taken: each(pppoe), write: linked(1)},
		{name: "VXLAN", say: chat, taken: tunnel(17, 4789, vxlan), truth: chatSaid, why: tunnelled},
		{name: "Geneve with an option", say: chat, taken: tunnel(17, 6081, geneve), truth: chatSaid, why: tunnelled},
		{name: "GRE", say: chat, taken: tunnel(47, 0, fixed("\x00\x00\x08\x00"))},
		{name: "GRE with key and number", say: chat, taken: tunnel(47, 0, fixed("\x30\x00\x08\x00\x00\x00\x00\x07\x00\x00\x00\x01"))},
		{name: "GRE with checksum", say: chat, taken: tunnel(47, 0, fixed("\x80\x00\x08\x00\x00\x00\x00\x00"))},
		{name: "GRE with ethernet", say: chat, taken: tunnel(47, 0, func(b []byte) []byte { return slices.Concat([]byte{0, 0, 0x65, 0x58}, macs, kindOf(b)) })},
		{name: "IP in IP", say: chat, taken: tunnel(4, 0, fixed(""))},
		{name: "IPv6 in IPv4", say: chat6, taken: tunnel(41, 0, fixed(""))},
		{name: "IP in GRE in VLAN", say: chat6, taken: func(list []packetBytes) []packetBytes {
			return each(ethernet(0x81, 0, 0, 7))(tunnel(47, 0, fixed("\x00\x00\x86\xdd"))(list))
		}, write: linked(1)},
	}
}

// What is odd in the IP packet.
func nastyPackets() []nastyCase {
	long := func(s *script) {
		s.shake()
		s.upload(segment{0, strings.Repeat("0123456789", 30)}, segment{300, "the end"})
	}
	long6 := func(s *script) {
		l := s.between("2001:db8::1", "2001:db8::2")
		l.Shake()
		l.Say(wiretest.Client, strings.Repeat("0123456789", 30))
		l.Say(wiretest.Server, "done")
		l.Ack(wiretest.Client)
	}
	lengthless := each(func(b []byte) []byte {
		if b[0]>>4 == 6 {
			be.PutUint16(b[4:], 0)
		} else {
			be.PutUint16(b[2:], 0)
		}
		return b
	})
	extended := each(func(b []byte) []byte {
		options := []byte{60, 0, 1, 4, 0, 0, 0, 0, b[6], 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
		b[6] = 0
		be.PutUint16(b[4:], be.Uint16(b[4:])+uint16(len(options)))
		return slices.Concat(b[:40], options, b[40:])
	})
	options := each(func(b []byte) []byte {
		b[0] = 0x46
		be.PutUint16(b[2:], be.Uint16(b[2:])+4)
		return slices.Concat(b[:20], []byte{1, 1, 1, 0}, b[20:])
	})
	spoilt := each(func(b []byte) []byte {
		b[10] ^= 0xff
		b[36] ^= 0xff
		return b
	})
	digits := strings.Repeat("0123456789", 30)
	const cutOff = "tshark's follow leaves out what was cut off a packet, and does not tell"
	return []nastyCase{
		{name: "fragments", say: long, taken: fragments(96, inOrderSent)},
		{name: "fragments backward", say: long, taken: fragments(96, backward)},
		{name: "fragments doubled", say: long, taken: fragments(96, twice)},
		{name: "fragment missing", say: long, taken: fragments(96, withoutSecond),
			truth: []string{fmt.Sprintf(`tcp 192.0.2.1:40000 %q 192.0.2.2:80 "done"`, digits[:76]+missing(224)+"the end")},
			why:   "the whole was acknowledged: the receiver had it, and of that what was captured is shown"},
		{name: "fragments of a datagram", say: func(s *script) { s.udp(Opener, strings.Repeat("0123456789", 30)) }, taken: fragments(96, backward)},
		{name: "fragments of IPv6", say: long6, taken: fragments6(96)},
		{name: "fragments in GRE", say: long, taken: func(list []packetBytes) []packetBytes {
			return tunnel(47, 0, func([]byte) []byte { return []byte{0, 0, 8, 0} })(fragments(96, inOrderSent)(list))
		}},
		{name: "extension headers", say: chat6, taken: extended},
		{name: "options of IPv4", say: chat, taken: options},
		{name: "length 0 by offload", say: long, taken: lengthless},
		{name: "length 0 by offload of IPv6", say: long6, taken: lengthless,
			truth: []string{fmt.Sprintf(`tcp [2001:db8::1]:40000 %q [2001:db8::2]:80 "done"`, digits)},
			why:   "Linux hands packets over 64 KiB to the card so (BIG TCP), without a jumbo header; tshark takes them for empty"},
		{name: "larger than any MTU", say: sends(segment{0, strings.Repeat("0123456789", 6000)}, segment{60000, "z"})},
		{name: "wrong checksums", say: long, taken: spoilt},
		{name: "snapped in the payload", say: long, taken: snapped(100), why: cutOff,
			truth: []string{fmt.Sprintf(`tcp 192.0.2.1:40000 %q 192.0.2.2:80 "done"`, digits[:60]+missing(240)+"the end")}},
		{name: "snapped after the TCP header", say: long, taken: snapped(40), why: cutOff,
			truth: []string{fmt.Sprintf(`tcp 192.0.2.1:40000 %q 192.0.2.2:80 %q`, missing(307), missing(4))}},
		{name: "snapped in the TCP header", say: long, taken: snapped(36)},
		{name: "snapped datagram", say: func(s *script) { s.udp(Opener, "0123456789"); s.udp(Opener, "abc") }, taken: snapped(32), why: cutOff,
			truth: []string{fmt.Sprintf(`udp 192.0.2.1:40000 %q 192.0.2.2:80 ""`, "0123"+missing(6)+"abc")}},
	}
}

// How packets are kept in a file.
func nastyFiles() []nastyCase {
	const raw = 101
	two := func(list []packetBytes) []packetBytes {
		for i := range list {
			list[i].iface = uint32(i % 2)
			if i%2 == 1 {
				list[i].data = ethernet()(list[i].data)
				list[i].wire = len(list[i].data)
			}
		}
		return list
	}
	rawAndEthernet := []ngInterface{{raw, 6}, {1, 9}}
	sections := func(list []packetBytes) [][]byte {
		half := len(list) / 2
		only := []ngInterface{{raw, 9}}
		return [][]byte{slices.Concat(ngSectionOf(le, only, list[:half]), ngSectionOf(be, only, list[half:]))}
	}
	return []nastyCase{
		{name: "pcap of microseconds", say: chat, write: pcap(le, 0xa1b2c3d4, 1000, raw)},
		{name: "pcap swapped", say: chat, write: pcap(be, 0xa1b2c3d4, 1000, raw)},
		{name: "pcap of nanoseconds swapped", say: chat, write: pcap(be, 0xa1b23c4d, 1, raw)},
		{name: "pcap of raw IP by BSD's number", say: chat, write: linked(12)},
		{name: "pcapng", say: chat, write: func(l []packetBytes) [][]byte { return [][]byte{ngSectionOf(le, []ngInterface{{raw, 9}}, l)} }},
		{name: "pcapng swapped", say: chat6, write: func(l []packetBytes) [][]byte { return [][]byte{ngSectionOf(be, []ngInterface{{raw, 3}}, l)} }},
		{name: "pcapng with two interfaces", say: chat, taken: two, write: func(l []packetBytes) [][]byte { return [][]byte{ngSectionOf(le, rawAndEthernet, l)} }},
		{name: "pcapng with two sections", say: chat, write: sections},
		{name: "gzip", say: chat, write: packedBy(gzipped)},
		{name: "zstd", say: chat, write: packedBy(zstded)},
		{name: "lz4", say: chat, write: packedBy(lz4ed)},
		{name: "xz", say: chat, write: packedBy(xzed), packed: true},
	}
}

// nastyCut is the last of all: mergecap stops where a file is cut.
func nastyCut() []nastyCase {
	cut := func(list []packetBytes) [][]byte {
		b := rawPcap(list)
		return [][]byte{b[:len(b)-50]}
	}
	return []nastyCase{{name: "pcap cut", say: chat, write: cut}}
}

// Where packets are captured: at several places, and in several files.
func nastyPlaces() []nastyCase {
	cookedTwice := func(list []packetBytes) (all []packetBytes) {
		for _, p := range list {
			for in := range byte(2) {
				data := slices.Concat(kindOf(p.data), []byte{0, 0, 0, 0, 0, 3 + in, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0}, p.data)
				all = append(all, packetBytes{data, len(data), p.nanos + uint64(in)*5000, 0})
			}
		}
		return all
	}
	translated := func(list []packetBytes) (all []packetBytes) {
		for _, p := range list {
			b := slices.Clone(p.data)
			for _, at := range []int{12, 16} { // the server's address, and the client's
				switch b[at+3] {
				case 1:
					copy(b[at:], []byte{198, 51, 100, 1})
				case 2:
					copy(b[at:], []byte{198, 51, 100, 2})
				}
			}
			all = append(all, p, packetBytes{b, len(b), p.nanos + 5000, 0})
		}
		return all
	}
	ring := func(list []packetBytes) [][]byte { return [][]byte{rawPcap(list[5:]), rawPcap(list[:5])} }
	both := func(list []packetBytes) [][]byte { return [][]byte{rawPcap(list), rawPcap(list)} }
	said := func(client, server string) []string {
		return []string{fmt.Sprintf(`tcp %s:40000 "a question that takes some bytes, so that it can be cutand one more" %s:80 "an answer, too, is not altogether short"`, client, server)}
	}
	return []nastyCase{
		{name: "two files of a ring in any order", say: chat, write: ring},
		{name: "two captures of the same", say: chat, write: both},
		{name: "any of two interfaces", say: chat, taken: cookedTwice, write: linked(276)},
		{name: "datagrams on any of two interfaces", say: func(s *script) { s.udp(Opener, "abc"); s.udp(Opener, "abc") }, taken: cookedTwice, write: linked(276),
			truth: []string{`udp 192.0.2.1:40000 "abcabc" 192.0.2.2:80 ""`}, why: "tshark shows each datagram as often as it was captured; it was sent once"},
		{name: "addresses translated", say: chat, taken: translated, truth: said("198.51.100.1", "198.51.100.2"),
			why: "the same connection before and after a translator is two for tshark"},
	}
}
