package weigh

import (
	"slices"
	"strconv"
	"time"

	"github.com/inquest-project/inquest/internal/ground/finding"
)

// observeTime tells how long before the death a message was complete, by how many others came after
// it: a busy daemon and an idle one then read alike. It is the weakest kind: everything that was in
// flight came last too.
func observeTime(c *Case) []finding.Observation {
	if c.Moment.Latest.IsZero() {
		return nil
	}
	ends := make([]time.Time, 0, len(c.Candidates))
	for _, candidate := range c.Candidates {
		if candidate.Message == nil {
			return nil
		}
		if end := candidate.Message.End; !end.After(c.Moment.Latest) {
			ends = append(ends, end)
		}
	}
	slices.SortFunc(ends, time.Time.Compare)
	observations := make([]finding.Observation, len(c.Candidates))
	for i, candidate := range c.Candidates {
		end := candidate.Message.End
		at, _ := slices.BinarySearchFunc(ends, end, time.Time.Compare)
		newer := len(ends) - at - 1
		observations[i] = finding.Observation{
			Level:   timeLevel(end, c, newer),
			RestsOn: frameRefs(candidate.Message),
			Facts: map[string]string{
				"before": c.Moment.Latest.Sub(end).String(),
				"newer":  strconv.Itoa(max(0, newer)),
			},
		}
	}
	return observations
}

func timeLevel(end time.Time, c *Case, newer int) string {
	switch {
	case end.After(c.Moment.Latest):
		return "after the death"
	case !end.Before(c.Moment.Earliest):
		return "in the last moments"
	case newer < 8:
		return "among the last 8"
	case newer < 64:
		return "among the last 64"
	}
	return "earlier"
}
