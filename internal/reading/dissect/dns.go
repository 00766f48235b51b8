package dissect

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// Record types (IANA, Domain Name System parameters).
var dnsTypes = map[int]string{
	1: "A", 2: "NS", 3: "MD", 4: "MF", 5: "CNAME", 6: "SOA", 7: "MB", 8: "MG", 9: "MR", 10: "NULL", 11: "WKS", 12: "PTR", 13: "HINFO",
	14: "MINFO", 15: "MX", 16: "TXT", 17: "RP", 18: "AFSDB", 19: "X25", 20: "ISDN", 21: "RT", 22: "NSAP", 23: "NSAP-PTR", 24: "SIG",
	25: "KEY", 26: "PX", 27: "GPOS", 28: "AAAA", 29: "LOC", 30: "NXT", 31: "EID", 32: "NIMLOC", 33: "SRV", 34: "ATMA", 35: "NAPTR",
	36: "KX", 37: "CERT", 38: "A6", 39: "DNAME", 40: "SINK", 41: "OPT", 42: "APL", 43: "DS", 44: "SSHFP", 45: "IPSECKEY", 46: "RRSIG",
	47: "NSEC", 48: "DNSKEY", 49: "DHCID", 50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA", 53: "SMIMEA", 55: "HIP", 56: "NINFO", 57: "RKEY",
	58: "TALINK", 59: "CDS", 60: "CDNSKEY", 61: "OPENPGPKEY", 62: "CSYNC", 63: "ZONEMD", 64: "SVCB", 65: "HTTPS", 66: "DSYNC",
	99: "SPF", 100: "UINFO", 101: "UID", 102: "GID", 103: "UNSPEC", 104: "NID", 105: "L32", 106: "L64", 107: "LP", 108: "EUI48",
	109: "EUI64", 128: "NXNAME", 249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR", 253: "MAILB", 254: "MAILA", 255: "ANY", 256: "URI",
	257: "CAA", 258: "AVC", 259: "DOA", 260: "AMTRELAY", 261: "RESINFO", 262: "WALLET", 32768: "TA", 32769: "DLV",
}

func dnsType(n int) string {
	if name, ok := dnsTypes[n]; ok {
		return name
	}
	return fmt.Sprintf("TYPE%d", n)
}

const (
	dnsHeader = 12
	dnsPort   = 53
	mdnsPort  = 5353
	dnsUpdate = 5  // the opcode of RFC 2136
	dnsMost   = 64 // questions or records of one section that a message on another port may claim
)

// dns reads a DNS message (RFC 1035), with its two bytes of length over TCP. It is one if all that its
// header claims can be read to the end; on port 53 what can't is still DNS, but malformed.
func dns(data []byte, hint Hint) (Dissection, bool) {
	if hint.Port != dnsPort && !likeDNS(data, hint) {
		return Dissection{}, false
	}
	s := &sheet{}
	whole := false
	if hint.Transport == "tcp" {
		whole = s.dnsFrames(data, hint)
	} else {
		whole = s.dnsMessage(data, 0, hint)
	}
	if !whole && hint.Port != dnsPort {
		return Dissection{}, false
	}
	return s.done("DNS"), len(s.Fields) > 0
}

// likeDNS looks at the first header only: nearly all messages that are no DNS end here.
func likeDNS(data []byte, hint Hint) bool {
	if hint.Transport == "tcp" {
		if len(data) < 2 || int(binary.BigEndian.Uint16(data)) > len(data)-2 {
			return false
		}
		data = data[2:]
	}
	if len(data) < dnsHeader {
		return false
	}
	sections := 0
	for count := data[4:dnsHeader]; len(count) > 0; count = count[2:] {
		n := int(binary.BigEndian.Uint16(count))
		if n > dnsMost {
			return false
		}
		sections += n
	}
	return sections > 0
}

