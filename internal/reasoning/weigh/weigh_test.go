package weigh

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reading/conversation"
	"github.com/inquest-project/inquest/internal/reasoning/death"
	"github.com/inquest-project/inquest/internal/reasoning/moment"
)

func TestTheShippedTableWeighsEveryLevelAndAStrongerOneNeverLess(t *testing.T) {
	table := Fitted()
	if len(table) != len(Kinds) {
		t.Errorf("%d kinds in the table, %d in all", len(table), len(Kinds))
	}
	for _, kind := range Kinds {
		if len(table[kind.Name]) != len(kind.Levels) {
			t.Errorf("%s: %d levels in the table, %d in all", kind.Name, len(table[kind.Name]), len(kind.Levels))
		}
		weaker := math.Inf(-1)
		for i, level := range kind.Levels {
			bits, weighed := table[kind.Name][level]
			if !weighed {
				t.Errorf("%s: %q is not in the table", kind.Name, level)
			} else if bits < weaker {
				t.Errorf("%s: %q weighs %.2f, less than %q with %.2f", kind.Name, level, bits, kind.Levels[i-1], weaker)
			}
			weaker = bits
		}
		for _, level := range kind.Clears {
			if !slices.Contains(kind.Levels, level) {
				t.Errorf("%s: %q clears, but is no level", kind.Name, level)
			} else if table[kind.Name][level] > 0.1 {
				t.Errorf("%s: %q clears, but weighs %.2f for the killer", kind.Name, level, table[kind.Name][level])
			}
		}
	}
}

func TestATableThatIsNoneIsRefused(t *testing.T) {
	for _, text := range []string{"", "{", `{"time": 1}`, `{"time": {"earlier": "much"}}`} {
		if table, err := ParseTable([]byte(text)); err == nil || !strings.Contains(err.Error(), "weights") {
			t.Errorf("%q: %v, %v", text, table, err)
		}
	}
}

// onTheWire are messages of which the wire tells so many bits, and as many more innocents as wanted of which
// it tells none.
func onTheWire(innocents int, bits ...float64) (Table, [][]finding.Observation) {
	table := Table{"time": {"innocent": 0}}
	var messages [][]finding.Observation
	for i, b := range bits {
		level := fmt.Sprint(i)
		table["time"][level] = b
		messages = append(messages, []finding.Observation{{Kind: "time", Level: level}})
	}
	for range innocents {
		messages = append(messages, []finding.Observation{{Kind: "time", Level: "innocent"}})
	}
	return table, messages
}

// weighed is what messages weigh, without how likely each killed late.
func weighed(table Table, messages [][]finding.Observation, signs []finding.Observation, lateness, lost float64) ([][]finding.Observation, []float64) {
	w := table.Weigh(messages, signs, lateness, lost)
	return w.Messages, w.Sums
}

// If one killed at once, then one did: what the wire tells of all messages is likelihood of mean one at most, less where it
// tells against each of them; and with the probability that the death was late it is one for each.
func TestWhatTheWireTellsIsSharedOut(t *testing.T) {
	for _, lateness := range []float64{0, 0.03, 0.3, 0.75, 1} {
		for _, bits := range [][]float64{{10}, {10, 10}, {14, 3, -2}, {-6}, {0}} {
			messages, sums := func() ([][]finding.Observation, []float64) {
				table, messages := onTheWire(100, bits...)
				return weighed(table, messages, nil, lateness, 0)
			}()
			mean := 0.0
			for i, sum := range sums {
				mean += math.Exp2(sum) / float64(len(sums))
				total := 0.0
				for _, o := range messages[i] {
					total += o.Bits
				}
				if math.Abs(total-sum) > 1e-9 {
					t.Fatalf("the observations' bits are %.3f, their sum %.3f", total, sum)
				}
			}
			if against := bits[0] < 0; against && (mean >= 1 && lateness < 1 || mean < 0.9) || !against && math.Abs(mean-1) > 1e-9 {
				t.Errorf("%v, late with %.2f: the mean likelihood is %.6f", bits, lateness, mean)
			}
		}
	}
}

func TestSeveralThatStoodAlikeCountForLessEach(t *testing.T) {
	_, alone := func() ([][]finding.Observation, []float64) {
		table, m := onTheWire(1000, 12)
		return weighed(table, m, nil, 0.03, 0)
	}()
	_, among := func() ([][]finding.Observation, []float64) {
		table, m := onTheWire(1000, 12, 12, 12, 12)
		return weighed(table, m, nil, 0.03, 0)
	}()
	if alone[0] <= among[0]+1 {
		t.Errorf("alone it weighs %.2f, beside three others %.2f", alone[0], among[0])
	}
}

