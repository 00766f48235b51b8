package ldso

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"slices"

	"github.com/inquest-project/inquest/internal/evidence/rooted"
	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// cache is what ldconfig writes (glibc's dl-cache.h): a header, entries of flags, name, path and what a processor must
// have, then strings, to which the entries point from the header's beginning.
type cache struct {
	entries []cached
	levels  []string // that entries' requirements name
	data    []byte   // from the header
}

type cached struct {
	flags, name, path uint32
	needs             uint64
}

const (
	oldCacheMagic = "ld.so-1.7.0" // before 2.2; a cache for both has the new one behind it
	cacheMagic    = "glibc-ld.so.cache1.1"
	largestCache  = 64 << 20
	// needsLevel is set where needs is the number of a name in the extension, and no bit mask of before glibc 2.33.
	needsLevel     = 1 << 62
	extensionMagic = 0xeaa42174
	extensionLevel = 1
)

// wantedFlags are those of libraries for glibc 2 (ELF_LIBC6) of a machine.
var wantedFlags = map[elf.Machine]uint32{elf.EM_X86_64: 0x303, elf.EM_AARCH64: 0xa03}

// readCache reads the root's cache; a root without one, or with one that is damaged, has none, as for the linker.
func readCache(root *rooted.Root) *cache {
	data, err := root.ReadFile("/etc/ld.so.cache", largestCache)
	if err != nil {
		return &cache{}
	}
	return parseCache(data)
}

func parseCache(data []byte) *cache {
	if bytes.HasPrefix(data, []byte(oldCacheMagic)) {
		data = data[max(0, bytes.Index(data, []byte(cacheMagic))):]
	}
	c := &cache{data: data}
	r := cursor.New("/etc/ld.so.cache", 0, data, binary.LittleEndian)
	if string(r.Bytes(uint64(len(cacheMagic)))) != cacheMagic {
		return c
	}
	count := r.Uint32()
	r.Skip(8) // length of the strings, flags
	extension := r.Uint32()
	r.Skip(12)
	const size = 24
	if r.Err() != nil || uint64(count) > uint64(r.Len()/size) {
		return c
	}
	c.entries = make([]cached, count)
	for i := range c.entries {
		c.entries[i] = cached{flags: r.Uint32(), name: r.Uint32(), path: r.Uint32()}
		r.Skip(4) // kernel's version
		c.entries[i].needs = r.Uint64()
	}
	c.readLevels(extension)
	return c
}

// readLevels reads the extension's section with names of processor levels.
func (c *cache) readLevels(at uint32) {
	r := cursor.New("/etc/ld.so.cache: extension", 0, c.data, binary.LittleEndian)
	r.Seek(uint64(at))
	if at == 0 || r.Uint32() != extensionMagic {
		return
	}
	for range r.Uint32() {
		tag := r.Uint32()
		r.Skip(4) // flags
		offset, size := r.Uint32(), r.Uint32()
		if r.Err() != nil {
			return
		}
		if tag != extensionLevel {
			continue
		}
		names := cursor.New("/etc/ld.so.cache: levels", 0, c.data, binary.LittleEndian)
		names.Seek(uint64(offset))
		for range min(size/4, 64) {
			c.levels = append(c.levels, c.text(names.Uint32()))
		}
	}
}

func (c *cache) text(at uint32) string {
	if uint64(at) >= uint64(len(c.data)) {
		return ""
	}
	text, _, _ := bytes.Cut(c.data[at:], []byte{0})
	return string(text)
}

// find is the path of a library in its best build for this processor; empty if it isn't known.
func (c *cache) find(name string, machine elf.Machine) (found string) {
	best := -1
	reached := processorLevels()
	for _, e := range c.entries {
		if e.flags != wantedFlags[machine] || !bytes.HasPrefix(c.data[min(uint64(e.name), uint64(len(c.data))):], append([]byte(name), 0)) {
			continue
		}
		rank := 0
		if e.needs&needsLevel != 0 {
			if i := uint64(uint32(e.needs)); i >= uint64(len(c.levels)) {
				continue
			} else if rank = 1 + slices.Index(reached, c.levels[i]); rank == 0 {
				continue
			}
		} else if e.needs != 0 {
			continue // a build for some processor, in a way that no glibc since 2.37 reads
		}
		if rank > best {
			best, found = rank, c.text(e.path)
		}
	}
	return found
}
