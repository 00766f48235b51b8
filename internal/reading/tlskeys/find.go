package tlskeys

import (
	"cmp"
	"context"
	"iter"
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
// most. It gives each connection as soon as what was said on it opens. Of TLS 1.3 one may come again, with more: only
// the handshake's secrets, which many programs forget, open its certificates and let other tools read the key log.
// Find ends when it has all, when all memory was walked over, when the context ends, or when its caller breaks off;
// what it found in part it gives last.
//
// Nothing is known of the program that kept the secrets. What looks random may be one, and what opens a captured
// record is one. The likeliest places come first: those where a secret of another connection stood, measured from the
// hello's random; around the randoms and the session ID, and where pointers lead from there; then where any pointer
// leads; then all, the nearest first.
func Find(ctx context.Context, memory []elfcore.Stretch, wanted []*Connection) iter.Seq[Found] {
	return func(yield func(Found) bool) {
		s := newSearch(ctx, memory, wanted)
		for _, s.goal = range []level{opens, complete} {
			for batch := range s.batches() {
				if !s.tell(batch, yield) {
					return
				}
			}
		}
		s.goal = 0
		s.tell(s.quests, yield)
	}
}

// level is how much of a connection is known.
type level = int32

const (
	opens    level = 1 + iota // its application data
	complete                  // all
)

const (
	batchGrowth    = 4 // by how much more connections are looked for in each further walk over memory
	likeliestShare = 8 // of connections
)

// batches looks for connections, and gives those that it has looked for: in the likeliest places and where pointers
// lead for the first, so that no other keeps it waiting, then for the others, and then everywhere for all.
func (s *search) batches() iter.Seq[[]*quest] {
	return func(yield func([]*quest) bool) {
		first := min(1, len(s.quests))
		for _, group := range [][]*quest{s.quests[:first], s.quests[first:]} {
			if !s.likeliest(group, yield) || !s.growing(s.wherePointersLead, group, yield) {
				return
			}
		}
		s.growing(s.everywhere, s.quests, yield)
	}
}

// likeliest tries the likeliest places for each of a group, for some at a time: what one teaches serves the next.
func (s *search) likeliest(group []*quest, yield func([]*quest) bool) bool {
	for batch := range slices.Chunk(group, likeliestShare) {
		parallel(s.ctx, batch, func() func(*quest) bool {
			return func(q *quest) bool {
				t := s.trial([]*quest{q})
				s.atDistances(q, t)
				s.near(q, t)
				return true
			}
		})
		if !yield(batch) {
			return false
		}
	}
	return true
}

// growing walks over memory for those of a group that are still to be found, for more and more at a time.
func (s *search) growing(walk func([]*quest), group []*quest, yield func([]*quest) bool) bool {
	rest := slices.DeleteFunc(slices.Clone(group), s.done)
	for size := 1; len(rest) > 0 && s.ctx.Err() == nil; size *= batchGrowth {
		batch := rest[:min(size, len(rest))]
		rest = rest[len(batch):]
		if walk(batch); !yield(batch) {
			return false
		}
	}
	return true
}

// tell gives those of a batch of which enough is known, and more than was told.
func (s *search) tell(batch []*quest, yield func(Found) bool) bool {
	for _, q := range batch {
		if len(q.at) == q.told || !s.done(q) {
			continue
		}
		q.told = len(q.at)
		if !yield(Found{q.Connection, q.completed(q.secrets), slices.Clone(q.at)}) {
			return false
		}
	}
	return true
}

// search is the state of one Find.
type search struct {
	ctx    context.Context
	memory memory
	quests []*quest
	goal   level
	learnt []distance // from an anchor to a secret

	targets func() targets // what pointers lead to, and looks random; looked for when first needed

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
	told    int // of at
	known   atomic.Int32
}

// done says whether as much is known of a connection as is wanted by now.
func (s *search) done(q *quest) bool { return q.known.Load() >= s.goal }

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
		if len(q.samples[Client])+len(q.samples[Server]) == 0 {
			q.known.Store(complete) // nothing to verify by
		}
		s.quests = append(s.quests, q)
	}
	s.targets = sync.OnceValue(s.target)
	s.anchor()
	return s
}

// atDistances tries where the secrets of other connections stood.
func (s *search) atDistances(q *quest, t *trial) {
	s.mu.Lock()
	learnt := slices.Clone(s.learnt)
	s.mu.Unlock()
	for _, d := range learnt {
		for _, a := range q.anchors {
			if !s.done(q) {
				t.at(a + place.Address(d))
			}
		}
	}
}

const (
	nearBy  = 2 << 10 // bytes before and behind an anchor
	pointed = 512     // bytes behind where a pointer leads

	overEach = 128 // windows that are tried until it is asked whether to go on
)

// near tries what lies around a connection's anchors, then where pointers lead from there.
func (s *search) near(q *quest, t *trial) {
	for _, a := range q.anchors {
		for at := a - nearBy; at < a+nearBy && !s.done(q); at += 4 {
			t.at(at)
		}
	}
	for _, a := range q.anchors {
		for from := (a - nearBy) &^ 7; from < a+nearBy && !s.done(q); from += 8 {
			to, i := s.memory.pointer(s.memory.from(from), 0)
			if i < 0 {
				continue
			}
			there := s.memory[i].Data[to-s.memory[i].Start:]
			for at := 0; at < min(pointed, len(there)); at += 8 {
				t.window(there[at:min(at+windowLength, len(there))], to+place.Address(at))
			}
		}
	}
}

// wherePointersLead tries for some connections all that looks random and that a word of the memory leads to.
func (s *search) wherePointersLead(batch []*quest) {
	targets := s.targets()
	parallel(s.ctx, s.memory.pieces(anchorsOf(batch)), func() func(piece) bool {
		t := s.trial(batch)
		return func(p piece) bool {
			tries := 0
			for at := range targets.in(p) {
				if tries++; tries%overEach == 0 && t.over() {
					return false
				}
				t.window(p.window(at), p.address(at))
			}
			return !t.over()
		}
	})
}

// everywhere tries for some connections each eighth byte, then the fourths between them, in pieces of which the
// nearest to an anchor come first.
func (s *search) everywhere(batch []*quest) {
	pieces := s.memory.pieces(anchorsOf(batch))
	for _, first := range []int{0, 4} {
		parallel(s.ctx, pieces, func() func(piece) bool {
			t := s.trial(batch)
			return func(p piece) bool {
				for at := first; at < p.length && (at%(8*overEach) != first || !t.over()); at += 8 {
					t.window(p.window(at), p.address(at))
				}
				return !t.over()
			}
		})
	}
}

func anchorsOf(batch []*quest) (all []place.Address) {
	for _, q := range batch {
		all = append(all, q.anchors...)
	}
	slices.Sort(all)
	return all
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
