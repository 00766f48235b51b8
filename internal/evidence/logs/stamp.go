package logs

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"regexp"
	"strconv"
	"time"
)

// stamp is when a line says that it was written.
type stamp struct {
	time     time.Time     // as if its zone were UTC where it tells none; in year 0 where it tells no year; zero where it tells nothing
	floating bool          // it tells no zone
	coarse   bool          // it tells whole seconds only
	uptime   time.Duration // since the kernel started; 0 where it tells none
}

func (s stamp) undated() bool { return !s.time.IsZero() && s.time.Year() == 0 }

const (
	clock = `(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?`
	zone  = `(?: ?(?P<zone>Z\b|UTC\b|GMT\b|[+-]\d\d:?\d\d\b)|(?P<hours>[+-]\d\d)\b)?`
	month = `(?P<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)`
)

// forms are those in which lines tell their time, each with who writes so.
var forms = []*regexp.Regexp{
	regexp.MustCompile(`\b(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)[T _]` + clock + zone),                                           // ISO 8601: rsyslog, PostgreSQL, log4j, JSON, svlogd
	regexp.MustCompile(`\b(?P<year>\d{4})/(?P<month>\d\d)/(?P<day>\d\d) ` + clock),                                                      // nginx's error log, Go
	regexp.MustCompile(`\b(?P<day>\d\d)/` + month + `/(?P<year>\d{4}):` + clock + zone),                                                 // access logs, HAProxy
	regexp.MustCompile(`\b` + month + ` (?P<day>[ 0-3]?\d) ` + clock + `(?: (?P<zone>UTC|GMT)\b)?(?: (?P<year>\d{4})\b)?`),              // syslog, Apache's error log, dmesg -T, date
	regexp.MustCompile(`\b` + month + ` (?P<day>[ 0-3]?\d),? (?P<year>\d{4}),? ` + clock),                                               // Cisco's and Java's
	regexp.MustCompile(`\b(?P<day>\d{1,2})[- ]` + month + `[- ](?P<year>\d{4}) ` + clock + zone),                                        // named, Redis, RFC 5322
	regexp.MustCompile(`^[IWEF](?P<month>\d\d)(?P<day>\d\d) ` + clock),                                                                  // glog, klog
	regexp.MustCompile(`^\W{0,8}(?P<epoch>1\d{9})(?P<millis>(?:\d{3}){1,3})?(?:\.(?P<fraction>\d{1,9}))?\b`),                            // Squid, Unbound
	regexp.MustCompile(`\b(?:timestamp|ts|time)"? ?[:=] ?"?(?P<epoch>1\d{9})(?P<millis>(?:\d{3}){1,3})?(?:\.(?P<fraction>\d{1,9}))?\b`), // JSON, logfmt
	regexp.MustCompile(`^@(?P<tai>4[0-9a-f]{23})\b`),                                                                                    // TAI64N: daemontools, runit
}

// stampWithin is how far into a line its time may end.
const stampWithin = 120

// stamper reads the times of a log's lines, which are mostly of one form at one place.
type stamper struct {
	form *regexp.Regexp // of the last line
	at   int            // where that began in it
}

// stampOf is the first time that a line tells.
func stampOf(line []byte) stamp { return new(stamper).of(line) }

func (r *stamper) of(line []byte) stamp {
	line = line[:min(len(line), stampWithin)]
	s := r.find(line)
	s.uptime = uptimeOf(line)
	return s
}

// find finds the first time in a line. What has the form of one and is none, such as a 32nd day, hides no other form.
func (r *stamper) find(line []byte) (first stamp) {
	if r.form != nil {
		if s, at := readAs(r.form, line); at == r.at {
			return s
		}
	}
	if !bytes.ContainsAny(line, "0123456789") {
		return stamp{}
	}
	begin := len(line)
	for _, form := range forms {
		if s, at := readAs(form, line); at >= 0 && at < begin {
			first, begin = s, at
			r.form, r.at = form, at
		}
	}
	return first
}

