package lab

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// mosquitto is Debian's MQTT broker with a plugin that sums up batches of readings. There is room for an
// hour's, which are 24; that there are no more is held against the room's size in bytes. A device that was
// out of reach for longer than an hour sends all that it has at once.
var mosquitto = Case{
	Name:    "mosquitto",
	Program: "/usr/sbin/mosquitto",
	Listen:  netip.MustParseAddrPort("127.0.0.1:1883"),
	Prepare: func(s *Stage) error {
		conf := fmt.Sprintf("listener 1883 127.0.0.1\nallow_anonymous true\nuser root\nlog_dest file %s/log\nplugin %[1]s/lib/mosquitto_series.so\n", s.Home)
		return os.WriteFile(filepath.Join(s.Home, "mosquitto.conf"), []byte(conf), 0o644)
	},
	Command:   func(s *Stage) []string { return []string{"/usr/sbin/mosquitto", "-c", s.Home + "/mosquitto.conf"} },
	Script:    scriptMosquitto,
	Culprit:   Culprit{Module: "mosquitto_series.so", Function: "series_summarise", Role: "decided"},
	Mechanism: "stack_protector",
}

func scriptMosquitto(s *Stage) []Conversation {
	r := s.Rand
	death := between(r, 2200*time.Millisecond, 2700*time.Millisecond)
	device := mqttDevice(r)
	many := mqttBatch(r, 27+r.IntN(16))
	values := strings.Split(many, ";")
	script := []Conversation{
		{Killer, loopback(2000 + r.IntN(50)), death - 60*time.Millisecond, mqttSensor(subrand(r), device, many)},
		{Twin, loopback(2100 + r.IntN(50)), between(r, death/4, death*3/4), mqttSensor(subrand(r), device, strings.Join(values[:25], ";"))},
	}
	for range 360 {
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(60)), between(r, 0, death+150*time.Millisecond), mqttVisit(subrand(r))})
	}
	for i, packet := range mqttOddities(subrand(r)) {
		script = append(script, Conversation{Odd, loopback(1000 + i), between(r, death/10, death-60*time.Millisecond), mqttCall(subrand(r), packet)})
	}
	for i, packet := range mqttWaiting(subrand(r)) {
		script = append(script, Conversation{Waiting, loopback(1100 + i), between(r, death/4, death-100*time.Millisecond), mqttWait(subrand(r), packet)})
	}
	return script
}

// Kinds of MQTT's packets, with the flags that they must have.
const (
	mqttConnect     = 0x10
	mqttPublish     = 0x30
	mqttAck         = 0x40
	mqttRelease     = 0x62
	mqttSubscribe   = 0x82
	mqttUnsubscribe = 0xa2
	mqttPing        = 0xc0
	mqttGoodbye     = 0xe0
)

// mqtt is a packet.
func mqtt(kind byte, parts ...string) []byte {
	body := strings.Join(parts, "")
	b := []byte{kind}
	n := len(body)
	for ; n > 127; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(append(b, byte(n)), body...)
}

func mqttText(s string) string { return mqttNumber(len(s)) + s }

func mqttNumber(n int) string { return string(binary.BigEndian.AppendUint16(nil, uint16(n))) }

// mqttPost publishes something; a QoS above none has an identifier.
func mqttPost(qos, id int, topic, payload string) []byte {
	if qos == 0 {
		return mqtt(mqttPublish, mqttText(topic), payload)
	}
	return mqtt(mqttPublish|byte(qos<<1), mqttText(topic), mqttNumber(id), payload)
}

// mqttHello opens a session of version 3.1.1 or 5; some have a last will.
func mqttHello(r *rand.Rand, version int) []byte {
	properties := ""
	if version == 5 {
		properties = []string{"\x00", "\x05\x11\x00\x00\x00\x3c", "\x03\x21\x00\x14"}[r.IntN(3)]
	}
	id := fmt.Sprintf("%s-%x", []string{"esp32", "gw", "mqtt-explorer", "node-red"}[r.IntN(4)], random(r, 4+r.IntN(4)))
	if r.IntN(4) > 0 {
		return mqtt(mqttConnect, mqttText("MQTT"), string(rune(version)), "\x02", mqttNumber(60), properties, mqttText(id))
	}
	will := ""
	if version == 5 {
		will = "\x00"
	}
	return mqtt(mqttConnect, mqttText("MQTT"), string(rune(version)), "\x06", mqttNumber(30), properties, mqttText(id),
		will, mqttText("status/"+id), mqttText("gone"))
}

