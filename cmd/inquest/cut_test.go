package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/inquest-project/inquest/internal/evidence"
	"github.com/inquest-project/inquest/internal/evidence/elftest"
	"github.com/inquest-project/inquest/internal/ground/finding"
)

// frameKey tells frames apart by where they are: a cut core may lack the names.
func frameKey(f finding.Frame) string { return fmt.Sprint(*f.PC) }

// diedThread is the thread that died of it.
func diedThread(f finding.Findings) finding.Thread {
	for _, t := range f.Threads {
		if t.Died {
			return t
		}
	}
	return finding.Thread{}
}

// certain is whether the culprit stands in a frame that is no guess.
func certain(f finding.Findings) bool {
	frames := diedThread(f).Frames
	return f.Culprit.Frame == nil || *f.Culprit.Frame >= len(frames) || !frames[*f.Culprit.Frame].Trust.Guessed()
}

// notesEnd is where the first note segment of a core ends; nothing of the package's readers is used.
func notesEnd(core []byte) int {
	le := func(b []byte) (v uint64) {
		for i := 7; i >= 0; i-- {
			v = v<<8 | uint64(b[i])
		}
		return v
	}
	for at := int(le(core[32:])); ; at += 56 {
		if core[at] == 4 { // PT_NOTE
			return int(le(core[at+8:]) + le(core[at+32:]))
		}
	}
}

func TestACoreCutAnywhereTellsLessAndNothingElse(t *testing.T) {
	req := unpackDemo(t)
	folder := req.Paths[0]
	packed, err := os.ReadFile(filepath.Join(folder, "core.zst"))
	if err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	core, err := z.DecodeAll(packed, nil)
	if err != nil {
		t.Fatal(err)
	}
	whole := analyzeJSON(t, req)
	known := map[string]bool{}
	for _, f := range diedThread(whole).Frames {
		known[frameKey(f)] = true
	}
	notes := notesEnd(core)
	without := unpackDemo(t, "evidence/core.zst", "evidence/capture.pcap", "evidence/audit.log")
	const cuts = 50
	for i := 1; i <= cuts; i++ {
		size := len(core) * i / (cuts + 1)
		if i <= 10 { // most of what can be lost stands at the beginning
			size = notes * i / 8
		}
		cut := filepath.Join(t.TempDir(), "core")
		if err := os.WriteFile(cut, core[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		cutReq := evidence.Request{Cores: []string{cut}, Sysroots: without.Sysroots}
		if i%10 == 0 { // with all the rest, which takes longer
			cutReq.Captures, cutReq.Logs = []string{folder + "/capture.pcap"}, []string{folder + "/audit.log"}
		}
		f := analyzeJSON(t, cutReq)
		where := fmt.Sprintf("cut to %d of %d bytes", size, len(core))
		if size >= notes && (f.Death == nil || f.Death.Signal != "SIGABRT" || len(diedThread(f).Frames) == 0) {
			t.Errorf("%s: the notes are there, but the death is %+v", where, f.Death)
		}
		for n, frame := range diedThread(f).Frames {
			if !frame.Trust.Guessed() && !known[frameKey(frame)] {
				t.Errorf("%s: frame %d at %s by %s is not in the whole core's stack", where, n, frameKey(frame), frame.Trust)
			}
		}
		if f.Culprit != nil && f.Culprit.Module != whole.Culprit.Module && certain(f) {
			t.Errorf("%s: accuses %s, the whole core %s", where, f.Culprit.Module, whole.Culprit.Module)
		}
		if len(f.Problems) == 0 {
			t.Errorf("%s: nothing is said of it", where)
		}
	}
}

// A process that reserves much and touches little leaves a core that is large by its size only.
func TestACoreOfHolesIsSearchedWhereItWasWritten(t *testing.T) {
	const size, at = 256 << 30, 0x100000000
	_, _, pcap, log := remains()
	core := elftest.Process{
		Threads: []elftest.Thread{{TID: 4711, Signal: 6, PC: 0x400000, SP: at}},
		Memory:  []elftest.Segment{{Flags: elftest.RX, Vaddr: 0x400000, Size: 4096}, {Flags: elftest.RW, Vaddr: at}},
	}.Core()
	header := core[64+2*56:] // the third program header: sizes in the file and in memory
	binary.LittleEndian.PutUint64(header[32:], size)
	binary.LittleEndian.PutUint64(header[40:], size)
	req := writeRemains(t, core, nil, pcap, log)
	f, err := os.OpenFile(filepath.Join(req.Paths[0], "core"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const request = "GET /cgi-bin/status?verbose=yes HTTP/1.1\r\nHost: example.net\r\n\r\n"
	if _, err := f.WriteAt([]byte(request), int64(len(core))+size/2); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(int64(len(core)) + size); err != nil {
		t.Skip("this file system has no room for a file of 256 GiB:", err)
	}
	begin := time.Now()
	found := analyzeJSON(t, req)
	if len(found.Suspects) != 1 || found.Suspects[0].Address == nil || *found.Suspects[0].Address != at+size/2 {
		t.Errorf("suspects %+v", found.Suspects)
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}
