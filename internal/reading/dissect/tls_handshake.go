package dissect

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// handshakeNames are the handshake messages (RFC 8446, appendix B.3, and those of earlier versions).
var handshakeNames = map[int]string{
	0: "HelloRequest", 1: "ClientHello", 2: "ServerHello", 3: "HelloVerifyRequest", 4: "NewSessionTicket",
	5: "EndOfEarlyData", 6: "HelloRetryRequest", 8: "EncryptedExtensions", 11: "Certificate",
	12: "ServerKeyExchange", 13: "CertificateRequest", 14: "ServerHelloDone", 15: "CertificateVerify",
	16: "ClientKeyExchange", 20: "Finished", 21: "CertificateURL", 22: "CertificateStatus",
	23: "SupplementalData", 24: "KeyUpdate", 25: "CompressedCertificate", 67: "NextProtocol",
}

// handshakes reads a run of handshake messages. What has no known type, or a length that no message that
// was cut could explain, is what a handshake message looks like once it is encrypted.
func (t *tlsRecords) handshakes(data []byte) {
	for at := 0; at < len(data) && !t.full(); {
		rest := data[at:]
		claimed := 0
		if len(rest) >= 4 {
			claimed = int(rest[1])<<16 | int(rest[2])<<8 | int(rest[3])
		}
		name, known := handshakeNames[int(rest[0])]
		if !known || claimed > len(rest)+1<<17 {
			t.opaque("encrypted_handshake", "encrypted handshake message", at, len(rest))
			t.tag("handshake", "finished")
			return
		}
		at = t.handshake(name, data, at)
	}
}

// handshake reads one handshake message and returns where it ends.
func (t *tlsRecords) handshake(name string, data []byte, at int) int {
	r := open("handshake", at, data[at:])
	t.number(r, 1, "handshake.type", func(int) string { return name })
	t.tag("handshake", words(name))
	t.handshakeAnswers(words(name), t.fromClient)
	if r.Len() < 3 {
		t.malformed(at, "%s is cut after %d bytes", name, len(data)-at)
		return len(data)
	}
	body := t.vector(r, 3, name)
	t.field("handshake.length", decimal(body.Len()), at+1, 3)
	begin, length := offset(body), body.Len()
	t.part(snake(name), at, 4+length)
	t.part(snake(name)+".body", begin, length)
	switch name {
	case "ClientHello":
		t.clientHello(body, begin, length)
	case "ServerHello":
		t.serverHello(body)
	case "Certificate":
		t.certificates(body)
	default:
		t.field("handshake."+snake(name), fmt.Sprintf("%d bytes", length), begin, length)
		t.say("%s", name)
	}
	return begin + length
}

// words turns "ClientHello" into "client hello".
func words(name string) string { return strings.ReplaceAll(snake(name), "_", " ") }

// snake turns "ClientHello" into "client_hello".
func snake(name string) string {
	var b strings.Builder
	for i, c := range name {
		if c >= 'A' && c <= 'Z' && i > 0 && name[i-1] >= 'a' {
			b.WriteByte('_')
		}
		b.WriteRune(c)
	}
	return strings.ToLower(b.String())
}

// hello is what a ClientHello offers, in its own order.
type hello struct {
	version    int
	suites     []int
	extensions []int
	versions   []int
	algorithms []int
	alpn       []string
	sni        string
}

const clientHelloPath = "handshake.client_hello"

// clientHello reads a ClientHello (RFC 8446, section 4.1.2).
func (t *tlsRecords) clientHello(r *cursor.Reader, begin, length int) {
	var h hello
	h.version = t.number(r, 2, clientHelloPath+".version", versionName)
	t.random(r, clientHelloPath)
	id := t.vector(r, 1, "session_id")
	t.field(clientHelloPath+".session_id", hexBytes(peek(id)), offset(id), id.Len())
	h.suites = t.suites(t.vector(r, 2, "cipher_suites"), 2)
	methods := t.vector(r, 1, "compression_methods")
	t.field(clientHelloPath+".compression_methods", hexBytes(peek(methods)), offset(methods), methods.Len())
	if r.Len() > 0 {
		t.extensions(t.vector(r, 2, "extensions"), clientHelloPath, &h)
	}
	if r.Err() != nil {
		t.malformed(begin+length, "%v", r.Err())
	}
	t.field(clientHelloPath+".ja4", h.ja4(), begin, length)
	t.helloSaid(h)
}