// mqttOpen says hello and reads whether that is well.
func mqttOpen(t *Talk, r *rand.Rand) {
	t.Send(mqttHello(r, 4))
	t.mqttAnswers(1)
}

// mqttAnswers reads until there are n packets beside what is published to this client.
func (t *Talk) mqttAnswers(n int) {
	t.Read(func(b []byte) bool {
		found := 0
		for len(b) >= 2 {
			size, at, shift := 0, 1, 0
			for at < len(b) {
				size |= int(b[at]&0x7f) << shift
				shift += 7
				if at++; b[at-1] < 0x80 {
					break
				}
			}
			if at+size > len(b) {
				break
			}
			if b[0]&0xf0 != mqttPublish {
				found++
			}
			b = b[at+size:]
		}
		return found >= n
	})
}

func mqttDevice(r *rand.Rand) string {
	return fmt.Sprintf("%s/%s-%02d", []string{"plant1", "plant2", "office", "roof"}[r.IntN(4)], []string{"temp", "hum", "flow", "co2"}[r.IntN(4)], r.IntN(40))
}

// mqttBatch is a batch of readings, each near the one before.
func mqttBatch(r *rand.Rand, n int) string {
	text := fmt.Sprint(1717320000 + r.IntN(2000000))
	value := 15 + 10*r.Float64()
	for range n {
		value += r.Float64() - 0.5
		text += fmt.Sprintf(";%.*f", 1+r.IntN(2), value)
	}
	return text
}

// mqttSensor is a device that has one batch more to tell than usual.
func mqttSensor(r *rand.Rand, device, batch string) func(*Talk) {
	return func(t *Talk) {
		mqttOpen(t, r)
		t.Send(mqttPost(1, 1, "readings/"+device, mqttBatch(r, 4+r.IntN(12))))
		t.mqttAnswers(1)
		t.Pause(time.Duration(10+r.IntN(20)) * time.Millisecond)
		t.Message(mqttPost(1, 2, "readings/"+device, batch))
		t.mqttAnswers(1)
		t.Send(mqtt(mqttGoodbye))
	}
}

func mqttCall(r *rand.Rand, packet []byte) func(*Talk) {
	return func(t *Talk) {
		if packet[0] != mqttConnect {
			mqttOpen(t, r)
		}
		t.Message(packet)
		if packet[0]&0xf6 != mqttPublish {
			t.mqttAnswers(1)
		}
		t.Pause(10 * time.Millisecond)
		t.Send(mqtt(mqttGoodbye))
	}
}

func mqttWait(r *rand.Rand, packet []byte) func(*Talk) {
	return func(t *Talk) {
		mqttOpen(t, r)
		t.Message(packet)
		t.Outlast()
	}
}

// mqttVisit is a device that tells what it measured, or somebody who looks or switches something.
func mqttVisit(r *rand.Rand) func(*Talk) {
	return func(t *Talk) {
		t.Send(mqttHello(r, 4+r.IntN(6)/5))
		t.mqttAnswers(1)
		version5 := r.IntN(6) == 5 // its packets would have properties: such a client only listens
		device := mqttDevice(r)
		for id := 1; id < 2+r.IntN(5); id++ {
			t.mqttOrdinary(r, device, id, version5)
			t.Pause(time.Duration(r.IntN(60)) * time.Millisecond)
		}
		if r.IntN(5) > 0 {
			t.Send(mqtt(mqttGoodbye))
		}
	}
}

