package weigh

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/reasoning/death"
	"github.com/inquest-project/inquest/internal/reasoning/moment"
)

// usual are messages that are answered at once, but for one that takes a tenth of a second: so long this daemon
// takes at times.
func (w *wire) usual(n int) {
	w.answered(n, "usual")
	l := w.asks(moment.Open, "slow")
	w.Wait(100 * ms)
	l.Say(server, "done")
}

// inOrder are 100 messages that were read, a second apart; each has the number of those that came after it.
func inOrder(t testing.TB) *wire {
	w := newWire(t)
	for i := range 100 {
		w.answered(1, fmt.Sprintf("message %02d,", 99-i))
		w.Wait(time.Second)
	}
	return w
}

var timeScenarios = []scenario{
	{"by its order among what was read", func(t testing.TB) *Case { return inOrder(t).alone() }, map[string]string{
		"message 99, 0": "earlier", "message 64, 0": "earlier",
		"message 63, 0": "among the last 64", "message 16, 0": "among the last 64",
		"message 15, 0": "among the last 16", "message 04, 0": "among the last 16",
		"message 03, 0": "among the last 4", "message 01, 0": "among the last 4",
		"message 00, 0": "the last it read",
	}},
	{"what nobody is known to have read takes no place in the order", func(t testing.TB) *Case {
		w := inOrder(t)
		for i := range 10 {
			w.asks(moment.ClosedRST, fmt.Sprintf("unread %d", i))
		}
		w.Wait(time.Second)
		return w.alone()
	}, map[string]string{
		"message 00, 0": "the last it read", "message 01, 0": "among the last 4", "unread 0": "", "unread 9": "",
	}},
	{"what was closed with FIN was read", func(t testing.TB) *Case {
		w := inOrder(t)
		for i := range 4 {
			w.asks(moment.ClosedFIN, fmt.Sprintf("read %d", i)).FIN(server)
		}
		w.Wait(time.Second)
		return w.alone()
	}, map[string]string{
		"message 00, 0": "among the last 16", "read 0": "among the last 4", "read 3": "the last it read",
	}},
	{"what is whole in memory was read", func(t testing.TB) *Case {
		w := inOrder(t)
		w.asks(moment.Open, "what memory holds")
		w.Wait(time.Second)
		return core{onHeap: map[int]string{0x100: "what memory holds"}}.with(w)
	}, map[string]string{
		"message 00, 0": "among the last 4", "what memory holds": "the last it read",
	}},
	{"in the last moments", func(t testing.TB) *Case {
		w := newWire(t)
		w.answered(40, "before")
		w.Wait(time.Second)
		from := w.Next
		w.answered(100, "at the end")
		m := w.died()
		m.Earliest = from
		return NewCase(nil, nil, death.Death{Thread: -1}, m, nil)
	}, map[string]string{
		"before 0": "earlier", "before 39": "earlier",
		"at the end 0": "earlier, in the last moments", "at the end 40": "among the last 64, in the last moments",
		"at the end 90": "among the last 16, in the last moments", "at the end 97": "among the last 4, in the last moments",
		"at the end 99": "the last it read, in the last moments",
	}},
	{"a handler may have reported for long", func(t testing.TB) *Case {
		w := newWire(t)
		w.answered(40, "before")
		w.Wait(time.Second)
		heard := w.Next
		w.asks(moment.Open, "after the last words")
		w.Wait(time.Minute)
		m := w.died()
		m.LastWords = heard
		return NewCase(nil, nil, death.Death{Thread: -1}, m, nil)
	}, map[string]string{"before 39": "the last it read", "after the last words": "the last it read, in the last moments"}},
	{"a handful has no order", func(t testing.TB) *Case {
		w := newWire(t)
		w.answered(fewest-1, "one of few")
		return w.alone()
	}, nil},
	{"enough have one", func(t testing.TB) *Case {
		w := newWire(t)
		w.answered(fewest, "one of many")
		w.Wait(time.Second)
		return w.alone()
	}, map[string]string{"one of many 19": "the last it read"}},
	{"of a message as far as it had arrived", func(t testing.TB) *Case {
		w := newWire(t)
		w.answered(40, "before")
		l := w.asks(moment.Open, "it goes on ")
		died := w.Next
		w.Wait(time.Second)
		l.Say(client, "later")
		m := w.died()
		m.Earliest, m.Latest = died, died
		return NewCase(nil, nil, death.Death{Thread: -1}, m, nil)
	}, map[string]string{"it goes on ": "the last it read, in the last moments"}},
	{"nothing, where nobody knows when", func(t testing.TB) *Case {
		w := inOrder(t)
		return NewCase(nil, nil, death.Death{Thread: -1}, moment.Moment{Own: w.own()}, nil)
	}, nil},
}

