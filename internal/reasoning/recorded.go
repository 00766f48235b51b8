package reasoning

import (
	"cmp"

	"github.com/inquest-project/inquest/internal/evidence/logs"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reading"
	"github.com/inquest-project/inquest/internal/reasoning/death"
	"github.com/inquest-project/inquest/internal/reasoning/moment"
)

// fromRecord takes what a log alone knows of a death.
func fromRecord(d *finding.Death, record *logs.Record) {
	d.SignalNumber, d.Signal = record.Signal, death.SignalName(record.Signal)
	if d.Mechanism == nil && record.Signal != 0 {
		d.Mechanism = &finding.Mechanism{Kind: finding.SignalOnly}
	}
}

// pidOf is the dead process, 0 if nothing tells which it was.
func pidOf(r *reading.Reading, when moment.Moment) int {
	if r.Image != nil {
		return r.Image.Core.Process.PID
	}
	if when.Record != nil {
		return cmp.Or(when.Record.PID, when.Record.TID)
	}
	return 0
}

// fromLogs takes from the logs why a process was killed that did nothing to be: what a core tells of that is no more than
// that somebody sent a signal.
func fromLogs(d *finding.Death, pid int, records []logs.Record) {
	if d.Mechanism == nil || pid == 0 {
		return
	}
	if kind := d.Mechanism.Kind; kind != finding.SignalOnly && kind != finding.Killed && kind != finding.BusError {
		return
	}
	for _, record := range records {
		if record.PID != pid {
			continue
		}
		switch record.Kind {
		case logs.OOM:
			d.Mechanism.Kind = finding.OutOfMemory
		case logs.MemoryFailure:
			d.Mechanism.Kind = finding.BrokenMemory
		case logs.Watchdog:
			d.Mechanism.Kind = finding.Watchdog
		case logs.Seccomp:
			d.Mechanism.Kind = finding.Seccomp
			if record.SystemCall != nil {
				d.Mechanism.SystemCall = death.SystemCall(record.Arch, *record.SystemCall)
			}
		case logs.Stopped:
			d.Mechanism.Kind = finding.Killed
		}
		if record.Unit != "" {
			d.Sender = &finding.Sender{PID: 1, Name: "systemd, for " + record.Unit}
		}
	}
}
