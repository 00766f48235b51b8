package weigh

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/inquest-project/inquest/internal/evidence/capture"
	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/evidence/elftest"
	"github.com/inquest-project/inquest/internal/evidence/wiretest"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/conversation"
	"github.com/inquest-project/inquest/internal/reading/image"
	"github.com/inquest-project/inquest/internal/reading/unwind"
	"github.com/inquest-project/inquest/internal/reasoning/death"
	"github.com/inquest-project/inquest/internal/reasoning/moment"
)

const (
	client, server = wiretest.Client, wiretest.Server
	ms             = time.Millisecond

	daemon, upstream = "192.0.2.2:80", "203.0.113.9:443"
	ownEnd           = "192.0.2.2:50000" // of what the daemon opens itself
)

// wire is a capture of which the test says itself how each conversation stood at the death.
type wire struct {
	*wiretest.Script
	t     testing.TB
	owned []moment.Own // without the conversations, in the order of their first packets
}

func newWire(t testing.TB) *wire { return &wire{Script: wiretest.New(), t: t} }

// dial opens a client's connection.
func (w *wire) dial(state moment.State) *wiretest.Line {
	l := w.Dial(w.caller(), daemon)
	w.owned = append(w.owned, moment.Own{Side: conversation.Responder, State: state})
	return l
}

// caller is an end that nobody has called from yet.
func (w *wire) caller() string { return fmt.Sprintf("198.51.100.1:%d", 40000+len(w.owned)) }

// datagrams are a client's over UDP.
func (w *wire) datagrams() *wiretest.Line {
	l := w.Line(w.caller(), daemon)
	w.owned = append(w.owned, moment.Own{Side: conversation.Responder, State: moment.Datagrams})
	return l
}

// call opens a connection of the daemon's.
func (w *wire) call(state moment.State) *wiretest.Line {
	l := w.Dial(ownEnd, upstream)
	w.owned = append(w.owned, moment.Own{Side: conversation.Opener, State: state, Outbound: true})
	return l
}

// asks sends a message on a connection of its own.
func (w *wire) asks(state moment.State, message string) *wiretest.Line {
	l := w.dial(state)
	l.Say(client, message)
	return l
}

// answered are n messages, "PREFIX 0" and so on, that are answered at once.
func (w *wire) answered(n int, prefix string) {
	for i := range n {
		w.asks(moment.Open, fmt.Sprintf("%s %d", prefix, i)).Say(server, "done")
	}
}

// died ends the capture: the process died between the last packet and a second later.
func (w *wire) died() moment.Moment {
	return moment.Moment{Earliest: w.Next, Latest: w.Next.Add(time.Second), Clock: "capture", Own: w.own()}
}

func (w *wire) own() []moment.Own {
	w.t.Helper()
	f, err := capture.Parse("wire.pcap", w.Bytes())
	if err != nil {
		w.t.Fatal(err)
	}
	traffic := conversation.Assemble(f)
	if len(traffic.Conversations) != len(w.owned) {
		w.t.Fatalf("%d conversations for %d lines", len(traffic.Conversations), len(w.owned))
	}
	owned := slices.Clone(w.owned)
	for i, c := range traffic.Conversations {
		owned[i].Conversation = c
		if s := owned[i].State; s == moment.ClosedFIN || s == moment.ClosedRST {
			owned[i].Close = c.Ending(owned[i].Side)
		}
	}
	return owned
}

// alone is a case without a core.
func (w *wire) alone() *Case { return NewCase(nil, nil, death.Death{Thread: -1}, w.died(), nil) }

const (
	codes  = 0x400000
	heapAt = 0x550000000000
	stack  = 0x7ffd00000000

	red  = 128         // bytes below the stack pointer, which functions that call no others use
	live = 128         // bytes of a frame
	sp   = stack + red // of the function that died
)

// core is what is in the dead process's memory: words on its live stack and in a register, and bytes by
// their offset in the heap and in the stack.
type core struct {
	rdi            uint64
	words          []uint64 // of the frame that died
	below          []uint64 // left over below all frames
	deep           int      // bytes of the frame that it called to die, which hardly uses them
	first          []uint64 // of the thread's first function, which called that one, if there are any
	smashed        bool     // its stack ends at a return address that is no code
	title          string
	onHeap         map[int]string
	onStack        map[int]string
	auxv           map[uint64]uint64
	mappings       []elftest.Mapping
	segments       []elftest.Segment
	culprit        *finding.Culprit
	withoutThreads bool
}

// word is a machine word that holds the beginning of a text.
func word(text string) uint64 {
	var w uint64
	for i := min(len(text), 8) - 1; i >= 0; i-- {
		w = w<<8 | uint64(text[i])
	}
	return w
}

// pointer is the eight bytes of an address, to be put into a heap.
func pointer(a uint64) string { return string(elftest.Words(a)) }

