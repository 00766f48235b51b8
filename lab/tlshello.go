package lab

import (
	"encoding/binary"
	"math/rand/v2"
)

// tlsClient is a kind of TLS client, by what its hello looks like.
type tlsClient struct {
	name       string
	version    uint16
	suites     []uint16
	extensions func(r *rand.Rand, host string) []byte
}

// The clients that knock at tlsfront. Lists and order are those that such programs send.
var (
	browser = tlsClient{"browser", 0x0303,
		[]uint16{0x1a1a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035},
		func(r *rand.Rand, host string) []byte {
			return join(extension(0x2a2a), serverName(host), extension(23), extension(0xff01, 0),
				groups(0x3a3a, 29, 23, 24), extension(11, 1, 0), extension(35), alpn("h2", "http/1.1"),
				extension(5, 1, 0, 0, 0, 0), signatures(0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601),
				keyShare(r), extension(45, 1, 1), extension(43, 6, 0x5a, 0x5a, 3, 4, 3, 3), extension(21, make([]byte, 60+r.IntN(120))...))
		}}
	curl = tlsClient{"curl", 0x0303,
		[]uint16{0x1302, 0x1303, 0x1301, 0xc02c, 0xc030, 0x009f, 0xcca9, 0xcca8, 0xccaa, 0xc02b, 0xc02f, 0x009e, 0xc024, 0xc028, 0x006b,
			0xc023, 0xc027, 0x0067, 0xc00a, 0xc014, 0x0039, 0xc009, 0xc013, 0x0033, 0x009d, 0x009c, 0x003d, 0x003c, 0x0035, 0x002f, 0x00ff},
		func(r *rand.Rand, host string) []byte {
			return join(serverName(host), extension(11, 3, 0, 1, 2), groups(29, 23, 30, 25, 24), alpn("h2", "http/1.1"),
				extension(22), extension(23), extension(49), signatures(0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0809, 0x0804, 0x0401, 0x0501),
				extension(43, 4, 3, 4, 3, 3), extension(45, 1, 1), keyShare(r))
		}}
	java = tlsClient{"java", 0x0303,
		[]uint16{0xc024, 0xc028, 0x003d, 0xc026, 0xc02a, 0x006b, 0x006a, 0xc00a, 0xc014, 0x0035, 0xc005, 0xc00f, 0x0039, 0x0038,
			0xc023, 0xc027, 0x003c, 0xc009, 0xc013, 0x002f, 0xc004, 0xc00e, 0x0033, 0x0032, 0xc02c, 0xc02b, 0xc030, 0x009d, 0x00ff},
		func(_ *rand.Rand, host string) []byte {
			return join(groups(23, 24, 25), extension(11, 1, 0), signatures(0x0603, 0x0601, 0x0503, 0x0501, 0x0403, 0x0401), serverName(host))
		}}
	openssl = tlsClient{"openssl", 0x0303,
		[]uint16{0xc030, 0xc02c, 0xc028, 0xc024, 0xc014, 0xc00a, 0x009f, 0x006b, 0x0039, 0x0088, 0x009d, 0x003d, 0x0035, 0x0084,
			0xc02f, 0xc02b, 0xc027, 0xc013, 0x009e, 0x0033, 0x009c, 0x003c, 0x002f, 0x0041, 0xc012, 0x0016, 0x000a, 0x00ff},
		func(_ *rand.Rand, _ string) []byte {
			return join(extension(11, 3, 0, 1, 2), groups(14, 13, 25, 11, 12, 24, 9, 10, 22, 23), extension(35),
				signatures(0x0601, 0x0602, 0x0603, 0x0501, 0x0502, 0x0503, 0x0401, 0x0402, 0x0403, 0x0201), extension(15, 1))
		}}
	legacy = tlsClient{"legacy", 0x0301,
		[]uint16{0x002f, 0x0035, 0x0005, 0x000a, 0x0032, 0x0038, 0x0013, 0x0004},
		func(_ *rand.Rand, host string) []byte { return join(extension(0xff01, 0), serverName(host)) }}
	ancient = tlsClient{"ancient", 0x0301,
		[]uint16{0x0004, 0x0005, 0x000a, 0x0009, 0x0064, 0x0062, 0x0003, 0x0006, 0x0013, 0x0012, 0x0063}, nil}
)

