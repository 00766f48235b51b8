package weigh

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"github.com/inquest-project/inquest/internal/ground/bytesearch"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/image"
	"github.com/inquest-project/inquest/internal/reading/reach"
)

var (
	memoryLevels = []string{
		"absent", "a run, common", "a run", "half, common", "a part, common", "whole, common", "half", "a part", "whole, freed", "whole",
	}
	reachableLevels = []string{
		"out of reach", "a piece, two hops, common", "a piece, one hop, common", "two hops, common", "one hop, common",
		"a piece, two hops", "a piece, one hop", "two hops", "one hop",
	}
)

// Found is where a message's bytes stand in the dead process.
type Found struct {
	Extent  extent
	Exact   bool          // byte for byte; else but for case and separators
	Address place.Address // of the best stretch
	Offset  int           // in the message, of the stretch
	Length  int           // of the stretch, in bytes
	Freed   bool          // the memory had been given back
	Part    string        // the part that stands whole, where not all of the message does
	Pointer *reach.Pointer
	Path    string // from register or stack to the bytes; empty if no way was found

	piece int // of memory, counted
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

// sharedMost is how many messages may have a piece in common for it to be looked for: where a stretch that
// more of them share stands, tells nothing of any.
const sharedMost = 64

// searchedMost bounds how much of one message is looked for, in bytes: of a longer one its beginning, and of what came last on a connection that
// was open its end, too. Who keeps all of an upload has the beginning of it; who works it off as it comes has the newest that was read, and
// behind that no more waits than the kernel takes in ahead.
const searchedMost = 64 << 10

// takenAhead is how much of a connection a kernel takes in before the process reads it, unless it is tuned for distant peers, in bytes
// (Linux's tcp_rmem, default).
const takenAhead = 128 << 10

// Locate looks for every candidate's bytes in writable memory, and for the way by which the dying thread
// could come to them. Of several places the most complete is kept, and the nearest. Case and
// separators are not compared: daemons fold the one and put zeros in place of the other as they parse.
func Locate(c *Case) {
	if c.Image == nil {
		return
	}
	sought := soughtOf(c.Candidates)
	needles := make([][]byte, len(sought))
	for i, s := range sought {
		needles[i] = s.folded
	}
	locateLong(c, sought, bytesearch.NewRare(needles, sharedMost))
	locateShort(c, sought)
	for _, s := range sought {
		for _, candidate := range s.of {
			if s.best != nil && (candidate.Memory == nil || better(*s.best, *candidate.Memory)) {
				candidate.Memory = s.best
			}
			if s.reached != nil && (candidate.Reached == nil || reachedBetter(*s.reached, *candidate.Reached)) {
				candidate.Reached = s.reached
			}
		}
	}
}

// sought is what is looked for: a message, or a part of one in the form that a program has of it; the same for
// all candidates of equal bytes, which can't be told apart in memory.
type sought struct {
	data   []byte
	folded []byte
	start  int // of what is not separators, in data
	end    int
	part   string // the part's name; empty for the message as it was sent
	at     int    // of the part in the message
	of     []*Candidate

	places
}

// newest says whether it is of a long message what came last: however much of that stands somewhere, it is a run of the message.
func (s *sought) newest() bool { return s.part == "" && s.at > 0 }

// places are the best that were found: the most telling, and the one most easily come to.
type places struct{ best, reached *Found }

func soughtOf(candidates []*Candidate) []*sought {
	var all []*sought
	known := map[string]*sought{}
	seek := func(candidate *Candidate, data []byte, part string, at int) {
		if data = data[:min(searchedMost, len(data))]; len(data) == 0 {
			return
		}
		key := part + sep + string(data)
		s := known[key]
		if s == nil {
			s = &sought{data: data, folded: folded(data), part: part, at: at}
			s.start, s.end = span(s.folded)
			known[key] = s
			all = append(all, s)
		}
		s.of = append(s.of, candidate)
	}
	for _, candidate := range candidates {
		seek(candidate, candidate.Data, "", 0)
		if candidate.lastOfOpen() {
			for end := max(searchedMost, len(candidate.Data)-takenAhead); end < len(candidate.Data); end += searchedMost {
				seek(candidate, candidate.Data[end:], "", end)
			}
		}
		for _, p := range candidate.Dissection.Parts {
			if tells(p.Length, candidate.Data) && len(p.Decoded) >= shortest {
				seek(candidate, p.Decoded, p.Name, p.Offset)
			}
		}
	}
	return all
}

// tells says whether a part is enough of a message to tell of it.
func tells(length int, message []byte) bool { return length*4 >= len(message) }

// span is the folded bytes without the separators at both ends.
func span(folded []byte) (start, end int) {
	start = len(folded) - len(bytes.TrimLeft(folded, "\x00"))
	return start, max(start, len(bytes.TrimRight(folded, "\x00")))
}

// folding maps letters to lower case, and to zero all that parsers overwrite with it.
var folding = func() (table [256]byte) {
	for b := range table {
		table[b] = byte(b)
		if 'A' <= b && b <= 'Z' {
			table[b] = byte(b) + 'a' - 'A'
		}
	}
	for _, separator := range []byte(" \t\r\n,;:=&?/\"'") {
		table[separator] = 0
	}
	return table
}()

func fold(to, from []byte) {
	for i, b := range from {
		to[i] = folding[b]
	}
}

// folded is a copy of some bytes, folded.
func folded(data []byte) []byte {
	copied := make([]byte, len(data))
	fold(copied, data)
	return copied
}

// pieceSize is how much memory is searched at a time, so that the folded copy stays small. Pieces overlap by as much as the
// longest needle.
const pieceSize = 4 << 20

// piece is a part of a region of memory.
type piece struct {
	number int
	region image.Region
	at     int // in the region
}

// piecesOf gives the writable memory in pieces, to as many as take them.
func piecesOf(im *image.Image) <-chan piece {
	pieces := make(chan piece)
	go func() {
		defer close(pieces)
		number := 0
		for _, region := range im.Writable() {
			for at := 0; at < len(region.Data); at += pieceSize {
				pieces <- piece{number, region, at}
				number++
			}
		}
	}()
	return pieces
}

// locateLong searches memory piece by piece, on all processors. Of places that are as good the one in the first piece is kept,
// whoever finds it when.
func locateLong(c *Case, all []*sought, index *bytesearch.Index) {
	pieces := piecesOf(c.Image)
	found := make([][]places, runtime.GOMAXPROCS(0))
	var searchers sync.WaitGroup
	for i := range found {
		found[i] = make([]places, len(all))
		searchers.Go(func() {
			buf := make([]byte, pieceSize+searchedMost)
			for p := range pieces {
				p.search(c, all, index, buf, found[i])
			}
		})
	}
	searchers.Wait()
	for i, s := range all {
		for _, by := range found {
			s.join(by[i])
		}
	}
}

// search keeps what it finds in a piece.
func (p piece) search(c *Case, all []*sought, index *bytesearch.Index, buf []byte, found []places) {
	memory := p.region.Data
	buf = buf[:min(len(buf), len(memory)-p.at)]
	fold(buf, memory[p.at:p.at+len(buf)])
	for hit := range index.Search(buf) {
		hit.Memory += p.at
		s, at := all[hit.Needle], p.region.Start+place.Address(hit.Memory)
		if s.onlyRun(hit) && found[hit.Needle].hasRun(hit.Length) && !c.Held.Reaches(at, at+place.Address(hit.Length)) {
			continue
		}
		if diverges(memory, hit.Memory, s.data, hit.Offset, hit.Length) {
			continue
		}
		extent, part := s.judge(hit)
		f := Found{Extent: extent, Part: part, Offset: s.at + hit.Offset, Length: hit.Length,
			Address: at, piece: p.number}
		f.reach(c.Held)
		found[hit.Needle].keep(f, func(f *Found) {
			block, _ := c.Heap.At(f.Address)
			f.Freed = block.Free
			f.Exact = bytes.Equal(memory[hit.Memory:hit.Memory+hit.Length], s.data[hit.Offset:hit.Offset+hit.Length])
		})
	}
}

// judge tells how much of the message a hit is.
func (s *sought) judge(hit bytesearch.Hit) (e extent, part string) {
	covers := func(start, end int) bool { return hit.Offset <= start && end <= hit.Offset+hit.Length }
	switch {
	case s.newest():
		return aRun, ""
	case covers(s.start, s.end) && s.part != "":
		return aPart, s.part
	case covers(s.start, s.end):
		return whole, ""
	}
	e = aRun
	if hit.Length*2 >= len(s.data) {
		e = half
	}
	if s.part != "" {
		return e, part
	}
	for _, p := range s.of[0].Dissection.Parts {
		if p.Length >= bytesearch.MinRun && tells(p.Length, s.data) && covers(p.Offset, p.Offset+p.Length) {
			e, part = aPart, p.Name
		}
	}
	return e, part
}

// onlyRun says whether a hit is surely no more than a run: most are, of text that many messages share.
func (s *sought) onlyRun(hit bytesearch.Hit) bool {
	return hit.Length*4 < len(s.data) && hit.Length < s.end-s.start
}

// hasRun says whether a place is known that a run of some length, out of reach, is not better than.
func (k *places) hasRun(length int) bool {
	return k.best != nil && (k.best.Extent >= half || !k.best.Freed && k.best.Length >= length)
}

// reach sets by which way the dying thread could come to a place.
func (f *Found) reach(held *reach.Held) {
	if held == nil {
		return
	}
	if p, ok := held.Into(f.Address, f.Address+place.Address(f.Length)); ok {
		f.Pointer, f.Path = &p, held.Path(p)
	}
}

// keep keeps a place, if it is better than those that are known: as the most complete, as the nearest, or both. What takes
// longer to tell of it is asked only of what is kept.
func (k *places) keep(found Found, tell func(*Found)) {
	asBest := k.best == nil || better(found, *k.best)
	asNearest := found.Pointer != nil && !found.Pointer.Loose && (k.reached == nil || reachedBetter(found, *k.reached))
	if !asBest && !asNearest {
		return
	}
	kept := new(Found) // for few of those that are found
	*kept = found
	tell(kept)
	k.join(places{best: kept})
	if asNearest {
		k.reached = kept
	}
}

// join takes over what is better than what is known.
func (k *places) join(other places) {
	if other.best != nil && (k.best == nil || ahead(*other.best, *k.best, better)) {
		k.best = other.best
	}
	if other.reached != nil && (k.reached == nil || ahead(*other.reached, *k.reached, reachedBetter)) {
		k.reached = other.reached
	}
}

// ahead says whether one place is better than another, or as good and in an earlier piece of memory.
func ahead(a, b Found, better func(a, b Found) bool) bool {
	return better(a, b) || a.piece < b.piece && !better(b, a)
}

// better says whether one place shows more of a message than another: first of all how much of it, then whether it is in
// use, and how near it is.
func better(a, b Found) bool {
	if a.Extent != b.Extent && max(a.Extent, b.Extent) >= half {
		return a.Extent > b.Extent
	}
	if a.Freed != b.Freed {
		return b.Freed
	}
	if (a.Pointer != nil) != (b.Pointer != nil) {
		return a.Pointer != nil
	}
	if a.Pointer != nil && a.Pointer.Hops != b.Pointer.Hops {
		return a.Pointer.Hops < b.Pointer.Hops
	}
	return a.Length > b.Length
}

// reachedBetter says whether one place within reach tells more than another: one that tells of the message before a piece, and then the nearer.
func reachedBetter(a, b Found) bool {
	if a.telling() != b.telling() {
		return a.telling()
	}
	if a.hops() != b.hops() {
		return a.hops() < b.hops()
	}
	return a.Length > b.Length
}

// longPiece is so much of a message that having come to it tells as much as having come to half of it, in bytes.
const longPiece = 256

// telling says whether what the dying thread came to is enough of the message.
func (f *Found) telling() bool {
	return f.Extent >= half || f.Pointer.Hops > 0 && f.Length >= longPiece
}

// hops is in how many hops the dying thread came to it. Who reads one message after another into a buffer on the stack has pieces of earlier
// ones behind the last, and nothing points at these.
func (f *Found) hops() int {
	if f.Pointer.Hops == 0 && !f.telling() {
		return reach.MaxHops
	}
	return f.Pointer.Hops
}

// shortest is the least of a whole message that is looked for: shorter ones stand anywhere by chance.
const shortest = 6

// locateShort looks for whole messages too short for the index, within reach of the dying thread only.
func locateShort(c *Case, all []*sought) {
	if c.Held == nil {
		return
	}
	byStart := map[uint64][]*sought{}
	for _, s := range all {
		if n := s.end - s.start; n >= shortest && n < bytesearch.MinRun && !s.newest() {
			key := pieceAt(s.folded[s.start:])
			byStart[key] = append(byStart[key], s)
		}
	}
	if len(byStart) == 0 {
		return
	}
	for _, w := range c.Held.Windows(c.Image) {
		window := folded(w.Data)
		for at := 0; at+shortest <= len(window); at++ {
			for _, s := range byStart[pieceAt(window[at:])] {
				if bytes.HasPrefix(window[at:], s.folded[s.start:s.end]) {
					s.foundShort(w, at, c.Held)
				}
			}
		}
	}
}

// foundShort takes a place in a window: its pointer leads there, if none is nearer.
func (s *sought) foundShort(w reach.Window, at int, held *reach.Held) {
	n := s.end - s.start
	extent := whole
	if s.part != "" {
		extent = aPart
	}
	found := Found{
		Extent: extent, Part: s.part, Address: w.To + place.Address(at), Offset: s.at + s.start, Length: n,
		Exact: bytes.Equal(w.Data[at:at+n], s.data[s.start:s.end]), Pointer: &w.Pointer, Path: held.Path(w.Pointer),
	}
	found.reach(held)
	s.keep(found, func(*Found) {})
}

// observeMemory tells how much of a message stands in the dead process's writable memory, in one
// stretch. Daemons that store what they are sent hold many messages, so what many candidates share
// counts as common.
func observeMemory(c *Case) []finding.Observation {
	if c.Image == nil {
		return nil
	}
	return observeFound(c, func(candidate *Candidate) (*Found, int, string) {
		f := candidate.Memory
		if f == nil {
			return nil, 0, "absent"
		}
		if f.Extent == whole && f.Freed && f.Pointer == nil {
			return f, int(half), "whole, freed"
		}
		return f, int(f.Extent), [...]string{nothing: "absent", aRun: "a run", half: "half", aPart: "a part", whole: "whole"}[f.Extent]
	})
}

// observeReachable tells in how few hops the calls under way came from their registers and stack to the
// message's bytes: what the dead hand was holding. Of a long message they may have come to a piece.
func observeReachable(c *Case) []finding.Observation {
	if c.Image == nil || c.Held == nil {
		return nil
	}
	return observeFound(c, func(candidate *Candidate) (*Found, int, string) {
		f := candidate.Reached
		if f == nil {
			return nil, 0, "out of reach"
		}
		strength, level := 3, "two hops"
		if f.hops() < reach.MaxHops {
			strength, level = 4, "one hop"
		}
		if !f.telling() {
			return f, strength - 2, "a piece, " + level
		}
		return f, strength, level
	})
}

// butFor says what was not compared.
func butFor(f *Found) string {
	if f.Exact {
		return ""
	}
	return ", but for case and separators"
}

// commonShare is the share of candidates from which on a level is common in this process.
const commonShare = 0.2

// keptShare is the share of what came last on the connections that were open from which on it is common to stand in memory:
// where a daemon keeps each connection's buffer, the last message stands there, whatever it was.
const keptShare = 0.5

// observeFound makes observations from the places found; grade gives the strength of a level, 0 for
// none, and its name, and where that is. A level that a good share of all candidates reach, or pass, is common; of what came last on a
// connection that was open, one that most of these reach.
func observeFound(c *Case, grade func(*Candidate) (*Found, int, string)) []finding.Observation {
	if c.fromMemory() {
		return nil // it was taken from there
	}
	reaching, reachingLast := map[int]int{}, map[int]int{} // strength -> candidates of at least that
	last := 0
	for _, candidate := range c.Candidates {
		_, strength, _ := grade(candidate)
		for s := range strength + 1 {
			reaching[s]++
			if candidate.lastOfOpen() {
				reachingLast[s]++
			}
		}
		if candidate.lastOfOpen() {
			last++
		}
	}
	kept := func(candidate *Candidate, strength int) bool { // beside the candidate itself
		return candidate.lastOfOpen() && reachingLast[strength]-1 >= 3 && float64(reachingLast[strength]-1) >= keptShare*float64(last-1)
	}
	observations := make([]finding.Observation, len(c.Candidates))
	for i, candidate := range c.Candidates {
		if len(candidate.Data) < shortest || candidate.ciphertext() {
			continue // it is decrypted in place: what is left of it says nothing
		}
		f, strength, level := grade(candidate)
		if strength > 0 && (float64(reaching[strength]) > max(3, commonShare*float64(len(c.Candidates))) || kept(candidate, strength)) {
			level = strings.TrimSuffix(level, ", freed") + ", common"
		}
		o := finding.Observation{Level: level}
		if f != nil {
			o.RestsOn = []string{f.Address.String()}
			o.Facts = map[string]string{
				"length": fmt.Sprint(f.Length), "of": fmt.Sprint(len(candidate.Data)),
				"offset": fmt.Sprint(f.Offset), "part": f.Part, "path": f.Path,
				"shared": fmt.Sprint(reaching[strength]), "but": butFor(f),
			}
		}
		observations[i] = o
	}
	return observations
}