func TestOfALateDeathTheWireClearsNobody(t *testing.T) {
	for _, c := range []struct{ lateness, least float64 }{{0.03, math.Log2(0.03)}, {0.3, math.Log2(0.3)}, {0.75, math.Log2(0.75)}, {1, 0}} {
		table, messages := onTheWire(100, 15, -20)
		if _, sums := weighed(table, messages, nil, c.lateness, 0); math.Abs(sums[1]-c.least) > 1e-3 {
			t.Errorf("late with %.2f: %.3f are left of a message that can't have killed at once, expected %.3f", c.lateness, sums[1], c.least)
		}
	}
}

func TestWithoutWhatTellsOfTheMessageAtWorkThereIsNothingToShareOut(t *testing.T) {
	table := Table{"junk": {"none of it": -2.5}, "time": {"earlier": -3}}
	messages, sums := weighed(table, [][]finding.Observation{{{Kind: "junk", Level: "none of it"}}}, nil, 0.6, 0)
	if len(messages[0]) != 1 || sums[0] != -2.5 {
		t.Errorf("found %v, sum %.2f", messages, sums)
	}
	if _, sums := weighed(table, [][]finding.Observation{{{Kind: "memory", Level: "unheard of"}, {Kind: "unheard of", Level: "absent"}}}, nil, 0.6, 0); sums[0] != 0 {
		t.Errorf("what is not in the table weighs %.2f", sums[0])
	}
}

func TestThePriorIsSharedOutEvenly(t *testing.T) {
	for _, c := range []struct {
		n          int
		each, none float64
	}{
		{0, 0.95, 1},
		{1, 0.95, 0.05},
		{20, 0.95 / 20, 0.05},
		{1000, 0.95 / 1000, 0.05},
	} {
		each, none := Prior(c.n, 0)
		if math.Abs(each-c.each) > 1e-12 || math.Abs(none-c.none) > 1e-12 {
			t.Errorf("%d messages: expected %.4f each and %.4f for none, found %.4f and %.4f", c.n, c.each, c.none, each, none)
		}
	}
}

func TestThePosteriorSharesOutOneWithNone(t *testing.T) {
	for _, bits := range [][]float64{nil, {0}, {-3, 0, 5}, make([]float64, 100), {300, -300, 20}, slices.Repeat([]float64{-8}, 50)} {
		each, none := Weighed{Sums: bits}.Posterior(0)
		sum := none
		for i, p := range each {
			sum += p
			for j := range i {
				if (bits[i] > bits[j]) != (each[i] > each[j]) {
					t.Errorf("%v: %v is not ordered alike", bits, each)
				}
			}
		}
		if math.Abs(sum-1) > 1e-9 || none < 0 || len(each) != len(bits) {
			t.Errorf("%v: %v and %v for none make %v", bits, each, none, sum)
		}
	}
	if each, none := (Weighed{Sums: make([]float64, 100)}).Posterior(0); math.Abs(none-NonePrior) > 1e-9 || math.Abs(each[0]-0.0095) > 1e-9 {
		t.Errorf("without evidence %.4f each and %.4f for none", each[0], none)
	}
	if each, none := (Weighed{Sums: []float64{10, 0}}).Posterior(0); each[0]/none < 50 || each[0]/each[1] < 1000 {
		t.Errorf("ten bits make %v and %v for none", each, none)
	}
}

// What tells of older damage, too, is shared out where the death is a late one, and once more where it isn't: each message's
// is likelihood of mean one at most, however many messages it speaks of.
func TestWhatTellsOfOlderDamageIsSharedOutOfALateDeathToo(t *testing.T) {
	table := Table{"names": {"all": 9, "one": 6, "none": -1}, "time": {"last": 8, "earlier": -4}}
	message := func(name, when string) []finding.Observation {
		return []finding.Observation{{Kind: "names", Level: name}, {Kind: "time", Level: when}}
	}
	for _, lateness := range []float64{0, 0.03, 0.4, 0.75, 1} {
		for name, first := range map[string][][]finding.Observation{
			"one message":                       {message("all", "last")},
			"one by its names, another by time": {message("all", "earlier"), message("none", "last")},
			"several":                           {message("all", "last"), message("all", "last"), message("one", "earlier"), message("one", "earlier")},
			"none":                              nil,
		} {
			messages := first
			for range 100 {
				messages = append(messages, message("none", "earlier"))
			}
			_, sums := weighed(table, messages, nil, lateness, 0)
			mean := 0.0
			for _, sum := range sums {
				mean += math.Exp2(sum) / float64(len(sums))
			}
			if mean > 1+1e-9 || len(first) > 0 && mean < 1-1e-9 {
				t.Errorf("%s, late with %.2f: the mean likelihood is %.6f", name, lateness, mean)
			}
		}
	}
}

