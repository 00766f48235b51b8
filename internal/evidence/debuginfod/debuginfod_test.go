package debuginfod

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/elftest"
	"github.com/inquest-project/inquest/internal/evidence/objfile"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// environment is that of a user who has set nothing but these.
func environment(t *testing.T, urls string) (cacheDir string) {
	t.Helper()
	cacheDir = filepath.Join(t.TempDir(), "cache")
	for _, name := range []string{"DEBUGINFOD_TIMEOUT", "DEBUGINFOD_MAXTIME", "DEBUGINFOD_MAXSIZE", "XDG_CACHE_HOME"} {
		t.Setenv(name, "")
	}
	t.Setenv("DEBUGINFOD_CACHE_PATH", cacheDir)
	t.Setenv("DEBUGINFOD_URLS", urls)
	return cacheDir
}

func notes(c *Client) string { return strings.Join(c.Notes(), "\n") }

// library is a small object of the build that is called name.
func library(name string) (place.BuildID, []byte) {
	return place.BuildID(hex.EncodeToString([]byte(name))), elftest.Library(name, []byte{0xc3}, nil)
}

// serve answers for one library, and counts what it is asked.
func serve(t *testing.T, id place.BuildID, content []byte) (url string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path != "/buildid/"+string(id)+"/debuginfo" {
			http.NotFound(w, r)
			return
		}
		w.Write(content)
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

func TestNobodyIsAskedUnlessTheEnvironmentSaysWhom(t *testing.T) {
	for _, urls := range []string{"", "  ", "ima:enforcing"} {
		environment(t, urls)
		c := FromEnvironment(t.Context())
		if c != nil {
			t.Errorf("%q: a client for %d servers", urls, len(c.servers))
		}
		if path, ok := c.Find(Debug, "0123456789abcdef"); ok || path != "" || c.Notes() != nil {
			t.Errorf("%q: found %q", urls, path)
		}
	}
	environment(t, "ima:enforcing http://a.example/ ima:ignore https://b.example/buildid")
	if c := FromEnvironment(t.Context()); len(c.servers) != 2 || c.servers[0].url != "http://a.example" {
		t.Errorf("got %+v", c.servers)
	}
}

func TestTheCacheIsWhereElfutilsHasIt(t *testing.T) {
	home, xdg := t.TempDir(), t.TempDir()
	t.Setenv("HOME", home)
	for _, c := range []struct{ path, xdg, want string }{
		{"/else/where", xdg, "/else/where"},
		{"", xdg, xdg + "/debuginfod_client"},
		{"", "", home + "/.cache/debuginfod_client"},
	} {
		t.Setenv("DEBUGINFOD_CACHE_PATH", c.path)
		t.Setenv("XDG_CACHE_HOME", c.xdg)
		if got := cacheFromEnvironment().dir; got != c.want {
			t.Errorf("expected %s, found %s", c.want, got)
		}
	}
	if err := os.Mkdir(home+"/.debuginfod_client_cache", 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CACHE_HOME", xdg)
	if got := cacheFromEnvironment().dir; got != home+"/.debuginfod_client_cache" {
		t.Errorf("the older folder isn't used, but %s", got)
	}
}

func TestAFileIsFetchedOnceAndKept(t *testing.T) {
	id, content := library("a build!")
	url, asked := serve(t, id, content)
	dir := environment(t, url)
	for range 2 { // a run, and the next
		c := FromEnvironment(t.Context())
		c.FindAll(Debug, id, id, "0123456789abcdef")
		path, ok := c.Find(Debug, id)
		if !ok || path != filepath.Join(dir, string(id), "debuginfo") {
			t.Fatalf("found %q; %s", path, notes(c))
		}
		if got, _ := os.ReadFile(path); string(got) != string(content) {
			t.Errorf("kept %d bytes of %d", len(got), len(content))
		}
		if _, ok := c.Find(Debug, "0123456789abcdef"); ok {
			t.Error("found what isn't there")
		}
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("asked %d times for two builds", n)
	}
	if left, _ := filepath.Glob(dir + "/*/*.*"); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestWhatIsAskedIsSaid(t *testing.T) {
	id, content := library("a build!")
	url, _ := serve(t, id, content)
	environment(t, url)
	c := FromEnvironment(t.Context())
	var said []string
	c.Say = func(sentence string) { said = append(said, sentence) }
	c.FindAll(Debug, id, "0123456789abcdef")
	c.Find(Executable, id)
	if len(said) != 1 || !strings.Contains(said[0], url) {
		t.Errorf("said %q", said)
	}
	want := fmt.Sprintf("asked %[1]s for debug information of 2 builds: found 1\nasked %[1]s for the program or library of 1 build: found 0", url)
	if notes(c) != want {
		t.Errorf("noted %s", notes(c))
	}
}

func TestWhatIsNotWhatWasAskedForIsNotKept(t *testing.T) {
	id, content := library("a build!")
	_, other := library("another!")
	big := append(append([]byte{}, content...), make([]byte, 1<<20)...)
	for name, c := range map[string]struct {
		body []byte
		note string
	}{
		"a page":        {[]byte("<html>sign in</html>"), "ELF"},
		"another build": {other, "expected build"},
		"too much":      {big, "more"},
	} {
		url, _ := serve(t, id, c.body)
		good, _ := serve(t, id, content)
		dir := environment(t, url)
		t.Setenv("DEBUGINFOD_MAXSIZE", "100000")
		client := FromEnvironment(t.Context())
		if path, ok := client.Find(Debug, id); ok {
			t.Errorf("%s is kept in %s", name, path)
		}
		if files, _ := filepath.Glob(dir + "/*/*"); len(files) > 0 || !strings.Contains(notes(client), c.note) {
			t.Errorf("%s: left %v, noted %s", name, files, notes(client))
		}
		// The next server is asked.
		t.Setenv("DEBUGINFOD_URLS", url+" "+good)
		if _, ok := FromEnvironment(t.Context()).Find(Debug, id); !ok {
			t.Errorf("%s: the second server is not asked", name)
		}
	}
}

// A server may send half of a file and call it whole.
func TestHalfAFileIsNotKept(t *testing.T) {
	const program = "/bin/true"
	content, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	f, err := objfile.Open(program)
	if err != nil || f.BuildID == "" {
		t.Fatal(f, err)
	}
	defer f.Close()
	for _, part := range []int{len(content), len(content) - 1, len(content) / 2} {
		url, _ := serve(t, f.BuildID, content[:part])
		environment(t, url)
		c := FromEnvironment(t.Context())
		if _, ok := c.Find(Debug, f.BuildID); ok != (part == len(content)) {
			t.Errorf("%d bytes of %d: found %v, %s", part, len(content), ok, notes(c))
		}
	}
}

func TestSizesAreBoundedWhereTheServerDoesNotTellThem(t *testing.T) {
	id, content := library("a build!")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write(content)
		for r.Context().Err() == nil {
			w.Write(make([]byte, 1<<16))
		}
	}))
	defer server.Close()
	environment(t, server.URL)
	t.Setenv("DEBUGINFOD_MAXSIZE", "1000000")
	c := FromEnvironment(t.Context())
	if _, ok := c.Find(Debug, id); ok || !strings.Contains(notes(c), "more than the file may have") {
		t.Errorf("noted %s", notes(c))
	}
}

