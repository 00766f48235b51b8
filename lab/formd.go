package lab

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// formd's workers read forms as they come. A field's name that is too long is refused, unless it begins
// in one piece and ends in another: libform then goes on with it on the stack and doesn't look at the
// room. The message is longer than a worker's read, so the worker dies with the rest of it unread.
var formd = Case{
	Name:      "formd",
	Listen:    netip.MustParseAddrPort("127.0.0.1:8088"),
	Command:   func(s *Stage) []string { return []string{s.Home + "/sbin/formd", "8088"} },
	Script:    scriptFormd,
	Culprit:   Culprit{Module: "libform.so", Function: "form_resume", Role: "decided"},
	Mechanism: "fault_execute",
}

const formWorkers = 4

// stuckTo is an address near n whose clients come to one worker: formd goes by the address.
func stuckTo(worker, n int) netip.Addr { return loopback(n/formWorkers*formWorkers + worker) }

func scriptFormd(s *Stage) []Conversation {
	r := s.Rand
	death := between(r, 2200*time.Millisecond, 2600*time.Millisecond)
	worker := r.IntN(formWorkers) // the one that dies
	// Most of those who are near the killer in any way are the same worker's.
	mostly := func() int { return []int{worker, worker, worker, r.IntN(formWorkers)}[r.IntN(4)] }
	name := longName(r)
	script := []Conversation{
		{Killer, stuckTo(worker, 2000+r.IntN(50)), death - 30*time.Millisecond, formKiller(subrand(r), name)},
		{Twin, stuckTo(worker, 2100+r.IntN(50)), between(r, death/4, death*3/4), formTwin(subrand(r), name)},
	}
	for range 380 {
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(64)), between(r, 0, death+150*time.Millisecond), formVisit(subrand(r))})
	}
	for i, request := range formOddities(subrand(r)) {
		from := stuckTo(mostly(), 1000+formWorkers*i)
		script = append(script, Conversation{Odd, from, between(r, death/10, death+50*time.Millisecond), formCall(request)})
	}
	for i, request := range formWaiting(subrand(r)) {
		from := stuckTo([]int{worker, mostly()}[i%2], 1200+formWorkers*i)
		script = append(script, Conversation{Waiting, from, between(r, death/4, death-100*time.Millisecond), formWait(request)})
	}
	return script
}

// longName is a field's name as frameworks make them for nested forms, longer than libform allows.
func longName(r *rand.Rand) string {
	name := fmt.Sprintf("survey[%d]", r.IntN(1000))
	for len(name) < 380 {
		name += fmt.Sprintf("[%s_attributes][%d]", []string{"page", "section", "question", "answer", "choice", "comment"}[r.IntN(6)], r.IntN(20))
	}
	return name
}

// longForm is a form with one field of that name, and behind it more fields than a worker reads at once.
func longForm(r *rand.Rand, name string) (head, first, rest string) {
	cut := 40 + r.IntN(60)
	first = fmt.Sprintf("token=%x&%s", random(r, 12), name[:cut])
	rest = name[cut:] + "=yes"
	for i := range 24 {
		rest += fmt.Sprintf("&note%d=%s", i, formText(r, 40+r.IntN(40)))
	}
	return formHead(r, "POST", "/form/survey", len(first)+len(rest)), first, rest
}

// formKiller sends the name in two pieces, as a browser behind a slow line does.
func formKiller(r *rand.Rand, name string) func(*Talk) {
	head, first, rest := longForm(r, name)
	return func(t *Talk) {
		formGet(t, r, "/")
		t.Message([]byte(head + first))
		t.Pause(time.Duration(15+r.IntN(20)) * time.Millisecond)
		t.Message([]byte(rest))
		t.Rest()
	}
}

// formTwin sends the same name in one piece, and is refused.
func formTwin(r *rand.Rand, name string) func(*Talk) {
	head, first, rest := longForm(r, name)
	return func(t *Talk) {
		formGet(t, r, "/")
		t.Message([]byte(head))
		t.Pause(time.Duration(15+r.IntN(20)) * time.Millisecond)
		t.Message([]byte(first + rest))
		t.Rest()
	}
}

// formCall makes one request and reads its answer.
func formCall(request string) func(*Talk) {
	return func(t *Talk) {
		t.Message([]byte(request))
		t.formAnswer()
	}
}

func formWait(request string) func(*Talk) {
	return func(t *Talk) {
		t.Message([]byte(request))
		t.Outlast()
	}
}

func formGet(t *Talk, r *rand.Rand, path string) {
	t.Send([]byte(formHead(r, "GET", path, 0)))
	t.formAnswer()
}

// formAnswer reads one answer, head and body.
func (t *Talk) formAnswer() {
	t.Read(func(b []byte) bool {
		head, body, ok := bytes.Cut(b, []byte("\r\n\r\n"))
		_, length, known := strings.Cut(string(head), "Content-Length: ")
		length, _, _ = strings.Cut(length, "\r\n")
		n, _ := strconv.Atoi(length)
		return ok && known && len(body) >= n
	})
}