// Who overwrote what somebody else's message ran into is not told by when it came, but by what of it was found.
func TestOfALateDeathNamesTellAndTimeDoesNot(t *testing.T) {
	table := Table{"names": {"all": 6, "none": -1}, "time": {"last": 8, "earlier": -4}}
	named := []finding.Observation{{Kind: "names", Level: "all"}, {Kind: "time", Level: "earlier"}}
	last := []finding.Observation{{Kind: "names", Level: "none"}, {Kind: "time", Level: "last"}}
	sums := func(lateness float64) []float64 {
		messages := [][]finding.Observation{slices.Clone(named), slices.Clone(last)}
		for range 100 {
			messages = append(messages, []finding.Observation{{Kind: "names", Level: "none"}, {Kind: "time", Level: "earlier"}})
		}
		_, sums := weighed(table, messages, nil, lateness, 0)
		return sums
	}
	if s := sums(0.01); s[0] >= s[1] {
		t.Errorf("of a death at once the named weighs %.2f, the last %.2f", s[0], s[1])
	}
	if s := sums(1); s[0] <= s[1] || math.Abs(s[1]-s[2]) > 1e-9 {
		t.Errorf("of a late death the named weighs %.2f, the last %.2f, another %.2f", s[0], s[1], s[2])
	}
}

// Signs against a death at once take from all messages alike what the kinds at work tell of them.
func TestSignsAgainstADeathAtOnceTakeFromTheMessageAtWork(t *testing.T) {
	sign := []finding.Observation{{Kind: "waits", Level: allAnswered}}
	last := -1.0
	for _, bits := range []float64{0, -1, -5, -20} {
		table, messages := onTheWire(100, 10)
		table["waits"] = map[string]float64{allAnswered: bits}
		weighed, sums := weighed(table, messages, sign, 0.03, 0)
		if likely := math.Exp2(sums[0]); last >= 0 && likely >= last || likely < 0.03 {
			t.Errorf("with signs of %.0f bits its likelihood is %.3f, with fewer %.3f", bits, likely, last)
		} else {
			last = likely
		}
		if sign[0].Bits != bits {
			t.Errorf("the sign has %.1f bits of %.1f", sign[0].Bits, bits)
		}
		if level := weighed[50][len(weighed[50])-1].Level; bits < -5 && level != "more" && level != "less, by the signs" {
			t.Errorf("with signs of %.0f bits: %q", bits, level)
		}
	}
}

// Signs of a message at work speak against there being none, and not against its having run into older damage.
func TestSignsOfAMessageAtWorkLeaveALateDeathAsLikely(t *testing.T) {
	sign := []finding.Observation{{Kind: "at hand", Level: "one"}}
	var lasts, lates, nones []float64
	for _, bits := range []float64{0, 2, 4} {
		table, messages := onTheWire(100, 10)
		table["at hand"] = map[string]float64{"one": bits}
		w := table.Weigh(messages, sign, 0.4, 0)
		each, none := w.Posterior(0)
		lasts, lates, nones = append(lasts, each[0]), append(lates, w.Late[50]), append(nones, none)
	}
	if !(nones[0] > nones[1] && nones[1] > nones[2]) || !(lasts[0] < lasts[1] && lasts[1] < lasts[2]) {
		t.Errorf("with more of such signs none is %.4f likely, the last %.4f", nones, lasts)
	}
	if lasts[2] > 0.6+1e-9 || math.Abs(lates[0]-lates[2]) > 1e-9 {
		t.Errorf("the last is %.4f likely of a death that is late with 0.4, another late with %.4f", lasts, lates)
	}
}

// Of what was taken from memory one piece was at work as likely as ever, however little all look like messages.
func TestThatNothingHeldLooksLikeAMessageMakesNoneNoLikelier(t *testing.T) {
	table := Table{"form": {"a word": -5, "lines": 2}}
	held := func(levels ...string) (messages [][]finding.Observation) {
		for _, level := range levels {
			messages = append(messages, []finding.Observation{{Kind: "form", Level: level}})
		}
		return messages
	}
	for _, c := range [][]string{{"a word"}, {"a word", "a word"}, {"lines", "a word", "a word"}} {
		if _, none := table.Weigh(held(c...), nil, 0.03, 0).Posterior(HeldMissed); math.Abs(none-(1-(1-NonePrior)*(1-HeldMissed))) > 0.01 {
			t.Errorf("%v: none is %.4f likely", c, none)
		}
	}
}

