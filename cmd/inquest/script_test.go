package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/inquest-project/inquest/internal/evidence/elftest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"inquest": main})
}

// TestScripts runs the commands as people do; a script a theme. Beside testscript's own commands there are
//
//	exits CODE COMMAND...   runs a command, which must exit with the code
//	demo                    lays out the demo's case in demo/
//	surroundings FOLDER     writes prod.snapshot, test.snapshot and backtrace
//	story FOLDER            copies the pieces of the story
//	hostile FILE WHAT       writes one of elftest's hostile files
//	invented FILE           writes a capture of a protocol that nobody speaks
//	fifo FILE, sparse FILE SIZE, mode OCTAL FILE, cut FILE SIZE
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Condition: func(condition string) (bool, error) {
			return condition == "root" && os.Geteuid() == 0, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"demo": func(ts *testscript.TestScript, _ bool, _ []string) {
				files, err := fs.Sub(demoFiles, "demo")
				ts.Check(err)
				ts.Check(os.CopyFS(ts.MkAbs("demo"), files))
			},
			"story": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(os.CopyFS(ts.MkAbs(args[0]), os.DirFS(storyDir)))
			},
			"surroundings": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(writeSurroundings(ts.MkAbs(args[0])))
			},
			"hostile": func(ts *testscript.TestScript, _ bool, args []string) {
				data, ok := elftest.Hostile()[args[1]]
				if !ok {
					ts.Fatalf("no hostile file is %q", args[1])
				}
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o600))
			},
			"invented": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), invented(), 0o600))
			},
			"fifo": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(syscall.Mkfifo(ts.MkAbs(args[0]), 0o600))
			},
			"sparse": func(ts *testscript.TestScript, _ bool, args []string) {
				f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_CREATE|os.O_WRONLY, 0o600)
				ts.Check(err)
				ts.Check(errors.Join(f.Truncate(number(ts, args[1])), f.Close()))
			},
			"cut": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(os.Truncate(ts.MkAbs(args[0]), number(ts, args[1])))
			},
			"mode": func(ts *testscript.TestScript, _ bool, args []string) {
				want, err := strconv.ParseUint(args[0], 8, 32)
				ts.Check(err)
				info, err := os.Stat(ts.MkAbs(args[1]))
				ts.Check(err)
				if got := info.Mode().Perm(); got != fs.FileMode(want) {
					ts.Fatalf("%s: expected mode %s, found %o", args[1], args[0], got)
				}
			},
		},
	})
}

// storyDir is absolute: a script's own directory is another one.
var storyDir, _ = filepath.Abs("testdata/story")

func exits(ts *testscript.TestScript, _ bool, args []string) {
	code := 0
	err := ts.Exec(args[1], args[2:]...)
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%s: %v", strings.Join(args[1:], " "), err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("%s: expected exit code %s, found %d", strings.Join(args[1:], " "), args[0], code)
	}
}

func number(ts *testscript.TestScript, text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	ts.Check(err)
	return n
}
