package logs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/inquest-project/inquest/internal/ground/cursor"
	"github.com/inquest-project/inquest/internal/ground/place"
)

var (
	happened = time.Date(2014, 1, 29, 22, 1, 24, 818e6, time.UTC)
	second   = happened.Truncate(time.Second)
)

// haproxy is the incident's record as far as a form tells it.
func haproxy(kind Kind, at time.Time, pid int, exe string, signal int) Record {
	return Record{Kind: kind, Time: at, PID: pid, Command: "haproxy", Executable: exe, Signal: signal}
}

// read reads a log of a time that is told, or UTC's.
func read(name, text string) ([]Record, []cursor.Damage) {
	l := Read(name, []byte(text), nil)
	return l.Records, l.Damage
}

func TestAForbiddenSystemCallIsRead(t *testing.T) {
	for _, line := range []string{
		`type=SECCOMP msg=audit(1391032884.818:7): auid=0 uid=0 gid=0 ses=1 subj=unconfined pid=31826 comm="haproxy" exe="/usr/sbin/haproxy" sig=31 arch=c000003e syscall=110 compat=0 ip=0x7f3b code=0x80000000`,
		`Jan 29 22:01:24 lb1 kernel: [12345.678901] audit: type=1326 audit(1391032884.818:7): auid=0 uid=0 gid=0 ses=1 pid=31826 comm="haproxy" exe="/usr/sbin/haproxy" sig=31 arch=c000003e syscall=110 compat=0 ip=0x7f3b code=0x80000000`,
	} {
		records, _ := read("log", (line))
		if len(records) != 1 {
			t.Fatalf("%s: found %+v", line, records)
		}
		r := records[0]
		if r.Kind != Seccomp || r.PID != 31826 || r.Signal != 31 || r.SystemCall == nil || *r.SystemCall != 110 || r.Arch != "x86_64" || !r.Time.Equal(happened) {
			t.Errorf("%s: found %+v", line, r)
		}
	}
	if records, _ := read("log", (`type=SECCOMP msg=audit(1391032884.818:7): auid=0 pid=31826 comm="haproxy" sig=0 arch=c000003e syscall=110 code=0x7ffc0000`)); len(records) != 0 {
		t.Errorf("a call that was only logged is taken for a death: %+v", records)
	}
}

func TestWhomSystemdKillsAndWhy(t *testing.T) {
	const log = `2014-01-29T22:01:20+0000 lb1 systemd[1]: proxy.service: State 'stop-sigterm' timed out. Killing.
2014-01-29T22:01:20+0000 lb1 systemd[1]: proxy.service: Killing process 700 (proxy) with signal SIGKILL.
2014-01-29T22:01:24+0000 lb1 systemd[1]: haproxy.service: Watchdog timeout (limit 3s)!
2014-01-29T22:01:24+0000 lb1 systemd[1]: haproxy.service: Killing process 31826 (haproxy) with signal SIGABRT.
2014-01-29T22:01:30+0000 lb1 systemd[1]: haproxy.service: Killing process 31900 (haproxy) with signal SIGKILL.
`
	records, _ := read("log", (log))
	var got []string
	for _, r := range records {
		got = append(got, fmt.Sprint(r.Kind, r.Unit, r.PID, r.Command, r.Signal, r.Source))
	}
	want := []string{"stoppedproxy.service700proxy9log:2", "watchdoghaproxy.service31826haproxy6log:4", "stoppedhaproxy.service31900haproxy9log:5"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("expected %v, found %v", want, got)
	}
}

