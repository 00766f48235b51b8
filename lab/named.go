package lab

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// named is Debian's BIND with a module that counts for whom resolvers ask. It takes for granted that who sends
// a client's subnet along sends an IPv4 or an IPv6 one; but RFC 7871 lets a resolver say by a family of 0 that it
// asks for nobody.
var named = Case{
	Name:    "named",
	Program: "/usr/sbin/named",
	Listen:  netip.MustParseAddrPort("127.0.0.1:53"),
	UDP:     true,
	Prepare: prepareNamed,
	Command: func(s *Stage) []string {
		return []string{"/usr/sbin/named", "-f", "-n", "2", "-c", s.Home + "/named.conf"}
	},
	Script:    scriptNamed,
	Culprit:   Culprit{Module: "subnet.so", Function: "subnet_bucket", Role: "decided"},
	Mechanism: "assertion",
}

const namedConf = `options {
	directory "%[1]s";
	pid-file "%[1]s/pid";
	session-keyfile "%[1]s/session.key";
	listen-on { 127.0.0.1; };
	listen-on-v6 { none; };
	recursion yes;
	dnssec-validation no;
	notify no;
	forward only;
	forwarders { 127.0.0.53; };
};
controls { };
logging { channel to_file { file "%[1]s/log"; }; category default { to_file; }; };
zone "example.net" { type primary; file "example.net"; };
zone "2.0.192.in-addr.arpa" { type primary; file "reverse"; };
plugin query "%[1]s/lib/subnet.so" { 24 56 };
`

// dnsHosts are how many of a kind the zone has.
const dnsHosts = 60

