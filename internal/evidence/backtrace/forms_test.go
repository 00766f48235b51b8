package backtrace

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/inquest-project/inquest/internal/ground/place"
)

// died is the thread that died.
func died(t *testing.T, trace Trace) Thread {
	t.Helper()
	i := slices.IndexFunc(trace.Threads, func(th Thread) bool { return th.Crashed })
	if i < 0 {
		t.Fatalf("%s: no thread died", trace.Name)
	}
	return trace.Threads[i]
}

// names are a stack's functions, an inlined one in brackets.
func names(th Thread) string {
	var all []string
	for _, f := range th.Frames {
		name := f.Function
		if name == "" {
			name = "-"
		}
		if f.Inlined {
			name = "[" + name + "]"
		}
		all = append(all, name)
	}
	return strings.Join(all, " ")
}

const inlinedCalls = "crash recurse recurse recurse __libc_start_call_main "

func TestRealTracesOfEveryForm(t *testing.T) {
	for _, c := range []struct {
		file        string
		form        Form
		threads     int
		pid, signal int
		executable  string
		stack       string
	}{
		{"gdb-inlined.txt", GDB, 2, 0, 11, "../inl", "[deref] [middle] " + inlinedCalls + "__libc_start_main_impl _start"},
		{"gdb-stripped.txt", GDB, 2, 0, 11, "../inl_stripped", "- - - - __libc_start_call_main __libc_start_main_impl -"},
		{"gdb-handler.txt", GDB, 1, 0, 0, "", "on <signal handler called> local_one exported main"},
		{"gdb-outermost.txt", GDB, 1, 0, 11, "../inl", "__libc_start_call_main __libc_start_main_impl _start"},
		{"eu-plain.txt", EUStack, 2, 19018, 0, "", inlinedCalls + "__libc_start_main _start"},
		{"eu-all.txt", EUStack, 2, 19018, 0, "", "[deref] [middle] " + inlinedCalls + "__libc_start_main_impl _start"},
		{"eu-stripped.txt", EUStack, 2, 19332, 0, "", "- - - - __libc_start_call_main __libc_start_main_impl -"},
		{"eu-one.txt", EUStack, 1, 0, 0, "", "clock_nanosleep __nanosleep - - - __libc_start_call_main __libc_start_main -"},
		{"systemd-message.txt", Systemd, 2, 19462, 0, "inl", "deref recurse recurse recurse __libc_start_call_main __libc_start_main_impl _start"},
		{"systemd-journal.txt", Systemd, 2, 19462, 0, "inl", "deref recurse recurse recurse __libc_start_call_main __libc_start_main_impl _start"},
		{"coredumpctl-info.txt", Systemd, 2, 19462, 11, "/tmp/tr/inl", "deref recurse recurse recurse __libc_start_call_main __libc_start_main_impl _start"},
		{"handler.txt", Handler, 1, 0, 11, "", "- - - - - - __libc_start_main -"},
		{"handler-rdynamic.txt", Handler, 1, 0, 11, "", "- - - exported main - __libc_start_main _start"},
		{"handler-nopie.txt", Handler, 1, 0, 11, "", "- - - - - - __libc_start_main -"},
		{"apport.crash", Apport, 2, 19332, 11, "/tmp/tr/inl_stripped", "- - - - __libc_start_call_main __libc_start_main_impl -"},
	} {
		text, err := os.ReadFile("testdata/" + c.file)
		if err != nil {
			t.Fatal(err)
		}
		if !Sniff(text) {
			t.Errorf("%s: not known for a trace", c.file)
		}
		trace := readFile(t, c.file)
		if trace.Form != c.form || len(trace.Threads) != c.threads || trace.PID != c.pid || trace.Signal != c.signal || trace.Executable != c.executable {
			t.Errorf("%s: %s, %d threads, PID %d, signal %d, of %q", c.file, trace.Form, len(trace.Threads), trace.PID, trace.Signal, trace.Executable)
		}
		if d := cmp.Diff(c.stack, names(died(t, trace))); d != "" {
			t.Errorf("%s: (-want +got)\n%s", c.file, d)
		}
	}
}

