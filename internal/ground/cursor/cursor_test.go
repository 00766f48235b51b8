package cursor

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

func reader(data ...byte) *Reader { return New("file: part", 0x100, data, binary.LittleEndian) }

func TestFieldsAreReadInOrderAndByteOrder(t *testing.T) {
	data := []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 'h', 'i', 0, 9}
	r := New("x", 0, data, binary.LittleEndian)
	if a, b, c, d := r.Uint8(), r.Uint16(), r.Uint32(), r.Uint64(); a != 1 || b != 0x0302 || c != 0x07060504 || d != 0x0f0e0d0c0b0a0908 {
		t.Errorf("little-endian: %x %x %x %x", a, b, c, d)
	}
	if a, s := r.Addr(), r.CString(); a != 0x1716151413121110 || s != "hi" {
		t.Errorf("address %v, string %q", a, s)
	}
	if rest := r.Rest(); len(rest) != 1 || r.Len() != 0 || r.Err() != nil {
		t.Errorf("rest % x, %d left, %v", rest, r.Len(), r.Err())
	}
	r = New("x", 0, data, binary.BigEndian)
	if a, b := r.Uint16(), r.Uint32(); a != 0x0102 || b != 0x03040506 {
		t.Errorf("big-endian: %x %x", a, b)
	}
}

// A parser checks once, at its end: the error must be the first, and nothing behind it may look like data.
func TestTheFirstErrorStaysWithItsOffsetAndAllReadsAfterItAreZero(t *testing.T) {
	r := reader(1, 2, 3, 4, 5, 6)
	r.Uint32()
	r.Uint64()
	r.Fail("another problem")
	if v := r.Uint8(); v != 0 || r.Len() != 0 || r.CString() != "" || r.ULEB128() != 0 || r.Count(1) != 0 {
		t.Errorf("something was read behind an error: %d", v)
	}
	var parse *Error
	if err := r.Err(); !errors.As(err, &parse) || err.Error() != "file: part: offset 0x104: expected 8 more bytes, found 2" {
		t.Errorf("found %v", r.Err())
	}
	if d, bad := r.Damage(); !bad || d.String() != r.Err().Error() {
		t.Errorf("damage %v", d)
	}
}

func TestNoErrorIsNoDamage(t *testing.T) {
	r := reader(1)
	if d, bad := r.Damage(); bad || r.Err() != nil {
		t.Errorf("damage %v, error %v", d, r.Err())
	}
	if s := (Damage{Part: "core", Offset: -1, Problem: "cut"}).String(); s != "core: cut" {
		t.Errorf("without an offset: %q", s)
	}
}

