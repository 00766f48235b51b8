package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/evidence"
	"github.com/inquest-project/inquest/internal/evidence/elftest"
	"github.com/inquest-project/inquest/internal/ground/finding"
)

// remains are small but whole remains of a death: a daemon that was sent a request, stored it, and called
// abort while it held a pointer to it.
func remains() (core, library, pcap, log []byte) {
	const request = "GET /cgi-bin/status?verbose=yes HTTP/1.1\r\nHost: example.net\r\n\r\n"
	const at, stack = 0x7f0000000000, 0x7ffd00000000
	text := bytes.Repeat([]byte{0xe8, 0, 0, 0, 0}, 20)
	library = elftest.Library("0123456789abcdefghij", text, []byte{0x0e, 16})
	core = elftest.Process{
		Threads:  []elftest.Thread{{TID: 4711, Signal: 6, PC: at + elftest.Text + 5, SP: stack, Argument1: at + elftest.Data}},
		Mappings: elftest.Mappings("/lib/library.so", at),
		Memory: append(elftest.Pages(library, at, []byte(request)),
			elftest.Segment{Flags: elftest.RW, Vaddr: stack, Data: elftest.Words(0, at+elftest.Text+10, 1, at+elftest.Text+15, 0, 0)}),
	}.Core()
	pcap = []byte("\xd4\xc3\xb2\xa1\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00\x65\x00\x00\x00") // raw IP
	microseconds := byte(0)
	frame := func(fromClient bool, seq, ack uint32, flags byte, payload string) {
		ip := []byte{0x45, 0, 0, byte(40 + len(payload)), 0, 0, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0x9c, 0x40, 0, 80}
		if !fromClient {
			copy(ip[12:], []byte{192, 0, 2, 2, 192, 0, 2, 1, 0, 80, 0x9c, 0x40})
		}
		for _, v := range []uint32{seq, ack} {
			ip = append(ip, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
		}
		ip = append(append(ip, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0), payload...)
		n := byte(len(ip))
		microseconds++
		pcap = append(append(pcap, 0xf4, 0x79, 0xe9, 0x52, microseconds, 0, 0, 0, n, 0, 0, 0, n, 0, 0, 0), ip...)
	}
	frame(true, 0, 0, 2, "")
	frame(false, 0, 1, 18, "")
	frame(true, 1, 1, 16, "")
	frame(true, 1, 1, 24, request)
	frame(false, 1, 1, 4, "")
	log = []byte(`type=ANOM_ABEND msg=audit(1391032820.818:1): auid=0 pid=4711 comm="daemon" exe="/sbin/daemon" sig=6` + "\n")
	return core, library, pcap, log
}

func TestTheMadeRemainsAreEnoughForAVerdict(t *testing.T) {
	core, library, pcap, log := remains()
	f := analyzeJSON(t, writeRemains(t, core, library, pcap, log))
	if f.Culprit == nil || f.Culprit.Module != "library.so" || len(f.Suspects) != 1 || f.Suspects[0].Protocol != "HTTP" || f.Suspects[0].Source != finding.FromWire {
		t.Errorf("culprit %+v, suspects %+v", f.Culprit, f.Suspects)
	}
}

func writeRemains(t testing.TB, core, library, pcap, log []byte) evidence.Request {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string][]byte{"core": core, "library.so": library, "pcap": pcap, "log": log} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return evidence.Request{Paths: []string{dir}}
}

// FuzzAnalyze lets the whole of analyze loose on remains that anybody may have written.
func FuzzAnalyze(f *testing.F) {
	core, library, pcap, log := remains()
	f.Add(core, library, pcap, log)
	f.Add(core, []byte{}, pcap, []byte{})
	f.Add(core[:len(core)/2], library, pcap, log)
	f.Add([]byte{}, []byte{}, pcap, log)
	for _, hostile := range elftest.Hostile() {
		f.Add(hostile, library, pcap, log)
		f.Add(core, hostile, hostile, log)
	}
	// Functions of no sane size, by their symbols.
	const text = elftest.Text
	for _, size := range []uint64{0, 1, 1 << 62, 1<<63 - text, 1 << 63, 1<<64 - 1 - text} {
		symbols := append(elftest.Symbol(0, text, size), elftest.Symbol(2, text+5, size)...)
		f.Add(core, elftest.WithSymbols(library, symbols, []byte("f\x00abort\x00")), pcap, log)
	}
	for _, name := range []string{"audit.log", "core_backtrace", "gdb-where.txt", "packets.txt"} {
		piece, err := os.ReadFile(filepath.Join("testdata/story", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte{}, []byte{}, piece, log)
	}
	f.Fuzz(func(t *testing.T, core, library, pcap, log []byte) {
		req := writeRemains(t, core, library, pcap, log)
		begin := time.Now()
		var asJSON, text bytes.Buffer
		err := runAnalyze(&asJSON, analyzeOptions{evidence: req, json: true})
		again := runAnalyze(&text, analyzeOptions{evidence: req, verbose: true})
		if (err == nil) != (again == nil) || err != nil && !errors.Is(err, errNoDeath) && !errors.Is(err, evidence.ErrNothing) {
			t.Fatalf("as JSON %v, as text %v", err, again)
		}
		if took := time.Since(begin); took > 20*time.Second {
			t.Errorf("took %v", took)
		}
		if errors.Is(err, evidence.ErrNothing) {
			return
		}
		var found finding.Findings
		if err := json.Unmarshal(asJSON.Bytes(), &found); err != nil {
			t.Fatalf("%v\n%s", err, asJSON.Bytes())
		}
		if (found.Death != nil) != (err == nil) || found.Verdict == "" {
			t.Errorf("death %+v, verdict %q, %v", found.Death, found.Verdict, err)
		}
		if found.None != nil {
			sum := found.None.Probability
			for _, s := range found.Suspects {
				sum += s.Probability
			}
			if !(sum >= 0 && sum <= 1.000001) {
				t.Errorf("the probabilities make %f", sum)
			}
		}
		if i := strings.IndexFunc(text.String(), func(r rune) bool { return r < ' ' && r != '\n' }); i >= 0 {
			t.Errorf("a control character %q reaches the terminal", text.String()[max(0, i-20):i+1])
		}
	})
}