// helloSaid gives a ClientHello's summary and tags.
func (s *sheet) helloSaid(h hello) {
	said := fmt.Sprintf("ClientHello, %s, %s", versionName(h.best()), count(len(h.suites), "cipher suite"))
	if h.sni != "" {
		said += ", SNI " + h.sni
	}
	if len(h.alpn) > 0 {
		said += ", ALPN " + printable([]byte(strings.Join(h.alpn, " ")))
	}
	s.say("%s", said)
	s.tag("handshake", "client_hello", "cipher", "cipher_suite", "cipher_suites", "session_id")
	if len(h.extensions) > 0 {
		s.tag("extension", "extensions")
	}
	for _, suite := range h.suites {
		s.tag(strings.Split(suiteName(suite), "_")...)
	}
}

// random reads the 32 bytes of a hello's random.
func (s *sheet) random(r *cursor.Reader, path string) {
	at := offset(r)
	if b := r.Bytes(32); b != nil {
		s.field(path+".random", hexBytes(b), at, 32)
		s.part("random", at, 32)
	}
}

// peek looks at all that a reader has left.
func peek(r *cursor.Reader) []byte {
	c := *r
	return c.Rest()
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// suites reads a list of cipher suites; in SSLv2's framing each has three bytes.
func (s *sheet) suites(r *cursor.Reader, width int) []int {
	all := peek(r)
	s.field(clientHelloPath+".cipher_suites", count(len(all)/width, "suite"), offset(r), len(all))
	s.part("cipher_suites", offset(r), len(all))
	var list []int
	for r.Len() >= width {
		n := s.number(r, width, fmt.Sprintf("%s.cipher_suites[%d]", clientHelloPath, len(list)), suiteName)
		list = append(list, n)
	}
	if r.Len() > 0 {
		s.malformed(offset(r), "a list of cipher suites has %d bytes too many", r.Len())
	}
	return list
}

// serverHello reads a ServerHello (RFC 8446, section 4.1.3).
func (t *tlsRecords) serverHello(r *cursor.Reader) {
	const path = "handshake.server_hello"
	h := hello{version: t.number(r, 2, path+".version", versionName)}
	t.random(r, path)
	id := t.vector(r, 1, "session_id")
	t.field(path+".session_id", hexBytes(peek(id)), offset(id), id.Len())
	suite := t.number(r, 2, path+".cipher_suite", suiteName)
	t.number(r, 1, path+".compression_method", decimal)
	if r.Len() > 0 {
		t.extensions(t.vector(r, 2, "extensions"), path, &h)
	}
	t.say("ServerHello, %s, %s", versionName(h.best()), suiteName(suite))
	t.tag("cipher")
}

// certificates reads the list of a Certificate message: up to TLS 1.2 (RFC 5246, section 7.4.2) it is all, in TLS 1.3
// (RFC 8446, section 4.4.2) a context stands before it, and extensions behind each certificate.
func (t *tlsRecords) certificates(r *cursor.Reader) {
	all := peek(r)
	fills := func(at int) bool { // the list's length leads to the end
		return len(all) >= at+3 && int(all[at])<<16|int(all[at+1])<<8|int(all[at+2]) == len(all)-at-3
	}
	tls13 := len(all) > 0 && !fills(0) && fills(1+int(all[0]))
	if tls13 {
		context := t.vector(r, 1, "certificate_request_context")
		t.field("handshake.certificate.request_context", hexBytes(peek(context)), offset(context), context.Len())
	}
	list := t.vector(r, 3, "certificate_list")
	n := 0
	for list.Len() >= 3 {
		c := t.vector(list, 3, "certificate")
		t.field(fmt.Sprintf("handshake.certificate.certificates[%d]", n), count(c.Len(), "byte"), offset(c), c.Len())
		t.part("certificate", offset(c), c.Len())
		if tls13 {
			extensions := t.vector(list, 2, "extensions")
			t.field(fmt.Sprintf("handshake.certificate.extensions[%d]", n), hexBytes(peek(extensions)), offset(extensions), extensions.Len())
		}
		n++
	}
	t.say("Certificate (%d in the chain)", n)
	t.tag("cert", "x509")
}

// extensions reads a hello's extensions, and into h what a summary and JA4 need.
func (s *sheet) extensions(r *cursor.Reader, path string, h *hello) {
	for r.Len() >= 4 {
		at := offset(r)
		kind := int(r.Uint16())
		body := s.vector(r, 2, "extension "+extensionName(kind))
		name := extensionName(kind)
		h.extensions = append(h.extensions, kind)
		s.field(fmt.Sprintf("%s.extensions[%d]", path, len(h.extensions)-1), name, at, 2)
		s.field(path+".extension."+name, hexBytes(peek(body)), offset(body), body.Len())
		s.part("extension."+name, offset(body), body.Len())
		if !grease(kind) {
			s.tag(name)
		}
		s.extension(kind, body, path, h)
	}
	if r.Len() > 0 {
		s.malformed(offset(r), "extensions end in %d bytes that are none", r.Len())
	}
}

// Extensions whose content is read (RFC 6066, RFC 7301, RFC 8446).
const (
	extServerName = 0
	extAlgorithms = 13
	extALPN       = 16
	extVersions   = 43
)

func (s *sheet) extension(kind int, r *cursor.Reader, path string, h *hello) {
	switch kind {
	case extServerName:
		s.serverNames(r, path, h)
	case extALPN:
		list := s.vector(r, 2, "ALPN list")
		for list.Len() > 0 {
			p := s.vector(list, 1, "ALPN protocol")
			h.alpn = append(h.alpn, string(peek(p)))
			s.field(fmt.Sprintf("%s.alpn[%d]", path, len(h.alpn)-1), printable(peek(p)), offset(p), p.Len())
		}
		s.tag("alpn")
	case extAlgorithms:
		list := s.vector(r, 2, "signature algorithms")
		for list.Len() >= 2 {
			h.algorithms = append(h.algorithms, s.number(list, 2, fmt.Sprintf("%s.signature_algorithms[%d]", path, len(h.algorithms)), hex4))
		}
	case extVersions:
		if path == clientHelloPath {
			r = s.vector(r, 1, "supported versions")
		}
		for r.Len() >= 2 {
			h.versions = append(h.versions, s.number(r, 2, fmt.Sprintf("%s.supported_versions[%d]", path, len(h.versions)), versionName))
		}
	}
}

// serverNames reads the server name indication (RFC 6066, section 3). A server answers it empty.
func (s *sheet) serverNames(r *cursor.Reader, path string, h *hello) {
	s.tag("sni", "servername")
	if r.Len() == 0 {
		return
	}
	list := s.vector(r, 2, "server name list")
	for list.Len() > 0 {
		s.number(list, 1, path+".server_name_type", decimal)
		name := s.vector(list, 2, "server name")
		h.sni = printable(peek(name))
		s.field(path+".server_name", h.sni, offset(name), name.Len())
		s.part("server_name", offset(name), name.Len())
	}
}

func hex4(n int) string { return fmt.Sprintf("%04x", n) }

// isSSLv2Hello recognises a ClientHello in SSLv2's framing (RFC 5246, appendix E.2): a two-byte length
// with the top bit set, type 1, a version, and three lengths that add up.
func isSSLv2Hello(data []byte) bool {
	if len(data) < 11 || data[0]&0x80 == 0 || data[2] != 1 {
		return false
	}
	word := func(at int) int { return int(data[at])<<8 | int(data[at+1]) }
	version, suites, id, challenge := word(3), word(5), word(7), word(9)
	return (version == 2 || version>>8 == 3 && version&0xff <= 4) && suites%3 == 0 && suites > 0 &&
		word(0)&0x7fff == 9+suites+id+challenge
}

// sslv2Hello reads a ClientHello in SSLv2's framing.
func (s *sheet) sslv2Hello(data []byte) {
	r := open("SSLv2 hello", 0, data)
	s.number(r, 2, "record.length", func(n int) string { return decimal(n & 0x7fff) })
	s.number(r, 1, "handshake.type", func(int) string { return "ClientHello" })
	h := hello{version: s.number(r, 2, clientHelloPath+".version", versionName)}
	suites := s.number(r, 2, clientHelloPath+".cipher_suites_length", decimal)
	id := s.number(r, 2, clientHelloPath+".session_id_length", decimal)
	challenge := s.number(r, 2, clientHelloPath+".challenge_length", decimal)
	s.part("client_hello", 2, r.Len()+9)
	s.part("client_hello.body", 5, r.Len()+6)
	h.suites = s.suites(s.bounded(r, suites, "cipher_suites"), 3)
	rest := s.bounded(r, id, "session_id")
	s.field(clientHelloPath+".session_id", hexBytes(peek(rest)), offset(rest), rest.Len())
	rest = s.bounded(r, challenge, "challenge")
	s.field(clientHelloPath+".challenge", hexBytes(peek(rest)), offset(rest), rest.Len())
	s.part("challenge", offset(rest), rest.Len())
	s.helloSaid(h)
	s.said[len(s.said)-1] += ", SSLv2 framing"
	s.tag("tls", "ssl", "ssl2", "ssl23", "v2", "challenge")
}

// bounded gives a reader over the next n bytes, or as many as there are.
func (s *sheet) bounded(r *cursor.Reader, n int, name string) *cursor.Reader {
	if n > r.Len() {
		s.malformed(offset(r), "%s claims %d bytes, %d are there", name, n, r.Len())
		n = r.Len()
	}
	begin := offset(r)
	return open(name, begin, r.Bytes(uint64(n)))
}
