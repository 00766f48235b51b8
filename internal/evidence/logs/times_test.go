package logs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTheTimeOfALineIsReadAsItsWriterMeantIt(t *testing.T) {
	at := time.Date(2026, 11, 25, 10, 0, 1, 0, time.UTC)
	ms := at.Add(123 * time.Millisecond)
	for _, c := range []struct {
		who, line string
		want      time.Time
		floating  bool
	}{
		{"rsyslog", "2026-11-25T10:00:01.123000+00:00 lb1 haproxy[1]: x", ms, false},
		{"rsyslog in another zone", "2026-11-25T12:00:01.123+02:00 lb1 haproxy[1]: x", ms, false},
		{"syslog", "Nov 25 10:00:01 lb1 haproxy[1]: x", time.Date(0, 11, 25, 10, 0, 1, 0, time.UTC), true},
		{"syslog, first of a month", "Nov  1 10:00:01 lb1 x", time.Date(0, 11, 1, 10, 0, 1, 0, time.UTC), true},
		{"nginx, error log", "2026/11/25 10:00:01 [error] 735#735: *539 open() failed", at, true},
		{"nginx, access log", `127.0.0.1 - - [25/Nov/2026:11:00:01 +0100] "GET / HTTP/1.1" 200 612`, at, false},
		{"Apache, error log", "[Wed Nov 25 10:00:01.123456 2026] [core:notice] [pid 1:tid 1] x", at.Add(123456 * time.Microsecond), true},
		{"HAProxy", "Nov 25 10:00:02 lb1 haproxy[1]: 10.0.0.1:4711 [25/Nov/2026:10:00:01.123] fe be/s 0/0", time.Date(0, 11, 25, 10, 0, 2, 0, time.UTC), true},
		{"log4j", "2026-11-25 10:00:01,123 ERROR [main] x", ms, true},
		{"PostgreSQL", "2026-11-25 10:00:01.123 UTC [4711] LOG:  x", ms, false},
		{"Redis", "16110:M 25 Nov 2026 10:00:01.123 * Ready", ms, true},
		{"named", "25-Nov-2026 10:00:01.123 general: error: x", ms, true},
		{"Unbound", "[1795600801] unbound[123:0] error: x", at, false},
		{"Squid", "1795600801.123    45 10.0.0.1 TCP_MISS/200 x", ms, false},
		{"glog", "E1125 10:00:01.123000  4711 main.cc:1] x", time.Date(0, 11, 25, 10, 0, 1, 123e6, time.UTC), true},
		{"Go", "2026/11/25 10:00:01.123000 main.go:1: x", ms, true},
		{"JSON, text", `{"level":"error","ts":"2026-11-25T10:00:01.123Z","msg":"x"}`, ms, false},
		{"JSON, seconds", `{"level":"error","ts":1795600801.123,"msg":"x"}`, ms, false},
		{"JSON, milliseconds", `{"time": 1795600801123, "msg": "x"}`, ms, false},
		{"logfmt", `level=error ts=2026-11-25T10:00:01.123Z msg=x`, ms, false},
		{"logfmt, seconds", "level=error ts=1795600801.123 msg=x", ms, false},
		{"JSON, nanoseconds", `{"timestamp": 1795600801123000000}`, ms, false},
		{"milliseconds", "1795600801123 x", ms, false},
		{"svlogd -ttt", "2026-11-25_10:00:01.12300 x", ms, true},
		{"a zone in hours", "2026-11-25 12:00:01.123+02 x", ms, false},
		{"date", "Wed Nov 25 10:00:01 UTC 2026 x", at, false},
		{"Cisco", "Nov 25 2026 10:00:01.123: %SYS-5-X", ms, true},
		{"a false date before", "1111-22-33 44:55:66 25/Nov/2026:10:00:01 x", at, true},
		{"mail", "Date: Wed, 25 Nov 2026 11:00:01 +0100", at, false},
		{"TAI64N, daemontools'", "@4000000" + "06b06b4b" + "b" + "07551ac0 x", time.Time{}, false},
		{"dmesg -T", "[Wed Nov 25 10:00:01 2026] x", at, true},
		{"journalctl -o short-full", "Wed 2026-11-25 10:00:01 UTC lb1 x", at, false},
		{"no time", "worker started", time.Time{}, false},
		{"numbers that are none", "1234-99-99 99:99:99 x 10.0.0.1:4711", time.Time{}, false},
	} {
		if c.who == "TAI64N, daemontools'" {
			c.line = fmt.Sprintf("@%016x%08x x", uint64(1)<<62+uint64(ms.Unix())+10, ms.Nanosecond())
			c.want = ms
		}
		if got := stampOf([]byte(c.line)); !got.time.Equal(c.want) || got.floating != c.floating && !c.want.IsZero() {
			t.Errorf("%s: %v, floating %v; expected %v, %v", c.who, got.time, got.floating, c.want, c.floating)
		}
	}
}

