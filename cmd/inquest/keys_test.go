package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/evidence"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/lab/machine"
)

// fallen is what is left of a TLS server that died of a request, and what its clients asked it for, in order.
type fallen struct {
	core, capture string
	port          string // the server's
	asked         []string
}

// fell has a real server die, with a real capture and a core that the kernel wrote.
func fell(t *testing.T, version string) fallen {
	t.Helper()
	dir := t.TempDir()
	key, crt := filepath.Join(dir, "server.key"), filepath.Join(dir, "server.crt")
	out, err := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
		"-subj", "/CN=server.example", "-keyout", key, "-out", crt).CombinedOutput()
	if err != nil {
		t.Fatalf("openssl: %v\n%s", err, out)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	f := fallen{capture: filepath.Join(dir, "wire.pcap")}
	_, f.port, _ = net.SplitHostPort(address)
	stop := tcpdump(t, f.capture, address)

	script, err := filepath.Abs("testdata/keys/frail.py")
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command("sh", "-c", `ulimit -c unlimited; exec "$@"`, "sh", "python3", script, address, crt, key, version)
	server.Dir = dir
	m, err := machine.Borrow("core")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Return()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	f.asked = ask(t, address)
	server.Wait()
	settle(t, f.capture, address)
	stop()
	cores, _ := filepath.Glob(filepath.Join(dir, "core*"))
	if len(cores) != 1 {
		t.Fatalf("cores %v, expected one", cores)
	}
	f.core = cores[0]
	return f
}

// tcpdump captures what is said with a server until it is stopped.
func tcpdump(t *testing.T, file, address string) (stop func()) {
	t.Helper()
	_, port, _ := net.SplitHostPort(address)
	// A buffer of 64 MiB: no packet is lost while the kernel writes the core on a busy machine.
	cmd := exec.Command("tcpdump", "-i", "lo", "-B", "65536", "--immediate-mode", "-U", "-s", "0", "-Z", "root", "-w", file, "port", port)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("tcpdump (make setup installs it): %v", err)
	}
	said := bufio.NewReader(stderr)
	if line, err := said.ReadString('\n'); err != nil {
		t.Fatalf("tcpdump: %v %s", err, line)
	}
	return func() {
		cmd.Process.Signal(os.Interrupt)
		if counts, _ := io.ReadAll(said); !bytes.Contains(counts, []byte("\n0 packets dropped by kernel")) {
			t.Errorf("tcpdump lost packets: %s", counts)
		}
		cmd.Wait()
	}
}

// settle waits until a capture has all that was said: it says a last word, and waits for that.
func settle(t *testing.T, file, address string) {
	t.Helper()
	const last = "the last word"
	conn, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, last)
	for range 600 {
		if data, err := os.ReadFile(file); err == nil && bytes.Contains(data, []byte(last)) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s has no %q after half a minute", file, last)
}

// ask has many clients ask for something; half of them hang up, and at last one asks for what kills.
func ask(t *testing.T, address string) (asked []string) {
	t.Helper()
	const clients = 30
	for i := range clients {
		conn := dial(t, address)
		path := fmt.Sprintf("/item/%d?token=%x", i, i*2654435761)
		asked = append(asked, path)
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: server.example\r\n\r\n", path)
		if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			conn.Close()
		}
	}
	conn := dial(t, address)
	fmt.Fprint(conn, "GET /die/of/this HTTP/1.1\r\nHost: server.example\r\n\r\n")
	conn.Read(make([]byte, 1))
	return append(asked, "/die/of/this")
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	var err error
	for range 500 {
		var conn net.Conn
		if conn, err = tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true}); err == nil {
			t.Cleanup(func() { conn.Close() })
			return conn
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal(err)
	return nil
}

