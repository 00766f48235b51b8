package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/reading/image"
)

// Notes that the kernel writes and qemu does not (include/uapi/linux/elf.h).
const (
	noteStatus  = 1
	noteFile    = 0x46494c45
	notePACMask = 0x406
)

// completed writes the core that the kernel would have written of a process of which qemu wrote one: with program
// text, without which gdb does not find out where a position-independent program lies, with the list of mapped
// files, and with the mask that says which bits of an address are its signature.
func completed(core, root, to string) error {
	in, err := elf.Open(core)
	if err != nil {
		return err
	}
	defer in.Close()
	files, err := mappedFiles(core, root)
	if err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	return writeCore(out, in, files)
}

// mappedFile is a part of a file in memory.
type mappedFile struct {
	start, end, offset uint64
	path               string
	data               []byte // whole pages of it, if it can't have changed
}

const page = 4096

func mappedFiles(core, root string) (files []mappedFile, err error) {
	c, err := elfcore.Open(core)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	im := image.Open(c, image.Finder{Roots: []string{root}})
	defer im.Close()
	for _, m := range im.Modules {
		if m.File == nil {
			continue
		}
		f, err := elf.Open(m.File.Path)
		if err != nil {
			return nil, err
		}
		for _, p := range f.Progs {
			if p.Type == elf.PT_LOAD {
				files = append(files, mappedPart(m.Path, uint64(m.Bias), p))
			}
		}
		f.Close()
	}
	return files, nil
}

func mappedPart(path string, bias uint64, p *elf.Prog) mappedFile {
	start, end := (bias+p.Vaddr)/page*page, (bias+p.Vaddr+p.Filesz+page-1)/page*page
	part := mappedFile{start: start, end: end, offset: p.Off / page * page, path: path}
	if p.Flags&elf.PF_W == 0 {
		part.data = make([]byte, end-start)
		p.ReadAt(part.data[bias+p.Vaddr-start:], 0)
	}
	return part
}

// writeCore writes headers, notes, and then every segment whole, with holes for what is zero.
func writeCore(out *os.File, in *elf.File, files []mappedFile) error {
	var heads []elf.Prog64
	notes := completeNotes(in, files)
	at := int64(page) * int64(1+len(in.Progs)*56/page)
	for _, p := range in.Progs {
		size, content := p.Memsz, io.Reader(p.Open())
		switch {
		case p.Type == elf.PT_NOTE:
			size, content = uint64(len(notes)), bytes.NewReader(notes)
		case p.Filesz == 0:
			text := textOf(p, files)
			size, content = uint64(len(text)), bytes.NewReader(text)
		}
		heads = append(heads, elf.Prog64{Type: uint32(p.Type), Flags: uint32(p.Flags), Off: uint64(at), Vaddr: p.Vaddr, Filesz: size, Memsz: p.Memsz, Align: alignment(p.Type)})
		if err := copyHoley(out, at, content); err != nil {
			return err
		}
		at += (int64(size) + page - 1) / page * page
	}
	head := elf.Header64{Type: uint16(elf.ET_CORE), Machine: uint16(in.Machine), Version: 1, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: uint16(len(heads))}
	copy(head.Ident[:], "\x7fELF\x02\x01\x01")
	var b bytes.Buffer
	binary.Write(&b, binary.LittleEndian, head)
	binary.Write(&b, binary.LittleEndian, heads)
	if _, err := out.WriteAt(b.Bytes(), 0); err != nil {
		return err
	}
	return out.Truncate(at)
}

// textOf is what the files have of a segment.
func textOf(p *elf.Prog, files []mappedFile) []byte {
	var text []byte
	for _, f := range files {
		if f.data != nil && f.start >= p.Vaddr && f.start < p.Vaddr+p.Memsz {
			if text == nil {
				text = make([]byte, p.Memsz)
			}
			copy(text[f.start-p.Vaddr:], f.data)
		}
	}
	return text
}

func copyHoley(out *os.File, at int64, from io.Reader) error {
	block, zero := make([]byte, page), make([]byte, page)
	for {
		n, err := io.ReadFull(from, block)
		if n > 0 && !bytes.Equal(block[:n], zero[:n]) {
			if _, err := out.WriteAt(block[:n], at); err != nil {
				return err
			}
		}
		if err != nil {
			return nil // the end
		}
		at += int64(n)
	}
}

// completeNotes adds to each thread's registers its mask, and to the process its files.
func completeNotes(in *elf.File, files []mappedFile) []byte {
	var all bytes.Buffer
	for _, p := range in.Progs {
		if p.Type != elf.PT_NOTE {
			continue
		}
		notes, _ := io.ReadAll(p.Open())
		for len(notes) >= 12 {
			names, size, kind := binary.LittleEndian.Uint32(notes), binary.LittleEndian.Uint32(notes[4:]), binary.LittleEndian.Uint32(notes[8:])
			length := 12 + (names+3)/4*4 + (size+3)/4*4
			all.Write(notes[:length])
			notes = notes[length:]
			if kind == noteStatus {
				// Of 48 bits of address, as qemu has them; bit 55 tells kernel from user, and the top byte is the user's.
				const signature = uint64(0x007f000000000000)
				writeNote(&all, "LINUX", notePACMask, binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, signature), signature))
			}
		}
	}
	writeNote(&all, "CORE", noteFile, fileList(files))
	return all.Bytes()
}

func writeNote(to *bytes.Buffer, name string, kind uint32, content []byte) {
	padded := func(b []byte) []byte { return append(b, make([]byte, -len(b)&3)...) }
	binary.Write(to, binary.LittleEndian, []uint32{uint32(len(name) + 1), uint32(len(content)), kind})
	to.Write(padded(append([]byte(name), 0)))
	to.Write(padded(content))
}

func fileList(files []mappedFile) []byte {
	list := binary.LittleEndian.AppendUint64(nil, uint64(len(files)))
	list = binary.LittleEndian.AppendUint64(list, page)
	for _, f := range files {
		for _, v := range []uint64{f.start, f.end, f.offset / page} {
			list = binary.LittleEndian.AppendUint64(list, v)
		}
	}
	for _, f := range files {
		list = append(append(list, filepath.Clean(f.path)...), 0)
	}
	return list
}

// alignment is a segment's; readers take a note segment's for that of its notes.
func alignment(kind elf.ProgType) uint64 {
	if kind == elf.PT_NOTE {
		return 4
	}
	return page
}
