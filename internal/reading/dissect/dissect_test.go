package dissect

import (
	"bytes"
	gotls "crypto/tls"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inquest-project/inquest/lab/machine"
)

// pathField is the value of the one field with a path; the test fails if it isn't there.
func pathField(t *testing.T, d Dissection, path string) string {
	t.Helper()
	for _, f := range d.Fields {
		if f.Name == path {
			return f.Value
		}
	}
	t.Fatalf("no field %s in %s: %s", path, d.Protocol, d.Summary)
	return ""
}

func wantTags(t *testing.T, d Dissection, tags ...string) {
	t.Helper()
	for _, tag := range tags {
		if !slices.Contains(d.Tags, tag) {
			t.Errorf("%s: no tag %q in %q", d.Summary, tag, d.Tags)
		}
	}
}

// checkRanges insists that all fields and parts lie in the message.
func checkRanges(t *testing.T, d Dissection, size int) {
	t.Helper()
	for _, f := range d.Fields {
		if f.Offset < 0 || f.Length < 0 || f.Offset+f.Length > size {
			t.Fatalf("%s: field %s is at %d+%d of %d bytes", d.Protocol, f.Name, f.Offset, f.Length, size)
		}
	}
	for _, p := range d.Parts {
		if p.Offset < 0 || p.Length < 0 || p.Offset+p.Length > size {
			t.Fatalf("%s: part %s is at %d+%d of %d bytes", d.Protocol, p.Name, p.Offset, p.Length, size)
		}
	}
}

// recorder keeps what is written to a connection.
type recorder struct {
	net.Conn
	sent bytes.Buffer
}

func (r *recorder) Write(b []byte) (int, error) { r.sent.Write(b); return r.Conn.Write(b) }

// handshake lets Go's own TLS write a ClientHello and read it back: an oracle that shares nothing.
func handshake(t testing.TB, config *gotls.Config) ([]byte, *gotls.ClientHelloInfo) {
	t.Helper()
	client, server := net.Pipe()
	client.SetDeadline(time.Now().Add(5 * time.Second))
	server.SetDeadline(time.Now().Add(5 * time.Second))
	var info *gotls.ClientHelloInfo
	done := make(chan struct{})
	go func() {
		defer close(done)
		gotls.Server(server, &gotls.Config{GetConfigForClient: func(h *gotls.ClientHelloInfo) (*gotls.Config, error) {
			info = h
			return nil, net.ErrClosed
		}}).Handshake()
		server.Close()
	}()
	r := &recorder{Conn: client}
	gotls.Client(r, config).Handshake()
	<-done
	hello := r.sent.Bytes()
	return hello[:recordEnd(hello)], info
}

func TestClientHelloReadsAsGoReadsIt(t *testing.T) {
	for _, config := range []*gotls.Config{
		{ServerName: "www.example.com", NextProtos: []string{"h2", "http/1.1"}},
		{InsecureSkipVerify: true, MaxVersion: gotls.VersionTLS12},
		{ServerName: "a.example", CipherSuites: []uint16{gotls.TLS_RSA_WITH_AES_128_CBC_SHA}, MinVersion: gotls.VersionTLS10, MaxVersion: gotls.VersionTLS11},
	} {
		data, info := handshake(t, config)
		d := Message(data, Hint{Transport: "tcp", Port: 443, FromClient: true})
		checkRanges(t, d, len(data))
		if d.Protocol != "TLS" {
			t.Fatalf("protocol is %s", d.Protocol)
		}
		wantTags(t, d, "client hello", "cipher suites", "supported groups")
		if info.ServerName != "" {
			if got := pathField(t, d, "tls.handshake.extensions_server_name"); got != info.ServerName {
				t.Errorf("server name is %q, Go read %q", got, info.ServerName)
			}
			wantTags(t, d, "server name")
		}
		var suites int
		for _, f := range d.Fields {
			if f.Name == "tls.handshake.ciphersuite" {
				if code := uint16(data[f.Offset])<<8 | uint16(data[f.Offset+1]); code != info.CipherSuites[suites] {
					t.Errorf("cipher suite %d is %04x, Go read %04x", suites, code, info.CipherSuites[suites])
				}
				suites++
			}
		}
		if suites != len(info.CipherSuites) {
			t.Errorf("%d cipher suites, Go read %d", suites, len(info.CipherSuites))
		}
		if n := Framed(append(slices.Clone(data), "junk"...)); n != len(data) {
			t.Errorf("framed %d bytes of %d", n, len(data))
		}
	}
}

