package dissect

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// More universal tags (X.680, section 8.4), and those that a certificate gives its own elements.
const (
	berBitString       = 0x03
	berUTF8String      = 0x0c
	berPrintableString = 0x13
	berTeletexString   = 0x14
	berIA5String       = 0x16
	berUTCTime         = 0x17
	berGeneralizedTime = 0x18
	berBMPString       = 0x1e
	berSet             = 0x31

	berContext    = 0x80 // a primitive element
	berContextual = 0xa0 // a constructed one
)

// certificate reads an X.509 certificate (RFC 5280, section 4.1) and returns its subject.
func (s *sheet) certificate(r *cursor.Reader) (subject string) {
	outer := s.expect(r, "a certificate", berSequence)
	c := s.expect(outer.Reader, "what is signed", berSequence)
	if tagAhead(c.Reader) == berContextual {
		version := s.expect(s.element(c.Reader).Reader, "a version", berInteger)
		s.integer(version, "x509af.version", func(n int) string { return fmt.Sprintf("v%d", n+1) })
	}
	s.primitive(s.expect(c.Reader, "a serial number", berInteger), "x509af.serialNumber", hexBytes)
	s.algorithm(c.Reader)
	s.distinguished(c.Reader, "x509af.issuer")
	validity := s.expect(c.Reader, "a validity", berSequence)
	s.time(validity.Reader)
	s.time(validity.Reader)
	subject = s.distinguished(c.Reader, "x509af.subject")
	s.publicKey(s.expect(c.Reader, "a public key", berSequence))
	for c.Len() > 0 && !s.full() {
		if e := s.element(c.Reader); e.tag == berContextual|3 {
			s.certificateExtensions(s.expect(e.Reader, "extensions", berSequence), "x509af.extension.id", "x509af.extnValue")
		}
	}
	s.algorithm(outer.Reader)
	s.bits(s.expect(outer.Reader, "a signature", berBitString), "x509af.encrypted")
	return subject
}

// tagAhead is the tag of the next element, or -1.
func tagAhead(r *cursor.Reader) int {
	if next := peek(r); len(next) > 0 {
		return int(next[0])
	}
	return -1
}

// primitive keeps an element's content.
func (s *sheet) primitive(e berElement, name string, says func([]byte) string) []byte {
	content, at := e.content()
	if len(content) > 0 {
		s.field(name, says(content), at, len(content))
	}
	return content
}

// oid keeps an object identifier, with its name if it is known, and returns that.
func (s *sheet) oid(r *cursor.Reader, name string) string {
	return s.oidIn(s.expect(r, "an object identifier", berOID), name)
}

func (s *sheet) oidIn(e berElement, name string) string {
	content, _ := e.content()
	number := berOIDText(content)
	known := oidNames[number]
	if known == "" {
		s.primitive(e, name, func([]byte) string { return number })
		return number
	}
	s.primitive(e, name, func([]byte) string { return number + " (" + known + ")" })
	return known
}

// algorithm reads an algorithm with its parameters, of which those that name a curve have a name of their own, and returns
// its name.
func (s *sheet) algorithm(r *cursor.Reader) string {
	e := s.expect(r, "an algorithm", berSequence)
	name := s.oid(e.Reader, "x509af.algorithm.id")
	switch tagAhead(e.Reader) {
	case -1, berNull:
	case berOID:
		s.oid(e.Reader, "pkcs1.namedCurve")
	default:
		s.raw(e.Reader, "x509af.algorithm.parameters")
	}
	return name
}

// bits keeps a bit string of whole bytes, and gives a reader over them.
func (s *sheet) bits(e berElement, name string) *cursor.Reader {
	s.number(e.Reader, 1, "ber.bitstring.padding", decimal)
	content, at := e.content()
	if name != "" && len(content) > 0 {
		s.field(name, hexBytes(content), at, len(content))
	}
	return e.Reader
}

// publicKey reads a public key with its algorithm (RFC 3279, section 2.3).
func (s *sheet) publicKey(e berElement) {
	algorithm := s.algorithm(e.Reader)
	key := s.bits(s.expect(e.Reader, "a bit string", berBitString), "x509af.subjectPublicKey")
	if algorithm == "rsaEncryption" {
		rsa := s.expect(key, "an RSA key", berSequence)
		s.primitive(s.expect(rsa.Reader, "a modulus", berInteger), "pkcs1.modulus", hexBytes)
		s.integer(s.expect(rsa.Reader, "an exponent", berInteger), "pkcs1.publicExponent", decimal)
	}
}

