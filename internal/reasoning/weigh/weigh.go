// Package weigh ranks the messages that a dead process had received by how likely each is to have
// killed it, beside the explanation that none of them did.
//
// Each kind of evidence (a file of this package each) looks at all candidates together and gives each
// an observation: a level, in words of that kind, and what it rests on. One table, fitted on recorded
// deaths (weights.json), turns levels into bits; kinds overlap, so the table is fitted jointly, as a
// conditional logit over a death's candidates. The sums rank, and normalised they are the probabilities
// shown.
//
// What tells of the message that the process was at work on (when it came, what became of its conversation, how near it was held)
// is taken relative to all messages of the death: if one killed at once, then one did; and whether one did, the death as a whole has signs of (signs.go).
// Some probabilities are stated and not fitted, since a lab can't teach how often which happens: that none of the messages killed
// (NonePrior), that the death is a late one (Lateness), that captures are another process's (StrangeMissed) or began too late
// (ShortMissed), and that of what was held in memory nothing killed (HeldMissed).
//
// Rank is the whole story.
package weigh

import (
	"cmp"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/inquest-project/inquest/internal/ground/bytesearch"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reading/conversation"
	"github.com/inquest-project/inquest/internal/reading/dissect"
	"github.com/inquest-project/inquest/internal/reading/heap"
	"github.com/inquest-project/inquest/internal/reading/image"
	"github.com/inquest-project/inquest/internal/reading/reach"
	"github.com/inquest-project/inquest/internal/reading/unwind"
	"github.com/inquest-project/inquest/internal/reasoning/death"
	"github.com/inquest-project/inquest/internal/reasoning/moment"
)

// Case is all that the kinds may look at. What there is no evidence for is nil or zero.
type Case struct {
	Image      *image.Image
	Stack      *unwind.Stack // of the thread that died of it
	Held       *reach.Held   // what that thread held
	Heap       *heap.Heap    // malloc's blocks
	Functions  []string      // names on its stack, from the culprit outward, without the dying machinery
	Death      death.Death
	Moment     moment.Moment
	Candidates []*Candidate
	Lost       float64       // share of the packets that the capture lost
	Began      time.Duration // how long before the death the captures began; 0 if that isn't known
	Strange    bool          // nothing in the process's memory is of these conversations

	Signs []finding.Observation // of the death as a whole

	answers map[*conversation.Message][]string // what the messages that it sent answer, by their tags
}

// Candidate is a message that may have killed.
type Candidate struct {
	Message      *conversation.Message // as far as it had arrived by the death; nil where the bytes were seen in memory only
	Carrier      *conversation.Message // what brought it: all of Message, or where that was decrypted, what it was encrypted in
	Sealed       bool                  // it was encrypted
	Ticketed     bool                  // what seems to answer it may be TLS's session tickets
	Cut          bool                  // more of it arrived later, which nobody read
	Own          moment.Own
	Data         []byte
	Dissection   dissect.Dissection
	Inferred     int            // from so many messages its fields were inferred, since no dissector knows it
	Memory       *Found         // where its bytes stand in the dead process, as much of them as is to be found; nil if nowhere
	Reached      *Found         // where the dying thread could come to some of them, the nearest; nil if it couldn't
	Peer         netip.AddrPort // the remote end, where memory and no capture tells it
	Observations []finding.Observation
	Bits         float64
	Probability  float64
}

// Last says whether nothing of the conversation arrived after this message.
func (c *Candidate) Last() bool {
	return c.Carrier.Index == len(c.Message.Conversation.Messages(c.Own.Side))-1
}

// ciphertext says whether nothing of it can be read: the process held it in another form.
func (c *Candidate) ciphertext() bool {
	return !c.Sealed && c.Dissection.Protocol == "TLS" && slices.Contains(c.Dissection.Tags, "encrypted") && !slices.Contains(c.Dissection.Tags, "handshake")
}

// lastOfOpen says whether it came last on a connection that was open when the process died.
func (c *Candidate) lastOfOpen() bool {
	alive := c.Own.State == moment.ClosedFIN || c.Own.State == moment.ClosedRST || c.Own.State == moment.Open
	return c.Message != nil && c.Message.Conversation.Transport == "tcp" && alive && c.Last()
}

