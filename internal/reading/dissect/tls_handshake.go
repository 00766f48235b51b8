package dissect

import (
	"bytes"
	"fmt"
	"slices"
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

// agreement is what the ServerHello told: how later messages are laid out hangs on it. Zero before it came, and where
// nobody captured it.
type agreement struct {
	version int
	suite   int
}

const tls12, tls13 = 0x303, 0x304

// speaks is the version that a handshake message is of. Before the ServerHello, and without it, the record tells: one of
// TLS 1.3 says 1.2, but of that version hardly anything else is in clear.
func (t *tlsRecords) speaks() int {
	if t.agreed.version != 0 {
		return t.agreed.version
	}
	return t.version
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
			t.opaque("tls.encrypted_handshake", "encrypted handshake message", at, len(rest))
			t.tag("handshake", "finished")
			return
		}
		at = t.handshake(name, data, at)
	}
}

// wholeMessages is how many bytes of a run of handshake messages those have that are whole.
func wholeMessages(run []byte) (n int) {
	for len(run)-n >= 4 {
		size := 4 + (int(run[n+1])<<16 | int(run[n+2])<<8 | int(run[n+3]))
		if size > len(run)-n {
			break
		}
		n += size
	}
	return n
}

// handshake reads one handshake message and returns where it ends.
func (t *tlsRecords) handshake(name string, data []byte, at int) int {
	r := open("handshake", at, data[at:])
	t.number(r, 1, "tls.handshake.type", func(int) string { return name })
	t.tag("handshake", words(name))
	t.handshakeAnswers(words(name), t.fromClient)
	if r.Len() < 3 {
		t.malformed(at, "%s is cut after %d bytes", name, len(data)-at)
		return len(data)
	}
	body := t.sized(r, 3, "tls.handshake.length")
	begin, length := offset(body), body.Len()
	t.part(snake(name), at, 4+length)
	t.part(snake(name)+".body", begin, length)
	t.message(name, body)
	if body.Err() != nil && !t.isMalformed() {
		t.malformed(begin+length, "%v", body.Err())
	}
	return begin + length
}