func TestNamesWithParenthesesAndSpacesAreWhole(t *testing.T) {
	gdb, eu := died(t, readFile(t, "gdb-full.txt")), died(t, readFile(t, "eu-cpp.txt"))
	const boxed = "std::function<int (std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >)>::operator()(std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >) const"
	f := gdb.Frames[9]
	if len(gdb.Frames) != 12 || f.Function != boxed || f.Arguments != `this=0x7fffc1b73960, __args#0=""` || f.File != "/usr/include/c++/12/bits/std_function.h" || f.Line != 591 {
		t.Errorf("gdb: %d frames, %+v", len(gdb.Frames), f)
	}
	if f := gdb.Frames[10]; !strings.HasSuffix(f.Function, "::operator<") || f.Arguments != "this=0x7fffc1b739e0, n=3" {
		t.Errorf("gdb: %+v", f)
	}
	if f := eu.Frames[8]; f.Function != boxed || f.Module != "cpp" || f.Line != 591 {
		t.Errorf("eu-stack: %+v", f)
	}
}

func TestOffsetsAreOfThePCAndNotOfTheCall(t *testing.T) {
	for _, c := range []struct {
		file   string
		at     int
		pc     place.Address
		offset place.Offset
		id     place.BuildID
		module string
	}{
		{"eu-all.txt", 3, 0x55dbd65101f4, 0x11f4, "410c66f774f26572d8162f85dd70354ccde9d981", "inl"},
		{"systemd-message.txt", 1, 0x5555555551f4, 0x11f4, "", "inl"},
		{"apport.crash", 1, 0x561085bc91e4, 0x11e4, "", "/tmp/tr/inl_stripped"},
		{"apport.crash", 4, 0x7fa8f2df724a, 0x2724a, "", "/usr/lib/x86_64-linux-gnu/libc.so.6"},
	} {
		f := died(t, readFile(t, c.file)).Frames[c.at]
		if f.PC == nil || *f.PC != c.pc || f.Offset == nil || *f.Offset != c.offset || f.BuildID != c.id || f.Module != c.module {
			t.Errorf("%s, frame %d: %+v", c.file, c.at, f)
		}
	}
}

func TestLinesOfSystemdsOtherVersions(t *testing.T) {
	const frame = "\nStack trace of thread 7:\n#0  0x00007f0000001234 n/a (libx.so.1 + 0x1234)\n#1  0x00007f0000005678 n/a (n/a)\n"
	for _, module := range []string{
		"Module libx.so.1 with build-id 0123456789abcdef0123456789abcdef01234567",
		"Found module /usr/lib/libx.so.1 with build-id: 0123456789abcdef0123456789abcdef01234567",
		"Module libx.so.1 from rpm x-1.2-3.fc40.x86_64, build-id=0123456789abcdef0123456789abcdef01234567",
	} {
		trace := readText(t, "Process 7 (x) of user 0 dumped core.\n\n"+module+frame)
		f := died(t, trace).Frames
		if len(f) != 2 || f[0].BuildID != "0123456789abcdef0123456789abcdef01234567" || f[0].Function != "" || f[1].Module != "" || f[1].Offset != nil {
			t.Errorf("%s: %+v", module, f)
		}
	}
}

func TestOfSeveralDeathsInAJournalTheLastIsRead(t *testing.T) {
	text, err := os.ReadFile("testdata/systemd-message.txt")
	if err != nil {
		t.Fatal(err)
	}
	trace := readText(t, string(text)+strings.ReplaceAll(string(text), "19462", "4711"))
	if trace.PID != 4711 || len(trace.Threads) != 2 || len(trace.Damage) != 1 {
		t.Errorf("PID %d, %d threads, %v", trace.PID, len(trace.Threads), trace.Damage)
	}
}

