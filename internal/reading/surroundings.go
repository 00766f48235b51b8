package reading

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/inquest-project/inquest/internal/evidence/backtrace"
	"github.com/inquest-project/inquest/internal/evidence/environment"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/image"
)

// Stack is a stack's frames, innermost first.
type Stack = []backtrace.Frame

// Died is the stack that died: the core's, else a printed one; nil if there is none.
func (r *Reading) Died() Stack {
	traces := r.Traces
	if r.Image != nil {
		traces = []backtrace.Trace{r.Printed()}
	}
	for _, t := range traces {
		if died := DiedIn(t); died != nil {
			return died
		}
	}
	return nil
}

// DiedIn is a trace's stack that died: the one that is marked, else the first.
func DiedIn(t backtrace.Trace) Stack {
	for _, thread := range t.Threads {
		if thread.Crashed {
			return thread.Frames
		}
	}
	if len(t.Threads) == 0 {
		return nil
	}
	return t.Threads[0].Frames
}

// kernels is a module that every process has from its kernel, and no file.
const kernels = "linux-vdso.so.1"

// Surroundings are what the evidence of a death tells of what the process ran among: which builds it had mapped, and what variables
// it was started with.
func (r *Reading) Surroundings() *environment.Environment {
	e := &environment.Environment{Kind: environment.KindStack}
	unknown := 0
	add := func(o environment.Object) {
		if o.Path != "" && o.BuildID != "" && !slices.ContainsFunc(e.Loaded, func(known environment.Object) bool { return known.Path == o.Path }) {
			e.Loaded = append(e.Loaded, o)
		}
	}
	if r.Image != nil {
		e.Kind = environment.KindCore
		for _, m := range r.Image.Modules {
			if m.SoName() == kernels {
				continue
			}
			if m.BuildID == "" && (m.Executable || strings.Contains(m.Name, ".so")) { // other files are mapped, too
				unknown++
			}
			add(environment.Object{Path: m.Path, SoName: m.SoName(), BuildID: m.BuildID})
		}
		e.StartedWith(r.variables())
	}
	if unknown > 0 {
		e.Unseen = append(e.Unseen, environment.Unseen{What: environment.OtherObjects, Why: fmt.Sprintf("of %d nothing in the core tells the build", unknown)})
	}
	for _, f := range r.Died() {
		add(environment.Object{Path: f.Module, BuildID: f.BuildID})
	}
	slices.SortFunc(e.Loaded, func(a, b environment.Object) int { return cmp.Compare(a.Path, b.Path) })
	return e
}

// variables are those that the process was started with. The kernel lays them out right below the path that the program was
// started by, which is the last on the stack but for a null word (Linux, fs/binfmt_elf.c and fs/exec.c); above them are the arguments.
// A daemon that writes a title there has overwritten them.
func (r *Reading) variables() (entries []string) {
	const atExecFn, most = 31, 128 << 10
	end := place.Address(r.Image.Core.Auxv[atExecFn])
	stack := image.RegionAt(r.Image.Writable(), end)
	if end == 0 || stack == nil {
		return nil
	}
	below := stack.Data[:end-stack.Start]
	below = below[max(0, len(below)-most):]
	for len(below) > 0 && below[len(below)-1] == 0 {
		below = below[:len(below)-1]
		at := bytes.LastIndexByte(below, 0)
		entry := string(below[at+1:])
		if name, _, is := strings.Cut(entry, "="); !is || name == "" || strings.ContainsAny(name, " /-") || at < 0 {
			break
		}
		entries = append(entries, entry)
		below = below[:at+1]
	}
	slices.Reverse(entries)
	return entries
}
