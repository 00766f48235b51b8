package packages

import (
	"encoding/binary"
	"fmt"
	"iter"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// SQLite's file format (sqlite.org/fileformat2.html), as far as one table of blobs needs it: pages of a B-tree whose
// leaves hold records, and the pages onto which a large record overflows.
const (
	sqliteMagic    = "SQLite format 3\x00"
	sqliteInterior = 0x05 // of a table
	sqliteLeaf     = 0x0d
	sqliteDepth    = 20 // a tree of pages with two children each, on the largest file
)

type sqliteFile struct {
	part   string
	data   []byte
	size   uint64 // of a page
	usable uint64 // of it
	err    error  // the first
}

// sqliteHeaders gives the column "blob" of the table "Packages".
func sqliteHeaders(part string, data []byte) (iter.Seq[[]byte], func() error) {
	f := &sqliteFile{part: part, data: data}
	f.open()
	headers := func(yield func([]byte) bool) {
		if f.err != nil {
			return
		}
		root := uint64(0)
		// The schema is a table itself, with type, name, tbl_name, rootpage and sql.
		for row := range f.table(1) {
			if len(row) >= 4 && string(row[0].bytes) == "table" && strings.EqualFold(string(row[1].bytes), "Packages") {
				root = uint64(row[3].number)
			}
		}
		if root == 0 {
			f.fail("expected a table Packages, found none")
			return
		}
		for row := range f.table(root) {
			if len(row) >= 2 && !yield(row[1].bytes) { // hnum, blob
				return
			}
		}
	}
	return headers, func() error { return f.err }
}

func (f *sqliteFile) fail(format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf("%s: %s", f.part, fmt.Sprintf(format, args...))
	}
}

func (f *sqliteFile) open() {
	r := cursor.New(f.part+": header", 0, f.data, binary.BigEndian)
	if magic := string(r.Bytes(16)); r.Err() == nil && magic != sqliteMagic {
		r.Fail("expected %q, found %q", sqliteMagic, magic)
	}
	f.size = uint64(r.Uint16())
	if f.size == 1 {
		f.size = 64 << 10 // which 16 bits can't tell
	}
	r.Skip(2) // format versions
	reserved := uint64(r.Uint8())
	if r.Err() == nil && (f.size < 512 || f.size&(f.size-1) != 0 || reserved > f.size-480) {
		r.Fail("expected pages of 512 bytes to 64 KiB, found %d with %d reserved", f.size, reserved)
	}
	f.usable, f.err = f.size-reserved, r.Err()
}

func (f *sqliteFile) page(n uint64) []byte {
	if n == 0 || n > uint64(len(f.data))/f.size {
		f.fail("expected a page of 1 to %d, found %d", uint64(len(f.data))/f.size, n)
		return nil
	}
	return f.data[(n-1)*f.size : n*f.size]
}

// column is a value: an integer, or bytes.
type column struct {
	number int64
	bytes  []byte
}

// table walks a table's rows. No page is visited twice: a tree that has a circle ends where it closes.
func (f *sqliteFile) table(root uint64) iter.Seq[[]column] {
	return func(yield func([]column) bool) {
		f.walk(root, 0, map[uint64]bool{}, yield)
	}
}

func (f *sqliteFile) walk(n uint64, depth int, seen map[uint64]bool, yield func([]column) bool) bool {
	page := f.page(n)
	if page == nil {
		return false
	}
	if seen[n] || depth > sqliteDepth {
		f.fail("page %d: expected a tree, found a circle", n)
		return false
	}
	seen[n] = true
	start := uint64(0)
	if n == 1 {
		start = 100 // the file's header
	}
	r := cursor.New(fmt.Sprintf("%s: page %d", f.part, n), int64((n-1)*f.size), page, binary.BigEndian)
	r.Seek(start)
	kind := r.Uint8()
	r.Skip(2) // first free block
	cells := int(r.Uint16())
	r.Skip(3) // start of the cells, fragments
	right := uint64(0)
	if kind == sqliteInterior {
		right = uint64(r.Uint32())
	} else if kind != sqliteLeaf {
		r.Fail("expected a table's page (5, 13), found one of type %d", kind)
	}
	for range cells {
		at := uint64(r.Uint16())
		if r.Err() != nil {
			break
		}
		c := cursor.New(fmt.Sprintf("%s: page %d: cell", f.part, n), int64((n-1)*f.size), page, binary.BigEndian)
		c.Seek(at)
		if kind == sqliteInterior {
			if child := uint64(c.Uint32()); c.Err() == nil && !f.walk(child, depth+1, seen, yield) {
				return false
			}
		} else if size, _ := sqliteVarint(c), sqliteVarint(c); c.Err() == nil { // length, row number
			if payload := f.payload(c, size); payload != nil && !yield(f.record(payload)) {
				return false
			}
		}
		if err := c.Err(); err != nil && f.err == nil {
			f.err = err
		}
	}
	if err := r.Err(); err != nil {
		if f.err == nil {
			f.err = err
		}
		return true // the rest of the tree may be well
	}
	return kind != sqliteInterior || f.walk(right, depth+1, seen, yield)
}

// payload is a record's bytes: those in the cell, and those on a chain of pages of which each begins with the number of
// the next.
func (f *sqliteFile) payload(c *cursor.Reader, size uint64) []byte {
	most, least := f.usable-35, (f.usable-12)*32/255-23
	if size <= most {
		return c.Bytes(size)
	}
	if size > uint64(len(f.data)) {
		f.fail("expected a record that fits the file, found one of %d bytes", size)
		return nil
	}
	local := least + (size-least)%(f.usable-4)
	if local > most {
		local = least
	}
	payload := append(make([]byte, 0, size), c.Bytes(local)...)
	next := uint64(c.Uint32())
	for c.Err() == nil && uint64(len(payload)) < size {
		page := f.page(next)
		if page == nil {
			return nil
		}
		next = uint64(binary.BigEndian.Uint32(page))
		payload = append(payload, page[4:4+min(f.usable-4, size-uint64(len(payload)))]...)
	}
	return payload
}

// record takes a payload's columns apart: their types stand before them.
func (f *sqliteFile) record(payload []byte) (row []column) {
	r := cursor.New(f.part+": record", 0, payload, binary.BigEndian)
	end := sqliteVarint(r)
	var kinds []uint64
	for r.Err() == nil && uint64(r.Pos()) < end {
		kinds = append(kinds, sqliteVarint(r))
	}
	for _, kind := range kinds {
		var c column
		switch {
		case kind >= 12:
			c.bytes = r.Bytes((kind - 12) / 2) // even: a blob; odd: text
		case kind >= 1 && kind <= 7:
			width := []uint64{0, 1, 2, 3, 4, 6, 8, 8}[kind]
			for _, b := range r.Bytes(width) {
				c.number = c.number<<8 | int64(b)
			}
		case kind == 9:
			c.number = 1
		}
		row = append(row, c)
	}
	if err := r.Err(); err != nil && f.err == nil {
		f.err = err
	}
	return row
}

// sqliteVarint is a number of seven bits a byte, the highest first; a ninth byte gives all its bits.
func sqliteVarint(r *cursor.Reader) (v uint64) {
	for i := range 9 {
		b := r.Uint8()
		if i == 8 {
			return v<<8 | uint64(b)
		}
		v = v<<7 | uint64(b&0x7f)
		if b < 0x80 {
			break
		}
	}
	return v
}
