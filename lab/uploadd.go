package lab

import (
	"encoding/binary"
	"fmt"
	"hash/adler32"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// uploadd reads archives as they come, and looks whether a file has more bytes than it says; not whether it has
// larger holes. A packer that rounds a last hole up to whole blocks makes a file that ends beyond its size,
// and whoever settles the owner's account finds more used than was reserved. Of the archive, which comes in
// hundreds of pieces, only the last is in memory.
var uploadd = Case{
	Name:      "uploadd",
	Listen:    netip.MustParseAddrPort("127.0.0.1:2873"),
	Command:   func(s *Stage) []string { return []string{s.Home + "/sbin/uploadd", "2873"} },
	Script:    scriptUploadd,
	Culprit:   Culprit{Module: "libquota.so", Function: "quota_settle", Role: "decided"},
	Mechanism: "assertion",
}

func scriptUploadd(s *Stage) []Conversation {
	r := s.Rand
	death := between(r, 2300*time.Millisecond, 2700*time.Millisecond)
	begin := death - between(r, 1100*time.Millisecond, 1700*time.Millisecond)
	owner := packOwner(r)
	name, killer, twin, deadly := packSparse(subrand(r), owner)
	// The death comes with the file's end, wherever in the archive that is.
	end := begin + time.Duration(float64(death-begin)*float64(len(killer))/float64(deadly))
	script := []Conversation{
		{Killer, loopback(2000 + r.IntN(50)), begin, packUpload(subrand(r), name, killer, end)},
		{Twin, loopback(2100 + r.IntN(50)), between(r, 50*time.Millisecond, 400*time.Millisecond), packUpload(subrand(r), name, twin, between(r, death/2, death*4/5))},
	}
	for i := range 32 {
		at := between(r, 0, death)
		name, archive := packArchive(subrand(r), packOwner(r), 50_000+r.IntN(350_000))
		script = append(script, Conversation{Ordinary, loopback(400 + i), at, packUpload(subrand(r), name, archive, at+between(r, 500*time.Millisecond, 1500*time.Millisecond))})
	}
	for range 360 {
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(60)), between(r, 0, death+150*time.Millisecond), packVisit(subrand(r))})
	}
	for i, bytes := range packOddities(subrand(r), owner) {
		at := between(r, death/10, death-400*time.Millisecond)
		script = append(script, Conversation{Odd, loopback(1000 + i), at, packOdd(subrand(r), bytes, at)})
	}
	for i, bytes := range packWaiting(subrand(r)) {
		script = append(script, Conversation{Waiting, loopback(1100 + i), between(r, death/4, death-300*time.Millisecond), packWait(bytes)})
	}
	return script
}

// packing is an archive that is being made.
type packing struct {
	bytes   []byte
	entries uint32
}

func (p *packing) record(kind byte, body []byte) {
	p.bytes = binary.BigEndian.AppendUint32(append(p.bytes, kind), uint32(len(body)))
	p.bytes = append(p.bytes, body...)
	if strings.ContainsRune("DFL", rune(kind)) {
		p.entries++
	}
}

func (p *packing) number(kind byte, n uint64) { p.record(kind, binary.BigEndian.AppendUint64(nil, n)) }

// begin begins a file that says it has size bytes.
func (p *packing) begin(name string, size int) {
	p.record('F', append(binary.BigEndian.AppendUint64(nil, uint64(size)), name...))
}

// content is a file's bytes, in records of some size.
func (p *packing) content(r *rand.Rand, bytes []byte) {
	for len(bytes) > 0 {
		n := min(len(bytes), 1024+r.IntN(15000))
		p.record('B', bytes[:n])
		bytes = bytes[n:]
	}
}

func (p *packing) end(bytes []byte) {
	p.record('E', binary.BigEndian.AppendUint32(nil, adler32.Checksum(bytes)))
}

// file is a whole file, as most are.
func (p *packing) file(r *rand.Rand, name string, bytes []byte) {
	p.begin(name, len(bytes))
	if r.IntN(4) == 0 {
		p.record('X', []byte("user.origin="+prose(r, 1+r.IntN(6))))
	}
	p.content(r, bytes)
	p.end(bytes)
}

// sparse is a file with holes; the last of them ends so many bytes beyond the file.
func (p *packing) sparse(r *rand.Rand, name string, last, beyond int) {
	first, second := packBytes(r, 4096*(1+r.IntN(4))), packBytes(r, 4096*(1+r.IntN(3)))
	hole := 4096 * (1 + r.IntN(200))
	p.begin(name, len(first)+hole+len(second)+last)
	p.content(r, first)
	p.number('H', uint64(hole))
	p.content(r, second)
	if last > 0 {
		p.number('H', uint64(last+beyond))
	}
	p.end(append(first, second...))
}