// dnsFrames reads messages that each follow their length in two bytes (RFC 1035, section 4.2.2), and says
// whether they are all whole. On DNS's port, what the last one lacks may come with the next bytes.
func (s *sheet) dnsFrames(data []byte, hint Hint) bool {
	for at := 0; at < len(data); {
		end := at + 2
		if end <= len(data) {
			end += int(binary.BigEndian.Uint16(data[at:]))
		}
		if len(data)-at < 2 || end > len(data) {
			s.cutDNS(data, at, end, hint)
			return false
		}
		s.field("dns.length", decimal(end-at-2), at, 2)
		if !s.dnsMessage(data[:end], at+2, hint) {
			return false
		}
		at = end
	}
	return true
}

// cutDNS takes what there is of a message that ends later: it is kept for the rest to come, or said to be cut.
func (s *sheet) cutDNS(data []byte, at, end int, hint Hint) {
	if at > 0 && hint.Port == dnsPort && hint.from().keep(data[at:], dns) {
		s.say("message not complete, %d bytes to come", end-len(data))
		return
	}
	s.malformed(at, "expected a message of %d bytes, found %d", end-at-2, max(len(data)-at-2, 0))
	s.dnsMessage(data, at+2, hint)
}

// dnsMessage reads header and sections, and says whether they end where the message does.
func (s *sheet) dnsMessage(data []byte, begin int, hint Hint) bool {
	if len(data) < begin+dnsHeader {
		return false
	}
	d := &dnsReader{sheet: s, message: data[begin:], begin: begin, r: open("DNS message", begin, data[begin:]), multicast: hint.Port == mdnsPort}
	flags := d.header()
	sections := dnsSections
	if flags>>11&15 == dnsUpdate {
		sections = dnsUpdateSections
	}
	var counts [4]int
	plausible := true
	for i, section := range sections {
		counts[i] = d.number(d.r, 2, "dns."+section+".count", decimal)
		plausible = plausible && counts[i] <= dnsMost
	}
	for range counts[0] {
		if s.full() {
			break
		}
		d.questionOf(sections[0])
	}
	for i, section := range sections[1:] {
		for n := range counts[i+1] {
			if s.full() {
				break
			}
			d.record(section, n)
		}
	}
	if damage, bad := d.r.Damage(); bad {
		s.malformed(int(damage.Offset), "%s", damage.Problem)
		return false
	}
	if n := d.r.Len(); n > 0 {
		s.malformed(offset(d.r), "%d bytes follow the last record", n)
		s.field("dns.extraneous.data", hexBytes(peek(d.r)), offset(d.r), n)
	}
	return plausible && counts[0]+counts[1] > 0 && d.r.Len() == 0 && s.wellNamed
}

// dnsFlags are the header's bits by how far they stand from the last (RFC 1035, section 4.1.1; RFC 4035, section 3).
var dnsFlags = []dnsBit{
	{"response", 15, 1}, {"opcode", 11, 15}, {"truncated", 9, 1}, {"recdesired", 8, 1}, {"z", 6, 1}, {"checkdisable", 4, 1},
}

// dnsAuthentic is not in requests for an update (RFC 2136, section 2.2).
var dnsAuthentic = []dnsBit{{"authenticated", 5, 1}}

// dnsAnswerFlags are those that only a response has.
var dnsAnswerFlags = []dnsBit{{"authoritative", 10, 1}, {"recavail", 7, 1}, {"rcode", 0, 15}}

// header reads a message's first four bytes, and returns its flags.
func (d *dnsReader) header() int {
	d.number(d.r, 2, "dns.id", hex0x4)
	flags := d.number(d.r, 2, "dns.flags", hex0x4)
	d.bits("dns.flags", dnsFlags, flags, d.begin+2, 2)
	d.tag("dns", "packet", "message")
	response := flags&0x8000 != 0
	if response || flags>>11&15 != dnsUpdate {
		d.bits("dns.flags", dnsAuthentic, flags, d.begin+2, 2)
	}
	if response {
		d.bits("dns.flags", dnsAnswerFlags, flags, d.begin+2, 2)
		d.tag("response", "answer", "reply")
		d.say("response")
		d.answer("question", "query")
	} else {
		d.tag("query", "question", "request")
		d.say("query")
	}
	return flags
}

func hex0x4(n int) string { return fmt.Sprintf("0x%04x", n) }

var (
	dnsSections       = [4]string{"question", "answer", "authority", "additional"}
	dnsUpdateSections = [4]string{"zone", "prerequisite", "update", "additional"}
)

