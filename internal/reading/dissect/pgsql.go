package dissect

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

const pgsqlPort = 5432

// pgsqlKind is a kind of message: its name, the word for it, the word of what it answers, and its form: of each
// element what it is and the field's name. z is a string that ends in NUL, 1, 2 and 4 are numbers of so many
// bytes, all others are read by functions of their own (pgsqlElements).
type pgsqlKind struct{ name, word, answers, form string }

// Messages of clients and of servers (PostgreSQL's manual, section "Message Formats"). The same letter may mean
// either.
var (
	pgsqlFrontend = map[byte]pgsqlKind{
		'Q': {"Simple query", "query", "", "z:query"}, 'P': {"Parse", "parse", "", "z:statement z:query oids:oid.type"},
		'B': {"Bind", "bind", "", "z:portal z:statement formats:format values:val formats:format"},
		'E': {"Execute", "execute", "", "z:portal 4:returns"}, 'D': {"Describe", "describe", "", "target:"}, 'C': {"Close", "close", "", "target:"},
		'S': {"Sync", "sync", "", ""}, 'H': {"Flush", "flush", "", ""}, 'X': {"Termination", "terminate", "", ""},
		'F': {"Function call", "function call", "", "4:oid formats:format values:val 2:format"}, 'f': {"Copy fail", "copy fail", "", "z:error"},
		'd': {"Copy data", "copy data", "", "rest:copydata"}, 'c': {"Copy completion", "copy done", "", ""}, 'p': {"Password message", "password", "", "password:"},
	}
	pgsqlBackend = map[byte]pgsqlKind{
		'R': {"Authentication request", "authentication", "startup", "auth:"}, 'S': {"Parameter status", "parameter status", "", "z:parameter_name z:parameter_value"},
		'K': {"Backend key data", "backend key", "", "4:pid 4:key"}, 'Z': {"Ready for query", "ready", "query", "1:status"},
		'T': {"Row description", "row description", "describe", "columns:"}, 't': {"Parameter description", "parameter description", "describe", "oids:oid.type"},
		'D': {"Data row", "data row", "", "values:val"}, 'C': {"Command completion", "command complete", "execute", "z:tag"},
		'E': {"Error", "error", "query", "errors:"}, 'N': {"Notice", "notice", "", "errors:"}, 'A': {"Notification", "notification", "", "4:pid z:condition z:text"},
		'G': {"CopyIn response", "copy in", "", "1:format formats:format"}, 'H': {"CopyOut response", "copy out", "", "1:format formats:format"},
		'W': {"Copy both response", "copy both", "", "1:format formats:format"}, 'd': {"Copy data", "copy data", "", "rest:copydata"},
		'c': {"Copy completion", "copy done", "", ""}, 'V': {"Function call response", "function call response", "function call", "value:val"},
		'1': {"Parse completion", "parse complete", "parse", ""}, '2': {"Bind completion", "bind complete", "bind", ""},
		'3': {"Close completion", "close complete", "close", ""}, 'n': {"No data", "no data", "describe", ""}, 'I': {"Empty query", "empty query", "execute", ""},
		's': {"Portal suspended", "portal suspended", "execute", ""}, 'v': {"Negotiate protocol version", "negotiate", "startup", "4:version_supported_minor options:nonsupported_option"},
	}
)

// Fields of errors and notices (section "Error and Notice Message Fields").
var pgsqlErrors = map[byte]string{
	'S': "severity", 'V': "text", 'C': "code", 'M': "message", 'D': "detail", 'H': "hint", 'P': "position", 'p': "internal_position",
	'q': "internal_query", 'W': "where", 's': "schema_name", 't': "table_name", 'c': "column_name", 'd': "type_name", 'n': "constraint_name",
	'F': "file", 'L': "line", 'R': "routine",
}

var pgsqlStates = map[int]string{'I': "Idle", 'T': "In a transaction", 'E': "In a failed transaction"}

// What stands where a startup message has its version.
const (
	pgsqlCancel = 80877102
	pgsqlSSL    = 80877103
	pgsqlGSS    = 80877104
)

type pgsqlReader struct {
	sheet
	telling int // messages that were well-formed, and long enough not to be so by chance
}