func (p *packing) close() []byte {
	p.record('Q', binary.BigEndian.AppendUint32(nil, p.entries))
	return p.bytes
}

// fill adds files and holes until the archive has so many bytes.
func (p *packing) fill(r *rand.Rand, size int) {
	for len(p.bytes) < size {
		directory := []string{"src", "doc", "images", "var/lib", "mail/2026", "db"}[r.IntN(6)]
		name := fmt.Sprintf("%s/%s-%d", directory, []string{"page", "photo", "table", "log", "index", "notes"}[r.IntN(6)], r.IntN(1000))
		switch r.IntN(8) {
		case 0:
			p.record('D', []byte(directory))
		case 1:
			p.record('L', []byte(name+" -> "+directory))
		case 2:
			p.sparse(r, name+".img", 4096*r.IntN(50), 0)
		default:
			p.file(r, name, packBytes(r, r.IntN(min(30_000, max(200, size-len(p.bytes))))))
		}
	}
}

// packBytes are a file's: text or noise.
func packBytes(r *rand.Rand, n int) []byte {
	if r.IntN(2) == 0 {
		return random(r, n)
	}
	return []byte(prose(r, n/4+1) + strings.Repeat(" ", n))[:n]
}

func packOwner(r *rand.Rand) string {
	return []string{"alice", "bob", "carol", "ci", "backup", "web"}[r.IntN(6)]
}

func packName(r *rand.Rand, owner string) string {
	return fmt.Sprintf("%s/%s-%d", owner, []string{"nightly", "site", "photos", "release", "home"}[r.IntN(5)], r.IntN(40))
}

func packCommand(verb, name string) []byte {
	return append([]byte(verb), string(rune(len(name)))+name...)
}

func packArchive(r *rand.Rand, owner string, size int) (name string, archive []byte) {
	var p packing
	p.record('D', []byte("."))
	p.fill(r, size)
	return packName(r, owner), p.close()
}

// packSparse is an archive with a file that ends in a hole and whose size is no whole number of blocks: as the
// killer packs it and as its twin does. The file ends at deadly, in the middle of the archive or near its end.
func packSparse(r *rand.Rand, owner string) (name string, killer, twin []byte, deadly int) {
	before, behind := 180_000+r.IntN(120_000), []int{0, 20_000, 90_000}[r.IntN(3)]
	seed, last := r.Uint64(), 4096*(3+r.IntN(40))-1-r.IntN(4000)
	pack := func(beyond int) []byte {
		var p packing
		r := rand.New(rand.NewPCG(seed, 0))
		p.record('D', []byte("."))
		p.fill(r, before)
		p.sparse(r, fmt.Sprintf("vm/disk-%d.img", r.IntN(100)), last, beyond)
		deadly = len(p.bytes)
		p.fill(r, len(p.bytes)+behind)
		return p.close()
	}
	twin = pack(0)
	return packName(r, owner), pack(4096 - last%4096), twin, deadly
}

// packUpload sends an archive in pieces, the last of them at a time, as a line does that isn't fast.
func packUpload(r *rand.Rand, name string, archive []byte, end time.Duration) func(*Talk) {
	return func(t *Talk) {
		if r.IntN(2) == 0 {
			t.Send(packCommand("ROOM", name))
			t.Line()
		}
		t.Send(packCommand("PACK", name))
		t.steadily(archive, 600+r.IntN(800), end)
		t.Line()
		if t.Role == Ordinary {
			t.message.Bytes = nil
		}
	}
}

// steadily sends a message in pieces of n bytes, the last of them at a time.
func (t *Talk) steadily(b []byte, n int, end time.Duration) {
	sent := 0
	for piece := range slices.Chunk(b, n) {
		t.Until(t.At + time.Duration(float64(end-t.At)*float64(sent)/float64(len(b))))
		if t.err != nil {
			return
		}
		t.Message(piece)
		sent += len(piece)
	}
}

func packWait(bytes []byte) func(*Talk) {
	return func(t *Talk) {
		t.Message(bytes)
		t.Outlast()
	}
}

