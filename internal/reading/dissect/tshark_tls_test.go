package dissect_test

import (
	"encoding/hex"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/evidence"
	"github.com/inquest-project/inquest/internal/reading"
	"github.com/inquest-project/inquest/internal/reading/conversation"
	"github.com/inquest-project/inquest/internal/reading/pdmltest"
	"github.com/inquest-project/inquest/internal/reasoning/weigh"
)

// tlsCompared are the fields that are held against tshark's.
var tlsCompared = regexp.MustCompile(`^(tls|x509\w+|pkcs1|pkix1\w+|ocsp)\.`)

// tlsUnseen are fields that only one of both has, or that tshark gives no bytes: what holds others, what is computed, and
// a hello's random and a signature's algorithm once more in halves.
var tlsUnseen = regexp.MustCompile(`^(tls\.(change_cipher_spec|encrypted_\w+|handshake\.(challenge|ja4|dname|verify_data|extensions\.psk\.binders|` +
	`extensions_status_request_(exts|responder_ids)|random_time|random_bytes|sig_hash_hash|sig_hash_sig|fragment))|` +
	`ocsp\.(certStatus|certs|responderID|responseExtensions|responses|ReOcspNonce|extnValue)|pkcs1\.ECParameters|` +
	`pkix1explicit\.Features|pkix1implicit\.(AuthorityInfoAccessSyntax|accessLocation)|x509af\.(extensions|extnValue|notAfter|notBefore|rdnSequence)|` +
	`x509ce\.(CRLDistPointsSyntax|CertificatePoliciesSyntax|GeneralNames?|KeyPurposeIDs|base|distributionPoint|fullName|permittedSubtrees)|` +
	`x509if\.(RDNSequence_item|rdnSequence)|x509sat\.DirectoryString)$`)

// tlsOutside are fields of what is opened: tshark has those of the records too, we then tell only what they held.
var tlsOutside = regexp.MustCompile(`^tls\.(record\.|app_data)`)

// tlsNames are names that we say otherwise: a distinguished name, of which tshark tells only which kind of name it is.
var tlsNames = regexp.MustCompile(`^(x509af\.(issuer|subject)|ocsp\.byName)$`)

// tlsExchange is what tshark 4.0 does not read where a suite has both Diffie and Hellman and a key that was shared before.
var tlsExchange = regexp.MustCompile(`^tls\.handshake\.(hint|identity|p|g|ys|yc|client_point|server_point|server_curve_type|server_named_curve)(_len)?$`)

// TestEveryFieldOfTLSIsTsharks compares all that either has, on exchanges of openssl and GnuTLS in every version and way of
// exchanging keys: as they are on the wire, and opened.
func TestEveryFieldOfTLSIsTsharks(t *testing.T) {
	capture, keys := filepath.Join("testdata", "tls.pcap"), filepath.Join("testdata", "tls.keys")
	for name, c := range map[string]struct {
		paths, args []string
		skip        func(field string) bool
		least       int
	}{
		"closed": {[]string{capture}, nil, func(field string) bool { return tlsUnseen.MatchString(field) }, 5000},
		"opened": {[]string{capture, keys}, []string{"-o", "tls.keylog_file:" + keys},
			func(field string) bool { return tlsUnseen.MatchString(field) || tlsOutside.MatchString(field) }, 4800},
	} {
		t.Run(name, func(t *testing.T) {
			ours, suites := tlsFields(t, c.paths)
			theirs := pdmltest.Read(t, capture, "tls", slices.Concat([]string{"-d", "tcp.port==4430-4450,tls"}, c.args))
			compared := 0
			if len(theirs) > len(ours)+2 { // of one that is renegotiated
				t.Errorf("%d directions of ours, %d of tshark's", len(ours), len(theirs))
			}
			for direction := range ours {
				names := map[string]bool{}
				for _, fields := range []map[string][]pdmltest.Field{ours[direction], theirs[direction]} {
					for field := range fields {
						names[field] = tlsCompared.MatchString(field) && !c.skip(field)
					}
				}
				for field, compare := range names {
					its := theirs[direction][field]
					if !compare || len(its) == 0 && suites[direction] && tlsExchange.MatchString(field) {
						continue
					}
					for i := range its {
						its[i] = plainTLS(its[i])
					}
					compared += pdmltest.Compare(t, direction+": "+field, ours[direction][field], its, tlsNames.MatchString(field))
				}
			}
			if t.Log(compared, "fields compared"); compared < c.least {
				t.Errorf("only %d fields were compared", compared)
			}
		})
	}
}