// time reads a time, told with a year of two digits or of four (RFC 5280, section 4.1.2.5).
func (s *sheet) time(r *cursor.Reader) {
	e := s.expect(r, "a time", berUTCTime, berGeneralizedTime)
	name, form := "x509af.utcTime", utcTime
	if e.tag == berGeneralizedTime {
		name, form = "x509af.generalizedTime", generalizedTime
	}
	s.primitive(e, name, saysTime(form))
}

const (
	utcTime         = "060102150405Z" // from 1950 to 2049
	generalizedTime = "20060102150405Z"
)

func saysTime(form string) func([]byte) string {
	return func(b []byte) string {
		t, err := time.Parse(form, string(b))
		if err != nil {
			return printable(b)
		}
		if form == utcTime && t.Year() >= 2050 {
			t = t.AddDate(-100, 0, 0)
		}
		return t.Format(time.RFC3339)
	}
}

// distinguished keeps a distinguished name as a whole and in its parts.
func (s *sheet) distinguished(r *cursor.Reader, field string) string {
	at := offset(r)
	place := len(s.Fields)
	name := s.distinguishedName(r)
	if !s.full() {
		s.field(field, name, at, offset(r)-at)
		whole := s.Fields[len(s.Fields)-1]
		copy(s.Fields[place+1:], s.Fields[place:]) // before its parts
		s.Fields[place] = whole
	}
	return name
}

// distinguishedName reads a name's attributes: "C=NO, O=Example, CN=…" in its own order, and of a very long one the
// beginning.
func (s *sheet) distinguishedName(r *cursor.Reader) string {
	const most = 10
	var all []string
	for name := s.expect(r, "a name", berSequence); name.Len() > 0 && !s.full(); {
		for set := s.expect(name.Reader, "a part of a name", berSet); set.Len() > 0 && !s.full(); {
			attribute := s.expect(set.Reader, "an attribute", berSequence)
			kind := s.oid(attribute.Reader, "x509if.oid")
			kind = strings.TrimPrefix(kind, "id-at-")
			if short := attributeNames[kind]; short != "" {
				kind = short
			}
			value := s.attributeValue(attribute.Reader, kind)
			switch {
			case len(all) < most:
				all = append(all, kind+"="+value)
			case len(all) == most:
				all = append(all, "…")
			}
		}
	}
	return strings.Join(all, ", ")
}

func (s *sheet) attributeValue(r *cursor.Reader, kind string) string {
	e := s.element(r)
	name, known := stringNames[e.tag]
	switch {
	case kind == "C":
		name = "x509sat.CountryName"
	case !known:
		name = "x509sat.value"
	}
	return printable(s.primitive(e, name, printable))
}

var stringNames = map[int]string{
	berUTF8String: "x509sat.uTF8String", berPrintableString: "x509sat.PrintableString", berTeletexString: "x509sat.teletexString",
	berIA5String: "x509sat.IA5String", berBMPString: "x509sat.bmpString",
}

// certificateExtensions reads the extensions of a certificate or of an answer on one (RFC 5280, section 4.2; RFC 6960,
// section 4.4), whose identifiers and values have these names.
func (s *sheet) certificateExtensions(list berElement, id, value string) {
	for list.Len() > 0 && !s.full() {
		extension := s.expect(list.Reader, "an extension", berSequence)
		kind := s.oid(extension.Reader, id)
		if tagAhead(extension.Reader) == berBoolean {
			s.primitive(s.element(extension.Reader), "x509af.critical", saysBoolean)
		}
		e := s.expect(extension.Reader, "an extension's value", berOctetString)
		if read := certificateForms[kind]; read != nil {
			read(s, e.Reader)
		}
		s.raw(e.Reader, value)
	}
}

func saysBoolean(b []byte) string { return boolean(int(b[0])) }

