package weigh

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/inquest-project/inquest/internal/evidence/elftest"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reasoning/moment"
)

// asked are messages, each on a connection of its own.
func asked(t testing.TB, messages ...string) *wire {
	w := newWire(t)
	for _, m := range messages {
		w.asks(moment.Open, m)
	}
	return w
}

const (
	// A length and what it is of, as a daemon may keep the one in a ring with all, and the other by itself.
	prefixed = "\x00\x00\x00\x1fthe body of a prefixed message"

	parted = "POST /a HTTP/1.1\r\nContent-Length: 24\r\n\r\nbody of the parted upload" // one byte more than it says
	body   = "body of the parted uploa"
	spaced = "\r\n SET Color, Deep Violet\r\n"
)

// many are messages of which all are like the first but for a number at the end.
func many(n int, beginning string) (messages []string) {
	for i := range n {
		messages = append(messages, fmt.Sprintf("%s%04d", beginning, i*7919%10000))
	}
	return messages
}

// masked is a WebSocket frame of text as clients send it.
func masked(text string) string {
	const key = "\xa1\xb2\xc3\xd4"
	frame := []byte{0x81, 0x80 | byte(len(text))}
	frame = append(frame, key...)
	for i := range len(text) {
		frame = append(frame, text[i]^key[i%4])
	}
	return string(frame)
}

