package conversation

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/capture"
)

// Each capture has a planted trouble. tshark must find the same conversations in it, the same bytes of each side and the
// same holes; where it doesn't, the case says what is planted and why tshark is not followed.

// nastyCase is a capture: what is said in it, and how that is captured.
type nastyCase struct {
	name  string
	say   func(*script)
	taken func([]packetBytes) []packetBytes // what happens to the packets before they are written; nil for nothing
	write func([]packetBytes) [][]byte      // the files; nil for one pcap of raw IP
	truth []string                          // what is planted, where tshark finds something else
	why   string                            // why tshark finds something else

	packed bool // by what tshark 4.0 can't unpack: it reads a plain file
}

func TestNastyCapturesAreReadAsByTshark(t *testing.T) {
	cases := nastyCases()
	var files []string
	found := make([][]string, len(cases))
	for i, c := range cases {
		paths, plain := c.files(t, i)
		found[i] = ours(t, paths)
		files = append(files, plain...)
	}
	oracle := asTshark(t, files, len(cases))
	for i, c := range cases {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			if c.truth == nil {
				differ(t, "tshark", found[i], oracle[i])
				return
			}
			differ(t, "planted", found[i], c.truth)
			if slices.Equal(oracle[i], c.truth) {
				t.Errorf("tshark agrees: the exception is not needed")
			}
		})
	}
}

// firstPort is the client's port in the first case, and each has two: so one run of tshark, which takes long to start, can
// read all captures one after the other.
const firstPort = 40000

// files writes a case's captures, and what tshark reads instead of them.
func (c *nastyCase) files(t *testing.T, number int) (paths, plain []string) {
	s := newScript(t)
	s.client = firstPort + 2*uint16(number)
	s.Wait(time.Duration(number) * time.Second)
	c.say(s)
	packets := packetsOf(s.Bytes())
	if c.taken != nil {
		packets = c.taken(packets)
	}
	write := func(list []packetBytes) [][]byte { return [][]byte{rawPcap(list)} }
	if c.write == nil {
		c.write = write
	}
	paths = saved(t, c.write(packets))
	if c.packed {
		return paths, saved(t, write(packets))
	}
	return paths, paths
}

func differ(t *testing.T, whose string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("found\n  %s\n%s\n  %s", strings.Join(got, "\n  "), whose, strings.Join(want, "\n  "))
	}
}

