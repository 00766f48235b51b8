package dissect

import (
	"strings"
	"testing"
)

// proxyHeader is a header of version 2.
func proxyHeader(command, family byte, body ...string) string {
	all := strings.Join(body, "")
	return "\r\n\r\n\x00\r\nQUIT\n" + string([]byte{0x20 | command, family, byte(len(all) >> 8), byte(len(all))}) + all
}

func proxyTLV(kind byte, value string) string {
	return string([]byte{kind, byte(len(value) >> 8), byte(len(value))}) + value
}

const (
	proxyV1   = "PROXY TCP4 192.0.2.7 192.0.2.9 56324 443\r\n"
	proxyIPv4 = "\xc0\x00\x02\x07\xc0\x00\x02\x09\xdc\x04\x01\xbb"
	httpGet   = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
)

var (
	proxyNothing = proxyTLV(4, strings.Repeat("\x00", 13))
	proxied      = Hint{Transport: "tcp", Port: 3000, FromClient: true}
	proxyExtra   = proxyTLV(1, "h2") + proxyTLV(2, "a.example") + proxyTLV(3, "\x01\x02\x03\x04") + proxyTLV(5, "id") + proxyTLV(0x30, "blue") + proxyNothing
	proxyTLS     = proxyTLV(0x20, "\x07\x00\x00\x00\x00"+proxyTLV(0x21, "TLSv1.3")+proxyTLV(0x22, "Ann")+proxyTLV(0x23, "AES")+proxyTLV(0x24, "SHA256")+proxyTLV(0x25, "RSA2048")) + proxyNothing
)

var proxyExamples = []example{
	{"version 1", proxyV1, proxied, "PROXY", map[string]string{"proxy.src.ipv4": "192.0.2.7", "proxy.dstport": "443"}, []string{"proxy"}, nil},
	{"version 1, IPv6", "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n", proxied, "PROXY", map[string]string{"proxy.dst.ipv6": "2001:db8::2"}, nil, nil},
	{"version 1, unknown", "PROXY UNKNOWN what ever\r\n", proxied, "PROXY", map[string]string{"proxy.v1.unknown": "what ever"}, nil, nil},
	{"version 2", proxyHeader(1, 0x11, proxyIPv4, proxyExtra), proxied, "PROXY",
		map[string]string{"proxy.src.ipv4": "192.0.2.7", "proxy.srcport": "56324", "proxy.v2.tlv.type": "ALPN", "proxy.v2.tlv.value": "6832"}, []string{"authority"}, nil},
	{"version 2, TLS", proxyHeader(1, 0x11, proxyIPv4, proxyTLS), proxied, "PROXY",
		map[string]string{"proxy.v2.tlv.ssl.cn": "Ann", "proxy.v2.tlv.ssl.client": "0x07"}, []string{"ssl"}, nil},
	{"version 2, IPv6", proxyHeader(1, 0x21, strings.Repeat("\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", 2), "\x00\x01\x00\x02"), proxied, "PROXY",
		map[string]string{"proxy.dst.ipv6": "2001:db8::1", "proxy.dstport": "2"}, nil, nil},
	{"version 2, Unix", proxyHeader(1, 0x31, "/run/a"+strings.Repeat("\x00", 102), "/run/b"+strings.Repeat("\x00", 102)), fromClient, "PROXY",
		map[string]string{"proxy.v2.dst.unix": "/run/b"}, nil, nil},
	{"version 2, local", proxyHeader(0, 0), proxied, "PROXY", map[string]string{"proxy.v2.cmd": "LOCAL"}, nil, nil},
	{"HTTP behind version 1", proxyV1 + httpGet, fromClient, "HTTP", map[string]string{"proxy.srcport": "56324", "http.target": "/"}, []string{"proxy", "get"}, nil},
	{"RESP behind version 2", proxyHeader(1, 0x11, proxyIPv4) + redisSet, fromClient, "RESP", map[string]string{"resp.command": "SET"}, []string{"proxy", "set"}, nil},
	{"two headers", proxyV1 + proxyHeader(1, 0x11, proxyIPv4) + httpGet, fromClient, "HTTP", nil, []string{"v1", "v2", "get"}, nil},
	{"address that is none", "PROXY TCP4 192.0.2.300 192.0.2.9 56324 443\r\n", fromClient, "PROXY",
		map[string]string{"malformed": `"192.0.2.300" is no proxy.src.ipv4`}, nil, nil},
	{"port that is none", "PROXY TCP4 192.0.2.3 192.0.2.9 99999 443\r\n", fromClient, "PROXY", map[string]string{"malformed": `"99999" is no proxy.srcport`}, nil, nil},
	{"line that is too long", "PROXY UNKNOWN " + strings.Repeat("x", 200) + "\r\n", fromClient, "PROXY",
		map[string]string{"malformed": "a header has at most 107 bytes, this one 216"}, nil, nil},
	{"length that lies", strings.Replace(proxyHeader(1, 0x11, proxyIPv4), "\x11\x00\x0c", "\x11\xff\xff", 1), fromClient, "PROXY",
		map[string]string{"malformed": "PROXY header claims 65535 bytes, 12 are there", "proxy.srcport": "56324"}, nil, nil},
	{"TLV that lies", proxyHeader(1, 0x11, proxyIPv4, "\x01\x10\x00h2") + httpGet, fromClient, "HTTP",
		map[string]string{"malformed": "value of a ALPN claims 4096 bytes, 2 are there"}, nil, nil},
	{"addresses that are cut", proxyHeader(1, 0x21, proxyIPv4), fromClient, "PROXY", map[string]string{"malformed": "expected 16 more bytes, found 12"}, nil, nil},
	{"a hundred thousand headers", strings.Repeat(proxyV1, 100000), fromClient, "text", nil, nil, nil},
}

// What follows a header keeps the offsets that it has in the message.
func TestBehindAPROXYHeaderOffsetsAreTheMessages(t *testing.T) {
	d := Message([]byte(proxyV1+httpGet), Hint{})
	for _, f := range d.Fields {
		if got := (proxyV1 + httpGet)[f.Offset : f.Offset+f.Length]; f.Name == "http.target" && got != "/" {
			t.Errorf("the target is %q", got)
		}
	}
	if n := Framed([]byte(proxyV1 + httpGet + "\x00")); n != len(proxyV1+httpGet) {
		t.Errorf("framed %d bytes", n)
	}
	if n := Framed([]byte(strings.Repeat(proxyV1, 1000000))); n != 0 {
		t.Errorf("framed %d bytes of a million headers", n)
	}
}
