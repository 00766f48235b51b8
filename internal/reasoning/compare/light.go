package compare

import (
	"math"
	"slices"
	"strings"

	"github.com/inquest-project/inquest/internal/evidence/environment"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reasoning/death"
)

// light is what a stack and the program's objects make of differences.
type light struct {
	stack    []Call
	ruled    []ruled
	config   int                 // the innermost call that reads or checks the configuration, below zero if none does
	onStack  map[string]int      // objects on the stack, by the innermost call of theirs
	mentions map[string][]string // what objects' constants name: by that, the objects
	loaded   map[string]bool
	packages map[string]bool // that own objects
	command  map[string]bool // the words of the command lines
	named    map[string]int  // how many things each object names
	jailed   string          // the side whose root lacks most of what the other's has: "a" or "b"
}

func newLight(a, b *environment.Environment, stack []Call) *light {
	l := &light{onStack: map[string]int{}, mentions: map[string][]string{}, loaded: map[string]bool{}, packages: map[string]bool{}, command: map[string]bool{}, named: map[string]int{}}
	stack = slices.DeleteFunc(slices.Clone(stack), func(c Call) bool { return death.Dying(c.Function) })
	stack = stack[:min(mostFrames, len(stack))]
	seen := map[[2]string]bool{} // a name and an object that mentions it
	l.stack, l.ruled, l.jailed = stack, governs(stack), jailed(a, b)
	l.config = slices.IndexFunc(stack, func(c Call) bool { return configures(c.Function) })
	for i, call := range stack {
		if name := base(call.Module); name != "" {
			if _, known := l.onStack[name]; !known {
				l.onStack[name] = i
			}
		}
	}
	for _, e := range []*environment.Environment{a, b} {
		for _, s := range e.Process {
			for _, word := range strings.Fields(s.Value) {
				l.command[word] = true
			}
		}
		for _, o := range e.Objects() {
			name := soNameOf(o)
			l.loaded[name] = true
			if i, file := l.onStack[base(o.Path)]; file { // the file's own name, of a library that is asked for by another
				if j, known := l.onStack[name]; !known || i < j {
					l.onStack[name] = i
				}
			}
			if o.Package != "" {
				l.packages[o.Package] = true
			}
			l.named[name] = len(o.Mentions)
			for _, m := range o.Mentions {
				if !seen[[2]string{m, name}] {
					seen[[2]string{m, name}] = true
					l.mentions[m] = append(l.mentions[m], name)
				}
			}
		}
	}
	return l
}

func soNameOf(o environment.Object) string {
	if o.SoName != "" {
		return o.SoName
	}
	return base(o.Path)
}

