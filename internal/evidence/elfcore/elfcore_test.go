package elfcore_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/evidence/elftest"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/lab/dying"
)

func open(t testing.TB, path string) *elfcore.Core {
	t.Helper()
	core, err := elfcore.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { core.Close() })
	return core
}

var (
	elfnRIP  = regexp.MustCompile(`rip:\s+(0x[0-9a-f]+)`)
	elfnRSP  = regexp.MustCompile(`rsp:\s+(0x[0-9a-f]+)`)
	elfnFile = regexp.MustCompile(`(?m)^\s+([0-9a-f]{12})-([0-9a-f]{12}) ([0-9a-f]{8}) \d+\s+(/.*?)\s*$`)
)

func hex(t *testing.T, s string) uint64 {
	t.Helper()
	v, err := strconv.ParseUint(strings.TrimPrefix(s, "0x"), 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestThreadsRegistersAndFilesAreThoseOfReadelf(t *testing.T) {
	p := dying.One(t, "threads").Build(t, "-O1")
	for name, path := range map[string]string{"kernel": p.Core(t), "gdb": p.CoreByGDB(t)} {
		t.Run(name, func(t *testing.T) {
			core := open(t, path)
			notes := dying.Run(t, p.Dir, "eu-readelf", "-n", path)
			rips, rsps := elfnRIP.FindAllStringSubmatch(notes, -1), elfnRSP.FindAllStringSubmatch(notes, -1)
			if len(core.Threads) != 5 || len(rips) != 5 {
				t.Fatalf("expected 5 threads, found %d (readelf %d)", len(core.Threads), len(rips))
			}
			for i, th := range core.Threads {
				if uint64(th.Regs.PC()) != hex(t, rips[i][1]) || uint64(th.Regs.SP()) != hex(t, rsps[i][1]) {
					t.Errorf("thread %d: PC %v SP %v, readelf has %s %s", th.TID, th.Regs.PC(), th.Regs.SP(), rips[i][1], rsps[i][1])
				}
			}
			files := elfnFile.FindAllStringSubmatch(notes, -1)
			if len(files) == 0 || len(files) != len(core.Mappings) {
				t.Fatalf("expected %d mappings, found %d", len(files), len(core.Mappings))
			}
			for i, m := range core.Mappings {
				if uint64(m.Start) != hex(t, files[i][1]) || m.Offset != hex(t, files[i][3]) || m.Path != files[i][4] {
					t.Errorf("mapping %d: %+v, readelf has %v", i, m, files[i][1:])
				}
			}
		})
	}
}

func TestWhoDiedAndOfWhichSignal(t *testing.T) {
	p := dying.One(t, "abort").Build(t, "-O1")
	core := open(t, p.Core(t))
	if !core.Process.Known || core.Process.Command != "abort" || core.Process.PID != core.Threads[0].TID {
		t.Errorf("process %+v", core.Process)
	}
	s := core.Signal
	if s.Number != 6 || s.Code != elfcore.SentByTkill || s.SenderPID == nil || *s.SenderPID != core.Process.PID {
		t.Errorf("signal %+v", s)
	}
	if core.Size != core.Expected || len(core.Damage) > 0 {
		t.Errorf("size %d of %d, damage %v", core.Size, core.Expected, core.Damage)
	}
	core = open(t, dying.One(t, "null_read").Build(t, "-O1").Core(t))
	if s := core.Signal; s.Number != 11 || s.Address == nil || *s.Address != 40 {
		t.Errorf("signal %+v", s)
	}
}

func TestACoreInZstdIsTheSameCore(t *testing.T) {
	p := dying.One(t, "abort").Build(t, "-O1")
	path := p.Core(t)
	dying.Run(t, p.Dir, "zstd", "-q", path)
	plain, packed := open(t, path), open(t, path+".zst")
	if plain.Size != packed.Size || len(packed.Damage) > 0 || len(plain.Segments) != len(packed.Segments) {
		t.Fatalf("sizes %d and %d, damage %v", plain.Size, packed.Size, packed.Damage)
	}
	for i, s := range plain.Segments {
		if !bytes.Equal(s.Data, packed.Segments[i].Data) {
			t.Errorf("segment %d differs", i)
		}
	}
	data, _ := os.ReadFile(path + ".zst")
	if !elfcore.Sniff(data[:min(len(data), 256<<10)]) {
		t.Error("a packed core is not recognised")
	}
	cut := filepath.Join(p.Dir, "cut.zst")
	os.WriteFile(cut, data[:len(data)*9/10], 0o600)
	half := open(t, cut)
	if len(half.Threads) != 1 || half.Size >= plain.Size || len(half.Damage) < 2 {
		t.Errorf("%d threads, %d bytes, damage %v", len(half.Threads), half.Size, half.Damage)
	}
}

// note is an ELF note; nothing here is shared with the parser.
func note(owner string, typ uint32, desc []byte) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, uint32(len(owner)+1))
	b = le.AppendUint32(b, uint32(len(desc)))
	b = le.AppendUint32(b, typ)
	for b = append(b, owner...); ; {
		b = append(b, 0)
		if len(b)%4 == 0 {
			return append(b, desc...)
		}
	}
}