func formHead(r *rand.Rand, method, path string, length int) string {
	agents := []string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
		"curl/8.5.0", "python-requests/2.31.0",
	}
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: forms.example.net\r\nUser-Agent: %s\r\nAccept: */*\r\n", method, path, agents[r.IntN(len(agents))])
	if r.IntN(3) == 0 {
		head += fmt.Sprintf("Cookie: session=%x\r\n", random(r, 16))
	}
	if method == "POST" {
		head += fmt.Sprintf("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n", length)
	}
	return head + "\r\n"
}

// formPost is a whole request with a body.
func formPost(r *rand.Rand, form, body string) string {
	return formHead(r, "POST", "/form/"+form, len(body)) + body
}

// formVisit looks at the page and sends some forms, on one connection.
func formVisit(r *rand.Rand) func(*Talk) {
	return func(t *Talk) {
		for range 1 + r.IntN(4) {
			switch kind := r.IntN(10); {
			case kind < 3:
				formGet(t, r, []string{"/", "/", "/count", "/favicon.ico"}[r.IntN(4)])
			case kind < 5: // on a poor line, so that names come in two pieces, too
				t.Slowly([]byte(formPost(r, "contact", formBody(r))), 60+r.IntN(80), time.Duration(2+r.IntN(15))*time.Millisecond)
				t.formAnswer()
			default:
				t.Send([]byte(formPost(r, []string{"contact", "order", "survey"}[r.IntN(3)], formBody(r))))
				t.formAnswer()
			}
			t.Pause(time.Duration(r.IntN(40)) * time.Millisecond)
		}
		t.message.Bytes = nil
	}
}

func formBody(r *rand.Rand) string {
	fields := []string{"name", "email", "subject", "text", "address[street]", "address[city]", "items[0][sku]", "items[0][count]", "newsletter", "survey[12][answers][3]"}
	var parts []string
	for range 2 + r.IntN(8) {
		name := fields[r.IntN(len(fields))]
		if r.IntN(2) == 0 {
			name = url.QueryEscape(name)
		}
		parts = append(parts, name+"="+formText(r, 1+r.IntN(12)))
	}
	if r.IntN(10) == 0 {
		parts = append(parts, "attachment="+formText(r, 400))
	}
	return strings.Join(parts, "&")
}

func formText(r *rand.Rand, words int) string {
	all := []string{"please", "call", "me", "back", "the", "order", "is", "late", "thank", "you", "blue", "two", "street", "Zürich", "10:30", "A+B"}
	text := all[r.IntN(len(all))]
	for range words - 1 {
		text += " " + all[r.IntN(len(all))]
	}
	return url.QueryEscape(text)
}

// formOddities are longer, rarer or stranger than the killer.
func formOddities(r *rand.Rand) []string {
	return []string{
		formPost(r, "survey", "answer="+strings.Repeat("lorem+ipsum+", 3000)),
		formPost(r, "survey", strings.Repeat("a=1&", 4000)+"b=2"),
		formPost(r, "survey", "comment="+strings.Repeat("%F0%9F%98%80", 1500)),
		formPost(r, "survey", "q="+url.QueryEscape(string(random(r, 3000)))),
		formPost(r, strings.Repeat("very-long-form-name-", 40), "a=b"),
		formPost(r, "order", "%6E%61%6D%65=%41&&&=&x&%zz=%"),
		formPost(r, "order", ""),
		formPost(r, "upload", "--boundary\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n"+fmt.Sprintf("%x", random(r, 2500))+"\r\n--boundary--\r\n"),
		formPost(r, "order", `{"items":[{"sku":"A-17","count":2}],"note":"not a form at all"}`),
		formHead(r, "OPTIONS", "/form/order", 0),
		formHead(r, "PROPFIND", "/", 0),
		"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + fmt.Sprintf("%x", random(r, 3000)) + "\r\n\r\n", // a head too long
		"POST /form/contact HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\na=b&c\r\n0\r\n\r\n",
		"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + string(random(r, 32)) + "\r\n\r\n",
		"GET " + strings.Repeat("../", 30) + "etc/passwd HTTP/1.0\r\n\r\n",
		formHead(r, "GET", "/", 0) + formHead(r, "GET", "/count", 0) + formPost(r, "contact", formBody(r)), // all at once
	}
}

// formWaiting gets no answer: half a head, half a body, a form that never comes.
func formWaiting(r *rand.Rand) []string {
	var requests []string
	for range 4 {
		half := formPost(r, "contact", formBody(r))
		requests = append(requests,
			formHead(r, "GET", fmt.Sprintf("/next/recall-%d", r.IntN(10000)), 0),
			formHead(r, "GET", fmt.Sprintf("/next/recall-%d", r.IntN(10000)), 0),
			half[:len(half)-1-r.IntN(10)],
			half[:60+r.IntN(60)])
	}
	return requests
}
