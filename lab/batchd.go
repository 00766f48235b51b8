package lab

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// batchd gathers requests for a moment, carries them out by name and answers them all at once, so it dies
// with some clients' requests read and none of them answered. One of these writes at a place near four
// thousand million: place and size together are small again in 32 bits, and pass for it.
var batchd = Case{
	Name:    "batchd",
	Listen:  netip.MustParseAddrPort("127.0.0.1:5150"),
	Prepare: func(s *Stage) error { return os.MkdirAll(filepath.Join(s.Home, "var"), 0o755) },
	Command: func(s *Stage) []string {
		return []string{s.Home + "/sbin/batchd", "5150", s.Home + "/var/journal", fmt.Sprint(batchGather.Milliseconds())}
	},
	Script:    scriptBatchd,
	Culprit:   Culprit{Module: "libvalue.so", Function: "value_write", Role: "decided"},
	Mechanism: "fault_write",
}

// batchGather is for how long a batch is gathered.
const batchGather = 35 * time.Millisecond

func scriptBatchd(s *Stage) []Conversation {
	r := s.Rand
	death := between(r, 2200*time.Millisecond, 2600*time.Millisecond)
	var script []Conversation
	// burst lets those come together who have to say something at one time.
	burst := func(at time.Duration, size int) {
		for range size {
			early := between(r, 10*time.Millisecond, 60*time.Millisecond)
			script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(90)), at - early, batchVisit(subrand(r), at)})
		}
	}
	for at := 100 * time.Millisecond; at < death-90*time.Millisecond; at += between(r, 60*time.Millisecond, 110*time.Millisecond) {
		burst(at, 6+r.IntN(9))
	}
	burst(death+100*time.Millisecond, 8)
	for range 120 {
		at := between(r, 0, death-120*time.Millisecond)
		script = append(script, Conversation{Ordinary, loopback(400 + r.IntN(30)), at, batchVisit(subrand(r), at)})
	}
	script = append(script,
		Conversation{Killer, loopback(2000 + r.IntN(50)), death - 60*time.Millisecond, batchWith(subrand(r), batchKiller(r), death)},
		Conversation{Twin, loopback(2100 + r.IntN(50)), death / 4, batchWith(subrand(r), batchTwin(r), between(r, death/3, death*3/4))})
	for i, text := range batchMates(subrand(r)) {
		early := between(r, 30*time.Millisecond, 60*time.Millisecond)
		script = append(script, Conversation{Waiting, loopback(1200 + i), death - early, batchWith(subrand(r), text, death)})
	}
	for i, text := range batchOddities(subrand(r)) {
		at := between(r, death/10, death*9/10)
		script = append(script, Conversation{Odd, loopback(1000 + i), at, batchWith(subrand(r), text, at+10*time.Millisecond)})
	}
	for i, text := range batchWaiting(subrand(r)) {
		at := between(r, death/4, death-150*time.Millisecond)
		talk := func(t *Talk) {
			t.Message([]byte(text))
			t.Outlast()
		}
		script = append(script, Conversation{Waiting, loopback(1100 + i), at, talk})
	}
	return script
}

func batchName(r *rand.Rand) string {
	return []string{"camera", "frames", "audio", "log", "index", "thumb", "meta"}[r.IntN(7)] + fmt.Sprintf("/%02d", r.IntN(60))
}

func batchBytes(r *rand.Rand) string {
	if r.IntN(3) == 0 {
		return string(random(r, 10+r.IntN(300)))
	}
	return prose(r, 1+r.IntN(40))
}

func batchPut(verb, name string, at any, b string) string {
	return fmt.Sprintf("%s %s %v%d\n%s\n", verb, name, at, len(b), b)
}

// batchKiller writes a little before the beginning, for somebody who thinks that places have signs.
func batchKiller(r *rand.Rand) string {
	before := uint32(3 + r.IntN(8))
	return batchPut("WRITE", batchName(r), fmt.Sprint(-before, " "), string(random(r, 16+r.IntN(60))))
}

// batchTwin ends where the numbers do.
func batchTwin(r *rand.Rand) string {
	b := string(random(r, 16+r.IntN(60)))
	return batchPut("WRITE", batchName(r), fmt.Sprint(-uint32(len(b)+2+r.IntN(9)), " "), b)
}