func TestEveryFormOfADeathIsRead(t *testing.T) {
	ten, offset := place.Address(0x10), place.Offset(0x26f3e)
	segv := Fault{Machine: "x86_64", Address: &ten, Access: Reads, IP: 0x7f7a4ee6af3e, SP: 0x7ffd0c1b7f10, Module: "libc.so.6", ModuleBase: 0x7f7a4ee44000, ModuleSize: 0x155000}
	kernel := func(at time.Time, command string, signal int, f Fault) Record {
		return Record{Kind: Kernel, Time: at, TID: 31827, Command: command, Signal: signal, Fault: &f}
	}
	since67 := segv
	since67.FileOffset = &offset
	trapped := func(name string) Fault {
		f := segv
		f.Address, f.Access, f.Trap = nil, "", name
		return f
	}
	for _, c := range []struct {
		name, line string
		want       Record
	}{
		{"audit of 2.6.32", `type=ANOM_ABEND msg=audit(1391032884.818:1967129): auid=809400027 uid=0 gid=0 ses=221308 pid=31826 comm="haproxy" sig=6`,
			haproxy(Audit, happened, 31826, "", 6)},
		{"audit with node, subj and exe", `node=lb1 type=ANOM_ABEND msg=audit(1391032884.818:1): auid=0 uid=0 gid=0 ses=1 subj=system_u:system_r:haproxy_t:s0 pid=31826 comm="haproxy" exe="/usr/sbin/haproxy" sig=11 res=1`,
			haproxy(Audit, happened, 31826, "/usr/sbin/haproxy", 11)},
		{"audit, enriched, with hexadecimal strings", "type=ANOM_ABEND msg=audit(1391032884.818:1): auid=0 pid=31826 comm=686170726F7879 exe=2F6F70742F61206461656D6F6E sig=6 res=1\x1dAUID=\"root\" UID=\"root\"",
			haproxy(Audit, happened, 31826, "/opt/a daemon", 6)},
		{"audit in syslog", `Jan 29 22:01:24 lb1 kernel: [12345.678901] audit: type=1701 audit(1391032884.818:1967129): auid=0 uid=0 gid=0 ses=1 pid=31826 comm="haproxy" exe="/usr/sbin/haproxy" sig=6 res=1`,
			haproxy(Audit, happened, 31826, "/usr/sbin/haproxy", 6)},
		{"audit in dmesg, as old kernels print it", `[12345.678901] type=1701 audit(1391032884.818:1967129): auid=0 uid=0 gid=0 ses=1 pid=31826 comm="haproxy" sig=6`,
			haproxy(Audit, happened, 31826, "", 6)},
		{"audit in the journal, short-iso", `2014-01-29T22:01:24+0000 lb1 audit[31826]: ANOM_ABEND auid=4294967295 uid=0 gid=0 ses=4294967295 subj=unconfined pid=31826 comm="haproxy" exe="/usr/sbin/haproxy" sig=6 res=1`,
			haproxy(Audit, second, 31826, "/usr/sbin/haproxy", 6)},
		{"ausearch -i, month first", `type=ANOM_ABEND msg=audit(01/29/14 22:01:24.818:1967129) : auid=unset uid=root gid=root ses=unset pid=31826 comm=haproxy exe=/opt/a daemon sig=SIGABRT res=yes`,
			haproxy(Audit, happened, 31826, "/opt/a daemon", 6)},
		{"ausearch -i, day first, a name that could be hexadecimal", `type=ANOM_ABEND msg=audit(29/01/2014 22:01:24.818:1967129) : pid=31826 comm=cafe exe=/usr/sbin/cafe sig=SIGSEGV res=yes`,
			Record{Kind: Audit, Time: happened, PID: 31826, Command: "cafe", Executable: "/usr/sbin/cafe", Signal: 11}},
		{"segfault with a file", `2014-01-29T22:01:24.818000+00:00 lb1 kernel: [12345.678901] haproxy[31827]: segfault at 10 ip 00007f7a4ee6af3e sp 00007ffd0c1b7f10 error 4 in libc.so.6[7f7a4ee44000+155000] likely on CPU 3 (core 3, socket 0)`,
			kernel(happened, "haproxy", 11, segv)},
		{"segfault, the file's offset first", `[Wed Jan 29 22:01:24 2014] haproxy[31827]: segfault at 10 ip 00007f7a4ee6af3e sp 00007ffd0c1b7f10 error 4 in libc.so.6[26f3e,7f7a4ee44000+155000]`,
			kernel(second, "haproxy", 11, since67)},
		{"segfault of a thread with an odd name", `[  12.345678] a: [b]{c} d[31827]: segfault at 10 ip 00007f7a4ee6af3e sp 00007ffd0c1b7f10 error 4 in libc.so.6[7f7a4ee44000+155000]`,
			kernel(time.Time{}, "a: [b]{c} d", 11, segv)},
		{"dmesg --decode", `kern  :info  : [12345.678901] haproxy[31827]: segfault at 10 ip 00007f7a4ee6af3e sp 00007ffd0c1b7f10 error 4 in libc.so.6[7f7a4ee44000+155000]`,
			kernel(time.Time{}, "haproxy", 11, segv)},
		{"general protection fault", `[12345.678901] traps: haproxy[31827] general protection fault ip:7f7a4ee6af3e sp:7ffd0c1b7f10 error:4 in libc.so.6[7f7a4ee44000+155000]`,
			kernel(time.Time{}, "haproxy", 11, trapped("general protection fault"))},
		{"division by zero", `Wed 2014-01-29 22:01:24 UTC lb1 kernel: traps: haproxy[31827] trap divide error ip:7f7a4ee6af3e sp:7ffd0c1b7f10 error:4 in libc.so.6[7f7a4ee44000+155000]`,
			kernel(second, "haproxy", 8, trapped("divide error"))},
		{"invalid opcode", `<6>[12345.678901] traps: haproxy[31827] trap invalid opcode ip:7f7a4ee6af3e sp:7ffd0c1b7f10 error:4 in libc.so.6[7f7a4ee44000+155000]`,
			kernel(time.Time{}, "haproxy", 4, trapped("invalid opcode"))},
		{"out of memory", `2014-01-29T22:01:24Z lb1 kernel: Out of memory: Killed process 31826 (haproxy) total-vm:123kB, anon-rss:1kB`, haproxy(OOM, second, 31826, "", 9)},
		{"out of memory in a cgroup", `2014-01-29T22:01:24Z lb1 kernel: Memory cgroup out of memory: Killed process 31826 (haproxy) total-vm:123kB`, haproxy(OOM, second, 31826, "", 9)},
		{"out of memory on 2.6.32", `2014-01-29T22:01:24Z lb1 kernel: Killed process 31826, UID 99, (haproxy) total-vm:123kB`, haproxy(OOM, second, 31826, "", 9)},
		{"systemd-coredump's message", `2014-01-29T22:01:24Z lb1 systemd-coredump[4711]: Process 31826 (haproxy) of user 0 dumped core.`, haproxy(Coredump, second, 31826, "", 0)},
		{"audit in JSON", `{"__REALTIME_TIMESTAMP":"1391032999000000","_SOURCE_REALTIME_TIMESTAMP":"1391032884818000","_TRANSPORT":"audit","_AUDIT_TYPE":"1701","MESSAGE":"ANOM_ABEND auid=0 pid=31826 comm=\"haproxy\" exe=\"/usr/sbin/haproxy\" sig=6 res=1"}`,
			haproxy(Audit, happened, 31826, "/usr/sbin/haproxy", 6)},
		{"a message as an array of bytes, in JSON", `{"__REALTIME_TIMESTAMP":"1391032884818000","MESSAGE":` + byteArray(`haproxy[31827]: segfault at 10 ip 00007f7a4ee6af3e sp 00007ffd0c1b7f10 error 4 in libc.so.6[7f7a4ee44000+155000]`) + `}`,
			kernel(happened, "haproxy", 11, segv)},
		{"systemd-coredump's entry in JSON", `{"__REALTIME_TIMESTAMP":"1391032999000000","MESSAGE":"Process 31826 (haproxy) of user 0 dumped core.","COREDUMP_PID":"31826","COREDUMP_TID":"31827","COREDUMP_SIGNAL":"6","COREDUMP_COMM":"haproxy","COREDUMP_EXE":"/usr/sbin/haproxy","COREDUMP_TIMESTAMP":"1391032884818000"}`,
			Record{Kind: Coredump, Time: happened, PID: 31826, TID: 31827, Command: "haproxy", Executable: "/usr/sbin/haproxy", Signal: 6}},
	} {
		log := "unrelated\n" + c.line + "\n"
		if !Sniff([]byte(log)) {
			t.Errorf("%s: not known for a log", c.name)
		}
		got, damage := read("x.log", (log))
		if len(got) != 1 || len(damage) > 0 {
			t.Errorf("%s: %d records, damage %v", c.name, len(got), damage)
			continue
		}
		c.want.Source = "x.log:2"
		if c.want.Time.Equal(second) {
			c.want.Resolution = time.Second
		}
		if d := cmp.Diff(c.want, got[0], cmpopts.IgnoreFields(Record{}, "Text", "stamp")); d != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, d)
		}
	}
}

