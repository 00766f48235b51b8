package words

import (
	"fmt"
	"strings"
	"time"

	"github.com/inquest-project/inquest/internal/ground/finding"
)

func sayDeath(d *finding.Death) {
	if d.Mechanism != nil {
		d.Mechanism.Says = mechanism(d.Mechanism)
		d.Says = d.Mechanism.Says
	}
	if s := d.Sender; s != nil && !s.Self {
		d.Says += fmt.Sprintf(" (sent by process %d of user %d)", s.PID, s.UID)
	}
	if d.Time != nil {
		d.Time.Says = interval(d.Time)
	}
}

var mechanisms = map[finding.MechanismKind]string{
	finding.Abort:          "it called abort() itself",
	finding.Assertion:      "an assertion failed",
	finding.Fortify:        "the C library's overflow check (_FORTIFY_SOURCE) stopped it",
	finding.StackProtector: "the stack protector found its stack overwritten when a function returned",
	finding.AllocatorCheck: "the allocator found its heap damaged; the damage was done earlier",
	finding.FaultRead:      "it read from memory that is not there",
	finding.FaultWrite:     "it wrote to memory that is not there or not writable",
	finding.FaultExecute:   "it jumped to where no code is",
	finding.FaultNull:      "it used a null pointer",
	finding.Fault:          "it touched memory that is not there",
	finding.StackOverflow:  "its stack overflowed",
	finding.Arithmetic:     "an arithmetic instruction failed, such as a division by zero",
	finding.IllegalCode:    "it ran into an instruction that the processor refuses",
	finding.BusError:       "memory behind a mapping was gone (SIGBUS)",
	finding.Killed:         "another process killed it",
	finding.SignalOnly:     "only the signal is known",
}

func mechanism(m *finding.Mechanism) string {
	says := mechanisms[m.Kind]
	if m.Address != nil {
		says += " (address " + m.Address.String() + ")"
	}
	if m.Repeats > 0 {
		says += fmt.Sprintf(" after %d calls of the same kind", m.Repeats)
	}
	if m.Message != "" {
		says += fmt.Sprintf(": %q", strings.TrimSpace(m.Message))
	}
	return says
}

const clockTime = "15:04:05.000"

var clocks = map[string]string{
	"capture":  "the capture's clock",
	"audit":    "the audit record's clock, which runs in steps of some milliseconds",
	"kernel":   "the kernel log's clock",
	"coredump": "systemd-coredump's clock, of whole seconds",
	"abrt":     "abrt's clock, of whole seconds",
	"oom":      "the kernel log's clock",
}

func interval(t *finding.Interval) string {
	span := t.Earliest.Format(clockTime) + " to " + t.Latest.Format(clockTime)
	if t.Earliest.IsZero() {
		span = "not after " + t.Latest.Format(clockTime)
	}
	says := fmt.Sprintf("%s %s UTC by %s", t.Latest.Format(time.DateOnly), span, clocks[t.Clock])
	if t.OffsetMS != nil {
		says += fmt.Sprintf("; the host's clock is %.3f s off", *t.OffsetMS/1000)
	}
	return says
}

// culprit says who decided, or who tripped.
func culprit(c *finding.Culprit, d *finding.Death) string {
	who := c.Module
	switch {
	case c.Function != "":
		who += " (" + c.Function + ")"
	case c.Nearest != "":
		who += " (a function without a name; " + c.Nearest + ")"
	}
	switch {
	case c.Role == finding.Victim && c.Origin != "":
		return who + " tripped over damage done earlier by " + c.Origin
	case c.Role == finding.Victim:
		return who + " tripped over damage done earlier"
	case d != nil && d.Mechanism != nil && decisions[d.Mechanism.Kind] != "":
		return who + " " + decisions[d.Mechanism.Kind]
	case c.Role == finding.Decided:
		return who + " decided to die"
	}
	return who + " was running"
}

// decisions are what a culprit did that brought its death about by anything else than a decision.
var decisions = map[finding.MechanismKind]string{
	finding.Fortify:        "overran a buffer",
	finding.StackProtector: "had its stack overwritten",
	finding.FaultRead:      "read where no memory is",
	finding.FaultWrite:     "wrote where it may not",
	finding.FaultExecute:   "returned to where no code is: its stack was overwritten",
	finding.FaultNull:      "used a null pointer",
	finding.Fault:          "touched memory that is not there",
	finding.StackOverflow:  "called itself until its stack was full",
	finding.Arithmetic:     "failed at arithmetic",
	finding.IllegalCode:    "ran into an instruction that the processor refuses",
	finding.BusError:       "used a mapping behind which the file was gone",
}

// Chain is the way by which control came to the culprit.
func Chain(links []finding.Link) string {
	names := make([]string, len(links))
	for i, l := range links {
		names[i] = l.Module
	}
	return strings.Join(names, " → ")
}