// batchRequest is any of the ordinary ones.
func batchRequest(r *rand.Rand) string {
	switch r.IntN(12) {
	case 0:
		return fmt.Sprintf("SIZE %s\n", batchName(r))
	case 1:
		return fmt.Sprintf("DROP %s\n", batchName(r))
	case 2, 3, 4:
		return batchPut("SET", batchName(r), "", batchBytes(r))
	case 5, 6:
		return batchPut("APPEND", batchName(r), "", batchBytes(r))
	case 7, 8:
		return batchPut("WRITE", batchName(r), fmt.Sprint(r.IntN(4000), " "), batchBytes(r))
	case 9:
		return fmt.Sprintf("GET %s %d %d\n", batchName(r), r.IntN(300), 1+r.IntN(500))
	}
	return fmt.Sprintf("GET %s\n", batchName(r))
}

// batchAnswer reads one answer, with the bytes that follow it.
func (t *Talk) batchAnswer() {
	t.Read(func(b []byte) bool {
		line, rest, ok := bytes.Cut(b, []byte("\n"))
		size, valued := bytes.CutPrefix(line, []byte("VALUE "))
		n := 0
		fmt.Sscan(string(size), &n)
		return ok && (!valued || len(rest) > n)
	})
}

// batchVisit makes one request when it is time to, and some more, at once or later.
func batchVisit(r *rand.Rand, at time.Duration) func(*Talk) {
	at += between(r, 0, 6*time.Millisecond)
	return func(t *Talk) {
		t.Until(at)
		for range 1 + r.IntN(3) {
			if request := []byte(batchRequest(r)); r.IntN(12) == 0 {
				t.Slowly(request, 1+len(request)/3, time.Duration(2+r.IntN(12))*time.Millisecond)
			} else {
				t.Send(request)
			}
			t.batchAnswer()
			if r.IntN(2) == 0 {
				t.Pause(time.Duration(r.IntN(30)) * time.Millisecond)
			}
		}
		t.message.Bytes = nil
		if r.IntN(4) == 0 {
			t.Send([]byte("QUIT\n"))
		}
	}
}

// batchWith makes one request when it is time to, which some had another before.
func batchWith(r *rand.Rand, request string, at time.Duration) func(*Talk) {
	at += between(r, 0, 8*time.Millisecond)
	return func(t *Talk) {
		t.Until(at)
		t.Message([]byte(request))
		t.batchAnswer()
		if t.Role == Waiting {
			t.Outlast()
		}
	}
}

// batchMates are in the killer's own batch, before it and behind it in the order of names.
func batchMates(r *rand.Rand) []string {
	mates := []string{
		batchPut("WRITE", batchName(r), "1048000 ", batchBytes(r)),
		batchPut("WRITE", batchName(r), "4294960000 ", batchBytes(r)), // too big
		fmt.Sprintf("GET %s 4294967290 %d\n", batchName(r), 1+r.IntN(90)),
	}
	for range 4 + r.IntN(5) {
		mates = append(mates, batchRequest(r))
	}
	return mates
}

// batchOddities are longer, rarer or stranger than the killer.
func batchOddities(r *rand.Rand) []string {
	return []string{
		batchPut("SET", "blob/"+fmt.Sprintf("%x", random(r, 8)), "", string(random(r, 12000))),
		batchPut("APPEND", "log/big", "", strings.Repeat(prose(r, 30)+"\n", 40)),
		batchPut("WRITE", "sparse/1", "1040000 ", string(random(r, 900))),
		batchPut("WRITE", "sparse/2", "4294900000 ", string(random(r, 900))),
		batchPut("WRITE", "sparse/3", "2147483648 ", "x"),
		"WRITE sparse/4 4294967295 0\n\n",
		"SET too-long 99999999\n",
		"GET sparse/1 0 4294967295\n",
		"GET sparse/1 4294967295 4294967295\n",
		"SIZE " + strings.Repeat("long-name/", 20) + "\n",
		"DROP ../../etc/passwd\n",
		"SET\n",
		strings.Repeat("GET ", 200) + "\n",
		string(random(r, 400)) + "\n",
		"set camera/01 3\nabc\n",
		"GET / HTTP/1.1\n",
	}
}

// batchWaiting gets no answer: waits for names that nobody sets, and halves of requests.
func batchWaiting(r *rand.Rand) []string {
	var texts []string
	for range 7 {
		texts = append(texts, fmt.Sprintf("AWAIT done/%05d\n", r.IntN(100000)))
	}
	half := batchPut("SET", batchName(r), "", batchBytes(r))
	return append(texts, half[:len(half)-1-r.IntN(9)], "WRITE "+batchName(r)+" 0 400\nthe beginning", "SIZE came")
}
