package lab

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"
)

// uafd keeps a table of channels that were found lately, and forgets to clear it when a channel is
// dropped. It takes two to kill it: one client drops a channel, and another, whose line is as
// ordinary as any, names it afterwards.
var uafd = Case{
	Name:   "uafd",
	Listen: netip.MustParseAddrPort("127.0.0.1:6660"),
	Command: func(s *Stage) []string {
		return []string{s.Home + "/sbin/uafd", "6660"}
	},
	Script:    scriptUAFD,
	Culprit:   Culprit{Module: "libchannel.so", Function: "channel_say", Role: "victim", Origin: "channel_drop"},
	Mechanism: "fault_read",
}

var channels = []string{"#lobby", "#team", "#deploys", "#random", "#support"}

func scriptUAFD(s *Stage) []Conversation {
	r := s.Rand
	death := between(r, 2200*time.Millisecond, 2600*time.Millisecond)
	doomed := fmt.Sprintf("#incident-%d", 100+r.IntN(900))
	quiet := death - 300*time.Millisecond // nobody makes or drops a channel after this but those two
	script := []Conversation{
		{Member, loopback(2000 + r.IntN(50)), 100 * time.Millisecond, chatOwner(subrand(r), doomed, death-60*time.Millisecond)},
		{Killer, loopback(2100 + r.IntN(50)), death - 400*time.Millisecond, chatKiller(subrand(r), doomed)},
		{Twin, loopback(2200 + r.IntN(50)), between(r, death/4, death/2), chatSay("dora", "SAY "+doomed+" is it back yet?")},
		{Ordinary, loopback(2300), 0, chatOpenAll},
	}
	for range 330 {
		at := between(r, 50*time.Millisecond, death+150*time.Millisecond)
		channel := channels[r.IntN(len(channels))]
		if at < death*3/4 && at > 200*time.Millisecond && r.IntN(6) == 0 {
			channel = doomed
		}
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(60)), at, chatVisit(subrand(r), channel)})
	}
	for range 25 {
		at := between(r, 50*time.Millisecond, quiet-200*time.Millisecond)
		script = append(script, Conversation{Ordinary, loopback(400 + r.IntN(20)), at, chatPassing(subrand(r))})
	}
	for i, line := range chatOddities(subrand(r), doomed) {
		script = append(script, Conversation{Odd, loopback(1000 + i), between(r, death/5, quiet), chatSay(fmt.Sprintf("odd%d", i), line)})
	}
	for i, line := range chatWaiting {
		script = append(script, Conversation{Waiting, loopback(1100 + i), between(r, death/3, death-100*time.Millisecond), chatWait(line)})
	}
	return script
}

// command sends a line and reads the answer.
func command(t *Talk, format string, args ...any) {
	t.Send(fmt.Appendf(nil, format+"\n", args...))
	t.Line()
}

func greet(t *Talk, nick string) {
	t.Line()
	command(t, "NICK %s", nick)
}

// chatOpenAll makes the channels that everybody uses.
func chatOpenAll(t *Talk) {
	greet(t, "keeper")
	for _, c := range append(channels, "#announce") {
		command(t, "OPEN %s", c)
	}
}

// chatOwner opens a channel, uses it, and drops it shortly before the end: the set's first half.
func chatOwner(r *rand.Rand, channel string, drop time.Duration) func(*Talk) {
	return func(t *Talk) {
		greet(t, "alice")
		command(t, "OPEN %s", channel)
		command(t, "TOPIC %s disk full on edge1", channel)
		for range 5 {
			t.Pause(time.Duration(20+r.IntN(60)) * time.Millisecond)
			command(t, "SAY %s working on it %d", channel, r.IntN(100))
		}
		t.Until(drop)
		t.Message(fmt.Appendf(nil, "DROP %s\n", channel))
		t.Line()
		t.Announce("dropped")
		command(t, "SAY #lobby all done")
	}
}

// chatKiller has been there for a while, and says one more line when the channel is gone.
func chatKiller(r *rand.Rand, channel string) func(*Talk) {
	return func(t *Talk) {
		greet(t, "bob")
		command(t, "LAST %s 3", channel)
		t.Await("dropped")
		t.Pause(time.Duration(10+r.IntN(40)) * time.Millisecond)
		t.Message(fmt.Appendf(nil, "SAY %s is it back?\n", channel))
		t.Rest()
	}
}

func chatSay(nick, line string) func(*Talk) {
	return func(t *Talk) {
		greet(t, nick)
		t.Message([]byte(line + "\n"))
		t.Line()
	}
}

func chatWait(line string) func(*Talk) {
	return func(t *Talk) {
		greet(t, "w")
		t.Message([]byte(line))
		t.Outlast()
	}
}

func chatVisit(r *rand.Rand, channel string) func(*Talk) {
	return func(t *Talk) {
		greet(t, fmt.Sprintf("user%d", r.IntN(100)))
		for range 1 + r.IntN(4) {
			switch r.IntN(6) {
			case 0:
				command(t, "LAST %s %d", channel, r.IntN(10))
			case 1:
				command(t, "TOPIC %s", channel)
			case 2:
				command(t, "LIST")
			case 3:
				t.Slowly(fmt.Appendf(nil, "SAY %s slow line %x\n", channel, random(r, 20)), 15, 4*time.Millisecond)
				t.Line()
			default:
				command(t, "SAY %s %s", channel, chatText(r))
			}
			t.Pause(time.Duration(r.IntN(25)) * time.Millisecond)
		}
		t.message.Bytes = nil
		t.Send([]byte("QUIT\n"))
	}
}

func chatText(r *rand.Rand) string {
	words := []string{"the", "build", "is", "green", "red", "again", "who", "broke", "it", "deploy", "at", "noon", "ok", "thanks", "edge1", "disk", "full"}
	text := words[r.IntN(len(words))]
	for range r.IntN(12) {
		text += " " + words[r.IntN(len(words))]
	}
	return text
}

// chatPassing makes a channel for itself and drops it again, as the killer's partner does.
func chatPassing(r *rand.Rand) func(*Talk) {
	return func(t *Talk) {
		channel := fmt.Sprintf("#tmp-%08x", r.Uint32())
		greet(t, fmt.Sprintf("bot%d", r.IntN(100)))
		command(t, "OPEN %s", channel)
		command(t, "SAY %s %s", channel, chatText(r))
		t.Pause(time.Duration(r.IntN(50)) * time.Millisecond)
		command(t, "DROP %s", channel)
	}
}

// chatOddities are stranger than either half of the deadly set.
func chatOddities(r *rand.Rand, doomed string) []string {
	return []string{
		"SAY #lobby " + fmt.Sprintf("%x", random(r, 1500)),
		"SAY #" + fmt.Sprintf("%x", random(r, 100)) + " too long a name",
		"SAY #nowhere anybody?",
		"DROP #lobby",
		"DROP " + doomed,
		"PRIVMSG #lobby :hello",
		"HELP",
		"TOPIC #lobby " + fmt.Sprintf("%x", random(r, 300)),
		"LAST #lobby 4294967295",
		"\x16\x03\x01\x00\x2f",
		"GET / HTTP/1.0",
		"say #team lower case",
	}
}

// chatWaiting are lines that get no answer: half of one, or a wait for a word where nobody speaks.
var chatWaiting = []string{
	"WAIT #announce\n", "WAIT #announce\n", "WAIT #announce\n", "WAIT #announce\nSAY #lob", "WAIT #announce",
	"SAY #lobby half a li", "LAS", "TOPIC #team the topic is that this line never en",
}
