package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/inquest-project/inquest/lab/dying"
)

// What must hold for captures, beside those who read them, too.
const (
	fasterThanTshark = 15.0
	ofTcpdump        = 1.0 // time
	ofSmall          = 1.1 // memory for 10 GB, beside that for 100 MB
	garbageMemory    = 256e6
	garbageTime      = 60.0 // seconds for 1 GB

	// Where each packet is a conversation of its own, as many are kept as package conversation allows.
	mostConversations  = 1 << 19
	conversationMemory = 3 << 10

	packetsInAGigabyte = 1_500_000
	tsharkRounds       = 3
	tcpdumpRounds      = 10
)

// BenchmarkWireBesideTsharkAndTcpdump has all three read one capture of about 1 GB, from the page cache, by turns.
func BenchmarkWireBesideTsharkAndTcpdump(b *testing.B) {
	inquest := builtInquest(b)
	path := traffic{packets: packetsInAGigabyte, conversations: 10_000}.write(b)
	conversations := []string{inquest, "wire", path}
	tshark := &contestant{args: []string{"tshark", "-q", "-z", "conv,tcp", "-r", path}}
	tcpdump := &contestant{args: []string{"tcpdump", "-r", path, "-w", "/dev/null"}}
	besideTshark, besideTcpdump := &contestant{args: conversations}, &contestant{args: conversations}
	for b.Loop() {
		besideTcpdump.run(b) // what is read once is in the cache
		besideTcpdump.took = nil
		for range tcpdumpRounds {
			besideTcpdump.run(b)
			tcpdump.run(b)
		}
		for range tsharkRounds {
			besideTshark.run(b)
			tshark.run(b)
		}
	}
	took, _ := besideTshark.median()
	byTshark, _ := tshark.median()
	atLeast(b, byTshark/took, fasterThanTshark, "x-faster-than-tshark")
	took, _ = besideTcpdump.median()
	byTcpdump, _ := tcpdump.median()
	atMost(b, took/byTcpdump, ofTcpdump, "of-tcpdump")
	b.ReportMetric(took*1000, "ms")
}

// BenchmarkWireMemory has as many conversations in 100 MB and in 10 GB.
func BenchmarkWireMemory(b *testing.B) {
	inquest := builtInquest(b)
	const small = packetsInAGigabyte / 9
	for b.Loop() {
		little := anonymous(b, inquest, traffic{packets: small, conversations: 10_000}.write(b))
		much := anonymous(b, inquest, traffic{packets: 100 * small, conversations: 10_000}.write(b))
		atMost(b, much/little, ofSmall, "of-small-memory")
		b.ReportMetric(much/1e6, "MB")
	}
}

// BenchmarkWireGarbage reads 1 GB of garbage of each kind.
func BenchmarkWireGarbage(b *testing.B) {
	inquest := builtInquest(b)
	for _, g := range garbages {
		b.Run(g.name, func(b *testing.B) {
			for b.Loop() {
				memory, took := readGarbage(b, inquest, g, 1<<30)
				atMost(b, memory, mostConversations*conversationMemory+garbageMemory, "bytes-anonymous")
				atMost(b, took, garbageTime, "CPU-s")
			}
		})
	}
}

// TestGarbageIsReadInBoundedMemoryAndTime is the same with less of it.
func TestGarbageIsReadInBoundedMemoryAndTime(t *testing.T) {
	inquest := builtInquest(t)
	const size = 32 << 20
	for _, g := range garbages {
		memory, took := readGarbage(t, inquest, g, size)
		if memory > garbageMemory || took > garbageTime/10 {
			t.Errorf("%s: %.0f MB and %.1f s of a processor, expected at most %.0f and %.1f", g.name, memory/1e6, took, garbageMemory/1e6, garbageTime/10)
		}
	}
}

func builtInquest(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "inquest")
	dying.Run(t, ".", "go", "build", "-o", path, ".")
	return path
}

// anonymous is the most memory that a run had of its own: the capture's pages are the kernel's.
func anonymous(t testing.TB, inquest, path string) float64 {
	t.Helper()
	peak, _, stderr, err := sampled(exec.Command(inquest, "wire", path))
	if err != nil {
		t.Fatalf("inquest wire %s: %v: %s", path, err, stderr)
	}
	return peak
}

