package death_test

import (
	"testing"

	"github.com/inquest-project/inquest/internal/evidence/backtrace"
	"github.com/inquest-project/inquest/internal/evidence/logs"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reasoning/death"
)

func TestTheKernelsLineTellsHow(t *testing.T) {
	at := func(a place.Address) *place.Address { return &a }
	const sp = 0x7ffd0c1b7f10
	for name, c := range map[string]struct {
		fault   logs.Fault
		kind    finding.MechanismKind
		detail  string
		role    string
		culprit bool
	}{
		"through null":          {logs.Fault{Access: logs.Writes, Address: at(0x41)}, finding.FaultNull, "", finding.Decided, true},
		"far away":              {logs.Fault{Access: logs.Reads, Address: at(0x5a5a5a5a5a5a), SP: sp}, finding.FaultRead, "", "", true},
		"read-only":             {logs.Fault{Access: logs.Writes, Address: at(0x55f000), Refused: true}, finding.FaultWrite, finding.ReadOnly, "", true},
		"below the stack":       {logs.Fault{Access: logs.Writes, Address: at(sp - 8), SP: sp}, finding.StackOverflow, "", "", true},
		"a read near the stack": {logs.Fault{Access: logs.Reads, Address: at(sp - 8), SP: sp}, finding.FaultRead, "", "", true},
		"a call through null":   {logs.Fault{Access: logs.Executes, Address: at(0)}, finding.FaultNull, "", "", false},
		"a jump into data":      {logs.Fault{Access: logs.Executes, Address: at(0x55f000), Refused: true}, finding.FaultExecute, finding.NotExecutable, "", false},
		"arm64, no address":     {logs.Fault{Access: logs.Reads}, finding.FaultRead, "", "", true},
		"division":              {logs.Fault{Trap: "divide error"}, finding.Arithmetic, finding.Division, finding.Decided, true},
		"invalid opcode":        {logs.Fault{Trap: "invalid opcode"}, finding.IllegalCode, "", finding.Decided, true},
		"protection":            {logs.Fault{Trap: "general protection fault"}, finding.Fault, finding.Protection, "", true},
		"of no known kind":      {logs.Fault{Trap: "alignment check"}, finding.SignalOnly, "", "", true},
	} {
		frame := backtrace.Frame{Module: "netd", Function: "serve"}
		trace := backtrace.Trace{Form: backtrace.Kernel, Threads: []backtrace.Thread{{Crashed: true, Frames: []backtrace.Frame{frame}}}}
		c.fault.Machine = "x86_64"
		d := death.FromTrace(trace, 11)
		d.Told(&c.fault)
		m := d.Finding.Mechanism
		if m.Kind != c.kind || m.Detail != c.detail || m.Access != string(c.fault.Access) || (d.Culprit != nil) != c.culprit {
			t.Errorf("%s: found %+v, culprit %+v", name, m, d.Culprit)
		}
		if d.Culprit != nil && (d.Culprit.Module != "netd" || d.Culprit.Function != "serve" || d.Culprit.Role != c.role) {
			t.Errorf("%s: culprit %+v", name, d.Culprit)
		}
	}
}

// The bytes that the log shows are decoded; and what a stack tells already is not told again.
func TestTheKernelsLineShowsTheInstruction(t *testing.T) {
	f := logs.Fault{Machine: "x86_64", Access: logs.Writes, Address: new(place.Address), Code: []byte{0x90, 0xc6, 0x00, 0x78, 0xc3}, CodeAt: 1}
	d := death.Death{Finding: finding.Death{Mechanism: &finding.Mechanism{Kind: finding.SignalOnly}}}
	d.Told(&f)
	if got := d.Finding.Mechanism.Instruction; got != "movb $0x78,(%rax)" {
		t.Errorf("instruction %q", got)
	}
	d.Finding.Mechanism.Kind = finding.Assertion
	d.Told(&f)
	if got := d.Finding.Mechanism.Kind; got != finding.Assertion {
		t.Errorf("kind %s", got)
	}
}

// What C++'s runtime calls abort for, where it is stripped; and by the name that a debugger prints.
func TestAPrintedTerminate(t *testing.T) {
	abort := backtrace.Frame{Module: "libc.so.6", Function: "abort"}
	culprit := backtrace.Frame{Module: "netd", Function: "serve"}
	for name, c := range map[string]struct {
		frames []backtrace.Frame
		kind   finding.MechanismKind
		detail string
	}{
		"without names": {[]backtrace.Frame{abort, {Module: "libstdc++.so.6"}, culprit}, finding.Exception, finding.Terminate},
		"demangled":     {[]backtrace.Frame{abort, {Module: "libstdc++.so.6", Function: "std::terminate()"}, culprit}, finding.Exception, ""},
		"an assertion":  {[]backtrace.Frame{abort, {Module: "libstdc++.so.6", Function: "std::__glibcxx_assert_fail"}, culprit}, finding.Abort, ""},
		"inlined":       {[]backtrace.Frame{abort, {Module: "netd", Function: "std::get", Inlined: true, File: "/usr/include/c++/12/tuple"}, culprit}, finding.Abort, ""},
		"its own":       {[]backtrace.Frame{abort, culprit}, finding.Abort, ""},
	} {
		d := death.FromTrace(backtrace.Trace{Threads: []backtrace.Thread{{Crashed: true, Frames: c.frames}}}, 6)
		if m := d.Finding.Mechanism; m.Kind != c.kind || m.Detail != c.detail || d.Culprit.Function != "serve" {
			t.Errorf("%s: found %+v, %+v", name, m, d.Culprit)
		}
	}
}
