package lab

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// tlsfront is the story's case. The front walks its own list of suites and asks librealm about every
// Kerberos suite it comes to, whether or not the client has offered it; only a hello without any of
// the suites before the first Kerberos one makes it come there. librealm asks the resolver for the
// host's name, and aborts on EAI_AGAIN: that is what getaddrinfo says where there is no /etc/hosts
// that knows the name, no resolv.conf, and nobody at 127.0.0.1:53.
var tlsfront = Case{
	Name:    "tlsfront",
	Listen:  netip.MustParseAddrPort("127.0.0.1:8443"),
	Prepare: prepareTLSFront,
	Command: func(s *Stage) []string {
		args := []string{s.Home + "/sbin/tlsfront", "-p", "8443", "-b", "8080", "-c", s.Home + "/etc/front.crt", "-l", s.Home + "/log"}
		if s.Factors["empty_root"] {
			args = append(args, "-r", s.Home+"/jail")
		}
		return args
	},
	Script:    scriptTLSFront,
	Culprit:   Culprit{Module: "librealm.so", Function: "realm_translate_error", Role: "decided"},
	Mechanism: "abort",
	Factors: []Factor{
		{Name: "empty_root", Usual: true},     // chroot into a directory without /etc
		{Name: "hosts_in_root", Usual: false}, // the jail has an /etc/hosts that knows the host's name
		{Name: "name_server", Usual: false},   // something on 127.0.0.1:53 that says NXDOMAIN
	},
	Dies: func(f map[string]bool) bool { return f["empty_root"] && !f["hosts_in_root"] && !f["name_server"] },
}

func prepareTLSFront(s *Stage) error {
	for _, dir := range []string{"etc", "jail"} {
		if err := os.MkdirAll(filepath.Join(s.Home, dir), 0o755); err != nil {
			return err
		}
	}
	certificate, err := selfSigned(hostName)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.Home, "etc/front.crt"), certificate, 0o600); err != nil {
		return err
	}
	if s.Factors["hosts_in_root"] {
		etc := filepath.Join(s.Home, "jail/etc")
		if err := os.Mkdir(etc, 0o755); err != nil {
			return err
		}
		hosts := "127.0.1.1 " + hostName + "\n"
		if err := os.WriteFile(filepath.Join(etc, "hosts"), []byte(hosts), 0o644); err != nil {
			return err
		}
	}
	if s.Factors["name_server"] {
		if err := serveNXDomain("127.0.0.1:53"); err != nil {
			return err
		}
	}
	return s.Serve("127.0.0.1:8080", tlsBackend)
}

func selfSigned(name string) ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().Unix()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now(), NotAfter: time.Now().Add(24 * time.Hour),
	}
	return x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
}

// serveNXDomain answers every question with "no such name", for as long as the process lives.
func serveNXDomain(address string) error {
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if n >= 12 {
				buf[2], buf[3] = 0x81, 0x83 // a response, recursion done; name error
				conn.WriteTo(buf[:n], from)
			}
		}
	}()
	return nil
}

// tlsBackend answers the front's requests; reports take it longer than anybody's patience.
func tlsBackend(conn net.Conn) {
	defer conn.Close()
	buf := make([]byte, 32768)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		request := buf[:n]
		if bytes.Contains(request, []byte("/report")) {
			continue
		}
		size := 200 + 37*(n%50)
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Type: text/html\r\n\r\n%s", size, bytes.Repeat([]byte{'.'}, size))
	}
}

// deadlySuites is what a client has to offer that wants nothing but weak ciphers: none of them
// stands before the first Kerberos suite of the server's own list.
var deadlySuites = []uint16{0x0015, 0x0012, 0x0009, 0x00ff}

func scriptTLSFront(s *Stage) []Conversation {
	r := s.Rand
	death := 2500*time.Millisecond + time.Duration(r.IntN(300))*time.Millisecond
	store := &sessionStore{ids: map[netip.Addr][]byte{}}
	script := []Conversation{
		{Killer, loopback(2000 + r.IntN(50)), death, tlsKiller(subrand(r))},
		{Trap, loopback(2100 + r.IntN(50)), death - 200*time.Millisecond, tlsTrap(subrand(r))},
		{Twin, loopback(2200 + r.IntN(50)), between(r, death/4, death*3/4), tlsTwin(subrand(r), store)},
		{Odd, loopback(2300), 0, tlsWeakResumption(subrand(r), store)},
	}
	for range 380 {
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(40)), besides(r, death), tlsVisit(subrand(r), store)})
	}
	for i, talk := range tlsOddities(subrand(r)) {
		script = append(script, Conversation{Odd, loopback(1000 + i), between(r, death/10, death*9/10), talk})
	}
	for i, talk := range tlsWaiting(subrand(r)) {
		script = append(script, Conversation{Waiting, loopback(1100 + i), between(r, death/4, death-150*time.Millisecond), talk})
	}
	return script
}

// sessionStore is what the ordinary clients remember of their last session.
type sessionStore struct {
	mu  sync.Mutex
	ids map[netip.Addr][]byte
}