// pgsql reads the protocol of PostgreSQL, version 3. Off its port a message must begin with a startup, or be
// well-formed at least as far as one that tells something.
func pgsql(data []byte, hint Hint) (Dissection, bool) {
	if hint.Port == pgsqlPort && !hint.FromClient && len(data) == 1 && strings.Contains("SNG", string(data)) {
		p := &pgsqlReader{}
		p.field("pgsql.ssl_response", string(data), 0, 1)
		p.answer("ssl request")
		return p.done("PostgreSQL"), true
	}
	sides := []map[byte]pgsqlKind{pgsqlBackend}
	switch {
	case hint.Transport == "":
		sides = append(sides, pgsqlFrontend)
	case hint.FromClient:
		sides[0] = pgsqlFrontend
	}
	for _, kinds := range sides {
		starts := isPgsqlStartup(data)
		if !starts && !isPgsqlHeader(data, kinds) {
			continue
		}
		p := &pgsqlReader{}
		p.tag("postgresql", "postgres", "pgsql")
		if starts {
			kinds = pgsqlFrontend
		}
		p.messages(data, kinds)
		if starts || hint.Port == pgsqlPort || p.telling > 0 {
			return p.done("PostgreSQL"), true
		}
	}
	return Dissection{}, false
}

// isPgsqlHeader says whether data begins with a known type and a length that is no nonsense.
func isPgsqlHeader(data []byte, kinds map[byte]pgsqlKind) bool {
	if len(data) < 5 {
		return false
	}
	_, known := kinds[data[0]]
	return known && binary.BigEndian.Uint32(data[1:]) >= 4
}

// isPgsqlStartup says whether data begins with one of the messages that have no type.
func isPgsqlStartup(data []byte) bool {
	if len(data) < 8 {
		return false
	}
	length, code := binary.BigEndian.Uint32(data), binary.BigEndian.Uint32(data[4:])
	switch code {
	case pgsqlSSL, pgsqlGSS:
		return length == 8
	case pgsqlCancel:
		return length >= 16 && length < 300
	}
	return code>>16 == 3 && code&0xffff < 16 && length > 8 && length < 1<<16 && len(data) > 9 && (alphanumeric(data[8]) || data[8] == '_')
}

// framedStartup is a startup message that is there whole and names a user.
func framedStartup(data []byte) int {
	if !isPgsqlStartup(data) {
		return 0
	}
	length := binary.BigEndian.Uint32(data)
	if uint64(length) > uint64(len(data)) || !bytes.HasPrefix(data[8:length], []byte("user\x00")) || data[length-1] != 0 {
		return 0
	}
	return int(length)
}

func (p *pgsqlReader) messages(data []byte, kinds map[byte]pgsqlKind) {
	for at := 0; at < len(data) && !p.full(); {
		switch {
		case isPgsqlStartup(data[at:]):
			at = p.startup(data, at)
		case isPgsqlHeader(data[at:], kinds):
			at = p.message(data, at, kinds)
		default:
			p.malformed(at, "expected a message's type and length, found %s", hexBytes(data[at:min(at+5, len(data))]))
			return
		}
	}
}

// body reads a length, which counts itself, and gives a reader over what it spans.
func (p *pgsqlReader) body(r *cursor.Reader, name string) *cursor.Reader {
	at := offset(r)
	n := uint64(r.Uint32())
	p.field("pgsql.length", fmt.Sprint(n), at, 4)
	n -= 4
	if there := uint64(r.Len()); n > there {
		p.malformed(at, "%s claims %d bytes, %d are there", name, n, there)
		n = there
	}
	begin := offset(r)
	return open(name, begin, r.Bytes(n))
}

// startup reads a message without a type (StartupMessage, SSLRequest, GSSENCRequest, CancelRequest).
func (p *pgsqlReader) startup(data []byte, at int) int {
	r := p.body(open("startup", at, data[at:]), "startup")
	end := offset(r) + r.Len()
	name := map[uint32]string{pgsqlSSL: "SSL request", pgsqlGSS: "GSS request", pgsqlCancel: "Cancel request"}[binary.BigEndian.Uint32(data[at+4:])]
	p.tag("startup")
	if name != "" {
		p.say("%s", name)
		p.field("pgsql.type", name, at, 0)
		p.tag(strings.ToLower(name))
		r.Uint32()
		if r.Len() > 0 {
			p.number(r, 4, "pgsql.pid", decimal)
			p.number(r, 4, "pgsql.key", decimal)
		}
		p.ended(r, "startup")
		return end
	}
	p.say("Startup message")
	p.field("pgsql.type", "Startup message", at, 0)
	p.number(r, 2, "pgsql.version_major", decimal)
	p.number(r, 2, "pgsql.version_minor", decimal)
	for r.Len() > 1 && !p.full() {
		parameter := p.text(r, "pgsql.parameter_name")
		value := p.text(r, "pgsql.parameter_value")
		p.say("%s=%s", printable(parameter[:min(len(parameter), 40)]), printable(value[:min(len(value), 40)]))
	}
	if r.Len() == 1 {
		r.Uint8()
	} else {
		p.malformed(offset(r), "expected a NUL behind the last parameter")
	}
	p.ended(r, "startup")
	return end
}

