package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

//go:embed frames.py
var framesScript string

// mostFrames is how many frames gdb is asked for of a thread: it takes a minute for the hundred thousand of a
// recursion.
const mostFrames = 300

// gdbFrame is a frame as frames.py writes it: one on the stack, or one that debug information adds to it.
type gdbFrame struct {
	PC, SP   uint64
	Kind     string // "normal", "inline", "tailcall", "signal", "other"
	Function string // demangled
	Linkage  string // as the linker knows it, where debug information has the function
	Symbol   bool   // debug information has the function
	File     string
	Line     int
	Module   string
	Unread   string // the module as the dynamic linker knows it, if gdb did not find its file
	Offset   int64  // from the module's start; negative if the core doesn't say what was mapped
}

// gdbStack is a thread's frames as frames.py writes them.
type gdbStack struct {
	TID    int
	Frames []gdbFrame
	Cut    bool   // there were more
	End    string // why there are no more
}

// said is what gdb said before, by core and files.
var said sync.Map

// askGDB gives every thread's stack as gdb sees it, past main and past the entry, with nothing but the item's
// own files.
func askGDB(it Item) (map[int]stack, error) {
	key := strings.Join(append(it.Roots, it.plainCore()), " ")
	if known, ok := said.Load(key); ok {
		return known.(map[int]stack), nil
	}
	threads, err := it.gdb()
	if err != nil {
		return nil, err
	}
	stacks := map[int]stack{}
	for _, t := range threads {
		stacks[t.TID] = t.stack()
	}
	said.Store(key, stacks)
	return stacks, nil
}

func (it Item) gdb() ([]gdbStack, error) {
	dir, err := os.MkdirTemp("", "oracle-gdb")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	script, out := filepath.Join(dir, "frames.py"), filepath.Join(dir, "frames.json")
	head := fmt.Sprintf("OUT, MOST, APART = %q, %d, %d\n", out, mostFrames, apart(it))
	if err := os.WriteFile(script, []byte(head+framesScript), 0o600); err != nil {
		return nil, err
	}
	output, err := run(context.Background(), dir, it.debugger(), append(it.gdbSettings(), "-x", script)...)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(out)
	if err != nil {
		return nil, fmt.Errorf("gdb wrote no frames of %s: %s", it.Core, output)
	}
	var threads []gdbStack
	if err := json.Unmarshal(text, &threads); err != nil || len(threads) > 0 {
		return threads, err
	}
	return nil, fmt.Errorf("gdb saw no thread in %s: %s", it.plainCore(), output)
}

// hangs is what frames.py gives as the end of a stack from which gdb never came back.
const hangs = "gdb hangs"

// apart is 1 where gdb is known to hang: at aarch64's signal frames as qemu builds them.
func apart(it Item) int {
	if it.Foreign {
		return 1
	}
	return 0
}

func (it Item) debugger() string {
	if it.Foreign {
		return "gdb-multiarch"
	}
	return "gdb"
}

func (it Item) gdbSettings() []string {
	var debug []string
	for _, root := range it.Roots {
		debug = append(debug, filepath.Join(root, "usr/lib/debug"))
	}
	return []string{"-nx", "-batch",
		"-iex", "set debuginfod enabled off",
		"-iex", "set auto-load off",
		"-iex", "set libthread-db-search-path /nonexistent",
		"-iex", "set sysroot " + it.Roots[0],
		"-iex", "set debug-file-directory " + strings.Join(debug, ":"),
		"-ex", "set backtrace past-main on",
		"-ex", "set backtrace past-entry on",
		"-ex", "file " + it.Program,
		"-ex", "core-file " + it.plainCore(),
	}
}

// stack leaves out what is not on the stack and no inlined call either: gdb makes frames up for calls that were
// jumps, where debug information lets it guess which.
func (t gdbStack) stack() stack {
	s := stack{TID: t.TID, End: t.End, Cut: t.Cut}
	var inlined []call
	for _, f := range t.Frames {
		c := call{Function: f.Function, Linkage: f.Linkage, File: f.File, Line: f.Line, Debug: f.Symbol}
		switch f.Kind {
		case "tailcall":
		case "inline":
			inlined = append(inlined, c)
		default:
			s.Frames = append(s.Frames, frame{
				Index: len(s.Frames), PC: f.PC, SP: f.SP, Signal: f.Kind == "signal", Module: f.Module, Offset: f.Offset, Unread: f.Unread,
				Calls: append(inlined, c),
			})
			inlined = nil
		}
	}
	s.Total = len(s.Frames)
	return s
}

// run runs a tool and gives what it printed.
func run(ctx context.Context, dir, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("running %s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}
