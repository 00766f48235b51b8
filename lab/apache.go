package lab

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// apache is Debian's httpd, two processes of many threads, with a module that reads Link fields. It looks for
// the bracket that ends a link's target from where the link before ended, not from the bracket that begins it.
// Where the first link has a title with a ">" in it, the second one's target is of a length below zero,
// no memory is to be had for that, and httpd ends itself.
var apache = Case{
	Name:    "apache",
	Program: "/usr/sbin/apache2",
	Listen:  netip.MustParseAddrPort("127.0.0.1:8081"),
	Prepare: prepareApache,
	Command: func(s *Stage) []string {
		// As root it would give its privileges away, and its cores with them.
		return []string{"/usr/bin/setpriv", "--reuid=www-data", "--regid=www-data", "--clear-groups",
			"/usr/sbin/apache2", "-DFOREGROUND", "-f", s.Home + "/httpd.conf"}
	},
	Script:    scriptApache,
	Culprit:   Culprit{Module: "mod_links.so", Function: "links_parse", Role: "decided"},
	Mechanism: "abort",
}

const apacheConf = `ServerRoot %[1]s
ServerName www.example.net
Listen 127.0.0.1:8081
PidFile %[1]s/run/pid
DefaultRuntimeDir %[1]s/run
Mutex posixsem
ErrorLog %[1]s/run/error.log
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule links_module %[1]s/lib/mod_links.so
StartServers 2
ServerLimit 2
ThreadsPerChild 40
MaxRequestWorkers 80
DocumentRoot %[1]s/www
KeepAliveTimeout 10
<Location /notes>
	SetHandler links
</Location>
`

func prepareApache(s *Stage) error {
	r := rand.New(rand.NewPCG(s.Seed, 1))
	for _, dir := range []string{"run", "www/notes", "www/img"} {
		if err := os.MkdirAll(filepath.Join(s.Home, dir), 0o755); err != nil {
			return err
		}
	}
	if err := os.Chmod(filepath.Join(s.Home, "run"), 0o777); err != nil {
		return err
	}
	for i := range 40 {
		if err := os.WriteFile(filepath.Join(s.Home, fmt.Sprintf("www/notes/%d.html", i)), []byte(prose(r, 20+r.IntN(600))), 0o644); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(s.Home, fmt.Sprintf("www/img/%d.png", i)), random(r, 100+r.IntN(5000)), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(s.Home, "httpd.conf"), fmt.Appendf(nil, apacheConf, s.Home), 0o644)
}

func scriptApache(s *Stage) []Conversation {
	r := s.Rand
	death := between(r, 2200*time.Millisecond, 2700*time.Millisecond)
	note := fmt.Sprintf("/notes/%d", r.IntN(90))
	first := fmt.Sprintf(`<%s>; rel="up"; title="%s %%s %s"`, noteTarget(r), prose(r, 1), prose(r, 1))
	links := first + fmt.Sprintf(`, <%s>; rel="next"`, noteTarget(r))
	body := prose(r, 20+r.IntN(60))
	script := []Conversation{
		{Killer, loopback(2000 + r.IntN(50)), death - 30*time.Millisecond, webKiller(subrand(r), notePut(r, note, fmt.Sprintf(links, ">"), body))},
		{Twin, loopback(2100 + r.IntN(50)), between(r, death/4, death*3/4), webCall(notePut(r, note, fmt.Sprintf(links, "-"), body))},
	}
	for range 400 {
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(60)), between(r, 0, death+150*time.Millisecond), noteVisit(subrand(r))})
	}
	for i, request := range noteOddities(subrand(r)) {
		script = append(script, Conversation{Odd, loopback(1000 + i), between(r, death/10, death-30*time.Millisecond), webCall(request)})
	}
	for i, request := range noteWaiting(subrand(r)) {
		script = append(script, Conversation{Waiting, loopback(1100 + i), between(r, death/4, death-150*time.Millisecond), webWait(request)})
	}
	return script
}

func noteTarget(r *rand.Rand) string {
	switch r.IntN(4) {
	case 0:
		return fmt.Sprintf("https://wiki.example.org/%x?rev=%d", random(r, 3), r.IntN(900))
	case 1:
		return fmt.Sprintf("../notes/%d#s%d", r.IntN(90), r.IntN(9))
	}
	return fmt.Sprintf("/notes/%d", r.IntN(90))
}

