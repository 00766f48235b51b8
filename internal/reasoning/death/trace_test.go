package death_test

import (
	"os"
	"testing"

	"github.com/inquest-project/inquest/internal/evidence/backtrace"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reasoning/death"
)

func trace(t *testing.T, name string) backtrace.Trace {
	t.Helper()
	f, err := os.Open("../../evidence/backtrace/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	trace, err := backtrace.Read(name, f)
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

func TestTheStorysBareTraceAccusesTheBuildThatCalledAbort(t *testing.T) {
	d := death.FromTrace(trace(t, "core_backtrace"), 6)
	c := d.Culprit
	if c == nil {
		t.Fatal("no culprit")
	}
	const libkrb5 = "605701a8ae551604303523b4f0d3a7e98cf9e153"
	if c.Module != libkrb5 || c.BuildID != libkrb5 || c.Offset == nil || *c.Offset != 0x87201 {
		t.Errorf("expected %s at 0x87201, found %+v", libkrb5, *c)
	}
	if c.Nearest != "called by krb5_get_default_realm" || c.Role != finding.Decided || d.Finding.Mechanism.Kind != finding.Abort {
		t.Errorf("found %+v, %+v", *c, *d.Finding.Mechanism)
	}
	var modules []string
	for _, link := range c.Chain {
		modules = append(modules, link.Module[:8])
	}
	if len(modules) != 3 || modules[0] != "a5961338" || modules[1] != "c953da0b" || modules[2] != "605701a8" {
		t.Errorf("expected the program, libssl and libkrb5, found %v", modules)
	}
}

func TestTheStorysPastedStackAccusesTheFunctionThatCalledAbort(t *testing.T) {
	d := death.FromTrace(trace(t, "gdb-where.txt"), 6)
	if d.Culprit == nil || d.Culprit.Function != "krb5int_translate_gai_error" || d.Finding.Signal != "SIGABRT" {
		t.Errorf("found %+v, %+v", d.Culprit, d.Finding)
	}
}

// A handler that reports, or raises the signal again, has not killed.
func TestWhatAHandlerInterruptedIsAccused(t *testing.T) {
	for name, want := range map[string]struct {
		frame    int
		function string
	}{"gdb-handler.txt": {2, "local_one"}, "handler-rdynamic.txt": {2, ""}, "handler.txt": {2, ""}} {
		d := death.FromTrace(trace(t, name), 11)
		if d.Culprit == nil || d.Frame != want.frame || d.Culprit.Function != want.function || d.Finding.Mechanism.Kind != finding.SignalOnly {
			t.Errorf("%s: found frame %d, %+v, %+v", name, d.Frame, d.Culprit, *d.Finding.Mechanism)
		}
	}
}
