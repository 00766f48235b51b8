package backtrace

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/place"
)

// eu-stack's lines. Of a frame "- 1" (-v, -d) says that the PC is behind a call, the module follows " - " (-m),
// and on lines of their own the build with the call's own place (-b) and the source (-s). An inlined frame
// (-i) has the PC of the frame it is part of.
var (
	euThread = regexp.MustCompile(`^TID (\d+):\s*$`)
	euFrame  = regexp.MustCompile(`^#(\d+)[ ]+0x([0-9a-f]{16})(?:[ ]- 1|[ ]{4})?(.*)$`)
	euBuild  = regexp.MustCompile(`^\s+\[([0-9a-f]{16,64})\]@0x([0-9a-f]+)\+0x[0-9a-f]+\s*$`)
	euSource = regexp.MustCompile(`^\s+(\S.*?):(\d+)(?::\d+)?\s*$`)
	euSign   = regexp.MustCompile(`(?m)^TID \d+:\s*\n(?:[ \t][^\n]*\n)*#0[ ]+0x[0-9a-f]{16}\b`)
	// symbolVersion is what eu-stack adds to a name that it has from .dynsym.
	symbolVersion = regexp.MustCompile(`@@?[A-Z][A-Za-z]*_[\w.]+$`)

	euPID = regexp.MustCompile(`(?m)^PID (\d+) - `)
)

func (t *Trace) readEU() error {
	if m := euPID.FindStringSubmatch(t.text); m != nil {
		t.PID, _ = strconv.Atoi(m[1])
	}
	at := 0
	for line := range strings.Lines(t.text) {
		t.euLine(at, strings.TrimRight(line, "\r\n"))
		at += len(line)
	}
	return nil
}

func (t *Trace) euLine(at int, line string) {
	if m := euThread.FindStringSubmatch(line); m != nil {
		id, _ := strconv.Atoi(m[1])
		t.Threads = append(t.Threads, Thread{ID: id})
		return
	}
	if len(t.Threads) == 0 {
		return
	}
	th := &t.Threads[len(t.Threads)-1]
	if m := euFrame.FindStringSubmatchIndex(line); m != nil {
		th.Frames = append(th.Frames, euCall(at, line, m))
		if n := len(th.Frames) - 2; n >= 0 && *th.Frames[n].PC == *th.Frames[n+1].PC && !th.Frames[n].recurses(th.Frames[n+1]) {
			th.Frames[n].Inlined = true
		}
		return
	}
	if len(th.Frames) == 0 {
		return
	}
	f := &th.Frames[len(th.Frames)-1]
	if m := euBuild.FindStringSubmatch(line); m != nil {
		f.BuildID = place.BuildID(m[1])
		if start := addressOf(m[2]); start != nil && *start <= *f.PC {
			offset := place.Offset(*f.PC - *start) // the printed one is the call's own
			f.Offset = &offset
		}
		f.end = at + len(line)
	} else if m := euSource.FindStringSubmatch(line); m != nil {
		f.File = m[1]
		f.Line, _ = strconv.Atoi(m[2])
		f.end = at + len(line)
	}
}

// recurses says whether two frames of one PC are a function that called itself, and not one inlined in
// another.
func (f Frame) recurses(outer Frame) bool { return f.Function == outer.Function }

// euCall reads a frame's line: after the address come the name, which C++ makes long, and the module.
func euCall(at int, line string, m []int) Frame {
	rest := line[m[6]:]
	name, module := rest, ""
	if i := strings.LastIndex(rest, " - "); i >= 0 {
		name, module = rest[:i], strings.TrimSpace(rest[i+3:])
	}
	begin := m[6] + len(name) - len(strings.TrimLeft(name, " "))
	f := Frame{PC: addressOf(line[m[4]:m[5]]), Module: module, end: at + len(line)}
	name = strings.TrimSpace(name)
	f.Function = symbolVersion.ReplaceAllString(name, "")
	f.slot = span{at + begin, at + begin + len(name)}
	return f
}
