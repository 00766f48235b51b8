package tlskeys

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/capture"
	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/evidence/keylog"
	"github.com/inquest-project/inquest/internal/evidence/wiretest"
	"github.com/inquest-project/inquest/internal/reading/conversation"
	"github.com/inquest-project/inquest/internal/reading/image"
	"github.com/inquest-project/inquest/lab/machine"
)

// wire relays connections to a server and notes what passes.
type wire struct {
	address string

	mu    sync.Mutex
	count int // of connections
	said  []saying
}

// saying is what one side of a connection sent in one piece.
type saying struct {
	connection int
	from       wiretest.Side
	data       []byte
}

func newWire(t testing.TB, server string) *wire {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	w := &wire{address: listener.Addr().String()}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			w.relay(client, server)
		}
	}()
	return w
}

func (w *wire) relay(client net.Conn, address string) {
	server, err := net.Dial("tcp", address)
	if err != nil {
		client.Close()
		return
	}
	w.mu.Lock()
	n := w.count
	w.count++
	w.mu.Unlock()
	pass := func(from, to net.Conn, side wiretest.Side) {
		defer to.Close()
		for {
			buf := make([]byte, 1400) // as Ethernet has it: records come in several segments
			read, err := from.Read(buf)
			if err != nil {
				return
			}
			w.mu.Lock()
			w.said = append(w.said, saying{n, side, buf[:read]})
			w.mu.Unlock()
			to.Write(buf[:read])
		}
	}
	go pass(client, server, wiretest.Client)
	go pass(server, client, wiretest.Server)
}

// heard is what passed so far.
func (w *wire) heard() []saying {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.said)
}

// write makes a capture of what was said, without what is dropped: that was sent and not captured.
func write(said []saying, drop func(i int) bool) []byte {
	script := wiretest.New()
	lines := map[int]*wiretest.Line{}
	sent := map[int]*[2]int{}
	for i, s := range said {
		line := lines[s.connection]
		if line == nil {
			line = script.Dial(fmt.Sprintf("192.0.2.1:%d", 40000+s.connection), "192.0.2.2:443")
			lines[s.connection], sent[s.connection] = line, &[2]int{}
		}
		at := sent[s.connection]
		if drop == nil || !drop(i) {
			line.TCP(s.from, "PA", at[s.from], at[1-s.from], string(s.data))
		}
		at[s.from] += len(s.data)
	}
	return script.Bytes()
}

// server is a running server that can be made to die.
type server struct {
	dir, address string
	cmd          *exec.Cmd
	stderr       bytes.Buffer
}

