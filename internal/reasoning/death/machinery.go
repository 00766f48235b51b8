package death

import (
	"path"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/disasm"
	"github.com/inquest-project/inquest/internal/reading/image"
	"github.com/inquest-project/inquest/internal/reading/unwind"
)

// deadly are the functions by which libc and the runtimes end a process. It is the only table of names
// that conclusions rest on, and it stays with the C library and the compilers' runtimes: a daemon's own
// helpers are known from their code.
var deadly = map[string]bool{
	"raise": true, "gsignal": true, "abort": true, "__GI_raise": true, "__GI_abort": true,
	"kill": true, "tgkill": true, "pthread_kill": true, "__pthread_kill_implementation": true, "__pthread_kill_internal": true,
	"__assert": true, "__assert_fail": true, "__assert_perror_fail": true, "__assert_fail_base": true,
	"__stack_chk_fail": true, "__stack_chk_fail_local": true, "__fortify_fail": true, "__chk_fail": true,
	"__libc_message": true, "__libc_fatal": true, "malloc_printerr": true,
	"exit": true, "_exit": true, "_Exit": true, "quick_exit": true, "__cxa_throw": true, "__cxa_rethrow": true,
	"_ZSt9terminatev": true, "std::terminate": true, "_Unwind_Resume": true, "longjmp": true, "siglongjmp": true,
	"__longjmp_chk": true, "err": true, "errx": true, "verr": true, "verrx": true,
}

// runtimes are the libraries that only do as they are asked, by their own name (SONAME) up to ".so".
var runtimes = map[string]bool{
	"libc": true, "libpthread": true, "libm": true, "libdl": true, "librt": true,
	"ld-linux-x86-64": true, "ld-linux-aarch64": true, "ld-linux": true, "ld-musl-x86_64": true, "libc.musl-x86_64": true,
	"libgcc_s": true, "libstdc++": true, "libc++": true, "libc++abi": true,
	"libasan": true, "libubsan": true, "libtsan": true, "linux-vdso": true,
}

func isRuntime(m *image.Module) bool {
	return m != nil && (isRuntimeName(m.SoName()) || m.Name == "[vdso]")
}

// isRuntimeName also knows the older "libc-2.31.so", as the file behind libc.so.6 was called.
func isRuntimeName(name string) bool {
	name, _, found := strings.Cut(path.Base(name), ".so")
	if i := strings.Index(name, "-2."); i > 0 {
		name = name[:i]
	}
	return found && runtimes[name]
}

// neverReturns says whether a function can't come back to its caller, judging by its code alone: every
// path from its entry ends in a call that never comes back. Those are the call that its frame stands
// in, which led to the death, and calls of the C library's deadly functions.
//
// The entry is what the caller called. The frame itself may stand in a fragment that the compiler split
// off as unlikely (GCC's ".cold"), with bounds of its own: that the fragment ends in abort says nothing
// of the function.
func neverReturns(im *image.Image, f unwind.Frame, caller *unwind.Frame) bool {
	start, end := f.FunctionStart, f.FunctionEnd
	if caller != nil {
		if entry := calledFrom(im, caller.PC); entry != 0 && entry != start {
			_, fn, ok := im.Function(entry)
			if !ok {
				return false // in doubt it returns
			}
			start, end = entry, entry+place.Address(fn.End-fn.Start)
		}
	}
	if start == 0 || end <= start {
		return false
	}
	code := im.Bytes(start, int(end-start))
	if place.Address(len(code)) != end-start {
		return false
	}
	fate := disasm.Function(code, uint64(start)).Fate(func(c disasm.Call) bool {
		return c.Next == uint64(f.PC) || deadly[callee(im, c)]
	})
	return !fate.Returns && !fate.Loops
}

// calledFrom is where the call before a return address leads; 0 if that can't be told.
func calledFrom(im *image.Image, back place.Address) place.Address {
	const longest = 16 // bytes of an instruction
	before := im.Bytes(back-longest, longest)
	if len(before) != longest {
		return 0
	}
	call, ok := disasm.CallBefore(before, uint64(back))
	if !ok {
		return 0
	}
	c := disasm.Call{}
	c.Target, _ = call.Target()
	c.Slot, _ = call.Slot()
	return target(im, c)
}

// callee is the name of what a call leads to.
func callee(im *image.Image, c disasm.Call) string {
	if _, fn, ok := im.Function(target(im, c)); ok {
		return fn.Name
	}
	return ""
}

// target is where a call leads, through the linkage table as the process had bound it; 0 if that can't
// be told.
func target(im *image.Image, c disasm.Call) place.Address {
	direct, slot := place.Address(c.Target), c.Slot
	if code := im.Bytes(direct, 16); direct != 0 && len(code) > 0 {
		if s, ok := disasm.Stub(code, c.Target); ok {
			slot = s
		}
	}
	if slot == 0 {
		return direct
	}
	bound, _ := im.Uint64(place.Address(slot))
	return place.Address(bound)
}

// messageKind reads a mechanism from the words of the C library's last message.
func messageKind(message string) finding.MechanismKind {
	switch {
	case strings.Contains(message, "Assertion `"), strings.Contains(message, "Assertion failed"):
		return finding.Assertion
	case strings.Contains(message, "stack smashing detected"):
		return finding.StackProtector
	case strings.Contains(message, "buffer overflow detected"), strings.Contains(message, "%n in writable segment"):
		return finding.Fortify
	}
	for _, words := range []string{"malloc", "free()", "realloc()", "calloc()", "corrupted ", "double free", "munmap_chunk()", "mremap_chunk()", "tcache", "_int_", "sysmalloc", "heap"} {
		if strings.Contains(message, words) {
			return finding.AllocatorCheck
		}
	}
	return finding.Abort
}
