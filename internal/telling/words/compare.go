package words

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// FillComparison fills the sentences of what is different.
func FillComparison(c *finding.Comparison) {
	for i := range c.Modules {
		c.Modules[i].Says = congruentName(&c.Modules[i]) + ": " + congruence(&c.Modules[i])
	}
	for i := range c.Differences {
		d := &c.Differences[i]
		d.Says, d.Why, d.Settle = difference(d), whyItMatters(d), settles(d)
	}
	c.Verdict = comparison(c)
}

// comparison is the verdict.
func comparison(c *finding.Comparison) string {
	if len(c.Modules) > 0 {
		return stacks(c.Modules)
	}
	if len(c.Differences) == 0 {
		return fmt.Sprintf("Nothing is different that would not differ between any two moments: %s are the same.", counted(c.Equal, "thing", "things"))
	}
	differ, touching := 0, 0
	for _, d := range c.Differences {
		differ += max(1, len(d.Members))
		if d.Touches == finding.OnStack {
			touching++
		}
	}
	says := fmt.Sprintf("%s different, %d are the same.", isAre(differ, "thing is", "things are"), c.Equal)
	if len(c.Backtrace) > 0 {
		says += " " + capital(isAre(touching, "touches", "touch")) + " the backtrace."
	}
	return says + " The most telling: " + c.Differences[0].Says + "."
}

func isAre(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// stacks says of which modules two stacks show that they are other builds.
func stacks(modules []finding.Congruence) string {
	var other, same, alike []string
	for i := range modules {
		m := &modules[i]
		switch {
		case m.SameBuild:
			same = append(same, congruentName(m))
		case m.Congruent:
			alike = append(alike, congruentName(m))
		default:
			other = append(other, congruentName(m))
		}
	}
	var says []string
	if len(other) > 0 {
		says = append(says, "Both ran other builds of "+listed(other))
	} else {
		says = append(says, "Nothing shows that the two ran other builds")
	}
	if len(alike) > 0 {
		says = append(says, "nothing tells the builds of "+listed(alike)+" apart")
	}
	if len(same) > 0 {
		says = append(says, "of "+listed(same)+" both have the same build ID")
	}
	return strings.Join(says, "; ") + "."
}

// congruentName is a module's file name, or, where none was printed, what is known of it by a function.
func congruentName(m *finding.Congruence) string {
	switch {
	case m.Module != "":
		return m.Module
	case m.Of == "main":
		return "the program"
	case m.Of == "raise" || m.Of == "abort" || m.Of == "gsignal":
		return "the C library"
	case m.Of != "":
		return "the library of " + m.Of
	}
	return cmp.Or(short(cmp.Or(m.BuildA, m.BuildB)), "a module without a name")
}

// short is as much of a build ID as people compare.
func short(id place.BuildID) string { return string(id[:min(8, len(id))]) }

// congruence says of one module whether both can be of the same build, and where code came in or went.
func congruence(m *finding.Congruence) string {
	frames := counted(len(m.Places), "frame", "frames")
	if id := cmp.Or(m.BuildA, m.BuildB); id != "" && !m.SameBuild {
		frames = "build " + short(id) + ", " + frames
	}
	switch {
	case m.SameBuild && m.Congruent:
		return frames + ": the same build, by its ID"
	case m.Congruent:
		return frames + ": nothing tells the builds apart; all places differ by whole pages only, as code moves"
	}
	var moved []string
	for _, s := range m.Shifts {
		moved = append(moved, shift(s))
	}
	return frames + ": another build: " + strings.Join(moved, "; ")
}

func shift(s finding.Shift) string {
	bytes, what := s.Bytes, "came in"
	if bytes < 0 {
		bytes, what = -bytes, "went"
	}
	switch {
	case s.From != nil:
		return fmt.Sprintf("%s %s between %s and %s", counted(int(bytes), "byte", "bytes"), what, s.From, s.To)
	case s.Modulo != 0:
		return fmt.Sprintf("%s %s before %s, give or take whole pages of %d", counted(int(bytes), "byte", "bytes"), what, s.To, s.Modulo)
	}
	return fmt.Sprintf("%s %s before %s", counted(int(bytes), "byte", "bytes"), what, s.To)
}

// difference says what is different.
func difference(d *finding.Difference) string {
	const most = 120 // characters of a value
	name := areaName(d.Area) + d.Name
	if n := len(d.Members); n > 0 {
		where := "differ"
		if d.OnlyIn != "" {
			where = "are in " + strings.ToUpper(d.OnlyIn) + " only"
		}
		return fmt.Sprintf("%d %s %s", n, strings.TrimSpace(groupName(d)), where)
	}
	switch d.OnlyIn {
	case "a":
		return fmt.Sprintf("%s is missing in B (A: %s)", name, clipped(d.A, most))
	case "b":
		return fmt.Sprintf("%s is missing in A (B: %s)", name, clipped(d.B, most))
	}
	return fmt.Sprintf("%s: %s in A, %s in B", name, clipped(d.A, most), clipped(d.B, most))
}

func clipped(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return cmp.Or(s, "nothing")
	}
	return string(r[:most]) + "…"
}

