package tlskeys

import (
	"bytes"
	"slices"

	"github.com/inquest-project/inquest/internal/evidence/keylog"
)

// Secrets are what opens a connection's records, as far as it is known; what isn't is nil. Those of TLS 1.3 are
// by Role.
type Secrets struct {
	Master []byte // up to TLS 1.2

	Early     []byte    // the client's early traffic secret
	Secret    []byte    // the handshake secret: with the transcript all below follow from it
	Handshake [2][]byte // handshake traffic secrets
	Traffic   [2][]byte // application traffic secrets
	Updated   [2]bool   // a KeyUpdate came before this traffic secret: it opens only what follows
}

// Empty says whether nothing is known.
func (s Secrets) Empty() bool {
	all := slices.Concat(s.Master, s.Early, s.Secret, s.Handshake[Client], s.Handshake[Server], s.Traffic[Client], s.Traffic[Server])
	return len(all) == 0
}

// Logged are the connection's secrets in a key log.
func (c *Connection) Logged(log []keylog.Entry) Secrets {
	var s Secrets
	fields := map[string]*[]byte{
		keylog.Master: &s.Master, keylog.ClientEarly: &s.Early,
		keylog.ClientHandshake: &s.Handshake[Client], keylog.ServerHandshake: &s.Handshake[Server],
		keylog.ClientTraffic: &s.Traffic[Client], keylog.ServerTraffic: &s.Traffic[Server],
	}
	for _, e := range log {
		if field := fields[e.Label]; field != nil && bytes.Equal(e.Key, c.ClientRandom) {
			*field = e.Secret
		}
		if e.Label == keylog.Premaster && c.Version < tls13 && c.exchanged(e.Key) {
			s.Master = c.masterOf(e.Secret)
		}
	}
	if c.Version == tls13 {
		s.Master = nil
		return c.usable(s)
	}
	return Secrets{Master: s.Master}
}

// Granted are the names under which the server lets this session be resumed: its identifier, and a ticket (RFC 5246, section
// 7.3; RFC 5077, section 3.3). In TLS 1.3 each resumption has secrets of its own.
func (c *Connection) Granted() (names []string) {
	if c.Version == tls13 {
		return nil
	}
	names = appendName(names, "session", c.SessionID)
	for _, m := range c.clear[Server] {
		const before = 10 // its header, a lifetime and a length
		if m.kind == newSessionTicket && len(m.raw) > before {
			names = appendName(names, "ticket", m.raw[before:])
		}
	}
	return names
}

// Resumed are the names of the sessions one of which this may be, with the same master.
func (c *Connection) Resumed() (names []string) {
	offer, err := readHello(c.clear[Client][0])
	if err != nil || c.Version == tls13 {
		return nil
	}
	return appendName(appendName(names, "session", offer.session), "ticket", offer.extensions[extSessionTicket])
}

func appendName(names []string, kind string, name []byte) []string {
	if len(name) == 0 {
		return names
	}
	return append(names, kind+string(name))
}

// usable drops secrets whose length is not the suite's.
func (c *Connection) usable(s Secrets) Secrets {
	for _, secret := range []*[]byte{&s.Early, &s.Handshake[Client], &s.Handshake[Server], &s.Traffic[Client], &s.Traffic[Server]} {
		if len(*secret) != c.suite.size {
			*secret = nil
		}
	}
	return s
}

// exchanged says whether the client sent an encrypted premaster that begins so.
func (c *Connection) exchanged(begin []byte) bool {
	i := slices.IndexFunc(c.clear[Client], func(h handshake) bool { return h.kind == clientKeyExchange })
	return i >= 0 && len(c.clear[Client][i].raw) > 6 && bytes.HasPrefix(c.clear[Client][i].raw[6:], begin)
}

// masterOf makes the master of a premaster (RFC 5246, section 8.1; RFC 7627, section 4).
func (c *Connection) masterOf(premaster []byte) []byte {
	offer, err := readHello(c.clear[Client][0])
	answer, err2 := readHello(c.clear[Server][0])
	_, offered := offer.extensions[extExtendedMaster]
	_, answered := answer.extensions[extExtendedMaster]
	if err != nil || err2 != nil || !offered || !answered {
		return c.prf(premaster, "master secret", slices.Concat(c.ClientRandom, c.ServerRandom), 48)
	}
	return c.prf(premaster, "extended master secret", c.sessionHash(), 48)
}

// sessionHash is the hash of all messages up to the ClientKeyExchange.
func (c *Connection) sessionHash() []byte {
	var all []byte
	client := c.clear[Client]
	all = append(all, client[0].raw...)
	for _, m := range c.clear[Server] {
		all = append(all, m.raw...)
	}
	for _, m := range client[1:] {
		all = append(all, m.raw...)
		if m.kind == clientKeyExchange {
			break
		}
	}
	return c.handshakeHash(all)
}

// Entries are the secrets as lines of a key log. Traffic secrets from after a KeyUpdate have no label there.
func (c *Connection) Entries(s Secrets) []keylog.Entry {
	var log []keylog.Entry
	add := func(label string, secret []byte) {
		if secret != nil {
			log = append(log, keylog.Entry{Label: label, Key: c.ClientRandom, Secret: secret})
		}
	}
	add(keylog.Master, s.Master)
	add(keylog.ClientEarly, s.Early)
	add(keylog.ClientHandshake, s.Handshake[Client])
	add(keylog.ServerHandshake, s.Handshake[Server])
	for r, label := range []string{keylog.ClientTraffic, keylog.ServerTraffic} {
		if !s.Updated[r] {
			add(label, s.Traffic[r])
		}
	}
	return log
}
