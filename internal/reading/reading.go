// Package reading is the second room: what the evidence says. Read turns a core and its binaries into
// an address space and stacks, and captures into conversations. It still concludes nothing.
package reading

import (
	"cmp"
	"iter"
	"maps"
	"slices"

	"github.com/inquest-project/inquest/internal/evidence"
	"github.com/inquest-project/inquest/internal/evidence/backtrace"
	"github.com/inquest-project/inquest/internal/evidence/debuginfod"
	"github.com/inquest-project/inquest/internal/evidence/keylog"
	"github.com/inquest-project/inquest/internal/evidence/logs"
	"github.com/inquest-project/inquest/internal/evidence/objfile"
	"github.com/inquest-project/inquest/internal/ground/cursor"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/conversation"
	"github.com/inquest-project/inquest/internal/reading/image"
	"github.com/inquest-project/inquest/internal/reading/symbolize"
	"github.com/inquest-project/inquest/internal/reading/unwind"
)

// Reading is everything that the evidence of one death says. What there was no evidence for is nil.
type Reading struct {
	Image    *image.Image
	Stacks   []unwind.Stack // the core's order: the thread that dumped first
	Traffic  *conversation.Traffic
	Logs     []logs.Record // of deaths: first those of crash handlers, whose times are coarser
	Signs    []logs.Record // of trouble of the machine
	Traces   []backtrace.Trace
	Keys     []keylog.Entry  // of TLS connections, from key logs and captures
	Fault    *logs.Record    // the kernel's lines on the fault that the first trace is of; nil if there are none, or a core
	Files    []evidence.File // what was read
	Problems []cursor.Damage

	named map[place.BuildID]string // files that named the traces' frames
	logs  []*logs.Log
}

// Read reads a set of evidence. Servers are asked for binaries and debug information that are found nowhere;
// nil if nobody shall be.
func Read(set *evidence.Set, servers *debuginfod.Client) *Reading {
	r := &Reading{Logs: set.Told, Traces: set.Traces, Files: set.Files, Problems: set.Problems, logs: set.Logs}
	if set.Core != nil {
		r.Image = image.Open(set.Core, image.Finder{
			Roots: set.Sysroots,
			Loose: set.Objects,
			Host:  len(set.Sysroots) == 0 && !set.Carried,

			Servers: servers,
		})
		r.Stacks = unwind.Threads(r.Image)
		r.Problems = append(r.Problems, set.Core.Damage...)
		r.Problems = append(r.Problems, r.Image.Problems...)
		r.Problems = append(r.Problems, lacks(r.Image)...)
		r.Problems = append(r.Problems, foreign(r.Image, set.Named)...)
		r.noteServers(servers)
	}
	if len(set.Captures) > 0 {
		r.read(set, conversation.Assemble(set.Captures...))
	}
	r.settle(set)
	if set.Core == nil {
		r.readTraces(set, servers)
	}
	return r
}

// Wire reads no more than the captures of a set, and of these only what each conversation is; of a core it has the
// memory.
func Wire(set *evidence.Set) *Reading {
	r := &Reading{Files: set.Files, Problems: set.Problems}
	if set.Core != nil {
		r.Image = image.Open(set.Core, image.Finder{})
		r.Problems = append(r.Problems, set.Core.Damage...)
	}
	r.read(set, conversation.Index(set.Captures...))
	return r
}

// read takes what captures say, and the key logs that they carry.
func (r *Reading) read(set *evidence.Set, traffic *conversation.Traffic) {
	r.Traffic, r.Keys = traffic, set.Keys
	r.Problems = append(r.Problems, traffic.Damage...)
	for _, file := range set.Captures {
		for _, log := range file.Secrets {
			keys, damage := keylog.Parse(file.Name, log)
			r.Keys = append(r.Keys, keys...)
			r.Problems = append(r.Problems, damage...)
		}
	}
}

// noteServers tells what was asked of whom.
func (r *Reading) noteServers(servers *debuginfod.Client) {
	for _, note := range servers.Notes() {
		r.Problems = append(r.Problems, cursor.Damage{Part: "debuginfod", Offset: -1, Problem: note})
	}
}

// lacks is debug information that belongs to a binary, was needed to name frames, and is not there.
func lacks(im *image.Image) (problems []cursor.Damage) {
	for _, m := range im.Modules {
		if m.File == nil {
			continue
		}
		for _, what := range m.File.Lacks() {
			problems = append(problems, cursor.Damage{Part: m.File.Path, Offset: -1, Problem: "debug information is missing: " + what})
		}
	}
	return problems
}

// foreign is the programs and libraries that were named and that the process had not mapped, as by a slip in a path.
func foreign(im *image.Image, named []string) (problems []cursor.Damage) {
	for _, path := range named {
		f, err := objfile.Open(path)
		if err != nil {
			continue
		}
		mapped := func(m *image.Module) bool {
			return m.BuildID != "" && m.BuildID == f.BuildID || m.File != nil && m.File.Path == path
		}
		if len(im.Modules) > 0 && f.HasCode() && !slices.ContainsFunc(im.Modules, mapped) {
			problems = append(problems, cursor.Damage{Part: path, Offset: -1, Problem: "it is none of what the process had mapped: its build ID is " + cmp.Or(string(f.BuildID), "not known")})
		}
		f.Close()
	}
	return problems
}

// Close unmaps the binaries.
func (r *Reading) Close() {
	if r.Image != nil {
		r.Image.Close()
	}
}

// Binaries are the files that were read for the core's or the traces' modules, by build. The vDSO is none: its image
// lies in the core.
func (r *Reading) Binaries() iter.Seq2[place.BuildID, string] {
	if r.Image == nil {
		return maps.All(r.named)
	}
	return func(yield func(place.BuildID, string) bool) {
		for _, m := range r.Image.Modules {
			if m.File != nil && m.Name != "[vdso]" && !yield(m.BuildID, m.File.Path) {
				return
			}
		}
	}
}

// Symbolize names the frames of a printed stack from the objects under the roots, those on this host, and what
// the servers have, if there are any.
func Symbolize(trace *backtrace.Trace, roots []string, servers *debuginfod.Client) *symbolize.Result {
	return symbolize.Trace(trace, image.Finder{Roots: roots, Host: true}, servers)
}
