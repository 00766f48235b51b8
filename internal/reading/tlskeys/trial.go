package tlskeys

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/inquest-project/inquest/internal/ground/place"
)

const (
	windowLength = 48 // of the longest secrets: a master, or what SHA-384 makes
	shortLength  = 32 // of those that SHA-256 makes
)

// trial tries windows of memory for some connections. A worker has its own.
type trial struct {
	*search
	masters []*quest
	traffic []suited
	deep    bool // what is tried for each connection by itself, and not for all at once, is worth its time
}

// suited are connections whose keys are derived alike, so that it is done once a window.
type suited struct {
	*suite
	code   uint16
	quests []*quest
}

func (s *search) trial(batch []*quest) *trial {
	t := &trial{search: s, deep: len(batch) == 1 || s.goal == complete}
	for _, q := range batch {
		if q.Version != tls13 {
			t.masters = append(t.masters, q)
			continue
		}
		i := 0
		for i < len(t.traffic) && t.traffic[i].code != q.Suite {
			i++
		}
		if i == len(t.traffic) {
			t.traffic = append(t.traffic, suited{suite: q.suite, code: q.Suite})
		}
		t.traffic[i].quests = append(t.traffic[i].quests, q)
	}
	return t
}

// over says whether there is nothing more to try.
func (t *trial) over() bool {
	if t.ctx.Err() != nil {
		return true
	}
	for _, q := range t.masters {
		if !t.done(q) {
			return false
		}
	}
	for _, g := range t.traffic {
		for _, q := range g.quests {
			if !t.done(q) {
				return false
			}
		}
	}
	return true
}

// at tries what stands at an address.
func (t *trial) at(a place.Address) {
	b := t.memory.from(a)
	t.window(b[:min(windowLength, len(b))], a)
}

// window tries a window, if it looks random: most of memory doesn't.
func (t *trial) window(w []byte, at place.Address) {
	if len(w) < shortLength || !random(w[:shortLength]) {
		return
	}
	long := len(w) == windowLength && random(w)
	if long {
		for _, q := range t.masters {
			if !t.done(q) && q.isMaster(w) {
				t.keep(q, at, "master secret", func(s *Secrets) { s.Master = bytes.Clone(w) })
			}
		}
	}
	for _, g := range t.traffic {
		if g.size <= len(w) && (g.size == shortLength || long) {
			t.secret(g, w[:g.size], at)
		}
	}
}

// random says whether bytes look so: few of them are equal. Of random bytes all but one in a million windows have
// as many different values, or more.
func random(w []byte) bool {
	least := 23 // of 32
	if len(w) == windowLength {
		least = 34
	}
	first, second := binary.LittleEndian.Uint64(w), binary.LittleEndian.Uint64(w[8:])
	if uint32(first) == 0 || binary.LittleEndian.Uint32(w[len(w)-4:]) == 0 {
		return false
	}
	// Most of memory is turned away at once: pointers and counts, of which one random window in four thousand millions has
	// two, and text, as which one in as many has no byte that isn't ASCII.
	third, fourth := binary.LittleEndian.Uint64(w[16:]), binary.LittleEndian.Uint64(w[24:])
	if (first|second)>>48 == 0 || (first|second|third|fourth)&0x8080808080808080 == 0 {
		return false
	}
	var seen [256]uint8
	different := len(w)
	for _, b := range w {
		different -= int(seen[b])
		seen[b] = 1
	}
	return different >= least
}

// keep keeps what was found.
func (t *trial) keep(q *quest, at place.Address, what string, set func(*Secrets)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	set(&q.secrets)
	if slices.ContainsFunc(q.at, func(p Place) bool { return p.Secret == what }) {
		return // a copy
	}
	q.at = append(q.at, Place{what, at})
	q.known.Store(q.level())
	t.learn(q, at)
}

// level is how much is known by now.
func (q *quest) level() level {
	s := q.secrets
	if s.Master != nil || s.Secret != nil {
		return complete
	}
	handshake, traffic, talked := true, true, false
	for r, samples := range q.samples {
		for _, sample := range samples {
			handshake = handshake && s.Handshake[r] != nil
			traffic = traffic && (sample.first || s.Traffic[r] != nil)
			talked = talked || !sample.first
		}
	}
	switch {
	case handshake && traffic:
		return complete
	case traffic && talked:
		return opens
	}
	return 0
}

