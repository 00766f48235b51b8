package compare

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/environment"
	"github.com/inquest-project/inquest/internal/ground/finding"
)

func TestWhatGoverns(t *testing.T) {
	for _, c := range []struct{ area, name, function, how string }{
		{"file", "/etc/nsswitch.conf", "getaddrinfo", "it looks names up"},
		{"file", "/etc/hosts", "krb5int_translate_gai_error", "it looks names up"},
		{"file", "/etc/hosts.equiv", "getaddrinfo", ""},
		{"sysctl", "net.ipv4.ip_local_port_range", "tcp_connect_server", "it opens connections"},
		{"sysctl", "vm.overcommit_memory", "tcp_connect_server", ""},
		{"sysctl", "vm.overcommit_memory", "__libc_malloc", "it asks for memory"},
		{"limit", "open files", "accept4", "it opens connections"},
		{"limit", "stack size", "recurse", "its stack has a limit"},
		{"limit", "stack size", "pthread_create", "it starts threads or processes"},
		{"file", "/etc/passwd", "getpwnam_r", "it looks accounts up"},
		{"environment", "LC_ALL", "setlocale", "it depends on the locale"},
		{"environment", "TZ", "localtime_r", "it reckons with the time zone"},
		{"tunable", "glibc.malloc.tcache_count", "_int_free", "it frees memory"},
		{"capability", "cap_net_bind_service", "bind", "it opens connections"},
		{"capability", "cap_setuid", "setresuid", "it needs a privilege"},
		{"cpu", "flag avx2", "__memmove_avx_unaligned", "it is code for some processors"},
		{"file", "/dev/urandom", "RAND_bytes", "it draws random numbers"},
		{"environment", "HOME", "getaddrinfo", ""},
		{"file", "/etc/hosts", "", ""},
	} {
		l := newLight(&environment.Environment{}, &environment.Environment{}, []Call{{"", "main"}, {"", c.function}})
		if r := l.rate(finding.Difference{Area: c.area, Name: c.name}); r.How != c.how || r.How != "" && r.By != c.function {
			t.Errorf("%s %s, %s: expected %q, found %q by %q", c.area, c.name, c.function, c.how, r.How, r.By)
		}
	}
}

func TestWhoseAffairADifferenceIs(t *testing.T) {
	e := &environment.Environment{
		Process: []environment.Setting{{Name: "command line", Value: "daemon -f /etc/daemon.conf"}},
		Loaded: []environment.Object{
			{Path: "/usr/lib/libnear.so.1.2", SoName: "libnear.so.1", Mentions: []string{"/etc/near.conf", "/proc/sys/kernel/near"}, Package: "near"},
			{Path: "/usr/lib/libfar.so", Mentions: []string{"/etc/far.conf", "FAR"}},
		},
	}
	l := newLight(e, &environment.Environment{}, []Call{{"libc.so.6", "abort"}, {"/lib/libnear.so.1.2", "near_conf"}, {"daemon", "main"}})
	for _, c := range []struct {
		area, name string
		touches    finding.Touches
		by, how    string
	}{
		{"object", "libnear.so.1", finding.OnStack, "libnear.so.1", codeOnStack},
		{"object", "libfar.so", finding.Program, "libfar.so", mapped},
		{"object", "libother.so", finding.Rest, "", ""},
		{"package", "near", finding.Program, "near", cameWith},
		{"file", "/etc/near.conf", finding.OnStack, "libnear.so.1", namedOnStack},
		{"sysctl", "kernel.near", finding.OnStack, "libnear.so.1", namedOnStack},
		{"file", "/etc/far.conf", finding.Program, "libfar.so", namedInProgram},
		{"environment", "FAR", finding.Program, "libfar.so", namedInProgram},
		{"file", "/etc/daemon.conf", finding.OnStack, "near_conf", configuration},
		{"process", "root", finding.Program, "the program", root},
		{"sysctl", "kernel.other", finding.Rest, "", ""},
	} {
		r := l.rate(finding.Difference{Area: c.area, Name: c.name, Touches: finding.Rest})
		if r.Touches != c.touches || r.By != c.by || r.How != c.how {
			t.Errorf("%s %s: expected %s by %q, %q; found %s by %q, %q", c.area, c.name, c.touches, c.by, c.how, r.Touches, r.By, r.How)
		}
	}
}