func TestClientHelloInTwoRecordsReadsTheSame(t *testing.T) {
	data, _ := handshake(t, &gotls.Config{ServerName: "split.example"})
	whole := Message(data, Hint{})
	for cut := 1; cut < len(data)-5; cut += 7 {
		first := append([]byte{22, 3, 1, byte(cut >> 8), byte(cut)}, data[5:5+cut]...)
		rest := data[5+cut:]
		both := append(append(first, 22, 3, 1, byte(len(rest)>>8), byte(len(rest))), rest...)
		d := Message(both, Hint{})
		checkRanges(t, d, len(both))
		if d.Summary != whole.Summary {
			t.Fatalf("cut at %d: %q, want %q", cut, d.Summary, whole.Summary)
		}
	}
}

// The worked example of FoxIO's JA4 specification, technical_details/JA4.md.
func TestJA4IsThatOfItsSpecification(t *testing.T) {
	h := hello{
		version:  0x303,
		versions: []int{0x2a2a, 0x304, 0x303},
		suites: []int{0xcaca, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014,
			0x9c, 0x9d, 0x2f, 0x35},
		extensions: []int{0x9a9a, 0x1b, 0, 0x33, 0x10, 0x4469, 0x17, 0x2d, 0xd, 5, 0x23, 0x12, 0x2b, 0xff01, 0xb, 0xa, 0x15},
		algorithms: []int{0x403, 0x804, 0x401, 0x503, 0x805, 0x501, 0x806, 0x601},
		alpn:       []string{"h2", "http/1.1"},
	}
	if got, want := h.ja4(), "t13d1516h2_8daaf6152771_e5627efa2ab1"; got != want {
		t.Errorf("JA4 is %s, specification says %s", got, want)
	}
}

// What isn't ASCII is told by the specification in hexadecimal: the first digit and the last.
func TestJA4OfOddProtocols(t *testing.T) {
	for protocol, want := range map[string]string{
		"h2": "h2", "http/1.1": "h1", "x": "xx", "\xab": "ab", "\xab\xcd": "ad", "0\xab": "3b", "01\xab\xcd": "3d", "0\xab\xcd1": "01", "": "00",
	} {
		if got := (hello{alpn: []string{protocol}}).ja4ALPN(); got != want {
			t.Errorf("%q: %s, want %s", protocol, got, want)
		}
	}
}

func TestJA4OfWhatIsMissing(t *testing.T) {
	if got, want := (hello{version: 0x301}).ja4(), "t10i000000_000000000000_000000000000"; got != want {
		t.Errorf("JA4 is %s, want %s", got, want)
	}
}

var serverFlight = []byte("\x16\x03\x03\x00\x2a\x02\x00\x00\x26\x03\x03" + strings.Repeat("r", 32) + "\x00\xc0\x2f\x00" +
	"\x16\x03\x03\x00\x0a\x0b\x00\x00\x06\x00\x00\x03\x00\x00\x00" + "\x16\x03\x03\x00\x04\x0e\x00\x00\x00")

const (
	dnsQuery    = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03com\x00\x00\x10\x00\x01"
	dnsResponse = "\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x03www\x07example\x03com\x00\x01\x01\x00\x01" +
		"\xc0\x0c\x01\x01\x00\x01\x00\x00\x00\x3c\x00\x0c\x00\x05issueca.ex"
	httpPost = "POST /form?a=1 HTTP/1.1\r\nHost: x\r\nCookie: k=v\r\nContent-Type: application/x-www-form-urlencoded\r\n" +
		"Content-Length: 7\r\n\r\nn=v&m=w"
	httpChunked = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
)

