package dissect

import "fmt"

// quicInitial is the packet type of an Initial in the long header's third and fourth bit, by version: 0 in
// version 1 (RFC 9000, section 17.2.2) and its last drafts, 1 in version 2 (RFC 9369, section 3.2).
var quicInitial = map[uint32]byte{1: 0, 0x6b3343cf: 1, 0xff00001d: 0, 0xff00001e: 0, 0xff00001f: 0, 0xff000020: 0, 0xff000021: 0, 0xff000022: 0}

// quicIDMost is the longest connection ID of these versions.
const quicIDMost = 20

// quic recognises a datagram that begins a QUIC connection, by the one packet that says which version it is
// and is told apart from chance: an Initial. What is in it is said to be encrypted, and not opened.
func quic(data []byte, hint Hint) (Dissection, bool) {
	if hint.Transport != "udp" || len(data) < 7 || data[0]&0xc0 != 0xc0 {
		return Dissection{}, false
	}
	r := open("QUIC long header", 1, data[1:])
	version := r.Uint32()
	kind, known := quicInitial[version]
	if !known || data[0]>>4&3 != kind {
		return Dissection{}, false
	}
	s := &sheet{}
	s.field("quic.version", quicVersion(version), 1, 4)
	for _, name := range []string{"quic.dcid", "quic.scid"} {
		n := int(r.Uint8())
		at := offset(r)
		id := r.Bytes(uint64(n))
		if n > quicIDMost || r.Err() != nil {
			return Dissection{}, false
		}
		s.field(name, hexBytes(id), at, n)
		s.part(name, at, n)
	}
	s.say("QUIC %s Initial (%d bytes, encrypted)", quicVersion(version), len(data))
	s.tag("quic", "initial", "encrypted")
	return s.done("QUIC"), true
}

func quicVersion(version uint32) string {
	switch {
	case version == 1:
		return "version 1"
	case version>>24 == 0xff:
		return fmt.Sprintf("draft %d", version&0xff)
	}
	return "version 2"
}
