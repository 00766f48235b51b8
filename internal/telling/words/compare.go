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

// ModulesMove is what it rests on that builds can be told apart by places in code alone.
const ModulesMove = "A program or library is put into memory as a whole, at a multiple of the page size (4096 bytes): between two processes that " +
	"run the same build, all its places differ by the same number of whole pages. Places are offsets in it; where neither side tells these, A's addresses."

// comparison is the verdict.
func comparison(c *finding.Comparison) string {
	var says []string
	if len(c.Modules) > 0 {
		says = append(says, stacks(c.Modules))
	}
	if len(c.Differences) > 0 {
		says = append(says, differing(c))
	} else if c.Equal > 0 {
		says = append(says, fmt.Sprintf("Nothing differs that would not differ between any two moments; %s the same.", counted(c.Equal, "thing is", "things are")))
	}
	if n := len(c.SameBuild); n > 0 && n == len(c.Backtrace) && len(c.Modules) == 0 {
		says = append(says, "All modules on the backtrace are the same builds in A and B.")
	}
	if len(says) == 0 {
		return "Nothing could be compared: what the one tells of, the other does not."
	}
	return strings.Join(says, " ")
}

// differing says how much differs, and what most likely matters.
func differing(c *finding.Comparison) string {
	differ, touching := 0, 0
	for _, d := range c.Differences {
		n := max(1, len(d.Members))
		differ += n
		if d.Touches == finding.OnStack {
			touching += n
		}
	}
	says := fmt.Sprintf("%s between A and B, %s the same.", counted(differ, "thing differs", "things differ"), counted(c.Equal, "is", "are"))
	if len(c.Backtrace) > 0 {
		switch touching {
		case 0:
			says += " None of them touches the backtrace."
		default:
			says += " " + counted(touching, "of them touches", "of them touch") + " the backtrace."
		}
	}
	return says + " The most telling: " + c.Differences[0].Says + "."
}

// Kinds say what evidence of a death can tell of its surroundings.
var Kinds = map[string]string{
	"core":  "a core: here it tells of the builds that were mapped and the variables at the start, and of nothing else",
	"stack": "a printed stack: it tells of the modules on it, and of nothing else here",
}

// PassedOver says what was not held against anything.
func PassedOver(c *finding.Comparison) (says []string) {
	if c.Noise > 0 {
		says = append(says, counted(c.Noise, "more differs", "more differ")+" between any two moments or hosts: process IDs, times, counters, addresses")
	}
	if c.Unlooked > 0 {
		says = append(says, counted(c.Unlooked, "thing is", "things are")+" not compared: one side has it, and the other was not looked at for it")
	}
	if len(c.OneSided) > 0 && Kinds[c.A.Kind] == "" && Kinds[c.B.Kind] == "" {
		says = append(says, "not compared, since only one side tells of them: "+strings.Join(c.OneSided, ", "))
	}
	return says
}

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
	if len(other)+len(alike) == 0 {
		return "A and B ran the same builds of " + listed(same) + ", by their IDs."
	}
	var says []string
	if len(other) > 0 {
		says = append(says, "A and B ran different builds of "+listed(other))
	} else {
		says = append(says, "Nothing shows that A and B ran different builds")
	}
	if len(alike) > 0 {
		says = append(says, "the builds of "+listed(alike)+" can't be told apart")
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
	case m.SameBuild:
		return frames + ": the same build, by its ID"
	case m.Congruent:
		return frames + ": nothing tells the builds apart; all places differ by the same number of whole pages"
	}
	moved := make([]string, len(m.Shifts))
	for i, s := range m.Shifts {
		moved[i] = shift(s)
	}
	if m.BuildA != "" && m.BuildB != "" && m.BuildA != m.BuildB {
		moved = append([]string{"in B it is build " + short(m.BuildB)}, moved...)
	}
	return frames + ": different builds: " + strings.Join(moved, "; ")
}

// shift says how much code came in, or went, on side B.
func shift(s finding.Shift) string {
	says := "in B " + counted(int(s.Bytes), "byte", "bytes") + " came in"
	if s.Bytes < 0 {
		says = "in B " + counted(int(-s.Bytes), "byte", "bytes") + " went"
	}
	if s.From != nil {
		return fmt.Sprintf("%s between %s and %s", says, s.From, s.To)
	}
	if says += fmt.Sprintf(" before %s", s.To); s.Modulo != 0 {
		says += ", give or take whole pages"
	}
	return says
}

// mostName is how much of a name is told: one in a file that somebody hands over may be of any length.
const mostName = 200

// difference says what is different.
func difference(d *finding.Difference) string {
	if n := len(d.Members); n > 0 {
		where := "differ"
		if d.OnlyIn != "" {
			where = "are in " + strings.ToUpper(d.OnlyIn) + " only"
		}
		return fmt.Sprintf("%d %s %s", n, groupName(d), where)
	}
	name, value := cmp.Or(plain[d.Area+" "+d.Name], areaName(d)+clipped(d.Name, mostName)), func(s string) string { return clipped(s, mostValue) }
	switch d.Area {
	case "file":
		value = file
		if d.OnlyIn == "" {
			return name + " " + files(d.A, d.B)
		}
	case "object":
		value = build
	}
	only := d.OnlyIn
	if only == "" && strings.HasPrefix(d.A, "missing") {
		only = "b"
	} else if only == "" && strings.HasPrefix(d.B, "missing") {
		only = "a"
	}
	switch only {
	case "a":
		return fmt.Sprintf("%s is missing in B; in A: %s", name, value(d.A))
	case "b":
		return fmt.Sprintf("%s is missing in A; in B: %s", name, value(d.B))
	}
	if d.Area == "object" {
		return fmt.Sprintf("%s is another build: in A %s; in B %s", name, build(d.A), build(d.B))
	}
	return name + ": " + values(d.A, d.B)
}

