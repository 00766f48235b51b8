package tlskeys

import (
	"context"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/evidence/keylog"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/lab/machine"
)

const base = place.Address(0x7f0000001000)

// noise is random memory.
func noise(n int) []byte {
	r := rand.NewChaCha8([32]byte{1})
	b := make([]byte, n)
	r.Read(b)
	return b
}

// last is the last that is found of the only connection.
func last(t testing.TB, data []byte, c *Connection) (f Found) {
	t.Helper()
	for f = range Find(t.Context(), []elfcore.Stretch{{Start: base, Data: data}}, []*Connection{c}) {
	}
	return f
}

func TestASecretIsFoundWhereverItStands(t *testing.T) {
	for name, config := range protections() {
		t.Run(name, func(t *testing.T) {
			said, log := talk(t, config, "hello")
			c := one(t, said, nil)
			secrets := c.Logged(log)
			for _, at := range []int{0, 8, 4, 70_004, 131_072 - 16} { // that of the end reaches over two pieces
				data := make([]byte, 200_000)
				copy(data[at:], secrets.Master)
				for r := range secrets.Traffic {
					copy(data[at+100+100*r:], secrets.Traffic[r])
				}
				f := last(t, data, c)
				if len(f.At) == 0 || f.At[0].Address != base+place.Address(at) && c.Version != tls13 {
					t.Fatalf("at %d: found %v", at, f.At)
				}
				if got := told(c, c.Open(f.Secrets), Server); got != "hello\n" {
					t.Errorf("at %d: opened %q", at, got)
				}
			}
		})
	}
}

func TestWhatIsNoSecretIsNotTakenForOne(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		said, log := talk(t, &tls.Config{MinVersion: version, MaxVersion: version}, "hello")
		c := one(t, said, nil)
		data := noise(100_000)
		if f := last(t, data, c); f.Connection != nil {
			t.Errorf("version %x: found %v in noise", version, f.At)
		}
		other, _ := talk(t, &tls.Config{MinVersion: version, MaxVersion: version}, "hello")
		secrets := one(t, other, nil).Logged(log)
		if !secrets.Empty() {
			t.Errorf("version %x: another connection's secrets were taken", version)
		}
	}
}

func TestTheSearchEndsWithItsContext(t *testing.T) {
	said, _ := talk(t, &tls.Config{}, "hello")
	c := one(t, said, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	worked := machine.Worked()
	for range Find(ctx, []elfcore.Stretch{{Start: base, Data: noise(100 << 20)}}, []*Connection{c}) {
		t.Error("found something in noise")
	}
	if took := machine.Worked() - worked; took > 2*time.Second {
		t.Errorf("it worked for %v", took)
	}
}

// TestKeyUpdatesAreFollowed has openssl's client, at its command K, change both sides' keys.
func TestKeyUpdatesAreFollowed(t *testing.T) {
	s := start(t, goServer("772", "1"))
	w := newWire(t, s.address)
	keys := s.dir + "/keys.log"
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", "exec openssl s_client -connect $0 -keylogfile $1 -ciphersuites TLS_AES_128_GCM_SHA256 2>&1", w.address, keys)
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	heard := ""
	for _, line := range []string{"one\n", "K\n", "two\n", "K\n", "three\n"} {
		io.WriteString(in, line)
		await := "you said: " + line
		if line == "K\n" {
			await = "KEYUPDATE"
		}
		for buf := make([]byte, 4096); !strings.Contains(heard, await); {
			n, err := out.Read(buf)
			if heard += string(buf[:n]); err != nil {
				t.Fatalf("heard %q: %v", heard, err)
			}
		}
		heard = heard[strings.Index(heard, await)+len(await):]
	}
	log, damage := keylog.Parse("keys.log", readFile(t, keys))
	if len(damage) > 0 {
		t.Fatal(damage)
	}
	said := w.heard()
	c := one(t, said, nil)
	secrets := c.Logged(log)
	o := c.Open(secrets)
	client, server := told(c, o, Server), told(c, o, Client)
	wantClient, wantServer := tshark(t, write(said, nil), log, 0)
	if client != "one\ntwo\nthree\n" || client != wantClient || server != wantServer || len(o.Problems) > 0 {
		t.Errorf("opened %q and %q, tshark %q and %q; %v", client, server, wantClient, wantServer, o.Problems)
	}

	// A program keeps the latest secrets only.
	data := make([]byte, 10_000)
	for r := range secrets.Traffic {
		copy(data[1000*(r+1):], c.suite.updated(secrets.Traffic[r]))
	}
	f := last(t, data, c)
	if client := told(c, c.Open(f.Secrets), Server); client != "two\nthree\n" || !f.Secrets.Updated[Client] {
		t.Errorf("by the updated secrets: opened %q, found %v", client, f.At)
	}
	if log := c.Entries(f.Secrets); len(log) != 0 {
		t.Errorf("no label is for %v", log)
	}
}
