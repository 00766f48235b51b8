package lab

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	cryptorand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// sealedd gathers syslog messages over TLS, and counts them by the second of the hour. Its parser knows
// that a minute can have a sixty-first second; its tally does so, too, by chance, since that is a second of the next
// minute, but in an hour's last minute, where leap seconds are, there is no next one. Whoever sends a
// message of the year 2016's last second kills it, and all that is seen of that on the wire is sealed.
var sealedd = Case{
	Name:    "sealedd",
	Listen:  netip.MustParseAddrPort("127.0.0.1:6514"),
	Prepare: prepareSealedd,
	Command: func(s *Stage) []string {
		return []string{s.Home + "/sbin/sealedd", "6514", s.Home + "/etc/sealedd.crt", s.Home + "/etc/sealedd.key"}
	},
	Script:    scriptSealedd,
	Culprit:   Culprit{Module: "libtally.so", Function: "tally_add", Role: "decided"},
	Mechanism: "assertion",
}

// prepareSealedd makes the certificate and its key.
func prepareSealedd(s *Stage) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), cryptorand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(s.Seed) + 1), Subject: pkix.Name{CommonName: hostName}, DNSNames: []string{hostName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	certificate, err := x509.CreateCertificate(cryptorand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	etc := filepath.Join(s.Home, "etc")
	write := func(name, kind string, der []byte) error {
		return os.WriteFile(filepath.Join(etc, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
	}
	return errors.Join(os.MkdirAll(etc, 0o755), write("sealedd.crt", "CERTIFICATE", certificate), write("sealedd.key", "PRIVATE KEY", secret))
}

func scriptSealedd(s *Stage) []Conversation {
	r := s.Rand
	death := between(r, 2200*time.Millisecond, 2600*time.Millisecond)
	tickets := tls.NewLRUClientSessionCache(16)
	leap := leapSecond(r)
	script := []Conversation{
		{Killer, loopback(2000 + r.IntN(50)), death, relpArchive(subrand(r), leap, 2+r.IntN(4))},
		{Twin, loopback(2100 + r.IntN(50)), between(r, death/4, death*3/4), relpArchive(subrand(r), strings.Replace(leap, "T23:59:60", "T23:58:60", 1), 2+r.IntN(4))},
	}
	for range 360 {
		at := between(r, 0, death+100*time.Millisecond)
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(60)), at, relpVisit(subrand(r), tickets)})
	}
	for i, frame := range relpOddities(subrand(r)) {
		at := between(r, death/10, death-20*time.Millisecond)
		script = append(script, Conversation{Odd, loopback(1000 + i), at, relpCall(subrand(r), frame)})
	}
	for i, frame := range relpWaiting(subrand(r)) {
		at := between(r, death/4, death-250*time.Millisecond)
		script = append(script, Conversation{Waiting, loopback(1100 + i), at, relpWait(subrand(r), frame)})
	}
	return script
}

// leapSecond is what a host wrote in the last second of 2016.
func leapSecond(r *rand.Rand) string {
	texts := []string{"Clock: inserting leap second 23:59:60 UTC", "session closed for user backup", "time slew +0.000412 s", "GET /health 200 1ms"}
	return fmt.Sprintf("<%d>1 2016-12-31T23:59:60.%03dZ edge%d %s %d - - %s", 8*(1+r.IntN(20))+5+r.IntN(2), r.IntN(1000), 1+r.IntN(6),
		[]string{"ntpd", "kernel", "cron", "httpd"}[r.IntN(4)], 100+r.IntN(9000), texts[r.IntN(len(texts))])
}

// relp is one side of a session: every frame has a number.
type relp struct {
	*Talk
	number int
}

func relpFrame(number int, command, data string) []byte {
	if data == "" {
		return fmt.Appendf(nil, "%d %s 0\n", number, command)
	}
	return fmt.Appendf(nil, "%d %s %d %s\n", number, command, len(data), data)
}

