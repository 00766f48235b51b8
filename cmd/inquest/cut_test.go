package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/inquest-project/inquest/internal/evidence"
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
