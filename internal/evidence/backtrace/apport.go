package backtrace

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/place"
)

// apportReport is apport's file: "Key: value" lines, where a line that begins with a space continues the
// value (apport's data format, doc/data-format.tex).
var apportReport = regexp.MustCompile(`(?m)\AProblemType: \w+[ \t\r]*$`)

// readApport takes the stack of all threads, else that of the one that died, else its innermost frames.
func (t *Trace) readApport() error {
	fields := apportFields(t.text)
	t.Executable = t.field(fields["ExecutablePath"])
	t.Signal, _ = strconv.Atoi(t.field(fields["Signal"]))
	t.PID = apportPID(t.field(fields["ProcStatus"]))
	if at, packed := fields["CoreDump"]; packed {
		t.damaged(int64(at.from), "holds the core, packed: unpack it with apport-unpack "+t.Name+" FOLDER, and give the folder")
	}
	for _, name := range []string{"ThreadStacktrace", "Stacktrace", "StacktraceTop"} {
		if stack, told := fields[name]; told && t.readStacks(stack, name == "StacktraceTop") {
			break
		}
	}
	t.place(maps(t.field(fields["ProcMaps"])))
	return nil
}

// readStacks reads gdb's output in a field. StacktraceTop leaves out gdb's numbers and addresses.
func (t *Trace) readStacks(at span, top bool) bool {
	if top {
		t.Threads = []Thread{t.topStack(at)}
	} else {
		t.Threads = t.gdbThreads(at)
	}
	return slices.ContainsFunc(t.Threads, func(th Thread) bool { return len(th.Frames) > 0 })
}

func (t *Trace) topStack(at span) Thread {
	th := Thread{Crashed: true}
	for line := range strings.Lines(t.text[at.from:at.to]) {
		if call := strings.TrimSpace(line); call != "" {
			begin := at.from + strings.Index(line, call)
			th.Frames = append(th.Frames, t.gdbCall(span{begin, begin + len(call)}))
		}
		at.from += len(line)
	}
	return th
}

func (t *Trace) field(at span) string { return strings.TrimSpace(t.text[at.from:at.to]) }

// apportFields is where each field's value lies.
func apportFields(text string) map[string]span {
	fields := map[string]span{}
	at, name := 0, ""
	for line := range strings.Lines(text) {
		key, _, found := strings.Cut(line, ":")
		switch {
		case strings.HasPrefix(line, " ") && name != "":
			fields[name] = span{fields[name].from, at + len(line)}
		case found && !strings.ContainsAny(key, " \t"):
			name = key
			fields[name] = span{at + len(key) + 1, at + len(line)}
		default:
			name = ""
		}
		at += len(line)
	}
	return fields
}

func apportPID(status string) int {
	for line := range strings.Lines(status) {
		if after, ok := strings.CutPrefix(strings.TrimSpace(line), "Pid:"); ok {
			pid, _ := strconv.Atoi(strings.TrimSpace(after))
			return pid
		}
	}
	return 0
}

// mapping is a line of /proc/PID/maps (proc(5)) that a file backs.
type mapping struct {
	start, end, module place.Address // module is where the file's first mapping begins
	path               string
}

var mapsLine = regexp.MustCompile(`(?m)^\s*([0-9a-f]+)-([0-9a-f]+) [rwxsp-]{4} [0-9a-f]+ \S+ \d+\s+(/\S[^\n]*?)\s*$`)

func maps(text string) []mapping {
	var all []mapping
	for _, m := range mapsLine.FindAllStringSubmatch(text, -1) {
		start, end := addressOf(m[1]), addressOf(m[2])
		if start == nil || end == nil {
			continue
		}
		next := mapping{*start, *end, *start, m[3]}
		if n := len(all) - 1; n >= 0 && all[n].path == next.path {
			next.module = all[n].module
		}
		all = append(all, next)
	}
	slices.SortStableFunc(all, func(a, b mapping) int { return cmp.Compare(a.start, b.start) })
	return all
}

// place finds the module of each address.
func (t *Trace) place(all []mapping) {
	for _, th := range t.Threads {
		for n := range th.Frames {
			f := &th.Frames[n]
			if f.PC == nil || f.Offset != nil {
				continue
			}
			i, _ := slices.BinarySearchFunc(all, *f.PC, func(m mapping, pc place.Address) int {
				if m.end <= pc {
					return -1
				}
				return 1
			})
			if i < len(all) && all[i].start <= *f.PC {
				offset := place.Offset(*f.PC - all[i].module)
				f.Module, f.Offset = all[i].path, &offset
			}
		}
	}
}
