package weigh

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/inquest-project/inquest/internal/reasoning/moment"
)

// order is a message of an invented protocol: a magic number, a counter, a token, an urgency, and a text with its length.
func order(r *rand.Rand, n, urgency int) string {
	m := binary.BigEndian.AppendUint32([]byte{0xd3, 0x91}, uint32(90000+n))
	m = binary.BigEndian.AppendUint64(m, r.Uint64())
	m = append(m, byte(urgency))
	text := fmt.Sprintf("pallet %0*d", 1+r.IntN(5), r.IntN(1000))
	return string(binary.BigEndian.AppendUint16(m, uint16(len(text)))) + text
}

func TestFieldsOfAnUnknownProtocolAreInferredAndWeighed(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	w := newWire(t)
	for n := range 80 {
		urgency := n % 2
		if n == 50 {
			urgency = 9
		}
		w.asks(moment.Open, order(r, n, urgency))
	}
	c := w.alone()
	for n, candidate := range c.Candidates {
		if candidate.Inferred != len(c.Candidates) {
			t.Fatalf("message %d: fields inferred from %d messages, expected %d: %v", n, candidate.Inferred, len(c.Candidates), candidate.Dissection.Fields)
		}
	}
	if trait := observeNovelty(c)[50].Facts["trait"]; !strings.HasPrefix(trait, "code at 14") {
		t.Errorf("the message with another urgency is odd for %q; expected the field at 14", trait)
	}
}

func TestWhatIsKnownOrTextKeepsItsFields(t *testing.T) {
	w := newWire(t)
	for n := range 40 {
		w.asks(moment.Open, fmt.Sprintf("PUT shelf=%d count=%d\n", n, n%3))
	}
	for n := range 40 {
		w.asks(moment.Open, fmt.Sprintf("GET /shelf/%d HTTP/1.1\r\nHost: stock\r\n\r\n", n))
	}
	w.asks(moment.Open, order(rand.New(rand.NewPCG(2, 2)), 0, 1))
	for _, candidate := range w.alone().Candidates {
		if candidate.Inferred != 0 {
			t.Errorf("%q: its fields are inferred", candidate.Data)
		}
	}
}
