// Package conversation turns packets into conversations, streams and messages, in which every byte
// knows the frame that brought it. Assemble is the way in; then walk Traffic's Conversations and ask each
// for the Messages that one side received, and for its Closes.
//
// TCP is rebuilt as RFC 9293 sends it: sequence numbers may wrap, segments come twice, late or
// overlapping (the copy that Linux takes counts), a SYN with a new number begins a new conversation on the
// same ports, and a capture may begin in the middle. What was not captured is a hole with its size.
//
// How a conversation ended is kept to the frame, because a kernel that closes a dead process's sockets
// tells what the process had read: FIN where it had read everything, RST where it had not.
//
// Captures may be larger than memory. A first walk keeps, of each conversation, counts and ends, and where the captures
// are small its packets' places, too; of larger ones Load walks again, for the packets of a time and of those
// conversations that matter. So memory grows with conversations, and not with bytes.
//
// Data are slices of the captures, which must stay open as long as the Traffic is used.
package conversation

import (
	"net/netip"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/capture"
	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// Traffic is everything that some captures say.
type Traffic struct {
	Conversations []*Conversation // in order of their first packet
	Packets       int             // all frames, those without IP too
	First, Last   time.Time       // of all frames
	ICMP          []ICMP          // errors about packets of these captures, in order; the first mostErrors
	Refusals      []Refusal       // SYNs answered by RST, in order: nobody listens any more, or not yet; the first mostErrors
	Damage        []cursor.Damage
	Dropped       uint64 // packets that the captures lost, where they tell
	Duplicates    int    // packets that were captured again, on their way through the host
	Folded        int    // conversations that were captured again on the way, with addresses translated: left out
	Forgotten     int    // conversations that were left out since there were too many: those quiet longest
	Whole         bool   // the packets of all conversations are at hand; else Load gives those that are wanted

	// Where the captures are not at hand as a whole: what was loaded.
	From, To time.Time

	files []*capture.File
	kept  int  // packets whose places are at hand
	rate  rate // of the packets
}

// Captures are the names of the captures.
func (t *Traffic) Captures() (names []string) {
	for _, f := range t.files {
		names = append(names, f.Name)
	}
	return names
}

// Side is an end of a conversation.
type Side int

// The two sides: who began, and who was spoken to.
const (
	Opener Side = iota
	Responder
)

// Other is the opposite side.
func (s Side) Other() Side { return 1 - s }

// Event is something that one frame tells. The zero value is none.
type Event struct {
	File  int32 // index of the capture that the frame is counted in, in the order they were given
	Frame int32
	Time  time.Time
}

// IsZero says whether it is no event at all.
func (e Event) IsZero() bool { return e.Frame == 0 }

// Before says whether an event came before another: of the same capture by its frame, else by its time.
func (e Event) Before(other Event) bool {
	if e.File == other.File {
		return e.Frame < other.Frame
	}
	return e.Time.Before(other.Time)
}

// Conversation is one TCP connection, or all that was said on one UDP 4-tuple.
type Conversation struct {
	Number      int               // counted in the captures, from 0
	Transport   string            // "tcp" or "udp"
	Ends        [2]netip.AddrPort // by Side; from a packet list an address may be invalid, being a name
	Also        [][2]string       // Names under which it was captured, too, where addresses were translated
	OpenerKnown bool              // false where the opener was guessed from the ports
	Start, End  time.Time         // of its first and last packet
	Streams     [2]Stream         // what each side sent
	Closes      []Close           // every FIN and RST, in order
	Refused     bool              // its SYN was answered by a RST
	Unreachable *Unreachable      // the first ICMP message that a side's port is closed

	begin
	listed  *[2]string // how a packet list names the ends; nil for all others
	swapped bool       // the opener is the key's second end
	cited   bool       // by a refusal or an ICMP error of the traffic
	isn     [2]uint32
	synSeen [2]bool
	traffic *Traffic
	packets *[2]packets // nil where they are not at hand
}

// Capture is the name of the capture that it begins in; frames are counted in it.
func (c *Conversation) Capture() string { return c.traffic.files[c.begin.file].Name }

// Names are the ends as they are shown: "192.0.2.1:80", "[2001:db8::1]:80", "server:443".
func (c *Conversation) Names() [2]string {
	if c.listed != nil {
		return *c.listed
	}
	return [2]string{c.Ends[Opener].String(), c.Ends[Responder].String()}
}

// Close is a FIN or RST and what the side that sent it had acknowledged by then.
type Close struct {
	Side Side
	RST  bool
	Event
	Seq, Ack uint32 // as sent; a RST without the ACK flag has no Ack
	Acked    uint64 // bytes of the other side that this side had acknowledged by then, with this packet
	Arrived  uint64 // bytes that the other side had sent by then, as far as captured
}

// AllAcked says whether the closing side's kernel had received all that was sent to it. It says nothing
// about whether the process had read it.
func (c Close) AllAcked() bool { return c.Acked >= c.Arrived }

// Refusal is a connection attempt that was answered by RST.
type Refusal struct {
	Event
	Endpoint     netip.AddrPort // where nobody listened
	Conversation *Conversation
}

// ICMP is an error message about a packet of one of the conversations.
type ICMP struct {
	Event
	From            netip.Addr
	Type, Code      uint8
	PortUnreachable bool
	Conversation    *Conversation // nil where the quoted packet was not captured
	About           Side          // to whom the quoted packet went
}

// Unreachable says that a side's port was closed.
type Unreachable struct {
	Event
	Side Side // whose port was closed
}

// Ending is the first FIN or RST that a side sent; nil if it sent none. A RST after a FIN answers what
// came too late, and tells nothing about what had been read.
func (c *Conversation) Ending(side Side) *Close {
	for i := range c.Closes {
		if c.Closes[i].Side == side {
			return &c.Closes[i]
		}
	}
	return nil
}

// Spoke says whether a side ever sent a byte.
func (c *Conversation) Spoke(side Side) bool { return !c.Streams[side].First.IsZero() }
