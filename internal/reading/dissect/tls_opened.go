package dissect

// Decrypted dissects what records of one content type held that were decrypted and are no application data.
func Decrypted(kind byte, data []byte, fromClient bool) Dissection {
	t := newTLSRecords(Hint{FromClient: fromClient, past: new(Dialogue)})
	t.recordContent(int(kind), kind == contentHandshake, 0, data)
	t.flush()
	return t.done("TLS")
}
