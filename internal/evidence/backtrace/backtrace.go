// Package backtrace reads stacks that somebody printed, and writes them as abrt does. Read is the way in. A
// printed stack is all that is left of many deaths.
//
// Forms, each known by its content: abrt's core_backtrace, as text (a frame a line: build ID, offset, symbol,
// module) and as JSON (satyr, and the uReport around it); gdb's bt, where and thread apply all bt, also where
// pasting broke or joined the lines; eu-stack's; systemd-coredump's message in a journal, a log or coredumpctl
// info; apport's report; and the lines of glibc's backtrace_symbols(3), as crash handlers print them.
//
// What stands around a stack is passed over: logs, locals, prompts. Of several deaths in one text the last
// is read. Addresses are as printed: of a caller the one that the call returns to.
package backtrace

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/cursor"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// Trace is one printed death.
type Trace struct {
	Name       string // the file's base name
	Form       Form
	Threads    []Thread
	PID        int // 0 if it isn't told
	Signal     int // 0 if it isn't told
	Executable string
	Damage     []cursor.Damage

	text string
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
	Into      *place.Offset // from the function's start
	Module    string        // name or path
	File      string
	Line      int
	Arguments string
	Inlined   bool // its code is the next frame's: no call was made

	slot span // where in the text the name is, or belongs
	end  int  // where the frame's text ends
}

// span is a stretch of the text.
type span struct{ from, to int }

// Form is how a trace is printed.
type Form string

// The forms.
const (
	ABRT     Form = "abrt's core_backtrace"
	ABRTJSON Form = "abrt's core_backtrace as JSON"
	Apport   Form = "apport's report"
	Systemd  Form = "systemd-coredump's message"
	EUStack  Form = "eu-stack's output"
	GDB      Form = "gdb's bt"
	Handler  Form = "backtrace_symbols' lines"
	Kernel   Form = "the kernel's line on a fault" // one frame, which package logs reads
)

// forms are tried in this order: a report that quotes another form comes before it.
var forms = []struct {
	form Form
	sign *regexp.Regexp
	read func(*Trace) error
}{
	{ABRTJSON, abrtJSON, (*Trace).readJSON},
	{Apport, apportReport, (*Trace).readApport},
	{ABRT, abrtSign, (*Trace).readABRT},
	{Systemd, systemdFrame, (*Trace).readSystemd},
	{EUStack, euSign, (*Trace).readEU},
	{GDB, gdbSign, (*Trace).readGDB},
	{Handler, handlerSign, (*Trace).readHandler},
}

// readMost bounds a trace: a recursion of a hundred thousand frames prints some ten megabytes.
const readMost = 64 << 20

// Read reads a trace of any form.
func Read(name string, r io.Reader) (Trace, error) {
	text, err := io.ReadAll(io.LimitReader(r, readMost))
	if err != nil {
		return Trace{}, fmt.Errorf("reading %s: %w", name, err)
	}
	t := Trace{Name: name, text: string(text)}
	for _, f := range forms {
		if f.sign.Match(text) {
			t.Form = f.form
			if err := f.read(&t); err != nil {
				return t, err
			}
			t.conclude()
			return t, nil
		}
	}
	return t, &cursor.Error{Part: name, Problem: "expected a printed stack: abrt's core_backtrace (BUILDID 0xOFFSET SYMBOL MODULE, or JSON), gdb's bt (#0 0x… in FUNCTION), eu-stack's, systemd-coredump's, apport's or backtrace_symbols' lines, found none"}
}

// Sniff says whether a file's beginning is that of a trace.
func Sniff(head []byte) bool {
	if bytes.IndexByte(head, 0) >= 0 {
		return false
	}
	for _, f := range forms {
		if f.sign.Match(head) {
			return true
		}
	}
	return false
}

// InLog reads the stack that a daemon's log or a journal holds; false if there is none. A line of a log is not
// enough to be one: the other forms are files of their own.
func InLog(name string, r io.Reader) (Trace, bool) {
	text, err := io.ReadAll(io.LimitReader(r, readMost))
	if err != nil || !bytes.Contains(text, []byte("#0 ")) && !bytes.Contains(text, []byte("+0x")) {
		return Trace{}, false
	}
	t, err := Read(name, bytes.NewReader(text))
	return t, err == nil && slices.Contains([]Form{Systemd, GDB, Handler}, t.Form)
}

// conclude tells which thread died, if the form doesn't: the first, as in every core. And abort's signal is
// known without being told.
func (t *Trace) conclude() {
	if len(t.Threads) == 0 {
		t.Threads = []Thread{{}}
	}
	if !slices.ContainsFunc(t.Threads, func(th Thread) bool { return th.Crashed }) {
		t.Threads[0].Crashed = true
	}
	if t.Signal == 0 && t.aborts() {
		t.Signal = signals["SIGABRT"]
	}
}

// aborts says whether the crashed stack ends in abort.
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

// handlerCalled is gdb's name for the trampoline that a signal handler returns to.
const handlerCalled = "<signal handler called>"

// trampolines are its names elsewhere.
var trampolines = []string{handlerCalled, "__restore_rt", "__kernel_rt_sigreturn"}

// Trampoline says whether the frame is the one that a signal handler returns to: what it interrupted made no
// call.
func (f Frame) Trampoline() bool { return slices.Contains(trampolines, f.Function) }

// Exact says whether the PC of a thread's frame is that of an instruction about to run: the innermost, and
// what a signal handler interrupted. Every other is where a call returns to, and an inlined one's is that of
// the frame it is part of. A handler that prints its own stack stands behind a call, too.
func (t *Trace) Exact(frames []Frame, at int) bool {
	for at > 0 && frames[at-1].Inlined {
		at--
	}
	if at == 0 {
		return t.Form != Handler
	}
	return frames[at-1].Trampoline()
}

// Interrupted is which frame was running when a signal handler was called; 0 if none is on the stack. The
// frames before it are the handler's, whose report this may be. In lines of backtrace_symbols the trampoline
// has no name: it is the first code of the C library's that has none.
func (t *Trace) Interrupted(frames []Frame) int {
	for i := len(frames) - 2; i >= 0; i-- {
		if frames[i].Trampoline() {
			return i + 1
		}
	}
	for i, f := range frames[:max(0, min(deepestHandler, len(frames)-1))] {
		if t.Form == Handler && i > 0 && f.Function == "" && libc.MatchString(baseName(f.Module)) {
			return i + 1
		}
	}
	return 0
}

// deepestHandler is how many frames a handler may have that prints its stack.
const deepestHandler = 8

var libc = regexp.MustCompile(`^(?:libc|libpthread)[-.]|^ld-musl-`)

// baseName is a module's name without its path.
func baseName(module string) string {
	if module == "" {
		return ""
	}
	return path.Base(strings.TrimSuffix(module, " (deleted)"))
}
