package debuginfo_test

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/inquest-project/inquest/internal/evidence/debuginfo"
)

const source = `
static inline int twice(int x) { return x > 3 ? x * 2 : x + 1; }
__attribute__((noinline)) int once(int *p, int n) { int s = 0; for (int i = 0; i < n; i++) s += twice(p[i]); return s; }
int main(int argc, char **argv) { (void)argv; return once(&argc, argc) + twice(argc); }
`

var names = []string{".debug_info", ".debug_abbrev", ".debug_line", ".debug_str", ".debug_line_str", ".debug_aranges",
	".debug_ranges", ".debug_rnglists", ".debug_addr", ".debug_str_offsets"}

// compiled is the sections of a small program.
func compiled(f *testing.F, flags ...string) [][]byte {
	f.Helper()
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.c"), []byte(source), 0o600); err != nil {
		f.Fatal(err)
	}
	cmd := exec.Command("gcc", append(flags, "-g", "-O2", "-no-pie", "-nostartfiles", "-Wl,-e,main", "-o", "a", "a.c")...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		f.Fatalf("%v\n%s", err, out)
	}
	object, err := elf.Open(filepath.Join(dir, "a"))
	if err != nil {
		f.Fatal(err)
	}
	defer object.Close()
	sections := make([][]byte, len(names))
	for i, name := range names {
		if s := object.Section(name); s != nil {
			sections[i], _ = s.Data()
		}
	}
	return sections
}

// FuzzSource asks hostile debug information for every address of a small program, and for some that no program
// has. Nothing must panic, hang or go on without end.
func FuzzSource(f *testing.F) {
	for _, flags := range [][]string{nil, {"-gdwarf-4"}, {"-gdwarf-3", "-ffunction-sections"}, {"-gdwarf64"}, {"-gsplit-dwarf"}} {
		s := compiled(f, flags...)
		f.Add(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9])
	}
	f.Fuzz(func(t *testing.T, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9 []byte) {
		given := [][]byte{s0, s1, s2, s3, s4, s5, s6, s7, s8, s9}
		section := func(name string) []byte {
			for i, n := range names {
				if n == name || n+".dwo" == name {
					return given[i]
				}
			}
			return nil
		}
		common := debuginfo.Open(section, nil, nil)
		info := debuginfo.Open(section, common, func(string, string) debuginfo.Sections { return section })
		if info == nil {
			return
		}
		for pc := uint64(0x401000); pc < 0x401100; pc += 3 {
			info.Source(pc)
		}
		for _, pc := range []uint64{0, 1, 1 << 31, ^uint64(0)} {
			info.Source(pc)
		}
		info.Missing()
	})
}
