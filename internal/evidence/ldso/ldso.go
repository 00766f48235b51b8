// Package ldso finds the libraries that a program would be started with, as glibc's dynamic linker finds them
// (ld.so(8)), without running anything: DT_NEEDED, breadth first, in DT_RPATH, LD_LIBRARY_PATH, DT_RUNPATH,
// /etc/ld.so.cache and the system's folders, all inside a root. Loader.Needed is all there is to call.
//
// What a program opens itself while it runs (dlopen, NSS modules) isn't known here; musl's linker has other rules. Files are
// untrusted: what a program needs is bounded, and a library of another machine is passed over as the linker does.
package ldso

import (
	"debug/elf"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/cpu"

	"github.com/inquest-project/inquest/internal/evidence/objfile"
	"github.com/inquest-project/inquest/internal/evidence/rooted"
)

// Loader is a dynamic linker's surroundings.
type Loader struct {
	Root        *rooted.Root
	LibraryPath string // LD_LIBRARY_PATH
	Preload     string // LD_PRELOAD
}

// Object is one file of the program: itself, its linker, or a library.
type Object struct {
	Name string // by which it was asked for
	Path string // inside the root, as the linker gives it: links are not followed
}

// Missing is a library that was not found: the program wouldn't start.
type Missing struct{ Name, By string }

func (m Missing) Error() string {
	return fmt.Sprintf("%s, which %s needs, was not found", m.Name, m.By)
}

// mostObjects bounds what one program may need; the largest of desktops need a few hundred.
const mostObjects = 4096

// Needed is the program and all that it needs, in the linker's order.
func (l Loader) Needed(program string) ([]Object, []Missing, error) {
	s := &search{Loader: l, known: map[string]bool{}}
	defer s.close()
	main, err := s.open(program)
	if err != nil {
		return nil, nil, err
	}
	if real, err := l.Root.Real(program); err == nil {
		main.origin = path.Dir(real) // the kernel tells it without links
	}
	s.machine, s.main, s.cache = main.file.Machine, main, readCache(l.Root)
	s.add(program, main)
	if main.Interpreter != "" {
		if linker, err := s.open(main.Interpreter); err == nil {
			s.add(path.Base(main.Interpreter), linker)
		} else {
			s.missing = append(s.missing, Missing{main.Interpreter, program})
		}
	}
	preload, _ := l.Root.ReadFile("/etc/ld.so.preload", 1<<16)
	for _, name := range strings.FieldsFunc(l.Preload+"\n"+string(preload), func(r rune) bool { return r == ':' || r == ' ' || r == '\n' || r == '\t' }) {
		s.need(name, main)
	}
	for i := 0; i < len(s.found) && len(s.found) < mostObjects; i++ {
		for _, name := range s.found[i].file.Needed {
			s.need(name, s.found[i])
		}
	}
	objects := make([]Object, len(s.found))
	for i, o := range s.found {
		objects[i] = o.Object
	}
	return objects, s.missing, nil
}

// search is one run of the linker.
type search struct {
	Loader
	machine elf.Machine
	main    *loaded
	cache   *cache
	found   []*loaded
	missing []Missing
	known   map[string]bool // names and DT_SONAMEs that are served
	opened  []*loaded
}

type loaded struct {
	Object
	objfile.Search
	file   *objfile.File
	origin string  // folder that $ORIGIN stands for
	by     *loaded // whose need it was; nil of the program
}

func (s *search) open(name string) (*loaded, error) {
	mapped, err := s.Root.Map(name)
	if err != nil {
		return nil, err
	}
	file, err := objfile.Parse(name, mapped.Data)
	if err != nil {
		mapped.Close()
		return nil, err
	}
	o := &loaded{Object: Object{Path: name}, Search: file.Search(), file: file, origin: path.Dir(name)}
	s.opened = append(s.opened, o)
	return o, nil
}

func (s *search) close() {
	for _, o := range s.opened {
		o.file.Close()
	}
}

func (s *search) add(name string, o *loaded) {
	o.Name = name
	s.found = append(s.found, o)
	s.known[name] = true
	if o.file.SoName != "" {
		s.known[o.file.SoName] = true
	}
}

// need finds a library for the one that needs it, unless its name is served already.
func (s *search) need(name string, by *loaded) {
	if s.known[name] || name == "" {
		return
	}
	for candidate := range s.candidates(name, by) {
		o, err := s.open(candidate)
		if err != nil || o.file.Machine != s.machine {
			continue // as the linker does with what it can't load
		}
		o.by = by
		s.add(name, o)
		return
	}
	s.known[name] = true // is missing, once
	s.missing = append(s.missing, Missing{name, by.Path})
}

