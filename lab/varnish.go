package lab

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// varnish is Debian's varnishd with a module that picks one of the site's languages. It takes for granted
// that something will do for a client that accepts "*", and it uses a null pointer for one that accepts
// anything but what the site has. varnishd's worker catches its own SIGSEGV, writes a report and aborts; its
// manager starts the next worker, on the same listening socket.
var varnish = Case{
	Name:    "varnish",
	Program: "/usr/sbin/varnishd",
	Listen:  netip.MustParseAddrPort("127.0.0.1:6081"),
	Prepare: prepareVarnish,
	Command: func(s *Stage) []string {
		// Its report is long: it goes to a file, as with a service.
		return []string{"/bin/sh", "-c", "exec " + strings.Join([]string{
			"varnishd -F -a 127.0.0.1:6081 -s malloc,32M", "-f", s.Home + "/etc/site.vcl", "-n", s.Home + "/work",
			"-p thread_pool_min=20 -p vsl_space=1M", ">", s.Home + "/log", "2>&1",
		}, " ")}
	},
	Script:    scriptVarnish,
	Culprit:   Culprit{Module: "_vmod_lang.*", Function: "vmod_site_pick", Role: "decided"},
	Mechanism: "fault_null",
}

const siteVCL = `vcl 4.1;

import lang from "%s/lib/libvmod_lang.so";

backend default {
	.host = "127.0.0.1";
	.port = "8080";
}

sub vcl_init {
	new site = lang.site("en de fr it");
}

sub vcl_recv {
	if (req.url == "/ping") {
		return (synth(200, "OK"));
	}
	if (req.method !~ "^(GET|HEAD|POST|PUT|DELETE|OPTIONS)$") {
		return (synth(405, "Not allowed"));
	}
	if (req.url ~ "^/(css|img|js)/") {
		unset req.http.Cookie;
		unset req.http.Accept-Language;
		return (hash);
	}
	set req.http.X-Language = site.pick(req.http.Accept-Language);
	unset req.http.Accept-Language;
	if (req.url ~ "^/(account|cart|report)") {
		return (pass);
	}
}

sub vcl_hash {
	hash_data(req.http.X-Language);
}

sub vcl_deliver {
	set resp.http.Content-Language = req.http.X-Language;
}
`

func prepareVarnish(s *Stage) error {
	if err := os.MkdirAll(filepath.Join(s.Home, "etc"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.Home, "etc/site.vcl"), fmt.Appendf(nil, siteVCL, s.Home), 0o644); err != nil {
		return err
	}
	return s.Serve("127.0.0.1:8080", varnishBackend)
}

// varnishBackend is the site behind: reports take it longer than anybody's patience, a search a while.
func varnishBackend(conn net.Conn) {
	defer conn.Close()
	for r := bufio.NewReader(conn); ; {
		request, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		body, err := io.ReadAll(request.Body)
		path := request.URL.Path
		switch {
		case err != nil || strings.HasPrefix(path, "/report"):
			continue
		case strings.HasPrefix(path, "/search"):
			time.Sleep(time.Duration(5+len(request.URL.RawQuery)%40) * time.Millisecond)
		}
		r := rand.New(rand.NewPCG(uint64(len(path)), uint64(len(body))))
		page := fmt.Sprintf("<html><h1>%s</h1><p>%s</p></html>", path, prose(r, 30+r.IntN(900)))
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nServer: site/3.2\r\nContent-Type: text/html\r\nETag: \"%x\"\r\nCache-Control: max-age=%d\r\nContent-Length: %d\r\n\r\n%s",
			len(page), len(page)%3, len(page), page)
	}
}

func scriptVarnish(s *Stage) []Conversation {
	r := s.Rand
	death := between(r, 2200*time.Millisecond, 2600*time.Millisecond)
	foreign := []string{"rm-CH, rm;q=0.9", "ja", "sv-SE, sv;q=0.8", "pt-BR, pt;q=0.8, es;q=0.6", "cs"}[r.IntN(5)]
	head := webHead(r, "GET", fmt.Sprintf("/news/%d", r.IntN(60)))
	ask := func(last string) string {
		return head + "Accept-Language: " + foreign + ", en;q=0, de;q=0, fr;q=0, it;q=" + last + ", *;q=0.3\r\n\r\n"
	}
	script := []Conversation{
		{Killer, loopback(2000 + r.IntN(50)), death, webKiller(subrand(r), ask("0"))},
		{Twin, loopback(2100 + r.IntN(50)), between(r, death/4, death*3/4), webCall(ask("0.1"))},
	}
	for range 400 {
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(60)), between(r, 0, death+150*time.Millisecond), webVisit(subrand(r))})
	}
	for i, request := range webOddities(subrand(r)) {
		script = append(script, Conversation{Odd, loopback(1000 + i), between(r, death/10, death-20*time.Millisecond), webCall(request)})
	}
	for i, request := range webWaiting(subrand(r)) { // half a head is waited for two seconds
		script = append(script, Conversation{Waiting, loopback(1100 + i), between(r, death-1500*time.Millisecond, death-150*time.Millisecond), webWait(request)})
	}
	return script
}

