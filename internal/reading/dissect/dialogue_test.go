package dissect

import (
	"bytes"
	"compress/flate"
	"slices"
	"strings"
	"testing"

	golang "golang.org/x/net/http2"
)

// heard is a message and what must be read in it: the protocol, words of the summary, and fields.
type heard struct {
	said
	protocol string
	summary  string
	fields   map[string]string
}

func client(data, protocol, summary string, fields ...string) heard {
	return heard{said{true, data}, protocol, summary, byName(fields)}
}

func server(data, protocol, summary string, fields ...string) heard {
	return heard{said{false, data}, protocol, summary, byName(fields)}
}

func byName(pairs []string) map[string]string {
	fields := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		fields[pairs[i]] = pairs[i+1]
	}
	return fields
}

func tlsRecord(kind byte, content string) string {
	return string([]byte{kind, 3, 3, byte(len(content) >> 8), byte(len(content))}) + content
}

// deflated are messages compressed one after another, each referring back to those before, as RFC 7692 sends them.
func deflated(t *testing.T, messages ...string) (compressed []string) {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 9)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		b.Reset()
		w.Write([]byte(m))
		w.Flush()
		compressed = append(compressed, strings.TrimSuffix(b.String(), "\x00\x00\xff\xff"))
	}
	return compressed
}