// message reads a message with a type and returns where it ends.
func (p *pgsqlReader) message(data []byte, at int, kinds map[byte]pgsqlKind) int {
	kind := kinds[data[at]]
	if data[at] == 'p' && kind.form != "" {
		kind.name = pgsqlSecret(data[at+5:])
	}
	p.field("pgsql.type", kind.name, at, 1)
	p.tag(kind.word)
	if kind.answers != "" {
		p.answer(kind.answers)
	}
	if len(p.said) == 0 || p.said[len(p.said)-1] != kind.name {
		p.say("%s", kind.name)
	}
	r := p.body(open(kind.name, at+1, data[at+1:]), kind.name)
	end := offset(r) + r.Len()
	for _, element := range strings.Fields(kind.form) {
		form, name, _ := strings.Cut(element, ":")
		p.element(r, form, "pgsql."+name)
	}
	p.ended(r, kind.name)
	if !strings.HasPrefix(kind.form, "rest") && !strings.HasPrefix(kind.form, "password") && kind.form != "" && !p.isMalformed() {
		p.telling++
	}
	return end
}

// ended notes what was missing of a message, and what follows its last element.
func (p *pgsqlReader) ended(r *cursor.Reader, name string) {
	if damage, bad := r.Damage(); bad {
		p.malformed(int(damage.Offset), "%s", damage.Problem)
	} else if r.Len() > 0 {
		p.malformed(offset(r), "%d bytes follow the %s", r.Len(), name)
	}
}

func (p *pgsqlReader) element(r *cursor.Reader, form, name string) {
	switch form {
	case "z":
		text := p.text(r, name)
		if name == "pgsql.query" || name == "pgsql.tag" {
			p.say("%s", printable(text[:min(len(text), 80)]))
		}
	case "1":
		p.number(r, 1, name, func(n int) string {
			if name == "pgsql.status" {
				return named(pgsqlStates)(n)
			}
			return decimal(n)
		})
	case "2", "4":
		p.number(r, int(form[0]-'0'), name, decimal)
	case "oids":
		p.list(r, "pgsql.count", func() { p.number(r, 4, name, decimal) })
	case "formats":
		p.list(r, "pgsql.count", func() { p.number(r, 2, name, decimal) })
	case "values":
		p.list(r, "pgsql.field.count", func() { p.value(r) })
	case "value":
		p.value(r)
	case "options":
		p.options(r, name)
	case "rest":
		p.bytes(r, name)
	case "target":
		p.target(r)
	case "columns":
		p.columns(r)
	case "errors":
		p.errors(r)
	case "auth":
		p.auth(r)
	case "password":
		p.password(r)
	}
}

// text reads a string that ends in NUL; the field has the NUL, as Wireshark's has.
func (p *pgsqlReader) text(r *cursor.Reader, name string) []byte {
	at := offset(r)
	text := []byte(r.CString())
	if r.Err() == nil {
		p.field(name, printable(text), at, len(text)+1)
		p.part(strings.TrimPrefix(name, "pgsql."), at, len(text))
	}
	return text
}

// bytes keeps all that is left.
func (p *pgsqlReader) bytes(r *cursor.Reader, name string) {
	at := offset(r)
	if b := r.Rest(); len(b) > 0 {
		p.field(name, printable(b), at, len(b))
		p.part(strings.TrimPrefix(name, "pgsql."), at, len(b))
	}
}

// list reads a count of two bytes and so many elements.
func (p *pgsqlReader) list(r *cursor.Reader, name string, element func()) {
	n := p.number(r, 2, name, decimal)
	for i := 0; i < n && r.Err() == nil && !p.full(); i++ {
		element()
	}
}

