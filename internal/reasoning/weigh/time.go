package weigh

import (
	"slices"
	"strconv"
	"time"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reasoning/moment"
)

// How late a message came, the weakest first. The order of arrival among what the process is known to have
// read tells more than a clock: a process that reads one message after another dies of the last. It is
// told in steps, because others may be read at the same time or not be known to have been read.
const (
	earlier  = "earlier"
	lastFew  = "among the last 64"
	last16   = "among the last 16"
	last4    = "among the last 4"
	lastRead = "the last it read"
	atDeath  = ", in the last moments"
)

var timeLevels = []string{
	earlier, lastFew, last16, last4, lastRead,
	earlier + atDeath, lastFew + atDeath, last16 + atDeath, last4 + atDeath, lastRead + atDeath,
}

// observeTime tells how late a message came: how many came after it that the process is known to have read,
// and whether the death lies no longer behind it than the process usually takes to answer. Of a handful of
// messages, as people paste the last ones, all came late: that singles out none.
func observeTime(c *Case) []finding.Observation {
	if c.Moment.Latest.IsZero() || len(c.Candidates) < fewest || c.fromMemory() {
		return nil
	}
	usual := usualAnswer(c)
	var read []time.Time
	for _, candidate := range c.Candidates {
		if surelyRead(candidate) && readLevel(candidate, usual.lingers) != unread {
			read = append(read, candidate.Message.End)
		}
	}
	slices.SortFunc(read, time.Time.Compare)
	from := c.lastAtWork().Add(-usual.usual)
	observations := make([]finding.Observation, len(c.Candidates))
	for i, candidate := range c.Candidates {
		if readLevel(candidate, usual.lingers) == unread {
			continue // it has no place among what was read
		}
		end := candidate.Message.End
		newer := len(read) - upTo(read, end)
		observations[i] = finding.Observation{
			Level:   timeLevel(end, from, newer),
			RestsOn: frameRefs(candidate.Message),
			Facts: map[string]string{
				"before": c.Moment.Latest.Sub(end).String(),
				"newer":  strconv.Itoa(newer),
			},
		}
	}
	return observations
}

// lastAtWork is until when the process is known to have done its work: a handler may report for long before
// it lets the process die.
func (c *Case) lastAtWork() time.Time {
	if heard := c.Moment.LastWords; !heard.IsZero() && heard.Before(c.Moment.Earliest) {
		return heard
	}
	return c.Moment.Earliest
}

// upTo is how many of the times, in order, are not after t.
func upTo(times []time.Time, t time.Time) int {
	n, _ := slices.BinarySearchFunc(times, t, func(a, t time.Time) int {
		if a.After(t) {
			return 1
		}
		return -1
	})
	return n
}

// surelyRead says whether the process read a message: it answered it or a later one, or had read all of its
// connection when it was closed, or the message stands whole in its memory.
func surelyRead(c *Candidate) bool {
	switch {
	case !c.Message.Answered.IsZero(), c.Own.State == moment.ClosedFIN, !c.Last():
		return true
	}
	return c.Memory != nil && c.Memory.Extent == whole
}

func timeLevel(end, from time.Time, newer int) string {
	level := earlier
	switch {
	case newer == 0:
		level = lastRead
	case newer < 4:
		level = last4
	case newer < 16:
		level = last16
	case newer < 64:
		level = lastFew
	}
	if !end.Before(from) {
		level += atDeath
	}
	return level
}