func TestWhatCameBeforeTellsWhatAMessageIs(t *testing.T) {
	const mask = "\x01\x02\x03\x04"
	hello := tlsRecord(22, "\x01\x00\x00\x2b\x03\x03"+strings.Repeat("r", 32)+"\x00\x00\x02\xc0\x2f\x01\x00\x00\x00")
	ccs := tlsRecord(20, "\x01")
	longRecord := tlsRecord(23, strings.Repeat("\xa5", 300))
	http2Client, http2Server := everyFrame(t)[0].data, everyFrame(t)[1].data
	posting := framed(t, func(f *golang.Framer, block func(...string) []byte) {
		f.WriteHeaders(golang.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: block(":method", "POST", ":path", "/", "content-type", "application/json")})
		f.WriteData(1, true, []byte(`{"user":{"id":7}}`))
	})
	twice := deflated(t, `{"name":"first"}`, `{"name":"first, again"}`)
	for name, messages := range map[string][]heard{
		"a body after 100 Continue": {
			client("POST /up HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n", "HTTP", "body not complete"),
			server("HTTP/1.1 100 Continue\r\n\r\n", "HTTP", "response 100"),
			client("SET key va", "HTTP", "body continued, 10 bytes", "http.body.continued", "SET key va"),
			server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP", "response 200"),
			client("GET /next HTTP/1.1\r\n\r\n", "HTTP", "GET /next"),
		},
		"the end of a body and a request": {
			client("POST /up HTTP/1.1\r\nContent-Length: 4\r\n\r\nab", "HTTP", "body not complete"),
			server("HTTP/1.1 102 Processing\r\n\r\n", "HTTP", "102"),
			client("cdGET /next HTTP/1.1\r\n\r\n", "HTTP", "body continued, 2 bytes, GET /next", "http.body.continued", "cd", "http.target", "/next"),
		},
		"a head cut by an answer": {
			client("GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\nHost: exam", "HTTP", "GET /1, GET /2, head not complete"),
			server("HTTP/1.1 204 No Content\r\n\r\n", "HTTP", "204"),
			client("ple.com\r\nAge: 7\r\n\r\n", "HTTP", "GET /2", "http.header.host", "example.com", "http.header.age", "7"),
		},
		"a first line cut by an answer": {
			client("GET /1 HTTP/1.1\r\n\r\nGET /2 HT", "HTTP", "first line not complete"),
			server("HTTP/1.1 204 No Content\r\n\r\n", "HTTP", "204"),
			client("TP/1.1\r\n\r\n", "HTTP", "GET /2", "http.version", "HTTP/1.1"),
		},
		"chunks cut anywhere": {
			client("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;n=v\r\nab", "HTTP", "2 bytes in chunks", "http.chunk.extension", "n=v"),
			server("HTTP/1.1 102 Processing\r\n\r\n", "HTTP", "102"),
			client("cde\r", "HTTP", "body continued, 3 bytes in chunks", "http.chunk.data", "cde"),
			server("HTTP/1.1 102 Processing\r\n\r\n", "HTTP", "102"),
			client("\n1", "HTTP", "chunk not complete"),
			server("HTTP/1.1 102 Processing\r\n\r\n", "HTTP", "102"),
			client("0\r\n0123456789abcdef\r\n0\r\nX-Sum: 9\r\n\r\nGET / HTTP/1.1\r\n\r\n", "HTTP", "16 bytes in chunks, GET /", "http.trailer.x-sum", "9"),
		},
		"a response until the connection closes": {
			client("GET / HTTP/1.1\r\n\r\n", "HTTP", "GET /"),
			server("HTTP/1.1 200 OK\r\n\r\none", "HTTP", "3 bytes of body"),
			client("GET / HTTP/1.1\r\n\r\n", "HTTP", "GET /"),
			server("two", "HTTP", "body continued, 3 bytes"),
		},
		"no body in an answer to HEAD": {
			client("HEAD / HTTP/1.1\r\n\r\n", "HTTP", "HEAD /"),
			server("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", "HTTP", "response 200"),
			client("HELP\r\n", "text", "HELP"),
			server("214 text\r\n", "text", "214 text"),
		},
		"a response to HEAD that nobody saw": {
			server("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", "HTTP", "response 200"),
			client("GET / HTTP/1.1\r\n\r\n", "HTTP", "GET /"),
			server("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "HTTP", "response 404"),
		},
		"a tunnel": {
			client("CONNECT example.com:443 HTTP/1.1\r\n\r\n", "HTTP", "CONNECT example.com:443"),
			server("HTTP/1.1 200 OK\r\n\r\n", "HTTP", "tunnel"),
			client(hello, "TLS", "ClientHello"),
		},
		"a tunnel that is used at once": {
			client("CONNECT example.com:443 HTTP/1.1\r\n\r\n"+hello, "HTTP", "CONNECT example.com:443, TLS: ClientHello", "tls.handshake.type", "ClientHello"),
		},
		"a tunnel refused": {
			client("CONNECT example.com:443 HTTP/1.1\r\n\r\n", "HTTP", "CONNECT"),
			server("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", "HTTP", "2 bytes of body"),
			client("GET / HTTP/1.1\r\n\r\n", "HTTP", "GET /"),
		},
		"STARTTLS": {
			server("220 mail.example.com ESMTP\r\n", "SMTP", "220 mail.example.com ESMTP"),
			client("STARTTLS\r\n", "text", "STARTTLS"),
			server("220 go ahead\r\n", "text", "220"),
			client(hello, "TLS", "ClientHello"),
			server(string(serverFlight), "TLS", "ServerHello"),
		},
		"STARTTLS in the same breath": {
			client("STARTTLS\r\n"+hello, "text", "STARTTLS, TLS: ClientHello", "text.verb", "STARTTLS", "tls.handshake.type", "ClientHello"),
		},
		"encrypted in a later message": {
			client(hello, "TLS", "ClientHello"),
			client(ccs, "TLS", "ChangeCipherSpec"),
			client(tlsRecord(22, "\x01\x00\x00\x02\xff\xff"), "TLS", "encrypted handshake message"),
			server(tlsRecord(22, "\x0e\x00\x00\x00"), "TLS", "ServerHelloDone"),
		},
		"a second hello after a change of cipher": {client(ccs+hello, "TLS", "ChangeCipherSpec, ClientHello")},
		"a record in two messages": {
			client(longRecord[:100], "TLS", "record not complete, 205 bytes to come"),
			server(ccs, "TLS", "ChangeCipherSpec"),
			client(longRecord[100:]+ccs, "TLS", "application data continued, 205 bytes, ChangeCipherSpec", "tls.record.continued", "205 bytes of application_data"),
		},
		"a hello in two messages": {
			client(hello[:20], "TLS", "record not complete"),
			server(ccs, "TLS", "ChangeCipherSpec"),
			client(hello[20:], "TLS", "ClientHello", "tls.handshake.cipher_suites_length", "2"),
		},
		"a record's header in two messages": {
			client(ccs+hello[:3], "TLS", "ChangeCipherSpec"),
			server(ccs, "TLS", "ChangeCipherSpec"),
			client(hello[3:], "TLS", "ClientHello"),
		},
		"HTTP/2 by prior knowledge": {
			client(http2Client, "HTTP/2", "preface, SETTINGS, POST /upload"),
			server(http2Server[:7], "HTTP/2", "frame not complete"),
			client(framed(t, func(f *golang.Framer, _ func(...string) []byte) { f.WriteSettingsAck() }), "HTTP/2", "SETTINGS acknowledged"),
			server(http2Server[7:], "HTTP/2", "SETTINGS, SETTINGS acknowledged", "http2.settings.HEADER_TABLE_SIZE", "0", "http2.goaway.error", "ENHANCE_YOUR_CALM"),
		},
		"HTTP/2, a body in two messages": {
			client(http2Preface+posting[:len(posting)-10], "HTTP/2", "preface, POST /, DATA on stream 1, 7 bytes, DATA not complete, 10 bytes to come"),
			server(http2Server, "HTTP/2", "SETTINGS"),
			client(posting[len(posting)-10:]+framed(t, func(f *golang.Framer, _ func(...string) []byte) { f.WriteSettingsAck() }), "HTTP/2",
				"DATA continued, 10 bytes, SETTINGS acknowledged", "http2.continued", "10 bytes of DATA"),
		},
		"HTTP/2 by upgrade": {
			client("GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", "HTTP", "GET /",
				"http2.settings.MAX_CONCURRENT_STREAMS", "100", "http2.settings.INITIAL_WINDOW_SIZE", "65535"),
			server("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"+http2Server, "HTTP", "response 101, HTTP/2: SETTINGS",
				"http.status", "101", "http2.header.:status", "200"),
			client(http2Client, "HTTP/2", "preface"),
		},
		"WebSocket, a frame in two messages": {
			client(upgradeRequest, "HTTP", "GET /chat"),
			server(upgradeResponse+"\r\n", "HTTP", "response 101"),
			client(websocketFrame(0x81, mask, "hello, world")[:9], "WebSocket", "text, 3 bytes of 12", "websocket.payload", "hel"),
			server(websocketFrame(0x81, "", "yes")[:1], "WebSocket", "frame not complete"),
			client(websocketFrame(0x81, mask, "hello, world")[9:]+websocketFrame(0x89, mask, ""), "WebSocket", "text continued, text, 9 bytes, ping", "websocket.payload", "lo, world"),
			server(websocketFrame(0x81, "", "yes")[1:], "WebSocket", "text, 3 bytes", "websocket.payload", "yes"),
		},
		"WebSocket, compressed": {
			client(strings.Replace(upgradeRequest, "\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", 1), "HTTP", "GET /chat"),
			server(upgradeResponse+"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", "HTTP", "response 101"),
			client(websocketFrame(0xc1, mask, twice[0]), "WebSocket", "text", "websocket.inflated", `{"name":"first"}`, "json.name", "first"),
			client(websocketFrame(0x41, mask, twice[1][:3])+websocketFrame(0x80, mask, twice[1][3:]), "WebSocket", "text", "json.name", "first, again"),
		},
		"WebSocket whose upgrade nobody saw": {
			client(websocketFrame(0x89, mask, "")+websocketFrame(0x81, mask, "some text"), "WebSocket", "ping, 0 bytes, text, 9 bytes", "websocket.payload", "some text"),
			client(websocketFrame(0x82, mask, "\x00\x01\x02"), "WebSocket", "binary, 3 bytes"),
			server(websocketFrame(0x81, "", strings.Repeat("long ", 100)), "WebSocket", "text, 500 bytes"),
		},
		"WebSocket, not agreed upon": {
			client(websocketFrame(0x82, mask, "\x00\x01\x02"), "binary", "9 bytes"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			var dialogue Dialogue
			for i, m := range messages {
				d := dialogue.Next([]byte(m.data), Hint{Transport: "tcp", FromClient: m.fromClient})
				checkRanges(t, d, len(m.data))
				if d.Protocol != m.protocol || !strings.Contains(d.Summary, m.summary) || slices.Contains(d.Tags, "malformed") {
					t.Errorf("message %d is %s: %q, want %s: %q", i, d.Protocol, d.Summary, m.protocol, m.summary)
				}
				for path, want := range m.fields {
					if got := pathField(t, d, path); got != want {
						t.Errorf("message %d: %s is %q, want %q", i, path, got, want)
					}
				}
			}
		})
	}
}

