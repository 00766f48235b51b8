package tlskeys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
)

// suite is how a cipher suite protects records.
type suite struct {
	hash func() hash.Hash // of the key derivation
	size int              // of that hash
	key  int              // lengths in bytes
	salt int              // of the nonce's part that belongs to the key

	aead  func(key []byte) (cipher.AEAD, error)
	block func(key []byte) (cipher.Block, error) // in CBC mode, where there is no AEAD
	mac   func() hash.Hash                       // of CBC
	tag   int                                    // its length
}

// suiteOf takes a suite's protection from its name, as in ECDHE_RSA_WITH_AES_128_GCM_SHA256.
func suiteOf(name string, version uint16) (*suite, error) {
	if version < tls10 || version > tls13 {
		return nil, fmt.Errorf("version 0x%04x isn't known here, only TLS 1.0 to 1.3", version)
	}
	_, protection, exchanged := strings.Cut(name, "_WITH_") // suites of TLS 1.3 don't tell how keys are exchanged
	if exchanged == (version == tls13) {
		return nil, fmt.Errorf("%s is no cipher suite of version 0x%04x", name, version)
	}
	if !exchanged {
		protection = name
	}
	at := max(strings.LastIndex(protection, "_"), 0)
	s := &suite{hash: sha256.New, size: sha256.Size}
	if strings.HasSuffix(protection, "_SHA384") {
		s.hash, s.size = sha512.New384, sha512.Size384
	}
	if strings.Contains(name, "EXPORT") || !s.cipher(protection[:at]) || s.block != nil && !s.code(protection[at:]) {
		return nil, fmt.Errorf("records protected by %s can't be opened here", name)
	}
	return s, nil
}

func (s *suite) cipher(name string) bool {
	switch name {
	case "AES_128_GCM":
		s.key, s.salt, s.aead = 16, 4, gcm
	case "AES_256_GCM":
		s.key, s.salt, s.aead = 32, 4, gcm
	case "CHACHA20_POLY1305":
		s.key, s.salt, s.aead = 32, 12, chacha20poly1305.New
	case "AES_128_CBC":
		s.key, s.block = 16, aes.NewCipher
	case "AES_256_CBC":
		s.key, s.block = 32, aes.NewCipher
	case "3DES_EDE_CBC":
		s.key, s.block = 24, des.NewTripleDESCipher
	default:
		return false
	}
	return true
}

func (s *suite) code(name string) bool {
	switch name {
	case "_SHA":
		s.mac, s.tag = sha1.New, sha1.Size
	case "_SHA256":
		s.mac, s.tag = sha256.New, sha256.Size
	case "_SHA384":
		s.mac, s.tag = sha512.New384, sha512.Size384
	default:
		return false
	}
	return true
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
