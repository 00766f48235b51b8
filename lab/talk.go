package lab

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"time"
)

// Talk is a conversation while it is held. Its methods do nothing after an error, so that a script
// reads as if nothing could fail: when the daemon has died, everybody's talk just ends.
type Talk struct {
	*Stage
	Conversation
	conn    net.Conn
	sealed  *recorder // below conn, where that is TLS
	ctx     context.Context
	sent    int
	message deed // what the conversation is remembered by in the truth
	err     error
}

// hold waits for the conversation's time and holds it.
func (s *Stage) hold(ctx context.Context, c Conversation) {
	t := &Talk{Stage: s, Conversation: c, ctx: ctx}
	t.Pause(c.At)
	if t.err == nil {
		t.dial()
	}
	if t.err != nil {
		return
	}
	plain := t.conn
	defer func() { t.conn.Close() }() // TLS says goodbye
	defer context.AfterFunc(ctx, func() { plain.Close() })()
	c.Talk(t)
	if t.message.Bytes != nil {
		s.note(t.message)
	}
}

func (t *Talk) dial() {
	at := t.Case.Listen
	network, local := "tcp", net.Addr(net.TCPAddrFromAddrPort(netip.AddrPortFrom(t.From, 0)))
	if t.Case.UDP {
		network, local = "udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(t.From, 0))
	}
	d := net.Dialer{LocalAddr: local, Timeout: 3 * time.Second}
	t.conn, t.err = d.DialContext(t.ctx, network, at.String())
}

// local is this end's address and port.
func (t *Talk) local() netip.AddrPort {
	a, _ := netip.ParseAddrPort(t.conn.LocalAddr().String())
	return a
}

// Send sends bytes.
func (t *Talk) Send(b []byte) {
	if t.err == nil {
		_, t.err = t.conn.Write(b)
		t.sent += len(b)
	}
}

// Message sends what the conversation will be remembered by; sent in pieces, it is their sum. In TLS,
// that is what the wire shows.
func (t *Talk) Message(b []byte) {
	if t.message.Bytes == nil {
		t.message = deed{Role: t.Role, Remote: t.local(), UDP: t.Case.UDP, Offset: uint32(t.sent)}
		if t.sealed != nil {
			t.message.Offset = uint32(len(t.sealed.wrote))
		}
	}
	t.Send(b)
	if t.sealed != nil {
		b = t.sealed.wrote[int(t.message.Offset)+len(t.message.Bytes):]
	}
	if t.err == nil { // what comes too late is no part of it
		t.message.Bytes = append(t.message.Bytes, b...)
	}
}

// Remember sends what the conversation will be remembered by, in place of what it sent before.
func (t *Talk) Remember(b []byte) {
	t.message = deed{}
	t.Message(b)
}

// Seal goes on in TLS.
func (t *Talk) Seal(config *tls.Config) {
	if t.err != nil {
		return
	}
	t.sealed = &recorder{Conn: t.conn}
	client := tls.Client(t.sealed, config)
	t.conn = client
	t.err = client.HandshakeContext(t.ctx)
}

// recorder keeps what is written to it.
type recorder struct {
	net.Conn
	wrote []byte
}

func (w *recorder) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	w.wrote = append(w.wrote, b[:n]...)
	return n, err
}

// Earlier sends an earlier part of the deadly set that the conversation ends with.
func (t *Talk) Earlier(b []byte) {
	if t.err == nil {
		t.note(deed{Role: Member, Remote: t.local(), UDP: t.Case.UDP, Offset: uint32(t.sent), Bytes: b})
		t.Send(b)
	}
}

// Outlast waits until the daemon closes, or for as long as the script goes on.
func (t *Talk) Outlast() {
	if t.err == nil {
		t.conn.SetReadDeadline(t.end)
	}
	t.Rest()
}

// Slowly sends a message in pieces of n bytes with pauses between, as a poor line does.
func (t *Talk) Slowly(b []byte, n int, gap time.Duration) {
	for len(b) > n && t.err == nil {
		t.Message(b[:n])
		t.Pause(gap)
		b = b[n:]
	}
	t.Message(b)
}

// Read reads until enough says that the answer is whole, and returns it.
func (t *Talk) Read(enough func([]byte) bool) []byte {
	var got []byte
	buf := make([]byte, 16384)
	for t.err == nil && !enough(got) {
		var n int
		n, t.err = t.conn.Read(buf)
		got = append(got, buf[:n]...)
	}
	return got
}

// Datagram waits for one datagram, or until the script ends.
func (t *Talk) Datagram() {
	if t.err == nil {
		t.conn.SetReadDeadline(t.end)
	}
	t.Read(func(b []byte) bool { return len(b) > 0 })
}

// Rest reads until the daemon closes.
func (t *Talk) Rest() []byte { return t.Read(func([]byte) bool { return false }) }

// Pause waits.
func (t *Talk) Pause(d time.Duration) {
	if t.err != nil {
		return
	}
	select {
	case <-time.After(d):
	case <-t.ctx.Done():
		t.err = t.ctx.Err()
	}
}

// Until waits for a time after the script's start.
func (t *Talk) Until(at time.Duration) { t.Pause(time.Until(t.begin.Add(at))) }

// Await waits until somebody announces a signal.
func (t *Talk) Await(name string) {
	if t.err != nil {
		return
	}
	select {
	case <-t.signal(name):
	case <-t.ctx.Done():
		t.err = t.ctx.Err()
	}
}
