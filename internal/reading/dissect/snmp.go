package dissect

import (
	"fmt"
	"net/netip"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// Versions as a message has them (RFC 1157, RFC 1901, RFC 3412).
var snmpVersions = map[int]string{0: "version-1", 1: "v2c", 3: "snmpv3"}

// PDUs by their tags (RFC 1157, section 4.1; RFC 3416, section 3), and the word for each.
var snmpPDUs = map[int]struct{ name, word string }{
	0xa0: {"get-request", "get"}, 0xa1: {"get-next-request", "getnext"}, 0xa2: {"get-response", "response"}, 0xa3: {"set-request", "set"},
	0xa4: {"trap", "trap"}, 0xa5: {"getBulkRequest", "getbulk"}, 0xa6: {"informRequest", "inform"}, 0xa7: {"snmpV2-trap", "trap"}, 0xa8: {"report", "report"},
}

var snmpErrors = map[int]string{
	0: "noError", 1: "tooBig", 2: "noSuchName", 3: "badValue", 4: "readOnly", 5: "genErr", 6: "noAccess", 7: "wrongType", 8: "wrongLength",
	9: "wrongEncoding", 10: "wrongValue", 11: "noCreation", 12: "inconsistentValue", 13: "resourceUnavailable", 14: "commitFailed",
	15: "undoFailed", 16: "authorizationError", 17: "notWritable", 18: "inconsistentName",
}

var snmpTraps = map[int]string{
	0: "coldStart", 1: "warmStart", 2: "linkDown", 3: "linkUp", 4: "authenticationFailure", 5: "egpNeighborLoss", 6: "enterpriseSpecific",
}

// snmp reads SNMP of versions 1 (RFC 1157), 2c (RFC 1901) and 3 (RFC 3412, RFC 3414).
func snmp(data []byte, _ Hint) (Dissection, bool) {
	if !isSNMP(data) {
		return Dissection{}, false
	}
	s := &sheet{}
	s.tag("snmp", "packet")
	for r := open("SNMP message", 0, data); r.Len() > 0 && !s.full(); {
		m := s.expect(r, "a message", berSequence)
		if m.tag != berSequence {
			break
		}
		s.snmpMessage(m)
	}
	return s.done("SNMP"), true
}

// isSNMP says whether data begins with a sequence of a version, and of what that version has next: a community
// and a PDU, or a header that begins with a number.
func isSNMP(data []byte) bool {
	s := &sheet{}
	m := s.element(open("SNMP message", 0, data))
	version := s.element(m.Reader)
	content, _ := version.content()
	if m.tag != berSequence || version.tag != berInteger || len(content) != 1 || snmpVersions[int(content[0])] == "" {
		return false
	}
	next := s.element(m.Reader)
	if content[0] == 3 {
		return next.tag == berSequence && next.Uint8() == berInteger
	}
	return next.tag == berOctetString && snmpPDUs[int(m.Uint8())].name != ""
}

func (s *sheet) snmpMessage(m berElement) {
	version := s.element(m.Reader)
	if content, _ := version.content(); len(content) == 1 && content[0] == 3 {
		s.integer(version, "snmp.msgVersion", named(snmpVersions))
		s.snmpVersion3(m.Reader)
		s.snmpEnd(m)
		return
	}
	s.integer(version, "snmp.version", named(snmpVersions))
	s.tag("community")
	s.octets(s.expect(m.Reader, "a community", berOctetString), "snmp.community", printable)
	s.snmpPDU(s.element(m.Reader))
	s.snmpEnd(m)
}

// snmpEnd notes what was missing in an element, and what follows its end.
func (s *sheet) snmpEnd(e berElement) {
	if damage, bad := e.Damage(); bad {
		s.malformed(int(damage.Offset), "%s", damage.Problem)
	} else if e.Len() > 0 {
		s.malformed(offset(e.Reader), "%d bytes follow the last element", e.Len())
	}
}

// snmpVersion3 reads header, security parameters and scoped PDU (RFC 3412, section 6).
func (s *sheet) snmpVersion3(r *cursor.Reader) {
	const usm = 3 // RFC 3414
	header := s.expect(r, "a header", berSequence)
	s.integer(s.expect(header.Reader, "a message's number", berInteger), "snmp.msgID", decimal)
	s.integer(s.expect(header.Reader, "a size", berInteger), "snmp.msgMaxSize", decimal)
	flags := s.octets(s.expect(header.Reader, "flags", berOctetString), "snmp.msgFlags", hexBytes)
	model := s.integer(s.expect(header.Reader, "a security model", berInteger), "snmp.msgSecurityModel", decimal)
	s.snmpEnd(header)
	security := s.expect(r, "security parameters", berOctetString)
	if model == usm {
		s.snmpUser(s.expect(security.Reader, "security parameters", berSequence))
	} else {
		s.octets(security, "snmp.msgSecurityParameters", hexBytes)
	}
	scoped := s.element(r)
	if len(flags) == 1 && flags[0]&2 != 0 && scoped.tag == berOctetString {
		s.octets(scoped, "snmp.encryptedPDU", hexBytes)
		s.tag("encrypted", "decrypt")
		s.say("encrypted")
		return
	}
	s.octets(s.expect(scoped.Reader, "an engine", berOctetString), "snmp.contextEngineID", hexBytes)
	s.octets(s.expect(scoped.Reader, "a context", berOctetString), "snmp.contextName", printable)
	s.snmpPDU(s.element(scoped.Reader))
	s.snmpEnd(scoped)
}

// snmpUser reads the parameters of the User-based Security Model (RFC 3414, section 2.4).
func (s *sheet) snmpUser(e berElement) {
	s.octets(s.expect(e.Reader, "an engine", berOctetString), "snmp.msgAuthoritativeEngineID", hexBytes)
	s.integer(s.expect(e.Reader, "boots", berInteger), "snmp.msgAuthoritativeEngineBoots", decimal)
	s.integer(s.expect(e.Reader, "a time", berInteger), "snmp.msgAuthoritativeEngineTime", decimal)
	s.octets(s.expect(e.Reader, "a user", berOctetString), "snmp.msgUserName", printable)
	s.octets(s.expect(e.Reader, "authentication", berOctetString), "snmp.msgAuthenticationParameters", hexBytes)
	s.octets(s.expect(e.Reader, "privacy", berOctetString), "snmp.msgPrivacyParameters", hexBytes)
	s.tag("usm", "engine", "user")
	s.snmpEnd(e)
}

func (s *sheet) snmpPDU(pdu berElement) {
	kind, known := snmpPDUs[pdu.tag]
	if !known {
		if pdu.Err() == nil {
			s.malformed(pdu.at, "expected a PDU, found tag %02x", pdu.tag)
		}
		return
	}
	s.field("snmp.data", kind.name, pdu.at, pdu.end()-pdu.at)
	s.tag("pdu", kind.word, kind.name)
	s.say("%s", kind.name)
	if kind.word == "response" || kind.word == "report" {
		s.answer("get", "getnext", "getbulk", "set", "inform")
	}
	r := pdu.Reader
	switch pdu.tag {
	case 0xa4:
		s.snmpTrap(r)
	case 0xa5:
		s.integer(s.expect(r, "a request's number", berInteger), "snmp.request_id", decimal)
		s.integer(s.expect(r, "non-repeaters", berInteger), "snmp.non_repeaters", decimal)
		s.integer(s.expect(r, "repetitions", berInteger), "snmp.max_repetitions", decimal)
	default:
		s.integer(s.expect(r, "a request's number", berInteger), "snmp.request_id", decimal)
		status := s.integer(s.expect(r, "an error", berInteger), "snmp.error_status", named(snmpErrors))
		s.integer(s.expect(r, "an error's index", berInteger), "snmp.error_index", decimal)
		if status != 0 {
			s.tag("error", words(snake(snmpErrors[status])))
			s.say("%s", named(snmpErrors)(status))
		}
	}
	list := s.expect(r, "variable bindings", berSequence)
	for list.Len() > 0 && !s.full() {
		s.snmpVariable(s.expect(list.Reader, "a variable binding", berSequence))
	}
	s.snmpEnd(pdu)
}

// snmpTrap reads what only traps of version 1 have (RFC 1157, section 4.1.6).
func (s *sheet) snmpTrap(r *cursor.Reader) {
	s.octets(s.expect(r, "an enterprise", berOID), "snmp.enterprise", berOIDText)
	s.octets(s.expect(r, "an address", snmpIPAddress), "snmp.agent_addr", snmpAddress)
	s.integer(s.expect(r, "a generic trap", berInteger), "snmp.generic_trap", named(snmpTraps))
	s.integer(s.expect(r, "a specific trap", berInteger), "snmp.specific_trap", decimal)
	s.integer(s.expect(r, "a time", snmpTimeTicks), "snmp.time_stamp", decimal)
}

// Tags of values (RFC 2578, section 7.1; RFC 3416, section 3).
const (
	snmpIPAddress = 0x40
	snmpCounter32 = 0x41
	snmpGauge32   = 0x42
	snmpTimeTicks = 0x43
	snmpOpaque    = 0x44
	snmpCounter64 = 0x46
)

// snmpVariable reads a name and its value.
func (s *sheet) snmpVariable(e berElement) {
	s.tag("varbind", "oid", "variable")
	name := s.octets(s.expect(e.Reader, "a name", berOID), "snmp.name", berOIDText)
	s.say("%s", berOIDText(name))
	if e.Err() == nil && e.Len() == 0 {
		s.malformed(offset(e.Reader), "expected a value, found none")
		return
	}
	v := s.element(e.Reader)
	switch v.tag {
	case berInteger:
		s.integer(v, "snmp.value.int", decimal)
	case berOctetString:
		s.octets(v, "snmp.value.octets", printable)
	case berOID:
		s.octets(v, "snmp.value.oid", berOIDText)
	case snmpIPAddress:
		s.octets(v, "snmp.value.ipv4", snmpAddress)
	case snmpCounter32, snmpCounter64:
		s.unsigned(v, "snmp.value.counter")
	case snmpGauge32:
		s.unsigned(v, "snmp.value.g32")
	case snmpTimeTicks:
		s.unsigned(v, "snmp.value.timeticks")
	case snmpOpaque:
		s.octets(v, "snmp.value.opaque", hexBytes)
	case berNull:
		s.field("snmp.value.null", "", v.at, v.end()-v.at)
	case 0x80, 0x81, 0x82:
		name := map[int]string{0x80: "snmp.noSuchObject", 0x81: "snmp.noSuchInstance", 0x82: "snmp.endOfMibView"}[v.tag]
		s.field(name, "", v.at, v.end()-v.at)
	default:
		s.octets(v, "snmp.value.unk", hexBytes)
	}
	s.snmpEnd(e)
}

// unsigned keeps a number that has no sign; a zero byte may stand before its eight.
func (s *sheet) unsigned(e berElement, name string) {
	content, at := e.content()
	n := uint64(0)
	for _, b := range content[max(0, len(content)-8):] {
		n = n<<8 | uint64(b)
	}
	s.field(name, fmt.Sprint(n), at, len(content))
	if len(content) == 0 || len(content) > 9 {
		s.malformed(e.at, "%s has %d bytes", name, len(content))
	}
}

func snmpAddress(content []byte) string {
	if len(content) != 4 {
		return hexBytes(content)
	}
	return netip.AddrFrom4([4]byte(content)).String()
}
