package compare

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/environment"
	"github.com/inquest-project/inquest/internal/ground/finding"
)

// haproxy is what Debian's runs among: in its package's jail, or without.
func haproxy(t *testing.T, jail string) *environment.Environment {
	t.Helper()
	program, err := exec.LookPath("haproxy")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("this needs root, and haproxy: make setup installs it")
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "haproxy.cfg")
	text := fmt.Sprintf("global\n  maxconn 100\n%sdefaults\n  mode http\n  timeout connect 5s\n  timeout client 5s\n  timeout server 5s\nfrontend f\n  bind unix@%s/socket\n", jail, dir)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-db", "-f", config)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for range 100 {
		if _, err := os.Stat(dir + "/socket"); err == nil {
			if jail == "" {
				break
			}
			if root, _ := os.Readlink(fmt.Sprintf("/proc/%d/root", cmd.Process.Pid)); root != "/" {
				break
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	e, err := environment.Take(context.Background(), environment.Target{PID: cmd.Process.Pid})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// harmless plants three thousand differences that no program asks for.
func harmless(a, b *environment.Environment) {
	for i := range 2400 {
		path := fmt.Sprintf("/usr/share/planted/%d/%d", i%40, i)
		f := environment.File{Path: path, Type: "file", Mode: "0644", Size: 100, SHA256: fmt.Sprintf("%064d", i)}
		g := f
		g.SHA256 = fmt.Sprintf("%064d", i+1)
		a.Files = append(a.Files, f)
		if i%3 > 0 {
			b.Files = append(b.Files, g)
		}
	}
	for i := range 400 {
		name := fmt.Sprintf("planted.subsystem%d.value%d", i%9, i)
		a.Sysctls = append(a.Sysctls, environment.Setting{Name: name, Value: "1"})
		b.Sysctls = append(b.Sysctls, environment.Setting{Name: name, Value: "2"})
	}
	for i := range 200 {
		name := fmt.Sprintf("PLANTED_%d", i)
		a.Variables = append(a.Variables, environment.Setting{Name: name, Value: "a"})
		b.Variables = append(b.Variables, environment.Setting{Name: name, Value: "b"})
	}
}

// set gives a setting a value.
func set(list *[]environment.Setting, name, value string) {
	*list = slices.DeleteFunc(*list, func(s environment.Setting) bool { return s.Name == name })
	*list = append(*list, environment.Setting{Name: name, Value: value})
}

// stackOf is a stack as people write it: "function@module", innermost first.
func stackOf(calls string) (stack []Call) {
	for _, call := range strings.Fields(calls) {
		function, module, _ := strings.Cut(call, "@")
		stack = append(stack, Call{module, function})
	}
	return stack
}

func TestWhatMattersIsAmongTheFirstThreeOfThreeThousand(t *testing.T) {
	for name, c := range map[string]struct {
		stack string
		plant func(a, b *environment.Environment)
		what  string // the name of what was planted
	}{
		"a file is missing": {
			"abort@libc.so.6 CONF_modules_load_file@libcrypto.so.3 OPENSSL_init_ssl@libssl.so.3 main@haproxy",
			func(a, b *environment.Environment) {
				a.Files = append(a.Files, environment.File{Path: "/usr/lib/ssl/openssl.cnf", Type: "file", Mode: "0644", Size: 12411, SHA256: strings.Repeat("5", 64)})
				b.Files = slices.DeleteFunc(b.Files, func(f environment.File) bool { return f.Path == "/usr/lib/ssl/openssl.cnf" })
				for _, e := range []*environment.Environment{a, b} {
					for i := range e.Loaded {
						if strings.HasPrefix(e.Loaded[i].SoName, "libcrypto") {
							e.Loaded[i].Mentions = append(e.Loaded[i].Mentions, "/usr/lib/ssl/openssl.cnf")
						}
					}
				}
			}, "/usr/lib/ssl/openssl.cnf"},
		"another build of a library": {
			"abort@libc.so.6 tls_process_client_hello@libssl.so.3 ssl_sock_handshake@haproxy main@haproxy",
			func(_, b *environment.Environment) {
				for i := range b.Loaded {
					if b.Loaded[i].SoName == "libssl.so.3" {
						b.Loaded[i].BuildID = "0123456789abcdef0123456789abcdef01234567"
					}
				}
			}, "libssl.so.3"},
		"a sysctl": {
			"connect@libc.so.6 tcp_connect_server@haproxy main@haproxy",
			func(a, b *environment.Environment) {
				set(&a.Sysctls, "net.ipv4.ip_local_port_range", "32768 60999")
				set(&b.Sysctls, "net.ipv4.ip_local_port_range", "61000 61001")
			}, "net.ipv4.ip_local_port_range"},
		"a limit": {
			"accept4@libc.so.6 sock_accept_conn@haproxy listener_accept@haproxy main@haproxy",
			func(a, b *environment.Environment) {
				set(&a.Limits, "open files", "soft 1048576, hard 1048576 (files)")
				set(&b.Limits, "open files", "soft 64, hard 64 (files)")
			}, "open files"},
		"IPv6": {
			"abort@libc.so.6 str2sa_range@haproxy getaddrinfo@libc.so.6 main@haproxy",
			func(a, b *environment.Environment) {
				set(&a.Network, "IPv6 addresses, global", "yes")
				set(&b.Network, "IPv6 addresses, global", "no")
			}, "IPv6 addresses, global"},
		"the locale": {
			"mbrtowc@libc.so.6 regcomp@libpcre2-8.so.0 main@haproxy",
			func(a, b *environment.Environment) {
				set(&a.Locale, "LC_ALL", "C")
				set(&b.Locale, "LC_ALL", "tr_TR.UTF-8")
			}, "LC_ALL"},
		"a capability": {
			"bind@libc.so.6 tcp_bind_listener@haproxy protocol_bind_all@haproxy main@haproxy",
			func(a, b *environment.Environment) {
				set(&a.Capabilities, "cap_net_bind_service", "effective permitted bounding")
				set(&b.Capabilities, "cap_net_bind_service", "bounding")
			}, "cap_net_bind_service"},
		"a tunable": {
			"abort@libc.so.6 malloc_printerr@libc.so.6 _int_free@libc.so.6 pool_free@haproxy main@haproxy",
			func(a, b *environment.Environment) {
				set(&a.Tunables, "glibc.malloc.tcache_count", "0")
				set(&b.Tunables, "glibc.malloc.tcache_count", "7")
			}, "glibc.malloc.tcache_count"},
		"a feature of the processor": {
			"__memcpy_evex_unaligned_erms@libc.so.6 http_reply@haproxy main@haproxy",
			func(a, b *environment.Environment) {
				set(&a.CPU, "flag avx512vl", "yes")
				b.CPU = slices.DeleteFunc(b.CPU, func(s environment.Setting) bool { return s.Name == "flag avx512vl" })
			}, "flag avx512vl"},
		"the configuration": {
			"abort@libc.so.6 cfg_parse_listen@haproxy readcfgfile@haproxy main@haproxy",
			func(a, b *environment.Environment) {
				for i, e := range []*environment.Environment{a, b} {
					set(&e.Process, "command line", "haproxy -Ws -f /etc/haproxy/haproxy.cfg")
					e.Files = append(e.Files, environment.File{Path: "/etc/haproxy/haproxy.cfg", Type: "file", Mode: "0644", Size: 1287, SHA256: strings.Repeat(fmt.Sprint(i), 64)})
				}
			}, "/etc/haproxy/haproxy.cfg"},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := haproxy(t, ""), haproxy(t, "  chroot /var/lib/haproxy\n  user haproxy\n  group haproxy\n")
			harmless(a, b)
			c.plant(a, b)
			told := Surroundings(a, b, stackOf(c.stack))
			at := slices.IndexFunc(told.Differences, func(d finding.Difference) bool {
				return d.Name == c.what || slices.Contains(d.Members, c.what)
			})
			t.Logf("%s: %d of %d lines", c.what, at+1, len(told.Differences))
			if at < 0 || at > 2 {
				for i, d := range told.Differences[:min(8, len(told.Differences))] {
					t.Logf("%d. %s %s %s %d (%s by %s)", i+1, d.Area, d.Name, d.OnlyIn, len(d.Members), d.How, d.By)
				}
				t.Errorf("%s is number %d of %d", c.what, at+1, len(told.Differences))
			}
		})
	}
}
