package elfcore

import (
	"bytes"
	"cmp"
	"debug/elf"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/inquest-project/inquest/internal/evidence/elffile"
	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// Note types (elf.h), of owner "CORE" but for the last, which is of owner "LINUX".
const (
	ntPRStatus = 1
	ntPRPSInfo = 3
	ntAuxv     = 6
	ntSigInfo  = 0x53494749 // "SIGI"
	ntFile     = 0x46494c45 // "FILE"
	ntPACMask  = 0x406
)

func (c *Core) readNotes(programs []elf.ProgHeader, data []byte) {
	found := false
	for _, p := range programs {
		if p.Type != elf.PT_NOTE {
			continue
		}
		found = true
		notes, damage := elffile.ParseNotes(c.Name+": notes", int64(p.Off), elffile.Slice(data, p.Off, p.Filesz))
		c.Damage = append(c.Damage, damage...)
		for _, n := range notes {
			c.readNote(n)
		}
	}
	if !found {
		c.damaged("program headers", -1, "expected a note segment (PT_NOTE), found none: threads and signal are unknown")
	}
}

func (c *Core) readNote(n elffile.Note) {
	if n.Owner == "LINUX" && n.Type == ntPACMask {
		c.note("NT_ARM_PAC_MASK", n, c.readPACMask)
	}
	if n.Owner != "CORE" {
		return
	}
	switch n.Type {
	case ntPRStatus:
		c.note("NT_PRSTATUS", n, c.readThread)
	case ntPRPSInfo:
		c.note("NT_PRPSINFO", n, c.readProcess)
	case ntAuxv:
		c.note("NT_AUXV", n, c.readAuxv)
	case ntSigInfo:
		c.note("NT_SIGINFO", n, c.readSignal)
	case ntFile:
		c.note("NT_FILE", n, c.readFiles)
	}
}

// note runs one note's reader and keeps its error as damage.
func (c *Core) note(name string, n elffile.Note, read func(*cursor.Reader)) {
	r := cursor.New(c.Name+": "+name+" note", n.Offset, n.Desc, binary.LittleEndian)
	read(r)
	if d, bad := r.Damage(); bad {
		c.Damage = append(c.Damage, d)
	}
}

// readProcess decodes struct elf_prpsinfo.
func (c *Core) readProcess(r *cursor.Reader) {
	r.Skip(4 + 4 + 8) // state, its letter, zombie, nice, padding; flags
	p := Process{UID: int(r.Uint32()), GID: int(r.Uint32()), PID: int(r.Uint32()), PPID: int(r.Uint32())}
	r.Skip(8) // process group, session
	p.Command = text(r.Bytes(16))
	p.Arguments = text(r.Bytes(80))
	p.Known = r.Err() == nil
	if p.Known {
		c.Process = p
	}
}

// text is a fixed field that ends at its first NUL. The kernel leaves a space behind the last argument.
func text(field []byte) string {
	s, _, _ := bytes.Cut(field, []byte{0})
	return strings.TrimRight(string(s), " ")
}

func (c *Core) readAuxv(r *cursor.Reader) {
	c.Auxv = map[uint64]uint64{}
	for r.Len() >= 16 {
		key, value := r.Uint64(), r.Uint64()
		if key == 0 { // AT_NULL
			return
		}
		c.Auxv[key] = value
	}
}

// readPACMask decodes struct user_pac_mask: of data pointers, and of instruction pointers.
func (c *Core) readPACMask(r *cursor.Reader) {
	r.Uint64()
	c.PACMask = r.Uint64()
}

// readFiles decodes an NT_FILE note: which file backs which address range.
func (c *Core) readFiles(r *cursor.Reader) {
	count := r.Uint64()
	pageSize := r.Uint64()
	if fit := uint64(r.Len() / 24); count > fit {
		r.Fail("expected at most %d mappings of 24 bytes, found a count of %d", fit, count)
		return
	}
	maps := make([]Mapping, count)
	for i := range maps {
		maps[i] = Mapping{Start: r.Addr(), End: r.Addr(), Offset: r.Uint64() * pageSize}
	}
	named := 0
	for ; named < len(maps); named++ {
		maps[named].Path = r.CString()
		if n := len(maps[named].Path); n > longestPath {
			r.Fail("expected a path of at most %d bytes, found %d", longestPath, n)
		}
		if r.Err() != nil {
			break
		}
	}
	slices.SortStableFunc(maps[:named], func(a, b Mapping) int { return cmp.Compare(a.Start, b.Start) })
	for _, m := range maps[:named] {
		c.addMapping(r, m)
	}
}

// longestPath is the kernel's PATH_MAX: it writes no longer ones.
const longestPath = 4096

// addMapping keeps what a process can have: mappings that are not empty and don't overlap. Lookups search
// them by halves.
func (c *Core) addMapping(r *cursor.Reader, m Mapping) {
	last := len(c.Mappings) - 1
	if m.End <= m.Start || last >= 0 && m.Start < c.Mappings[last].End {
		r.Fail("expected mappings behind each other, found %v to %v", m.Start, m.End)
		return
	}
	c.Mappings = append(c.Mappings, m)
}
