// Package dissect says what a message is: protocol, a line of summary, its fields by name, each with the
// bytes that it is made of, and tags. A Dialogue reads the messages of one conversation in their order;
// Message reads one alone. Content decides which protocol it is, unless earlier messages have settled it;
// the transport and the port only hint.
//
// TLS (RFC 8446, RFC 5246, the SSLv2-framed hello of RFC 5246 appendix E.2, JA4) with its certificates (X.509, RFC 5280), the
// first packets of QUIC (RFC 9000), HTTP/1 (RFC 9112), HTTP/2 (RFC 9113, HPACK: RFC 7541), WebSocket (RFC 6455), DNS (RFC 1035
// and those of its records), RESP (Redis 2 and 3), memcached (text, meta and binary), MQTT (3.1 to 5.0), LDAP (RFC 4511),
// SNMP (RFC 1157, RFC 3416, RFC 3412), PostgreSQL (version 3), SMTP (RFC 5321) and the PROXY protocol (1 and 2) have files of
// their own; RADIUS, DHCP, NTP, SIP, Diameter and a few more are read by gopacket's layers, without the place of each number;
// what is none of them is read as text, by lines, or as binary, by its statistics. What values carry (JSON, forms, base64,
// protobuf) is read in many of them. Fields are named as Wireshark names them, where it does. To add a dissector: one file
// with a function like those in the list below, and its test.
//
// Messages are hostile, and the one that killed is often malformed on purpose. So a length that lies is
// noted in a field "malformed" and reading goes on with the bytes that are there; every loop ends with the
// message, and no more fields are kept than maxFields.
package dissect

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/cursor"
	"github.com/inquest-project/inquest/internal/ground/finding"
)

// Dissection is what a message is.
type Dissection struct {
	Protocol string          // "TLS", "HTTP", "DNS" …, "text" or "binary"
	Summary  string          // one line
	Fields   []finding.Field // in order of reading; offsets and lengths in bytes of the message
	Parts    []Part
	Tags     []string // lowercase words for what the message does and carries, to match with the names of functions
	Answers  []string // tags of the other side's messages that this one shows to have been answered

	rest int // bytes at its end that are of another protocol
}

// Protocols of messages that are of none that is known.
const (
	Text   = "text"
	Binary = "binary"
)

// Known says whether the message is of a protocol that is known.
func (d *Dissection) Known() bool { return d.Protocol != Text && d.Protocol != Binary }

// Part is a piece of a message that a program may keep in memory without the framing around it: a TLS
// handshake message without its record's header, an HTTP body, a DNS name.
type Part struct {
	Name           string
	Offset, Length int    // in bytes of the message
	Decoded        []byte // what a program has of it once it is unmasked, inflated or decoded; nil where that is as sent
}

// Hint is what is known of a message beside its bytes. The zero value hints nothing.
type Hint struct {
	Transport  string // "tcp" or "udp"
	Port       uint16 // the server's
	FromClient bool
	Listed     string // what a packet list says of it, where there are no bytes
	Lost       uint64 // bytes of the same sender before it that nobody captured

	past *Dialogue // what came before on the conversation; never nil for a dissector
}

// A dissector reads a message, or what is left of one, that begins as its protocol does, and says whether it
// does. It reads to the end, or leaves a rest to another protocol.
type dissector func(data []byte, hint Hint) (Dissection, bool)

var dissectors []dissector

func init() { // what follows a CONNECT may be anything: the list's functions lead back to it
	dissectors = []dissector{tls, quic, http1, http2, resp, memcached, mqtt, ldap, snmp, pgsql, smtp, dns, websocket, layer, text}
}

// Message dissects a message of which nothing is known that came before it.
func Message(data []byte, hint Hint) Dissection { return new(Dialogue).Next(data, hint) }

// maxFields bounds what is kept of one message: a capture of garbage may hold a field in each byte.
const maxFields = 4096

// sheet is a dissection in the making.
type sheet struct {
	Dissection
	said      []string // the summary's parts
	kept      int      // bytes of decoded parts
	values    int      // fields of what values carry
	cut       bool     // it ends within something: what is missing is to come, and no lie
	wellNamed bool     // DNS: a label as names have them was read
}

// full says whether no more fields will be kept: what loops over a message may stop.
func (s *sheet) full() bool { return len(s.Fields) >= maxFields }

func (s *sheet) field(name, value string, offset, length int) {
	if !s.full() {
		s.Fields = append(s.Fields, finding.Field{Name: name, Value: value, Offset: offset, Length: length})
	}
}

