package weigh

import (
	"bytes"
	"fmt"

	"github.com/inquest-project/inquest/internal/ground/bytesearch"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/dissect"
	"github.com/inquest-project/inquest/internal/reading/reach"
)

// Found is where a message's bytes stand in the dead process.
type Found struct {
	Extent  extent
	Address place.Address // of the best stretch
	Offset  int           // in the message, of the stretch
	Length  int           // of the stretch, in bytes
	Part    string        // the part that stands whole, where not all of the message does
	Pointer *reach.Pointer
	Path    string // from register or stack to the bytes; empty if no way was found
}

// extent is how much of a message was found in one stretch, the most telling last.
type extent int

const (
	nothing extent = iota
	aRun           // sixteen bytes or more
	half           // half of the message or more
	aPart          // a part that the dissection names: a body without its framing
	whole
)

// searchedMost bounds how much of one message is looked for: the beginning of a long upload tells it
// apart as well as all of it.
const searchedMost = 64 << 10

// Locate looks for every candidate's bytes in writable memory, and for the way by which the dying thread
// could come to them. Of several places the most complete counts, and among those the nearest.
func Locate(c *Case) {
	if c.Image == nil {
		return
	}
	distinct, owners := distinctData(c.Candidates)
	index := bytesearch.New(distinct)
	best := make([]*Found, len(distinct))
	dissections := make([]dissect.Dissection, len(distinct))
	for i, o := range owners {
		dissections[i] = c.Candidates[o[0]].Dissection
	}
	for _, region := range c.Image.Writable() {
		for hit := range index.Search(region.Data) {
			found := judgeHit(hit, distinct[hit.Needle], dissections[hit.Needle])
			found.Address = region.Start + place.Address(hit.Memory)
			improve(&best[hit.Needle], found, c.Held)
		}
	}
	locateShort(c, distinct, best)
	for i, found := range best {
		for _, o := range owners[i] {
			c.Candidates[o].Memory = found
		}
	}
}

// distinctData gathers equal messages, which can't be told apart in memory.
func distinctData(candidates []*Candidate) (data [][]byte, owners [][]int) {
	seen := map[string]int{}
	for i, candidate := range candidates {
		d := candidate.Data[:min(searchedMost, len(candidate.Data))]
		if len(d) == 0 {
			continue
		}
		at, ok := seen[string(d)]
		if !ok {
			at = len(data)
			seen[string(d)] = at
			data = append(data, d)
			owners = append(owners, nil)
		}
		owners[at] = append(owners[at], i)
	}
	return data, owners
}

func judgeHit(hit bytesearch.Hit, data []byte, d dissect.Dissection) Found {
	f := Found{Extent: aRun, Offset: hit.Offset, Length: hit.Length}
	if hit.Length*2 >= len(data) {
		f.Extent = half
	}
	for _, part := range d.Parts {
		covers := hit.Offset <= part.Offset && part.Offset+part.Length <= hit.Offset+hit.Length
		if covers && part.Length >= bytesearch.MinRun && part.Length*4 >= len(data) {
			f.Extent, f.Part = aPart, part.Name
		}
	}
	if hit.Length == len(data) {
		f.Extent, f.Part = whole, ""
	}
	return f
}

// improve keeps the better of two places.
func improve(best **Found, found Found, held *reach.Held) {
	if held != nil {
		if p, ok := held.Into(found.Address, found.Address+place.Address(found.Length)); ok {
			found.Pointer, found.Path = &p, held.Path(p)
		}
	}
	if *best == nil || better(found, **best) {
		*best = &found
	}
}

func better(a, b Found) bool {
	if a.Extent != b.Extent && max(a.Extent, b.Extent) >= half {
		return a.Extent > b.Extent
	}
	if (a.Pointer != nil) != (b.Pointer != nil) {
		return a.Pointer != nil
	}
	if a.Pointer != nil && a.Pointer.Hops != b.Pointer.Hops {
		return a.Pointer.Hops < b.Pointer.Hops
	}
	return a.Length > b.Length
}

// shortest is the least of a whole message that is looked for: shorter ones stand anywhere by chance.
const shortest = 6

// locateShort looks for whole messages too short for the index, within reach of the dying thread only.
func locateShort(c *Case, distinct [][]byte, best []*Found) {
	if c.Held == nil {
		return
	}
	windows := c.Held.Windows(c.Image)
	for i, data := range distinct {
		if len(data) < shortest || len(data) >= bytesearch.MinRun {
			continue
		}
		for _, w := range windows {
			if at := bytes.Index(w.Data, data); at >= 0 {
				improve(&best[i], Found{Extent: whole, Address: w.To + place.Address(at), Length: len(data)}, c.Held)
				if best[i].Pointer == nil {
					best[i].Pointer, best[i].Path = &w.Pointer, c.Held.Path(w.Pointer)
				}
				break
			}
		}
	}
}

// observeMemory tells how much of a message stands in the dead process's writable memory, in one
// stretch. Daemons that store what they are sent hold many messages, so what many candidates share
// counts as common.
func observeMemory(c *Case) []finding.Observation {
	if c.Image == nil {
		return nil
	}
	return observeFound(c, func(f *Found) (int, string) {
		if f == nil {
			return 0, "absent"
		}
		return int(f.Extent), [...]string{nothing: "absent", aRun: "a run", half: "half", aPart: "a part", whole: "whole"}[f.Extent]
	})
}

// observeReachable tells in how few hops the dying thread came from its registers and stack to the
// message's bytes: what the dead hand was holding. Only a whole message, a part or half of one counts.
func observeReachable(c *Case) []finding.Observation {
	if c.Image == nil || c.Held == nil {
		return nil
	}
	return observeFound(c, func(f *Found) (int, string) {
		switch {
		case f == nil || f.Pointer == nil || f.Extent < half:
			return 0, "out of reach"
		case f.Pointer.Hops < reach.MaxHops:
			return 2, "one hop"
		}
		return 1, "two hops"
	})
}

// commonShare is the share of candidates from which on a level is common in this process.
const commonShare = 0.2

// observeFound makes observations from the places found; grade gives the strength of a level, 0 for
// none, and its name. A level that a good share of all candidates reach, or pass, is common.
func observeFound(c *Case, grade func(*Found) (int, string)) []finding.Observation {
	reaching := map[int]int{} // strength -> candidates of at least that
	for _, candidate := range c.Candidates {
		strength, _ := grade(candidate.Memory)
		for s := range strength + 1 {
			reaching[s]++
		}
	}
	observations := make([]finding.Observation, len(c.Candidates))
	for i, candidate := range c.Candidates {
		if len(candidate.Data) < shortest {
			continue
		}
		strength, level := grade(candidate.Memory)
		if strength > 0 && float64(reaching[strength]) > max(3, commonShare*float64(len(c.Candidates))) {
			level += ", common"
		}
		o := finding.Observation{Level: level}
		if f := candidate.Memory; f != nil {
			o.RestsOn = []string{f.Address.String()}
			o.Facts = map[string]string{
				"length": fmt.Sprint(f.Length), "of": fmt.Sprint(len(candidate.Data)),
				"offset": fmt.Sprint(f.Offset), "part": f.Part, "path": f.Path,
				"shared": fmt.Sprint(reaching[strength]),
			}
		}
		observations[i] = o
	}
	return observations
}