func (s *sessionStore) get(a netip.Addr) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids[a]
}

func (s *sessionStore) put(a netip.Addr, id []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids[a] = id
}

var siteHosts = []string{"www.example.net", "shop.example.net", "api.example.net", "static.example.net", "intranet.example.net"}

// tlsVisit is an ordinary visit: a handshake, new or resumed, a few requests, goodbye.
func tlsVisit(r *mathrand.Rand, store *sessionStore) func(*Talk) {
	return func(t *Talk) {
		c := []tlsClient{browser, browser, curl, curl, java, openssl, openssl, legacy, ancient}[r.IntN(9)]
		if r.IntN(25) == 0 {
			t.Pause(time.Duration(r.IntN(100)) * time.Millisecond) // knocks and goes away
			return
		}
		var old []byte
		if r.IntN(3) > 0 {
			old = store.get(t.From)
		}
		hello := c.hello(r, siteHosts[r.IntN(len(siteHosts))], old)
		session := tlsHandshake(t, r, hello, r.IntN(10) == 0)
		store.put(t.From, session.id)
		for range r.IntN(4) {
			t.Send(session.data(request(r)))
			t.Read(func(b []byte) bool { return len(records(b)) > 0 })
			t.Pause(time.Duration(r.IntN(40)) * time.Millisecond)
		}
		t.Send(record(21, 0x0303, keystream(&session.write, []byte{1, 0})))
	}
}

// tlsHandshake goes through a handshake with a hello that the server can answer.
func tlsHandshake(t *Talk, r *mathrand.Rand, hello []byte, slow bool) *tlsSession {
	if slow {
		t.Slowly(hello, 60+r.IntN(100), time.Duration(5+r.IntN(30))*time.Millisecond)
	} else {
		t.Message(hello)
	}
	flight := tlsFlight(t)
	if t.err != nil {
		return &tlsSession{}
	}
	session := &tlsSession{id: flight[44:76]}
	if len(records(flight)) == 3 && records(flight)[1] == 20 { // hello, change, finished: it resumes
		session.keys(hello[11:43], flight[11:43], session.id)
		t.Send(session.finished(r))
		return session
	}
	t.Pause(time.Duration(r.IntN(8)) * time.Millisecond)
	secret := random(r, 256)
	t.Send(keyExchange(session, hello, flight, secret, r))
	t.Read(func(b []byte) bool { return len(records(b)) == 2 })
	return session
}

func keyExchange(session *tlsSession, hello, flight, secret []byte, r *mathrand.Rand) []byte {
	body := sized16(nil, secret)
	session.keys(hello[11:43], flight[11:43], body)
	return join(record(22, 0x0303, handshake(16, body)), session.finished(r))
}

// tlsFlight reads the server's answer to a hello: three records, or an alert.
func tlsFlight(t *Talk) []byte {
	flight := t.Read(func(b []byte) bool { kinds := records(b); return len(kinds) == 3 || len(kinds) > 0 && kinds[0] == 21 })
	if t.err == nil && flight[0] == 21 {
		t.err = fmt.Errorf("the server refused: alert %d", flight[6])
	}
	return flight
}

func request(r *mathrand.Rand) []byte {
	host, path := siteHosts[r.IntN(len(siteHosts))], fmt.Sprintf("/%x/%x", r.IntN(50), r.IntN(5000))
	agent := []string{"Mozilla/5.0 (X11; Linux x86_64)", "curl/7.88.1", "Java/1.8.0_392", "monitor/2"}[r.IntN(4)]
	switch r.IntN(8) {
	case 0:
		body := random(r, 20+r.IntN(3000))
		return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nContent-Length: %d\r\n\r\n%s", path, host, agent, len(body), body)
	case 1:
		return fmt.Appendf(nil, "GET /front-status HTTP/1.1\r\nHost: %s\r\n\r\n", host)
	default:
		return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nCookie: s=%016x\r\n\r\n", path, host, agent, r.Uint64())
	}
}

func tlsKiller(r *mathrand.Rand) func(*Talk) {
	hello := record(22, 0x0301, handshake(1, helloBody(r, 0x0303, nil, deadlySuites, openssl.extensions(r, ""))))
	return func(t *Talk) {
		t.Message(hello)
		t.Announce("killer")
		t.Rest()
	}
}

// tlsTwin offers the killer's suites and, last of all, one that the server knows before it comes to
// the first Kerberos suite.
func tlsTwin(r *mathrand.Rand, store *sessionStore) func(*Talk) {
	suites := append(append([]uint16{}, deadlySuites[:3]...), 0x0005, 0x00ff)
	hello := record(22, 0x0301, handshake(1, helloBody(r, 0x0303, nil, suites, openssl.extensions(r, ""))))
	return func(t *Talk) {
		store.put(netip.Addr{}, tlsHandshake(t, r, hello, false).id)
		t.Announce("twin")
	}
}

