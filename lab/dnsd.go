package lab

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// dnsd forwards questions to an upstream and keeps what it answers. What kills it is an answer: its
// table of record types says that an RP record has one name in its data where it has two, and an
// assertion that the data is used up fails. Clients may ask for RP records as they like.
var dnsd = Case{
	Name:    "dnsd",
	Listen:  netip.MustParseAddrPort("127.0.0.1:53"),
	UDP:     true,
	Prepare: func(s *Stage) error { return serveZone(s, newZone(s.Seed), "127.0.0.53:53") },
	Command: func(s *Stage) []string {
		return []string{s.Home + "/sbin/dnsd", "127.0.0.1", "53", "127.0.0.53"}
	},
	Script:    scriptDNSD,
	Culprit:   Culprit{Module: "dnsd", Function: "rr_expand", Role: "decided"},
	Mechanism: "assertion",
}

// zone is what the upstream knows; server and clients derive it from the same seed.
type zone struct {
	names []dnsEntry // ordinary ones, drawn at will
	odd   []dnsEntry // each asked for once
	lost  []string   // questions about these are never answered
	twin  dnsEntry
	kill  dnsEntry
}

// dnsEntry is a name and what the upstream says about it.
type dnsEntry struct {
	name    string
	kind    uint16
	flags   uint16 // beside those of every answer: 0x0200 cut short, low bits an error
	records []dnsRecord
}

func newZone(seed uint64) zone {
	r := rand.New(rand.NewPCG(seed, 53))
	var z zone
	kinds := []uint16{typeA, typeA, typeA, typeAAAA, typeAAAA, typeCNAME, typeMX, typeTXT, typePTR, typeSRV, typeSOA, typeHTTPS}
	for range 160 {
		e := dnsEntry{name: domain(r), kind: kinds[r.IntN(len(kinds))]}
		switch r.IntN(12) {
		case 0:
			e.flags = 3 // no such name
		case 1: // there is such a name, but nothing of this type
		default:
			for range 1 + r.IntN(4) {
				e.records = append(e.records, dnsRecord{e.kind, uint32(30 * r.IntN(200)), dnsData(r, e.kind)})
			}
		}
		z.names = append(z.names, e)
	}
	for _, kind := range []uint16{typeNAPTR, typeLOC, typeAFSDB, typeTLSA, typeSSHFP, typeCAA, typeDNAME, 99, 249, 65280} {
		z.odd = append(z.odd, dnsEntry{name: domain(r), kind: kind, records: []dnsRecord{{kind, 60, dnsData(r, kind)}}})
	}
	z.odd = append(z.odd, bigAnswers(r)...)
	for range 8 {
		z.lost = append(z.lost, domain(r))
	}
	z.kill = dnsEntry{domain(r), typeRP, 0, []dnsRecord{{typeRP, 3600, dnsData(r, typeRP)}}}
	z.twin = dnsEntry{domain(r), typeRP, 0x0200, []dnsRecord{{typeRP, 3600, dnsData(r, typeRP)}}}
	return z
}

// bigAnswers are longer than anything else on this wire.
func bigAnswers(r *rand.Rand) []dnsEntry {
	any := dnsEntry{name: domain(r), kind: typeANY}
	for _, kind := range []uint16{typeA, typeAAAA, typeMX, typeTXT, typeSOA, typeNAPTR} {
		any.records = append(any.records, dnsRecord{kind, 300, dnsData(r, kind)})
	}
	key := dnsEntry{name: "mail._domainkey." + domain(r), kind: typeTXT}
	for range 4 {
		key.records = append(key.records, dnsRecord{typeTXT, 300, append([]byte{250}, random(r, 250)...)})
	}
	long := strings.Repeat("a-very-long-label-that-somebody-has-thought-of.", 4) + domain(r)
	return []dnsEntry{any, key, {name: long, kind: typeA, records: []dnsRecord{{typeA, 1, random(r, 4)}}}}
}

func domain(r *rand.Rand) string {
	words := []string{"north", "mail", "shop", "cloud", "news", "files", "video", "bank", "city", "static", "img", "data", "forum", "wiki"}
	tops := []string{"example.com", "example.org", "example.net", "test.example"}
	return fmt.Sprintf("%s-%s%d.%s", words[r.IntN(len(words))], words[r.IntN(len(words))], r.IntN(1000), tops[r.IntN(len(tops))])
}

