package lab

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"
)

// stored tells how the sizes of values are spread, in as many steps as one likes; where there are more steps
// than sizes, each is nothing wide, and it divides by that. So it hangs on what others have stored under the
// same prefix whether a question kills. All requests stand in its log word for word, and their values in the
// store besides.
var stored = Case{
	Name:      "stored",
	Listen:    netip.MustParseAddrPort("127.0.0.1:7411"),
	Command:   func(s *Stage) []string { return []string{s.Home + "/sbin/stored", "7411"} },
	Script:    scriptStored,
	Culprit:   Culprit{Module: "libstore.so", Function: "store_spread", Role: "decided"},
	Mechanism: "arithmetic",
}

// The sizes of a sensor's values: less than 64 apart, and more than 16.
const sensorLeast, sensorMost = 96, 127

func scriptStored(s *Stage) []Conversation {
	r := s.Rand
	death := between(r, 2200*time.Millisecond, 2700*time.Millisecond)
	steps := []int{40, 50, 60}[r.IntN(3)]
	script := []Conversation{
		{Ordinary, loopback(300), 0, storeGateway(subrand(r))},
		{Killer, loopback(2000 + r.IntN(50)), death - 80*time.Millisecond, storeAsk(subrand(r), fmt.Sprintf("spread sensor/ %d", steps))},
		{Twin, loopback(2100 + r.IntN(50)), between(r, death/4, death*3/4), storeAsk(subrand(r), fmt.Sprintf("spread sensor/ %d", steps/10))},
	}
	for range 380 {
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(40)), between(r, 0, death+150*time.Millisecond), storeVisit(subrand(r))})
	}
	for i, request := range storeOddities(subrand(r), steps) {
		script = append(script, Conversation{Odd, loopback(1000 + i), between(r, death/10, death-60*time.Millisecond), storeCall(request)})
	}
	for i, request := range storeWaiting(subrand(r)) {
		script = append(script, Conversation{Waiting, loopback(1100 + i), between(r, death/4, death-100*time.Millisecond), storeWait(request)})
	}
	return script
}

// storeFrame is a message: its size and its text.
func storeFrame(text string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
}

// storeAnswer reads one message.
func (t *Talk) storeAnswer() {
	t.Read(func(b []byte) bool { return len(b) >= 4 && len(b) >= 4+int(binary.BigEndian.Uint32(b)) })
}

func (t *Talk) storeRequest(text string) {
	t.Send(storeFrame(text))
	t.storeAnswer()
}

// storeGateway brings the first values, of all sizes: nobody may ask how they are spread before they are there.
func storeGateway(r *rand.Rand) func(*Talk) {
	return func(t *Talk) {
		for _, size := range []int{sensorLeast, sensorMost} {
			t.storeRequest(fmt.Sprintf("put sensor/%d\n%s", 100+r.IntN(20), storeReading(r, size)))
		}
		for _, size := range []int{4, 6000} {
			t.storeRequest("put page/start\n" + strings.Repeat("x", size))
			t.storeRequest("put mail/0\n" + prose(r, size/10))
		}
		t.Announce("stored")
		for range 40 {
			t.storeRequest(storePut(r))
			t.Pause(time.Duration(20+r.IntN(60)) * time.Millisecond)
		}
	}
}

// storeAsk looks at some values first.
func storeAsk(r *rand.Rand, question string) func(*Talk) {
	return func(t *Talk) {
		t.Await("stored")
		t.storeRequest("list sensor/")
		for range 1 + r.IntN(2) {
			t.Pause(time.Duration(5+r.IntN(25)) * time.Millisecond)
			t.storeRequest(fmt.Sprintf("get sensor/%d", 100+r.IntN(20)))
		}
		t.Message(storeFrame(question))
		t.storeAnswer()
	}
}

func storeCall(request []byte) func(*Talk) {
	return func(t *Talk) {
		t.Await("stored")
		t.Message(request)
		t.storeAnswer()
	}
}

func storeWait(request []byte) func(*Talk) {
	return func(t *Talk) {
		t.Message(request)
		t.Outlast()
	}
}

func storeVisit(r *rand.Rand) func(*Talk) {
	return func(t *Talk) {
		t.Await("stored")
		for range 1 + r.IntN(5) {
			switch r.IntN(8) {
			case 0: // two at once
				t.Send(append(storeFrame(storePut(r)), storeFrame(storeQuestion(r))...))
				t.Read(func(b []byte) bool {
					for range 2 {
						if len(b) < 4 || len(b) < 4+int(binary.BigEndian.Uint32(b)) {
							return false
						}
						b = b[4+binary.BigEndian.Uint32(b):]
					}
					return true
				})
			case 1: // over a poor line
				t.Slowly(storeFrame(storePut(r)), 20+r.IntN(60), time.Duration(1+r.IntN(6))*time.Millisecond)
				t.storeAnswer()
			case 2, 3, 4:
				t.storeRequest(storePut(r))
			default:
				t.storeRequest(storeQuestion(r))
			}
			t.Pause(time.Duration(r.IntN(40)) * time.Millisecond)
		}
		t.message.Bytes = nil
		if r.IntN(4) == 0 {
			t.storeRequest("bye")
		}
	}
}