func TestMessagesAreWhatTheyAre(t *testing.T) {
	for name, c := range map[string]struct {
		data     string
		hint     Hint
		protocol string
		fields   map[string]string
		tags     []string
		answers  []string
	}{
		"TLS server flight": {string(serverFlight), Hint{Transport: "tcp"}, "TLS",
			map[string]string{"tls.handshake.ciphersuite": "ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
			[]string{"server hello", "certificate", "server hello done"}, []string{"client hello"}},
		"TLS flight by a client": {string(serverFlight), Hint{FromClient: true}, "TLS", nil, []string{"certificate"}, nil},
		"listed flight": {"", Hint{Listed: "Server Hello, Certificate; Server Hello Done"}, "TLS", nil,
			[]string{"server hello", "server hello done"}, []string{"client hello"}},
		"listed key exchange": {"", Hint{Listed: "Client Key Exchange, Change Cipher Spec, Encrypted Handshake Message", FromClient: true},
			"TLS", nil, []string{"client key exchange", "change cipher spec"}, nil},
		"listed hello":    {"", Hint{Listed: "Client Hello (SNI=example.com)", FromClient: true}, "TLS", nil, []string{"client hello"}, nil},
		"listed response": {"", Hint{Listed: "HTTP/1.1 200 OK"}, "HTTP", nil, []string{"response"}, []string{"request"}},
		"alert": {"\x15\x03\x03\x00\x02\x02\x28", Hint{}, "TLS", map[string]string{"tls.alert_message.level": "fatal", "tls.alert_message.desc": "handshake_failure"},
			[]string{"alert", "handshake failure"}, nil},
		"HTTP form": {httpPost, Hint{FromClient: true}, "HTTP",
			map[string]string{"http.method": "POST", "http.query.a": "=1", "http.form.n": "v", "http.header.host": "x", "http.body": "n=v&m=w"},
			[]string{"post", "header", "cookie", "form", "body", "request"}, nil},
		"HTTP response, chunked": {httpChunked, Hint{}, "HTTP", map[string]string{"http.status": "200"},
			[]string{"response", "chunked", "json", "body"}, []string{"request"}},
		"HTTP interim response": {"HTTP/1.1 100 Continue\r\n\r\n", Hint{}, "HTTP", nil, []string{"response"}, nil},
		"DNS query": {dnsQuery, Hint{Transport: "udp", FromClient: true}, "DNS",
			map[string]string{"dns.question.name": "www.example.com", "dns.question.type": "TXT"}, []string{"query", "question", "txt"}, nil},
		"DNS response": {dnsResponse, Hint{Transport: "udp"}, "DNS",
			map[string]string{"dns.answer[0].type": "CAA", "dns.answer[0].name": "www.example.com"},
			[]string{"response", "answer", "caa"}, []string{"question", "query"}},
		"DNS over TCP": {"\x00\x21" + dnsQuery + "\x00\x21" + dnsQuery, Hint{Transport: "tcp"}, "DNS",
			map[string]string{"dns.question.name": "www.example.com"}, []string{"query"}, nil},
		"text": {"SET key key n=12\r\n", Hint{}, "text",
			map[string]string{"text.verb": "SET", "text.arg[0]": "key", "text.arg[1]": "key", "text.n": "12"}, []string{"set", "n"}, nil},
		"binary": {"\x00\x00\x00\x05\xff\xfe\x01\x02\x80", Hint{}, "binary",
			map[string]string{"binary.length": "u32 big-endian", "binary.bytes[3]": "0x05"}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := Message([]byte(c.data), c.hint)
			checkRanges(t, d, len(c.data))
			if d.Protocol != c.protocol {
				t.Fatalf("protocol is %s, want %s: %s", d.Protocol, c.protocol, d.Summary)
			}
			for path, want := range c.fields {
				if got := pathField(t, d, path); strings.TrimPrefix(got, "=") != strings.TrimPrefix(want, "=") {
					t.Errorf("%s is %q, want %q", path, got, want)
				}
			}
			wantTags(t, d, c.tags...)
			if !slices.Equal(d.Answers, c.answers) {
				t.Errorf("answers %q, want %q", d.Answers, c.answers)
			}
		})
	}
}

func TestFramedEndsWhereTheMessageDoes(t *testing.T) {
	for name, c := range map[string]struct {
		data string
		want int
	}{
		"TLS flight":                   {string(serverFlight) + "\x00\x00", len(serverFlight)},
		"HTTP with body":               {httpPost + "\x00\x01", len(httpPost)},
		"HTTP chunked":                 {httpChunked + "\x00\x01", len(httpChunked)},
		"DNS query":                    {dnsQuery + "\x00\x00\x00", len(dnsQuery)},
		"DNS response":                 {dnsResponse + "\x00\x00\x00", len(dnsResponse)},
		"HTTP whose head is cut":       {"GET / HTTP/1.1\r\nHost: x\r\n", 0},
		"HTTP whose body is cut":       {"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc", 38},
		"record header by chance":      {"\x16\x03\x01\x00\x05\x01\x00\x99\x00\x00", 0},
		"zeros":                        {strings.Repeat("\x00", 64), 0},
		"DNS of an unknown type":       {dnsQuery[:len(dnsQuery)-4] + "\x99\x99\x00\x01", 0},
		"DNS with a label of anything": {"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03\x01\x02\x03\x00\x00\x10\x00\x01", 0},
		"nothing":                      {"", 0},
	} {
		t.Run(name, func(t *testing.T) {
			if n := Framed([]byte(c.data)); n != c.want {
				t.Errorf("framed %d bytes, want %d", n, c.want)
			}
		})
	}
}

