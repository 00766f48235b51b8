package tlskeys

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/subtle"
	"encoding/binary"
	"slices"
)

// plain is an opened record.
type plain struct {
	record
	seq  uint64
	kind byte // of the content; TLS 1.3 hides it inside
	data []byte
	skip int // bytes of the record's body before those that hold data
}

// opener opens a record that has a sequence number, if it has that and its authentication holds.
type opener func(seq uint64, r record) (plain, bool)

// blockSize is the length of a CBC cipher's block.
func (s *suite) blockSize() int {
	if s.key == 24 {
		return 8 // 3DES
	}
	return 16
}

// masterOpener opens what a role sent up to TLS 1.2.
func (c *Connection) masterOpener(master []byte, r Role) opener {
	k := c.fromMaster(master, r)
	if c.suite.aead == nil {
		return c.cbcOpener(k)
	}
	aead, err := c.suite.aead(k.key)
	if err != nil {
		return never
	}
	explicit := aead.NonceSize() - c.suite.salt // of the nonce, in front of what is sealed (RFC 5288, section 3)
	return func(seq uint64, r record) (plain, bool) {
		length := len(r.body) - explicit - aead.Overhead()
		if length < 0 {
			return plain{}, false
		}
		nonce := slices.Concat(k.iv, r.body[:explicit])
		if explicit == 0 {
			nonce = counted(k.iv, seq) // RFC 7905, section 2
		}
		data, err := aead.Open(nil, nonce, r.body[explicit:], header(seq, r, length))
		return plain{r, seq, r.kind, data, explicit}, err == nil
	}
}

func never(uint64, record) (plain, bool) { return plain{}, false }

// header is what is authenticated beside the content (RFC 5246, section 6.2.3.3).
func header(seq uint64, r record, length int) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 13), seq)
	b = binary.BigEndian.AppendUint16(append(b, r.kind), r.version)
	return binary.BigEndian.AppendUint16(b, uint16(length))
}

// counted is a nonce made of a sequence number and the key's own part (RFC 8446, section 5.3).
func counted(iv []byte, seq uint64) []byte {
	nonce := make([]byte, len(iv))
	binary.BigEndian.PutUint64(nonce[len(nonce)-8:], seq)
	subtle.XORBytes(nonce, nonce, iv)
	return nonce
}

// trafficOpener opens records of TLS 1.3 (RFC 8446, section 5.2).
func (s *suite) trafficOpener(secret []byte) opener {
	k := s.fromTraffic(secret)
	aead, err := s.aead(k.key)
	if err != nil {
		return never
	}
	return func(seq uint64, r record) (plain, bool) {
		var head [headerLength]byte
		head[0] = r.kind
		binary.BigEndian.PutUint16(head[1:], r.version)
		binary.BigEndian.PutUint16(head[3:], uint16(len(r.body)))
		data, err := aead.Open(nil, counted(k.iv, seq), r.body, head[:])
		if err != nil {
			return plain{}, false
		}
		end := len(data)
		for end > 0 && data[end-1] == 0 { // padding
			end--
		}
		if end == 0 {
			return plain{}, false
		}
		return plain{r, seq, data[end-1], data[:end-1], 0}, true
	}
}

// cbcOpener opens records in CBC mode (RFC 5246, section 6.2.3.2; RFC 7366).
func (c *Connection) cbcOpener(k keys) opener {
	block, err := c.suite.block(k.key)
	if err != nil {
		return never
	}
	size := block.BlockSize()
	code := func(seq uint64, r record, content []byte) []byte {
		mac := hmac.New(c.suite.mac, k.mac)
		mac.Write(header(seq, r, len(content)))
		mac.Write(content)
		return mac.Sum(nil)
	}
	return func(seq uint64, r record) (plain, bool) {
		sealed, tag := r.body, []byte(nil)
		if c.encryptThenMAC {
			at := max(len(sealed)-c.suite.tag, 0)
			sealed, tag = sealed[:at], sealed[at:]
			if !hmac.Equal(tag, code(seq, r, sealed)) {
				return plain{}, false
			}
		}
		iv, skip := c.initial(k, seq, r, size), 0
		if c.Version > tls10 {
			skip = size
		}
		if len(iv) != size || len(sealed) < skip+size || len(sealed)%size != 0 {
			return plain{}, false
		}
		data := make([]byte, len(sealed)-skip)
		cipher.NewCBCDecrypter(block, iv).CryptBlocks(data, sealed[skip:])
		data, ok := unpadded(data)
		if ok && !c.encryptThenMAC {
			at := max(len(data)-c.suite.tag, 0)
			data, tag = data[:at], data[at:]
			ok = hmac.Equal(tag, code(seq, r, data))
		}
		return plain{r, seq, r.kind, data, skip}, ok
	}
}

// initial is a record's initialization vector: in front of it, or in TLS 1.0 the end of the record before.
func (c *Connection) initial(k keys, seq uint64, r record, size int) []byte {
	switch {
	case c.Version > tls10:
		return r.body[:min(size, len(r.body))]
	case seq == 0:
		return k.iv
	}
	before := r.before
	if c.encryptThenMAC {
		before = before[:max(len(before)-c.suite.tag, 0)]
	}
	return before[max(len(before)-size, 0):]
}

// unpadded takes CBC's padding off: n+1 bytes of value n.
func unpadded(data []byte) ([]byte, bool) {
	n := int(data[len(data)-1]) + 1
	if n > len(data) {
		return nil, false
	}
	for _, b := range data[len(data)-n:] {
		if int(b) != n-1 {
			return nil, false
		}
	}
	return data[:len(data)-n], true
}
