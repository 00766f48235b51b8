package lab

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// redis is Debian's server with a module that keeps the last so many values of something. Where a slice ends
// is computed in 32 bits. A client that wants the last ten of a ring that has four yet computes in 32 bits,
// too: it asks for ten from 4294967290 on, and these end at 4, where the ring does.
var redis = Case{
	Name:    "redis",
	Program: "/usr/bin/redis-check-rdb", // which redis-server is another name of
	Listen:  netip.MustParseAddrPort("127.0.0.1:6379"),
	Prepare: func(s *Stage) error {
		conf := fmt.Sprintf("bind 127.0.0.1\nprotected-mode no\nport 6379\ndir %s\nlogfile %[1]s/log\nsave \"\"\nloadmodule %[1]s/lib/ring.so\n", s.Home)
		return os.WriteFile(filepath.Join(s.Home, "redis.conf"), []byte(conf), 0o644)
	},
	Command:   func(s *Stage) []string { return []string{"/usr/bin/redis-server", s.Home + "/redis.conf"} },
	Script:    scriptRedis,
	Culprit:   Culprit{Module: "ring.so", Function: "ring_slice", Role: "decided"},
	Mechanism: "fault_read",
}

func scriptRedis(s *Stage) []Conversation {
	r := s.Rand
	death := between(r, 2200*time.Millisecond, 2700*time.Millisecond)
	// A new ring of few values, which nobody else knows, and a client that wants more of its last.
	key := fmt.Sprintf("new:%x", random(r, 3))
	has, wants := 3+r.IntN(5), []int{10, 12, 20, 25}[r.IntN(4)]
	slice := respCommand("RING.SLICE", key, fmt.Sprint(1<<32+has-wants), fmt.Sprint(wants))
	harmless := respCommand("RING.SLICE", key, fmt.Sprint(1<<32-wants-1), fmt.Sprint(wants)) // it ends where the numbers do
	script := []Conversation{
		{Killer, loopback(2000 + r.IntN(50)), death - 60*time.Millisecond, respWatcher(subrand(r), key, has, slice)},
		{Twin, loopback(2100 + r.IntN(50)), between(r, death/4, death*3/4), respWatcher(subrand(r), key+"b", has, strings.Replace(harmless, key, key+"b", 1))},
	}
	for range 380 {
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(60)), between(r, 0, death+150*time.Millisecond), respVisit(subrand(r))})
	}
	for i, commands := range respOddities(subrand(r)) {
		script = append(script, Conversation{Odd, loopback(1000 + i), between(r, death/10, death-60*time.Millisecond), respCall(commands)})
	}
	for i, commands := range respWaiting(subrand(r)) {
		script = append(script, Conversation{Waiting, loopback(1100 + i), between(r, death/4, death-100*time.Millisecond), func(t *Talk) {
			t.Message([]byte(commands))
			t.Outlast()
		}})
	}
	return script
}

// respCommand is a command as clients send it.
func respCommand(args ...string) string {
	text := fmt.Sprintf("*%d\r\n", len(args))
	for _, a := range args {
		text += fmt.Sprintf("$%d\r\n%s\r\n", len(a), a)
	}
	return text
}

// respSize is how long the reply at the beginning is, if it is whole.
func respSize(b []byte) (int, bool) {
	end := bytes.Index(b, []byte("\r\n"))
	if end < 1 {
		return 0, false
	}
	n, _ := strconv.Atoi(string(b[1:end]))
	size := end + 2
	switch b[0] {
	case '$':
		if n >= 0 {
			size += n + 2
		}
	case '%':
		n *= 2
		fallthrough
	case '*':
		for range max(n, 0) {
			one, ok := respSize(b[size:])
			if !ok {
				return 0, false
			}
			size += one
		}
	}
	return size, size <= len(b)
}

// respReplies reads n whole replies.
func (t *Talk) respReplies(n int) {
	t.Read(func(b []byte) bool {
		for range n {
			size, ok := respSize(b)
			if !ok {
				return false
			}
			b = b[size:]
		}
		return true
	})
}

func (t *Talk) respDo(args ...string) {
	t.Send([]byte(respCommand(args...)))
	t.respReplies(1)
}

// respWatcher begins a ring and looks at its last values.
func respWatcher(r *rand.Rand, key string, has int, slice string) func(*Talk) {
	return func(t *Talk) {
		t.respDo("CLIENT", "SETNAME", "watcher")
		for range has {
			t.respDo("RING.PUSH", key, "60", fmt.Sprintf("%.2f", 20+5*r.Float64()))
			t.Pause(time.Duration(r.IntN(8)) * time.Millisecond)
		}
		t.Message([]byte(slice))
		t.respReplies(1)
	}
}

func respCall(commands string) func(*Talk) {
	return func(t *Talk) {
		t.Message([]byte(commands))
		t.respReplies(max(1, strings.Count(commands, "\r\n*")))
	}
}

func respKey(r *rand.Rand) string {
	return fmt.Sprintf("%s:%d", []string{"user", "session", "cart", "page"}[r.IntN(4)], r.IntN(300))
}

func respRing(r *rand.Rand) string {
	return fmt.Sprintf("load:%s%d", []string{"web", "db", "cache"}[r.IntN(3)], r.IntN(12))
}

