package dissect

import (
	"slices"
	"strings"
	"testing"
)

// handshakeOf is a handshake message.
func handshakeOf(kind byte, body string) string {
	return string([]byte{kind, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}) + body
}

func sized(width int, content string) string {
	n := []byte{byte(len(content) >> 16), byte(len(content) >> 8), byte(len(content))}
	return string(n[3-width:]) + content
}

func serverHelloOf(suite, extensions string) string {
	return handshakeOf(2, "\x03\x03"+strings.Repeat("r", 32)+"\x00"+suite+"\x00"+extensions)
}

var (
	ecdheRSA = "\xc0\x2f"
	exchange = handshakeOf(12, "\x03\x00\x17"+sized(1, strings.Repeat("p", 65))+"\x04\x01"+sized(2, strings.Repeat("s", 256)))
	agreed13 = "\x00\x06\x00\x2b\x00\x02\x03\x04"
)

// TestHandshakeMessagesAreReadByWhatWasAgreed gives each case's messages of the server, and fields of the last.
func TestHandshakeMessagesAreReadByWhatWasAgreed(t *testing.T) {
	certificate := handshakeOf(11, sized(3, sized(3, strings.Repeat("\x30\x00", 1000))))
	for name, c := range map[string]struct {
		messages  []string
		fields    map[string]string
		malformed bool
	}{
		"a key exchange": {[]string{tlsRecord(22, serverHelloOf(ecdheRSA, "")), tlsRecord(22, exchange)},
			map[string]string{"tls.handshake.server_named_curve": "secp256r1", "tls.handshake.sig_len": "256"}, false},
		"a key exchange without the hello": {[]string{tlsRecord(22, exchange)}, map[string]string{"tls.handshake.server_key_exchange": ""}, false},
		"a key exchange of a suite that nobody knows": {[]string{tlsRecord(22, serverHelloOf("\xee\xee", "")+exchange)},
			map[string]string{"tls.handshake.server_key_exchange": ""}, false},
		"a message that goes on in the next": {[]string{tlsRecord(22, serverHelloOf(ecdheRSA, "")+exchange[:100]), tlsRecord(22, exchange[100:]+handshakeOf(14, ""))},
			map[string]string{"tls.handshake.sig": ""}, false},
		"a record that goes on in the next": {[]string{tlsRecord(22, serverHelloOf(ecdheRSA, "")) + tlsRecord(22, exchange)[:60], tlsRecord(22, exchange)[60:] + tlsRecord(22, handshakeOf(14, ""))},
			map[string]string{"tls.handshake.sig_len": "256"}, false},
		"a message over records and messages": {[]string{tlsRecord(22, serverHelloOf(ecdheRSA, "")) + tlsRecord(22, exchange[:50]) + tlsRecord(22, exchange[50:200])[:20],
			tlsRecord(22, exchange[50:200])[20:] + tlsRecord(22, exchange[200:])}, map[string]string{"tls.handshake.sig_len": "256"}, false},
		"a message, and a header, that go on in the next": {[]string{tlsRecord(22, serverHelloOf(ecdheRSA, "")) + tlsRecord(22, exchange[:50]) + tlsRecord(22, exchange[50:])[:3],
			tlsRecord(22, exchange[50:])[3:]}, map[string]string{"tls.handshake.sig_len": "256"}, false},
		"a hello again, in two records": {[]string{tlsRecord(22, serverHelloOf("\x13\x01", agreed13)) + tlsRecord(20, "\x01") + tlsRecord(22, serverHelloOf("\x13\x01", agreed13)[:30]) +
			tlsRecord(22, serverHelloOf("\x13\x01", agreed13)[30:])}, map[string]string{"tls.handshake.ciphersuite": "AES_128_GCM_SHA256"}, false},
		"a certificate that is none": {[]string{tlsRecord(22, certificate)}, map[string]string{"tls.handshake.certificate": "2000 bytes"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var dialogue Dialogue
			var last Dissection
			for _, m := range c.messages {
				last = dialogue.Next([]byte(m), Hint{Transport: "tcp", Port: 443})
				checkRanges(t, last, len(m))
				if !c.malformed && slices.Contains(last.Tags, "malformed") {
					t.Errorf("%s: %v", last.Summary, last.Fields)
				}
			}
			for field, want := range c.fields {
				if got := pathField(t, last, field); want != "" && got != want {
					t.Errorf("%s is %q, want %q", field, got, want)
				}
			}
		})
	}
}

// A certificate in TLS 1.3 that is cut has a context first, and the rest is read with it.
func TestADecryptedMessageMayGoOn(t *testing.T) {
	var dialogue Dialogue
	dialogue.Next([]byte(tlsRecord(22, serverHelloOf("\x13\x01", agreed13))), Hint{Transport: "tcp", Port: 443})
	ticket := handshakeOf(4, "\x00\x00\x00\x3c"+"age!"+sized(1, "nonce")+sized(2, strings.Repeat("t", 500))+"\x00\x00")
	first := dialogue.Decrypted(22, []byte(ticket[:100]), false)
	rest := dialogue.Decrypted(22, []byte(ticket[100:]), false)
	checkRanges(t, first, 100)
	checkRanges(t, rest, len(ticket)-100)
	if got := pathField(t, first, "tls.handshake.session_ticket_nonce"); got != "6e6f6e6365" {
		t.Errorf("nonce %q", got)
	}
	if got := pathField(t, rest, "tls.handshake.extensions_length"); got != "0" || slices.Contains(rest.Tags, "malformed") {
		t.Errorf("%s: %v", rest.Summary, rest.Fields)
	}
}
