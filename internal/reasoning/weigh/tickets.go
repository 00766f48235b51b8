package weigh

import "github.com/inquest-project/inquest/internal/reading/dissect"

// tickets looks, in a TLS conversation that nothing opened, for what may be no answer but session tickets: a server of TLS 1.3
// sends them once it has the client's Finished (RFC 8446, section 4.6.1), with which the first request often comes in one
// flight. Only records of application data are seen of either.
type tickets struct {
	older   bool       // its Finished went as a handshake message: no TLS 1.3
	flight  *Candidate // with the client's Finished, not answered yet
	flights int
}

// asked takes note of what the server was told.
func (t *tickets) asked(c *Candidate) {
	t.older = t.older || len(recordsOf(c.Dissection, "tls.encrypted_handshake")) > 0
	t.flight = nil
	if len(recordsOf(c.Dissection, "tls.app_data")) > 0 {
		if t.flights++; t.flights == 1 && !t.older {
			t.flight = c
		}
	}
}

// said takes note of what the server said then. Servers send one ticket or two, of about so many bytes.
func (t *tickets) said(d dissect.Dissection) {
	const most, least, longest = 2, 100, 700
	if t.flight == nil {
		return
	}
	records := recordsOf(d, "tls.app_data")
	t.flight.Ticketed = len(records) > 0 && len(records) <= most
	for _, length := range records {
		t.flight.Ticketed = t.flight.Ticketed && length >= least && length <= longest
	}
	t.flight = nil
}

// recordsOf are the lengths of a message's records of a kind.
func recordsOf(d dissect.Dissection, name string) (lengths []int) {
	for _, f := range d.Fields {
		if f.Name == name {
			lengths = append(lengths, f.Length)
		}
	}
	return lengths
}