// respVisit is a program that keeps something here, one that measures, or one that shows measurements.
func respVisit(r *rand.Rand) func(*Talk) {
	return func(t *Talk) {
		if r.IntN(4) == 0 {
			t.respDo("CLIENT", "SETNAME", fmt.Sprintf("worker-%d", r.IntN(20)))
		}
		for range 1 + r.IntN(6) {
			switch r.IntN(14) {
			case 0: // all at once
				n := 2 + r.IntN(5)
				var all string
				for range n {
					all += respCommand(respOrdinary(r)...)
				}
				t.Send([]byte(all))
				t.respReplies(n)
			case 1:
				t.Slowly([]byte(respCommand(respOrdinary(r)...)), 9+r.IntN(20), time.Duration(2+r.IntN(12))*time.Millisecond)
				t.respReplies(1)
			default:
				t.respDo(respOrdinary(r)...)
			}
			t.Pause(time.Duration(r.IntN(50)) * time.Millisecond)
		}
		t.message.Bytes = nil
	}
}

func respOrdinary(r *rand.Rand) []string {
	switch r.IntN(14) {
	case 0:
		return []string{"GET", respKey(r)}
	case 1:
		return []string{"SET", respKey(r), prose(r, 1+r.IntN(30)), "EX", fmt.Sprint(60 + r.IntN(3600))}
	case 2:
		return []string{"HSET", "h:" + respKey(r), "name", prose(r, 2), "seen", fmt.Sprint(1717320000 + r.IntN(90000))}
	case 3:
		return []string{"HGETALL", "h:" + respKey(r)}
	case 4:
		return []string{"LPUSH", "jobs", fmt.Sprintf(`{"id":%d,"kind":"mail"}`, r.IntN(100000))}
	case 5:
		return []string{"LRANGE", "jobs", fmt.Sprint(r.IntN(5)), "10"}
	case 6:
		return []string{"ZADD", "ranking", fmt.Sprintf("%.1f", 100*r.Float64()), respKey(r)}
	case 7:
		return []string{"INCR", "hits:" + respKey(r)}
	case 8:
		return []string{"MGET", respKey(r), respKey(r), respKey(r)}
	case 9:
		return []string{"RING.INFO", respRing(r)}
	case 10:
		return []string{"RING.SLICE", respRing(r), fmt.Sprint(r.IntN(12)), fmt.Sprint(1 + r.IntN(20))}
	default:
		args := []string{"RING.PUSH", respRing(r), "60"}
		for range 1 + r.IntN(8) {
			args = append(args, fmt.Sprintf("%.2f", 4*r.Float64()))
		}
		return args
	}
}

// respOddities are longer, rarer or stranger than the killer.
func respOddities(r *rand.Rand) []string {
	many := []string{"RING.PUSH", "load:all", "4096"}
	for range 700 {
		many = append(many, fmt.Sprint(r.IntN(1000)))
	}
	return []string{
		respCommand(many...),
		respCommand("RING.SLICE", "load:all", "4294967295", "0"),
		respCommand("RING.SLICE", "load:web1", "0", "4294967295"),
		respCommand("RING.SLICE", "load:web2", "-6", "10"),
		respCommand("RING.SLICE", "load:web3", "18446744073709551610", "10"),
		respCommand("RING.SLICE", "load:none", "4294967290", "10"), // of a ring that isn't there
		respCommand("RING.PUSH", "load:odd", "0", "1"),
		respCommand("RING.PUSH", "load:odd", "3", "1e308", "-0", "not-a-number"),
		respCommand("SET", "blob", string(random(r, 9000))),
		respCommand("EVAL", "local s=0 for i=1,1000 do s=s+i end return {s,redis.call('PING'),{1,{2,{3}}}}", "0"),
		respCommand("SETBIT", "bits", "800000", "1"),
		respCommand("GETRANGE", "blob", "-4294967290", "10"),
		respCommand("SCAN", "0", "MATCH", strings.Repeat("*a", 60), "COUNT", "1000"),
		respCommand("HELLO", "3"),
		respCommand("OBJECT", "ENCODING", "ranking"),
		respCommand("MULTI") + respCommand("SET", "a", "1") + respCommand("LPUSH", "a", "2") + respCommand("EXEC"),
		respCommand("RESTORE", "x", "0", string(random(r, 60))),
		"PING an inline one, by hand\r\n",
		"GET / HTTP/1.1\r\nHost: cache\r\n\r\n",
	}
}

// respWaiting gets no reply: who waits for what never comes, and half a command.
func respWaiting(r *rand.Rand) []string {
	var all []string
	for i := range 4 {
		push := respCommand("RING.PUSH", respRing(r), "60", "1.5", "2.5")
		all = append(all,
			respCommand("BLPOP", fmt.Sprintf("queue:%d", i), "urgent", "30"),
			respCommand("XREAD", "BLOCK", "20000", "STREAMS", fmt.Sprintf("events:%d", i), "$"),
			push[:len(push)-1-r.IntN(20)],
			fmt.Sprintf("*3\r\n$3\r\nSET\r\n$4\r\nnote\r\n$%d\r\n%s", 400, prose(r, 10)))
	}
	return all
}