func TestWhatIsNoBuildIDIsNotAskedFor(t *testing.T) {
	url, asked := serve(t, "", nil)
	environment(t, url)
	c := FromEnvironment(t.Context())
	for _, id := range []place.BuildID{"", "ab", "../../../etc", "ABCDEF0123456789", "0123456789abcde", "0123/4567", place.BuildID(strings.Repeat("ab", 65))} {
		c.Find(Debug, id)
	}
	if asked.Load() != 0 {
		t.Error("asked")
	}
}

// A server that is slow costs its patience once, however many builds are asked for.
func TestASlowServerIsGivenUpForTheRun(t *testing.T) {
	id, content := library("a build!")
	for name, answer := range map[string]http.HandlerFunc{
		"says nothing": func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"drips": func(w http.ResponseWriter, r *http.Request) {
			for i := 0; r.Context().Err() == nil && i < len(content); i++ {
				w.Write(content[i : i+1])
				w.(http.Flusher).Flush()
				time.Sleep(50 * time.Millisecond)
			}
		},
		"is slow to say no": func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(300 * time.Millisecond)
			http.NotFound(w, r)
		},
	} {
		server := httptest.NewServer(answer)
		dir := environment(t, server.URL)
		c := FromEnvironment(t.Context())
		begin := time.Now()
		c.FindAll(Debug, id, "0123456789abcdef")
		for i := range 100 {
			c.Find(Executable, place.BuildID(fmt.Sprintf("%016x", i)))
		}
		if took := time.Since(begin); took < time.Second || took > 2500*time.Millisecond {
			t.Errorf("a server that %s: took %v", name, took)
		}
		if !strings.Contains(notes(c), "gave up "+server.URL) {
			t.Errorf("a server that %s: noted %s", name, notes(c))
		}
		if _, err := os.Stat(filepath.Join(dir, "0000000000000063", "executable")); err == nil {
			t.Errorf("a server that %s: what was not asked is kept for unknown", name)
		}
		server.CloseClientConnections()
		server.Close()
	}
}

func TestWhatComesFastMayTakeItsTime(t *testing.T) {
	id, content := library("a build!")
	big := append(append([]byte{}, content...), make([]byte, 8<<20)...)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for part := big; len(part) > 0; part = part[min(len(part), 256<<10):] {
			w.Write(part[:min(len(part), 256<<10)])
			time.Sleep(20 * time.Millisecond)
		}
	}))
	defer server.Close()
	environment(t, server.URL)
	c := FromEnvironment(t.Context())
	c.servers[0].patience = 300 * time.Millisecond // less than it takes
	begin := time.Now()
	if _, ok := c.Find(Debug, id); !ok {
		t.Errorf("given up after %v: %s", time.Since(begin), notes(c))
	}
}