var unansweredScenarios = []scenario{
	{"by what became of it", func(t testing.TB) *Case {
		w := newWire(t)
		w.usual(20)
		l := w.dial(moment.Ended)
		l.Say(client, "hello")
		l.Say(server, "hello")
		l.Say(client, "never acknowledged")
		l.RST(client)
		l = w.dial(moment.Ended)
		l.Say(client, "welcome back")
		l.Say(server, "welcome back")
		l.Say(client, "left after a word")
		l.Ack(server)
		l.RST(client)
		l = w.asks(moment.Ended, "left alone")
		l.Ack(server)
		l.RST(client)
		w.asks(moment.Open, "waiting for long").Ack(server)
		w.Wait(time.Minute)
		l = w.asks(moment.Open, "welcome")
		l.Say(server, "welcome")
		l.Say(client, "later on its connection")
		w.asks(moment.ClosedFIN, "first on its connection").Ack(server)
		w.asks(moment.ClosedRST, "not read").RST(server)
		m := w.died()
		m.Earliest = w.Next.Add(-3 * ms)
		return NewCase(nil, nil, death.Death{Thread: -1}, m, nil)
	}, map[string]string{
		"usual 0": "answered", "hello": "answered", "never acknowledged": "not received", "left alone": "left before the death", "left after a word": "left before the death",
		"waiting for long": "long waiting", "later on its connection": "unanswered", "first on its connection": "never a byte",
		"not read": "",
	}},
	{"a kind that is seldom answered", func(t testing.TB) *Case {
		w := newWire(t)
		w.usual(20)
		for i := range 5 {
			w.asks(moment.Open, fmt.Sprintf("\x01\x02\x03binary\xff\xfe%d", i))
		}
		w.asks(moment.Open, "unusual")
		return w.alone()
	}, map[string]string{"\x01\x02\x03binary\xff\xfe0": "as most of its kind", "unusual": "never a byte"}},
	{"a kind that is answered more often than not", func(t testing.TB) *Case {
		w := newWire(t)
		w.usual(2)
		for i := range 2 {
			w.asks(moment.Open, fmt.Sprintf("silence %d", i))
		}
		return w.alone()
	}, map[string]string{"silence 0": "never a byte"}},
	{"an answer isn't answered, and is no habit of those who ask", func(t testing.TB) *Case {
		w := newWire(t)
		up := w.call(moment.Open)
		for i := range 8 {
			up.Say(client, fmt.Sprintf("go %d", i))
			up.Say(server, fmt.Sprintf("from upstream %d", i))
		}
		for i := range 3 {
			w.asks(moment.Open, fmt.Sprintf("silence %d", i))
		}
		return w.alone()
	}, map[string]string{"from upstream 0": "", "from upstream 7": "", "silence 0": "as most of its kind"}},
	{"a datagram has no beginning to be silent at", func(t testing.TB) *Case {
		w := newWire(t)
		for i := range 4 {
			l := w.datagrams()
			l.UDP(client, fmt.Sprintf("question %d", i))
			l.UDP(server, "answer")
		}
		w.datagrams().UDP(client, "killer")
		return w.alone()
	}, map[string]string{"question 3": "answered", "killer": "unanswered"}},
	{"a forwarder has passed on what it says", func(t testing.TB) *Case {
		w := newWire(t)
		w.usual(20)
		w.asks(moment.Open, "GET /forwarded/by/the/proxy")
		w.asks(moment.Open, "GET /never/sent/on/upstream")
		up := w.call(moment.Open)
		up.Say(client, "via proxy: get /forwarded/by/the/proxy.")
		w.asks(moment.Open, "GET /came/too/late/for/this")
		up.Say(client, "get /came/too/late/for/this")
		up.Say(server, "via proxy: get /forwarded/by/the/proxy. and more")
		return w.alone()
	}, map[string]string{
		"GET /forwarded/by/the/proxy": "passed on", "GET /never/sent/on/upstream": "never a byte",
		"via proxy: get /forwarded/by/the/proxy. and more": "",
	}},
	{"of many that are nearly alike each has passed on its own", func(t testing.TB) *Case {
		w := newWire(t)
		up := w.call(moment.Open)
		for i := range passedMost + 50 {
			asked := w.asks(moment.Open, fmt.Sprintf("question: host%03d.name.example.net, class internet", i))
			up.Say(client, fmt.Sprintf("relayed: host%03d.name.example.net, class internet", i))
			if i > 0 {
				asked.Say(server, "it is told")
			}
		}
		w.asks(moment.Open, "question: left.here.name.example.net, class internet")
		return w.alone()
	}, map[string]string{
		"question: host000.name.example.net, class internet": "passed on", "question: left.here.name.example.net, class internet": "never a byte",
	}},
	{"what an upstream answered has been passed on to a client", func(t testing.TB) *Case {
		w := newWire(t)
		w.usual(20)
		l, other := w.asks(moment.Open, "GET /first"), w.asks(moment.Open, "GET /second")
		up := w.call(moment.Open)
		up.Say(client, "first")
		up.Say(server, "The Upstream's first answer")
		l.Say(server, "200 OK the upstream's first answer")
		up.Say(client, "second")
		up.Say(server, "The Upstream's second answer, of which no more than the beginning is passed on")
		other.Say(server, "200 OK the upstream's second answer,")
		up.Say(client, "third")
		up.Say(server, "The Upstream's third answer")
		return w.alone()
	}, map[string]string{
		"The Upstream's first answer": "passed on", "The Upstream's third answer": "",
		"The Upstream's second answer, of which no more than the beginning is passed on": "",
	}},
	{"what a client said and another was told is no answer passed on", func(t testing.TB) *Case {
		w := newWire(t)
		w.usual(20)
		w.call(moment.Open).Say(client, "hello")
		listener := w.asks(moment.Open, "listen")
		w.asks(moment.Open, "say the words of a conversation")
		listener.Say(server, "say the words of a conversation")
		return w.alone()
	}, map[string]string{"say the words of a conversation": "never a byte"}},
	{"of two that say the same the later was passed on", func(t testing.TB) *Case {
		w := newWire(t)
		w.usual(20)
		w.asks(moment.Open, "one GET /said/by/two/clients")
		w.asks(moment.Open, "two GET /said/by/two/clients")
		w.call(moment.Open).Say(client, " GET /said/by/two/clients")
		w.asks(moment.Open, "six GET /said/by/two/clients")
		return w.alone()
	}, map[string]string{
		"one GET /said/by/two/clients": "never a byte", "two GET /said/by/two/clients": "passed on", "six GET /said/by/two/clients": "never a byte",
	}},
	{"what was answered is not told as passed on", func(t testing.TB) *Case {
		w := newWire(t)
		l := w.asks(moment.Open, "GET /forwarded/by/the/proxy")
		up := w.call(moment.Open)
		up.Say(client, "GET /forwarded/by/the/proxy")
		up.Say(server, "upstream's answer")
		l.Say(server, "upstream's answer")
		return w.alone()
	}, map[string]string{"GET /forwarded/by/the/proxy": "answered"}},
	{"nothing of what was taken from memory", fromMemory, nil},
}