// relpOpen shakes hands and opens a session.
func relpOpen(t *Talk, r *rand.Rand, tickets tls.ClientSessionCache) *relp {
	config := &tls.Config{ServerName: hostName, InsecureSkipVerify: true, ClientSessionCache: tickets}
	switch r.IntN(8) {
	case 0: // an old one
		config.MaxVersion = tls.VersionTLS12
	case 1, 2, 3: // without what keeps quantum computers out
		config.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256}
	}
	t.Seal(config)
	s := &relp{Talk: t}
	s.call("open", "relp_version=0\nrelp_software="+[]string{"librelp,1.10.0", "librelp,1.2.16", "logship,3"}[r.IntN(3)]+"\ncommands=syslog")
	return s
}

// call sends a frame and reads the answer.
func (s *relp) call(command, data string) {
	s.number++
	s.Send(relpFrame(s.number, command, data))
	s.answer()
}

func (s *relp) answer() {
	s.Read(func(b []byte) bool {
		length, size := 0, 0
		if i := bytes.Index(b, []byte(" rsp ")); i > 0 {
			fmt.Sscanf(string(b[i+5:]), "%d", &length)
			size = i + 5 + len(fmt.Sprint(length)) + 1 + length + 1
		}
		return size > 0 && len(b) >= size
	})
}

func (s *relp) remember(frame func(number int) []byte) {
	s.number++
	s.Remember(frame(s.number))
}

// relpArchive brings old messages, of which the first few are harmless.
func relpArchive(r *rand.Rand, last string, before int) func(*Talk) {
	return func(t *Talk) {
		s := relpOpen(t, r, nil)
		for range before {
			s.call("syslog", syslogMessage(r, fmt.Sprintf("2016-12-31T23:%02d:%02d.%03dZ", 50+r.IntN(10), r.IntN(60), r.IntN(1000))))
		}
		s.remember(func(n int) []byte { return relpFrame(n, "syslog", last) })
		s.answer()
		s.Rest()
	}
}

// relpCall remembers one frame, which is answered.
func relpCall(r *rand.Rand, frame func(int) []byte) func(*Talk) {
	return func(t *Talk) {
		s := relpOpen(t, r, nil)
		s.remember(frame)
		s.answer()
	}
}

func relpWait(r *rand.Rand, frame func(int) []byte) func(*Talk) {
	return func(t *Talk) {
		s := relpOpen(t, r, nil)
		s.remember(frame)
		s.Outlast()
	}
}

// relpVisit brings some messages, or asks.
func relpVisit(r *rand.Rand, tickets tls.ClientSessionCache) func(*Talk) {
	return func(t *Talk) {
		if r.IntN(3) > 0 {
			tickets = nil
		}
		s := relpOpen(t, r, tickets)
		for range 1 + r.IntN(6) {
			switch r.IntN(12) {
			case 0:
				s.call("stat", "")
			case 1:
				s.call("stat", fmt.Sprint(r.IntN(60)))
			case 2:
				s.call("last", fmt.Sprintf("edge%d", 1+r.IntN(7)))
			case 3: // some at once
				var all []byte
				count := 2 + r.IntN(8)
				for range count {
					s.number++
					all = append(all, relpFrame(s.number, "syslog", syslogMessage(r, syslogTime(r)))...)
				}
				s.Send(all)
				s.Read(func(b []byte) bool { return bytes.Count(b, []byte(" rsp ")) == count })
			default:
				s.call("syslog", syslogMessage(r, syslogTime(r)))
			}
			s.Pause(time.Duration(r.IntN(40)) * time.Millisecond)
		}
		if r.IntN(3) > 0 {
			s.call("close", "")
		}
	}
}

// syslogTime is mostly of these days; some hosts bring what they kept through the years.
func syslogTime(r *rand.Rand) string {
	zone := []string{"Z", "Z", "+00:00", "+01:00", "-05:00", "+05:30"}[r.IntN(6)]
	switch r.IntN(8) {
	case 0:
		return "-"
	case 1:
		return fmt.Sprintf("20%02d-%02d-%02dT%02d:%02d:%02d%s", 10+r.IntN(16), 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), zone)
	default:
		return fmt.Sprintf("2026-11-30T%02d:%02d:%02d.%06d%s", 18+r.IntN(3), r.IntN(60), r.IntN(60), r.IntN(1000000), zone)
	}
}