func TestManyAlikeAreTold(t *testing.T) {
	var all []rated
	add := func(area string, touches finding.Touches, worth float64, names ...string) {
		for _, name := range names {
			all = append(all, rated{finding.Difference{Area: area, Name: name, Touches: touches}, worth})
		}
	}
	add("file", finding.Rest, 8, "/usr/share/a/b/1", "/usr/share/a/b/2", "/usr/share/a/c/3", "/usr/share/a/4", "/etc/1", "/etc/2", "/etc/3")
	add("sysctl", finding.Rest, 12, "net.ipv4.a", "net.ipv4.b", "net.ipv4.c", "net.ipv4.d")
	add("limit", finding.Rest, 36, "a", "b", "c", "d") // of which there are few
	add("file", finding.OnStack, 200, "/etc/hosts")
	var lines []string
	for _, r := range fold(all) {
		lines = append(lines, fmt.Sprintf("%s %s %d", r.Area, r.Name, len(r.Members)))
	}
	want := "file /etc/hosts 0; limit a 0; limit b 0; limit c 0; limit d 0; sysctl net.ipv4. 4; file /etc/1 0; file /etc/2 0; file /etc/3 0; file /usr/share/a/ 4"
	if found := strings.Join(lines, "; "); found != want {
		t.Errorf("expected\n%s, found\n%s", want, found)
	}
}

// host is a process whose /etc and /lib were looked at, jail one whose whole root was.
func host() *environment.Environment {
	return &environment.Environment{Kind: environment.KindProcess, Process: []environment.Setting{{Name: "root", Value: "/"}},
		Variables: []environment.Setting{{Name: "LANG", Value: "C"}}, Locale: []environment.Setting{{Name: "LANG", Value: "C"}},
		Sysctls: []environment.Setting{{Name: "a.b", Value: "1"}, {Name: "net.c", Value: "1"}},
		Files: []environment.File{{Path: "/etc/hosts", Type: "file"}, {Path: "/etc/ssl", Type: "folder"}, {Path: "/etc/ssl/cert", Type: "file"},
			{Path: "/lib/a.so", Type: "file"}, {Path: "/lib/sub", Type: "folder"}}}
}

func jail() *environment.Environment {
	return &environment.Environment{Kind: environment.KindProcess, Process: []environment.Setting{{Name: "root", Value: "/jail"}},
		Files: []environment.File{{Path: "/dev", Type: "folder"}, {Path: "/dev/log", Type: "socket"}, {Path: "/empty", Type: "folder"},
			{Path: "/shut", Type: "folder"}, {Path: "/proc", Type: "mount"}},
		Unseen: []environment.Unseen{{What: "files in /shut", Why: "permission denied"}}}
}

func TestWhatNobodyLookedForIsNotMissing(t *testing.T) {
	stack, folder := &environment.Environment{Kind: environment.KindStack}, &environment.Environment{Kind: environment.KindFolder, Root: "/image"}
	for _, c := range []struct {
		in, other *environment.Environment
		area      environment.Area
		name      string
		misses    bool
	}{
		{host(), jail(), "file", "/etc/resolv.conf", true},
		{host(), jail(), "file", "/etc/ssl/other", true},
		{host(), jail(), "file", "/etc/opt/x", true},
		{host(), jail(), "file", "/lib/b.so", true},
		{host(), jail(), "file", "/lib/sub/c.so", false}, // not entered
		{host(), jail(), "file", "/dev/log", false},
		{jail(), host(), "file", "/etc/hosts", true},
		{jail(), host(), "file", "/dev/null", true},
		{jail(), host(), "file", "/empty/x", true},
		{jail(), host(), "file", "/shut/x", false},
		{jail(), host(), "file", "/proc/x", false},
		{host(), jail(), "object", "liba.so", true},
		{stack, host(), "object", "liba.so", false},
		{host(), folder, "object", "liba.so", false}, // a folder holds more than one program maps
		{folder, host(), "object", "liba.so", true},
		{jail(), host(), "locale", "LANG", false}, // whose variables nobody could see
		{host(), jail(), "locale", "LC_ALL", true},
		{host(), jail(), "sysctl", "x.y", true},
		{host(), jail(), "name service", "module dns", false},
		{host(), jail(), "name service", "/etc/hosts", false},
		{host(), jail(), "name service", "passwd", true},
	} {
		f := environment.Fact{Area: c.area, Name: c.name}
		if misses := sightOf(c.in).misses(f, sightOf(c.other)); misses != c.misses {
			t.Errorf("%s %s in %s with root %s: missing: expected %v, found %v", c.area, c.name, c.in.Kind, c.in.Root, c.misses, misses)
		}
	}
}