// certificateForms read what a certificate's extensions hold, by their names. Of the others the bytes are kept.
var certificateForms = map[string]func(s *sheet, r *cursor.Reader){
	"id-ce-subjectAltName": func(s *sheet, r *cursor.Reader) { s.generalNames(s.expect(r, "names", berSequence).Reader) },
	"id-ce-issuerAltName":  func(s *sheet, r *cursor.Reader) { s.generalNames(s.expect(r, "names", berSequence).Reader) },
	"id-ce-basicConstraints": func(s *sheet, r *cursor.Reader) {
		e := s.expect(r, "constraints", berSequence)
		if tagAhead(e.Reader) == berBoolean {
			s.primitive(s.element(e.Reader), "x509ce.cA", saysBoolean)
		}
		if tagAhead(e.Reader) == berInteger {
			s.integer(s.element(e.Reader), "x509ce.pathLenConstraint", decimal)
		}
	},
	"id-ce-keyUsage": func(s *sheet, r *cursor.Reader) {
		s.bits(s.expect(r, "a bit string", berBitString), "x509ce.KeyUsage")
	},
	"id-ce-extKeyUsage": func(s *sheet, r *cursor.Reader) {
		for list := s.expect(r, "purposes", berSequence); list.Len() > 0 && !s.full(); {
			s.oid(list.Reader, "x509ce.KeyPurposeId")
		}
	},
	"id-ce-certificatePolicies": func(s *sheet, r *cursor.Reader) {
		for list := s.expect(r, "policies", berSequence); list.Len() > 0 && !s.full(); {
			policy := s.expect(list.Reader, "a policy", berSequence)
			s.oid(policy.Reader, "x509ce.policyIdentifier")
			s.raw(policy.Reader, "x509ce.policyQualifiers")
		}
	},
	"id-ce-subjectKeyIdentifier": func(s *sheet, r *cursor.Reader) {
		s.primitive(s.expect(r, "an identifier", berOctetString), "x509ce.SubjectKeyIdentifier", hexBytes)
	},
	"id-ce-authorityKeyIdentifier": func(s *sheet, r *cursor.Reader) {
		for e := s.expect(r, "an identifier", berSequence); e.Len() > 0 && !s.full(); {
			switch part := s.element(e.Reader); part.tag {
			case berContext:
				s.primitive(part, "x509ce.keyIdentifier", hexBytes)
			case berContextual | 1:
				s.generalNames(part.Reader)
			case berContext | 2:
				s.primitive(part, "x509ce.authorityCertSerialNumber", hexBytes)
			}
		}
	},
	"id-ce-cRLDistributionPoints": func(s *sheet, r *cursor.Reader) {
		for list := s.expect(r, "points", berSequence); list.Len() > 0 && !s.full(); {
			for point := s.expect(list.Reader, "a point", berSequence); point.Len() > 0 && !s.full(); {
				e := s.element(point.Reader)
				if e.tag == berContextual && tagAhead(e.Reader) == berContextual {
					s.generalNames(s.element(e.Reader).Reader)
				}
				s.raw(e.Reader, "x509ce.DistributionPoint")
			}
		}
	},
	"id-ce-nameConstraints": func(s *sheet, r *cursor.Reader) {
		for trees := s.expect(r, "constraints", berSequence); trees.Len() > 0 && !s.full(); {
			for list := s.element(trees.Reader); list.Len() > 0 && !s.full(); {
				tree := s.expect(list.Reader, "a tree", berSequence)
				s.generalName(tree.Reader)
				s.raw(tree.Reader, "x509ce.GeneralSubtree")
			}
		}
	},
	"id-pe-authorityInfoAccess": func(s *sheet, r *cursor.Reader) {
		for list := s.expect(r, "descriptions", berSequence); list.Len() > 0 && !s.full(); {
			e := s.expect(list.Reader, "a description", berSequence)
			s.oid(e.Reader, "pkix1implicit.accessMethod")
			s.generalName(e.Reader)
		}
	},
	"id-pe-tlsfeature": func(s *sheet, r *cursor.Reader) {
		for list := s.expect(r, "features", berSequence); list.Len() > 0 && !s.full(); {
			s.integer(s.expect(list.Reader, "a feature", berInteger), "pkix1explicit.Features_item", extensionName)
		}
	},
}

func (s *sheet) generalNames(r *cursor.Reader) {
	for r.Len() > 0 && !s.full() {
		s.generalName(r)
	}
}

