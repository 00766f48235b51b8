// Package cursor reads fields from bytes that nobody trusts.
//
// A Reader walks over a slice and keeps the first error: a parser reads one field a line, and asks
// Err once at the end. After an error every read gives zero, so no check is needed in between, and
// nothing read after the error may be used. An error names the part of the file, the offset in the
// file and what was wrong, because that is what somebody needs who opens the file in a hex editor.
//
// What a file claims is bounded before it is believed: Count turns a claimed number of entries into
// one that the remaining bytes can hold, so that no allocation is larger than its evidence.
package cursor

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/inquest-project/inquest/internal/ground/place"
)

// Error is a place in a file that could not be read as its format demands.
type Error struct {
	Part    string // which file and which part of it: "core.31826: NT_FILE note"
	Offset  int64  // in bytes from the start of the file
	Problem string // what was expected and what was found
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: offset 0x%x: %s", e.Part, e.Offset, e.Problem)
}

// Damage is a defect that did not stop the reading: what could be read was returned beside it.
// It is a value and no error, because a core that is cut short is still evidence.
type Damage struct {
	Part    string
	Offset  int64 // in bytes from the start of the file; -1 where no single offset is meant
	Problem string
}

func (d Damage) String() string {
	if d.Offset < 0 {
		return fmt.Sprintf("%s: %s", d.Part, d.Problem)
	}
	return fmt.Sprintf("%s: offset 0x%x: %s", d.Part, d.Offset, d.Problem)
}

// Reader reads fields one after another from a slice that it never changes or copies.
type Reader struct {
	part  string
	base  int64 // where data begins in the file
	data  []byte
	off   int
	order binary.ByteOrder
	err   *Error
}

// New returns a Reader over data, which begins at offset base of the file; part names file and part
// for errors.
func New(part string, base int64, data []byte, order binary.ByteOrder) *Reader {
	return &Reader{part: part, base: base, data: data, order: order}
}

// Err is the first error, or nil.
func (r *Reader) Err() error {
	if r.err == nil {
		return nil
	}
	return r.err
}

// Damage is the first error as a value to be kept beside what could be read.
func (r *Reader) Damage() (Damage, bool) {
	if r.err == nil {
		return Damage{}, false
	}
	return Damage(*r.err), true
}

// Fail records an error at the current offset, unless there is one already.
func (r *Reader) Fail(format string, args ...any) {
	if r.err == nil {
		r.err = &Error{Part: r.part, Offset: r.Offset(), Problem: fmt.Sprintf(format, args...)}
	}
}

// Len is the number of bytes left; 0 after an error.
func (r *Reader) Len() int {
	if r.err != nil {
		return 0
	}
	return len(r.data) - r.off
}

// Offset is the position in the file of the next byte.
func (r *Reader) Offset() int64 { return r.base + int64(r.off) }

// Pos is the position in the slice of the next byte.
func (r *Reader) Pos() int { return r.off }

// Seek moves to a position in the slice.
func (r *Reader) Seek(pos uint64) {
	if pos > uint64(len(r.data)) {
		r.Fail("expected a position up to 0x%x, found 0x%x", len(r.data), pos)
		return
	}
	r.off = int(pos)
}

// Align moves forward to a multiple of n bytes from the slice's start (n is a power of two); padding
// that is cut off at the end is no error.
func (r *Reader) Align(n int) {
	r.off = min((r.off+n-1)&^(n-1), len(r.data))
}

// Bytes takes the next n bytes, without copying.
func (r *Reader) Bytes(n uint64) []byte {
	if n > uint64(r.Len()) {
		r.Fail("expected %d more bytes, found %d", n, len(r.data)-r.off)
		return nil
	}
	b := r.data[r.off : r.off+int(n) : r.off+int(n)]
	r.off += int(n)
	return b
}

// Skip passes over n bytes.
func (r *Reader) Skip(n uint64) { r.Bytes(n) }

// Rest takes all that is left.
func (r *Reader) Rest() []byte { return r.Bytes(uint64(r.Len())) }

// Uint8 reads one byte.
func (r *Reader) Uint8() uint8 {
	b := r.Bytes(1)
	if b == nil {
		return 0
	}
	return b[0]
}

// Uint16 reads two bytes in the Reader's byte order.
func (r *Reader) Uint16() uint16 {
	b := r.Bytes(2)
	if b == nil {
		return 0
	}
	return r.order.Uint16(b)
}

// Uint32 reads four bytes in the Reader's byte order.
func (r *Reader) Uint32() uint32 {
	b := r.Bytes(4)
	if b == nil {
		return 0
	}
	return r.order.Uint32(b)
}

// Uint64 reads eight bytes in the Reader's byte order.
func (r *Reader) Uint64() uint64 {
	b := r.Bytes(8)
	if b == nil {
		return 0
	}
	return r.order.Uint64(b)
}

// Addr reads a 64-bit address.
func (r *Reader) Addr() place.Address { return place.Address(r.Uint64()) }

// CString reads up to a NUL byte and passes over it. The NUL must be there.
func (r *Reader) CString() string {
	if r.err != nil {
		return ""
	}
	n := bytes.IndexByte(r.data[r.off:], 0)
	if n < 0 {
		r.Fail("expected a string that ends in NUL, found none in %d bytes", r.Len())
		return ""
	}
	s := string(r.data[r.off : r.off+n])
	r.off += n + 1
	return s
}

// ULEB128 reads an unsigned LEB128 number (DWARF 5, section 7.6) that fits 64 bits.
func (r *Reader) ULEB128() uint64 {
	v, _, _ := r.leb128()
	return v
}

// SLEB128 reads a signed LEB128 number (DWARF 5, section 7.6) that fits 64 bits.
func (r *Reader) SLEB128() int64 {
	v, shift, last := r.leb128()
	if shift < 64 && last&0x40 != 0 {
		v |= ^uint64(0) << shift
	}
	return int64(v)
}

// leb128 gathers seven bits a byte; bits beyond 64 are dropped, as readelf does, but more than ten
// bytes are refused: no producer writes them.
func (r *Reader) leb128() (v uint64, shift uint, last byte) {
	for range 10 {
		last = r.Uint8()
		v |= uint64(last&0x7f) << shift
		shift += 7
		if last&0x80 == 0 {
			return v, shift, last
		}
	}
	r.Fail("expected a LEB128 number of at most ten bytes")
	return 0, 64, 0
}

// Count reads a 64-bit number of entries of at least size bytes each, and refuses one that the rest
// of the slice can't hold. The division can't wrap, as count*size could.
func (r *Reader) Count(size int) int {
	n := r.Uint64()
	if n > uint64(r.Len()/size) {
		r.Fail("expected at most %d entries of %d bytes, found a count of %d", r.Len()/size, size, n)
		return 0
	}
	return int(n)
}