// The processor's own words on an access, as the manuals have them.
func TestWhatAFaultTriedIsRead(t *testing.T) {
	none := place.Address(0)
	at := func(a place.Address) *place.Address { return &a }
	for _, c := range []struct {
		line string
		want Fault
	}{
		{"a[1]: segfault at 0 ip 1 sp 2 error 4", Fault{Address: &none, Access: Reads}},
		{"a[1]: segfault at 0 ip 1 sp 2 error 6", Fault{Address: &none, Access: Writes}},
		{"a[1]: segfault at 55f000 ip 1 sp 2 error 7", Fault{Address: at(0x55f000), Access: Writes, Refused: true}},
		{"a[1]: segfault at 0 ip 0 sp 2 error 14", Fault{Address: &none, Access: Executes}},
		{"a[1]: segfault at 55f000 ip 55f000 sp 2 error 15", Fault{Address: at(0x55f000), Access: Executes, Refused: true}},
		{"a[1]: segfault at ffff880000000000 ip 1 sp 2 error 5", Fault{Address: at(0xffff880000000000), Access: Reads}},
		{"a[1]: unhandled level 2 translation fault (11) at 0x00000028, esr 0x92000006", Fault{Address: at(0x28), Access: Reads}},
		{"a[1]: unhandled level 3 permission fault (11) at 0x0041f000, esr 0x9200004f, in a[400000+1000]", Fault{Address: at(0x41f000), Access: Writes, Refused: true}},
		{"a[1]: unhandled exception: IABT (lower EL), ESR 0x82000006, level 2 translation fault", Fault{Access: Executes}},
		{"a[1]: unhandled exception: undefined instruction in a[aaaad00000+1000]", Fault{Trap: "undefined instruction"}},
	} {
		records, _ := read("x", (c.line))
		if len(records) != 1 || records[0].TID != 1 || records[0].Signal == 0 {
			t.Errorf("%s: found %+v", c.line, records)
			continue
		}
		got := *records[0].Fault
		if d := cmp.Diff(c.want, got, cmpopts.IgnoreFields(Fault{}, "Machine", "IP", "SP", "Module", "ModuleBase", "ModuleSize")); d != "" {
			t.Errorf("%s: (-want +got)\n%s", c.line, d)
		}
	}
}

