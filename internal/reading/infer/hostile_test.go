package infer

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/inquest-project/inquest/lab/machine"
)

// TestHostile learns from messages that are made to cost much.
func TestHostile(t *testing.T) {
	const most = 4 * time.Second // of a processor; two are usual
	for name, message := range map[string]func(r *rand.Rand) []byte{
		"zeros":          func(*rand.Rand) []byte { return make([]byte, messageMost) },
		"line ends":      func(*rand.Rand) []byte { return bytes.Repeat([]byte("\n"), messageMost) },
		"digits":         func(r *rand.Rand) []byte { return drawn(r, "0123456789") },
		"numbers":        func(r *rand.Rand) []byte { return drawn(r, "0123456789\n") },
		"separators":     func(r *rand.Rand) []byte { return drawn(r, "a|,;\t =&?:\n") },
		"random":         random,
		"small numbers":  func(r *rand.Rand) []byte { return drawn(r, "\x00\x01\x02\x03\x04") },
		"nested lengths": nested,
		"many lengths":   func(r *rand.Rand) []byte { return lengths(r, 1) },
		"empty lengths":  func(r *rand.Rand) []byte { return lengths(r, 0) },
	} {
		r := rand.New(rand.NewPCG(3, 3))
		var messages []Message
		for n := range sampleMost {
			messages = append(messages, Message{Data: message(r), FromClient: n%2 == 0, Conversation: n % 7})
		}
		before := machine.Worked()
		model := Learn(messages)
		took := machine.Worked() - before
		if t.Log(name, took.Round(time.Millisecond)); took > most {
			t.Errorf("%s: learning took %v; at most %v is expected", name, took, most)
		}
		for _, m := range messages[:50] {
			fieldsLie(t, model, m.Data, m.FromClient)
		}
		fieldsLie(t, model, bytes.Repeat(messages[0].Data, 64), true)
	}
}

// fieldsLie fails unless the fields lie within the data, one behind the other, and are no more than a message may have.
func fieldsLie(t *testing.T, model *Model, data []byte, fromClient bool) {
	t.Helper()
	fields := model.Fields(data, fromClient)
	if len(fields) > fieldsMost {
		t.Fatalf("%d fields of a message; at most %d are expected", len(fields), fieldsMost)
	}
	at := 0
	for _, f := range fields {
		if f.Length <= 0 || f.Offset < at || f.Offset+f.Length > len(data) {
			t.Fatalf("field %+v lies before %d, or not within %d bytes", f, at, len(data))
		}
		at = f.Offset + f.Length
	}
}

func drawn(r *rand.Rand, alphabet string) []byte {
	data := make([]byte, messageMost)
	for i := range data {
		data[i] = alphabet[r.IntN(len(alphabet))]
	}
	return data
}

func random(r *rand.Rand) []byte {
	data := make([]byte, messageMost)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return data
}

// nested are lengths of what follows, each within what the one before it spans.
func nested(r *rand.Rand) []byte {
	length := messageMost - 8*r.IntN(64)
	var data []byte
	for n := length - 2; n >= 0; n -= 2 {
		data = binary.BigEndian.AppendUint16(data, uint16(n))
	}
	return data
}

// lengths are records of a length and as many bytes, of at most so many.
func lengths(r *rand.Rand, most int) (data []byte) {
	for len(data) < messageMost-most-1 {
		n := r.IntN(most + 1)
		data = append(data, byte(n))
		data = append(data, make([]byte, n)...)
	}
	return data
}

func TestLearnIsDeterministic(t *testing.T) {
	for _, spoken := range [][]spoken{gauge(rand.New(rand.NewPCG(4, 4))), courier(rand.New(rand.NewPCG(5, 5)))} {
		var messages []Message
		for _, m := range spoken {
			messages = append(messages, m.Message)
		}
		first := Learn(messages)
		for range 5 {
			again := Learn(messages)
			for _, m := range messages {
				if a, b := first.Fields(m.Data, m.FromClient), again.Fields(m.Data, m.FromClient); !slices.Equal(a, b) {
					t.Fatalf("%q: learnt once: %v\nlearnt again: %v", m.Data, a, b)
				}
			}
		}
	}
}

func TestTooFewToLearnFrom(t *testing.T) {
	var messages []Message
	for range fewest - 1 {
		messages = append(messages, Message{Data: []byte("PUT 1\n"), FromClient: true})
	}
	if m := Learn(messages); m.Knows(true) || m.Knows(false) || m.Fields(messages[0].Data, true) != nil {
		t.Error("expected nothing to be learnt of", len(messages), "messages")
	}
	if m := Learn(append(messages, messages[0])); !m.Knows(true) || m.Knows(false) {
		t.Error("expected the client's side alone to be learnt of", fewest, "messages")
	}
}

// FuzzLearn learns from messages cut from the input: the byte before each is its length.
func FuzzLearn(f *testing.F) {
	for _, spoken := range [][]spoken{gauge(rand.New(rand.NewPCG(6, 6))), courier(rand.New(rand.NewPCG(7, 7)))} {
		var corpus []byte
		for _, m := range spoken[:40] {
			data := m.Data[:min(len(m.Data), 255)]
			corpus = append(append(corpus, byte(len(data))), data...)
		}
		f.Add(corpus, []byte("anything\x00\x05"))
	}
	f.Fuzz(func(t *testing.T, corpus, other []byte) {
		var messages []Message
		for len(corpus) > 0 && len(messages) < 200 {
			n := min(int(corpus[0]), len(corpus)-1)
			messages = append(messages, Message{Data: corpus[1 : 1+n], FromClient: len(messages)%2 == 0, Conversation: len(messages) / 10})
			corpus = corpus[1+n:]
		}
		model := Learn(messages)
		for _, m := range append(messages, Message{Data: other}) {
			fieldsLie(t, model, m.Data, true)
			fieldsLie(t, model, m.Data, false)
		}
	})
}
