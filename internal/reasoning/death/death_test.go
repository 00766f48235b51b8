package death_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reading/image"
	"github.com/inquest-project/inquest/internal/reading/unwind"
	"github.com/inquest-project/inquest/internal/reasoning/death"
	"github.com/inquest-project/inquest/internal/telling/words"
	"github.com/inquest-project/inquest/lab/dying"
)

// judge lets a program die and concludes from its core.
func judge(t *testing.T, p dying.Program, roots ...string) (death.Death, *image.Image) {
	t.Helper()
	core, err := elfcore.Open(p.Core(t))
	if err != nil {
		t.Fatal(err)
	}
	im := image.Open(core, image.Finder{Host: true, Roots: roots})
	t.Cleanup(func() {
		im.Close()
		core.Close()
	})
	return death.Judge(im, unwind.Threads(im)), im
}

func TestMechanismCulpritAndRoleAreWhatEachProgramSays(t *testing.T) {
	for _, source := range dying.All(t) {
		for _, level := range []string{"-O0", "-O2"} {
			t.Run(source.Name+level, func(t *testing.T) {
				p := source.Build(t, level, "-fno-optimize-sibling-calls")
				d, im := judge(t, p)
				check(t, p, d, im)
			})
		}
	}
}

// onARM64 are the programs that die on aarch64 as they do on x86-64. Under qemu-user a core has no siginfo, so who sent a
// signal isn't known, nor an address that no instruction tells.
var onARM64 = []string{
	"abort", "assertion", "big_local", "callback", "double_free", "event_loop", "fortify", "freed_link", "freed_mark",
	"handler", "handler_again", "handler_altstack", "handler_overflow", "handler_tgkill", "helper", "helper_cold",
	"helper_format", "nested", "no_access", "not_executable", "null_call", "null_memcpy", "overrun", "perturbed", "read_only",
	"recursion", "smashed", "static_abort", "thread_recursion", "wild_beyond", "wild_call", "wild_write", "wrapped_index",
}

func TestDeathsOnARM64(t *testing.T) {
	for _, name := range onARM64 {
		t.Run(name, func(t *testing.T) {
			p := dying.One(t, name).BuildARM64(t, "-O2", "-fno-optimize-sibling-calls")
			d, im := judge(t, p, dying.ARM64Root)
			check(t, p, d, im)
		})
	}
}

// The outermost frame that is known of a smashed stack is the one that smashed it, and no thread's first.
func TestTheFirstFunctionOfASmashedStackIsNotKnown(t *testing.T) {
	for name, known := range map[string]bool{"smashed": false, "wrapped_index": true} {
		if d, _ := judge(t, dying.One(t, name).Build(t, "-O2")); (d.Entry >= 0) != known {
			t.Errorf("%s: the first function is frame %d", name, d.Entry)
		}
	}
}

// check compares what was found with what the program says of itself.
func check(t *testing.T, p dying.Program, d death.Death, im *image.Image) {
	t.Helper()
	if got := string(d.Finding.Mechanism.Kind); got != p.Mechanism {
		t.Errorf("expected mechanism %s, found %s", p.Mechanism, got)
	}
	if got := d.Finding.Mechanism.Message; !strings.Contains(got, p.Message) {
		t.Errorf("expected a message with %q, found %q", p.Message, got)
	}
	words.Fill(&finding.Findings{Death: &d.Finding})
	for _, part := range p.Says {
		if !strings.Contains(d.Finding.Says, part) {
			t.Errorf("expected %q to be said, found %q", part, d.Finding.Says)
		}
	}
	checkChanged(t, p, d)
	checkCulprit(t, p, d, im)
}

// checkChanged goes by what each program says of its code in memory; of the others it was as in the file.
func checkChanged(t *testing.T, p dying.Program, d death.Death) {
	t.Helper()
	said := ""
	for _, c := range d.Finding.Changed {
		said += c.Says
	}
	if (p.Changed == "") != (said == "") || !strings.Contains(said, p.Changed) {
		t.Errorf("expected code that changed %q, found %q", p.Changed, said)
	}
}

// checkCulprit goes by the function's bounds: the program that died is stripped.
func checkCulprit(t *testing.T, p dying.Program, d death.Death, im *image.Image) {
	t.Helper()
	switch {
	case p.Culprit == "" && d.Culprit != nil:
		t.Fatalf("expected no culprit, found %+v", d.Culprit)
	case p.Culprit == "":
		return
	case d.Culprit == nil || d.Culprit.Offset == nil:
		t.Fatalf("expected %s, found no culprit", p.Culprit)
	}
	if d.Culprit.Role != p.Role {
		t.Errorf("expected role %s, found %s", p.Role, d.Culprit.Role)
	}
	exe := im.Executable()
	at := uint64(exe.Start-exe.Bias) + uint64(*d.Culprit.Offset)
	spans := p.Spans(t, p.Culprit)
	if !slices.ContainsFunc(spans, func(s dying.Span) bool { return at >= s.Start && at <= s.End }) {
		t.Errorf("expected %s at %#x, found %#x in %s", p.Culprit, spans, at, d.Culprit.Module)
	}
}
