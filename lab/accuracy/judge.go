package main

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/inquest-project/inquest/internal/reasoning"
	"github.com/inquest-project/inquest/internal/reasoning/weigh"
)

// judged is what was said of one death, by weights that were fitted without its program, beside what is true.
type judged struct {
	*seen
	candidates  int
	place       int     // of what killed, from 1; of several that are said to be as likely the last. 0 if it isn't there
	truth       float64 // the probability that was given to what is true
	said        float64 // the probability of the likeliest explanation
	right       bool    // that is true
	setNamed    bool    // all earlier members of the killer's set are named with it or come next
	trap        float64 // the probability that was given to the trap; -1 if there is none
	twinFirst   bool
	sureOfWrong bool   // something that is not true was given more than 90 %
	before      bool   // it is told that what killed may have come before the capture
	misled      string // what spoke most for what came first
}

// sure is the probability above which a statement must not be wrong.
const sure = 0.9

// judgeAll weighs each program's deaths by weights that were fitted on the others'.
func judgeAll(all []*seen, without ...string) (list []judged) {
	for _, program := range programs(all) {
		weights := fitted(all, program, without...)
		for _, s := range all {
			if s.Case == program {
				list = append(list, judge(s, weights))
			}
		}
	}
	return list
}

// fitted are the weights that all deaths but a program's teach, but for those of some kinds.
func fitted(all []*seen, program string, without ...string) weigh.Table {
	teach := func(evidence ...string) []*seen {
		return slices.DeleteFunc(slices.Clone(all), func(s *seen) bool {
			return s.Case == program || s.Build != ordinary || !slices.Contains(evidence, s.Evidence)
		})
	}
	var received, held []weigh.Kind
	for _, k := range weigh.Kinds {
		switch {
		case slices.Contains(without, k.Name):
		case k.Held:
			held = append(held, k)
		default:
			received = append(received, k)
		}
	}
	table := fit(teach(whole, elsewhere), received...)
	for kind, levels := range fit(teach(coreAlone), held...) {
		table[kind] = levels
	}
	return table
}

// programs are the cases' names, in order.
func programs(all []*seen) (names []string) {
	for _, s := range all {
		names = append(names, s.Case)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func judge(s *seen, weights weigh.Table) judged {
	j := judged{seen: s, trap: -1, setNamed: true, candidates: s.candidates()}
	order, each, none := s.rank(weights)
	if told := j.candidates > 0 || s.None; told { // else nothing is said of what killed
		j.said = none
	}
	j.before = s.Before || none >= reasoning.NoneTold
	if s.None {
		j.truth, j.right, j.place = none, true, 1
	}
	noneDid := s.None || !s.kills() // of those that are weighed
	if j.right = noneDid; j.said > sure && !noneDid {
		j.sureOfWrong = true
	}
	members := 0
	for place, i := range order {
		r := s.Rows[i]
		if place == 0 {
			j.twinFirst, j.misled = r.Twins > 0, strongest(r.Levels, weights)
		}
		if each[i] > j.said {
			j.said, j.right = each[i], r.Kills == r.Count
		}
		if each[i] > sure && r.Kills < r.Count {
			j.sureOfWrong = true
		}
		if s.None && each[i] > none && place == 0 {
			j.place = 2 // behind messages
		}
		if r.Kills > 0 {
			if j.place == 0 {
				j.place = s.ahead(order[:place+1])
			}
			j.truth += each[i] * float64(r.Kills)
		}
		if r.Traps > 0 {
			j.trap = each[i]
		}
		if r.Members > 0 && (r.Named == r.Members || s.ahead(order[:place+1]) <= s.Members+1) {
			members += r.Members
		}
	}
	j.setNamed = members >= s.Members
	return j
}

// ahead is how many candidates some rows have.
func (s *seen) ahead(rows []int) (n int) {
	for _, i := range rows {
		n += s.Rows[i].Count
	}
	return n
}

// rank orders the rows as the program would their candidates, and gives each candidate of a row its probability.
func (s *seen) rank(weights weigh.Table) (order []int, each []float64, none float64) {
	messages, rows := s.each()
	probability, none := weights.Weigh(messages, observations(s.Signs), s.Lateness, s.Lost).Posterior(s.Missed)
	each = make([]float64, len(s.Rows))
	for i, p := range probability {
		each[rows[i]] = p
	}
	for i := range s.Rows {
		order = append(order, i)
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(each[b], each[a]) })
	return order, each, none
}

// some are those of a list for which something holds.
func some(list []judged, is func(judged) bool) (some []judged) {
	for _, j := range list {
		if is(j) {
			some = append(some, j)
		}
	}
	return some
}

func count(list []judged, is func(judged) bool) int { return len(some(list, is)) }

func first(j judged) bool { return j.place == 1 }
func three(j judged) bool { return j.place >= 1 && j.place <= 3 }

// logLoss is the mean surprise at the truth, in nats.
func logLoss(list []judged) (loss float64) {
	for _, j := range list {
		loss -= math.Log(max(j.truth, 1e-9)) / float64(len(list))
	}
	return loss
}

// uniform is the log loss of who takes every candidate for as likely.
func uniform(list []judged) (loss float64) {
	for _, j := range list {
		loss += math.Log(float64(max(j.candidates, 1))) / float64(len(list))
	}
	return loss
}

// bins are how many groups of equal count statements are put into by their probability.
const bins = 10

// bin is one of them.
type bin struct{ said, true float64 }

// reliability is how often statements were true that were made with about the same probability: of each death the
// likeliest explanation.
func reliability(list []judged) (all []bin) {
	ordered := slices.Clone(list)
	slices.SortStableFunc(ordered, func(a, b judged) int { return cmp.Compare(a.said, b.said) })
	for i := range bins {
		group := ordered[len(ordered)*i/bins : len(ordered)*(i+1)/bins]
		b := bin{}
		for _, j := range group {
			b.said += j.said / float64(len(group))
			b.true += float64(one(j.right)) / float64(len(group))
		}
		all = append(all, b)
	}
	return all
}

// calibrationError is the mean distance of said from true over the bins, and that over many resamples of the programs:
// another handful of programs might have been written.
func calibrationError(list []judged) float64 {
	const resamples = 1000
	names := map[string][]judged{}
	for _, j := range list {
		names[j.Case] = append(names[j.Case], j)
	}
	var cases [][]judged
	for _, s := range list {
		if its := names[s.Case]; its != nil {
			cases = append(cases, its)
			names[s.Case] = nil
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	total := 0.0
	for range resamples {
		var drawn []judged
		for range cases {
			drawn = append(drawn, cases[r.IntN(len(cases))]...)
		}
		for _, b := range reliability(drawn) {
			total += math.Abs(b.said-b.true) / bins / resamples
		}
	}
	return total
}

// aloneFirst is in how many deaths a kind, as the only one, puts what killed first.
func aloneFirst(all []*seen, kind weigh.Kind) (n int) {
	for _, program := range programs(all) {
		others := slices.DeleteFunc(slices.Clone(all), func(s *seen) bool { return s.Case == program })
		weights := fit(others, kind)
		for _, s := range all {
			if s.Case == program && s.kills() {
				n += one(judge(s, weights).place == 1)
			}
		}
	}
	return n
}
