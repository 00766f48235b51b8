// Package terminal writes findings for a screen: the verdict first, then the seven questions in their
// order, each with the evidence that it rests on, in a screen and a half. Colour only repeats what the
// words say, and whatever came out of evidence is made safe before it is printed.
package terminal

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/telling/words"
)

// Style is how to print.
type Style struct {
	Width   int  // columns; lines are folded to it
	Color   bool // ANSI colours
	Verbose bool // everything, not a screen and a half
}

// How much is shown without Verbose.
const (
	briefFrames    = 8
	briefSuspects  = 3
	briefEvidence  = 4
	briefAcquitted = 3
	briefMissing   = 4
	briefProblems  = 3
)

// Write prints findings.
func Write(w io.Writer, f *finding.Findings, style Style) error {
	p := &printer{style: style}
	p.verdict(f)
	p.who(f)
	p.how(f)
	p.culprit(f)
	p.killer(f)
	p.where(f)
	p.proof(f)
	p.missing(f)
	p.tonight(f)
	_, err := io.WriteString(w, p.out.String())
	return err
}

func (p *printer) verdict(f *finding.Findings) {
	p.fold("", "", p.bold(Safe(f.Verdict)))
	p.line("")
}

func (p *printer) who(f *finding.Findings) {
	p.heading("1", "Who died")
	who := f.Process
	if who == nil {
		p.item("not known")
		return
	}
	var facts []string
	add := func(format string, args ...any) { facts = append(facts, fmt.Sprintf(format, args...)) }
	add("%s", words.Program(who))
	if file := words.MappedAs(who); file != "" {
		add("mapped as %s", file)
	}
	if who.PID != 0 {
		add("pid %d", who.PID)
	}
	if who.UID != nil {
		add("uid %d", *who.UID)
	}
	if who.Threads > 0 {
		add("%d thread(s)", who.Threads)
	}
	if who.Executable != "" {
		add("%s", who.Executable)
	}
	if who.BuildID != "" {
		add("build %s", who.BuildID)
	}
	if who.Machine != "" {
		add("%s", who.Machine)
	}
	p.item(Safe(strings.Join(facts, ", ")))
	if p.style.Verbose && who.Arguments != "" {
		p.item("started as: " + Safe(who.Arguments))
	}
}

func (p *printer) how(f *finding.Findings) {
	p.heading("2", "How")
	if f.Death == nil {
		p.item("no death found")
		return
	}
	says := f.Death.Says
	if f.Death.Signal != "" {
		says = f.Death.Signal + ": " + says
	}
	p.item(Safe(says))
	if t := f.Death.Time; t != nil {
		p.item("when: " + t.Says + p.dim(" ("+Safe(strings.Join(t.RestsOn, ", "))+")"))
	}
	p.logged(f.Death)
	p.threads(f)
}

// How many lines of a log are shown without being asked for, from before the death and from after it.
const briefBefore, briefAfter = 2, 1

// logged shows what the logs say around the death.
func (p *printer) logged(d *finding.Death) {
	if d.Others != nil {
		p.item(Safe(d.Others.Says) + p.dim(" ("+Safe(strings.Join(d.Others.RestsOn, ", "))+")"))
	}
	for _, c := range d.Changed {
		p.item(Safe(c.Says))
	}
	p.lines("the machine had trouble", d.Signs)
	p.lines("its log", d.Log)
}

func (p *printer) lines(what string, lines []finding.Logged) {
	if len(lines) == 0 {
		return
	}
	after := slices.IndexFunc(lines, func(l finding.Logged) bool { return l.After })
	if after < 0 {
		after = len(lines)
	}
	if !p.style.Verbose {
		lines = lines[max(0, after-briefBefore):min(len(lines), after+briefAfter)]
	}
	p.item(what + ":")
	for _, l := range lines {
		p.fold("     ", "         ", Safe(words.Logged(l)))
	}
}

func (p *printer) threads(f *finding.Findings) {
	for i, t := range f.Threads {
		if i > 0 && !p.style.Verbose {
			p.item(p.dim(fmt.Sprintf("and %d more thread(s): -v", len(f.Threads)-1)))
			return
		}
		if t.TID != 0 {
			p.item(fmt.Sprintf("thread %d:", t.TID))
		}
		shown := t.Frames
		if !p.style.Verbose && len(shown) > briefFrames+2 {
			shown = shown[:briefFrames]
		}
		for n, fr := range shown {
			mark := " "
			if c := f.Culprit; c != nil && t.Died && c.Frame != nil && *c.Frame == n {
				mark = ">"
			}
			p.line("  " + mark + " " + frameLine(fr, placed(t.Frames)))
		}
		if len(shown) < len(t.Frames) {
			p.item(p.dim(fmt.Sprintf("  … %d more frames: -v", len(t.Frames)-len(shown))))
		}
		if t.End != "" && p.style.Verbose {
			p.item(p.dim("  ends: " + Safe(t.End)))
		}
	}
}

func (p *printer) culprit(f *finding.Findings) {
	p.heading("3", "Who is the culprit")
	c := f.Culprit
	if c == nil {
		p.item("not known: the evidence has no stack that leads to one")
		return
	}
	p.item(Safe(c.Says))
	if len(c.Chain) > 1 {
		p.item("control came by: " + Safe(words.Chain(c.Chain)))
	}
}

