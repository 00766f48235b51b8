package dissect

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	golang "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/inquest-project/inquest/internal/evidence/wiretest"
	"github.com/inquest-project/inquest/internal/ground/finding"
)

// said is a message of a conversation.
type said struct {
	fromClient bool
	data       string
}

// overheard keeps what goes over a client's connection, message by message.
type overheard struct {
	net.Conn
	mutex sync.Mutex
	said  []said
}

func (o *overheard) keep(fromClient bool, b []byte) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if n := len(o.said); n > 0 && o.said[n-1].fromClient == fromClient {
		o.said[n-1].data += string(b)
	} else if len(b) > 0 {
		o.said = append(o.said, said{fromClient, string(b)})
	}
}

func (o *overheard) Write(b []byte) (int, error) {
	o.keep(true, b)
	return o.Conn.Write(b)
}

func (o *overheard) Read(b []byte) (int, error) {
	n, err := o.Conn.Read(b)
	o.keep(false, b[:n])
	return n, err
}

// talk lets a Go client and server talk HTTP, and gives what they said.
func talk(t *testing.T, version2 bool, handler http.HandlerFunc, requests ...*http.Request) []said {
	t.Helper()
	var protocols http.Protocols
	protocols.SetHTTP1(!version2)
	protocols.SetUnencryptedHTTP2(version2)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, Protocols: &protocols}
	go server.Serve(listener)
	defer server.Close()
	var heard *overheard
	client := &http.Client{Transport: &http.Transport{Protocols: &protocols, DialContext: func(_ context.Context, network, _ string) (net.Conn, error) {
		conn, err := net.Dial(network, listener.Addr().String())
		heard = &overheard{Conn: conn}
		return heard, err
	}}}
	for _, r := range requests {
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	client.CloseIdleConnections()
	heard.mutex.Lock()
	defer heard.mutex.Unlock()
	return heard.said
}

// oracleField is a field as tshark tells it; its range is in bytes of the message.
type oracleField struct {
	name, show     string
	offset, length int
}

// tshark dissects a conversation of which each message is one packet.
func tshark(t *testing.T, messages []said, args ...string) [][]oracleField {
	t.Helper()
	script := wiretest.New()
	line := script.Dial("192.0.2.1:40000", "192.0.2.2:80")
	handshake := 3
	for _, m := range messages {
		from := wiretest.Server
		if m.fromClient {
			from = wiretest.Client
		}
		line.Say(from, m.data)
	}
	path := filepath.Join(t.TempDir(), "talk.pcap")
	if err := os.WriteFile(path, script.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("tshark", append([]string{"-r", path, "-T", "pdml"}, args...)...).Output()
	if err != nil {
		t.Fatalf("tshark, the oracle of this test (make setup installs it): %v", err)
	}
	packets := oraclePackets(t, out)
	if len(packets) != handshake+len(messages) {
		t.Fatalf("tshark read %d packets of %d", len(packets), handshake+len(messages))
	}
	return packets[handshake:]
}

// oraclePackets reads PDML. The headers of IP and TCP take 40 bytes.
func oraclePackets(t *testing.T, pdml []byte) (packets [][]oracleField) {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(pdml)); ; {
		token, err := d.Token()
		if err == io.EOF {
			return packets
		}
		if err != nil {
			t.Fatal(err)
		}
		start, ok := token.(xml.StartElement)
		switch {
		case !ok:
		case start.Name.Local == "packet":
			packets = append(packets, nil)
		case start.Name.Local == "field":
			attributes := map[string]string{}
			for _, a := range start.Attr {
				attributes[a.Name.Local] = a.Value
			}
			pos, _ := strconv.Atoi(attributes["pos"])
			size, _ := strconv.Atoi(attributes["size"])
			last := &packets[len(packets)-1]
			*last = append(*last, oracleField{attributes["name"], attributes["show"], pos - 40, size})
		}
	}
}

// same says which of our fields are which of tshark's. Ours may be a prefix, ending in a dot; theirs may be
// several.
type same struct {
	ours, theirs string
	lineEnd      int // bytes of a line end that tshark counts in
}

func (s same) matches(name string) bool {
	return name == s.ours || strings.HasSuffix(s.ours, ".") && strings.HasPrefix(name, s.ours)
}

