package backtrace

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Pasting breaks and joins gdb's lines anywhere, so the text is taken as one line, and what gdb's own
// numbering says counts: a frame begins at "#N ", a thread at "Thread N (".
var (
	gdbSign    = regexp.MustCompile(`(?:^|\s)#(?:\d+\s+0x[0-9a-f]+\s+in\s|0\s+\S+\s+\()`)
	gdbNumber  = regexp.MustCompile(`(?:^|\s)#(\d+)\s+`)
	gdbThread  = regexp.MustCompile(`(?:^|\s)Thread\s+(\d+)\s+\([^#]*?\b(?:LWP|process)\s+(\d+)\)[^#]*?:\s*`)
	gdbCurrent = regexp.MustCompile(`\[Current\s+thread\s+is\s+(\d+)\s+\(|(?:^|\s)Thread\s+(\d+)\s+"[^"]*"\s+received\s+signal\s`)
	gdbSignal  = regexp.MustCompile(`(?:terminated\s+with|received)\s+signal\s+(\w+),\s`)
	gdbProgram = regexp.MustCompile("Core\\s+was\\s+generated\\s+by\\s+[`'\"]([^\\s`'\"]+)")
	gdbPC      = regexp.MustCompile(`^0x([0-9a-f]{1,16})\s+in\s+`)
	gdbOpen    = regexp.MustCompile(`\s\(`)
	gdbBehind  = regexp.MustCompile(`^(?:[ \t]*(?:[\r\n]|$)|\s+(?:at|from)\s)`)
	gdbSource  = regexp.MustCompile(`^\s+at\s+(\S+):(\d+)`)
	gdbFrom    = regexp.MustCompile(`^\s+from\s+(\S*[^\s/])(?:\s|$)`) // with only "/lib64/" the paste has lost the name
	gdbHandler = regexp.MustCompile(`^<signal\s+handler\s+called>`)
)

// signals are the names that gdb prints; old versions print numbers.
var signals = map[string]int{"SIGQUIT": 3, "SIGILL": 4, "SIGTRAP": 5, "SIGABRT": 6, "SIGBUS": 7, "SIGFPE": 8, "SIGKILL": 9, "SIGSEGV": 11, "SIGSYS": 31}

func (t *Trace) readGDB() error {
	text := t.text
	if m := gdbSignal.FindStringSubmatch(text); m != nil {
		t.Signal = signals[m[1]]
		if n, err := strconv.Atoi(m[1]); err == nil {
			t.Signal = n
		}
	}
	if m := gdbProgram.FindStringSubmatch(text); m != nil {
		t.Executable = m[1]
	}
	t.Threads = t.gdbThreads(span{0, len(t.text)})
	return nil
}

// gdbThreads reads the stacks in a part of the text.
func (t *Trace) gdbThreads(at span) []Thread {
	text := t.text[at.from:at.to]
	heads := gdbThread.FindAllStringSubmatchIndex(text, -1)
	if len(heads) == 0 {
		th := t.gdbStack(at)
		th.Crashed = true
		return []Thread{th}
	}
	current := "1" // the thread that dumped is a core's first
	if m := gdbCurrent.FindStringSubmatch(text); m != nil {
		current = m[1] + m[2] // of a core, or of a process that gdb ran
	}
	var threads []Thread
	for i, h := range heads {
		end := len(text)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		th := t.gdbStack(span{at.from + h[1], at.from + end})
		th.ID, _ = strconv.Atoi(text[h[4]:h[5]])
		th.Crashed = text[h[2]:h[3]] == current
		threads = append(threads, th)
	}
	if !slices.ContainsFunc(threads, func(th Thread) bool { return th.Crashed }) {
		threads[0].Crashed = true // a part of a paste: somebody chose it
	}
	return threads
}

// gdbStack reads the longest stack in a part of the text: gdb prints the innermost frames by itself before it
// is asked. One from #0 on counts before one that begins further out (bt -N).
func (t *Trace) gdbStack(at span) Thread {
	stacks := t.gdbStacks(at)
	if len(stacks) == 0 {
		return Thread{}
	}
	best := slices.MaxFunc(stacks, func(a, b gdbFrames) int {
		if (a.first == 0) != (b.first == 0) {
			return cmp.Compare(b.first, a.first)
		}
		return cmp.Compare(len(a.calls), len(b.calls))
	})
	if best.first > 0 {
		t.damaged(int64(best.calls[0].from), fmt.Sprintf("expected the stack from #0 on, found it from #%d: the place of the death is missing", best.first))
	}
	var th Thread
	for i, call := range best.calls {
		f := t.gdbCall(call)
		// gdb gives no address to a frame into which the one inside it was inlined; nor to one that a handler
		// interrupted at the start of a line.
		if i > 0 && f.PC == nil && f.File != "" && !th.Frames[i-1].Trampoline() {
			th.Frames[i-1].Inlined = true
		}
		th.Frames = append(th.Frames, f)
	}
	return th
}

// gdbFrames is a stack: the number of its first frame, and where the calls are.
type gdbFrames struct {
	first int
	calls []span
}

