package words

import (
	"testing"

	"github.com/inquest-project/inquest/internal/ground/finding"
)

func TestCodeThatChangedIsAFactAndNoVerdict(t *testing.T) {
	d := finding.Death{Changed: []finding.Changed{{Module: "libx.so", Offset: 0x1234, Bytes: 1, Bits: 1}, {Module: "daemon", Offset: 0x10, Bytes: 5, Bits: 17}}}
	sayDeath(&d)
	for i, want := range []string{
		"one bit of libx.so at 0x1234 was not in memory as it is in the file: memory may be broken, or something wrote there",
		"code or constants of daemon were not in memory as in the file, 5 bytes from 0x10 on: something wrote there, or memory is broken",
	} {
		if got := d.Changed[i].Says; got != want {
			t.Errorf("expected %q, found %q", want, got)
		}
	}
}