// Handlers print behind anything, and programs write what they are at into their name.
func TestLinesOfHandlersAmongOtherText(t *testing.T) {
	pc := place.Address(0x55d9c0ffee10)
	offset := place.Offset(0x4bc2b)
	for line, want := range map[string]Frame{
		"/usr/lib/x.so(+0x4bc2b) [0x55d9c0ffee10]":                                          {PC: &pc, Offset: &offset, Module: "/usr/lib/x.so"},
		"redis-server *:6379(sigsegvHandler+0x4bc2b)[0x55d9c0ffee10]":                       {PC: &pc, Into: &offset, Module: "redis-server *:6379", Function: "sigsegvHandler"},
		"\tpostgres: user db [local] SELECT(ExceptionalCondition+0x4bc2b) [0x55d9c0ffee10]": {PC: &pc, Into: &offset, Module: "user db [local] SELECT", Function: "ExceptionalCondition"},
		"Nov 25 01:02:03 host httpd[12]: /usr/sbin/httpd(+0x4bc2b) [0x55d9c0ffee10]":        {PC: &pc, Offset: &offset, Module: "/usr/sbin/httpd"},
		"  0: ./prog(_ZN1a1bEv+0x4bc2b) [0x55d9c0ffee10]":                                   {PC: &pc, Into: &offset, Module: "./prog", Function: "_ZN1a1bEv"},
	} {
		if !Sniff([]byte(line)) {
			t.Errorf("%s: not known for a trace", line)
		}
		got := died(t, readText(t, "caught signal 11\n"+line+"\nbye\n")).Frames
		if d := cmp.Diff([]Frame{want}, got, cmpopts.IgnoreUnexported(Frame{})); d != "" {
			t.Errorf("%s: (-want +got)\n%s", line, d)
		}
	}
}

func TestWhatAPCIs(t *testing.T) {
	for _, c := range []struct{ file, exact string }{
		{"gdb-inlined.txt", "0 1 2"}, {"gdb-handler.txt", "0 2"}, {"eu-all.txt", "0 1 2"}, {"handler.txt", ""},
	} {
		trace := readFile(t, c.file)
		frames := died(t, trace).Frames
		var exact []string
		for i := range frames {
			if trace.Exact(frames, i) {
				exact = append(exact, fmt.Sprint(i))
			}
		}
		if got := strings.Join(exact, " "); got != c.exact {
			t.Errorf("%s: expected the frames %s to be at an instruction to run, found %s", c.file, c.exact, got)
		}
	}
}

func TestAPackedCoreInAReportIsNamed(t *testing.T) {
	if damage := readFile(t, "apport.crash").Damage; len(damage) != 1 || !strings.Contains(damage[0].Problem, "apport-unpack apport.crash") {
		t.Errorf("got %v", damage)
	}
}

func TestAStackThatBeginsFurtherOutSaysSo(t *testing.T) {
	if damage := readFile(t, "gdb-outermost.txt").Damage; len(damage) != 1 || !strings.Contains(damage[0].Problem, "#6") {
		t.Errorf("got %v", damage)
	}
}

const satyr = `{   "signal": 6
,   "executable": "/usr/sbin/haproxy"
,   "stacktrace":
      [ {   }
      , {   "crash_thread": true
        ,   "frames":
              [ {   "address": 140160137603301
                ,   "build_id": "1d6d7b3a0cf1571310fab6e29508eddee11469a5"
                ,   "build_id_offset": 207013
                ,   "function_name": "raise"
                ,   "file_name": "/lib64/libc.so.6"
                }
              , {   "address": 4635498
                ,   "build_id": "a59613382d68d83cd342ccb0c400066b88e439c4"
                ,   "build_id_offset": 439146
                ,   "fingerprint": "cafe", "fingerprint_hashed": true
                } ]
        } ]
}
`

func TestABRTsJSON(t *testing.T) {
	pc, offset := place.Address(140160137603301), place.Offset(207013)
	pc2, offset2 := place.Address(4635498), place.Offset(439146)
	want := []Thread{{}, {Crashed: true, Frames: []Frame{
		{PC: &pc, BuildID: "1d6d7b3a0cf1571310fab6e29508eddee11469a5", Offset: &offset, Function: "raise", Module: "/lib64/libc.so.6"},
		{PC: &pc2, BuildID: "a59613382d68d83cd342ccb0c400066b88e439c4", Offset: &offset2},
	}}}
	for _, text := range []string{satyr, `{"ureport_version": 2, "problem": ` + satyr + `}`} {
		trace := readText(t, text)
		if trace.Form != ABRTJSON || trace.Signal != 6 || trace.Executable != "/usr/sbin/haproxy" {
			t.Errorf("got %+v", trace)
		}
		if d := cmp.Diff(want, trace.Threads, cmpopts.IgnoreUnexported(Frame{})); d != "" {
			t.Error(d)
		}
	}
}

