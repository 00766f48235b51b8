package lab

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"
)

// frostd speaks a protocol of its own. Whoever asks for a curve's newest points first, and for every so many
// alone, back to its beginning, lets a number without a sign go below zero; either wish by itself is common, and a
// limit that is reached before saves the two together.
var frostd = Case{
	Name:      "frostd",
	Listen:    netip.MustParseAddrPort("127.0.0.1:4447"),
	Command:   func(s *Stage) []string { return []string{s.Home + "/sbin/frostd", "4447"} },
	Script:    scriptFrostd,
	Culprit:   Culprit{Module: "libcurve.so", Function: "curve_backward", Role: "decided"},
	Mechanism: "fault_read",
}

// Kinds of frames, and numbers of a query's fields.
const (
	frostHello = 1 + iota
	frostPut
	frostQuery
	frostAlarm
	frostResume
	frostList
	frostBye

	frostSensor = 1
	frostFrom   = 2
	frostEvery  = 3
	frostNewest = 4
	frostLimit  = 5
)

func scriptFrostd(s *Stage) []Conversation {
	r := s.Rand
	death := between(r, 2200*time.Millisecond, 2600*time.Millisecond)
	every := 4 + r.IntN(9)
	script := []Conversation{
		{Killer, loopback(2000 + r.IntN(50)), death - 60*time.Millisecond, frostThin(subrand(r), every, 70+r.IntN(26), death)},
		{Twin, loopback(2100 + r.IntN(50)), death / 5, frostThin(subrand(r), every, 2+r.IntN(4), between(r, death/4, death*3/4))},
	}
	for range 400 {
		at := between(r, 0, death+120*time.Millisecond)
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(70)), at, frostVisit(subrand(r))})
	}
	for i, talk := range frostOddities(subrand(r)) {
		script = append(script, Conversation{Odd, loopback(1000 + i), between(r, death/10, death-60*time.Millisecond), talk})
	}
	for i, talk := range frostWaiting(subrand(r)) {
		at := between(r, death/4, death-150*time.Millisecond)
		script = append(script, Conversation{Waiting, loopback(1100 + i), at, talk})
	}
	return script
}

// frostSession is a client's end of a session.
type frostSession struct {
	*Talk
	sequence, number uint32
}

// frostField is a field of a frame: a number or a row of bytes.
type frostField struct {
	number int
	value  any
}

func varint(v int) []byte { return binary.AppendUvarint(nil, uint64(uint32(v))) }

func frostFields(fields ...frostField) (b []byte) {
	for _, f := range fields {
		switch v := f.value.(type) {
		case int:
			b = append(append(b, varint(f.number*2)...), varint(v)...)
		case []byte:
			b = append(append(append(b, varint(f.number*2+1)...), varint(len(v))...), v...)
		}
	}
	return b
}

func frostFrame(kind byte, sequence, session uint32, fields []byte) []byte {
	b := append([]byte{kind}, varint(int(sequence))...)
	b = binary.LittleEndian.AppendUint32(b, session)
	b = append(append(b, varint(len(fields))...), fields...)
	low, high := 0, 0 // Fletcher's
	for _, c := range b {
		low = (low + int(c)) % 255
		high = (high + low) % 255
	}
	return append([]byte{0xf7, byte(low), byte(high)}, b...)
}

// frostWhole says whether a frame is whole.
func frostWhole(b []byte) bool {
	if len(b) < 4 {
		return false
	}
	_, n := binary.Uvarint(b[4:])
	if n <= 0 || len(b) < 4+n+4 {
		return false
	}
	rest := b[4+n+4:]
	length, n := binary.Uvarint(rest)
	return n > 0 && len(rest) >= n+int(length)
}

// frostGreet begins a session; its sequence starts anywhere.
func frostGreet(t *Talk, r *rand.Rand) *frostSession {
	s := &frostSession{Talk: t, sequence: r.Uint32N(5000)}
	t.Send(frostFrame(frostHello, s.sequence, 0, frostFields(frostField{1, []byte(frostName(r))})))
	if got := t.Read(frostWhole); t.err == nil {
		_, n := binary.Uvarint(got[4:])
		s.number = binary.LittleEndian.Uint32(got[4+n:])
	}
	return s
}

// next makes the session's next frame.
func (s *frostSession) next(kind byte, fields ...frostField) []byte {
	s.sequence++
	return frostFrame(kind, s.sequence, s.number, frostFields(fields...))
}

func (s *frostSession) call(kind byte, fields ...frostField) {
	s.Send(s.next(kind, fields...))
	s.Read(frostWhole)
}

func frostName(r *rand.Rand) string {
	return []string{"cellar", "kitchen", "lab", "depot", "truck", "blood-bank"}[r.IntN(6)] + fmt.Sprintf("-%d", r.IntN(300))
}

func frostSensorOf(r *rand.Rand) frostField { return frostField{frostSensor, 1000 + r.IntN(40)} }

// frostPoints are so many temperatures about -20 degrees, as differences in zigzag.
func frostPoints(r *rand.Rand, count int) frostField {
	var b []byte
	was := 0
	for range count {
		now := -2000 + r.IntN(300)
		b = append(b, varint((now-was)<<1^(now-was)>>63)...)
		was = now
	}
	return frostField{4, b}
}

func frostReadings(r *rand.Rand, sensor frostField, count int) []frostField {
	fields := []frostField{sensor, {2, 1767225600 + r.IntN(1<<20)}}
	if r.IntN(2) == 0 {
		fields = append(fields, frostField{3, []int{10, 30, 300}[r.IntN(3)]})
	}
	return append(fields, frostPoints(r, count))
}