func TestLostBytesEndWhatTheyBelongTo(t *testing.T) {
	begin := func() *Dialogue {
		d := &Dialogue{}
		d.Next([]byte("POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc"), Hint{FromClient: true})
		return d
	}
	for lost, want := range map[uint64]string{0: "HTTP", 90: "HTTP", 97: "text", 1000: "text"} {
		d := begin().Next([]byte("SET key value\r\n"), Hint{FromClient: true, Lost: lost})
		if d.Protocol != want {
			t.Errorf("after %d lost bytes: %s, want %s", lost, d.Protocol, want)
		}
	}
}

func TestHeadersOfBeforeTheCaptureAreUnknown(t *testing.T) {
	messages := everyFrame(t)
	first := Message([]byte(messages[0].data), Hint{FromClient: true})
	table := framed(t, func(f *golang.Framer, block func(...string) []byte) {
		block("x-first", "1", "x-second", "2") // nobody saw it
		f.WriteHeaders(golang.HeadersFrameParam{StreamID: 5, EndHeaders: true, EndStream: true,
			BlockFragment: block("x-first", "1", ":method", "GET", "x-second", "new", "x-new", "3")})
		f.WriteHeaders(golang.HeadersFrameParam{StreamID: 7, EndHeaders: true, EndStream: true, BlockFragment: block("x-new", "3", "x-second", "new")})
	})
	d := Message([]byte(table), Hint{FromClient: true})
	if first.Protocol != "HTTP/2" || d.Protocol != "HTTP/2" || slices.Contains(d.Tags, "malformed") {
		t.Fatalf("%s: %s", d.Protocol, d.Summary)
	}
	want := []string{"unknown=entry 63, of before the capture", ":method=GET", "unknown=new (named by entry 62, of before the capture)", "x-new=3", "x-new=3", "unknown=new"}
	if got := told([]said{{true, table}}, "http2.header."); !slices.Equal(got, want) {
		t.Errorf("headers\n%q, want\n%q", got, want)
	}
}

