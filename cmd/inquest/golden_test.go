package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mattn/go-runewidth"

	"github.com/inquest-project/inquest/internal/evidence"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestScreensAreAsTheyWereApproved compares what people see with testdata/golden. What differs shall be
// looked at before it is written anew.
func TestScreensAreAsTheyWereApproved(t *testing.T) {
	pieces := func(names ...string) func(*testing.T) evidence.Request {
		return func(*testing.T) evidence.Request {
			var req evidence.Request
			for _, name := range names {
				req.Paths = append(req.Paths, filepath.Join("testdata/story", name))
			}
			return req
		}
	}
	for name, request := range map[string]func(*testing.T) evidence.Request{
		"demo":                 func(t *testing.T) evidence.Request { return unpackDemo(t) },
		"story":                pieces("audit.log", "core_backtrace", "packets.txt"),
		"story-core_backtrace": pieces("core_backtrace"),
		"story-gdb-where":      pieces("gdb-where.txt"),
		"story-audit":          pieces("audit.log"),
		"story-packets":        pieces("packets.txt"),
	} {
		for suffix, o := range map[string]analyzeOptions{
			"-100": {width: 100}, "-60": {width: 60}, "-100-v": {width: 100, verbose: true},
		} {
			t.Run(name+suffix, func(t *testing.T) {
				o.evidence = request(t)
				got := screen(t, o)
				checkWidth(t, got, o.width)
				compareGolden(t, filepath.Join("testdata/golden", name+suffix+".txt"), got)
				o.evidence = request(t) // of the demo: in another folder
				if d := cmp.Diff(got, screen(t, o)); d != "" {
					t.Errorf("the second time it says (-first +second)\n%s", d)
				}
			})
		}
	}
}

func screen(t *testing.T, o analyzeOptions) string {
	t.Helper()
	var out bytes.Buffer
	if err := runAnalyze(&out, o); err != nil && !errors.Is(err, errNoDeath) {
		t.Fatal(err)
	}
	return out.String()
}

// checkWidth holds that lines are folded, but for what can't be: a frame, which is searched for and pasted as
// a line, and a single word.
func checkWidth(t *testing.T, text string, width int) {
	t.Helper()
	for line := range strings.Lines(text) {
		words := strings.TrimSpace(line)
		frame := strings.HasPrefix(strings.TrimPrefix(words, "> "), "#")
		if n := runewidth.StringWidth(strings.TrimSuffix(line, "\n")); n > width && strings.Contains(words, " ") && !frame {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func compareGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-approved +now; if it is better now: go test ./cmd/inquest -run Screens -update)\n%s", path, d)
	}
}