func TestAShorterTimeoutIsHonoured(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer server.Close()
	defer server.CloseClientConnections()
	for _, variable := range []string{"DEBUGINFOD_TIMEOUT", "DEBUGINFOD_MAXTIME"} {
		environment(t, server.URL)
		t.Setenv(variable, "1")
		begin := time.Now()
		FromEnvironment(t.Context()).Find(Debug, "0123456789abcdef")
		if took := time.Since(begin); took > 1500*time.Millisecond {
			t.Errorf("%s=1: took %v", variable, took)
		}
	}
}

func TestInterruptedAtOnce(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer server.Close()
	environment(t, server.URL)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	begin := time.Now()
	FromEnvironment(ctx).FindAll(Debug, "0123456789abcdef", "0123456789abcde0")
	if took := time.Since(begin); took > time.Second {
		t.Errorf("took %v", took)
	}
}

func TestAServerThatIsNotThereIsNamed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + listener.Addr().String()
	listener.Close()
	dir := environment(t, url)
	c := FromEnvironment(t.Context())
	if _, ok := c.Find(Debug, "0123456789abcdef"); ok || !strings.Contains(notes(c), "connection refused") {
		t.Errorf("noted %s", notes(c))
	}
	if files, _ := filepath.Glob(dir + "/*/*"); len(files) > 0 {
		t.Errorf("kept for unknown: %v", files)
	}
}

// elfutils asks the real server, and so do we: each finds what the other has kept.
func TestTheCacheIsSharedWithElfutils(t *testing.T) {
	id, url := realServer(t)
	dir := environment(t, url)

	c := FromEnvironment(t.Context())
	path, ok := c.Find(Debug, id)
	program, okToo := c.Find(Executable, id)
	if !ok || !okToo {
		t.Fatalf("nothing found: %s", notes(c))
	}
	f, err := objfile.Open(program)
	if err != nil || !f.HasCode() {
		t.Errorf("%s is no program: %v", program, err)
	}
	t.Setenv("DEBUGINFOD_URLS", "http://127.0.0.1:1") // where nobody is
	if got := find(t, "debuginfo", string(id)); got != path {
		t.Errorf("elfutils finds %q and not %q", got, path)
	}

	// The other way round.
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DEBUGINFOD_URLS", url)
	find(t, "debuginfo", string(id))
	find(t, "debuginfo", "0123456789abcdef0123")
	t.Setenv("DEBUGINFOD_URLS", "http://127.0.0.1:1")
	c = FromEnvironment(t.Context())
	if got, ok := c.Find(Debug, id); !ok || got != path || c.Notes() != nil {
		t.Errorf("found %q; %s", got, notes(c))
	}
	if _, ok := c.Find(Debug, "0123456789abcdef0123"); ok || c.Notes() != nil {
		t.Errorf("asked for what elfutils knows to be unknown: %s", notes(c))
	}

	// What we know to be unknown elfutils doesn't ask for, until it is forgotten.
	t.Setenv("DEBUGINFOD_URLS", url)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	miss := FromEnvironment(t.Context())
	miss.cache.miss(wanted{Debug, id})
	if got := find(t, "debuginfo", string(id)); got != "" {
		t.Errorf("elfutils finds %q", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "cache_miss_s"), []byte("0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	if _, ok := FromEnvironment(t.Context()).Find(Debug, id); !ok {
		t.Error("what was unknown is not asked for again")
	}
}

// find is elfutils' client; empty where it finds nothing.
func find(t *testing.T, what, id string) string {
	t.Helper()
	out, err := exec.Command("debuginfod-find", what, id).Output()
	if _, failed := err.(*exec.ExitError); err != nil && !failed {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// realServer serves a program of ours and its debug information on loopback.
func realServer(t *testing.T) (id place.BuildID, url string) {
	t.Helper()
	dir := t.TempDir()
	source, program := filepath.Join(dir, "p.c"), filepath.Join(dir, "p")
	if err := os.WriteFile(source, []byte("int main(void) { return 0; }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{
		"gcc -g -o " + program + " " + source, "objcopy --only-keep-debug " + program + " " + program + ".debug", "strip " + program,
	} {
		words := strings.Fields(command)
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	f, err := objfile.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	port := freePort(t)
	server := exec.Command("debuginfod", "-p", port, "-d", ":memory:", "-F", dir)
	server.Env = append(os.Environ(), "DEBUGINFOD_URLS=")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Process.Kill(); server.Wait() })
	url = "http://127.0.0.1:" + port
	for range 200 { // until it has read the folder
		if response, err := http.Get(url + "/buildid/" + string(f.BuildID) + "/debuginfo"); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return f.BuildID, url
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the server doesn't serve")
	return "", ""
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}