func (c core) open(t testing.TB) (*image.Image, []unwind.Stack) {
	t.Helper()
	onHeap, onStack := filled(64<<10, c.onHeap), filled(64<<10, c.onStack)
	for at, words := range map[int][]uint64{0: c.below, red + c.deep: c.words, red + c.deep + live: c.first} {
		if len(words) > live/8 {
			t.Fatal("more words than a frame has")
		}
		copy(onStack[at:], elftest.Words(words...))
	}
	p := elftest.Process{
		Threads:  []elftest.Thread{{TID: 1, Signal: 11, PC: codes, SP: sp, Argument1: c.rdi}},
		Mappings: c.mappings,
		Memory: append([]elftest.Segment{{Flags: elftest.RX, Vaddr: codes, Size: 4096}}, append(c.segments,
			elftest.Segment{Flags: elftest.RW, Vaddr: heapAt, Data: onHeap},
			elftest.Segment{Flags: elftest.RW, Vaddr: stack, Data: onStack})...),
	}
	if c.withoutThreads {
		p.Threads = nil
	}
	parsed, err := elfcore.Parse("core", p.Core())
	if err != nil {
		t.Fatal(err)
	}
	if c.auxv != nil {
		parsed.Auxv = c.auxv
	}
	if c.title != "" {
		parsed.Process.Arguments = c.title
	}
	im := image.Open(parsed, image.Finder{})
	t.Cleanup(im.Close)
	stacks := unwind.Threads(im)
	for i := range stacks { // of code without a file nobody knows how large its frames are
		s := &stacks[i]
		s.Smashed = c.smashed
		add := func(size int) {
			from := place.Address(sp)
			if n := len(s.Frames); n > 0 {
				from = s.Frames[n-1].CFA
			}
			s.Frames = append(s.Frames, unwind.Frame{Index: len(s.Frames), PC: codes + 8, SP: from, CFA: from + place.Address(size)})
		}
		running := s.Frames[0]
		s.Frames = nil
		if c.deep > 0 {
			add(c.deep)
		}
		add(live)
		if c.first != nil {
			add(live)
		}
		running.CFA = s.Frames[0].CFA
		s.Frames[0] = running
	}
	return im, stacks
}

// death is that of the core's thread.
func (c core) death(stacks []unwind.Stack) death.Death {
	d := death.Death{Thread: min(0, len(stacks)-1), Culprit: c.culprit}
	if c.deep > 0 {
		d.Frame = 1
	}
	if c.first != nil {
		d.Entry = d.Frame + 1
	}
	return d
}

func filled(size int, at map[int]string) []byte {
	b := make([]byte, size)
	for off, text := range at {
		copy(b[off:], text)
	}
	return b
}

// with joins a capture and a core to a case.
func (c core) with(w *wire) *Case {
	w.t.Helper()
	im, stacks := c.open(w.t)
	return NewCase(im, stacks, c.death(stacks), w.died(), nil)
}

// alone is a case without a capture.
func (c core) alone(t testing.TB) *Case {
	t.Helper()
	im, stacks := c.open(t)
	made := NewCase(im, stacks, c.death(stacks), moment.Moment{}, nil)
	made.FromMemory()
	return made
}

// scenario is a small case and what one kind must say of its messages.
type scenario struct {
	name  string
	build func(t testing.TB) *Case
	want  map[string]string // level by message; those not named are not looked at. nil: the kind says nothing at all
}

// ofAll stands for all messages, where a kind speaks of the death as a whole.
const ofAll = "of all"

// tables are the scenarios of each kind.
var tables = map[string][]scenario{
	"time": timeScenarios, "unanswered": unansweredScenarios, "read": readScenarios, "novelty": noveltyScenarios,
	"fit": fitScenarios, "memory": memoryScenarios, "reachable": reachableScenarios, "socket": socketScenarios,
	"names": namesScenarios, "junk": junkScenarios, "form": formScenarios, "near": nearScenarios,
	"waits": waitsScenarios, "at hand": atHandScenarios, "idle": idleScenarios, "doing": doingScenarios,
}

func TestEachKindSaysOfAMessage(t *testing.T) {
	for _, kind := range Kinds {
		seen := map[string]bool{}
		for _, s := range tables[kind.Name] {
			t.Run(kind.Name+"/"+s.name, func(t *testing.T) {
				c := s.build(t)
				Observe(c) // some rest on what others have observed
				observations := kind.observe(c)
				if (observations == nil) != (s.want == nil) {
					t.Fatalf("expected %v, found %v", s.want, observations)
				}
				found := map[string]string{}
				for i, o := range observations {
					if o.Level != "" && !slices.Contains(kind.Levels, o.Level) {
						t.Errorf("%q is no level of this kind", o.Level)
					}
					seen[o.Level] = true
					message := ofAll
					if !kind.Whole {
						message = string(c.Candidates[i].Data)
					}
					if _, asked := s.want[message]; asked {
						found[message] = o.Level
					}
				}
				if diff := cmp.Diff(s.want, found); s.want != nil && diff != "" {
					t.Error(diff)
				}
			})
		}
		for _, level := range kind.Levels {
			if !seen[level] && !t.Failed() {
				t.Errorf("no scenario shows %s: %s", kind.Name, level)
			}
		}
	}
}
