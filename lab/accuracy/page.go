package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/inquest-project/inquest/internal/reasoning/weigh"
)

// report judges all that was seen, prints the sums, and writes the page and its diagram.
func report(all []*seen, page string) error {
	list := judgeAll(all)
	wholly := some(list, func(j judged) bool { return j.Build == ordinary && j.Evidence == whole })
	if page == "" {
		fmt.Print(summary(wholly), programTable(wholly))
		return nil
	}
	fmt.Print(summary(wholly))
	diagram := strings.TrimSuffix(page, filepath.Ext(page)) + ".svg"
	if err := drawReliability(reliability(wholly), diagram); err != nil {
		return err
	}
	return os.WriteFile(page, []byte(pageOf(all, list, wholly, filepath.Base(diagram))), 0o644)
}

// pageOf is the page that a sceptic can follow.
func pageOf(all []*seen, list, wholly []judged, diagram string) string {
	others := some(list, func(j judged) bool { return j.Build != ordinary && j.Evidence == whole })
	return strings.Join([]string{
		about, summary(wholly), programTable(wholly),
		aboutReliability(diagram), reliabilityTable(wholly),
		aboutVariants, variantTable(list),
		aboutCores, coreTable(some(list, func(j judged) bool { return j.Build == ordinary && j.Evidence == coreAlone })),
		aboutOthers, summary(others), programTable(others),
		aboutAblation, ablationTable(all, wholly),
		aboutWeights, weightTable(fitted(all, "")),
		aboutWrong, wrongTable(wholly),
	}, "\n")
}

// What the page says between its tables.
const (
	about = `# Accuracy

How often inquest is right, and whether its probabilities mean what they say. Written by ` + "`make accuracy`" + ` and
` + "`make calibrate`" + `; nothing here is typed in by hand.

` + "`make accuracy`" + ` lets each daemon of the lab die ten times, really, each time under traffic that is seeded anew: hundreds of
ordinary conversations, odd ones that are innocent, some that wait, and nearly the killer's twin. It then looks at what is left of
each death and keeps what it saw, message by message, without any weights (` + "`lab/accuracy/seen.jsonl.gz`" + `).

` + "`make calibrate`" + ` fits the table of weights to that: a conditional logit over each death's messages and "none of them",
penalised, in which a stronger sign never weighs less than a weaker one. What tells of the message that the process was at work
on is shared out among the messages, since it was at work on one at most; so however strongly all of that points at one, the
probability that the damage is older stays. What a death looks like whose killer was not captured is learnt from the same deaths
with the killer's conversation cut out of the capture, for a fiftieth of their worth. No weight is set by hand for a case. Stated and not fitted are: how
often none of the captured messages kills, how often a death is a late one, how often captures are another process's or began too
late, how often nothing that is shown of memory killed, and for a few steps, which the lab's programs are too few to teach, where
the fit begins (` + "`lab/accuracy/fit.go`" + `).

**Each program is judged by weights that were fitted without it**, as a daemon is judged that nobody has seen.

Culprit: module and function are the truth's. Plain rule: so they would be if the innermost frame were blamed that is no system
library's. First, first three: what killed is so placed among the messages; where none killed, "none" stands before all of
them. Set named: where messages kill together, the earlier ones are named with the last or come next. Log loss is the mean of
-ln(probability given to the truth), beside that of who takes all messages for equally likely.
`
	aboutVariants = `## With less of the evidence

A few runs of each program, with a part of the evidence taken away. Right: what killed comes first (or none does, where none
killed), as a share of what is right with all evidence. Where the capture begins after the killer, nothing can be right but to say so.
Where the killer's conversation alone is missing and the capture looks whole, nothing tells that, and another that waits may be
accused: what is said then shows how far to trust a capture.
`
	aboutCores = `## With the core alone

No capture and no log: whether the pieces of memory that are shown first, as what the dying thread held, have a dozen bytes in a
row of the killer's.
`
	aboutOthers = `## Built by another compiler

The same programs built by clang -O3, which no weight was fitted on.
`
	aboutAblation = `## What each kind of evidence is worth

Alone: in how many of the deaths a kind, if it were the only one, would put what killed first. A message that shares the first
place is not first. Without: what is right, and the log loss, when all but this kind are fitted anew.
`
	aboutWeights = `## The weights

In bits, as fitted on all programs.
`
	aboutWrong = `## Where it is wrong

Deaths in which what killed was not first, by program, with the sign that spoke most for what came first instead.
`
)

