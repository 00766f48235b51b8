package dissect

import (
	"strings"
	"testing"
)

const (
	redisSet = "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nva\x00ue\r\n"
	redisMap = "%2\r\n+server\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n"
)

var respExamples = []example{
	{"command", redisSet, fromClient, "RESP", map[string]string{"resp.command": "SET", "resp.array.length": "3"},
		[]string{"command", "set"}, nil},
	{"subcommand", "*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$1\r\n*\r\n", fromClient, "RESP", nil, []string{"config", "get"}, nil},
	{"pipelined with an inline command", redisSet + "PING\r\n" + redisSet, fromClient, "RESP", nil, []string{"set", "ping"}, nil},
	{"inline command", "SET key \"a b\"\r\n", onPort(fromClient, 6379), "RESP",
		map[string]string{"resp.command": "SET", "resp.inline[0]": "key"}, []string{"set"}, nil},
	{"nested reply", "*2\r\n*2\r\n:1\r\n$-1\r\n*-1\r\n", fromServer, "RESP", map[string]string{"resp.integer": "1"}, []string{"reply"}, []string{"command", "request"}},
	{"error", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", fromServer, "RESP", nil,
		[]string{"error", "wrongtype"}, []string{"command", "request"}},
	{"any error on its port", "-ERR [x] y\r\n", onPort(fromServer, 6379), "RESP", nil, []string{"error"}, []string{"command", "request"}},
	{"version 3's values", redisMap + "~1\r\n#t\r\n>2\r\n,1.5\r\n_\r\n(12345678901234567890\r\n=7\r\ntxt:abc\r\n!5\r\nERR x\r\n|1\r\n+ttl\r\n:3\r\n:9\r\n",
		fromServer, "RESP", map[string]string{
			"resp.map.length": "2", "resp.set.length": "1", "resp.boolean": "t", "resp.push.length": "2", "resp.double": "1.5", "resp.null": "",
			"resp.big_number": "12345678901234567890", "resp.verbatim_string.value": "txt:abc", "resp.bulk_error.value": "ERR x", "resp.attribute.length": "1",
		}, nil, []string{"command", "request"}},
	{"bulk that lies", "*2\r\n$3\r\nGET\r\n$999999\r\nkey\r\n", fromClient, "RESP",
		map[string]string{"malformed": "bulk string claims 999999 bytes, 5 are there"}, []string{"get"}, nil},
	{"array that lies", "*1000000000\r\n$4\r\nPING\r\n", fromClient, "RESP",
		map[string]string{"malformed": "array claims 1000000000 elements, 1 are there"}, []string{"ping"}, nil},
	{"bulk that is longer than it says", "*2\r\n$3\r\nGET\r\n$1\r\nkey\r\n+OK\r\n", fromClient, "RESP",
		map[string]string{"malformed": "expected CR LF after the bulk string, found 6579", "resp.string": "OK"}, nil, nil},
	{"negative length", "*1\r\n$-5\r\n", fromClient, "RESP", map[string]string{"malformed": `"-5" is no length of a bulk string`}, nil, nil},
	{"length beyond all numbers", "*1\r\n$99999999999999999999999\r\n", fromClient, "RESP",
		map[string]string{"malformed": `"99999999999999999999999" is no length of a bulk string`}, nil, nil},
	{"cut in a length", "*2\r\n$3\r\nGET\r\n$1", fromClient, "RESP", map[string]string{"malformed": "array claims 2 elements, 1 are there"}, []string{"partial"}, nil},
	{"array of a million depths", strings.Repeat("*1\r\n", 1<<20), fromClient, "RESP", nil, nil, nil},
}

func TestTheSummaryOfManyCommandsIsShort(t *testing.T) {
	d := Message([]byte(strings.Repeat(redisSet, 1000)), fromClient)
	if want := strings.TrimSuffix(strings.Repeat("SET key, ", 8), ", "); d.Summary != want {
		t.Errorf("summary is %.200q, want %q", d.Summary, want)
	}
}

func TestACommandInMemoryIsFramed(t *testing.T) {
	for data, want := range map[string]int{
		redisSet + "\x00\x00": len(redisSet),
		redisSet[:20]:         0,
		"*1\r\n:1\r\n":        0,
		"*3\r\n$3\r\n\x01\x02\x03\r\n$3\r\nkey\r\n$5\r\nvalue\r\n": 0,
	} {
		if n := Framed([]byte(data)); n != want {
			t.Errorf("%q: framed %d bytes, want %d", data, n, want)
		}
	}
}