// generalName reads a name of one of several kinds (RFC 5280, section 4.2.1.6).
func (s *sheet) generalName(r *cursor.Reader) {
	switch e := s.element(r); e.tag {
	case berContext | 1:
		s.primitive(e, "x509ce.rfc822Name", printable)
	case berContext | 2:
		s.primitive(e, "x509ce.dNSName", printable)
	case berContextual | 4:
		s.distinguished(e.Reader, "x509ce.directoryName")
	case berContext | 6:
		s.primitive(e, "x509ce.uniformResourceIdentifier", printable)
	case berContext | 7:
		content, _ := e.content()
		name := map[int]string{4: "x509ce.IPAddress.ipv4", 16: "x509ce.IPAddress.ipv6"}[len(content)]
		if address, ok := netip.AddrFromSlice(content); ok {
			s.primitive(e, name, func([]byte) string { return address.String() })
			return
		}
		s.primitive(e, "x509ce.iPAddress", hexBytes)
	default:
		s.primitive(e, "x509ce.GeneralName", hexBytes)
	}
}

// ocspResponse reads an answer on whether a certificate was revoked (RFC 6960, section 4.2.1).
func (s *sheet) ocspResponse(r *cursor.Reader) {
	if r.Len() == 0 {
		return
	}
	e := s.expect(r, "an OCSP response", berSequence)
	s.integer(s.expect(e.Reader, "a status", berEnumerated), "ocsp.responseStatus", named(map[int]string{
		0: "successful", 1: "malformedRequest", 2: "internalError", 3: "tryLater", 5: "sigRequired", 6: "unauthorized"}))
	if e.Len() == 0 {
		return
	}
	e = s.expect(s.element(e.Reader).Reader, "an OCSP response", berSequence)
	s.oid(e.Reader, "ocsp.responseType.id")
	basic := s.expect(s.expect(e.Reader, "a response", berOctetString).Reader, "a basic response", berSequence)
	s.ocspAnswers(s.expect(basic.Reader, "a response's data", berSequence))
	s.algorithm(basic.Reader)
	s.bits(s.expect(basic.Reader, "a signature", berBitString), "ocsp.signature")
	if basic.Len() > 0 {
		for list := s.expect(s.element(basic.Reader).Reader, "certificates", berSequence); list.Len() > 0 && !s.full(); {
			s.certificate(list.Reader)
		}
	}
}

// ocspAnswers reads what is signed of a response: who says it, when, and of which certificates.
func (s *sheet) ocspAnswers(data berElement) {
	if tagAhead(data.Reader) == berContextual {
		s.integer(s.expect(s.element(data.Reader).Reader, "a version", berInteger), "ocsp.version", func(n int) string { return fmt.Sprintf("v%d", n+1) })
	}
	switch who := s.element(data.Reader); who.tag {
	case berContextual | 1:
		s.distinguished(who.Reader, "ocsp.byName")
	case berContextual | 2:
		s.primitive(s.element(who.Reader), "ocsp.byKey", hexBytes)
	}
	s.primitive(s.expect(data.Reader, "a time", berGeneralizedTime), "ocsp.producedAt", saysTime(generalizedTime))
	for list := s.expect(data.Reader, "answers", berSequence); list.Len() > 0 && !s.full(); {
		s.ocspAnswer(s.expect(list.Reader, "an answer", berSequence))
	}
	if data.Len() > 0 {
		s.ocspExtensions(data.Reader)
	}
}

func (s *sheet) ocspExtensions(r *cursor.Reader) {
	s.certificateExtensions(s.expect(s.element(r).Reader, "extensions", berSequence), "pkix1explicit.id", "ocsp.extnValue")
}

// ocspAnswer reads the answer on one certificate.
func (s *sheet) ocspAnswer(e berElement) {
	id := s.expect(e.Reader, "a certificate's identifier", berSequence)
	s.algorithm(id.Reader)
	s.primitive(s.expect(id.Reader, "a hash", berOctetString), "ocsp.issuerNameHash", hexBytes)
	s.primitive(s.expect(id.Reader, "a hash", berOctetString), "ocsp.issuerKeyHash", hexBytes)
	s.primitive(s.expect(id.Reader, "a serial number", berInteger), "ocsp.serialNumber", hexBytes)
	status := s.expect(e.Reader, "a status", berContext, berContextual|1, berContext|2)
	if e.Err() == nil {
		says := named(map[int]string{berContext: "good", berContextual | 1: "revoked", berContext | 2: "unknown"})
		s.field("ocsp.certStatus", says(status.tag), status.at, status.end()-status.at)
	}
	s.primitive(s.expect(e.Reader, "a time", berGeneralizedTime), "ocsp.thisUpdate", saysTime(generalizedTime))
	if tagAhead(e.Reader) == berContextual {
		s.primitive(s.element(s.element(e.Reader).Reader), "ocsp.nextUpdate", saysTime(generalizedTime))
	}
	if e.Len() > 0 {
		s.ocspExtensions(e.Reader)
	}
}

