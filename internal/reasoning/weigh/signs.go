package weigh

import (
	"slices"
	"strings"
	"time"

	"github.com/inquest-project/inquest/internal/ground/finding"
)

// Signs are what the death as a whole shows of whether the process died at once of a message that it was at work on, or of
// damage that is older, or of none at all.

const (
	allAnswered = "all answered"
	oneWaits    = "one waits"
)

var waitsLevels = []string{allAnswered, oneWaits}

// observeWaits tells whether any message may have been at work when the process died: it was read, and no answer to it
// was seen. It comes behind the kinds that tell this of each message.
func observeWaits(c *Case) []finding.Observation {
	told := false
	for _, candidate := range c.Candidates {
		answer, read := "", ""
		for _, o := range candidate.Observations {
			switch o.Kind {
			case "unanswered":
				answer, told = o.Level, true
			case "read":
				read = o.Level
			}
		}
		if atWork(answer, read) {
			return []finding.Observation{{Level: oneWaits}}
		}
	}
	if !told {
		return nil // nobody knows what was answered
	}
	return []finding.Observation{{Level: allAnswered}}
}

func atWork(answer, read string) bool {
	switch read {
	case unread, anothers, closedBefore:
		return false
	}
	switch answer {
	case "":
		return read != "" // what seems to answer it may be none
	case answered, passedOnward, notReceived, goneBefore:
		return false
	}
	return true
}

var atHandLevels = []string{"none", "one"}

// observeAtHand tells whether the dying calls held a message, as few others were held, that had been read and not answered.
func observeAtHand(c *Case) []finding.Observation {
	told := false
	for _, candidate := range c.Candidates {
		answer, read, reached := "", "", ""
		for _, o := range candidate.Observations {
			switch o.Kind {
			case "unanswered":
				answer = o.Level
			case "read":
				read = o.Level
			case "reachable":
				reached, told = o.Level, true
			}
		}
		switch reached {
		case "one hop", "two hops", "a piece, one hop":
			if atWork(answer, read) && answer != longWaiting {
				return []finding.Observation{{Level: "one", RestsOn: frameRefs(candidate.Message)}}
			}
		}
	}
	if !told {
		return nil
	}
	return []finding.Observation{{Level: "none"}}
}

var idleLevels = []string{"idle", "busy"}

// observeIdle tells whether the process had had nothing new to read for long when it died.
func observeIdle(c *Case) []finding.Observation {
	const (
		least = 200 * time.Millisecond
		long  = 10 // times as long as nearly all answers took
	)
	if c.Moment.Latest.IsZero() || len(c.Candidates) < fewest || c.fromMemory() {
		return nil
	}
	usual := usualAnswer(c)
	var last time.Time
	for _, candidate := range c.Candidates {
		if readLevel(candidate, usual.lingers) != unread && candidate.Message.End.After(last) {
			last = candidate.Message.End
		}
	}
	idle := c.lastAtWork().Sub(last)
	o := finding.Observation{Level: "busy", Facts: map[string]string{"idle": idle.String(), "usual": usual.slow.String()}}
	if !last.IsZero() && idle > max(least, long*usual.slow) {
		o.Level = "idle"
	}
	return []finding.Observation{o}
}

var doingLevels = []string{"as a timer does", "unnamed", "as both", "as input is handled"}

// Words that programmers use in the names of functions, by what these do.
var (
	timerWords = strings.Fields(`alarm checkpoint cleanup cron expire expired expiry evict flush gc heartbeat housekeeping idle
		interval janitor maintenance periodic prune purge reap reaper refresh reload rotate sched schedule scheduler sighup sweep tick ticker
		timed timeout timer timers watchdog`)
	inputWords = strings.Fields(`accept body client cmd command conn connection decode dispatch frame handle handler handshake header input line
		message msg packet parse parser payload query read readable receive received recv request response session`)
)

// observeDoing tells what the functions on the dying stack do by the words of their names: the work of a timer, or that of
// somebody who was sent something.
func observeDoing(c *Case) []finding.Observation {
	if len(c.Functions) == 0 {
		return nil
	}
	timer, input := c.spoken(timerWords), c.spoken(inputWords)
	o := finding.Observation{Facts: map[string]string{"words": strings.Join(append(timer, input...), ", ")}}
	switch {
	case len(timer) > 0 && len(input) > 0:
		o.Level = "as both"
	case len(timer) > 0:
		o.Level = "as a timer does"
	case len(input) > 0:
		o.Level = "as input is handled"
	default:
		o.Level = "unnamed"
	}
	return []finding.Observation{o}
}

// spoken are those of some words that the functions on the dying stack are called by.
func (c *Case) spoken(words []string) (spoken []string) {
	for _, name := range c.Functions {
		for _, part := range splitName(name) {
			if slices.Contains(words, part) && !slices.Contains(spoken, part) {
				spoken = append(spoken, part)
			}
		}
	}
	return spoken
}
