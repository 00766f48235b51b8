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
func judge(t *testing.T, p dying.Program) (death.Death, *image.Image) {
	t.Helper()
	core, err := elfcore.Open(p.Core(t))
	if err != nil {
		t.Fatal(err)
	}
	im := image.Open(core, image.Finder{Host: true})
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
				if got := string(d.Finding.Mechanism.Kind); got != source.Mechanism {
					t.Errorf("expected mechanism %s, found %s", source.Mechanism, got)
				}
				if got := d.Finding.Mechanism.Message; !strings.Contains(got, source.Message) {
					t.Errorf("expected a message with %q, found %q", source.Message, got)
				}
				findings := &finding.Findings{Death: &d.Finding}
				words.Fill(findings)
				for _, part := range source.Says {
					if !strings.Contains(findings.Death.Says, part) {
						t.Errorf("expected %q to be said, found %q", part, findings.Death.Says)
					}
				}
				checkCulprit(t, p, d, im)
			})
		}
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