// webKiller has been there for a while: it has read something, in the language that it got.
func webKiller(r *rand.Rand, request string) func(*Talk) {
	return func(t *Talk) {
		for range r.IntN(3) {
			t.Send([]byte(webHead(r, "GET", fmt.Sprintf("/img/%d.png", r.IntN(40))) + "\r\n"))
			t.webAnswer("GET")
		}
		t.Message([]byte(request))
		t.Rest()
	}
}

// webCall makes one request and reads its answer.
func webCall(request string) func(*Talk) {
	return func(t *Talk) {
		t.Message([]byte(request))
		method, _, _ := strings.Cut(request, " ")
		t.webAnswer(method)
	}
}

func webWait(request string) func(*Talk) {
	return func(t *Talk) {
		t.Message([]byte(request))
		t.Outlast()
	}
}

// webAnswer reads one answer to a request with that method.
func (t *Talk) webAnswer(method string) {
	t.Read(func(b []byte) bool {
		answer, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), &http.Request{Method: method})
		if err != nil {
			return false
		}
		_, err = io.Copy(io.Discard, answer.Body)
		return err == nil
	})
}

// webHead is a request's head without its end.
func webHead(r *rand.Rand, method, path string) string {
	agents := []string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
		"curl/8.5.0", "Feedly/1.0 (+http://www.feedly.com/fetcher.html; 3 subscribers)",
	}
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: www.example.net\r\nUser-Agent: %s\r\nAccept: */*\r\n", method, path, agents[r.IntN(len(agents))])
	if r.IntN(3) == 0 {
		head += fmt.Sprintf("Cookie: session=%x; consent=%d\r\n", random(r, 16), r.IntN(2))
	}
	if r.IntN(3) == 0 {
		head += "Accept-Encoding: gzip, deflate, br\r\n"
	}
	return head
}

// webRanges is what most clients send for a language, and what some do.
func webRanges(r *rand.Rand) string {
	usual := []string{
		"de-CH,de;q=0.9,en;q=0.8", "en-US,en;q=0.5", "en-GB,en-US;q=0.9,en;q=0.8", "fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5",
		"it", "de", "de-AT,de;q=0.8,en-US;q=0.5,en;q=0.3", "fr;q=0.8, en;q=0.2", "ja,en-US;q=0.7,en;q=0.3",
	}
	rare := []string{"*", "rm-CH, rm;q=0.9, de;q=0.5, *;q=0.1", "en;q=0, de", "pt-BR,pt;q=0.9", "sv, *;q=0.2", "de;q=0, en;q=0, *", "nl,en;q=0"}
	if r.IntN(6) == 0 {
		return rare[r.IntN(len(rare))]
	}
	return usual[r.IntN(len(usual))]
}

// webVisit is a browser that loads a page and what belongs to it, or a program that asks for one thing.
func webVisit(r *rand.Rand) func(*Talk) {
	return func(t *Talk) {
		ranges := ""
		if r.IntN(5) > 0 {
			ranges = "Accept-Language: " + webRanges(r) + "\r\n"
		}
		for range 1 + r.IntN(5) {
			method, request := webRequest(r, ranges)
			if r.IntN(12) == 0 {
				t.Slowly([]byte(request), 40+r.IntN(90), time.Duration(2+r.IntN(20))*time.Millisecond)
			} else {
				t.Send([]byte(request))
			}
			t.webAnswer(method)
			t.Pause(time.Duration(r.IntN(40)) * time.Millisecond)
		}
		t.message.Bytes = nil
	}
}

func webRequest(r *rand.Rand, ranges string) (method, request string) {
	method = "GET"
	switch r.IntN(12) {
	case 0:
		method = "HEAD"
		return method, webHead(r, method, "/ping") + "\r\n"
	case 1:
		method = "POST"
		body := fmt.Sprintf("item=%d&count=%d&note=%x", r.IntN(1000), r.IntN(9), random(r, r.IntN(60)))
		return method, webHead(r, method, "/cart") + ranges + fmt.Sprintf("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	case 2:
		return method, webHead(r, method, fmt.Sprintf("/search?q=%x", random(r, 1+r.IntN(12)))) + ranges + "\r\n"
	case 3:
		return method, webHead(r, method, "/account") + ranges + fmt.Sprintf("Authorization: Basic %x\r\n\r\n", random(r, 10))
	case 4:
		return method, webHead(r, method, fmt.Sprintf("/news/%d", r.IntN(60))) + ranges + fmt.Sprintf("If-None-Match: \"%x\"\r\n\r\n", r.IntN(2000))
	case 5, 6, 7:
		return method, webHead(r, method, fmt.Sprintf("/img/%d.png", r.IntN(40))) + ranges + "\r\n"
	default:
		return method, webHead(r, method, fmt.Sprintf("/news/%d", r.IntN(60))) + ranges + "\r\n"
	}
}

// webOddities are longer, rarer or stranger than the killer.
func webOddities(r *rand.Rand) []string {
	get := func(path, fields string) string { return webHead(r, "GET", path) + fields + "\r\n" }
	var many []string
	for i := range 70 {
		many = append(many, fmt.Sprintf("x%c-%c%c;q=0.%03d", 'a'+i%26, 'A'+r.IntN(26), 'A'+r.IntN(26), 999-i))
	}
	return []string{
		get("/", "Accept-Language: "+strings.Join(many, ", ")+"\r\n"), // more ranges than there is room for
		get("/", "Accept-Language: zh-cmn-Hans-CN-u-co-pinyin;q=0.123, sl-rozaj-biske-1994, *;q=0\r\n"),
		get("/", "Accept-Language: en;q=0, de;q=0, fr;q=0, it;q=0\r\n"), // nothing, not even "*"
		get("/", "Accept-Language: ,,;;q=,*;q=x,;q=1.5\r\n"),
		get("/", "Accept-Language: en;q=0, de;q=0, fr;q=0, *;q=0.4\r\n"),
		get("/", fmt.Sprintf("Cookie: tracking=%x\r\n", random(r, 1900))),
		get("/"+strings.Repeat("very/deep/", 250), ""),
		get("/news/7", "Range: bytes=0-1,5-9,100-,-20\r\nIf-Range: \"5\"\r\n"),
		get("/news/8?"+strings.Repeat("%00%ff", 200), "X-Forwarded-For: 10.0.0.1, unknown, 2001:db8::7\r\nForwarded: for=\"[2001:db8::1]\"\r\n"),
		get("http://www.example.net:6081/news/9", "Via: 1.0 old-proxy\r\nMax-Forwards: 0\r\nTE: trailers, deflate;q=0.5\r\n"),
		webHead(r, "PURGE", "/news/3") + "\r\n",
		webHead(r, "OPTIONS", "*") + "Origin: https://shop.example.net\r\nAccess-Control-Request-Method: PUT\r\n\r\n",
		webHead(r, "POST", "/cart") + "Transfer-Encoding: chunked\r\n\r\n5;x=\"y\"\r\na=b&c\r\n0\r\nTrailer: z\r\n\r\n",
		webHead(r, "PUT", "/account") + fmt.Sprintf("Expect: 100-continue\r\nContent-Length: 4000\r\n\r\n%x", random(r, 2000)),
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 5000 80\r\nGET / HTTP/1.0\r\n\r\n",
		"GET / HTTP/1.0\r\n\r\n",
		get("/img/1.png", "") + get("/img/2.png", "") + get("/news/5", "Accept-Language: it\r\n"), // all at once
		"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + string(random(r, 40)) + "\r\n\r\n",
	}
}

// webWaiting gets no answer: reports that the site behind never makes, half a head, half a body.
func webWaiting(r *rand.Rand) []string {
	var requests []string
	for i := range 4 {
		page := webHead(r, "GET", fmt.Sprintf("/news/%d", r.IntN(60))) + "Accept-Language: " + webRanges(r) + "\r\n\r\n"
		requests = append(requests,
			webHead(r, "GET", fmt.Sprintf("/report?year=%d", 2010+i))+"Accept-Language: "+webRanges(r)+"\r\n\r\n",
			webHead(r, "POST", "/report")+"Content-Length: 18\r\n\r\nformat=csv&month=7",
			webHead(r, "POST", "/cart")+fmt.Sprintf("Content-Length: %d\r\n\r\nitem=%d&coun", 40+r.IntN(60), r.IntN(1000)),
			page[:len(page)-1-r.IntN(40)])
	}
	return requests
}
