// Package words turns findings into sentences: the one place of every sentence that terminal, Markdown
// and page share. Fill writes them into the findings' Says fields, the verdict and the summary; nothing
// is concluded here, and a sentence says no more than its facts.
//
// Every level of every kind of evidence needs a sentence in observations.go; a test holds that.
package words

import (
	"fmt"
	"path"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/finding"
)

// Fill writes all sentences.
func Fill(f *finding.Findings) {
	if f.Death != nil {
		sayDeath(f.Death)
	}
	if f.Culprit != nil {
		named := *f.Culprit
		named.Module = moduleName(f)
		f.Culprit.Says = culprit(&named, f.Death)
	}
	for i := range f.Suspects {
		s := &f.Suspects[i]
		sayObservations(s.Evidence)
		s.Says = Message(s.Message)
		for j := range s.With {
			s.With[j].Says = Message(s.With[j])
		}
	}
	for i := range f.Acquitted {
		a := &f.Acquitted[i]
		sayObservations(a.Evidence)
		a.Says = Message(a.Message)
	}
	if f.Older != nil {
		f.Older.Says = older
	}
	if f.None != nil {
		f.None.Says = none(f)
		sayObservations(f.None.Signs)
		for i := range f.None.Or {
			or := &f.None.Or[i]
			or.Says = fill(alternatives[or.What], or.Facts)
		}
	}
	if f.Traffic != nil {
		f.Traffic.Says = traffic(f.Traffic)
	}
	for i := range f.Missing {
		sayMissing(&f.Missing[i])
	}
	if f.Circumstances != nil {
		FillComparison(f.Circumstances)
	}
	f.Verdict = verdict(f)
	f.Summary = tonight(f)
}

// Sureness in words. Below Likely no message is called the killer.
const (
	sure   = 0.9
	likely = 0.5
)

