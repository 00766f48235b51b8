package lab

import (
	"math/rand/v2"
	"strings"
	"time"
)

// subrand is a source for one conversation: they run side by side, and which comes first must not
// change what the others say.
func subrand(r *rand.Rand) *rand.Rand { return rand.New(rand.NewPCG(r.Uint64(), r.Uint64())) }

func between(r *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(r.Int64N(int64(to-from)))
}

// besides is a time for an ordinary conversation: before the death or after it, but not in the first
// moments after it, where a case has a trap that must be the last to speak.
func besides(r *rand.Rand, death time.Duration) time.Duration {
	const quiet = 40 * time.Millisecond
	at := between(r, 0, death+100*time.Millisecond)
	if at > death-quiet {
		at += quiet
	}
	if at > death && at < death+quiet {
		at += quiet
	}
	return at
}

// endOf is when a script whose daemon survives is over.
func endOf(script []Conversation) time.Duration {
	var last time.Duration
	for _, c := range script {
		last = max(last, c.At)
	}
	return last + time.Second
}

// prose is a text of some words.
func prose(r *rand.Rand, n int) string {
	all := []string{"meeting", "invoice", "tomorrow", "the", "report", "attached", "please", "review", "offer", "and", "minutes", "holiday", "train"}
	words := make([]string, n)
	for i := range words {
		words[i] = all[r.IntN(len(all))]
	}
	return strings.Join(words, " ")
}
