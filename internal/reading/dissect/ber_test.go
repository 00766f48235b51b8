package dissect

import (
	"strings"
	"testing"
)

// tlv is an element of BER with a length of the shortest form.
func tlv(tag byte, content ...string) string {
	body := strings.Join(content, "")
	if len(body) < 0x80 {
		return string([]byte{tag, byte(len(body))}) + body
	}
	return string([]byte{tag, 0x82, byte(len(body) >> 8), byte(len(body))}) + body
}

func ldapOf(op string, controls ...string) string {
	return tlv(0x30, append([]string{tlv(2, "\x07"), op}, controls...)...)
}

// ldapQuery is a search with a filter.
func ldapQuery(filter string) string {
	return ldapOf(tlv(0x63, tlv(4, "dc=x"), tlv(10, "\x02"), tlv(10, "\x00"), tlv(2, "\x00"), tlv(2, "\x00"), tlv(1, "\x00"), filter, tlv(0x30)))
}

func nested(depth int) string {
	filter := tlv(0x87, "cn")
	for range depth {
		filter = tlv(0xa2, filter)
	}
	return filter
}

var (
	ldapClient = Hint{Transport: "tcp", Port: 389, FromClient: true}
	ldapServer = Hint{Transport: "tcp", Port: 389}
	ldapDelete = ldapOf(tlv(0x4a, "cn=a,dc=x"), tlv(0xa0, tlv(0x30, tlv(4, "1.2.3"), tlv(1, "\xff"), tlv(4, "\x01\x02"))))
)

var ldapExamples = []example{
	{"controls", ldapDelete, ldapClient, "LDAP", map[string]string{"ldap.delRequest": "cn=a,dc=x", "ldap.criticality": "true", "ldap.controlValue": "0102"},
		[]string{"delete", "controls"}, nil},
	{"rename", ldapOf(tlv(0x6c, tlv(4, "cn=a,dc=x"), tlv(4, "cn=b"), tlv(1, "\xff"), tlv(0x80, "ou=y"))), ldapClient, "LDAP",
		map[string]string{"ldap.newSuperior": "ou=y", "ldap.newrdn": "cn=b"}, []string{"rename"}, nil},
	{"abandon", ldapOf(tlv(0x50, "\x05")), ldapClient, "LDAP", map[string]string{"ldap.abandonRequest": "5"}, []string{"abandon"}, nil},
	{"StartTLS", ldapOf(tlv(0x77, tlv(0x80, ldapStartTLS))), ldapClient, "LDAP", map[string]string{"ldap.requestName": ldapStartTLS}, []string{"starttls"}, nil},
	{"intermediate", ldapOf(tlv(0x79, tlv(0x80, "1.2.3.4"), tlv(0x81, "\x00\x01"))), ldapServer, "LDAP", map[string]string{"ldap.responseName": "1.2.3.4"},
		[]string{"intermediate"}, nil},
	{"extended result", ldapOf(tlv(0x78, tlv(10, "\x00"), tlv(4), tlv(4), tlv(0x8a, "1.2.3.4"), tlv(0x8b, "\x00\x01"))), ldapServer, "LDAP",
		map[string]string{"ldap.responseValue": "0001"}, []string{"extended"}, []string{"extended"}},
	{"references", ldapOf(tlv(0x73, tlv(4, "ldap://a/"), tlv(4, "ldap://b/"))), ldapServer, "LDAP", map[string]string{"ldap.LDAPURL": "ldap://a/"}, nil, nil},
	{"referral", ldapOf(tlv(0x65, tlv(10, "\x0a"), tlv(4, "dc=x"), tlv(4, "elsewhere"), tlv(0xa3, tlv(4, "ldap://c/")))), ldapServer, "LDAP",
		map[string]string{"ldap.LDAPURL": "ldap://c/", "ldap.matchedDN": "dc=x"}, []string{"referral"}, []string{"search"}},
	{"filter", ldapQuery(tlv(0xa0, tlv(0xa1, tlv(0xa3, tlv(4, "cn"), tlv(4, "a*(b\x00")), tlv(0xa5, tlv(4, "n"), tlv(4, "1"))),
		tlv(0xa4, tlv(4, "sn"), tlv(0x30, tlv(0x80, "x"), tlv(0x81, "y"), tlv(0x82, "z"))), tlv(0xa2, tlv(0x87, "mail")),
		tlv(0xa9, tlv(0x81, "2.4.6"), tlv(0x82, "ou"), tlv(0x83, "v"), tlv(0x84, "\xff")))), ldapClient, "LDAP",
		map[string]string{"ldap.filter": `(&(|(cn=a\2a\28b\00)(n>=1))(sn=x*y*z)(!(mail=*))(ou:dn:2.4.6:=v))`, "ldap.any": "y"}, []string{"search", "filter"}, nil},
	{"two messages", ldapDelete + ldapQuery(tlv(0x87, "cn")), fromClient, "LDAP", nil, []string{"delete", "search"}, nil},
	{"filter nested too deep", ldapQuery(nested(5000)), fromClient, "LDAP", map[string]string{"malformed": "a filter is nested more than 100 deep"}, nil, nil},
	{"name that lies", strings.Replace(ldapDelete, "\x4a\x09", "\x4a\x7f", 1), fromClient, "LDAP",
		map[string]string{"malformed": "element 4a claims 127 bytes, 27 are there"}, []string{"delete"}, nil},
	{"length of eight bytes", "\x30\x88\xff\xff\xff\xff\xff\xff\xff\xff" + ldapDelete[2:], fromClient, "LDAP",
		map[string]string{"malformed": "element 30 claims 18446744073709551615 bytes, 32 are there", "ldap.delRequest": "cn=a,dc=x"}, nil, nil},
	{"number of nine bytes", ldapOf(tlv(0x50, "123456789")), fromClient, "LDAP", map[string]string{"malformed": "ldap.abandonRequest has 9 bytes"}, nil, nil},
	{"filter that is none", ldapQuery(tlv(0x99, "cn")), fromClient, "LDAP", map[string]string{"malformed": "expected a filter, found tag 99"}, nil, nil},
	{"bind that is cut", ldapOf(tlv(0x60, tlv(2, "\x03"))), fromClient, "LDAP", map[string]string{"ldap.version": "3", "malformed": "expected ldap.name, found the end of what holds it"}, nil, nil},
}

