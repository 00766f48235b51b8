// Package dying makes real deaths for the tests of other packages: it builds the small programs in its
// testdata (C, C++, Rust, Go), lets them die and keeps their cores. All lists them, Build compiles one, Core kills it. Each
// program's head says in comments what must be concluded of it.
//
// The kernel writes the cores, to the working directory: the machine's core_pattern is borrowed for each
// death. Nothing here is part of the inquest program.
package dying

import (
	"cmp"
	"context"
	"embed"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/lab/machine"
)

//go:embed testdata
var sources embed.FS

// Source is a program and what its head says of it.
type Source struct {
	Name      string // without ".c"
	Flags     []string
	Mechanism string
	Culprit   string // function; empty if there must be none
	Role      string
	Message   string   // a part of it
	Says      []string // parts of what is said of the death
	Changed   string   // a part of what is said of code that differs from its file; empty if none does
	Compiler  string   // empty for the one of the language
	Text      []byte

	suffix string // of the file
}

// All is every program.
func All(t testing.TB) []Source {
	t.Helper()
	names, err := sources.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	var all []Source
	for _, entry := range names {
		if languages[path.Ext(entry.Name())].build != nil {
			all = append(all, read(t, entry.Name()))
		}
	}
	return all
}

// One is a program by its name.
func One(t testing.TB, name string) Source {
	t.Helper()
	for suffix := range languages {
		if _, err := sources.ReadFile("testdata/" + name + suffix); err == nil {
			return read(t, name+suffix)
		}
	}
	t.Fatalf("no program is called %s", name)
	return Source{}
}

func read(t testing.TB, file string) Source {
	t.Helper()
	text, err := sources.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	s := Source{Name: strings.TrimSuffix(file, path.Ext(file)), Text: text, suffix: path.Ext(file)}
	for line := range strings.Lines(string(text)) {
		key, value, ok := strings.Cut(strings.TrimPrefix(line, "// "), ": ")
		if !strings.HasPrefix(line, "// ") || !ok {
			break
		}
		value = strings.TrimSpace(value)
		switch key {
		case "flags":
			s.Flags = strings.Fields(value)
		case "mechanism":
			s.Mechanism = value
		case "culprit":
			s.Culprit = value
		case "role":
			s.Role = value
		case "message":
			s.Message = value
		case "says":
			s.Says = append(s.Says, value)
		case "changed":
			s.Changed = value
		case "compiler":
			s.Compiler = value
		}
	}
	return s
}

// Program is a built program.
type Program struct {
	Source
	Dir   string
	Path  string // stripped
	Named string // the same with its symbols

	emulated bool // it is aarch64's
}

// language is how programs of one are built: which compiler, and its arguments for an optimisation, flags of gcc's and
// the program's own.
type language struct {
	compiler string
	build    func(out, source string, flags, own []string) []string
}

var languages = map[string]language{
	".c":  {"gcc", buildC},
	".cc": {"g++", buildC},
	".rs": {"rustc", func(out, source string, flags, own []string) []string {
		level := strings.TrimPrefix(flags[0], "-O")
		return append([]string{"-A", "warnings", "-C", "opt-level=" + level, "-o", out, source}, own...)
	}},
	".go": {"go", func(out, source string, flags, own []string) []string {
		if flags[0] == "-O0" {
			own = append(own, "-gcflags=-N -l")
		}
		return append(append([]string{"build", "-o", out}, own...), source)
	}},
}

func buildC(out, source string, flags, own []string) []string {
	return slices.Concat([]string{"-g0", "-w", "-Wl,--build-id", "-o", out, source}, flags, own)
}

// Build compiles and strips a program; the flags are gcc's, an optimisation first. Go programs keep their names, as they
// do where they are deployed.
func (s Source) Build(t testing.TB, flags ...string) Program {
	t.Helper()
	dir := t.TempDir()
	p := Program{Source: s, Dir: dir, Path: filepath.Join(dir, s.Name), Named: filepath.Join(dir, s.Name+".named")}
	source := p.Path + s.suffix
	if err := os.WriteFile(source, s.Text, 0o600); err != nil {
		t.Fatal(err)
	}
	l := languages[s.suffix]
	Run(t, dir, cmp.Or(s.Compiler, l.compiler), l.build(p.Named, source, flags, s.Flags)...)
	if s.suffix == ".go" {
		Run(t, dir, "cp", p.Named, p.Path)
		return p
	}
	Run(t, dir, "strip", "-o", p.Path, p.Named)
	return p
}

// ARM64Root holds aarch64's C library, as Debian's cross compiler has it.
const ARM64Root = "/usr/aarch64-linux-gnu"

// BuildARM64 compiles and strips a C program for aarch64, with signed return addresses.
func (s Source) BuildARM64(t testing.TB, flags ...string) Program {
	t.Helper()
	dir := t.TempDir()
	p := Program{Source: s, Dir: dir, Path: filepath.Join(dir, s.Name), Named: filepath.Join(dir, s.Name+".named"), emulated: true}
	source := p.Path + s.suffix
	if err := os.WriteFile(source, s.Text, 0o600); err != nil {
		t.Fatal(err)
	}
	flags = append(flags, "-mbranch-protection=standard")
	Run(t, dir, "aarch64-linux-gnu-gcc", buildC(p.Named, source, flags, s.Flags)...)
	Run(t, dir, "aarch64-linux-gnu-strip", "-o", p.Path, p.Named)
	return p
}

