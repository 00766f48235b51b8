package packages

import (
	"encoding/binary"
	"iter"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// Berkeley DB, as rpm used it until 4.16: a hash of number -> header (dbinc/db_page.h). All we want is every value, so
// pages are read one after another, and the hash is of no interest.
const (
	bdbHashMagic    = 0x061561
	bdbPageHeader   = 26
	bdbUnsortedPage = 2 // page types
	bdbOverflowPage = 7
	bdbHashPage     = 13
	bdbInline       = 1 // item types: the value itself, and where a large one lies
	bdbElsewhere    = 3
)

type bdbFile struct {
	data  []byte
	size  uint64 // of a page
	order binary.ByteOrder
}

func bdbHeaders(part string, data []byte) (iter.Seq[[]byte], func() error) {
	f := bdbFile{data: data, order: binary.LittleEndian}
	if len(data) >= 16 && binary.BigEndian.Uint32(data[12:]) == bdbHashMagic {
		f.order = binary.BigEndian // written on another kind of machine
	}
	r := cursor.New(part+": metadata", 0, data, f.order)
	r.Skip(12)
	if magic := r.Uint32(); r.Err() == nil && magic != bdbHashMagic {
		r.Fail("expected the magic 0x%x of a Berkeley DB hash, found 0x%x", bdbHashMagic, magic)
	}
	r.Skip(4) // version
	f.size = uint64(r.Uint32())
	if r.Err() == nil && (f.size < 512 || f.size > 64<<10 || f.size&(f.size-1) != 0) {
		r.Fail("expected pages of 512 bytes to 64 KiB, found %d", f.size)
	}
	headers := func(yield func([]byte) bool) {
		if r.Err() != nil {
			return
		}
		for n := uint64(1); ; n++ {
			page := f.page(n)
			if page == nil {
				return
			}
			for value := range f.values(page) {
				if len(value) > 4 && !yield(value) { // the value of number 0 is the last number given
					return
				}
			}
		}
	}
	return headers, r.Err
}

// page is a whole page, or nil behind the last.
func (f *bdbFile) page(n uint64) []byte {
	if n >= uint64(len(f.data))/f.size {
		return nil
	}
	return f.data[n*f.size : (n+1)*f.size]
}

// values are a hash page's: its items are keys and values by turns, and fill the page from its end.
func (f *bdbFile) values(page []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if page[25] != bdbHashPage && page[25] != bdbUnsortedPage {
			return
		}
		count := min(uint64(f.order.Uint16(page[20:])), (f.size-bdbPageHeader)/2)
		at := func(i uint64) uint64 { return uint64(f.order.Uint16(page[bdbPageHeader+2*i:])) }
		for i := uint64(1); i < count; i += 2 {
			start, end := at(i), at(i-1)
			if start >= end || end > f.size {
				continue
			}
			var value []byte
			switch item := page[start:end]; {
			case item[0] == bdbInline:
				value = item[1:]
			case item[0] == bdbElsewhere && len(item) >= 12:
				value = f.chain(uint64(f.order.Uint32(item[4:])), uint64(f.order.Uint32(item[8:])))
			}
			if !yield(value) {
				return
			}
		}
	}
}

// chain is a large value: pages of which each names the next. It can't be longer than the file, nor go round for ever.
func (f *bdbFile) chain(n, size uint64) []byte {
	if size > uint64(len(f.data)) {
		return nil
	}
	value := make([]byte, 0, size)
	for n != 0 {
		page := f.page(n)
		if page == nil || page[25] != bdbOverflowPage {
			return nil
		}
		length := uint64(f.order.Uint16(page[22:]))
		if length == 0 || length > f.size-bdbPageHeader || uint64(len(value))+length > size {
			return nil
		}
		value = append(value, page[bdbPageHeader:bdbPageHeader+length]...)
		n = uint64(f.order.Uint32(page[16:]))
	}
	return value
}
