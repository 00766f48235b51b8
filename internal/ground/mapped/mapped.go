// Package mapped opens files of evidence: Open puts one into memory without reading it, Regular opens one
// to be read. Both take regular files only. A FIFO would be waited for, and a device may act on being
// opened (a watchdog starts to count down); a hostile core can name either as a binary of its process.
package mapped

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// File is a file in memory, shared with the page cache: a core of gigabytes costs only the pages that
// are looked at. It must not be shortened while it is mapped: the kernel would answer the next look
// with SIGBUS.
type File struct {
	Data  []byte
	Holes []Hole // in order
}

// Hole is a long stretch that was never written: it takes no room on the disk and reads as zeros. Reading
// it costs as much as anything else, and a core may have terabytes of it.
type Hole struct{ Start, End uint64 } // offsets in the file

// Open maps a regular file for reading.
func Open(path string) (*File, error) {
	f, err := Regular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return From(f)
}

// From maps an open file, which may be closed afterwards.
func From(f *os.File) (*File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := info.Size()
	if size == 0 {
		return &File{}, nil // the kernel refuses to map nothing
	}
	if size != int64(int(size)) {
		return nil, fmt.Errorf("mapping %s: expected a size that fits the address space, found %d bytes", f.Name(), size)
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("mapping the %d bytes of %s: %w", size, f.Name(), err)
	}
	return &File{Data: data, Holes: holes(f, info)}, nil
}

const (
	// margin is how much at each end of a hole is left out of it: zeros may be the end of something that
	// was written before them.
	margin = 64 << 10
	// leastHole is the shortest that is worth to be known, and mostHoles bounds how many are asked for.
	leastHole = 1 << 20
	mostHoles = 1 << 16
)

// holes asks the file system; where it doesn't tell, there are none.
func holes(f *os.File, info fs.FileInfo) (all []Hole) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	size := info.Size()
	if !ok || stat.Blocks*512 > size-leastHole {
		return nil // as nearly every file: all of it is on the disk
	}
	for at := int64(0); at < size && len(all) < mostHoles; {
		start, err := unix.Seek(int(f.Fd()), at, unix.SEEK_HOLE)
		if err != nil || start >= size {
			break
		}
		at, err = unix.Seek(int(f.Fd()), start, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) { // no data behind it
			at, err = size, nil
		}
		if err != nil {
			break
		}
		if at-start >= leastHole {
			all = append(all, Hole{uint64(start) + margin, uint64(at) - margin})
		}
	}
	return all
}

// Close unmaps the file; nothing that was read from it without copying may be used afterwards.
func (f *File) Close() error {
	data := f.Data
	f.Data = nil
	if data == nil {
		return nil
	}
	return unix.Munmap(data)
}

// Regular opens a regular file for reading.
func Regular(path string) (*os.File, error) {
	// Looked at before it is opened, because of devices.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := checkRegular(path, info); err != nil {
		return nil, err
	}
	// And once more behind it: the path may lead elsewhere by now, and O_NONBLOCK waits for no FIFO.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err == nil {
		err = checkRegular(path, info)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func checkRegular(path string, info fs.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	return fmt.Errorf("%s: expected a regular file, found %s", path, kind(info.Mode()))
}

func kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe; write what comes out of it to a file first"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "something else (" + mode.String() + ")"
}
