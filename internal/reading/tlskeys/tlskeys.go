// Package tlskeys opens captured TLS connections: with the secrets of a key log, or with those that it finds
// in the memory of the process that died.
//
// Read makes a Connection of a conversation that begins with a handshake. Logged takes its secrets from a key
// log, Find looks for them in a core; Open then gives what was said in messages like all others, each byte
// with the frame that brought it, and Entries gives the secrets back as lines of a key log.
//
// It knows TLS 1.0 to 1.3 (RFC 2246, 4346, 5246, 8446) with AES-GCM, ChaCha20-Poly1305 (RFC 7905), and AES and
// 3DES in CBC with the MAC before or after encryption (RFC 7366). It doesn't know SSL 3.0, RC4, CCM or what
// needs a private key, and it doesn't follow a renegotiation.
//
// A Connection and its messages' carriers are slices of the captures, which must stay open; secrets and plaintext
// are copies.
//
// No record is taken for opened whose authentication did not hold, so a wrong secret, or a hostile capture, gives
// nothing instead of garbage.
package tlskeys

import (
	"errors"
	"fmt"
	"slices"

	"github.com/inquest-project/inquest/internal/reading/conversation"
	"github.com/inquest-project/inquest/internal/reading/dissect"
)

// Role is who one is in TLS, whoever opened the conversation.
type Role int

// The two roles.
const (
	Client Role = iota
	Server
)

// Protocol versions as the wire has them.
const (
	tls10 = 0x0301
	tls11 = 0x0302
	tls12 = 0x0303
	tls13 = 0x0304
)

// Connection is a TLS connection as the clear part of its handshake tells it.
type Connection struct {
	Conversation *conversation.Conversation
	Version      uint16
	Suite        uint16
	ClientRandom []byte
	ServerRandom []byte
	SessionID    []byte // as the server chose it

	client         conversation.Side
	suite          *suite
	encryptThenMAC bool
	earlyData      bool // the client said that some follows its hello
	clear          [2][]handshake
	begin          [2]uint64 // where each role's records begin in its stream
}

// side is the end of the conversation that has a role.
func (c *Connection) side(r Role) conversation.Side {
	if r == Client {
		return c.client
	}
	return c.client.Other()
}

// Sniff says whether a conversation has TLS in it, from its beginning or after a few messages in clear.
func Sniff(conv *conversation.Conversation) bool {
	const clear = 16
	if conv.Transport != "tcp" {
		return false
	}
	for side := conversation.Opener; side <= conversation.Responder; side++ {
		messages := conv.Messages(side)
		if slices.ContainsFunc(messages[:min(len(messages), clear)], func(m *conversation.Message) bool { return isRecord(m.Data) }) {
			return true
		}
	}
	return false
}

// Read reads a conversation's handshake. The error says why its records can't be opened, whatever secrets
// there are.
func Read(conv *conversation.Conversation) (*Connection, error) {
	for _, side := range []conversation.Side{conversation.Opener, conversation.Responder} {
		if at, ok := helloAt(conv, side, clientHello); ok {
			c := &Connection{Conversation: conv, client: side}
			c.begin[Client] = at
			if err := c.read(); err != nil {
				return nil, err
			}
			return c, nil
		}
	}
	return nil, errors.New("no ClientHello was captured: its random and the server's are part of the keys")
}

func (c *Connection) read() error {
	at, ok := helloAt(c.Conversation, c.side(Server), serverHello)
	if !ok {
		return errors.New("no ServerHello was captured: it tells the cipher suite")
	}
	c.begin[Server] = at
	before, after := c.spoken(Server)
	said := slices.Concat(before, after)
	i := slices.IndexFunc(said, func(h handshake) bool { return h.kind == serverHello && !isRetry(h) })
	if i < 0 {
		return errors.New("the ServerHello was not captured whole")
	}
	answer, err := readHello(said[i])
	if err != nil {
		return fmt.Errorf("reading the ServerHello: %w", err)
	}
	c.ServerRandom, c.SessionID, c.Suite, c.Version = answer.random, answer.session, answer.suite, answer.version
	_, c.encryptThenMAC = answer.extensions[extEncryptThenMAC]
	for role := Client; role <= Server; role++ {
		before, after := c.spoken(role)
		if c.clear[role] = before; c.Version == tls13 {
			c.clear[role] = slices.Concat(before, after)
		}
	}
	if len(c.clear[Client]) == 0 {
		return errors.New("the ClientHello was not captured whole")
	}
	offer, err := readHello(c.clear[Client][0])
	if err != nil {
		return fmt.Errorf("reading the ClientHello: %w", err)
	}
	c.ClientRandom = offer.random
	_, c.earlyData = offer.extensions[extEarlyData]
	c.suite, err = suiteOf(dissect.SuiteName(c.Suite), c.Version)
	return err
}
