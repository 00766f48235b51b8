package dissect

import (
	"fmt"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// ldapOperation is an operation of LDAP: its name, the word for it, and the word of what it answers.
type ldapOperation struct{ name, word, answers string }

// Operations by their tags (RFC 4511, section 4.2 to 4.13).
var ldapOperations = map[int]ldapOperation{
	0x60: {"bindRequest", "bind", ""}, 0x61: {"bindResponse", "bind", "bind"}, 0x42: {"unbindRequest", "unbind", ""},
	0x63: {"searchRequest", "search", ""}, 0x64: {"searchResEntry", "search", ""}, 0x65: {"searchResDone", "search", "search"},
	0x73: {"searchResRef", "search", ""}, 0x66: {"modifyRequest", "modify", ""}, 0x67: {"modifyResponse", "modify", "modify"},
	0x68: {"addRequest", "add", ""}, 0x69: {"addResponse", "add", "add"}, 0x4a: {"delRequest", "delete", ""},
	0x6b: {"delResponse", "delete", "delete"}, 0x6c: {"modDNRequest", "modrdn", ""}, 0x6d: {"modDNResponse", "modrdn", "modrdn"},
	0x6e: {"compareRequest", "compare", ""}, 0x6f: {"compareResponse", "compare", "compare"}, 0x50: {"abandonRequest", "abandon", ""},
	0x77: {"extendedReq", "extended", ""}, 0x78: {"extendedResp", "extended", "extended"}, 0x79: {"intermediateResponse", "intermediate", ""},
}

// Result codes (RFC 4511, section 4.1.9).
var ldapResults = map[int]string{
	0: "success", 1: "operationsError", 2: "protocolError", 3: "timeLimitExceeded", 4: "sizeLimitExceeded", 5: "compareFalse",
	6: "compareTrue", 7: "authMethodNotSupported", 8: "strongAuthRequired", 10: "referral", 11: "adminLimitExceeded",
	12: "unavailableCriticalExtension", 13: "confidentialityRequired", 14: "saslBindInProgress", 16: "noSuchAttribute",
	17: "undefinedAttributeType", 18: "inappropriateMatching", 19: "constraintViolation", 20: "attributeOrValueExists",
	21: "invalidAttributeSyntax", 32: "noSuchObject", 33: "aliasProblem", 34: "invalidDNSyntax", 36: "aliasDereferencingProblem",
	48: "inappropriateAuthentication", 49: "invalidCredentials", 50: "insufficientAccessRights", 51: "busy", 52: "unavailable",
	53: "unwillingToPerform", 54: "loopDetect", 64: "namingViolation", 65: "objectClassViolation", 66: "notAllowedOnNonLeaf",
	67: "notAllowedOnRDN", 68: "entryAlreadyExists", 69: "objectClassModsProhibited", 71: "affectsMultipleDSAs", 80: "other",
}

var (
	ldapScopes   = map[int]string{0: "baseObject", 1: "singleLevel", 2: "wholeSubtree"}
	ldapDerefs   = map[int]string{0: "neverDerefAliases", 1: "derefInSearching", 2: "derefFindingBaseObj", 3: "derefAlways"}
	ldapModifies = map[int]string{0: "add", 1: "delete", 2: "replace", 3: "increment"}
)

const ldapStartTLS = "1.3.6.1.4.1.1466.20037" // RFC 4511, section 4.14.1

// ldap reads LDAP's messages (RFC 4511), over TCP or UDP.
func ldap(data []byte, _ Hint) (Dissection, bool) {
	if !isLDAP(data) {
		return Dissection{}, false
	}
	s := &sheet{}
	s.tag("ldap", "message")
	for r := open("LDAP message", 0, data); r.Len() > 0 && !s.full(); {
		if m := s.expect(r, "a message", berSequence); m.tag == berSequence {
			s.ldapMessage(m)
		} else {
			break
		}
	}
	return s.done("LDAP"), true
}

// isLDAP says whether data begins with a sequence of a message's number and an operation.
func isLDAP(data []byte) bool {
	s := &sheet{}
	m := s.element(open("LDAP message", 0, data))
	id := s.element(m.Reader)
	content, _ := id.content()
	n, ok := berNumber(content)
	_, known := ldapOperations[int(m.Uint8())]
	return m.tag == berSequence && id.tag == berInteger && ok && len(content) <= 4 && n >= 0 && known
}

// framedLDAP is a message that is there whole and well-formed. One that is hardly longer than its framing is
// taken for chance.
func framedLDAP(data []byte) int {
	const shortest = 12
	if !isLDAP(data[:min(len(data), 64)]) {
		return 0
	}
	s := &sheet{}
	m := s.element(open("LDAP message", 0, data))
	end := m.end()
	s.ldapMessage(m)
	if s.isMalformed() || end < shortest {
		return 0
	}
	return end
}

func (s *sheet) ldapMessage(m berElement) {
	s.integer(s.expect(m.Reader, "a message's number", berInteger), "ldap.messageID", decimal)
	op := s.element(m.Reader)
	o, known := ldapOperations[op.tag]
	if !known {
		if m.Err() == nil {
			s.malformed(op.at, "expected an operation, found tag %02x", op.tag)
		}
		return
	}
	s.field("ldap.protocolOp", o.name, op.at, op.end()-op.at)
	s.tag(o.word, words(snake(o.name)))
	if o.answers != "" {
		s.answer(o.answers)
	}
	s.say("%s", o.name)
	s.ldapOperation(op)
	if damage, bad := op.Damage(); bad {
		s.malformed(int(damage.Offset), "%s", damage.Problem)
	} else if op.Len() > 0 {
		s.malformed(offset(op.Reader), "%d bytes follow the %s", op.Len(), o.name)
	}
	if m.Len() > 0 {
		s.ldapControls(s.expect(m.Reader, "controls", 0xa0))
	}
}

// ldapText reads a string and keeps it, and the beginning of it in the summary.
func (s *sheet) ldapText(r *cursor.Reader, name string) []byte {
	return s.octets(s.expect(r, name, berOctetString), name, printable)
}

func (s *sheet) ldapSaid(text []byte) { s.say("%q", printable(text[:min(len(text), 80)])) }

func (s *sheet) ldapOperation(op berElement) {
	r := op.Reader
	switch op.tag {
	case 0x60:
		s.ldapBind(r)
	case 0x61, 0x65, 0x67, 0x69, 0x6b, 0x6d, 0x6f, 0x78:
		s.ldapResult(r)
	case 0x63:
		s.ldapSearch(r)
	case 0x64:
		s.ldapSaid(s.ldapText(r, "ldap.objectName"))
		s.ldapAttributes(s.expect(r, "attributes", berSequence).Reader)
	case 0x66:
		s.ldapSaid(s.ldapText(r, "ldap.object"))
		s.ldapModifications(s.expect(r, "modifications", berSequence).Reader)
	case 0x68:
		s.ldapSaid(s.ldapText(r, "ldap.entry"))
		s.ldapAttributes(s.expect(r, "attributes", berSequence).Reader)
	case 0x4a:
		s.ldapSaid(s.octets(op, "ldap.delRequest", printable))
		r.Rest()
	case 0x6c:
		s.ldapRename(r)
	case 0x6e:
		s.ldapSaid(s.ldapText(r, "ldap.entry"))
		ava := s.expect(r, "an assertion", berSequence)
		s.ldapText(ava.Reader, "ldap.attributeDesc")
		s.ldapText(ava.Reader, "ldap.assertionValue")
	case 0x50:
		s.integer(op, "ldap.abandonRequest", decimal)
		r.Rest()
	case 0x73:
		for r.Len() > 0 && !s.full() {
			s.ldapText(r, "ldap.LDAPURL")
		}
	case 0x77, 0x79:
		s.ldapExtended(op)
	}
}

// ldapBind reads a bind's version, name, and simple or SASL credentials (section 4.2).
func (s *sheet) ldapBind(r *cursor.Reader) {
	s.integer(s.expect(r, "a version", berInteger), "ldap.version", decimal)
	s.ldapSaid(s.ldapText(r, "ldap.name"))
	switch e := s.element(r); e.tag {
	case 0x80:
		s.octets(e, "ldap.simple", printable)
		s.tag("simple")
	case 0xa3:
		mechanism := s.ldapText(e.Reader, "ldap.mechanism")
		s.tag("sasl", printable(mechanism))
		if e.Len() > 0 {
			s.octets(s.element(e.Reader), "ldap.credentials", hexBytes)
		}
	default:
		s.field("ldap.authentication", hexBytes(peek(e.Reader)), offset(e.Reader), e.Len())
	}
}

// ldapResult reads a result, and what only some responses carry behind it (sections 4.1.9, 4.2.2 and 4.12).
func (s *sheet) ldapResult(r *cursor.Reader) {
	code := s.integer(s.expect(r, "a result", berEnumerated), "ldap.resultCode", named(ldapResults))
	s.tag("result", "response")
	if code != 0 {
		s.say("%s", named(ldapResults)(code))
		s.tag(words(snake(ldapResults[code])))
	}
	s.ldapText(r, "ldap.matchedDN")
	s.ldapText(r, "ldap.errorMessage")
	for r.Len() > 0 && !s.full() {
		switch e := s.element(r); e.tag {
		case 0xa3:
			for e.Len() > 0 && !s.full() {
				s.ldapText(e.Reader, "ldap.LDAPURL")
			}
		case 0x87:
			s.octets(e, "ldap.serverSaslCreds", hexBytes)
		case 0x8a:
			s.octets(e, "ldap.responseName", printable)
		case 0x8b:
			s.octets(e, "ldap.responseValue", hexBytes)
		default:
			s.malformed(e.at, "a result has no element with tag %02x", e.tag)
		}
	}
}

// ldapSearch reads a search (section 4.5.1).
func (s *sheet) ldapSearch(r *cursor.Reader) {
	s.ldapSaid(s.ldapText(r, "ldap.baseObject"))
	scope := s.integer(s.expect(r, "a scope", berEnumerated), "ldap.scope", named(ldapScopes))
	s.integer(s.expect(r, "how aliases are followed", berEnumerated), "ldap.derefAliases", named(ldapDerefs))
	s.integer(s.expect(r, "a size limit", berInteger), "ldap.sizeLimit", decimal)
	s.integer(s.expect(r, "a time limit", berInteger), "ldap.timeLimit", decimal)
	s.integer(s.expect(r, "whether types only", berBoolean), "ldap.typesOnly", boolean)
	s.say("%s", named(ldapScopes)(scope))
	if r.Len() > 0 {
		s.say("%s", s.ldapFilter(s.element(r)))
	}
	list := s.expect(r, "attributes", berSequence)
	for list.Len() > 0 && !s.full() {
		s.ldapText(list.Reader, "ldap.AttributeDescription")
	}
}

// ldapAttributes reads a list of attributes, each with its values (section 4.1.7).
func (s *sheet) ldapAttributes(r *cursor.Reader) {
	for r.Len() > 0 && !s.full() {
		s.ldapAttribute(s.expect(r, "an attribute", berSequence).Reader)
	}
}

func (s *sheet) ldapAttribute(r *cursor.Reader) {
	const berSet = 0x31
	s.ldapText(r, "ldap.type")
	values := s.expect(r, "values", berSet)
	for values.Len() > 0 && !s.full() {
		s.ldapText(values.Reader, "ldap.AttributeValue")
	}
}

// ldapModifications reads the changes of a modify (section 4.6).
func (s *sheet) ldapModifications(r *cursor.Reader) {
	for r.Len() > 0 && !s.full() {
		change := s.expect(r, "a modification", berSequence)
		n := s.integer(s.expect(change.Reader, "a modification's kind", berEnumerated), "ldap.operation", named(ldapModifies))
		s.tag(ldapModifies[n])
		s.ldapAttribute(s.expect(change.Reader, "an attribute", berSequence).Reader)
	}
}

// ldapRename reads a modify DN (section 4.9).
func (s *sheet) ldapRename(r *cursor.Reader) {
	s.tag("rename", "moddn")
	s.ldapSaid(s.ldapText(r, "ldap.entry"))
	s.ldapSaid(s.ldapText(r, "ldap.newrdn"))
	s.integer(s.expect(r, "whether the old name goes", berBoolean), "ldap.deleteoldrdn", boolean)
	if r.Len() > 0 {
		s.octets(s.expect(r, "a new superior", 0x80), "ldap.newSuperior", printable)
	}
}

// ldapExtended reads an extended request or an intermediate response (sections 4.12 and 4.13).
func (s *sheet) ldapExtended(op berElement) {
	name, value := "ldap.requestName", "ldap.requestValue"
	if op.tag == 0x79 {
		name, value = "ldap.responseName", "ldap.responseValue"
	}
	for op.Len() > 0 && !s.full() {
		switch e := s.element(op.Reader); e.tag {
		case 0x80:
			oid := string(s.octets(e, name, printable))
			s.say("%s", printable([]byte(oid)))
			if oid == ldapStartTLS {
				s.tag("starttls", "start_tls", "tls")
			}
		case 0x81:
			s.octets(e, value, hexBytes)
		default:
			s.malformed(e.at, "an extended operation has no element with tag %02x", e.tag)
		}
	}
}

// ldapControls reads the controls behind an operation (section 4.1.11).
func (s *sheet) ldapControls(list berElement) {
	for list.Len() > 0 && !s.full() {
		control := s.expect(list.Reader, "a control", berSequence)
		s.ldapText(control.Reader, "ldap.controlType")
		s.tag("control", "controls")
		for control.Len() > 0 {
			switch e := s.element(control.Reader); e.tag {
			case berBoolean:
				s.integer(e, "ldap.criticality", boolean)
			case berOctetString:
				s.octets(e, "ldap.controlValue", hexBytes)
			default:
				s.malformed(e.at, "a control has no element with tag %02x", e.tag)
			}
		}
	}
}

// Filters may be nested as deep as the message is long; below ldapDeepest they are not read.
const ldapDeepest = 100

// ldapFilter reads a filter (section 4.5.1.7), keeps it as text (RFC 4515), and returns that.
func (s *sheet) ldapFilter(f berElement) string {
	w := &filterText{sheet: s}
	at, end := f.at, f.end()
	w.filter(f, 0)
	s.field("ldap.filter", w.String(), at, end-at)
	s.tag("filter")
	return w.String()
}

// filterText is a filter's text in the making, as far as it will be shown.
type filterText struct {
	*sheet
	strings.Builder
}

func (w *filterText) add(text string) {
	const most = 400
	if w.Len() < most {
		w.WriteString(text)
	}
}

var (
	filterLists   = map[int]string{0xa0: "&", 0xa1: "|", 0xa2: "!"}
	filterMatches = map[int]string{0xa3: "=", 0xa5: ">=", 0xa6: "<=", 0xa8: "~="}
	filterPieces  = map[int]string{0x80: "initial", 0x81: "any", 0x82: "final"}
)

func (w *filterText) filter(f berElement, depth int) {
	if depth > ldapDeepest {
		w.malformed(f.at, "a filter is nested more than %d deep", ldapDeepest)
		return
	}
	w.add("(")
	switch {
	case filterLists[f.tag] != "":
		w.add(filterLists[f.tag])
		for f.Len() > 0 && !w.full() {
			w.filter(w.element(f.Reader), depth+1)
		}
	case filterMatches[f.tag] != "":
		w.value(w.expect(f.Reader, "an attribute", berOctetString), "ldap.attributeDesc", "", filterMatches[f.tag])
		w.value(w.expect(f.Reader, "a value", berOctetString), "ldap.assertionValue", "", "")
	case f.tag == 0xa4:
		w.substrings(f)
	case f.tag == 0x87:
		w.value(f, "ldap.present", "", "=*")
	case f.tag == 0xa9:
		w.extensible(f)
	default:
		w.malformed(f.at, "expected a filter, found tag %02x", f.tag)
	}
	w.add(")")
}

// value keeps an element and adds it to the text, with what stands before and behind it.
func (w *filterText) value(e berElement, name, before, behind string) {
	text := w.octets(e, name, printable)
	w.add(before)
	for _, b := range text[:min(len(text), 200)] {
		if strings.IndexByte("*()\\\x00", b) >= 0 {
			w.add(fmt.Sprintf("\\%02x", b))
		} else {
			w.add(printable([]byte{b}))
		}
	}
	w.add(behind)
}

func (w *filterText) substrings(f berElement) {
	w.value(w.expect(f.Reader, "an attribute", berOctetString), "ldap.type", "", "=")
	list := w.expect(f.Reader, "substrings", berSequence)
	last := 0
	for first := true; list.Len() > 0 && !w.full(); first = false {
		e := w.element(list.Reader)
		name, known := filterPieces[e.tag]
		if !known {
			w.malformed(e.at, "expected a substring, found tag %02x", e.tag)
			continue
		}
		before := "*"
		if first && e.tag == 0x80 {
			before = ""
		}
		w.value(e, "ldap."+name, before, "")
		last = e.tag
	}
	if last != 0x82 {
		w.add("*")
	}
}

// extensible reads an extensible match (section 4.5.1.7.7).
func (w *filterText) extensible(f berElement) {
	text := map[int]string{}
	for f.Len() > 0 && !w.full() {
		e := w.element(f.Reader)
		name, known := map[int]string{0x81: "ldap.matchingRule", 0x82: "ldap.type", 0x83: "ldap.matchValue"}[e.tag]
		switch {
		case known:
			text[e.tag] = printable(w.octets(e, name, printable))
		case e.tag == 0x84:
			if w.integer(e, "ldap.dnAttributes", boolean) != 0 {
				text[0x84] = ":dn"
			}
		default:
			w.malformed(e.at, "an extensible match has no element with tag %02x", e.tag)
		}
	}
	w.add(text[0x82] + text[0x84])
	if text[0x81] != "" {
		w.add(":" + text[0x81])
	}
	w.add(":=" + text[0x83])
}
