package dissect

import "testing"

const (
	mqttHello     = "\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04abcd"
	mqttHello5    = "\x10\x13\x00\x04MQTT\x05\x02\x00\x3c\x03\x21\x00\x0a\x00\x03abc"
	mqttPub       = "\x32\x0c\x00\x03a/b\x00\x07hello"
	mqttSub5      = "\x82\x0c\x00\x01\x02\x0b\x05\x00\x04a/+!\x01"
	mqttTwoAcks   = "\x40\x02\x00\x01\xd0\x00"
	mqttLongTopic = "\x30\x08\xff\xffa/bxyz"
)

var mqttExamples = []example{
	{"connect", mqttHello, fromClient, "MQTT", map[string]string{"mqtt.clientid": "abcd", "mqtt.ver": "4", "mqtt.kalive": "60"}, []string{"connect"}, nil},
	{"connect of 5.0", mqttHello5, fromClient, "MQTT", map[string]string{"mqtt.clientid": "abc", "mqtt.prop_number": "10", "mqtt.property_id": "Receive Maximum"},
		[]string{"connect", "receive maximum"}, nil},
	{"publish of 3.1.1", mqttPub, fromClient, "MQTT", map[string]string{"mqtt.topic": "a/b", "mqtt.msgid": "7", "mqtt.msg": "hello"},
		[]string{"publish", "topic"}, nil},
	{"publish of 5.0", "\x30\x10\x00\x03a/b\x05\x02\x00\x00\x00\x64hello", fromClient, "MQTT",
		map[string]string{"mqtt.property_len": "5", "mqtt.prop_number": "100", "mqtt.msg": "hello"}, []string{"publish"}, nil},
	{"subscribe of 5.0", mqttSub5, fromClient, "MQTT", map[string]string{"mqtt.topic": "a/+!", "mqtt.subscription_options": "0x01"}, []string{"subscribe"}, nil},
	{"acknowledgements on its port", mqttTwoAcks, onPort(fromServer, 1883), "MQTT", nil, []string{"puback", "pingresp"}, []string{"publish", "pingreq"}},
	{"refused connection", "\x20\x02\x00\x05", onPort(fromServer, 1883), "MQTT", map[string]string{"mqtt.conack.val": "0x05"}, []string{"error"}, []string{"connect"}},
	{"topic that lies", mqttHello + mqttLongTopic, fromClient, "MQTT",
		map[string]string{"malformed": "mqtt.topic claims 65535 bytes, 6 are there", "mqtt.topic": "a/bxyz"}, []string{"publish"}, nil},
	{"packet that lies", mqttHello + "\x30\xff\x7f\x00\x03a/bxyz", fromClient, "MQTT", map[string]string{"malformed": "publish claims 16383 bytes, 8 are there"}, nil, nil},
	{"length without an end", mqttHello + "\x30\xff\xff\xff\xff\x01", fromClient, "MQTT",
		map[string]string{"malformed": "expected a number of at most four bytes"}, nil, nil},
	{"property that is none", "\x10\x13\x00\x04MQTT\x05\x02\x00\x3c\x03\x7f\x00\x0a\x00\x03abc", fromClient, "MQTT",
		map[string]string{"malformed": "0x7f is no property", "mqtt.clientid": "abc"}, nil, nil},
	{"flags that are reserved", mqttHello + "\x81\x00", fromClient, "MQTT", map[string]string{"malformed": "expected a control packet, found 8100"}, nil, nil},
	{"will without its message", "\x10\x10\x00\x04MQTT\x04\x06\x00\x3c\x00\x00\x00\x02a/", fromClient, "MQTT",
		map[string]string{"malformed": "expected 1 more bytes, found 0", "mqtt.willtopic": "a/"}, []string{"will"}, nil},
}

func TestAConnectInMemoryIsFramed(t *testing.T) {
	for data, want := range map[string]int{
		mqttHello + "\x00": len(mqttHello), mqttHello5 + "\x00": len(mqttHello5),
		mqttHello[:15]: 0, "\x10\x10\x00\x04MQTX\x04\x02\x00\x3c\x00\x04abcd": 0,
	} {
		if n := Framed([]byte(data)); n != want {
			t.Errorf("%q: framed %d bytes, want %d", data, n, want)
		}
	}
}
