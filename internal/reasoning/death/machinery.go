package death

import (
	"path"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reading/image"
	"github.com/inquest-project/inquest/internal/reading/unwind"
)

// deadly are the functions by which libc and the runtimes end a process, and never come back, with what
// each of them tells of the death. It is the only table of names that conclusions rest on, and it stays
// with the C library and the compilers' runtimes: a daemon's own helpers are known from their code.
var deadly = map[string]finding.MechanismKind{
	"abort": finding.Abort, "__GI_abort": finding.Abort,
	"__assert": finding.Assertion, "__assert_fail": finding.Assertion, "__assert_fail_base": finding.Assertion,
	"__assert_perror_fail": finding.Assertion, "__GI___assert_fail": finding.Assertion,
	"__stack_chk_fail": finding.StackProtector, "__stack_chk_fail_local": finding.StackProtector,
	"__fortify_fail": finding.Fortify, "__chk_fail": finding.Fortify, "__GI___fortify_fail": finding.Fortify,
	"__longjmp_chk": finding.Fortify, "__fdelt_chk": finding.Fortify,
	"malloc_printerr": finding.AllocatorCheck, "__malloc_assert": finding.AllocatorCheck,
	"__libc_message": finding.Abort, "__libc_fatal": finding.Abort,
	"_ZSt9terminatev": finding.Exception, "__cxa_throw": finding.Exception, "__cxa_rethrow": finding.Exception,
	"_Unwind_Resume": finding.Abort, "__cxa_pure_virtual": finding.PureVirtual, "__cxa_deleted_virtual": finding.PureVirtual,

	// raise and its kind come back if the signal is handled or ignored; here it was not.
	"raise": finding.SignalOnly, "gsignal": finding.SignalOnly, "__GI_raise": finding.SignalOnly,
	"kill": finding.SignalOnly, "tgkill": finding.SignalOnly, "pthread_kill": finding.SignalOnly,
	"__pthread_kill_implementation": finding.SignalOnly, "__pthread_kill_internal": finding.SignalOnly,

	// These end paths in code, and leave no core.
	"exit": finding.SignalOnly, "_exit": finding.SignalOnly, "_Exit": finding.SignalOnly, "quick_exit": finding.SignalOnly,
	"pthread_exit": finding.SignalOnly, "longjmp": finding.SignalOnly, "siglongjmp": finding.SignalOnly,
	"_longjmp": finding.SignalOnly, "err": finding.SignalOnly, "errx": finding.SignalOnly,
	"verr": finding.SignalOnly, "verrx": finding.SignalOnly,
}

// Dying says whether a function only ends a process: it is on every such stack, and tells nothing of this one.
func Dying(function string) bool {
	_, deadly := deadly[function]
	return deadly
}

// runtimes are the libraries that only do as they are asked, by their own name (SONAME) up to ".so".
var runtimes = map[string]bool{
	"libc": true, "libpthread": true, "libm": true, "libdl": true, "librt": true,
	"ld-linux-x86-64": true, "ld-linux-aarch64": true, "ld-linux": true,
	"ld-musl-x86_64": true, "ld-musl-aarch64": true, "libc.musl-x86_64": true, "libc.musl-aarch64": true,
	"libgcc_s": true, "libffi": true, "libstdc++": true, "libc++": true, "libc++abi": true, "libunwind": true,
	"libasan": true, "libubsan": true, "libtsan": true, "liblsan": true, "linux-vdso": true,
}

// allocators are runtimes, too, by their own name.
var allocators = map[string]bool{
	"libjemalloc": true, "libtcmalloc": true, "libtcmalloc_minimal": true, "libtcmalloc_debug": true,
	"libtcmalloc_minimal_debug": true, "libmimalloc": true,
}

// allocating are the functions that look after the heap.
var allocating = map[string]bool{
	"malloc": true, "free": true, "calloc": true, "realloc": true, "reallocarray": true, "memalign": true,
	"aligned_alloc": true, "posix_memalign": true, "cfree": true, "mallocx": true, "dallocx": true, "sdallocx": true,
	"rallocx": true, "malloc_trim": true, "tc_malloc": true, "tc_free": true,
	"_Znwm": true, "_Znam": true, "_ZdlPv": true, "_ZdlPvm": true, "_ZdaPv": true, "_ZdaPvm": true,
}

// plain is a function's name without what glibc's own sources put before it: __GI___libc_free, _int_free.
func plain(name string) string {
	for _, prefix := range []string{"__GI_", "__libc_", "_int_"} {
		name = strings.TrimPrefix(name, prefix)
	}
	return name
}

// inAllocator says whether the thread was looking after the heap.
func (s *scene) inAllocator() bool {
	for _, f := range s.stack.Frames[s.first:] {
		if !isRuntime(f.Module) {
			break
		}
		if name, _, _ := strings.Cut(f.Module.SoName(), ".so"); allocating[plain(f.Symbol)] || allocators[name] {
			return true
		}
	}
	return false
}

// isMachinery says whether a frame only did as it was asked: the C library's, or that of a runtime, or what a standard
// library has in the program itself.
func isMachinery(f unwind.Frame) bool {
	return isRuntime(f.Module) || strings.HasPrefix(f.Symbol, goRuntime) || isStandard(f.Function)
}

// goRuntime is how the names of Go's runtime begin. It is part of every Go program and no library of its own.
const goRuntime = "runtime."

// standard are the namespaces of the standard libraries of C++ and Rust, whose templates are compiled into the programs.
var standard = []string{"std::", "__gnu_cxx::", "core::", "alloc::", "__rustc::"}

// isStandard says whether a name is a standard library's. Rust's method of a trait belongs to whose type it is:
// "<alloc::vec::Vec<T> as core::ops::index::Index<I>>::index", and what has no path is a type of the language.
func isStandard(name string) bool {
	of, isMethod := strings.CutPrefix(name, "<")
	if isMethod {
		for _, sign := range []string{"&", "*const ", "*mut ", "mut ", "dyn "} {
			of = strings.TrimPrefix(of, sign)
		}
	}
	for _, space := range standard {
		if strings.HasPrefix(of, space) {
			return true
		}
	}
	typ, trait, isTrait := strings.Cut(of, " as ")
	return isMethod && isTrait && !strings.Contains(typ, "::") && isStandard(trait)
}

func isRuntime(m *image.Module) bool {
	return m != nil && !m.Executable && (isRuntimeName(m.SoName()) || isRuntimeName(m.Name) || m.Name == "[vdso]")
}

// isRuntimeName also knows the older "libc-2.31.so", as the file behind libc.so.6 was called.
func isRuntimeName(name string) bool {
	name, _, found := strings.Cut(path.Base(name), ".so")
	if i := strings.Index(name, "-2."); i > 0 {
		name = name[:i]
	}
	return found && (runtimes[name] || allocators[name])
}
