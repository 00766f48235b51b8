package dissect

// VersionName is a protocol version as the wire has it, as people call it: "TLS 1.2".
func VersionName(version uint16) string { return versionName(int(version)) }

// Decrypted dissects what records of one content type held that were decrypted and are no application data.
func Decrypted(kind byte, data []byte, fromClient bool) Dissection {
	t := newTLSRecords(Hint{FromClient: fromClient, past: new(Dialogue)})
	t.recordContent(int(kind), kind == contentHandshake, 0, data)
	t.flush()
	return t.done("TLS")
}
