package capture

import (
	"fmt"
	"os"
	"syscall"
)

// mapFile maps a whole file for reading. Evidence never changes once it is in a case; somebody who cuts
// a mapped file short all the same gets the kernel's SIGBUS.
func mapFile(path string) ([]byte, error) {
	// O_NONBLOCK: a FIFO among the evidence must be refused, not waited for.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	size := info.Size()
	if !info.Mode().IsRegular() || size != int64(int(size)) {
		return nil, fmt.Errorf("%s: expected a regular file that fits the address space, found %s of %d bytes", path, info.Mode(), size)
	}
	if size == 0 {
		return nil, nil // mmap refuses a length of zero
	}
	data, err := syscall.Mmap(int(file.Fd()), 0, int(size), syscall.PROT_READ, syscall.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("mapping %s: %w", path, err)
	}
	return data, nil
}

func unmap(data []byte) error {
	if data == nil {
		return nil
	}
	return syscall.Munmap(data)
}
