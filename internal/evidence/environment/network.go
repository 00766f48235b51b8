package environment

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// mostRoutes bounds what is told of a router's table.
const mostRoutes = 500

// network is that of the process's namespace: which families there are, and by which kinds of address and route they
// reach anybody. Addresses themselves differ everywhere and are noise; that there is none of a kind is not.
func (t *taker) network() {
	if !t.thisOne {
		return
	}
	dir := t.proc + "/net/"
	if t.proc == "" {
		dir = "/proc/self/net/"
	}
	text := func(name string) string {
		text, err := read(dir + name)
		if err != nil && !os.IsNotExist(err) {
			t.unseen("network: "+name, err)
		}
		return text
	}
	add := func(s Setting) { t.env.Network = append(t.env.Network, s) }
	for i, name := range interfaces(text("dev")) {
		add(t.noise(fmt.Sprintf("interface %d", i+1), name))
	}
	add(t.setting("protocols", strings.Join(protocols(text("protocols")), " ")))
	six := "in the kernel"
	if _, err := os.Stat(dir + "if_inet6"); err != nil {
		six = "not in the kernel"
	}
	add(t.setting("IPv6", six))
	for _, f := range []struct {
		name      string
		addresses []netip.Addr
		routes    []string
	}{
		{"IPv4", addresses4(text("fib_trie")), routes4(text("route"))},
		{"IPv6", addresses6(text("if_inet6")), routes6(text("ipv6_route"))},
	} {
		for scope, n := range scopes(f.addresses) {
			value := "none"
			if n > 0 {
				value = "yes"
			}
			add(t.setting(f.name+" addresses, "+scope, value))
		}
		for i, a := range f.addresses {
			if i < mostRoutes {
				add(t.noise(fmt.Sprintf("%s address %d", f.name, i+1), a.String()))
			}
		}
		route := "none"
		for i, r := range f.routes {
			if strings.HasPrefix(r, "default ") {
				route = "yes"
			}
			if i < mostRoutes {
				add(t.noise(fmt.Sprintf("%s route %d", f.name, i+1), r))
			}
		}
		add(t.setting(f.name+" default route", route))
		if len(f.routes) > mostRoutes || len(f.addresses) > mostRoutes {
			t.unseen("some "+f.name+" addresses and routes", fmt.Errorf("there are more than %d", mostRoutes))
		}
	}
}

// scopes counts addresses by how far they reach.
func scopes(all []netip.Addr) map[string]int {
	n := map[string]int{"loopback": 0, "link-local": 0, "private": 0, "global": 0}
	for _, a := range all {
		switch {
		case a.IsLoopback():
			n["loopback"]++
		case a.IsLinkLocalUnicast():
			n["link-local"]++
		case a.IsPrivate():
			n["private"]++
		case a.IsGlobalUnicast():
			n["global"]++
		}
	}
	return n
}

// interfaces reads /proc/net/dev: two lines of heading, then "  eth0: counters".
func interfaces(text string) (names []string) {
	for line := range strings.Lines(text) {
		if name, _, ok := strings.Cut(line, ":"); ok && !strings.Contains(name, "|") {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}

// protocols reads the first column of /proc/net/protocols.
func protocols(text string) (names []string) {
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) > 0 && words[0] != "protocol" {
			names = append(names, words[0])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// addresses4 reads the kernel's routing trie, in which its own addresses are marked: "|-- 192.0.2.2" and, one line
// below, "/32 host LOCAL". There is no list of them in /proc.
func addresses4(text string) (all []netip.Addr) {
	last := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if at, ok := strings.CutPrefix(line, "|-- "); ok {
			last = at
		} else if line == "/32 host LOCAL" {
			if a, err := netip.ParseAddr(last); err == nil {
				all = append(all, a)
			}
		}
	}
	return sortedAddresses(all)
}

// addresses6 reads lines of "fe80…1 02 40 20 80 eth0".
func addresses6(text string) (all []netip.Addr) {
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) == 6 {
			if a, ok := address6(words[0]); ok {
				all = append(all, a)
			}
		}
	}
	return sortedAddresses(all)
}

func sortedAddresses(all []netip.Addr) []netip.Addr {
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

func address6(digits string) (netip.Addr, bool) {
	raw, err := hex.DecodeString(digits)
	if err != nil || len(raw) != 16 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom16([16]byte(raw)), true
}

// routes4 reads /proc/net/route, whose addresses are numbers as the machine holds them.
func routes4(text string) (all []string) {
	for line := range strings.Lines(text) {
		w := strings.Fields(line)
		if len(w) < 8 || w[0] == "Iface" {
			continue
		}
		to, ok := address4(w[1])
		via, ok2 := address4(w[2])
		mask, ok3 := address4(w[7])
		if !ok || !ok2 || !ok3 {
			continue
		}
		raw := mask.As4()
		bits := 0
		for m := binary.BigEndian.Uint32(raw[:]); m != 0; m <<= 1 {
			bits++
		}
		all = append(all, route(netip.PrefixFrom(to, bits), via, w[0]))
	}
	return all
}

func address4(digits string) (netip.Addr, bool) {
	n, err := strconv.ParseUint(digits, 16, 32)
	if err != nil {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte(binary.NativeEndian.AppendUint32(nil, uint32(n)))), true
}

// routes6 reads /proc/net/ipv6_route: target, its length, source, its length, gateway, metric, counters, flags, device.
// Those that lead to the host itself, to multicast or nowhere are left out.
func routes6(text string) (all []string) {
	const reject, local = 0x0200, 0x80000000
	for line := range strings.Lines(text) {
		w := strings.Fields(line)
		if len(w) != 10 {
			continue
		}
		to, ok := address6(w[0])
		via, ok2 := address6(w[4])
		bits, err := strconv.ParseUint(w[1], 16, 8)
		flags, err2 := strconv.ParseUint(w[8], 16, 32)
		if !ok || !ok2 || err != nil || err2 != nil || bits > 128 || flags&(reject|local) != 0 || to.IsMulticast() {
			continue
		}
		all = append(all, route(netip.PrefixFrom(to, int(bits)), via, w[9]))
	}
	return all
}

func route(to netip.Prefix, via netip.Addr, device string) string {
	text := to.String()
	if to.Bits() == 0 {
		text = "default"
	}
	if !via.IsUnspecified() {
		text += " via " + via.String()
	}
	return text + " dev " + device
}
