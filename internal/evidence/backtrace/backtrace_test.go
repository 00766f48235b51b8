package backtrace

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/inquest-project/inquest/internal/ground/place"
)

func readFile(t *testing.T, name string) Trace {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	trace, err := Read(name, f)
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

func readText(t *testing.T, text string) Trace {
	t.Helper()
	trace, err := Read("pasted", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

func TestTheIncidentsCoreBacktrace(t *testing.T) {
	trace := readFile(t, "core_backtrace")
	if len(trace.Threads) != 1 || !trace.Threads[0].Crashed || len(trace.Threads[0].Frames) != 17 || trace.Signal != 6 {
		t.Fatalf("got %+v", trace)
	}
	frames := trace.Threads[0].Frames
	for _, c := range []struct {
		at       int
		id       place.BuildID
		offset   place.Offset
		function string
	}{
		{0, "1d6d7b3a0cf1571310fab6e29508eddee11469a5", 0x328a5, "raise"},
		{2, "605701a8ae551604303523b4f0d3a7e98cf9e153", 0x87201, ""},
		{8, "c953da0be16117bde323d1e021fc74878825c935", 0x1bd72, "ssl3_get_client_hello"},
		{16, "a59613382d68d83cd342ccb0c400066b88e439c4", 0x73dc, ""},
	} {
		if f := frames[c.at]; f.BuildID != c.id || *f.Offset != c.offset || f.Function != c.function || f.Module != "" || f.PC != nil {
			t.Errorf("frame %d: %+v", c.at, f)
		}
	}
}

func TestTheIncidentsRewrappedGdbTrace(t *testing.T) {
	trace := readFile(t, "gdb-where.txt")
	if len(trace.Threads) != 1 || len(trace.Threads[0].Frames) != 18 || trace.Signal != 6 {
		t.Fatalf("%d threads, signal %d", len(trace.Threads), trace.Signal)
	}
	frames := trace.Threads[0].Frames
	var names []string
	for _, f := range frames {
		names = append(names, f.Function)
	}
	want := strings.Fields(`raise abort krb5int_translate_gai_error get_fq_hostname krb5int_get_fq_local_hostname krb5_get_default_realm
		krb5_kt_get_entry kssl_keytab_is_available ssl3_choose_cipher ssl3_get_client_hello ssl3_accept ssl23_get_client_hello ssl23_accept
		ssl_sock_handshake conn_fd_handler _do_poll run_poll_loop main`)
	if d := cmp.Diff(want, names); d != "" {
		t.Error(d)
	}
	if f := frames[1]; f.PC == nil || *f.PC != 0x7f79bea940c5 || f.Module != "" {
		t.Errorf("frame 1: %+v", f)
	}
	if f := frames[4]; f.PC != nil || f.File != "hst_realm.c" || f.Line != 132 || f.Arguments != "buf=<value optimized out>, bufsiz=<value optimized out>" {
		t.Errorf("the inlined frame: %+v", f)
	}
}

func TestEveryThreadOfGdbHasItsStack(t *testing.T) {
	trace := readFile(t, "gdb-threads.txt")
	if len(trace.Threads) != 2 || trace.Signal != 6 {
		t.Fatalf("%d threads, signal %d", len(trace.Threads), trace.Signal)
	}
	waiting, died := trace.Threads[0], trace.Threads[1]
	if waiting.Crashed || !died.Crashed || waiting.ID == 0 || died.ID == 0 || len(waiting.Frames) != 4 || len(died.Frames) != 8 {
		t.Fatalf("%+v\n%+v", waiting, died)
	}
	if f := died.Frames[4]; f.Function != "die" || f.Arguments != `s=0x555555556004 "paren ) in ( text", n=0` || f.File != "threads.c" || f.Line != 11 {
		t.Errorf("frame 4: %+v", f)
	}
}

func TestFormsOfFrames(t *testing.T) {
	pc := place.Address(0x401000)
	offset := place.Offset(0x1234)
	for _, c := range []struct {
		name, text string
		want       Frame
	}{
		{"C++", "#0  0x401000 in std::vector<int, std::allocator<int> >::at(unsigned long) const (this=0x1, n=5) at /usr/include/v.h:12",
			Frame{PC: &pc, Function: "std::vector<int, std::allocator<int> >::at(unsigned long) const", Arguments: "this=0x1, n=5", File: "/usr/include/v.h", Line: 12}},
		{"an anonymous namespace", "#0  0x401000 in (anonymous namespace)::f (x=1) from /lib/x.so",
			Frame{PC: &pc, Function: "(anonymous namespace)::f", Arguments: "x=1", Module: "/lib/x.so"}},
		{"no name", "#0  0x401000 in ?? () from /lib/x.so", Frame{PC: &pc, Module: "/lib/x.so"}},
		{"a signal handler", "#0  0x401000 in f ()\n#1  <signal handler called>", Frame{PC: &pc, Function: "f"}},
		{"locals of bt full", "#0  0x401000 in f (n=1) at a.c:7\n        i = 3\n        s = \") at b.c:9\"", Frame{PC: &pc, Function: "f", Arguments: "n=1", File: "a.c", Line: 7}},
		{"abrt with a file name", "0123456789abcdef0123456789abcdef01234567 0x1234 f libx.so.1 -", Frame{BuildID: "0123456789abcdef0123456789abcdef01234567", Offset: &offset, Function: "f", Module: "libx.so.1"}},
		{"abrt with a path and a fingerprint", "0123456789abcdef0123456789abcdef01234567 0x1234 - /usr/lib64/libx.so.1 cafe cafe", Frame{BuildID: "0123456789abcdef0123456789abcdef01234567", Offset: &offset, Module: "/usr/lib64/libx.so.1"}},
		{"abrt without a build ID", "- 0x1234", Frame{Offset: &offset}},
	} {
		if !Sniff([]byte(c.text)) {
			t.Errorf("%s: not known for a trace", c.name)
		}
		if d := cmp.Diff(c.want, readText(t, c.text).Threads[0].Frames[0], cmpopts.IgnoreUnexported(Frame{})); d != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, d)
		}
	}
}

func TestWhatGdbSaysOfTheCoreIsKept(t *testing.T) {
	trace := readText(t, "Core was generated by `/usr/sbin/haproxy -f /etc/haproxy.cfg'.\nProgram terminated with signal 11, Segmentation fault.\n#0  0x1 in f ()\n#1  0x2 in g ()\n(gdb) bt\n#0  0x1 in f ()\n#1  0x2 in g ()\n#2  0x3 in h ()\n")
	if trace.Executable != "/usr/sbin/haproxy" || trace.Signal != 11 || len(trace.Threads) != 1 || len(trace.Threads[0].Frames) != 3 {
		t.Errorf("got %+v", trace)
	}
}

func TestTheCurrentThreadIsTheOneThatDied(t *testing.T) {
	trace := readText(t, "[Current thread is 2 (LWP 11)]\nThread 2 (LWP 11):\n#0  0x1 in f ()\nThread 1 (LWP 10):\n#0  0x2 in g ()\n")
	if len(trace.Threads) != 2 || !trace.Threads[0].Crashed || trace.Threads[1].Crashed {
		t.Errorf("got %+v", trace.Threads)
	}
}

// gdb runs a fresh build of threads.c, in which the main thread or, given an argument, another dies.
func TestTheThreadThatDiedUnderGdbIsKnown(t *testing.T) {
	program := filepath.Join(t.TempDir(), "threads")
	if out, err := exec.Command("gcc", "-g", "-O0", "-pthread", "-o", program, "testdata/threads.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, arguments := range [][]string{nil, {"elsewhere"}} {
		gdb := exec.Command("gdb", append([]string{"-nx", "-batch", "-ex", "run", "-ex", "thread apply all bt", "--args", program}, arguments...)...)
		gdb.Env = append(os.Environ(), "DEBUGINFOD_URLS=")
		out, err := gdb.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		trace := readText(t, string(out))
		died := slices.IndexFunc(trace.Threads, func(th Thread) bool { return th.Crashed })
		inDie := slices.IndexFunc(trace.Threads, func(th Thread) bool {
			return slices.ContainsFunc(th.Frames, func(f Frame) bool { return f.Function == "die" })
		})
		if len(trace.Threads) != 2 || died != inDie || trace.Signal != 6 {
			t.Errorf("%v: %d threads, died %d, expected %d, signal %d\n%s", arguments, len(trace.Threads), died, inDie, trace.Signal, out)
		}
	}
}

func TestWhatIsNoTraceIsRefusedByName(t *testing.T) {
	if _, err := Read("notes.txt", strings.NewReader("see #12 (and #3)\n")); err == nil || !strings.Contains(err.Error(), "notes.txt") {
		t.Errorf("got %v", err)
	}
	if Sniff([]byte("type=ANOM_ABEND msg=audit(1.2:3)")) || Sniff(nil) || Sniff([]byte("\x7fELF\x02\n- 0x1\x00")) {
		t.Error("what is no trace was known for one")
	}
}

// FuzzRead reads any text as a trace, and writes it in every way.
func FuzzRead(f *testing.F) {
	seeds, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(seeds) < 15 {
		f.Fatal(seeds, err)
	}
	for _, name := range append(seeds, "testdata/core_backtrace", "testdata/apport.crash") {
		seed, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(seed))
	}
	f.Add("#0 0x1 in f (s=\"\\\") (\") at a:1 #1 0x2 in ?? () from /x")
	f.Add(satyr)
	f.Fuzz(func(t *testing.T, text string) {
		Sniff([]byte(text))
		trace, err := Read("fuzz", strings.NewReader(text))
		if err != nil {
			return
		}
		if !slices.ContainsFunc(trace.Threads, func(th Thread) bool { return th.Crashed }) {
			t.Fatal("neither a thread that died nor an error")
		}
		same, err := trace.Rewrite(noNames(trace))
		if err != nil || trace.Form != ABRTJSON && string(same) != text {
			t.Fatalf("rewritten with nothing to say: %v", err)
		}
		if trace.WriteABRT(io.Discard) != nil || trace.WriteJSON(io.Discard) != nil {
			t.Fatal("not written")
		}
		named := noNames(trace)
		for i, th := range trace.Threads {
			for j := range th.Frames {
				named[i][j] = Named{Function: "f", Inlined: []Call{{"g", "h", 1}}}
				trace.Exact(th.Frames, j)
			}
		}
		if _, err := trace.Rewrite(named); err != nil {
			t.Fatal(err)
		}
	})
}
