package debuginfod

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// cache is the folder that elfutils' clients share: HEX/debuginfo and HEX/executable, of which an empty one
// means that the servers did not have it when it was made. Older clients took such files' rights away as
// well; whether a file can be read is therefore never asked first.
type cache struct {
	dir string
}

// cacheFromEnvironment finds the folder where elfutils looks for it.
func cacheFromEnvironment() cache {
	if dir := os.Getenv("DEBUGINFOD_CACHE_PATH"); dir != "" {
		return cache{dir}
	}
	home, _ := os.UserHomeDir()
	if old := filepath.Join(home, ".debuginfod_client_cache"); home != "" && isDir(old) {
		return cache{old}
	}
	if xdg := os.Getenv("XDG_CACHE_HOME"); xdg != "" {
		return cache{filepath.Join(xdg, "debuginfod_client")}
	}
	if home == "" {
		return cache{}
	}
	return cache{filepath.Join(home, ".cache", "debuginfod_client")}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func (c cache) path(w wanted) string { return filepath.Join(c.dir, string(w.id), string(w.kind)) }

// state is what the cache knows of a file.
type state int

const (
	notKnown state = iota
	there
	missing
)

func (c cache) look(w wanted) (string, state) {
	path := c.path(w)
	info, err := os.Lstat(path)
	switch {
	case c.dir == "" || err != nil:
		return "", notKnown
	case info.Size() > 0 && check(path, w) == nil:
		return path, there
	case info.Size() == 0 && time.Since(info.ModTime()) <= c.missLasts():
		return "", missing
	}
	return "", notKnown
}

// missLasts is how long it is remembered that nobody had a file.
func (c cache) missLasts() time.Duration {
	text, err := os.ReadFile(filepath.Join(c.dir, "cache_miss_s"))
	if n, bad := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && bad == nil && n >= 0 {
		return seconds(n)
	}
	return 10 * time.Minute
}

// miss remembers that nobody has a file. That it can't be written costs only another question.
func (c cache) miss(w wanted) {
	path := c.path(w)
	if c.dir == "" || os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return
	}
	os.Remove(path)
	if f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666); err == nil {
		f.Close()
	}
}

// keep writes a download, and puts it into its place when it is whole and what was wanted.
func (c cache) keep(w wanted, body io.Reader) (string, error) {
	if c.dir == "" {
		return "", errors.New("expected a folder to keep downloads in: set DEBUGINFOD_CACHE_PATH or HOME")
	}
	path := c.path(w)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("keeping a download: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), string(w.kind)+".*")
	if err != nil {
		return "", fmt.Errorf("keeping a download: %w", err)
	}
	_, err = io.Copy(f, body)
	err = errors.Join(err, f.Chmod(0o400), f.Close())
	if err == nil {
		err = check(f.Name(), w)
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return path, nil
}