// agree holds all messages of a conversation against tshark, and says how many fields were compared.
func agree(t *testing.T, messages []said, table []same, args ...string) (compared int) {
	t.Helper()
	theirs := tshark(t, messages, args...)
	var dialogue Dialogue
	for i, m := range messages {
		d := dialogue.Next([]byte(m.data), Hint{Transport: "tcp", Port: 80, FromClient: m.fromClient})
		checkRanges(t, d, len(m.data))
		for _, pair := range table {
			var want, got []string
			for _, f := range theirs[i] {
				if slices.Contains(strings.Split(pair.theirs, " "), f.name) && f.length > 0 {
					want = append(want, fmt.Sprintf("%d+%d", f.offset, f.length-pair.lineEnd))
				}
			}
			for _, f := range d.Fields {
				if pair.matches(f.Name) && f.Length > 0 {
					got = append(got, fmt.Sprintf("%d+%d", f.Offset, f.Length))
				}
			}
			if len(want) > 0 && want[0][0] == '-' {
				continue // it stands in bytes that tshark has made: unmasked
			}
			compared += len(want)
			if !slices.Equal(got, want) {
				t.Errorf("message %d (%s): %s at %v, tshark has %s at %v", i, d.Summary, pair.ours, got, pair.theirs, want)
			}
		}
	}
	return compared
}

// told is all of a conversation's fields with a name, in order.
func told(messages []said, prefix string) (values []string) {
	var dialogue Dialogue
	for _, m := range messages {
		for _, f := range dialogue.Next([]byte(m.data), Hint{Transport: "tcp", Port: 80, FromClient: m.fromClient}).Fields {
			if strings.HasPrefix(f.Name, prefix) {
				values = append(values, strings.TrimPrefix(f.Name, prefix)+"="+f.Value)
			}
		}
	}
	return values
}

func request(t *testing.T, method, url, body string, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, "http://www.example.com"+url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

var http2Same = []same{
	{"http2.frame.length", "http2.length", 0}, {"http2.frame.type", "http2.type", 0}, {"http2.frame.flags", "http2.flags", 0},
	{"http2.frame.stream", "http2.streamid", 0}, {"http2.settings.", "http2.settings", 0},
	{"http2.window_update.increment", "http2.window_update.window_size_increment", 0},
	{"http2.rst_stream.error", "http2.rst_stream.error", 0}, {"http2.ping", "http2.ping http2.pong", 0},
	{"http2.goaway.last_stream", "http2.goaway.last_stream_id", 0}, {"http2.goaway.error", "http2.goaway.error", 0},
	{"http2.goaway.debug", "http2.goaway.addata", 0}, {"http2.header.", "http2.header", 0},
	{"http2.preface", "http2.magic", 0}, {"http2.pad_length", "http2.pad_length", 0}, {"http2.padding", "http2.data.padding http2.headers.padding", 0},
}

// headersSame holds the names and values of HTTP/2's header fields against tshark's.
func headersSame(t *testing.T, messages []said) {
	t.Helper()
	var want []string
	for _, packet := range tshark(t, messages) {
		name := ""
		for _, f := range packet {
			switch f.name {
			case "http2.header.name":
				name = f.show
			case "http2.header.value":
				want = append(want, name+"="+f.show)
			}
		}
	}
	if got := told(messages, "http2.header."); !slices.Equal(got, want) || len(want) == 0 {
		t.Errorf("header fields\n%q\ntshark has\n%q", got, want)
	}
}

func TestHTTP2OfGoReadsAsTsharkReadsIt(t *testing.T) {
	messages := talk(t, true, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Answer", "forty-two "+r.URL.Path)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Date", "Wed, 25 Nov 2026 12:00:00 GMT")
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, `{"user":{"id":7,"name":"mallory"}}`)
		w.(http.Flusher).Flush()
		w.Header().Set("X-Sum", "17")
	},
		request(t, "GET", "/a?b=c", "", "Authorization", "Basic bWFsbG9yeTpzZWNyZXQtcGFzc3dvcmQ="),
		request(t, "POST", "/b", "n=v", "Content-Type", "application/x-www-form-urlencoded", "X-Odd", "{|}~"),
		request(t, "GET", "/a?b=c", "", "Cookie", "k=v; l=w"), request(t, "HEAD", "/c", ""))
	if n := agree(t, messages, http2Same); n < 100 {
		t.Errorf("only %d fields were compared", n)
	}
	headersSame(t, messages)
	if got := told(messages, "json.user."); !slices.Equal(got[:2], []string{"id=7", "name=mallory"}) {
		t.Errorf("JSON of the first response: %q", got)
	}
}

