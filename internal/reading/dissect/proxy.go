package dissect

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// The PROXY protocol (HAProxy's doc/proxy-protocol.txt) puts a header in front of what a client says: a line in
// version 1, proxyMagic and binary fields in version 2.
const (
	proxyLine     = "PROXY "
	proxyLineMost = 107
	proxyMagic    = "\r\n\r\n\x00\r\nQUIT\n"
)

var (
	proxyCommands   = map[int]string{0: "LOCAL", 1: "PROXY"}
	proxyFamilies   = map[int]string{0: "UNSPEC", 1: "IPv4", 2: "IPv6", 3: "UNIX"}
	proxyTransports = map[int]string{0: "UNSPEC", 1: "STREAM", 2: "DGRAM"}
	proxyTypes      = map[int]string{
		0x01: "ALPN", 0x02: "AUTHORITY", 0x03: "CRC32C", 0x04: "NOOP", 0x05: "UNIQUE ID", 0x20: "SSL", 0x21: "SSL VERSION", 0x22: "SSL CN",
		0x23: "SSL CIPHER", 0x24: "SSL SIG ALG", 0x25: "SSL KEY ALG", 0x30: "NETNS",
	}
)

// proxy reads headers of the PROXY protocol, and what follows them as the protocol that it is: that is what the
// message is told to be.
func proxy(data []byte, hint Hint) (Dissection, bool) {
	s := &sheet{}
	at := s.proxyHeaders(data)
	if at == 0 {
		return Dissection{}, false
	}
	s.tag("proxy", "header")
	if at == len(data) {
		return s.done("PROXY"), true
	}
	inner := known(data[at:], hint)
	s.adopt(inner, at)
	d := s.done(inner.Protocol)
	d.rest = inner.rest
	return d, true
}

// proxyHeaders reads one header after another and returns where the last one ends.
func (s *sheet) proxyHeaders(data []byte) (at int) {
	for !s.full() {
		switch rest := data[at:]; {
		case bytes.HasPrefix(rest, []byte(proxyMagic)) && len(rest) >= len(proxyMagic)+4:
			at = s.proxy2(data, at)
		case isProxyLine(rest):
			at = s.proxy1(data, at)
		default:
			return at
		}
	}
	return at
}

// framedProxy is a header that is there whole, with what surely begins behind it.
func framedProxy(data []byte) int {
	s := &sheet{}
	at := s.proxyHeaders(data[:min(len(data), framedMost)])
	if at == 0 || s.isMalformed() || bytes.HasPrefix(data[at:], []byte(proxyLine)) || bytes.HasPrefix(data[at:], []byte(proxyMagic)) {
		return 0
	}
	return at + Framed(data[at:])
}

// adopt takes over what was read of the bytes that begin at an offset.
func (s *sheet) adopt(d Dissection, at int) {
	for _, f := range d.Fields {
		s.field(f.Name, f.Value, at+f.Offset, f.Length)
	}
	for _, p := range d.Parts {
		if p.Offset += at; len(s.Parts) < maxFields {
			s.Parts = append(s.Parts, p)
		}
	}
	s.tag(d.Tags...)
	s.answer(d.Answers...)
	s.say("%s", d.Summary)
}

// isProxyLine says whether data begins with a header of version 1.
func isProxyLine(data []byte) bool {
	line, _, whole := lineAt(data[:min(len(data), 4*proxyLineMost)], 0)
	if !whole || !bytes.HasPrefix(line, []byte(proxyLine)) {
		return false
	}
	word, _, _ := strings.Cut(string(line[len(proxyLine):]), " ")
	return word == "TCP4" || word == "TCP6" || word == "UNKNOWN"
}

// proxy1 reads a header of version 1 (section 2.1).
func (s *sheet) proxy1(data []byte, at int) (end int) {
	line, end, _ := lineAt(data, at)
	list := tokens(line, at, 6)
	s.field("proxy.v1.magic", strings.TrimSpace(proxyLine), at, len(proxyLine)-1)
	s.keep("proxy.v1.proto", list[1])
	s.tag("v1")
	if end-at > proxyLineMost {
		s.malformed(at, "a header has at most %d bytes, this one %d", proxyLineMost, end-at)
	}
	if string(list[1].text) == "UNKNOWN" {
		if len(list) > 2 {
			s.keep("proxy.v1.unknown", token{line[list[2].at-at:], list[2].at})
		}
		s.say("PROXY from nobody known")
		return end
	}
	if len(list) != 6 {
		s.malformed(at, "expected two addresses and two ports, found %d words", len(list)-2)
		return end
	}
	suffix := ".ipv" + string(list[1].text[3:])
	for i, name := range []string{"proxy.src" + suffix, "proxy.dst" + suffix, "proxy.srcport", "proxy.dstport"} {
		word := list[2+i]
		s.keep(name, word)
		addr, err := netip.ParseAddr(string(word.text))
		if i < 2 && (err != nil || addr.Is4() != (suffix == ".ipv4")) || i >= 2 && !isPort(word.text) {
			s.malformed(word.at, "%q is no %s", printable(word.text), name)
		}
	}
	s.say("PROXY from %s", printable(list[2].text))
	return end
}

