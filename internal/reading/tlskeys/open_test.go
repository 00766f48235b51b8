package tlskeys

import (
	"bufio"
	"bytes"
	"crypto/rsa"
	"crypto/tls"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/inquest-project/inquest/internal/evidence/keylog"
	"github.com/inquest-project/inquest/internal/evidence/wiretest"
)

// talk has a client and a server of Go's say lines to each other, and gives what passed and the key log.
func talk(t testing.TB, config *tls.Config, lines ...string) ([]saying, []keylog.Entry) {
	t.Helper()
	if config.Certificates == nil {
		dir := t.TempDir()
		certify(t, dir)
		config.Certificates = []tls.Certificate{certificate(t, filepath.Join(dir, "server"))}
	}
	config.InsecureSkipVerify = true
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			io.Copy(conn, conn)
		}
	}()
	w := newWire(t, listener.Addr().String())
	var log bytes.Buffer
	client := config.Clone()
	client.KeyLogWriter = &log
	conn, err := tls.Dial("tcp", w.address, client)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	for _, line := range lines {
		fmt.Fprintln(conn, line)
		if got, err := answers.ReadString('\n'); got != line+"\n" {
			t.Fatalf("said %.20q, heard %.20q, %v", line, got, err)
		}
	}
	entries, damage := keylog.Parse("log", log.Bytes())
	if len(damage) > 0 || len(entries) == 0 {
		t.Fatalf("Go's key log: %d entries, %v", len(entries), damage)
	}
	return w.heard(), entries
}

func certificate(t testing.TB, path string) tls.Certificate {
	t.Helper()
	c, err := tls.LoadX509KeyPair(path+".crt", path+".key")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// one is the only connection of what was said.
func one(t testing.TB, said []saying, drop func(int) bool) *Connection {
	t.Helper()
	all := connections(t, write(said, drop))
	if len(all) != 1 {
		t.Fatalf("%d connections", len(all))
	}
	return all[0]
}

// protections are ways in which Go protects records.
func protections() map[string]*tls.Config {
	all := map[string]*tls.Config{}
	for name, suite := range map[string]uint16{
		"1.2 AES-128-GCM": tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "1.2 AES-256-GCM": tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		"1.2 ChaCha20": tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "1.2 CBC": tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
		"1.2 CBC SHA-256": tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
	} {
		all[name] = &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}}
	}
	for name, version := range map[string]uint16{"1.1 CBC": tls.VersionTLS11, "1.0 CBC": tls.VersionTLS10} {
		all[name] = &tls.Config{MinVersion: version, MaxVersion: version, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}}
	}
	all["1.3"] = &tls.Config{MinVersion: tls.VersionTLS13}
	all["1.3 with a retry"] = &tls.Config{MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.CurveP384}}
	return all
}

var longLine = strings.Repeat("a long line that needs more than one record and more than one segment ", 700)

func TestLoggedSecretsOpenConnections(t *testing.T) {
	for name, config := range protections() {
		t.Run(name, func(t *testing.T) {
			said, log := talk(t, config, "first", longLine, "last")
			c := one(t, said, nil)
			o := c.Open(c.Logged(log))
			want := "first\n" + longLine + "\nlast\n"
			if got := told(c, o, Server); got != want {
				t.Errorf("the server was told %d bytes, want %d", len(got), len(want))
			}
			if got := told(c, o, Client); got != want {
				t.Errorf("the client was told %d bytes, want %d", len(got), len(want))
			}
			if len(o.Problems) > 0 {
				t.Error(o.Problems)
			}
			checkMessages(t, c, o)
			if m := o.Messages[c.side(Server)][0]; m.Kind != contentHandshake || m.Data[0] != finished {
				t.Errorf("the client's first encrypted record is of kind %d, %x", m.Kind, m.Data)
			}
		})
	}
}