// framed lets Go's framer write frames of every kind.
func framed(t *testing.T, write func(f *golang.Framer, block func(pairs ...string) []byte)) string {
	t.Helper()
	var wire, compressed bytes.Buffer
	encoder := hpack.NewEncoder(&compressed)
	write(golang.NewFramer(&wire, nil), func(pairs ...string) []byte {
		compressed.Reset()
		for i := 0; i < len(pairs); i += 2 {
			encoder.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1], Sensitive: pairs[i] == "x-secret"})
		}
		return slices.Clone(compressed.Bytes())
	})
	return wire.String()
}

// everyFrame is a conversation with all kinds of frames and flags.
func everyFrame(t *testing.T) []said {
	client := framed(t, func(f *golang.Framer, block func(...string) []byte) {
		f.WriteSettings(golang.Setting{ID: golang.SettingInitialWindowSize, Val: 1 << 20}, golang.Setting{ID: 0x99, Val: 7})
		request := block(":method", "POST", ":scheme", "http", ":path", "/upload", ":authority", "x", "x-secret", "hush", "x-long", strings.Repeat("long ", 20))
		f.WriteHeaders(golang.HeadersFrameParam{StreamID: 1, BlockFragment: request[:5], PadLength: 3, Priority: golang.PriorityParam{StreamDep: 3, Exclusive: true, Weight: 9}})
		f.WriteContinuation(1, false, request[5:40])
		f.WriteContinuation(1, true, request[40:])
		f.WriteDataPadded(1, false, []byte("some data"), make([]byte, 6))
		f.WriteData(1, true, []byte(" and more"))
		f.WritePriority(3, golang.PriorityParam{StreamDep: 1, Weight: 200})
		f.WritePing(false, [8]byte{1, 2, 3})
		f.WriteRSTStream(3, golang.ErrCodeCancel)
		f.WriteWindowUpdate(0, 99)
		f.WriteRawFrame(0xb, 0, 0, []byte("grease"))
	})
	server := framed(t, func(f *golang.Framer, block func(...string) []byte) {
		f.WriteSettings(golang.Setting{ID: golang.SettingHeaderTableSize, Val: 0})
		f.WriteSettingsAck()
		f.WritePing(true, [8]byte{1, 2, 3})
		f.WritePushPromise(golang.PushPromiseParam{StreamID: 1, PromiseID: 2, BlockFragment: block(":method", "GET", ":path", "/pushed"), EndHeaders: true})
		f.WriteHeaders(golang.HeadersFrameParam{StreamID: 1, BlockFragment: block(":status", "200", "x-long", "v"), EndHeaders: true, EndStream: true})
		f.WriteGoAway(1, golang.ErrCodeEnhanceYourCalm, []byte("calm down"))
	})
	return []said{{true, http2Preface + client}, {false, server}}
}

func TestEveryFrameOfHTTP2ReadsAsTsharkReadsIt(t *testing.T) {
	messages := everyFrame(t)
	// tshark places the fields of a block that CONTINUATION frames complete in bytes of its own.
	table := slices.DeleteFunc(slices.Clone(http2Same), func(s same) bool { return s.ours == "http2.header." })
	if n := agree(t, messages, table); n < 70 {
		t.Errorf("only %d fields were compared", n)
	}
	agree(t, messages[:1], []same{{"http2.priority.weight", "http2.headers.weight", 0}})
	headersSame(t, messages)
	if got := told(messages, "http2.data"); !slices.Equal(got, []string{"=some data", "= and more"}) {
		t.Errorf("DATA is %q", got)
	}
	if got := told(messages, "http2.rst_stream.error"); !slices.Equal(got, []string{"=CANCEL"}) {
		t.Errorf("RST_STREAM for %q", got)
	}
}