// serveZone is the upstream: it answers from the zone, each question after a while of its own.
func serveZone(s *Stage, z zone, address string) error {
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	context.AfterFunc(s.ctx, func() { conn.Close() })
	known := map[string]dnsEntry{}
	roles := map[string]Role{z.kill.name: Killer, z.twin.name: Twin}
	for _, e := range append(append(z.names, z.odd...), z.kill, z.twin) {
		known[string(dnsName(e.name))] = e
	}
	for _, e := range z.odd {
		roles[e.name] = Odd
	}
	remote, _ := netip.ParseAddrPort(address)
	var once sync.Map
	answer := func(question []byte, to net.Addr, e dnsEntry) {
		time.Sleep(time.Duration(len(e.name)%9) * time.Millisecond)
		reply := dnsAnswer(question, e.flags, e.records...)
		conn.WriteTo(reply, to)
		if _, again := once.LoadOrStore(e.name, true); roles[e.name] != "" && !again {
			s.note(deed{Role: roles[e.name], Remote: remote, Outbound: true, UDP: true, Bytes: reply})
		}
	}
	go func() {
		for {
			buf := make([]byte, 1500)
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if e, ok := known[questionName(buf[:n])]; ok {
				go answer(buf[:n], from, e)
			}
		}
	}()
	return nil
}

// questionName is a question's name as it stands on the wire.
func questionName(b []byte) string {
	at := 12
	for at < len(b) && b[at] != 0 {
		at += int(b[at]) + 1
	}
	if at >= len(b) {
		return ""
	}
	return string(b[12 : at+1])
}

func scriptDNSD(s *Stage) []Conversation {
	r, z := s.Rand, newZone(s.Seed)
	death := between(r, 2200*time.Millisecond, 2600*time.Millisecond)
	script := []Conversation{
		{Ordinary, loopback(2000), death, dnsAsk(r, z.kill.name, typeRP)},
		{Ordinary, loopback(2001), between(r, death/4, death*3/4), dnsAsk(r, z.twin.name, typeRP)},
	}
	for range 420 {
		e := z.names[r.IntN(len(z.names))]
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(60)), between(r, 0, death+150*time.Millisecond), dnsAsk(r, e.name, e.kind)})
	}
	for i, e := range z.odd {
		script = append(script, Conversation{Ordinary, loopback(1000 + i), between(r, death/10, death*9/10), dnsAsk(r, e.name, e.kind)})
	}
	for i, talk := range dnsOddities(subrand(r)) {
		script = append(script, Conversation{Odd, loopback(1100 + i), between(r, death/10, death*9/10), talk})
	}
	for i, name := range z.lost {
		at := between(r, death/3, death-20*time.Millisecond)
		script = append(script, Conversation{Waiting, loopback(1200 + i), at, dnsAsk(r, name, typeA)})
	}
	return script
}

// dnsAsk asks one question and waits for the answer, if one comes.
func dnsAsk(r *rand.Rand, name string, kind uint16) func(*Talk) {
	question := dnsQuestion(uint16(r.Uint32()), name, kind, 1, r.IntN(3) > 0)
	return func(t *Talk) {
		t.Message(question)
		t.Datagram()
	}
}

// dnsOddities are questions stranger than the one that leads to the killer.
func dnsOddities(r *rand.Rand) []func(*Talk) {
	send := func(b []byte) func(*Talk) {
		return func(t *Talk) {
			t.Message(b)
			t.Datagram()
		}
	}
	header := func(second byte, counts ...uint16) []byte {
		b := binary.BigEndian.AppendUint16(nil, uint16(r.Uint32()))
		return append(append(b, second, 0), list16(counts)...)
	}
	return []func(*Talk){
		send(dnsQuestion(uint16(r.Uint32()), "version.bind", typeTXT, 3, false)),
		send(header(0x20, 1, 0, 0, 0)),                         // NOTIFY without a zone
		send(join(header(0x28, 1, 0, 1, 0), random(r, 300))),   // UPDATE
		send(join(header(0x01, 1, 0, 0, 0), []byte{0xc0, 12})), // a name that points to itself
		send(join(header(0x01, 7, 0, 0, 0), dnsName("a.b"))),   // seven questions
		send(random(r, 5)), // too short
		send(join([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))),      // another protocol
		send(join(header(0x84, 1, 1, 0, 0), dnsName("example.com"))), // an answer that nobody asked for
		send(join(header(0x01, 1, 0, 0, 0), []byte{64}, random(r, 64))),
	}
}
