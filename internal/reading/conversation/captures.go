package conversation

import (
	"iter"
	"slices"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/capture"
)

// inTime goes through the packets of all captures in the order of their time, each with the index of its capture: the
// files of a ring follow one another, and what was captured at several places was captured at once.
func inTime(files []*capture.File) iter.Seq2[int32, capture.Packet] {
	return func(yield func(int32, capture.Packet) bool) {
		if len(files) == 1 {
			for p := range ahead(files[0].Packets()) {
				if !yield(0, p) {
					return
				}
			}
			return
		}
		merge(files, yield)
	}
}

// ahead has another processor decode packets, some thousands at a time, while this one does with them what is to be done.
// To wake the other costs more than hundreds of packets.
func ahead(packets iter.Seq[capture.Packet]) iter.Seq[capture.Packet] {
	const batch, batches = 4096, 4
	return func(yield func(capture.Packet) bool) {
		full, used := make(chan []capture.Packet, batches), make(chan []capture.Packet, batches)
		for range batches {
			used <- nil
		}
		go func() {
			defer close(full)
			filling, more := <-used
			for p := range packets {
				if filling = append(filling, p); len(filling) < batch {
					continue
				}
				full <- filling
				if filling, more = <-used; !more {
					return
				}
			}
			full <- filling
		}()
		more := true
		for decoded := range full {
			for i := 0; i < len(decoded) && more; i++ {
				more = yield(decoded[i])
			}
			if more {
				used <- decoded[:0]
			} else if used != nil {
				close(used) // the other ends at its next batch, before the capture may be closed
				used = nil
			}
		}
	}
}

// source is a capture that is being read.
type source struct {
	file int32
	head capture.Packet // the next packet
	next func() (capture.Packet, bool)
	stop func()
}

// merge opens a capture when the others come to the time of its first packet.
func merge(files []*capture.File, yield func(int32, capture.Packet) bool) {
	var waiting, open []source
	for i, f := range files {
		s := source{file: int32(i)}
		var begins bool
		for s.head = range f.Packets() {
			begins = true
			break
		}
		if begins {
			waiting = append(waiting, s)
		}
	}
	slices.SortStableFunc(waiting, func(a, b source) int { return a.head.Time.Compare(b.head.Time) })
	defer func() {
		for _, s := range open {
			s.stop()
		}
	}()
	for len(waiting)+len(open) > 0 {
		earliest := -1
		for i := range open {
			if earliest < 0 || open[i].head.Time.Before(open[earliest].head.Time) {
				earliest = i
			}
		}
		if len(waiting) > 0 && (earliest < 0 || !open[earliest].head.Time.Before(waiting[0].head.Time)) {
			s := waiting[0]
			waiting = waiting[1:]
			s.next, s.stop = iter.Pull(files[s.file].Packets())
			s.head, _ = s.next()
			open = append(open, s)
			continue
		}
		s := &open[earliest]
		if !yield(s.file, s.head) {
			return
		}
		var ok bool
		if s.head, ok = s.next(); !ok {
			s.stop()
			open = slices.Delete(open, earliest, earliest+1)
		}
	}
}

// forget leaves out the conversations that have been quiet longest, a quarter of all.
func (a *assembler) forget() {
	t := a.traffic
	ends := make([]time.Time, len(t.Conversations))
	for i, c := range t.Conversations {
		ends[i] = c.End
	}
	slices.SortFunc(ends, time.Time.Compare)
	limit := ends[len(ends)/4]
	quiet := len(t.Conversations)
	t.Conversations = slices.DeleteFunc(t.Conversations, func(c *Conversation) bool {
		old := !c.End.After(limit) && quiet > mostConversations*3/4
		if !old {
			return false
		}
		quiet--
		t.Forgotten++
		if a.open[c.key] == c {
			delete(a.open, c.key)
		}
		if !c.cited {
			a.spare = append(a.spare, c)
		}
		return true
	})
}

// fold leaves out connections that were captured a second time on their way, with addresses translated: both sides'
// first sequence numbers are the same, as a translator leaves them, and they begin, say as much and end at the same time. The
// one that was seen later stays: it is nearer to who was called.
func (t *Traffic) fold() {
	type numbers [2]uint32
	seen := map[numbers]*Conversation{}
	folded := map[*Conversation]bool{}
	for _, c := range t.Conversations {
		if c.Transport != "tcp" || !c.synSeen[Opener] || !c.synSeen[Responder] {
			continue
		}
		if first := seen[c.isn]; first != nil && c.key != first.key && c.with(first) {
			folded[first] = true
			c.Also = append(first.Also, first.Names())
		}
		seen[c.isn] = c
	}
	if len(folded) == 0 {
		return
	}
	t.Folded = len(folded)
	t.Conversations = slices.DeleteFunc(t.Conversations, func(c *Conversation) bool { return folded[c] })
}

// with says whether two conversations go along with each other.
func (c *Conversation) with(other *Conversation) bool {
	const together = time.Millisecond // what a host needs to hand a packet on
	for side := range c.Streams {
		if c.Streams[side].Sent != other.Streams[side].Sent {
			return false
		}
	}
	return c.Start.Sub(other.Start).Abs() < together && c.End.Sub(other.End).Abs() < together
}

// sort puts the packets of a conversation in the order of their bytes.
func (c *Conversation) sort() {
	if c.packets == nil || c.Transport != "tcp" {
		return
	}
	for side := range c.packets {
		c.packets[side].pieces = inOrder(c.packets[side].pieces)
	}
}