// oidNames are those object identifiers that certificates are full of, by their names in the specifications.
var oidNames = map[string]string{
	"2.5.4.3": "id-at-commonName", "2.5.4.4": "id-at-surname", "2.5.4.5": "id-at-serialNumber", "2.5.4.6": "id-at-countryName",
	"2.5.4.7": "id-at-localityName", "2.5.4.8": "id-at-stateOrProvinceName", "2.5.4.9": "id-at-streetAddress", "2.5.4.10": "id-at-organizationName",
	"2.5.4.11": "id-at-organizationalUnitName", "2.5.4.12": "id-at-title", "2.5.4.42": "id-at-givenName", "2.5.4.97": "id-at-organizationIdentifier",
	"0.9.2342.19200300.100.1.1": "userid", "0.9.2342.19200300.100.1.25": "dc", "1.2.840.113549.1.9.1": "emailAddress",

	"2.5.29.14": "id-ce-subjectKeyIdentifier", "2.5.29.15": "id-ce-keyUsage", "2.5.29.17": "id-ce-subjectAltName", "2.5.29.18": "id-ce-issuerAltName",
	"2.5.29.19": "id-ce-basicConstraints", "2.5.29.30": "id-ce-nameConstraints", "2.5.29.31": "id-ce-cRLDistributionPoints",
	"2.5.29.32": "id-ce-certificatePolicies", "2.5.29.35": "id-ce-authorityKeyIdentifier", "2.5.29.37": "id-ce-extKeyUsage",
	"1.3.6.1.5.5.7.1.1": "id-pe-authorityInfoAccess", "1.3.6.1.5.5.7.1.24": "id-pe-tlsfeature", "1.3.6.1.4.1.11129.2.4.2": "SignedCertificateTimestampList",
	"1.3.6.1.5.5.7.3.1": "id-kp-serverAuth", "1.3.6.1.5.5.7.3.2": "id-kp-clientAuth", "1.3.6.1.5.5.7.3.9": "id-kp-OCSPSigning",
	"1.3.6.1.5.5.7.48.1": "id-ad-ocsp", "1.3.6.1.5.5.7.48.2": "id-ad-caIssuers", "1.3.6.1.5.5.7.48.1.1": "id-pkix-ocsp-basic",

	"1.2.840.113549.1.1.1": "rsaEncryption", "1.2.840.113549.1.1.5": "sha1WithRSAEncryption", "1.2.840.113549.1.1.10": "id-RSASSA-PSS",
	"1.2.840.113549.1.1.11": "sha256WithRSAEncryption", "1.2.840.113549.1.1.12": "sha384WithRSAEncryption", "1.2.840.113549.1.1.13": "sha512WithRSAEncryption",
	"1.2.840.10045.2.1": "id-ecPublicKey", "1.2.840.10045.4.3.2": "ecdsa-with-SHA256", "1.2.840.10045.4.3.3": "ecdsa-with-SHA384",
	"1.2.840.10045.4.3.4": "ecdsa-with-SHA512", "1.2.840.10045.3.1.7": "secp256r1", "1.3.132.0.34": "secp384r1", "1.3.132.0.35": "secp521r1",
	"1.3.101.110": "id-X25519", "1.3.101.112": "id-Ed25519", "1.3.101.113": "id-Ed448", "1.3.14.3.2.26": "SHA-1", "2.16.840.1.101.3.4.2.1": "SHA-256",
}

// attributeNames are the short names of a name's attributes (RFC 4514, section 3, and what openssl prints).
var attributeNames = map[string]string{
	"commonName": "CN", "surname": "SN", "countryName": "C", "localityName": "L", "stateOrProvinceName": "ST", "streetAddress": "STREET",
	"organizationName": "O", "organizationalUnitName": "OU", "givenName": "GN", "userid": "UID", "dc": "DC",
}