var (
	snmpClient = Hint{Transport: "udp", Port: 161, FromClient: true}
	snmpServer = Hint{Transport: "udp", Port: 161}
	snmpVars   = tlv(0x30, tlv(0x30, tlv(6, "\x2b\x06\x01\x02\x01\x01\x05\x00"), tlv(0x44, "\x9f\x78\x04\x42\xf6\x00\x00")))
	snmpGet    = tlv(0xa0, tlv(2, "\x12\x34\x56\x78"), tlv(2, "\x00"), tlv(2, "\x00"), snmpVars)
	snmpV2     = tlv(0x30, tlv(2, "\x01"), tlv(4, "public"), snmpGet)
)

// snmpV3 is a message of version 3 with flags and a scoped PDU.
func snmpV3(flags, scoped string) string {
	return tlv(0x30, tlv(2, "\x03"), tlv(0x30, tlv(2, "\x01\x02"), tlv(2, "\x00\xff\xe3"), tlv(4, flags), tlv(2, "\x03")),
		tlv(4, tlv(0x30, tlv(4, "\x80\x00\x1f\x88\x04abc"), tlv(2, "\x07"), tlv(2, "\x01\x00"), tlv(4, "usr"), tlv(4, "123456789012"), tlv(4, "saltsalt"))), scoped)
}

var snmpExamples = []example{
	{"version 3", snmpV3("\x05", tlv(0x30, tlv(4, "\x80\x00\x1f\x88\x04abc"), tlv(4, "ctx"), snmpGet)), snmpClient, "SNMP",
		map[string]string{"snmp.msgUserName": "usr", "snmp.contextName": "ctx", "snmp.name": "1.3.6.1.2.1.1.5.0"}, []string{"usm", "get"}, nil},
	{"version 3, encrypted", snmpV3("\x07", tlv(4, "\x01\x02\x03\x04")), snmpServer, "SNMP", map[string]string{"snmp.encryptedPDU": "01020304"},
		[]string{"encrypted"}, nil},
	{"version 2", snmpV2, fromClient, "SNMP", map[string]string{"snmp.community": "public", "snmp.request_id": "305419896"}, []string{"get", "community"}, nil},
	{"community that lies", strings.Replace(snmpV2, "\x04\x06public", "\x04\x84\xff\xff\xff\xffpublic", 1), snmpClient, "binary", nil, nil, nil},
	{"name that lies", strings.Replace(snmpV2, "\x06\x08\x2b", "\x06\x70\x2b", 1), fromClient, "SNMP",
		map[string]string{"malformed": "element 06 claims 112 bytes, 17 are there"}, []string{"get"}, nil},
	{"PDU that is cut", snmpV2[:len(snmpV2)-20], fromClient, "SNMP", map[string]string{"malformed": "element 30 claims 48 bytes, 28 are there"}, []string{"get"}, nil},
	{"counter of ten bytes", strings.Replace(snmpV2, tlv(0x44, "\x9f\x78\x04\x42\xf6\x00\x00"), "\x46\x07\x00\x00\x00\x00\x00\x00\x01", 1), fromClient, "SNMP",
		map[string]string{"snmp.value.counter": "1"}, nil, nil},
}

func TestAnLDAPMessageInMemoryIsFramed(t *testing.T) {
	for data, want := range map[string]int{
		ldapDelete + "\x00\x00": len(ldapDelete), ldapDelete[:len(ldapDelete)-1]: 0, ldapOf(tlv(0x50, "\x05")): 0,
		ldapQuery(tlv(0x99, "cn")): 0,
	} {
		if n := Framed([]byte(data)); n != want {
			t.Errorf("%q: framed %d bytes, want %d", data, n, want)
		}
	}
}
