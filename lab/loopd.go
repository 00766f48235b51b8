package lab

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"
)

// loopd reads JSON by recursion, and counts the depth of arrays alone: objects within objects use
// up a worker's small stack.
var loopd = Case{
	Name:   "loopd",
	Listen: netip.MustParseAddrPort("127.0.0.1:7070"),
	Command: func(s *Stage) []string {
		return []string{s.Home + "/sbin/loopd", "7070"}
	},
	Script:    scriptLoopd,
	Culprit:   Culprit{Module: "libjson.so", Function: "json_value", Role: "decided"},
	Mechanism: "stack_overflow",
}

// deadlyDepth is more than a worker's stack of 256 KB can hold: every level takes 80 bytes or more.
const deadlyDepth = 3600

func scriptLoopd(s *Stage) []Conversation {
	r := s.Rand
	death := between(r, 2200*time.Millisecond, 2600*time.Millisecond)
	key := settingKey(r)
	script := []Conversation{
		{Killer, loopback(2000 + r.IntN(50)), death, jsonKiller(nested(key, deadlyDepth+r.IntN(300)))},
		{Twin, loopback(2100 + r.IntN(50)), between(r, death/4, death*3/4), jsonCall(nested(settingKey(r), deadlyDepth/6))},
	}
	for range 360 {
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(50)), between(r, 0, death+150*time.Millisecond), jsonVisit(subrand(r))})
	}
	for i, request := range jsonOddities(subrand(r)) {
		script = append(script, Conversation{Odd, loopback(1000 + i), between(r, death/10, death*9/10), jsonCall(request)})
	}
	for i, request := range jsonWaiting(subrand(r)) {
		talk := func(t *Talk) {
			t.Message([]byte(request))
			t.Outlast()
		}
		script = append(script, Conversation{Waiting, loopback(1100 + i), between(r, death/3, death-100*time.Millisecond), talk})
	}
	return script
}

// nested is a setting whose value is an object within an object within an object.
func nested(key string, depth int) string {
	return fmt.Sprintf(`{"id":7,"method":"set","key":%q,"value":%s1%s}`+"\n", key, strings.Repeat(`{"a":`, depth), strings.Repeat("}", depth))
}

func jsonKiller(request string) func(*Talk) {
	return func(t *Talk) {
		t.Message([]byte(request))
		t.Rest()
	}
}

// jsonCall makes one request and reads its answer.
func jsonCall(request string) func(*Talk) {
	return func(t *Talk) {
		t.Message([]byte(request))
		t.Line()
	}
}

// Line reads up to the end of a line.
func (t *Talk) Line() []byte {
	return t.Read(func(b []byte) bool { return bytes.HasSuffix(b, []byte("\n")) })
}

func jsonVisit(r *rand.Rand) func(*Talk) {
	return func(t *Talk) {
		for range 1 + r.IntN(5) {
			request := []byte(jsonRequest(r))
			if r.IntN(12) == 0 {
				t.Slowly(request, 20+r.IntN(40), time.Duration(5+r.IntN(25))*time.Millisecond)
			} else {
				t.Send(request)
			}
			t.Line()
			t.Pause(time.Duration(r.IntN(30)) * time.Millisecond)
		}
		t.message.Bytes = nil
	}
}

func settingKey(r *rand.Rand) string {
	return fmt.Sprintf("%s.%s", []string{"ui", "db", "cache", "mail", "theme", "quota"}[r.IntN(6)],
		[]string{"limits", "colours", "servers", "rules", "users", "paths"}[r.IntN(6)])
}

func jsonRequest(r *rand.Rand) string {
	id, key := r.IntN(10000), settingKey(r)
	switch r.IntN(10) {
	case 0, 1, 2:
		return fmt.Sprintf(`{"id":%d,"method":"get","key":%q}`+"\n", id, key)
	case 3, 4, 5:
		return fmt.Sprintf(`{"id":%d,"method":"set","key":%q,"value":%s}`+"\n", id, key, jsonTree(r, 3))
	case 6:
		return fmt.Sprintf(`{"id":%d,"method":"list"}`+"\n", id)
	case 7:
		return fmt.Sprintf(`{"id":%d,"method":"stats"}`+"\n", id)
	case 8:
		return fmt.Sprintf(`{"id":%d,"method":"echo","data":%s}`+"\n", id, jsonTree(r, 4))
	default:
		return fmt.Sprintf(`{"id":%d,"method":"getx"}`+"\n", id)
	}
}

// jsonTree is a value of some depth.
func jsonTree(r *rand.Rand, depth int) string {
	kind := r.IntN(6)
	if depth == 0 {
		kind = r.IntN(4)
	}
	switch kind {
	case 0:
		return fmt.Sprint(r.IntN(100000))
	case 1:
		return []string{"true", "false", "null"}[r.IntN(3)]
	case 2, 3:
		return fmt.Sprintf("\"%x\"", random(r, r.IntN(30)))
	case 4:
		var parts []string
		for range r.IntN(6) {
			parts = append(parts, jsonTree(r, depth-1))
		}
		return "[" + strings.Join(parts, ",") + "]"
	default:
		var parts []string
		for i := range r.IntN(6) {
			parts = append(parts, fmt.Sprintf(`"k%d":%s`, i, jsonTree(r, depth-1)))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
}

// jsonOddities are longer, deeper in another way, or stranger than the killer.
func jsonOddities(r *rand.Rand) []string {
	set := func(value string) string {
		return fmt.Sprintf(`{"id":%d,"method":"set","key":"odd.%x","value":%s}`+"\n", r.IntN(1000), r.IntN(1000), value)
	}
	return []string{
		set("[" + strings.Repeat("0,", 20000) + "0]"),
		set("\"" + strings.Repeat("lorem ipsum ", 4000) + "\""),
		set(strings.Repeat("[", 3000) + strings.Repeat("]", 3000)), // refused: too deep
		set(strings.Repeat("[", 60) + strings.Repeat("]", 60)),
		set("{" + strings.Repeat(`"a":{},`, 5000) + `"b":0}`),
		set("\"" + strings.Repeat(`\u00e4\u20ac`, 3000) + "\""),
		set("-1.7976931348623157e+308"),
		set(strings.Repeat("[{\"a\":", 30) + "1" + strings.Repeat("}]", 30)),
		strings.Repeat("{", 4000) + "\n",
		strings.Repeat(" ", 9000) + "{}\n",
		"GET /settings HTTP/1.1\n",
		string(bytes.ReplaceAll(random(r, 6000), []byte("\n"), nil)) + "\n",
		`{"method":"` + strings.Repeat("get", 3000) + `"}` + "\n",
	}
}

func jsonWaiting(r *rand.Rand) []string {
	half := fmt.Sprintf(`{"id":%d,"method":"set","key":%q,"value":{"a":{"b":[1,2`, r.IntN(1000), settingKey(r))
	requests := []string{half, half[:20], `{"id":1,"method":"echo","data":"` + strings.Repeat("abc ", 700)}
	for range 5 {
		requests = append(requests, fmt.Sprintf(`{"id":%d,"method":"watch","key":%q}`+"\n", r.IntN(1000), settingKey(r)))
	}
	return requests
}
