package dying

import "testing"

func TestEachProgramDies(t *testing.T) {
	for _, s := range All(t) {
		t.Run(s.Name, func(t *testing.T) { s.Build(t, "-O1").Core(t) })
	}
}