func TestHugeMessagesAreReadInBoundedTime(t *testing.T) {
	const size = 100 << 20
	for name, unit := range map[string]string{
		"handshakes":      "\x16\x03\x03\x00\x04\x0e\x00\x00\x00",
		"handshake bytes": "\x16\x03\x03\x00\x01\x0e",
		"empty lines":     "\n", "words": "a ", "header lines": "a: b\r\n", "pairs": "a=b&", "zeros": "\x00", "chunks": "1\r\na\r\n",
		"frames": "\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x01", "deep JSON": `{"a":[`, "wide JSON": "[1,2],", "parts": "\r\n--b\r\n\r\n",
		"base64": "YWFh", "fields": "\x08\x01", "header fields": "\x82",
		"RESP arrays": "*1\r\n", "RESP commands": redisSet, "memcached sets": memcachedSet, "memcached requests": memcachedAddQ, "MQTT pings": "\xc0\x00",
		"LDAP messages": ldapDelete, "SNMP messages": snmpV2, "PostgreSQL queries": pgsqlQuery, "SMTP replies": "250 2.0.0 Ok\r\n",
		"folded mail": "Subject: a\r\n b\r\n", "PROXY lines": proxyV1,
	} {
		t.Run(name, func(t *testing.T) {
			head := map[string]string{
				"MQTT pings":   mqttHello,
				"header lines": "GET / HTTP/1.1\r\n", "chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
				"pairs":         "POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 104857600\r\n\r\n",
				"deep JSON":     "POST / HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 104857600\r\n\r\n",
				"parts":         "POST / HTTP/1.1\r\nContent-Type: multipart/mixed\r\nContent-Length: 104857600\r\n\r\n--b",
				"base64":        "GET / HTTP/1.1\r\nAuthorization: ",
				"fields":        "POST / HTTP/1.1\r\nContent-Type: application/protobuf\r\nContent-Length: 104857600\r\n\r\n",
				"header fields": http2Preface + "\xff\xff\xff\x01\x04\x00\x00\x00\x01",
			}[name]
			data := append([]byte(head), bytes.Repeat([]byte(unit), size/len(unit))...)
			before := machine.Worked()
			Message(data, Hint{})
			Framed(data)
			if took := machine.Worked() - before; took > 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func seeds(f *testing.F) {
	hello, _ := handshake(f, &gotls.Config{ServerName: "fuzz.example", NextProtos: []string{"h2"}})
	for _, s := range []string{string(hello), string(serverFlight), httpPost, httpChunked, dnsQuery, dnsResponse,
		"SET key value\r\n", "\x80\x1c\x01\x03\x01\x00\x03\x00\x00\x00\x10\x00\x00\x2f" + strings.Repeat("c", 16), ""} {
		f.Add([]byte(s), "tcp", uint16(53))
		f.Add([]byte(s), "udp", uint16(0))
	}
	recorded(f, filepath.Join("testdata", "tls.pcap"), func(_ string, data []byte, hint Hint) {
		f.Add(data, hint.Transport, hint.Port)
	})
	for _, e := range examples {
		if len(e.data) < 4096 {
			f.Add([]byte(e.data), e.hint.Transport, e.hint.Port)
		}
	}
}

func FuzzMessage(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte, transport string, port uint16) {
		for _, fromClient := range []bool{false, true} {
			d := Message(data, Hint{Transport: transport, Port: port, FromClient: fromClient})
			checkRanges(t, d, len(data))
			if d.Protocol == "" || len(d.Fields) > maxFields {
				t.Errorf("protocol %q, %d fields", d.Protocol, len(d.Fields))
			}
		}
		Message(nil, Hint{Listed: string(data)})
	})
}

func FuzzFramed(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte, _ string, _ uint16) {
		n := Framed(data)
		if n < 0 || n > len(data) {
			t.Fatalf("framed %d of %d bytes", n, len(data))
		}
		if n > 0 {
			if p := Message(data[:n], Hint{}).Protocol; p == "binary" || p == "text" {
				t.Errorf("framed %d bytes that are %s", n, p)
			}
		}
	})
}