// sampled runs a command and looks at its memory all the while.
func sampled(cmd *exec.Cmd) (peak, processor float64, stderr string, err error) {
	var talk bytes.Buffer
	cmd.Stderr = &talk
	if err := cmd.Start(); err != nil {
		return 0, 0, "", err
	}
	status := fmt.Sprintf("/proc/%d/status", cmd.Process.Pid)
	done := make(chan error)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case err := <-done:
			used := cmd.ProcessState
			return peak, (used.UserTime() + used.SystemTime()).Seconds(), talk.String(), err
		case <-time.After(2 * time.Millisecond):
			peak = max(peak, rssAnon(status))
		}
	}
}

// rssAnon is 0 when the process has gone.
func rssAnon(status string) float64 {
	text, _ := os.ReadFile(status)
	_, rest, _ := strings.Cut(string(text), "RssAnon:")
	var kilobytes float64
	fmt.Sscan(rest, &kilobytes)
	return kilobytes * 1024
}

// traffic is a capture of connections on Ethernet, some 200 of which are active at a time.
type traffic struct{ packets, conversations int }

// connection is how far both sides are, and how many packets they sent.
type connection struct {
	seq  [2]uint32
	sent int
}

func (w traffic) write(t testing.TB) string {
	t.Helper()
	return generated(t, func(out io.Writer) error {
		rng := rand.New(rand.NewPCG(1, 2))
		payload := make([]byte, 1448)
		for i := range payload {
			payload[i] = byte(rng.Uint32())
		}
		if _, err := out.Write(pcapHead(1)); err != nil {
			return err
		}
		all := make([]connection, w.conversations)
		for i := range w.packets {
			number := (i*w.conversations/w.packets + rng.IntN(200)) % w.conversations
			head, size := all[number].next(number, rng)
			if err := writeRecord(out, i, head, payload[:size]); err != nil {
				return err
			}
		}
		return nil
	})
}

// next makes a connection's next packet: its headers, and how much payload it has.
func (c *connection) next(number int, rng *rand.Rand) (head []byte, size int) {
	const syn, ack, psh = 2, 16, 8
	side, flags := c.sent%2, byte(ack)
	switch {
	case c.sent == 0:
		flags = syn
	case c.sent == 1:
		flags = syn | ack
	case c.sent > 2 && rng.IntN(10) > 2:
		flags, size = psh|ack, 100+rng.IntN(1348)
	}
	be := binary.BigEndian
	head = make([]byte, 14+20+20)
	be.PutUint16(head[12:], 0x0800)
	ip := head[14:]
	ip[0], ip[8], ip[9] = 0x45, 64, 6
	be.PutUint16(ip[2:], uint16(40+size))
	be.PutUint16(ip[4:], uint16(c.sent))
	ends := [2][]byte{{10, byte(number >> 16), byte(number >> 8), byte(number)}, {192, 168, 0, 1}}
	ports := [2]uint16{uint16(20000 + number%40000), 443}
	copy(ip[12:], ends[side])
	copy(ip[16:], ends[1-side])
	tcp := ip[20:]
	be.PutUint16(tcp, ports[side])
	be.PutUint16(tcp[2:], ports[1-side])
	be.PutUint32(tcp[4:], c.seq[side])
	be.PutUint32(tcp[8:], c.seq[1-side])
	tcp[12], tcp[13] = 5<<4, flags
	be.PutUint16(tcp[14:], 65000)
	c.seq[side] += uint32(size)
	if flags&syn != 0 {
		c.seq[side] += 1 + rng.Uint32()
		be.PutUint32(tcp[4:], c.seq[side]-1)
	}
	c.sent++
	return head, size
}

// pcapHead is a pcap's header, of microseconds in little-endian.
func pcapHead(link uint32) []byte {
	le := binary.LittleEndian
	head := le.AppendUint32(nil, 0xa1b2c3d4)
	head = append(head, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0)
	return le.AppendUint32(head, link)
}