func saved(t *testing.T, files [][]byte) (paths []string) {
	t.Helper()
	dir := t.TempDir()
	for i, data := range files {
		path := filepath.Join(dir, fmt.Sprintf("nasty%d", i))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

// spoken is a conversation in one line: its ends in order, and what each of them sent.
func spoken(transport string, ends, sent [2]string) string {
	if ends[1] < ends[0] {
		ends[0], ends[1], sent[0], sent[1] = ends[1], ends[0], sent[1], sent[0]
	}
	return fmt.Sprintf("%s %s %q %s %q", transport, ends[0], sent[0], ends[1], sent[1])
}

// missing is how tshark shows a hole.
func missing(n uint64) string { return fmt.Sprintf("[%d bytes missing in capture file].", n) }

// ours are the conversations that we find.
func ours(t *testing.T, paths []string) (list []string) {
	t.Helper()
	var files []*capture.File
	for _, path := range paths {
		f, err := capture.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	for _, c := range Assemble(files...).Conversations {
		ends := [2]string{c.Ends[Opener].String(), c.Ends[Responder].String()}
		list = append(list, spoken(c.Transport, numbered(ends), [2]string{sentBy(c, Opener), sentBy(c, Responder)}))
	}
	slices.Sort(list)
	return list
}

// sentBy are a side's bytes with the holes between them.
func sentBy(c *Conversation, side Side) string {
	var text strings.Builder
	end, hole := uint64(0), uint64(0)
	put := func(data []byte) {
		if hole > 0 && len(data) > 0 {
			text.WriteString(missing(hole))
			hole = 0
		}
		text.Write(data)
	}
	for _, m := range c.Messages(side.Other()) {
		hole += m.Offset - end
		at := uint64(0)
		for _, h := range m.Holes {
			put(m.Data[at:h.Offset])
			hole += h.Length
			at = h.Offset + h.Length
		}
		put(m.Data[at:])
		hole += uint64(m.Length - len(m.Data))
		end = m.end()
	}
	if hole += c.Streams[side].Sent - end; hole > 0 {
		text.WriteString(missing(hole))
	}
	return text.String()
}

// asTshark are the conversations that tshark finds, by case.
func asTshark(t *testing.T, paths []string, cases int) [][]string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "merged")
	if out, err := exec.Command("mergecap", append([]string{"-w", path}, paths...)...).CombinedOutput(); err != nil && !bytes.Contains(out, []byte("cut short")) {
		t.Fatalf("mergecap: %v: %s", err, out)
	}
	args := []string{"-r", path, "-q", "-z", "conv,tcp", "-z", "conv,udp"}
	for i := range cases + cases/4 { // some have two
		args = append(args, "-z", fmt.Sprintf("follow,tcp,raw,%d", i), "-z", fmt.Sprintf("follow,udp,raw,%d", i))
	}
	out, err := exec.Command("tshark", args...).Output()
	if len(out) == 0 {
		t.Fatalf("tshark, the oracle of this test (make setup installs it): %v", err)
	}
	rows, heard := strings.Count(string(out), "<->"), 0
	list := make([][]string, cases)
	for part := range strings.SplitSeq(string(out), "Follow: ") {
		transport, rest, _ := strings.Cut(part, ",")
		if said, port := followed(transport, rest); said != "" {
			heard++
			if i := (port - firstPort) / 2; port >= firstPort && i < cases {
				list[i] = append(list[i], said)
				slices.Sort(list[i])
			}
		}
	}
	if rows != heard {
		t.Fatalf("tshark lists %d conversations and follows %d", rows, heard)
	}
	return list
}

// followed reads one of tshark's followed streams: hexadecimal, the second node's lines indented. It also gives the greater
// port, the client's.
func followed(transport, part string) (said string, client int) {
	var ends, sent [2]string
	for line := range strings.Lines(part) {
		line = strings.TrimSuffix(line, "\n")
		if node, end, ok := strings.Cut(line, ": "); ok && strings.HasPrefix(node, "Node ") {
			colon := strings.LastIndexByte(end, ':')
			addr, err := netip.ParseAddr(strings.Trim(end[:colon], "[]"))
			if err != nil {
				return "", 0 // a stream that isn't there
			}
			port, _ := strconv.Atoi(end[colon+1:])
			client = max(client, port)
			ends[node[5]-'0'] = netip.AddrPortFrom(addr, uint16(port)).String()
			continue
		}
		data, second := strings.CutPrefix(line, "\t")
		if raw, err := hex.DecodeString(data); err == nil {
			side := 0
			if second {
				side = 1
			}
			sent[side] += string(raw)
		}
	}
	for side := range sent {
		sent[side] = strings.ReplaceAll(sent[side], "file]\x00", "file].") // it ends some of them so
	}
	if ends[0] == "" {
		return "", 0
	}
	return spoken(transport, numbered(ends), sent), client
}

// numbered replaces a case's own ports by those that all have.
func numbered(ends [2]string) [2]string {
	for i, end := range ends {
		if at := netip.MustParseAddrPort(end); at.Port() >= firstPort {
			ends[i] = netip.AddrPortFrom(at.Addr(), firstPort+at.Port()%2).String()
		}
	}
	return ends
}

// packetBytes is a packet as it was captured.
type packetBytes struct {
	data  []byte
	wire  int    // length before it was cut
	nanos uint64 // since 1970
	iface uint32
}

// packetsOf takes a script's pcap apart, which counts nanoseconds.
func packetsOf(file []byte) (list []packetBytes) {
	for b := file[24:]; len(b) > 0; {
		n := int(le.Uint32(b[8:]))
		list = append(list, packetBytes{bytes.Clone(b[16 : 16+n]), n, uint64(le.Uint32(b))*1e9 + uint64(le.Uint32(b[4:])), 0})
		b = b[16+n:]
	}
	return list
}