// A header field whose bytes lie in two frames takes the second's header along, and each of a message's fields
// holds the bytes of its representation.
func TestHeaderFieldsOfContinuedBlocksKeepTheirBytes(t *testing.T) {
	messages := everyFrame(t)
	d := Message([]byte(messages[0].data), Hint{FromClient: true})
	const between = "\x00\x00\x00" + "\x00\x00\x23\x09\x00\x00\x00\x00\x01"
	for name, value := range map[string]string{"http2.header.x-secret": "hush", "http2.header.:path": "/upload"} {
		i := slices.IndexFunc(d.Fields, func(f finding.Field) bool { return f.Name == name })
		f := d.Fields[i]
		representation := strings.Replace(messages[0].data[f.Offset:f.Offset+f.Length], between, "", 1)
		if f.Value != value || !strings.HasSuffix(representation, string(hpack.AppendHuffmanString(nil, value))) {
			t.Errorf("%s: %q at %x", name, f.Value, representation)
		}
	}
}

var http1Same = []same{
	{"http.method", "http.request.method", 0}, {"http.target", "http.request.uri", 0}, {"http.status", "http.response.code", 0},
	{"http.reason", "http.response.phrase", 0}, {"http.chunk.size", "http.chunk_size", 2}, {"http.chunk.data", "http.chunk_data", 0},
	{"http.header.", "http.request.line http.response.line", 2}, {"http.version", "http.request.version http.response.version", 0},
}

func TestHTTP1ReadsAsTsharkReadsIt(t *testing.T) {
	answer := func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, "first chunk, ")
		w.(http.Flusher).Flush()
		io.WriteString(w, "and a second")
	}
	messages := talk(t, false, answer, request(t, "GET", "/a?b=c", ""), request(t, "POST", "/b", "n=v"), request(t, "HEAD", "/c", ""))
	messages = append(messages,
		said{true, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\nX-Y: z\r\n\r\n"},
		said{false, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nnoHTTP/1.1 204 No Content\r\n\r\n"})
	if n := agree(t, messages, http1Same); n < 18 {
		t.Errorf("only %d fields were compared", n)
	}
}

const (
	upgradeRequest = "GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	upgradeResponse = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
)

// websocketFrame is one frame; masked if there is a mask.
func websocketFrame(first byte, mask, payload string) string {
	var b []byte
	bit := byte(0)
	if mask != "" {
		bit = 0x80
	}
	switch n := len(payload); {
	case n < 126:
		b = []byte{first, bit | byte(n)}
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16([]byte{first, bit | 126}, uint16(n))
	default:
		b = binary.BigEndian.AppendUint64([]byte{first, bit | 127}, uint64(n))
	}
	b = append(b, mask...)
	for i := range len(payload) {
		c := payload[i]
		if mask != "" {
			c ^= mask[i%4]
		}
		b = append(b, c)
	}
	return string(b)
}

var websocketSame = []same{
	{"websocket.fin", "websocket.fin", 0}, {"websocket.opcode", "websocket.opcode", 0}, {"websocket.masked", "websocket.mask", 0},
	{"websocket.mask", "websocket.masking_key", 0}, {"websocket.close.code", "websocket.payload.close.status_code", 0},
	{"websocket.close.reason", "websocket.payload.close.reason", 0},
}

func TestWebSocketReadsAsTsharkReadsIt(t *testing.T) {
	const key = "\x37\xfa\x21\x3d"
	long := strings.Repeat("long ", 40)
	messages := []said{
		{true, upgradeRequest}, {false, upgradeResponse + "\r\n" + websocketFrame(0x81, "", "welcome")},
		{true, websocketFrame(0x81, key, `{"say":"hello"}`) + websocketFrame(0x89, key, "ping")},
		{false, websocketFrame(0x8a, "", "ping") + websocketFrame(0x82, "", long)},
		{true, websocketFrame(0x01, key, "in two ") + websocketFrame(0x80, key, "fragments")},
		{false, websocketFrame(0x82, "", strings.Repeat("x", 40000))},
		{true, websocketFrame(0x88, key, "\x03\xe9going away")},
		{false, websocketFrame(0x88, "", "\x03\xe9")},
	}
	if n := agree(t, messages, websocketSame); n < 35 {
		t.Errorf("only %d fields were compared", n)
	}
	if got := told(messages, "json.say"); !slices.Equal(got, []string{"=hello"}) {
		t.Errorf("JSON of the first frame: %q", got)
	}
	if got := told(messages, "websocket.close.code"); !slices.Equal(got, []string{"=1001 going away", "=1001 going away"}) {
		t.Errorf("closed with %q", got)
	}
}
