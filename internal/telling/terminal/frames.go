package terminal

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/telling/words"
)

// Backtrace prints who died, how, and every thread's stack, as gdb's "thread apply all bt" does. Threads whose
// stacks are the same are shown once.
func Backtrace(w io.Writer, f *finding.Findings, style Style) error {
	p := &printer{style: style}
	p.died(f)
	for _, group := range alike(f.Threads) {
		p.line("")
		p.stack(group, f.Culprit)
	}
	for _, problem := range f.Problems {
		p.fold("", "  ", p.dim(Safe(problem.Part+": "+problem.Says)))
	}
	_, err := io.WriteString(w, p.out.String())
	return err
}

func (p *printer) died(f *finding.Findings) {
	who := "a process"
	if f.Process != nil {
		if who = words.Program(f.Process); f.Process.PID != 0 {
			who += fmt.Sprintf(" (pid %d)", f.Process.PID)
		}
	}
	how := "no death is in this evidence"
	switch {
	case len(f.Threads) > 0:
		how = "it lived when its core was taken: no signal in it kills"
	case f.Process != nil && f.Process.Machine != "":
		how = "nothing is known of it: its core holds neither threads nor a signal"
	}
	if f.Death != nil {
		how = strings.TrimPrefix(f.Death.Signal+": ", ": ") + f.Death.Says
	}
	p.fold("", "", p.bold(Safe(who+": "+how)))
}

// alike groups threads with the same calls, in the order of the first of each. The thread that died stands alone.
func alike(threads []finding.Thread) [][]finding.Thread {
	var groups [][]finding.Thread
	index := map[string]int{}
	for _, t := range threads {
		key := calls(t)
		at, known := index[key]
		if !known || t.Died || groups[at][0].Died {
			index[key] = len(groups)
			groups = append(groups, []finding.Thread{t})
			continue
		}
		groups[at] = append(groups[at], t)
	}
	return groups
}

// calls is what makes two stacks the same.
func calls(t finding.Thread) string {
	var b strings.Builder
	for _, f := range t.Frames {
		fmt.Fprintf(&b, "%d %s %s %s %d\n", f.Level, pc(f), f.Function, f.Trust, f.Repeats)
	}
	return b.String() + t.End
}

func (p *printer) stack(group []finding.Thread, culprit *finding.Culprit) {
	t := group[0]
	p.line(p.color("36", title(group)))
	placed := placed(t.Frames)
	for n, f := range t.Frames {
		if t.Died && culprit != nil && culprit.Frame != nil && *culprit.Frame == n {
			p.line(p.bold(frameLine(f, placed)))
		} else {
			p.line(frameLine(f, placed))
		}
		if last := n+1 == len(t.Frames) || t.Frames[n+1].Repeats != f.Repeats; f.Repeats > 0 && last {
			p.line("      " + recursion(t.Frames, n))
		}
	}
	if t.End != "" {
		p.fold("      ", "      ", p.dim("ends: "+Safe(t.End)))
	}
	p.code(t)
	if p.style.Verbose {
		p.registers(t.Registers)
	}
}

func title(group []finding.Thread) string {
	var ids []string
	for _, t := range group {
		ids = append(ids, fmt.Sprint(t.TID))
	}
	switch {
	case len(group) > 1:
		return fmt.Sprintf("Threads %s: %d alike", strings.Join(ids, ", "), len(group))
	case group[0].TID == 0:
		return "Thread"
	case group[0].Died:
		return "Thread " + ids[0] + ", which died"
	}
	return "Thread " + ids[0]
}

// recursion says how often the folded frames, of which n is the last, stand there.
func recursion(frames []finding.Frame, n int) string {
	first := n
	for first > 0 && frames[first-1].Repeats == frames[n].Repeats {
		first--
	}
	members := n + 1 - first
	last := frames[n].Level + members*frames[n].Repeats // at least
	if n+1 < len(frames) {
		last = frames[n+1].Level
	}
	if members == 1 {
		return fmt.Sprintf("… %d frames of the same function", last-frames[first].Level)
	}
	return fmt.Sprintf("… %d frames of the same %d functions", last-frames[first].Level, members)
}

// placed says whether any frame has an address: some printed stacks have none.
func placed(frames []finding.Frame) bool {
	return slices.ContainsFunc(frames, func(f finding.Frame) bool { return f.PC != nil })
}

// frameLine is a frame as gdb prints it, with the module and offset that name it on any other machine. placed
// leaves a column for addresses.
func frameLine(f finding.Frame, placed bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "#%-3d ", f.Level)
	if placed {
		fmt.Fprintf(&b, "%18s in ", pc(f))
	}
	switch {
	case f.Signal:
		b.WriteString("<signal handler called>")
	case f.Function != "" && f.Into != nil:
		b.WriteString(Safe(f.Function) + "+" + f.Into.String())
	case f.Function != "":
		b.WriteString(Safe(f.Function))
	default:
		b.WriteString("??")
	}
	if f.File != "" {
		fmt.Fprintf(&b, " at %s", Safe(f.File))
		if f.Line > 0 {
			fmt.Fprintf(&b, ":%d", f.Line)
		}
	}
	if f.Trust == finding.TrustInline {
		return b.String() + " (inlined)"
	}
	if f.Module != "" {
		b.WriteString(" from " + Safe(f.Module))
		if f.Offset != nil {
			b.WriteString("+" + f.Offset.String())
		}
	}
	if f.Trust.Guessed() {
		fmt.Fprintf(&b, " (guessed: %s)", strings.ReplaceAll(string(f.Trust), "_", " "))
	}
	return b.String()
}

// pc is the frame's address; an inlined function has none of its own.
func pc(f finding.Frame) string {
	if f.PC == nil || f.Trust == finding.TrustInline {
		return ""
	}
	return f.PC.String()
}

func (p *printer) code(t finding.Thread) {
	for _, i := range t.Code {
		mark := "   "
		if i.Here {
			mark = "=> "
		}
		p.line("   " + mark + i.Address.String() + "  " + Safe(i.Text))
	}
}

// order is how processors' manuals and debuggers list registers; others follow by name.
var order = strings.Fields("rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip eflags " +
	"x0 x1 x2 x3 x4 x5 x6 x7 x8 x9 x10 x11 x12 x13 x14 x15 x16 x17 x18 x19 x20 x21 x22 x23 x24 x25 x26 x27 x28 x29 x30 sp pc pstate")

func (p *printer) registers(registers map[string]place.Address) {
	const row = 4
	rank := func(name string) int {
		if at := slices.Index(order, name); at >= 0 {
			return at
		}
		return len(order)
	}
	names := slices.SortedFunc(maps.Keys(registers), func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
	})
	for names := range slices.Chunk(names, row) {
		var b strings.Builder
		for _, name := range names {
			fmt.Fprintf(&b, "   %8s %s", name, registers[name])
		}
		p.line(b.String())
	}
}
