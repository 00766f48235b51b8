package lab

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"
)

// nulld converts locks, also on behalf of another session. That this one is open is looked after, and that
// the lock is held by somebody; not that it is by this one. A supervisor who mistakes one session for another
// kills it, with 24 bytes that are wiped before they are obeyed.
var nulld = Case{
	Name:      "nulld",
	Listen:    netip.MustParseAddrPort("127.0.0.1:7878"),
	Command:   func(s *Stage) []string { return []string{s.Home + "/sbin/nulld", "7878"} },
	Script:    scriptNulld,
	Culprit:   Culprit{Module: "liblocks.so", Function: "locks_convert", Role: "decided"},
	Mechanism: "fault_null",
}

// What nulld's requests ask for, and how a lock is held.
const (
	lockOpen = iota + 1
	lockTake
	lockRelease
	lockConvert
	lockQuery
	lockLabel
	lockCount
	lockClose

	lockShared = 1
	lockAlone  = 2
)

// keeper is a client who holds a lock all the time. The first ones' locks are converted by supervisors, the
// others' are waited for.
type keeper struct {
	lock    uint64
	session uint32
}

const lockKeepers, lockSupervised = 8, 4

func scriptNulld(s *Stage) []Conversation {
	r := s.Rand
	death := between(r, 2200*time.Millisecond, 2700*time.Millisecond)
	keepers := make([]keeper, lockKeepers)
	kept := uint64(1+r.IntN(1000)) << 32
	var script []Conversation
	for i := range keepers {
		keepers[i].lock = kept + uint64(100*i+r.IntN(100))
		script = append(script, Conversation{Ordinary, loopback(200 + i), 0, lockKeep(&keepers[i], i)})
	}
	held, mistaken := r.IntN(lockSupervised), r.IntN(lockSupervised-1)
	if mistaken >= held {
		mistaken++
	}
	script = append(script,
		Conversation{Killer, loopback(2000 + r.IntN(50)), death - 150*time.Millisecond, lockMistake(subrand(r), keepers, held, mistaken)},
		Conversation{Twin, loopback(2100 + r.IntN(50)), between(r, death/4, death*3/4), lockMistake(subrand(r), keepers, held, held)})
	for range 400 {
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(60)), between(r, 20*time.Millisecond, death+150*time.Millisecond), lockVisit(subrand(r), keepers, kept)})
	}
	for range 25 {
		script = append(script, Conversation{Ordinary, loopback(330 + r.IntN(8)), between(r, 100*time.Millisecond, death+50*time.Millisecond), lockSupervise(subrand(r), keepers)})
	}
	for i, odd := range lockOddities(subrand(r), keepers) {
		script = append(script, Conversation{Odd, loopback(1000 + i), between(r, death/10, death-200*time.Millisecond), lockOdd(odd)})
	}
	for i := range 14 {
		script = append(script, Conversation{Waiting, loopback(1100 + i), between(r, death/4, death-100*time.Millisecond), lockWait(subrand(r), &keepers[lockSupervised+i%(lockKeepers-lockSupervised)])})
	}
	return script
}

// lockRequest is one request; session is 0 or whom it is on behalf of.
func lockRequest(operation, mode int, session uint32, patience time.Duration, lock uint64, text string) []byte {
	b := []byte{'L', byte(operation), byte(mode), 0}
	if session != 0 {
		b[3] = 1
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(text)))
	b = binary.BigEndian.AppendUint16(b, 0)
	b = binary.BigEndian.AppendUint32(b, session)
	b = binary.BigEndian.AppendUint32(b, uint32(patience.Milliseconds()))
	b = binary.BigEndian.AppendUint64(b, lock)
	return append(b, text...)
}

// lockAnswer reads one answer: its status and number.
func (t *Talk) lockAnswer() (status byte, number uint32) {
	b := t.Read(func(b []byte) bool { return len(b) >= 16 })
	if len(b) < 16 {
		return 0, 0
	}
	return b[1], binary.BigEndian.Uint32(b[4:])
}