// packOdd sends what is odd at once, or steadily if it is long.
func packOdd(r *rand.Rand, bytes []byte, at time.Duration) func(*Talk) {
	return func(t *Talk) {
		t.steadily(bytes, 600+r.IntN(800), at+time.Duration(len(bytes)/1000)*time.Millisecond)
		t.Line()
	}
}

func packVisit(r *rand.Rand) func(*Talk) {
	return func(t *Talk) {
		for range 1 + r.IntN(4) {
			name := packName(r, packOwner(r))
			switch r.IntN(5) {
			case 0:
				t.Send(packCommand("ROOM", name))
			case 1:
				_, archive := packArchive(r, "", 300+r.IntN(6000))
				t.Send(packCommand("PACK", name))
				t.Slowly(archive, 400+r.IntN(1000), time.Duration(1+r.IntN(8))*time.Millisecond)
			case 2:
				_, archive := packArchive(r, "", 300+r.IntN(2000))
				t.Send(append(packCommand("PACK", name), archive...))
			default:
				t.Send(packCommand("STAT", name))
			}
			t.Line()
			t.Pause(time.Duration(r.IntN(40)) * time.Millisecond)
		}
		t.message.Bytes = nil
	}
}

// packOddities are longer, rarer or stranger than the killer; some are of its owner, some have holes as wrong as
// its and are refused for something else first.
func packOddities(r *rand.Rand, owner string) [][]byte {
	archive := func(fill func(p *packing)) []byte {
		var p packing
		p.record('D', []byte("."))
		fill(&p)
		return append(packCommand("PACK", packName(r, owner)), p.close()...)
	}
	content := packBytes(r, 20000)
	return [][]byte{
		archive(func(p *packing) { p.fill(r, 600_000) }),
		archive(func(p *packing) { p.file(r, "core", packBytes(r, 300_000)) }),
		archive(func(p *packing) { // nothing but holes
			for i := range 200 {
				p.begin(fmt.Sprintf("vm/empty-%d.img", i), 1<<20)
				p.number('H', 1<<20)
				p.end(nil)
			}
		}),
		archive(func(p *packing) { // a hole beyond the file, and a record that is none
			p.begin("vm/disk-0.img", 10000)
			p.content(r, content[:4096])
			p.number('H', 8192)
			p.record('Z', nil)
		}),
		archive(func(p *packing) { // a hole beyond the file, and another file
			p.begin("vm/disk-0.img", 10000)
			p.number('H', 12288)
			p.begin("vm/disk-1.img", 10000)
		}),
		archive(func(p *packing) { // the last hole is missing
			p.begin("vm/disk-2.img", 10000)
			p.content(r, content[:4096])
			p.end(content[:4096])
		}),
		archive(func(p *packing) { // more bytes than the file has
			p.fill(r, 40_000)
			p.begin("log/growing", 10000)
			p.record('B', content[:10001])
		}),
		archive(func(p *packing) { // what was read is not what was written
			p.fill(r, 90_000)
			p.begin("log/changing", len(content))
			p.content(r, content)
			p.end(content[1:])
		}),
		archive(func(p *packing) { p.begin("too/large", 1<<40) }),
		archive(func(p *packing) { p.number('H', 4096) }),
		archive(func(p *packing) { p.record('D', []byte(strings.Repeat("deep/", 200))) }),
		archive(func(p *packing) { p.entries++ }),
		append(packCommand("PACK", packName(r, owner)), random(r, 5000)...),
		append(packCommand("PACK", packName(r, owner)), "PK\x03\x04\x14\x00\x08\x00\x08\x00"+prose(r, 300)...),
		packCommand("KILL", owner+"/nightly-0"),
		packCommand("PACK", "/nightly-0"),
		packCommand("STAT", strings.Repeat("x/", 60)),
		[]byte("PUT /upload/nightly HTTP/1.1\r\nHost: uploads\r\nContent-Length: 400000\r\n\r\n"),
	}
}

// packWaiting gets no answer: an archive whose rest doesn't come, or a wait for one that nobody sends.
func packWaiting(r *rand.Rand) [][]byte {
	var requests [][]byte
	for range 5 {
		name, archive := packArchive(r, packOwner(r), 3000+r.IntN(60_000))
		requests = append(requests,
			packCommand("WAIT", fmt.Sprintf("ci/build-%06d", r.IntN(1e6))),
			packCommand("WAIT", fmt.Sprintf("%s/rescue-%d", packOwner(r), r.IntN(100))),
			append(packCommand("PACK", name), archive[:len(archive)/2+r.IntN(len(archive)/2-10)]...))
	}
	return requests
}