// message reads a handshake message's body, and says what it is.
func (t *tlsRecords) message(name string, body *cursor.Reader) {
	switch name {
	case "ClientHello":
		t.clientHello(body)
		return
	case "ServerHello":
		t.serverHello(body)
		return
	case "Certificate":
		t.certificates(body)
		return
	}
	t.say("%s", name)
	switch name {
	case "EncryptedExtensions":
		t.extensions(body, new(hello), inEncrypted)
	case "ServerKeyExchange":
		t.serverKeyExchange(body)
	case "ClientKeyExchange":
		t.clientKeyExchange(body)
	case "CertificateRequest":
		t.certificateRequest(body)
	case "CertificateVerify":
		t.signed(body, "tls.handshake.client_cert_vrfy.sig")
	case "CertificateStatus":
		t.certificateStatus(body)
	case "NewSessionTicket":
		t.newSessionTicket(body)
	case "KeyUpdate":
		t.number(body, 1, "tls.handshake.key_update.request_update", named(map[int]string{0: "update_not_requested", 1: "update_requested"}))
	case "CompressedCertificate":
		t.number(body, 2, "tls.compress_certificate.algorithm", named(compressionNames))
		t.number(body, 3, "tls.compress_certificate.uncompressed_length", decimal)
		t.raw(t.sized(body, 3, "tls.compress_certificate.compressed_certificate_message.length"), "tls.compress_certificate.compressed_certificate_message")
	case "NextProtocol":
		t.text(t.sized(body, 1, "tls.handshake.npn_selected_protocol_len"), "tls.handshake.npn_selected_protocol")
		t.raw(t.sized(body, 1, "tls.handshake.npn_padding_len"), "tls.handshake.npn_padding")
	case "Finished":
		t.raw(body, "tls.handshake.verify_data")
	default:
		t.raw(body, "tls.handshake."+snake(name))
	}
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

// sized keeps a length of width bytes and gives a reader over what it spans, or over what there is of it.
func (s *sheet) sized(r *cursor.Reader, width int, name string) *cursor.Reader {
	if r.Len() < width && r.Err() == nil {
		s.malformed(offset(r), "%s: expected %d bytes, %d are there", name, width, r.Len())
		s.raw(r, name)
		return open(name, offset(r), nil)
	}
	n := s.number(r, width, name, decimal)
	return s.bounded(r, n, name)
}

// raw keeps all that a reader has left, as bytes. What is empty is no field.
func (s *sheet) raw(r *cursor.Reader, name string) {
	if at, content := offset(r), r.Rest(); len(content) > 0 {
		s.field(name, hexBytes(content), at, len(content))
	}
}

// text keeps all that a reader has left, as text, and returns that as it is.
func (s *sheet) text(r *cursor.Reader, name string) string {
	at, content := offset(r), r.Rest()
	s.field(name, printable(content), at, len(content))
	return string(content)
}

// bytes keeps the next n bytes.
func (s *sheet) bytes(r *cursor.Reader, n int, name string) []byte {
	at := offset(r)
	content := r.Bytes(uint64(n))
	if content != nil {
		s.field(name, hexBytes(content), at, n)
	}
	return content
}

// numbers keeps all that a reader has left, as numbers of width bytes.
func (s *sheet) numbers(r *cursor.Reader, width int, name string, says func(int) string) (list []int) {
	for r.Len() >= width && !s.full() {
		list = append(list, s.number(r, width, name, says))
	}
	if r.Len() > 0 && !s.full() {
		s.malformed(offset(r), "a list of numbers of %d bytes ends in %d bytes more: %s", width, r.Len(), name)
	}
	return list
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

// clientHello reads a ClientHello (RFC 8446, section 4.1.2).
func (t *tlsRecords) clientHello(r *cursor.Reader) {
	begin, length := offset(r), r.Len()
	var h hello
	h.version = t.number(r, 2, "tls.handshake.version", versionName)
	t.random(r)
	t.raw(t.sized(r, 1, "tls.handshake.session_id_length"), "tls.handshake.session_id")
	list := t.sized(r, 2, "tls.handshake.cipher_suites_length")
	t.part("cipher_suites", offset(list), list.Len())
	h.suites = t.numbers(list, 2, "tls.handshake.ciphersuite", suiteName)
	t.numbers(t.sized(r, 1, "tls.handshake.comp_methods_length"), 1, "tls.handshake.comp_method", named(methodNames))
	t.extensions(r, &h, inClientHello)
	if slices.Contains(h.extensions, extEarlyData) { // and may go on in TLS 1.3 before it hears that
		t.agreed.version = tls13
	}
	t.field("tls.handshake.ja4", h.ja4(), begin, length)
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
func (s *sheet) random(r *cursor.Reader) []byte {
	at := offset(r)
	s.part("random", at, min(32, r.Len()))
	return s.bytes(r, 32, "tls.handshake.random")
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

// IsRetry says whether a ServerHello's random is that of one that asks for another ClientHello (RFC 8446, section 4.1.3).
func IsRetry(random []byte) bool { return bytes.Equal(random, retry) }

var retry = []byte("\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c")

// serverHello reads a ServerHello (RFC 8446, section 4.1.3).
func (t *tlsRecords) serverHello(r *cursor.Reader) {
	name, in := "ServerHello", inServerHello
	h := hello{version: t.number(r, 2, "tls.handshake.version", versionName)}
	if IsRetry(t.random(r)) {
		name, in = "HelloRetryRequest", inRetry
		t.tag(words(name))
	}
	t.raw(t.sized(r, 1, "tls.handshake.session_id_length"), "tls.handshake.session_id")
	suite := t.number(r, 2, "tls.handshake.ciphersuite", suiteName)
	t.number(r, 1, "tls.handshake.comp_method", named(methodNames))
	t.extensions(r, &h, in)
	*t.agreed = agreement{version: h.best(), suite: suite}
	t.say("%s, %s, %s", name, versionName(h.best()), suiteName(suite))
	t.tag("cipher")
}

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
	s.number(r, 2, "tls.record.length", func(n int) string { return decimal(n & 0x7fff) })
	s.number(r, 1, "tls.handshake.type", func(int) string { return "ClientHello" })
	h := hello{version: s.number(r, 2, "tls.handshake.version", versionName)}
	suites := s.number(r, 2, "tls.handshake.cipher_spec_len", decimal)
	id := s.number(r, 2, "tls.handshake.session_id_length", decimal)
	challenge := s.number(r, 2, "tls.handshake.challenge_length", decimal)
	s.part("client_hello", 2, r.Len()+9)
	s.part("client_hello.body", 5, r.Len()+6)
	s.part("cipher_suites", offset(r), min(suites, r.Len()))
	h.suites = s.numbers(s.bounded(r, suites, "cipher_specs"), 3, "tls.handshake.cipherspec", suiteName)
	s.raw(s.bounded(r, id, "session_id"), "tls.handshake.session_id")
	rest := s.bounded(r, challenge, "challenge")
	s.part("challenge", offset(rest), rest.Len())
	s.raw(rest, "tls.handshake.challenge")
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