// verdict is the one sentence: who, of what, by whom decided, and what killed, as far as is known.
func verdict(f *finding.Findings) string {
	if f.Death == nil {
		return noDeath(f)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s died", Program(f.Process))
	if f.Death.Signal != "" {
		fmt.Fprintf(&b, " of %s", f.Death.Signal)
	}
	if f.Culprit != nil {
		b.WriteString(": " + f.Culprit.Says)
	} else if f.Death.Mechanism != nil {
		b.WriteString(": " + f.Death.Mechanism.Says)
	}
	b.WriteString(". ")
	b.WriteString(killer(f))
	return b.String()
}

// noDeath is for a capture without a core, a record or a stack: it shows at most what looks like a death.
func noDeath(f *finding.Findings) string {
	if f.Traffic == nil || len(f.Suspects) == 0 || f.Traffic.ClosedFIN+f.Traffic.ClosedRST < 2 {
		return "No death was found in this evidence."
	}
	return fmt.Sprintf("No record of a death was found, but %s closed %d connections together, as a dying process does. If it died: %s",
		strings.Join(f.Traffic.Servers, ", "), f.Traffic.ClosedFIN+f.Traffic.ClosedRST, killer(f))
}

func killer(f *finding.Findings) string {
	switch {
	case len(f.Suspects) == 0 && killed(f):
		return "By what is known no input did it."
	case f.Traffic == nil && len(f.Suspects) == 0:
		return "What it had received is not known: there is no capture, and the memory at hand shows no input that it held."
	case f.None == nil:
		return "What it had received is not known: the captures show no message to it."
	case len(f.Suspects) == 0 || f.None.Probability > f.Suspects[0].Probability:
		return fmt.Sprintf("Which input killed it, if any did, can't be told: %s (%s).", f.None.Says, Percent(f.None.Probability))
	}
	first := f.Suspects[0]
	set := ""
	if len(first.With) > 0 {
		set = fmt.Sprintf(", perhaps only together with %s before it", counted(len(first.With), "message", "messages"))
	}
	switch {
	case first.Source == finding.FromMemory && first.Probability < likely:
		return "There is no capture, and of what the dying thread held nothing stands out as its input."
	case first.Source == finding.FromMemory:
		return fmt.Sprintf("There is no capture; the input that the dying thread held is first of all %s (%s).", first.Says, Percent(first.Probability))
	case first.Probability >= sure:
		return fmt.Sprintf("The killer is very probably %s%s (%s).", first.Says, set, Percent(first.Probability))
	case first.Probability >= likely:
		return fmt.Sprintf("The killer is probably %s%s (%s).", first.Says, set, Percent(first.Probability))
	}
	return fmt.Sprintf("The killer can't be told for sure; the first suspect is %s%s (%s).", first.Says, set, Percent(first.Probability))
}

// killed says whether another process ended it, or broken memory.
func killed(f *finding.Findings) bool {
	return f.Death != nil && f.Death.Mechanism != nil &&
		(f.Death.Mechanism.Kind == finding.Killed || f.Death.Mechanism.Kind == finding.BrokenMemory)
}

// Unweighed says why no input was weighed.
func Unweighed(f *finding.Findings) string {
	switch {
	case killed(f) && f.Death.Mechanism.Kind == finding.Killed:
		return "by what is known no input did: another process sent the signal"
	case killed(f):
		return "by what is known no input did: " + f.Death.Mechanism.Says
	case f.Death == nil && len(f.Threads) > 0:
		return "nothing to weigh: the process was alive"
	}
	return "nothing to weigh: no message to the dead process is in the evidence"
}

// Program names the dead process.
func Program(p *finding.Process) string {
	switch {
	case p == nil:
		return "A process"
	case p.Command != "" && p.Command == startedAs(p.Arguments):
		return p.Command // the file may have another name than the program was started by
	case p.Executable != "":
		return path.Base(p.Executable)
	case p.Command != "":
		return p.Command
	case p.PID != 0:
		return fmt.Sprintf("Process %d", p.PID)
	}
	return "A process"
}

// MappedAs is the name of the file that the program was started from, if it was started by another: one file may be
// several programs, by links.
func MappedAs(p *finding.Process) string {
	file := path.Base(strings.TrimSuffix(p.Executable, " (deleted)"))
	if p.Executable == "" || file == Program(p) {
		return ""
	}
	return file
}

// moduleName is the culprit's module; of the program itself the name by which it was started.
func moduleName(f *finding.Findings) string {
	if f.Process != nil && f.Culprit.Module != "" && f.Culprit.Module == MappedAs(f.Process) {
		return Program(f.Process)
	}
	return f.Culprit.Module
}

// startedAs is the name by which a program was started, cut to what the kernel keeps of a command's.
func startedAs(arguments string) string {
	const kept = 15
	first, _, _ := strings.Cut(arguments, " ")
	name := path.Base(first)
	return name[:min(kept, len(name))]
}

// Message names a message: what it is, from whom, and where to find it.
func Message(m finding.Message) string {
	what := m.Summary
	switch {
	case what == "":
		what = counted(m.Length, "byte", "bytes")
	case m.Protocol == "text":
		what = "“" + what + "”"
	}
	if m.Sealed != nil {
		what += " (decrypted " + m.Sealed.Version + ")"
	}
	var where []string
	if m.Client != "" {
		where = append(where, "from "+m.Client)
	}
	switch {
	case len(m.Frames) == 1:
		where = append(where, fmt.Sprintf("in frame %d", m.Frames[0]))
	case len(m.Frames) > 1:
		where = append(where, fmt.Sprintf("in frames %d to %d", m.Frames[0], m.Frames[len(m.Frames)-1]))
	case m.Address != nil:
		where = append(where, "in memory at "+m.Address.String())
	}
	return strings.Join(append([]string{what}, where...), " ")
}

// alternatives are the ways in which no captured message was what killed.
var alternatives = map[string]string{
	"another's": "the capture is another process's: nothing in the core's memory is of its conversations",
	"a timer":   "no input did, but a timer or what else the process does by itself: the dying stack's function names speak of it ({words})",
	"idle":      "no input did: it had had nothing new to read for {idle}",
	"before":    "it came before the capture began, {before} before the death, and did its harm later",
	"lost":      "it was among the packets that the capture lost",
	"unseen":    "it came by a Unix socket or from a file, which are in no capture",
}

// older is what is said of the explanation that a message killed late.
const older = "of all: one of the messages did the harm earlier, and what the process was at work on only ran into it"

func none(f *finding.Findings) string {
	one := f.Candidates == 1
	fromMemory := len(f.Suspects) > 0 && f.Suspects[0].Source == finding.FromMemory
	standsOut := len(f.Suspects) > 0 && f.Suspects[0].Probability >= f.None.Probability
	switch {
	case fromMemory && one:
		return "what killed was not the one piece of memory found in its reach, or no input did"
	case fromMemory:
		return fmt.Sprintf("what killed was none of the %d pieces of memory found in its reach, or no input did", f.Candidates)
	case standsOut && one:
		return "the one message weighed didn't kill, or no input at all did"
	case standsOut:
		return fmt.Sprintf("none of the %d messages weighed killed, or no input at all did", f.Candidates)
	case one:
		return "the one message that was weighed doesn't stand out; perhaps it didn't kill, or no input at all did"
	}
	return fmt.Sprintf("no message stands out from the %d that were weighed; perhaps none of them killed, or no input at all did", f.Candidates)
}

// Percent prints a probability without pretending to know the last percent.
func Percent(p float64) string {
	switch {
	case p >= 0.99:
		return "over 99 %"
	case p < 0.01:
		return "under 1 %"
	}
	return fmt.Sprintf("%.0f %%", p*100)
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
