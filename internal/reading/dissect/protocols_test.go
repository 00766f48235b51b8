package dissect

import (
	"bytes"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// example is a message and what must be found in it.
type example struct {
	name     string
	data     string
	hint     Hint
	protocol string
	fields   map[string]string
	tags     []string
	answers  []string
}

var (
	fromClient = Hint{Transport: "tcp", Port: 40001, FromClient: true}
	fromServer = Hint{Transport: "tcp", Port: 40001}
)

func onPort(hint Hint, port uint16) Hint { hint.Port = port; return hint }

// examples are of all protocols that have a file of their own.
var examples = slices.Concat(respExamples, memcachedExamples, mqttExamples, ldapExamples, snmpExamples, pgsqlExamples, proxyExamples, smtpExamples,
	layeredExamples)

func TestExamplesAreWhatTheyAre(t *testing.T) {
	for _, c := range examples {
		t.Run(c.protocol+" "+c.name, func(t *testing.T) {
			d := Message([]byte(c.data), c.hint)
			checkRanges(t, d, len(c.data))
			if d.Protocol != c.protocol {
				t.Fatalf("protocol is %s, want %s: %s", d.Protocol, c.protocol, d.Summary)
			}
			for path, want := range c.fields {
				if got := pathField(t, d, path); got != want {
					t.Errorf("%s is %q, want %q", path, got, want)
				}
			}
			wantTags(t, d, c.tags...)
			if _, bad := c.fields["malformed"]; bad != slices.Contains(d.Tags, "malformed") {
				t.Errorf("malformed: %v, want %v: %v", !bad, bad, d.Fields)
			}
			if !slices.Equal(d.Answers, c.answers) {
				t.Errorf("answers %q, want %q", d.Answers, c.answers)
			}
		})
	}
}

// strangers are messages, by protocol, for the dissectors of all other protocols to refuse.
func strangers(t *testing.T) map[string][]example {
	list := map[string][]example{
		"TLS":  {{data: string(serverFlight)}},
		"HTTP": {{data: httpPost}, {data: httpChunked}},
		"DNS":  {{data: dnsQuery}, {data: dnsResponse}},
		"text": {{data: "SET key key n=12\r\n"}, {data: "get KEY\n"}, {data: "stats\r\n"}, {data: "220 (vsFTPd 3.0.3)\r\n"}, {data: "+OK Dovecot ready.\r\n"},
			{data: "-ERR [AUTH] Authentication failed.\r\n"}, {data: "* OK [CAPABILITY IMAP4rev1] ready\r\n"}, {data: "a1 LOGIN u p\r\n"}, {data: "+ idling\r\n"},
			{data: "USER u\r\n"}, {data: "{\"a\":1}\n"}, {data: "NICK n\r\nUSER u 0 * :U\r\n"}, {data: ":server 001 n :Welcome\r\n"}, {data: "SSH-2.0-OpenSSH_9.2\r\n"}},
	}
	for _, e := range examples {
		list[e.protocol] = append(list[e.protocol], e)
	}
	captures, _ := filepath.Glob("testdata/*.pcap")
	for _, path := range captures {
		recorded(t, path, func(_ string, data []byte, hint Hint) {
			d := Message(data, hint)
			list[d.Protocol] = append(list[d.Protocol], example{data: string(data), hint: hint})
		})
	}
	return list
}

func TestRecordedMessagesAreOfTheirProtocol(t *testing.T) {
	for prefix, protocol := range map[string]string{
		"redis": "RESP", "memcached": "memcached", "mqtt": "MQTT", "ldap": "LDAP", "snmp": "SNMP", "postgres": "PostgreSQL",
	} {
		captures, _ := filepath.Glob("testdata/" + prefix + "*.pcap")
		if len(captures) == 0 {
			t.Errorf("no capture of %s", protocol)
		}
		for _, path := range captures {
			recorded(t, path, func(direction string, data []byte, hint Hint) {
				if d := Message(data, hint); d.Protocol != protocol {
					t.Errorf("%s, %s: %q is %s", path, direction, data[:min(len(data), 80)], d.Protocol)
				}
			})
		}
	}
}

func TestNoDissectorTakesAnothersMessages(t *testing.T) {
	for protocol, messages := range strangers(t) {
		for _, m := range messages {
			for _, hint := range []Hint{{}, onPort(m.hint, 0), onPort(fromClient, 9), onPort(fromServer, 9)} {
				if len(m.data) < 3 {
					continue
				}
				if p := Message([]byte(m.data), hint).Protocol; p != protocol && p != "text" && p != "binary" {
					t.Errorf("%q, which is %s, is taken for %s", m.data[:min(len(m.data), 80)], protocol, p)
				}
			}
		}
	}
}

func TestRandomBytesAreNoProtocol(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const each = 4000
	taken := map[string]int{}
	for range each {
		for _, size := range []int{1, 2, 3, 4, 6, 9, 14, 25, 60, 200} {
			data := make([]byte, size)
			for i := range data {
				data[i] = byte(random.Uint32())
			}
			for _, hint := range []Hint{{}, onPort(fromClient, 9), onPort(fromServer, 9), {Transport: "udp"}} {
				if p := Message(data, hint).Protocol; p != "binary" && p != "text" {
					taken[p]++
				}
			}
		}
	}
	for protocol, n := range taken {
		if n > each*10*4/100000 {
			t.Errorf("%d of %d random messages are taken for %s", n, each*40, protocol)
		}
	}
}

// Messages that are cut anywhere, or have a byte changed, must be read without leaving the message.
func TestDamagedMessagesAreReadInTheirBounds(t *testing.T) {
	for protocol, messages := range strangers(t) {
		for _, m := range messages {
			for cut := 0; cut < min(len(m.data), 200); cut += 1 + len(messages)/20 {
				checkRanges(t, Message([]byte(m.data[:cut]), m.hint), cut)
				data := bytes.Clone([]byte(m.data))
				for _, b := range []byte{0, 0x7f, 0x80, 0xff, data[cut] + 1, '9'} {
					data[cut] = b
					checkRanges(t, Message(data, m.hint), len(data))
				}
			}
		}
		if strings.TrimSpace(protocol) == "" {
			t.Errorf("a message without a protocol: %q", messages[0].data)
		}
	}
}