func TestWhatStandsBehindAFaultBelongsToIt(t *testing.T) {
	x86 := "[1.0] a[1]: segfault at 0 ip 401136 sp 2 error 6 in a[401000+1000]\n" +
		"[1.0] Code: 00 0f 1f 40 00 <c6> 00 78 c3\n" +
		"[1.1] b[2]: segfault at 0 ip 401136 sp 2 error 6 in a[401000+1000]\n" +
		"[1.2] Code: Unable to access opcode bytes at 0x40110c.\n"
	arm64 := "[1.0] a[1]: unhandled exception: DABT (lower EL), ESR 0x92000046, level 2 translation fault in a[aaaad8a90000+1f000]\n" +
		"[1.0] CPU: 0 PID: 1 Comm: a Not tainted 5.10.0 #1\n" +
		"[1.0] pc : 0000ffff9f31ef00\n" + // of another process, whose lines came in between
		"[1.0] pc : 0000aaaad8a9473c\n[1.0] lr : 0000aaaad8a95b90\n[1.0] sp : 0000ffffcd913020\n" +
		"[1.1] b[2]: unhandled level 2 translation fault (11) at 0x00000028, esr 0x92000006\n" +
		"[1.1] pc : [<000000000040280c>] lr : [<00000000004026ac>] pstate: 80000000\n"
	got, _ := read("x", (x86 + arm64))
	if len(got) != 4 {
		t.Fatalf("%d records", len(got))
	}
	if wide, _ := read("x", ("a[1]: segfault at 0 ip 1 sp 7ffc00001000 error 4")); got[0].Fault.Machine != "i686" || wide[0].Fault.Machine != "x86_64" {
		t.Errorf("machines %s, %s", got[0].Fault.Machine, wide[0].Fault.Machine)
	}
	if f := got[0].Fault; f.CodeAt != 5 || !bytes.Equal(f.Code, []byte{0, 0x0f, 0x1f, 0x40, 0, 0xc6, 0, 0x78, 0xc3}) || got[1].Fault.Code != nil {
		t.Errorf("code %x, %d; %x", f.Code, f.CodeAt, got[1].Fault.Code)
	}
	if f := got[2].Fault; f.IP != 0xaaaad8a9473c || f.SP != 0xffffcd913020 || got[3].Fault.IP != 0x40280c {
		t.Errorf("found %+v, %+v", f, got[3].Fault)
	}
}

