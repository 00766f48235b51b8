package weigh

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/inquest-project/inquest/internal/reasoning/moment"
)

// telling are clients of a usual kind, and some more messages.
func telling(t testing.TB, more ...string) *wire {
	w := newWire(t)
	for i := range 40 {
		w.asks(moment.Open, fmt.Sprintf("PUT common %02d", i))
	}
	for _, m := range more {
		w.asks(moment.Open, m)
	}
	return w
}

// object is one that rdi points to, with these bytes in it.
func object(text string) core {
	return core{rdi: heapAt + 0x1000, onHeap: map[int]string{0x1000: text}}
}

func bigEndian(n uint32) string    { return string(binary.BigEndian.AppendUint32(nil, n)) }
func littleEndian(n uint32) string { return string(binary.LittleEndian.AppendUint32(nil, n)) }

const number = 0x12b4a6c8 // 313829064, in no order of bytes text

var namesScenarios = []scenario{
	{"a rare word in an object that a register points to", func(t testing.TB) *Case {
		return object("\x00\x00session-77\x00").with(telling(t, "stat session-77;", "stat table-12;"))
	}, map[string]string{"stat session-77;": "most of them", "stat table-12;": "none of them", "PUT common 07": "none of them"}},
	{"whatever its case, and as a part of a longer word", func(t testing.TB) *Case {
		return object("\x00Violet\x00").with(telling(t, "SET deep-VIOLET/a"))
	}, map[string]string{"SET deep-VIOLET/a": "most of them", "PUT common 07": "none of them"}},
	{"by how many and how rare", func(t testing.TB) *Case {
		return object("alpha beta1 gamma delta").with(telling(t, "alpha beta1 gamma delta", "alpha beta1 gamma other", "delta other", "other words"))
	}, map[string]string{"alpha beta1 gamma delta": "most of them", "alpha beta1 gamma other": "many of them", "delta other": "a few of them", "other words": "none of them"}},
	{"no more than so many count, the rarest", func(t testing.TB) *Case {
		return object("word1 word2 word3 word4 word5 word6").with(telling(t, "word1 word2 word3 word4 word5 word6", "word1 word2 word3 word4"))
	}, map[string]string{"word1 word2 word3 word4 word5 word6": "most of them", "word1 word2 word3 word4": "most of them"}},
	{"what a register points to counts more than what the stack does, and that more than what is two hops off", func(t testing.TB) *Case {
		return core{rdi: heapAt + 0x1000, words: []uint64{heapAt + 0x2000}, onHeap: map[int]string{
			0x1000: "by-register\x00" + strings.Repeat("\x00", 4) + pointer(heapAt+0x3000), 0x2000: "by-the-stack", 0x3000: "by-two-hops",
		}}.with(telling(t, "GET by-register", "GET by-the-stack", "GET by-two-hops"))
	}, map[string]string{"GET by-register": "most of them", "GET by-the-stack": "many of them", "GET by-two-hops": "a few of them"}},
	{"a number, in either order of bytes and as text", func(t testing.TB) *Case {
		return object("\x00\x00\x00\x00" + littleEndian(number)).with(telling(t, "big"+bigEndian(number), "little"+littleEndian(number), "text 313829064", "text 313829065"))
	}, map[string]string{
		"big" + bigEndian(number): "most of them", "little" + littleEndian(number): "most of them", "text 313829064": "most of them", "text 313829065": "none of them",
	}},
	{"a number in a register", func(t testing.TB) *Case {
		return core{rdi: number}.with(telling(t, "id"+bigEndian(number)))
	}, map[string]string{"id" + bigEndian(number): "most of them", "PUT common 07": "none of them"}},
	{"a number in a register before one on the stack", func(t testing.TB) *Case {
		return core{rdi: number, words: []uint64{number + 1}}.with(telling(t, "id"+bigEndian(number), "id"+bigEndian(number+1)))
	}, map[string]string{"id" + bigEndian(number): "most of them", "id" + bigEndian(number+1): "many of them"}},
	{"text is no number", func(t testing.TB) *Case {
		return object("abcd").with(telling(t, fmt.Sprintf("number %d", binary.LittleEndian.Uint32([]byte("abcd")))))
	}, nil},
	{"small numbers, negative ones and addresses are none", func(t testing.TB) *Case {
		return core{rdi: heapAt + 0x1000, words: []uint64{4711, uint64(1<<32 - 42), codes + 16}, onHeap: map[int]string{0x1000: ""}}.
			with(telling(t, "a\x67\x12\x00\x00", "b\xd6\xff\xff\xff", "c"+littleEndian(codes+16), "d"+littleEndian(0x1000)))
	}, nil},
	{"common words tell nothing", func(t testing.TB) *Case {
		return object("put\x00common\x00words").with(telling(t, "other", "things"))
	}, nil},
	{"a word that one message in eight has counts, of more it doesn't", func(t testing.TB) *Case {
		var more []string
		for i := range 10 {
			more = append(more, fmt.Sprintf("often here %d", i))
		}
		return object("often\x00rarely\x00").with(telling(t, append(more, "rarely", "others")...))
	}, map[string]string{"often here 1": "none of them", "rarely": "most of them"}},
	{"what the first function's frame leads to doesn't count, nor what is left over", func(t testing.TB) *Case {
		return core{
			below: []uint64{heapAt + 0x1000}, words: []uint64{7}, first: []uint64{heapAt + 0x2000, number}, onHeap: map[int]string{0x1000: "session-77", 0x2000: "session-12"},
		}.with(telling(t, "stat session-77", "stat session-12", "id"+bigEndian(number)))
	}, nil},
	{"as many as may tie", func(t testing.TB) *Case { return tying(t, namesTied) }, map[string]string{"session-00 name00": "most of them", "PUT common 07": "none of them"}},
	{"nothing, where more are tied", func(t testing.TB) *Case { return tying(t, namesTied+1) }, nil},
	{"nothing of a handful", func(t testing.TB) *Case {
		return object("session-77").with(asked(t, "stat session-77", "stat session-12"))
	}, nil},
	{"nothing without a core", func(t testing.TB) *Case { return telling(t).alone() }, nil},
	{"nothing of what was taken from memory", fromMemory, nil},
}

