// Package backtrace reads stacks that somebody printed: abrt's core_backtrace as text (a frame a line:
// build ID, offset, symbol, module) and gdb's bt, where or thread apply all bt, also where pasting broke
// or joined the lines. Read is the way in. A printed stack is all that is left of many deaths.
package backtrace

import (
	"bytes"
	"fmt"
	"io"

	"github.com/inquest-project/inquest/internal/ground/cursor"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// Trace is one printed death.
type Trace struct {
	Name       string // the file's base name
	Threads    []Thread
	Signal     int // 0 if it isn't told
	Executable string
	Damage     []cursor.Damage
}

// Thread is one thread's stack, innermost frame first.
type Thread struct {
	ID      int // of the kernel; 0 if it isn't told
	Crashed bool
	Frames  []Frame
}

// Frame is one call. What wasn't printed is nil or empty.
type Frame struct {
	PC        *place.Address
	BuildID   place.BuildID
	Offset    *place.Offset // from the module's start
	Function  string
	Module    string // name or path
	File      string
	Line      int
	Arguments string
}

// readMost bounds a trace: a recursion of a hundred thousand frames prints some ten megabytes.
const readMost = 64 << 20

// Read reads a trace of either form.
func Read(name string, r io.Reader) (Trace, error) {
	text, err := io.ReadAll(io.LimitReader(r, readMost))
	if err != nil {
		return Trace{}, fmt.Errorf("reading %s: %w", name, err)
	}
	t := Trace{Name: name}
	switch {
	case abrtLine.Match(text):
		t.readABRT(string(text))
	case gdbFrame.Match(text):
		t.readGDB(string(text))
	default:
		return t, &cursor.Error{Part: name, Problem: "expected abrt's core_backtrace (BUILDID 0xOFFSET SYMBOL MODULE) or gdb's bt (#0 0x… in FUNCTION), found neither"}
	}
	if t.Signal == 0 && t.aborts() {
		t.Signal = signals["SIGABRT"]
	}
	return t, nil
}

// Sniff says whether a file's beginning is that of a trace.
func Sniff(head []byte) bool {
	return bytes.IndexByte(head, 0) < 0 && (abrtLine.Match(head) || gdbFrame.Match(head))
}

// aborts says whether the crashed stack ends in abort, whose signal is known without being told.
func (t *Trace) aborts() bool {
	for _, th := range t.Threads {
		for _, f := range th.Frames[:min(6, len(th.Frames))] {
			if th.Crashed && (f.Function == "abort" || f.Function == "__GI_abort") {
				return true
			}
		}
	}
	return false
}
