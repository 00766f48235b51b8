package dissect

import "strings"

const (
	memcachedSet     = "set key 5 -1 5\r\nvalue\r\n"
	memcachedAddQ    = "\x80\x12\x00\x03\x08\x00\x00\x00\x00\x00\x00\x10\x00\x00\x12\x34\x00\x00\x00\x00\x00\x00\x00\x00\xde\xad\xbe\xef\x00\x00\x0e\x10keyvalue"
	memcachedMissing = "\x81\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x09\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00Not found"
)

var memcachedExamples = []example{
	{"storage command on any port", memcachedSet, fromClient, "memcached", map[string]string{
		"memcache.command": "set", "memcache.key": "key", "memcache.expiration": "-1", "memcache.value": "value"}, []string{"set"}, nil},
	{"value and pipelined command", memcachedSet + "get a b c\r\n", fromClient, "memcached", nil, []string{"set", "get"}, nil},
	{"meta command", "mg key v f O12\r\nms k 2 T0\r\nab\r\nmn\r\n", onPort(fromClient, 11211), "memcached",
		map[string]string{"memcache.meta_flag": "v", "memcache.value": "ab"}, []string{"mg", "ms", "mn"}, nil},
	{"meta reply", "VA 2 f5 c9\r\nab\r\nHD\r\nME key exp=-1 la=3\r\nEN\r\n", onPort(fromServer, 11211), "memcached",
		map[string]string{"memcache.response": "VA", "memcache.value": "ab", "memcache.meta_flag": "f5"}, nil, []string{"command", "request"}},
	{"statistics", "STAT pid 1\r\nSTAT libevent 2.1 stable\r\nEND\r\n", fromServer, "memcached",
		map[string]string{"memcache.name": "pid", "memcache.name_value": "1"}, nil, []string{"command", "request"}},
	{"error with its text", "SERVER_ERROR out of memory\r\n", fromServer, "memcached",
		map[string]string{"memcache.response.text": "out of memory"}, []string{"server error"}, []string{"command", "request"}},
	{"counter", "12\r\n", onPort(fromServer, 11211), "memcached", map[string]string{"memcache.value": "12"}, nil, []string{"command", "request"}},
	{"value that lies", "set key 0 0 4096\r\nabc\r\n", fromClient, "memcached",
		map[string]string{"malformed": "the value's length is 4096, 5 bytes are there"}, nil, nil},
	{"value that is longer than it says", "set key 0 0 1\r\nabc\r\nget key\r\n", fromClient, "memcached",
		map[string]string{"malformed": "expected CR LF after the value, found 6263"}, []string{"get"}, nil},
	{"negative length", "set key 0 0 -5\r\nabc\r\n", fromClient, "memcached", map[string]string{"malformed": `"-5" is no length`}, nil, nil},
	{"unknown command on its port", "frob x\r\n", onPort(fromClient, 11211), "memcached",
		map[string]string{"malformed": `expected a command or a reply, found "frob"`, "memcache.command": "frob"}, nil, nil},
	{"binary request", memcachedAddQ + memcachedAddQ, fromClient, "memcached", map[string]string{
		"memcache.opcode": "Add Quietly", "memcache.key": "key", "memcache.value": "value", "memcache.extras.flags": "0xdeadbeef"}, []string{"add"}, nil},
	{"binary response", memcachedMissing, fromServer, "memcached",
		map[string]string{"memcache.status": "Key not found", "memcache.value": "Not found"}, []string{"error"}, []string{"command", "request"}},
	{"binary body that lies", memcachedAddQ[:10] + "\xff" + memcachedAddQ[11:], fromClient, "memcached",
		map[string]string{"malformed": "the body's length is 65296, 16 bytes are there", "memcache.key": "key"}, nil, nil},
	{"binary key beyond the body", strings.Replace(memcachedAddQ, "\x00\x03\x08", "\xff\xff\x08", 1), fromClient, "memcached",
		map[string]string{"malformed": "the key claims 65535 bytes, the body has 8 left"}, nil, nil},
}
