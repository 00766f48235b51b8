package dissect

// Decrypted dissects what records of one content type held that were decrypted and are no application data. The dialogue is
// what was heard of the conversation in clear.
func (d *Dialogue) Decrypted(kind byte, data []byte, fromClient bool) Dissection {
	t := newTLSRecords(Hint{FromClient: fromClient, past: d})
	t.from = new(side)
	t.recordContent(int(kind), kind == contentHandshake, 0, data)
	t.flush()
	return t.done("TLS")
}