// hello is a ClientHello's record for one of these clients.
func (c tlsClient) hello(r *rand.Rand, host string, session []byte) []byte {
	var extensions []byte
	if c.extensions != nil {
		extensions = c.extensions(r, host)
	}
	return record(22, 0x0301, handshake(1, helloBody(r, c.version, session, c.suites, extensions)))
}

func helloBody(r *rand.Rand, version uint16, session []byte, suites []uint16, extensions []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, version)
	b = append(b, random(r, 32)...)
	b = append(b, byte(len(session)))
	b = append(b, session...)
	b = binary.BigEndian.AppendUint16(b, uint16(2*len(suites)))
	for _, s := range suites {
		b = binary.BigEndian.AppendUint16(b, s)
	}
	b = append(b, 1, 0) // compression: none
	if extensions != nil {
		b = sized16(b, extensions)
	}
	return b
}

func record(kind byte, version uint16, body []byte) []byte {
	return sized16([]byte{kind, byte(version >> 8), byte(version)}, body)
}

func handshake(kind byte, body []byte) []byte {
	n := len(body)
	return append([]byte{kind, byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

func sized16(to, body []byte) []byte {
	return append(binary.BigEndian.AppendUint16(to, uint16(len(body))), body...)
}

func extension(kind uint16, body ...byte) []byte {
	return sized16(binary.BigEndian.AppendUint16(nil, kind), body)
}

func serverName(host string) []byte {
	return extension(0, sized16(nil, sized16([]byte{0}, []byte(host)))...)
}

func groups(ids ...uint16) []byte     { return extension(10, sized16(nil, list16(ids))...) }
func signatures(ids ...uint16) []byte { return extension(13, sized16(nil, list16(ids))...) }

func alpn(names ...string) []byte {
	var list []byte
	for _, n := range names {
		list = append(append(list, byte(len(n))), n...)
	}
	return extension(16, sized16(nil, list)...)
}

func keyShare(r *rand.Rand) []byte {
	return extension(51, sized16(nil, sized16([]byte{0, 29}, random(r, 32)))...)
}

func list16(ids []uint16) (b []byte) {
	for _, id := range ids {
		b = binary.BigEndian.AppendUint16(b, id)
	}
	return b
}

func join(parts ...[]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func random(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// tlsSession is a client's end of a handshake with libsecure, whose record protection is a keystream
// made of both randoms and the key exchange.
type tlsSession struct {
	id          []byte // what the server called it, for resuming
	read, write uint64
}

// keys derives both directions' keystreams as libsecure does.
func (s *tlsSession) keys(client, server, secret []byte) {
	const prime = 0x100000001b3
	seed := uint64(0x9e3779b97f4a7c15)
	for i := range 32 {
		seed = (seed ^ uint64(client[i]) ^ uint64(server[i])<<8) * prime
	}
	for range 400 {
		for _, b := range secret {
			seed = (seed ^ uint64(b)) * prime
		}
	}
	s.write, s.read = seed|1, ^seed|1
}

func keystream(state *uint64, b []byte) []byte {
	out := make([]byte, len(b))
	for i := range b {
		*state ^= *state << 13
		*state ^= *state >> 7
		*state ^= *state << 17
		out[i] = b[i] ^ byte(*state>>24)
	}
	return out
}

func (s *tlsSession) finished(r *rand.Rand) []byte {
	verify := keystream(&s.write, handshake(20, random(r, 12)))
	return join(record(20, 0x0303, []byte{1}), record(22, 0x0303, verify))
}

func (s *tlsSession) data(plain []byte) []byte {
	return record(23, 0x0303, keystream(&s.write, plain))
}

// records says how many whole TLS records there are, and of which kinds.
func records(b []byte) (kinds []byte) {
	for len(b) >= 5 && len(b) >= 5+int(binary.BigEndian.Uint16(b[3:])) {
		kinds = append(kinds, b[0])
		b = b[5+int(binary.BigEndian.Uint16(b[3:])):]
	}
	return kinds
}
