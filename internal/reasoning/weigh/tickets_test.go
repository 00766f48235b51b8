package weigh

import (
	"testing"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reading/dissect"
)

// records are what is seen of a message under encryption.
func records(name string, lengths ...int) (d dissect.Dissection) {
	for _, n := range lengths {
		d.Fields = append(d.Fields, finding.Field{Name: name, Length: n})
	}
	return d
}

// With the client's Finished comes its first request, and right behind it what may be tickets.
func TestTicketsAreNoAnswer(t *testing.T) {
	const data, handshake = "tls.app_data", "tls.encrypted_handshake"
	for name, c := range map[string]struct {
		before   []dissect.Dissection // of the client
		flight   dissect.Dissection
		answer   dissect.Dissection
		ticketed bool
	}{
		"two tickets, as OpenSSL sends them": {nil, records(data, 53, 81), records(data, 250, 250), true},
		"one, as Go does":                    {nil, records(data, 53, 81), records(data, 130), true},
		"tickets and an answer":              {nil, records(data, 53, 81), records(data, 250, 250, 62), false},
		"a long answer":                      {nil, records(data, 53, 81), records(data, 1400), false},
		"a later request":                    {[]dissect.Dissection{records(data, 53, 81)}, records(data, 81), records(data, 250), false},
		"TLS 1.2":                            {[]dissect.Dissection{records(handshake, 40)}, records(data, 81), records(data, 250), false},
		"no TLS at all":                      {nil, records("http.target", 4), records("http.status", 3), false},
	} {
		var watch tickets
		for _, d := range c.before {
			watch.asked(&Candidate{Dissection: d})
			watch.said(records(data, 250))
		}
		flight := &Candidate{Dissection: c.flight}
		watch.asked(flight)
		watch.said(c.answer)
		if flight.Ticketed != c.ticketed {
			t.Errorf("%s: %v", name, flight.Ticketed)
		}
	}
}
