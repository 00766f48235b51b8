package tlskeys

import (
	"encoding/binary"

	"github.com/inquest-project/inquest/internal/ground/cursor"
	"github.com/inquest-project/inquest/internal/reading/conversation"
	"github.com/inquest-project/inquest/internal/reading/dissect"
)

// Handshake messages and extensions that matter here (RFC 8446, section 4; RFC 7366, RFC 7627).
const (
	clientHello       = 1
	serverHello       = 2
	newSessionTicket  = 4
	certificateWanted = 13
	clientKeyExchange = 16
	finished          = 20
	keyUpdate         = 24

	extEncryptThenMAC = 22
	extExtendedMaster = 23
	extSessionTicket  = 35
	extEarlyData      = 42
	extVersions       = 43
)

// handshake is a handshake message.
type handshake struct {
	kind byte
	raw  []byte // with its header of four bytes
}

// split cuts joined handshake bytes into messages; what is left over at the end is the beginning of one.
func split(joined []byte) (whole []handshake) {
	for len(joined) >= 4 {
		n := 4 + (int(joined[1])<<16 | int(joined[2])<<8 | int(joined[3]))
		if n > len(joined) {
			break
		}
		whole = append(whole, handshake{joined[0], joined[:n:n]})
		joined = joined[n:]
	}
	return whole
}

func isRetry(h handshake) bool { return len(h.raw) >= 38 && dissect.IsRetry(h.raw[6:38]) }

// hello is what is common to both sides' hellos.
type hello struct {
	version    uint16
	random     []byte
	session    []byte
	suite      uint16 // the server's choice
	extensions map[uint16][]byte
}

// readHello reads a ClientHello or ServerHello (RFC 8446, sections 4.1.2 and 4.1.3).
func readHello(m handshake) (hello, error) {
	r := cursor.New("hello", 0, m.raw, binary.BigEndian)
	r.Skip(4)
	h := hello{version: r.Uint16(), random: r.Bytes(32), extensions: map[uint16][]byte{}}
	h.session = r.Bytes(uint64(r.Uint8()))
	if m.kind == clientHello {
		r.Skip(uint64(r.Uint16())) // suites
		r.Skip(uint64(r.Uint8()))  // compression methods
	} else {
		h.suite = r.Uint16()
		r.Uint8()
	}
	if r.Len() >= 2 {
		r.Uint16()
	}
	for r.Len() >= 4 {
		kind := r.Uint16()
		h.extensions[kind] = r.Bytes(uint64(r.Uint16()))
	}
	if chosen := h.extensions[extVersions]; m.kind == serverHello && len(chosen) == 2 {
		h.version = binary.BigEndian.Uint16(chosen)
	}
	return h, r.Err()
}

// helloAt finds where in a side's stream its hello's record begins. What comes before it was said in clear, as
// by the protocols that have a STARTTLS: a hello begins a message.
func helloAt(conv *conversation.Conversation, sender conversation.Side, kind byte) (uint64, bool) {
	for _, m := range conv.Messages(sender.Other()) {
		if d := m.Data; len(d) >= 6 && isRecord(d) && d[0] == contentHandshake && d[5] == kind {
			return m.Offset, true
		}
	}
	return 0, false
}

// spoken is what a role said in clear, or what looks so: handshake messages before its first ChangeCipherSpec
// and after it. Only in TLS 1.3 those after it are in clear, too; there the encrypted ones go as application data.
func (c *Connection) spoken(r Role) (before, after []handshake) {
	var joined [2][]byte
	changed := 0
	for rec := range c.records(r) {
		if rec.kind == contentApplication || rec.body == nil || rec.lost > 0 {
			break
		}
		switch rec.kind {
		case contentChange:
			changed = 1
		case contentHandshake:
			joined[changed] = append(joined[changed], rec.body...)
		}
		if len(joined[changed]) > clearMost {
			break
		}
	}
	return split(joined[0]), split(joined[1])
}

// clearMost is more than the clear part of any handshake has.
const clearMost = 1 << 20