// lingering are clients whose connections the daemon closed, answered, with RST or FIN.
func lingering(w *wire, resets, fins int) {
	for i := range resets + fins {
		l := w.asks(moment.Ended, fmt.Sprintf("usual %d", i))
		l.Say(server, "done")
		if i < resets {
			l.RST(server)
		} else {
			l.FIN(server)
		}
	}
}

// closing has one message of each kind of ending.
func closing(w *wire) *Case {
	w.asks(moment.Ended, "over").FIN(server)
	l := w.asks(moment.ClosedFIN, "gone on")
	l.Say(server, "yes")
	l.Say(client, "read whole")
	l.FIN(server)
	w.asks(moment.Open, "no end")
	w.asks(moment.Survived, "another's")
	w.asks(moment.ClosedRST, "one piece").RST(server)
	l = w.asks(moment.ClosedRST, "two ")
	l.Say(client, "pieces")
	l.RST(server)
	l = w.asks(moment.ClosedRST, "first")
	l.Say(server, "yes")
	l.Say(client, "second")
	l.RST(server)
	w.datagrams().UDP(client, "datagram")
	return w.alone()
}

var readScenarios = []scenario{
	{"by how its connection was closed", func(t testing.TB) *Case { return closing(newWire(t)) }, map[string]string{
		"over": "closed before", "gone on": "read and gone on", "read whole": "read", "no end": "not seen", "another's": "another process's",
		"one piece": "unread", "two pieces": "perhaps half read", "first": "read and gone on", "second": "unread", "datagram": "",
	}},
	{"a daemon that resets by habit (SO_LINGER 0)", func(t testing.TB) *Case {
		w := newWire(t)
		lingering(w, 4, 0)
		return closing(w)
	}, map[string]string{"one piece": "reset by habit", "two pieces": "reset by habit", "read whole": "read", "another's": "another process's"}},
	{"a daemon that resets now and then", func(t testing.TB) *Case {
		w := newWire(t)
		lingering(w, 1, 4)
		return closing(w)
	}, map[string]string{"one piece": "unread"}},
	{"too few closes for a habit", func(t testing.TB) *Case {
		w := newWire(t)
		lingering(w, 3, 0)
		return closing(w)
	}, map[string]string{"one piece": "unread"}},
	{"nothing of what was taken from memory", fromMemory, nil},
}

