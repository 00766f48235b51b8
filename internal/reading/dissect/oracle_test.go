package dissect

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/inquest-project/inquest/internal/evidence/capture"
	"github.com/inquest-project/inquest/internal/evidence/wiretest"
	"github.com/inquest-project/inquest/internal/reading/conversation"
	"github.com/inquest-project/inquest/internal/reading/pdmltest"
)

// oracles are captures that tshark dissects, too. Those in testdata were made by its record.sh, the others are
// written from examples.
var oracles = []struct {
	capture   string
	protocol  string
	wireshark string   // what Wireshark calls it
	fields    []string // to compare; "~name" if it has no names for the values
	args      []string // for tshark
	unseen    []string // "field value": what is there, and tshark leaves out
}{
	{"", "LDAP", "ldap", []string{"ldap.matchedDN", "ldap.responseName", "ldap.criticality", "ldap.controlValue", "ldap.abandonRequest",
		"ldap.LDAPURL", "ldap.newSuperior", "ldap.any", "ldap.dnAttributes"}, nil, nil},
	{"", "SNMP", "snmp", []string{"snmp.msgVersion", "snmp.msgID", "snmp.msgMaxSize", "snmp.msgFlags", "snmp.msgSecurityModel", "snmp.msgAuthoritativeEngineID",
		"snmp.msgAuthoritativeEngineBoots", "snmp.msgAuthoritativeEngineTime", "snmp.msgUserName", "snmp.msgAuthenticationParameters",
		"snmp.msgPrivacyParameters", "snmp.contextEngineID", "snmp.contextName", "snmp.encryptedPDU", "snmp.request_id", "snmp.name", "snmp.value.opaque"}, nil, nil},
	{"redis.pcap", "RESP", "resp", []string{
		"resp.string", "resp.error", "resp.integer", "resp.array.length", "resp.bulk_string.length", "resp.bulk_string.value",
	}, nil, nil},
	{"memcached.pcap", "memcached", "memcache", []string{"memcache.key", "memcache.flags", "memcache.expiration", "memcache.value.length",
		"memcache.response", "memcache.noreply", "memcache.version"}, nil, []string{"memcache.response VALUE", "memcache.response END", "memcache.response VERSION", "memcache.response CLIENT_ERROR"}},
	{"memcachedbinary.pcap", "memcached", "memcache", []string{"memcache.magic", "memcache.opcode", "memcache.key.length", "memcache.extras.length",
		"memcache.data_type", "memcache.status", "memcache.reserved", "memcache.total_body_length", "memcache.opaque", "memcache.cas", "memcache.key",
		"memcache.value", "memcache.extras.flags", "memcache.extras.delta", "memcache.extras.initial", "memcache.extras.expiration", "memcache.extras.response"}, nil, nil},
	{"mqtt3.pcap", "MQTT", "mqtt", slices.Concat(mqttFields, []string{"mqtt.conack.val", "mqtt.sub.qos", "mqtt.suback.qos"}), nil, nil},
	{"mqtt5.pcap", "MQTT", "mqtt", slices.Concat(mqttFields, []string{"mqtt.connack.reason_code", "mqtt.subscription_options", "mqtt.suback.reason_code",
		"mqtt.unsuback.reason_code", "mqtt.property.content_type", "mqtt.property_len", "mqtt.property_id", "mqtt.prop_number",
		"mqtt.prop_string", "mqtt.prop_string_len", "mqtt.prop_key", "mqtt.prop_key_len", "mqtt.prop_value", "mqtt.prop_value_len"}), nil, nil},
	{"ldap.pcap", "LDAP", "ldap", []string{"ldap.messageID", "ldap.version", "ldap.name", "ldap.simple", "ldap.mechanism", "ldap.credentials",
		"ldap.resultCode", "ldap.errorMessage", "ldap.serverSaslCreds", "ldap.baseObject",
		"ldap.scope", "ldap.derefAliases", "ldap.sizeLimit", "ldap.timeLimit", "ldap.typesOnly", "ldap.AttributeDescription", "ldap.objectName",
		"ldap.type", "ldap.AttributeValue", "ldap.object", "ldap.operation", "ldap.entry", "ldap.delRequest", "ldap.newrdn", "ldap.deleteoldrdn",
		"ldap.attributeDesc", "ldap.assertionValue", "ldap.present", "ldap.initial", "ldap.final", "ldap.matchingRule", "ldap.matchValue",
		"ldap.requestName", "ldap.controlType"}, nil, nil},
	{"postgres.pcap", "PostgreSQL", "pgsql", []string{"pgsql.type", "pgsql.length", "pgsql.version_major", "pgsql.version_minor", "pgsql.parameter_name",
		"pgsql.parameter_value", "pgsql.authtype", "pgsql.auth.sasl.mech", "pgsql.auth.sasl.data", "pgsql.auth.sasl.data.length", "pgsql.pid", "pgsql.key",
		"pgsql.status", "pgsql.query", "pgsql.tag", "pgsql.col.name", "pgsql.oid.table", "pgsql.col.index", "pgsql.oid.type", "pgsql.col.typemod",
		"pgsql.val.length", "pgsql.val.data", "pgsql.severity", "pgsql.text", "pgsql.code", "pgsql.message", "pgsql.detail", "pgsql.schema_name",
		"pgsql.table_name", "pgsql.constraint_name", "pgsql.file", "pgsql.line", "pgsql.routine", "pgsql.copydata", "pgsql.portal", "pgsql.statement",
		"pgsql.returns", "pgsql.condition"}, nil, nil},
	{"", "SMTP", "smtp", []string{"smtp.rsp.parameter", "smtp.req.command", "smtp.req.parameter"}, nil, nil},
	{"", "PROXY", "proxy", []string{"proxy.v1.proto", "proxy.v1.unknown", "proxy.src.ipv4", "proxy.dst.ipv4", "proxy.src.ipv6",
		"proxy.dst.ipv6", "proxy.srcport", "proxy.dstport", "proxy.v2.magic", "proxy.v2.version", "~proxy.v2.cmd", "~proxy.v2.addr_family",
		"proxy.v2.addr_family_protocol", "~proxy.v2.protocol", "proxy.v2.length", "~proxy.v2.tlv.type", "proxy.v2.tlv.length", "proxy.v2.tlv.value",
		"proxy.v2.tlv.ssl.client", "proxy.v2.tlv.ssl.verify", "proxy.v2.tlv.ssl.version", "proxy.v2.tlv.ssl.cn", "proxy.v2.tlv.ssl.cipher",
		"proxy.v2.tlv.ssl.sig_alg", "proxy.v2.tlv.ssl.keu_alg"}, nil,
		[]string{"proxy.v2.tlv.type NOOP", "proxy.v2.tlv.length 13", "proxy.v2.tlv.value 00000000000000000000000000"}}, // it leaves the last 16 bytes
	{"snmp.pcap", "SNMP", "snmp", []string{"snmp.version", "snmp.community", "snmp.request_id", "snmp.error_status", "snmp.error_index",
		"snmp.non_repeaters", "snmp.max_repetitions", "snmp.enterprise", "snmp.agent_addr", "snmp.generic_trap", "snmp.specific_trap",
		"snmp.time_stamp", "snmp.name", "snmp.value.int", "snmp.value.octets", "snmp.value.oid", "snmp.value.ipv4", "snmp.value.counter",
		"snmp.value.g32", "snmp.value.timeticks"}, nil, nil},
}