func TestBrokenJSONIsNamed(t *testing.T) {
	if _, err := Read("core_backtrace", strings.NewReader(satyr[:len(satyr)-20])); err == nil || !strings.Contains(err.Error(), "core_backtrace: offset 0x") {
		t.Errorf("got %v", err)
	}
	trace := readText(t, strings.Replace(satyr, "207013", `"0x328a5"`, 1))
	if len(trace.Damage) != 1 || !strings.Contains(trace.Damage[0].Problem, "build_id_offset") || died(t, trace).Frames[0].Function != "raise" {
		t.Errorf("got %+v", trace)
	}
}

func TestAStackThatABRTCutIsNoticed(t *testing.T) {
	const line = "605701a8ae551604303523b4f0d3a7e98cf9e153 0x87201 f libx.so -\n"
	if trace := readText(t, strings.Repeat(line, 255)); len(trace.Damage) != 0 {
		t.Errorf("got %v", trace.Damage)
	}
	if trace := readText(t, strings.Repeat(line, 256)); len(trace.Damage) != 1 || !strings.Contains(trace.Damage[0].Problem, "256") {
		t.Errorf("got %v", trace.Damage)
	}
}

// What abrt wrote and we read and write again is read as the same.
func TestABRTsFormsAreWrittenAsTheyAreRead(t *testing.T) {
	for _, text := range []string{satyr, "605701a8ae551604303523b4f0d3a7e98cf9e153 0x87201 - /lib64/libkrb5.so.3\n- 0x7f00 main [exe]\n"} {
		trace := readText(t, text)
		write := trace.WriteABRT
		if trace.Form == ABRTJSON {
			write = trace.WriteJSON
		}
		var out bytes.Buffer
		if err := write(&out); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(out.String(), "\n") {
			t.Errorf("no line's end behind %s", out.String())
		}
		if d := cmp.Diff(trace.Threads, readText(t, out.String()).Threads, cmpopts.IgnoreUnexported(Frame{})); d != "" {
			t.Error(d)
		}
	}
}

