package main

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// progress tells on a terminal what is being done, once that has taken a second, and takes it away again.
type progress struct {
	to    *os.File // nil if it is no terminal
	mu    sync.Mutex
	doing string
	shown bool
	done  chan struct{}
	once  sync.Once
}

func startProgress(to *os.File) *progress {
	p := &progress{done: make(chan struct{})}
	if !term.IsTerminal(int(to.Fd())) {
		return p
	}
	p.to = to
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.show()
			case <-p.done:
				return
			}
		}
	}()
	return p
}

// stage says what comes next.
func (p *progress) stage(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doing = what
}

// say tells something that shall stay on the screen.
func (p *progress) say(sentence string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(os.Stderr, "\r\x1b[K")
	}
	fmt.Fprintln(os.Stderr, "inquest:", sentence)
}

func (p *progress) show() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.doing == "" {
		return
	}
	fmt.Fprintf(p.to, "\r\x1b[Kinquest: %s …", p.doing)
	p.shown = true
}

// end takes the line away, for good; it may be called more than once.
func (p *progress) end() {
	p.once.Do(func() { close(p.done) })
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.to, "\r\x1b[K")
	}
	p.doing, p.shown = "", false
}