// uploads are messages of a usual kind, each with a name of its own.
func uploads(w *wire, n int) {
	for i := range n {
		w.asks(moment.Open, fmt.Sprintf("PUT name%03d mode=plain size=%d%d", i, i%10, i%10)).Say(server, "done")
	}
}

const oddest = "PUT name500 mode=exotic size=33"

var noveltyScenarios = []scenario{
	{"values that are new in every message surprise nobody, a rare one does", func(t testing.TB) *Case {
		w := newWire(t)
		uploads(w, 30)
		w.asks(moment.Open, oddest)
		uploads(w, 30)
		return w.alone()
	}, map[string]string{oddest: "the oddest", "PUT name000 mode=plain size=00": "ordinary", "PUT name029 mode=plain size=99": "ordinary"}},
	{"by its rank", func(t testing.TB) *Case {
		w := newWire(t)
		uploads(w, 200)
		odd(w)
		return w.alone()
	}, map[string]string{"PUT name000 mode=plain size=00": "ordinary", oddity(0): "the oddest", oddity(1): "among the 5 oddest", oddity(4): "among the 5 oddest",
		oddity(5): "among the 20 oddest", oddity(19): "among the 20 oddest", oddity(20): "in the odd quarter", oddity(39): "in the odd quarter"}},
	{"by its rank among more", func(t testing.TB) *Case {
		w := newWire(t)
		uploads(w, 300)
		odd(w)
		return w.alone()
	}, map[string]string{oddity(19): "among the 20 oddest", oddity(20): "in the odd tenth", oddity(39): "in the odd tenth"}},
	{"nothing of a handful", func(t testing.TB) *Case {
		w := newWire(t)
		uploads(w, fewest-2)
		w.asks(moment.Open, oddest)
		return w.alone()
	}, nil},
	{"enough tell what is usual", func(t testing.TB) *Case {
		w := newWire(t)
		uploads(w, fewest-1)
		w.asks(moment.Open, oddest)
		return w.alone()
	}, map[string]string{oddest: "the oddest"}},
	{"nothing of what was taken from memory", fromMemory, nil},
}

// odd are forty messages in four groups, each less odd and larger than the one before.
func odd(w *wire) {
	for i := range 40 {
		w.asks(moment.Open, oddity(i))
	}
}

// oddity is the i-th oddest: the odder, the more kinds of marks it has that others don't.
func oddity(i int) string {
	switch {
	case i < 1:
		return "PUT name900 mode=plain size=11 a!b#c~d{e}"
	case i < 5:
		return fmt.Sprintf("PUT name9%02d mode=plain size=11 a!b#c~", i)
	case i < 20:
		return fmt.Sprintf("PUT name9%02d mode=plain size=11 a!b#", i)
	}
	return fmt.Sprintf("PUT name9%02d mode=plain size=11 a!", i)
}

func TestOnlyThePlaceAmongAllIsKeptOfHowOddAMessageIs(t *testing.T) {
	for rank, want := range map[int]string{
		0: "the oddest", 1: "among the 5 oddest", 4: "among the 5 oddest", 5: "among the 20 oddest", 19: "among the 20 oddest",
		20: "in the odd tenth", 39: "in the odd tenth", 40: "in the odd quarter", 99: "in the odd quarter", 100: "ordinary", 399: "ordinary",
	} {
		if found := noveltyLevel(rank, 400); found != want {
			t.Errorf("%d of 200: expected %q, found %q", rank, want, found)
		}
	}
	if found := ranksOf([]float64{1, 9, 1, 5, 1, 5, 1}); !slices.Equal(found, []int{4, 0, 4, 1, 4, 1, 4}) {
		t.Errorf("places %v", found)
	}
}

