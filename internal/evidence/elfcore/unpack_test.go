package elfcore_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/evidence/elftest"
)

// packed is a zstd frame of one raw block, with a window as zstd --long has it (RFC 8878, section 3.1.1).
func packed(data []byte, windowLog int) []byte {
	frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, byte(windowLog-10) << 3}
	header := binary.LittleEndian.AppendUint32(nil, uint32(len(data))<<3|1) // the last block, raw
	return append(append(frame, header[:3]...), data...)
}

func writeFile(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "core.zst")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestACorePackedWithALongWindowIsKnownAndRead(t *testing.T) {
	core := elftest.Process{Threads: []elftest.Thread{{TID: 7, Signal: 11}}, Memory: []elftest.Segment{{Flags: elftest.RW, Data: make([]byte, 8<<10)}}}.Core()
	for _, windowLog := range []int{17, 27} {
		data := packed(core, windowLog)
		if !elfcore.Sniff(data) {
			t.Errorf("--long=%d: not known for a core", windowLog)
		}
		if c := open(t, writeFile(t, data)); len(c.Threads) != 1 || len(c.Damage) > 0 {
			t.Errorf("--long=%d: %d threads, damage %v", windowLog, len(c.Threads), c.Damage)
		}
	}
}

// A window is allocated before anything is unpacked.
func TestAWindowThatNothingCanFillIsNotAllocated(t *testing.T) {
	path := writeFile(t, packed([]byte("a few bytes that ask for two gigabytes"), 31))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := elfcore.Open(path)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; err == nil || used > 16<<20 {
		t.Errorf("%d bytes were allocated, %v", used, err)
	}
}

// FuzzUnpack opens anything as a packed core, of each form: of zstd what comes out is what its own reader gives,
// or as much of it as there was, with damage.
func FuzzUnpack(f *testing.F) {
	core := elftest.Process{Threads: []elftest.Thread{{TID: 7, Signal: 11}}, Memory: []elftest.Segment{{Flags: elftest.RW, Data: make([]byte, 200<<10)}}}.Core()
	magics := []string{"\x28\xb5\x2f\xfd", "\x04\x22\x4d\x18", "\xfd7zXZ\x00", "\x1f\x8b"}
	for form, pack := range []func([]byte) []byte{zstdOf, lz4Of, xzOf, gzipOf} {
		whole := pack(core)
		f.Add(byte(form), whole)
		f.Add(byte(form), whole[:len(whole)/2])
		f.Add(byte(form), append(bytes.Clone(whole), whole...))
		for _, hostile := range elftest.Hostile() {
			f.Add(byte(form), pack(hostile))
		}
	}
	f.Add(byte(0), packed(core[:1000], 23))
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, form byte, data []byte) {
		magic := magics[int(form)%len(magics)]
		if !bytes.HasPrefix(data, []byte(magic)) {
			data = append([]byte(magic), data...)
		}
		begin := time.Now()
		elfcore.Sniff(data)
		c, err := elfcore.Open(writeFile(t, data))
		if took := time.Since(begin); took > 20*time.Second {
			t.Errorf("%d bytes took %v", len(data), took)
		}
		if err != nil {
			if !strings.Contains(err.Error(), "core.zst") {
				t.Errorf("an error without the file: %v", err)
			}
			return
		}
		defer c.Close()
		cut := false
		for _, damage := range c.Damage {
			cut = cut || strings.Contains(damage.Part, "zstd")
		}
		if all, err := d.DecodeAll(data, nil); form == 0 && err == nil && (cut || c.Size != int64(len(all))) {
			t.Errorf("expected %d bytes, found %d, damage %v", len(all), c.Size, c.Damage)
		}
		for _, s := range c.Segments {
			bytes.Count(s.Data, []byte{1}) // the mapping holds what it says
		}
	})
}

func zstdOf(data []byte) []byte {
	z, _ := zstd.NewWriter(nil)
	return z.EncodeAll(data, nil)
}

func lz4Of(data []byte) []byte {
	return writtenBy(data, func(w io.Writer) io.WriteCloser { return lz4.NewWriter(w) })
}

func xzOf(data []byte) []byte {
	return writtenBy(data, func(w io.Writer) io.WriteCloser {
		x, _ := xz.NewWriter(w)
		return x
	})
}

func gzipOf(data []byte) []byte {
	return writtenBy(data, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
}

func writtenBy(data []byte, writer func(io.Writer) io.WriteCloser) []byte {
	var b bytes.Buffer
	w := writer(&b)
	w.Write(data)
	w.Close()
	return b.Bytes()
}

func run(t testing.TB, command string) []byte {
	t.Helper()
	out, err := exec.Command("sh", "-c", command).Output()
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return out
}
