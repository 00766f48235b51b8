package finding

import "time"

// Wire is what captures say by themselves: conversations, and of one that is followed its messages. Completed by
// telling.CompleteWire it has its sentences.
type Wire struct {
	Version       int            `json:"version"`
	Captures      []string       `json:"captures"`
	Packets       int            `json:"packets"` // all frames
	First         *time.Time     `json:"first,omitempty"`
	Last          *time.Time     `json:"last,omitempty"`
	Dropped       uint64         `json:"dropped,omitempty"`    // packets that the captures lost, where they tell
	Duplicates    int            `json:"duplicates,omitempty"` // packets that were captured at a second place
	Folded        int            `json:"folded,omitempty"`     // conversations that were captured again with addresses translated
	Forgotten     int            `json:"forgotten,omitempty"`  // conversations left out, since there were too many
	ICMPErrors    int            `json:"icmp_errors,omitempty"`
	TLS           *TLS           `json:"tls,omitempty"` // where keys are at hand: what they open
	Conversations []Conversation `json:"conversations"`
	Problems      []string       `json:"problems,omitempty"`
	Says          string         `json:"says,omitempty"`
}

// Conversation is one TCP connection, or all that was said on one UDP 4-tuple.
type Conversation struct {
	Number      int         `json:"number"` // from 1, in the order of the first packets
	Capture     string      `json:"capture"`
	Transport   string      `json:"transport"`         // "tcp" or "udp"
	Client      string      `json:"client"`            // "IP:port"
	Server      string      `json:"server"`            // "IP:port"
	Guessed     bool        `json:"guessed,omitempty"` // who was the client, since the beginning was not captured
	Also        [][2]string `json:"also,omitempty"`    // client and server as captured elsewhere, with addresses translated
	Protocol    string      `json:"protocol,omitempty"`
	Inside      string      `json:"inside,omitempty"`   // the protocol of what was decrypted
	Inferred    int         `json:"inferred,omitempty"` // no dissector knows its protocol: from so many messages of the service fields were inferred
	Start       time.Time   `json:"start"`
	End         time.Time   `json:"end"`
	FromClient  Flow        `json:"from_client"`
	FromServer  Flow        `json:"from_server"`
	Refused     bool        `json:"refused,omitempty"`
	Closes      []Close     `json:"closes,omitempty"`      // every FIN and RST, in order
	Unreachable *Close      `json:"unreachable,omitempty"` // the first ICMP error that a port is closed; From is whose
	Ended       string      `json:"ended,omitempty"`       // how, as a sentence
	Messages    []Spoken    `json:"messages,omitempty"`    // in the order in which they came; only where it is followed
}

// Flow is what one side sent.
type Flow struct {
	Packets  int    `json:"packets"`           // with payload
	Bytes    uint64 `json:"bytes"`             // holes included
	Messages int    `json:"messages"`          // sends between two of the other side's; of UDP the datagrams
	Acked    uint64 `json:"acked"`             // bytes that the other side acknowledged; TCP only
	Missing  uint64 `json:"missing,omitempty"` // bytes that were not captured
	Holes    []Hole `json:"holes,omitempty"`   // where these were, the first of them
	Again    uint64 `json:"again,omitempty"`   // bytes that were sent again
}

// Hole is a range of a stream that was not captured, in bytes.
type Hole struct {
	Offset uint64 `json:"offset"`
	Length uint64 `json:"length"`
}

// Close is a FIN or RST.
type Close struct {
	From   string    `json:"from"` // "client" or "server"
	RST    bool      `json:"rst,omitempty"`
	Frame  int       `json:"frame"`
	Time   time.Time `json:"time"`
	Unread uint64    `json:"unread,omitempty"` // bytes of the other side that the closing side's kernel had not acknowledged by then
}

// Spoken is a message of a conversation that is followed.
type Spoken struct {
	From     string    `json:"from"` // "client" or "server"
	Frames   []int     `json:"frames"`
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	Offset   uint64    `json:"offset"` // of its first byte in the stream
	Length   int       `json:"length"`
	Missing  int       `json:"missing,omitempty"` // bytes of it that were not captured
	Sealed   *Sealed   `json:"sealed,omitempty"`  // it was encrypted, and is told as decrypted
	Protocol string    `json:"protocol,omitempty"`
	Summary  string    `json:"summary,omitempty"`
	Fields   []Field   `json:"fields,omitempty"`
	Inferred bool      `json:"inferred,omitempty"` // its fields were
	Bytes    []byte    `json:"bytes,omitempty"`    // base64; at most the first 64 KiB, zeros in holes
	Answered int       `json:"answered,omitempty"` // frame of the other side's first payload after it
}