// tlsTrap is in the middle of its handshake when the killer comes, and sends its key to a process
// that will never read again.
func tlsTrap(r *mathrand.Rand) func(*Talk) {
	return func(t *Talk) {
		hello := openssl.hello(r, "", nil)
		t.Send(hello)
		flight := tlsFlight(t)
		t.Await("killer")
		t.Pause(2 * time.Millisecond)
		if t.err == nil {
			t.Message(keyExchange(&tlsSession{}, hello, flight, random(r, 256), r))
		}
		t.Rest()
	}
}

// tlsWaiting are clients to whom the front owes an answer, or who owe it the rest of a message.
func tlsWaiting(r *mathrand.Rand) []func(*Talk) {
	half := func(b []byte) func(*Talk) {
		return func(t *Talk) {
			t.Message(b)
			t.Outlast()
		}
	}
	report := func(request string) func(*Talk) {
		r := subrand(r)
		return func(t *Talk) {
			session := tlsHandshake(t, r, curl.hello(r, siteHosts[1], nil), false)
			t.Remember(session.data([]byte(request)))
			t.Outlast()
		}
	}
	return []func(*Talk){
		half(browser.hello(r, siteHosts[0], nil)[:150]),
		half(openssl.hello(r, "", nil)[:90]),
		half(legacy.hello(r, siteHosts[3], nil)[:5]),
		half(ancient.hello(r, "", nil)[:40]),
		report("GET /report?year=2013 HTTP/1.1\r\nHost: intranet.example.net\r\n\r\n"),
		report("GET /report?year=2014&format=csv HTTP/1.1\r\nHost: intranet.example.net\r\n\r\n"),
		report("POST /upload HTTP/1.1\r\nHost: api.example.net\r\nContent-Length: 900\r\n\r\nname=value"),
	}
}

// tlsOddities are innocents that stand out more than the killer does.
func tlsOddities(r *mathrand.Rand) []func(*Talk) {
	plain := func(b []byte) func(*Talk) {
		return func(t *Talk) {
			t.Message(b)
			t.Rest()
		}
	}
	shake := func(version uint16, suites []uint16, extensions []byte) func(*Talk) {
		r := subrand(r)
		return func(t *Talk) {
			hello := record(22, 0x0301, handshake(1, helloBody(r, version, nil, suites, extensions)))
			session := tlsHandshake(t, r, hello, false)
			t.Send(session.data(request(r)))
			t.Read(func(b []byte) bool { return len(records(b)) > 0 })
		}
	}
	var every []uint16
	for _, i := range r.Perm(0x9e) {
		every = append(every, uint16(i+1))
	}
	v2 := join([]byte{0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10}, random(r, 37))
	fragmented := handshake(1, helloBody(r, 0x0303, nil, []uint16{0x002f, 0x0035}, nil))
	return []func(*Talk){
		shake(0x0303, every, nil),
		shake(0x0303, []uint16{0x0035}, nil),
		shake(0x0302, []uint16{0x0005}, extension(0x3374)),
		shake(0x0303, []uint16{0x0081, 0x0080, 0xff85, 0x002f}, extension(0xfff3, random(r, 90)...)),
		shake(0x0303, []uint16{0x009c}, extension(21, make([]byte, 4000)...)),
		shake(0x0304, []uint16{0x001f, 0x0020, 0x000a}, serverName(string(bytes.Repeat([]byte("a."), 120))+"net")),
		shake(0x0301, []uint16{0x0015, 0x0009, 0x0014, 0x0011, 0x0008, 0x0006, 0x0003, 0x0004, 0x0005}, nil),
		plain(record(22, 0x0300, handshake(1, helloBody(r, 0x0300, nil, []uint16{0x0015, 0x0009}, nil)))),
		plain(v2),
		plain([]byte("GET / HTTP/1.0\r\n\r\n")),
		plain(random(r, 700)),
		plain(record(22, 0x0301, handshake(1, helloBody(r, 0x0303, nil, nil, nil)))),
		plain(join(record(22, 0x0301, fragmented[:20]), record(22, 0x0301, fragmented[20:33]), record(21, 0x0301, []byte{1, 90}))),
		tlsUpload(subrand(r)),
	}
}

// tlsWeakResumption takes up the twin's session with a hello that would kill if it were a new one. It does
// so at once: the server remembers the latest sessions only.
func tlsWeakResumption(r *mathrand.Rand, store *sessionStore) func(*Talk) {
	return func(t *Talk) {
		t.Await("twin")
		hello := record(22, 0x0301, handshake(1, helloBody(r, 0x0303, store.get(netip.Addr{}), deadlySuites, nil)))
		tlsHandshake(t, r, hello, false)
	}
}

func tlsUpload(r *mathrand.Rand) func(*Talk) {
	return func(t *Talk) {
		session := tlsHandshake(t, r, java.hello(r, siteHosts[2], nil), false)
		body := random(r, 12000)
		t.Remember(session.data(fmt.Appendf(nil, "PROPFIND /dav/%x HTTP/1.1\r\nHost: api.example.net\r\nDepth: infinity\r\nContent-Length: %d\r\n\r\n%s", r.Uint64(), len(body), body)))
		t.Read(func(b []byte) bool { return len(records(b)) > 0 })
	}
}
