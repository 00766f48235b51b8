package lab

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// respd reads an argument's size as an unsigned number and adds two for the line's end before it looks
// whether that is too much. A client that writes nil as the daemon itself does, "=-1", asks for one byte.
// As long as nothing follows, the daemon waits for that byte, and its client with it; in a pipeline it is
// there, and the zero behind the argument goes four gigabytes up.
var respd = Case{
	Name:      "respd",
	Listen:    netip.MustParseAddrPort("127.0.0.1:6390"),
	Command:   func(s *Stage) []string { return []string{s.Home + "/sbin/respd", "6390"} },
	Script:    scriptRespd,
	Culprit:   Culprit{Module: "libwire.so", Function: "wire_seal", Role: "decided"},
	Mechanism: "fault_write",
}

func scriptRespd(s *Stage) []Conversation {
	r := s.Rand
	death := between(r, 2200*time.Millisecond, 2700*time.Millisecond)
	before, nilled, after := wirePipeline(subrand(r)), wireProfile(subrand(r)), wirePipeline(subrand(r))
	script := []Conversation{
		{Killer, loopback(2000 + r.IntN(50)), death - 60*time.Millisecond, wireKiller(subrand(r), before+wireNil(nilled...)+after)},
		{Twin, loopback(2100 + r.IntN(50)), between(r, death/4, death*3/4), wireCall(before + wire(append(nilled, "")...) + after)},
	}
	for range 400 {
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(60)), between(r, 0, death+150*time.Millisecond), wireVisit(subrand(r))})
	}
	for i, request := range wireOddities(subrand(r)) {
		script = append(script, Conversation{Odd, loopback(1000 + i), between(r, death/10, death), wireCall(request)})
	}
	for i, request := range wireWaiting(subrand(r)) {
		script = append(script, Conversation{Waiting, loopback(1100 + i), between(r, death/4, death-100*time.Millisecond), wireWait(request)})
	}
	return script
}

// wire is a request of counted arguments.
func wire(args ...string) string {
	text := fmt.Sprintf("!%d\r\n", len(args))
	for _, a := range args {
		text += fmt.Sprintf("=%d\r\n%s\r\n", len(a), a)
	}
	return text
}

// wireNil is a request that has nil for its last argument.
func wireNil(args ...string) string {
	return fmt.Sprintf("!%d", len(args)+1) + strings.TrimPrefix(wire(args...), fmt.Sprintf("!%d", len(args))) + "=-1\r\n"
}

// wireProfile sets a part of a user's profile that may not be known.
func wireProfile(r *rand.Rand) []string {
	return []string{"set", fmt.Sprintf("user:%d:%s", 1000+r.IntN(9000), []string{"avatar", "phone", "company", "locale"}[r.IntN(4)])}
}

func wirePipeline(r *rand.Rand) string {
	var text string
	for range 1 + r.IntN(4) {
		text += wireRequest(r)
	}
	return text
}

func wireKiller(r *rand.Rand, pipeline string) func(*Talk) {
	return func(t *Talk) {
		for range 1 + r.IntN(3) {
			t.Send([]byte(wireRequest(r)))
			t.wireAnswers(1)
		}
		t.Message([]byte(pipeline))
		t.Rest()
	}
}

// wireCall sends a request or a pipeline and reads what comes, for a while.
func wireCall(request string) func(*Talk) {
	return func(t *Talk) {
		t.Message([]byte(request))
		t.wireAnswers(max(1, strings.Count(request, "!")))
	}
}

func wireWait(request string) func(*Talk) {
	return func(t *Talk) {
		t.Message([]byte(request))
		t.Outlast()
	}
}

// wireAnswers reads n whole answers.
func (t *Talk) wireAnswers(n int) {
	t.Read(func(b []byte) bool {
		for range n {
			size, ok := wireAnswer(b)
			if !ok {
				return false
			}
			b = b[size:]
		}
		return true
	})
}

// wireAnswer is how many bytes the first answer has.
func wireAnswer(b []byte) (size int, ok bool) {
	line, _, ok := bytes.Cut(b, []byte("\r\n"))
	if !ok || len(line) == 0 {
		return 0, false
	}
	size = len(line) + 2
	n, _ := strconv.Atoi(string(line[1:]))
	switch {
	case line[0] == '=' && n >= 0:
		size += n + 2
	case line[0] == '!':
		for range n {
			next, ok := wireAnswer(b[min(size, len(b)):])
			if !ok {
				return 0, false
			}
			size += next
		}
	}
	return size, size <= len(b)
}