// areaName says what a name is the name of, where it doesn't show that itself.
func areaName(area string) string {
	switch area {
	case "object", "file", "name service", "capability", "sysctl", "process":
		return ""
	case "environment":
		return "variable "
	case "cpu":
		return "processor: "
	}
	return area + " "
}

// groupName says what many alike are.
func groupName(d *finding.Difference) string {
	plural := map[string]string{
		"object": "programs and libraries", "file": "files", "sysctl": "sysctls", "environment": "variables", "package": "packages",
		"limit": "limits", "capability": "capabilities", "cpu": "features of the processor", "network": "facts of the network", "name service": "things that name look-ups go by",
	}
	says := cmp.Or(plural[d.Area], "settings ("+d.Area+")")
	switch {
	case strings.HasPrefix(d.Name, "/"):
		says += " below " + d.Name
	case d.Name != d.Area:
		says += " of " + d.Name
	}
	return says
}

// ways say in what way a difference touches something.
var ways = map[string]string{
	"its code is on the stack":           "%s is on the stack, and what holds of one build need not hold of another",
	"the program maps it":                "the program maps %s",
	"the program maps what came with it": "the program maps what came with %s",
	"named in a module on the stack":     "%s, which is on the stack, has its name among its constants, and may look there",
	"named in what the program maps":     "%s, which the program maps, has its name among its constants, and may look there",
	"named in its command line":          "%s names it",
	"it reads its configuration":         "%s reads or checks the configuration, and the command line names it",
	"it looks names up":                  "%s looks names up, which this decides on",
	"it opens connections":               "%s deals with connections, which this decides on",
	"it looks accounts up":               "%s looks accounts up, which this decides on",
	"it depends on the locale":           "%s does what the locale decides on",
	"it reckons with the time zone":      "%s reckons with the time zone",
	"it asks for memory":                 "%s asks for memory, which this decides on",
	"it frees memory":                    "%s gives memory back, which this decides on",
	"it starts threads or processes":     "%s starts threads or processes, which this bounds",
	"its stack has a limit":              "%s needs stack, which this bounds",
	"it opens files":                     "%s opens files, which this bounds",
	"it needs a privilege":               "%s needs a privilege, which this gives or takes",
	"it is code for some processors":     "%s is code for some processors only",
	"it draws random numbers":            "%s draws random numbers, which this decides on",
}

// without says what the C library does where a file is missing, as its manual pages tell.
var without = map[string]string{
	"/etc/nsswitch.conf": "without it name look-ups fall back to what was built into the C library (nsswitch.conf(5))",
	"/etc/resolv.conf":   "without it the name server is expected on this host itself (resolv.conf(5))",
	"/etc/hosts":         "without it even localhost has to be asked for (hosts(5))",
	"/etc/host.conf":     "without it the resolver has its defaults (host.conf(5))",
	"/etc/gai.conf":      "without it addresses are sorted by RFC 3484's defaults (gai.conf(5))",
	"/etc/services":      "without it names of services have no ports (services(5))",
	"/etc/protocols":     "without it names of protocols have no numbers (protocols(5))",
	"/etc/passwd":        "without it users have no names (passwd(5))",
	"/etc/group":         "without it groups have no names (group(5))",
	"/etc/localtime":     "without it local time is UTC (tzset(3))",
	"/dev/null":          "without it daemons that detach themselves fail",
	"/dev/urandom":       "without it programs that read random numbers from there fail",
	"/dev/log":           "without it nothing is logged by syslog(3)",
}

// whyItMatters says why a difference may matter; empty where nothing is known of that.
func whyItMatters(d *finding.Difference) string {
	var why []string
	if way := ways[d.How]; way != "" {
		why = append(why, fmt.Sprintf(way, d.By))
	}
	if missing := without[d.Name]; missing != "" && (d.OnlyIn != "" || strings.Contains(d.A+d.B, "missing")) {
		why = append(why, missing)
	}
	return strings.Join(why, "; ")
}

// settles says what would show whether a difference is why the death came only there.
func settles(d *finding.Difference) string {
	if d.Touches == finding.Rest {
		return ""
	}
	switch d.Area {
	case "object", "package":
		return "run the other side's build here, with the same input"
	case "cpu", "kernel":
		return "run the same build and input on a machine that has it the other way"
	}
	return "set it here as it is there, and send the same input"
}

// listed joins names as people say them.
func listed(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
