package symbolize_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/inquest-project/inquest/internal/evidence/backtrace"
	"github.com/inquest-project/inquest/internal/evidence/debuginfod"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/image"
	"github.com/inquest-project/inquest/internal/reading/symbolize"
)

const testdata = "../../evidence/backtrace/testdata/"

// build compiles one of backtrace's test programs into a folder.
func build(t *testing.T, dir, name, source string, flags ...string) {
	t.Helper()
	compiler := "gcc"
	if filepath.Ext(source) == ".cc" {
		compiler = "g++"
	}
	arguments := append(flags, "-pthread", "-Wl,--build-id", "-o", filepath.Join(dir, name), testdata+source)
	if out, err := exec.Command(compiler, arguments...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func read(t *testing.T, text string) *backtrace.Trace {
	t.Helper()
	trace, err := backtrace.Read("pasted", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return &trace
}

// dump runs a program until it dies and has eu-stack print its core's stacks.
func dump(t *testing.T, dir, name string, options ...string) string {
	t.Helper()
	core := filepath.Join(dir, name+".core")
	gdb := exec.Command("gdb", "-nx", "-batch", "-ex", "set auto-solib-add off", "-ex", "run", "-ex", "generate-core-file "+core, filepath.Join(dir, name))
	gdb.Env = append(os.Environ(), "DEBUGINFOD_URLS=")
	if out, err := gdb.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command("eu-stack", append(options, "--core", core, "-e", filepath.Join(dir, name))...).Output()
	if len(out) == 0 {
		t.Fatal(err)
	}
	return string(out)
}

// What eu-stack prints of a program with all its names, it prints of the stripped one after we have named its
// frames from the debug information: the oracle is eu-stack itself.
func TestNamesAreThoseThatEuStackFindsItself(t *testing.T) {
	for _, c := range []struct{ name, source, level string }{
		{"inlined", "inlined.c", "-O2"}, {"plain", "inlined.c", "-O0"}, {"names", "names.cc", "-O0"},
	} {
		dir := t.TempDir()
		build(t, dir, c.name, c.source, "-g", c.level, "-fno-omit-frame-pointer")
		whole := dump(t, dir, c.name, "-b", "-m")
		want := read(t, whole)
		bare := regexp.MustCompile(`(?m)^(#\d+ +0x[0-9a-f]+) .*?( - \S+)$`).ReplaceAllString(whole, "$1$2")
		result := symbolize.Trace(read(t, bare), image.Finder{Roots: []string{dir}, Host: true}, nil)
		text, err := result.Text()
		if err != nil {
			t.Fatal(err)
		}
		got := read(t, string(text))
		for i, th := range want.Threads {
			for j, f := range th.Frames {
				name := got.Threads[i].Frames[j].Function
				if short(name) != short(f.Function) {
					t.Errorf("%s, thread %d, frame %d: expected %s, found %s", c.name, i, j, f.Function, name)
				}
			}
		}
		if named, all := result.Count(); named != all || all < 5 {
			t.Errorf("%s: %d of %d frames have names", c.name, named, all)
		}
	}
}

// short is a name without what demanglers write differently: parameters, arguments of templates, and which of
// a function's aliases it is.
func short(name string) string {
	name = name[strings.LastIndex(name, "::type ")+1:] // of what is returned
	name = strings.TrimPrefix(name, ":type ")
	name, _, _ = strings.Cut(name, "(")
	name, _, _ = strings.Cut(name, "<")
	name, _, _ = strings.Cut(name, "@")
	name = name[strings.LastIndexByte(name, ' ')+1:]
	name = strings.TrimPrefix(strings.TrimSuffix(name, "_impl"), "__libc_")
	return strings.TrimLeft(strings.TrimPrefix(name, "__GI_"), "_")
}

func TestInlinedFunctionsAndLines(t *testing.T) {
	dir := t.TempDir()
	build(t, dir, "inlined", "inlined.c", "-g", "-O2", "-fno-omit-frame-pointer")
	want := read(t, dump(t, dir, "inlined", "-i", "-s", "-b", "-m")).Threads[0].Frames
	trace := read(t, dump(t, dir, "inlined", "-b", "-m"))
	n := symbolize.Trace(trace, image.Finder{Roots: []string{dir}}, nil).Names[0][0]
	if len(n.Inlined) != 2 || n.Function != "crash" || !want[0].Inlined || !want[1].Inlined {
		t.Fatalf("found %+v", n)
	}
	for i, c := range append(n.Inlined, backtrace.Call{Function: n.Function, File: n.File, Line: n.Line}) {
		if c.Function != want[i].Function || filepath.Base(c.File) != filepath.Base(want[i].File) || c.Line != want[i].Line {
			t.Errorf("expected %s at %s:%d, found %+v", want[i].Function, want[i].File, want[i].Line, c)
		}
	}
}

// The handler's own frames, the trampoline, and what it interrupted: each is looked up in another way.
func TestLinesThatAHandlerPrints(t *testing.T) {
	dir := t.TempDir()
	for name, flag := range map[string]string{"pie": "-g", "fixed": "-no-pie", "exporting": "-rdynamic"} {
		build(t, dir, name, "handler.c", "-g", "-O1", flag)
		var out bytes.Buffer
		cmd := exec.Command(filepath.Join(dir, name))
		cmd.Stderr = &out
		if cmd.Run() == nil {
			t.Fatal("it did not die")
		}
		trace := read(t, out.String())
		names := symbolize.Trace(trace, image.Finder{Host: true}, nil).Names[0]
		for i, want := range []string{"on", "__restore_rt", "local_one", "exported", "main"} {
			if got := names[i].Function; got != want && trace.Threads[0].Frames[i].Function != want {
				t.Errorf("%s, frame %d: expected %s, found %s in\n%s", name, i, want, got, out.String())
			}
		}
		if names[2].Line != 7 || *names[2].Into != 0 {
			t.Errorf("%s: found %+v", name, names[2])
		}
	}
}

func TestABuildThatIsNotThereIsNamed(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef01234567"
	dir := t.TempDir()
	build(t, dir, "libx.so", "inlined.c", "-g")
	r := symbolize.Trace(read(t, id+" 0x1139 - /libx.so\n"), image.Finder{Roots: []string{dir}}, nil)
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0], id) || r.Names[0][0].Function != "" {
		t.Errorf("found %+v, %v", r.Names, r.Problems)
	}
}

// serve serves one file of a build, as a debuginfod server does.
func serve(t *testing.T, id place.BuildID, kind debuginfod.Kind, path string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/buildid/"+string(id)+"/"+string(kind) {
			http.NotFound(w, r)
			return
		}
		http.ServeFile(w, r, path)
	}))
	t.Cleanup(server.Close)
	t.Setenv("DEBUGINFOD_URLS", server.URL)
	t.Setenv("DEBUGINFOD_CACHE_PATH", t.TempDir())
}