func (t *Talk) lockSession() uint32 {
	t.Send(lockRequest(lockOpen, 0, 0, 0, 0, ""))
	_, session := t.lockAnswer()
	return session
}

func lockKeep(k *keeper, i int) func(*Talk) {
	return func(t *Talk) {
		k.session = t.lockSession()
		t.Send(lockRequest(lockTake, lockAlone, 0, 0, k.lock, ""))
		t.lockAnswer()
		t.Announce(keptSignal(i))
		t.Outlast()
	}
}

func keptSignal(i int) string { return fmt.Sprintf("kept%d", i) }

// lockMistake is a supervisor that looks at some locks and makes one shared: its holder's, or whom it takes for that.
func lockMistake(r *rand.Rand, keepers []keeper, held, taken int) func(*Talk) {
	return func(t *Talk) {
		t.Await(keptSignal(held))
		t.Await(keptSignal(taken))
		t.lockSession()
		for range 2 + r.IntN(3) {
			t.Send(lockRequest(lockQuery, 0, 0, 0, keepers[r.IntN(len(keepers))].lock, ""))
			t.lockAnswer()
			t.Pause(time.Duration(10+r.IntN(20)) * time.Millisecond)
		}
		t.Message(lockRequest(lockConvert, lockShared, keepers[taken].session, 0, keepers[held].lock, ""))
		t.lockAnswer()
		t.Outlast()
	}
}

// lockSupervise converts locks for those who have them, or would if they were still there.
func lockSupervise(r *rand.Rand, keepers []keeper) func(*Talk) {
	return func(t *Talk) {
		for i := range lockSupervised {
			t.Await(keptSignal(i))
		}
		t.lockSession()
		for range 1 + r.IntN(4) {
			k := keepers[r.IntN(lockSupervised)]
			switch r.IntN(4) {
			case 0: // a session that has ended
				t.Send(lockRequest(lockConvert, 1+r.IntN(2), 0x30000000|r.Uint32()>>8, 0, k.lock, ""))
			case 1: // a lock that nobody holds
				t.Send(lockRequest(lockConvert, 1+r.IntN(2), k.session, 0, uint64(r.IntN(100000)), ""))
			default:
				t.Send(lockRequest(lockConvert, 1+r.IntN(2), k.session, 0, k.lock, ""))
			}
			t.lockAnswer()
			t.Pause(time.Duration(5+r.IntN(40)) * time.Millisecond)
		}
	}
}

func lockWait(r *rand.Rand, k *keeper) func(*Talk) {
	return func(t *Talk) {
		t.lockSession()
		t.Message(lockRequest(lockTake, 1+r.IntN(2), 0, 0, k.lock, ""))
		t.Outlast()
	}
}

// lockVisit is a job that takes a lock for a while, or a dashboard that looks around.
func lockVisit(r *rand.Rand, keepers []keeper, kept uint64) func(*Talk) {
	return func(t *Talk) {
		t.lockSession()
		for range 1 + r.IntN(4) {
			lock := kept + 1000 + uint64(r.IntN(300))
			switch r.IntN(9) {
			case 0:
				t.Send(lockRequest(lockQuery, 0, 0, 0, lock, ""))
				t.lockAnswer()
			case 1: // a lock that is hard to get
				t.Send(lockRequest(lockTake, 1+r.IntN(2), 0, time.Duration(20+r.IntN(60))*time.Millisecond, keepers[r.IntN(len(keepers))].lock, ""))
				t.lockAnswer()
			case 2:
				t.Send(lockRequest(lockLabel, 0, 0, 0, lock, prose(r, 1+r.IntN(20))))
				t.lockAnswer()
			case 3: // over a poor line
				for _, b := range [][]byte{lockRequest(lockCount, 0, 0, 0, 0, "")} {
					t.Slowly(b, 5+r.IntN(12), time.Duration(2+r.IntN(8))*time.Millisecond)
				}
				t.lockAnswer()
			default:
				t.lockJob(r, lock)
			}
			t.Pause(time.Duration(r.IntN(40)) * time.Millisecond)
		}
		t.message.Bytes = nil
		if r.IntN(3) == 0 {
			t.Send(lockRequest(lockClose, 0, 0, 0, 0, ""))
		}
	}
}