func free(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs a server in a folder that has a certificate and key (server.crt, server.key; for RSA rsa.crt, rsa.key).
func start(t testing.TB, command func(s *server) []string) *server {
	t.Helper()
	s := &server{dir: t.TempDir(), address: free(t)}
	if err := os.CopyFS(filepath.Join(s.dir, "testdata"), os.DirFS("testdata")); err != nil {
		t.Fatal(err)
	}
	certify(t, s.dir)
	s.cmd = exec.Command("sh", append([]string{"-c", `ulimit -c unlimited; exec "$@"`, "sh"}, command(s)...)...)
	s.cmd.Dir, s.cmd.Stderr = s.dir, &s.stderr
	s.cmd.Env = append(os.Environ(), "GOTRACEBACK=crash")
	s.cmd.Stdin, _ = os.Open(os.DevNull)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.cmd.Process.Kill()
		s.cmd.Wait()
	})
	for range 1000 {
		if conn, err := net.Dial("tcp", s.address); err == nil {
			conn.Close()
			return s
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%v doesn't listen: %s", s.cmd.Args, s.stderr.String())
	return nil
}

func certify(t testing.TB, dir string) {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "server.example"}, DNSNames: []string{"server.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	write := func(name, kind string, der []byte, err error) {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, ec.Public(), ec)
	write("server.crt", "CERTIFICATE", der, err)
	der, err = x509.MarshalPKCS8PrivateKey(ec)
	write("server.key", "PRIVATE KEY", der, err)
	der, err = x509.CreateCertificate(rand.Reader, template, template, rs.Public(), rs)
	write("rsa.crt", "CERTIFICATE", der, err)
	der, err = x509.MarshalPKCS8PrivateKey(rs)
	write("rsa.key", "PRIVATE KEY", der, err)
}

// die aborts the server and reads the core that the kernel writes.
func (s *server) die(t testing.TB) *image.Image {
	t.Helper()
	m, err := machine.Borrow("core")
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.Process.Signal(syscall.SIGABRT)
	s.cmd.Wait()
	if err := m.Return(); err != nil {
		t.Fatal(err)
	}
	cores, _ := filepath.Glob(filepath.Join(s.dir, "core*"))
	if len(cores) != 1 {
		t.Fatalf("cores %v, expected one: %s", cores, s.stderr.String())
	}
	core, err := elfcore.Open(cores[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { core.Close() })
	im := image.Open(core, image.Finder{})
	t.Cleanup(im.Close)
	return im
}

func writable(im *image.Image) (all []elfcore.Stretch) {
	for _, r := range im.Writable() {
		all = append(all, elfcore.Stretch{Start: r.Start, Data: r.Data})
	}
	return all
}

// speak connects with openssl, sends a text, and waits until as much came back as answer has. The connection stays
// open.
func speak(t testing.TB, address, text, answer string, args ...string) {
	t.Helper()
	cmd := exec.Command("openssl", append([]string{"s_client", "-quiet", "-ign_eof", "-connect", address}, args...)...)
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	io.WriteString(in, text)
	got := make(chan string, 1)
	go func() {
		var all []byte
		buf := make([]byte, 4096)
		for !bytes.Contains(all, []byte(answer)) {
			n, err := out.Read(buf)
			if all = append(all, buf[:n]...); err != nil {
				break
			}
		}
		got <- string(all)
	}()
	select {
	case all := <-got:
		if !strings.Contains(all, answer) {
			t.Fatalf("the server said %q, expected %q: %s", all, answer, stderr.String())
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("no answer in ten seconds: %s", stderr.String())
	}
}

func conversations(t testing.TB, file []byte) []*conversation.Conversation {
	t.Helper()
	f, err := capture.Parse("wire.pcap", file)
	if err != nil {
		t.Fatal(err)
	}
	return conversation.Assemble(f).Conversations
}

// connections are those of a capture, in order.
func connections(t testing.TB, file []byte) []*Connection {
	t.Helper()
	var all []*Connection
	for _, conv := range conversations(t, file) {
		c, err := Read(conv)
		if err != nil {
			t.Fatalf("%v: %v", conv.Names(), err)
		}
		all = append(all, c)
	}
	return all
}

// told is the application data that the server or the client was sent.
func told(c *Connection, o *Opened, to Role) string {
	var b strings.Builder
	for _, m := range o.Messages[c.side(to)] {
		if m.Kind == contentApplication {
			b.Write(m.Data)
		}
	}
	return b.String()
}

// tshark is the application data of a capture's stream as tshark opens it with a key log.
func tshark(t testing.TB, file []byte, log []keylog.Entry, stream int) (client, server string) {
	t.Helper()
	dir := t.TempDir()
	pcap, keys := filepath.Join(dir, "wire.pcap"), filepath.Join(dir, "keys.log")
	var text bytes.Buffer
	if err := keylog.Write(&text, log); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pcap, file, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keys, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("tshark", "-r", pcap, "-o", "tls.keylog_file:"+keys, "-q", "-z", fmt.Sprintf("follow,tls,raw,%d", stream)).Output()
	if err != nil {
		t.Fatalf("tshark, the oracle of this test (make setup installs it): %v", err)
	}
	swapped := strings.Contains(string(out), "Node 0: 192.0.2.2") // node 0 is who said something first
	for line := range strings.Lines(string(out)) {
		raw, err := hex.DecodeString(strings.TrimSpace(line))
		switch {
		case err != nil:
		case strings.HasPrefix(line, "\t") != swapped:
			server += string(raw)
		default:
			client += string(raw)
		}
	}
	return client, server
}

const question = "GET /a-question HTTP/1.1\r\nHost: server.example\r\n\r\n"

func goServer(version string, more ...string) func(s *server) []string {
	return func(s *server) []string {
		binary := filepath.Join(s.dir, "server")
		if out, err := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, filepath.Join("testdata", "server.go")).CombinedOutput(); err != nil {
			panic(string(out))
		}
		return append([]string{binary, s.address, "server.crt", "server.key", version}, more...)
	}
}

// keepingAll is a Go server that collects no garbage: once it has, the handshake's secrets are gone, without which tshark
// opens nothing.
func keepingAll(command func(s *server) []string) func(s *server) []string {
	return func(s *server) []string { return append([]string{"env", "GOGC=off"}, command(s)...) }
}

func nginx(s *server) []string {
	config := `daemon off; master_process off; user root; pid nginx.pid; error_log stderr;
events {}
http {
  access_log off; keepalive_timeout 600; ssl_early_data on; ssl_ecdh_curve X25519:secp384r1; ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; ssl_ciphers ALL:@SECLEVEL=0;
  server {
    listen ` + s.address + ` ssl;
    ssl_certificate server.crt; ssl_certificate_key server.key;
    ssl_certificate rsa.crt; ssl_certificate_key rsa.key;
    location / { return 200 "an answer of nginx"; }
  }
}`
	if err := os.WriteFile(filepath.Join(s.dir, "nginx.conf"), []byte(config), 0o600); err != nil {
		panic(err)
	}
	return []string{"/usr/sbin/nginx", "-p", s.dir, "-c", "nginx.conf"}
}

func gnutls(s *server) []string {
	_, port, _ := net.SplitHostPort(s.address)
	return []string{"gnutls-serv", "--echo", "--quiet", "--disable-client-cert", "--port", port, "--x509certfile", "server.crt", "--x509keyfile", "server.key",
		"--x509certfile", "rsa.crt", "--x509keyfile", "rsa.key", "--priority", "NORMAL:+VERS-TLS1.0:+VERS-TLS1.1:+SHA1:+AES-128-CBC:+SHA256:+SHA384"}
}

// TestKeysAreFoundInTheCoresOfRealServers lets stripped servers die with a connection open, and has tshark open the
// same with the exported secrets.
func TestKeysAreFoundInTheCoresOfRealServers(t *testing.T) {
	tls12 := func(cipher string, more ...string) []string {
		return append([]string{"-tls1_2", "-cipher", cipher}, more...)
	}
	tls13 := func(suite string) []string { return []string{"-tls1_3", "-ciphersuites", suite} }
	for _, kind := range []struct {
		name    string
		command func(s *server) []string
		answer  string
		clients [][]string
	}{
		{"nginx", nginx, "an answer of nginx", [][]string{
			tls12("ECDHE-ECDSA-AES128-GCM-SHA256"), tls12("ECDHE-RSA-AES256-GCM-SHA384"), tls12("ECDHE-RSA-CHACHA20-POLY1305"),
			tls12("ECDHE-RSA-AES128-SHA256"), tls12("ECDHE-RSA-AES256-SHA384", "-no_etm"), tls12("AES128-SHA"), tls12("AES256-SHA", "-no_etm"),
			{"-tls1", "-cipher", "ECDHE-RSA-AES128-SHA:@SECLEVEL=0"}, {"-tls1_1", "-cipher", "AES256-SHA:@SECLEVEL=0", "-no_etm"},
			tls13("TLS_AES_128_GCM_SHA256"), tls13("TLS_AES_256_GCM_SHA384"), tls13("TLS_CHACHA20_POLY1305_SHA256"),
			append(tls13("TLS_AES_128_GCM_SHA256"), "-groups", "P-521:P-384"), // a HelloRetryRequest
		}},
		{"gnutls", gnutls, "a-question", [][]string{
			tls12("ECDHE-ECDSA-AES128-GCM-SHA256"), tls12("ECDHE-RSA-CHACHA20-POLY1305"), tls12("ECDHE-RSA-AES128-SHA"), tls12("ECDHE-RSA-AES256-SHA", "-no_etm"),
			tls13("TLS_AES_128_GCM_SHA256"), tls13("TLS_AES_256_GCM_SHA384"), tls13("TLS_CHACHA20_POLY1305_SHA256"),
		}},
		{"go 1.2", goServer("771", "1"), "you said: GET", [][]string{
			tls12("ECDHE-ECDSA-AES128-GCM-SHA256"), tls12("ECDHE-ECDSA-AES256-GCM-SHA384"), tls12("ECDHE-ECDSA-CHACHA20-POLY1305"), tls12("ECDHE-ECDSA-AES128-SHA"),
		}},
		{"go 1.3", keepingAll(goServer("772", "1")), "you said: GET", [][]string{
			tls13("TLS_AES_128_GCM_SHA256"), tls13("TLS_AES_256_GCM_SHA384"), tls13("TLS_CHACHA20_POLY1305_SHA256"),
		}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			s := start(t, kind.command)
			w := newWire(t, s.address)
			for _, client := range kind.clients {
				speak(t, w.address, question, kind.answer, client...)
			}
			im := s.die(t)
			file := write(w.heard(), nil)
			all := connections(t, file)
			if len(all) != len(kind.clients) {
				t.Fatalf("%d connections, want %d", len(all), len(kind.clients))
			}
			begin := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			found := map[*Connection]Found{}
			for f := range Find(ctx, writable(im), all) {
				found[f.Connection] = f
			}
			t.Logf("%d of %d found in %v", len(found), len(all), time.Since(begin))
			var log []keylog.Entry
			for _, f := range found {
				log = append(log, f.Connection.Entries(f.Secrets)...)
			}
			for i, c := range all {
				t.Logf("%v: %v", kind.clients[i], found[c].At)
				o := c.Open(found[c].Secrets)
				client, server := told(c, o, Server), told(c, o, Client)
				if client != question || !strings.Contains(server, kind.answer) {
					t.Errorf("%v: opened %q and %q, %v", kind.clients[i], client, server, o.Problems)
				}
				wantClient, wantServer := tshark(t, file, log, i)
				if client != wantClient || server != wantServer {
					t.Errorf("%v: opened %q and %q, tshark %q and %q", kind.clients[i], client, server, wantClient, wantServer)
				}
			}
		})
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestEarlyDataOpens resumes a session with nginx by a request in early data.
func TestEarlyDataOpens(t *testing.T) {
	s := start(t, nginx)
	w := newWire(t, s.address)
	session, early, keys := filepath.Join(s.dir, "session"), filepath.Join(s.dir, "early"), filepath.Join(s.dir, "keys")
	if err := os.WriteFile(early, []byte(question), 0o600); err != nil {
		t.Fatal(err)
	}
	speak(t, w.address, question, "an answer of nginx", "-tls1_3", "-sess_out", session)
	speak(t, w.address, "", "an answer of nginx", "-tls1_3", "-sess_in", session, "-early_data", early, "-keylogfile", keys)
	log, damage := keylog.Parse("keys", readFile(t, keys))
	if len(damage) > 0 {
		t.Fatal(damage)
	}
	file := write(w.heard(), nil)
	c := connections(t, file)[1]
	o := c.Open(c.Logged(log))
	client, server := told(c, o, Server), told(c, o, Client)
	if client != question || !strings.Contains(server, "an answer of nginx") || len(o.Problems) > 0 {
		t.Errorf("opened %q and %q, %v", client, server, o.Problems)
	}
	if wantClient, wantServer := tshark(t, file, log, 1); client != wantClient || server != wantServer {
		t.Errorf("tshark opened %q and %q", wantClient, wantServer)
	}
}
