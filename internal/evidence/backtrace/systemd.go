package backtrace

import (
	"regexp"
	"strconv"

	"github.com/inquest-project/inquest/internal/ground/place"
)

// systemd-coredump's message, with whatever a journal or coredumpctl info puts before its lines. Versions
// differ in how they tell a module's build, and some don't.
var (
	systemdFrame  = regexp.MustCompile(`(?m)#(\d+)[ \t]+0x([0-9a-f]{16})[ \t]+(?:(\S.*?)[ \t]+\((\S+?)[ \t]*\+[ \t]*0x([0-9a-f]{1,16})\)|(\S+)[ \t]+\(([^\s()=]+)\))(?:[ \t]+(?:at \S+:\d+|\+0x[0-9a-f]+))?[ \t\r]*$`) // what follows the module we wrote
	systemdDeath  = regexp.MustCompile(`\bProcess (\d+) \((.{1,15})\) of user \d+ (?:dumped core|terminated abnormally)`)
	systemdThread = regexp.MustCompile(`\bStack trace of thread (\d+):`)
	systemdModule = regexp.MustCompile(`(?m)\b(?:Found m|M)odule (\S+)[^\n]*?\b(?:with )?build-id[:= ] ?([0-9a-f]{16,64})`)
	systemdSignal = regexp.MustCompile(`(?m)^[ \t]*Signal: (\d+) \(`)
	systemdExe    = regexp.MustCompile(`(?m)^[ \t]*Executable: (\S.*?)[ \t\r]*$`)
	systemdPID    = regexp.MustCompile(`(?m)^[ \t]*PID: (\d+) \(`)
)

func (t *Trace) readSystemd() error {
	from := t.lastDeath()
	text := t.text[from:]
	builds := map[string]place.BuildID{}
	for _, m := range systemdModule.FindAllStringSubmatch(text, -1) {
		builds[baseName(m[1])] = place.BuildID(m[2])
	}
	heads := systemdThread.FindAllStringSubmatchIndex(text, -1)
	for _, m := range systemdFrame.FindAllStringSubmatchIndex(text, -1) {
		for len(heads) > 0 && heads[0][0] < m[0] {
			id, _ := strconv.Atoi(text[heads[0][2]:heads[0][3]])
			t.Threads = append(t.Threads, Thread{ID: id})
			heads = heads[1:]
		}
		if len(t.Threads) == 0 {
			t.Threads = []Thread{{}}
		}
		th := &t.Threads[len(t.Threads)-1]
		name, module := m[6:8], m[8:10]
		if name[0] < 0 { // old versions tell no offset
			name, module = m[12:14], m[14:16]
		}
		f := Frame{PC: addressOf(text[m[4]:m[5]]), Function: told(text[name[0]:name[1]]), Module: told(text[module[0]:module[1]])}
		f.slot, f.end = span{from + name[0], from + name[1]}, from+m[1]
		if m[10] >= 0 {
			f.Offset = offsetOf(text[m[10]:m[11]])
		}
		f.BuildID = builds[baseName(f.Module)]
		th.Frames = append(th.Frames, f)
	}
	return nil
}

func told(text string) string {
	if text == "n/a" {
		return ""
	}
	return text
}

// lastDeath is where the last death of a log begins; coredumpctl info has a head of its own before the
// message.
func (t *Trace) lastDeath() int {
	t.Signal, _ = strconv.Atoi(t.last(systemdSignal))
	t.PID, _ = strconv.Atoi(t.last(systemdPID))
	t.Executable = t.last(systemdExe)
	deaths := systemdDeath.FindAllStringSubmatchIndex(t.text, -1)
	if len(deaths) == 0 {
		return 0
	}
	if len(deaths) > 1 {
		t.damaged(-1, "expected the stacks of one death, found those of "+strconv.Itoa(len(deaths))+": the last is read")
	}
	last := deaths[len(deaths)-1]
	t.PID, _ = strconv.Atoi(t.group(last, 1))
	if t.Executable == "" {
		t.Executable = t.group(last, 2)
	}
	return last[0]
}

// last is what the last match tells; empty if there is none.
func (t *Trace) last(form *regexp.Regexp) string {
	all := form.FindAllStringSubmatch(t.text, -1)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1][1]
}
