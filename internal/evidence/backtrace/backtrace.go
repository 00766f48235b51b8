// Package backtrace reads stacks that somebody printed: abrt's core_backtrace as text (a frame a line:
// build ID, offset, symbol, module) and gdb's bt, where or thread apply all bt, also where pasting broke
// or joined the lines. Read is the way in. A printed stack is all that is left of many deaths.
package backtrace

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

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
	if len(t.Threads) > 0 && !t.anyCrashed() {
		t.Threads[0].Crashed = true
	}
	if t.Signal == 0 && t.aborts() {
		t.Signal = sigabrt
	}
	return t, nil
}

// Sniff says whether a file's beginning is that of a trace.
func Sniff(head []byte) bool {
	return bytes.IndexByte(head, 0) < 0 && (abrtLine.Match(head) || gdbFrame.Match(head))
}

func (t *Trace) anyCrashed() bool {
	for _, th := range t.Threads {
		if th.Crashed {
			return true
		}
	}
	return false
}

const sigabrt = 6

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

// abrtLine is a line of core_backtrace: the symbol may be "-", later columns may be absent.
var abrtLine = regexp.MustCompile(`(?m)^([0-9a-f]{16,64}|-) 0x([0-9a-f]{1,16})(?: ([^\s]+))?(?: ([^\s]+))?[^\n]*$`)

func (t *Trace) readABRT(text string) {
	var th Thread
	for _, m := range abrtLine.FindAllStringSubmatch(text, -1) {
		f := Frame{BuildID: place.BuildID(known(m[1])), Function: known(m[3])}
		if v, err := strconv.ParseUint(m[2], 16, 64); err == nil {
			offset := place.Offset(v)
			f.Offset = &offset
		}
		// "[exe]" is eu-unstrip's name for the main program: what it is called isn't told.
		if module := known(m[4]); module != "[exe]" {
			f.Module = module
		}
		th.Frames = append(th.Frames, f)
	}
	t.Threads = append(t.Threads, th)
}

func known(column string) string {
	if column == "-" {
		return ""
	}
	return column
}

var (
	gdbFrame  = regexp.MustCompile(`(?:^|\s)#\d+\s+(?:0x[0-9a-f]+\s+in\s|\S+\s*\()`)
	gdbSplit  = regexp.MustCompile(`(?:^|\s)#(\d+)\s+`)
	gdbThread = regexp.MustCompile(`(?:^|\s)Thread \d+ \((?:[^()]*\bLWP (\d+)[^()]*|[^()]*)\)[^:#]*:`)
	gdbSignal = regexp.MustCompile(`Program terminated with signal (?:SIG[A-Z]+|(\d+)), `)
	gdbNamed  = regexp.MustCompile(`Program terminated with signal (SIG[A-Z]+)`)
	gdbPC     = regexp.MustCompile(`^0x([0-9a-f]{1,16})\s+in\s+`)
	gdbSource = regexp.MustCompile(`\)\s+at\s+(\S+):(\d+)`)
	gdbFrom   = regexp.MustCompile(`\)\s+from\s+(\S+)`)
)

var signals = map[string]int{"SIGILL": 4, "SIGTRAP": 5, "SIGABRT": 6, "SIGBUS": 7, "SIGFPE": 8, "SIGKILL": 9, "SIGSEGV": 11, "SIGSYS": 31}

// readGDB takes the text as one line, since pasting wraps lines anywhere: a frame begins at "#N ".
func (t *Trace) readGDB(text string) {
	text = strings.Join(strings.Fields(text), " ")
	if m := gdbNamed.FindStringSubmatch(text); m != nil {
		t.Signal = signals[m[1]]
	} else if m := gdbSignal.FindStringSubmatch(text); m != nil {
		t.Signal, _ = strconv.Atoi(m[1])
	}
	heads := gdbThread.FindAllStringSubmatchIndex(text, -1)
	if len(heads) == 0 {
		t.Threads = append(t.Threads, gdbStack(text))
		return
	}
	for i, h := range heads {
		end := len(text)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		th := gdbStack(text[h[1]:end])
		if h[2] >= 0 {
			th.ID, _ = strconv.Atoi(text[h[2]:h[3]])
		}
		t.Threads = append(t.Threads, th)
	}
}

func gdbStack(text string) Thread {
	var th Thread
	starts := gdbSplit.FindAllStringSubmatchIndex(text, -1)
	for i, s := range starts {
		end := len(text)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		if number := text[s[2]:s[3]]; number != strconv.Itoa(len(th.Frames)) {
			continue // another stack's, or no frame at all
		}
		th.Frames = append(th.Frames, gdbCall(text[s[1]:end]))
	}
	return th
}

// gdbCall reads "0x… in FUNCTION (ARGUMENTS) at FILE:LINE" or "… from LIBRARY"; an inlined frame has no
// address. gdb prints "from" with the path of a library, which a paste may have lost.
func gdbCall(text string) Frame {
	var f Frame
	if m := gdbPC.FindStringSubmatch(text); m != nil {
		if v, err := strconv.ParseUint(m[1], 16, 64); err == nil {
			pc := place.Address(v)
			f.PC = &pc
		}
		text = text[len(m[0]):]
	}
	name, rest, found := strings.Cut(text, " (")
	f.Function = strings.TrimSpace(name)
	if f.Function == "??" {
		f.Function = ""
	}
	if !found {
		return f
	}
	if close := strings.Index(rest, ")"); close >= 0 {
		f.Arguments = rest[:close]
	}
	if m := gdbSource.FindStringSubmatch(rest); m != nil {
		f.File = m[1]
		f.Line, _ = strconv.Atoi(m[2])
	}
	if m := gdbFrom.FindStringSubmatch(rest); m != nil {
		f.Module = m[1]
	}
	return f
}