// checkMessages holds that each byte of a message has a frame, and that its record stands where it says.
func checkMessages(t *testing.T, c *Connection, o *Opened) {
	t.Helper()
	for receiver, messages := range o.Messages {
		for i, m := range messages {
			at := 0
			for _, s := range m.Segments {
				if s.Offset != at || s.Frame == 0 || s.Time.Before(m.Start) || s.Time.After(m.End) {
					t.Fatalf("message %d of side %d: segment %+v at %d", i, receiver, s, at)
				}
				at += s.Length
			}
			if at != len(m.Data) || m.Length != at || m.Index != i || int(m.Receiver) != receiver {
				t.Fatalf("message %d of side %d: segments of %d bytes, %d of data", i, receiver, at, len(m.Data))
			}
			at = 0
			for _, r := range m.Records {
				if r.Offset != at || r.Sealed < r.Length || m.Offset < m.Records[0].Stream {
					t.Fatalf("message %d of side %d: record %+v at %d", i, receiver, r, at)
				}
				at += r.Length
			}
			if at != len(m.Data) {
				t.Fatalf("message %d of side %d: records of %d bytes, %d of data", i, receiver, at, len(m.Data))
			}
		}
	}
}

func TestAPremasterOpensWhatItsKeyWasExchangedFor(t *testing.T) {
	dir := t.TempDir()
	certify(t, dir)
	own := certificate(t, filepath.Join(dir, "rsa"))
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS10} {
		said, log := talk(t, &tls.Config{
			MinVersion: version, MaxVersion: version, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}, Certificates: []tls.Certificate{own},
		}, "hello")
		c := one(t, said, nil)
		want := c.Logged(log).Master
		i := slices.IndexFunc(c.clear[Client], func(h handshake) bool { return h.kind == clientKeyExchange })
		sealed := c.clear[Client][i].raw[6:]
		//lint:ignore SA1019 so TLS 1.2 does it
		premaster, err := rsa.DecryptPKCS1v15(nil, own.PrivateKey.(*rsa.PrivateKey), sealed)
		if err != nil {
			t.Fatal(err)
		}
		got := c.Logged([]keylog.Entry{{Label: keylog.Premaster, Key: sealed[:8], Secret: premaster}})
		if !bytes.Equal(got.Master, want) {
			t.Errorf("version %x: master %x, Go's is %x", version, got.Master, want)
		}
	}
}

// TestRecordsBehindAHoleOpen drops packets: what was captured whole is opened all the same, and what was not is told.
func TestRecordsBehindAHoleOpen(t *testing.T) {
	for name, config := range protections() {
		t.Run(name, func(t *testing.T) {
			var lines []string
			for i := range 40 {
				lines = append(lines, fmt.Sprintf("line %02d %s", i, strings.Repeat("x", 20*i)))
			}
			said, log := talk(t, config, lines...)
			lost := []int{5, 6, 7, 20}
			gone := carriersOf(t, said, log, lines, lost)
			c := one(t, said, func(i int) bool { return gone[i] })
			got := told(c, c.Open(c.Logged(log)), Server)
			for i, line := range lines {
				chained := config.MaxVersion == tls.VersionTLS10 && slices.Contains(lost, i-1) // to a lost one
				if want := !slices.Contains(lost, i) && !chained; strings.Contains(got, line+"\n") != want {
					t.Errorf("line %d: opened is %v", i, !want)
				}
			}
		})
	}
}

// carriersOf are the segments that carry some of the lines, by index in what was said. A client may send a line in
// several records; it doesn't send the next before this one was answered.
func carriersOf(t *testing.T, said []saying, log []keylog.Entry, lines []string, wanted []int) map[int]bool {
	t.Helper()
	c := one(t, said, nil)
	where := map[int]uint64{} // line -> where in the client's stream its first record begins
	text := 0
	var ends []int
	for _, line := range lines {
		text += len(line) + 1
		ends = append(ends, text)
	}
	text = 0
	for _, m := range c.Open(c.Logged(log)).Messages[c.side(Server)] {
		for _, r := range m.Records {
			if m.Kind != contentApplication {
				continue
			}
			line, _ := slices.BinarySearch(ends, text+1)
			if _, known := where[line]; !known {
				where[line] = r.Stream
			}
			text += r.Length
		}
	}
	carriers := map[int]bool{}
	at := uint64(0)
	for i, s := range said {
		if s.from == wiretest.Server {
			continue
		}
		for _, line := range wanted {
			carriers[i] = carriers[i] || at >= where[line] && at < where[line+1]
		}
		at += uint64(len(s.data))
	}
	return carriers
}

