package objfile_test

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/inquest-project/inquest/internal/evidence/objfile"
)

// built is a program made in the way that a case asks for.
type built struct {
	dir, path string
	named     string // with all debug information in it
}

func run(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("running %s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func build(t testing.TB, compiler string, flags ...string) built {
	t.Helper()
	source, err := filepath.Abs("testdata/inlined.cc")
	if err != nil {
		t.Fatal(err)
	}
	b := built{dir: t.TempDir()}
	b.path, b.named = filepath.Join(b.dir, "prog"), filepath.Join(b.dir, "prog.named")
	run(t, b.dir, compiler, append(flags, "-o", b.named, source)...)
	run(t, b.dir, "cp", b.named, b.path)
	return b
}

// addr2line is what binutils say of addresses: functions and lines, innermost first.
func addr2line(t testing.TB, path string, addresses []uint64) map[uint64][]objfile.Call {
	t.Helper()
	var in strings.Builder
	for _, a := range addresses {
		fmt.Fprintf(&in, "%#x\n", a)
	}
	cmd := exec.Command("addr2line", "-a", "-i", "-f", "-e", path)
	cmd.Stdin = strings.NewReader(in.String())
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	all := map[uint64][]objfile.Call{}
	var at uint64
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for i := 0; i < len(lines); {
		if strings.HasPrefix(lines[i], "0x") {
			at, _ = strconv.ParseUint(lines[i], 0, 64)
			i++
			continue
		}
		file, line, _ := strings.Cut(lines[i+1], ":")
		line, _, _ = strings.Cut(line, " ") // "(discriminator 2)"
		number, _ := strconv.Atoi(line)
		all[at] = append(all[at], objfile.Call{Symbol: lines[i], File: filepath.Base(file), Line: number})
		i += 2
	}
	return all
}

// textOf is addresses all over the program's code.
func textOf(t testing.TB, path string) (addresses []uint64) {
	t.Helper()
	for line := range strings.Lines(run(t, ".", "nm", "-S", "--defined-only", path)) {
		f := strings.Fields(line)
		if len(f) < 4 || !strings.ContainsAny(f[2], "TtWw") {
			continue
		}
		start, _ := strconv.ParseUint(f[0], 16, 64)
		size, _ := strconv.ParseUint(f[1], 16, 64)
		for a := start; a < start+size; a += 3 {
			addresses = append(addresses, a)
		}
	}
	slices.Sort(addresses)
	return slices.Compact(addresses)
}

// agrees compares what we know of an address with what binutils know. The line of the innermost call is left
// out: of several at one address addr2line takes another one than debuggers do. It may also call the innermost
// function by the name of the symbol that covers it, and it doesn't say in which namespace a function is that
// has no linkage name.
func agrees(ours, theirs []objfile.Call) bool {
	if len(ours) != len(theirs) {
		return false
	}
	covering := theirs[len(theirs)-1].Symbol
	for i, c := range ours {
		want := theirs[i]
		named := c.Symbol == want.Symbol || !strings.HasPrefix(c.Symbol, "_Z") && strings.HasSuffix(c.Symbol, "::"+want.Symbol) ||
			i == 0 && want.Symbol == covering || i == len(ours)-1 && strings.HasPrefix(want.Symbol, "_Z") && !strings.HasPrefix(c.Symbol, "_Z")
		if !named || i > 0 && (filepath.Base(c.File) != want.File || c.Line != want.Line) {
			return false
		}
	}
	return true
}

// Binutils are asked about a plain build, since of some forms they know less; the code is the same.
func TestInlinedFunctionsAndLinesAreBinutils(t *testing.T) {
	plain := map[string]built{}
	for _, level := range []string{"-O0", "-O2"} {
		plain[level] = build(t, "g++", "-g", level)
	}
	for _, c := range []struct {
		name, level string
		flags       []string
		then        func(t *testing.T, b built) (root string)
	}{
		{"DWARF 5", "-O2", nil, nil},
		{"no inlining", "-O0", nil, nil},
		{"DWARF 4", "-O2", []string{"-gdwarf-4"}, nil},
		{"DWARF 3", "-O2", []string{"-gdwarf-3"}, nil},
		{"64-bit DWARF", "-O2", []string{"-gdwarf64"}, nil},
		{"types apart", "-O2", []string{"-fdebug-types-section"}, nil},
		{"no table of ranges", "-O2", nil, func(t *testing.T, b built) string {
			run(t, b.dir, "objcopy", "--remove-section=.debug_aranges", b.path)
			return ""
		}},
		{"packed by zlib", "-O2", []string{"-gz=zlib"}, nil},
		{"packed as GNU once did", "-O2", []string{"-gz=zlib-gnu"}, nil},
		{"packed by zstd", "-O2", nil, func(t *testing.T, b built) string {
			run(t, b.dir, "objcopy", "--compress-debug-sections=zstd", b.path)
			return ""
		}},
		{"split units", "-O2", []string{"-gsplit-dwarf"}, nil},
		{"split units of DWARF 4", "-O2", []string{"-gdwarf-4", "-gsplit-dwarf"}, nil},
		{"separate, by link", "-O2", []string{"-Wl,--build-id=none"}, separate},
		{"common file of dwz", "-O2", nil, withCommonFile},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := build(t, "g++", append([]string{"-g", c.level}, c.flags...)...)
			var roots []string
			if c.then != nil {
				if root := c.then(t, b); root != "" {
					roots = append(roots, root)
				}
			}
			shift := sameCode(t, plain[c.level].named, b.named)
			f, err := objfile.Open(b.path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			objfile.FindDebug(f, roots)
			addresses := textOf(t, plain[c.level].named)
			theirs := addr2line(t, plain[c.level].named, addresses)
			inlined := 0
			for _, a := range addresses {
				ours := f.Source(a + shift)
				if inlined += max(0, len(ours)-1); theirs[a][0].Line == 0 && len(ours) == 0 {
					continue // of the C library's own objects there is no debug information
				}
				if !agrees(ours, theirs[a]) {
					t.Fatalf("at %#x:\nwe have   %+v\nbinutils  %+v", a, ours, theirs[a])
				}
			}
			if lacks := f.Lacks(); len(lacks) > 0 {
				t.Errorf("lacks %q", lacks)
			}
			if inlined == 0 && c.level != "-O0" {
				t.Errorf("nothing was inlined in %d places", len(addresses))
			}
		})
	}
}

