// Package rooted reads files as a process sees them whose root is a given folder: a jail's, a container's
// through /proc/PID/root, or a copied file system. Open takes the folder; paths are absolute inside it, and links,
// also absolute ones and such with "..", lead nowhere else. (os.Root, which it stands on, refuses absolute links;
// a jail is full of them.) Only regular files are opened: a FIFO would be waited for, and a device may act.
package rooted

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/inquest-project/inquest/internal/ground/mapped"
)

// Root is an open root folder.
type Root struct {
	Dir string // on this host
	dir *os.Root
}

// Open opens a root.
func Open(dir string) (*Root, error) {
	r, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Root{dir, r}, nil
}

// Close lets it go.
func (r *Root) Close() error { return r.dir.Close() }

// mostLinks is the kernel's own bound on the links in one path (path_resolution(7)).
const mostLinks = 40

// Real is a path without links, as the kernel would resolve it if this were the root. What isn't there is an error.
func (r *Root) Real(name string) (string, error) { return r.resolve(name, true) }

// resolve follows links component by component, the last only if it is asked to.
func (r *Root) resolve(name string, last bool) (string, error) {
	at, rest, links := "/", strings.Split(name, "/"), 0
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		if part == "" || part == "." {
			continue
		}
		next := path.Join(at, part) // at is without links, so ".." is lexical
		info, err := r.dir.Lstat(inside(next))
		if err != nil {
			return "", r.named(name, err)
		}
		if info.Mode()&fs.ModeSymlink == 0 || len(rest) == 0 && !last {
			at = next
			continue
		}
		target, err := r.dir.Readlink(inside(next))
		if links++; err == nil && links > mostLinks {
			err = syscall.ELOOP
		}
		if err != nil {
			return "", r.named(name, err)
		}
		if strings.HasPrefix(target, "/") {
			at = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return at, nil
}

// inside is a path without links as os.Root wants it.
func inside(name string) string { return "." + path.Clean("/"+name) }

// named says of what an error is: the path that was asked for, and the root unless it is this host's.
func (r *Root) named(name string, err error) error {
	if inner := new(fs.PathError); errors.As(err, &inner) {
		err = inner.Err
	}
	if r.Dir != "/" {
		return fmt.Errorf("%s in %s: %w", name, r.Dir, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// Lstat tells of a file, or of a link itself.
func (r *Root) Lstat(name string) (fs.FileInfo, error) {
	real, err := r.resolve(name, false)
	if err != nil {
		return nil, err
	}
	info, err := r.dir.Lstat(inside(real))
	if err != nil {
		return nil, r.named(name, err)
	}
	return info, nil
}

// Readlink is a link's target as it stands in it.
func (r *Root) Readlink(name string) (string, error) {
	real, err := r.resolve(name, false)
	if err != nil {
		return "", err
	}
	target, err := r.dir.Readlink(inside(real))
	if err != nil {
		return "", r.named(name, err)
	}
	return target, nil
}

// Exists says whether a path leads to anything.
func (r *Root) Exists(name string) bool {
	_, err := r.Real(name)
	return err == nil
}

// Regular opens a regular file for reading.
func (r *Root) Regular(name string) (*os.File, error) {
	real, err := r.Real(name)
	if err != nil {
		return nil, err
	}
	info, err := r.dir.Lstat(inside(real)) // before it is opened, because of devices
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("expected a regular file, found %s", info.Mode().Type())
	}
	if err != nil {
		return nil, r.named(name, err)
	}
	f, err := r.dir.OpenFile(inside(real), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, r.named(name, err)
	}
	if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() { // the path may lead elsewhere by now
		err = fmt.Errorf("expected a regular file, found %s", info.Mode().Type())
	}
	if err != nil {
		f.Close()
		return nil, r.named(name, err)
	}
	return f, nil
}

// Map puts a regular file into memory.
func (r *Root) Map(name string) (*mapped.File, error) {
	f, err := r.Regular(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return mapped.From(f)
}

// ReadFile is a regular file's content; a file of more than most bytes is an error.
func (r *Root) ReadFile(name string, most int64) ([]byte, error) {
	f, err := r.Regular(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("expected at most %d bytes, found more", most)
	}
	if err != nil {
		return nil, r.named(name, err)
	}
	return data, nil
}

// Folder opens a folder to be listed: names in it can't lead out of it.
func (r *Root) Folder(name string) (*os.Root, error) {
	real, err := r.Real(name)
	if err != nil {
		return nil, err
	}
	dir, err := r.dir.OpenRoot(inside(real))
	if err != nil {
		return nil, r.named(name, err)
	}
	return dir, nil
}
