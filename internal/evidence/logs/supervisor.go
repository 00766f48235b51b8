package logs

import (
	"regexp"
	"strconv"
)

// What a parent says of a child that a signal ended: nginx, Apache, PostgreSQL, Dovecot, Varnish, PHP-FPM and uWSGI name
// the process and the signal, HAProxy the code by which a shell would tell it; systemd names the unit, and supervisord
// the program.
var (
	childPID  = regexp.MustCompile(`(?i)\bpid\b\W{0,3}(\d+)\b[^\[\]]{0,60}?\b(?:exit\w*|terminated|killed|died|crashed)\b.{0,40}?\bsignal\b\D{0,32}?(\d+)`)
	child     = regexp.MustCompile(`(?i)\b(?:process|child|worker)\b\D{0,24}?(\d+)\b.{0,60}?\b(?:exit\w*|terminated|killed|died|crashed)\b.{0,40}?\bsignal\b\D{0,32}?(\d+)`)
	childCode = regexp.MustCompile(`(?i)\b(?:worker|process)\b.{0,12}?\((\d+)\) exited with code (\d+)`)
	unitChild = regexp.MustCompile(`(?:^|: |\s)(\S{1,200})\.service: (?:Main|Control) process exited, code=(?:dumped|killed), status=(\d+)/`)
	named     = regexp.MustCompile(`\bexited: (\S{1,100}) \(terminated by (SIG[A-Z0-9]+)`)
)

// shellBase is what a shell adds to a signal's number for an exit code.
const shellBase = 128

func parseSupervisor(e entry) (Record, bool) {
	text := e.String()
	for _, form := range []*regexp.Regexp{childPID, child, childCode} {
		m := form.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		r := Record{Kind: Supervisor}
		r.PID, _ = strconv.Atoi(m[1])
		r.Signal, _ = strconv.Atoi(m[2])
		if form == childCode {
			r.Signal -= shellBase
		}
		return r, r.PID > 0 && r.Signal > 0 && r.Signal < 65
	}
	if m := unitChild.FindStringSubmatch(text); m != nil {
		r := Record{Kind: Supervisor, Unit: m[1] + ".service", Command: comm(m[1])}
		r.Signal, _ = strconv.Atoi(m[2])
		return r, true
	}
	if m := named.FindStringSubmatch(text); m != nil {
		return Record{Kind: Supervisor, Command: comm(m[1]), Signal: signalNumber(m[2])}, true
	}
	return Record{}, false
}