// speaking are clients that register, list and fetch.
func speaking(w *wire, functions ...string) *Case {
	for i := range 6 {
		w.asks(moment.Open, fmt.Sprintf("fetch %d", i))
	}
	w.asks(moment.Open, "register me")
	w.asks(moment.Open, "list owner=me")
	w.asks(moment.Open, "register owner=me")
	c := w.alone()
	c.Functions = functions
	return c
}

const request = "GET /%d HTTP/1.1\r\n\r\n"

// requests are HTTP clients; one had been answered before.
func requests(t testing.TB) *wire {
	w := newWire(t)
	for i := range 5 {
		w.asks(moment.Open, fmt.Sprintf(request, i))
	}
	l := w.asks(moment.Open, fmt.Sprintf(request, 8))
	l.Say(server, "HTTP/1.1 200 OK\r\n\r\n")
	l.Say(client, fmt.Sprintf(request, 9))
	return w
}

var fitScenarios = []scenario{
	{"by the words in the functions' names", func(t testing.TB) *Case {
		return speaking(newWire(t), "handleRegister", "table_set_owner", "main")
	}, map[string]string{"register owner=me": "named", "register me": "half named", "list owner=me": "half named", "fetch 0": "names another"}},
	{"by one word", func(t testing.TB) *Case { return speaking(newWire(t), "cmd_list2", "main") }, map[string]string{
		"list owner=me": "named", "register me": "names another", "fetch 5": "names another",
	}},
	{"names that speak of nothing tell nothing apart", func(t testing.TB) *Case { return speaking(newWire(t), "parse", "main") }, map[string]string{
		"list owner=me": "", "register me": "", "fetch 5": "",
	}},
	{"a connection that is past what the stack names", func(t testing.TB) *Case {
		c := requests(t).alone()
		c.Functions = []string{"read_request"}
		return c
	}, map[string]string{fmt.Sprintf(request, 0): "", fmt.Sprintf(request, 8): "", fmt.Sprintf(request, 9): "past it"}},
	{"past it, where others are named", func(t testing.TB) *Case {
		w := newWire(t)
		for i := range 8 {
			w.asks(moment.Open, fmt.Sprintf("fetch %d", i))
		}
		w.asks(moment.Open, fmt.Sprintf(request, 0))
		l := w.asks(moment.Open, fmt.Sprintf(request, 1))
		l.Say(server, "HTTP/1.1 200 OK\r\n\r\n")
		l.Say(client, "what follows it")
		c := w.alone()
		c.Functions = []string{"read_request"}
		return c
	}, map[string]string{fmt.Sprintf(request, 0): "named", fmt.Sprintf(request, 1): "named", "what follows it": "past it", "fetch 0": "names another"}},
	{"a message that only an earlier one explains", func(t testing.TB) *Case {
		w := newWire(t)
		for i := range 8 {
			w.asks(moment.Open, fmt.Sprintf("fetch %d", i))
		}
		l := w.asks(moment.Open, "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
		l.Say(server, "HTTP/1.1 100 Continue\r\n\r\n")
		l.Say(client, "2\r\nab\r\n0\r\n\r\n")
		c := w.alone()
		c.Functions = []string{"read_body"}
		return c
	}, map[string]string{"2\r\nab\r\n0\r\n\r\n": "named", "fetch 0": "names another"}},
	{"nothing, where no function has a name", func(t testing.TB) *Case { return speaking(newWire(t)) }, nil},
}

func TestNamesAreSplitAsProgrammersJoinThem(t *testing.T) {
	for name, want := range map[string]string{
		"ssl3_get_client_hello": "client clienthello get getclient hello ssl sslget",
		"parseQuestion":         "parse parsequestion question",
		"_do_it":                "",
		"md5":                   "",
	} {
		words := wordsOf([]string{name})
		for _, w := range strings.Fields(want) {
			if !words[w] {
				t.Errorf("%s: %q is missing in %v", name, w, words)
			}
		}
		if len(words) != len(strings.Fields(want)) {
			t.Errorf("%s: expected %q, found %v", name, want, words)
		}
	}
}