func TestMalformedHTTPIsSaid(t *testing.T) {
	const get = "GET / HTTP/1.1\r\n"
	for message, want := range map[string]string{
		get + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": "both Content-Length and Transfer-Encoding",
		get + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n": "both Transfer-Encoding and Content-Length",
		get + "Content-Length: 1\r\nContent-Length: 2\r\n\r\na":                  "a second Content-Length, 2 after 1",
		get + "Content-Length: 1\r\nContent-Length: 1\r\n\r\na":                  "a second Content-Length, the same",
		get + "Content-Length: +1\r\n\r\na":                                      `expected a number of bytes as Content-Length, found "+1"`,
		get + "Host: x\n\r\n":                                                    "a line ends in LF without CR",
		"GET / HTTP/1.1\nHost: x\r\n\r\n":                                        "a line ends in LF without CR",
		get + "A: b\r\n c\r\n\r\n":                                               "a header goes on in the next line (obs-fold)",
		get + "A : b\r\n\r\n":                                                    `a header's name has bytes that no name has: "A "`,
		get + "nothing\r\n\r\n":                                                  "expected a header line with a colon, found none",
		get + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n":           "expected CR LF behind a chunk, found 62",
		get + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n":                        `expected a chunk's size, found "xyz"`,
		get + "\r\n\x00\x01":                                                     "expected a request or status line, found 0001",
	} {
		d := Message([]byte(message), Hint{FromClient: true})
		checkRanges(t, d, len(message))
		if got := pathField(t, d, "malformed"); got != want {
			t.Errorf("%q: %s, want %s", message, got, want)
		}
	}
}

