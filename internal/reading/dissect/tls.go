package dissect

import (
	"fmt"
	"slices"
)

// TLS content types (RFC 8446, appendix B.1; heartbeat: RFC 6520).
const (
	contentCCS         = 20
	contentAlert       = 21
	contentHandshake   = 22
	contentApplication = 23
	contentHeartbeat   = 24
)

var contentNames = map[int]string{
	contentCCS: "change_cipher_spec", contentAlert: "alert", contentHandshake: "handshake",
	contentApplication: "application_data", contentHeartbeat: "heartbeat",
}

// isRecord says whether data begins like a TLS record: a content type, version 3.0 to 3.4, and a length
// that TLS allows (RFC 5246, section 6.2.3).
func isRecord(data []byte) bool {
	return len(data) >= 5 && data[0] >= contentCCS && data[0] <= contentHeartbeat &&
		data[1] == 3 && data[2] <= 4 && int(data[3])<<8|int(data[4]) <= 1<<14+2048
}

// tlsRecords reads a run of records. Handshake messages may begin in one record and end in another, so
// handshake records are gathered until something else comes.
type tlsRecords struct {
	sheet
	fromClient bool
	encrypted  bool // after a ChangeCipherSpec in this message
	gathered   []span
	joined     []byte
}

// span is a range of the message.
type span struct{ offset, length int }

// tls reads TLS records, or a hello in SSLv2's framing.
func tls(data []byte, hint Hint) (Dissection, bool) {
	if isSSLv2Hello(data) {
		s := &sheet{}
		s.sslv2Hello(data)
		return s.done("TLS"), true
	}
	if !isRecord(data) {
		return Dissection{}, false
	}
	t := &tlsRecords{fromClient: hint.FromClient}
	t.tag("tls", "ssl", "record")
	for at := 0; at < len(data) && !t.full(); {
		if !isRecord(data[at:]) {
			t.flush()
			t.malformed(at, "expected a TLS record's header, found %s", hexBytes(data[at:min(at+5, len(data))]))
			break
		}
		at = t.record(data, at)
	}
	t.flush()
	return t.done("TLS"), true
}

// record reads the record at an offset and returns where it ends.
func (t *tlsRecords) record(data []byte, at int) int {
	r := open("record", at, data[at:])
	kind := t.number(r, 1, "record.type", func(n int) string { return contentNames[n] })
	t.number(r, 2, "record.version", versionName)
	body := t.vector(r, 2, "record")
	t.field("record.length", decimal(body.Len()), at+3, 2)
	begin, content := offset(body), body.Rest()
	end := begin + len(content)
	if kind != contentHandshake {
		t.flush()
	}
	switch {
	case kind == contentCCS:
		t.encrypted = true
		t.say("ChangeCipherSpec")
		t.tag("change_cipher_spec", "changecipherspec", "ccs", "cipher")
	case kind == contentApplication:
		t.opaque("application_data", "application data", begin, len(content))
		t.tag("application", "appdata", "data")
	case t.encrypted:
		t.opaque("encrypted_"+contentNames[kind], "encrypted "+contentNames[kind]+" message", begin, len(content))
		t.tag(contentNames[kind], "finished")
	case kind == contentHandshake:
		t.gathered = append(t.gathered, span{begin, len(content)})
		t.joined = append(t.joined, content...)
	case kind == contentAlert:
		t.alert(begin, content)
	case kind == contentHeartbeat:
		t.heartbeat(begin, content)
	}
	return end
}

// opaque keeps bytes that can't be read without keys.
func (t *tlsRecords) opaque(name, says string, offset, length int) {
	t.field(name, fmt.Sprintf("%d bytes", length), offset, length)
	t.part(name, offset, length)
	if says = fmt.Sprintf("%s (%d bytes)", says, length); !slices.Contains(t.said, says) {
		t.say("%s", says)
	}
	t.tag("encrypted")
}

// alert reads an alert (RFC 8446, section 6); one that is not two bytes long is encrypted.
func (t *tlsRecords) alert(at int, content []byte) {
	t.tag("alert")
	if len(content) != 2 {
		t.opaque("encrypted_alert", "encrypted alert", at, len(content))
		return
	}
	levels := map[byte]string{1: "warning", 2: "fatal"}
	name := alertName(int(content[1]))
	t.field("alert.level", levels[content[0]], at, 1)
	t.field("alert.description", name, at+1, 1)
	t.say("alert: %s", name)
	t.tag(name)
}

// heartbeat reads a heartbeat (RFC 6520). A payload length beyond the record is what CVE-2014-0160 sent.
func (t *tlsRecords) heartbeat(at int, content []byte) {
	r := open("heartbeat", at, content)
	t.number(r, 1, "heartbeat.type", decimal)
	payload := t.vector(r, 2, "heartbeat.payload")
	t.field("heartbeat.payload", decimal(payload.Len())+" bytes", offset(payload), payload.Len())
	t.say("heartbeat")
	t.tag("heartbeat")
}

// flush reads the handshake messages gathered so far. They are read as one run of bytes, and then the
// fields are moved to where in the message those bytes lie.
func (t *tlsRecords) flush() {
	if len(t.gathered) == 0 {
		return
	}
	fields, parts := len(t.Fields), len(t.Parts)
	t.handshakes(t.joined)
	for i := fields; i < len(t.Fields); i++ {
		f := &t.Fields[i]
		f.Offset, f.Length = t.place(f.Offset, f.Length)
	}
	for i := parts; i < len(t.Parts); i++ {
		p := &t.Parts[i]
		p.Offset, p.Length = t.place(p.Offset, p.Length)
	}
	t.gathered, t.joined = nil, nil
}

// place turns a range of the joined handshake bytes into one of the message. A range that lies in two
// records takes the header between them along.
func (t *tlsRecords) place(offset, length int) (int, int) {
	begin := t.origin(offset)
	if length == 0 {
		return begin, 0
	}
	return begin, t.origin(offset+length-1) + 1 - begin
}

func (t *tlsRecords) origin(offset int) int {
	for _, g := range t.gathered {
		if offset < g.length {
			return g.offset + offset
		}
		offset -= g.length
	}
	last := t.gathered[len(t.gathered)-1]
	return last.offset + last.length
}
