package reading_test

import (
	"bytes"
	"debug/elf"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/inquest-project/inquest/internal/evidence"
	"github.com/inquest-project/inquest/internal/evidence/backtrace"
	"github.com/inquest-project/inquest/internal/ground/place"
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
	if used := maps.Collect(read.Binaries()); len(used) != 1 || used[place.BuildID(strings.TrimSpace(string(id)))] != program {
		t.Errorf("a case would get %v", used)
	}
}

// The kernel's line on a fault is a stack of one frame, if there is no other; another record may tell where the program lay.
func TestAFaultInTheLogIsAStackOfOneFrame(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "daemon")
	if out, err := exec.Command("gcc", "-O1", "-static", "-Wl,--build-id", "-o", program, "../evidence/backtrace/testdata/handler.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	file, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	symbols, err := file.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	at := symbols[slices.IndexFunc(symbols, func(s elf.Symbol) bool { return s.Name == "local_one" })].Value
	code := file.Progs[slices.IndexFunc(file.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 })]
	first := code.Vaddr &^ 0xfff
	line := fmt.Sprintf("[1.0] daemon[7]: segfault at 0 ip %x sp 7ffc00001000 error 6 in daemon[%x+%x]\n", at, first, (code.Vaddr+code.Memsz+0xfff)&^0xfff-first)
	audit := "type=ANOM_ABEND msg=audit(1391032884.818:7): auid=0 uid=0 gid=0 ses=1 pid=7 comm=\"daemon\" exe=\"" + program + "\" sig=11 res=1\n"
	trace := "#0  0x000000000040113a in f ()\n#1  0x000000000040113a in main ()\n"
	for name, c := range map[string]struct {
		log, trace string
		function   string
		fault      bool
	}{
		"told where":       {line + audit, "", "local_one", true},
		"not told where":   {line, "", "", true},
		"another's record": {line + strings.Replace(strings.Replace(audit, "pid=7", "pid=8", 1), `comm="daemon"`, `comm="other"`, 1), "", "", false},
		"beside a stack":   {line, "[New LWP 7]\nThread 1 (LWP 7):\n" + trace, "f", true},
		"another's stack":  {line, "Thread 1 (LWP 9):\n" + trace, "f", false},
	} {
		dir := t.TempDir()
		req := evidence.Request{Logs: []string{filepath.Join(dir, "log")}}
		files := map[string]string{"log": c.log}
		if c.trace != "" {
			files["trace"], req.Backtraces = c.trace, []string{filepath.Join(dir, "trace")}
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		set, err := evidence.Open(req)
		if err != nil {
			t.Fatal(err)
		}
		read := reading.Read(set, nil)
		function := ""
		if len(read.Traces) > 0 {
			function = read.Traces[0].Threads[0].Frames[0].Function
		}
		if function != c.function || (read.Fault != nil) != c.fault {
			t.Errorf("%s: found %q, fault %+v", name, function, read.Fault)
		}
		read.Close()
		set.Close()
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
