package dissect

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// suiteList has a line a suite: its code in hexadecimal and its name without "TLS_", as in IANA's registry
// "TLS Cipher Suites", and with the few that were in use without being registered.
//
//go:embed ciphersuites.txt
var suiteList string

var suites = sync.OnceValue(func() map[int]string {
	m := map[int]string{}
	for line := range strings.Lines(suiteList) {
		code, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, _ := strconv.ParseUint(code, 16, 16)
		m[int(n)] = name
	}
	return m
})

// suiteName names a cipher suite: of TLS in two bytes, in SSLv2's framing in three, where those of TLS
// have a zero in front (RFC 5246, appendix E.2).
func suiteName(n int) string {
	if n > 0xffff {
		if name := ssl2Suites[n]; name != "" {
			return name
		}
		return fmt.Sprintf("0x%06x", n)
	}
	if name := suites()[n]; name != "" {
		return name
	}
	if grease(n) {
		return "GREASE"
	}
	return fmt.Sprintf("0x%04x", n)
}

// SuiteName is the name of a TLS cipher suite without its "TLS_", as IANA registers it: it tells how records
// are protected.
func SuiteName(suite uint16) string { return suiteName(int(suite)) }

// ssl2Suites are SSLv2's own (draft-hickman-netscape-ssl-00, section C.4).
var ssl2Suites = map[int]string{
	0x010080: "SSL2_RC4_128_WITH_MD5", 0x020080: "SSL2_RC4_128_EXPORT40_WITH_MD5",
	0x030080: "SSL2_RC2_CBC_128_CBC_WITH_MD5", 0x040080: "SSL2_RC2_CBC_128_CBC_EXPORT40_WITH_MD5",
	0x050080: "SSL2_IDEA_128_CBC_WITH_MD5", 0x060040: "SSL2_DES_64_CBC_WITH_MD5",
	0x0700c0: "SSL2_DES_192_EDE3_CBC_WITH_MD5",
}

// grease says whether a code point is one of those that mean nothing (RFC 8701).
func grease(n int) bool { return n&0x0f0f == 0x0a0a && n>>8 == n&0xff }

// VersionName is a protocol version as the wire has it, as people call it: "TLS 1.2".
func VersionName(version uint16) string { return versionName(int(version)) }

func versionName(n int) string {
	switch {
	case n == 2:
		return "SSL 2.0"
	case n == 0x300:
		return "SSL 3.0"
	case n > 0x300 && n <= 0x304:
		return fmt.Sprintf("TLS 1.%d", n-0x301)
	case grease(n):
		return "GREASE"
	}
	return fmt.Sprintf("version 0x%04x", n)
}

// extensionNames are those of IANA's registry "TLS ExtensionType Values" and a few of browsers' own.
var extensionNames = map[int]string{
	0: "server_name", 1: "max_fragment_length", 2: "client_certificate_url", 3: "trusted_ca_keys", 4: "truncated_hmac",
	5: "status_request", 6: "user_mapping", 7: "client_authz", 8: "server_authz", 9: "cert_type", 10: "supported_groups",
	11: "ec_point_formats", 12: "srp", 13: "signature_algorithms", 14: "use_srtp", 15: "heartbeat",
	16: "application_layer_protocol_negotiation", 17: "status_request_v2", 18: "signed_certificate_timestamp",
	19: "client_certificate_type", 20: "server_certificate_type", 21: "padding", 22: "encrypt_then_mac",
	23: "extended_master_secret", 24: "token_binding", 25: "cached_info", 27: "compress_certificate",
	28: "record_size_limit", 34: "delegated_credential", 35: "session_ticket", 41: "pre_shared_key", 42: "early_data",
	43: "supported_versions", 44: "cookie", 45: "psk_key_exchange_modes", 47: "certificate_authorities", 48: "oid_filters",
	49: "post_handshake_auth", 50: "signature_algorithms_cert", 51: "key_share", 54: "connection_id",
	57: "quic_transport_parameters", 58: "ticket_request", 13172: "next_protocol_negotiation",
	17513: "application_settings", 30032: "channel_id", 65037: "encrypted_client_hello", 65281: "renegotiation_info",
}

func extensionName(n int) string {
	if name := extensionNames[n]; name != "" {
		return name
	}
	if grease(n) {
		return "grease"
	}
	return fmt.Sprintf("0x%04x", n)
}