func TestWhatIsWrittenForABRT(t *testing.T) {
	trace := readFile(t, "eu-all.txt")
	var text, js bytes.Buffer
	if err := trace.WriteABRT(&text); err != nil {
		t.Fatal(err)
	}
	const want = `410c66f774f26572d8162f85dd70354ccde9d981 0x11d0 crash inl
410c66f774f26572d8162f85dd70354ccde9d981 0x11f4 recurse inl
410c66f774f26572d8162f85dd70354ccde9d981 0x1200 recurse inl
410c66f774f26572d8162f85dd70354ccde9d981 0x1200 recurse inl
93ac61ec5a8eb1396f9fbd350e3169a558528a40 0x2724a __libc_start_call_main libc.so.6
`
	if d := cmp.Diff(want, text.String()); d != "" {
		t.Error(d)
	}
	if err := trace.WriteJSON(&js); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"crash_thread": true`, `"build_id_offset": 4560`, `"address": 94402681831888`} {
		if !strings.Contains(js.String(), part) {
			t.Errorf("expected %s in %s", part, js.String())
		}
	}
	deep := Trace{Threads: []Thread{{Crashed: true, Frames: slices.Repeat(trace.Threads[0].Frames[3:4], 1000)}}}
	text.Reset()
	if err := deep.WriteABRT(&text); err != nil || strings.Count(text.String(), "\n") != 256 {
		t.Errorf("%d lines, %v", strings.Count(text.String(), "\n"), err)
	}
}

// Each form keeps its text where nothing is found, and takes a name in the place where one belongs.
func TestRewriting(t *testing.T) {
	into := place.Offset(0x1b)
	found := Named{Function: "work", Into: &into, Module: "/lib/libx.so.1", File: "w.c", Line: 7, Inlined: []Call{{"deep", "d.c", 3}}}
	bare := Named{Function: "work", Into: &into}
	const id = "0123456789abcdef0123456789abcdef01234567"
	for _, c := range []struct {
		text string
		n    Named
		want string
	}{
		{id + " 0x10 -\n", found, "    inlined: deep at d.c:3\n" + id + " 0x10 work libx.so.1 +0x1b at w.c:7\n"},
		{id + " 0x10\n", bare, id + " 0x10 work - +0x1b\n"},
		{id + " 0x10 - /lib/libx.so.1\n", bare, id + " 0x10 work /lib/libx.so.1 +0x1b\n"},
		{"#0  0x0000000000001000 in ?? () from /lib/libx.so.1\n", found, "    inlined: deep at d.c:3\n#0  0x0000000000001000 in work () from /lib/libx.so.1 at w.c:7\n"},
		{"#0  0x0000000000001000 in ?? ()\n", bare, "#0  0x0000000000001000 in work () +0x1b\n"},
		{"#0  0x0000000000001000 in kept (a=1) at k.c:1\n", found, "#0  0x0000000000001000 in kept (a=1) at k.c:1\n"},
		{"TID 7:\n#0  0x0000000000001000     - libx.so.1\n", found, "TID 7:\n    inlined: deep at d.c:3\n#0  0x0000000000001000     work - libx.so.1\n    w.c:7\n"},
		{"  #0  0x0000000000001000 n/a (libx.so.1 + 0x1000)\n", found, "    inlined: deep at d.c:3\n  #0  0x0000000000001000 work (libx.so.1 + 0x1000) at w.c:7\n"},
		{"/lib/libx.so.1(+0x1000) [0x7f0000001000]\n", bare, "/lib/libx.so.1(work+0x1b) [0x7f0000001000]\n"},
		{"/p[0x401000]\n/lib/libx.so.1(+0x1000)[0x7f0000001000]\n", bare, "/p(work+0x1b)[0x401000]\n/lib/libx.so.1(work+0x1b)[0x7f0000001000]\n"},
	} {
		trace := readText(t, c.text)
		names := [][]Named{slices.Repeat([]Named{c.n}, len(trace.Threads[0].Frames))}
		got, err := trace.Rewrite(names)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.want, string(got)); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		trace = readText(t, string(got))
		if f := died(t, trace).Frames[0]; trace.Form == GDB && f.Function == "" || f.Function != "work" && f.Function != "kept" {
			t.Errorf("%s is read as %+v", got, f)
		}
	}
}

func TestRewritingJSONKeepsWhatItDoesNotKnow(t *testing.T) {
	trace := readText(t, satyr)
	got, err := trace.Rewrite([][]Named{nil, {{}, {Function: "main", File: "m.c", Line: 3}}})
	if err != nil {
		t.Fatal(err)
	}
	again := readText(t, string(got))
	if f := again.Threads[1].Frames; f[0].Function != "raise" || f[1].Function != "main" || *f[0].PC != 140160137603301 {
		t.Errorf("got %+v", f)
	}
	for _, part := range []string{`"fingerprint_hashed": true`, `"source_file": "m.c"`, `"source_line": 3`} {
		if !strings.Contains(string(got), part) {
			t.Errorf("expected %s in %s", part, got)
		}
	}
}

// Without a name for any frame every trace is printed as it came.
func TestNothingFoundChangesNothing(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range append(files, "testdata/core_backtrace", "testdata/apport.crash") {
		trace := readFile(t, filepath.Base(file))
		got, err := trace.Rewrite(noNames(trace))
		want, _ := os.ReadFile(file)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is changed, %v", file, err)
		}
	}
}

func noNames(trace Trace) [][]Named {
	var names [][]Named
	for _, th := range trace.Threads {
		names = append(names, make([]Named, len(th.Frames)))
	}
	return names
}

// Nothing that people keep beside their evidence is taken for a trace.
func TestWhatIsNoTrace(t *testing.T) {
	for _, text := range []string{
		"- 0x10 is the flag\nwe saw: - 0x20\n"[9:],
		"#1 fix the parser (#2)\n#2 0x10 is odd\n",
		`{"stack": [], "name": "x"}`,
		"Problem: it died\nSignal: 11\n",
		"kernel: Call Trace:\n [<ffffffff81>] do_fault+0x12/0x34\n",
		"inl[19018]: segfault at 0 ip 000055dbd65101d0 sp 00007ffc2deab7f0 error 4 in inl[55dbd6510000+1000]\n",
		"TID 7: started\n#1 done\n",
		"see main(argc+1)[0] and f(x) [12]\n",
	} {
		if Sniff([]byte(text)) {
			t.Errorf("taken for a trace: %q", text)
		}
	}
}
