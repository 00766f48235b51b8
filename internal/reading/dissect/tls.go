package dissect

import (
	"fmt"
	"slices"
	"strings"
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
		data[1] == 3 && data[2] <= 4 && int(data[3])<<8|int(data[4]) <= recordMost
}

// recordMost is how long a record's content may be, in bytes.
const recordMost = 1<<14 + 2048

// tlsRecords reads a run of records. Handshake messages may begin in one record and end in another, so
// handshake records are gathered until a message ends with one, or something else comes.
type tlsRecords struct {
	sheet
	from       *side
	agreed     *agreement
	fromClient bool
	version    int // of the record
	run        gathered
	whole      int    // bytes of it that are whole messages
	missing    int    // bytes of the record that the message ends within
	cutRun     bool   // that is one of the run
	header     []byte // the beginning of a record's header, which the message ends within
}

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
	return newTLSRecords(hint).records(data, 0), true
}

func newTLSRecords(hint Hint) *tlsRecords {
	t := &tlsRecords{from: hint.from(), agreed: &hint.past.agreed, fromClient: hint.FromClient}
	t.tag("tls", "ssl", "record")
	return t
}

func (t *tlsRecords) records(data []byte, at int) Dissection {
	for at < len(data) && !t.full() {
		if rest := data[at:]; !isRecord(rest) {
			if len(rest) < 5 {
				t.header = rest
				break
			}
			t.flush()
			t.malformed(at, "expected a TLS record's header, found %s", hexBytes(rest[:5]))
			break
		}
		at = t.record(data, at)
	}
	t.end()
	if t.missing > 0 {
		t.say("record not complete, %d bytes to come", t.missing)
	}
	return t.done("TLS")
}

// end reads what was gathered. A handshake message that isn't whole goes on in the next message: its beginning is carried
// there as a record of its own.
func (t *tlsRecords) end() {
	rest, length := t.run.data[t.whole:], len(t.run.data)-t.whole
	if t.cutRun {
		length += t.missing
	}
	if length > 0 {
		t.cut = true
		t.tag("partial")
		record := slices.Concat([]byte{contentHandshake, byte(t.version >> 8), byte(t.version), byte(length >> 8), byte(length)}, rest, t.header)
		if (length > recordMost || !t.from.keep(record, tls)) && t.cutRun {
			t.from.left, t.from.next = uint64(t.missing), recordRest(contentHandshake)
		}
	} else {
		t.from.keep(t.header, tls)
	}
	t.flush()
}

// record reads the record at an offset and returns where it ends.
func (t *tlsRecords) record(data []byte, at int) int {
	r := open("record", at, data[at:])
	name := "tls.record.content_type"
	if data[at] == contentApplication && t.agreed.version >= tls13 {
		name = "tls.record.opaque_type" // whatever it holds
	}
	kind := t.number(r, 1, name, func(n int) string { return contentNames[n] })
	t.version = t.number(r, 2, "tls.record.version", versionName)
	length := t.number(r, 2, "tls.record.length", decimal)
	begin := offset(r)
	content := r.Bytes(uint64(min(length, r.Len())))
	// From TLS 1.3 on what is encrypted goes as application data.
	plain := kind == contentHandshake && (!t.from.sealed || t.agreed.version >= tls13 || isHello(data[at:]))
	if kind != contentHandshake {
		t.flush()
	}
	if len(content) < length {
		t.cutRecord(kind, length-len(content), plain)
	}
	t.recordContent(kind, plain, begin, content)
	return begin + len(content)
}

// cutRecord is a record of which the message holds the beginning only. A handshake message will be read with
// the rest; of other records that is only counted.
func (t *tlsRecords) cutRecord(kind, missing int, plain bool) {
	t.tag("partial")
	t.cut, t.missing, t.cutRun = true, missing, plain
	if !plain {
		t.from.left, t.from.next = uint64(missing), recordRest(kind)
	}
}

// recordRest reads what is left of a record, and the records behind it.
func recordRest(kind int) dissector {
	return func(data []byte, hint Hint) (Dissection, bool) {
		t := newTLSRecords(hint)
		n := t.from.take(data)
		t.from.pass(n)
		t.field("tls.record.continued", count(n, "byte")+" of "+contentNames[kind], 0, n)
		t.part("record", 0, n)
		t.say("%s continued, %d bytes", words(contentNames[kind]), n)
		if t.from.left > 0 {
			t.from.next = recordRest(kind)
		}
		return t.records(data, n), true
	}
}

func (t *tlsRecords) recordContent(kind int, plain bool, begin int, content []byte) {
	switch {
	case kind == contentCCS:
		t.from.sealed = true
		t.field("tls.change_cipher_spec", "", begin, len(content))
		t.say("ChangeCipherSpec")
		t.tag("change_cipher_spec", "changecipherspec", "ccs", "cipher")
	case kind == contentApplication:
		t.opaque("tls.app_data", "application data", begin, len(content))
		t.tag("application", "appdata", "data")
	case plain:
		t.run.add(begin, content)
		if t.whole += wholeMessages(t.run.data[t.whole:]); t.whole == len(t.run.data) {
			t.flush()
		}
	case t.from.sealed:
		t.opaque("tls.encrypted_"+contentNames[kind], "encrypted "+contentNames[kind]+" message", begin, len(content))
		t.tag(contentNames[kind], "finished")
	case kind == contentAlert:
		t.alert(begin, content)
	case kind == contentHeartbeat:
		t.heartbeat(begin, content)
	}
}

// opaque keeps bytes that can't be read without keys.
func (t *tlsRecords) opaque(name, says string, offset, length int) {
	t.field(name, count(length, "byte"), offset, length)
	t.part(strings.TrimPrefix(name, "tls."), offset, length)
	if says = fmt.Sprintf("%s (%d bytes)", says, length); !slices.Contains(t.said, says) {
		t.say("%s", says)
	}
	t.tag("encrypted")
}

// alert reads an alert (RFC 8446, section 6); one that is not two bytes long is encrypted.
func (t *tlsRecords) alert(at int, content []byte) {
	t.tag("alert")
	if len(content) != 2 {
		t.opaque("tls.encrypted_alert", "encrypted alert", at, len(content))
		return
	}
	levels := map[byte]string{1: "warning", 2: "fatal"}
	name := alertName(int(content[1]))
	t.field("tls.alert_message.level", levels[content[0]], at, 1)
	t.field("tls.alert_message.desc", name, at+1, 1)
	t.say("alert: %s", name)
	t.tag(name)
}

// heartbeat reads a heartbeat (RFC 6520). A payload length beyond the record is what CVE-2014-0160 sent.
func (t *tlsRecords) heartbeat(at int, content []byte) {
	r := open("heartbeat", at, content)
	t.number(r, 1, "tls.heartbeat_message.type", named(map[int]string{1: "request", 2: "response"}))
	t.raw(t.sized(r, 2, "tls.heartbeat_message.payload_length"), "tls.heartbeat_message.payload")
	t.raw(r, "tls.heartbeat_message.padding")
	t.say("heartbeat")
	t.tag("heartbeat")
}

// flush reads the handshake messages gathered so far, as one run of bytes.
func (t *tlsRecords) flush() {
	run := t.run
	t.run, t.whole = gathered{}, 0
	t.moved(run.place, func() { t.handshakes(run.data) })
}