// groupNames are those of IANA's registry "TLS Supported Groups" that are in use.
var groupNames = map[int]string{
	1: "sect163k1", 2: "sect163r1", 3: "sect163r2", 4: "sect193r1", 5: "sect193r2", 6: "sect233k1", 7: "sect233r1", 8: "sect239k1",
	9: "sect283k1", 10: "sect283r1", 11: "sect409k1", 12: "sect409r1", 13: "sect571k1", 14: "sect571r1", 15: "secp160k1",
	16: "secp160r1", 17: "secp160r2", 18: "secp192k1", 19: "secp192r1", 20: "secp224k1", 21: "secp224r1", 22: "secp256k1",
	23: "secp256r1", 24: "secp384r1", 25: "secp521r1", 26: "brainpoolP256r1", 27: "brainpoolP384r1", 28: "brainpoolP512r1",
	29: "x25519", 30: "x448", 256: "ffdhe2048", 257: "ffdhe3072", 258: "ffdhe4096", 259: "ffdhe6144", 260: "ffdhe8192",
	512: "MLKEM512", 513: "MLKEM768", 514: "MLKEM1024", 4587: "SecP256r1MLKEM768", 4588: "X25519MLKEM768",
	4589: "SecP384r1MLKEM1024", 25497: "X25519Kyber768Draft00",
}

// algorithmNames are those of IANA's registry "TLS SignatureScheme"; those before TLS 1.3 are a hash and a signature.
var algorithmNames = map[int]string{
	0x0201: "rsa_pkcs1_sha1", 0x0202: "SHA1 DSA", 0x0203: "ecdsa_sha1", 0x0301: "SHA224 RSA", 0x0302: "SHA224 DSA", 0x0303: "SHA224 ECDSA",
	0x0401: "rsa_pkcs1_sha256", 0x0402: "SHA256 DSA", 0x0403: "ecdsa_secp256r1_sha256", 0x0501: "rsa_pkcs1_sha384", 0x0502: "SHA384 DSA",
	0x0503: "ecdsa_secp384r1_sha384", 0x0601: "rsa_pkcs1_sha512", 0x0602: "SHA512 DSA", 0x0603: "ecdsa_secp521r1_sha512",
	0x0804: "rsa_pss_rsae_sha256", 0x0805: "rsa_pss_rsae_sha384", 0x0806: "rsa_pss_rsae_sha512", 0x0807: "ed25519", 0x0808: "ed448",
	0x0809: "rsa_pss_pss_sha256", 0x080a: "rsa_pss_pss_sha384", 0x080b: "rsa_pss_pss_sha512", 0x081a: "ecdsa_brainpoolP256r1tls13_sha256",
	0x081b: "ecdsa_brainpoolP384r1tls13_sha384", 0x081c: "ecdsa_brainpoolP512r1tls13_sha512", 0x0904: "mldsa44", 0x0905: "mldsa65", 0x0906: "mldsa87",
}

// methodNames are the compression methods of messages, compressionNames those of certificates (RFC 8879).
var (
	methodNames      = map[int]string{0: "null", 1: "DEFLATE", 64: "LZS"}
	compressionNames = map[int]string{1: "zlib", 2: "brotli", 3: "zstd"}
)

// alertNames are those of IANA's registry "TLS Alerts".
var alertNames = map[int]string{
	0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 21: "decryption_failed", 22: "record_overflow",
	30: "decompression_failure", 40: "handshake_failure", 41: "no_certificate", 42: "bad_certificate",
	43: "unsupported_certificate", 44: "certificate_revoked", 45: "certificate_expired", 46: "certificate_unknown",
	47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied", 50: "decode_error", 51: "decrypt_error",
	60: "export_restriction", 70: "protocol_version", 71: "insufficient_security", 80: "internal_error",
	86: "inappropriate_fallback", 90: "user_canceled", 100: "no_renegotiation", 109: "missing_extension",
	110: "unsupported_extension", 112: "unrecognized_name", 113: "bad_certificate_status_response",
	115: "unknown_psk_identity", 116: "certificate_required", 120: "no_application_protocol",
}

func alertName(n int) string {
	if name := alertNames[n]; name != "" {
		return name
	}
	return fmt.Sprintf("alert %d", n)
}
