package main
import ("testing";"fmt";"path/filepath"
	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/reading/image"
)
func TestMods(t *testing.T) {
	dir := "/tmp/inquest-oracle/stacks.c-aarch64-linux-gnu-gcc-O2-gdwarf-5-mbranch-protection-standard"
	cores, _ := filepath.Glob(dir+"/qemu*.core")
	c, err := elfcore.Open(cores[0])
	if err != nil { t.Fatal(err) }
	im := image.Open(c, image.Finder{Roots: []string{dir+"/root"}})
	for _, m := range im.Modules { fmt.Println(m.Path, m.Start, m.End, m.Bias, m.File != nil, m.Problem, m.BuildID) }
	fmt.Println(c.Mappings, im.Problems)
}