func prepareNamed(s *Stage) error {
	zone := "$TTL 300\n@ SOA ns hostmaster 7 3600 600 86400 60\n@ NS ns\nns A 192.0.2.1\n@ MX 10 mail\nmail A 192.0.2.2\n@ TXT \"v=spf1 mx -all\"\n" +
		"_sip._udp SRV 10 5 5060 host1\n@ CAA 0 issue \"ca.example.org\"\n*.wild A 192.0.2.3\nold DNAME host1\n"
	reverse := "$TTL 300\n@ SOA ns.example.net. hostmaster.example.net. 7 3600 600 86400 60\n@ NS ns.example.net.\n"
	for i := range dnsHosts {
		zone += fmt.Sprintf("host%d A 192.0.2.%d\nhost%[1]d AAAA 2001:db8::%x\nwww%[1]d CNAME host%[1]d\n", i, 10+i, i)
		reverse += fmt.Sprintf("%d PTR host%d.example.net.\n", 10+i, i)
	}
	// The forwarder takes questions and never answers.
	silent, err := net.ListenPacket("udp", "127.0.0.53:53")
	if err != nil {
		return err
	}
	context.AfterFunc(s.ctx, func() { silent.Close() })
	for name, text := range map[string]string{"named.conf": fmt.Sprintf(namedConf, s.Home), "example.net": zone, "reverse": reverse} {
		if err := os.WriteFile(filepath.Join(s.Home, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func scriptNamed(s *Stage) []Conversation {
	r := s.Rand
	death := between(r, 2200*time.Millisecond, 2700*time.Millisecond)
	name := fmt.Sprintf("host%d.example.net", r.IntN(dnsHosts))
	id, kind := uint16(r.Uint32()), []uint16{typeA, typeAAAA}[r.IntN(2)]
	script := []Conversation{
		{Killer, loopback(2000 + r.IntN(50)), death, dnsResolver(subrand(r), dnsWith(id, name, kind, dnsSubnet(0, 0)))},
		{Twin, loopback(2100 + r.IntN(50)), between(r, death/4, death*3/4), dnsResolver(subrand(r), dnsWith(id^0x5555, name, kind, dnsSubnet(1, 0)))},
	}
	for range 420 {
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(60)), between(r, 0, death+150*time.Millisecond), dnsStub(subrand(r))})
	}
	for i, question := range namedOddities(subrand(r)) {
		script = append(script, Conversation{Odd, loopback(1000 + i), between(r, death/10, death-30*time.Millisecond), func(t *Talk) {
			t.Message(question)
			t.Datagram()
		}})
	}
	for i := range 16 {
		question := dnsWith(uint16(r.Uint32()), domain(r), typeA, dnsCookie(r))
		script = append(script, Conversation{Waiting, loopback(1200 + i), between(r, death/3, death-20*time.Millisecond), func(t *Talk) {
			t.Message(question)
			t.Datagram()
		}})
	}
	return script
}

// dnsWith is a question with an OPT record that has such options.
func dnsWith(id uint16, name string, kind uint16, options ...[]byte) []byte {
	b := dnsQuestion(id, name, kind, 1, true)
	return sized16(b[:len(b)-2], join(options...))
}

func dnsOption(code uint16, data []byte) []byte {
	return sized16(binary.BigEndian.AppendUint16(nil, code), data)
}

// dnsSubnet is the option that says for whom a resolver asks: of an address, so many bits.
func dnsSubnet(family byte, bits byte, address ...byte) []byte {
	return dnsOption(8, append([]byte{0, family, bits, 0}, address[:(int(bits)+7)/8]...))
}

func dnsCookie(r *rand.Rand) []byte { return dnsOption(10, random(r, 8)) }

// dnsResolver has asked before, and doesn't wait for the answers.
func dnsResolver(r *rand.Rand, question []byte) func(*Talk) {
	return func(t *Talk) {
		for range r.IntN(3) {
			t.Send(dnsOrdinary(r))
			t.Pause(10 * time.Millisecond)
		}
		t.Message(question)
		t.Datagram()
	}
}

// dnsStub asks a few questions, each when the one before is answered.
func dnsStub(r *rand.Rand) func(*Talk) {
	return func(t *Talk) {
		for range 1 + r.IntN(4) {
			t.Send(dnsOrdinary(r))
			t.Datagram()
			t.Pause(time.Duration(r.IntN(30)) * time.Millisecond)
		}
	}
}

func dnsOrdinary(r *rand.Rand) []byte {
	id, n := uint16(r.Uint32()), r.IntN(dnsHosts+3) // some hosts aren't there
	name, kind := fmt.Sprintf("host%d.example.net", n), []uint16{typeA, typeA, typeAAAA, typeHTTPS}[r.IntN(4)]
	switch r.IntN(10) {
	case 0:
		name, kind = fmt.Sprintf("%d.2.0.192.in-addr.arpa", 10+n), typePTR
	case 1:
		name, kind = "example.net", []uint16{typeMX, typeTXT, typeSOA, 2, typeCAA}[r.IntN(5)]
	case 2, 3:
		name = fmt.Sprintf("www%d.example.net", n)
	case 4:
		name = fmt.Sprintf("%s.wild.example.net", strings.Split(domain(r), ".")[0])
	case 5:
		name, kind = "_sip._udp.example.net", typeSRV
	}
	switch r.IntN(8) {
	case 0:
		return dnsWith(id, name, kind, dnsSubnet(1, byte(16+r.IntN(9)), random(r, 4)...))
	case 1:
		return dnsWith(id, name, kind, dnsCookie(r), dnsSubnet(2, byte(32+r.IntN(25)), append([]byte{0x20, 0x01, 0x0d, 0xb8}, random(r, 4)...)...))
	case 2, 3:
		return dnsWith(id, name, kind, dnsCookie(r))
	}
	return dnsQuestion(id, name, kind, 1, r.IntN(2) == 0)
}

// namedOddities are longer, rarer or stranger than the killer.
func namedOddities(r *rand.Rand) [][]byte {
	id := func() uint16 { return uint16(r.Uint32()) }
	long := strings.Repeat("a-label-of-some-length-that-somebody-has-thought-of.", 4) + "example.net"
	return [][]byte{
		dnsWith(id(), "host1.example.net", typeA, dnsSubnet(1, 32, 198, 51, 100, 7)),   // more than is anybody's business
		dnsWith(id(), "host2.example.net", typeA, dnsOption(8, []byte{0, 3, 8, 0, 7})), // a family that there isn't
		dnsWith(id(), "host3.example.net", typeA, dnsOption(8, []byte{0, 0, 8, 0, 7})), // of no family, and yet bits
		dnsWith(id(), "host4.example.net", typeA, dnsOption(8, []byte{0, 1})),
		dnsWith(id(), "host5.example.net", typeA, dnsSubnet(2, 0)),
		dnsWith(id(), "host6.example.net", typeA, dnsOption(12, make([]byte, 400)), dnsOption(3, nil)), // padding; who are you?
		dnsWith(id(), "host7.example.net", typeANY, dnsOption(65001, random(r, 90))),
		dnsWith(id(), long, typeNAPTR),
		dnsWith(id(), "a.b.c.old.example.net", typeA),
		dnsQuestion(id(), "version.bind", typeTXT, 3, false),
		dnsQuestion(id(), "hOsT8.eXaMpLe.NeT", 65280, 1, true),
		dnsQuestion(id(), "example.net", 252, 1, false), // a transfer, by UDP
		dnsQuestion(id(), "example.net", typeSOA, 254, false),
		append(binary.BigEndian.AppendUint16(nil, id()), 0x28, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1),        // UPDATE
		append(binary.BigEndian.AppendUint16(nil, id()), 0x20, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 6, 0, 1), // NOTIFY, of itself
		[]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		random(r, 7),
	}
}
