package tlskeys

import (
	"fmt"
	"slices"
)

// Open opens what the secrets open.
func (c *Connection) Open(s Secrets) *Opened {
	o := &Opened{}
	s = c.completed(s)
	for role := Client; role <= Server; role++ {
		d := c.direction(role, s)
		receiver := c.side(role).Other()
		o.Messages[receiver], o.closed[receiver] = c.messages(receiver, d.openAll()), d.closed
		o.Problems = append(o.Problems, d.problems()...)
	}
	o.answer()
	return o
}

// completed derives what the handshake secret and the captured handshake give.
func (c *Connection) completed(s Secrets) Secrets {
	if s.Secret == nil {
		return s
	}
	hellos := c.transcript()
	for r := Client; r <= Server; r++ {
		s.Handshake[r] = c.handshakeTraffic(s.Secret, hellos, r)
	}
	flight, whole := c.serverFlight(s)
	if !whole {
		return s
	}
	if traffic, err := c.applicationTraffic(s.Secret, c.transcript(flight...)); err == nil {
		s.Traffic, s.Updated = traffic, [2]bool{}
	}
	return s
}

// serverFlight are the server's encrypted handshake messages up to its Finished.
func (c *Connection) serverFlight(s Secrets) ([]handshake, bool) {
	var joined []byte
	d := c.direction(Server, Secrets{Handshake: s.Handshake})
	for _, p := range d.openFirst(flightMost) {
		joined = append(joined, p.data...)
	}
	flight := split(joined)
	end := slices.IndexFunc(flight, func(h handshake) bool { return h.kind == finished })
	return flight[:end+1], end >= 0
}

// flightMost is more records than the handshake of a server has.
const flightMost = 256

// epoch is a stretch of a direction under one key; in each, records are counted from 0.
type epoch struct {
	open    opener
	secret  []byte // of TLS 1.3's traffic: it gives the next after a KeyUpdate
	updates bool
}

// direction opens what one role sent.
type direction struct {
	c      *Connection
	role   Role
	epochs []epoch
	now    int    // the epoch of the last record that was opened; -1 where any can be
	seq    uint64 // of the next record in it
	slack  int    // so many more records may have been lost since then
	tries  int    // sequence numbers that may still be guessed

	secured  bool // a ChangeCipherSpec was seen: what follows is encrypted
	opened   int
	unopened int
	first    record   // that wasn't opened
	closed   []uint64 // where records begin that weren't opened, or were in clear
}

// triesMost bounds how often an unknown sequence number is guessed in one direction: a hostile capture can be all
// holes.
const triesMost = 1 << 17

func (c *Connection) direction(role Role, s Secrets) *direction {
	d := &direction{c: c, role: role, tries: triesMost}
	if c.Version != tls13 {
		if s.Master != nil {
			d.epochs = []epoch{{open: c.masterOpener(s.Master, role)}}
		}
		return d
	}
	d.now = -1
	if role == Client {
		d.add(s.Early, false)
	}
	d.add(s.Handshake[role], false)
	d.add(s.Traffic[role], true)
	return d
}

func (d *direction) add(secret []byte, updates bool) {
	if secret != nil {
		d.epochs = append(d.epochs, epoch{d.c.suite.trafficOpener(secret), secret, updates})
	}
}

// openAll opens all records that can be.
func (d *direction) openAll() []plain { return d.openFirst(-1) }

// openFirst opens records among the first n; among all if n is negative.
func (d *direction) openFirst(n int) (all []plain) {
	for r := range d.c.records(d.role) {
		if n == 0 {
			break
		}
		n--
		if p, ok := d.record(r); ok {
			all = append(all, p)
		} else if r.kind != contentChange {
			d.closed = append(d.closed, r.offset)
		}
	}
	return all
}

// record opens a record if it is encrypted and any key that can be due opens it.
func (d *direction) record(r record) (plain, bool) {
	if d.clear(r) {
		return plain{}, false
	}
	d.slack = min(d.slack+r.lost, triesMost)
	if p, ok := d.try(r); ok {
		d.opened++
		d.secured, d.slack = true, 0
		return p, true
	}
	if d.unopened == 0 {
		d.first = r
	}
	d.unopened++
	d.seq++
	return plain{}, false
}

// clear says whether a record isn't encrypted. Where the ChangeCipherSpec may be lost, any can be.
func (d *direction) clear(r record) bool {
	switch {
	case r.kind == contentApplication:
		return false
	case d.c.Version == tls13:
		return true
	case r.kind == contentChange && len(r.body) == 1:
		d.secured = true
		return true
	}
	return !d.secured && r.lost == 0 && d.slack == 0
}

// try tries the current epoch's key and then those that may follow, each with as many sequence numbers as
// records may be lost.
func (d *direction) try(r record) (plain, bool) {
	if r.body == nil {
		return plain{}, false
	}
	for i := max(d.now, 0); i < d.due(); i++ {
		from := uint64(0)
		if i == d.now {
			from = d.seq
		}
		for guess := range d.slack + 1 {
			if guess > 0 {
				if d.tries--; d.tries < 0 {
					return plain{}, false
				}
			}
			if p, ok := d.epochs[i].open(from+uint64(guess), r); ok {
				d.now, d.seq = i, p.seq+1
				return p, true
			}
		}
	}
	return plain{}, false
}

// due is how many epochs there can be by now. Behind the last there may be one more: a KeyUpdate may have come.
func (d *direction) due() int {
	last := len(d.epochs) - 1
	if last >= 0 && d.now == last && d.epochs[last].updates {
		d.add(d.c.suite.updated(d.epochs[last].secret), true)
	}
	return len(d.epochs)
}

// problems say what wasn't opened of what a role sent.
func (d *direction) problems() []string {
	who := [2]string{Client: "client", Server: "server"}[d.role]
	switch {
	case len(d.epochs) == 0 && d.unopened > 0:
		return []string{fmt.Sprintf("no secret is known for what the %s sent: %d records stay closed", who, d.unopened)}
	case d.unopened == 0:
		return nil
	}
	why := "no known secret opens it: it was sent under other keys, or isn't as it was sent"
	if d.first.body == nil {
		why = "it was not captured whole"
	}
	return []string{fmt.Sprintf("%d of %d encrypted records of the %s stay closed; the first, at 0x%x of its stream: %s",
		d.unopened, d.unopened+d.opened, who, d.first.offset, why)}
}