// tlsFields are ours, with what key logs open, and where keys were exchanged by Diffie and Hellman and with a shared one.
func tlsFields(t *testing.T, paths []string) (fields pdmltest.Fields, shared map[string]bool) {
	t.Helper()
	set, err := evidence.Open(evidence.Request{Paths: paths})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	read := reading.Wire(set)
	defer read.Close()
	traffic := read.Traffic
	traffic.Load(traffic.First, traffic.Last, func(*conversation.Conversation) bool { return true })
	sessions := map[*conversation.Conversation]weigh.Ears{}
	var unread []*conversation.Conversation
	for _, s := range read.Sessions(traffic.Conversations) {
		sessions[s.Conversation] = weigh.Ears{Opened: s.Opened}
		if s.Opened != nil && len(s.Opened.Problems) > 0 { // a renegotiation is not followed
			unread = append(unread, s.Conversation)
		}
	}
	if len(unread) > 1 {
		t.Errorf("%d conversations could not be opened to their end", len(unread))
	}
	fields, shared = pdmltest.Fields{}, map[string]bool{}
	for _, c := range traffic.Conversations {
		ears := sessions[c]
		for _, m := range weigh.Merged(c.Messages(conversation.Opener), c.Messages(conversation.Responder)) {
			direction := func(to conversation.Side) string {
				return fmt.Sprintf("%d>%d", c.Ends[to.Other()].Port(), c.Ends[to].Port())
			}
			for _, h := range ears.Hear(m, time.Time{}) {
				if slices.Contains(h.Dissection.Tags, "malformed") {
					t.Errorf("%s: %s", direction(m.Receiver), h.Dissection.Summary)
				}
				if slices.Contains(unread, c) {
					continue
				}
				headers := headersOf(h)
				for _, f := range h.Dissection.Fields {
					fields.Add(direction(m.Receiver), f.Name, pdmltest.Field{Value: f.Value, Bytes: hex.EncodeToString(without(headers, h.Message.Data, f.Offset, f.Length))})
					if f.Name == "tls.handshake.ciphersuite" && strings.Contains(f.Value, "DHE_PSK") {
						shared[direction(m.Receiver)], shared[direction(m.Receiver.Other())] = true, true
					}
				}
			}
		}
	}
	return fields, shared
}

// headersOf is where records begin in a message.
func headersOf(h weigh.Heard) (at []int) {
	for _, f := range h.Dissection.Fields {
		if strings.HasPrefix(f.Name, "tls.record.") && strings.HasSuffix(f.Name, "_type") {
			at = append(at, f.Offset)
		}
	}
	return at
}

// without is a range of a message without the headers of records within: a handshake message may go over several.
func without(headers []int, data []byte, offset, length int) (b []byte) {
	const size = 5
	for at := offset; at < offset+length; at++ {
		if !slices.ContainsFunc(headers, func(header int) bool { return offset < header && header <= at && at < header+size }) {
			b = append(b, data[at])
		}
	}
	return b
}

// plainTLS says names and times as we do, and names what is newer than tshark 4.0.
func plainTLS(f pdmltest.Field) pdmltest.Field {
	spoken := strings.ToLower(f.Label)
	f.Label += " " + strings.ReplaceAll(spoken, " ", "_") + " " + strings.ReplaceAll(spoken, " ", "")
	f.Label = strings.NewReplacer("Unknown (65037)", "encrypted_client_hello", "Unknown (0x6399)", "X25519Kyber768Draft00",
		"Unknown Unknown (0x1a1a)", "GREASE", "iso.3.101.112", "id-Ed25519", "pkcs-9-at-emailAddress", "emailAddress").Replace(f.Label)
	for _, form := range []string{"Jan _2, 2006 15:04:05.000000000 MST", "2006-01-02 15:04:05 (MST)"} {
		if at, err := time.Parse(form, f.Value); err == nil {
			f.Value = at.Format(time.RFC3339Nano)
		}
	}
	return f
}