var mqttFields = []string{
	"mqtt.hdrflags", "mqtt.msgtype", "mqtt.dupflag", "mqtt.qos", "mqtt.retain", "mqtt.len", "mqtt.proto_len", "mqtt.protoname", "mqtt.ver",
	"mqtt.conflags", "mqtt.conflag.uname", "mqtt.conflag.passwd", "mqtt.conflag.retain", "mqtt.conflag.qos", "mqtt.conflag.willflag",
	"mqtt.conflag.cleansess", "mqtt.conflag.reserved", "mqtt.kalive", "mqtt.clientid_len", "mqtt.clientid", "mqtt.willtopic_len", "mqtt.willtopic",
	"mqtt.willmsg_len", "mqtt.willmsg", "mqtt.username_len", "mqtt.username", "mqtt.passwd_len", "mqtt.passwd", "mqtt.conack.flags", "mqtt.topic_len",
	"mqtt.topic", "mqtt.msgid", "mqtt.msg",
}

// TestFieldsAreTsharksFields compares each field's values and bytes, in order, for each direction of each
// conversation.
func TestFieldsAreTsharksFields(t *testing.T) {
	for _, o := range oracles {
		t.Run(o.protocol+" "+o.capture, func(t *testing.T) {
			path := filepath.Join("testdata", o.capture)
			if o.capture == "" {
				path = writeExamples(t, o.protocol)
			}
			theirs, ours := pdmltest.Read(t, path, o.wireshark, o.args), fieldSequences(t, path, o.protocol)
			for _, name := range o.fields {
				name, unnamed := strings.CutPrefix(name, "~")
				compared := 0
				for direction := range ours {
					list := slices.DeleteFunc(ours[direction][name], func(f pdmltest.Field) bool {
						return f.Bytes == "" || slices.Contains(o.unseen, name+" "+f.Value)
					})
					compared += pdmltest.Compare(t, direction+": "+name, list, theirs[direction][name], unnamed)
				}
				if compared == 0 {
					t.Errorf("%s: nothing to compare", name)
				}
			}
		})
	}
}

