package lab

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// snmpd is Net-SNMP's agent with a module that keeps labels of a switch's ports. A label may have 255
// octets; the line for the display has room for eighty, and nobody looks. It takes two: somebody writes a label down
// in full, and later somebody else asks for the port's line, as for any other's.
var snmpd = Case{
	Name:    "snmpd",
	Program: "/usr/sbin/snmpd",
	Listen:  netip.MustParseAddrPort("127.0.0.1:1161"),
	UDP:     true,
	Prepare: func(s *Stage) error {
		conf := "rocommunity public 127.0.0.0/8\nrwcommunity private 127.0.0.0/8\nsysLocation rack 7\nsysContact noc@example.net\n" +
			fmt.Sprintf("agentaddress udp:127.0.0.1:1161\ndlmod labels %s/lib/labels.so\n[snmp] persistentDir %[1]s/state\n", s.Home)
		return os.WriteFile(filepath.Join(s.Home, "snmpd.conf"), []byte(conf), 0o644)
	},
	Command: func(s *Stage) []string {
		return []string{"/usr/sbin/snmpd", "-f", "-C", "-c", s.Home + "/snmpd.conf", "-Lf", s.Home + "/log", "-p", s.Home + "/pid"}
	},
	Script:    scriptSnmpd,
	Culprit:   Culprit{Module: "labels.so", Function: "labels_line", Role: "decided"},
	Mechanism: "fortify",
}

// snmpPorts are those that everybody asks for; a few more are only spoken of where the script says so.
const snmpPorts = 48

func scriptSnmpd(s *Stage) []Conversation {
	r := s.Rand
	death := between(r, 2200*time.Millisecond, 2700*time.Millisecond)
	port := snmpPorts + 1 + r.IntN(4)
	other, long := port+4, snmpLabel(r, 80+r.IntN(30))
	script := []Conversation{
		{Member, loopback(2000 + r.IntN(50)), between(r, death/5, death/2), snmpCall(snmpSet(r, port, long))},
		{Killer, loopback(2100 + r.IntN(50)), death, snmpPoll(subrand(r), snmpGet(r, "public", snmpColumn(3, port), snmpColumn(2, port)))},
		{Ordinary, loopback(2300), between(r, death/5, death/2), snmpCall(snmpSet(r, other, long[:70]))},
		{Twin, loopback(2200 + r.IntN(50)), between(r, death*6/10, death*9/10), snmpPoll(subrand(r), snmpGet(r, "public", snmpColumn(3, other), snmpColumn(2, other)))},
	}
	for range 400 {
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(60)), between(r, 0, death+150*time.Millisecond), snmpVisit(subrand(r))})
	}
	for i, message := range snmpOddities(subrand(r), port) {
		script = append(script, Conversation{Odd, loopback(1000 + i), between(r, death*6/10, death-30*time.Millisecond), snmpCall(message)})
	}
	for i, message := range snmpWaiting(subrand(r)) {
		script = append(script, Conversation{Waiting, loopback(1100 + i), between(r, death/4, death-20*time.Millisecond), snmpCall(message)})
	}
	return script
}

// Kinds of SNMP's requests.
const (
	snmpGetKind  = 0xa0
	snmpNextKind = 0xa1
	snmpSetKind  = 0xa3
	snmpBulkKind = 0xa5
	snmpTrapKind = 0xa7
)

// snmp is a message of version 2c; a bulk request has numbers of its own where others have errors.
func snmp(r *rand.Rand, kind byte, community string, a, b int, bindings ...string) []byte {
	return []byte(ber(0x30, berNumber(0x02, 1), berText(community),
		ber(kind, berNumber(0x02, 1000+r.IntN(30000)), berNumber(0x02, a), berNumber(0x02, b), ber(0x30, bindings...))))
}

// snmpOID is an object's name, which begins with 1.3.
func snmpOID(numbers ...int) string {
	text := "\x2b"
	for _, n := range numbers {
		part := string([]byte{byte(n & 0x7f)})
		for n >>= 7; n > 0; n >>= 7 {
			part = string([]byte{byte(n&0x7f) | 0x80}) + part
		}
		text += part
	}
	return ber(0x06, text)
}

func snmpBinding(name, value string) string { return ber(0x30, name, value) }

// snmpColumn is a port's label (1), how often it was set (2) or its line (3).
func snmpColumn(column, port int) string { return snmpOID(6, 1, 4, 1, 64512, 7, column, port) }

func snmpGet(r *rand.Rand, community string, names ...string) []byte {
	var all []string
	for _, name := range names {
		all = append(all, snmpBinding(name, ber(0x05)))
	}
	return snmp(r, snmpGetKind, community, 0, 0, all...)
}

func snmpSet(r *rand.Rand, port int, label string) []byte {
	return snmp(r, snmpSetKind, "private", 0, 0, snmpBinding(snmpColumn(1, port), berText(label)))
}

// snmpLabel is what somebody writes down of a port, of so many letters.
func snmpLabel(r *rand.Rand, n int) string {
	text := fmt.Sprintf("room %d.%02d, panel %c%d, ", 1+r.IntN(4), r.IntN(40), 'A'+r.IntN(6), 1+r.IntN(24))
	return (text + prose(r, 40))[:n]
}

