package lab

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// watchdogged's worker takes a lock before it writes its journal, by the clock. A backup has that lock and is
// slow; the supervisor hears nothing of its worker and kills it. No message has to do with that, and nothing in
// the worker decided to die.
var watchdogged = Case{
	Name:    "watchdogged",
	Listen:  netip.MustParseAddrPort("127.0.0.1:11311"),
	Prepare: func(s *Stage) error { return os.MkdirAll(filepath.Join(s.Home, "var"), 0o755) },
	Command: func(s *Stage) []string {
		return []string{s.Home + "/sbin/watchdogged", "11311", queueJournal(s), fmt.Sprint(queuePatience.Milliseconds())}
	},
	Script:    scriptWatchdogged,
	None:      true,
	Mechanism: "killed",
}

// queuePatience is for how long the supervisor waits for a sign of life.
const queuePatience = 700 * time.Millisecond

func queueJournal(s *Stage) string { return filepath.Join(s.Home, "var", "journal") }

func scriptWatchdogged(s *Stage) []Conversation {
	r := s.Rand
	lock := between(r, 1500*time.Millisecond, 1900*time.Millisecond)
	death := lock + queuePatience
	script := []Conversation{{Ordinary, loopback(2300), lock - 30*time.Millisecond, queueBackup}}
	for range 400 {
		at := between(r, 0, death)
		if r.IntN(3) > 0 { // it can be busy only before it hangs
			at = between(r, 0, lock)
		}
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(70)), at, queueVisit(subrand(r))})
	}
	for i, text := range queueOddities(subrand(r)) {
		at := between(r, lock/10, lock+100*time.Millisecond)
		talk := func(t *Talk) {
			t.Message([]byte(text))
			t.Line()
		}
		script = append(script, Conversation{Odd, loopback(1000 + i), at, talk})
	}
	for i, text := range queueWaiting(subrand(r)) {
		at := between(r, lock/4, lock-100*time.Millisecond)
		talk := func(t *Talk) {
			command(t, "use nobody-%d", i)
			t.Message([]byte(text))
			t.Outlast()
		}
		script = append(script, Conversation{Waiting, loopback(1100 + i), at, talk})
	}
	return script
}

// queueBackup asks how long the journal is, as it does every night, and locks it to copy it.
func queueBackup(t *Talk) {
	command(t, "stats")
	journal, err := os.Open(queueJournal(t.Stage))
	if err != nil {
		return
	}
	syscall.Flock(int(journal.Fd()), syscall.LOCK_EX)
	context.AfterFunc(t.ctx, func() { journal.Close() })
	t.Outlast()
}

func queueTube(r *rand.Rand) string {
	return []string{"mail", "resize", "invoice", "index", "webhook", "export"}[r.IntN(6)]
}

func queueJob(r *rand.Rand) string {
	switch r.IntN(4) {
	case 0:
		return fmt.Sprintf(`{"to":"user%d@example.net","template":"%s","retry":%d}`, r.IntN(9000), prose(r, 1), r.IntN(4))
	case 1:
		return string(random(r, 30+r.IntN(400)))
	}
	return prose(r, 2+r.IntN(60))
}

func queuePut(job string) []byte { return fmt.Appendf(nil, "put %d\n%s\n", len(job), job) }

// queueTake reserves a job and returns its number, if one comes.
func queueTake(t *Talk) string {
	t.Send([]byte("reserve\n"))
	got := t.Read(func(b []byte) bool {
		var id, size int
		line, job, ok := bytes.Cut(b, []byte("\n"))
		fmt.Sscanf(string(line), "RESERVED %d %d", &id, &size)
		return ok && len(job) > size
	})
	return strings.Fields(string(got) + " - -")[1]
}

// queueVisit is a client that puts jobs or one that does them, after it has put one, so that one is there.
func queueVisit(r *rand.Rand) func(*Talk) {
	return func(t *Talk) {
		command(t, "use %s", queueTube(r))
		for range 1 + r.IntN(4) {
			if put := queuePut(queueJob(r)); r.IntN(10) == 0 {
				t.Slowly(put, 1+len(put)/4, time.Duration(2+r.IntN(10))*time.Millisecond)
			} else {
				t.Send(put)
			}
			t.Line()
			switch r.IntN(6) {
			case 0:
				command(t, "stats")
			case 1:
				command(t, "release %s", queueTake(t))
			case 2, 3:
				command(t, "delete %s", queueTake(t))
			}
			t.Pause(time.Duration(r.IntN(40)) * time.Millisecond)
		}
		t.message.Bytes = nil
		if r.IntN(3) == 0 {
			t.Send([]byte("quit\n"))
		}
	}
}

// queueOddities are stranger than all else, and answered or refused.
func queueOddities(r *rand.Rand) []string {
	return []string{
		string(queuePut(string(random(r, 4000)))),
		string(queuePut("")),
		string(queuePut(strings.Repeat("reserve\n", 200))),
		string(queuePut(strings.Repeat("%n%s", 100))),
		"put 99999999\n",
		"put -1\n",
		"use " + strings.Repeat("x", 180) + "\n",
		"use ../../etc\n",
		"delete 18446744073709551615\n",
		"release 0\n",
		"reserve-with-timeout 0\n",
		"STATS\n",
		fmt.Sprintf("%x\n", random(r, 120)),
		"GET / HTTP/1.1\r\nHost: queue\r\n\r\n",
		"\x16\x03\x01\x01\x2c\x01\x00\x01\x28\x03\x03" + string(random(r, 60)) + "\n",
	}
}

// queueWaiting gets no answer: waits for jobs in tubes of their own, and halves of commands.
func queueWaiting(r *rand.Rand) []string {
	var texts []string
	for range 8 {
		texts = append(texts, "reserve\n")
	}
	return append(texts, "put 300\n"+prose(r, 9), "put 5\nabc", "dele", "reserve\nstat")
}