func TestOneFactIsToldOnce(t *testing.T) {
	a, b := host(), host()
	set(&b.Variables, "LANG", "tr_TR")
	set(&b.Locale, "LANG", "tr_TR")
	set(&a.Locale, "effective LC_CTYPE", "C")
	set(&b.Locale, "effective LC_CTYPE", "tr_TR")
	a.NameService = []environment.Setting{{Name: "/etc/nsswitch.conf", Value: "present"}, {Name: "passwd", Value: "files"}, {Name: hostsToldBy, Value: "/etc/nsswitch.conf"}, {Name: "hosts", Value: "files dns"}}
	b.NameService = []environment.Setting{{Name: "/etc/nsswitch.conf", Value: "missing"}, {Name: hostsToldBy, Value: "glibc's default"}, {Name: "hosts", Value: "dns files"}}
	a.Files = append(a.Files, environment.File{Path: "/etc/nsswitch.conf", Type: "file"})
	a.Loaded = []environment.Object{{Path: "/lib/a.so", BuildID: "aa", Package: "a"}}
	b.Loaded = []environment.Object{{Path: "/lib/a.so", BuildID: "bb", Package: "a"}}
	a.Files[3].Size = 7
	set(&a.Packages, "a", "1")
	set(&b.Packages, "a", "2")
	var told []string
	for _, d := range Surroundings(a, b, nil).Differences {
		told = append(told, d.Area+" "+d.Name+" "+d.A+" "+d.B)
	}
	slices.Sort(told)
	want := []string{"locale LANG C tr_TR", "name service /etc/nsswitch.conf present missing", "name service hosts files dns dns files", "object a.so aa (a 1) bb (a 2)"}
	if !slices.Equal(told, want) {
		t.Errorf("expected %q, found %q", want, told)
	}
}

func TestTheSameHasNoDifferences(t *testing.T) {
	if c := Surroundings(host(), host(), nil); len(c.Differences) > 0 || c.Equal == 0 {
		t.Errorf("found %+v", c)
	}
}

func TestFiftyThousandFilesTakeSeconds(t *testing.T) {
	const files, mentions = 50_000, 20_000
	a, b := jail(), jail()
	for i := range files {
		f := environment.File{Path: fmt.Sprintf("/srv/%d/%d/file%d", i%100, i%1000, i), Type: "file", Mode: "0644", Size: int64(i)}
		a.Files = append(a.Files, f)
		if f.Size++; i%3 > 0 {
			b.Files = append(b.Files, f)
		}
	}
	var names []string
	for i := range mentions {
		names = append(names, a.Files[2*i+10].Path)
	}
	for i := range 50 {
		a.Loaded = append(a.Loaded, environment.Object{Path: fmt.Sprintf("/lib/lib%d.so", i), BuildID: "aa", Mentions: names})
	}
	b.Loaded = a.Loaded
	var stack []Call
	for i := range 1000 {
		stack = append(stack, Call{fmt.Sprintf("lib%d.so", i%50), fmt.Sprintf("getaddrinfo_%d", i)})
	}
	start := time.Now()
	c := Surroundings(a, b, stack)
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("it took %v", took)
	} else {
		t.Logf("%v, %d lines", took, len(c.Differences))
	}
}

func TestHostileSurroundingsTakeSeconds(t *testing.T) {
	a, b := jail(), jail()
	for i := range 200_000 {
		a.Loaded = append(a.Loaded, environment.Object{Path: fmt.Sprintf("/%d", i), BuildID: "aa", Mentions: []string{"/etc/hosts"}})
	}
	b.Loaded = a.Loaded[:1]
	a.Files = append(a.Files, environment.File{Path: strings.Repeat("/a", 500_000)}, environment.File{Path: "/etc/hosts"})
	var stack []Call
	for i := range 200_000 {
		stack = append(stack, Call{fmt.Sprint(i), "f"})
	}
	start := time.Now()
	Surroundings(a, b, stack)
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
}