// sameCode makes sure that two builds differ in their debug information only, and says how far apart they lie.
func sameCode(t *testing.T, a, b string) (shift uint64) {
	t.Helper()
	var at [2]uint64
	var text [2][]byte
	for i, path := range []string{a, b} {
		f, err := elf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		s := f.Section(".text")
		text[i], _ = s.Data()
		at[i] = s.Addr
	}
	if len(text[0]) != len(text[1]) {
		t.Fatalf("%s and %s differ in their code", a, b)
	}
	return at[1] - at[0]
}

func separate(t *testing.T, b built) (root string) {
	run(t, b.dir, "objcopy", "--only-keep-debug", b.named, "prog.debug")
	run(t, b.dir, "strip", b.path)
	run(t, b.dir, "objcopy", "--add-gnu-debuglink=prog.debug", b.path)
	return ""
}

func withCommonFile(t *testing.T, b built) (root string) {
	root = filepath.Join(b.dir, "root")
	_, id, _ := strings.Cut(run(t, b.dir, "readelf", "-n", b.path), "Build ID: ")
	id, _, _ = strings.Cut(id, "\n")
	debug := filepath.Join(root, "usr/lib/debug/.build-id", id[:2], id[2:]+".debug")
	common := filepath.Join(root, "usr/lib/debug/.dwz/common.debug")
	for _, dir := range []string{filepath.Dir(debug), filepath.Dir(common)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	run(t, b.dir, "objcopy", "--only-keep-debug", b.named, debug)
	run(t, b.dir, "cp", debug, "twin.debug")
	run(t, b.dir, "dwz", "-m", common, "-M", "/usr/lib/debug/.dwz/common.debug", debug, "twin.debug")
	run(t, b.dir, "strip", b.path)
	return root
}

func TestDebugInformationThatIsMissingIsSaid(t *testing.T) {
	b := build(t, "g++", "-g", "-O2", "-gsplit-dwarf")
	dwos, _ := filepath.Glob(filepath.Join(b.dir, "*.dwo"))
	for _, dwo := range dwos {
		if err := os.Remove(dwo); err != nil {
			t.Fatal(err)
		}
	}
	f, err := objfile.Open(b.path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	main, _, _ := f.Symbol("main")
	calls := f.Source(main)
	if len(calls) != 1 || calls[0].Line == 0 || calls[0].Function != "" {
		t.Errorf("expected the line alone, found %+v", calls)
	}
	if lacks := f.Lacks(); len(lacks) != 1 || !strings.Contains(lacks[0], ".dwo") {
		t.Errorf("lacks %q", lacks)
	}
}

func TestADebugFileWithAnotherChecksumIsRefused(t *testing.T) {
	b := build(t, "g++", "-g", "-O2", "-Wl,--build-id=none")
	separate(t, b)
	run(t, b.dir, "sh", "-c", "echo >>prog.debug")
	f, err := objfile.Open(b.path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if found := objfile.FindDebug(f, nil); found != "" {
		t.Errorf("%s was taken", found)
	}
}

func TestSymbolsOfAMiniatureNameFunctions(t *testing.T) {
	b := build(t, "g++", "-O2")
	run(t, b.dir, "sh", "-c", "objcopy --only-keep-debug prog.named mini && strip prog && xz -k mini && objcopy --add-section .gnu_debugdata=mini.xz prog")
	f, err := objfile.Open(b.path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if fn, ok := f.Function(f.Entry); !ok || fn.Name != "_start" {
		t.Errorf("the entry is named %+v", fn)
	}
}

func TestNamesAreReadable(t *testing.T) {
	for symbol, readable := range map[string]string{
		"main":                          "main",
		"_ZN5outer7Counter3addEi":       "outer::Counter::add",
		"_RNvNtCs1234_7mycrate3foo3bar": "mycrate::foo::bar",
		"_ZN4core9panicking5panic17h0123456789abcdefE": "core::panicking::panic",
		"_Z": "_Z",
	} {
		if got := objfile.Readable(symbol); got != readable {
			t.Errorf("%s: expected %s, found %s", symbol, readable, got)
		}
	}
}
