package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// sourced is a program that is built from Debian's source package.
type sourced struct {
	Package string
	Build   string // in the package's folder
	Binary  string // in the package's folder
	Daemon  daemon // SELF stands for the built program
}

var sourcedPrograms = []sourced{
	{
		Package: "dnsmasq", Binary: "src/dnsmasq",
		Build: `make -j2 CFLAGS="-g -O2" LDFLAGS=-Wl,--build-id`,
		Daemon: daemon{
			Command: []string{"SELF", "-k", "-C", "/dev/null", "-p", "21021", "--listen-address=127.0.0.1", "--bind-interfaces", "-R", "-h", "-u", "root", "-x", "DIR/pid"},
			Listen:  "tcp 127.0.0.1:21021", Send: "\x00\x20", Signal: syscall.SIGSEGV,
		},
	},
	{
		Package: "mosquitto", Binary: "src/mosquitto",
		Build: `make -j2 -C src CFLAGS="-g -O2" LDFLAGS=-Wl,--build-id WITH_TLS=no WITH_CJSON=no WITH_SYSTEMD=no WITH_STRIP=no`,
		Daemon: daemon{
			Command: []string{"SELF", "-p", "21022"},
			Listen:  "tcp 127.0.0.1:21022", Send: "\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04test", Signal: syscall.SIGABRT,
		},
	},
	{
		Package: "nginx", Binary: "objs/nginx",
		Build: `./configure --with-threads --without-http_rewrite_module --without-http_gzip_module --with-cc-opt="-g -O2" --with-ld-opt=-Wl,--build-id && make -j2`,
		Daemon: daemon{
			Files: map[string]string{"nginx.conf": `daemon off; master_process off; user root; pid DIR/pid; error_log DIR/error.log;
thread_pool default threads=4;
events { worker_connections 64; }
http { access_log off; aio threads; server { listen 127.0.0.1:21023; root DIR; } }
`},
			Command: []string{"SELF", "-p", "DIR", "-c", "DIR/nginx.conf"},
			Listen:  "tcp 127.0.0.1:21023", Send: "GET /nginx.conf HTTP/1.1\r\nHost: a\r\n\r\n", Signal: syscall.SIGSEGV,
		},
	},
	{
		Package: "tinyproxy", Binary: "src/tinyproxy", // a thread for each connection
		Build: `./configure --disable-manpage_support CFLAGS="-g -O2" LDFLAGS=-Wl,--build-id && make -j2 -C src`,
		Daemon: daemon{
			Files:   map[string]string{"tinyproxy.conf": "Port 21024\nListen 127.0.0.1\nTimeout 600\n"},
			Command: []string{"SELF", "-d", "-c", "DIR/tinyproxy.conf"},
			Listen:  "tcp 127.0.0.1:21024", Send: "GET http://127", Signal: syscall.SIGSEGV,
		},
	},
}

// sourcePackages is programs of Debian's built with debug information, which is then split off, with what they
// have in common in one file of dwz's.
func sourcePackages() []Recipe {
	return []Recipe{{Name: "source-packages", Make: func(dir string) (items []Item, err error) {
		if err := fetchSources(dir); err != nil {
			return nil, err
		}
		if err := splitTogether(dir); err != nil {
			return nil, err
		}
		for _, s := range sourcedPrograms {
			made, err := s.items(dir)
			if err != nil {
				return nil, err
			}
			items = append(items, made...)
		}
		return items, nil
	}}}
}

// fetchSources gets and builds the packages. apt is given lists of its own: the machine's stay as they are.
func fetchSources(dir string) error {
	release, err := run(context.Background(), dir, "sh", "-c", `. /etc/os-release && printf %s "$VERSION_CODENAME"`)
	if err != nil {
		return err
	}
	line := fmt.Sprintf("deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian %s main\n", release)
	if err := os.WriteFile(filepath.Join(dir, "sources.list"), []byte(line), 0o644); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "lists/partial"), 0o755); err != nil {
		return err
	}
	apt := "apt-get -qq -o Dir::Etc::sourcelist=$PWD/sources.list -o Dir::Etc::sourceparts=- -o Dir::State::lists=$PWD/lists -o APT::Sandbox::User=root "
	if err := shell(dir, apt+"update"); err != nil {
		return err
	}
	for _, s := range sourcedPrograms {
		if err := shell(dir, apt+"source --download-only "+s.Package+" && dpkg-source -q --no-check -x "+s.Package+"_*.dsc "+s.Package); err != nil {
			return err
		}
		if err := shell(filepath.Join(dir, s.Package), s.Build); err != nil {
			return err
		}
	}
	return nil
}

func shell(dir, line string) error { return tool(dir, "sh", "-c", line) }

// binary is where a program is built, and will run.
func (s sourced) binary(dir string) string { return filepath.Join(dir, s.Package, s.Binary) }

// splitTogether does as Debian's dh_dwz and dh_strip do.
func splitTogether(dir string) error {
	common := []string{"-m", "common.debug", "-M", "/usr/lib/debug/.dwz/common.debug"}
	for _, s := range sourcedPrograms {
		common = append(common, s.binary(dir))
	}
	if err := tool(dir, "dwz", common...); err != nil {
		return err
	}
	debug := filepath.Join(dir, "debug")
	for _, s := range sourcedPrograms {
		apart := s.Package + ".debug"
		if err := tools(dir, []string{"objcopy", "--only-keep-debug", s.binary(dir), apart}, []string{"strip", s.binary(dir)}); err != nil {
			return err
		}
		if err := keepDebug(filepath.Join(dir, apart), debug); err != nil {
			return err
		}
	}
	return keepCommon(filepath.Join(dir, "common.debug"), debug)
}

func (s sourced) items(dir string) ([]Item, error) {
	d := s.Daemon
	d.Name = s.Package + " from source"
	d.Command = each(d.Command, func(word string) string { return strings.ReplaceAll(word, "SELF", s.binary(dir)) })
	own := filepath.Join(dir, "run-"+s.Package)
	if err := os.MkdirAll(own, 0o777); err != nil {
		return nil, err
	}
	made, err := d.make(own)
	if err != nil {
		return nil, err
	}
	bare := made[0]
	bare.Group = "from Debian's source packages"
	full := bare
	full.Name, full.Roots = bare.Name+" with debug information", append(full.Roots[:1:1], filepath.Join(dir, "debug"))
	return []Item{bare, full}, nil
}