// Debug information alone is enough, and so is a program with symbols; a stripped program that is here gets its
// debug information from there.
func TestNamesFromAServer(t *testing.T) {
	dir := t.TempDir()
	build(t, dir, "whole", "inlined.c", "-g", "-O2", "-fno-omit-frame-pointer")
	text := dump(t, dir, "whole", "-b", "-m", "-q")
	whole, debug, stripped := filepath.Join(dir, "whole"), filepath.Join(dir, "debug"), filepath.Join(t.TempDir(), "whole")
	for _, arguments := range [][]string{{"objcopy", "--only-keep-debug", whole, debug}, {"strip", "-o", stripped, whole}} {
		if out, err := exec.Command(arguments[0], arguments[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	id := read(t, text).Threads[0].Frames[0].BuildID
	for _, c := range []struct {
		kind  debuginfod.Kind
		path  string
		roots []string
	}{
		{debuginfod.Debug, debug, nil},
		{debuginfod.Executable, whole, nil},
		{debuginfod.Debug, debug, []string{filepath.Dir(stripped)}},
	} {
		serve(t, id, c.kind, c.path)
		client := debuginfod.FromEnvironment(t.Context())
		r := symbolize.Trace(read(t, text), image.Finder{Roots: c.roots}, client)
		if n := r.Names[0][1]; n.Function != "recurse" || n.Line != 11 {
			t.Errorf("%s of %s: found %+v, %v", c.kind, c.path, n, client.Notes())
		}
	}
}

func TestWhatRestsOnANameIsSaid(t *testing.T) {
	dir := t.TempDir()
	build(t, dir, "prog", "inlined.c", "-g")
	r := symbolize.Trace(read(t, "#0  0x0000000000001139 n/a (prog + 0x1139)\n#1  0x0000000000001139 n/a (prog + 0x1139)\n"), image.Finder{Roots: []string{dir}}, nil)
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "taken by its name") {
		t.Errorf("found %v", r.Problems)
	}
}

// An offset outside the code, as of another build or made up, gets no name.
func TestOffsetsOutsideTheCodeHaveNoName(t *testing.T) {
	dir := t.TempDir()
	build(t, dir, "prog", "inlined.c", "-g")
	for _, offset := range []string{"0x0", "0x4010", "0xffffffffffffffff", "0x7fffffffffffffff"} {
		r := symbolize.Trace(read(t, "/prog("+"+"+offset+") [0x7f0000001000]\n"), image.Finder{Roots: []string{dir}}, nil)
		if n := r.Names[0][0]; n.Function != "" || n.File != "" {
			t.Errorf("%s: found %+v", offset, n)
		}
	}
}

func TestAsJSON(t *testing.T) {
	dir := t.TempDir()
	build(t, dir, "inlined", "inlined.c", "-g", "-O2", "-fno-omit-frame-pointer")
	trace := read(t, dump(t, dir, "inlined", "-b", "-m", "-q"))
	text, err := json.Marshal(symbolize.Trace(trace, image.Finder{Roots: []string{dir}}, (*debuginfod.Client)(nil)))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Form    string
		PID     int
		Threads []struct {
			Crashed bool
			Frames  []struct {
				Function, File, Into string
				Line                 int
			}
		}
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	f := got.Threads[0].Frames[1]
	if len(got.Threads) != 2 || !got.Threads[0].Crashed || f.Function != "recurse" || f.Line != 11 || !strings.HasPrefix(f.Into, "0x") {
		t.Errorf("found %s", text)
	}
}
