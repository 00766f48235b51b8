package main

import (
	"io"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkAnalyzeTheDemo is the whole way from files to verdict. Beside it, in the same run, what two peers
// take for a part of it each: gdb for one backtrace of the core, tshark for the list of its conversations.
func BenchmarkAnalyzeTheDemo(b *testing.B) {
	req := unpackDemo(b)
	dir := filepath.Dir(req.Sysroots[0])
	core := filepath.Join(dir, "core")
	if out, err := exec.Command("zstd", "-q", "-d", filepath.Join(dir, "evidence", "core.zst"), "-o", core).CombinedOutput(); err != nil {
		b.Fatalf("unpacking the core: %v: %s", err, out)
	}
	var took time.Duration
	for b.Loop() {
		start := time.Now()
		if err := runAnalyze(io.Discard, analyzeOptions{evidence: req}); err != nil {
			b.Fatal(err)
		}
		took += time.Since(start)
	}
	ours := took / time.Duration(b.N)
	gdb := peer(b, "gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-iex", "set sysroot "+req.Sysroots[0],
		"-ex", "bt", filepath.Join(req.Sysroots[0], "opt/tlsfront/sbin/tlsfront"), core)
	tshark := peer(b, "tshark", "-q", "-r", filepath.Join(dir, "evidence", "capture.pcap"), "-z", "conv,tcp")
	b.ReportMetric(float64(ours)/float64(gdb), "of-gdb-bt")
	b.ReportMetric(float64(ours)/float64(tshark), "of-tshark-conv")
}

// peer is the median time of three runs of a command.
func peer(b *testing.B, name string, args ...string) time.Duration {
	b.Helper()
	var times []time.Duration
	for range 3 {
		start := time.Now()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			b.Fatalf("%s: %v: %s", name, err, out)
		}
		times = append(times, time.Since(start))
	}
	return max(min(times[0], times[1]), min(max(times[0], times[1]), times[2]))
}