func TestMalformedFramesAreSaid(t *testing.T) {
	upgraded := []said{{true, upgradeRequest}, {false, upgradeResponse + "\r\n"}}
	preface := []said{{true, http2Preface}}
	for name, c := range map[string]struct {
		before  []said
		message string
		want    string
	}{
		"reserved bits":         {upgraded, websocketFrame(0xc1, "mask", "text"), "reserved bits 100"},
		"unknown opcode":        {upgraded, websocketFrame(0x83, "mask", "text"), "opcode 3 is none"},
		"long ping":             {upgraded, websocketFrame(0x89, "mask", strings.Repeat("x", 126)), "a ping frame in fragments or of 126 bytes"},
		"continuation":          {upgraded, websocketFrame(0x80, "mask", "text"), "a continuation of nothing"},
		"message in a message":  {upgraded, websocketFrame(0x01, "mask", "text") + websocketFrame(0x81, "mask", "text"), "a message begins within another"},
		"close code":            {upgraded, websocketFrame(0x88, "mask", "x"), "a close code of one byte"},
		"settings on a stream":  {preface, "\x00\x00\x00\x04\x00\x00\x00\x00\x01", "SETTINGS on stream 1, not on the connection"},
		"data on none":          {preface, "\x00\x00\x01\x00\x00\x00\x00\x00\x00x", "DATA on the connection, not on a stream"},
		"settings":              {preface, "\x00\x00\x01\x04\x00\x00\x00\x00\x00x", "SETTINGS of 1 bytes"},
		"ping":                  {preface, "\x00\x00\x01\x06\x00\x00\x00\x00\x00x", "PING of 1 bytes, not 8"},
		"padding":               {preface, "\x00\x00\x02\x00\x08\x00\x00\x00\x01\x09x", "padding of 9 bytes, 1 are there"},
		"window":                {preface, "\x00\x00\x04\x08\x00\x00\x00\x00\x01\x00\x00\x00\x00", "a window grows by nothing"},
		"entry":                 {preface, "\x00\x00\x01\x01\x04\x00\x00\x00\x01\xbe", "entry 62 is not in the table"},
		"field cut":             {preface, "\x00\x00\x02\x01\x04\x00\x00\x00\x01\x40\x7e", "a header block ends within a field"},
		"frame within a block":  {preface, "\x00\x00\x01\x01\x00\x00\x00\x00\x01\x82\x00\x00\x00\x04\x00\x00\x00\x00\x00", "SETTINGS on stream 0 within the header block of stream 1"},
		"HTTP/2's continuation": {preface, "\x00\x00\x01\x09\x04\x00\x00\x00\x01\x82", "CONTINUATION without a header block to continue"},
	} {
		t.Run(name, func(t *testing.T) {
			var d Dialogue
			for _, m := range c.before {
				d.Next([]byte(m.data), Hint{FromClient: m.fromClient})
			}
			found := d.Next([]byte(c.message), Hint{FromClient: true})
			if got := pathField(t, found, "malformed"); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestLongConversationsAreReadInBoundedTime(t *testing.T) {
	for name, c := range map[string]struct {
		before  []said
		message string
		times   int
	}{
		"a head byte by byte":     {nil, "x", 20_000},
		"requests never answered": {nil, "GET / HTTP/1.1\r\n\r\n", 20_000},
		"frames of a few bytes":   {[]said{{true, upgradeRequest}, {false, upgradeResponse + "\r\n"}}, "\x81\x84", 20_000},
		"streams":                 {[]said{{true, http2Preface}}, "\x00\x00\x05\x01\x04\x00\x00\x00\x01\x0f\x10\x01a\x82", 20_000},
		"blocks that never end":   {[]said{{true, http2Preface + "\x00\x00\x01\x01\x00\x00\x00\x00\x01\x82"}}, "\x00\x00\x03\x09\x00\x00\x00\x00\x01\x00\x7f\xff", 20_000},
	} {
		t.Run(name, func(t *testing.T) {
			var d Dialogue
			d.Next([]byte("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nA: "), Hint{FromClient: true})
			if c.before != nil {
				d = Dialogue{}
			}
			for _, m := range c.before {
				d.Next([]byte(m.data), Hint{FromClient: m.fromClient})
			}
			for range c.times {
				d.Next([]byte(c.message), Hint{FromClient: true})
			}
			if kept := len(d.client.carry) + len(d.requests) + len(d.streams); kept > carryMost+requestsMost+streamsMost {
				t.Errorf("%d bytes and requests are kept", kept)
			}
		})
	}
}

func FuzzDialogue(f *testing.F) {
	f.Add([]byte(upgradeRequest), []byte(upgradeResponse+"\r\n"), []byte(websocketFrame(0x81, "mask", `{"a":1}`)+websocketFrame(0x88, "mask", "\x03\xe8")), uint16(7))
	f.Add([]byte(upgradeRequest), []byte(upgradeResponse+"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"), []byte(websocketFrame(0xc1, "mask", "\xaaV\xcaK\xccMU\xb2R*-N-R\xaa\x05\x00")), uint16(0))
	f.Add([]byte(http2Preface+"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64\x00\x00\x05\x01\x05\x00\x00\x00\x01\x82\x86\x84\x40\x01"),
		[]byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x01\x01\x04\x00\x00\x00\x01\x88\x00\x00\x05\x00\x01\x00\x00\x00\x01hello"), []byte(""), uint16(30))
	f.Add([]byte(httpPost+"CONNECT x:1 HTTP/1.1\r\n\r\n"), []byte(httpChunked+"HTTP/1.1 200 OK\r\n\r\n"), []byte("\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03"+strings.Repeat("r", 41)), uint16(3))
	f.Add([]byte("POST / HTTP/1.1\r\nContent-Type: multipart/form-data\r\nContent-Length: 70\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n{\"a\":[1,\"YWJjZGVmZ2hpamtsbW5v\"]}\r\n--b--"),
		[]byte("HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nContent-Length: 13\r\n\r\n\x00\x00\x00\x00\x08\x0a\x06\x0a\x04text"), []byte("STARTTLS\r\n"), uint16(50))
	f.Fuzz(func(t *testing.T, first, second, third []byte, cut uint16) {
		var d Dialogue
		at := min(int(cut), len(first))
		for i, m := range [][]byte{first[:at], second, first[at:], third, second} {
			found := d.Next(m, Hint{Transport: "tcp", FromClient: i%2 == 0, Lost: uint64(cut >> 12)})
			checkRanges(t, found, len(m))
			if found.Protocol == "" || len(found.Fields) > maxFields || len(found.Parts) > maxFields {
				t.Errorf("protocol %q, %d fields, %d parts", found.Protocol, len(found.Fields), len(found.Parts))
			}
		}
		for _, s := range []*side{&d.client, &d.server} {
			if len(s.carry) > carryMost || s.headers != nil && len(s.headers.partial) > partialMost || s.frames != nil && len(s.frames.window) > windowMost {
				t.Errorf("too much is kept")
			}
		}
	})
}