// Kind is one kind of evidence: what it is called, and its levels, those first that speak least for a
// message. A stronger level never weighs less than a weaker one, however few deaths have shown it.
type Kind struct {
	Name   string
	Levels []string
	// Clears are the levels that clear a message of having killed at once, for a reason that can be told.
	Clears []string
	// Silence are the levels that rest on something not being in the capture.
	Silence []string
	// AtWork kinds tell of which message the process was at work on when it died. They say nothing of what killed where the
	// damage is older: then somebody else's message ran into it.
	AtWork bool
	// Older kinds tell, where the damage is older, of whose it is, too.
	Older bool
	// Wire kinds rest on the capture's times and answers alone.
	Wire bool
	// Held kinds speak of what was taken from memory, where there is no capture.
	Held bool

	// Whole kinds speak of the death as a whole, in a single observation: of whether the process died at once of a message
	// that it was at work on, or of none.
	Whole bool

	// observe returns one observation a candidate, or nil where the evidence says nothing at all (no core, no
	// names); a single candidate of which it says nothing gets an empty level.
	observe func(*Case) []finding.Observation
}

// Kinds are all kinds of evidence, the weakest first.
var Kinds = []Kind{
	{Name: "time", Levels: timeLevels, AtWork: true, Wire: true, observe: observeTime},
	{Name: "unanswered", Levels: unansweredLevels, Clears: []string{notReceived, answered, passedOnward}, Silence: unheard, AtWork: true, Wire: true, observe: observeUnanswered},
	{Name: "read", Levels: readLevels, Clears: []string{anothers, unread}, AtWork: true, Wire: true, observe: observeRead},
	{Name: "novelty", Levels: noveltyLevels, AtWork: true, Older: true, observe: observeNovelty},
	{Name: "fit", Levels: fitLevels, Clears: []string{pastIt}, AtWork: true, observe: observeFit},
	{Name: "memory", Levels: memoryLevels, AtWork: true, observe: observeMemory},
	{Name: "reachable", Levels: reachableLevels, AtWork: true, observe: observeReachable},
	{Name: "names", Levels: namesLevels, AtWork: true, Older: true, observe: observeNames},
	{Name: "socket", Levels: socketLevels, AtWork: true, observe: observeSocket},
	{Name: "junk", Levels: junkLevels, observe: observeJunk},
	{Name: "form", Levels: formLevels, AtWork: true, Held: true, observe: observeForm},
	{Name: "near", Levels: nearLevels, AtWork: true, Held: true, observe: observeNear},
	{Name: "waits", Levels: waitsLevels, Whole: true, observe: observeWaits},
	{Name: "idle", Levels: idleLevels, Whole: true, observe: observeIdle},
	{Name: "at hand", Levels: atHandLevels, Whole: true, observe: observeAtHand},
	{Name: "doing", Levels: doingLevels, Whole: true, observe: observeDoing},
}

// Lateness is the stated probability that a death was a late one: that the killing message had come, and had
// mostly been answered, long before. Measured elsewhere on real daemons with published bugs it was so in 9 of 66.
// How that divides among the mechanisms is judgement: who trips over older damage dies late oftener than who
// decides, whose pointer has been written over with text oftener still, an allocator's check finds damage whenever it comes by, and what
// is divided by has often been stored before.
func Lateness(m finding.Mechanism, role string) float64 {
	switch {
	case m.Kind == finding.AllocatorCheck && role == finding.Victim:
		return 0.75
	case role == finding.Victim && m.Pattern == finding.Text:
		return 0.5
	case role == finding.Victim:
		return 0.25
	case m.Kind == finding.Arithmetic:
		return 0.2
	}
	return 0.03
}

// NonePrior is the stated probability, before any evidence, that none of the captured messages killed:
// a timer, a signal, hardware, or an input that no capture holds.
const NonePrior = 0.05

// Ranking is the candidates, the likeliest first, and what is left for none of them.
type Ranking struct {
	Candidates []*Candidate
	None       float64
	Older      float64 // the probability that one of them killed, but not at once
}

