package logs

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// stamps are the forms of the time that a line begins with. Those without a year give year 0.
var stamps = []struct {
	form    *regexp.Regexp
	layouts []string
}{
	// rsyslog's and journalctl -o short-iso's.
	{regexp.MustCompile(`^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?`),
		[]string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05"}},
	// syslog's.
	{regexp.MustCompile(`^[A-Z][a-z]{2} [ 0-3]\d \d\d:\d\d:\d\d(?:\.\d+)?`), []string{"Jan _2 15:04:05"}},
	// dmesg -T's.
	{regexp.MustCompile(`^\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-3]\d \d\d:\d\d:\d\d \d{4}\]`), []string{"[Mon Jan _2 15:04:05 2006]"}},
	// journalctl -o short-full's.
	{regexp.MustCompile(`^[A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`), []string{"Mon 2006-01-02T15:04:05 UTC"}},
}

// lineTime is the time in front of a line, or zero.
func lineTime(line string) time.Time {
	for _, s := range stamps {
		stamp := s.form.FindString(line)
		if stamp == "" {
			continue
		}
		stamp = isoDay.ReplaceAllString(strings.Replace(stamp, ",", ".", 1), "${1}T${2}")
		for _, layout := range s.layouts {
			if t, err := time.Parse(layout, stamp); err == nil { // takes a fraction of a second, too
				return t.UTC()
			}
		}
	}
	return time.Time{}
}

var isoDay = regexp.MustCompile(`^((?:[A-Z][a-z]{2} )?\d{4}-\d\d-\d\d) (\d\d:)`)

var (
	auditStamp    = regexp.MustCompile(`audit\((\d{1,12})\.(\d{3}):\d+\)`)
	ausearchStamp = regexp.MustCompile(`audit\((\d\d)/(\d\d)/(\d{4}|\d\d) (\d\d:\d\d:\d\d\.\d{3}):\d+\)`)
)

// auditTime is the time in an audit record's own stamp, or zero.
func auditTime(text string) time.Time {
	if m := auditStamp.FindStringSubmatch(text); m != nil {
		seconds, _ := strconv.ParseInt(m[1], 10, 64)
		ms, _ := strconv.ParseInt(m[2], 10, 64)
		return time.Unix(seconds, ms*1e6).UTC()
	}
	m := ausearchStamp.FindStringSubmatch(text)
	if m == nil {
		return time.Time{}
	}
	// ausearch -i prints the date as the reader's locale has it: the month first, unless it can't be one.
	month, day, year := m[1], m[2], m[3]
	if month > "12" {
		month, day = day, month
	}
	if len(year) == 2 {
		year = "20" + year
	}
	t, err := time.Parse("2006-01-02 15:04:05.000", year+"-"+month+"-"+day+" "+m[4])
	if err != nil {
		return time.Time{}
	}
	return t
}
