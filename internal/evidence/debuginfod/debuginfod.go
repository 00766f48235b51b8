// Package debuginfod asks debuginfod servers for programs and debug information by build ID. FromEnvironment
// is the way in, Find asks for one build and FindAll for several at once.
//
// It follows the convention of elfutils' clients (debuginfod(8), debuginfod-client-config(7)): only servers
// that DEBUGINFOD_URLS names are asked, and what they send is kept in the cache that gdb and elfutils use as
// well. DEBUGINFOD_TIMEOUT is honoured where it is shorter than our own patience, DEBUGINFOD_MAXTIME and
// DEBUGINFOD_MAXSIZE always; nothing is tried twice.
//
// Nobody waits for a server that is slow: it has two seconds in a run, and what it sends buys it more. A
// server learns the build IDs and nothing else. It isn't trusted: a download is bounded, and is what was
// asked for only if it is an ELF file that says so itself.
package debuginfod

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/objfile"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// Kind is which file of a build is meant, as servers and the cache name it.
type Kind string

// The kinds.
const (
	Debug      Kind = "debuginfo"
	Executable Kind = "executable"
)

// words are how the kinds are called in notes.
var words = map[Kind]string{Debug: "debug information", Executable: "the program or library"}

// Client finds files by build ID. A nil Client finds nothing.
type Client struct {
	Say func(sentence string) // is told before a server is asked for the first time; may be nil

	servers []*server
	cache   cache
	most    int64         // bytes of a file
	longest time.Duration // that a file may take; 0 if it doesn't matter
	slots   chan struct{} // bounds how many builds are asked for at once

	mu      sync.Mutex
	answers map[wanted]*answer
}

// wanted is a file of a build.
type wanted struct {
	kind Kind
	id   place.BuildID
}

// answer is asked for once in a run.
type answer struct {
	once sync.Once
	path string
}

const (
	// patience is how long a server may let us wait in a run.
	patience = 2 * time.Second
	// mostBytes bounds a file where DEBUGINFOD_MAXSIZE doesn't: browsers have some gigabytes.
	mostBytes = 8 << 30
	// atOnce is how many builds are asked for at the same time.
	atOnce = 8
)

// FromEnvironment makes a client as the environment says; nil if DEBUGINFOD_URLS names no server. When ctx is
// done, all questions end.
func FromEnvironment(ctx context.Context) *Client {
	c := &Client{cache: cacheFromEnvironment(), most: mostBytes, slots: make(chan struct{}, atOnce), answers: map[wanted]*answer{}}
	wait := patience
	if n := number("DEBUGINFOD_TIMEOUT"); n > 0 {
		wait = min(wait, seconds(n))
	}
	if n := number("DEBUGINFOD_MAXSIZE"); n > 0 {
		c.most = n
	}
	c.longest = seconds(number("DEBUGINFOD_MAXTIME"))
	for _, url := range strings.Fields(os.Getenv("DEBUGINFOD_URLS")) {
		if !strings.HasPrefix(url, "ima:") { // how signatures of the servers behind it are checked: not by us
			c.servers = append(c.servers, newServer(ctx, url, wait))
		}
	}
	if len(c.servers) == 0 {
		return nil
	}
	return c
}

// number is the value of an environment variable; 0 if it is none.
func number(variable string) int64 {
	n, _ := strconv.ParseInt(os.Getenv(variable), 10, 64)
	return max(0, n)
}

func seconds(n int64) time.Duration {
	return time.Duration(min(n, math.MaxInt64/int64(time.Second))) * time.Second
}

// Find is the path of a build's file, from the cache or a server; false if none has it.
func (c *Client) Find(kind Kind, id place.BuildID) (path string, ok bool) {
	if c == nil || !isBuildID.MatchString(string(id)) {
		return "", false
	}
	a := c.answer(wanted{kind, id})
	a.once.Do(func() {
		c.slots <- struct{}{}
		defer func() { <-c.slots }()
		a.path = c.find(wanted{kind, id})
	})
	return a.path, a.path != ""
}

// FindAll asks for several builds at the same time. What Find says of them is known afterwards.
func (c *Client) FindAll(kind Kind, ids ...place.BuildID) {
	var all sync.WaitGroup
	for _, id := range ids {
		all.Go(func() { c.Find(kind, id) })
	}
	all.Wait()
}

// isBuildID keeps what is no build ID out of paths and addresses: build IDs come out of other people's files.
var isBuildID = regexp.MustCompile(`^(?:[0-9a-f]{2}){2,64}$`)

func (c *Client) answer(w wanted) *answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answers[w] == nil {
		c.answers[w] = &answer{}
	}
	return c.answers[w]
}

// find asks the servers one after another, because some answer everything with a page of theirs. That a build
// is unknown is kept only if all say so.
func (c *Client) find(w wanted) string {
	switch path, state := c.cache.look(w); state {
	case there:
		return path
	case missing:
		return ""
	}
	unknown := 0
	for _, s := range c.servers {
		s.announce(c.say)
		path, err := c.fetch(s, w)
		s.count(w.kind, err)
		if err == nil {
			return path
		}
		if errors.Is(err, errUnknown) {
			unknown++
		}
	}
	if unknown == len(c.servers) {
		c.cache.miss(w)
	}
	return ""
}

func (c *Client) say(sentence string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Say != nil {
		c.Say(sentence)
	}
}

// fetch downloads into the cache: into a file of its own first, so that nobody ever sees half of one.
func (c *Client) fetch(s *server, w wanted) (string, error) {
	body, err := s.get(w, c.most, c.longest)
	if err != nil {
		return "", err
	}
	defer body.Close()
	return c.cache.keep(w, body)
}

// check says why a file is not what was wanted.
func check(path string, w wanted) error {
	f, err := objfile.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if f.BuildID != w.id {
		return fmt.Errorf("expected build %s, found %q", w.id, f.BuildID)
	}
	if len(f.Damage) > 0 {
		return fmt.Errorf("expected build %s whole, found %v", w.id, f.Damage[0])
	}
	return nil
}

// Notes are what was asked of whom and what came of it, a sentence a server. Nothing is said of a server that
// was not asked.
func (c *Client) Notes() []string {
	if c == nil {
		return nil
	}
	var notes []string
	for _, s := range c.servers {
		notes = append(notes, s.notes()...)
	}
	return notes
}
