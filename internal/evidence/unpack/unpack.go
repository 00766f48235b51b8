// Package unpack opens files of evidence that were packed by zstd, lz4, xz or gzip, as cores, captures and rotated logs
// are kept. Open maps a file, and what is packed it unpacks before, to a file without a name; Head shows what begins there.
package unpack

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"

	"github.com/inquest-project/inquest/internal/ground/cursor"
	"github.com/inquest-project/inquest/internal/ground/mapped"
)

const (
	// largestUnpacked bounds what a packed file may grow to. Holes cost no disk, so only real content
	// counts against the disk, but a few kilobytes of zstd must not keep a machine busy for a day.
	largestUnpacked = 256 << 30
	block           = 64 << 10 // unit of holes when unpacking
)

// packing is a form that evidence is kept in: systemd-coredump packs by zstd, lz4 or xz, abrt by zstd, people
// and logrotate by gzip.
type packing struct {
	name  string
	magic string
	open  func(packed []byte) (io.ReadCloser, error)
}

var packings = []packing{
	{"zstd", "\x28\xb5\x2f\xfd", openZstd}, // RFC 8878, section 3.1.1
	{"lz4", "\x04\x22\x4d\x18", openLZ4},   // LZ4 frame format, "Magic Number"
	{"xz", "\xfd7zXZ\x00", openXZ},         // the .xz file format, section 2.1.1.1
	{"gzip", "\x1f\x8b", openGzip},         // RFC 1952, section 2.3.1
}

func packingOf(head []byte) *packing {
	for i := range packings {
		if bytes.HasPrefix(head, []byte(packings[i].magic)) {
			return &packings[i]
		}
	}
	return nil
}

const (
	// largestWindow is what `zstd --long=31` needs, the most that the format's own tool writes, and
	// usualWindow what it writes without being told to.
	largestWindow = 2 << 30
	usualWindow   = 8 << 20
	// largestRatio is how much one byte of zstd can unpack to: a block of 4 bytes repeats one byte up to
	// 128 Ki times.
	largestRatio = 32 << 10
)

// openZstd allows no window that is larger than all that the packed bytes can unpack to: a window is memory
// that a few bytes ask for.
func openZstd(packed []byte) (io.ReadCloser, error) {
	window := min(largestWindow, max(usualWindow, uint64(len(packed))*largestRatio))
	z, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderMaxWindow(window))
	if err != nil {
		return nil, err
	}
	return z.IOReadCloser(), nil
}

func openLZ4(packed []byte) (io.ReadCloser, error) {
	return io.NopCloser(lz4.NewReader(bytes.NewReader(packed))), nil
}

func openGzip(packed []byte) (io.ReadCloser, error) { return gzip.NewReader(bytes.NewReader(packed)) }

func openXZ(packed []byte) (io.ReadCloser, error) {
	const (
		usual        = 64 << 20 // what xz -9 needs
		largestRatio = 8 << 10  // of LZMA2: runs of zeros reach about 7,000
	)
	if size := dictionary(packed); size > max(usual, uint64(len(packed))*largestRatio) {
		return nil, fmt.Errorf("expected a dictionary that its content could fill, found one of %d bytes", size)
	}
	x, err := xz.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.NopCloser(x), nil
}

// dictionary is how much memory the first block asks for (the .xz file format, sections 3.1 and 5.3.1: flags,
// sizes that may be there, and a list of filters that LZMA2 ends). It is 0 where that can't be read.
func dictionary(packed []byte) uint64 {
	const streamHeader, lzma2 = 12, 0x21
	r := cursor.New("xz: block header", streamHeader, packed[min(streamHeader, len(packed)):], binary.LittleEndian)
	r.Uint8() // size of the header
	flags := r.Uint8()
	for _, there := range []uint8{0x40, 0x80} {
		if flags&there != 0 {
			r.ULEB128()
		}
	}
	for range flags&3 + 1 {
		id, size := r.ULEB128(), r.ULEB128()
		properties := r.Bytes(size)
		if id == lzma2 && len(properties) == 1 {
			bits := uint64(properties[0])
			return (2 | bits&1) << (bits/2 + 11)
		}
	}
	return 0
}

// Packed says whether a file's beginning is that of a packed file, whatever it holds.
func Packed(head []byte) bool { return packingOf(head) != nil }

// SniffSize is how much of a packed file's beginning is enough for Head: its first block whole. The blocks of lz4 have up
// to 4 MiB, those of the others up to 128 KiB, or can be read in part.
const SniffSize = 4<<20 + 64

// Head is the beginning of what a packed file holds that begins with head, most bytes at most; of any other file head
// itself.
func Head(head []byte, most int) []byte {
	p := packingOf(head)
	if p == nil {
		return head
	}
	r, err := p.open(head)
	if err != nil {
		return nil
	}
	defer r.Close()
	inner := make([]byte, most)
	n, _ := fill(r, inner)
	return inner[:n]
}

// Open maps a file, unpacking it first if need be. Damage is what ended that early.
func Open(path string) (*mapped.File, []cursor.Damage, error) {
	file, err := mapped.Open(path)
	if err != nil {
		return nil, nil, err
	}
	p := packingOf(file.Data)
	if p == nil {
		return file, nil, nil
	}
	defer file.Close()
	return p.unpack(filepath.Base(path), file.Data)
}

// unpack writes the content to a file without a name in the directory for temporary files: whatever
// becomes of this process, the secrets in it don't stay behind. Damage is what ended it early.
func (p *packing) unpack(name string, packed []byte) (*mapped.File, []cursor.Damage, error) {
	file, err := os.CreateTemp("", "inquest-")
	if err != nil {
		return nil, nil, fmt.Errorf("unpacking %s: %w", name, err)
	}
	defer file.Close()
	if err := os.Remove(file.Name()); err != nil {
		return nil, nil, fmt.Errorf("unpacking %s: %w", name, err)
	}
	size, readErr, writeErr := p.copySparse(file, packed)
	if writeErr != nil {
		return nil, nil, fmt.Errorf("unpacking %s to %s, which TMPDIR may change: %w", name, os.TempDir(), writeErr)
	}
	var damage []cursor.Damage
	if readErr != nil {
		damage = []cursor.Damage{{Part: name + ": " + p.name, Offset: -1,
			Problem: fmt.Sprintf("unpacking ended after %d bytes: %v", size, readErr)}}
	}
	unpacked, err := mapped.From(file)
	return unpacked, damage, err
}

// copySparse unpacks into file, leaving holes where a block is all zero: cores are sparse, and a hole
// reads as what was there.
func (p *packing) copySparse(file *os.File, packed []byte) (size int64, readErr, writeErr error) {
	r, err := p.open(packed)
	if err != nil {
		return 0, err, nil
	}
	defer r.Close()
	buf, zero := make([]byte, block), make([]byte, block)
	for size < largestUnpacked {
		n, err := fill(r, buf)
		if !bytes.Equal(buf[:n], zero[:n]) {
			if _, err := file.WriteAt(buf[:n], size); err != nil {
				return size, nil, err
			}
		}
		size += int64(n)
		if err == io.EOF {
			return size, nil, file.Truncate(size)
		}
		if err != nil {
			return size, err, file.Truncate(size)
		}
	}
	return size, fmt.Errorf("it is larger than %d bytes", int64(largestUnpacked)), file.Truncate(size)
}

// fill reads until buf is full or r ends, and gives r's own error: io.ReadFull would say
// ErrUnexpectedEOF both for a last short block and for a packed file that was cut.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}
