package moment

import (
	"slices"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/logs"
	"github.com/inquest-project/inquest/internal/reading/conversation"
)

// How far the window reaches that is read of a large capture, before the death and behind it.
const (
	history   = time.Minute
	aftermath = longestDump + 5*time.Second
)

// Window is when to look at a capture that is too large to be at hand as a whole: around the log's record; around the
// most abrupt closes that a service made together, which the conversations' ends tell by themselves; without either, at its
// end. Of too much what is next to the instant at counts.
func Window(process Process, traffic *conversation.Traffic, records []logs.Record) (at, from, to time.Time) {
	at = traffic.Last
	if record := matchingRecord(process, records); record != nil && within(record.Time, traffic) {
		at = record.Time
	} else if closed, found := closesTogether(traffic); found {
		at = closed
	}
	return at, at.Add(-history), at.Add(aftermath)
}

func within(t time.Time, traffic *conversation.Traffic) bool {
	return !t.Before(traffic.First.Add(-history)) && !t.After(traffic.Last.Add(history))
}

// closesTogether is when the ends that were called closed most at once, an RST counting more than a FIN; what answers the
// other side's close doesn't count.
func closesTogether(traffic *conversation.Traffic) (at time.Time, found bool) {
	type closing struct {
		at     time.Time
		weight int
	}
	byServer := map[string][]closing{}
	for _, c := range traffic.Conversations {
		end := c.Ending(conversation.Responder)
		if end == nil || c.Refused {
			continue
		}
		if other := c.Ending(conversation.Opener); other != nil && !other.Time.After(end.Time) && end.Time.Sub(other.Time) < courtesy {
			continue
		}
		weight := 1
		if end.RST {
			weight = abruptWeight
		}
		server := c.Names()[conversation.Responder]
		byServer[server] = append(byServer[server], closing{end.Time, weight})
	}
	most := enoughWithoutLog*abruptWeight - 1
	for _, closings := range byServer {
		slices.SortFunc(closings, func(a, b closing) int { return a.at.Compare(b.at) })
		sum, begin := 0, 0
		for _, c := range closings {
			sum += c.weight
			for c.at.Sub(closings[begin].at) > burstPause {
				sum -= closings[begin].weight
				begin++
			}
			if sum > most {
				most, at, found = sum, closings[begin].at, true
			}
		}
	}
	return at, found
}
