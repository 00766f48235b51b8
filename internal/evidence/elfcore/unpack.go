package elfcore

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"github.com/inquest-project/inquest/internal/evidence/elffile"
	"github.com/inquest-project/inquest/internal/ground/cursor"
	"github.com/inquest-project/inquest/internal/ground/mapped"
)

const (
	// largestUnpacked bounds what a packed core may grow to. Holes cost no disk, so only real content
	// counts against the disk, but a few kilobytes of zstd must not keep a machine busy for a day.
	largestUnpacked = 256 << 30
	// largestWindow is what `zstd --long=31` needs, the most that the format's own tool writes, and
	// usualWindow what it writes without being told to.
	largestWindow = 2 << 30
	usualWindow   = 8 << 20
	// largestRatio is how much one byte of zstd can unpack to: a block of 4 bytes repeats one byte up to
	// 128 Ki times.
	largestRatio = 32 << 10
	block        = 64 << 10 // unit of holes when unpacking
)

var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd} // RFC 8878, section 3.1.1

// Sniff says whether head, a file's beginning, is that of a core. Of a plain core 20 bytes are enough;
// in zstd the first block must be there whole, so 256 KiB are.
func Sniff(head []byte) bool {
	if bytes.HasPrefix(head, zstdMagic) {
		head = unpackHead(head)
	}
	typ, ok := elffile.Sniff(head)
	return ok && typ == elf.ET_CORE
}

// unpacker reads zstd. A window is memory that a few bytes ask for: one that is larger than all that the
// packed bytes can unpack to is of no use, so it is not allowed.
func unpacker(packed []byte, options ...zstd.DOption) (*zstd.Decoder, error) {
	window := min(largestWindow, max(usualWindow, uint64(len(packed))*largestRatio))
	return zstd.NewReader(bytes.NewReader(packed), append(options, zstd.WithDecoderMaxWindow(window))...)
}

func unpackHead(packed []byte) []byte {
	z, err := unpacker(packed, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil
	}
	defer z.Close()
	head := make([]byte, 64)
	n, _ := io.ReadFull(z, head)
	return head[:n]
}

// mapCore maps a core, unpacking it first if need be.
func mapCore(path string) (*mapped.File, []cursor.Damage, error) {
	file, err := mapped.Open(path)
	if err != nil || !bytes.HasPrefix(file.Data, zstdMagic) {
		return file, nil, err
	}
	defer file.Close()
	return unpack(filepath.Base(path), file.Data)
}

// unpack writes the core to a file without a name in the directory for temporary files: whatever
// becomes of this process, the secrets in the core don't stay behind. Damage is what ended it early.
func unpack(name string, packed []byte) (*mapped.File, []cursor.Damage, error) {
	file, err := os.CreateTemp("", "inquest-core-")
	if err != nil {
		return nil, nil, fmt.Errorf("unpacking %s: %w", name, err)
	}
	defer file.Close()
	if err := os.Remove(file.Name()); err != nil {
		return nil, nil, fmt.Errorf("unpacking %s: %w", name, err)
	}
	size, readErr, writeErr := copySparse(file, packed)
	if writeErr != nil {
		return nil, nil, fmt.Errorf("unpacking %s to %s: %w", name, os.TempDir(), writeErr)
	}
	var damage []cursor.Damage
	if readErr != nil {
		damage = []cursor.Damage{{Part: name + ": zstd", Offset: -1,
			Problem: fmt.Sprintf("unpacking ended after %d bytes: %v", size, readErr)}}
	}
	unpacked, err := mapped.From(file)
	return unpacked, damage, err
}

// copySparse unpacks into file, leaving holes where a block is all zero: cores are sparse, and a hole
// reads as what was there.
func copySparse(file *os.File, packed []byte) (size int64, readErr, writeErr error) {
	z, err := unpacker(packed)
	if err != nil {
		return 0, err, nil
	}
	defer z.Close()
	buf, zero := make([]byte, block), make([]byte, block)
	for size < largestUnpacked {
		n, err := fill(z, buf)
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
