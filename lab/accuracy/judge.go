package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reasoning/weigh"
)

// tally counts, for one program, in how many runs each thing was right.
type tally struct {
	runs, culprit, role, mechanism        int
	first, three, set, sure, wrongAndSure int
	traps, trapCleared, twinFirst         int
	heldFirst, heldThree, heldWrong       int            // with the core alone
	alone                                 map[string]int // kind: runs in which it alone puts the killer first
}

// judge weighs each program's runs with weights fitted on the others, with all evidence and with the core
// alone, and writes the tables.
func judge(runs, alone []*observed) string {
	tallies := map[string]*tally{}
	for _, r := range runs {
		tallies[r.truth.Case] = &tally{alone: map[string]int{}}
	}
	programs := slices.Sorted(maps.Keys(tallies))
	for program, t := range tallies {
		its, others := apart(runs, program)
		t.judge(its, others)
		its, others = apart(alone, program)
		t.judgeCores(its, others)
	}
	return strings.Join([]string{
		about, accuracyTable(programs, tallies), aboutCores, coreTable(programs, tallies), aboutAlone, aloneTable(programs, tallies),
	}, "\n")
}

// What the tables are, for who reads them.
const (
	about = `# Accuracy

Written by ` + "`make accuracy`" + `: fresh runs of each lab case, with its traffic seeded anew. Each program is judged by
weights that were fitted on the others' runs alone, as a daemon is judged that nobody has seen. Said above 90 % counts the
runs in which some message was given more than that, of these wrong those in which it was another than the killer.
Set named: where two messages kill together, the earlier one is named with the last or comes next. The trap is cleared
when it is given less than 2 %.
`
	aboutCores = `With the core alone, no capture and no log: whether the pieces of memory that are shown first, as what the dying
thread held, have a dozen bytes in a row of the killer's.
`
	aboutAlone = `What each kind of evidence would put first if it were the only one. A message that shares the first place is not
first: that a kind can't tell it from others is what it says.
`
)

// apart divides runs into a program's and all others'.
func apart(runs []*observed, program string) (its, others []*observed) {
	for _, r := range runs {
		if r.truth.Case == program {
			its = append(its, r)
		} else {
			others = append(others, r)
		}
	}
	return its, others
}

// judgeCores judges what a core alone tells: whether what is shown as held is of the killer.
func (t *tally) judgeCores(runs, others []*observed) {
	weights := fit(others, held...)
	for _, r := range runs {
		order, probability := rank(r, weights)
		at := slices.IndexFunc(order, func(i int) bool { return r.candidates[i].kills })
		if at == 0 {
			t.heldFirst++
		}
		if at >= 0 && at < 3 {
			t.heldThree++
		}
		if len(order) > 0 && at != 0 && probability[order[0]] > 0.9 {
			t.heldWrong++
		}
	}
}

func (t *tally) judge(runs, others []*observed) {
	weights := fit(others, received...)
	for _, r := range runs {
		t.runs++
		t.verdict(r)
		t.suspects(r, weights)
	}
	for _, kind := range received {
		weights := fit(others, kind)
		for _, r := range runs {
			if best, tied := first(r, weights); best == r.killer() && !tied {
				t.alone[kind.Name]++
			}
		}
	}
}

func (t *tally) verdict(r *observed) {
	if r.culprit.Module == r.truth.Culprit.Module && (r.culprit.Function == r.truth.Culprit.Function || r.culprit.Function == "") {
		t.culprit++
	}
	if r.culprit.Role == r.truth.Culprit.Role {
		t.role++
	}
	if r.mechanism == finding.MechanismKind(r.truth.Mechanism) {
		t.mechanism++
	}
}

func (t *tally) suspects(r *observed, weights weigh.Table) {
	order, probability := rank(r, weights)
	killer := r.killer()
	at := slices.Index(order, killer)
	if at == 0 {
		t.first++
	}
	if at >= 0 && at < 3 {
		t.three++
	}
	if top := probability[order[0]]; top > 0.9 {
		t.sure++
		if at != 0 {
			t.wrongAndSure++
		}
	}
	if r.setNamed(order) {
		t.set++
	}
	if twin := r.truth.Twin; twin != nil && r.is(r.candidates[order[0]], *twin) {
		t.twinFirst++
	}
	if trap := r.truth.Trap; trap != nil {
		t.traps++
		for i, c := range r.candidates {
			if r.is(c, *trap) && probability[i] < 0.02 {
				t.trapCleared++
				break
			}
		}
	}
}

// setNamed says whether all earlier members of the killer's set are named with it or come next.
func (r *observed) setNamed(order []int) bool {
	for _, member := range r.truth.Killer.With {
		named := false
		for place, i := range order {
			c := r.candidates[i]
			named = named || r.is(c, member) && (c.accomplice || place <= len(r.truth.Killer.With))
		}
		if !named {
			return false
		}
	}
	return true
}

// rank orders the candidates as the program would.
func rank(r *observed, weights weigh.Table) (order []int, probability []float64) {
	observed := make([][]finding.Observation, len(r.candidates))
	for i, c := range r.candidates {
		order = append(order, i)
		observed[i] = slices.Clone(c.observed)
	}
	_, bits := weights.Weigh(observed, r.lateness(), 0)
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case bits[a] > bits[b]:
			return -1
		case bits[a] < bits[b]:
			return 1
		}
		return 0
	})
	probability, _ = weigh.Posterior(bits, 0)
	return order, probability
}

// first is the best candidate and whether others are as good.
func first(r *observed, weights weigh.Table) (best int, tied bool) {
	order, probability := rank(r, weights)
	if len(order) == 0 {
		return -1, false
	}
	return order[0], len(order) > 1 && probability[order[0]] == probability[order[1]]
}

func accuracyTable(programs []string, tallies map[string]*tally) string {
	var b strings.Builder
	b.WriteString("| program | runs | culprit | role | mechanism | killer first | in the first three | set named | said above 90 % | of these wrong | trap cleared | twin first |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, p := range programs {
		t := tallies[p]
		trap := "-"
		if t.traps > 0 {
			trap = fmt.Sprintf("%d of %d", t.trapCleared, t.traps)
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %d | %d | %d | %d | %s | %d |\n",
			p, t.runs, t.culprit, t.role, t.mechanism, t.first, t.three, t.set, t.sure, t.wrongAndSure, trap, t.twinFirst)
	}
	return b.String()
}

func coreTable(programs []string, tallies map[string]*tally) string {
	var b strings.Builder
	b.WriteString("| program, its core alone | runs | killer's bytes first | in the first three | others said above 90 % |\n")
	b.WriteString("| --- | --- | --- | --- | --- |\n")
	for _, p := range programs {
		t := tallies[p]
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d |\n", p, t.runs, t.heldFirst, t.heldThree, t.heldWrong)
	}
	return b.String()
}

func aloneTable(programs []string, tallies map[string]*tally) string {
	var b strings.Builder
	b.WriteString("| alone | " + strings.Join(programs, " | ") + " |\n")
	b.WriteString("| --- |" + strings.Repeat(" --- |", len(programs)) + "\n")
	for _, kind := range received {
		b.WriteString("| " + kind.Name)
		for _, p := range programs {
			fmt.Fprintf(&b, " | %d of %d", tallies[p].alone[kind.Name], tallies[p].runs)
		}
		b.WriteString(" |\n")
	}
	return b.String()
}