func TestADeathByOlderDamageIsALateOneMoreOften(t *testing.T) {
	of := func(kind finding.MechanismKind) finding.Mechanism { return finding.Mechanism{Kind: kind} }
	overwritten := finding.Mechanism{Kind: finding.FaultRead, Pattern: finding.Text}
	likelier := []struct {
		mechanism finding.Mechanism
		role      string
	}{
		{of(finding.Abort), finding.Decided},
		{of(finding.Arithmetic), finding.Decided},
		{of(finding.FaultRead), finding.Victim},
		{overwritten, finding.Victim},
		{of(finding.AllocatorCheck), finding.Victim},
	}
	before := 0.0
	for _, c := range likelier {
		if late := Lateness(c.mechanism, c.role); !(before < late && late < 1) {
			t.Errorf("%+v, %s: late with %.2f, the one before with %.2f", c.mechanism, c.role, late, before)
		} else {
			before = late
		}
	}
	decided := Lateness(of(finding.Abort), finding.Decided)
	for name, c := range map[string]struct{ late, like float64 }{
		"who frees twice does it now":                  {Lateness(of(finding.AllocatorCheck), finding.Decided), decided},
		"a fault that was decided is like an abort":    {Lateness(overwritten, finding.Decided), decided},
		"who jumps to junk is a victim like others":    {Lateness(of(finding.FaultExecute), finding.Victim), Lateness(of(finding.FaultRead), finding.Victim)},
		"of what nothing is known no late one is made": {Lateness(of(""), ""), decided},
	} {
		if c.late != c.like {
			t.Errorf("%s: %.2f and %.2f", name, c.late, c.like)
		}
	}
	d := death.Death{Culprit: &finding.Culprit{Role: finding.Victim}, Finding: finding.Death{Mechanism: &finding.Mechanism{Kind: finding.AllocatorCheck}}}
	if found, want := (&Case{Death: d}).Lateness(), Lateness(of(finding.AllocatorCheck), finding.Victim); found != want {
		t.Errorf("of a case %.2f, expected %.2f", found, want)
	}
	if found, want := (&Case{}).Lateness(), Lateness(of(""), ""); found != want {
		t.Errorf("of a case of which nothing is known %.2f, expected %.2f", found, want)
	}
}

// scene is a small death: thirty messages were answered, the killer's connection was closed with FIN, an
// innocent's that came later with RST.
func scene(t testing.TB) *Case {
	w := newWire(t)
	w.answered(30, "usual")
	talk := w.asks(moment.Open, "usual 40")
	talk.Say(server, "done")
	talk.Say(client, "usual 41")
	talk.Say(server, "done")
	killer, unheard := w.asks(moment.ClosedFIN, "KILL everything!!"), w.asks(moment.ClosedRST, "usual 31")
	quiet := w.asks(moment.ClosedFIN, "usual 32")
	quiet.Say(server, "done")
	killer.FIN(server)
	quiet.FIN(server)
	unheard.RST(server)
	return core{rdi: heapAt + 0x1000, onHeap: map[int]string{0x1000: "KILL everything!!"}}.with(w)
}

func TestRankPutsTheLikeliestFirstAndAcquitsWithReasons(t *testing.T) {
	r := Rank(scene(t), Fitted())
	if first := r.Candidates[0]; string(first.Data) != "KILL everything!!" || first.Probability < 0.5 {
		t.Errorf("first is %q with %.3f", first.Data, first.Probability)
	}
	sum := r.None
	for i, c := range r.Candidates {
		sum += c.Probability
		if i > 0 && c.Bits > r.Candidates[i-1].Bits {
			t.Errorf("%q with %.2f bits behind %.2f", c.Data, c.Bits, r.Candidates[i-1].Bits)
		}
		bits := 0.0
		for _, o := range c.Observations {
			bits += o.Bits
		}
		if math.Abs(bits-c.Bits) > 1e-9 {
			t.Errorf("%q: observations make %.2f, not %.2f", c.Data, bits, c.Bits)
		}
	}
	if math.Abs(sum-1) > 1e-9 {
		t.Errorf("probabilities make %v", sum)
	}
	found := map[string][]string{}
	for _, c := range Acquitted(r, 10) {
		for _, o := range Reasons(c) {
			found[string(c.Data)] = append(found[string(c.Data)], o.Kind+": "+o.Level)
		}
	}
	for message, want := range map[string][]string{"usual 31": {"read: unread"}, "usual 32": {"unanswered: answered"}, "usual 41": {"unanswered: answered"}, "usual 40": nil, "KILL everything!!": nil} {
		if diff := cmp.Diff(want, found[message]); diff != "" {
			t.Errorf("%s: %s", message, diff)
		}
	}
	acquitted := Acquitted(r, 10)
	if n := len(acquitted); n != acquittedMost {
		t.Errorf("%d acquitted of more than %d", n, acquittedMost)
	}
	for i := 1; i < len(acquitted); i++ {
		if acquitted[i].Message.End.After(acquitted[i-1].Message.End) {
			t.Errorf("%q, which is newer, behind %q", acquitted[i].Data, acquitted[i-1].Data)
		}
	}
}

