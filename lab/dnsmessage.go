package lab

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
)

// dnsName is a name in the form of the wire, uncompressed.
func dnsName(name string) (b []byte) {
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		b = append(append(b, byte(len(label))), label...)
	}
	return append(b, 0)
}

// dnsQuestion is a question as a stub resolver sends it; edns adds the usual OPT record.
func dnsQuestion(id uint16, name string, kind, class uint16, edns bool) []byte {
	b := binary.BigEndian.AppendUint16(nil, id)
	b = append(b, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0)
	b = append(b, dnsName(name)...)
	b = binary.BigEndian.AppendUint16(b, kind)
	b = binary.BigEndian.AppendUint16(b, class)
	if edns {
		b[11] = 1
		b = append(b, 0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0)
	}
	return b
}

// dnsRecord is one resource record of an answer.
type dnsRecord struct {
	kind uint16
	ttl  uint32
	data []byte
}

// dnsAnswer answers a question with records that all belong to its name, which they point back to.
func dnsAnswer(question []byte, flags uint16, records ...dnsRecord) []byte {
	end := 12
	for end < len(question) && question[end] != 0 {
		end += int(question[end]) + 1
	}
	b := append([]byte{}, question[:end+5]...)
	binary.BigEndian.PutUint16(b[2:], 0x8180|flags)
	binary.BigEndian.PutUint16(b[6:], uint16(len(records)))
	binary.BigEndian.PutUint16(b[10:], 0)
	for _, r := range records {
		b = append(b, 0xc0, 12)
		b = binary.BigEndian.AppendUint16(b, r.kind)
		b = append(b, 0, 1)
		b = binary.BigEndian.AppendUint32(b, r.ttl)
		b = sized16(b, r.data)
	}
	return b
}

// Record types, by their numbers at IANA.
const (
	typeA     = 1
	typeCNAME = 5
	typeSOA   = 6
	typePTR   = 12
	typeMX    = 15
	typeTXT   = 16
	typeRP    = 17
	typeAFSDB = 18
	typeAAAA  = 28
	typeLOC   = 29
	typeSRV   = 33
	typeNAPTR = 35
	typeDNAME = 39
	typeSSHFP = 44
	typeTLSA  = 52
	typeHTTPS = 65
	typeANY   = 255
	typeCAA   = 257
)

// dnsData makes plausible data of a type; back is a pointer to the question's own name.
func dnsData(r *rand.Rand, kind uint16) []byte {
	back := []byte{0xc0, 12}
	host := append([]byte{4, 'h', 'o', 's', 't'}, back...)
	switch kind {
	case typeA:
		return random(r, 4)
	case typeAAAA:
		return append([]byte{0x20, 0x01, 0x0d, 0xb8}, random(r, 12)...)
	case typeCNAME, typePTR, typeDNAME:
		return dnsName([]string{"cdn.example.com", "lb-1.example.org", "edge.example.net"}[r.IntN(3)])
	case typeSOA:
		return join(host, host, random(r, 20))
	case typeMX, typeAFSDB:
		return append([]byte{0, byte(r.IntN(50))}, host...)
	case typeTXT:
		return counted("v=spf1 include:_spf.example.net ~all")
	case typeRP: // two names: the person's mailbox, and where there is a TXT about them
		return join(append([]byte{10}, "hostmaster"...), back, append([]byte{5}, "admin"...), back)
	case typeSRV:
		return join([]byte{0, 10, 0, byte(r.IntN(100)), 0x14, 0x66}, dnsName("sip.example.com"))
	case typeNAPTR:
		return join([]byte{0, 100, 0, 10}, counted("u"), counted("E2U+sip"), counted("!^.*$!sip:info@example.com!"), []byte{0})
	default:
		return random(r, 20+r.IntN(30))
	}
}

func counted(text string) []byte { return append([]byte{byte(len(text))}, text...) }
