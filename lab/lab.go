// Package lab makes ground truth: it lets small C daemons with realistic bugs, and Debian's own with
// modules that have such bugs, die really, under traffic in which the killer is not the only odd thing,
// and writes down what killed them.
//
// Record is the way in. One recorded run is a folder that holds what an engineer would find after
// such a death, and beside it the truth that she would not:
//
//	evidence/core          written by the kernel, through a core_pattern pipe
//	evidence/capture.pcap  tcpdump's, of the loopback interface
//	evidence/audit.log     the kernel's own audit records in auditd's raw form
//	sysroot/               the stripped daemon and every file it had mapped, at their paths
//	debug/                 the debug info that was split off, by build ID
//	truth.json             see Truth
//
// A case is one file here (its traffic and its truth) and one folder under daemons (its program, or a
// module for a program of Debian's).
// Everything of a run happens in network, mount and host-name namespaces of its own (stage.go), but
// the kernel has only one core_pattern and one audit subsystem: package machine borrows them under a
// lock and gives them back.
package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Case is one way to die.
type Case struct {
	Name    string
	Program string         // the path of what dies, where it is Debian's: none means Home/sbin/Name
	Listen  netip.AddrPort // where the daemon is known to be ready
	UDP     bool           // Listen is UDP: ready when bound

	// Prepare lays out what the daemon finds when it starts: files, backends, name servers.
	Prepare func(*Stage) error
	// Command is the daemon's command line; the program is found under Stage.Home.
	Command func(*Stage) []string
	// Script is the traffic, which depends on the stage's random numbers alone.
	Script func(*Stage) []Conversation

	None      bool     // no message kills: a timer does, a signal, or the daemon's own age
	Culprit   Culprit  // its module as a pattern, where the daemon loads a copy by a name of its own; none if it is killed from outside
	Mechanism string   // one of finding's MechanismKind values
	Factors   []Factor // of the circumstance; none if the daemon dies everywhere
	// Dies says whether the daemon dies under a combination of factors; nil means always.
	Dies func(map[string]bool) bool
}

// Factor is one thing about a daemon's surroundings that can be so or not.
type Factor struct {
	Name  string
	Usual bool // as it is in ordinary runs, which are deadly
}

// Role is what a conversation is there for.
type Role string

// The roles. All but Ordinary are found again in truth.json.
const (
	Ordinary Role = "ordinary"
	Odd      Role = "odd"     // innocent, yet rarer, longer or stranger than the killer
	Waiting  Role = "waiting" // innocent, read in full and not answered when the daemon dies
	Twin     Role = "twin"    // nearly the killer's bytes, and harmless
	Trap     Role = "trap"    // innocent and last, unread at the death
	Member   Role = "member"  // an earlier part of a deadly set
	Killer   Role = "killer"  // the message, or the last of the set, that kills
)

// Conversation is one client's talk with the daemon.
type Conversation struct {
	Role Role
	From netip.Addr
	At   time.Duration // after the script's start
	Talk func(*Talk)
}

// Cases are those that weights are fitted on.
func Cases() []Case {
	return []Case{
		tlsfront, dnsd, metricd, formd, loopd, uafd, varnish, dovecot,
		agedd, arenad, batchd, frostd, gated, h2d, leased, nulld,
		pubd, respd, sealedd, stored, throwd, uploadd, watchdogged,
	}
}

// Find is the case of that name, of either list.
func Find(name string) (Case, error) {
	all := append(Cases(), Daemons()...)
	i := slices.IndexFunc(all, func(c Case) bool { return c.Name == name })
	if i < 0 {
		return Case{}, fmt.Errorf("there is no lab case %q", name)
	}
	return all[i], nil
}
