package dissect

import "slices"

// Decrypted dissects what records of one content type held that were decrypted and are no application data. The dialogue is
// what was heard of the conversation in clear.
func (d *Dialogue) Decrypted(kind byte, data []byte, fromClient bool) Dissection {
	const header = 5
	t := newTLSRecords(Hint{FromClient: fromClient, past: d})
	t.from = &d.opened[0]
	if fromClient {
		t.from = &d.opened[1]
	}
	carried := 0
	if kind == contentHandshake && len(t.from.carry) > header {
		carried = len(t.from.carry) - header
		data = slices.Concat(t.from.carry[header:], data)
	}
	t.from.carry = nil
	t.recordContent(int(kind), kind == contentHandshake, 0, data)
	t.end()
	found := t.done("TLS")
	found.leaveOut(carried)
	return found
}