// wireVisit is a web server's worker that looks after some sessions, on one connection.
func wireVisit(r *rand.Rand) func(*Talk) {
	return func(t *Talk) {
		for range 1 + r.IntN(6) {
			switch r.IntN(8) {
			case 0: // a pipeline
				n := 2 + r.IntN(8)
				var text string
				for range n {
					text += wireRequest(r)
				}
				t.Send([]byte(text))
				t.wireAnswers(n)
			case 1: // over a poor line
				t.Slowly([]byte(wireRequest(r)), 12+r.IntN(40), time.Duration(2+r.IntN(12))*time.Millisecond)
				t.wireAnswers(1)
			default:
				t.Send([]byte(wireRequest(r)))
				t.wireAnswers(1)
			}
			t.Pause(time.Duration(r.IntN(40)) * time.Millisecond)
		}
		t.message.Bytes = nil
		if r.IntN(3) == 0 {
			t.Send([]byte(wire("quit")))
			t.wireAnswers(1)
		}
	}
}

func wireKey(r *rand.Rand) string {
	n := strconv.Itoa(1000 + r.IntN(60))
	return []string{"session:" + n, "user:" + n + ":avatar", "user:" + n + ":phone", "page:/item/" + n, "count:" + n}[r.IntN(5)]
}

func wireValue(r *rand.Rand) string {
	switch r.IntN(5) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf(`{"user":%d,"since":%d,"cart":["A-%d","B-%d"],"note":"%s"}`, r.IntN(9999), 1790000000+r.IntN(1e6), r.IntN(99), r.IntN(99), prose(r, 4))
	case 2:
		return "<html><body><p>" + prose(r, 20+r.IntN(200)) + "</p></body></html>"
	case 3:
		return string(random(r, 20+r.IntN(300)))
	default:
		return strconv.Itoa(r.IntN(100000))
	}
}

func wireRequest(r *rand.Rand) string {
	key := wireKey(r)
	switch r.IntN(14) {
	case 0, 1, 2, 3, 4:
		return wire("get", key)
	case 5, 6, 7:
		return wire("set", key, wireValue(r))
	case 8:
		return wire("set", key, wireValue(r), strconv.Itoa(1+r.IntN(600)))
	case 9:
		return wire("mget", key, wireKey(r), wireKey(r))
	case 10:
		return wire("incr", "count:"+key)
	case 11:
		return wire("slice", key, strconv.Itoa(r.IntN(50)), strconv.Itoa(r.IntN(500)))
	case 12:
		return wire("append", key, prose(r, 2))
	default:
		return wire("del", key)
	}
}

// wireOddities are longer, rarer or stranger than the killer; some have sizes as strange as its, which are
// refused.
func wireOddities(r *rand.Rand) []string {
	set := func(size, rest string) string {
		return "!3\r\n=3\r\nset\r\n=12\r\nuser:7:phone\r\n=" + size + "\r\n" + rest
	}
	many := ""
	for range 80 {
		many += wireRequest(r)
	}
	return []string{
		set("-3", wirePipeline(r)),
		set("-2147483648", "x\r\n"),
		set("4294967293", "x\r\n"),
		set("99999999999", "x\r\n"),
		set("16383", "x\r\n"),
		set("+0005", "hello\r\n"),
		set("nil", wirePipeline(r)),
		"!3\r\n=3\r\nset\r\n=-1\r\n=5\r\nhello\r\n" + wirePipeline(r), // a key of nil: the value is no size then
		"!2\r\n=-1\r\n=1\r\nx\r\n",
		"!-1\r\n=3\r\nget\r\n",
		"!17\r\n" + strings.Repeat("=1\r\nx\r\n", 17),
		"*2\r\n$3\r\nGET\r\n$5\r\ncolor\r\n",
		"get color\r\n",
		"GET /session/1 HTTP/1.1\r\nHost: cache\r\n\r\n",
		wire("patch", "page:/item/1001", "4294967295", "x"),
		wire("slice", "page:/item/1001", "-1", "-1"),
		wire("set", "blob:1", "!3\r\n=3\r\nset\r\n=5\r\ncolor\r\n=-1\r\n!1\r\n=4\r\nping\r\n"), // a request as a value
		wire("set", "blob:2", string(random(r, 15000))),
		wire("set", strings.Repeat("long:", 60), "x"),
		wire("flushall"),
		wire("mget", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "-1"),
		many,
	}
}

// wireWaiting gets no answer: half a request, a wait for a key that nobody sets, and nil with nothing behind it.
func wireWaiting(r *rand.Rand) []string {
	var requests []string
	for range 4 {
		half := wire("set", wireKey(r), wireValue(r)+"...")
		requests = append(requests,
			wire("wait", fmt.Sprintf("job:%08x", r.Uint32())),
			wire("wait", fmt.Sprintf("job:%08x", r.Uint32())),
			wireNil(wireProfile(r)...),
			half[:len(half)-1-r.IntN(4)])
	}
	return requests
}