// build is a program's or library's build, shortly, and the package that it came with.
func build(s string) string {
	id, owner, _ := strings.Cut(s, " ")
	if owner == "" {
		return "build " + short(place.BuildID(id))
	}
	return "build " + short(place.BuildID(id)) + " " + clipped(owner, mostName)
}

// plain are names that say in proc(5)'s words what can be said plainly.
var plain = map[string]string{"process root": "root folder", "process cwd": "working folder", "process uid": "user (uid)", "process gid": "group (gid)"}

// areaName says what a name is the name of, where it doesn't show that itself.
func areaName(d *finding.Difference) string {
	if strings.HasPrefix(d.Name, "/") {
		return ""
	}
	switch d.Area {
	case "object", "file", "name service", "capability", "sysctl", "process":
		return ""
	case "environment":
		return "variable "
	case "cpu":
		return "processor: "
	}
	return d.Area + " "
}

// plurals say what many alike are.
var plurals = map[string]string{
	"object": "programs and libraries", "file": "files", "sysctl": "sysctls", "environment": "variables", "package": "packages",
	"limit": "limits", "capability": "capabilities", "cpu": "facts of the processor", "network": "facts of the network", "process": "facts of the process",
	"name service": "settings of name look-ups", "locale": "settings of the locale", "time zone": "settings of the time zone", "cgroup": "settings of the control groups",
	"namespace": "namespaces", "tunable": "settings of the C library", "seccomp": "facts of the system call filter", "kernel": "facts of the kernel",
}

// groupName says what the members of a difference are.
func groupName(d *finding.Difference) string {
	says := cmp.Or(plurals[d.Area], d.Area)
	switch name := clipped(d.Name, mostName); {
	case name == "opens ":
		says = "files that the process has open"
	case strings.HasPrefix(name, "/"):
		says += " below " + name
	case d.Name != d.Area:
		says += " of " + name
	}
	return says
}

// ways say in what way a difference touches something.
var ways = map[string]string{
	"its code is on the stack":           "%s is on the stack",
	"the program maps it":                "the program maps %s",
	"the program maps what came with it": "the program maps what came with %s",
	"named in a module on the stack":     "%s, which is on the stack, contains this name, so it may look there",
	"named in what the program maps":     "%s, which the program maps, contains this name, so it may look there",
	"its files are found there":          "%s finds all its files below it",
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

// without says what happens where a file is missing, as the manual pages tell.
var without = map[string]string{
	"/etc/nsswitch.conf": "name look-ups fall back to what was built into the C library (nsswitch.conf(5))",
	"/etc/resolv.conf":   "the name server is expected on this host itself (resolv.conf(5))",
	"/etc/hosts":         "even localhost has to be asked for (hosts(5))",
	"/etc/host.conf":     "the resolver has its defaults (host.conf(5))",
	"/etc/gai.conf":      "addresses are sorted by RFC 3484's defaults (gai.conf(5))",
	"/etc/services":      "names of services have no ports (services(5))",
	"/etc/protocols":     "names of protocols have no numbers (protocols(5))",
	"/etc/passwd":        "users have no names (passwd(5))",
	"/etc/group":         "groups have no names (group(5))",
	"/etc/localtime":     "local time is UTC (tzset(3))",
	"/dev/null":          "daemons that detach themselves fail",
	"/dev/urandom":       "programs that read random numbers from there fail",
	"/dev/log":           "nothing is logged by syslog(3)",
}

// whyItMatters says why a difference may matter; empty where nothing is known of that.
func whyItMatters(d *finding.Difference) string {
	const most = 2 // members of which it is told what is without them
	var why []string
	lacks := d.OnlyIn != "" || strings.HasPrefix(d.A, "missing") || strings.HasPrefix(d.B, "missing")
	if lacking := without[d.Name]; lacks && lacking != "" && d.Touches != finding.OnStack {
		return "without it " + lacking
	}
	if way := ways[d.How]; way != "" {
		by := clipped(d.By, mostName)
		if len(d.Members) > 0 {
			way = strings.NewReplacer("this name", "these names", "which this decides on", "which these decide on", " maps it", " maps them", "names it", "names them").Replace(way)
		}
		if d.By == "" {
			by = "one or another library" // of many members each its own
		}
		why = append(why, fmt.Sprintf(way, by))
	}
	if lacks {
		names := d.Members
		if len(names) == 0 {
			names = []string{d.Name}
		}
		for _, name := range names {
			if lacking := without[name]; lacking != "" && len(why) <= most {
				why = append(why, "without "+name+" "+lacking)
			}
		}
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
		return "run A's build in B, or B's in A, and send the same input"
	case "cpu", "kernel":
		return "run the same build on a machine that has it as the other side does, and send the same input"
	}
	return "make it in B as it is in A, or in A as it is in B, and send the same input"
}

// listed joins names as people say them.
func listed(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
