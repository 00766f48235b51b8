package lab

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"
)

// arenad takes mail, and keeps what is of it in slabs of its own. An address is written anew, as notifications
// have it: in there, some bytes of ASCII need six, too, which whoever reckons the room has forgotten. A
// list's return path with some of them runs into the object behind its own, a free one, where the list of the free
// ones goes on. Two more of that size, and the pool follows what it takes for an address.
var arenad = Case{
	Name:      "arenad",
	Listen:    netip.MustParseAddrPort("127.0.0.1:2525"),
	Command:   func(s *Stage) []string { return []string{s.Home + "/sbin/arenad", "2525"} },
	Script:    scriptArenad,
	Culprit:   Culprit{Module: "libpool.so", Function: "pool_alloc", Role: "victim", Origin: "address_original"},
	Mechanism: "fault_read",
}

func scriptArenad(s *Stage) []Conversation {
	r := s.Rand
	kill := between(r, 1900*time.Millisecond, 2300*time.Millisecond)
	address := verpAddress(r)
	tame := strings.NewReplacer("=", "-", "+", "-").Replace(address)
	script := []Conversation{
		{Killer, loopback(2000 + r.IntN(50)), kill, mtaList(subrand(r), address)},
		{Twin, loopback(2100 + r.IntN(50)), between(r, kill/4, kill*3/4), mtaList(subrand(r), tame)},
	}
	for range 460 {
		at := between(r, 0, kill+800*time.Millisecond)
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(60)), at, mtaVisit(subrand(r))})
	}
	for i, talk := range mtaOddities(subrand(r)) {
		at := between(r, kill/10, kill)
		script = append(script, Conversation{Odd, loopback(1000 + i), at, talk})
	}
	for i, talk := range mtaWaiting(subrand(r)) {
		at := between(r, kill/4, kill-50*time.Millisecond)
		script = append(script, Conversation{Waiting, loopback(1100 + i), at, talk})
	}
	return script
}

// verpAddress is where a list wants to have what comes back. Written anew, it goes some bytes over its object's
// end, and so few that what becomes of the next one's link is an address where nothing is.
func verpAddress(r *rand.Rand) string {
	words := []string{"weekly", "offers", "news", "digest", "spring", "members", "regional", "batch", "catalogue"}
	for {
		address := "bounces"
		for range 1 + r.IntN(3) {
			address += fmt.Sprintf("+%s=%d", words[r.IntN(len(words))], r.IntN(10000))
		}
		address += fmt.Sprintf("+%s.%s=customers.example.org@", mtaUser(r), words[r.IntN(len(words))])
		address += strings.Repeat("out.", r.IntN(6)) + fmt.Sprintf("lists%d.marketing.example.com", r.IntN(100))
		if over := mtaNeed(address) - 128; mtaRoom(address) > 96 && (over == 6 || over == 7) {
			return address
		}
	}
}

// mtaRoom is how much memory arenad reckons for an address, and mtaNeed how much it needs.
func mtaRoom(address string) (n int) {
	for i := range len(address) {
		n++
		if address[i] >= 0x80 {
			n += 2
		}
	}
	return n + len("utf-8;") + 1
}

