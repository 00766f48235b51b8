package infer

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strings"
)

// writer writes a message and notes its fields.
type writer struct {
	data  []byte
	truth []span
}

func (w *writer) field(b ...byte) {
	w.truth = append(w.truth, span{len(w.data), len(b)})
	w.data = append(w.data, b...)
}

func (w *writer) text(s string) { w.field([]byte(s)...) }

// space is what belongs to no field.
func (w *writer) space(s string) { w.data = append(w.data, s...) }

func little16(n int) []byte { return binary.LittleEndian.AppendUint16(nil, uint16(n)) }
func little32(n int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }
func little64(n int) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(n)) }

// gauge is an invented protocol of sensors. A frame is a magic number of two bytes, a version, a type, a counter (u32),
// the length of what follows before the checksum (u16), a list of values, each with its tag and length (u16), and the
// checksum (u32). All numbers are little-endian. The server acknowledges.
func gauge(r *rand.Rand) (all []spoken) {
	const hello, reading, alarm, acknowledged = 1, 2, 7, 8
	for conversation := range 12 {
		counters := [2]int{r.IntN(1 << 20), r.IntN(1 << 10)}
		frame := func(w *writer, side, kind int, tags func(w *writer)) {
			inner := writer{}
			tags(&inner)
			begin := len(w.data)
			w.field(0xa7, 0x5e)
			w.field(1)
			w.field(byte(kind))
			w.field(little32(counters[side])...)
			counters[side]++
			w.field(little16(len(inner.data))...)
			for _, s := range inner.truth {
				w.field(inner.data[s.offset : s.offset+s.length]...)
			}
			w.field(little32(int(crc32.ChecksumIEEE(w.data[begin:])))...)
		}
		tag := func(w *writer, tag int, value []byte) {
			w.field(byte(tag))
			w.field(little16(len(value))...)
			if len(value) > 0 {
				w.field(value...)
			}
		}
		say := func(fromClient bool, w writer) {
			all = append(all, spoken{Message{Data: w.data, FromClient: fromClient, Conversation: conversation}, w.truth})
		}
		for n := range 30 {
			w := writer{}
			frames := 1 + r.IntN(2)*r.IntN(3)
			for i := range frames {
				switch kind := r.IntN(10); {
				case n == 0 && i == 0:
					frame(&w, 0, hello, func(w *writer) {
						tag(w, 1, []byte(fmt.Sprintf("station-%d", r.IntN(5000))))
						tag(w, 2, little32(r.IntN(16)))
					})
				case kind < 8:
					frame(&w, 0, reading, func(w *writer) {
						tag(w, 3, little16(100+r.IntN(40)))
						tag(w, 4, little32(r.IntN(90000)))
						tag(w, 5, little64(1795632278000+r.IntN(1e8)))
						if r.IntN(2) == 0 {
							tag(w, 6, []byte([]string{"celsius", "bar", "lux", "percent"}[r.IntN(4)]))
						}
					})
				default:
					frame(&w, 0, alarm, func(w *writer) {
						tag(w, 3, little16(100+r.IntN(40)))
						tag(w, 9, []byte(strings.Repeat("over limit ", 1+r.IntN(4))))
					})
				}
			}
			say(true, w)
			answer := writer{}
			frame(&answer, 1, acknowledged, func(w *writer) {
				tag(w, 10, little32(counters[0]))
				if r.IntN(4) == 0 {
					tag(w, 11, []byte(strings.Repeat("slow down", r.IntN(3))))
				}
			})
			say(false, answer)
		}
	}
	return all
}

// courier is an invented protocol of parcels: commands of words, some with name=value pairs; what is sent follows its
// line as raw bytes, as many as "size" says. Answers are a code and words; lists have a row a line, columns separated by
// bars, and end with a dot.
func courier(r *rand.Rand) (all []spoken) {
	names := []string{"ann", "bob", "carol", "depot-7", "x"}
	for conversation := range 12 {
		say := func(fromClient bool, w writer) {
			all = append(all, spoken{Message{Data: w.data, FromClient: fromClient, Conversation: conversation}, w.truth})
		}
		words := func(w *writer, words ...string) {
			for i, s := range words {
				if i > 0 {
					w.space(" ")
				}
				w.text(s)
			}
			w.space("\n")
		}
		for n := range 25 {
			ask, answer := writer{}, writer{}
			name := names[r.IntN(len(names))]
			switch kind := r.IntN(5); {
			case n == 0:
				words(&ask, "HELLO", name, fmt.Sprint("version=", 1+r.IntN(3)))
				words(&answer, "200", "welcome", name)
			case kind < 2:
				parcel := make([]byte, 1+r.IntN(90))
				for i := range parcel {
					parcel[i] = byte(r.IntN(256))
				}
				words(&ask, "SEND", "to="+name, "from="+names[r.IntN(len(names))], fmt.Sprint("size=", len(parcel)))
				ask.field(parcel...)
				words(&answer, "201", "stored", fmt.Sprint("#", r.IntN(100000)))
			case kind == 2:
				words(&ask, "LIST", name, fmt.Sprint(5+r.IntN(20)))
				words(&answer, "202", "list", fmt.Sprint(r.IntN(10)))
				for range 1 + r.IntN(5) {
					answer.text(fmt.Sprint(r.IntN(100000)))
					answer.space("|")
					answer.text(names[r.IntN(len(names))])
					answer.space("|")
					answer.text(fmt.Sprint(r.IntN(5000)))
					answer.space("\n")
				}
				answer.text(".")
				answer.space("\n")
			case kind == 3:
				words(&ask, "DROP", fmt.Sprint("#", r.IntN(100000)))
				words(&answer, "404", "unknown")
			default:
				words(&ask, "PING")
				words(&answer, "200", "pong", fmt.Sprint(r.IntN(1e9)))
			}
			say(true, ask)
			say(false, answer)
		}
	}
	return all
}