// frostThin sends points and asks for the newest of them, thinned: the limit makes the difference.
func frostThin(r *rand.Rand, every, limit int, at time.Duration) func(*Talk) {
	return func(t *Talk) {
		s, sensor := frostGreet(t, r), frostSensorOf(r)
		for range 2 {
			s.call(frostPut, frostReadings(r, sensor, 35)...)
		}
		t.Until(at)
		t.Message(s.next(frostQuery, sensor, frostField{frostEvery, every}, frostField{frostNewest, 1}, frostField{frostLimit, limit}))
		t.Read(frostWhole)
		t.Pause(10 * time.Millisecond)
		s.call(frostList)
	}
}

// frostVisit is a freezer that tells how it is, or somebody who looks.
func frostVisit(r *rand.Rand) func(*Talk) {
	return func(t *Talk) {
		s, sensor := frostGreet(t, r), frostSensorOf(r)
		for range 1 + r.IntN(5) {
			switch r.IntN(9) {
			case 0:
				s.call(frostList)
			case 1: // the newest
				s.call(frostQuery, sensor, frostField{frostNewest, 1}, frostField{frostLimit, 1 + r.IntN(90)})
			case 2: // thinned
				s.call(frostQuery, sensor, frostField{frostEvery, 2 + r.IntN(20)}, frostField{frostLimit, 1 + r.IntN(90)})
			case 3: // both, but not back to the beginning
				every := 2 + r.IntN(6)
				s.call(frostQuery, sensor, frostField{frostFrom, every + r.IntN(20)}, frostField{frostEvery, every}, frostField{frostNewest, 1})
			case 4:
				s.call(frostQuery, sensor, frostField{frostFrom, r.IntN(50)})
			case 5:
				t.Slowly(s.next(frostPut, frostReadings(r, sensor, 6)...), 5+r.IntN(9), time.Duration(2+r.IntN(10))*time.Millisecond)
				t.Read(frostWhole)
			default:
				s.call(frostPut, frostReadings(r, sensor, 1+r.IntN(8))...)
			}
			t.Pause(time.Duration(r.IntN(40)) * time.Millisecond)
		}
		if r.IntN(3) == 0 {
			t.Send(s.next(frostBye))
		}
		t.message.Bytes = nil
	}
}

// frostOddities are longer, rarer or stranger than the killer.
func frostOddities(r *rand.Rand) []func(*Talk) {
	// within sends a frame within a session.
	within := func(kind byte, fields ...frostField) func(*Talk) {
		r := subrand(r)
		return func(t *Talk) {
			s := frostGreet(t, r)
			t.Remember(s.next(kind, fields...))
			t.Read(frostWhole)
		}
	}
	// alone sends bytes without one.
	alone := func(b []byte) func(*Talk) {
		return func(t *Talk) {
			t.Message(b)
			t.Read(frostWhole)
		}
	}
	sensor, back, much := frostSensorOf(r), subrand(r), subrand(r)
	broken := frostFrame(frostList, 7, 1, frostFields(sensor))
	broken[1] ^= 0x55
	return []func(*Talk){
		within(frostPut, frostReadings(r, frostField{frostSensor, 1900}, 1200)...),
		within(frostPut, frostField{frostSensor, 1901}, frostField{4, random(r, 900)}), // any temperatures
		within(frostPut, sensor, frostField{4, []byte{}}),
		within(frostQuery, frostField{frostSensor, 77777}, frostField{frostEvery, 3}, frostField{frostNewest, 1}), // nobody's
		within(frostQuery, sensor, frostField{frostEvery, 0}, frostField{frostNewest, 1}),
		within(frostQuery, sensor, frostField{frostLimit, 1 << 31}, frostField{frostEvery, 2}, frostField{frostNewest, 1}),
		within(frostQuery, sensor, frostField{frostFrom, 0xffffffff}, frostField{frostEvery, 2}, frostField{frostNewest, 1}),
		within(frostQuery, sensor, frostField{frostEvery, 0xffff}, frostField{frostNewest, 0}),
		within(frostQuery, sensor, frostField{frostNewest, []byte("yes")}, frostField{99, random(r, 300)}),
		within(frostResume, frostField{1, []byte("somebody-else")}),
		within(66, sensor),
		within(frostList, frostField{1, random(r, 2000)}),
		alone(frostFrame(frostQuery, 1, 0xdeadbeef, frostFields(sensor))),
		alone(frostFrame(frostHello, 1, 0, frostFields(frostField{1, random(r, 600)}))),
		alone(broken),
		alone([]byte("GET /curves HTTP/1.1\r\n\r\n")),
		func(t *Talk) { // a sequence that goes back
			s := frostGreet(t, back)
			s.sequence -= 2
			t.Remember(s.next(frostQuery, sensor, frostField{frostNewest, 1}))
			t.Read(frostWhole)
		},
		func(t *Talk) { // much at once
			s := frostGreet(t, much)
			var all []byte
			for i := range 12 {
				all = append(all, s.next(frostQuery, sensor, frostField{frostFrom, 3 * i}, frostField{frostEvery, 3}, frostField{frostLimit, 5})...)
			}
			t.Remember(all)
			t.Pause(60 * time.Millisecond)
		},
	}
}

// frostWaiting gets no answer: alarms that never go off, and halves of frames.
func frostWaiting(r *rand.Rand) []func(*Talk) {
	var talks []func(*Talk)
	for i := range 11 {
		r := subrand(r)
		talks = append(talks, func(t *Talk) {
			s := frostGreet(t, r)
			warm := 500 + r.IntN(1000)
			b := s.next(frostAlarm, frostSensorOf(r), frostField{2, 2 * warm})
			if i > 7 {
				b = s.next(frostPut, frostReadings(r, frostSensorOf(r), 9)...)
				b = b[:len(b)-1-r.IntN(12)]
			}
			t.Remember(b)
			t.Outlast()
		})
	}
	return talks
}
