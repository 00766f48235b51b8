package tlskeys

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"hash"
	"slices"
)

// expand is P_hash (RFC 5246, section 5): n bytes from a secret and a seed, which has the label in front.
func expand(h func() hash.Hash, secret, seed []byte, n int) []byte {
	mac := hmac.New(h, secret)
	sum := func(to []byte, parts ...[]byte) []byte {
		mac.Reset()
		for _, p := range parts {
			mac.Write(p)
		}
		return mac.Sum(to)
	}
	out := make([]byte, 0, n+mac.Size())
	for a := sum(nil, seed); len(out) < n; a = sum(a[:0], a) {
		out = sum(out, a, seed)
	}
	return out[:n]
}

// prf is the pseudorandom function of TLS 1.2, or that of its forerunners, which adds one by MD5 and one by SHA-1
// (RFC 2246, section 5).
func (c *Connection) prf(secret []byte, label string, seed []byte, n int) []byte {
	seed = append([]byte(label), seed...)
	if c.Version == tls12 {
		return expand(c.suite.hash, secret, seed, n)
	}
	half := (len(secret) + 1) / 2
	out := expand(md5.New, secret[:half], seed, n)
	subtle.XORBytes(out, out, expand(sha1.New, secret[len(secret)-half:], seed, n))
	return out
}

// handshakeHash is the hash of handshake messages up to TLS 1.2: before it, MD5 and SHA-1 side by side.
func (c *Connection) handshakeHash(messages []byte) []byte {
	if c.Version == tls12 {
		h := c.suite.hash()
		h.Write(messages)
		return h.Sum(nil)
	}
	first, second := md5.Sum(messages), sha1.Sum(messages)
	return append(first[:], second[:]...)
}

// keys are what protects one direction.
type keys struct{ mac, key, iv []byte }

// fromMaster derives a role's keys up to TLS 1.2 (RFC 5246, section 6.3).
func (c *Connection) fromMaster(master []byte, r Role) keys {
	s := c.suite
	iv := s.salt
	if s.block != nil && c.Version == tls10 {
		iv = s.blockSize()
	}
	widths := []int{s.tag, s.tag, s.key, s.key, iv, iv}
	block := c.prf(master, "key expansion", slices.Concat(c.ServerRandom, c.ClientRandom), 2*(s.tag+s.key+iv))
	var parts [6][]byte
	for i, w := range widths {
		parts[i], block = block[:w], block[w:]
	}
	return keys{parts[r], parts[2+r], parts[4+r]}
}

// expandLabel is HKDF-Expand-Label (RFC 8446, section 7.1).
func (s *suite) expandLabel(secret []byte, label string, context []byte, n int) []byte {
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(append(info, byte(len("tls13 ")+len(label))), "tls13 "+label...)
	info = append(append(info, byte(len(context))), context...)
	out, err := hkdf.Expand(s.hash, secret, string(info), n)
	if err != nil {
		panic(err) // only for more than 255 hashes
	}
	return out
}

// fromTraffic derives a direction's keys from a traffic secret of TLS 1.3 (RFC 8446, section 7.3).
func (s *suite) fromTraffic(secret []byte) keys {
	return keys{key: s.expandLabel(secret, "key", nil, s.key), iv: s.expandLabel(secret, "iv", nil, 12)}
}

// updated is the traffic secret after a KeyUpdate (RFC 8446, section 7.2).
func (s *suite) updated(secret []byte) []byte {
	return s.expandLabel(secret, "traffic upd", nil, s.size)
}

var trafficLabels = [2]string{Client: "c", Server: "s"}

// handshakeTraffic derives a role's handshake traffic secret from the handshake secret (RFC 8446, section 7.1).
func (c *Connection) handshakeTraffic(secret, transcript []byte, r Role) []byte {
	return c.suite.expandLabel(secret, trafficLabels[r]+" hs traffic", transcript, c.suite.size)
}

// applicationTraffic derives both roles' first traffic secrets from the handshake secret and the transcript up to
// the server's Finished.
func (c *Connection) applicationTraffic(secret, transcript []byte) (traffic [2][]byte, err error) {
	s := c.suite
	empty := s.hash().Sum(nil)
	master, err := hkdf.Extract(s.hash, make([]byte, s.size), s.expandLabel(secret, "derived", empty, s.size))
	if err != nil {
		return traffic, err
	}
	for r := range traffic {
		traffic[r] = s.expandLabel(master, trafficLabels[r]+" ap traffic", transcript, s.size)
	}
	return traffic, nil
}

// transcript is the hash of the hellos, and of more messages behind them (RFC 8446, section 4.4.1). After a
// HelloRetryRequest the hash of the first hello stands for it.
func (c *Connection) transcript(more ...handshake) []byte {
	h := c.suite.hash()
	for i, m := range c.clear[Client] {
		if i == 0 && len(c.clear[Client]) > 1 {
			first := c.suite.hash()
			first.Write(m.raw)
			h.Write([]byte{254, 0, 0, byte(c.suite.size)}) // message_hash
			h.Write(first.Sum(nil))
		} else {
			h.Write(m.raw)
		}
		if i < len(c.clear[Server]) {
			h.Write(c.clear[Server][i].raw)
		}
	}
	for _, m := range more {
		h.Write(m.raw)
	}
	return h.Sum(nil)
}
