package lab

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"
)

// leased lets an operator keep some of a pool's things back, and all of them, too: that is answered as any
// other request. The clock, a second and hundreds of messages later, divides by what is left.
var leased = Case{
	Name:   "leased",
	Listen: netip.MustParseAddrPort("127.0.0.1:6789"),
	Command: func(s *Stage) []string {
		return []string{s.Home + "/sbin/leased", "6789", fmt.Sprint(leaseMeasure.Milliseconds())}
	},
	Script:    scriptLeased,
	Culprit:   Culprit{Module: "libpool.so", Function: "pool_measure", Role: "victim", Origin: "pool_reserve"},
	Mechanism: "arithmetic",
}

// leaseMeasure is the time between the clock's rounds: the second one is the last.
const leaseMeasure = 1300 * time.Millisecond

func scriptLeased(s *Stage) []Conversation {
	r, death := s.Rand, 2*leaseMeasure
	kill := between(r, leaseMeasure+80*time.Millisecond, leaseMeasure+450*time.Millisecond)
	script := []Conversation{
		{Ordinary, loopback(2300), 0, leaseOpen(subrand(r))},
		{Killer, loopback(2000 + r.IntN(50)), kill, leaseOperator(subrand(r), 0)},
		{Twin, loopback(2100 + r.IntN(50)), between(r, death/10, death*3/4), leaseOperator(subrand(r), 1+r.IntN(2))},
	}
	for range 420 {
		at := between(r, 60*time.Millisecond, death+100*time.Millisecond)
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(60)), at, leaseVisit(subrand(r))})
	}
	for range 12 { // operators who leave more than they must
		at := between(r, 100*time.Millisecond, death-100*time.Millisecond)
		script = append(script, Conversation{Ordinary, loopback(400 + r.IntN(20)), at, leaseOperator(subrand(r), 3+r.IntN(12))})
	}
	for i, talk := range leaseOddities(subrand(r)) {
		script = append(script, Conversation{Odd, loopback(1000 + i), between(r, death/10, death-50*time.Millisecond), talk})
	}
	for i, text := range leaseWaiting(subrand(r)) {
		at := between(r, death/4, death-150*time.Millisecond)
		talk := func(t *Talk) {
			t.Message([]byte(text))
			t.Outlast()
		}
		script = append(script, Conversation{Waiting, loopback(1100 + i), at, talk})
	}
	return script
}

// leasePools are those that everybody uses, and what is in them.
var leasePools = []struct {
	name string
	size int
}{{"vlan-guest", 400}, {"vlan-staff", 900}, {"cad-licence", 40}, {"ports-nat", 60000}, {"radio-channel", 24}}

func netstring(format string, args ...any) []byte {
	text := fmt.Sprintf(format, args...)
	return fmt.Appendf(nil, "%d:%s,", len(text), text)
}

// Netstring reads one netstring, and returns its text.
func (t *Talk) Netstring() string {
	got := t.Read(func(b []byte) bool {
		length, text, ok := bytes.Cut(b, []byte(":"))
		var n int
		fmt.Sscan(string(length), &n)
		return ok && len(text) > n
	})
	_, text, _ := strings.Cut(string(got), ":")
	return strings.TrimSuffix(text, ",")
}

// leaseAsk makes one request and returns its answer.
func leaseAsk(t *Talk, format string, args ...any) string {
	t.Send(netstring(format, args...))
	return t.Netstring()
}

func leaseOpen(r *rand.Rand) func(*Talk) {
	return func(t *Talk) {
		for _, p := range leasePools {
			leaseAsk(t, "make %s %d", p.name, p.size)
		}
		leaseAsk(t, "reserve vlan-staff %d", 1+r.IntN(30))
		leaseAsk(t, "make never-released 3")
	}
}

// leaseOperator makes a pool for a building site and keeps all of it back but a few.
func leaseOperator(r *rand.Rand, left int) func(*Talk) {
	return func(t *Talk) {
		pool, size := fmt.Sprintf("site-%06x", r.Uint32()&0xffffff), 16<<r.IntN(4)
		leaseAsk(t, "make %s %d", pool, size)
		for range r.IntN(3) {
			leaseAsk(t, "show %s", pool)
		}
		t.Pause(time.Duration(r.IntN(20)) * time.Millisecond)
		t.Message(netstring("reserve %s %d", pool, size-left))
		t.Netstring()
		t.Pause(time.Duration(r.IntN(60)) * time.Millisecond)
		leaseAsk(t, "list")
	}
}