func syslogMessage(r *rand.Rand, at string) string {
	data := "-"
	switch r.IntN(5) {
	case 0:
		data = fmt.Sprintf(`[origin ip="192.0.2.%d" software="rsyslogd"]`, r.IntN(256))
	case 1:
		data = fmt.Sprintf(`[meta sequenceId="%d"][req@32473 id="%x" user="%s"]`, r.IntN(100000), random(r, 6), []string{"alice", "bob", `o\"neil`}[r.IntN(3)])
	}
	app := []string{"httpd", "sshd", "cron", "kernel", "postfix/smtpd", "dhcpd"}[r.IntN(6)]
	return fmt.Sprintf("<%d>1 %s edge%d %s %d - %s %s", r.IntN(192), at, 1+r.IntN(6), app, 100+r.IntN(30000), data, prose(r, 2+r.IntN(15)))
}

// relpOddities are longer, rarer or stranger than the killer; some are of leap seconds, too.
func relpOddities(r *rand.Rand) []func(int) []byte {
	syslog := func(message string) func(int) []byte {
		return func(n int) []byte { return relpFrame(n, "syslog", message) }
	}
	command := func(name, data string) func(int) []byte {
		return func(n int) []byte { return relpFrame(n, name, data) }
	}
	raw := func(b []byte) func(int) []byte { return func(int) []byte { return b } }
	return []func(int) []byte{
		syslog("<13>1 2017-01-01T05:29:60.250+05:30 edge1 ntpd 71 - - Clock: inserting leap second"),
		syslog("<6>1 2015-07-01T09:29:60+09:30 edge5 kernel - - - Clock: inserting leap second 23:59:60 UTC"),
		syslog("<13>1 2012-06-30T23:59:61Z edge2 ntpd 71 - - a second leap second"), // refused
		syslog("<13>1 2016-02-29T24:00:00Z edge2 cron 7 - - midnight"),              // refused
		syslog("<191>1 9999-12-31T23:59:59.999999Z edge9 clock - - - the end of time"),
		syslog("<14>1 2026-11-30T19:00:00Z edge3 shop 12 - - " + prose(r, 900)),
		syslog("<14>1 2026-11-30T19:00:00Z edge3 " + strings.Repeat("app", 50) + " 12 - [x@1 " + strings.Repeat(`k="v\]" `, 300) + "] long"),
		syslog("<14>1 2026-11-30T19:00:00Z edge3 shop 12 - " + strings.Repeat(`[a@1 b="c"]`, 12) + " too many"),
		syslog(`<14>1 2026-11-30T19:00:00Z edge3 shop 12 - [open@1 b="c\" never closed`),
		syslog("<14>1 2026-11-30T19:00:00Z edge4 tomcat 12 ID47 - \xef\xbb\xbfZürich: 北側 is reachable again"),
		syslog("<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8"), // the old format
		syslog("<999>1 - - - - - - priority"),
		syslog(string(random(r, 4000))),
		command("stat", "59"),
		command("stat", "3600"),
		command("starttls", ""),
		command("last", strings.Repeat("edge", 400)),
		raw([]byte("GET /metrics HTTP/1.1\r\nHost: edge1\r\n\r\n")),
		raw([]byte("<13>1 2026-11-30T19:00:00Z edge1 logger - - - not in a frame\n")),
		raw(fmt.Appendf(nil, "7 %s 3 abc\n", strings.Repeat("syslog", 9))),
		raw(random(r, 900)),
	}
}

// relpWaiting gets no answer: a host that has nothing to say, or the half of a frame.
func relpWaiting(r *rand.Rand) []func(int) []byte {
	var frames []func(int) []byte
	for range 5 {
		host, message := fmt.Sprintf("db%d", 1+r.IntN(90)), syslogMessage(r, syslogTime(r))
		most := len(message) - r.IntN(20)
		frames = append(frames,
			func(n int) []byte { return relpFrame(n, "tail", host) },
			func(n int) []byte { return relpFrame(n, "syslog", message)[:most] })
	}
	return frames
}
