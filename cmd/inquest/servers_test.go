package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/objfile"
)

// buildServer serves the objects under a root by the paths that debuginfod(8) has.
func buildServer(t *testing.T, root string, delay time.Duration) string {
	t.Helper()
	files := map[string]string{}
	filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if f, err := objfile.Open(path); err == nil {
			files["/buildid/"+string(f.BuildID)+"/executable"] = path
			f.Close()
		}
		return nil
	})
	if len(files) == 0 {
		t.Fatalf("no objects under %s", root)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(delay)
		if path, ok := files[r.URL.Path]; ok {
			http.ServeFile(w, r, path)
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// backtraceOf is the demo's core, without any binary but those that servers have.
func backtraceOf(t *testing.T, urls string) string {
	t.Helper()
	t.Setenv("DEBUGINFOD_URLS", urls)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	req := unpackDemo(t)
	req.Paths = []string{filepath.Join(req.Paths[0], "core.zst")}
	req.Sysroots = []string{t.TempDir()}
	var out bytes.Buffer
	if err := runBacktrace(&out, backtraceOptions{evidence: req}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestServersGiveTheBinariesThatAreFoundNowhere(t *testing.T) {
	if alone := backtraceOf(t, ""); strings.Contains(alone, "realm_local_hostname") {
		t.Fatalf("the name is known without a server:\n%s", alone)
	}
	asked := backtraceOf(t, buildServer(t, unpackDemo(t).Sysroots[0], 0))
	if !strings.Contains(asked, "in realm_local_hostname+0xf7 from librealm.so+0x13f7") || strings.Contains(asked, "guessed") {
		t.Errorf("with a server:\n%s", asked)
	}
	if !strings.Contains(asked, "debuginfod: ") {
		t.Errorf("nothing is said of the server:\n%s", asked)
	}
}

// Six binaries are missing, and each answer takes four seconds: two are waited for, in all.
func TestASlowServerCostsTwoSeconds(t *testing.T) {
	url := buildServer(t, unpackDemo(t).Sysroots[0], 4*time.Second)
	begin := time.Now()
	said := backtraceOf(t, url)
	if took := time.Since(begin); took > 3500*time.Millisecond {
		t.Errorf("it took %v", took)
	}
	if !strings.Contains(said, "debuginfod: ") {
		t.Errorf("nothing is said of the server:\n%s", said)
	}
}
