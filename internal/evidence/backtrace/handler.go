package backtrace

import (
	"regexp"
	"strconv"
	"strings"
)

// A line of backtrace_symbols(3): FILE(FUNCTION+0xINTO) [0xPC], of a function without a dynamic symbol
// FILE(+0xOFFSET) [0xPC], and of a program that is not position independent FILE() [0xPC]. Handlers print it
// behind anything; backtrace_symbols_fd leaves out the space and empty parentheses. FILE is the program's
// argument zero, into which Redis and PostgreSQL write what they are at, with spaces.
var (
	handlerLine = regexp.MustCompile(`(?m)^([^\n]*?[^\s(])(?:\(([^\s()]*?)(?:\+0x([0-9a-f]{1,16}))?\))? ?\[0x([0-9a-f]{6,16})\][ \t\r]*$`)
	handlerSign = regexp.MustCompile(`(?m)\S\([^\s()]*\+0x[0-9a-f]{1,16}\) ?\[0x[0-9a-f]{6,16}\][ \t\r]*$`)
)

// between is how many lines may stand between two frames of one stack: some handlers print several for each.
const between = 8

// longestModule bounds what may be a path, with what a log puts before it, in bytes.
const longestModule = 8192

// readHandler reads the last stack: a handler that dies itself is called once more.
func (t *Trace) readHandler() error {
	th := Thread{Crashed: true}
	first, last := len(t.text), 0
	for _, m := range handlerLine.FindAllStringSubmatchIndex(t.text, -1) {
		if strings.Count(t.text[last:m[0]], "\n") > between {
			th.Frames = nil
		}
		if len(th.Frames) == 0 {
			first = m[0]
		}
		last = m[1]
		if m[3]-m[2] > longestModule {
			continue
		}
		f := Frame{Module: handlerModule(t.group(m, 1)), Function: t.group(m, 2), PC: addressOf(t.group(m, 4)), end: m[1]}
		number := offsetOf(t.group(m, 3))
		if f.Function != "" {
			f.Into = number
		} else {
			f.Offset = number
		}
		if f.slot = (span{m[3], m[3]}); m[4] >= 0 {
			f.slot = span{m[4], m[4] + strings.IndexByte(t.text[m[4]:], ')')}
		}
		th.Frames = append(th.Frames, f)
	}
	t.Threads = append(t.Threads, th)
	t.Signal = caughtSignal(t.text[:first])
	return nil
}

// caught is how handlers tell the signal before the stack: "caught signal 11", "crashed by signal: 11", "SIGSEGV".
var caught = regexp.MustCompile(`(?i)\bsignal[ :=#(]{1,3}(\d{1,2})\b|\b(SIG[A-Z]{3,4})\b`)

func caughtSignal(head string) int {
	all := caught.FindAllStringSubmatch(head, -1)
	if len(all) == 0 {
		return 0
	}
	m := all[len(all)-1]
	if n, err := strconv.Atoi(m[1]); err == nil {
		return n
	}
	return signals[strings.ToUpper(m[2])]
}

// handlerModule cuts off what a log puts before a line.
func handlerModule(text string) string {
	for _, mark := range []string{": ", "\t", " /", " ./", " ../"} {
		if i := strings.LastIndex(text, mark); i >= 0 {
			text = text[i+1:]
		}
	}
	return strings.TrimSpace(text)
}