func snmpCall(message []byte) func(*Talk) {
	return func(t *Talk) {
		t.Message(message)
		t.Datagram()
	}
}

// snmpPoll has asked for other ports before.
func snmpPoll(r *rand.Rand, message []byte) func(*Talk) {
	return func(t *Talk) {
		for range r.IntN(3) {
			port := 1 + r.IntN(snmpPorts)
			t.Send(snmpGet(r, "public", snmpColumn(3, port), snmpColumn(2, port)))
			t.Pause(10 * time.Millisecond)
		}
		t.Message(message)
		t.Datagram()
	}
}

// snmpVisit is a station that looks at the switch, or somebody who labels its ports.
func snmpVisit(r *rand.Rand) func(*Talk) {
	return func(t *Talk) {
		for range 1 + r.IntN(4) {
			t.Send(snmpOrdinary(r))
			t.Datagram()
			t.Pause(time.Duration(r.IntN(40)) * time.Millisecond)
		}
	}
}

func snmpOrdinary(r *rand.Rand) []byte {
	port := 1 + r.IntN(snmpPorts)
	switch r.IntN(10) {
	case 0:
		return snmpGet(r, "public", snmpOID(6, 1, 2, 1, 1, 3, 0), snmpOID(6, 1, 2, 1, 1, 5, 0))
	case 1:
		return snmp(r, snmpNextKind, "public", 0, 0, snmpBinding(snmpOID(6, 1, 2, 1, 1, 1+r.IntN(6)), ber(0x05)))
	case 2:
		return snmp(r, snmpBulkKind, "public", 0, 1+r.IntN(8), snmpBinding(snmpOID(6, 1, 2, 1, 11), ber(0x05)))
	case 3:
		return snmpGet(r, "public", snmpColumn(1, port))
	case 4, 5:
		return snmpSet(r, port, snmpLabel(r, 18+r.IntN(40)))
	case 6:
		return snmpGet(r, "private", snmpColumn(1, port), snmpColumn(2, port), snmpColumn(3, port))
	default:
		return snmpGet(r, "public", snmpColumn(3, port), snmpColumn(2, port))
	}
}

// snmpOddities are longer, rarer or stranger than the killer.
func snmpOddities(r *rand.Rand, port int) [][]byte {
	var many []string
	for i := range snmpPorts {
		many = append(many, snmpColumn(3, 1+i))
	}
	return [][]byte{
		snmpGet(r, "public", many...),
		snmpGet(r, "public", snmpColumn(1, port), snmpColumn(2, port)), // the long label as it is
		snmpSet(r, 60, snmpLabel(r, 200)),                              // another long one, whose line nobody asks for
		snmpSet(r, 61, strings.Repeat("x", 256)),
		snmpSet(r, 62, "a\x00b"),
		snmpSet(r, 63, ""),
		snmpSet(r, 65, "beyond the last"),
		snmp(r, snmpSetKind, "public", 0, 0, snmpBinding(snmpColumn(1, 5), berText("who only may read"))),
		snmp(r, snmpSetKind, "private", 0, 0, snmpBinding(snmpColumn(3, 5), berText("a line can't be set"))),
		snmp(r, snmpSetKind, "private", 0, 0, snmpBinding(snmpColumn(1, 5), berNumber(0x02, 7))),
		snmpGet(r, "public", snmpColumn(4, 1), snmpColumn(3, 0), snmpColumn(3, 9999)),
		snmpGet(r, "public", snmpOID(6, 1, 4, 1, 64512, 7, 3)),
		snmpGet(r, "public", snmpOID(6, 1, 6, 3, 10, 2, 1, 3, 0), snmpOID(6, 1, 4, 1, 2021, 10, 1, 3, 1)),
		snmp(r, snmpBulkKind, "public", 0, 40, snmpBinding(snmpOID(6, 1, 2, 1, 2, 2), ber(0x05))),
		snmp(r, snmpNextKind, "public", 0, 0, snmpBinding(snmpOID(6, 1, 6, 3, 127, 127, 127), ber(0x05))),
		[]byte(ber(0x30, berNumber(0x02, 0), berText("public"), ber(snmpGetKind, berNumber(0x02, 1), berNumber(0x02, 0), berNumber(0x02, 0),
			ber(0x30, snmpBinding(snmpOID(6, 1, 2, 1, 1, 1, 0), ber(0x05)))))), // version 1
	}
}

// snmpWaiting gets no answer: by a community that there isn't, cut off, or no question.
func snmpWaiting(r *rand.Rand) [][]byte {
	var all [][]byte
	for range 4 {
		port := 1 + r.IntN(snmpPorts)
		whole := snmpGet(r, "public", snmpColumn(3, port), snmpColumn(1, port))
		all = append(all,
			snmpGet(r, fmt.Sprintf("guess%d", r.IntN(1000)), snmpColumn(3, port), snmpColumn(2, port)),
			snmp(r, snmpSetKind, "Private", 0, 0, snmpBinding(snmpColumn(1, port), berText(snmpLabel(r, 90+r.IntN(60))))),
			whole[:len(whole)-1-r.IntN(20)],
			snmp(r, snmpTrapKind, "public", 0, 0, snmpBinding(snmpOID(6, 1, 2, 1, 1, 3, 0), ber(0x43, string(random(r, 3))))))
	}
	return all
}
