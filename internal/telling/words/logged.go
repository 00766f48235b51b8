package words

import (
	"fmt"
	"strings"
	"time"

	"github.com/inquest-project/inquest/internal/ground/finding"
)

// others says how often the same program died beside this death.
func others(o *finding.Others) string {
	says := "the logs tell of " + counted(o.Count, "other death", "other deaths") + " of this program"
	if first, last := o.First.UTC().Format(time.DateTime), o.Last.UTC().Format(time.DateTime); o.Count == 1 {
		says += ", at " + first + " UTC"
	} else {
		says += ", " + first + " to " + last + " UTC"
	}
	if len(o.Signals) > 0 {
		says += ", of " + strings.Join(o.Signals, ", ")
	}
	if o.SamePlace > 0 {
		says += fmt.Sprintf("; %d at the same instruction", o.SamePlace)
	}
	return says
}

// Logged is a line of a log, with when and where.
func Logged(l finding.Logged) string {
	says := l.Time.UTC().Format(clockTime) + " " + l.Source + ": " + strings.ReplaceAll(l.Text, "\n", " ⏎ ")
	if l.After {
		says = "afterwards " + says
	}
	return says
}