func TestWhatCannotBeOpenedSaysWhy(t *testing.T) {
	said, log := talk(t, &tls.Config{}, "hello")
	c := one(t, said, nil)
	o := c.Open(Secrets{})
	if len(o.Messages[0])+len(o.Messages[1]) > 0 || len(o.Problems) != 2 || !strings.Contains(o.Problems[0], "no secret is known") {
		t.Errorf("without secrets: %v", o.Problems)
	}
	wrong := c.Logged(log)
	wrong.Traffic[Client] = bytes.Repeat([]byte{7}, len(wrong.Traffic[Client]))
	if o = c.Open(wrong); told(c, o, Server) != "" || len(o.Problems) != 1 || !strings.Contains(o.Problems[0], "no known secret opens it") {
		t.Errorf("with a wrong secret: %v", o.Problems)
	}
	for name, drop := range map[string]func(int) bool{
		"ClientHello": func(i int) bool { return i == 0 },
		"ServerHello": func(i int) bool { return said[i].from == wiretest.Server },
	} {
		if _, err := Read(conversations(t, write(said, drop))[0]); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without the %s: %v", name, err)
		}
	}
}

func TestARecordIsReadWhenAllOfItHasCome(t *testing.T) {
	said, log := talk(t, &tls.Config{MinVersion: tls.VersionTLS13}, longLine)
	begin := slices.IndexFunc(said, func(s saying) bool { return s.from == wiretest.Client && len(s.data) == cap(s.data) })
	slices.SortStableFunc(said[begin:], func(a, b saying) int { return int(a.from) - int(b.from) }) // no answer in between
	c := one(t, said, nil)
	messages := c.Open(c.Logged(log)).Messages[c.side(Server)]
	m := messages[len(messages)-1]
	if len(m.Records) < 3 {
		t.Fatalf("%d records", len(m.Records))
	}
	if m.By(m.End) != m || m.By(m.Records[0].End.Add(-1)) != nil {
		t.Error("all of it, and nothing, are not told apart")
	}
	cut := m.By(m.Records[1].End)
	if want := m.Records[2].Offset; len(cut.Data) != want || cut.Length != want || len(cut.Records) != 2 || !cut.End.Equal(m.Records[1].End) {
		t.Errorf("%d bytes in %d records until %v, want %d", len(cut.Data), len(cut.Records), cut.End, want)
	}
	if last := cut.Segments[len(cut.Segments)-1]; last.Offset+last.Length != len(cut.Data) {
		t.Errorf("the last segment is %+v of %d bytes", last, len(cut.Data))
	}
}

func TestTLSMayBeginInTheMiddleOfAConversation(t *testing.T) {
	said, log := talk(t, &tls.Config{}, "hello")
	before := []saying{{0, wiretest.Server, []byte("220 mail\r\n")}, {0, wiretest.Client, []byte("STARTTLS\r\n")}, {0, wiretest.Server, []byte("220 go on\r\n")}}
	c := one(t, append(before, said...), nil)
	if o := c.Open(c.Logged(log)); told(c, o, Server) != "hello\n" || len(o.Problems) > 0 {
		t.Errorf("opened %q, %v", told(c, o, Server), o.Problems)
	}
}

func TestASuiteThatIsNotOpenedIsNamed(t *testing.T) {
	for _, c := range []struct {
		name    string
		version uint16
		problem string
	}{
		{"RSA_WITH_RC4_128_SHA", tls12, "can't be opened"},
		{"RSA_EXPORT_WITH_DES40_CBC_SHA", tls10, "can't be opened"},
		{"AES_128_CCM_SHA256", tls13, "can't be opened"},
		{"RSA_WITH_AES_128_CBC_SHA", tls13, "no cipher suite of"},
		{"AES_128_GCM_SHA256", tls12, "no cipher suite of"},
		{"0x1234", tls12, "no cipher suite of"},
		{"RSA_WITH_AES_128_CBC_SHA", 0x0300, "isn't known"},
	} {
		if _, err := suiteOf(c.name, c.version); err == nil || !strings.Contains(err.Error(), c.problem) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