var memoryScenarios = []scenario{
	{"whole, at any alignment", func(t testing.TB) *Case {
		return core{onHeap: map[int]string{0x101: "GET /found/in/memory"}}.with(asked(t, "GET /found/in/memory", "PUT /not/anywhere/there"))
	}, map[string]string{"GET /found/in/memory": "whole", "PUT /not/anywhere/there": "absent"}},
	{"case folded and separators overwritten", func(t testing.TB) *Case {
		return core{onHeap: map[int]string{0x101: "get\x00\x00FOUND\x00in\x00Memory\x00a"}}.with(asked(t, "GET /Found/in/memory?a", "GET /Found+in+memory?b"))
	}, map[string]string{"GET /Found/in/memory?a": "whole", "GET /Found+in+memory?b": "absent"}},
	{"whole without the separators at its ends", func(t testing.TB) *Case {
		return core{onHeap: map[int]string{0x101: "xSET Color, Deep Violetx"}}.with(asked(t, spaced))
	}, map[string]string{spaced: "whole"}},
	{"not whole without a letter at its end", func(t testing.TB) *Case {
		return core{onHeap: map[int]string{0x101: "xSET Color, Deep Viole"}}.with(asked(t, spaced))
	}, map[string]string{spaced: "half"}},
	{"a part that the dissection names", func(t testing.TB) *Case {
		return core{onHeap: map[int]string{0x101: body}}.with(asked(t, parted))
	}, map[string]string{parted: "a part"}},
	{"a payload as the daemon unmasked it", func(t testing.TB) *Case {
		w := newWire(t)
		l := w.asks(moment.Open, "GET /chat HTTP/1.1\r\nUpgrade: websocket\r\n\r\n")
		l.Say(server, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
		l.Say(client, masked("the payload that it has"))
		l.Say(server, "\x81\x03yes")
		l.Say(client, masked("a short one"))
		l.Say(server, "\x81\x03yes")
		l.Say(client, masked("the payload that it has not"))
		return core{rdi: heapAt + 0x600, onHeap: map[int]string{0x501: "the payload that it has.", 0x601: "a short one"}}.with(w)
	}, map[string]string{
		masked("the payload that it has"): "a part", masked("a short one"): "a part", masked("the payload that it has not"): "half",
	}},
	{"half, and a run", func(t testing.TB) *Case {
		return core{onHeap: map[int]string{0x101: parted[:40], 0x301: "0123456789abcdef"}}.with(asked(t, parted, "?0123456789abcdefg"+strings.Repeat("z", 30)))
	}, map[string]string{parted: "half", "?0123456789abcdefg" + strings.Repeat("z", 30): "a run"}},
	{"in memory that can't have been written it doesn't count", func(t testing.TB) *Case {
		return core{segments: []elftest.Segment{{Flags: elftest.R, Vaddr: codes + 0x10000, Data: []byte("GET /found/in/memory")}}}.with(asked(t, "GET /found/in/memory"))
	}, map[string]string{"GET /found/in/memory": "absent"}},
	{"common, where a daemon stores what it is sent", func(t testing.TB) *Case {
		onHeap := map[int]string{}
		messages := many(8, "store this value of ")
		for i, m := range messages {
			onHeap[0x100+i*64] = m
		}
		onHeap[0x1001] = "a message that nobody else sent"
		return core{onHeap: onHeap}.with(asked(t, append(messages, many(4, "no trace of this: ")...)...))
	}, map[string]string{"store this value of 0000": "whole, common", "no trace of this: 0000": "absent"}},
	{"parts, halves and runs in common", func(t testing.TB) *Case {
		var messages []string
		for i := range 4 {
			messages = append(messages, fmt.Sprintf("%d"+parted, i))
		}
		for i := range 4 {
			messages = append(messages, fmt.Sprintf("half of this is common to some: %d%s", i, strings.Repeat("x", 10)))
			messages = append(messages, fmt.Sprintf("a run of sixteen: %d%s", i, strings.Repeat(fmt.Sprint(i), 80)))
		}
		return core{onHeap: map[int]string{0x101: body, 0x201: "half of this is common to some: ", 0x301: "a run of sixteen: "}}.with(asked(t, messages...))
	}, map[string]string{
		"half of this is common to some: 0xxxxxxxxxx": "half, common", "a run of sixteen: 2" + strings.Repeat("2", 80): "a run, common",
	}},
	{"a part in common", func(t testing.TB) *Case {
		var messages []string
		for i := range 4 {
			messages = append(messages, strings.Replace(parted, "/a", fmt.Sprintf("/%d", i), 1))
		}
		return core{onHeap: map[int]string{0x101: body}}.with(asked(t, messages...))
	}, map[string]string{strings.Replace(parted, "/a", "/2", 1): "a part, common"}},
	{"one of very many, by what tells it apart", func(t testing.TB) *Case {
		messages := many(200, "GET /one/of/very/many?number=")
		return core{onHeap: map[int]string{0x101: messages[77]}}.with(asked(t, messages...))
	}, map[string]string{many(78, "GET /one/of/very/many?number=")[77]: "whole"}},
	{"a short message within reach only", func(t testing.TB) *Case {
		return core{
			rdi:    heapAt + 0x1000,
			words:  []uint64{0, word("on-stck"), 0},
			onHeap: map[int]string{0x1010: "held me", 0x8000: "far off"},
		}.with(asked(t, "HELD me\r\n", "far off\r\n", "on-stck\n", "tiny\n"))
	}, map[string]string{"HELD me\r\n": "whole", "far off\r\n": "absent", "on-stck\n": "whole", "tiny\n": ""}},
	{"whole in a ring with its length, though a register holds the body alone", ring, map[string]string{prefixed: "whole"}},
	{"whole in memory that had been given back", func(t testing.TB) *Case {
		return core{onHeap: given("a text that was freed", "a text still in use")}.with(asked(t, "a text that was freed", "a text still in use"))
	}, map[string]string{"a text that was freed": "whole, freed", "a text still in use": "whole"}},
	{"what stands in use as well is not freed, nor what the thread held", func(t testing.TB) *Case {
		c := core{rdi: heapAt + 0x9000, onHeap: given("a text that was freed", "another in use", "another freed", "a text that was freed")}
		held := core{rdi: heapAt + firstBlock, onHeap: given("a text that was freed")}
		if found := held.with(asked(t, "a text that was freed")).Candidates[0].Memory; !found.Freed {
			t.Errorf("%+v is in use", found)
		} else if level := observeMemory(held.with(asked(t, "a text that was freed")))[0].Level; level != "whole" {
			t.Errorf("what the thread held is %q", level)
		}
		return c.with(asked(t, "a text that was freed"))
	}, map[string]string{"a text that was freed": "whole"}},
	{"nothing without a core", func(t testing.TB) *Case { return asked(t, "GET /found/in/memory").alone() }, nil},
	{"nothing of what was taken from memory", fromMemory, nil},
}

// ring has a message whole where nobody comes to, and its body where a register points to.
func ring(t testing.TB) *Case {
	return core{rdi: heapAt + 0x1000, onHeap: map[int]string{0x1000: prefixed[4:], 0x8000: prefixed}}.with(asked(t, prefixed, "GET /not/in/memory"))
}

// reaching has one message held by a register, one by what that points to, and one by nothing.
func reaching(others ...string) core {
	onHeap := map[int]string{
		0x1000: "GET /held/by/register ", 0x2000: "GET /held/by/an/object ", 0x3000: "GET /held/by/nobody/at/all ",
		0x1100: pointer(heapAt + 0x2000),
	}
	for i, m := range others {
		onHeap[0x4000+i*64] = m
	}
	return core{rdi: heapAt + 0x1000, words: []uint64{heapAt + 0x1100}, onHeap: onHeap}
}

// upload is longer than what of a message is looked for at once.
var upload = strings.Join(many(searchedMost/10, "upload: "), "")

// barely is a few bytes longer.
var barely = upload[:searchedMost] + "\x01last few"

var reachableScenarios = []scenario{
	{"by the fewest hops", func(t testing.TB) *Case {
		return reaching().with(asked(t, "GET /held/by/register", "GET /held/by/an/object", "GET /held/by/nobody/at/all", "GET /not/in/memory/at/all"))
	}, map[string]string{
		"GET /held/by/register": "one hop", "GET /held/by/an/object": "two hops", "GET /held/by/nobody/at/all": "out of reach", "GET /not/in/memory/at/all": "out of reach",
	}},
	{"the nearest of two places", func(t testing.TB) *Case {
		return reaching("GET /held/by/register").with(asked(t, "GET /held/by/register"))
	}, map[string]string{"GET /held/by/register": "one hop"}},
	{"the fewer hops of two ways, whichever place comes first", func(t testing.TB) *Case {
		return core{rdi: heapAt + 0x1000, words: []uint64{heapAt + 0x3000, heapAt + 0x4000}, onHeap: map[int]string{
			0x1000: pointer(heapAt+0x2000) + pointer(heapAt+0x5000),
			0x2000: "first two hops, then one", 0x3000: "first two hops, then one", 0x4000: "first one hop, then two", 0x5000: "first one hop, then two",
		}}.with(asked(t, "first two hops, then one", "first one hop, then two"))
	}, map[string]string{"first two hops, then one": "one hop", "first one hop, then two": "one hop"}},
	{"what is within reach, though a more complete place is not", func(t testing.TB) *Case {
		return reaching("GET /held/by/register HTTP/1.1").with(asked(t, "GET /held/by/register HTTP/1.1"))
	}, map[string]string{"GET /held/by/register HTTP/1.1": "one hop"}},
	{"half of it two hops off before a piece that is held", func(t testing.TB) *Case {
		return core{rdi: heapAt + 0x1000, words: []uint64{heapAt + 0x1100}, onHeap: map[int]string{
			0x1000: prefixed[:16], 0x1100: pointer(heapAt + 0x2000), 0x2000: prefixed[10:],
		}}.with(asked(t, prefixed))
	}, map[string]string{prefixed: "two hops"}},
	{"a run is a piece of it", func(t testing.TB) *Case {
		return reaching().with(asked(t, "GET /held/by/register"+strings.Repeat("z", 60), "GET /held/by/an/object"+strings.Repeat("z", 60)))
	}, map[string]string{
		"GET /held/by/register" + strings.Repeat("z", 60): "a piece, one hop", "GET /held/by/an/object" + strings.Repeat("z", 60): "a piece, two hops",
	}},
	{"of what lies on the stack, what is pointed at before what was left there", func(t testing.TB) *Case {
		at := sp + 32 // five words are the buffer
		return core{
			rdi:   uint64(at),
			words: []uint64{0, 0, 0, 0, word("the end "), word("of this "), word("the rest"), word(" of that"), word(" before.")},
		}.with(asked(t, strings.Repeat("a", 60)+"the end of this ", strings.Repeat("b", 60)+"the rest of that before."))
	}, map[string]string{
		strings.Repeat("a", 60) + "the end of this ": "a piece, one hop", strings.Repeat("b", 60) + "the rest of that before.": "a piece, two hops",
	}},
	{"a long piece as much as half of it", func(t testing.TB) *Case {
		long := strings.Join(many(longPiece, "part"), "")
		return core{rdi: heapAt + 0x1000, onHeap: map[int]string{0x1000: long[:longPiece] + "!"}}.with(asked(t, long, "another"))
	}, map[string]string{strings.Join(many(longPiece, "part"), ""): "one hop"}},
	{"the newest of an upload, however long that is", func(t testing.TB) *Case {
		w := asked(t, "another")
		l := w.dial(moment.Open)
		for at := 0; at < len(upload); at += 1 << 10 {
			l.Say(client, upload[at:min(at+1<<10, len(upload))])
		}
		return core{rdi: heapAt + 0x1000, onHeap: map[int]string{0x1000: upload[len(upload)-40:]}}.with(w)
	}, map[string]string{upload: "a piece, one hop", "another": "out of reach"}},
	{"nothing of an upload by its last few bytes, which stand anywhere", func(t testing.TB) *Case {
		w := asked(t, "another")
		l := w.dial(moment.Open)
		for at := 0; at < len(barely); at += 1 << 10 {
			l.Say(client, barely[at:min(at+1<<10, len(barely))])
		}
		return core{rdi: heapAt + 0x1000, onHeap: map[int]string{0x1000: barely[searchedMost:]}}.with(w)
	}, map[string]string{barely: "out of reach", "another": "out of reach"}},
	{"pieces in common", func(t testing.TB) *Case {
		var messages []string
		for i := range 4 {
			tail := strings.Repeat(fmt.Sprint(i), 60)
			messages = append(messages, "GET /held/by/register"+tail, "GET /held/by/an/object"+tail)
		}
		return reaching().with(asked(t, messages...))
	}, map[string]string{
		"GET /held/by/register" + strings.Repeat("1", 60): "a piece, one hop, common", "GET /held/by/an/object" + strings.Repeat("1", 60): "a piece, two hops, common",
	}},
	{"what the first function's frame leads to is loose, and what is left over below", func(t testing.TB) *Case {
		return core{
			below: []uint64{heapAt + 0x1000}, words: []uint64{heapAt + 0x2000}, first: []uint64{heapAt + 0x3000, word("in first"), word("'s frame"), 0},
			onHeap: map[int]string{0x1000: "GET /left/over/below", 0x2000: "GET /held/by/the/dying/call", 0x3000: "GET /held/by/main/itself"},
		}.with(asked(t, "GET /left/over/below", "GET /held/by/the/dying/call", "GET /held/by/main/itself", "in first's frame"))
	}, map[string]string{
		"GET /left/over/below": "out of reach", "GET /held/by/the/dying/call": "one hop", "GET /held/by/main/itself": "out of reach", "in first's frame": "out of reach",
	}},
	{"a way of two hops that is not loose before one that is", func(t testing.TB) *Case {
		return core{
			rdi: heapAt + 0x1000, first: []uint64{heapAt + 0x2000}, onHeap: map[int]string{0x1000: pointer(heapAt + 0x2000), 0x2000: "GET /held/by/both"},
		}.with(asked(t, "GET /held/by/both"))
	}, map[string]string{"GET /held/by/both": "two hops"}},
	{"a buffer in the first function's frame that a register points into", func(t testing.TB) *Case {
		return core{
			rdi: sp + live + 8, first: []uint64{0, word("main's b"), word("uffer of"), word(" lines")},
		}.with(asked(t, "main's buffer of lines"))
	}, map[string]string{"main's buffer of lines": "one hop"}},
	{"common one by one hop, the others by two", func(t testing.TB) *Case {
		messages := many(10, "stored in a table for all: ")
		c := core{rdi: heapAt + 0x1000, onHeap: map[int]string{}}
		for i, m := range messages {
			c.onHeap[0x2000+i*64] = m
			if i < 5 {
				c.words = append(c.words, heapAt+0x2000+uint64(i)*64)
			} else {
				c.onHeap[0x1000+i*8] = pointer(heapAt + 0x2000 + uint64(i)*64)
			}
		}
		return c.with(asked(t, messages...))
	}, map[string]string{many(10, "stored in a table for all: ")[1]: "one hop, common", many(10, "stored in a table for all: ")[5]: "two hops, common"}},
	{"the body alone, where the whole with its length stands in a ring out of reach", ring, map[string]string{prefixed: "one hop"}},
	{"nothing without a thread", func(t testing.TB) *Case {
		c := reaching()
		c.withoutThreads = true
		return c.with(asked(t, "GET /held/by/register"))
	}, nil},
}

// sockaddr is a struct sockaddr_in as Linux has it, or a sockaddr_in6 of an IPv4 client where mapped.
func sockaddr(family byte, port uint16, address string) string {
	a := netip.MustParseAddr(address)
	if family == 2 {
		return string([]byte{2, 0, byte(port >> 8), byte(port)}) + string(a.AsSlice()) + strings.Repeat("\x00", 8)
	}
	wide := a.As16()
	return string([]byte{10, 0, byte(port >> 8), byte(port), 0, 0, 0, 0}) + string(wide[:]) + "\x00\x00\x00\x00"
}

// senders are n clients, from port 40000 on.
func senders(t testing.TB, n int) *wire {
	w := newWire(t)
	for i := range n {
		w.asks(moment.Open, fmt.Sprintf("sender %d", i))
	}
	return w
}

var socketScenarios = []scenario{
	{"by the fewest hops to the sender's address", func(t testing.TB) *Case {
		return core{rdi: heapAt + 0x1000, onHeap: map[int]string{
			0x1000: pointer(heapAt + 0x2000), 0x1010: sockaddr(2, 40001, "198.51.100.1"),
			0x2040: sockaddr(10, 40002, "198.51.100.1"), 0x3000: sockaddr(2, 40003, "198.51.100.1"),
		}}.with(senders(t, 5))
	}, map[string]string{"sender 0": "not held", "sender 1": "one hop", "sender 2": "two hops", "sender 3": "not held"}},
	{"held twice, by the fewest hops", func(t testing.TB) *Case {
		return core{rdi: heapAt + 0x1000, onHeap: map[int]string{
			0x1000: pointer(heapAt + 0x2000), 0x1010: sockaddr(2, 40001, "198.51.100.1"), 0x2040: sockaddr(2, 40001, "198.51.100.1"),
		}}.with(senders(t, 5))
	}, map[string]string{"sender 1": "one hop"}},
	{"the peer that its title names", func(t testing.TB) *Case {
		return core{title: "daemon: shop 198.51.100.1(40003) UPDATE", rdi: heapAt + 0x1000, onHeap: map[int]string{
			0x1010: sockaddr(2, 40001, "198.51.100.1"), 0x1030: sockaddr(2, 40003, "198.51.100.1"),
		}}.with(senders(t, 5))
	}, map[string]string{"sender 0": "not held", "sender 1": "one hop", "sender 3": "its title"}},
	{"its title alone", func(t testing.TB) *Case {
		return core{title: "daemon: 198.51.100.1:40004"}.with(senders(t, 5))
	}, map[string]string{"sender 3": "not held", "sender 4": "its title"}},
	{"nothing of a title that names its own end", func(t testing.TB) *Case {
		return core{title: "daemon -l 192.0.2.2:80"}.with(senders(t, 5))
	}, nil},
	{"nothing, where no client's is held", func(t testing.TB) *Case {
		return core{rdi: heapAt + 0x1000, onHeap: map[int]string{0x1010: sockaddr(2, 4711, "198.51.100.1")}}.with(senders(t, 5))
	}, nil},
	{"nothing of a table of all clients", func(t testing.TB) *Case {
		onHeap := map[int]string{}
		for i := range 4 {
			onHeap[0x1000+i*16] = sockaddr(2, uint16(40000+i), "198.51.100.1")
		}
		return core{rdi: heapAt + 0x1000, onHeap: onHeap}.with(senders(t, 5))
	}, nil},
	{"nothing without a core", func(t testing.TB) *Case { return senders(t, 5).alone() }, nil},
}

func TestATitleNamesAPeerAsPeopleWriteAddresses(t *testing.T) {
	for title, want := range map[string]string{
		"postgres: app shop 192.0.2.7(41234) UPDATE":        "192.0.2.7:41234",
		"postgres: app shop 2001:db8::7(41234) idle":        "[2001:db8::7]:41234",
		"postgres: app shop ::ffff:192.0.2.7(41234) idle":   "192.0.2.7:41234",
		"daemon: 192.0.2.7:41234":                           "192.0.2.7:41234",
		"daemon: [2001:db8::7]:41234":                       "[2001:db8::7]:41234",
		"daemon: 192.0.2.7.41234 (as tcpdump writes it)":    "192.0.2.7:41234",
		"daemon: 2001:db8::7.41234":                         "[2001:db8::7]:41234",
		"daemon: 192.0.2.7#41234 (as named writes it)":      "192.0.2.7:41234",
		"sshd: user from 192.0.2.7 port 41234":              "192.0.2.7:41234",
		"proxy: 192.0.2.7:41234 to [2001:db8::9]:443":       "192.0.2.7:41234 [2001:db8::9]:443",
		"daemon: 192.0.2.7":                                 "",
		"daemon: 192.0.2.777:41234":                         "",
		"daemon: 192.0.2.7:412345":                          "",
		"daemon: 192.0.2.7:99999":                           "",
		"redis-server *:6379":                               "",
		"/sbin/daemon -d 12:30 --version 1.2.3.4 -x dead:1": "",
		"": "",
	} {
		im, _ := core{}.open(t)
		im.Core.Process.Arguments = title
		var found []string
		for peer := range (&Case{Image: im}).titled() {
			found = append(found, peer.String())
		}
		slices.Sort(found)
		if got := strings.Join(found, " "); got != want {
			t.Errorf("%q: expected %q, found %q", title, want, got)
		}
	}
}

func TestTextAndNumbersAreNoSocketAddresses(t *testing.T) {
	for _, c := range []struct{ name, bytes, want string }{
		{"IPv4", sockaddr(2, 4711, "198.51.100.1"), "198.51.100.1:4711"},
		{"IPv4 without a port", sockaddr(2, 0, "198.51.100.1"), ""},
		{"IPv4's any address", sockaddr(2, 80, "0.0.0.0"), ""},
		{"IPv6", sockaddr(10, 4711, "2001:db8::1"), "[2001:db8::1]:4711"},
		{"IPv6 on the same link", sockaddr(10, 4711, "fe80::1"), "[fe80::1]:4711"},
		{"IPv4 in IPv6", sockaddr(10, 4711, "::ffff:198.51.100.1"), "198.51.100.1:4711"},
		{"IPv6's any address", sockaddr(10, 80, "::"), ""},
		{"IPv6 that nobody can have", sockaddr(10, 80, "6162:6364::1"), ""},
		{"IPv6 cut short", sockaddr(10, 4711, "2001:db8::1")[:23], ""},
		{"text behind a line's end", "\n\x00ab 192.0.2.1 is what the text says", ""},
		{"text in an address's place", "\n\x00ab\x00\x00\x00\x00text is no address.....", ""},
		{"another family", "\x01\x00ab\x00\x00\x00\x00\x00\x00\x00\x00", ""},
	} {
		found := ""
		if addr, ok := socketAddress([]byte(c.bytes)); ok {
			found = addr.String()
		}
		if found != c.want {
			t.Errorf("%s: expected %q, found %q", c.name, c.want, found)
		}
	}
}

// What a heap of glibc's malloc begins with, and how large the tests' chunks are: 40 bytes are the program's.
const (
	cacheChunk = 0x250
	blockChunk = 0x30
	blockSize  = blockChunk - 8
	firstBlock = cacheChunk + 16 // from the heap's beginning

	manyBlocks = 32
)

// given is a heap as glibc's malloc has it, with these texts in blocks of which every other one had been given back, from
// the first on.
func given(texts ...string) map[int]string {
	inUse := func(size int) string { return string(elftest.Words(uint64(size) | 1)) }
	heap := map[int]string{8: inUse(cacheChunk)}
	for i := range manyBlocks {
		heap[cacheChunk+i*blockChunk+8] = inUse(blockChunk)
	}
	heap[cacheChunk+manyBlocks*blockChunk+8] = inUse(64<<10 - cacheChunk - manyBlocks*blockChunk) // the rest, which nobody has
	for i, text := range texts {
		heap[firstBlock+i*blockChunk] = text
		if i%2 == 0 {
			heap[cacheChunk+(i+1)*blockChunk] = string(elftest.Words(blockChunk, blockChunk)) // the size of what is free, and no flag
			delete(heap, cacheChunk+(i+1)*blockChunk+8)
		}
	}
	return heap
}

// overrun is such a heap, with what the program wrote to the last of its blocks.
func overrun(text string) map[int]string {
	heap := given()
	const last, behind = firstBlock + (manyBlocks-1)*blockChunk, cacheChunk + manyBlocks*blockChunk + 8
	if len(text) > blockSize {
		header := []byte(heap[behind])
		copy(header, text[blockSize:])
		heap[behind], text = string(header), text[:blockSize]
	}
	heap[last] = text
	return heap
}

// The killer's bytes are seen where addresses and numbers should stand.
var junkScenarios = []scenario{
	{"a word of a message's bytes", func(t testing.TB) *Case {
		return core{smashed: true, words: []uint64{7, word("ABCDEFGH"), heapAt}}.with(asked(t, "xxABCDEFGHxx", "innocent"))
	}, map[string]string{"xxABCDEFGHxx": "most of its bytes", "innocent": "none of it"}},
	{"in a register", func(t testing.TB) *Case {
		return core{rdi: word("ABCDEFGH")}.with(asked(t, "xxABCDEFGHxx", "innocent"))
	}, map[string]string{"xxABCDEFGHxx": "most of its bytes", "innocent": "none of it"}},
	{"a byte doubled or changed in between", func(t testing.TB) *Case {
		return core{smashed: true, words: []uint64{word("ABCDEFFG"), word("?1234567")}}.with(asked(t, "ABCDEFGH", "12345679", "innocent"))
	}, map[string]string{"ABCDEFGH": "some of its bytes", "12345679": "most of its bytes", "innocent": "none of it"}},
	{"shorter pieces are chance", func(t testing.TB) *Case {
		return core{smashed: true, words: []uint64{word("ABCDEFGH"), word("123456\x00\x00")}}.with(asked(t, "ABCDE-FGH", "123456"))
	}, map[string]string{"ABCDE-FGH": "none of it", "123456": "most of its bytes"}},
	{"of many messages", func(t testing.TB) *Case {
		return core{smashed: true, words: []uint64{word("Connecti"), 0, word("killing!")}}.with(asked(t,
			"Connection: 1", "Connection: 2", "Connection: 3", "Connection: 4 killing!", "innocent"))
	}, map[string]string{"Connection: 1": "bytes of many", "Connection: 4 killing!": "most of its bytes", "innocent": "none of it"}},
	{"another text that begins alike", func(t testing.TB) *Case {
		return core{smashed: true, words: []uint64{word("SEARCH K"), word("OI8-R te"), word("xt\x00\x00\x00\x00\x00\x00")}}.with(asked(t, "SEARCH KANJI text", "SEARCH KOI8-R text", "innocent"))
	}, map[string]string{"SEARCH KANJI text": "none of it", "SEARCH KOI8-R text": "most of its bytes", "innocent": "none of it"}},
	{"a message that was sent again is one", func(t testing.TB) *Case {
		return core{smashed: true, words: []uint64{word("killing!")}}.with(asked(t, "killing!", "killing!", "killing!", "killing!", "innocent"))
	}, map[string]string{"killing!": "most of its bytes", "innocent": "none of it"}},
	{"some of its bytes in a register", func(t testing.TB) *Case {
		return core{rdi: word("ABCDEFFG")}.with(asked(t, "ABCDEFFGH", "ABCDEF-FG", "innocent"))
	}, map[string]string{"ABCDEFFGH": "most of its bytes", "ABCDEF-FG": "some of its bytes", "innocent": "none of it"}},
	{"of a register before that of the stack", func(t testing.TB) *Case {
		return core{rdi: word("ABCDEFGH"), words: []uint64{word("stacked!"), word("and more")}}.with(asked(t, "xxABCDEFGHxx", "stacked!and more"))
	}, map[string]string{"xxABCDEFGHxx": "most of its bytes", "stacked!and more": "none of it"}},
	{"nothing of a stack that is whole", func(t testing.TB) *Case {
		return core{rdi: word("ABCDEFGH"), words: []uint64{word("stacked!")}}.with(asked(t, "stacked!", "innocent"))
	}, nil},
	{"of a stack that was smashed as of a register", func(t testing.TB) *Case {
		return core{smashed: true, words: []uint64{word("smashed!")}}.with(asked(t, "smashed!", "innocent"))
	}, map[string]string{"smashed!": "most of its bytes", "innocent": "none of it"}},
	{"nothing of the first function's frame, nor of what is left over", func(t testing.TB) *Case {
		return core{below: []uint64{word("leftover")}, words: []uint64{7}, first: []uint64{word("the last")}}.with(asked(t, "leftover", "the last", "innocent"))
	}, nil},
	{"however much is left over, what the dying call has is looked at", func(t testing.TB) *Case {
		c := core{smashed: true, deep: 2 * junkTop * 8, words: []uint64{word("ABCDEFGH")}}
		return c.with(asked(t, "xxABCDEFGHxx", "innocent"))
	}, map[string]string{"xxABCDEFGHxx": "most of its bytes", "innocent": "none of it"}},
	{"the header of a block, and the end of the one before it", func(t testing.TB) *Case {
		return core{onHeap: overrun("an overlong text" + "that went beyond its bl" + "ock here")}.with(asked(t,
			"an overlong textthat went beyond its block here", "block here", "innocent"))
	}, map[string]string{
		"an overlong textthat went beyond its block here": "most of its bytes", "block here": "some of its bytes", "innocent": "none of it",
	}},
	{"a block that is full is not broken", func(t testing.TB) *Case {
		return core{onHeap: overrun("a text that fills up its block exactly")}.with(asked(t, "a text that fills up its block exactly", "innocent"))
	}, nil},
	{"numbers are no junk", func(t testing.TB) *Case {
		return core{words: []uint64{^uint64(0), ^uint64(41), 0x1234, 0x4141414141414141}}.with(asked(t,
			string(elftest.Words(^uint64(0), ^uint64(41), 0x1234, 0x4141414141414141))+"and more"))
	}, nil},
	{"nothing, where no message has it", func(t testing.TB) *Case {
		return core{words: []uint64{word("ABCDEFGH")}}.with(asked(t, "innocent"))
	}, nil},
	{"nothing without a core", func(t testing.TB) *Case { return asked(t, "innocent").alone() }, nil},
}

// fromMemory is a case of a core alone: a request, a list of lines, words and a name within reach.
func fromMemory(t testing.TB) *Case {
	t.Helper()
	c := core{rdi: heapAt + 0x1000, onHeap: map[int]string{
		0x1000: "GET /a HTTP/1.1\r\n\r\n\x00", 0x1100: "first line\nsecond line\n", 0x1200: "several words of text", 0x1300: "one_single_word", 0x1400: "too short",
	}}
	for i := range 5 {
		c.words = append(c.words, heapAt+0x1000+uint64(i)*0x100)
	}
	return c.alone(t)
}

// crowded has more texts within reach than are near.
func crowded(t testing.TB) *Case {
	c := core{rdi: heapAt + 0x1000, onHeap: map[int]string{}}
	for i := range 15 {
		c.onHeap[0x1000+i*0x100] = fmt.Sprintf("the text of number %02d", i)
		c.words = append(c.words, heapAt+0x1000+uint64(i)*0x100)
	}
	return c.alone(t)
}

var formScenarios = []scenario{
	{"by its looks", fromMemory, map[string]string{
		"GET /a HTTP/1.1\r\n\r\n": "a protocol's", "first line\nsecond line\n": "lines", "several words of text": "text", "one_single_word": "a word",
	}},
	{"nothing of what came over the wire", func(t testing.TB) *Case { return asked(t, "innocent").alone() }, nil},
}

var nearScenarios = []scenario{
	{"by the order in which the thread comes to it", crowded, map[string]string{
		"the text of number 00": "the nearest", // by a register
		"the text of number 01": "among the 3 nearest", "the text of number 02": "among the 3 nearest",
		"the text of number 03": "among the 10 nearest", "the text of number 09": "among the 10 nearest",
		"the text of number 10": "further away", "the text of number 14": "further away",
	}},
	{"nothing of what came over the wire", func(t testing.TB) *Case { return asked(t, "innocent").alone() }, nil},
}

func texts(candidates []*Candidate) (all []string) {
	for _, c := range candidates {
		all = append(all, string(c.Data))
	}
	return all
}

func TestWhatADyingThreadHeldIsTakenForMessages(t *testing.T) {
	const (
		request = "GET /whole HTTP/1.1\r\nHost: a\r\n\r\n"
		query   = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03net\x00\x00\x01\x00\x01"
		started = "HOME=/var/lib/daemon"
	)
	for _, c := range []struct {
		name string
		core core
		want []string
	}{
		{"a framed message, from its first byte", core{rdi: heapAt + 0x1000, onHeap: map[int]string{0x1000: request + "\x01"}}, []string{request}},
		{"a framed message, from a pointer into its middle", core{rdi: heapAt + 0x1000 + 12, onHeap: map[int]string{0x0ff0: "\x99\x98", 0x1000: query + "\xff\xff"}}, []string{query}},
		{"text, from a pointer into its middle", core{rdi: heapAt + 0x1008, onHeap: map[int]string{0x0fff: "\x00from here to there\x00"}}, []string{"from here to there"}},
		{"text with letters of any language", core{rdi: heapAt + 0x1008, onHeap: map[int]string{0x1000: "Grüße aus dem Süden"}}, []string{"Grüße aus dem Süden"}},
		{"ASCII, where bytes are no UTF-8", core{rdi: heapAt + 0x1008, onHeap: map[int]string{0x1000: "\xff\xfeplain letters\x80"}}, []string{"plain letters"}},
		{"no name", core{rdi: heapAt + 0x1000, onHeap: map[int]string{0x1000: "a name only"}}, nil},
		{"once, however often it is held", core{rdi: heapAt + 0x1000, words: []uint64{heapAt + 0x1002, heapAt + 0x1004}, onHeap: map[int]string{0x1000: "held three times"}}, []string{"held three times"}},
		{"the nearest first", core{rdi: heapAt + 0x1000, onHeap: map[int]string{0x1000: "x\x00......" + pointer(heapAt+0x2000), 0x1040: pointer(heapAt + 0x3000), 0x2000: "by the object", 0x3000: "by its neighbour"}}, []string{"by the object", "by its neighbour"}},
		{"what is out of reach is not", core{rdi: heapAt + 0x1000, onHeap: map[int]string{0x1000: "within reach", 0x2000: "out of reach, but here"}}, []string{"within reach"}},
		{"the live stack's buffers", core{rdi: sp + 16, words: []uint64{0, 0, word("a buffer"), word(" on the "), word("stack")}}, []string{"a buffer on the stack"}},
		{"not the environment", core{
			rdi: stack + 0x2004, words: []uint64{heapAt + 0x1000}, auxv: map[uint64]uint64{31: stack + 0x2100},
			onStack: map[int]string{0x2000: started, 0x2100: "/sbin/daemon"}, onHeap: map[int]string{0x1000: started},
		}, []string{started}}, // the heap's copy, which may be anybody's
		{"not the path of a mapped file", core{
			rdi: heapAt + 0x1000, mappings: []elftest.Mapping{{Start: codes, End: codes + 4096, Path: "/usr/lib/daemon/module.so"}},
			onHeap: map[int]string{0x1000: "/usr/lib/daemon/module.so\x00/usr/lib/daemon/other.so"}, words: []uint64{heapAt + 0x1000 + 26},
		}, []string{"/usr/lib/daemon/other.so"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			made := c.core.alone(t)
			if diff := cmp.Diff(c.want, texts(made.Candidates)); diff != "" {
				t.Error(diff)
			}
			for _, found := range made.Candidates {
				if found.Memory == nil || found.Memory.Path == "" || found.Message != nil {
					t.Errorf("%q: %+v", found.Data, found.Memory)
				}
			}
		})
	}
}

func TestTheSenderIsTheOneSocketAddressNearest(t *testing.T) {
	text := map[int]string{0x1000: "what somebody sent"}
	with := func(more map[int]string) core {
		for at, s := range text {
			more[at] = s
		}
		return core{rdi: heapAt + 0x1000, onHeap: more}
	}
	for _, c := range []struct {
		name string
		core core
		want string
	}{
		{"one", with(map[int]string{0x1040: sockaddr(2, 40001, "198.51.100.1")}), "198.51.100.1:40001"},
		{"the server's own beside it", with(map[int]string{0x1040: sockaddr(2, 40001, "198.51.100.1"), 0x1060: sockaddr(2, 80, "192.0.2.2")}), "198.51.100.1:40001"},
		{"a second one further away", with(map[int]string{0x1040: sockaddr(2, 40001, "198.51.100.1"), 0x1060: pointer(heapAt + 0x2000), 0x2000: sockaddr(2, 40002, "198.51.100.1")}), "198.51.100.1:40001"},
		{"two as near", with(map[int]string{0x1040: sockaddr(2, 40001, "198.51.100.1"), 0x1060: sockaddr(2, 40002, "198.51.100.1")}), "invalid AddrPort"},
		{"none", with(map[int]string{}), "invalid AddrPort"},
	} {
		candidates := c.core.alone(t).Candidates
		if len(candidates) == 0 || candidates[0].Peer.String() != c.want {
			t.Errorf("%s: expected %s, found %d candidates, %+v", c.name, c.want, len(candidates), candidates)
		}
	}
}

func TestAllSocketAddressesOfAProcessAreFoundInWhatItCouldWrite(t *testing.T) {
	im, _ := core{
		onHeap:   map[int]string{0x1000: sockaddr(2, 40001, "198.51.100.1"), 0x5004: sockaddr(10, 40002, "2001:db8::1")},
		onStack:  map[int]string{0x9000: sockaddr(2, 40003, "198.51.100.1")},
		segments: []elftest.Segment{{Flags: elftest.R, Vaddr: codes + 0x10000, Data: []byte(sockaddr(2, 40004, "198.51.100.1"))}},
	}.open(t)
	var found []string
	for a := range SocketAddresses(im) {
		found = append(found, a.String())
	}
	slices.Sort(found)
	if want := []string{"198.51.100.1:40001", "198.51.100.1:40003", "[2001:db8::1]:40002"}; !slices.Equal(found, want) {
		t.Errorf("expected %v, found %v", want, found)
	}
}

// A victim tripped over a thing by the name "session-77", which its thread held.
func TestAccomplicesAreTheLatestWordsOfOthersOnTheSameThing(t *testing.T) {
	messages := func(w *wire) {
		l := w.dial(moment.Open)
		l.Say(client, "open session-77 first")
		l.Say(server, "yes")
		second := w.asks(moment.Open, "make session-77 second")
		second.Say(server, "yes")
		l.Say(client, "free session-77 first")
		l.Say(server, "yes")
		second.Say(client, "stat session-77 second")
		second.Say(server, "yes")
		second.Say(client, "poll session-77 second")
		w.asks(moment.Open, "stat session-12 innocent")
		w.asks(moment.Open, "list everything there is")
		w.asks(moment.Open, "read session-77 killer")
		w.asks(moment.Open, "read session-77 too late")
	}
	others := func(w *wire) { // so that no more than one message in ten speaks of it
		for i := range 80 {
			w.asks(moment.Open, fmt.Sprintf("other number %d", i))
		}
	}
	held := core{rdi: heapAt + 0x1000, onHeap: map[int]string{0x1000: "\x00\x00session-77\x00"}}
	for _, c := range []struct {
		name   string
		core   core
		role   string
		before func(w *wire)
		want   []string
	}{
		{"of a victim", held, finding.Victim, nil, []string{"free session-77 first", "poll session-77 second"}},
		{"none, where it decided to die", held, finding.Decided, nil, nil},
		{"none, where the thread held no such name", core{rdi: heapAt + 0x1000}, finding.Victim, nil, nil},
		{"two at the most", held, finding.Victim, func(w *wire) {
			w.asks(moment.Open, "make session-77 long ago")
			w.asks(moment.Open, "something else")
			others(w)
		}, []string{"free session-77 first", "poll session-77 second"}},
		{"none by a name that many use", held, finding.Victim, func(w *wire) {
			for i := range 20 {
				w.asks(moment.Open, fmt.Sprintf("stat session-77 %d", i))
			}
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWire(t)
			if c.before != nil {
				c.before(w)
			} else {
				others(w)
			}
			messages(w)
			c.core.culprit = &finding.Culprit{Role: c.role}
			made := c.core.with(w)
			suspect := made.Candidates[slices.Index(texts(made.Candidates), "read session-77 killer")]
			if diff := cmp.Diff(c.want, texts(Accomplices(made, suspect))); diff != "" {
				t.Error(diff)
			}
		})
	}
}