func TestWhoMayWellHaveKilledIsNotAcquitted(t *testing.T) {
	r := Rank(scene(t), Fitted())
	cleared := Acquitted(r, 10)[0]
	cleared.Probability = 0.2
	if slices.Contains(Acquitted(r, 10), cleared) {
		t.Errorf("%q is acquitted with 20 %%", cleared.Data)
	}
}

// Observing twice must not count twice.
func TestRankingAgainChangesNothing(t *testing.T) {
	c := scene(t)
	first := Rank(c, Fitted()).Candidates[0].Bits
	if again := Rank(c, Fitted()).Candidates[0].Bits; again != first {
		t.Errorf("%.2f bits, then %.2f", first, again)
	}
}

func TestWhatCameAfterTheDeathIsNoCandidate(t *testing.T) {
	w := newWire(t)
	w.answered(2, "before")
	m := w.died()
	w.Next = m.Latest.Add(ms)
	w.answered(1, "after")
	m.Own = w.own()
	c := NewCase(nil, nil, death.Death{Thread: -1}, m, nil)
	if got := texts(c.Candidates); !slices.Equal(got, []string{"before 0", "before 1"}) {
		t.Errorf("candidates %q", got)
	}
}

// What the capture lost may have been the answer, or the killer.
func TestLostPacketsLowerWhatSilenceSays(t *testing.T) {
	table := Table{"unanswered": {"unanswered": 5, "answered": -3}}
	sum := func(level string, lost float64) float64 {
		_, sums := weighed(table, [][]finding.Observation{{{Kind: "unanswered", Level: level}}, {{Kind: "novelty", Level: "ordinary"}}}, nil, 0, lost)
		return sums[0] - sums[1]
	}
	if whole, half, all := sum("unanswered", 0), sum("unanswered", 0.5), sum("unanswered", 1); whole != 5 || half <= 3 || half >= 5 || all != 0 {
		t.Errorf("with nothing, half and all lost it weighs %.2f, %.2f, %.2f", whole, half, all)
	}
	if seen := sum("answered", 0.5); seen != -3 {
		t.Errorf("an answer that was captured weighs %.2f with half of all lost", seen)
	}
	_, none := Prior(100, 0)
	if _, lossy := Prior(100, 0.5); lossy <= none || lossy >= 1 {
		t.Errorf("none of them is %.2f likely, with half of all lost %.2f", none, lossy)
	}
}

func TestWhatKilledMayBeInNoneOfTheCaptures(t *testing.T) {
	message := slices.Repeat([]*Candidate{{Message: &conversation.Message{}}}, fewest)
	for name, c := range map[string]struct {
		given Case
		want  float64
	}{
		"of a handful":                       {Case{Candidates: message[:fewest/4], Began: time.Minute}, 0.75},
		"of a handful, with loss":            {Case{Candidates: message[:fewest/2], Began: time.Minute, Lost: 0.5}, 0.75},
		"of nothing":                         {Case{Began: time.Minute}, 1},
		"whole":                              {Case{Candidates: message, Began: time.Minute}, 0},
		"when they began isn't known":        {Case{Candidates: message}, 0},
		"packets were lost":                  {Case{Candidates: message, Began: time.Minute, Lost: 0.25}, 0.25},
		"they began right before":            {Case{Candidates: message, Began: time.Millisecond}, ShortMissed},
		"they began right before, with loss": {Case{Candidates: message, Began: time.Millisecond, Lost: 0.75}, 0.75},
		"they are another's":                 {Case{Candidates: message, Began: time.Minute, Strange: true}, StrangeMissed},
		"there are none":                     {Case{Candidates: []*Candidate{{}}}, HeldMissed},
	} {
		if got := c.given.Missed(); got != c.want {
			t.Errorf("%s: %.2f, expected %.2f", name, got, c.want)
		}
	}
}