func aboutReliability(diagram string) string {
	return fmt.Sprintf(`## Said against true

Of each death the likeliest explanation, in ten groups of equal count by the probability that it was given.

![said against true](%s)
`, diagram)
}

func summary(list []judged) string {
	return fmt.Sprintf(`- %d deaths of %d programs: what killed is first in %d, in the first three in %d
- in %d of the programs it is first in nine of ten deaths or more
- given more than 90 %%: what killed in %d, something that did not in %d
- log loss %.2f, of a guess among all %.2f; calibration error %.3f (ten groups, mean over 1,000 resamples of the programs)
`, len(list), len(programsOf(list)), count(list, first), count(list, three), reliable(list), count(list, func(j judged) bool { return j.truth > sure }),
		count(list, func(j judged) bool { return j.sureOfWrong }), logLoss(list), uniform(list), calibrationError(list))
}

// reliable is how many programs have what killed first in nine of ten deaths.
func reliable(list []judged) (n int) {
	for _, p := range programsOf(list) {
		its := of(list, p)
		n += one(count(its, first)*10 >= len(its)*9)
	}
	return n
}

func programsOf(list []judged) []string {
	var all []*seen
	for _, j := range list {
		all = append(all, j.seen)
	}
	return programs(all)
}

func of(list []judged, program string) []judged {
	return some(list, func(j judged) bool { return j.Case == program })
}

// table is a table of Markdown.
func table(head []string, rows [][]string) string {
	line := func(cells []string) string { return "| " + strings.Join(cells, " | ") + " |\n" }
	var b strings.Builder
	b.WriteString(line(head))
	b.WriteString(line(slices.Repeat([]string{"---"}, len(head))))
	for _, r := range rows {
		b.WriteString(line(r))
	}
	return b.String()
}

func programTable(list []judged) string {
	var rows [][]string
	for _, p := range programsOf(list) {
		its := of(list, p)
		row := []string{p, fmt.Sprint(len(its))}
		for _, is := range []func(judged) bool{
			func(j judged) bool { return j.Right.Culprit }, func(j judged) bool { return j.Right.Plain },
			func(j judged) bool { return j.Right.Role }, func(j judged) bool { return j.Right.Mechanism },
			first, three, func(j judged) bool { return j.setNamed },
			func(j judged) bool { return j.truth > sure }, func(j judged) bool { return j.sureOfWrong }, func(j judged) bool { return j.twinFirst },
		} {
			row = append(row, fmt.Sprint(count(its, is)))
		}
		rows = append(rows, append(row, fmt.Sprintf("%.2f", logLoss(its))))
	}
	return table([]string{"program", "runs", "culprit", "plain rule", "role", "mechanism", "first", "first three", "set named",
		"truth above 90 %", "wrong above 90 %", "twin first", "log loss"}, rows)
}

func reliabilityTable(list []judged) string {
	var rows [][]string
	for _, b := range reliability(list) {
		rows = append(rows, []string{percent(b.said), percent(b.true)})
	}
	return table([]string{"said", "true"}, rows)
}

func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }

func variantTable(list []judged) string {
	var rows [][]string
	for _, v := range variants {
		its := some(list, func(j judged) bool { return j.Build == ordinary && j.Evidence == v.name })
		if v.name == coreAlone || len(its) == 0 {
			continue
		}
		same := some(list, func(j judged) bool {
			return j.Build == ordinary && j.Evidence == whole && slices.ContainsFunc(its, func(i judged) bool { return i.Case == j.Case && i.Seed == j.Seed })
		})
		right := float64(count(its, first)) / float64(max(1, count(same, first)))
		rows = append(rows, []string{v.name, fmt.Sprint(len(its)), fmt.Sprint(count(its, first)), percent(right), percent(v.least),
			fmt.Sprint(count(its, func(j judged) bool { return j.sureOfWrong })), fmt.Sprint(count(its, func(j judged) bool { return j.before }))})
	}
	return table([]string{"evidence", "deaths", "right", "of those with all", "at least", "wrong above 90 %", "told that it may have come before"}, rows)
}

func coreTable(list []judged) string {
	var rows [][]string
	list = some(list, func(j judged) bool { return !j.None })
	for _, p := range programsOf(list) {
		its := of(list, p)
		rows = append(rows, []string{p, fmt.Sprint(len(its)), fmt.Sprint(count(its, func(j judged) bool { return j.kills() })),
			fmt.Sprint(count(its, first)), fmt.Sprint(count(its, three)), fmt.Sprint(count(its, func(j judged) bool { return j.sureOfWrong }))})
	}
	shown := count(list, func(j judged) bool { return j.kills() })
	return fmt.Sprintf("The killer's bytes are among what is shown in %d of %d.\n\n", shown, len(list)) +
		table([]string{"program", "runs", "shown", "first", "first three", "wrong above 90 %"}, rows)
}

func ablationTable(all []*seen, wholly []judged) string {
	telling := slices.DeleteFunc(slices.Clone(all), func(s *seen) bool {
		return s.Build != ordinary || s.Evidence != whole && s.Evidence != elsewhere
	})
	rows := [][]string{{"(all)", "", fmt.Sprint(count(wholly, first)), fmt.Sprintf("%.2f", logLoss(wholly)), fmt.Sprint(count(wholly, func(j judged) bool { return j.sureOfWrong }))}}
	for _, kind := range weigh.Kinds {
		if kind.Held {
			continue
		}
		alone := "-"
		if !kind.Whole {
			alone = fmt.Sprint(aloneFirst(telling, kind))
		}
		without := some(judgeAll(telling, kind.Name), func(j judged) bool { return j.Evidence == whole })
		rows = append(rows, []string{kind.Name, alone, fmt.Sprint(count(without, first)), fmt.Sprintf("%.2f", logLoss(without)),
			fmt.Sprint(count(without, func(j judged) bool { return j.sureOfWrong }))})
	}
	return table([]string{"kind", "alone: first", "without: first", "log loss", "wrong above 90 %"}, rows)
}

func weightTable(t weigh.Table) string {
	var rows [][]string
	for _, kind := range weigh.Kinds {
		for _, level := range kind.Levels {
			rows = append(rows, []string{kind.Name, level, fmt.Sprintf("%+.2f", t[kind.Name][level])})
		}
	}
	return table([]string{"kind", "level", "bits"}, rows)
}

func wrongTable(list []judged) string {
	var rows [][]string
	for _, j := range list {
		if first(j) {
			continue
		}
		place := "not among them"
		if j.None {
			place = "none"
		} else if j.place > 0 {
			place = fmt.Sprint(j.place)
		}
		rows = append(rows, []string{j.Case, fmt.Sprint(j.Seed), place, percent(j.truth), percent(j.said), j.misled})
	}
	return table([]string{"program", "seed", "place of what killed", "given to it", "given to the likeliest", "what spoke most for that"}, rows)
}

// strongest is the level that weighs most of a row's.
func strongest(levels []string, weights weigh.Table) string {
	best, most := "", math.Inf(-1)
	for _, o := range observations(levels) {
		if bits := weights[o.Kind][o.Level]; bits > most {
			best, most = levelOf(o), bits
		}
	}
	return best
}
