package environment

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/inquest-project/inquest/internal/evidence/objfile"
)

// Bounds of the listing: a jail or /etc is far below them, a container's root is cut.
const (
	mostFiles    = 20_000
	smallFile    = 64 << 10
	mostHashed   = 128 << 20
	shortPrivate = 64 // bytes
)

// files lists what the target sees below its root: of a root of its own everything, of a system's /etc and
// the folders of what it has open or mapped.
func (t *taker) files() {
	if t.root == nil {
		return
	}
	l := &listing{taker: t, toHash: mostHashed, bare: t.whole && t.proc == "" && t.Exe == "", foreign: t.foreignMounts()}
	if t.whole {
		l.list("/", true)
	} else {
		l.list("/etc", true)
		for _, dir := range slices.Sorted(maps.Keys(t.near)) {
			if under(l.foreign, dir) {
				continue
			}
			if real, err := t.root.Real(dir); err == nil && real != "/etc" && !strings.HasPrefix(real, "/etc/") && !under(l.foreign, real) {
				l.list(real, false)
			}
		}
	}
	if l.cut != "" {
		t.unseen(FilesFrom+l.cut+" on", fmt.Errorf("the listing ends at %d files", mostFiles))
	}
	for _, dir := range slices.Sorted(maps.Keys(l.denied)) {
		t.unseen(FilesIn+dir, l.denied[dir])
	}
	if l.secret > 0 {
		t.unseen(fmt.Sprintf("hashes of short files (%d)", l.secret), fmt.Errorf("they are private, and of at most %d bytes, which could be guessed from a hash", shortPrivate))
	}
	if l.private > 0 {
		t.unseen(fmt.Sprintf("hashes of small files (%d)", l.private), fs.ErrPermission)
	}
}

// listing is one walk.
type listing struct {
	*taker
	foreign map[string]string // see foreignMounts
	bare    bool              // nothing but the tree tells which programs and libraries matter
	toHash  int64             // bytes that may still be read
	cut     string            // the folder at which the bound was met
	denied  map[string]error  // folders that could not be listed
	private int               // files that could not be read
	secret  int               // files that were not hashed because they are short and private
}

func (l *listing) deny(dir string, err error) {
	if l.denied == nil {
		l.denied = map[string]error{}
	}
	if len(l.denied) < 100 {
		l.denied[dir] = err
	}
}

// list lists a folder, and those below it if deep is set.
func (l *listing) list(dir string, deep bool) {
	queue := []string{dir}
	for len(queue) > 0 && l.ctx.Err() == nil {
		at := queue[0]
		queue = queue[1:]
		folder, err := l.root.Folder(at)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				l.deny(at, err)
			}
			continue
		}
		below, err := l.listFolder(folder, at)
		folder.Close()
		if err != nil {
			l.deny(at, err)
		}
		if l.cut != "" {
			return
		}
		if !deep {
			continue
		}
		for _, name := range below {
			queue = append(queue, path.Join(at, name))
		}
	}
}

func (l *listing) listFolder(folder *os.Root, at string) (below []string, err error) {
	dir, err := folder.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(mostFiles + 1)
	if errors.Is(err, io.EOF) {
		err = nil // an empty folder
	}
	slices.Sort(names)
	for _, name := range names {
		if len(l.env.Files) >= mostFiles {
			l.cut = at
			return nil, nil
		}
		if kind := l.foreign[path.Join(at, name)]; kind != "" {
			l.env.Files = append(l.env.Files, File{Path: printable(path.Join(at, name)), Type: "mount", Target: kind})
			continue
		}
		info, err := folder.Lstat(name)
		if err != nil {
			continue // it is gone
		}
		l.env.Files = append(l.env.Files, l.file(folder, at, name, info))
		if info.IsDir() {
			below = append(below, name)
		}
	}
	return below, err
}

// file tells of one file, and hashes it if it is small.
func (l *listing) file(folder *os.Root, at, name string, info fs.FileInfo) File {
	f := File{Path: printable(path.Join(at, name)), Type: kind(info.Mode()), Mode: fmt.Sprintf("%04o", unixMode(info.Mode()))}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		f.UID, f.GID = stat.Uid, stat.Gid
	}
	switch f.Type {
	case "link":
		target, _ := folder.Readlink(name)
		f.Target = printable(l.mask.text(target))
	case "file":
		f.Size = info.Size()
		if l.bare && (info.Mode()&0o111 != 0 || strings.Contains(name, ".so")) {
			l.object(folder, at, name)
		}
		if f.Size <= smallFile && f.Size > 0 && l.toHash >= f.Size {
			f.SHA256 = l.hash(folder, name, info)
		}
	}
	return f
}

// hash is a small file's; of its masked text where addresses are masked, from whose hash they could be found by trial.
func (l *listing) hash(folder *os.Root, name string, info fs.FileInfo) string {
	if info.Mode().Perm()&0o004 == 0 && info.Size() <= shortPrivate && !l.ShowSecrets {
		l.secret++
		return ""
	}
	data, err := readIn(folder, name)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			l.private++
		}
		return ""
	}
	l.toHash -= int64(len(data))
	sum := sha256.Sum256([]byte(l.mask.hideAddresses(string(data))))
	return hex.EncodeToString(sum[:])
}

// readIn is a small file's content; it was a regular file a moment ago, and must still be one.
func readIn(folder *os.Root, name string) ([]byte, error) {
	f, err := folder.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.New("it is no regular file any more")
	}
	return io.ReadAll(io.LimitReader(f, smallFile))
}

// object is a program or library that a tree holds.
func (l *listing) object(folder *os.Root, at, name string) {
	f, err := folder.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return
	}
	defer f.Close()
	var head [20]byte
	if n, _ := io.ReadFull(f, head[:]); !objfile.Sniff(head[:n]) {
		return
	}
	if len(l.env.Loaded) >= mostObjects {
		return
	}
	l.addObject(path.Join(at, name), path.Join(l.root.Dir, at, name))
}

func kind(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return "file"
	case mode.IsDir():
		return "folder"
	case mode&fs.ModeSymlink != 0:
		return "link"
	case mode&fs.ModeSocket != 0:
		return "socket"
	case mode&fs.ModeNamedPipe != 0:
		return "pipe"
	}
	return "device"
}

// unixMode is the mode as chmod takes it.
func unixMode(mode fs.FileMode) uint32 {
	bits := uint32(mode.Perm())
	for flag, bit := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if mode&flag != 0 {
			bits |= bit
		}
	}
	return bits
}
