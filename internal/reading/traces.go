package reading

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/inquest-project/inquest/internal/evidence"
	"github.com/inquest-project/inquest/internal/evidence/backtrace"
	"github.com/inquest-project/inquest/internal/evidence/debuginfod"
	"github.com/inquest-project/inquest/internal/evidence/logs"
	"github.com/inquest-project/inquest/internal/ground/cursor"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/image"
	"github.com/inquest-project/inquest/internal/reading/symbolize"
)

// readTraces names the frames of printed stacks. Where there is none, the kernel's lines on a fault are one of a
// single frame. A build ID proves a file wherever it lies, so this host's count even if there are roots; a case
// brings its own.
func (r *Reading) readTraces(set *evidence.Set, servers *debuginfod.Client) {
	r.named = map[place.BuildID]string{}
	find := image.Finder{Roots: set.Sysroots, Loose: set.Objects, Host: !set.Carried}
	r.Fault = r.fault()
	if len(r.Traces) == 0 && r.Fault != nil {
		r.fill(symbolize.Fault(*r.Fault, r.executable(), find))
		return
	}
	traces := r.Traces
	r.Traces = nil
	for i := range traces {
		r.fill(symbolize.Trace(&traces[i], find, servers))
	}
	r.noteServers(servers)
}

// fill takes a trace with the names that were found.
func (r *Reading) fill(result *symbolize.Result) {
	result.Fill()
	r.Traces = append(r.Traces, *result.Trace)
	maps.Copy(r.named, result.Used())
	for _, note := range result.Notes {
		r.Problems = append(r.Problems, cursor.Damage{Part: result.Trace.Name, Offset: -1, Problem: note})
	}
}

// fault is the kernel's record of the fault by which the process of the first trace died, or else that of the last
// death in the logs.
func (r *Reading) fault() *logs.Record {
	of := func(f logs.Record) bool {
		return len(r.Logs) > 0 && sameDeath(f, r.Logs[len(r.Logs)-1])
	}
	if len(r.Traces) > 0 {
		of = func(f logs.Record) bool { return isOf(f, r.Traces[0]) }
	}
	for i, f := range slices.Backward(r.Logs) {
		if f.Fault != nil && of(f) {
			return &r.Logs[i]
		}
	}
	return nil
}

// isOf says whether a fault's record is of the process that a trace is of: the record's number is a thread's.
func isOf(f logs.Record, t backtrace.Trace) bool {
	return f.TID == t.PID || slices.ContainsFunc(t.Threads, func(th backtrace.Thread) bool { return th.ID == f.TID })
}

// sameDeath says whether a fault's record and another tell of one death.
func sameDeath(f, other logs.Record) bool {
	const apart = 2 * time.Second
	return f.TID == cmp.Or(other.TID, other.PID) || f.Command == other.Command && f.Time.Sub(other.Time).Abs() < apart
}

// executable is the path of the program that died, if its own code was at fault and another record tells it.
func (r *Reading) executable() string {
	for _, other := range r.Logs {
		if path.Base(other.Executable) == r.Fault.Fault.Module && sameDeath(*r.Fault, other) {
			return other.Executable
		}
	}
	return ""
}