// modules are those on the stack, innermost first.
func (l *light) modules() (names []string) {
	for _, call := range l.stack {
		if name := base(call.Module); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// In what way a difference can touch a program or a stack, beside what governs functions: keys of telling/words.
const (
	codeOnStack    = "its code is on the stack"
	mapped         = "the program maps it"
	cameWith       = "the program maps what came with it"
	root           = "its files are found there"
	argument       = "named in its command line"
	configuration  = "it reads its configuration"
	namedOnStack   = "named in a module on the stack"
	namedInProgram = "named in what the program maps" // of many alike it hardly matters by which of its libraries
)

// Ways are all of them.
func Ways() []string {
	ways := []string{codeOnStack, mapped, cameWith, root, argument, configuration, namedOnStack, namedInProgram}
	for _, g := range governing {
		ways = append(ways, g.how)
	}
	return ways
}

// rated is a difference with what it is worth.
type rated struct {
	finding.Difference
	worth float64
}

// What a difference is worth, by whose affair it is; within that, by how few others there are alike and how near the innermost call.
const (
	byStack   = 200
	byProgram = 100
)

// rate says whose affair a difference is, and what it is worth.
func (l *light) rate(d finding.Difference) rated {
	r := rated{Difference: d, worth: usual[environment.Area(d.Area)]}
	if is(d, environment.AreaNameService) && strings.HasSuffix(d.A+d.B, saysNothing) {
		r.worth -= explained // a file that says nothing is as good as none
	} else if isPath(d) && among(d.Name, "/etc/nsswitch.conf /etc/resolv.conf /etc/hosts") {
		r.worth += 4 // what most look-ups hang on
	}
	if l.jailed != "" && aloneIn(d) != "" && aloneIn(d) != l.jailed && isPath(d) {
		r.worth -= explained
	}
	own := r.worth
	touch := func(touches finding.Touches, worth float64, by, how string) {
		if worth += own; worth > r.worth {
			r.Touches, r.worth, r.By, r.How = touches, worth, by, how
		}
	}
	if is(d, environment.AreaProcess) && d.Name == "root" {
		touch(finding.Program, byProgram+asked, "the program", root)
	}
	if environment.Area(d.Area) == environment.AreaObject {
		if i, on := l.onStack[d.Name]; on {
			touch(finding.OnStack, byStack+near(i), d.Name, codeOnStack)
		} else if l.loaded[d.Name] {
			touch(finding.Program, byProgram, d.Name, mapped)
		}
	}
	if environment.Area(d.Area) == environment.AreaPackage && l.packages[d.Name] {
		touch(finding.Program, byProgram, d.Name, cameWith)
	}
	if environment.Area(d.Area) == environment.AreaFile && l.command[d.Name] {
		touch(finding.Program, byProgram+asked, "its command line", argument)
		if l.config >= 0 {
			touch(finding.OnStack, byStack+near(l.config)+asked, l.stack[l.config].Function, configuration)
		}
	}
	for _, name := range spellings(d) {
		for _, object := range l.mentions[name] {
			if i, on := l.onStack[object]; on {
				touch(finding.OnStack, byStack+near(i)-l.careless(object), object, namedOnStack)
			} else {
				touch(finding.Program, byProgram-l.careless(object), object, namedInProgram)
			}
		}
	}
	for _, g := range l.ruled {
		if g.by(d) {
			touch(finding.OnStack, byStack+near(g.call)+asked, l.stack[g.call].Function, g.how)
		}
	}
	return r
}

// careless is how much less it tells that an object names a thing, by how many it names: the C library names all that there is.
func (l *light) careless(object string) float64 { return 2 * math.Log2(float64(1+l.named[object])) }

// jailed is the side whose root lacks most files of the other's: "a", "b", or empty.
func jailed(a, b *environment.Environment) string {
	const enough = 100
	has := func(e *environment.Environment) map[string]bool {
		paths := map[string]bool{}
		for _, f := range e.Files {
			paths[f.Path] = true
		}
		return paths
	}
	inA, inB := has(a), has(b)
	both := 0
	for path := range inA {
		if inB[path] {
			both++
		}
	}
	switch {
	case len(inA) >= enough && 2*both < len(inA) && 2*len(inB) < len(inA):
		return "b"
	case len(inB) >= enough && 2*both < len(inB) && 2*len(inA) < len(inB):
		return "a"
	}
	return ""
}

// explained is how much less it tells that a file is missing where most are.
const explained = 30

// isPath says whether a thing is a file, whatever area it counts to.
func isPath(d finding.Difference) bool { return strings.HasPrefix(d.Name, "/") }

// saysNothing is how a snapshot tells of a file of the name service in which nothing stands.
const saysNothing = "says nothing"

// asked is how much more it tells that a function on the stack does what a thing governs, than that a module names it somewhere.
const asked = 40

// near is how much more the innermost calls' affairs tell, at most twenty.
func near(call int) float64 { return 20 / float64(1+call) }

// usual is what a difference of an area is worth by itself: there are few limits and capabilities, and any of them can decide
// what a program gets; files and sysctls there are thousands of.
var usual = map[environment.Area]float64{
	environment.AreaObject:      45,
	environment.AreaNameService: 40,
	environment.AreaSeccomp:     40,
	environment.AreaTunable:     40,
	environment.AreaCapability:  38,
	environment.AreaLimit:       36,
	environment.AreaCgroup:      34,
	environment.AreaNetwork:     32,
	environment.AreaLocale:      30,
	environment.AreaTimeZone:    30,
	environment.AreaEnvironment: 28,
	environment.AreaCPU:         26,
	environment.AreaPackage:     22,
	environment.AreaProcess:     20,
	environment.AreaNamespace:   18,
	environment.AreaKernel:      16,
	environment.AreaSysctl:      12,
	environment.AreaFile:        8,
}

// spellings are the names under which code may have a thing among its constants.
func spellings(d finding.Difference) []string {
	names := []string{d.Name}
	switch environment.Area(d.Area) {
	case environment.AreaSysctl:
		names = append(names, "/proc/sys/"+strings.ReplaceAll(d.Name, ".", "/"))
	case environment.AreaNameService:
		if !strings.HasPrefix(d.Name, "/") {
			names = append(names, "/etc/"+d.Name)
		}
	}
	return names
}