func byteArray(s string) string {
	return strings.ReplaceAll(fmt.Sprint([]byte(s)), " ", ",")
}

func TestWhatAusearchPrintsIsReadAsTheRawRecord(t *testing.T) {
	raw := `type=ANOM_ABEND msg=audit(1391032884.818:1967129): auid=0 uid=0 gid=0 ses=1 pid=31826 comm="haproxy" exe=2F6F70742F61206461656D6F6E sig=6 res=1` + "\n" +
		`type=ANOM_ABEND msg=audit(1391032885.019:1967130): auid=0 uid=0 gid=0 ses=1 pid=31827 comm="cafe" exe="/usr/sbin/cafe" sig=11 res=1` + "\n"
	file := filepath.Join(t.TempDir(), "audit.log")
	if err := os.WriteFile(file, []byte(raw), 0o600); err != nil {
		t.Fatal(err)
	}
	ausearch := exec.Command("ausearch", "-i", "--input", file)
	ausearch.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
	printed, err := ausearch.Output()
	if err != nil {
		t.Fatalf("ausearch: %v", err)
	}
	want, _ := read("x", (raw))
	got, _ := read("x", (string(printed)))
	if d := cmp.Diff(want, got, cmpopts.IgnoreFields(Record{}, "Text", "Source", "stamp")); d != "" || len(got) != 2 {
		t.Errorf("of\n%s(-raw +printed)\n%s", printed, d)
	}
}

func TestTheIncidentsRecord(t *testing.T) {
	text, err := os.ReadFile("testdata/audit.log")
	if err != nil {
		t.Fatal(err)
	}
	got, _ := read("audit.log", string(text))
	if len(got) != 1 || got[0].Source != "audit.log:1" || !got[0].Time.Equal(happened) || got[0].PID != 31826 || !strings.HasPrefix(got[0].Text, "type=ANOM_ABEND") {
		t.Errorf("got %+v", got)
	}
}

func TestAnExportedJournalIsReadEntryByEntry(t *testing.T) {
	message := "haproxy[31827]: segfault at 10 ip 1 sp 2 error 4\nand a second line"
	size := binary.LittleEndian.AppendUint64(nil, uint64(len(message)))
	export := "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1391032884818000\nMESSAGE=started\n\n" +
		"__CURSOR=s=2\n__REALTIME_TIMESTAMP=1391032884818000\nCOREDUMP\n" + string(binary.LittleEndian.AppendUint64(nil, 3)) + "\n\n\n\nMESSAGE\n" + string(size) + message + "\n\n" +
		"__CURSOR=s=3\n__REALTIME_TIMESTAMP=1391032884818000\n_AUDIT_TYPE=1701\nMESSAGE=ANOM_ABEND pid=31826 comm=\"haproxy\" sig=6"
	if !Sniff([]byte(export)) {
		t.Error("not known for a log")
	}
	got, damage := read("journal", (export))
	if len(got) != 2 || len(damage) > 0 {
		t.Fatalf("%d records, damage %v", len(got), damage)
	}
	if got[0].TID != 31827 || got[0].Fault.SP != place.Address(2) || !got[0].Time.Equal(happened) || got[1].PID != 31826 || !got[1].Time.Equal(happened) {
		t.Errorf("got %+v", got)
	}
	cut, damage := read("journal", (export[:strings.Index(export, "and a second")]))
	if len(cut) != 1 || len(damage) > 1 {
		t.Errorf("of a cut journal %d records, damage %v", len(cut), damage)
	}
}