func TestZonesAndYearsThatAreToldLaterCount(t *testing.T) {
	const line = "Nov 25 10:00:01 lb1 kernel: a[1]: segfault at 0 ip 1 sp 2 error 4 in x[1+1]\n"
	l := Read("messages", []byte(line), nil)
	if l.Floating() || !l.Records[0].Time.IsZero() {
		t.Errorf("without any year: floating %v, %v", l.Floating(), l.Records[0].Time)
	}
	l.Date(time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC))
	l.Shift(90 * time.Minute)
	if want := time.Date(2026, 11, 25, 8, 30, 1, 0, time.UTC); !l.Records[0].Time.Equal(want) {
		t.Errorf("found %v, expected %v", l.Records[0].Time, want)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	l = Read("messages", []byte(line+strings.Replace(line, "Nov 25", "Jul 25", 1)), berlin)
	l.Date(time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC))
	if winter, summer := l.Records[0].Time, l.Records[1].Time; winter.Hour() != 9 || summer.Hour() != 8 || l.Floating() {
		t.Errorf("in Berlin: %v, %v", winter, summer)
	}
}

func TestALogWithNULsIsOne(t *testing.T) {
	if !SniffStamped([]byte("2026/11/25 10:00:01 [notice] 7#7: x\n2026/11/25 10:00:02 [alert] 7#7: \x00\x00\x00\n")) {
		t.Error("not known for a log")
	}
	if SniffStamped([]byte("\x00\x01\n\x02\n\x00 2026/11/25 10:00:01\n")) {
		t.Error("a binary is taken for a log")
	}
}

func TestALogGoesForwardOverNewYear(t *testing.T) {
	const fault = " lb1 kernel: a[1]: segfault at 0 ip 1 sp 2 error 4 in x[1+1]\n"
	for _, near := range []time.Time{time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 3, 11, 0, 0, 0, time.UTC)} {
		l := Read("messages", []byte("Mar  3 10:00:00"+fault+"Dec 31 23:59:58"+fault+"Dec 31 23:59:57"+fault+"Jan  1 00:00:01"+fault+"Aug  1 00:00:01"+fault), nil)
		l.Date(near)
		var years []int
		for _, r := range l.Records {
			years = append(years, r.Time.Year())
		}
		if fmt.Sprint(years) != "[2026 2026 2026 2027 2027]" {
			t.Errorf("near %v found %v", near, years)
		}
	}
}

func TestSecondsSinceTheStartCountFromWhereALineTellsBoth(t *testing.T) {
	l := Read("kern.log", []byte("[  90.500000] a[1]: segfault at 0 ip 1 sp 2 error 4 in x[1+1]\n"+
		"[ 100.000000] audit: type=1701 audit(1391032884.818:7): pid=2 comm=\"b\" sig=6\n"), nil)
	if want := happened.Add(-9500 * time.Millisecond); len(l.Records) != 2 || l.Records[0].Time.Sub(want).Abs() > time.Millisecond {
		t.Errorf("found %+v, expected %v", l.Records, want)
	}
}

func TestWhatParentsSayOfAChildThatASignalEnded(t *testing.T) {
	for _, c := range []struct {
		line        string
		pid, signal int
		command     string
	}{
		{"2026/11/25 10:00:01 [alert] 733#733: worker process 736 exited on signal 11 (core dumped)", 736, 11, ""},
		{"[Wed Nov 25 10:00:01 2026] [core:notice] [pid 7:tid 7] AH00051: child pid 736 exit signal Segmentation fault (11), possible coredump in /x", 736, 11, ""},
		{"2026-11-25 10:00:01.123 UTC [1] LOG:  server process (PID 736) was terminated by signal 11: Segmentation fault", 736, 11, ""},
		{"Nov 25 10:00:01 dovecot: imap-login: Fatal: master: service(imap-login): child 736 killed with signal 11 (core dumped)", 736, 11, ""},
		{"[25-Nov-2026 10:00:01] WARNING: [pool www] child 736 exited on signal 11 (SIGSEGV) after 3.2 seconds from start", 736, 11, ""},
		{"DAMN ! worker 1 (pid: 736) died, killed by signal 11 :( trying respawn ...", 736, 11, ""},
		{"[ALERT] 329/100001 (1) : Current worker #1 (736) exited with code 139 (Segmentation fault)", 736, 11, ""},
		{"Child (736) died signal=6 (core dumped)", 736, 6, ""},
		{"2026-11-25T10:00:01+0000 lb1 systemd[1]: nginx.service: Main process exited, code=dumped, status=11/SEGV", 0, 11, "nginx"},
		{"2026-11-25 10:00:01,123 INFO exited: cached (terminated by SIGSEGV (core dumped); not expected)", 0, 11, "cached"},
	} {
		l := Read("x", []byte(c.line), nil)
		if len(l.Records) != 1 {
			t.Errorf("%s: %d records", c.line, len(l.Records))
			continue
		}
		if r := l.Records[0]; r.Kind != Supervisor || r.PID != c.pid || r.Signal != c.signal || r.Command != c.command {
			t.Errorf("%s: found %+v", c.line, r)
		}
	}
	for _, line := range []string{
		"2026/11/25 10:00:01 [notice] 733#733: worker process 735 exited with code 0",
		"2026/11/25 10:00:01 [notice] 733#733: signal 17 (SIGCHLD) received from 735",
		"[ALERT] 329/100001 (1) : Current worker #1 (736) exited with code 1 (Exit)",
		"nginx.service: Main process exited, code=exited, status=1/FAILURE",
	} {
		if l := Read("x", []byte(line), nil); len(l.Records) > 0 {
			t.Errorf("%s: found %+v", line, l.Records)
		}
	}
}