// file is a core with one note segment and one memory segment of a claimed place and size.
func file(notes []byte, offset, vaddr, filesz, memsz uint64) []byte {
	le := binary.LittleEndian
	b := []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	for _, v := range []uint16{4, 62} {
		b = le.AppendUint16(b, v)
	}
	b = le.AppendUint32(b, 1)
	for _, v := range []uint64{0, 64, 0} {
		b = le.AppendUint64(b, v)
	}
	b = le.AppendUint32(b, 0)
	for _, v := range []uint16{64, 56, 2, 0, 0, 0} {
		b = le.AppendUint16(b, v)
	}
	program := func(typ uint32, values ...uint64) {
		b = le.AppendUint32(le.AppendUint32(b, typ), 6)
		for _, v := range values {
			b = le.AppendUint64(b, v)
		}
	}
	program(4, 64+2*56, 0, 0, uint64(len(notes)), 0, 4)
	program(1, offset, vaddr, 0, filesz, memsz, 4096)
	return append(b, notes...)
}

func words(values ...uint64) (b []byte) {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

const ntFile = 0x46494c45

// hostile are files made to break a reader, and what must be said of each.
var hostile = map[string]struct {
	data []byte
	says string
}{
	"empty":                   {nil, "expected at least 64 bytes, found 0"},
	"text":                    {bytes.Repeat([]byte("core "), 20), "expected the bytes 7f 45 4c 46"},
	"64 bytes without a note": {file(nil, 0, 0, 0, 0)[:64], "expected a note segment"},
	"a count that wraps times 24": {
		file(note("CORE", ntFile, words(1<<61, 4096)), 0, 0, 0, 0), "found a count of 2305843009213693952"},
	"segment of 2^60 bytes": {file(nil, 0, 0, 1<<60, 1<<60), "expected an offset and a size below 2^52"},
	"segment at 2^60":       {file(nil, 1<<60, 0, 1, 1), "expected an offset and a size below 2^52"},
	"segment past the end of memory": {
		file(nil, 0, ^uint64(0)-4095, 8192, 8192), "expected a range of addresses"},
	"note longer than the file": {
		file(note("CORE", 1, make([]byte, 336)), 0, 0, 0, 0)[:250], "expected a note of 336 bytes"},
	"names without an end": {
		file(note("CORE", ntFile, words(1, 4096, 0x1000, 0x2000, 0)), 0, 0, 0, 0), "expected a string that ends in NUL"},
}

func TestHostileCoresAreAnsweredWithFileAndOffset(t *testing.T) {
	for name, h := range hostile {
		t.Run(name, func(t *testing.T) {
			core, err := elfcore.Parse("core.1", h.data)
			var said []string
			if err != nil {
				said = append(said, err.Error())
			} else {
				for _, d := range core.Damage {
					said = append(said, d.String())
				}
			}
			all := strings.Join(said, "\n")
			if !strings.Contains(all, h.says) || !strings.Contains(all, "core.1") {
				t.Errorf("expected %q, found %q", h.says, all)
			}
		})
	}
}

func TestOnlyCoresOfKnownMachinesAreRead(t *testing.T) {
	data := file(nil, 0, 0, 0, 0)
	data[18] = 243 // EM_RISCV
	if _, err := elfcore.Parse("core", data); err == nil || !strings.Contains(err.Error(), "EM_RISCV") {
		t.Errorf("found %v", err)
	}
	data[16] = 2 // ET_EXEC
	if _, err := elfcore.Parse("core", data); err == nil || !strings.Contains(err.Error(), "ET_EXEC") {
		t.Errorf("found %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, h := range hostile {
		f.Add(h.data)
	}
	for _, data := range elftest.Hostile() {
		f.Add(data)
	}
	f.Add(elftest.Process{Threads: []elftest.Thread{{TID: 7, Signal: 11}}, Mappings: elftest.Mappings("/lib/x.so", 1<<40)}.Core())
	f.Add(file(note("CORE", 1, make([]byte, 336)), 0, 0x1000, 100, 4096))
	f.Add(file(bytes.Join([][]byte{note("CORE", 3, make([]byte, 136)), note("CORE", 6, words(3, 4, 0, 0)), note("CORE", 0x53494749, make([]byte, 128))}, nil), 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		elfcore.Sniff(data)
		core, err := elfcore.Parse("core", data)
		if err != nil {
			return
		}
		for _, th := range core.Threads {
			th.Regs.Named()
			for n := -1; n < 20; n++ {
				th.Regs.ByDWARF(n)
			}
			_, _, _ = th.Regs.PC(), th.Regs.SP(), th.Regs.FP()
		}
		for _, s := range core.Segments {
			if s.End < s.Start || uint64(len(s.Data)) > uint64(s.End-s.Start) {
				t.Errorf("segment %v to %v has %d bytes", s.Start, s.End, len(s.Data))
			}
		}
		end := place.Address(0)
		for _, m := range core.Mappings {
			if m.Start < end || m.End <= m.Start || len(m.Path) > 4096 {
				t.Errorf("mapping %v to %v behind %v", m.Start, m.End, end)
			}
			end = m.End
		}
		for _, d := range core.Damage {
			if d.Offset > int64(len(data)) || d.Problem == "" {
				t.Errorf("damage outside the file: %v", d)
			}
		}
	})
}
