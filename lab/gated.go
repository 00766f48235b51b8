package lab

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// gated is a gateway to two stores, and copies the digest that comes with a value into a buffer that is big
// enough for all but the newest kind. One value has such a digest; whoever asks for it is innocent.
var gated = Case{
	Name:    "gated",
	Listen:  netip.MustParseAddrPort("127.0.0.1:11300"),
	Prepare: func(s *Stage) error { return serveStores(s, newStock(s.Seed)) },
	Command: func(s *Stage) []string {
		return append([]string{s.Home + "/sbin/gated", "11300", "9100"}, gateBackends...)
	},
	Script:    scriptGated,
	Culprit:   Culprit{Module: "libbackend.so", Function: "answer_read", Role: "decided"},
	Mechanism: "fortify",
}

var gateBackends = []string{"127.0.0.61", "127.0.0.62"}

// stock is what both stores have; they and their clients derive it from the same seed.
type stock struct {
	ordinary, odd []stockItem
	lost          []string // questions about these are never answered
	twin, kill    stockItem
}

// stockItem is a key and what its store says about it.
type stockItem struct {
	key    string
	status byte
	tag    string
	value  []byte
	pieces int // sent in so many
}

func newStock(seed uint64) stock {
	r := rand.New(rand.NewPCG(seed, 11300))
	var k stock
	for range 150 {
		item := stockItem{key: stockKey(r), tag: digest(r, "", 16), value: []byte(prose(r, 3+r.IntN(60)))}
		switch r.IntN(9) {
		case 0:
			item.status, item.tag, item.value = 2, "", nil // none
		case 1:
			item.tag = digest(r, "crc:", 4)
		case 2:
			item.value = random(r, 200+r.IntN(1200))
		}
		k.ordinary = append(k.ordinary, item)
	}
	k.odd = []stockItem{
		{value: bytes.Repeat([]byte("<p>lorem ipsum</p>\n"), 900), tag: digest(r, "", 16), pieces: 5},
		{value: random(r, 6000), tag: digest(r, "", 16), pieces: 40},
		{tag: digest(r, "sha1:", 20), value: random(r, 30)},
		{tag: "W/\"" + digest(r, "", 18) + "\"", value: []byte(prose(r, 40))},
		{tag: "", value: []byte("no digest at all")},
		{tag: "%s%n%s%n", value: []byte("%s%n")},
		{tag: string(random(r, 20)), value: random(r, 200)},
		{tag: digest(r, "", 16)},
		{status: 3},
		{status: 200, value: []byte("quota exceeded for tenant " + prose(r, 30))},
		{status: 77, tag: digest(r, "", 16), value: random(r, 2500)},
		{status: 1, tag: digest(r, "", 16), value: []byte("stored, it says to a question")},
		{tag: digest(r, "", 16), value: []byte(strings.Repeat("sha256:", 300))},
	}
	for i := range k.odd {
		k.odd[i].key = stockKey(r)
	}
	for range 10 {
		k.lost = append(k.lost, stockKey(r))
	}
	value := prose(r, 15+r.IntN(20))
	k.kill = stockItem{key: stockKey(r), tag: digest(r, "sha256:", 32), value: []byte(value)}
	k.twin = stockItem{key: stockKey(r), tag: digest(r, "sha256:", 20), value: []byte(value)}
	return k
}

func stockKey(r *rand.Rand) string {
	kinds := []string{"page", "user", "cart", "image", "price", "session", "feed"}
	return fmt.Sprintf("%s:%d/%06x", kinds[r.IntN(len(kinds))], r.IntN(100), r.Uint32()&0xffffff)
}

// digest is one of so many bytes, in hex.
func digest(r *rand.Rand, kind string, size int) string {
	return fmt.Sprintf("%s%x", kind, random(r, size))
}

// serveStores are the two stores, which answer any question about the stock.
func serveStores(s *Stage, k stock) error {
	known := map[string]stockItem{k.kill.key: k.kill, k.twin.key: k.twin}
	roles := map[string]Role{k.kill.key: Killer, k.twin.key: Twin}
	for _, item := range k.ordinary {
		known[item.key] = item
	}
	for _, item := range k.odd {
		known[item.key], roles[item.key] = item, Odd
	}
	for _, key := range k.lost {
		roles[key] = Waiting
	}
	for _, address := range gateBackends {
		store := func(conn net.Conn) {
			serveStore(storeLink{Stage: s, conn: conn, line: new(sync.Mutex), sent: new(uint32)}, known, roles)
		}
		if err := s.Serve(address+":9100", store); err != nil {
			return err
		}
	}
	return nil
}

// storeLink is a store's end of one of the gateway's connections.
type storeLink struct {
	*Stage
	conn net.Conn
	line *sync.Mutex // of conn and sent: answers come when they are ready
	sent *uint32
}

func serveStore(l storeLink, known map[string]stockItem, roles map[string]Role) {
	defer l.conn.Close()
	for n := uint32(0); ; n++ {
		head := make([]byte, 10)
		if _, err := io.ReadFull(l.conn, head); err != nil {
			return
		}
		rest := make([]byte, binary.BigEndian.Uint32(head)-6)
		if _, err := io.ReadFull(l.conn, rest); err != nil {
			return
		}
		id, key := head[4:8], string(rest[:head[9]])
		item := known[key]
		switch verb := head[8]; {
		case roles[key] == Waiting:
			continue
		case verb == 2:
			item = stockItem{status: 1}
		case verb == 3:
			item = stockItem{}
		case item.key == "":
			item.status = 2
		}
		go func() {
			time.Sleep(time.Duration(1+(len(key)*7+int(n))%11) * time.Millisecond)
			l.say(storeAnswer(id, item, n), item.pieces, roles[item.key])
		}()
		if n%23 == 11 { // a sign of life, which nobody has asked for
			go l.say(storeAnswer([]byte{0, 0, 0, 0}, stockItem{status: 9, value: fmt.Appendf(nil, "up %d", n)}, n), 1, "")
		}
	}
}

