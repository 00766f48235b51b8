package reading_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
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
