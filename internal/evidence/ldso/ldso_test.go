package ldso

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/inquest-project/inquest/internal/evidence/rooted"
)

const linker = "/lib64/ld-linux-x86-64.so.2"

// listed is what the system's own linker says that it would load, sorted, without the kernel's vDSO.
func listed(t *testing.T, program string, env ...string) []string {
	t.Helper()
	cmd := exec.Command(linker, "--list", program)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		return nil
	}
	var paths []string
	for line := range strings.Lines(string(out)) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), " (0x")
		if _, path, ok := strings.Cut(line, " => "); ok {
			line = path
		}
		if strings.HasPrefix(line, "/") && line != program {
			paths = append(paths, line)
		}
	}
	slices.Sort(paths)
	return paths
}

func needed(t *testing.T, l Loader, program string) (paths []string, missing []Missing) {
	t.Helper()
	root, err := rooted.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	l.Root = root
	objects, missing, err := l.Needed(program)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects[1:] {
		paths = append(paths, o.Path)
	}
	slices.Sort(paths)
	return paths, missing
}

func TestNeededIsWhatTheLinkerLists(t *testing.T) {
	if _, err := os.Stat(linker); err != nil {
		t.Skip("no linker of this machine's kind")
	}
	programs, _ := filepath.Glob("/usr/sbin/*")
	programs = append(programs, "/usr/bin/gdb", "/usr/bin/tshark", "/usr/bin/python3", "/usr/lib/postgresql/15/bin/postgres", "/usr/bin/perl", "/usr/bin/rpm")
	same, most := 0, 0
	for _, program := range programs {
		want := listed(t, program)
		if len(want) == 0 {
			continue // a script, or linked statically
		}
		got, missing := needed(t, Loader{}, program)
		if !slices.Equal(got, want) || len(missing) > 0 {
			t.Errorf("%s:\nlinker: %v\nwe:     %v\nmissing: %v", program, want, got, missing)
			continue
		}
		same++
		most = max(most, len(want))
	}
	t.Logf("%d programs as the linker says, the largest of %d objects", same, most)
	if same < 10 {
		t.Errorf("expected more than %d programs to compare", same)
	}
}