// leaseVisit takes a lease, looks at things, and mostly gives it back.
func leaseVisit(r *rand.Rand) func(*Talk) {
	return func(t *Talk) {
		pool := leasePools[r.IntN(len(leasePools))].name
		number := strings.TrimPrefix(leaseAsk(t, "lease %s %s", pool, leaseHolder(r)), "ok ")
		for range r.IntN(4) {
			t.Pause(time.Duration(r.IntN(50)) * time.Millisecond)
			switch r.IntN(7) {
			case 0:
				leaseAsk(t, "list")
			case 1:
				t.Slowly(netstring("show %s", pool), 3+r.IntN(6), time.Duration(2+r.IntN(12))*time.Millisecond)
				t.Netstring()
			case 2:
				leaseAsk(t, "reserve cad-licence %d", r.IntN(20))
			default:
				leaseAsk(t, "show %s", pool)
			}
		}
		if r.IntN(5) > 0 {
			leaseAsk(t, "release %s %s", pool, number)
		}
		t.message.Bytes = nil
	}
}

func leaseHolder(r *rand.Rand) string {
	switch r.IntN(3) {
	case 0:
		return fmt.Sprintf("02:00:5e:%02x:%02x:%02x", r.IntN(256), r.IntN(256), r.IntN(256))
	case 1:
		return fmt.Sprintf("ws%03d.office.example.net", r.IntN(500))
	}
	return []string{"anna", "bela", "chen", "dora"}[r.IntN(4)] + fmt.Sprint(r.IntN(90))
}

// leaseOddities are longer, rarer or stranger than the killer; some nearly do what it does.
func leaseOddities(r *rand.Rand) []func(*Talk) {
	var talks []func(*Talk)
	for _, text := range []string{
		"reserve vlan-guest 400000", // more than there are
		"reserve ports-nat 4294967296",
		"reserve radio-channel -1",
		"reserve cad-licence 0",
		"make empty 0",
		"make huge 99999999999999999999",
		"make " + strings.Repeat("long-name-", 60) + " 5",
		"lease vlan-guest " + fmt.Sprintf("%x", random(r, 600)),
		"lease vlan-staff %s%s%n",
		"release ports-nat 4294967295",
		"LIST",
		"",
		"show Zürich 北 \x00\x01",
		strings.Repeat("reserve ", 400),
	} {
		talks = append(talks, func(t *Talk) {
			t.Message(netstring("%s", text))
			t.Netstring()
		})
	}
	return append(talks,
		func(t *Talk) { // takes the last thing of a pool, so that nothing can be reserved
			pool := fmt.Sprintf("single-%x", r.Uint32())
			leaseAsk(t, "make %s 1", pool)
			leaseAsk(t, "lease %s %s", pool, leaseHolder(r))
			t.Message(netstring("reserve %s 1", pool))
			t.Netstring()
		},
		func(t *Talk) { // no netstring
			t.Message([]byte("GET /pools HTTP/1.1\r\nHost: leases\r\n\r\n"))
			t.Netstring()
		},
		func(t *Talk) { // much at once
			t.Message(bytes.Repeat(netstring("show ports-nat"), 40))
			t.Pause(60 * time.Millisecond)
		})
}

// leaseWaiting gets no answer: waits where nothing is ever released, and halves of messages.
func leaseWaiting(r *rand.Rand) []string {
	var texts []string
	for range 6 {
		texts = append(texts, string(netstring("await never-released")))
	}
	half := func(text string) string { return text[:len(text)-1-r.IntN(5)] }
	return append(texts,
		half(string(netstring("reserve cad-licence %d", r.IntN(20)))),
		half(string(netstring("lease vlan-guest %s", leaseHolder(r)))),
		string(netstring("await never-released"))+"13:show vl",
		"2", "400:make site-")
}
