package elffile

import (
	"debug/elf"
	"encoding/binary"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/cursor"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// Note is one entry of a note segment or section.
type Note struct {
	Owner  string // "CORE", "LINUX", "GNU"
	Type   elf.NType
	Desc   []byte
	Offset int64 // of Desc in the file
}

// ParseNotes reads notes from data, which begins at offset base of the file; part names them for
// errors. A note that is cut off ends the list with damage, and its bytes that are there are given:
// of a cut NT_FILE the first entries may still be of use.
//
// Names and descriptors are padded to four bytes, also in segments that claim an alignment of eight:
// the kernel and binutils write them so. The exception, .note.gnu.property, is not for us.
func ParseNotes(part string, base int64, data []byte) ([]Note, []cursor.Damage) {
	var notes []Note
	r := cursor.New(part, base, data, binary.LittleEndian)
	for r.Len() >= 12 {
		nameSize, descSize := r.Uint32(), r.Uint32()
		note := Note{Type: elf.NType(r.Uint32())}
		note.Owner = strings.TrimRight(string(r.Bytes(uint64(nameSize))), "\x00")
		r.Align(4)
		note.Offset = r.Offset()
		if r.Err() == nil && uint64(descSize) > uint64(r.Len()) {
			note.Desc = data[r.Pos():]
			r.Fail("expected a note of %d bytes, found %d", descSize, len(note.Desc))
		} else {
			note.Desc = r.Bytes(uint64(descSize))
			r.Align(4)
		}
		if note.Desc != nil {
			notes = append(notes, note)
		}
	}
	if d, bad := r.Damage(); bad {
		return notes, []cursor.Damage{d}
	}
	return notes, nil
}

// BuildID is the build ID among the notes, or empty.
func BuildID(notes []Note) place.BuildID {
	for _, n := range notes {
		// A build ID is a hash: 8 bytes (xxhash) to 20 (SHA-1), 32 to be generous. A longer one is damage.
		if n.Owner == "GNU" && n.Type == 3 && len(n.Desc) >= 2 && len(n.Desc) <= 32 {
			return place.BuildIDFrom(n.Desc)
		}
	}
	return ""
}
