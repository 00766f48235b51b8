package dissect

import (
	"fmt"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// exchange is how keys are exchanged, by the name of the suite that was agreed upon: "ECDHE_RSA_WITH_…". It is empty where
// nobody knows, and in TLS 1.3, whose suites don't tell.
func (a *agreement) exchange() string {
	name, _, told := strings.Cut(suiteName(a.suite), "_WITH_")
	if !told || a.version == 0 {
		return ""
	}
	return name
}

// serverKeyExchange reads what the server gives for the keys (RFC 5246, section 7.4.3; RFC 8422, section 5.4; RFC 4279,
// RFC 5489), which it signs unless nobody needs to know who it is.
func (t *tlsRecords) serverKeyExchange(r *cursor.Reader) {
	const namedCurve = 3
	kind := t.agreed.exchange()
	if strings.Contains(kind, "PSK") {
		t.raw(t.sized(r, 2, "tls.handshake.hint_len"), "tls.handshake.hint")
	}
	signs := !strings.Contains(kind, "PSK") && !strings.Contains(kind, "anon")
	switch {
	case strings.HasPrefix(kind, "ECDH"):
		curve := t.number(r, 1, "tls.handshake.server_curve_type", named(map[int]string{1: "explicit_prime", 2: "explicit_char2", namedCurve: "named_curve"}))
		if signs = signs && curve == namedCurve; curve == namedCurve {
			t.number(r, 2, "tls.handshake.server_named_curve", groupName)
			t.raw(t.sized(r, 1, "tls.handshake.server_point_len"), "tls.handshake.server_point")
		}
	case strings.HasPrefix(kind, "DH"):
		t.raw(t.sized(r, 2, "tls.handshake.p_len"), "tls.handshake.p")
		t.raw(t.sized(r, 2, "tls.handshake.g_len"), "tls.handshake.g")
		t.raw(t.sized(r, 2, "tls.handshake.ys_len"), "tls.handshake.ys")
	case strings.HasPrefix(kind, "RSA_EXPORT"):
		t.raw(t.sized(r, 2, "tls.handshake.modulus_len"), "tls.handshake.modulus")
		t.raw(t.sized(r, 2, "tls.handshake.exponent_len"), "tls.handshake.exponent")
	default:
		signs = false
	}
	if signs && r.Len() > 0 {
		t.signed(r, "tls.handshake.sig")
	}
	t.raw(r, "tls.handshake.server_key_exchange")
}

// clientKeyExchange reads what the client gives for the keys (RFC 5246, section 7.4.7, and the same as above).
func (t *tlsRecords) clientKeyExchange(r *cursor.Reader) {
	kind := t.agreed.exchange()
	if strings.Contains(kind, "PSK") {
		t.raw(t.sized(r, 2, "tls.handshake.identity_len"), "tls.handshake.identity")
	}
	switch {
	case strings.HasPrefix(kind, "ECDH"):
		t.raw(t.sized(r, 1, "tls.handshake.client_point_len"), "tls.handshake.client_point")
	case strings.HasPrefix(kind, "DH"):
		t.raw(t.sized(r, 2, "tls.handshake.yc_len"), "tls.handshake.yc")
	case strings.HasPrefix(kind, "RSA") && t.speaks() > 0x300: // SSL 3.0 has no length there
		t.raw(t.sized(r, 2, "tls.handshake.epms_len"), "tls.handshake.epms")
	case strings.HasPrefix(kind, "RSA"):
		t.raw(r, "tls.handshake.epms")
	}
	t.raw(r, "tls.handshake.client_key_exchange")
}

// signed reads a signature, from TLS 1.2 on with its algorithm.
func (t *tlsRecords) signed(r *cursor.Reader, name string) {
	if t.speaks() >= tls12 {
		t.number(r, 2, "tls.handshake.sig_hash_alg", algorithmName)
	}
	t.raw(t.sized(r, 2, name+"_len"), name)
}

// certificateRequest reads what certificates of the client's are taken (RFC 8446, section 4.3.2; RFC 5246, section 7.4.4).
func (t *tlsRecords) certificateRequest(r *cursor.Reader) {
	if t.speaks() >= tls13 {
		t.raw(t.sized(r, 1, "tls.handshake.certificate_request_context_length"), "tls.handshake.certificate_request_context")
		t.extensions(r, new(hello), inRequest)
		return
	}
	t.numbers(t.sized(r, 1, "tls.handshake.cert_types_count"), 1, "tls.handshake.cert_type",
		named(map[int]string{1: "RSA Sign", 2: "DSS Sign", 3: "RSA Fixed DH", 4: "DSS Fixed DH", 64: "ECDSA Sign", 65: "RSA Fixed ECDH", 66: "ECDSA Fixed ECDH"}))
	if t.speaks() >= tls12 {
		t.algorithms(r)
	}
	t.authorities(r)
}

// certificates reads the list of a Certificate message: up to TLS 1.2 (RFC 5246, section 7.4.2) it is all, in TLS 1.3
// (RFC 8446, section 4.4.2) a context stands before it, and extensions behind each certificate. Where nobody knows the
// version, the layout tells which.
func (t *tlsRecords) certificates(r *cursor.Reader) {
	all := peek(r)
	fills := func(at int) bool { // the list's length leads to the end
		return len(all) >= at+3 && int(all[at])<<16|int(all[at+1])<<8|int(all[at+2]) == len(all)-at-3
	}
	inTLS13 := t.agreed.version >= tls13 || t.agreed.version == 0 && len(all) > 0 && !fills(0) && fills(1+int(all[0]))
	if inTLS13 {
		t.raw(t.sized(r, 1, "tls.handshake.certificate_request_context_length"), "tls.handshake.certificate_request_context")
	}
	list := t.sized(r, 3, "tls.handshake.certificates_length")
	n, whose := 0, ""
	for list.Len() >= 3 && !t.full() {
		c := t.sized(list, 3, "tls.handshake.certificate_length")
		t.part("certificate", offset(c), c.Len())
		t.field("tls.handshake.certificate", count(c.Len(), "byte"), offset(c), c.Len())
		if c.Len() > 0 {
			if subject := t.certificate(c); n == 0 && subject != "" {
				whose = " of " + subject
			}
		}
		if inTLS13 {
			t.extensions(list, new(hello), inCertificate)
		}
		n++
	}
	t.say("%s", fmt.Sprintf("Certificate%s (%d in the chain)", whose, n))
	t.tag("cert", "x509")
}

// certificateStatus reads a stapled answer on the certificate (RFC 6066, section 8; RFC 6961).
func (s *sheet) certificateStatus(r *cursor.Reader) {
	if s.statusType(r) == 2 {
		for list := s.sized(r, 3, "tls.handshake.ocsp_response_list_len"); list.Len() >= 3 && !s.full(); {
			s.ocspResponse(s.sized(list, 3, "tls.handshake.ocsp_response_len"))
		}
		return
	}
	s.ocspResponse(s.sized(r, 3, "tls.handshake.ocsp_response_len"))
}

// newSessionTicket reads a ticket (RFC 8446, section 4.6.1; RFC 5077, section 3.3).
func (t *tlsRecords) newSessionTicket(r *cursor.Reader) {
	t.number(r, 4, "tls.handshake.session_ticket_lifetime_hint", func(n int) string { return count(n, "second") })
	if t.speaks() < tls13 {
		t.raw(t.sized(r, 2, "tls.handshake.session_ticket_length"), "tls.handshake.session_ticket")
		return
	}
	t.number(r, 4, "tls.handshake.session_ticket_age_add", decimal)
	t.raw(t.sized(r, 1, "tls.handshake.session_ticket_nonce_length"), "tls.handshake.session_ticket_nonce")
	t.raw(t.sized(r, 2, "tls.handshake.session_ticket_length"), "tls.handshake.session_ticket")
	t.extensions(r, new(hello), inTicket)
}
