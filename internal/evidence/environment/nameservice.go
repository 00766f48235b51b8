package environment

import (
	"errors"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// consulted are files that getaddrinfo looks at whatever else it is told, and those that each source of hosts does.
var consulted = map[string][]string{
	"":              {"/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/resolv.conf", "/etc/services", "/var/run/nscd/socket"},
	"files":         {"/etc/hosts"},
	"resolve":       {"/run/systemd/resolve/io.systemd.Resolve"},
	"mymachines":    {"/run/systemd/machine/io.systemd.Machine"},
	"mdns":          {"/run/avahi-daemon/socket", "/etc/mdns.allow"},
	"mdns_minimal":  {"/run/avahi-daemon/socket", "/etc/mdns.allow"},
	"mdns4":         {"/run/avahi-daemon/socket", "/etc/mdns.allow"},
	"mdns4_minimal": {"/run/avahi-daemon/socket", "/etc/mdns.allow"},
	"sss":           {"/var/lib/sss/pipes/nss"},
	"ldap":          {"/etc/nslcd.conf", "/run/nslcd/socket"},
	"db":            {"/var/lib/misc/hosts.db"},
	"nis":           {"/etc/yp.conf"},
	"wins":          {"/etc/samba/smb.conf"},
}

// insideLibc are the sources that need no module of their own, by the version that took them in.
var insideLibc = map[string]int{"files": 34, "dns": 34}

// action is what nsswitch.conf(5) says is to be done after a source: "[!UNAVAIL=return]".
var action = regexp.MustCompile(`\[[^\]]*\]`)

// nameService is what getaddrinfo would do: which sources it asks for hosts, whether the module of each is there, and what
// is in the files that it reads. It opens all of them while the process runs, so inside the jail.
func (t *taker) nameService() {
	if t.root == nil {
		return
	}
	databases := t.databases()
	for _, name := range consulted[""] {
		t.consult(name)
	}
	for source := range strings.FieldsSeq(action.ReplaceAllString(databases["hosts"], " ")) {
		if where := t.module(source); where != "" {
			t.env.NameService = append(t.env.NameService, t.setting("module "+source, where))
		}
		for _, name := range consulted[source] {
			t.consult(name)
		}
	}
}

// databases are the lines of nsswitch.conf, and for hosts, if there is none, what glibc does by itself.
func (t *taker) databases() map[string]string {
	all := map[string]string{}
	text, err := t.root.ReadFile("/etc/nsswitch.conf", smallFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.unseen("/etc/nsswitch.conf", err)
	}
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		if name, sources, ok := strings.Cut(line, ":"); ok {
			all[strings.TrimSpace(name)] = strings.Join(strings.Fields(sources), " ")
		}
	}
	from := "/etc/nsswitch.conf"
	if all["hosts"] == "" && err == nil || errors.Is(err, fs.ErrNotExist) {
		all["hosts"], from = t.libc.defaultHosts, "glibc's default"
	}
	for name, sources := range all {
		if sources != "" {
			t.env.NameService = append(t.env.NameService, t.setting(name, sources))
		}
	}
	if all["hosts"] != "" {
		t.env.NameService = append(t.env.NameService, t.setting("hosts is told by", from))
	}
	return all
}

// module is where the shared object of a source is, which is opened when it is first asked; empty if it isn't known.
func (t *taker) module(source string) string {
	if since, ok := insideLibc[source]; ok && t.libc.version == "" {
		return ""
	} else if ok && atLeast(t.libc.version, since) {
		return "inside libc"
	}
	name := "libnss_" + source + ".so.2"
	for _, o := range t.env.Loaded {
		if path.Base(o.Path) == name && t.proc != "" {
			return "mapped"
		}
	}
	for _, dir := range []string{"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"} {
		if t.root.Exists(path.Join(dir, name)) {
			return path.Join(dir, name)
		}
	}
	return "missing"
}

// atLeast says whether a version of glibc is 2.minor or newer.
func atLeast(version string, minor int) bool {
	rest, ok := strings.CutPrefix(version, "2.")
	n := 0
	for _, c := range rest {
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + int(c-'0')
		if n > 1000 {
			return false
		}
	}
	return ok && n >= minor
}

// mostConsulted bounds the text that is kept of a file.
const mostConsulted = 4096

// consult tells what is in a file, without comments: that is what the resolver acts on. Of the long list of
// services its size and hash in the listing say enough.
func (t *taker) consult(name string) {
	add := func(value string) { t.env.NameService = append(t.env.NameService, t.setting(name, value)) }
	info, err := t.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		add("missing")
		return
	}
	if err == nil && info.Mode()&fs.ModeSymlink != 0 && !t.root.Exists(name) {
		add("missing (a link that leads nowhere)")
		return
	}
	if err == nil && (info.Mode()&fs.ModeSocket != 0 || name == "/etc/services" || name == "/etc/nsswitch.conf") {
		add("present")
		return
	}
	text, err := t.root.ReadFile(name, smallFile)
	if err != nil {
		t.unseen(name, err)
		return
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		if words := strings.Fields(line); len(words) > 0 && !strings.HasPrefix(words[0], ";") {
			lines = append(lines, strings.Join(words, " "))
		}
	}
	if name == "/etc/hosts" {
		slices.Sort(lines) // as for glibc their order hardly matters, and generators change it
		lines = slices.Compact(lines)
	}
	value := strings.Join(lines, "; ")
	if len(value) > mostConsulted {
		value = value[:mostConsulted] + " …"
	}
	if value == "" {
		value = "present, and says nothing"
	}
	add(value)
}
