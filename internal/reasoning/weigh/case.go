package weigh

import (
	"net/netip"

	"github.com/inquest-project/inquest/internal/reading/conversation"
	"github.com/inquest-project/inquest/internal/reading/heap"
	"github.com/inquest-project/inquest/internal/reading/image"
	"github.com/inquest-project/inquest/internal/reading/reach"
	"github.com/inquest-project/inquest/internal/reading/tlskeys"
	"github.com/inquest-project/inquest/internal/reading/unwind"
	"github.com/inquest-project/inquest/internal/reasoning/death"
	"github.com/inquest-project/inquest/internal/reasoning/moment"
)

// NewCase gathers what is to be weighed: every message that the dead process received before it died, decrypted where
// that could be done, and where its bytes stand in memory. The image is nil where there is no core.
func NewCase(im *image.Image, stacks []unwind.Stack, d death.Death, when moment.Moment, opened map[*conversation.Conversation]*tlskeys.Opened) *Case {
	c := &Case{Image: im, Death: d, Moment: when, Functions: d.Functions, answers: map[*conversation.Message][]string{}}
	if im != nil {
		c.Heap = heap.Walk(im)
	}
	if im != nil && d.Thread >= 0 && d.Thread < len(stacks) {
		c.Stack = &stacks[d.Thread]
		c.Held = reach.From(im, *c.Stack, d.Frame, d.Entry)
	}
	for _, own := range when.Own {
		c.hear(own, opened[own.Conversation], when.Latest)
	}
	c.infer()
	Locate(c)
	c.Strange = c.strange()
	return c
}

// peer is the remote end of a candidate's conversation, or what memory tells of it.
func (c *Candidate) peer() netip.AddrPort {
	if c.Message == nil {
		return c.Peer
	}
	return c.Message.Conversation.Ends[c.Own.Side.Other()]
}

// fromMemory says whether the candidates are no capture's, but pieces of the dead process's memory.
func (c *Case) fromMemory() bool { return len(c.Candidates) > 0 && c.Candidates[0].Message == nil }