// Libraries in folders that the program, a library or the environment names: built, listed by the linker, and by us.
func TestSearchPaths(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("no gcc: make setup installs it")
	}
	build := func(t *testing.T, dir, name string, args ...string) {
		t.Helper()
		target := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			t.Fatal(err)
		}
		source := filepath.Join(dir, "empty.c")
		if err := os.WriteFile(source, []byte("int main(void){return 0;}\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("gcc", append([]string{"-o", target, source, "-Wl,--no-as-needed"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("gcc: %v\n%s", err, out)
		}
	}
	library := func(t *testing.T, dir, name string, args ...string) {
		t.Helper()
		build(t, dir, name, append([]string{"-shared", "-fPIC", "-Wl,-soname," + filepath.Base(name)}, args...)...)
	}
	rpath := func(how, path string) string { return "-Wl,--" + how + "-new-dtags,-rpath," + path }

	for _, test := range []struct {
		name string
		make func(t *testing.T, dir string)
		env  string
	}{
		{"runpath with origin", func(t *testing.T, dir string) {
			library(t, dir, "own/libone.so")
			build(t, dir, "bin/program", "-L"+dir+"/own", "-lone", rpath("enable", "$ORIGIN/../own"))
		}, ""},
		{"runpath isn't inherited", func(t *testing.T, dir string) {
			library(t, dir, "own/libtwo.so")
			library(t, dir, "own/libone.so", "-L"+dir+"/own", "-ltwo")
			build(t, dir, "bin/program", "-L"+dir+"/own", "-lone", "-Wl,--allow-shlib-undefined,-rpath-link,"+dir+"/own", rpath("enable", "$ORIGIN/../own"))
		}, "broken"},
		{"rpath is inherited", func(t *testing.T, dir string) {
			library(t, dir, "own/libtwo.so")
			library(t, dir, "own/libone.so", "-L"+dir+"/own", "-ltwo")
			build(t, dir, "bin/program", "-L"+dir+"/own", "-lone", rpath("disable", "${ORIGIN}/../own"))
		}, ""},
		{"library path before runpath", func(t *testing.T, dir string) {
			library(t, dir, "own/libone.so")
			library(t, dir, "other/libone.so")
			build(t, dir, "bin/program", "-L"+dir+"/own", "-lone", rpath("enable", "$ORIGIN/../own"))
		}, "LD_LIBRARY_PATH"},
		{"rpath before library path", func(t *testing.T, dir string) {
			library(t, dir, "own/libone.so")
			library(t, dir, "other/libone.so")
			build(t, dir, "bin/program", "-L"+dir+"/own", "-lone", rpath("disable", "$ORIGIN/../own"))
		}, "LD_LIBRARY_PATH"},
		{"preload", func(t *testing.T, dir string) {
			library(t, dir, "other/libfirst.so")
			build(t, dir, "bin/program")
		}, "LD_PRELOAD"},
		{"a better build for this processor", func(t *testing.T, dir string) {
			library(t, dir, "other/libone.so")
			library(t, dir, "other/glibc-hwcaps/x86-64-v2/libone.so")
			build(t, dir, "bin/program", "-L"+dir+"/other", "-lone")
		}, "LD_LIBRARY_PATH"},
		{"a wrong machine is passed over", func(t *testing.T, dir string) {
			library(t, dir, "own/libone.so")
			if err := os.MkdirAll(dir+"/other", 0o755); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(dir + "/own/libone.so")
			if err != nil {
				t.Fatal(err)
			}
			data[18] = 183 // EM_AARCH64
			if err := os.WriteFile(dir+"/other/libone.so", data, 0o644); err != nil {
				t.Fatal(err)
			}
			build(t, dir, "bin/program", "-L"+dir+"/own", "-lone", rpath("enable", "$ORIGIN/../own"))
		}, "LD_LIBRARY_PATH"},
		{"without default folders", func(t *testing.T, dir string) {
			build(t, dir, "bin/program", "-Wl,-z,nodefaultlib")
		}, "broken"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			test.make(t, dir)
			var l Loader
			var env []string
			switch test.env {
			case "LD_LIBRARY_PATH":
				l.LibraryPath = dir + "/other"
				env = []string{"LD_LIBRARY_PATH=" + l.LibraryPath}
			case "LD_PRELOAD":
				l.Preload = dir + "/other/libfirst.so"
				env = []string{"LD_PRELOAD=" + l.Preload}
			}
			program := dir + "/bin/program"
			want := listed(t, program, env...)
			got, missing := needed(t, l, program)
			if (len(want) == 0) != (test.env == "broken") {
				t.Fatalf("the linker says %v", want)
			}
			if test.env == "broken" {
				if len(missing) != 1 {
					t.Errorf("expected that the linker's complaint is ours, found %v missing, %v", missing, got)
				}
				return
			}
			clean := func(paths []string) string {
				for i := range paths {
					paths[i] = filepath.Clean(paths[i])
				}
				return fmt.Sprint(paths)
			}
			if clean(got) != clean(want) || len(missing) > 0 {
				t.Errorf("linker: %v\nwe:     %v\nmissing: %v", want, got, missing)
			}
		})
	}
}

// FuzzCache gives damaged caches: the linker's own is the seed.
func FuzzCache(f *testing.F) {
	if data, err := os.ReadFile("/etc/ld.so.cache"); err == nil {
		f.Add(data)
	}
	f.Add([]byte(cacheMagic + strings.Repeat("\x01\x00\x00\x00", 20)))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := parseCache(data)
		for machine := range wantedFlags {
			c.find("libc.so.6", machine)
		}
	})
}