// A server's core has the keys of the connections that were alive: what they said is weighed, and tshark reads it with the
// key log that is written.
func TestKeysInACoreOpenWhatKilled(t *testing.T) {
	for name, version := range map[string]string{"TLS 1.2": "771", "TLS 1.3": "772"} {
		t.Run(name, func(t *testing.T) {
			f := fell(t, version)
			var out bytes.Buffer
			if err := runAnalyze(&out, analyzeOptions{evidence: evidence.Request{Paths: []string{f.core, f.capture}}, json: true}); err != nil {
				t.Fatal(err)
			}
			var found finding.Findings
			if err := json.Unmarshal(out.Bytes(), &found); err != nil {
				t.Fatal(err)
			}
			if len(found.Suspects) == 0 {
				t.Fatalf("no suspects; %+v", found.Traffic)
			}
			keepsSchema(t, "schema.json", out.Bytes())
			if first := found.Suspects[0]; first.Summary != "GET /die/of/this" || first.Sealed == nil || first.Sealed.Version != name || len(first.Sealed.At) == 0 {
				t.Errorf("the first suspect is %s, %+v; %v", first.Summary, first.Sealed, found.Traffic.Says)
			}

			keys := filepath.Join(t.TempDir(), "night.keys")
			o := wireOptions{evidence: evidence.Request{Paths: []string{f.capture}, Cores: []string{f.core}}, keyLog: keys}
			if err := runWire(t.Context(), &out, o); err != nil {
				t.Fatal(err)
			}
			if info, err := os.Stat(keys); err != nil || info.Mode() != 0o600 {
				t.Fatalf("the key log is %v, %v", info.Mode(), err)
			}
			theirs, ours := requestsByTshark(t, f, keys), requests(t, f.capture, keys)
			if whole := connectionsIn(t, keys); len(theirs) != whole || slices.ContainsFunc(theirs, func(path string) bool { return !slices.Contains(ours, path) }) {
				t.Errorf("with the key log that was written, which has all of %d connections, we read\n%v\ntshark reads\n%v", whole, ours, theirs)
			}
			if inside := spokenInside(t, f.capture, keys); inside["HTTP"] != len(ours) {
				t.Errorf("of %d connections that are opened the list says %v", len(ours), inside)
			}
			alive, opened := 0, 0
			for i, path := range f.asked {
				if i%2 == 1 || i == len(f.asked)-1 {
					alive++
					if slices.Contains(ours, path) {
						opened++
					}
				}
			}
			if opened != alive {
				t.Errorf("of %d connections that were alive %d are opened", alive, opened)
			}
		})
	}
}

// connectionsIn is of how many connections a key log has what tshark needs: of TLS 1.3 the handshake's secrets, too, which a
// program may have forgotten.
func connectionsIn(t *testing.T, keys string) int {
	t.Helper()
	text, err := os.ReadFile(keys)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), "CLIENT_RANDOM ") + strings.Count(string(text), "CLIENT_HANDSHAKE_TRAFFIC_SECRET ")
}

// requestsByTshark are the paths asked for, as tshark opens them with a key log.
func requestsByTshark(t *testing.T, f fallen, keys string) []string {
	t.Helper()
	tshark := exec.Command("tshark", "-r", f.capture, "-o", "tls.keylog_file:"+keys, "-d", "tcp.port=="+f.port+",tls",
		"-Y", "http.request", "-T", "fields", "-e", "http.request.uri")
	out, err := tshark.Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	return strings.Fields(string(out))
}

// spokenInside counts what the list of conversations says is spoken inside of TLS.
func spokenInside(t *testing.T, capture, keys string) map[string]int {
	t.Helper()
	var out bytes.Buffer
	if err := runWire(t.Context(), &out, wireOptions{evidence: evidence.Request{Paths: []string{capture, keys}}, json: true}); err != nil {
		t.Fatal(err)
	}
	keepsSchema(t, "wire.json", out.Bytes())
	var wire finding.Wire
	if err := json.Unmarshal(out.Bytes(), &wire); err != nil {
		t.Fatal(err)
	}
	inside := map[string]int{}
	for _, c := range wire.Conversations {
		inside[c.Inside]++
	}
	return inside
}

// requests are the paths asked for, by following each conversation with a key log.
func requests(t *testing.T, capture, keys string) (paths []string) {
	t.Helper()
	for n := 1; ; n++ {
		var out bytes.Buffer
		err := runWire(t.Context(), &out, wireOptions{evidence: evidence.Request{Paths: []string{capture, keys}}, follow: n, json: true})
		if err != nil {
			return paths
		}
		keepsSchema(t, "wire.json", out.Bytes())
		var wire finding.Wire
		if err := json.Unmarshal(out.Bytes(), &wire); err != nil {
			t.Fatal(err)
		}
		for _, m := range wire.Conversations[0].Messages {
			for _, field := range m.Fields {
				if field.Name == "http.target" && m.Sealed != nil {
					paths = append(paths, field.Value)
				}
			}
		}
	}
}
