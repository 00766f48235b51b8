package tlskeys

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// Found is what memory gave of one connection.
type Found struct {
	Connection *Connection
	Secrets    Secrets // each has opened a record of the connection, or follows from one that has
	At         []Place // where those stood that were found, in order of finding
}

// Place is where a secret stood.
type Place struct {
	Secret  string // "master secret", "handshake secret", "client's traffic secret" and so on
	Address place.Address
}

// Find looks in a dead process's writable memory for the secrets of connections, of which the first are wanted
// most. It gives as many as it found before the context ended, in the order of wanted; all that there are if it
// was not ended.
//
// Nothing is known of the program that kept them. What looks random may be a secret, and one that opens a
// captured record is. The likeliest places come first: those where a secret of another connection stood, measured from the
// hello's random; around the randoms and the session ID, and where pointers lead from there; then where any pointer leads;
// then all, the nearest first.
func Find(ctx context.Context, memory []elfcore.Stretch, wanted []*Connection) []Found {
	s := newSearch(ctx, memory, wanted)
	s.nearAll()
	for size := 1; len(s.pending(s.quests)) > 0 && ctx.Err() == nil; size *= batchGrowth {
		batch := s.untried(size)
		if len(batch) == 0 {
			break
		}
		s.everywhere(batch)
	}
	return s.found()
}

// batchGrowth is by how much more connections are looked for in each walk over all memory. The first is looked for
// alone, so that others don't keep it waiting.
const batchGrowth = 4

// search is the state of one Find.
type search struct {
	ctx    context.Context
	memory memory
	quests []*quest
	learnt []distance // from an anchor to a secret, the latest first

	mu sync.Mutex // over learnt and the quests' findings
}

// quest is one connection's search.
type quest struct {
	*Connection
	anchors []place.Address
	samples [2][]sample
	hellos  []byte // hash of the transcript, of TLS 1.3

	secrets Secrets
	at      []Place
	done    atomic.Bool
	tried   bool // all memory was walked over for it
}

// distance is how far a secret stood from an anchor: in the same structure it is the same for all connections.
type distance int64

func newSearch(ctx context.Context, stretches []elfcore.Stretch, wanted []*Connection) *search {
	s := &search{ctx: ctx, memory: newMemory(stretches)}
	for _, c := range wanted {
		q := &quest{Connection: c}
		for r := range q.samples {
			q.samples[r] = c.sampled(Role(r))
		}
		if c.Version == tls13 {
			q.hellos = c.transcript()
		}
		q.done.Store(len(q.samples[Client])+len(q.samples[Server]) == 0) // nothing to verify by
		s.quests = append(s.quests, q)
	}
	s.anchor()
	return s
}

func (s *search) pending(quests []*quest) (list []*quest) {
	for _, q := range quests {
		if !q.done.Load() {
			list = append(list, q)
		}
	}
	return list
}

// untried are the first so many connections for which all memory is still to be walked over.
func (s *search) untried(most int) (list []*quest) {
	for _, q := range s.pending(s.quests) {
		if !q.tried && len(list) < most {
			q.tried = true
			list = append(list, q)
		}
	}
	return list
}

func (s *search) found() (all []Found) {
	for _, q := range s.quests {
		if !q.secrets.Empty() {
			all = append(all, Found{q.Connection, q.completed(q.secrets), q.at})
		}
	}
	return all
}

// nearAll tries the likeliest places for each connection.
func (s *search) nearAll() {
	for _, q := range s.quests {
		if s.ctx.Err() != nil {
			return
		}
		one := s.trial([]*quest{q})
		s.atDistances(q, one)
		s.near(q, one)
	}
}

// atDistances tries where the secrets of other connections stood.
func (s *search) atDistances(q *quest, t *trial) {
	for _, d := range slices.Clone(s.learnt) {
		for _, a := range q.anchors {
			if !q.done.Load() {
				t.at(a + place.Address(d))
			}
		}
	}
}

const (
	nearBy  = 2 << 10 // bytes before and behind an anchor
	pointed = 512     // bytes behind where a pointer leads
)

// near tries what lies around a connection's anchors, then where pointers lead from there.
func (s *search) near(q *quest, t *trial) {
	for _, a := range q.anchors {
		for at := a - nearBy; at < a+nearBy && !q.done.Load(); at += 4 {
			t.at(at)
		}
	}
	for _, a := range q.anchors {
		for from := (a - nearBy) &^ 7; from < a+nearBy && !q.done.Load(); from += 8 {
			to, ok := s.memory.pointer(from)
			for at := to; ok && at < to+pointed; at += 8 {
				t.at(at)
			}
		}
	}
}

// everywhere walks over all memory for some connections: where pointers lead, then each eighth byte, then the
// fourths between them, in pieces of which the nearest to an anchor come first.
func (s *search) everywhere(batch []*quest) {
	pieces := s.memory.pieces(anchorsOf(batch))
	for _, walk := range []func(piece, *trial){s.whereItPoints, eighths, fourths} {
		s.parallel(pieces, batch, walk)
	}
}

func anchorsOf(batch []*quest) (all []place.Address) {
	for _, q := range batch {
		all = append(all, q.anchors...)
	}
	slices.Sort(all)
	return all
}

// parallel walks over pieces with all processors.
func (s *search) parallel(pieces []piece, batch []*quest, walk func(piece, *trial)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			t := s.trial(batch)
			for !t.over() {
				i := int(next.Add(1)) - 1
				if i >= len(pieces) {
					return
				}
				walk(pieces[i], t)
			}
		})
	}
	workers.Wait()
}

func eighths(p piece, t *trial) { p.each(0, 8, t) }
func fourths(p piece, t *trial) { p.each(4, 8, t) }

// each tries a piece's windows at a stride.
func (p piece) each(from, stride int, t *trial) {
	for at := from; at < p.length; at += stride {
		if window := p.window(at); !t.window(window, p.Start+place.Address(p.from+at)) && t.over() {
			return
		}
	}
}

// whereItPoints tries where a piece's words lead, if they are pointers to writable memory.
func (s *search) whereItPoints(p piece, t *trial) {
	for at := 0; at+8 <= p.length; at += 8 {
		if to, ok := s.memory.pointer(p.Start + place.Address(p.from+at)); ok && t.at(to) && t.over() {
			return
		}
	}
}

// learn keeps how far from an anchor a secret stood.
func (s *search) learn(q *quest, at place.Address) {
	for _, a := range q.anchors {
		d := distance(at) - distance(a)
		if d > -learnBy && d < learnBy && !slices.Contains(s.learnt, d) && len(s.learnt) < learnMost {
			s.learnt = append(s.learnt, d)
		}
	}
}

const (
	learnBy   = 1 << 20 // farther apart no structure is
	learnMost = 64
)

// nearest is how far an address is from the nearest of some sorted ones.
func nearest(sorted []place.Address, a place.Address) uint64 {
	i, _ := slices.BinarySearchFunc(sorted, a, func(x, a place.Address) int { return cmp.Compare(x, a) })
	best := ^uint64(0)
	if i < len(sorted) {
		best = uint64(sorted[i] - a)
	}
	if i > 0 {
		best = min(best, uint64(a-sorted[i-1]))
	}
	return best
}