// value reads a value behind its length; -1 is null.
func (p *pgsqlReader) value(r *cursor.Reader) {
	at := offset(r)
	n := int32(r.Uint32())
	if r.Err() != nil {
		return
	}
	p.field("pgsql.val.length", fmt.Sprint(n), at, 4)
	if n < 0 {
		if n < -1 {
			p.malformed(at, "a value has length %d", n)
		}
		return
	}
	if int(n) > r.Len() {
		p.malformed(at, "a value claims %d bytes, %d are there", n, r.Len())
		n = int32(r.Len())
	}
	b := r.Bytes(uint64(n))
	p.field("pgsql.val.data", printable(b), at+4, len(b))
	p.part("value", at+4, len(b))
}

func (p *pgsqlReader) options(r *cursor.Reader, name string) {
	n := p.number(r, 4, "pgsql.number_nonsupported_options", decimal)
	for i := 0; i < n && r.Err() == nil && !p.full(); i++ {
		p.text(r, name)
	}
}

// target reads what Describe and Close are about.
func (p *pgsqlReader) target(r *cursor.Reader) {
	switch kind := r.Uint8(); kind {
	case 'S':
		p.text(r, "pgsql.statement")
	case 'P':
		p.text(r, "pgsql.portal")
	default:
		r.Fail("expected a statement or a portal, found %02x", kind)
	}
}

// columns reads the columns of RowDescription.
func (p *pgsqlReader) columns(r *cursor.Reader) {
	signed := func(n int) string { return fmt.Sprint(int32(n)) }
	p.list(r, "pgsql.field.count", func() {
		p.text(r, "pgsql.col.name")
		p.number(r, 4, "pgsql.oid.table", decimal)
		p.number(r, 2, "pgsql.col.index", decimal)
		p.number(r, 4, "pgsql.oid.type", decimal)
		p.number(r, 2, "pgsql.val.length", func(n int) string { return fmt.Sprint(int16(n)) })
		p.number(r, 4, "pgsql.col.typemod", signed)
		p.number(r, 2, "pgsql.format", decimal)
	})
}

// errors reads the fields of an error or a notice: a letter, then a string.
func (p *pgsqlReader) errors(r *cursor.Reader) {
	for r.Err() == nil && !p.full() {
		at := offset(r)
		letter := r.Uint8()
		if letter == 0 {
			return
		}
		text := []byte(r.CString())
		if r.Err() != nil {
			return
		}
		name := pgsqlErrors[letter]
		if name == "" {
			name = "error." + printable([]byte{letter})
		}
		p.field("pgsql."+name, printable(text), at, len(text)+2)
		p.part(name, at+1, len(text))
		if letter == 'M' {
			p.say("%s", printable(text[:min(len(text), 80)]))
		}
	}
}

// auth reads what the server demands (AuthenticationOk and those after it).
func (p *pgsqlReader) auth(r *cursor.Reader) {
	const md5, continues, sasl, saslContinue, saslFinal = 5, 8, 10, 11, 12
	switch p.number(r, 4, "pgsql.authtype", decimal) {
	case md5:
		p.number(r, 4, "pgsql.salt", func(n int) string { return fmt.Sprintf("%08x", n) })
	case continues:
		p.bytes(r, "pgsql.auth.gssapi_sspi.data")
	case sasl:
		for r.Len() > 1 && !p.full() {
			p.text(r, "pgsql.auth.sasl.mech")
		}
		r.Skip(1)
	case saslContinue, saslFinal:
		p.bytes(r, "pgsql.auth.sasl.data")
	}
}

// pgsqlSecret says what a message is that answers a demand: which one, only the demand tells. A name of a SASL
// mechanism begins SASL's first answer, a password is a string, and all else is SASL's next.
func pgsqlSecret(content []byte) string {
	end := bytes.IndexByte(content, 0)
	switch {
	case end >= 0 && end == len(content)-1:
		return pgsqlPassword
	case end > 0 && len(content) >= end+5 && isWord(content[:end]):
		return pgsqlSASLFirst
	}
	return pgsqlSASLNext
}

const (
	pgsqlPassword  = "Password message"
	pgsqlSASLFirst = "SASLInitialResponse message"
	pgsqlSASLNext  = "SASLResponse message"
)

func (p *pgsqlReader) password(r *cursor.Reader) {
	kind := pgsqlSecret(peek(r))
	if kind == pgsqlPassword {
		p.text(r, "pgsql.password")
		return
	}
	p.tag("sasl")
	if kind == pgsqlSASLFirst {
		p.text(r, "pgsql.auth.sasl.mech")
		p.number(r, 4, "pgsql.auth.sasl.data.length", func(n int) string { return fmt.Sprint(int32(n)) })
	}
	p.bytes(r, "pgsql.auth.sasl.data")
}
