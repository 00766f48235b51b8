package weigh

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/inquest-project/inquest/internal/ground/finding"
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

// Of what the wire weighs, lateness takes back at most what speaks against a message; where the wire speaks for
// it, it adds nothing.
func TestLatenessTakesBackAtMostWhatTheWireWeighsAgainstAMessage(t *testing.T) {
	for _, wire := range []float64{-20, -6, -1, -0.1, 0, 0.1, 1, 6, 20} {
		for _, lateness := range []float64{0, 0.03, 0.3, 0.6, 1} {
			for _, memory := range []float64{-3, 5} {
				table := Table{"time": {"x": wire / 2}, "read": {"x": wire / 2}, "memory": {"x": memory}}
				given := []finding.Observation{{Kind: "time", Level: "x"}, {Kind: "read", Level: "x"}, {Kind: "memory", Level: "x"}}
				observations, sum := table.Weigh(given, lateness)
				late, total := 0.0, 0.0
				for _, o := range observations {
					total += o.Bits
					if o.Kind == Late {
						late += o.Bits
					}
				}
				name := fmt.Sprintf("wire %+.1f, lateness %.2f", wire, lateness)
				if math.Abs(total-sum) > 1e-9 {
					t.Errorf("%s: the observations' bits are %.3f, their sum %.3f", name, total, sum)
				}
				if wire < 0 && (late < 0 || late > -wire+1e-9) {
					t.Errorf("%s: %.3f taken back", name, late)
				}
				if wire >= 0 && (late > 0 || late < -wire-1e-9) {
					t.Errorf("%s: %.3f added", name, late)
				}
				if lateness == 0 && late != 0 || lateness == 1 && math.Abs(late+wire) > 0.051 {
					t.Errorf("%s: %.3f", name, late)
				}
			}
		}
	}
}

// The bits that are left are those of a likelihood that is one with the probability that the death was late.
func TestLatenessIsAMixtureOfTwoDeaths(t *testing.T) {
	for _, c := range []struct{ wire, lateness, left float64 }{
		{-6, 0.3, math.Log2(0.7/64 + 0.3)}, {-6, 0.6, math.Log2(0.4/64 + 0.6)}, {6, 0.3, math.Log2(0.7*64 + 0.3)}, {-20, 0.5, -1},
	} {
		_, left := Table{"time": {"x": c.wire}}.Weigh([]finding.Observation{{Kind: "time", Level: "x"}}, c.lateness)
		if math.Abs(left-c.left) > 1e-4 {
			t.Errorf("%+.0f bits, late with %.1f: expected %.4f left, found %.4f", c.wire, c.lateness, c.left, left)
		}
	}
}

func TestWithoutTheWireThereIsNothingToTakeBack(t *testing.T) {
	table := Table{"memory": {"absent": -2.5}, "time": {"earlier": -3}}
	observations, sum := table.Weigh([]finding.Observation{{Kind: "memory", Level: "absent"}}, 0.6)
	if len(observations) != 1 || sum != -2.5 {
		t.Errorf("found %v, sum %.2f", observations, sum)
	}
	if _, sum := table.Weigh([]finding.Observation{{Kind: "memory", Level: "unheard of"}, {Kind: "unheard of", Level: "absent"}}, 0.6); sum != 0 {
		t.Errorf("what is not in the table weighs %.2f", sum)
	}
}

func TestThePriorLeavesForNoneWhatAHandfulMayNotHold(t *testing.T) {
	for _, c := range []struct {
		n          int
		each, none float64
	}{
		{0, 0.95 / 20, 1},
		{1, 0.95 / 20, 1 - 0.95/20},
		{4, 0.95 / 20, 1 - 0.95/5},
		{20, 0.95 / 20, 0.05},
		{1000, 0.95 / 1000, 0.05},
	} {
		each, none := Prior(c.n)
		if math.Abs(each-c.each) > 1e-12 || math.Abs(none-c.none) > 1e-12 {
			t.Errorf("%d messages: expected %.4f each and %.4f for none, found %.4f and %.4f", c.n, c.each, c.none, each, none)
		}
	}
}

func TestThePosteriorSharesOutOneWithNone(t *testing.T) {
	for _, bits := range [][]float64{nil, {0}, {-3, 0, 5}, make([]float64, 100), {300, -300, 20}, slices.Repeat([]float64{-8}, 50)} {
		each, none := Posterior(bits)
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
	if each, none := Posterior(make([]float64, 100)); math.Abs(none-NonePrior) > 1e-9 || math.Abs(each[0]-0.0095) > 1e-9 {
		t.Errorf("without evidence %.4f each and %.4f for none", each[0], none)
	}
	if each, none := Posterior([]float64{10, 0}); each[0]/none < 50 || each[0]/each[1] < 1000 {
		t.Errorf("ten bits make %v and %v for none", each, none)
	}
}

func TestADeathByOlderDamageIsALateOneMoreOften(t *testing.T) {
	decided, victim, heap := Lateness(finding.Abort, finding.Decided), Lateness(finding.FaultRead, finding.Victim), Lateness(finding.AllocatorCheck, finding.Victim)
	if !(0 < decided && decided < victim && victim < heap && heap < 1) {
		t.Errorf("decided %.2f, victim %.2f, allocator's check %.2f", decided, victim, heap)
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
	return core{rdi: heap + 0x1000, onHeap: map[int]string{0x1000: "KILL everything!!"}}.with(w)
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
	c := NewCase(nil, nil, death.Death{Thread: -1}, m)
	if got := texts(c.Candidates); !slices.Equal(got, []string{"before 0", "before 1"}) {
		t.Errorf("candidates %q", got)
	}
}