// writeExamples makes a capture of a protocol's well-formed examples that name its port, each a conversation of its own.
func writeExamples(t *testing.T, protocol string) string {
	script := wiretest.New()
	client := 40000
	for _, e := range examples {
		if _, bad := e.fields["malformed"]; bad || e.protocol != protocol || e.hint.Port >= 40000 {
			continue
		}
		client++
		ends := []string{fmt.Sprintf("192.0.2.1:%d", client), fmt.Sprintf("192.0.2.2:%d", e.hint.Port)}
		side := wiretest.Server
		if e.hint.FromClient {
			side = wiretest.Client
		}
		if e.hint.Transport == "udp" {
			script.Line(ends[0], ends[1]).UDP(side, e.data)
		} else {
			script.Dial(ends[0], ends[1]).Say(side, e.data)
		}
	}
	path := filepath.Join(t.TempDir(), "examples.pcap")
	if err := os.WriteFile(path, script.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// recorded are the messages of a capture, each with its direction and hint.
func recorded(t testing.TB, path string, see func(direction string, data []byte, hint Hint)) {
	t.Helper()
	file, err := capture.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range conversation.Assemble(file).Conversations {
		for _, receiver := range []conversation.Side{conversation.Responder, conversation.Opener} {
			direction := fmt.Sprintf("%d>%d", c.Ends[receiver.Other()].Port(), c.Ends[receiver].Port())
			for _, m := range c.Messages(receiver) {
				see(direction, m.Data, Hint{Transport: c.Transport, Port: c.Ends[conversation.Responder].Port(), FromClient: receiver == conversation.Responder})
			}
		}
	}
}

func fieldSequences(t *testing.T, path, protocol string) pdmltest.Fields {
	s := pdmltest.Fields{}
	recorded(t, path, func(direction string, data []byte, hint Hint) {
		d := Message(data, hint)
		checkRanges(t, d, len(data))
		if d.Protocol != protocol {
			t.Errorf("%s: %s: %s", direction, d.Protocol, d.Summary)
		}
		for _, f := range d.Fields {
			if f.Name == "malformed" {
				t.Errorf("%s: malformed: %s", d.Summary, f.Value)
			}
			s.Add(direction, f.Name, pdmltest.Field{Value: f.Value, Bytes: hex.EncodeToString(data[f.Offset : f.Offset+f.Length])})
		}
	})
	return s
}
