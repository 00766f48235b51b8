package elffile

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Mapped is a file in memory, shared with the page cache: a core of gigabytes costs only the pages
// that are looked at. The file must not be shortened while it is mapped: the kernel would answer the
// next look with SIGBUS.
type Mapped struct{ Data []byte }

// Map maps a regular file for reading.
func Map(path string) (*Mapped, error) {
	// O_NONBLOCK: a FIFO among the evidence must be refused, not waited for.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return MapFile(f)
}

// MapFile maps an open file, which may be closed afterwards.
func MapFile(f *os.File) (*Mapped, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("mapping %s: expected a regular file, found %v", f.Name(), info.Mode().Type())
	}
	if info.Size() == 0 {
		return &Mapped{}, nil // the kernel refuses to map nothing
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("mapping %s: %w", f.Name(), err)
	}
	return &Mapped{Data: data}, nil
}

// Close unmaps the file; nothing that was read from it without copying may be used afterwards.
func (m *Mapped) Close() error {
	data := m.Data
	m.Data = nil
	if data == nil {
		return nil
	}
	return unix.Munmap(data)
}