func (s *sheet) part(name string, offset, length int) {
	if length > 0 && len(s.Parts) < maxFields {
		s.Parts = append(s.Parts, Part{Name: name, Offset: offset, Length: length})
	}
}

// decodedMost bounds what is kept of a message in decoded form, in bytes.
const decodedMost = 64 << 10

// decoded adds a part that a program has in another form than sent.
func (s *sheet) decoded(name string, offset, length int, data []byte) {
	data = data[:min(len(data), decodedMost-s.kept)]
	if length > 0 && len(data) > 0 && len(s.Parts) < maxFields {
		s.kept += len(data)
		s.Parts = append(s.Parts, Part{name, offset, length, slices.Clone(data)})
	}
}

// moved lets read add fields and parts as if other bytes were the message, and then moves them to where in the
// message those bytes come from.
func (s *sheet) moved(place func(offset, length int) (int, int), read func()) {
	fields, parts := len(s.Fields), len(s.Parts)
	read()
	for i := fields; i < len(s.Fields); i++ {
		f := &s.Fields[i]
		f.Offset, f.Length = place(f.Offset, f.Length)
	}
	for i := parts; i < len(s.Parts); i++ {
		p := &s.Parts[i]
		p.Offset, p.Length = place(p.Offset, p.Length)
	}
}

// tag adds words; each is kept once, in lower case and with spaces.
func (s *sheet) tag(words ...string) {
	for _, w := range words {
		w = strings.ReplaceAll(strings.ToLower(w), "_", " ")
		if w != "" && len(s.Tags) < maxFields && !slices.Contains(s.Tags, w) {
			s.Tags = append(s.Tags, w)
		}
	}
}

// answer notes tags of the other side's messages that this one answers.
func (s *sheet) answer(tags ...string) {
	for _, t := range tags {
		if !slices.Contains(s.Answers, t) {
			s.Answers = append(s.Answers, t)
		}
	}
}

// say adds a part to the summary.
func (s *sheet) say(format string, args ...any) {
	if len(s.said) < 8 {
		s.said = append(s.said, fmt.Sprintf(format, args...))
	}
}

// malformed notes where the message breaks its protocol's rules.
func (s *sheet) malformed(offset int, format string, args ...any) {
	if s.cut {
		return
	}
	s.field("malformed", fmt.Sprintf(format, args...), offset, 0)
	if !s.isMalformed() {
		s.tag("malformed")
		s.say("malformed")
	}
}

func (s *sheet) isMalformed() bool { return slices.Contains(s.Tags, "malformed") }

func (s *sheet) done(protocol string) Dissection {
	s.Protocol = protocol
	s.Summary = strings.Join(s.said, ", ")
	return s.Dissection
}

// open reads data that begins at an offset of the message, as networks write numbers: big-endian.
func open(part string, offset int, data []byte) *cursor.Reader {
	return cursor.New(part, int64(offset), data, binary.BigEndian)
}

// offset is where in the message a reader stands.
func offset(r *cursor.Reader) int { return int(r.Offset()) }

// vector reads a length of width bytes and gives a reader over what it spans. A length that claims more
// than there is gets what there is.
func (s *sheet) vector(r *cursor.Reader, width int, name string) *cursor.Reader {
	at := offset(r)
	n := 0
	for range width {
		n = n<<8 | int(r.Uint8())
	}
	if n > r.Len() {
		s.malformed(at, "%s claims %d bytes, %d are there", name, n, r.Len())
		n = r.Len()
	}
	begin := offset(r)
	return open(name, begin, r.Bytes(uint64(n)))
}

// number reads a number of width bytes and keeps it as a field.
func (s *sheet) number(r *cursor.Reader, width int, name string, says func(n int) string) int {
	at := offset(r)
	n := 0
	for range width {
		n = n<<8 | int(r.Uint8())
	}
	if r.Err() == nil {
		s.field(name, says(n), at, width)
	}
	return n
}

func decimal(n int) string { return fmt.Sprint(n) }

// hexBytes shows bytes, the first 32 of them.
func hexBytes(b []byte) string {
	if len(b) > 32 {
		return fmt.Sprintf("%x… (%d bytes)", b[:32], len(b))
	}
	return fmt.Sprintf("%x", b)
}

// printable shows text, its first 200 bytes, with what is not printable escaped.
func printable(b []byte) string {
	cut := ""
	if len(b) > 200 {
		b, cut = b[:200], "…"
	}
	q := strconv.Quote(string(b))
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`) + cut
}

// named shows a number by its name in a table, or as it is.
func named(table map[int]string) func(n int) string {
	return func(n int) string {
		if name := table[n]; name != "" {
			return name
		}
		return fmt.Sprint(n)
	}
}