// storeReading is what a sensor tells, in so many bytes.
func storeReading(r *rand.Rand, size int) string {
	text := fmt.Sprintf(`{"at":%d,"temperature":%d.%d,"humidity":%d,"raw":"`, 1790000000+r.IntN(1e6), 10+r.IntN(20), r.IntN(10), 10+r.IntN(80))
	return text + fmt.Sprintf("%x", random(r, size))[:size-len(text)-2] + `"}`
}

func storePut(r *rand.Rand) string {
	verb := []string{"put", "put", "put", "append"}[r.IntN(4)]
	switch r.IntN(5) {
	case 0, 1:
		return fmt.Sprintf("put sensor/%d\n%s", 100+r.IntN(20), storeReading(r, sensorLeast+r.IntN(sensorMost-sensorLeast+1)))
	case 2:
		return fmt.Sprintf("%s mail/%d\n%s", verb, r.IntN(50), prose(r, 3+r.IntN(200)))
	case 3:
		return fmt.Sprintf("%s page/%s\n<p>%s</p>\n", verb, []string{"start", "about", "prices", "jobs"}[r.IntN(4)], prose(r, r.IntN(100)))
	default:
		return fmt.Sprintf("put flag/%d\n%04d", r.IntN(30), r.IntN(10000))
	}
}

func storeQuestion(r *rand.Rand) string {
	key := []string{fmt.Sprintf("sensor/%d", 100+r.IntN(20)), fmt.Sprintf("mail/%d", r.IntN(50)), "page/start", fmt.Sprintf("flag/%d", r.IntN(30))}[r.IntN(4)]
	switch r.IntN(9) {
	case 0, 1, 2:
		return "get " + key
	case 3:
		return fmt.Sprintf("get %s %d", key, 1+r.IntN(5))
	case 4:
		return fmt.Sprintf("range %s %d %d", key, r.IntN(20), 20+r.IntN(300))
	case 5:
		return "list " + []string{"sensor/", "mail/", "page/", "flag/1"}[r.IntN(4)]
	case 6:
		return fmt.Sprintf("spread sensor/ %d", 1+r.IntN(16))
	default:
		return fmt.Sprintf("spread %s %d", []string{"mail/", "page/", "flag/"}[r.IntN(3)], 1+r.IntN(64))
	}
}

// storeOddities are longer, rarer or stranger than the killer, and many have its words.
func storeOddities(r *rand.Rand, steps int) [][]byte {
	question := fmt.Sprintf("spread sensor/ %d", steps)
	many := []byte{}
	for range 50 {
		many = append(many, storeFrame(storeQuestion(r))...)
	}
	return [][]byte{
		storeFrame("put notes/todo\n" + question + "\n" + question),
		storeFrame(fmt.Sprintf("append notes/log\n%x%s", random(r, 200), question)),
		storeFrame("put notes/frame\n" + string(storeFrame(question))),
		storeFrame(fmt.Sprintf("spread sensors/ %d", steps)), // nothing is there
		storeFrame(fmt.Sprintf("Spread sensor/ %d", steps)),
		storeFrame(fmt.Sprintf("spread sensor/ %d", steps*100)),
		storeFrame(fmt.Sprintf("spread flag/ %d", steps)),
		storeFrame("spread sensor/ 0"),
		storeFrame("spread sensor/ -1"),
		storeFrame("spread p 64 of everything"),
		storeFrame("spread sensor/"),
		storeFrame("range page/start 5999 9223372036854775807"),
		storeFrame("range page/start -1 -1"),
		storeFrame("get sensor/100 4294967297"),
		storeFrame("put blob/1\n" + string(random(r, 60000))),
		storeFrame("list " + strings.Repeat("sensor/", 60)),
		storeFrame("log 100"),
		storeFrame(""),
		storeFrame("GET / HTTP/1.1\r\nHost: store\r\n\r\n"),
		[]byte("GET / HTTP/1.1\r\nHost: store\r\n\r\n"), // a size of half the alphabet
		many,
	}
}

// storeWaiting gets no answer: half a message, or a wait for a value that nobody brings.
func storeWaiting(r *rand.Rand) [][]byte {
	var requests [][]byte
	for range 4 {
		half := storeFrame(storePut(r))
		requests = append(requests,
			storeFrame(fmt.Sprintf("watch job/%08x", r.Uint32())),
			storeFrame(fmt.Sprintf("watch job/%08x", r.Uint32())),
			storeFrame("watch notes/never"),
			half[:len(half)-1-r.IntN(20)])
	}
	return requests
}
