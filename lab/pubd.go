package lab

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"
)

// pubd renames topics for subscribers who want it so. A topic has 255 characters at most, and so has the
// buffer for its new name; but a subscriber's pattern may say a part of it twice. It takes two: one has
// subscribed so, and long afterwards another publishes for a vehicle whose name is long. The thread
// that delivers this is not the one that has read it.
var pubd = Case{
	Name:      "pubd",
	Listen:    netip.MustParseAddrPort("127.0.0.1:1899"),
	Command:   func(s *Stage) []string { return []string{s.Home + "/sbin/pubd", "1899"} },
	Script:    scriptPubd,
	Culprit:   Culprit{Module: "libtopic.so", Function: "topic_rename", Role: "decided"},
	Mechanism: "fortify",
}

// Kinds of pubd's messages, and tags of their fields.
const (
	pubSubscribe = iota + 1
	pubUnsubscribe
	pubNext
	pubPublish
	pubPing
	pubMessage = 0x82 // a subscriber's
)

const (
	pubID = iota + 1
	pubFilter
	pubPattern
	pubTopic
	pubPayload
)

func scriptPubd(s *Stage) []Conversation {
	r := s.Rand
	death := between(r, 2200*time.Millisecond, 2700*time.Millisecond)
	fleet := []string{"fleet", "depot", "convoy"}[r.IntN(3)]
	vehicle := longVehicle(r)
	position := fmt.Sprintf(`{"lat":%.5f,"lon":%.5f,"speed":%d}`, 45+r.Float64()*10, 5+r.Float64()*10, r.IntN(120))
	script := []Conversation{
		{Member, loopback(2000 + r.IntN(50)), between(r, 100*time.Millisecond, 400*time.Millisecond), pubListen(pubField(pubFilter, fleet+"/+/gps/#") + pubField(pubPattern, "vehicles/{1}/{2}/by/{1}"))},
		{Killer, loopback(2100 + r.IntN(50)), death - 80*time.Millisecond, pubDrive(subrand(r), fleet, vehicle, position)},
		{Twin, loopback(2200 + r.IntN(50)), between(r, death/3, death*3/4), pubDrive(subrand(r), fleet, vehicle[:95], position)},
	}
	for i, fields := range pubSubscriptions(r, fleet) {
		script = append(script, Conversation{Ordinary, loopback(400 + i), between(r, 0, death/2), pubListen(fields)})
	}
	for range 380 {
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(60)), between(r, 0, death+150*time.Millisecond), pubVisit(subrand(r), fleet)})
	}
	for i, message := range pubOddities(subrand(r), fleet, vehicle) {
		script = append(script, Conversation{Odd, loopback(1000 + i), between(r, death/10, death-60*time.Millisecond), pubCall(message)})
	}
	for i, message := range pubWaiting(subrand(r), fleet) {
		script = append(script, Conversation{Waiting, loopback(1100 + i), between(r, death/4, death-100*time.Millisecond), pubWait(message)})
	}
	return script
}

func pubField(tag int, text string) string {
	return string(binary.BigEndian.AppendUint16([]byte{byte(tag)}, uint16(len(text)))) + text
}

func pubFrame(kind, flags int, fields string) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{byte(kind), byte(flags)}, uint16(len(fields))), fields...)
}

func pubPost(topic, payload string) []byte {
	return pubFrame(pubPublish, 1, pubField(pubTopic, topic)+pubField(pubPayload, payload))
}

// pubAnswers reads until n answers have come, besides any messages.
func (t *Talk) pubAnswers(n int) {
	t.Read(func(b []byte) bool {
		found := 0
		for len(b) >= 4 {
			size := 4 + int(binary.BigEndian.Uint16(b[2:]))
			if len(b) < size {
				break
			}
			if b[0] != pubMessage {
				found++
			}
			b = b[size:]
		}
		return found >= n
	})
}

// longVehicle is the name of one that some other system has given it.
func longVehicle(r *rand.Rand) string {
	name := "urn:example:fleet"
	for len(name) < 124 {
		name += fmt.Sprintf(":%s-%x", []string{"truck", "trailer", "unit", "region", "axle"}[r.IntN(5)], random(r, 2+r.IntN(5)))
	}
	return name[:124+r.IntN(len(name)-123)]
}