// gdbStacks finds frames as far as their numbers go on by one. What looks like a number in an argument's
// string is none.
func (t *Trace) gdbStacks(at span) []gdbFrames {
	text := t.text[at.from:at.to]
	var all []gdbFrames
	var q quotes
	for _, n := range gdbNumber.FindAllStringSubmatchIndex(text, -1) {
		number, err := strconv.Atoi(text[n[2]:n[3]])
		q.walk(text, n[2])
		if err != nil || q.open && !beginsLine(text, n[2]-1) {
			continue
		}
		last := len(all) - 1
		switch {
		case last >= 0 && number == all[last].first+len(all[last].calls):
		case number == 0 || gdbPC.MatchString(text[n[1]:]) && beginsLine(text, n[2]-1):
			all = append(all, gdbFrames{first: number})
			last++
		default:
			continue
		}
		q = quotes{at: n[1]}
		endCall(all, at.from+n[0])
		all[last].calls = append(all[last].calls, span{at.from + n[1], at.to})
	}
	return all
}

// endCall ends the call that was found last.
func endCall(all []gdbFrames, end int) {
	for i := len(all) - 1; i >= 0; i-- {
		if calls := all[i].calls; len(calls) > 0 {
			calls[len(calls)-1].to = end
			return
		}
	}
}

func beginsLine(text string, at int) bool {
	line := strings.TrimRight(text[:at], " \t")
	return line == "" || strings.HasSuffix(line, "\n") || strings.HasSuffix(line, "\r")
}

// quotes tells whether a place lies in a string. A character's own quotes ('"') open none.
type quotes struct {
	at   int
	open bool
}

func (q *quotes) walk(text string, to int) {
	for ; q.at < to; q.at++ {
		switch text[q.at] {
		case '\\':
			q.at++
		case '"':
			if q.open || !strings.HasPrefix(text[max(0, q.at-1):], `'"'`) {
				q.open = !q.open
			}
		}
	}
}

// gdbCall reads "0x… in FUNCTION (ARGUMENTS) at FILE:LINE" or "… from LIBRARY". An inlined frame has no
// address, and a frame at the start of a line of source has none either. Behind it may follow locals.
func (t *Trace) gdbCall(at span) Frame {
	text := t.text[at.from:min(at.to, at.from+mostCall)]
	var f Frame
	begin := 0
	if m := gdbPC.FindStringSubmatch(text); m != nil {
		f.PC = addressOf(m[1])
		begin = len(m[0])
	}
	if m := gdbHandler.FindString(text[begin:]); m != "" {
		f.Function = handlerCalled
		f.end = at.from + begin + len(m)
		f.slot = span{f.end - len(m), f.end}
		return f
	}
	from, to := arguments(text, begin)
	name := text[begin:from]
	f.slot = span{at.from + begin, at.from + begin + len(strings.TrimRight(name, " \r\n\t"))}
	if f.Function = oneLine(name); f.Function == "??" {
		f.Function = ""
	}
	f.end = at.from + to
	if from == to { // the paste ends here
		f.end = f.slot.to
		return f
	}
	f.Arguments = strings.TrimSuffix(strings.TrimPrefix(oneLine(text[from:to]), "("), ")")
	rest := text[to:]
	if m := gdbSource.FindStringSubmatch(rest); m != nil {
		f.File = m[1]
		f.Line, _ = strconv.Atoi(m[2])
		f.end += len(m[0])
	} else if m := gdbFrom.FindStringSubmatchIndex(rest); m != nil {
		f.Module = rest[m[2]:m[3]]
		f.end += m[3]
	}
	return f
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// arguments is where a call's argument list is, with its parentheses. Names of C++ have parentheses of their
// own ("std::function<int (char)>::operator()"), but behind the arguments come only the place and the end of
// the line. If there are none, both are the end of the name's line.
func arguments(text string, begin int) (from, to int) {
	first := span{-1, -1}
	for n, m := range gdbOpen.FindAllStringIndex(text[begin:], mostOpen) {
		end := closing(text, begin+m[1])
		if gdbBehind.MatchString(text[end:]) {
			return begin + m[0], end
		}
		if n == 0 {
			first = span{begin + m[0], end}
		}
	}
	if first.from >= 0 {
		return first.from, first.to
	}
	end := begin + strings.IndexAny(text[begin:]+"\n", "\r\n")
	return end, end
}

// Bounds of what is looked at for one call, in bytes and parentheses of its name.
const (
	mostCall = 64 << 10
	mostOpen = 64
)

// closing is behind the parenthesis that closes what is open at the place: not in a string, nor with one of
// the text's own; the text's end if there is none.
func closing(text string, at int) int {
	depth := 0
	q := quotes{at: at}
	for i := at; i < len(text); i++ {
		q.walk(text, i)
		switch c := text[i]; {
		case q.open || q.at > i:
		case c == '(':
			depth++
		case c == ')' && depth == 0:
			return i + 1
		case c == ')':
			depth--
		}
	}
	return len(text)
}
