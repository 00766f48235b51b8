package compare

import (
	"path"
	"slices"
	"strings"

	"github.com/inquest-project/inquest/internal/evidence/environment"
	"github.com/inquest-project/inquest/internal/ground/finding"
)

// governed is what decides how functions fare: of those whose names have one of these words in them, as the manual pages of
// section 3 and 2 tell of the calls, under ENVIRONMENT, FILES and ERRORS.
type governed struct {
	how   string // a key of telling/words
	words []string
	by    func(finding.Difference) bool
}

var governing = []governed{
	{"it looks names up", words("addrinfo gai nameinfo gethost hostname hostby fqdn fq res_init res_n res_query res_search res_send res_mk resolv dns nss getserv"), func(d finding.Difference) bool {
		return is(d, environment.AreaNameService) || is(d, environment.AreaNetwork) || isSysctl(d, "net.ipv6.conf.") ||
			isFile(d, "/etc/resolv.conf /etc/nsswitch.conf /etc/hosts /etc/host.conf /etc/gai.conf /etc/services") || isVariable(d, "RES_OPTIONS LOCALDOMAIN HOSTALIASES")
	}},
	{"it opens connections", words("socket connect bind listen accept send recv"), func(d finding.Difference) bool {
		return is(d, environment.AreaNetwork) || isSysctl(d, "net.") || isLimit(d, "open files nofile") || isCapability(d, "net_")
	}},
	{"it looks accounts up", words("getpw getgr getspnam initgroups"), func(d finding.Difference) bool {
		return isFile(d, "/etc/passwd /etc/group /etc/shadow /etc/nsswitch.conf") || is(d, environment.AreaNameService) && strings.Contains(d.Name, "passwd")
	}},
	{"it depends on the locale", words("locale setlocale mbrtowc mbstowcs wcsrtombs wcrtomb iconv langinfo strcoll strxfrm toupper tolower isalpha gettext strtod codeset"), func(d finding.Difference) bool {
		return is(d, environment.AreaLocale) || isFile(d, "/usr/lib/locale/") || isVariable(d, "LANG LANGUAGE LC_")
	}},
	{"it reckons with the time zone", words("localtime tzset mktime strftime tzfile timezone"), func(d finding.Difference) bool {
		return is(d, environment.AreaTimeZone) || isFile(d, "/etc/localtime /etc/timezone /usr/share/zoneinfo/") || isVariable(d, "TZ TZDIR")
	}},
	{"it asks for memory", words("malloc calloc realloc mmap sbrk brk arena alloc"), func(d finding.Difference) bool {
		return is(d, environment.AreaTunable) || isLimit(d, "address space data locked memory as ") || isSysctl(d, "vm.") || is(d, environment.AreaCgroup) && strings.Contains(d.Name, "memory") ||
			isVariable(d, "GLIBC_TUNABLES MALLOC_")
	}},
	{"it frees memory", words("free tcache"), func(d finding.Difference) bool {
		return is(d, environment.AreaTunable) || isVariable(d, "GLIBC_TUNABLES MALLOC_")
	}},
	{"it starts threads or processes", words("pthread_create clone fork spawn"), func(d finding.Difference) bool {
		return isLimit(d, "processes stack size nproc") || is(d, environment.AreaCgroup) && strings.Contains(d.Name, "pids") || isSysctl(d, "kernel.threads-max kernel.pid_max")
	}},
	{"its stack has a limit", words("recurs stack"), func(d finding.Difference) bool { return isLimit(d, "stack size") }},
	{"it opens files", words("fopen open64 openat opendir creat inotify epoll eventfd dup accept"), func(d finding.Difference) bool {
		return isLimit(d, "open files nofile file locks") || isSysctl(d, "fs.")
	}},
	{"it needs a privilege", words("setuid setgid setgroups setresuid setresgid chroot bind capset capget prctl initgroups setrlimit mlock privil"), func(d finding.Difference) bool {
		return is(d, environment.AreaCapability) || is(d, environment.AreaSeccomp) || isLimit(d, "locked memory")
	}},
	{"it is code for some processors", words("sse avx evex erms aesni pclmul vaes bmi adx neon sve armv cpuid cpufeatures ifunc"), func(d finding.Difference) bool {
		return is(d, environment.AreaCPU)
	}},
	{"it draws random numbers", words("getrandom getentropy urandom arc4random rand_bytes"), func(d finding.Difference) bool {
		return isFile(d, "/dev/random /dev/urandom") || is(d, environment.AreaSeccomp)
	}},
}

// ruled is something that decides how a call on a stack fares: the innermost such call.
type ruled struct {
	governed
	call int
}

// governs finds for each of what governs functions the innermost call of a stack, where there is one.
func governs(stack []Call) (all []ruled) {
	for _, g := range governing {
		if i := slices.IndexFunc(stack, func(c Call) bool { return speaks(c.Function, g.words) }); i >= 0 {
			all = append(all, ruled{g, i})
		}
	}
	return all
}

// speaks says whether a function's name has one of some words in it: at the beginning of one of its parts, or, of a longer word or one of
// several parts, anywhere.
func speaks(function string, words []string) bool {
	const long = 5
	name := strings.ToLower(function)
	parts := strings.FieldsFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	return slices.ContainsFunc(words, func(word string) bool {
		if len(word) >= long || strings.Contains(word, "_") {
			return strings.Contains(name, word)
		}
		return slices.ContainsFunc(parts, func(part string) bool { return strings.HasPrefix(part, word) })
	})
}

// configures says whether a function reads or checks what a program is told by its files, by its name.
func configures(function string) bool {
	return speaks(function, words("cfg readcfg conf parse_file read_file"))
}

func words(list string) []string { return strings.Fields(list) }

func is(d finding.Difference, area environment.Area) bool { return environment.Area(d.Area) == area }

// isFile says whether it is one of some files, or lies in one of some folders.
func isFile(d finding.Difference, files string) bool {
	return is(d, environment.AreaFile) && among(path.Clean(d.Name), files)
}

func isVariable(d finding.Difference, names string) bool {
	return is(d, environment.AreaEnvironment) && among(d.Name, names)
}

func isSysctl(d finding.Difference, names string) bool {
	return is(d, environment.AreaSysctl) && among(d.Name, names)
}

// among says whether a name is one of a list, or begins with one that ends as prefixes do.
func among(name, list string) bool {
	for _, one := range strings.Fields(list) {
		if name == one || strings.ContainsAny(one[len(one)-1:], "/._") && strings.HasPrefix(name, one) {
			return true
		}
	}
	return false
}

func isLimit(d finding.Difference, parts string) bool {
	return is(d, environment.AreaLimit) && strings.Contains(parts, strings.TrimPrefix(strings.ToLower(d.Name), "max "))
}

func isCapability(d finding.Difference, part string) bool {
	return is(d, environment.AreaCapability) && strings.Contains(strings.ToLower(d.Name+" "+d.A+" "+d.B), part)
}