func isPort(text []byte) bool {
	return isNumber(text) && (len(text) < 5 || len(text) == 5 && string(text) <= "65535")
}

// proxy2 reads a header of version 2 (section 2.2).
func (s *sheet) proxy2(data []byte, at int) (end int) {
	r := open("PROXY header", at, data[at:])
	s.field("proxy.v2.magic", hexBytes([]byte(proxyMagic)), at, len(proxyMagic))
	r.Skip(uint64(len(proxyMagic)))
	first := data[at+len(proxyMagic)]
	s.field("proxy.v2.version", decimal(int(first>>4)), at+12, 1)
	s.number(r, 1, "proxy.v2.cmd", func(n int) string { return named(proxyCommands)(n & 15) })
	family := s.number(r, 1, "proxy.v2.addr_family_protocol", func(n int) string { return fmt.Sprintf("0x%02x", n) })
	s.field("proxy.v2.addr_family", named(proxyFamilies)(family>>4), at+13, 1)
	s.field("proxy.v2.protocol", named(proxyTransports)(family&15), at+13, 1)
	body := s.vector(r, 2, "PROXY header")
	s.field("proxy.v2.length", decimal(int(data[at+14])<<8|int(data[at+15])), at+14, 2)
	end = offset(body) + body.Len()
	s.tag("v2", proxyCommands[int(first&15)])
	if first>>4 != 2 || proxyCommands[int(first&15)] == "" {
		s.malformed(at+12, "expected version 2 and a known command, found 0x%02x", first)
	}
	s.proxyAddresses(body, family>>4)
	s.proxyTLVs(body)
	if damage, bad := body.Damage(); bad {
		s.malformed(int(damage.Offset), "%s", damage.Problem)
	}
	return end
}

func (s *sheet) proxyAddresses(r *cursor.Reader, family int) {
	size, suffix := 0, ""
	switch family {
	case 1:
		size, suffix = 4, ".ipv4"
	case 2:
		size, suffix = 16, ".ipv6"
	case 3:
		size, suffix = 108, ".unix"
	default:
		return
	}
	for _, name := range []string{"proxy.src", "proxy.dst"} {
		at := offset(r)
		b := r.Bytes(uint64(size))
		if b == nil {
			return
		}
		addr, ok := netip.AddrFromSlice(b)
		value := addr.String()
		if !ok {
			name = strings.Replace(name, "proxy.", "proxy.v2.", 1)
			path, _, _ := bytes.Cut(b, []byte{0})
			value = printable(path)
		}
		s.field(name+suffix, value, at, size)
		s.part("address", at, size)
		if strings.HasSuffix(name, "src") {
			s.say("PROXY from %s", value)
		}
	}
	if family != 3 {
		s.number(r, 2, "proxy.srcport", decimal)
		s.number(r, 2, "proxy.dstport", decimal)
	}
}

// proxyTLVs reads what follows the addresses: types, lengths and values (section 2.2.6). SSL's value begins with
// five bytes of its own, and then has such ones in itself.
func (s *sheet) proxyTLVs(r *cursor.Reader) {
	const sslType = 0x20
	for r.Len() > 0 && !s.full() {
		kind := s.number(r, 1, "proxy.v2.tlv.type", named(proxyTypes))
		at := offset(r)
		value := s.vector(r, 2, "value of a "+named(proxyTypes)(kind))
		s.field("proxy.v2.tlv.length", decimal(value.Len()), at, min(2, offset(value)-at))
		s.tag("tlv", proxyTypes[kind])
		content := peek(value)
		s.field("proxy.v2.tlv.value", hexBytes(content), offset(value), len(content))
		s.part("value", offset(value), len(content))
		switch name := proxySSL[kind]; {
		case kind == sslType && len(content) >= 5:
			s.number(value, 1, "proxy.v2.tlv.ssl.client", func(n int) string { return fmt.Sprintf("0x%02x", n) })
			s.number(value, 4, "proxy.v2.tlv.ssl.verify", decimal)
			s.proxyTLVs(value)
		case name != "":
			s.field(name, printable(content), offset(value), len(content))
		}
	}
}

var proxySSL = map[int]string{
	0x21: "proxy.v2.tlv.ssl.version", 0x22: "proxy.v2.tlv.ssl.cn", 0x23: "proxy.v2.tlv.ssl.cipher", 0x24: "proxy.v2.tlv.ssl.sig_alg",
	0x25: "proxy.v2.tlv.ssl.keu_alg", // as Wireshark spells it
}