func (t *Talk) mqttOrdinary(r *rand.Rand, device string, id int, quiet bool) {
	kind := r.IntN(10)
	if quiet {
		kind = 0
	}
	switch kind {
	case 0:
		t.Send(mqtt(mqttPing))
		t.mqttAnswers(1)
	case 1:
		t.Send(mqtt(mqttSubscribe, mqttNumber(id), mqttText("summary/"+device), "\x00"))
		t.mqttAnswers(1)
	case 2:
		t.Send(mqtt(mqttSubscribe, mqttNumber(id), mqttText("status/+"), "\x01", mqttText("commands/"+device), "\x01"))
		t.mqttAnswers(1)
	case 3:
		t.Send(mqttPost(0, 0, "readings/"+device, fmt.Sprintf(`{"value":%.2f,"unit":"C","battery":%d}`, 20+r.Float64(), r.IntN(100))))
	case 4:
		t.Send(mqttPost(2, id, "commands/"+device, []string{"on", "off", "reset", "interval=30"}[r.IntN(4)]))
		t.mqttAnswers(1)
		t.Send(mqtt(mqttRelease, mqttNumber(id)))
		t.mqttAnswers(1)
	case 5:
		t.Slowly(mqttPost(1, id, "readings/"+device, mqttBatch(r, 10+r.IntN(15))), 20+r.IntN(30), time.Duration(2+r.IntN(10))*time.Millisecond)
		t.mqttAnswers(1)
		t.message.Bytes = nil
	case 6:
		t.Send(mqttPost(0, 0, "readings/"+device, mqttBatch(r, 1+r.IntN(24))))
	default:
		t.Send(mqttPost(1, id, "readings/"+device, mqttBatch(r, 1+r.IntN(24))))
		t.mqttAnswers(1)
	}
}

// mqttOddities are longer, rarer or stranger than the killer.
func mqttOddities(r *rand.Rand) [][]byte {
	device := mqttDevice(r)
	var filters []string
	for i := range 40 {
		filters = append(filters, mqttText(fmt.Sprintf("summary/%s/%d/+/#", device, i)), "\x00")
	}
	long := strings.ReplaceAll(mqttBatch(r, 300), ".", ",") // in words of a country that writes it so
	return [][]byte{
		mqttPost(1, 9, "readings/"+device, long),
		mqttPost(1, 9, "readings/"+device, mqttBatch(r, 5)+";"+strings.Repeat("9", 80)),
		mqttPost(1, 9, "readings/"+device, "-1;;;;"),
		mqttPost(1, 9, "readings/"+device, mqttBatch(r, 9)+";nan;inf;1e400;0x1p-3"),
		mqttPost(1, 9, "readings/"+device, ""),
		mqttPost(1, 9, "archive/"+device, mqttBatch(r, 200)), // not the plugin's
		mqttPost(1, 9, "readings/"+strings.Repeat("a-deep-place/", 30), mqttBatch(r, 60)),
		mqttPost(2, 700, "firmware/"+device, string(random(r, 6000))),
		mqttPost(1, 9, "readings", mqttBatch(r, 40)),
		mqttPost(1, 9, "status/Zürich/☂", "trüb"),
		mqtt(mqttPublish|0x0b, mqttText("status/"+device), mqttNumber(65535), ""), // again, and to be kept: nothing
		mqtt(mqttSubscribe, append([]string{mqttNumber(77)}, filters...)...),
		mqtt(mqttSubscribe, mqttNumber(5), mqttText("$SYS/broker/clients/connected"), "\x00"),
		mqtt(mqttUnsubscribe, mqttNumber(6), mqttText("never/subscribed"), mqttText("#")),
		mqtt(mqttPublish, mqttText("status/#"), "a wildcard"),
		mqtt(mqttConnect, mqttText("MQIsdp"), "\x03", "\x02", mqttNumber(0), mqttText("an-old-client")),
		mqtt(mqttConnect, mqttText("MQTT"), "\x04", "\xc2", mqttNumber(600), mqttText(strings.Repeat("id", 900)), mqttText("user"), mqttText("password")),
		mqtt(mqttAck, mqttNumber(4711)),
		append([]byte("GET /"), " HTTP/1.1\r\nHost: broker\r\n\r\n"...),
	}
}

// mqttWaiting gets no answer: half a packet, or one that has none.
func mqttWaiting(r *rand.Rand) [][]byte {
	var packets [][]byte
	for range 4 {
		batch := mqttPost(1, 3, "readings/"+mqttDevice(r), mqttBatch(r, 5+r.IntN(19)))
		subscribe := mqtt(mqttSubscribe, mqttNumber(2), mqttText("summary/"+mqttDevice(r)+"/+"), "\x01")
		packets = append(packets,
			batch[:len(batch)-1-r.IntN(len(batch)/2)],
			mqttPost(0, 0, "readings/"+mqttDevice(r), mqttBatch(r, 1+r.IntN(24))),
			mqttPost(0, 0, "commands/"+mqttDevice(r), "interval=60"),
			subscribe[:len(subscribe)-1-r.IntN(8)])
	}
	return packets
}
