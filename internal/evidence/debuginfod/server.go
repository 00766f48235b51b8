package debuginfod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// server is one of DEBUGINFOD_URLS.
type server struct {
	url string

	ctx    context.Context // done when the server is given up, or the run ends
	giveUp context.CancelCauseFunc

	mu       sync.Mutex
	said     bool
	patience time.Duration // that is left
	waiting  int           // requests under way
	watched  bool
	since    time.Time // when it was last looked at
	received int64     // bytes since then
	asked    map[Kind]int
	found    map[Kind]int
	trouble  error // the first
}

var (
	// errUnknown is a server's answer that it doesn't know a build.
	errUnknown = errors.New("unknown build")
	errSlow    = errors.New("it let us wait too long")
)

func newServer(ctx context.Context, url string, patience time.Duration) *server {
	s := &server{url: strings.TrimRight(url, "/"), patience: patience, asked: map[Kind]int{}, found: map[Kind]int{}}
	s.ctx, s.giveUp = context.WithCancelCause(ctx)
	return s
}

// client follows the environment's proxies, as elfutils does.
var client = &http.Client{}

// get asks for a file and returns its bytes, at most so many, and not longer than longest if that is set.
func (s *server) get(w wanted, most int64, longest time.Duration) (io.ReadCloser, error) {
	if s.ctx.Err() != nil {
		return nil, context.Cause(s.ctx)
	}
	ctx, stop := within(s.ctx, longest)
	b := &body{server: s, stop: stop, left: most}
	s.begin()
	response, err := s.request(ctx, w)
	if err != nil {
		b.Close()
		if s.ctx.Err() != nil {
			err = context.Cause(s.ctx)
		}
		return nil, err
	}
	b.from = response.Body
	if size := sizeOf(response); size > most {
		b.Close()
		return nil, fmt.Errorf("%s of build %s has %d bytes, more than %d", w.kind, w.id, size, most)
	}
	return b, nil
}

// within bounds a context's time, if there is a bound.
func within(ctx context.Context, longest time.Duration) (context.Context, context.CancelFunc) {
	if longest > 0 {
		return context.WithTimeout(ctx, longest)
	}
	return context.WithCancel(ctx)
}

func (s *server) request(ctx context.Context, w wanted) (*http.Response, error) {
	root := s.url
	if !strings.HasSuffix(root, "/buildid") {
		root += "/buildid"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, root+"/"+string(w.id)+"/"+string(w.kind), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "inquest")
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	switch response.StatusCode {
	case http.StatusOK:
		return response, nil
	case http.StatusNotFound:
		err = errUnknown
	default:
		err = fmt.Errorf("it answered %s", response.Status)
	}
	response.Body.Close()
	return nil, err
}

// sizeOf is what the server says of the file's size; 0 if it doesn't.
func sizeOf(response *http.Response) int64 {
	if n, err := strconv.ParseInt(response.Header.Get("X-DEBUGINFOD-SIZE"), 10, 64); err == nil {
		return n
	}
	return response.ContentLength
}

// body is a file on its way.
type body struct {
	server *server
	from   io.ReadCloser
	stop   context.CancelFunc
	left   int64
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	b.server.came(n)
	if b.left -= int64(n); b.left < 0 {
		return n, errors.New("it sent more than the file may have")
	}
	if err != nil && !errors.Is(err, io.EOF) && b.server.ctx.Err() != nil {
		err = context.Cause(b.server.ctx)
	}
	return n, err
}

func (b *body) Close() error {
	b.stop()
	b.server.end()
	if b.from == nil {
		return nil
	}
	return b.from.Close()
}

// A server is slow while it sends less than this many bytes a second. elfutils asks for a tenth of it, and
// waits for 90 seconds: nobody who looks at a crash would.
const fast = 1 << 20

// look is how often a server is looked at that lets us wait.
const look = 20 * time.Millisecond

func (s *server) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	s.waiting++
	if !s.watched {
		s.watched = true
		go s.watch()
	}
}

func (s *server) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	s.waiting--
}

func (s *server) came(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received += int64(n)
}

// watch gives the server up when our patience is at its end.
func (s *server) watch() {
	for {
		time.Sleep(look)
		s.mu.Lock()
		s.settle()
		s.watched = s.waiting > 0 && s.ctx.Err() == nil
		on := s.watched
		s.mu.Unlock()
		if !on {
			return
		}
	}
}

// settle takes the time since the last look from our patience, less what the bytes that came were worth.
func (s *server) settle() {
	now := time.Now()
	if s.waiting > 0 {
		worth := time.Duration(float64(s.received) / fast * float64(time.Second))
		if s.patience -= max(0, now.Sub(s.since)-worth); s.patience <= 0 {
			s.giveUp(errSlow)
		}
	}
	s.since, s.received = now, 0
}

// announce says before the first question whom it goes to.
func (s *server) announce(say func(string)) {
	s.mu.Lock()
	first := !s.said
	s.said = true
	s.mu.Unlock()
	if first {
		say(fmt.Sprintf("asking %s for builds that are not on this machine (DEBUGINFOD_URLS)", s.url))
	}
}

func (s *server) count(kind Kind, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[kind]++
	switch {
	case err == nil:
		s.found[kind]++
	case !errors.Is(err, errUnknown) && s.trouble == nil:
		s.trouble = err
	}
}

func (s *server) notes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var notes []string
	for _, kind := range []Kind{Debug, Executable} {
		if n := s.asked[kind]; n > 0 {
			notes = append(notes, fmt.Sprintf("asked %s for %s of %s: found %d", s.url, words[kind], builds(n), s.found[kind]))
		}
	}
	switch {
	case errors.Is(s.trouble, errSlow):
		notes = append(notes, fmt.Sprintf("gave up %s for this run: %v", s.url, s.trouble))
	case s.trouble != nil:
		notes = append(notes, fmt.Sprintf("%s: %v", s.url, s.trouble))
	}
	return notes
}

func builds(n int) string {
	if n == 1 {
		return "1 build"
	}
	return fmt.Sprintf("%d builds", n)
}
