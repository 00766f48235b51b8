package dissect

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// Record types (IANA, Domain Name System parameters).
var dnsTypes = map[int]string{
	1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 10: "NULL", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT", 17: "RP", 18: "AFSDB",
	24: "SIG", 25: "KEY", 28: "AAAA", 29: "LOC", 33: "SRV", 35: "NAPTR", 36: "KX", 37: "CERT", 39: "DNAME", 41: "OPT",
	42: "APL", 43: "DS", 44: "SSHFP", 45: "IPSECKEY", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 49: "DHCID", 50: "NSEC3",
	51: "NSEC3PARAM", 52: "TLSA", 53: "SMIMEA", 55: "HIP", 59: "CDS", 60: "CDNSKEY", 61: "OPENPGPKEY", 62: "CSYNC",
	63: "ZONEMD", 64: "SVCB", 65: "HTTPS", 99: "SPF", 108: "EUI48", 109: "EUI64", 249: "TKEY", 250: "TSIG", 251: "IXFR",
	252: "AXFR", 255: "ANY", 256: "URI", 257: "CAA",
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
		whole = s.dnsFrames(data)
	} else {
		whole = s.dnsMessage(data, 0)
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
// whether they are all whole.
func (s *sheet) dnsFrames(data []byte) bool {
	for at := 0; at < len(data); {
		if len(data)-at < 2 {
			return false
		}
		end := at + 2 + int(data[at])<<8 + int(data[at+1])
		if end > len(data) {
			s.malformed(at, "expected a message of %d bytes, found %d", end-at-2, len(data)-at-2)
			s.dnsMessage(data, at+2)
			return false
		}
		if !s.dnsMessage(data[:end], at+2) {
			return false
		}
		at = end
	}
	return true
}

// dnsMessage reads header and sections, and says whether they end where the message does.
func (s *sheet) dnsMessage(data []byte, begin int) bool {
	if len(data) < begin+dnsHeader {
		return false
	}
	d := &dnsReader{sheet: s, message: data[begin:], begin: begin, r: open("DNS message", begin, data[begin:])}
	d.number(d.r, 2, "dns.id", func(n int) string { return fmt.Sprintf("0x%04x", n) })
	flags := d.number(d.r, 2, "dns.flags", func(n int) string { return fmt.Sprintf("0x%04x", n) })
	s.field("dns.opcode", decimal(flags>>11&15), begin+2, 1)
	s.field("dns.rcode", decimal(flags&15), begin+3, 1)
	response := flags&0x8000 != 0
	s.tag("dns", "packet", "message")
	if response {
		s.tag("response", "answer", "reply")
		s.say("response")
		s.answer("question", "query")
	} else {
		s.tag("query", "question", "request")
		s.say("query")
	}
	var counts [4]int
	for i, section := range dnsSections {
		counts[i] = d.number(d.r, 2, "dns."+section+".count", decimal)
	}
	plausible := counts[0] <= dnsMost && counts[1] <= dnsMost && counts[2] <= dnsMost && counts[3] <= dnsMost && counts[0]+counts[1] > 0
	for range counts[0] {
		if s.full() {
			break
		}
		d.question()
	}
	for i, section := range dnsSections[1:] {
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
	if d.r.Len() > 0 {
		s.malformed(offset(d.r), "%d bytes follow the last record", d.r.Len())
	}
	return plausible && d.r.Len() == 0 && s.wellNamed
}

var dnsSections = [4]string{"question", "answer", "authority", "additional"}

type dnsReader struct {
	*sheet
	message []byte
	begin   int // offset of the DNS message in the whole
	r       *cursor.Reader
	asked   struct{ kind, class int } // of the last question
}

func (d *dnsReader) question() {
	if d.r.Err() != nil {
		return
	}
	at := offset(d.r)
	name := d.name()
	d.field("dns.question.name", name, at, offset(d.r)-at)
	d.part("name", at, offset(d.r)-at)
	kind := d.number(d.r, 2, "dns.question.type", dnsType)
	d.asked.kind, d.asked.class = kind, d.number(d.r, 2, "dns.question.class", decimal)
	d.say("%s %s", dnsType(kind), name)
	d.tag("question", dnsType(kind))
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
	d.number(d.r, 2, prefix+".class", decimal)
	d.number(d.r, 4, prefix+".ttl", decimal)
	data := d.vector(d.r, 2, prefix+".data")
	begin, length := offset(data), data.Len()
	d.field(prefix+".data", d.data(kind, data), begin, length)
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
