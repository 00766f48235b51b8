package reading_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/inquest-project/inquest/internal/evidence"
	"github.com/inquest-project/inquest/internal/evidence/backtrace"
	"github.com/inquest-project/inquest/internal/reading"
)

// The stacks of a core are written as eu-stack's are that saw the same core.
func TestACoresStacksInABRTsForm(t *testing.T) {
	dir := t.TempDir()
	program, core := filepath.Join(dir, "inlined"), filepath.Join(dir, "core")
	run := func(name string, arguments ...string) []byte {
		cmd := exec.Command(name, arguments...)
		cmd.Env = append(os.Environ(), "DEBUGINFOD_URLS=")
		out, _ := cmd.Output() // eu-stack's exit code tells of stacks that end early
		return out
	}
	run("gcc", "-O2", "-pthread", "-fno-omit-frame-pointer", "-Wl,--build-id", "-o", program, "../evidence/backtrace/testdata/inlined.c")
	run("gdb", "-nx", "-batch", "-ex", "set auto-solib-add off", "-ex", "run", "-ex", "generate-core-file "+core, program)
	set, err := evidence.Open(evidence.Request{Cores: []string{core}})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	read := reading.Read(set, nil)
	defer read.Close()
	ours := read.Printed()
	theirs, err := backtrace.Read("eu-stack", bytes.NewReader(run("eu-stack", "-b", "-m", "--core", core, "-e", program)))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(places(t, theirs), places(t, ours)); d != "" || len(ours.Threads) != 2 || ours.Signal != 11 || ours.Executable != program {
		t.Errorf("signal %d of %s, (-eu-stack +ours)\n%s", ours.Signal, ours.Executable, d)
	}
}

// A trace that lies beside the binaries gets their names, and only theirs.
func TestATraceIsNamedFromTheBinariesBesideIt(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "daemon")
	if out, err := exec.Command("gcc", "-g", "-O1", "-Wl,--build-id", "-o", program, "../evidence/backtrace/testdata/handler.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command("nm", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	start := regexp.MustCompile(`(?m)^0*([0-9a-f]+) t local_one$`).FindSubmatch(out)
	id, err := exec.Command("sh", "-c", "eu-readelf -n "+program+" | sed -n 's/.*Build ID: //p'").Output()
	if err != nil || start == nil {
		t.Fatal(err, string(out))
	}
	trace := strings.TrimSpace(string(id)) + " 0x" + string(start[1]) + " - [exe]\n605701a8ae551604303523b4f0d3a7e98cf9e153 0x87201 -\n"
	if err := os.WriteFile(filepath.Join(dir, "core_backtrace"), []byte(trace), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := evidence.Open(evidence.Request{Paths: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	read := reading.Read(set, nil)
	defer read.Close()
	frames := read.Traces[0].Threads[0].Frames
	if frames[0].Function != "local_one" || frames[0].Line != 7 || frames[1].Function != "" {
		t.Errorf("found %+v", frames)
	}
}

// places are the build IDs and offsets that abrt's text has of the thread that died, and the names of the
// program's own functions: libc's have many.
func places(t *testing.T, trace backtrace.Trace) string {
	t.Helper()
	var text bytes.Buffer
	if err := trace.WriteABRT(&text); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for line := range strings.Lines(text.String()) {
		columns := strings.Fields(line)
		all.WriteString(columns[0] + " " + columns[1])
		if filepath.Base(columns[3]) == "inlined" {
			all.WriteString(" " + columns[2])
		}
		all.WriteString("\n")
	}
	return all.String()
}
