package lab

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// slapd is OpenLDAP's server with a module that tidies telephone numbers. A modification that takes all of an
// attribute's values away names none of them, and the module goes through a list that isn't there.
var slapd = Case{
	Name:    "slapd",
	Program: "/usr/sbin/slapd",
	Listen:  netip.MustParseAddrPort("127.0.0.1:3890"),
	Prepare: prepareSlapd,
	Command: func(s *Stage) []string {
		return []string{"/usr/sbin/slapd", "-d", "0", "-f", s.Home + "/slapd.conf", "-h", "ldap://127.0.0.1:3890"}
	},
	Script:    scriptSlapd,
	Culprit:   Culprit{Module: "phone.so", Function: "phone_tidy", Role: "decided"},
	Mechanism: "fault_null",
}

const slapdConf = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile %[1]s/pid
modulepath /usr/lib/ldap
moduleload back_mdb
threads 8
sizelimit 200
access to * by * write
database mdb
maxsize 16777216
suffix "dc=example,dc=net"
rootdn "cn=admin,dc=example,dc=net"
rootpw secret
directory %[1]s/db
dbnosync
plugin preoperation %[1]s/lib/phone.so phone_init
`

const ldapPeople = 60

func prepareSlapd(s *Stage) error {
	r := rand.New(rand.NewPCG(s.Seed, 1))
	if err := os.MkdirAll(filepath.Join(s.Home, "db"), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.Home, "slapd.conf"), fmt.Appendf(nil, slapdConf, s.Home), 0o644); err != nil {
		return err
	}
	text := "dn: dc=example,dc=net\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n\n" +
		"dn: ou=people,dc=example,dc=net\nobjectClass: organizationalUnit\nou: people\n\n"
	for i := range ldapPeople {
		text += fmt.Sprintf("dn: %s\nobjectClass: inetOrgPerson\nuid: u%d\ncn: %s\nsn: Number %[2]d\nmail: u%[2]d@example.net\ntelephoneNumber: %s\nmobile: %s\n\n",
			ldapDN(i), i, prose(r, 2), ldapPhone(r, false), ldapPhone(r, false))
	}
	add := exec.Command("/usr/sbin/slapadd", "-q", "-f", s.Home+"/slapd.conf")
	add.Stdin = strings.NewReader(text)
	if out, err := add.CombinedOutput(); err != nil {
		return fmt.Errorf("slapadd: %w: %s", err, out)
	}
	return nil
}

func ldapDN(person int) string { return fmt.Sprintf("uid=u%d,ou=people,dc=example,dc=net", person) }

func ldapPhone(r *rand.Rand, pretty bool) string {
	if pretty {
		return fmt.Sprintf("+%d (%d) %03d-%02d.%02d", 30+r.IntN(19), 10+r.IntN(89), r.IntN(1000), r.IntN(100), r.IntN(100))
	}
	return fmt.Sprintf("+%d%d", 30+r.IntN(19), 1000000+r.IntN(90000000))
}

func scriptSlapd(s *Stage) []Conversation {
	r := s.Rand
	death := between(r, 2200*time.Millisecond, 2700*time.Millisecond)
	person, kind := r.IntN(ldapPeople), []string{"telephoneNumber", "mobile", "pager", "homePhone"}[r.IntN(4)]
	mail := ldapChange(2, "mail", fmt.Sprintf("moved%d@example.net", r.IntN(1000)))
	script := []Conversation{
		{Killer, loopback(2000 + r.IntN(50)), death - 50*time.Millisecond, ldapEditor(subrand(r), ldapModify(person, mail, ldapChange(1, kind)))},
		{Twin, loopback(2100 + r.IntN(50)), between(r, death/4, death*3/4), ldapEditor(subrand(r), ldapModify(person, mail, ldapChange(1, kind, ldapPhone(r, true))))},
	}
	for range 380 {
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(60)), between(r, 0, death+150*time.Millisecond), ldapVisit(subrand(r))})
	}
	for i, request := range ldapOddities(subrand(r)) {
		script = append(script, Conversation{Odd, loopback(1000 + i), between(r, death/10, death-60*time.Millisecond), func(t *Talk) {
			ldapBind(t, false)
			t.Message(ldapMessage(2, request))
			t.ldapDone(2)
		}})
	}
	for i, request := range ldapWaiting(subrand(r)) {
		script = append(script, Conversation{Waiting, loopback(1100 + i), between(r, death/4, death-150*time.Millisecond), func(t *Talk) {
			ldapBind(t, true)
			t.Message(request)
			t.Outlast()
		}})
	}
	return script
}

// ber is a value of BER with its tag and length.
func ber(tag byte, parts ...string) string {
	body := strings.Join(parts, "")
	switch n := len(body); {
	case n < 128:
		return string([]byte{tag, byte(n)}) + body
	case n < 256:
		return string([]byte{tag, 0x81, byte(n)}) + body
	default:
		return string([]byte{tag, 0x82, byte(n >> 8), byte(n)}) + body
	}
}

func berText(text string) string { return ber(0x04, text) }

func berNumber(tag byte, n int) string {
	if n < 128 {
		return ber(tag, string([]byte{byte(n)}))
	}
	return ber(tag, string([]byte{byte(n >> 8), byte(n)}))
}

func ldapMessage(id int, request string) []byte {
	return []byte(ber(0x30, berNumber(0x02, id), request))
}

// ldapChange is one of a modification's changes: 0 adds, 1 takes away, 2 puts in place of what is there.
func ldapChange(how int, kind string, values ...string) string {
	all := ""
	for _, v := range values {
		all += berText(v)
	}
	return ber(0x30, berNumber(0x0a, how), ber(0x30, berText(kind), ber(0x31, all)))
}

func ldapModify(person int, changes ...string) string {
	return ber(0x66, berText(ldapDN(person)), ber(0x30, changes...))
}

func ldapEquals(kind, value string) string { return ber(0xa3, berText(kind), berText(value)) }

func ldapSearch(base string, scope int, filter string, kinds ...string) string {
	all := ""
	for _, k := range kinds {
		all += berText(k)
	}
	return ber(0x63, berText(base), berNumber(0x0a, scope), berNumber(0x0a, 0), berNumber(0x02, 100), berNumber(0x02, 20),
		ber(0x01, "\x00"), filter, ber(0x30, all))
}

// ldapDone reads until a request is done: entries that are found come before.
func (t *Talk) ldapDone(id int) {
	t.Read(func(b []byte) bool {
		for len(b) > 6 {
			size, at := int(b[1]), 2
			if size >= 0x80 {
				n := size & 0x7f
				size, at = 0, 2+n
				for i := 2; i < at && i < len(b); i++ {
					size = size<<8 | int(b[i])
				}
			}
			if at+size > len(b) {
				return false
			}
			// Numbers are small here: their length is one.
			if kind := b[at+3]; at+3 < len(b) && kind != 0x64 && kind != 0x73 && (int(b[at+2]) == id || b[at+2] == 0) {
				return true
			}
			b = b[at+size:]
		}
		return false
	})
}

func ldapBind(t *Talk, anonymous bool) {
	bind := ber(0x60, berNumber(0x02, 3), berText("cn=admin,dc=example,dc=net"), ber(0x80, "secret"))
	if anonymous {
		bind = ber(0x60, berNumber(0x02, 3), berText(""), ber(0x80, ""))
	}
	t.Send(ldapMessage(1, bind))
	t.ldapDone(1)
}

// ldapEditor looks at somebody before it changes something of her.
func ldapEditor(r *rand.Rand, modify string) func(*Talk) {
	return func(t *Talk) {
		ldapBind(t, false)
		t.Send(ldapMessage(2, ldapSearch("ou=people,dc=example,dc=net", 2, ldapEquals("uid", fmt.Sprintf("u%d", r.IntN(ldapPeople))))))
		t.ldapDone(2)
		t.Pause(time.Duration(5+r.IntN(20)) * time.Millisecond)
		t.Message(ldapMessage(3, modify))
		t.ldapDone(3)
	}
}

// ldapVisit looks people up, changes something of them, or asks whether a password is right.
func ldapVisit(r *rand.Rand) func(*Talk) {
	return func(t *Talk) {
		ldapBind(t, r.IntN(3) == 0)
		n := 1 + r.IntN(5)
		for id := 2; id < 2+n; id++ {
			message := ldapMessage(id, ldapOrdinary(r))
			if r.IntN(12) == 0 {
				t.Slowly(message, 15+r.IntN(30), time.Duration(2+r.IntN(10))*time.Millisecond)
			} else {
				t.Send(message)
			}
			t.ldapDone(id)
			t.Pause(time.Duration(r.IntN(40)) * time.Millisecond)
		}
		t.message.Bytes = nil
		if r.IntN(4) > 0 {
			t.Send(ldapMessage(2+n, ber(0x42)))
		}
	}
}

func ldapOrdinary(r *rand.Rand) string {
	person := r.IntN(ldapPeople + 3) // some aren't there
	uid := ldapEquals("uid", fmt.Sprintf("u%d", person))
	switch r.IntN(10) {
	case 0:
		return ldapSearch("", 0, ber(0x87, "objectClass"), "namingContexts", "supportedLDAPVersion")
	case 1:
		return ldapSearch(ldapDN(person), 0, ber(0x87, "objectClass"), "cn", "mail", "telephoneNumber")
	case 2:
		return ldapSearch("ou=people,dc=example,dc=net", 1, ber(0xa4, berText("cn"), ber(0x30, ber(0x80, prose(r, 1)[:3]))), "cn")
	case 3:
		return ber(0x6e, berText(ldapDN(person)), ber(0x30, berText("mail"), berText(fmt.Sprintf("u%d@example.net", person))))
	case 4:
		return ldapModify(person, ldapChange(2, "telephoneNumber", ldapPhone(r, r.IntN(2) == 0)))
	case 5:
		return ldapModify(person, ldapChange(2, "description", prose(r, 1+r.IntN(20))), ldapChange(2, "mobile", ldapPhone(r, true)))
	case 6:
		return ldapModify(person, ldapChange(2, "title", prose(r, 1)), ldapChange(1, "title")) // what was just put there goes again
	case 7:
		return ldapModify(person, ldapChange(0, "pager", ldapPhone(r, true), ldapPhone(r, true)))
	default:
		return ldapSearch("dc=example,dc=net", 2, ber(0xa0, ldapEquals("objectClass", "inetOrgPerson"), uid), "cn", "mail", "mobile")
	}
}

// ldapOddities are longer, rarer or stranger than the killer.
func ldapOddities(r *rand.Rand) []string {
	deep := ldapEquals("uid", "u1")
	for range 60 {
		deep = ber(0xa2, deep)
	}
	var many []string
	for range 150 {
		many = append(many, ldapPhone(r, true))
	}
	long := strings.Repeat("a long description. ", 200)
	return []string{
		ldapSearch("dc=example,dc=net", 2, deep),
		ldapModify(1, ldapChange(0, "homePhone", many...)),
		ldapModify(2, ldapChange(0, "telephoneNumber", "call reception")),
		ldapModify(3, ldapChange(1, "telephoneNumber", "+999999999")), // which isn't there
		ldapModify(4, ldapChange(1, "facsimileTelephoneNumber")),      // of which there is none, and which isn't the module's
		ldapModify(5, ldapChange(2, "description", long)),
		ldapModify(6, ldapChange(2, "description")),
		ldapModify(7),
		ldapModify(8, ldapChange(0, "noSuchAttribute", "x")),
		ldapModify(9, ldapChange(2, "mobile;lang-de", "+49 30 1234")),
		ldapSearch("dc=example,dc=net", 2, ber(0xa9, ber(0x81, "caseIgnoreMatch"), ber(0x83, "u5"), ber(0x84, "\xff"))),
		ldapSearch("dc=example,dc=net", 2, ber(0xa1)), // any of nothing
		ldapSearch("cn=monitor", 2, ber(0x87, "objectClass"), "+", "*", "1.1"),
		ldapSearch("cn=Subschema", 0, ber(0x87, "subschema"), "attributeTypes", "objectClasses"),
		ber(0x68, berText("uid=neu,ou=people,dc=example,dc=net"), ber(0x30, ber(0x30, berText("objectClass"), ber(0x31, berText("inetOrgPerson"))),
			ber(0x30, berText("sn"), ber(0x31, berText("Zürcher"))), ber(0x30, berText("cn"), ber(0x31, berText("N."))))),
		ber(0x4a, ldapDN(9999)),
		ber(0x6c, berText(ldapDN(10)), berText("uid=u10"), ber(0x01, "\xff")),
		ber(0x77, ber(0x80, "1.3.6.1.4.1.4203.1.11.3")), // who am I?
		ber(0x77, ber(0x80, "1.2.3.4"), ber(0x81, string(random(r, 300)))),
	}
}

// ldapWaiting gets no answer: half a request, or one that has none.
func ldapWaiting(r *rand.Rand) [][]byte {
	var all [][]byte
	for range 4 {
		modify := ldapMessage(2, ldapModify(r.IntN(ldapPeople), ldapChange(2, "mobile", ldapPhone(r, true))))
		search := ldapMessage(2, ldapSearch("dc=example,dc=net", 2, ldapEquals("mail", fmt.Sprintf("u%d@example.net", r.IntN(ldapPeople))), "cn"))
		all = append(all,
			modify[:len(modify)-1-r.IntN(30)],
			search[:len(search)-1-r.IntN(30)],
			ldapMessage(2, string([]byte{0x50, 1, byte(3 + r.IntN(5))})), // what isn't there is given up
			ldapMessage(2, ldapModify(r.IntN(ldapPeople), ldapChange(2, "description", prose(r, 40))))[:150])
	}
	return all
}
