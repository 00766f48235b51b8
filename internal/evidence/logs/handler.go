package logs

import (
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// FromABRT makes a record of what abrt wrote into a dump directory, a file an element. Its time is of whole
// seconds.
func FromABRT(source string, elements map[string]string) (Record, bool) {
	seconds, err := strconv.ParseInt(elements["time"], 10, 64)
	if err != nil || seconds <= 0 {
		return Record{}, false
	}
	r := Record{Kind: ABRT, Time: time.Unix(seconds, 0).UTC(), Resolution: time.Second, Source: source,
		Executable: elements["executable"], Text: elements["reason"]}
	if r.Executable != "" {
		r.Command = comm(path.Base(r.Executable))
	}
	pid := elements["global_pid"] // the host's; pid is the container's own
	if pid == "" {
		pid = elements["pid"]
	}
	r.PID, _ = strconv.Atoi(pid)
	r.TID, _ = strconv.Atoi(elements["tid"])
	if m := killedBy.FindStringSubmatch(elements["reason"]); m != nil {
		r.Signal = signalNumber(m[1])
	}
	return r, true
}

// killedBy is how abrt's reason tells the signal: "haproxy killed by SIGABRT", "killed by signal 11 (SIGSEGV)".
var killedBy = regexp.MustCompile(`\bkilled by (?:signal )?(\d+|SIG[A-Z]+)`)

// comm is a name as the kernel keeps it.
func comm(name string) string { return name[:min(15, len(name))] }

// coredumpName is how systemd-coredump names a core: command, user, boot, process and time in microseconds, of
// which the kernel told it whole seconds. In the command odd bytes are written as \xNN.
var coredumpName = regexp.MustCompile(`^core\.(.+)\.(\d+)\.([0-9a-f]{32})\.(\d+)\.(\d{10,17})(?:\.(?:zst|lz4|xz))?$`)

// FromCoredump makes a record of the name of a core that systemd-coredump kept, and of the attributes that it
// gave the file, which get lost where it is copied.
func FromCoredump(name string, attribute func(string) string) (Record, bool) {
	m := coredumpName.FindStringSubmatch(name)
	if m == nil {
		return Record{}, false
	}
	r := Record{Kind: Coredump, Time: microTime(m[5]), Resolution: time.Second, Source: name, Text: name,
		Command: unescape(m[1]), Executable: attribute("exe"), Signal: signalNumber(attribute("signal"))}
	r.PID, _ = strconv.Atoi(m[4])
	if len(m[5]) <= 10 { // old versions wrote seconds
		seconds, _ := strconv.ParseInt(m[5], 10, 64)
		r.Time = time.Unix(seconds, 0).UTC()
	}
	return r, true
}

var escaped = regexp.MustCompile(`\\x[0-9a-f]{2}`)

func unescape(text string) string {
	return escaped.ReplaceAllStringFunc(text, func(e string) string {
		n, _ := strconv.ParseUint(strings.TrimPrefix(e, `\x`), 16, 8)
		return string([]byte{byte(n)})
	})
}