// notePut stores a note with links.
func notePut(r *rand.Rand, path, links, body string) string {
	head := webHead(r, "PUT", path)
	if links != "" {
		head += "Link: " + links + "\r\n"
	}
	return head + fmt.Sprintf("Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// noteLinks are up to four links as most clients write them.
func noteLinks(r *rand.Rand) string {
	var links []string
	for range r.IntN(5) {
		link := "<" + noteTarget(r) + ">"
		if r.IntN(5) > 0 {
			link += "; rel=" + []string{`"next"`, `"prev"`, `"up"`, "author", `"describedby"`, `"related item"`}[r.IntN(6)]
		}
		if r.IntN(3) == 0 {
			link += fmt.Sprintf(`; title="%s"`, prose(r, 1+r.IntN(4)))
		}
		links = append(links, link)
	}
	return strings.Join(links, ", ")
}

// noteVisit is somebody who reads, or a program that stores.
func noteVisit(r *rand.Rand) func(*Talk) {
	return func(t *Talk) {
		for range 1 + r.IntN(4) {
			method, request := noteRequest(r)
			if r.IntN(12) == 0 {
				t.Slowly([]byte(request), 60+r.IntN(90), time.Duration(2+r.IntN(15))*time.Millisecond)
			} else {
				t.Send([]byte(request))
			}
			t.webAnswer(method)
			t.Pause(time.Duration(r.IntN(40)) * time.Millisecond)
		}
		t.message.Bytes = nil
	}
}

func noteRequest(r *rand.Rand) (method, request string) {
	switch r.IntN(8) {
	case 0:
		return "HEAD", webHead(r, "HEAD", fmt.Sprintf("/notes/%d.html", r.IntN(45))) + "\r\n"
	case 1, 2:
		return "GET", webHead(r, "GET", fmt.Sprintf("/img/%d.png", r.IntN(45))) + "\r\n"
	case 3:
		return "GET", webHead(r, "GET", fmt.Sprintf("/notes/%d.html", r.IntN(40))) + "If-Modified-Since: Mon, 02 Jun 2025 10:00:00 GMT\r\n\r\n"
	case 4:
		return "GET", webHead(r, "GET", fmt.Sprintf("/notes/%d.html", r.IntN(40))) + fmt.Sprintf("Range: bytes=%d-\r\n\r\n", r.IntN(300))
	}
	return "PUT", notePut(r, fmt.Sprintf("/notes/%d", r.IntN(90)), noteLinks(r), prose(r, 5+r.IntN(200)))
}

// noteOddities are longer, rarer or stranger than the killer.
func noteOddities(r *rand.Rand) []string {
	var many []string
	for i := range 90 {
		many = append(many, fmt.Sprintf(`<%s>; rel="item"; title*=UTF-8''n%%20%d`, noteTarget(r), i))
	}
	put := func(links string) string { return notePut(r, "/notes/7", links, prose(r, 10)) }
	return []string{
		put(strings.Join(many, ", ")),
		put(`</a>; rel="up"; title="Home > News > Today"`), // no link comes behind
		put(`</a>; rel="up"; title="a < b"`),
		put(`no link at all`),
		put(`</a; rel="up"`),
		put(`<>; rel=""; rel="next"`),
		put(`</a>;;; rel = "x"; title="never ends, </b>`),
		put(`<data:text/plain,` + strings.Repeat("%3E", 900) + `>; rel=icon`),
		notePut(r, "/notes/8", "", strings.Repeat("a long note. ", 3000)),
		notePut(r, "/notes/9", "", strings.Repeat("too long a note. ", 4200)),
		webHead(r, "PUT", "/notes/10") + "Transfer-Encoding: chunked\r\n\r\n5;x=\"y\"\r\nhello\r\n1\r\n \r\n0\r\nTrailer: <z>\r\n\r\n",
		webHead(r, "PUT", "/notes/11") + "Expect: 200-maybe\r\nContent-Length: 2\r\n\r\nno",
		webHead(r, "DELETE", "/notes/12") + "\r\n",
		webHead(r, "OPTIONS", "*") + "\r\n",
		webHead(r, "GET", "/"+strings.Repeat("very/deep/", 250)) + "\r\n",
		webHead(r, "GET", "/%2e%2e/%00") + "\r\n",
		webHead(r, "GET", "/notes/1.html") + "Range: bytes=0-1,5-9,20-,-20\r\nCookie: " + fmt.Sprintf("%x", random(r, 900)) + "\r\n\r\n",
		"GET / HTTP/1.0\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	}
}

// noteWaiting gets no answer: half a head, half a body. They are with both processes, of which one dies.
func noteWaiting(r *rand.Rand) []string {
	var requests []string
	for range 25 {
		put := notePut(r, fmt.Sprintf("/notes/%d", r.IntN(90)), noteLinks(r), prose(r, 30+r.IntN(100)))
		head := webHead(r, "GET", fmt.Sprintf("/notes/%d.html", r.IntN(40))) + "\r\n"
		requests = append(requests, put[:len(put)-1-r.IntN(100)], head[:len(head)-1-r.IntN(40)])
	}
	return requests
}
