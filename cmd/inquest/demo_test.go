package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/inquest-project/inquest/internal/evidence"
	"github.com/inquest-project/inquest/internal/ground/finding"
)

// unpackDemo lays the demo's case out, without the files named.
func unpackDemo(t testing.TB, without ...string) evidence.Request {
	t.Helper()
	dir := t.TempDir()
	files, err := fs.Sub(demoFiles, "demo")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, files); err != nil {
		t.Fatal(err)
	}
	for _, name := range without {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return evidence.Request{Paths: []string{filepath.Join(dir, "evidence")}, Sysroots: []string{filepath.Join(dir, "sysroot")}}
}

func analyzeJSON(t *testing.T, req evidence.Request) finding.Findings {
	t.Helper()
	var out bytes.Buffer
	if err := runAnalyze(&out, analyzeOptions{evidence: req, json: true}); err != nil && !errors.Is(err, errNoDeath) {
		t.Fatal(err)
	}
	var f finding.Findings
	if err := json.Unmarshal(out.Bytes(), &f); err != nil {
		t.Fatalf("%v\n%s", err, out.Bytes())
	}
	return f
}

const demoKiller = "127.0.7.212:33349" // truth.json of the kept run

func TestDemoNamesTheLibraryAndTheClientHello(t *testing.T) {
	f := analyzeJSON(t, unpackDemo(t))
	if f.Culprit == nil || f.Culprit.Module != "librealm.so" || f.Culprit.Role != finding.Decided {
		t.Errorf("culprit %+v", f.Culprit)
	}
	if len(f.Suspects) == 0 || f.Suspects[0].Client != demoKiller || f.Suspects[0].Protocol != "TLS" {
		t.Fatalf("suspects %+v", f.Suspects)
	}
}

func TestDemoWithoutItsCaptureAccusesNothingFromTheWire(t *testing.T) {
	f := analyzeJSON(t, unpackDemo(t, "evidence/capture.pcap"))
	if f.Culprit == nil || f.Culprit.Module != "librealm.so" {
		t.Errorf("culprit %+v", f.Culprit)
	}
	for _, s := range f.Suspects {
		if s.Source != finding.FromMemory || len(s.Frames) > 0 {
			t.Errorf("a suspect from the wire: %+v", s)
		}
	}
}

func TestDemoWithoutItsCoreNamesNoCulpritAndIsLessSure(t *testing.T) {
	whole := analyzeJSON(t, unpackDemo(t))
	f := analyzeJSON(t, unpackDemo(t, "evidence/core.zst"))
	if f.Culprit != nil {
		t.Errorf("culprit %+v without a core", f.Culprit)
	}
	if f.Death == nil || f.Death.Signal != "SIGABRT" {
		t.Errorf("death %+v; the audit record tells of it", f.Death)
	}
	if len(f.Suspects) > 0 && f.Suspects[0].Probability >= whole.Suspects[0].Probability {
		t.Errorf("%.3f sure without the core, %.3f with it", f.Suspects[0].Probability, whole.Suspects[0].Probability)
	}
	for _, s := range f.Suspects {
		for _, o := range s.Evidence {
			if o.Kind == "memory" || o.Kind == "reachable" || o.Kind == "junk" {
				t.Errorf("evidence from memory without a core: %+v", o)
			}
		}
	}
}

func TestACaseReadsBackToTheSameVerdict(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "case")
	var out bytes.Buffer
	if err := runAnalyze(&out, analyzeOptions{evidence: unpackDemo(t), json: true, caseDir: dir}); err != nil {
		t.Fatal(err)
	}
	var first finding.Findings
	if err := json.Unmarshal(out.Bytes(), &first); err != nil {
		t.Fatal(err)
	}
	again := analyzeJSON(t, evidence.Request{Paths: []string{dir}})
	if again.Verdict != first.Verdict {
		t.Errorf("the case says %q, the evidence %q", again.Verdict, first.Verdict)
	}
}
