package environment

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"github.com/inquest-project/inquest/internal/evidence/ldso"
	"github.com/inquest-project/inquest/internal/evidence/objfile"
	"github.com/inquest-project/inquest/internal/evidence/packages"
	"github.com/inquest-project/inquest/internal/ground/mapped"
)

// Bounds of what is read of programs and libraries, far above what one process maps.
const (
	mostObjects     = 4096
	mostObjectBytes = 4 << 30 // hashed in all
)

// libc is what glibc's own constants tell.
type libc struct {
	version      string
	defaultHosts string // where it looks up hosts if nothing tells it
}

// objects are the files that are mapped, or would be.
func (t *taker) objects() {
	switch {
	case t.proc != "":
		t.mappedObjects()
	case t.Exe != "":
		t.neededObjects()
	case t.whole:
		// Those of a tree are met while it is listed.
	default:
		for _, name := range []string{"/lib/x86_64-linux-gnu/libc.so.6", "/lib/aarch64-linux-gnu/libc.so.6", "/lib64/libc.so.6"} {
			if real, err := t.root.Real(name); err == nil {
				t.addObject(real, path.Join(t.root.Dir, real))
				return
			}
		}
	}
}

// mapping is a file that a process maps, and the address range of one of its pieces, by which the kernel gives it.
type mapping struct {
	path, pieces string
	inode        uint64
}

// mappedObjects are those in /proc/PID/maps. The kernel hands out the very files that are mapped, even if they were
// replaced since, but to root alone; others find them by name, and see by the inode whether it is still the same.
func (t *taker) mappedObjects() {
	seen := map[string]bool{}
	for line := range strings.Lines(t.inProc("maps", "objects")) {
		m, ok := parseMapping(line)
		if !ok || seen[m.path] {
			continue
		}
		seen[m.path] = true
		name := strings.TrimSuffix(m.path, " (deleted)")
		t.near[path.Dir(name)] = true
		if len(seen) > mostObjects {
			t.unseen("some objects", fmt.Errorf("more than %d files are mapped", mostObjects))
			return
		}
		source := t.proc + "/map_files/" + m.pieces
		if _, err := os.Stat(source); err != nil {
			if source, err = t.sameFile(m, name); err != nil {
				t.unseen("object "+name, err)
				continue
			}
		}
		t.addObject(name, source)
	}
}

// parseMapping reads a line as "7f0a-7f0b r-xp 00001000 fe:01 4711   /usr/lib/libc.so.6".
func parseMapping(line string) (mapping, bool) {
	const columns = 6
	parts := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", columns)
	if len(parts) < columns {
		return mapping{}, false
	}
	name := strings.TrimLeft(parts[5], " ")
	inode, err := strconv.ParseUint(parts[4], 10, 64)
	if err != nil || !strings.HasPrefix(name, "/") || strings.HasPrefix(name, "/dev/") || strings.HasPrefix(name, "/memfd:") || strings.HasPrefix(name, "/SYSV") {
		return mapping{}, false // a device's memory, or nothing but memory
	}
	// The kernel prints addresses with leading zeros here, and without in the names of map_files.
	start, end, _ := strings.Cut(parts[0], "-")
	trim := func(s string) string { return strings.TrimLeft(s, "0") }
	return mapping{path: strings.ReplaceAll(name, `\012`, "\n"), pieces: trim(start) + "-" + trim(end), inode: inode}, true
}

