package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/inquest-project/inquest/lab/dying"
)

// What must hold against the peers, all asked for every thread with inlined functions and lines.
const (
	rounds        = 20
	fasterThanGDB = 5.0
	fasterThanEU  = 2.0
	ofGDBsMemory  = 0.5
	ofNoHoles     = 1.5      // what 10 GB of holes may cost
	wholeCore     = 40e6     // bytes, at least
	debugInfo     = 5e6      // bytes, at least
	hole          = 10 << 30 // bytes
)

// BenchmarkBacktraceBesidePeers has gdb, eu-stack and inquest print the stacks of one core by turns, and inquest
// those of the same program with 10 GB of holes.
func BenchmarkBacktraceBesidePeers(b *testing.B) {
	dir := b.TempDir()
	inquest, program := filepath.Join(dir, "inquest"), buildPeers(b, dir)
	dying.Run(b, ".", "go", "build", "-o", inquest, ".")
	core := dying.Program{Dir: b.TempDir(), Path: program}.Core(b)
	b.Setenv("HOLE", strconv.Itoa(hole))
	sparse := dying.Program{Dir: b.TempDir(), Path: program}.Core(b)
	requireSize(b, core, wholeCore)
	requireSize(b, sparse, hole)

	b.Setenv("DEBUGINFOD_URLS", "")
	gdb := &contestant{args: []string{"gdb", "-nx", "-batch", "-ex", "thread apply all bt", program, core}}
	eu := &contestant{args: []string{"eu-stack", "-i", "-s", "--core", core, "-e", program}}
	ours := &contestant{args: []string{inquest, "backtrace", core, program}}
	holes := &contestant{args: []string{inquest, "backtrace", sparse, program}}
	for b.Loop() {
		for range rounds {
			for _, c := range []*contestant{gdb, eu, ours, holes} {
				c.run(b)
			}
		}
	}
	took, memory := ours.median()
	byGDB, gdbsMemory := gdb.median()
	byEU, _ := eu.median()
	withHoles, _ := holes.median()
	atLeast(b, byGDB/took, fasterThanGDB, "x-faster-than-gdb")
	atLeast(b, byEU/took, fasterThanEU, "x-faster-than-eu-stack")
	atMost(b, memory/gdbsMemory, ofGDBsMemory, "of-gdb-memory")
	atMost(b, withHoles/took, ofNoHoles, "of-no-holes")
	b.ReportMetric(took*1000, "ms")
	b.ReportMetric(memory/1e6, "MB")
}

// buildPeers builds the program of testdata/peers.
func buildPeers(b *testing.B, dir string) string {
	b.Helper()
	program := filepath.Join(dir, "program")
	link := []string{"-g", "-O2", "-pthread", "-o", program, "testdata/peers/main.cc"}
	for i := range 8 {
		unit := fmt.Sprint("unit", i)
		object := filepath.Join(dir, unit+".o")
		dying.Run(b, ".", "g++", "-g", "-O2", "-DUNIT="+unit, "-c", "-o", object, "testdata/peers/unit.cc")
		link = append(link, object)
	}
	dying.Run(b, ".", "g++", link...)
	bare := filepath.Join(dir, "bare")
	dying.Run(b, ".", "strip", "-o", bare, program)
	if with, without := size(b, program), size(b, bare); with-without < debugInfo {
		b.Fatalf("%s has %d bytes of debug information, expected %.0f", program, with-without, debugInfo)
	}
	return program
}

func size(b *testing.B, path string) int64 {
	b.Helper()
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	return info.Size()
}

func requireSize(b *testing.B, core string, least int64) {
	b.Helper()
	if n := size(b, core); n < least {
		b.Fatalf("%s has %d bytes, expected %d or more", core, n, least)
	}
}

// contestant is a command, and what each of its runs took: seconds and bytes.
type contestant struct {
	args         []string
	took, memory []float64
}

func (c *contestant) run(b *testing.B) {
	b.Helper()
	cmd := exec.Command(c.args[0], c.args[1:]...)
	start := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("running %v: %v: %s", c.args, err, out)
	}
	c.took = append(c.took, time.Since(start).Seconds())
	c.memory = append(c.memory, float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)*1024)
}

func (c *contestant) median() (took, memory float64) {
	slices.Sort(c.took)
	slices.Sort(c.memory)
	return c.took[len(c.took)/2], c.memory[len(c.memory)/2]
}

func atLeast(b *testing.B, got, line float64, unit string) {
	b.Helper()
	b.ReportMetric(got, unit)
	if got < line {
		b.Errorf("%.2f %s, expected %.1f or more", got, unit, line)
	}
}

func atMost(b *testing.B, got, line float64, unit string) {
	b.Helper()
	b.ReportMetric(got, unit)
	if got > line {
		b.Errorf("%.2f %s, expected %.1f or less", got, unit, line)
	}
}