// readAs is the first time of one form in a line, and where it begins; -1 if there is none.
func readAs(form *regexp.Regexp, line []byte) (stamp, int) {
	groups := form.FindSubmatchIndex(line)
	if groups == nil {
		return stamp{}, -1
	}
	s := made(func(name string) string {
		if i := form.SubexpIndex(name); i >= 0 && groups[2*i] >= 0 {
			return string(line[groups[2*i]:groups[2*i+1]])
		}
		return ""
	})
	if s.time.IsZero() {
		return stamp{}, -1
	}
	return s, groups[0]
}

// uptimeOf are the seconds since its start that the kernel puts in brackets.
func uptimeOf(line []byte) time.Duration {
	m := uptime.FindSubmatch(line)
	if m == nil {
		return 0
	}
	seconds, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		return 0
	}
	return time.Duration(seconds * float64(time.Second))
}

var uptime = regexp.MustCompile(`\[ *(\d{1,9}\.\d{1,9})\] `)

// made puts a time together.
func made(part func(string) string) stamp {
	number := func(name string) int {
		n, _ := strconv.Atoi(string(bytes.TrimSpace([]byte(part(name)))))
		return n
	}
	fraction := func(digits string) int {
		n, _ := strconv.Atoi((digits + "000000000")[:9])
		return n
	}
	switch {
	case part("epoch") != "":
		nanos := fraction(part("millis"))
		if f := part("fraction"); part("millis") == "" && f != "" {
			nanos = fraction(f)
		}
		return stamp{time: time.Unix(int64(number("epoch")), int64(nanos)).UTC(), coarse: part("millis")+part("fraction") == ""}
	case part("tai") != "":
		return stamp{time: tai64n(part("tai"))}
	}
	m := months[part("month")]
	if m == 0 {
		m = time.Month(number("month"))
	}
	if m < 1 || m > 12 || number("day") < 1 || number("day") > 31 || number("hour") > 23 || number("minute") > 59 || number("second") > 60 {
		return stamp{}
	}
	t := time.Date(number("year"), m, number("day"), number("hour"), number("minute"), number("second"), fraction(part("fraction")), time.UTC)
	ahead, told := offset(part("zone") + part("hours"))
	return stamp{time: t.Add(-ahead), floating: !told, coarse: part("fraction") == ""}
}

var months = func() map[string]time.Month {
	names := map[string]time.Month{}
	for m := time.January; m <= time.December; m++ {
		names[m.String()[:3]] = m
	}
	return names
}()

// offset is by how much a zone that is told is ahead of UTC.
func offset(zone string) (ahead time.Duration, told bool) {
	switch {
	case len(zone) == len("+01") && zone[0] != 'U' && zone[0] != 'G':
		zone += "00"
	case len(zone) < len("+0100"):
		return 0, zone != ""
	}
	digits := zone[1:3] + zone[len(zone)-2:]
	n, _ := strconv.Atoi(digits)
	ahead = time.Duration(n/100)*time.Hour + time.Duration(n%100)*time.Minute
	if zone[0] == '-' {
		ahead = -ahead
	}
	return ahead, true
}

// tai64n is a time as TAI64N has it (cr.yp.to/libtai/tai64.html): seconds of TAI from 2^62, and nanoseconds. TAI is ahead of UTC
// by 37 s since 2017, and by 10 s where leap seconds are not told, as daemontools has it.
func tai64n(label string) time.Time {
	const ahead = 10
	b, err := hex.DecodeString(label)
	if err != nil || len(b) != 12 {
		return time.Time{}
	}
	return time.Unix(int64(binary.BigEndian.Uint64(b)-1<<62)-ahead, int64(binary.BigEndian.Uint32(b[8:]))).UTC()
}

// inYear puts a time without a year (in year 0) into the year that brings it nearest to the anchor.
func inYear(t, anchor time.Time) time.Time {
	best := time.Time{}
	for year := anchor.Year() - 1; year <= anchor.Year()+1; year++ {
		in := t.AddDate(year, 0, 0)
		if best.IsZero() || in.Sub(anchor).Abs() < best.Sub(anchor).Abs() {
			best = in
		}
	}
	return best
}

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