// sameFile is where a mapped file can be read by its name.
func (t *taker) sameFile(m mapping, name string) (string, error) {
	if strings.HasSuffix(m.path, " (deleted)") {
		return "", errors.New("the file was deleted or replaced since it was mapped; root can still read it")
	}
	if t.outer == nil {
		return "", errors.New("its name is of another mount namespace, and only root can read it without")
	}
	real, err := t.outer.Real(name)
	if err != nil {
		return "", err
	}
	info, err := t.outer.Lstat(real)
	if err != nil {
		return "", err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Ino != m.inode {
		return "", errors.New("another file has its name by now; root can still read the one that is mapped")
	}
	return path.Join(t.outer.Dir, real), nil
}

// neededObjects are those that the dynamic linker would map.
func (t *taker) neededObjects() {
	l := ldso.Loader{Root: t.root, LibraryPath: os.Getenv("LD_LIBRARY_PATH"), Preload: os.Getenv("LD_PRELOAD")}
	needed, missing, err := l.Needed(t.Exe)
	if err != nil {
		t.unseen("objects", err)
		return
	}
	for _, m := range missing {
		t.unseen("object "+m.Name, fmt.Errorf("%s needs it, and it was not found as glibc's linker looks for it", m.By))
	}
	for _, o := range needed {
		real, err := t.root.Real(o.Path)
		if err != nil {
			t.unseen("object "+o.Path, err)
			continue
		}
		t.near[path.Dir(real)] = true
		t.addObject(real, path.Join(t.root.Dir, real))
	}
}

// addObject reads one, if it is a program or library: a process maps other files, too.
func (t *taker) addObject(name, source string) {
	o, err := t.readObject(name, source)
	switch {
	case err != nil:
		t.unseen("object "+name, err)
	case o != nil:
		t.env.Loaded = append(t.env.Loaded, *o)
	}
}

func (t *taker) readObject(name, source string) (o *Object, err error) {
	// A file that is cut while we look at it ends in SIGBUS, which becomes a panic here and nowhere else.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			o, err = nil, fmt.Errorf("it changed while it was read: %v", r)
		}
	}()
	file, err := mapped.Open(source)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if !objfile.Sniff(file.Data[:min(20, len(file.Data))]) {
		return nil, nil
	}
	if t.hashed += int64(len(file.Data)); t.hashed > mostObjectBytes {
		return nil, fmt.Errorf("more than %d bytes of objects were read before", int64(mostObjectBytes))
	}
	sum := sha256.Sum256(file.Data)
	o = &Object{Path: printable(name), SHA256: hex.EncodeToString(sum[:]), Size: int64(len(file.Data)), source: source}
	if f, err := objfile.Parse(name, file.Data); err == nil {
		o.SoName, o.BuildID = printable(f.SoName), f.BuildID
		constants := f.Constants()
		if o.Mentions = mentions(constants); t.mentions+len(o.Mentions) > mostOfAll {
			t.unseen("what "+name+" mentions", fmt.Errorf("there are %d mentions before", t.mentions))
			o.Mentions = nil
		}
		t.mentions += len(o.Mentions)
		if f.SoName == "libc.so.6" {
			t.libc = libcOf(constants)
		}
	}
	return o, nil
}

var libcVersion = regexp.MustCompile(`GNU C Library [^\n]*version (\d+\.\d+[.\d]*\d)`)

func libcOf(constants [][]byte) (l libc) {
	l.defaultHosts = "files dns" // since 2.34 or so
	for _, c := range constants {
		if m := libcVersion.FindSubmatch(c); m != nil {
			l.version = string(m[1])
		}
		if old := "dns [!UNAVAIL=return] files"; bytes.Contains(c, []byte(old+"\x00")) {
			l.defaultHosts = old
		}
	}
	return l
}

// packages finds who brought the objects. The names of mapped files are of the root outside of a jail.
func (t *taker) packages() {
	if t.outer == nil || len(t.env.Loaded) == 0 {
		return
	}
	files := make([]string, len(t.env.Loaded))
	for i, o := range t.env.Loaded {
		files[i] = o.Path
	}
	owners, problems := packages.Owners(t.outer, files)
	for _, problem := range problems {
		t.unseen("some packages", problem)
	}
	for i := range t.env.Loaded {
		if p, ok := owners[t.env.Loaded[i].Path]; ok {
			t.env.Loaded[i].Package = printable(p.Name)
			t.env.Packages = append(t.env.Packages, Setting{Name: printable(p.Name), Value: printable(p.Version)})
		}
	}
}
