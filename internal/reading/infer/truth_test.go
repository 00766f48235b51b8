package infer

import (
	"cmp"
	"encoding/xml"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/inquest-project/inquest/internal/evidence/capture"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reading/conversation"
	"github.com/inquest-project/inquest/internal/reading/dissect"
)

// spoken is a message, and where its fields truly begin and end; nil where nobody knows.
type spoken struct {
	Message
	truth []span
}

// span is a piece of a message.
type span struct{ offset, length int }

// recorded are the messages of a capture in testdata over one transport, in the order in which they came, with the
// fields that tshark tells, and with those that package dissect tells.
func recorded(t *testing.T, name, transport string) (tsharks, dissects []spoken) {
	t.Helper()
	path := filepath.Join("testdata", name+".pcap.gz")
	file, err := capture.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	var messages []*conversation.Message
	for _, c := range conversation.Assemble(file).Conversations {
		if c.Transport != transport {
			continue
		}
		messages = slices.Concat(messages, c.Messages(conversation.Opener), c.Messages(conversation.Responder))
	}
	slices.SortStableFunc(messages, func(a, b *conversation.Message) int { return cmp.Compare(a.Frames()[0], b.Frames()[0]) })
	leaves := tsharkLeaves(t, path)
	dialogues := map[*conversation.Conversation]*dissect.Dialogue{}
	for _, m := range messages {
		c := m.Conversation
		plain := Message{Data: m.Data, FromClient: m.Receiver == conversation.Responder, Conversation: c.Number}
		var theirs []span
		for _, g := range m.Segments {
			for _, leaf := range leaves[int(g.Frame)] {
				theirs = append(theirs, span{g.Offset + leaf.offset, leaf.length})
			}
		}
		tsharks = append(tsharks, spoken{plain, theirs})
		if dialogues[c] == nil {
			dialogues[c] = new(dissect.Dialogue)
		}
		hint := dissect.Hint{Transport: c.Transport, Port: c.Ends[conversation.Responder].Port(), FromClient: plain.FromClient}
		dissects = append(dissects, spoken{plain, leavesOf(dialogues[c].Next(m.Data, hint).Fields)})
	}
	return tsharks, dissects
}

// leavesOf are the fields that hold no other.
func leavesOf(fields []finding.Field) (leaves []span) {
	for i, f := range fields {
		holds := func(g finding.Field) bool {
			return g.Length > 0 && g.Length < f.Length && f.Offset <= g.Offset && g.Offset+g.Length <= f.Offset+f.Length
		}
		if f.Length > 0 && !slices.ContainsFunc(fields[:i], holds) && !slices.ContainsFunc(fields[i:], holds) {
			leaves = append(leaves, span{f.Offset, f.Length})
		}
	}
	return leaves
}

// tsharkLeaves are the fields that hold no other, by frame, from where the payload begins. It is told to read frame by
// frame: what it puts together of several has other offsets.
func tsharkLeaves(t *testing.T, path string) map[int][]span {
	t.Helper()
	out, err := exec.Command("tshark", "-r", path, "-T", "pdml", "-o", "tcp.desegment_tcp_streams:FALSE").Output()
	if err != nil {
		t.Fatalf("tshark, whose fields this test takes for the truth (make setup installs it): %v", err)
	}
	var pdml struct {
		Packets []struct {
			Protocols []pdmlField `xml:"proto"`
		} `xml:"packet"`
	}
	if err := xml.Unmarshal(out, &pdml); err != nil {
		t.Fatalf("tshark's PDML: %v", err)
	}
	frames := map[int][]span{}
	for i, packet := range pdml.Packets {
		payload := -1
		var fields []finding.Field
		for _, p := range packet.Protocols {
			if payload >= 0 && p.Name != "fake-field-wrapper" {
				fields = p.under(fields, payload)
			}
			if p.Name == "tcp" || p.Name == "udp" {
				payload = p.Offset + p.Length
			}
		}
		frames[i+1] = leavesOf(fields)
	}
	return frames
}

type pdmlField struct {
	Name   string      `xml:"name,attr"`
	Offset int         `xml:"pos,attr"`
	Length int         `xml:"size,attr"`
	Hidden string      `xml:"hide,attr"`
	Fields []pdmlField `xml:"field"`
}

// under are the fields below one, those that tshark shows and that have bytes.
func (f pdmlField) under(list []finding.Field, payload int) []finding.Field {
	for _, sub := range f.Fields {
		if sub.Hidden != "yes" && sub.Length > 0 && sub.Offset >= payload {
			list = append(list, finding.Field{Name: sub.Name, Offset: sub.Offset - payload, Length: sub.Length})
		}
		list = sub.under(list, payload)
	}
	return list
}