// sample is a record that has the sequence number 0 if its key is the one that is due there.
type sample struct {
	record
	first bool // of its direction: sent during the handshake
	late  bool // it may follow a KeyUpdate
}

const (
	finishedMost  = 16 // records among which a direction's Finished is expected in TLS 1.3
	unsureSamples = 6
	lateSamples   = 3

	keyUpdateLength = 4 + 1 + 1 + 16 // of a record that holds one: message, content type, tag
)

// sampled are the records of a direction by which its secrets are verified.
func (c *Connection) sampled(r Role) []sample {
	if c.Version != tls13 {
		return c.firstSecured(r)
	}
	var sealed []record
	for rec := range c.records(r) {
		if rec.kind == contentApplication && rec.body != nil {
			sealed = append(sealed, rec)
		}
	}
	if len(sealed) == 0 {
		return nil
	}
	samples := []sample{{record: sealed[0], first: true}}
	behind := 0 // the record behind the Finished, which its length tells
	for i, rec := range sealed[:min(finishedMost, len(sealed))] {
		if len(rec.body) == 4+c.suite.size+1+16 {
			behind = i + 1
			break
		}
	}
	if behind > 0 && behind < len(sealed) {
		samples = append(samples, sample{record: sealed[behind]})
	}
	if behind == 0 {
		for _, rec := range sealed[1:min(unsureSamples, len(sealed))] {
			samples = append(samples, sample{record: rec})
		}
	}
	late := 0
	for i := len(sealed) - 2; i > behind && late < lateSamples; i-- {
		if len(sealed[i].body) == keyUpdateLength {
			samples = append(samples, sample{record: sealed[i+1], late: true})
			late++
		}
	}
	return samples
}

// firstSecured is the first encrypted record of a direction up to TLS 1.2, its Finished.
func (c *Connection) firstSecured(r Role) []sample {
	changed := false
	for rec := range c.records(r) {
		if changed && rec.lost == 0 && rec.body != nil {
			return []sample{{record: rec, first: true}}
		}
		changed = rec.kind == contentChange && len(rec.body) == 1
	}
	return nil
}

// isMaster says whether a window is the connection's master secret.
func (q *quest) isMaster(w []byte) bool {
	for r, samples := range q.samples {
		if len(samples) > 0 {
			_, ok := q.masterOpener(w, Role(r))(0, samples[0].record)
			return ok
		}
	}
	return false
}

// secret tries a window as a traffic secret of any of the connections, and as the handshake secret from which those
// follow.
func (t *trial) secret(g suited, w []byte, at place.Address) {
	open := g.trafficOpener(w)
	for _, q := range g.quests {
		if t.done(q) {
			continue
		}
		for r, samples := range q.samples {
			for _, s := range samples {
				if p, ok := open(0, s.record); ok {
					t.traffics(q, Role(r), s, p, w, at)
				}
			}
		}
		if t.deep && q.isHandshakeSecret(w) {
			t.keep(q, at, "handshake secret", func(s *Secrets) { s.Secret = bytes.Clone(w) })
		}
	}
}

// isHandshakeSecret says whether a traffic secret that follows from a window opens a record of the handshake.
func (q *quest) isHandshakeSecret(w []byte) bool {
	for _, r := range []Role{Server, Client} {
		if samples := q.samples[r]; len(samples) > 0 {
			_, ok := q.suite.trafficOpener(q.handshakeTraffic(w, q.hellos, r))(0, samples[0].record)
			return ok
		}
	}
	return false
}

// traffics keeps a traffic secret, told by what it opened: a handshake message that isn't sent later, or something
// else.
func (t *trial) traffics(q *quest, r Role, s sample, p plain, w []byte, at place.Address) {
	w = bytes.Clone(w) // the core may be closed before it is used
	who := [2]string{Client: "client's ", Server: "server's "}[r]
	later := p.kind != contentHandshake || len(p.data) > 0 &&
		(p.data[0] == newSessionTicket || p.data[0] == keyUpdate || p.data[0] == certificateWanted)
	switch {
	case s.first && !later:
		t.keep(q, at, who+"handshake traffic secret", func(s *Secrets) { s.Handshake[r] = w })
	case s.first && r == Client && q.earlyData:
		t.keep(q, at, "client's early traffic secret", func(s *Secrets) { s.Early = w })
	default:
		t.keep(q, at, who+"traffic secret", func(to *Secrets) { to.Traffic[r], to.Updated[r] = w, s.late })
	}
}
