// Package environment is a process's or a host's surroundings as plain data: what it maps, the files it
// sees, how it looks up names, what the kernel allows it. Take looks, Write keeps what was seen in one file,
// Open reads such a file back, Facts lists everything flat so that two of them can be compared.
//
// Taking is read-only: files, and /proc as in proc(5). The process is never stopped, traced or signalled, so
// what is seen is not of one instant. Whatever can't be seen is told in Unseen, with the reason; nothing is
// invented in its place. A file that Open reads may be hostile: every claim is bounded before it is believed,
// and nothing is ever written or opened by a name that stands in it.
package environment

import (
	"iter"
	"time"

	"github.com/inquest-project/inquest/internal/ground/place"
)

// Environment is what was seen at one look. Its sections are sorted, so that two looks at the same print the same.
type Environment struct {
	Version int       `json:"version"`
	Kind    Kind      `json:"kind,omitempty"`
	Name    string    `json:"name"` // what was looked at: "haproxy, pid 4711 on prod7"
	Taken   time.Time `json:"taken"`
	Unseen  []Unseen  `json:"unseen,omitempty"`

	Loaded []Object `json:"objects,omitempty"` // mapped by the process or needed by the program
	Files  []File   `json:"files,omitempty"`   // below Root, and what of them is small is hashed
	Root   string   `json:"root,omitempty"`    // where Files were found on this host

	Process      []Setting `json:"process,omitempty"`
	NameService  []Setting `json:"name_service,omitempty"`
	Network      []Setting `json:"network,omitempty"`
	Limits       []Setting `json:"limits,omitempty"`
	Capabilities []Setting `json:"capabilities,omitempty"`
	Seccomp      []Setting `json:"seccomp,omitempty"`
	Namespaces   []Setting `json:"namespaces,omitempty"`
	Cgroups      []Setting `json:"cgroups,omitempty"`
	Variables    []Setting `json:"environment,omitempty"`
	Locale       []Setting `json:"locale,omitempty"`
	TimeZone     []Setting `json:"time_zone,omitempty"`
	Tunables     []Setting `json:"tunables,omitempty"`
	Packages     []Setting `json:"packages,omitempty"` // name and version of those that own objects
	Kernel       []Setting `json:"kernel,omitempty"`
	CPU          []Setting `json:"cpu,omitempty"`
	Sysctls      []Setting `json:"sysctls,omitempty"`
}

// Kind is what was looked at, which decides what it can tell.
type Kind string

// The kinds. Take knows the first four; evidence of a death tells of objects only.
const (
	KindProcess Kind = "process"
	KindProgram Kind = "program" // one that doesn't run, with what it would be started with
	KindFolder  Kind = "folder"  // with a file system in it
	KindHost    Kind = "host"
	KindCore    Kind = "core"
	KindStack   Kind = "stack" // a printed one
)

// Beginnings of What in Unseen by which it is known where nobody has looked.
const (
	FilesIn      = "files in "   // a folder
	FilesFrom    = "files from " // a folder on
	OtherObjects = "other programs and libraries"
)

// Unseen is something that could not be looked at.
type Unseen struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Setting is anything with a name and a value.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Noise bool   `json:"noise,omitempty"` // see Fact
}

// File is a file, link or folder; what of it isn't known is absent.
type File struct {
	Path   string `json:"path"`           // inside the root
	Type   string `json:"type"`           // "file", "folder", "link", "socket", "pipe", "device"; "mount" where one was not entered
	Mode   string `json:"mode,omitempty"` // octal
	UID    uint32 `json:"uid"`
	GID    uint32 `json:"gid"`
	Size   int64  `json:"size,omitempty"`
	Target string `json:"target,omitempty"` // of a link; the kind of a mount
	SHA256 string `json:"sha256,omitempty"` // of a small file; of its masked text where addresses were to be masked
}

// Object is a program or library.
type Object struct {
	Path    string        `json:"path"`
	SoName  string        `json:"soname,omitempty"`
	BuildID place.BuildID `json:"build_id,omitempty"`
	SHA256  string        `json:"sha256,omitempty"`
	Size    int64         `json:"size,omitempty"`
	Package string        `json:"package,omitempty"` // name that owns it: "libc6:amd64"
	// Mentions are absolute paths, and names as those of sysctls and environment variables, among its
	// constants: what its code may look at. Bounded and sorted.
	Mentions []string `json:"mentions,omitempty"`

	source string // where its bytes can be read on this host, while it is being taken and written
}

// Area is the kind of thing that a fact is about.
type Area string

// The areas, in the order of Facts.
const (
	AreaObject      Area = "object"
	AreaFile        Area = "file"
	AreaNameService Area = "name service"
	AreaNetwork     Area = "network"
	AreaProcess     Area = "process"
	AreaLimit       Area = "limit"
	AreaCapability  Area = "capability"
	AreaSeccomp     Area = "seccomp"
	AreaNamespace   Area = "namespace"
	AreaCgroup      Area = "cgroup"
	AreaEnvironment Area = "environment"
	AreaLocale      Area = "locale"
	AreaTimeZone    Area = "time zone"
	AreaTunable     Area = "tunable"
	AreaPackage     Area = "package"
	AreaKernel      Area = "kernel"
	AreaCPU         Area = "cpu"
	AreaSysctl      Area = "sysctl"
)

// Fact is one thing that can be held against the same of another environment: area and name are its key.
type Fact struct {
	Area        Area
	Name, Value string
	Noise       bool // differs between any two moments or hosts: pids, times, addresses, counters, host names, random ids
}

// Objects are the programs and libraries, sorted by path.
func (e *Environment) Objects() []Object { return e.Loaded }

// Facts lists everything, area by area, in an order that only what was seen decides. A file's name is its path inside
// the root and its value "type mode owner size hash", or a link's target; an object's name is its path and its
// value the build ID, or where it has none the hash.
func (e *Environment) Facts() iter.Seq[Fact] {
	return func(yield func(Fact) bool) {
		for _, o := range e.Loaded {
			if !yield(Fact{Area: AreaObject, Name: o.Path, Value: o.identity()}) {
				return
			}
		}
		for _, f := range e.Files {
			if !yield(Fact{Area: AreaFile, Name: f.Path, Value: f.summary()}) {
				return
			}
		}
		for area, settings := range e.settings() {
			for _, s := range *settings {
				if !yield(Fact{area, s.Name, s.Value, s.Noise}) {
					return
				}
			}
		}
	}
}

// settings are the sections that hold such, by area.
func (e *Environment) settings() iter.Seq2[Area, *[]Setting] {
	return func(yield func(Area, *[]Setting) bool) {
		_ = yield(AreaNameService, &e.NameService) && yield(AreaNetwork, &e.Network) && yield(AreaProcess, &e.Process) &&
			yield(AreaLimit, &e.Limits) && yield(AreaCapability, &e.Capabilities) && yield(AreaSeccomp, &e.Seccomp) &&
			yield(AreaNamespace, &e.Namespaces) && yield(AreaCgroup, &e.Cgroups) && yield(AreaEnvironment, &e.Variables) &&
			yield(AreaLocale, &e.Locale) && yield(AreaTimeZone, &e.TimeZone) && yield(AreaTunable, &e.Tunables) &&
			yield(AreaPackage, &e.Packages) && yield(AreaKernel, &e.Kernel) && yield(AreaCPU, &e.CPU) && yield(AreaSysctl, &e.Sysctls)
	}
}