func TestWhatIsClaimedIsBoundedByWhatIsThere(t *testing.T) {
	for name, claim := range map[string]func(*Reader){
		"bytes beyond the end":        func(r *Reader) { r.Bytes(9) },
		"2^64-1 bytes":                func(r *Reader) { r.Skip(1<<64 - 1) },
		"a position beyond the end":   func(r *Reader) { r.Seek(9) },
		"a position of 2^63":          func(r *Reader) { r.Seek(1 << 63) },
		"a count that wraps":          func(r *Reader) { r.Count(24) },
		"a string without an end":     func(r *Reader) { r.CString() },
		"a LEB128 without an end":     func(r *Reader) { r.ULEB128() },
		"a signed one without an end": func(r *Reader) { r.SLEB128() },
	} {
		r := reader(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
		claim(r)
		if r.Err() == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if n := reader(2, 0, 0, 0, 0, 0, 0, 0, 'a', 'b', 'c', 'd').Count(2); n != 2 {
		t.Errorf("expected a count of 2 that fits, found %d", n)
	}
	if r := reader(3, 0, 0, 0, 0, 0, 0, 0, 'a', 'b', 'c', 'd'); r.Count(2) != 0 || !strings.Contains(r.Err().Error(), "at most 2 entries of 2 bytes, found a count of 3") {
		t.Errorf("a count of 3 was believed: %v", r.Err())
	}
}

// The examples of DWARF 5, section 7.6, and the edges of 64 bits.
func TestLEB128(t *testing.T) {
	for _, c := range []struct {
		bytes    []byte
		unsigned uint64
		signed   int64
	}{
		{[]byte{2}, 2, 2},
		{[]byte{0x7f}, 127, -1},
		{[]byte{0x80, 1}, 128, 128},
		{[]byte{0xff, 0}, 127, 127},
		{[]byte{0x80, 0x7f}, 16256, -128},
		{[]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, 1<<64 - 1, -1},
		{[]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f}, 1 << 63, -1 << 63},
	} {
		if v := reader(c.bytes...).ULEB128(); v != c.unsigned {
			t.Errorf("% x unsigned: expected %d, found %d", c.bytes, c.unsigned, v)
		}
		if v := reader(c.bytes...).SLEB128(); v != c.signed {
			t.Errorf("% x signed: expected %d, found %d", c.bytes, c.signed, v)
		}
	}
}

func TestAlignmentCountsFromTheSliceAndStopsAtItsEnd(t *testing.T) {
	r := reader(1, 2, 3, 4, 5)
	r.Uint8()
	r.Align(4)
	if r.Pos() != 4 || r.Offset() != 0x104 {
		t.Errorf("at %d, in the file %#x", r.Pos(), r.Offset())
	}
	r.Uint8()
	r.Align(4)
	if r.Pos() != 5 || r.Err() != nil {
		t.Errorf("at %d, %v: cut padding is no error", r.Pos(), r.Err())
	}
}

// A slice that was taken must not be a way to the bytes behind it.
func TestBytesEndWhereTheyEnd(t *testing.T) {
	data := []byte{1, 2, 3, 4}
	taken := New("x", 0, data, binary.LittleEndian).Bytes(2)
	_ = append(taken, 9)
	if data[2] != 3 {
		t.Error("appending to what was read changed the file")
	}
}

// FuzzReader runs any sequence of reads over any bytes.
func FuzzReader(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, []byte("some bytes\x00 and more of them \xff\xff\xff"))
	f.Add([]byte{7, 7, 9, 8, 6}, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{9, 4}, []byte{0, 0, 0, 0, 0, 0, 0, 0x80})
	f.Fuzz(func(t *testing.T, reads, data []byte) {
		const base = 1000
		r := New("x", base, data, binary.LittleEndian)
		for _, read := range reads {
			failed := r.Err()
			var value uint64
			switch read % 11 {
			case 0:
				value = uint64(r.Uint8())
			case 1:
				value = uint64(r.Uint16())
			case 2:
				value = uint64(r.Uint32())
			case 3:
				value = r.Uint64()
			case 4:
				r.Seek(r.Uint64())
			case 5:
				value = uint64(len(r.CString()))
			case 6:
				value = r.ULEB128()
			case 7:
				value = uint64(r.SLEB128())
			case 8:
				if value = uint64(r.Count(3)); value*3 > uint64(len(data)) {
					t.Fatalf("%d entries of 3 bytes in %d bytes", value, len(data))
				}
			case 9:
				value = uint64(len(r.Bytes(uint64(read) << 56 >> (read % 64))))
			case 10:
				r.Align(1 << (read % 16))
			}
			if failed != nil && (r.Err() != failed || value != 0) {
				t.Fatalf("%d was read behind %v, now %v", value, failed, r.Err())
			}
			if r.Pos() < 0 || r.Pos() > len(data) || r.Offset() != base+int64(r.Pos()) || r.Len() > len(data)-r.Pos() {
				t.Fatalf("at %d of %d, %d left", r.Pos(), len(data), r.Len())
			}
		}
		if d, bad := r.Damage(); bad && (d.Offset < base || d.Offset > base+int64(len(data))) {
			t.Fatalf("an error outside the data: %v", d)
		}
	})
}