// writeRecord writes a frame, 60 microseconds after the one before it.
func writeRecord(w io.Writer, number int, parts ...[]byte) error {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	at := number * 60
	le := binary.LittleEndian
	record := le.AppendUint32(make([]byte, 0, 16), uint32(1_700_000_000+at/1_000_000))
	record = le.AppendUint32(record, uint32(at%1_000_000))
	record = le.AppendUint32(record, uint32(size))
	record = le.AppendUint32(record, uint32(size))
	for _, p := range append([][]byte{record}, parts...) {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// generated is a file of the test's.
func generated(t testing.TB, write func(io.Writer) error) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "capture"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := write(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// garbage is a capture of nonsense, in as many bytes as wanted.
type garbage struct {
	name  string
	write func(w io.Writer, rng *noise, size int) error
}

var garbages = []garbage{
	{"records of any length", func(w io.Writer, rng *noise, size int) error {
		if _, err := w.Write(pcapHead(1)); err != nil {
			return err
		}
		_, err := io.CopyN(w, rng, int64(size))
		return err
	}},
	{"frames of ethernet", frames(1, "")},
	{"frames of cooked 2", frames(276, "")},
	{"frames of raw IP", frames(101, "")},
	{"frames of loopback", frames(0, "\x02\x00\x00\x00")},
	{"TCP of any header", frames(101, "\x45\x00\x00\x00\x00\x00\x00\x00\x40\x06")},
	{"UDP of any header", frames(101, "\x45\x00\x00\x00\x00\x00\x00\x00\x40\x11")},
	{"fragments", frames(101, "\x45\x00\x00\x00\x00\x07\x20\x01\x40\x11")},
	{"tunnels", frames(101, "\x45\x00\x00\x00\x00\x00\x00\x00\x40\x04")},
	{"IPv6 with extension headers", frames(101, "\x60\x00\x00\x00\x00\x00\x00\x40")},
	{"pcapng blocks", ngGarbage},
}

// frames writes frames of any length that begin so.
func frames(link uint32, begin string) func(io.Writer, *noise, int) error {
	return func(w io.Writer, rng *noise, size int) error {
		if _, err := w.Write(pcapHead(link)); err != nil {
			return err
		}
		for i := 0; size > 0; i++ {
			frame := rng.bytes(40 + rng.IntN(1500))
			if err := writeRecord(w, i, []byte(begin), frame); err != nil {
				return err
			}
			size -= 16 + len(begin) + len(frame)
		}
		return nil
	}
}

// ngGarbage writes blocks of all kinds that have the right length, and nonsense in them.
func ngGarbage(w io.Writer, rng *noise, size int) error {
	le := binary.LittleEndian
	for first := true; size > 0; first = false {
		kind, body := uint32(rng.IntN(12)), rng.bytes(4*(7+rng.IntN(300)))
		if first || kind == 11 {
			kind = 0x0a0d0d0a
			copy(body, "\x4d\x3c\x2b\x1a\x01\x00\x00\x00")
		}
		if kind == 6 {
			le.PutUint32(body, uint32(rng.IntN(4)))
		}
		block := le.AppendUint32(nil, kind)
		block = le.AppendUint32(block, uint32(12+len(body)))
		block = append(block, body...)
		block = le.AppendUint32(block, uint32(12+len(body)))
		if _, err := w.Write(block); err != nil {
			return err
		}
		size -= len(block)
	}
	return nil
}

// noise gives random bytes, fast.
type noise struct {
	*rand.Rand
	source *rand.ChaCha8
}

func (n *noise) Read(b []byte) (int, error) { return n.source.Read(b) }

func (n *noise) bytes(size int) []byte {
	b := make([]byte, size)
	n.source.Read(b) // never fails
	return b
}

// readGarbage is what it takes. That nothing could be read of it is an answer, too.
func readGarbage(t testing.TB, inquest string, g garbage, size int) (memory, processor float64) {
	t.Helper()
	path := generated(t, func(w io.Writer) error {
		source := rand.NewChaCha8([32]byte([]byte("garbage garbage garbage garbage ")))
		return g.write(w, &noise{rand.New(source), source}, size)
	})
	defer os.Remove(path)
	memory, processor, stderr, err := sampled(exec.Command(inquest, "wire", path))
	if err != nil && !strings.HasPrefix(stderr, "inquest: ") && !strings.HasPrefix(stderr, "error: ") {
		t.Fatalf("inquest wire: %s: %v: %.500s", g.name, err, stderr)
	}
	return memory, processor
}