func mtaNeed(address string) (n int) {
	for _, c := range address {
		switch {
		case c == utf8.RuneError:
			n += 6
		case c > '~' || c <= ' ' || strings.ContainsRune(`+=\`, c):
			n += len(fmt.Sprintf("\\x{%02X}", c))
		default:
			n++
		}
	}
	return n + len("utf-8;") + 1
}

// mtaHarmless says whether an address has room, in an object that is larger than was reckoned.
func mtaHarmless(address string) bool {
	for _, size := range []int{32, 64, 96, 128, 192, 256, 512, 1024, 4096} {
		if mtaRoom(address) <= size {
			return mtaNeed(address) <= size
		}
	}
	return false
}

func mtaUser(r *rand.Rand) string {
	return []string{"alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"}[r.IntN(10)]
}

// mtaAddress is mostly short and plain.
func mtaAddress(r *rand.Rand) string {
	for {
		user, host := mtaUser(r), []string{"example.org", "example.com", "mail.example.net", "students.example.edu"}[r.IntN(4)]
		address := user + "@" + host
		switch r.IntN(12) {
		case 0:
			address = fmt.Sprintf("%s+%s@%s", user, []string{"shop", "lists", "2026"}[r.IntN(3)], host)
		case 1:
			address = fmt.Sprintf("bounces+%d=%s=%s@lists.%s", r.IntN(10000), user, host, host)
		case 2:
			address = fmt.Sprintf("SRS0=%x=%c%c=%s=%s@forward.example.com", random(r, 2), 'A'+r.IntN(26), 'A'+r.IntN(26), host, user)
		case 3:
			address = fmt.Sprintf("%s.%s-%x@%s", user, []string{"notifications", "noreply", "do-not-reply"}[r.IntN(3)], random(r, 4+r.IntN(30)), host)
		}
		if mtaHarmless(address) {
			return address
		}
	}
}

// mtaReplies reads so many replies, of which each may have several lines.
func (t *Talk) mtaReplies(n int) {
	t.Read(func(b []byte) bool {
		whole := 0
		for line := range bytes.Lines(b) {
			if bytes.HasSuffix(line, []byte("\n")) && len(line) > 3 && line[3] == ' ' {
				whole++
			}
		}
		return whole >= n
	})
}

func (t *Talk) mtaSay(lines ...string) {
	t.Send([]byte(strings.Join(lines, "\r\n") + "\r\n"))
	t.mtaReplies(len(lines))
}

func mtaHello(t *Talk, r *rand.Rand) {
	t.mtaReplies(1)
	t.mtaSay([]string{"EHLO", "EHLO", "HELO"}[r.IntN(3)] + fmt.Sprintf(" mx%d.example.net", r.IntN(40)))
}

// mtaMail is a mail's headers and body. Few headers are as long as the address that kills.
func mtaMail(r *rand.Rand, plain bool) string {
	var b strings.Builder
	if !plain && r.IntN(9) == 0 {
		fmt.Fprintf(&b, "Received: from mx%d.example.org ([192.0.2.%d]) by mx%d.example.com with ESMTPS id %x for <%s@example.net>\r\n",
			r.IntN(10), r.IntN(256), r.IntN(10), random(r, 6), mtaUser(r))
	}
	fmt.Fprintf(&b, "From: %s@example.org\r\nTo: %s@example.net\r\nSubject: %s\r\nMessage-ID: <%x@example.org>\r\n",
		mtaUser(r), mtaUser(r), prose(r, 1+r.IntN(4)), random(r, 8))
	if !plain && r.IntN(4) == 0 {
		fmt.Fprintf(&b, "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=key1; b=%x\r\n", random(r, 90))
	}
	b.WriteString("\r\n")
	for range 1 + r.IntN(12) {
		b.WriteString(prose(r, 3+r.IntN(9)) + "\r\n")
	}
	return b.String() + ".\r\n"
}

// mtaList is a list's mail; its return path is what it is remembered by.
func mtaList(r *rand.Rand, address string) func(*Talk) {
	return func(t *Talk) {
		mtaHello(t, r)
		t.Message([]byte("MAIL FROM:<" + address + ">\r\n"))
		t.mtaReplies(1)
		t.mtaSay("RCPT TO:<"+mtaUser(r)+"@example.org>", "DATA")
		t.Send([]byte(mtaMail(r, true)))
		t.mtaReplies(1)
		t.Pause(time.Duration(5+r.IntN(30)) * time.Millisecond)
		t.mtaSay("QUIT")
	}
}

// mtaVisit brings some mails.
func mtaVisit(r *rand.Rand) func(*Talk) {
	return func(t *Talk) {
		mtaHello(t, r)
		for range 1 + r.IntN(2) {
			envelope := []string{"MAIL FROM:<" + mtaAddress(r) + ">"}
			for range 1 + r.IntN(3) {
				envelope = append(envelope, "RCPT TO:<"+mtaAddress(r)+">")
			}
			envelope = append(envelope, "DATA")
			switch r.IntN(8) {
			case 0, 1: // knows pipelining
				t.mtaSay(envelope...)
			case 2: // changes its mind
				t.mtaSay(envelope[:2]...)
				t.mtaSay([]string{"RSET", "NOOP", "XSTATS", "VRFY " + mtaUser(r)}[r.IntN(4)])
				continue
			default:
				for _, line := range envelope {
					t.mtaSay(line)
				}
			}
			text := []byte(mtaMail(r, false))
			if r.IntN(8) == 0 {
				t.Slowly(text, 100+r.IntN(100), time.Duration(2+r.IntN(10))*time.Millisecond)
			} else {
				t.Send(text)
			}
			t.mtaReplies(1)
			t.Pause(time.Duration(r.IntN(40)) * time.Millisecond)
		}
		t.message.Bytes = nil
		if r.IntN(4) > 0 {
			t.mtaSay("QUIT")
		}
	}
}

// mtaOddities are longer, rarer or stranger than the killer.
func mtaOddities(r *rand.Rand) []func(*Talk) {
	var talks []func(*Talk)
	say := func(replies int, text string) {
		r := subrand(r)
		talks = append(talks, func(t *Talk) {
			mtaHello(t, r)
			t.Message([]byte(text))
			t.mtaReplies(replies)
		})
	}
	from := func(address string) { // each is harmless
		say(1, "MAIL FROM:<"+address+">\r\n")
	}
	from(strings.Repeat("a.very.long.name.", 13) + "end@example.org")
	from("x" + strings.Repeat("=", 5) + strings.Repeat("-", 180) + "@example.org")
	from(`"john + jane \" smith"` + "@" + strings.Repeat("sub.", 30) + "example.org")
	from("Dörte.Müller@Sörensen.example.com")
	from("北側北側北側北側北側北側@例え.example")
	from("\U0001f600\U0001f600\U0001f600\U0001f600\U0001f600\U0001f600@example.org")
	from("")
	from("prvs=1234567890=carol@example.com")
	say(1, "MAIL FROM:<@relay1.example.com,@relay2.example.com:bob@example.org> SIZE=1000000 BODY=8BITMIME RET=HDRS ENVID=QQ314159\r\n")
	say(1, "MAIL FROM: carol@example.org\r\n")
	say(1, "RCPT TO:<early@example.org>\r\n")
	say(1, "DATA\r\n")
	say(1, "EXPN "+strings.Repeat("list", 300)+"\r\n")
	say(1, "STARTTLS\r\n")
	say(1, "AUTH PLAIN "+fmt.Sprintf("%x", random(r, 60))+"\r\n")
	say(1, "GET / HTTP/1.1\r\n")
	say(1, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"+strings.ReplaceAll(string(random(r, 500)), "\n", "")+"\n")
	say(1, strings.Repeat("no end of it ", 400))
	many := "MAIL FROM:<>\r\n"
	for range 23 {
		many += "RCPT TO:<" + mtaAddress(r) + ">\r\n"
	}
	say(24, many)
	say(4, "MAIL FROM:<"+mtaAddress(r)+">\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"+
		strings.Repeat("X-Loop: again and again\r\n", 70)+"\r\n"+strings.Repeat(prose(r, 12)+"\r\n", 300)+".\r\n")
	return talks
}

// mtaWaiting gets no answer: a mail that never comes, the half of a mail or of a command.
func mtaWaiting(r *rand.Rand) []func(*Talk) {
	wait := func(before []string, text string) func(*Talk) {
		r := subrand(r)
		return func(t *Talk) {
			mtaHello(t, r)
			for _, line := range before {
				t.mtaSay(line)
			}
			t.Remember([]byte(text))
			t.Outlast()
		}
	}
	var talks []func(*Talk)
	for range 4 {
		text := mtaMail(r, true)
		command := "MAIL FROM:<" + mtaAddress(r) + ">"
		talks = append(talks,
			wait(nil, fmt.Sprintf("XNEXT nobody%d\r\n", r.IntN(1000))),
			wait([]string{"MAIL FROM:<" + mtaAddress(r) + ">", "RCPT TO:<" + mtaAddress(r) + ">", "DATA"}, text[:len(text)-3-r.IntN(20)]),
			wait(nil, command[:len(command)-r.IntN(6)]))
	}
	return talks
}