func TestASyslogLineTakesTheYearOfANeighbour(t *testing.T) {
	fault := "lb1 kernel: haproxy[1]: segfault at 10 ip 1 sp 2 error 4 in x[1+1]\n"
	record := "Jan  1 00:00:09 lb1 kernel: audit: type=1701 audit(1388534409.000:1): pid=2 comm=\"x\" sig=6\n" // 1 January 2014
	got, _ := read("messages", ("Dec 31 23:59:58 " + fault + record + "Jan  1 00:01:00 " + fault))
	want := []time.Time{time.Date(2013, 12, 31, 23, 59, 58, 0, time.UTC), time.Date(2014, 1, 1, 0, 0, 9, 0, time.UTC), time.Date(2014, 1, 1, 0, 1, 0, 0, time.UTC)}
	for i, w := range want {
		if len(got) != 3 || !got[i].Time.Equal(w) {
			t.Fatalf("got %+v, want %v", got, want)
		}
	}
	got, _ = read("messages", ("Dec 31 23:59:58 " + fault))
	if len(got) != 1 || !got[0].Time.IsZero() {
		t.Errorf("without any year: %+v", got)
	}
}

func TestOverlongLinesAreOneLineEach(t *testing.T) {
	long := strings.Repeat("x", 3*maxLine) + "\n"
	got, _ := read("a.log", (long + long + `type=ANOM_ABEND msg=audit(1391032884.818:1): pid=1 comm="x" sig=6`))
	if len(got) != 1 || got[0].Source != "a.log:3" {
		t.Errorf("got %+v", got)
	}
}

func TestOtherLinesAreNoRecords(t *testing.T) {
	for _, line := range []string{
		`type=SYSCALL msg=audit(1391032884.818:1): arch=c000003e syscall=59 success=yes exit=0 pid=31826 comm="haproxy" exe="/usr/sbin/haproxy"`,
		`Jan 29 22:01:24 lb1 haproxy[31826]: Server be/web1 is DOWN, reason: Layer4 timeout`,
		`{"MESSAGE":null}`, `{"MESSAGE":["a","b"]}`, `{`, `Killed process`,
	} {
		if got, damage := read("x", (line)); len(got) > 0 || len(damage) > 0 {
			t.Errorf("%s: %+v %v", line, got, damage)
		}
	}
	if Sniff([]byte("\x7fELF\x02")) || Sniff([]byte("#0 0x1234 in main ()")) || Sniff(nil) {
		t.Error("what is no log was known for one")
	}
}

// FuzzRead reads any bytes as a log.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`node=a type=ANOM_ABEND msg=audit(1391032884.818:1): pid=1 comm=6162 exe="/x" sig=6`))
	f.Add([]byte("Jan 29 22:01:24 h kernel: [1.2] a[1]: segfault at 0 ip 1 sp 2 error 4 in x[1,2+3]\n[1.2] traps: a[1] trap int3 ip:1 sp:2 error:0\n"))
	f.Add([]byte("__CURSOR=1\nMESSAGE\n\x04\x00\x00\x00\x00\x00\x00\x00abcd\nCOREDUMP_PID=1\n\n"))
	f.Add([]byte("a[1]: unhandled exception: DABT (lower EL), ESR 0x92000046, level 2 translation fault in a[aaaad8a90000+1f000]\npc : 0000aaaad8a9473c\n"))
	f.Add([]byte("a[1]: segfault at 0 ip 1 sp 2 error 4 in x[1+1]\nCode: 00 0f <c6> 00 78\n"))
	f.Add([]byte(`{"MESSAGE":[97,98],"__REALTIME_TIMESTAMP":"1"}`))
	f.Add([]byte("type=ANOM_ABEND msg=audit(13/29/14 22:01:24.818:1) : pid=1 comm=a b sig=SIGABRT"))
	f.Fuzz(func(t *testing.T, data []byte) {
		Sniff(data)
		records, damage := read("fuzz", string(data))
		for _, r := range records {
			if r.Source == "" || r.Kind == "" || !r.Time.IsZero() && r.Time.Year() == 0 {
				t.Fatalf("record %+v", r)
			}
		}
		l := Read("fuzz", data, nil)
		first, last, _, _ := l.Span()
		l.Date(last)
		l.Shift(time.Hour)
		for line := range l.Around(first.Add(-time.Hour), last.Add(time.Hour)) {
			if line.Source == "" || line.Time.IsZero() {
				t.Fatalf("line %+v", line)
			}
		}
		for _, d := range damage {
			if d.Offset > int64(len(data)) {
				t.Fatalf("damage outside the log: %v", d)
			}
		}
	})
}