func TestTheMachinesTroubleIsKeptApart(t *testing.T) {
	const log = `[1.0] mce: [Hardware Error]: CPU 2: Machine Check: 0 Bank 7: 8c00004000010091
[2.0] EDAC MC0: 1 CE memory read error on CPU_SrcID#0_Ha#0_Chan#1_DIMM#0
[3.0] Memory failure: 0x12345: recovery action for dirty LRU page: Recovered
[4.0] Memory failure: 0x12345: Sending SIGBUS to haproxy:31826 due to hardware memory corruption
[5.0] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [haproxy:31826]
[6.0] INFO: task haproxy:31826 blocked for more than 120 seconds.
[7.0] EDAC MC: Ver: 3.0.0
`
	l := Read("dmesg", []byte(log), nil)
	var kinds []string
	for _, s := range l.Signs {
		kinds = append(kinds, string(s.Kind))
	}
	if got := strings.Join(kinds, ", "); got != "machine check, memory error, memory error, lock-up, lock-up" {
		t.Errorf("signs: %s", got)
	}
	if len(l.Records) != 1 || l.Records[0].Kind != MemoryFailure || l.Records[0].PID != 31826 || l.Records[0].Command != "haproxy" || l.Records[0].Signal != 7 {
		t.Errorf("records: %+v", l.Records)
	}
}

// A journal that systemd wrote itself, as journalctl prints it in every form that tells a whole time.
func TestEveryFormThatJournalctlPrints(t *testing.T) {
	export := "__REALTIME_TIMESTAMP=1391032884000000\n__MONOTONIC_TIMESTAMP=1000000\n_BOOT_ID=0123456789abcdef0123456789abcdef\n" +
		"_HOSTNAME=lb1\nSYSLOG_IDENTIFIER=kernel\n_TRANSPORT=kernel\nPRIORITY=6\nMESSAGE=" +
		"haproxy[31826]: segfault at 10 ip 00007f7a4ee6af3e sp 00007ffd0c1b7f10 error 4 in libc.so.6[7f7a4ee44000+155000]\n\n"
	dir := t.TempDir()
	journal := filepath.Join(dir, "x.journal")
	remote := exec.Command("/lib/systemd/systemd-journal-remote", "-o", journal, "-")
	remote.Stdin = strings.NewReader(export)
	if out, err := remote.CombinedOutput(); err != nil {
		t.Fatalf("systemd-journal-remote (make setup installs it): %v\n%s", err, out)
	}
	for _, form := range []string{"short-full", "short-iso", "short-iso-precise", "short", "short-precise", "export", "json", "json-seq", "json-sse", "verbose", "with-unit"} {
		cmd := exec.Command("journalctl", "--file", journal, "--utc", "--no-pager", "-o", form)
		cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("journalctl -o %s: %v", form, err)
		}
		l := Read(form, out, nil)
		l.Date(happened)
		if len(l.Records) != 1 || l.Records[0].TID != 31826 || l.Records[0].Time.Sub(happened).Abs() > time.Second {
			t.Errorf("%s: found %+v in\n%s", form, l.Records, out)
		}
	}
}

func TestLinesAroundAnInstant(t *testing.T) {
	var log strings.Builder
	at := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	n := 0
	for log.Len() < mostWhole+1<<20 { // too large to be looked at from its beginning
		fmt.Fprintf(&log, "%s [notice] request %d\n  more of it\n", at.Format("2006/01/02 15:04:05"), n)
		at = at.Add(time.Second / 4)
		n++
	}
	for _, from := range []int{0, 1000, n / 2, n - 40} {
		begin := time.Date(2026, 11, 25, 0, 0, from/4, 0, time.UTC)
		var got []Line
		for line := range Read("error.log", []byte(log.String()), nil).Around(begin, begin.Add(9*time.Second)) {
			got = append(got, line)
		}
		if len(got) != 40 || got[0].Text != fmt.Sprintf("%s [notice] request %d\n  more of it", begin.Format("2006/01/02 15:04:05"), from/4*4) ||
			got[39].Source != fmt.Sprintf("error.log:%d", 2*(from/4*4+39)+1) {
			t.Errorf("from %d: %d lines, %+v … %+v", from, len(got), got[0], got[len(got)-1])
		}
	}
}

func BenchmarkRead(b *testing.B) {
	const line = "2026-11-25T10:00:01.123000+00:00 lb1 haproxy[4711]: 10.0.0.1:4711 [25/Nov/2026:10:00:01.123] fe be/s1 0/0/0/1/1 200 512 - - ---- 1/1/0/0/0 0/0 \"GET /index.html HTTP/1.1\"\n"
	data := []byte(strings.Repeat(line, 64<<20/len(line)))
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		Read("x", data, nil)
	}
}
