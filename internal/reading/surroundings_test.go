package reading

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inquest-project/inquest/internal/evidence"
	"github.com/inquest-project/inquest/internal/evidence/elftest"
)

// What lies on top of a stack, as the kernel leaves it: arguments, variables, the program's path.
func TestACoreTellsTheVariablesThatItsProcessWasStartedWith(t *testing.T) {
	const stack, atExecFn = 0x7ffd00000000, 31
	for name, c := range map[string]struct{ top, want string }{
		"arguments are none":         {"\x00/sbin/daemon\x00--port=80\x00LANG=C\x00FOO=a=b\x00", "FOO=a=b LANG=C"},
		"secrets are masked":         {"\x00daemon\x00DB_PASSWORD=hunter2\x00", "DB_PASSWORD=(masked)"},
		"an empty value is one":      {"\x00daemon\x00EMPTY=\x00", "EMPTY="},
		"there are none":             {"\x00daemon\x00-v\x00", ""},
		"a title was written there":  {"\x00daemon: worker process\x00\x00\x00\x00", ""},
		"the stack begins with them": {"CUT=1\x00WHOLE=2\x00", "WHOLE=2"},
		"nothing below the path":     {"", ""},
	} {
		path := filepath.Join(t.TempDir(), "core")
		core := elftest.Process{
			Memory: []elftest.Segment{{Flags: elftest.RW, Vaddr: stack, Data: []byte(c.top + "/sbin/daemon\x00")}},
			Auxv:   []uint64{atExecFn, stack + uint64(len(c.top)), 0, 0},
		}.Core()
		if err := os.WriteFile(path, core, 0o600); err != nil {
			t.Fatal(err)
		}
		set, err := evidence.Open(evidence.Request{Cores: []string{path}})
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, v := range Read(set, nil).Surroundings().Variables {
			found = append(found, v.Name+"="+v.Value)
		}
		set.Close()
		if got := strings.Join(found, " "); got != c.want {
			t.Errorf("%s: expected %q, found %q", name, c.want, got)
		}
	}
}
