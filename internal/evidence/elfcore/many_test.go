package elfcore_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/evidence/elftest"
	"github.com/inquest-project/inquest/internal/evidence/unpack"
)

// A process with more mappings than the header's 16 bits can count: the count stands in section 0 (gABI, PN_XNUM).
func TestMoreSegmentsThanTheHeaderCanCount(t *testing.T) {
	const many = 70_000
	segments := make([]elftest.Segment, many)
	for i := range segments {
		segments[i] = elftest.Segment{Type: elftest.Load, Flags: elftest.RW, Vaddr: 0x10000 + uint64(i)*0x2000, Size: 0x1000}
	}
	data := elftest.File(elftest.Core, segments...)
	le := binary.LittleEndian
	le.PutUint64(data[40:], uint64(len(data))) // e_shoff
	le.PutUint16(data[56:], 0xffff)            // e_phnum
	le.PutUint16(data[60:], 1)                 // e_shnum
	section := make([]byte, 64)
	le.PutUint32(section[44:], many) // sh_info
	c, err := elfcore.Parse("core", append(data, section...))
	if err != nil {
		t.Fatal(err)
	}
	if last := c.Segments[len(c.Segments)-1]; len(c.Segments) != many || uint64(last.Start) != 0x10000+(many-1)*0x2000 {
		t.Errorf("%d segments, the last at %v", len(c.Segments), last.Start)
	}
}

func TestMapsAreReadAsTheKernelPrintsThem(t *testing.T) {
	text, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	for line := range strings.Lines(string(text)) {
		if strings.HasSuffix(line, exe+"\n") {
			want++
		}
	}
	got := 0
	for _, m := range elfcore.ParseMaps(bytes.NewReader(text)) {
		if m.Path == exe {
			got++
		}
	}
	if want == 0 || got != want {
		t.Errorf("the kernel prints %d mappings of %s, %d were read", want, exe, got)
	}
}

func TestMapsOfAnyFormAreReadAsFarAsTheyGo(t *testing.T) {
	const text = `nonsense
7f0000001000-7f0000002000 r--p 00000000 08:01 42 /srv/a b/lib.so (deleted)
7f0000001800-7f0000003000 r-xp 00001000 08:01 42 /overlaps
7f0000009000-7f0000008000 r-xp 00001000 08:01 42 /backwards
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0 [stack]
7f0000005000-7f0000006000 r-xp 00002000 08:01 42 /srv/a b/lib.so (deleted)
`
	got := elfcore.ParseMaps(strings.NewReader(text))
	want := []elfcore.Mapping{
		{Start: 0x7f0000001000, End: 0x7f0000002000, Path: "/srv/a b/lib.so (deleted)"},
		{Start: 0x7f0000005000, End: 0x7f0000006000, Offset: 0x2000, Path: "/srv/a b/lib.so (deleted)"},
	}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("expected %+v, found %+v", want, got)
	}
}

// The bytes of an unpacked core are those that were packed, whatever the form.
func TestEveryPackingUnpacksToTheSameCore(t *testing.T) {
	memory := make([]byte, 3<<20)
	rand.NewChaCha8([32]byte{}).Read(memory[:1<<20])
	core := elftest.Process{Threads: []elftest.Thread{{TID: 7, Signal: 11}}, Memory: []elftest.Segment{{Flags: elftest.RW, Vaddr: 0x1000, Data: memory}}}.Core()
	for _, tool := range []string{"zstd -q", "zstd -q --long=27 -19", "lz4 -q -B6", "lz4 -q -B4", "xz -T2", "xz -1", "gzip"} {
		path := writeFile(t, core)
		packed := run(t, tool+" -c "+path)
		if !elfcore.Sniff(packed[:min(len(packed), unpack.SniffSize)]) {
			t.Errorf("%s: not known for a core", tool)
		}
		c := open(t, writeFile(t, packed))
		if len(c.Damage) > 0 || len(c.Segments) != 1 || !bytes.Equal(c.Segments[0].Data, memory) {
			t.Errorf("%s: damage %v, %d segments", tool, c.Damage, len(c.Segments))
		}
		if tool == "lz4 -q -B6" {
			continue // its first block has a megabyte: of a third less nothing comes out
		}
		half := open(t, writeFile(t, packed[:len(packed)*2/3]))
		if len(half.Damage) == 0 {
			t.Errorf("%s: a third is missing, and nothing is said of it", tool)
		}
	}
}
