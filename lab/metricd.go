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

// metricd makes labels of a metric's tags, in a buffer whose size it has reckoned without the backslashes
// that it puts before backslashes. A sample from Windows, with a handful of paths, writes over the next
// block's header; nobody looks at that until the reporter, a second and hundreds of samples later,
// wants to make the idle series smaller.
var metricd = Case{
	Name:    "metricd",
	Listen:  netip.MustParseAddrPort("127.0.0.1:8125"),
	Prepare: func(s *Stage) error { return os.MkdirAll(filepath.Join(s.Home, "log"), 0o755) },
	Command: func(s *Stage) []string {
		return []string{s.Home + "/sbin/metricd", "8125", s.Home + "/log/report", "250", fmt.Sprint(metricIdle.Milliseconds())}
	},
	Script:    scriptMetricd,
	Culprit:   Culprit{Module: "libseries.so", Function: "series_trim", Role: "victim", Origin: "tags_label"},
	Mechanism: "allocator_check",
}

// metricIdle is how long nothing has to come for a series until it is made smaller: the killer's own is
// the first whose header is broken.
const metricIdle = 1300 * time.Millisecond

func scriptMetricd(s *Stage) []Conversation {
	r := s.Rand
	kill := between(r, 450*time.Millisecond, 800*time.Millisecond)
	death := kill + metricIdle + 125*time.Millisecond // give or take half of the time between reports
	sample := windowsSample(r)
	script := []Conversation{
		{Killer, loopback(2000 + r.IntN(50)), kill, metricBatches(subrand(r), sample, 2+r.IntN(4))},
		{Twin, loopback(2100 + r.IntN(50)), between(r, death/10, death*3/4), metricBatches(subrand(r), strings.ReplaceAll(sample, `\`, "/"), 1)},
	}
	for range 430 {
		at := between(r, 0, death+250*time.Millisecond)
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(50)), at, metricVisit(subrand(r))})
	}
	for i, text := range metricOddities(subrand(r)) {
		at := between(r, death/10, death)
		script = append(script, Conversation{Odd, loopback(1000 + i), at, metricCall(text)})
	}
	for i, text := range metricWaiting(subrand(r)) {
		at := between(r, death/4, death-200*time.Millisecond)
		script = append(script, Conversation{Waiting, loopback(1100 + i), at, metricWait(text)})
	}
	return script
}

// windowsSample is a line with enough backslashes to reach the next block through any slack.
func windowsSample(r *rand.Rand) string {
	folders := []string{"Program Files", "Contoso", "Agent", "bin", "etc", "v2.1", "spool", "cache", "current", "jobs", "data"}
	path := func(root, file string) string {
		for range 5 + r.IntN(3) {
			root += `\` + folders[r.IntN(len(folders))]
		}
		return root + `\` + file
	}
	return fmt.Sprintf(`win.service.restarts:%d|c|#host:ts%d,service:print%03d,image:%s,config:%s,log:%s,dump:%s`+"\n",
		1+r.IntN(9), 1+r.IntN(9), r.IntN(1000), path("C:", "spoolsv.exe"), path("C:", "agent.conf"),
		path(fmt.Sprintf(`\\files%02d`, r.IntN(100)), "spool.log"), path("D:", "spool.dmp"))
}

// metricBatches sends the line and goes on with ordinary ones, as an agent does.
func metricBatches(r *rand.Rand, line string, more int) func(*Talk) {
	return func(t *Talk) {
		t.Send([]byte(metricBatch(r, 1+r.IntN(4))))
		t.Line()
		t.Message([]byte(line + "sync\n"))
		t.Line()
		for range more {
			t.Pause(time.Duration(20+r.IntN(80)) * time.Millisecond)
			t.Send([]byte(metricBatch(r, 1+r.IntN(6))))
			t.Line()
		}
	}
}

// metricCall sends one message and reads the line that answers it.
func metricCall(text string) func(*Talk) {
	return func(t *Talk) {
		t.Message([]byte(text))
		t.Line()
	}
}

func metricWait(text string) func(*Talk) {
	return func(t *Talk) {
		t.Message([]byte(text))
		t.Outlast()
	}
}

// metricVisit is an agent that brings some batches, a dashboard that asks, or somebody who only drops
// samples.
func metricVisit(r *rand.Rand) func(*Talk) {
	return func(t *Talk) {
		kind := r.IntN(10)
		for range 1 + r.IntN(4) {
			switch {
			case kind == 0:
				t.Send([]byte("get " + metricKey(r) + "\n"))
				t.Line()
			case kind == 1:
				t.Send([]byte("stats\n"))
				t.Line()
			case kind == 2:
				t.Send([]byte(metricLine(r)))
			case kind == 3:
				t.Slowly([]byte(metricBatch(r, 3)), 30+r.IntN(40), time.Duration(3+r.IntN(20))*time.Millisecond)
				t.Line()
			default:
				t.Send([]byte(metricBatch(r, 1+r.IntN(12))))
				t.Line()
			}
			t.Pause(time.Duration(r.IntN(40)) * time.Millisecond)
		}
		t.message.Bytes = nil
		if r.IntN(3) == 0 {
			t.Send([]byte("quit\n"))
		}
	}
}

func metricBatch(r *rand.Rand, lines int) string {
	var b strings.Builder
	for range lines {
		b.WriteString(metricLine(r))
	}
	return b.String() + "sync\n"
}

func metricName(r *rand.Rand) string {
	return []string{"web", "db", "mail", "cache", "win.cpu", "win.disk"}[r.IntN(6)] + "." +
		[]string{"requests", "latency", "errors", "queue", "bytes", "sessions"}[r.IntN(6)]
}

// metricTags are mostly those of a few hosts; now and then a container's, which nobody has seen before.
func metricTags(r *rand.Rand) string {
	tags := fmt.Sprintf("host:edge%d", 1+r.IntN(4))
	if r.IntN(2) == 0 {
		tags += ",route:/" + []string{"cart", "login", "search", "item"}[r.IntN(4)]
	}
	if r.IntN(12) == 0 {
		tags += fmt.Sprintf(",container:%x,image:registry.example.net/shop/web:%d.%d", random(r, 16), r.IntN(9), r.IntN(90))
	}
	return tags
}

func metricKey(r *rand.Rand) string {
	return metricName(r) + "|" + []string{"c", "g", "ms"}[r.IntN(3)] + "|#" + metricTags(r)
}

func metricLine(r *rand.Rand) string {
	tags := metricTags(r)
	switch r.IntN(4) {
	case 0:
		return fmt.Sprintf("%s:%d|c|@0.%d|#%s\n", metricName(r), 1+r.IntN(20), 1+r.IntN(9), tags)
	case 1:
		return fmt.Sprintf("%s:%.2f|g|#%s\n", metricName(r), r.Float64()*1000, tags)
	default:
		return fmt.Sprintf("%s:%d|ms|#%s\n", metricName(r), r.IntN(3000), tags)
	}
}

// metricOddities are longer, rarer or stranger than the killer; backslashes have they, too.
func metricOddities(r *rand.Rand) []string {
	many := func(n int, format string) string {
		var tags []string
		for i := range n {
			tags = append(tags, fmt.Sprintf(format, i, random(r, 12)))
		}
		return strings.Join(tags, ",")
	}
	return []string{
		"jvm.heap:512|g|#" + many(23, "pool%d:%x-generation") + "\nsync\n",
		"jvm.heap:512|g|#" + many(40, "pool%d:%x") + "\n", // too many tags
		"shop.search:1|c|#query:" + strings.Repeat(`"red shoes" `, 150) + "\nsync\n",
		"temperature:-40.5|g|#place:Zürich,sensor:北側\nsync\n",
		strings.Repeat("very.deep.", 150) + "name:1|c\nsync\n",
		"clock.drift:1.7976931348623157e+308|g|#host:edge1\nsync\n",
		"clock.drift:nan|h|@0.00001|#host:edge2\nsync\n",
		"users.online:alice|s|#host:edge1\n",                                                         // no number
		`_e{18,27}:Service restarted|C:\Agent\bin\agent.exe ended|t:warning|#source:eventlog` + "\n", // an event, not a sample
		`get win.service.restarts|c|#image:C:\Windows\System32\svchost.exe,config:C:\Windows\` + "\n",
		`win.service.restarts:1|counter|#image:C:\Windows\System32\dns.exe` + "\n", // no such type
		"servers.edge1.cpu.load 0.42 1700000000\n",
		"stats\r\n",
		"deploys:1|c|#by:alice,note:" + strings.Repeat("rollback; ", 200) + "\nsync\n",
		"POST /api/v1/series HTTP/1.1\n",
		string([]byte{0x80, 0x02, '}', 'q', 0x00}) + fmt.Sprintf("%x", random(r, 700)) + "\n",
	}
}

// metricWaiting gets no answer: samples without a sync, half lines, a wait for a sample that never comes.
func metricWaiting(r *rand.Rand) []string {
	var texts []string
	for range 4 {
		texts = append(texts,
			fmt.Sprintf("watch batch.nightly|ms|#job:%d\n", r.IntN(100000)),
			metricLine(r)+metricLine(r),
			metricLine(r)+"web.requests:1|c|#host:ed")
	}
	return texts
}
