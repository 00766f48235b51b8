package dissect

import (
	"fmt"
	"time"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// place is the handshake message that an extension stands in: some look otherwise in an offer than in its answer.
type place int

const (
	inClientHello place = iota
	inServerHello
	inRetry
	inEncrypted
	inCertificate
	inRequest
	inTicket
)

// extensions reads a message's extensions, if it has any (RFC 8446, section 4.2), and into h what a summary and JA4 need.
func (s *sheet) extensions(r *cursor.Reader, h *hello, in place) {
	if r.Len() == 0 {
		return
	}
	list := s.sized(r, 2, "tls.handshake.extensions_length")
	for list.Len() >= 4 && !s.full() {
		kind := s.number(list, 2, "tls.handshake.extension.type", extensionName)
		body := s.sized(list, 2, "tls.handshake.extension.len")
		h.extensions = append(h.extensions, kind)
		s.part("extension."+extensionName(kind), offset(body), body.Len())
		if !grease(kind) {
			s.tag(extensionName(kind))
		}
		if read := extensionForms[kind]; read != nil && body.Len() > 0 {
			begin, whole := offset(body), peek(body)
			if read(s, body, h, in); body.Err() != nil {
				s.malformed(begin, "%s ends early, after %d bytes", extensionName(kind), len(whole))
				s.field("tls.handshake.extension.data", hexBytes(whole), begin, len(whole))
			}
		}
		s.raw(body, "tls.handshake.extension.data")
	}
	if list.Len() > 0 && !s.full() {
		s.malformed(offset(list), "extensions end in %d bytes that are none", list.Len())
	}
}

// Extensions that more hangs on than what they hold.
const (
	extServerName = 0
	extALPN       = 16
	extEarlyData  = 42
)

// extensionForms read what extensions hold, those of which more is known than that they are there: RFC 6066, RFC 7301,
// RFC 8446, section 4.2, and the extensions' own as IANA's registry "TLS ExtensionType Values" names them. What they leave is
// kept as bytes.
var extensionForms = map[int]func(s *sheet, r *cursor.Reader, h *hello, in place){
	extServerName: (*sheet).serverNames,
	1: func(s *sheet, r *cursor.Reader, _ *hello, _ place) {
		s.number(r, 1, "tls.handshake.max_fragment_length", named(map[int]string{1: "512", 2: "1024", 3: "2048", 4: "4096"}))
	},
	5: (*sheet).statusRequest,
	9: certificateTypes, 19: certificateTypes, 20: certificateTypes,
	10: func(s *sheet, r *cursor.Reader, _ *hello, _ place) {
		s.numbers(s.sized(r, 2, "tls.handshake.extensions_supported_groups_length"), 2, "tls.handshake.extensions_supported_group", groupName)
	},
	11: func(s *sheet, r *cursor.Reader, _ *hello, _ place) {
		s.numbers(s.sized(r, 1, "tls.handshake.extensions_ec_point_formats_length"), 1, "tls.handshake.extensions_ec_point_format",
			named(map[int]string{0: "uncompressed", 1: "ansiX962_compressed_prime", 2: "ansiX962_compressed_char2"}))
	},
	12: func(s *sheet, r *cursor.Reader, _ *hello, _ place) {
		s.text(s.sized(r, 1, "tls.handshake.extensions_srp_len"), "tls.handshake.extensions_srp_username")
	},
	13: func(s *sheet, r *cursor.Reader, h *hello, _ place) { h.algorithms = s.algorithms(r) },
	14: func(s *sheet, r *cursor.Reader, _ *hello, _ place) { // RFC 5764, section 4.1.1
		s.numbers(s.sized(r, 2, "dtls.use_srtp.protection_profiles_length"), 2, "dtls.use_srtp.protection_profile", hex4)
		s.raw(s.sized(r, 1, "dtls.use_srtp.mki_length"), "dtls.use_srtp.mki")
	},
	15: func(s *sheet, r *cursor.Reader, _ *hello, _ place) {
		s.number(r, 1, "tls.handshake.extension.heartbeat.mode", named(map[int]string{1: "allowed to send", 2: "not allowed to send"}))
	},
	extALPN: func(s *sheet, r *cursor.Reader, h *hello, _ place) {
		s.tag("alpn")
		for list := s.sized(r, 2, "tls.handshake.extensions_alpn_len"); list.Len() > 0 && !s.full(); {
			h.alpn = append(h.alpn, s.text(s.sized(list, 1, "tls.handshake.extensions_alpn_str_len"), "tls.handshake.extensions_alpn_str"))
		}
	},
	17: func(s *sheet, r *cursor.Reader, _ *hello, _ place) {
		for list := s.sized(r, 2, "tls.handshake.extensions_status_request_list_len"); list.Len() > 0 && !s.full(); {
			s.statusType(list)
			s.statusAsked(s.sized(list, 2, "tls.handshake.extensions_status_request_len"))
		}
	},
	18: (*sheet).timestamps,
	21: func(s *sheet, r *cursor.Reader, _ *hello, _ place) { s.raw(r, "tls.handshake.extensions_padding_data") },
	27: func(s *sheet, r *cursor.Reader, _ *hello, _ place) {
		s.numbers(s.sized(r, 1, "tls.compress_certificate.algorithms_length"), 2, "tls.compress_certificate.algorithm", named(compressionNames))
	},
	28: func(s *sheet, r *cursor.Reader, _ *hello, _ place) { s.number(r, 2, "tls.record_size_limit", decimal) },
	34: func(s *sheet, r *cursor.Reader, _ *hello, in place) {
		if in == inClientHello {
			s.algorithms(r)
		}
	},
	41: (*sheet).preShared,
	extEarlyData: func(s *sheet, r *cursor.Reader, _ *hello, _ place) { // in a ticket
		s.number(r, 4, "tls.early_data.max_early_data_size", decimal)
	},
	43: func(s *sheet, r *cursor.Reader, h *hello, in place) {
		if in == inClientHello {
			r = s.sized(r, 1, "tls.handshake.extensions.supported_versions_len")
		}
		h.versions = s.numbers(r, 2, "tls.handshake.extensions.supported_version", versionName)
	},
	44: func(s *sheet, r *cursor.Reader, _ *hello, _ place) {
		s.raw(s.sized(r, 2, "tls.handshake.extensions.cookie_len"), "tls.handshake.extensions.cookie")
	},
	45: func(s *sheet, r *cursor.Reader, _ *hello, _ place) {
		s.numbers(s.sized(r, 1, "tls.extension.psk_ke_modes_length"), 1, "tls.extension.psk_ke_mode", named(map[int]string{0: "psk_ke", 1: "psk_dhe_ke"}))
	},
	47: func(s *sheet, r *cursor.Reader, _ *hello, _ place) { s.authorities(r) },
	50: func(s *sheet, r *cursor.Reader, _ *hello, _ place) { s.algorithms(r) },
	51: (*sheet).keyShares,
	54: func(s *sheet, r *cursor.Reader, _ *hello, _ place) {
		s.raw(s.sized(r, 1, "tls.connection_id_length"), "tls.connection_id")
	},
	17513: func(s *sheet, r *cursor.Reader, _ *hello, in place) {
		if in != inClientHello {
			s.raw(r, "tls.handshake.extensions_alps.settings")
			return
		}
		for list := s.sized(r, 2, "tls.handshake.extensions_alps_len"); list.Len() > 0 && !s.full(); {
			s.text(s.sized(list, 1, "tls.handshake.extensions_alps_alpn_str_len"), "tls.handshake.extensions_alps_alpn_str")
		}
	},
	13172: func(s *sheet, r *cursor.Reader, _ *hello, _ place) { // the server's (draft-agl-tls-nextprotoneg-04)
		for r.Len() > 0 && !s.full() {
			s.text(s.sized(r, 1, "tls.handshake.extensions_npn_str_len"), "tls.handshake.extensions_npn")
		}
	},
	65281: func(s *sheet, r *cursor.Reader, _ *hello, _ place) {
		s.raw(s.sized(r, 1, "tls.handshake.extensions_reneg_info_len"), "tls.handshake.extensions_reneg_info")
	},
}

// serverNames reads the server name indication (RFC 6066, section 3). A server answers it empty.
func (s *sheet) serverNames(r *cursor.Reader, h *hello, _ place) {
	s.tag("sni", "servername")
	for list := s.sized(r, 2, "tls.handshake.extensions_server_name_list_len"); list.Len() > 0 && !s.full(); {
		s.number(list, 1, "tls.handshake.extensions_server_name_type", named(map[int]string{0: "host_name"}))
		name := s.sized(list, 2, "tls.handshake.extensions_server_name_len")
		s.part("server_name", offset(name), name.Len())
		h.sni = printable([]byte(s.text(name, "tls.handshake.extensions_server_name")))
	}
}

// certificateTypes reads which kinds of certificates are understood: an offer is a list, an answer one of it (RFC 7250).
func certificateTypes(s *sheet, r *cursor.Reader, _ *hello, in place) {
	if in == inClientHello {
		r = s.sized(r, 1, "tls.handshake.cert_type.types_len")
	}
	s.numbers(r, 1, "tls.handshake.cert_type.type", named(map[int]string{0: "X.509", 1: "OpenPGP", 2: "Raw Public Key", 3: "1609Dot2"}))
}

// algorithms reads a list of signature algorithms with its length.
func (s *sheet) algorithms(r *cursor.Reader) []int {
	return s.numbers(s.sized(r, 2, "tls.handshake.sig_hash_alg_len"), 2, "tls.handshake.sig_hash_alg", algorithmName)
}

// statusRequest asks for the certificate's status (RFC 6066, section 8). In TLS 1.3 the answer stands beside the certificate.
func (s *sheet) statusRequest(r *cursor.Reader, _ *hello, in place) {
	switch in {
	case inCertificate:
		s.certificateStatus(r)
	case inClientHello, inRequest:
		s.statusType(r)
		s.statusAsked(r)
	}
}

func (s *sheet) statusType(r *cursor.Reader) int {
	return s.number(r, 1, "tls.handshake.extensions_status_request_type", named(map[int]string{1: "ocsp", 2: "ocsp_multi"}))
}

func (s *sheet) statusAsked(r *cursor.Reader) {
	s.raw(s.sized(r, 2, "tls.handshake.extensions_status_request_responder_ids_len"), "tls.handshake.extensions_status_request_responder_ids")
	s.raw(s.sized(r, 2, "tls.handshake.extensions_status_request_exts_len"), "tls.handshake.extensions_status_request_exts")
}

// timestamps reads signed certificate timestamps (RFC 6962, section 3.3).
func (s *sheet) timestamps(r *cursor.Reader, _ *hello, _ place) {
	for list := s.sized(r, 2, "tls.sct.scts_length"); list.Len() > 0 && !s.full(); {
		sct := s.sized(list, 2, "tls.sct.sct_length")
		s.number(sct, 1, "tls.sct.sct_version", decimal)
		s.bytes(sct, 32, "tls.sct.sct_logid")
		s.number(sct, 8, "tls.sct.sct_timestamp", func(ms int) string { return time.UnixMilli(int64(ms)).UTC().Format(time.RFC3339Nano) })
		s.raw(s.sized(sct, 2, "tls.sct.sct_extensions_length"), "tls.sct.sct_extensions")
		s.number(sct, 2, "tls.handshake.sig_hash_alg", algorithmName)
		s.raw(s.sized(sct, 2, "tls.sct.sct_signature_length"), "tls.sct.sct_signature")
	}
}

// preShared reads which keys the client has, with proofs of it, or which one the server takes (RFC 8446, section 4.2.11).
func (s *sheet) preShared(r *cursor.Reader, _ *hello, in place) {
	if in != inClientHello {
		s.number(r, 2, "tls.handshake.extensions.psk.identity.selected", decimal)
		return
	}
	for list := s.sized(r, 2, "tls.handshake.extensions.psk.identities.length"); list.Len() > 0 && !s.full(); {
		s.raw(s.sized(list, 2, "tls.handshake.extensions.psk.identity.identity_length"), "tls.handshake.extensions.psk.identity.identity")
		s.number(list, 4, "tls.handshake.extensions.psk.identity.obfuscated_ticket_age", decimal)
	}
	s.raw(s.sized(r, 2, "tls.handshake.extensions.psk.binders_len"), "tls.handshake.extensions.psk.binders")
}

// keyShares reads a side's public keys (RFC 8446, section 4.2.8); a retry only names the group that is wanted.
func (s *sheet) keyShares(r *cursor.Reader, _ *hello, in place) {
	switch in {
	case inRetry:
		s.number(r, 2, "tls.handshake.extensions_key_share_selected_group", groupName)
		return
	case inClientHello:
		r = s.sized(r, 2, "tls.handshake.extensions_key_share_client_length")
	}
	for r.Len() > 0 && !s.full() {
		s.number(r, 2, "tls.handshake.extensions_key_share_group", groupName)
		s.raw(s.sized(r, 2, "tls.handshake.extensions_key_share_key_exchange_length"), "tls.handshake.extensions_key_share_key_exchange")
	}
}

// authorities reads the names of those whose certificates are taken.
func (s *sheet) authorities(r *cursor.Reader) {
	list := s.sized(r, 2, "tls.handshake.dnames_len")
	for list.Len() > 0 && !s.full() {
		name := s.sized(list, 2, "tls.handshake.dname_len")
		at, length := offset(name), name.Len()
		s.field("tls.handshake.dname", s.distinguishedName(name), at, length)
	}
}

func algorithmName(n int) string { return registered(algorithmNames, n) }

func groupName(n int) string { return registered(groupNames, n) }

// registered is a code point's name, or itself.
func registered(names map[int]string, n int) string {
	switch name := names[n]; {
	case name != "":
		return name
	case grease(n):
		return "GREASE"
	}
	return hex4(n)
}

func hex4(n int) string { return fmt.Sprintf("%04x", n) }