type dnsReader struct {
	*sheet
	message []byte
	begin   int // offset of the DNS message in the whole
	r       *cursor.Reader
	asked   struct{ kind, class int } // of the last question

	multicast bool
	last      int      // the number read last: often the length of what follows
	words     []string // what record data says
}

func (d *dnsReader) question() { d.questionOf(dnsSections[0]) }

func (d *dnsReader) questionOf(section string) {
	if d.r.Err() != nil {
		return
	}
	at := offset(d.r)
	name := d.name()
	prefix := "dns." + section
	d.field(prefix+".name", name, at, offset(d.r)-at)
	d.part("name", at, offset(d.r)-at)
	kind := d.number(d.r, 2, prefix+".type", dnsType)
	d.asked.kind, d.asked.class = kind, d.class(prefix+".class", "dns.qry.qu")
	d.say("%s %s", dnsType(kind), name)
	d.tag("question", dnsType(kind))
}

// class reads a class, whose first bit says something else in multicast DNS (RFC 6762, sections 5.4 and 10.2).
func (d *dnsReader) class(name, bit string) int {
	if !d.multicast {
		return d.number(d.r, 2, name, decimal)
	}
	n := d.number(d.r, 2, name, func(n int) string { return decimal(n & 0x7fff) })
	if d.r.Err() == nil {
		d.field(bit, decimal(n>>15), offset(d.r)-2, 2)
	}
	return n & 0x7fff
}

// record reads the n-th record of a section (RFC 1035, section 4.1.3).
func (d *dnsReader) record(section string, n int) {
	if d.r.Err() != nil {
		return
	}
	at := offset(d.r)
	prefix := fmt.Sprintf("dns.%s[%d]", section, n)
	name := d.name()
	d.field(prefix+".name", name, at, offset(d.r)-at)
	kind := d.number(d.r, 2, prefix+".type", dnsType)
	if kind == 41 {
		d.extension()
	} else {
		d.class(prefix+".class", "dns.resp.cache_flush")
		d.number(d.r, 4, prefix+".ttl", decimal)
	}
	at = offset(d.r)
	data := d.vector(d.r, 2, prefix+".data")
	if d.r.Err() == nil {
		d.field(prefix+".len", decimal(data.Len()), at, 2)
	}
	begin, length := offset(data), data.Len()
	d.data(prefix+".data", kind, data)
	d.part("record data", begin, length)
	d.tag(section, "record", "rdata", dnsType(kind))
	d.say("%s %s", section, dnsType(kind))
}

// name reads a name; compression pointers (RFC 1035, section 4.1.4) may lead backwards only, so that
// following them ends.
func (d *dnsReader) name() string {
	var labels []string
	size := 0
	r := d.r
	limit := offset(r) - d.begin
	for {
		n := int(r.Uint8())
		switch {
		case r.Err() != nil:
			return ""
		case n == 0:
			if len(labels) == 0 {
				return "."
			}
			return strings.Join(labels, ".")
		case n >= 0xc0:
			target := (n&0x3f)<<8 | int(r.Uint8())
			if target >= limit {
				d.r.Fail("expected a compression pointer that leads back, found one to 0x%x", target)
				return ""
			}
			limit = target
			r = open("DNS name", d.begin+target, d.message[target:])
		case n > 63:
			d.r.Fail("expected a label of at most 63 bytes, found %d", n)
			return ""
		default:
			label := r.Bytes(uint64(n))
			if size += n + 1; size > 255 {
				d.r.Fail("expected a name of at most 255 bytes")
				return ""
			}
			d.wellNamed = d.wellNamed || plainLabel(label)
			labels = append(labels, printable(label))
		}
		if r != d.r && r.Err() != nil {
			d.r.Fail("expected a name behind the compression pointer")
			return ""
		}
	}
}

// plainLabel says whether a label is of letters, digits, hyphens and underscores, as in nearly all names.
func plainLabel(label []byte) bool {
	for _, b := range label {
		if !alphanumeric(b) && b != '-' && b != '_' {
			return false
		}
	}
	return len(label) > 0
}
