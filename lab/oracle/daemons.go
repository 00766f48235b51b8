package main

import (
	"errors"
	"io"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// daemon is a program of Debian's, how it is set up, and how it dies. DIR stands for its folder.
type daemon struct {
	Name    string
	Files   map[string]string
	Prepare [][]string
	Env     []string
	Command []string
	User    string // root if empty
	Listen  string // network and address: it is ready when it answers there
	Silent  string // what it talks to, and gets no answer from: it is ready when it has asked
	Send    string // on each of a few connections, which stay open
	Signal  syscall.Signal
	Debug   bool // Debian has debug information of it, or of its libraries
}

var daemons = []daemon{
	{
		Name:    "redis-server", // catches the signal, reports, and sends it to itself again
		Command: []string{"/usr/bin/redis-server", "--port", "21001", "--bind", "127.0.0.1", "--save", "", "--io-threads", "4", "--io-threads-do-reads", "yes"},
		Listen:  "tcp 127.0.0.1:21001", Send: "PING\r\nSET a b\r\nBLPOP none 0\r\n", Signal: syscall.SIGSEGV,
	},
	{
		Name:    "memcached",
		Command: []string{"/usr/bin/memcached", "-u", "root", "-l", "127.0.0.1", "-p", "21002", "-t", "4"},
		Listen:  "tcp 127.0.0.1:21002", Send: "set a 0 0 1\r\nb\r\nget a\r\n", Signal: syscall.SIGSEGV, Debug: true,
	},
	{
		Name: "nginx",
		Files: map[string]string{"nginx.conf": `daemon off; master_process off; user root; pid DIR/pid; error_log DIR/error.log;
thread_pool default threads=4;
events { worker_connections 64; }
http { access_log off; aio threads; server { listen 127.0.0.1:21003; root DIR; } }
`},
		Command: []string{"/usr/sbin/nginx", "-p", "DIR", "-c", "DIR/nginx.conf"},
		Listen:  "tcp 127.0.0.1:21003", Send: "GET /nginx.conf HTTP/1.1\r\nHost: a\r\n\r\n", Signal: syscall.SIGSEGV,
	},
	{
		Name: "haproxy",
		Files: map[string]string{"haproxy.cfg": `global
  nbthread 4
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
frontend f
  bind 127.0.0.1:21004
  default_backend b
backend b
  http-request return status 200
`},
		Command: []string{"/usr/sbin/haproxy", "-db", "-f", "DIR/haproxy.cfg"},
		Listen:  "tcp 127.0.0.1:21004", Send: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", Signal: syscall.SIGABRT,
	},
	{
		Name:    "dnsmasq",
		Command: []string{"/usr/sbin/dnsmasq", "-k", "-C", "/dev/null", "-p", "21005", "--listen-address=127.0.0.1", "--bind-interfaces", "-R", "-h", "-u", "root", "-x", "DIR/pid"},
		Listen:  "tcp 127.0.0.1:21005", Signal: syscall.SIGSEGV,
	},
	{
		Name: "unbound",
		Files: map[string]string{"unbound.conf": `server:
  interface: 127.0.0.1@21006
  num-threads: 4
  chroot: ""
  username: ""
  directory: "DIR"
  pidfile: "DIR/pid"
  use-syslog: no
remote-control:
  control-enable: no
`},
		Command: []string{"/usr/sbin/unbound", "-d", "-c", "DIR/unbound.conf"},
		Listen:  "tcp 127.0.0.1:21006", Signal: syscall.SIGSEGV,
	},
	{
		Name:    "mosquitto",
		Command: []string{"/usr/sbin/mosquitto", "-p", "21007"},
		Listen:  "tcp 127.0.0.1:21007", Send: "\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04test", Signal: syscall.SIGABRT,
	},
	{
		Name: "lighttpd",
		Files: map[string]string{"lighttpd.conf": `server.document-root = "DIR"
server.port = 21008
server.bind = "127.0.0.1"
server.errorlog = "DIR/error.log"
`},
		Command: []string{"/usr/sbin/lighttpd", "-D", "-f", "DIR/lighttpd.conf"},
		Listen:  "tcp 127.0.0.1:21008", Send: "GET /lighttpd.conf HTTP/1.1\r\nHost: a\r\n\r\n", Signal: syscall.SIGSEGV,
	},
	{
		Name: "stunnel",
		Files: map[string]string{"stunnel.conf": `foreground = yes
pid = DIR/pid
[echo]
accept = 127.0.0.1:21009
connect = 127.0.0.1:21999
cert = DIR/pem
`},
		Prepare: [][]string{{"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=a", "-keyout", "pem", "-out", "cert"}, {"sh", "-c", "cat cert >> pem"}},
		Command: []string{"/usr/bin/stunnel4", "DIR/stunnel.conf"},
		Listen:  "tcp 127.0.0.1:21009", Send: "\x16\x03\x01", Signal: syscall.SIGSEGV,
	},
	{
		Name: "named",
		Files: map[string]string{"named.conf": `options {
  directory "DIR"; listen-on port 21010 { 127.0.0.1; }; listen-on-v6 { none; };
  pid-file "DIR/pid"; session-keyfile "DIR/key"; managed-keys-directory "DIR"; recursion no; dnssec-validation no;
};
controls { };
`},
		Command: []string{"/usr/sbin/named", "-g", "-n", "2", "-c", "DIR/named.conf"},
		Listen:  "tcp 127.0.0.1:21010", Signal: syscall.SIGSEGV,
	},
	{
		Name: "postgres", User: "postgres",
		Prepare: [][]string{{"mkdir", "data"}, {"chown", "postgres", "data"}, {"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "/usr/lib/postgresql/15/bin/initdb", "-D", "data"}},
		Command: []string{"/usr/lib/postgresql/15/bin/postgres", "-D", "data", "-p", "21011", "-h", "127.0.0.1", "-k", ""},
		Listen:  "tcp 127.0.0.1:21011", Signal: syscall.SIGSEGV,
	},
	{
		Name: "krb5kdc",
		Files: map[string]string{
			"krb5.conf": "[libdefaults]\ndefault_realm = LAB\n[realms]\nLAB = {\n kdc = 127.0.0.1:21012\n}\n",
			"kdc.conf":  "[kdcdefaults]\nkdc_listen = 127.0.0.1:21012\nkdc_tcp_listen = 127.0.0.1:21012\n[realms]\nLAB = {\n database_name = DIR/principal\n key_stash_file = DIR/stash\n}\n",
		},
		Env:     []string{"KRB5_CONFIG=DIR/krb5.conf", "KRB5_KDC_PROFILE=DIR/kdc.conf"},
		Prepare: [][]string{{"env", "KRB5_CONFIG=DIR/krb5.conf", "KRB5_KDC_PROFILE=DIR/kdc.conf", "/usr/sbin/kdb5_util", "create", "-s", "-P", "x"}},
		Command: []string{"/usr/sbin/krb5kdc", "-n", "-P", "DIR/pid"},
		Listen:  "tcp 127.0.0.1:21012", Send: "\x00\x00\x00\x04abcd", Signal: syscall.SIGSEGV, Debug: true,
	},
	{
		Name:    "kinit",
		Files:   map[string]string{"krb5.conf": "[libdefaults]\ndefault_realm = LAB\n[realms]\nLAB = {\n kdc = 127.0.0.1:21013\n}\n"},
		Env:     []string{"KRB5_CONFIG=DIR/krb5.conf", "KRB5CCNAME=DIR/cache"},
		Command: []string{"/usr/bin/kinit", "somebody@LAB"},
		Silent:  "127.0.0.1:21013", Signal: syscall.SIGSEGV, Debug: true,
	},
	{
		Name: "python3-dbg", Files: map[string]string{"threads.py": deadlyScript},
		Command: []string{"/usr/bin/python3-dbg", "DIR/threads.py"}, Debug: true,
	},
	{
		Name: "python3", Files: map[string]string{"threads.py": deadlyScript},
		Command: []string{"/usr/bin/python3.11", "DIR/threads.py"}, Debug: true,
	},
}

const deadlyScript = `import ctypes, threading, time, re, json, socket

def deep(n):
    if n == 0:
        time.sleep(60)
    return [deep(n - 1) for _ in range(1)]

def waits():
    threading.Event().wait()

def reads():
    a, b = socket.socketpair()
    a.recv(1)

for work in (lambda: deep(5), waits, reads, lambda: sorted([3, 1, 2], key=lambda x: time.sleep(60))):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.5)
ctypes.string_at(0)
`

// debianPrograms is the cores of Debian's own programs.
func debianPrograms() (all []Recipe) {
	for _, d := range daemons {
		all = append(all, Recipe{Name: "debian-" + d.Name, Make: d.make})
	}
	return all
}

func (d daemon) make(dir string) ([]Item, error) {
	core, err := d.dies(dir)
	if err != nil {
		return nil, err
	}
	root := filepath.Join(dir, "root")
	if err := gather(core, root); err != nil {
		return nil, err
	}
	program, err := executable(core, root)
	if err != nil {
		return nil, err
	}
	bare := Item{Group: "Debian's programs", Name: d.Name, Core: core, Roots: []string{root}, Program: program}
	if !d.Debug {
		return []Item{bare}, nil
	}
	full := bare
	debug := filepath.Join(dir, "debug")
	full.Name, full.Roots = d.Name+" with debug information", []string{root, debug}
	if err := os.MkdirAll(filepath.Join(debug, "usr/lib"), 0o755); err != nil {
		return nil, err
	}
	return []Item{bare, full}, os.Symlink("/usr/lib/debug", filepath.Join(debug, "usr/lib/debug"))
}

func (d daemon) dies(dir string) (core string, err error) {
	here := func(s string) string { return strings.ReplaceAll(s, "DIR", dir) }
	for name, text := range d.Files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(here(text)), 0o644); err != nil {
			return "", err
		}
	}
	for _, command := range d.Prepare {
		if err := tool(dir, command[0], each(command[1:], here)...); err != nil {
			return "", err
		}
	}
	death := Death{Command: each(d.Command, here), Env: each(d.Env, here), Signal: d.Signal, Traffic: d.traffic}
	if death.As, err = credential(d.User); err != nil {
		return "", err
	}
	if d.Listen != "" {
		network, address, _ := strings.Cut(d.Listen, " ")
		death.Ready = answers(network, address)
	}
	if d.Silent != "" {
		s, err := net.ListenPacket("udp", d.Silent)
		if err != nil {
			return "", err
		}
		defer s.Close()
		death.Ready = func() bool { return asked(s) }
	}
	return death.core(dir)
}

func each(all []string, change func(string) string) (changed []string) {
	for _, s := range all {
		changed = append(changed, change(s))
	}
	return changed
}

// asked says whether anything has come.
func asked(s net.PacketConn) bool {
	s.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	n, _, _ := s.ReadFrom(make([]byte, 4096))
	return n > 0
}

func credential(name string) (*syscall.Credential, error) {
	if name == "" {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(uidErr, gidErr)
}

// traffic is a few clients that say something and wait.
func (d daemon) traffic() (stop func(), err error) {
	var clients []io.Closer
	stop = func() {
		for _, c := range clients {
			c.Close()
		}
	}
	if d.Send == "" {
		return stop, nil
	}
	network, address, _ := strings.Cut(d.Listen, " ")
	for range 5 {
		c, err := net.Dial(network, address)
		if err != nil {
			stop()
			return nil, err
		}
		clients = append(clients, c)
		if _, err := io.WriteString(c, d.Send); err != nil {
			stop()
			return nil, err
		}
	}
	return stop, nil
}