// lockJob holds a lock for a while, and half of the time converts it meanwhile.
func (t *Talk) lockJob(r *rand.Rand, lock uint64) {
	t.Send(lockRequest(lockTake, 1+r.IntN(2), 0, 100*time.Millisecond, lock, ""))
	if status, _ := t.lockAnswer(); status != 0 {
		return
	}
	t.Pause(time.Duration(5+r.IntN(30)) * time.Millisecond)
	if r.IntN(2) == 0 {
		t.Send(lockRequest(lockConvert, 1+r.IntN(2), 0, 0, lock, ""))
		t.lockAnswer()
	}
	t.Send(lockRequest(lockRelease, 0, 0, 0, lock, ""))
	t.lockAnswer()
}

// lockOdd opens a session, unless the oddity is that there is none.
func lockOdd(odd lockOddity) func(*Talk) {
	return func(t *Talk) {
		for i := range lockKeepers {
			t.Await(keptSignal(i))
		}
		if !odd.without {
			t.lockSession()
		}
		t.Message(odd.bytes())
		t.lockAnswer()
	}
}

type lockOddity struct {
	without bool
	bytes   func() []byte
}

// lockOddities are longer, rarer or stranger than the killer. Their bytes are made when the keepers are there.
func lockOddities(r *rand.Rand, keepers []keeper) []lockOddity {
	k, many, noise := &keepers[r.IntN(lockSupervised)], r.IntN(1<<20), random(r, 900)
	say := func(bytes func() []byte) lockOddity { return lockOddity{false, bytes} }
	one := func(b []byte) lockOddity { return say(func() []byte { return b }) }
	return []lockOddity{
		say(func() []byte { return lockRequest(lockConvert, lockShared, 0, 0, k.lock, "") }), // another's, as if its own
		say(func() []byte { return lockRequest(lockConvert, 7, k.session, 0, k.lock, "") }),
		say(func() []byte { return lockRequest(lockConvert, lockAlone, k.session+1, 0, k.lock, "") }),
		say(func() []byte { return lockRequest(lockConvert, lockShared, 0xffffffff, 0, k.lock, "") }),
		say(func() []byte { return lockRequest(lockConvert, lockShared, k.session, 0, 0, "") }),
		say(func() []byte { return lockRequest(lockConvert, lockShared, k.session, 0, ^uint64(0), "") }),
		say(func() []byte { return lockRequest(lockRelease, 0, k.session, 0, k.lock, "") }), // on behalf, which is not for this
		{true, func() []byte { return lockRequest(lockConvert, lockShared, k.session, 0, k.lock, "") }},
		one(lockRequest(lockTake, 3, 0, 0, uint64(many), "")),
		one(lockRequest(lockTake, lockAlone, 0, time.Hour*1000, uint64(many), string(noise))),
		one(lockRequest(lockLabel, 0, 0, 0, uint64(many), string(noise))),
		one(lockRequest(lockLabel, 0, 0, 0, uint64(many), "\x00\x01L\x04\x01\x01\x00\x00")),
		one(lockRequest(99, 0, 0, 0, uint64(many), "")),
		one([]byte("GET /locks HTTP/1.1\r\nHost: locks\r\n\r\n")),
		one(append([]byte{'L', lockTake, 2, 0, 0xff, 0xff, 0, 0}, noise...)), // a text too long
		one(func() (b []byte) {
			for i := range 60 {
				b = append(b, lockRequest(lockTake, lockShared, 0, time.Millisecond, uint64(many+i), "")...)
			}
			return b
		}()),
	}
}