// pubListen subscribes and takes what comes.
func pubListen(fields string) func(*Talk) {
	return func(t *Talk) {
		t.Message(pubFrame(pubSubscribe, 0, pubField(pubID, "1")+fields))
		t.Outlast()
	}
}

// pubDrive tells where a vehicle is, after this and that.
func pubDrive(r *rand.Rand, fleet, vehicle, position string) func(*Talk) {
	return func(t *Talk) {
		for range 1 + r.IntN(3) {
			t.Send(pubPost(fleet+"/"+vehicle+"/fuel", fmt.Sprint(r.IntN(100))))
			t.pubAnswers(1)
			t.Pause(time.Duration(5+r.IntN(15)) * time.Millisecond)
		}
		t.Message(pubPost(fleet+"/"+vehicle+"/gps/position", position))
		t.pubAnswers(1)
	}
}

func pubCall(message []byte) func(*Talk) {
	return func(t *Talk) {
		t.Message(message)
		t.pubAnswers(1)
	}
}

func pubWait(message []byte) func(*Talk) {
	return func(t *Talk) {
		t.Message(message)
		t.Outlast()
	}
}

// pubSubscriptions are others' that stay, many of which rename as the killer's partner does.
func pubSubscriptions(r *rand.Rand, fleet string) []string {
	plain := func(filter string) string { return pubField(pubFilter, filter) }
	renamed := func(filter, pattern string) string {
		return pubField(pubFilter, filter) + pubField(pubPattern, pattern)
	}
	all := []string{
		plain("#"), plain("home/+/temperature"), plain(fleet + "/#"), plain("alerts/#"), plain("home/kitchen/#"),
		renamed(fleet+"/+/gps/#", "where/{1}"), renamed(fleet+"/+/+/#", "{3}/{2}/{1}"), renamed(fleet+"/+/fuel", "{1}"),
		renamed("home/+/+", "rooms/{1}/{2}/of/{1}"), renamed("home/+/#", "house/{2}/{1}/{2}"), renamed("alerts/+", "{1}/{1}/{1}/{1}"),
		renamed("lab/#", "archive/{1}"),
	}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

func pubVisit(r *rand.Rand, fleet string) func(*Talk) {
	return func(t *Talk) {
		subscribed := r.IntN(5) == 0
		if subscribed {
			t.Send(pubFrame(pubSubscribe, 0, pubField(pubID, "7")+pubField(pubFilter, pubAnyFilter(r, fleet))))
			t.pubAnswers(1)
		}
		for range 1 + r.IntN(5) {
			topic, payload := pubReading(r, fleet)
			switch r.IntN(6) {
			case 0: // nobody wants to know whether it came
				t.Send(pubFrame(pubPublish, 0, pubField(pubTopic, topic)+pubField(pubPayload, payload)))
			case 1:
				t.Slowly(pubPost(topic, payload), 20+r.IntN(40), time.Duration(2+r.IntN(10))*time.Millisecond)
				t.pubAnswers(1)
			case 2:
				t.Send(append(pubFrame(pubPing, 0, ""), pubPost(topic, payload)...))
				t.pubAnswers(2)
			default:
				t.Send(pubPost(topic, payload))
				t.pubAnswers(1)
			}
			t.Pause(time.Duration(r.IntN(40)) * time.Millisecond)
		}
		t.message.Bytes = nil
		if subscribed && r.IntN(2) == 0 {
			t.Send(pubFrame(pubUnsubscribe, 0, pubField(pubID, "7")))
			t.pubAnswers(1)
		}
	}
}

func pubAnyFilter(r *rand.Rand, fleet string) string {
	return []string{fleet + "/+/gps/#", fleet + "/+/fuel", "home/+/humidity", "home/#", "alerts/#", "home/cellar/+"}[r.IntN(6)]
}

// pubReading is a topic and what is told on it.
func pubReading(r *rand.Rand, fleet string) (topic, payload string) {
	switch r.IntN(7) {
	case 0, 1:
		return fmt.Sprintf("%s/truck-%03d/gps/position", fleet, r.IntN(300)), fmt.Sprintf(`{"lat":%.5f,"lon":%.5f,"speed":%d}`, 45+r.Float64()*10, 5+r.Float64()*10, r.IntN(120))
	case 2:
		return fmt.Sprintf("%s/%x/fuel", fleet, random(r, 3+r.IntN(5))), fmt.Sprint(r.IntN(100))
	case 3:
		return "alerts/" + []string{"smoke", "water", "door", "power"}[r.IntN(4)], prose(r, 3+r.IntN(12))
	case 4:
		return fmt.Sprintf("lab/run-%d/%s", r.IntN(1000), []string{"log", "result", "trace"}[r.IntN(3)]), prose(r, 10+r.IntN(60))
	default:
		return "home/" + []string{"kitchen", "cellar", "attic", "garage"}[r.IntN(4)] + "/" + []string{"temperature", "humidity", "light"}[r.IntN(3)], fmt.Sprintf("%.1f", r.Float64()*40)
	}
}

// pubOddities are longer, rarer or stranger than the killer; some are for the same vehicle, some have longer
// topics, and some come from subscribers who rename more.
func pubOddities(r *rand.Rand, fleet, vehicle string) [][]byte {
	subscribe := func(filter, pattern string) []byte {
		return pubFrame(pubSubscribe, 0, pubField(pubID, "3")+pubField(pubFilter, filter)+pubField(pubPattern, pattern))
	}
	many := []byte{}
	for range 40 {
		many = append(many, pubPost(pubReading(r, fleet))...)
	}
	return [][]byte{
		pubPost("lab/"+strings.Repeat("deep/", 48)+"end", "x"),
		pubPost("lab/"+fmt.Sprintf("%x", random(r, 120)), string(random(r, 12000))),
		pubPost(fleet+"/"+vehicle+"/gps", "no level behind it"),
		pubPost(fleet+"/"+vehicle+"/tyres/pressure", "8.1"),
		pubPost(fleet+"s/"+vehicle+"/gps/position", "{}"),
		pubPost(fleet+"/"+vehicle+vehicle+vehicle+"/gps/position", "a topic too long"),
		pubPost("alerts/"+vehicle[:60], "four times"),
		pubPost("home/+/temperature", "a filter"),
		pubPost("lab/"+fleet+"/"+vehicle+"/gps/position", string(pubPost(fleet+"/"+vehicle+"/gps/position", "inside"))),
		subscribe("office/+/+", strings.Repeat("{1}/", 60)+"{2}"),
		subscribe("office/#", strings.Repeat("{1}", 100)),
		subscribe(fleet+"/+/gps/#/more", "{1}"),
		subscribe("office/+x", "{1}"),
		pubFrame(pubUnsubscribe, 0, pubField(pubID, "4294967295")),
		pubFrame(77, 255, pubField(pubID, "1")),
		pubFrame(pubPing, 0, strings.Repeat(pubField(9, "unknown"), 50)),
		pubFrame(pubPublish, 1, "\x04\xff\xff"+fleet+"/"+vehicle+"/gps/position"),
		[]byte("\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03dev"),
		many,
	}
}

// pubWaiting gets no answer: half a message, or a wait for one that nobody sends.
func pubWaiting(r *rand.Rand, fleet string) [][]byte {
	var messages [][]byte
	for range 4 {
		half := pubPost(pubReading(r, fleet))
		messages = append(messages,
			pubFrame(pubNext, 0, pubField(pubID, "5")+pubField(pubFilter, fmt.Sprintf("jobs/%08x/done", r.Uint32()))),
			pubFrame(pubNext, 0, pubField(pubID, "5")+pubField(pubFilter, fmt.Sprintf("%s/truck-%d/gps/+", fleet, 400+r.IntN(100)))),
			pubFrame(pubNext, 0, pubField(pubID, "6")+pubField(pubFilter, "jobs/+/failed")),
			half[:len(half)-1-r.IntN(20)])
	}
	return messages
}