// Rank observes and weighs all candidates of a case.
func Rank(c *Case, weights Table) (ranking Ranking) {
	Observe(c)
	observed := make([][]finding.Observation, len(c.Candidates))
	for i, candidate := range c.Candidates {
		observed[i] = candidate.Observations
	}
	weighed := weights.Weigh(observed, c.Signs, c.Lateness(), c.Lost)
	for i, candidate := range c.Candidates {
		candidate.Observations, candidate.Bits = weighed.Messages[i], weighed.Sums[i]
	}
	probabilities, none := weighed.Posterior(c.Missed())
	for i, candidate := range c.Candidates {
		candidate.Probability = probabilities[i]
		ranking.Older += probabilities[i] * weighed.Late[i]
	}
	ranked := slices.Clone(c.Candidates)
	slices.SortStableFunc(ranked, func(a, b *Candidate) int { return cmp.Compare(b.Bits, a.Bits) })
	ranking.Candidates, ranking.None = ranked, none
	return ranking
}

// Observe lets every kind look at the case.
func Observe(c *Case) {
	for _, candidate := range c.Candidates {
		candidate.Observations = candidate.Observations[:0]
	}
	c.Signs = nil
	for _, k := range Kinds {
		for i, o := range k.observe(c) {
			if o.Kind = k.Name; o.Level == "" {
				continue
			}
			if k.Whole {
				c.Signs = append(c.Signs, o)
			} else {
				c.Candidates[i].Observations = append(c.Candidates[i].Observations, o)
			}
		}
	}
}

// Missed is the probability that what killed was in none of the captures, before any evidence but that they are whole and of
// this process, when they began, and how much they hold.
func (c *Case) Missed() float64 {
	missed := c.Lost
	switch {
	case c.fromMemory():
		return HeldMissed
	case c.Strange:
		missed = max(c.Lost, StrangeMissed)
	case c.Began > 0 && c.Began < shortlyBefore:
		missed = max(c.Lost, ShortMissed)
	}
	return 1 - (1-missed)*min(1, float64(len(c.Candidates))/fewest)
}

// HeldMissed is the stated probability that what killed is none of the pieces of memory that are shown where there is no
// capture. In the lab it was none of them in a quarter of the deaths.
const HeldMissed = 0.3

// ShortMissed is the stated probability that what killed came before the captures, where these began shortly before the death.
const (
	ShortMissed   = 0.5
	shortlyBefore = 300 * time.Millisecond
)

// StrangeMissed is the stated probability that captures are not of this process at all, where nothing in its memory is of
// their conversations.
const StrangeMissed = 0.95

// strange says whether nothing in a whole core's memory shows that its process had these conversations: not one of many
// messages stands there, nor an address. What was encrypted stands there seldom.
func (c *Case) strange() bool {
	const enough = 50
	readable := 0
	for _, candidate := range c.Candidates {
		if candidate.Memory != nil {
			return false
		}
		if candidate.Message != nil && candidate.Dissection.Protocol != "TLS" && len(candidate.Data) >= bytesearch.MinRun {
			readable++
		}
	}
	return c.Image != nil && c.Image.Core.Expected <= c.Image.Core.Size && readable >= enough && !c.Moment.Named
}

// Lateness is how likely this death was a late one.
func (c *Case) Lateness() float64 {
	mechanism, role := finding.Mechanism{}, ""
	if c.Death.Finding.Mechanism != nil {
		mechanism = *c.Death.Finding.Mechanism
	}
	if c.Death.Culprit != nil {
		role = c.Death.Culprit.Role
	}
	return Lateness(mechanism, role)
}

// fewest is the number of messages from which on a capture is taken to hold what a daemon received. A
// handful of frames, as people paste them, may well not hold the killer.
const fewest = 20

// Prior is the probability of each of n messages, and of none of them, before any evidence.
func Prior(n int, missed float64) (each, none float64) {
	each = (1 - NonePrior) * (1 - missed) / float64(max(n, 1))
	return each, 1 - each*float64(n)
}

// Posterior shares out the probability: each message's prior, and that of none, grows by its bits.
func (w Weighed) Posterior(missed float64) (each []float64, none float64) {
	each = make([]float64, len(w.Sums))
	prior, none := Prior(len(w.Sums), missed)
	none *= math.Exp2(w.None)
	total := none
	for i, bits := range w.Sums {
		each[i] = prior * math.Exp2(bits)
		total += each[i]
	}
	for i := range each {
		each[i] /= total
	}
	return each, none / total
}