func storeAnswer(id []byte, item stockItem, version uint32) []byte {
	b := join(id, []byte{item.status, byte(len(item.tag))}, []byte(item.tag))
	b = binary.BigEndian.AppendUint32(b, version)
	b = binary.BigEndian.AppendUint32(b, 1767225600+version*60)
	b = append(b, item.value...)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}

// say sends an answer in some pieces, and keeps for the truth what has a role.
func (l storeLink) say(b []byte, pieces int, role Role) {
	l.line.Lock()
	defer l.line.Unlock()
	if role != "" {
		remote, _ := netip.ParseAddrPort(l.conn.LocalAddr().String())
		local, _ := netip.ParseAddrPort(l.conn.RemoteAddr().String())
		l.note(deed{Role: role, Remote: remote, Local: local, Outbound: true, Offset: *l.sent, Bytes: b})
	}
	*l.sent += uint32(len(b))
	for ; pieces > 1; pieces-- {
		n := len(b) / pieces
		l.conn.Write(b[:n])
		b = b[n:]
		time.Sleep(time.Millisecond)
	}
	l.conn.Write(b)
}

func scriptGated(s *Stage) []Conversation {
	r, k := s.Rand, newStock(s.Seed)
	death := between(r, 2200*time.Millisecond, 2600*time.Millisecond)
	script := []Conversation{
		{Waiting, loopback(2000 + r.IntN(50)), death, gateAsk(k.kill.key)},
		{Ordinary, loopback(2100 + r.IntN(50)), between(r, death/4, death*3/4), gateAsk(k.twin.key)},
	}
	for range 420 {
		at := between(r, 0, death+120*time.Millisecond)
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(70)), at, gateVisit(subrand(r), k)})
	}
	for i, item := range k.odd {
		at := between(r, death/10, death*9/10)
		script = append(script, Conversation{Ordinary, loopback(1000 + i), at, gateAsk(item.key)})
	}
	for i, text := range gateOddities(subrand(r)) {
		talk := func(t *Talk) {
			t.Message([]byte(text))
			t.Line()
		}
		script = append(script, Conversation{Odd, loopback(1100 + i), between(r, death/10, death), talk})
	}
	for i, key := range k.lost {
		at := between(r, death/4, death-100*time.Millisecond)
		script = append(script, Conversation{Waiting, loopback(1200 + i), at, gateAsk(key)})
	}
	return script
}

// gateAsk asks for one value, and waits for as long as it takes.
func gateAsk(key string) func(*Talk) {
	return func(t *Talk) {
		t.Message(fmt.Appendf(nil, "GET %s\r\n", key))
		t.Outlast()
	}
}

// gateAnswer reads one answer, with the value that follows it.
func (t *Talk) gateAnswer() {
	t.Read(func(b []byte) bool {
		line, value, ok := bytes.Cut(b, []byte("\r\n"))
		if !ok || !bytes.HasPrefix(line, []byte("VALUE ")) {
			return ok
		}
		fields, size := bytes.Fields(line), 0
		fmt.Sscan(string(fields[len(fields)-1]), &size)
		return len(value) >= size+2
	})
}

// gateVisit gets some values, and now and then puts or drops one.
func gateVisit(r *rand.Rand, k stock) func(*Talk) {
	return func(t *Talk) {
		for range 1 + r.IntN(5) {
			key := k.ordinary[r.IntN(len(k.ordinary))].key
			switch r.IntN(10) {
			case 0:
				t.Send([]byte("STAT\r\n"))
			case 1:
				t.Send(fmt.Appendf(nil, "DROP %s\r\n", key))
			case 2, 3:
				value := prose(r, 1+r.IntN(80))
				t.Send(fmt.Appendf(nil, "PUT %s %d\r\n%s\r\n", key, len(value), value))
			case 4:
				t.Slowly(fmt.Appendf(nil, "GET %s\r\n", key), 4+r.IntN(8), time.Duration(2+r.IntN(10))*time.Millisecond)
			case 5: // two at once, whose answers come in any order
				t.Send(fmt.Appendf(nil, "GET %s\r\nSTAT\r\n", stockKey(r)))
				t.gateAnswer()
			default:
				t.Send(fmt.Appendf(nil, "GET %s\r\n", key))
			}
			t.gateAnswer()
			t.Pause(time.Duration(r.IntN(40)) * time.Millisecond)
		}
		t.message.Bytes = nil
		if r.IntN(3) == 0 {
			t.Send([]byte("QUIT\r\n"))
		}
	}
}

// gateOddities are clients' messages stranger than the question that leads to the killer.
func gateOddities(r *rand.Rand) []string {
	value := string(random(r, 7000))
	return []string{
		"PUT blob:1/" + digest(r, "", 3) + " 7000\r\n" + value + "\r\n",
		"PUT blob:2/0 99999999999\r\n",
		"GET " + strings.Repeat("k", 200) + "\r\n",
		"GET " + strings.Repeat("k", 201) + "\r\n",
		"GET sha256:" + digest(r, "", 32) + "\r\n",
		"GET page:1/\xff\xfe\x00\x01\r\n",
		"get page:1/000000\r\n",
		"GET  \r\n",
		"DROP *\r\n",
		"FLUSH\r\n",
		digest(r, "", 900) + "\r\n",
		"GET / HTTP/1.1\r\nHost: gate\r\n\r\n",
	}
}
