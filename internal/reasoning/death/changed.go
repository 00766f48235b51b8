package death

import (
	"bytes"
	"debug/elf"
	"math/bits"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/image"
)

// changed compares what the core holds of code and constants with the very build's file: nobody writes there but a debugger, a
// program that mends its own code, or memory that is broken. A kernel dumps these pages only if somebody wrote to their mapping, or
// if it was told to (coredump_filter).
func changed(im *image.Image) (all []finding.Changed) {
	for _, m := range im.Modules {
		if !m.Verified || m.File == nil || m.File.RelocatesText() {
			continue
		}
		c := finding.Changed{Module: moduleName(m)}
		for _, segment := range m.File.Segments {
			if segment.Flags&elf.PF_W == 0 {
				at := m.Bias + place.Address(segment.Vaddr)
				for _, stretch := range kept(im, at, at+place.Address(len(segment.Data))) {
					compare(&c, m, stretch.Start, stretch.Data, segment.Data[stretch.Start-at:], segment.Flags&elf.PF_X != 0)
				}
			}
		}
		if c.Bytes > 0 {
			all = append(all, c)
		}
	}
	return all
}

// stretch is memory that a core holds.
type stretch struct {
	Start place.Address
	Data  []byte
}

// kept is what the core holds between two addresses of memory that the process couldn't write to.
func kept(im *image.Image, from, to place.Address) (all []stretch) {
	for _, s := range im.Core.Segments {
		if s.End <= from || s.Start >= to || s.Flags&elf.PF_W != 0 {
			continue
		}
		for _, w := range im.Core.Written(s) {
			start, end := max(w.Start, from), min(w.Start+place.Address(len(w.Data)), to)
			if start < end {
				all = append(all, stretch{start, w.Data[start-w.Start : end-w.Start]})
			}
		}
	}
	return all
}

// compare counts the bytes that differ. Breakpoints of debuggers and probes don't count, nor pages that couldn't be read when the
// core was written: they are zeros.
func compare(c *finding.Changed, m *image.Module, at place.Address, memory, file []byte, code bool) {
	for len(memory) > 0 {
		n := min(len(memory), int(pageSize-at%pageSize))
		if page := memory[:n]; !bytes.Equal(page, file[:n]) && len(bytes.Trim(page, "\x00")) > 0 {
			for i := range page {
				if page[i] == file[i] || code && page[i] == int3 {
					continue
				}
				if c.Bytes == 0 {
					c.Offset = m.Offset(at + place.Address(i))
				}
				c.Bytes++
				c.Bits += bits.OnesCount8(page[i] ^ file[i])
			}
		}
		at, memory, file = at+place.Address(n), memory[n:], file[n:]
	}
}
