package dissect

import (
	"cmp"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

const mqttPort = 1883

// Control packets (MQTT 5.0, section 2.1.2).
const (
	mqttConnect = iota + 1
	mqttConnack
	mqttPublish
	mqttPuback
	mqttPubrec
	mqttPubrel
	mqttPubcomp
	mqttSubscribe
	mqttSuback
	mqttUnsubscribe
	mqttUnsuback
	mqttPingreq
	mqttPingresp
	mqttDisconnect
	mqttAuth
)

var mqttPackets = map[int]struct {
	name, word string
	answers    string // the packet's word that this one answers
}{
	mqttConnect: {"Connect Command", "connect", ""}, mqttConnack: {"Connect Ack", "connack", "connect"},
	mqttPublish: {"Publish Message", "publish", ""}, mqttPuback: {"Publish Ack", "puback", "publish"},
	mqttPubrec: {"Publish Received", "pubrec", "publish"}, mqttPubrel: {"Publish Release", "pubrel", "pubrec"},
	mqttPubcomp: {"Publish Complete", "pubcomp", "pubrel"}, mqttSubscribe: {"Subscribe Request", "subscribe", ""},
	mqttSuback: {"Subscribe Ack", "suback", "subscribe"}, mqttUnsubscribe: {"Unsubscribe Request", "unsubscribe", ""},
	mqttUnsuback: {"Unsubscribe Ack", "unsuback", "unsubscribe"}, mqttPingreq: {"Ping Request", "pingreq", ""},
	mqttPingresp: {"Ping Response", "pingresp", "pingreq"}, mqttDisconnect: {"Disconnect Req", "disconnect", ""},
	mqttAuth: {"Authentication Exchange", "auth", ""},
}

// mqttReader reads control packets. Which version they are of only CONNECT tells; without one each packet is of
// the version that it can be read by to its end.
type mqttReader struct {
	sheet
	version int // 3, 4 or 5; 0 if it isn't known
	topics  int // well-formed ones
}

// mqtt reads MQTT 3.1, 3.1.1 and 5.0. Off its port a message is of MQTT if it connects, or if it is made of
// packets that are well-formed and name a topic.
func mqtt(data []byte, hint Hint) (Dissection, bool) {
	if len(data) < 2 || !isMQTTHeader(data) {
		return Dissection{}, false
	}
	connects := isMQTTConnect(data)
	m := &mqttReader{}
	m.tag("mqtt", "packet")
	for at := 0; at < len(data) && !m.full(); {
		next := m.packet(data, at)
		if next <= at {
			m.malformed(at, "expected a control packet, found %s", hexBytes(data[at:min(at+2, len(data))]))
			break
		}
		at = next
	}
	if !connects && hint.Port != mqttPort && (m.isMalformed() || m.topics == 0) {
		return Dissection{}, false
	}
	return m.done("MQTT"), true
}

// isMQTTHeader says whether data begins with the first byte of a control packet: its flags are fixed for all but
// PUBLISH (section 2.1.3).
func isMQTTHeader(data []byte) bool {
	flags := data[0] & 15
	switch kind := data[0] >> 4; kind {
	case 0:
		return false
	case mqttPublish:
		return flags&6 != 6
	case mqttPubrel, mqttSubscribe, mqttUnsubscribe:
		return flags == 2
	}
	return flags == 0
}

// isMQTTConnect says whether data begins with a CONNECT packet as far as its protocol's name and version.
func isMQTTConnect(data []byte) bool {
	r := open("header", 1, data[1:])
	mqttNumber(r)
	name := string(r.Bytes(uint64(r.Uint16())))
	version := r.Uint8()
	return data[0] == mqttConnect<<4 && (name == "MQTT" && version >= 4 && version <= 5 || name == "MQIsdp" && version == 3)
}

// framedConnect is a CONNECT packet that is there whole and well-formed.
func framedConnect(data []byte) int {
	if len(data) < 2 || !isMQTTConnect(data) {
		return 0
	}
	m := &mqttReader{}
	end := m.packet(data, 0)
	if m.isMalformed() {
		return 0
	}
	return end
}

// mqttNumber reads a variable byte integer (section 1.5.5).
func mqttNumber(r *cursor.Reader) (n int) {
	for shift := 0; shift < 28; shift += 7 {
		b := r.Uint8()
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
	r.Fail("expected a number of at most four bytes")
	return 0
}

// packet reads the packet at an offset and returns where it ends, or the offset if there is none.
func (m *mqttReader) packet(data []byte, at int) int {
	if !isMQTTHeader(data[at:]) {
		return at
	}
	r := open("control packet", at, data[at:])
	first := int(r.Uint8())
	kind, flags := first>>4, first&15
	p := mqttPackets[kind]
	m.field("mqtt.hdrflags", fmt.Sprintf("0x%02x", first), at, 1)
	m.field("mqtt.msgtype", p.name, at, 1)
	m.tag(p.word)
	if p.answers != "" {
		m.answer(p.answers)
	}
	if kind == mqttPublish {
		m.field("mqtt.dupflag", decimal(flags>>3), at, 1)
		m.field("mqtt.qos", decimal(flags>>1&3), at, 1)
		m.field("mqtt.retain", decimal(flags&1), at, 1)
	}
	length := mqttNumber(r)
	if damage, bad := r.Damage(); bad {
		m.malformed(int(damage.Offset), "%s", damage.Problem)
		return len(data)
	}
	begin := offset(r)
	m.field("mqtt.len", decimal(length), at+1, begin-at-1)
	if length > r.Len() {
		m.malformed(at+1, "%s claims %d bytes, %d are there", p.word, length, r.Len())
		length = r.Len()
	}
	m.say("%s", p.name)
	m.inVersion(kind, flags, data[begin:begin+length], begin)
	return begin + length
}

// inVersion reads a packet's body by the version that is known, else by 5.0 if it can be, else by 3.1.1.
func (m *mqttReader) inVersion(kind, flags int, body []byte, begin int) {
	known := m.version
	if known == 0 {
		try := &mqttReader{version: 5}
		try.body(kind, flags, open("control packet", begin, body))
		m.version = 5
		if try.isMalformed() {
			m.version = 4
		}
	}
	m.body(kind, flags, open("control packet", begin, body))
	if kind != mqttConnect {
		m.version = known
	}
}

func (m *mqttReader) body(kind, flags int, r *cursor.Reader) {
	switch kind {
	case mqttConnect:
		m.connect(r)
	case mqttConnack:
		m.number(r, 1, "mqtt.conack.flags", func(n int) string { return fmt.Sprintf("0x%02x", n) })
		m.reason(r, "mqtt.connack.reason_code", "mqtt.conack.val")
		m.properties(r, "mqtt.properties")
	case mqttPublish:
		m.publish(flags>>1&3, r)
	case mqttPuback, mqttPubrec, mqttPubrel, mqttPubcomp:
		m.number(r, 2, "mqtt.msgid", decimal)
		m.reasonAndProperties(r, "mqtt."+mqttPackets[kind].word+".reason_code")
	case mqttSubscribe, mqttUnsubscribe:
		m.subscribe(kind, r)
	case mqttSuback, mqttUnsuback:
		m.suback(kind, r)
	case mqttDisconnect, mqttAuth:
		m.reasonAndProperties(r, "mqtt."+mqttPackets[kind].word+".reason_code")
	}
	if damage, bad := r.Damage(); bad {
		m.malformed(int(damage.Offset), "%s", damage.Problem)
	} else if r.Len() > 0 {
		m.malformed(offset(r), "%d bytes follow the packet's end", r.Len())
	}
}

// Flags of CONNECT (section 3.1.2.3).
var mqttConnectFlags = []struct {
	name  string
	shift int
	mask  int
}{
	{"uname", 7, 1}, {"passwd", 6, 1}, {"retain", 5, 1}, {"qos", 3, 3}, {"willflag", 2, 1}, {"cleansess", 1, 1}, {"reserved", 0, 1},
}

// connect reads CONNECT (section 3.1).
func (m *mqttReader) connect(r *cursor.Reader) {
	m.text(r, "mqtt.proto_len", "mqtt.protoname")
	m.version = m.number(r, 1, "mqtt.ver", decimal)
	at := offset(r)
	flags := m.number(r, 1, "mqtt.conflags", func(n int) string { return fmt.Sprintf("0x%02x", n) })
	if r.Err() == nil {
		for _, f := range mqttConnectFlags {
			m.field("mqtt.conflag."+f.name, decimal(flags>>f.shift&f.mask), at, 1)
		}
	}
	m.number(r, 2, "mqtt.kalive", decimal)
	m.properties(r, "mqtt.properties")
	id := m.text(r, "mqtt.clientid_len", "mqtt.clientid")
	m.say("version %d, client %q", m.version, printable(id[:min(len(id), 60)]))
	if flags&4 != 0 {
		m.properties(r, "mqtt.will_properties")
		m.text(r, "mqtt.willtopic_len", "mqtt.willtopic")
		m.text(r, "mqtt.willmsg_len", "mqtt.willmsg")
		m.tag("will")
	}
	if flags&0x80 != 0 {
		m.text(r, "mqtt.username_len", "mqtt.username")
		m.tag("username")
	}
	if flags&0x40 != 0 {
		m.text(r, "mqtt.passwd_len", "mqtt.passwd")
		m.tag("password")
	}
}

// text reads a string or binary data behind its length (sections 1.5.4 and 1.5.6).
func (m *mqttReader) text(r *cursor.Reader, lengthName, name string) []byte {
	at := offset(r)
	v := m.vector(r, 2, name)
	if r.Err() != nil {
		return nil
	}
	value := peek(v)
	m.field(lengthName, decimal(len(value)), at, 2)
	m.field(name, printable(value), at+2, len(value))
	_, word, _ := strings.Cut(name, ".")
	m.part(word, at+2, len(value))
	return value
}

// topic reads a topic; one that is well-formed is valid UTF-8 without control characters.
func (m *mqttReader) topic(r *cursor.Reader) {
	topic := m.text(r, "mqtt.topic_len", "mqtt.topic")
	m.tag("topic")
	m.say("%s", printable(topic[:min(len(topic), 60)]))
	if len(topic) > 0 && utf8.Valid(topic) && !strings.ContainsFunc(string(topic), func(c rune) bool { return c < ' ' || c == 0x7f }) {
		m.topics++
	}
}

// publish reads PUBLISH (section 3.3); its payload is all that is left.
func (m *mqttReader) publish(qos int, r *cursor.Reader) {
	m.topic(r)
	if qos > 0 {
		m.number(r, 2, "mqtt.msgid", decimal)
	}
	m.properties(r, "mqtt.properties")
	if r.Err() != nil {
		return
	}
	at := offset(r)
	payload := r.Rest()
	m.field("mqtt.msg", printable(payload), at, len(payload))
	m.part("payload", at, len(payload))
	m.tag("payload")
}

// subscribe reads SUBSCRIBE and UNSUBSCRIBE (sections 3.8 and 3.10).
func (m *mqttReader) subscribe(kind int, r *cursor.Reader) {
	m.number(r, 2, "mqtt.msgid", decimal)
	m.properties(r, "mqtt.properties")
	if r.Len() == 0 && r.Err() == nil {
		m.malformed(offset(r), "expected a topic, found none")
	}
	for r.Len() > 0 && !m.full() {
		m.topic(r)
		switch {
		case kind == mqttUnsubscribe:
		case m.version >= 5:
			m.number(r, 1, "mqtt.subscription_options", func(n int) string { return fmt.Sprintf("0x%02x", n) })
		default:
			m.number(r, 1, "mqtt.sub.qos", decimal)
		}
	}
}

// suback reads SUBACK and UNSUBACK (sections 3.9 and 3.11); up to 3.1.1 UNSUBACK has no codes.
func (m *mqttReader) suback(kind int, r *cursor.Reader) {
	m.number(r, 2, "mqtt.msgid", decimal)
	m.properties(r, "mqtt.properties")
	if m.version >= 5 && r.Len() == 0 && r.Err() == nil {
		m.malformed(offset(r), "expected a reason code, found none")
	}
	for r.Len() > 0 && !m.full() && (kind == mqttSuback || m.version >= 5) {
		m.reason(r, "mqtt."+mqttPackets[kind].word+".reason_code", "mqtt.suback.qos")
	}
}

// reasonAndProperties reads what 5.0 lets be absent.
func (m *mqttReader) reasonAndProperties(r *cursor.Reader, name string) {
	if m.version >= 5 && r.Len() > 0 {
		m.reason(r, name, name)
		if r.Len() > 0 {
			m.properties(r, "mqtt.properties")
		}
	}
}

// reason reads a reason code of 5.0 (section 2.4), or what earlier versions have in its place.
func (m *mqttReader) reason(r *cursor.Reader, name, earlier string) {
	if m.version < 5 {
		name = earlier
	}
	code := m.number(r, 1, name, func(n int) string { return fmt.Sprintf("0x%02x", n) })
	if code >= 0x80 || m.version < 5 && name == "mqtt.conack.val" && code > 0 {
		m.tag("error")
		m.say("reason 0x%02x", code)
	}
}

// mqttProperty is a property's name and how it is written: numbers of 1, 2, 4 bytes or v variable, s string,
// b binary data, c a string that Wireshark shows with its length, p a pair of strings.
type mqttProperty struct {
	name string
	form byte
}

// Properties (section 2.2.2.2).
var mqttProperties = map[int]mqttProperty{
	0x01: {"Payload Format Indicator", 1}, 0x02: {"Message Expiry Interval", 4}, 0x03: {"Content Type", 'c'}, 0x08: {"Response Topic", 's'},
	0x09: {"Correlation Data", 'b'}, 0x0b: {"Subscription Identifier", 'v'}, 0x11: {"Session Expiry Interval", 4},
	0x12: {"Assigned Client Identifier", 's'}, 0x13: {"Server Keep Alive", 2}, 0x15: {"Authentication Method", 's'},
	0x16: {"Authentication Data", 'b'}, 0x17: {"Request Problem Information", 1}, 0x18: {"Will Delay Interval", 4},
	0x19: {"Request Response Information", 1}, 0x1a: {"Response Information", 's'}, 0x1c: {"Server Reference", 's'},
	0x1f: {"Reason String", 's'}, 0x21: {"Receive Maximum", 2}, 0x22: {"Topic Alias Maximum", 2}, 0x23: {"Topic Alias", 2},
	0x24: {"Maximum QoS", 1}, 0x25: {"Retain Available", 1}, 0x26: {"User Property", 'p'}, 0x27: {"Maximum Packet Size", 4},
	0x28: {"Wildcard Subscription Available", 1}, 0x29: {"Subscription Identifiers Available", 1}, 0x2a: {"Shared Subscription Available", 1},
}

// mqttPropertyFields are the properties for which Wireshark has fields of their own.
var mqttPropertyFields = map[int]string{0x23: "mqtt.property.topic_alias", 0x24: "mqtt.property.max_qos"}

// properties reads the properties of 5.0 (section 2.2.2).
func (m *mqttReader) properties(r *cursor.Reader, name string) {
	if m.version < 5 || r.Err() != nil {
		return
	}
	at := offset(r)
	length := mqttNumber(r)
	begin := offset(r)
	if r.Err() != nil {
		return
	}
	m.field("mqtt.property_len", decimal(length), at, begin-at)
	if length > r.Len() {
		m.malformed(at, "%s claim %d bytes, %d are there", name, length, r.Len())
		length = r.Len()
	}
	list := open("properties", begin, r.Bytes(uint64(length)))
	for list.Len() > 0 && !m.full() {
		m.property(list)
	}
	if damage, bad := list.Damage(); bad {
		m.malformed(int(damage.Offset), "%s", damage.Problem)
	}
}

func (m *mqttReader) property(r *cursor.Reader) {
	at := offset(r)
	id := mqttNumber(r)
	p, known := mqttProperties[id]
	if !known {
		r.Fail("0x%02x is no property", id)
		return
	}
	m.field("mqtt.property_id", p.name, at, offset(r)-at)
	m.tag(p.name)
	at = offset(r)
	switch p.form {
	case 'v':
		n := mqttNumber(r)
		m.field("mqtt.prop_number", decimal(n), at, offset(r)-at)
	case 's', 'b':
		m.text(r, "mqtt.prop_string_len", "mqtt.prop_string")
	case 'c':
		s := m.vector(r, 2, "content type")
		m.field("mqtt.property.content_type", printable(peek(s)), at, offset(r)-at)
	case 'p':
		m.text(r, "mqtt.prop_key_len", "mqtt.prop_key")
		m.text(r, "mqtt.prop_value_len", "mqtt.prop_value")
	default:
		m.number(r, int(p.form), cmp.Or(mqttPropertyFields[id], "mqtt.prop_number"), decimal)
	}
}
