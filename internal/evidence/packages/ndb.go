package packages

import (
	"encoding/binary"
	"iter"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// ndbHeaders reads rpm's "new" database, SUSE's default (lib/backend/ndb/rpmpkg.c): pages of slots of 16 bytes, the first
// two of which are the file's header; a slot that is in use says where a package's blob begins, in blocks of 16
// bytes. Each blob has a header of its own: magic, number, checksum, length.
func ndbHeaders(part string, data []byte) (iter.Seq[[]byte], func() error) {
	const page, block = 4096, 16
	r := cursor.New(part+": slots", 0, data, binary.LittleEndian)
	magic, version := string(r.Bytes(4)), r.Uint32()
	r.Skip(4) // generation
	pages := r.Uint32()
	if r.Err() == nil && (magic != "RpmP" || version != 0) {
		r.Fail("expected the magic RpmP and version 0, found %q and %d", magic, version)
	}
	if fit := uint32(len(data) / page); pages > fit {
		r.Fail("expected at most %d pages of slots, found %d", fit, pages)
	}
	headers := func(yield func([]byte) bool) {
		r.Skip(block) // the rest of the file's header
		for range int(pages)*(page/block) - 2 {
			slot, number, at := string(r.Bytes(4)), r.Uint32(), r.Uint32()
			r.Skip(4) // length in blocks
			if r.Err() == nil && slot != "Slot" {
				r.Fail("expected the magic Slot, found %q", slot)
			}
			if r.Err() != nil {
				return
			}
			if number == 0 {
				continue
			}
			b := cursor.New(part+": blob", 0, data, binary.LittleEndian)
			b.Seek(uint64(at) * block)
			if magic, owner := string(b.Bytes(4)), b.Uint32(); magic != "BlbS" || owner != number {
				b.Fail("expected the magic BlbS and package %d, found %q and %d", number, magic, owner)
			}
			b.Skip(4) // checksum
			blob := b.Bytes(uint64(b.Uint32()))
			if b.Err() != nil {
				blob = nil // damage, which the header's parser tells of
			}
			if !yield(blob) {
				return
			}
		}
	}
	return headers, r.Err
}