// tying are n messages, each with a word of its own in an object that rdi points to.
func tying(t testing.TB, n int) *Case {
	text, messages := "", []string(nil)
	for i := range n {
		text += fmt.Sprintf("name%02d ", i)
		messages = append(messages, fmt.Sprintf("session-%02d name%02d", i, i))
	}
	return object(text).with(telling(t, messages...))
}

func TestWordsAreWhatProtocolsSeparate(t *testing.T) {
	for text, want := range map[string]string{
		"GET /img/cat.png?size=Large&x=1": "/img/cat.png large size",
		"a_long_name=another-one":         "a_long_name another another-one",
		"\x00\x05hello\xff\xfeworld\x80":  "hello world",
		"abc de f":                        "",
		`{"key": "value, more"}`:          "more value",
		strings.Repeat("x", nameLongest):  strings.Repeat("x", nameLongest),
		strings.Repeat("x", 1000):         "",
	} {
		var found []string
		for word := range words([]byte(text)) {
			found = append(found, word)
		}
		slices.Sort(found)
		if got := strings.Join(found, " "); got != want {
			t.Errorf("%q: expected %q, found %q", text, want, got)
		}
	}
}

// What is cited is the rarest name of a message, and where it stood.
func TestTheMostTellingNameIsCited(t *testing.T) {
	c := object("seldom\x00\x00rarest").with(telling(t, "seldom one", "seldom two", "seldom rarest"))
	observations := observeNames(c)
	o := observations[slices.Index(texts(c.Candidates), "seldom rarest")]
	if o.Facts["name"] != "rarest" || o.Facts["shared"] != "1" || o.Facts["path"] != "rdi" || !slices.Equal(o.RestsOn, []string{"0x0000550000001000"}) {
		t.Errorf("%+v", o)
	}
	if o := observations[0]; len(o.Facts) > 0 || len(o.RestsOn) > 0 {
		t.Errorf("of a message without any: %+v", o)
	}
}