// candidates are the paths at which a library may lie, in the linker's order.
func (s *search) candidates(name string, by *loaded) func(func(string) bool) {
	return func(yield func(string) bool) {
		if strings.Contains(name, "/") {
			yield(s.expand(name, by))
			return
		}
		for _, dir := range s.before(by) {
			for _, level := range levels() {
				if !yield(path.Join(dir, level, name)) {
					return
				}
			}
		}
		if cached := s.cache.find(name, s.machine); cached != "" && !(by.NoDefaults && isDefault(path.Dir(cached), s.machine)) && !yield(cached) {
			return
		}
		if by.NoDefaults {
			return
		}
		for _, dir := range defaults(s.machine) {
			for _, level := range levels() {
				if !yield(path.Join(dir, level, name)) {
					return
				}
			}
		}
	}
}

// before is the folders that come before the cache. DT_RPATH is inherited from whoever needed the one that needs, and
// counts for nothing in a file that has DT_RUNPATH, which counts for that file's own needs only.
func (s *search) before(by *loaded) (dirs []string) {
	if by.RunPath == "" {
		main := false
		for o := by; o != nil; o = o.by {
			dirs = append(dirs, s.rpath(o)...)
			main = main || o == s.main
		}
		if !main {
			dirs = append(dirs, s.rpath(s.main)...)
		}
	}
	dirs = append(dirs, s.split(s.LibraryPath, ":;", s.main)...)
	return append(dirs, s.split(by.RunPath, ":", by)...)
}

func (s *search) rpath(o *loaded) []string {
	if o.RunPath != "" {
		return nil
	}
	return s.split(o.RPath, ":", o)
}

func (s *search) split(list, separators string, o *loaded) (dirs []string) {
	for _, dir := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(separators, r) }) {
		dirs = append(dirs, s.expand(dir, o))
	}
	return dirs
}

// expand replaces the tokens of ld.so(8).
func (s *search) expand(dir string, o *loaded) string {
	if !strings.Contains(dir, "$") {
		return dir
	}
	lib := "lib64"
	if multiarch := "lib/" + triplets[s.machine]; s.Root.Exists("/" + multiarch) {
		lib = multiarch // as Debian's is built
	}
	platform, _, _ := strings.Cut(triplets[s.machine], "-")
	return strings.NewReplacer("$ORIGIN", o.origin, "${ORIGIN}", o.origin, "$LIB", lib, "${LIB}", lib,
		"$PLATFORM", platform, "${PLATFORM}", platform).Replace(dir)
}

var triplets = map[elf.Machine]string{elf.EM_X86_64: "x86_64-linux-gnu", elf.EM_AARCH64: "aarch64-linux-gnu"}

// defaults are the system's folders: Debian's and those of others, of which each knows only its own.
func defaults(machine elf.Machine) []string {
	t := triplets[machine]
	return []string{"/lib/" + t, "/usr/lib/" + t, "/lib64", "/usr/lib64", "/lib", "/usr/lib"}
}

func isDefault(dir string, machine elf.Machine) bool {
	for _, d := range defaults(machine) {
		if dir == d {
			return true
		}
	}
	return false
}

// levels are the folders below each in which builds for newer processors lie, the best for this one first, and then
// the folder itself. Of a root from elsewhere it isn't known on which processor it runs; this one is the best guess.
func levels() []string {
	all := []string{""}
	for _, level := range processorLevels() {
		all = append([]string{"glibc-hwcaps/" + level}, all...)
	}
	return all
}

// processorLevels are those of the x86-64 psABI that this processor reaches, the lowest first.
func processorLevels() (all []string) {
	x := cpu.X86
	if !(x.HasCX16 && x.HasPOPCNT && x.HasSSE3 && x.HasSSE41 && x.HasSSE42 && x.HasSSSE3) {
		return nil
	}
	all = append(all, "x86-64-v2")
	if !(x.HasAVX && x.HasAVX2 && x.HasBMI1 && x.HasBMI2 && x.HasFMA) {
		return all
	}
	all = append(all, "x86-64-v3")
	if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512CD && x.HasAVX512DQ && x.HasAVX512VL {
		all = append(all, "x86-64-v4")
	}
	return all
}
