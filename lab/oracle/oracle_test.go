package main

import (
	"testing"
)

// TestStacksAreGDBs is the part of make oracle that takes seconds: small programs by both compilers with and
// without optimisation, one of Debian's, one of another processor.
func TestStacksAreGDBs(t *testing.T) {
	all := append(append(smallPrograms(), debianPrograms()...), foreignPrograms()...)
	for _, name := range []string{
		"stacks.c-gcc-O0-gdwarf-5",
		"stacks.c-gcc-O2-gdwarf-5",
		"stacks.c-clang-O0-gdwarf-5",
		"stacks.c-clang-O2-gdwarf-5",
		"stacks.cc-g++-O2-gdwarf-5",
		"stacks.cc-clang++-O0-gdwarf-5",
		"debian-memcached",
		"stacks.c-aarch64-linux-gnu-gcc-O2-gdwarf-5-mbranch-protection-standard",
	} {
		t.Run(name, func(t *testing.T) {
			items, err := find(t, all, name).items(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			for _, it := range items {
				if it.Foreign && it.Better != nil || it.Plain != "" {
					continue // gdb takes long over these
				}
				check(t, it)
			}
		})
	}
}

func find(t *testing.T, all []Recipe, name string) Recipe {
	t.Helper()
	for _, r := range all {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("there is no recipe %s", name)
	return Recipe{}
}

// check wants frames, most of them equal, and a reason for each that isn't.
func check(t *testing.T, it Item) {
	t.Helper()
	r := examine(it)
	if r.Failed != nil {
		t.Fatal(r.Failed)
	}
	if r.Frames < 50 || r.Equal < r.Frames*4/5 {
		t.Errorf("%s: %d of %d frames are equal, expected four of five, of at least 50", it.Name, r.Equal, r.Frames)
	}
	for _, d := range r.Differences {
		if d.reason == nil {
			t.Errorf("no reason for %v", d)
		}
	}
}

func TestNamesAreComparedWithoutParameters(t *testing.T) {
	for name, plain := range map[string]string{
		"":     "??",
		"main": "main",
		"shapes::(anonymous namespace)::Hidden::area(double) const": "shapes::(anonymous namespace)::Hidden::area",
		"Ring<long, 4>::operator bool()":                            "Ring<long,4>::operatorbool",
		"std::less<int>::operator()(int const&, int const&) const":  "std::less<int>::operator()",
		"main::{lambda(int)#1}::operator()(int) const":              "main::{lambda#1}::operator()",
		"std::terminate() [clone .cold]":                            "std::terminate",
	} {
		if got := plainName(name); got != plain {
			t.Errorf("plainName(%q) = %q, expected %q", name, got, plain)
		}
	}
}

func TestADifferenceOfAnyKindIsSeen(t *testing.T) {
	base := func() stack {
		inner := frame{Index: 0, PC: 0x10, SP: 0x100, Module: "/m", Offset: 0x10, Calls: []call{{Function: "f", File: "/a/f.c", Line: 1}, {Function: "g", File: "/a/g.c", Line: 2}}}
		outer := frame{Index: 1, PC: 0x20, SP: 0x200, Module: "/m", Offset: 0x20, Calls: []call{{Function: "main", File: "main.c", Line: 3}}}
		return stack{TID: 1, Total: 2, Frames: []frame{inner, outer}}
	}
	if found := compareStacks(base(), base()); len(found) > 0 {
		t.Fatalf("equal stacks differ: %v", found)
	}
	for kind, change := range map[Kind]func(*stack){
		Walk:     func(s *stack) { s.Frames[1].SP++ },
		Shorter:  func(s *stack) { s.Frames, s.Total = s.Frames[:1], 1 },
		Longer:   func(s *stack) { s.Total = 3 },
		Module:   func(s *stack) { s.Frames[0].Offset++ },
		Function: func(s *stack) { s.Frames[1].Calls[0].Function = "other" },
		Signal:   func(s *stack) { s.Frames[1].Signal = true },
		Inlined:  func(s *stack) { s.Frames[0].Calls = s.Frames[0].Calls[1:] },
		Line:     func(s *stack) { s.Frames[0].Calls[0].Line = 9 },
	} {
		ours := base()
		change(&ours)
		found := compareStacks(base(), ours)
		if len(found) != 1 || found[0].Kind != kind {
			t.Errorf("expected one difference of kind %s, found %v", kind, found)
		}
	}
}

func TestSourceFilesAreTheSameByAsMuchOfThePathAsBothHave(t *testing.T) {
	same := sameLine(call{File: "/usr/src/a.c", Line: 3}, call{File: "src/a.c", Line: 3})
	other := sameLine(call{File: "/usr/src/a.c", Line: 3}, call{File: "lib/a.c", Line: 3})
	if !same || other {
		t.Errorf("same %t, other %t, expected true and false", same, other)
	}
}