// Run runs a tool and gives what it printed.
func Run(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("running %s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// Core lets the program die and gives the path of its core.
func (p Program) Core(t testing.TB) string {
	t.Helper()
	if p.emulated { // qemu writes the core itself, to the working directory
		return p.die(t, "qemu-aarch64 -L "+ARM64Root+" ", "qemu_*.core")
	}
	m, err := machine.Borrow("core")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.Return(); err != nil {
			t.Error(err)
		}
	}()
	return p.die(t, "", "core*") // "core" or "core.PID" (kernel.core_uses_pid)
}

// die runs the program, by another that runs it if need be, and finds its core by a pattern.
func (p Program) die(t testing.TB, by, pattern string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", "ulimit -c unlimited; exec "+by+p.Path)
	cmd.Dir = p.Dir
	cmd.Env = append(os.Environ(), "GOTRACEBACK=crash")
	if err := cmd.Run(); err == nil {
		t.Fatalf("%s did not die", p.Path)
	}
	cores, _ := filepath.Glob(filepath.Join(p.Dir, pattern))
	if len(cores) != 1 {
		t.Fatalf("%s left the cores %v, expected one", p.Path, cores)
	}
	return cores[0]
}

// CoreByGDB lets the program die under gdb, which writes the core.
func (p Program) CoreByGDB(t testing.TB) string {
	t.Helper()
	core := filepath.Join(p.Dir, "gdb.core")
	Run(t, p.Dir, "gdb", "-nx", "-batch", "-ex", "set debuginfod enabled off", "-ex", "set startup-with-shell off",
		"-ex", "run", "-ex", "generate-core-file "+core, p.Path)
	return core
}

// Span is a range of the file's addresses.
type Span struct{ Start, End uint64 }

// Spans are the file's addresses of a function, from its symbols: the function and the parts that the
// compiler split off.
func (p Program) Spans(t testing.TB, function string) (spans []Span) {
	t.Helper()
	for line := range strings.Lines(Run(t, p.Dir, "nm", "-C", "-S", "--defined-only", p.Named)) {
		f := strings.Fields(line)
		if len(f) >= 4 && (f[3] == function || strings.HasSuffix(f[3], "::"+function) || strings.Contains(f[3], "::"+function+"(") || f[3] == "main."+function || strings.HasPrefix(f[3], function+"(") || strings.HasPrefix(f[3], function+".")) {
			start, _ := strconv.ParseUint(f[0], 16, 64)
			size, _ := strconv.ParseUint(f[1], 16, 64)
			spans = append(spans, Span{start, start + size})
		}
	}
	if len(spans) == 0 {
		t.Fatalf("%s has no function %s", p.Named, function)
	}
	return spans
}

// Frame is a frame as gdb sees it.
type Frame struct {
	PC, SP place.Address
	Name   string
}

// gdbScript prints the innermost frames of each thread, PC, stack pointer and name. gdb takes a minute for
// the hundred thousand frames of a recursion.
const gdbScript = `
import gdb
for thread in sorted(gdb.selected_inferior().threads(), key=lambda t: t.num):
    thread.switch()
    frame, count = gdb.newest_frame(), 0
    while frame is not None and frame.is_valid() and count < MOST:
        count += 1
        if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
            print("FRAME", thread.ptid[1] or thread.ptid[0], hex(frame.pc()), hex(int(frame.read_register("rsp"))), frame.name() or "?")
        try:
            frame = frame.older()
        except gdb.error:
            break
`

// MostFrames is how many frames GDB gives of a thread.
const MostFrames = 300

// GDB is every thread's stack as gdb unwinds it, by thread, past main. Only frames
// that are on the stack count: none that gdb makes up from debug information, inlined or tail-called.
func (p Program) GDB(t testing.TB, core string) map[int][]Frame {
	t.Helper()
	script := filepath.Join(p.Dir, "frames.py")
	if err := os.WriteFile(script, []byte(strings.Replace(gdbScript, "MOST", strconv.Itoa(MostFrames), 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	out := Run(t, p.Dir, "gdb", "-nx", "-batch", "-iex", "set debug-file-directory "+p.Dir, "-ex", "set debuginfod enabled off", "-ex", "set backtrace past-main on",
		"-ex", "set backtrace past-entry on", p.Path, "-ex", "core-file "+core, "-x", script)
	threads := map[int][]Frame{}
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) < 5 || f[0] != "FRAME" {
			continue
		}
		tid, _ := strconv.Atoi(f[1])
		pc, _ := strconv.ParseUint(f[2], 0, 64)
		sp, _ := strconv.ParseUint(f[3], 0, 64)
		threads[tid] = append(threads[tid], Frame{PC: place.Address(pc), SP: place.Address(sp), Name: f[4]})
	}
	return threads
}
