package dissect

import (
	"encoding/base32"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// dnsForms tell what the data of record types is made of, in the order of its elements (RFC 1035, sections 3.3 and
// 3.4, RFC 1183, 1712, 1876, 2163, 2230, 2782, 2845, 2930, 3403, 4034, 4255, 4398, 4701, 5155, 6698, 6742, 7043, 7477,
// 7553, 7929, 8659, 8976). Each element is a name and what is read:
//
//	1 2 4 8  a number of so many bytes (8: shown as bytes)
//	f F      flags of one or two bytes
//	l L      the length, in one or two bytes, of the next s or x
//	s x      text or bytes of that length
//	t *      text or bytes up to the end
//	n a A    a domain name, an address of IPv4, of IPv6
//	T V      a time, in 4 or 6 bytes, in seconds since 1970
//	b        a bitmap of record types
//	h        bytes of the last length, in base 32 as names have them
//	...      the same again, until the end
var dnsForms = map[int]string{
	1: "a:a", 2: "ns:n", 3: "md:n", 4: "mf:n", 5: "cname:n", 7: "mb:n", 8: "mg:n", 9: "mr:n", 10: "null:*", 12: "ptr.domain_name:n",
	6:  "soa.mname:n soa.rname:n soa.serial_number:4 soa.refresh_interval:4 soa.retry_interval:4 soa.expire_limit:4 soa.minimum_ttl:4",
	11: "wks.address:a wks.protocol:1 wks.bits:*",
	13: "hinfo.cpu_length:l hinfo.cpu:s hinfo.os_length:l hinfo.os:s", 14: "minfo.r:n minfo.e:n",
	15: "mx.preference:2 mx.mail_exchange:n", 16: "txt.length:l txt:s ...", 17: "rp.mailbox:n rp.txt_rr:n",
	18: "afsdb.subtype:2 afsdb.hostname:n", 19: "x25.length:l x25.psdn_address:s", 20: "idsn.length:l idsn.address:s idsn.sa.length:l? idsn.sa.address:s?",
	21: "rt.subtype:2 rt.intermediate_host:n", 22: "nsap.rdata:*", 23: "nsap_ptr.owner:n", 24: dnsSignature,
	25: "key.flags:F key.protocol:1 key.algorithm:1 key.public_key:*", 26: "px.preference:2 px.map822:n px.map400:n",
	27: "gpos.longitude_length:l gpos.longitude:s gpos.latitude_length:l gpos.latitude:s gpos.altitude_length:l gpos.altitude:s",
	28: "aaaa:A",
	29: "loc.version:1 loc.size:1 loc.horizontal_precision:1 loc.vertical_precision:1 loc.latitude:4 loc.longitude:4 loc.altitude:4",
	30: "nxt.next_domain_name:n nxt.type_bitmap:*",
	33: "srv.priority:2 srv.weight:2 srv.port:2 srv.target:n",
	35: "naptr.order:2 naptr.preference:2 naptr.flags_length:l naptr.flags:s naptr.service_length:l naptr.service:s " +
		"naptr.regex_length:l naptr.regex:s naptr.replacement:n",
	36: "kx.preference:2 kx.key_exchange:n", 37: "cert.type:2 cert.key_tag:2 cert.algorithm:1 cert.certificate:*", 39: "dname:n",
	43: dnsDelegation, 44: "sshfp.algorithm:1 sshfp.fingerprint.type:1 sshfp.fingerprint:*", 46: dnsSignature,
	47: "nsec.next_domain_name:n nsec.type_bitmap:b", 48: dnsKey, 49: "dhcid.rdata:*",
	50: "nsec3.algo:1 nsec3.flags:f nsec3.iterations:2 nsec3.salt_length:l nsec3.salt_value:x nsec3.hash_length:l nsec3.hash_value:h nsec3.type_bitmap:b",
	51: "nsec3.algo:1 nsec3.flags:1 nsec3.iterations:2 nsec3.salt_length:l nsec3.salt_value:x", 52: dnsAssociation, 53: dnsAssociation,
	59: dnsDelegation, 60: dnsKey, 61: "openpgpkey:*", 62: "csync.soa:4 csync.flags:F csync.type_bitmap:b",
	63: "zonemd.serial:4 zonemd.scheme:1 zonemd.hash_algo:1 zonemd.digest:*", 99: "spf.length:l spf:s ...",
	104: "ilnp.nid.preference:2 ilnp.nid:8", 105: "ilnp.l32.preference:2 ilnp.l32:a", 106: "ilnp.l64.preference:2 ilnp.l64:8",
	107: "ilnp.lp.preference:2 ilnp.lp:n", 108: "eui48:*", 109: "eui64:8",
	249: "tkey.algo_name:n tkey.signature_inception:T tkey.signature_expiration:T tkey.mode:2 tkey.error:2 tkey.key_size:L tkey.key_data:x " +
		"tkey.other_size:L tkey.other_data:x",
	250: "tsig.algorithm_name:n tsig.time_signed:V tsig.fudge:2 tsig.mac_size:L tsig.mac:x tsig.original_id:2 tsig.error:2 tsig.other_len:L tsig.other_data:x",
	256: "uri.priority:2 uri.weight:2 uri.target:t", 257: "caa.flags:f caa.tag_length:l caa.tag:s caa.value:t",
	32768: dnsDelegation, 32769: dnsDelegation,
}

const (
	dnsSignature = "rrsig.type_covered:2 rrsig.algorithm:1 rrsig.labels:1 rrsig.original_ttl:4 rrsig.signature_expiration:T " +
		"rrsig.signature_inception:T rrsig.key_tag:2 rrsig.signers_name:n rrsig.signature:*"
	dnsDelegation  = "ds.key_id:2 ds.algorithm:1 ds.digest_type:1 ds.digest:*"
	dnsKey         = "dnskey.flags:F dnskey.protocol:1 dnskey.algorithm:1 dnskey.public_key:*"
	dnsAssociation = "tlsa.certificate_usage:1 tlsa.selector:1 tlsa.matching_type:1 tlsa.certificate_association_data:*"
)

// data shows a record's data by its form, and keeps its elements as fields behind it. Data that does not keep to
// the form is noted, and shown as it is.
func (d *dnsReader) data(name string, kind int, r *cursor.Reader) {
	content, at, kept := peek(r), offset(r), len(d.Fields)
	d.field(name, hexBytes(content), at, len(content))
	read := d.dataReader(kind)
	if read == nil || len(content) == 0 { // empty data stands in dynamic updates (RFC 2136)
		return
	}
	inner := &dnsReader{sheet: d.sheet, message: d.message, begin: d.begin, r: r}
	wellNamed := d.wellNamed
	read(inner)
	d.wellNamed = wellNamed
	if r.Err() != nil || r.Len() > 0 {
		d.Fields = d.Fields[:min(kept+1, len(d.Fields))]
		d.malformed(at, "%d bytes are no data of a %s record", len(content), dnsType(kind))
	} else if len(inner.words) > 0 && kept < len(d.Fields) {
		d.Fields[kept].Value = strings.Join(inner.words, " ")
	}
}

func (d *dnsReader) dataReader(kind int) func(*dnsReader) {
	switch kind {
	case 38:
		return (*dnsReader).a6
	case 41:
		return (*dnsReader).options
	case 42:
		return (*dnsReader).prefixes
	case 45:
		return (*dnsReader).ipsecKey
	case 55:
		return (*dnsReader).hostIdentity
	case 64, 65:
		return (*dnsReader).service
	}
	if form := dnsForms[kind]; form != "" {
		return func(d *dnsReader) { d.form(form) }
	}
	return nil
}

// form reads what a form of dnsForms says. An element with a question mark may be missing at the end.
func (d *dnsReader) form(form string) {
	for d.r.Err() == nil && !d.full() {
		for element := range strings.FieldsSeq(form) {
			if element == "..." {
				break
			}
			name, what, _ := strings.Cut(element, ":")
			if len(what) > 1 && d.r.Len() == 0 {
				return
			}
			d.element("dns."+name, what[0])
		}
		if !strings.HasSuffix(form, "...") || d.r.Len() == 0 {
			return
		}
	}
}

// element reads one element of a form.
func (d *dnsReader) element(name string, what byte) {
	at, r := offset(d.r), d.r
	value, says := "", true
	switch what {
	case '1', 'f', 'l':
		d.last = int(r.Uint8())
		value, says = fmt.Sprint(d.last), what != 'l'
	case '2', 'F', 'L':
		d.last = int(r.Uint16())
		value, says = fmt.Sprint(d.last), what != 'L'
	case '4':
		value = fmt.Sprint(r.Uint32())
	case '8':
		value = hexBytes(r.Bytes(8))
	case 's':
		value = printable(r.Bytes(uint64(d.last)))
	case 'x':
		value = hexBytes(r.Bytes(uint64(d.last)))
	case 'h':
		value = strings.ToLower(base32.HexEncoding.EncodeToString(r.Bytes(uint64(d.last))))
	case 't':
		value = printable(r.Rest())
	case '*':
		value = hexBytes(r.Rest())
	case 'n':
		value = d.name()
	case 'a', 'A':
		value = d.address(map[byte]int{'a': 4, 'A': 16}[what], 0)
	case 'T':
		value = seconds(uint64(r.Uint32()))
	case 'V':
		value = seconds(uint64(r.Uint16())<<32 | uint64(r.Uint32()))
	case 'b':
		value = d.typeBitmap()
	}
	if r.Err() != nil {
		return
	}
	d.field(name, value, at, offset(r)-at)
	if what == 'f' || what == 'F' {
		d.bits(name, dnsBits[name], d.last, at, offset(r)-at)
	}
	if what == 's' || what == 't' {
		value = `"` + value + `"`
	}
	if says {
		d.words = append(d.words, value)
	}
}

// dnsBit is a bit, or some, of a number, by how far they stand from the last.
type dnsBit struct {
	name        string
	shift, mask int
}

// dnsBits are the flags of numbers in record data (RFC 2535, section 3.1.2, RFC 4034, RFC 5011, RFC 5155, RFC 7477, RFC 8659).
var dnsBits = map[string][]dnsBit{
	"dns.dnskey.flags": {{"zone_key", 8, 1}, {"key_revoked", 7, 1}, {"secure_entry_point", 0, 1}},
	"dns.key.flags": {{"authentication", 15, 1}, {"confidentiality", 14, 1}, {"required", 13, 1}, {"associated_user", 10, 1},
		{"associated_named_entity", 9, 1}, {"ipsec", 7, 1}, {"mime", 6, 1}, {"signatory", 0, 15}},
	"dns.csync.flags": {{"immediate", 0, 1}, {"soaminimum", 1, 1}},
	"dns.nsec3.flags": {{"opt_out", 0, 1}},
	"dns.caa.flags":   {{"issuer_critical", 7, 1}},
}

// bits keeps the bits of a number as fields of all its bytes.
func (d *dnsReader) bits(name string, bits []dnsBit, n, at, length int) {
	for _, b := range bits {
		d.field(name+"."+b.name, fmt.Sprint(n>>b.shift&b.mask), at, length)
	}
}

func seconds(n uint64) string { return time.Unix(int64(n), 0).UTC().Format(time.RFC3339) }

// address reads an IP address of size bytes, of which the last ones may be missing.
func (d *dnsReader) address(size, missing int) string {
	b := d.r.Bytes(uint64(size - missing))
	addr, _ := netip.AddrFromSlice(append(slices.Clone(b), make([]byte, missing)...))
	return addr.String()
}

// typeBitmap reads which record types there are (RFC 4034, section 4.1.2).
func (d *dnsReader) typeBitmap() string {
	var types []string
	for d.r.Len() > 0 {
		window, n := int(d.r.Uint8()), int(d.r.Uint8())
		for i, b := range d.r.Bytes(uint64(n)) {
			for bit := range 8 {
				if b&(0x80>>bit) != 0 {
					types = append(types, dnsType(window<<8+i*8+bit))
				}
			}
		}
	}
	return strings.Join(types, " ")
}

// a6 reads an address whose first bits are another name's (RFC 2874, section 3.1).
func (d *dnsReader) a6() {
	d.element("dns.a6.prefix_len", '1')
	if d.last > 128 {
		d.r.Fail("expected a prefix of at most 128 bits, found %d", d.last)
		return
	}
	at, prefix := offset(d.r), d.last
	suffix := d.r.Bytes(uint64(16 - prefix/8))
	whole := make([]byte, 16)
	copy(whole[16-len(suffix):], suffix)
	if d.r.Err() != nil {
		return
	}
	d.field("dns.a6.address_suffix", netip.AddrFrom16([16]byte(whole)).String(), at, len(suffix))
	if prefix > 0 {
		d.element("dns.a6.prefix_name", 'n')
	}
}

// prefixes reads lists of address prefixes (RFC 3123, section 4).
func (d *dnsReader) prefixes() {
	for d.r.Len() > 0 && d.r.Err() == nil && !d.full() {
		d.element("dns.apl.address_family", '2')
		family := d.last
		d.element("dns.apl.coded_prefix", '1')
		at := offset(d.r)
		n := int(d.r.Uint8())
		if d.r.Err() != nil {
			return
		}
		d.field("dns.apl.negation", fmt.Sprint(n>>7), at, 1)
		d.field("dns.apl.afdlength", fmt.Sprint(n&127), at, 1)
		d.shortAddress("dns.apl.afdpart.", [3]string{"ipv4", "ipv6", "data"}, family, n&127)
	}
}

// shortAddress reads an address of a family (1: IPv4, 2: IPv6) whose last bytes, if zero, are left out.
func (d *dnsReader) shortAddress(path string, names [3]string, family, n int) {
	at := offset(d.r)
	name, value := names[2], ""
	if size := map[int]int{1: 4, 2: 16}[family]; size > 0 && n <= size {
		name, value = names[family-1], d.address(size, size-n)
	} else {
		value = hexBytes(d.r.Bytes(uint64(n)))
	}
	if d.r.Err() == nil {
		d.field(path+name, value, at, n)
	}
}

// ipsecKey reads a key and the gateway it is for, which comes in one of three forms (RFC 4025, section 2.1).
func (d *dnsReader) ipsecKey() {
	d.element("dns.ipseckey.gateway_precedence", '1')
	d.element("dns.ipseckey.gateway_type", '1')
	kind := d.last
	d.element("dns.ipseckey.gateway_algorithm", '1')
	switch kind {
	case 1:
		d.element("dns.ipseckey.gateway_ipv4", 'a')
	case 2:
		d.element("dns.ipseckey.gateway_ipv6", 'A')
	case 3:
		d.element("dns.ipseckey.gateway_dns", 'n')
	}
	d.element("dns.ipseckey.public_key", '*')
}

// hostIdentity reads a tag, a key and the servers where to meet their host (RFC 8005, section 5).
func (d *dnsReader) hostIdentity() {
	d.element("dns.hip.hit.length", 'l')
	tag := d.last
	d.element("dns.hip.hit.pk.algo", '1')
	d.element("dns.hip.pk.length", 'L')
	key := d.last
	d.last = tag
	d.element("dns.hip.hit", 'x')
	d.last = key
	d.element("dns.hip.pk", 'x')
	for d.r.Len() > 0 && d.r.Err() == nil && !d.full() {
		d.element("dns.hip.rendezvous_server", 'n')
	}
}
