package tlskeys

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
)

// live is how many connections are open when the server dies, ballastSize how many megabytes it holds besides.
const (
	live        = 200
	ballastSize = "50"
)

// BenchmarkFind has a server die that holds many connections and much memory, of the usual kind and of the worst:
// all of it random. It tells the time until the first suspect's secrets are found, and until all are.
func BenchmarkFind(b *testing.B) {
	for _, kind := range []struct {
		name    string
		command func(version string, more ...string) func(s *server) []string
	}{{"go", goServer}, {"openssl", pythonServer}} {
		for _, version := range []string{"771", "772"} {
			for name, more := range map[string][]string{"usual": {ballastSize}, "random": {ballastSize, "random"}} {
				b.Run(kind.name+"/"+versionNames[version]+"/"+name, func(b *testing.B) {
					memory, wanted := crowd(b, kind.command(version, more...))
					b.ResetTimer()
					for b.Loop() {
						b.ReportMetric(float64(first(b, memory, wanted).Milliseconds()), "ms/first")
					}
					b.StopTimer()
					begin := time.Now()
					n := findAll(b, memory, wanted)
					b.ReportMetric(float64(time.Since(begin).Milliseconds()), "ms/all")
					b.ReportMetric(float64(n), "found")
				})
			}
		}
	}
}

var versionNames = map[string]string{"771": "1.2", "772": "1.3"}

func pythonServer(version string, more ...string) func(s *server) []string {
	return func(s *server) []string {
		return append([]string{"python3", "testdata/server.py", s.address, "server.crt", "server.key", version}, more...)
	}
}

// crowd is the memory of a server that died with many connections open, and these.
func crowd(b *testing.B, command func(s *server) []string) ([]elfcore.Stretch, []*Connection) {
	b.Helper()
	s := start(b, command)
	w := newWire(b, s.address)
	for range live {
		conn, err := tls.Dial("tcp", w.address, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { conn.Close() })
		fmt.Fprintf(conn, "a question\n")
		if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
			b.Fatal(err)
		}
	}
	im := s.die(b)
	return writable(im), connections(b, write(w.heard(), nil))
}

// first is how long it takes to find the first suspect's secrets: those of a connection in the middle.
func first(b *testing.B, memory []elfcore.Stretch, wanted []*Connection) time.Duration {
	b.Helper()
	order := append(append([]*Connection{}, wanted[live/2:]...), wanted[:live/2]...)
	begin := time.Now()
	for f := range Find(b.Context(), memory, order) {
		if f.Connection != order[0] {
			continue
		}
		if o := f.Connection.Open(f.Secrets); told(f.Connection, o, Server) != "a question\n" {
			b.Fatalf("it says %q, %v", told(f.Connection, o, Server), o.Problems)
		}
		return time.Since(begin)
	}
	b.Fatal("none was found")
	return 0
}

func findAll(b *testing.B, memory []elfcore.Stretch, wanted []*Connection) int {
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	found := map[*Connection]bool{}
	for f := range Find(ctx, memory, wanted) {
		if found[f.Connection] = true; len(found) == len(wanted) {
			break
		}
	}
	return len(found)
}

// BenchmarkWindow tries random windows for one connection, as the walk over all memory does where nothing is known.
func BenchmarkWindow(b *testing.B) {
	for name, config := range protections() {
		b.Run(name, func(b *testing.B) {
			said, _ := talk(b, config, "hello")
			data := noise(1 << 20)
			s := newSearch(b.Context(), []elfcore.Stretch{{Start: base, Data: data}}, []*Connection{one(b, said, nil)})
			s.goal = opens
			t := s.trial(s.quests)
			i := 0
			for b.Loop() {
				t.window(data[i:i+windowLength], base)
				i = (i + 8) % (len(data) - windowLength)
			}
		})
	}
}
