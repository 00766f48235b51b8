package lab

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"
)

// agedd signs tickets with keys that follow one another. The first has two names in the ring, as there
// are tickets from before keys had names, and when its life is over it is freed once for each of them.
// Nobody's message has to do with that.
var agedd = Case{
	Name:   "agedd",
	Listen: netip.MustParseAddrPort("127.0.0.1:7474"),
	Command: func(s *Stage) []string {
		return []string{s.Home + "/sbin/agedd", "7474", fmt.Sprint(agedLife(s).Milliseconds())}
	},
	Script:    scriptAgedd,
	None:      true,
	Culprit:   Culprit{Module: "libkeyring.so", Function: "keyring_sweep", Role: "decided"},
	Mechanism: "allocator_check",
}

// agedLife is how long a key lives, and with it the daemon.
func agedLife(s *Stage) time.Duration {
	return between(rand.New(rand.NewPCG(s.Seed, 7474)), 2200*time.Millisecond, 2700*time.Millisecond)
}

func scriptAgedd(s *Stage) []Conversation {
	r, death := s.Rand, agedLife(s)
	var script []Conversation
	for range 400 {
		at := between(r, 0, death+100*time.Millisecond)
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(70)), at, ticketVisit(subrand(r))})
	}
	for i, talk := range ticketOddities(subrand(r)) {
		script = append(script, Conversation{Odd, loopback(1000 + i), between(r, death/10, death), talk})
	}
	for i, text := range ticketWaiting(subrand(r)) {
		at := between(r, death/4, death-150*time.Millisecond)
		talk := func(t *Talk) {
			t.Message([]byte(text))
			t.Outlast()
		}
		script = append(script, Conversation{Waiting, loopback(1100 + i), at, talk})
	}
	return script
}

// ticketLogin logs in and returns the ticket.
func ticketLogin(t *Talk, r *rand.Rand) string {
	t.Send(fmt.Appendf(nil, "LOGIN %s %s\n", ticketUser(r), ticketPlace(r)))
	return strings.TrimSpace(strings.TrimPrefix(string(t.Line()), "TICKET "))
}

func ticketUser(r *rand.Rand) string {
	names := []string{"anna", "bela", "chen", "dora", "emil", "fatma", "georg", "hana", "ivo", "jana"}
	return fmt.Sprintf("%s%02d", names[r.IntN(len(names))], r.IntN(40))
}

func ticketPlace(r *rand.Rand) string {
	return []string{"web", "mobile", "vpn", "imap", fmt.Sprintf("desk-%d", r.IntN(300)), fmt.Sprintf("192.0.2.%d", r.IntN(255))}[r.IntN(6)]
}

// ticketVisit is a user who logs in and whose ticket is shown now and then, or a service that only asks.
func ticketVisit(r *rand.Rand) func(*Talk) {
	return func(t *Talk) {
		ticket := ticketLogin(t, r)
		for range r.IntN(6) {
			t.Pause(time.Duration(r.IntN(60)) * time.Millisecond)
			switch r.IntN(8) {
			case 0:
				command(t, "WHO")
			case 1:
				command(t, "KEYS")
			case 2:
				t.Slowly(fmt.Appendf(nil, "TOUCH %s\n", ticket), 8+r.IntN(20), time.Duration(2+r.IntN(10))*time.Millisecond)
				t.Line()
			case 3, 4:
				command(t, "TOUCH %s", ticket)
			default:
				command(t, "CHECK %s", ticket)
			}
		}
		switch r.IntN(3) {
		case 0:
			command(t, "LOGOUT %s", ticket)
		case 1:
			t.Send([]byte("QUIT\n"))
		}
		t.message.Bytes = nil
	}
}

// ticketOddities are forged, outdated, over-long and strange.
func ticketOddities(r *rand.Rand) []func(*Talk) {
	var talks []func(*Talk)
	for _, text := range []string{
		"CHECK -.1." + ticketUser(r) + fmt.Sprintf(".%016x", r.Uint64()), // from before keys had names
		"CHECK -.7f." + ticketUser(r) + ".0",
		"LOGOUT k0.1.anna01." + fmt.Sprintf("%016x", r.Uint64()),
		"TOUCH k99.ffffffffffffffff." + ticketUser(r) + ".ffffffffffffffff",
		"CHECK ....",
		"CHECK " + fmt.Sprintf("%x", random(r, 700)),
		"LOGIN " + strings.Repeat("very-long-name-", 30) + " web",
		"LOGIN a.b.c vpn",
		"LOGIN user %n%n%n%s",
		"LOGIN Zürich\u202e 北",
		"login anna web",
		"KEYS -1",
		"\x16\x03\x01\x01\x2c\x01\x00\x01\x28\x03\x03" + string(random(r, 40)),
		"GET /check?ticket=k1.2.anna.3 HTTP/1.1\r",
	} {
		text = strings.ReplaceAll(text, "\n", " ") + "\n"
		talks = append(talks, func(t *Talk) {
			t.Message([]byte(text))
			t.Line()
		})
	}
	same, other := subrand(r), subrand(r)
	return append(talks,
		func(t *Talk) { // shows the same ticket many times in one breath
			check := fmt.Sprintf("CHECK %s\n", ticketLogin(t, same))
			t.Remember([]byte(strings.Repeat(check, 12)))
			t.Pause(50 * time.Millisecond)
		},
		func(t *Talk) { // a ticket with somebody else's name in it
			part := strings.Split(ticketLogin(t, other)+"...", ".")
			t.Remember(fmt.Appendf(nil, "CHECK %s.%s.root.%s\n", part[0], part[1], part[3]))
			t.Line()
		})
}

// ticketWaiting gets no answer: waits for users who don't come, and half lines.
func ticketWaiting(r *rand.Rand) []string {
	var texts []string
	for range 5 {
		texts = append(texts,
			fmt.Sprintf("AWAIT contractor%d\n", r.IntN(100000)),
			fmt.Sprintf("AWAIT night-shift-%d\nCHE", r.IntN(100)))
	}
	return append(texts, "LOGIN "+ticketUser(r), "CHECK k0.1."+ticketUser(r)+".0", "AWAIT somebody", "TOU")
}