func (p *printer) killer(f *finding.Findings) {
	p.heading("4", "What killed it")
	if f.Traffic != nil {
		for _, says := range f.Traffic.Says {
			p.item(Safe(says))
		}
	}
	suspects := f.Suspects
	if !p.style.Verbose {
		suspects = suspects[:min(briefSuspects, len(suspects))]
	}
	for i, s := range suspects {
		if i > 0 && s.Probability < 0.01 && !p.style.Verbose {
			break
		}
		p.suspect(i, s)
	}
	if f.None != nil {
		p.none(f)
	} else {
		p.item(words.Unweighed(f))
	}
	p.acquitted(f.Acquitted)
}

// none tells how likely it is that none of the messages killed at once, what speaks for that, and what may have been instead.
func (p *printer) none(f *finding.Findings) {
	const told, little = 0.05, -1 // a probability, and bits
	p.item(p.bold(fmt.Sprintf("%12s", words.Percent(f.None.Probability))) + "  " + Safe(f.None.Says))
	for _, o := range f.None.Signs {
		if o.Bits < little || p.style.Verbose {
			p.fold("              ", "                    ", fmt.Sprintf("%+5.1f %s", -o.Bits, Safe(o.Says)))
		}
	}
	for _, or := range f.None.Or {
		p.fold("              ", "                    ", "or    "+Safe(or.Says))
	}
	if f.Older != nil && f.Older.Probability >= told {
		p.item(fmt.Sprintf("%12s", words.Percent(f.Older.Probability)) + "  " + Safe(f.Older.Says))
	}
}

func (p *printer) suspect(i int, s finding.Suspect) {
	p.item(p.bold(fmt.Sprintf("%d. %9s", i+1, words.Percent(s.Probability))) + "  " + Safe(s.Says))
	evidence := strongest(s.Evidence)
	if !p.style.Verbose {
		evidence = brief(evidence, i == 0)
	}
	for _, o := range evidence {
		p.fold("              ", "                    ", fmt.Sprintf("%+5.1f %s", o.Bits, Safe(o.Says)))
	}
	for _, w := range s.With {
		p.fold("              ", "                    ", "with  "+Safe(w.Says))
	}
}

// brief is of the first suspect the strongest evidence, with what speaks most against it unless that is little; of another
// what speaks most for it.
func brief(evidence []finding.Observation, first bool) []finding.Observation {
	const little = -1.3 // bits
	evidence = slices.DeleteFunc(evidence, func(o finding.Observation) bool {
		return o.Kind == finding.Share && (o.Level == "less" || o.Level == "more") || !first && o.Bits < 0
	})
	if !first {
		return evidence[:min(1, len(evidence))]
	}
	shown := slices.Clone(evidence[:min(briefEvidence, len(evidence))])
	if against := slices.IndexFunc(evidence, func(o finding.Observation) bool { return o.Bits < little }); against >= briefEvidence {
		shown = append(shown, evidence[against])
	}
	return shown
}

func (p *printer) acquitted(all []finding.Acquitted) {
	shown := all
	if !p.style.Verbose {
		shown = shown[:min(briefAcquitted, len(shown))]
	}
	for _, a := range shown {
		p.item(p.bold("acquitted") + "     " + Safe(a.Says))
		for _, o := range a.Evidence {
			p.fold("              ", "                 ", "because "+Safe(o.Says))
		}
	}
	if len(shown) < len(all) {
		p.item(p.dim(fmt.Sprintf("and %d more acquitted: -v", len(all)-len(shown))))
	}
}

func (p *printer) where(f *finding.Findings) {
	p.heading("5", "Why only there")
	c := f.Circumstances
	if c == nil {
		p.item("not known: this evidence shows one environment; --compare holds another against it: a snapshot, a process that runs, a folder with its files, a core, a backtrace")
		return
	}
	p.circumstances(c)
}

func (p *printer) proof(f *finding.Findings) {
	p.heading("6", "Can it be proven")
	p.item("not tried: this is an accusation from evidence, not a re-enactment")
}

func (p *printer) missing(f *finding.Findings) {
	if len(f.Missing) > 0 {
		p.heading("", "What was missing")
	}
	shown := f.Missing
	if !p.style.Verbose {
		shown = shown[:min(briefMissing, len(shown))]
	}
	for _, m := range shown {
		p.item(Safe(m.Says) + ". It would tell: " + Safe(m.WouldTell) + ". Next time: " + Safe(m.Get))
	}
	problems := f.Problems
	if !p.style.Verbose {
		problems = problems[:min(briefProblems, len(problems))]
	}
	for _, d := range problems {
		at := ""
		if d.Offset != nil {
			at = fmt.Sprintf(" offset 0x%x:", *d.Offset)
		}
		p.item(p.dim(Safe(d.Part) + ":" + at + " " + Safe(d.Says)))
	}
}

func (p *printer) tonight(f *finding.Findings) {
	if len(f.Summary) == 0 {
		return
	}
	p.heading("", "What to do tonight")
	for _, s := range f.Summary {
		p.item("- " + Safe(s))
	}
}
