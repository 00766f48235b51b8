package mapped

import (
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Ahead brings a file's pages in before a reader comes to them that goes through it from front to back: another processor
// waits for the kernel then, and for the hypervisor, which may not map a page before it is looked at.
type Ahead struct {
	at   atomic.Int64
	next chan struct{}
	done chan struct{}
}

const (
	// step is how much is brought in at once, and reach how far ahead of the reader.
	step  = 1 << 20
	reach = 8 << 20

	populateRead = 22 // MADV_POPULATE_READ of Linux since 5.14 (asm-generic/mman-common.h)
)

// Ahead begins to bring pages in. End it with End.
func (f *File) Ahead() *Ahead {
	a := &Ahead{next: make(chan struct{}, 1), done: make(chan struct{})}
	if runtime.GOOS == "linux" && runtime.NumCPU() > 1 && len(f.Data) > reach {
		go a.populate(f.Data)
	} else {
		close(a.done)
	}
	return a
}

// At tells how far the reader is.
func (a *Ahead) At(offset int) {
	if before := a.at.Load(); int64(offset)-before >= step {
		a.at.Store(int64(offset))
		select {
		case a.next <- struct{}{}:
		default:
		}
	}
}

// End stops it: the file may be unmapped then.
func (a *Ahead) End() {
	close(a.next)
	<-a.done
}

func (a *Ahead) populate(data []byte) {
	defer close(a.done)
	const page = 4 << 10
	sum := byte(0)
	defer func() { runtime.KeepAlive(sum) }() // or the compiler leaves out what only looks
	for from := 0; from < len(data); from += step {
		for int64(from) > a.at.Load()+reach {
			if _, more := <-a.next; !more {
				return
			}
		}
		if unix.Madvise(data[from:min(from+step, len(data))], populateRead) != nil {
			return // an older kernel, or a page that can't be read: the reader will see
		}
		for i := from; i < min(from+step, len(data)); i += page {
			sum += data[i]
		}
	}
}
