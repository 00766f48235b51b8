package logs

import (
	"regexp"
	"strconv"
)

// systemd's lines on a process that it kills (src/core/unit.c), and on a service whose watchdog ran out (service.c), which
// comes before and names no process.
var (
	stopped  = regexp.MustCompile(`(?:^|: )(\S{1,200}\.(?:service|scope)): Killing process (\d+) \(([^)]{1,15})\) with signal (SIG[A-Z0-9]+)`)
	watchdog = regexp.MustCompile(`(?:^|: )(\S{1,200}\.service): Watchdog timeout \(limit [^)]{1,20}\)!`)
)

func parseStopped(e entry) (Record, bool) {
	if m := watchdog.FindStringSubmatch(e.String()); m != nil {
		return Record{Kind: Watchdog, Unit: m[1]}, true
	}
	m := stopped.FindStringSubmatch(e.String())
	if m == nil {
		return Record{}, false
	}
	r := Record{Kind: Stopped, Unit: m[1], Command: m[3], Signal: signalNumber(m[4])}
	r.PID, _ = strconv.Atoi(m[2])
	return r, true
}

// joinWatchdogs takes the two lines on a watchdog's kill for one record: that of the process.
func joinWatchdogs(records []Record) []Record {
	var joined []Record
	barked := map[string]bool{}
	for _, r := range records {
		switch {
		case r.Kind == Watchdog:
			barked[r.Unit] = true
			continue
		case r.Kind == Stopped && barked[r.Unit]:
			r.Kind = Watchdog
			delete(barked, r.Unit)
		}
		joined = append(joined, r)
	}
	return joined
}
