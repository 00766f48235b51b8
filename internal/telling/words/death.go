package words

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/inquest-project/inquest/internal/ground/finding"
)

func sayDeath(d *finding.Death) {
	if d.Mechanism != nil {
		d.Mechanism.Says = mechanism(d.Mechanism)
		if d.Mechanism.Kind == finding.SignalOnly && d.SignalNumber == 0 {
			d.Mechanism.Says = "nothing is known of how it died, not even the signal"
		} else if d.Mechanism.Kind == finding.SignalOnly && d.Sender != nil && d.Sender.Self {
			d.Mechanism.Says = "it sent itself the signal"
		}
		d.Says = d.Mechanism.Says
	}
	if s := d.Sender; s != nil && !s.Self {
		d.Says += fmt.Sprintf(" (sent by process %d of user %d", s.PID, s.UID)
		if s.Name != "" {
			d.Says += ": " + s.Name
		}
		d.Says += ")"
	}
	if d.Time != nil {
		d.Time.Says = interval(d.Time)
	}
	for i := range d.Changed {
		d.Changed[i].Says = changed(&d.Changed[i])
	}
	if d.Others != nil {
		d.Others.Says = others(d.Others)
	}
}

var mechanisms = map[finding.MechanismKind]string{
	finding.Abort:          "it called abort() itself",
	finding.Assertion:      "an assertion failed",
	finding.Fortify:        "the C library's overflow check (_FORTIFY_SOURCE) stopped it",
	finding.StackProtector: "the stack protector found its stack overwritten when a function returned",
	finding.AllocatorCheck: "the allocator found its heap damaged; the damage was done earlier",
	finding.FaultRead:      "it read from memory that is not there",
	finding.FaultWrite:     "it wrote to memory that is not there or not writable",
	finding.FaultExecute:   "it jumped to where no code is",
	finding.FaultNull:      "it used a null pointer",
	finding.Fault:          "it touched memory that is not there",
	finding.StackOverflow:  "its stack overflowed",
	finding.Arithmetic:     "an arithmetic instruction failed, such as a division by zero",
	finding.IllegalCode:    "it ran into an instruction that the processor refuses",
	finding.BusError:       "memory behind a mapping was gone (SIGBUS)",
	finding.Exception:      "nobody caught a C++ exception",
	finding.PureVirtual:    "it called a virtual function that its class doesn't have",
	finding.Panic:          "it panicked",
	finding.Sanitizer:      "a sanitizer stopped it",
	finding.Trap:           "it ran into a breakpoint instruction",
	finding.Seccomp:        "its system call filter (seccomp) forbade a call",
	finding.Limit:          "it reached a limit (setrlimit)",
	finding.OutOfMemory:    "the kernel killed it since memory ran out",
	finding.Watchdog:       "its supervisor killed it since it gave no sign of life in time",
	finding.BrokenMemory:   "the kernel killed it since it used memory that the hardware had lost",
	finding.Killed:         "another process killed it",
	finding.SignalOnly:     "only the signal is known",
}

// changed is a fact that may explain a death without any input, and is none by itself.
func changed(c *finding.Changed) string {
	if c.Bits == 1 {
		return fmt.Sprintf("one bit of %s at %v was not in memory as it is in the file: memory may be broken, or something wrote there", c.Module, c.Offset)
	}
	return fmt.Sprintf("code or constants of %s were not in memory as in the file, %d bytes from %v on: something wrote there, or memory is broken",
		c.Module, c.Bytes, c.Offset)
}

// details complete their kind's sentence; sharper ones take its place.
var details = map[string]string{
	finding.NonCanonical: "; no memory can have such an address",
	finding.InAllocator:  "; that was in malloc or free: the heap had been damaged earlier, or a bad pointer was given to free",
	finding.Float:        "; a floating-point exception that it had asked for",
}

var sharper = map[string]string{
	finding.ReadOnly:       "it wrote to read-only memory",
	finding.Misaligned:     "it used an address that is no multiple of 16 bytes, as the instruction demands",
	finding.NotThrown:      "std::terminate was called, and no exception was under way",
	finding.MayNotThrow:    "a noexcept function or a destructor was left by a C++ exception",
	finding.DoubleFree:     "it freed a block that had been freed already",
	finding.NoBlock:        "it gave free what is no block, or the heap had been damaged earlier",
	finding.NoAccess:       "it touched memory that is mapped without any rights, as guards are",
	finding.NotExecutable:  "it jumped into memory that holds data and no code",
	finding.BeyondFile:     "the file behind a mapping had become shorter (SIGBUS)",
	finding.NoMemory:       "it called abort(), since an allocator had no memory for what was asked of it",
	finding.OnPurpose:      "it died on purpose, by an instruction that can't but fail",
	finding.Privileged:     "it ran into an instruction that only the kernel may use",
	finding.ByZero:         "it divided by zero",
	finding.Quotient:       "it divided, and the result has no room in the register, as of the least integer by -1",
	finding.WritableFormat: "printf was given a format in writable memory that holds %n: it came from outside, it seems (_FORTIFY_SOURCE)",
	finding.BeyondFDSet:    "it used FD_SET with a descriptor of FD_SETSIZE (1024) or above (_FORTIFY_SOURCE)",
	finding.JumpOutward:    "it called longjmp to a function that had returned (_FORTIFY_SOURCE)",
	finding.CPUTime:        "it reached its limit of processor time (RLIMIT_CPU)",
	finding.FileSize:       "it reached its limit of file size (RLIMIT_FSIZE)",
	finding.Terminate:      "the C++ runtime ended it (std::terminate), mostly since nobody caught an exception",
	finding.Division:       "it divided by zero, or the result had no room in the register",
	finding.Protection:     "the processor refused an access (general protection fault), mostly by an address that no memory can have",
}

// patterns say what a junk pointer looks like: something seen, and no proof.
var patterns = map[string]string{
	finding.Text:         "it reads as text, %q, as if text had been written over it",
	finding.Fill:         "it looks like a fill, as freed or fresh memory is given to show its misuse",
	finding.FreedLink:    "it looks like the link that glibc keeps in freed memory: a use after free, it seems",
	finding.FreedMark:    "it is the mark that glibc writes into freed memory: a use after free, it seems",
	finding.JemallocJunk: "it looks like what jemalloc fills memory with: a use after free or before the first write, it seems",
	finding.ASanFill:     "it looks like what AddressSanitizer fills fresh memory with",
	finding.DebugFill:    "it looks like what debug allocators fill freed memory with: a use after free, it seems",
}

func mechanism(m *finding.Mechanism) string {
	says := cmp.Or(sharper[m.Detail], mechanisms[m.Kind])
	if m.Kind == finding.FaultNull && m.Access == "execute" {
		says = "it called through a null pointer"
	} else if m.Kind == finding.FaultNull && m.Access != "" && m.Instruction == "" {
		says = map[string]string{"read": "it read", "write": "it wrote"}[m.Access] + " through a null pointer"
	}
	if m.Address != nil {
		says += " (address " + m.Address.String() + ")"
	}
	if m.Repeats > 0 {
		says += fmt.Sprintf(" after %d calls of the same kind", m.Repeats)
	}
	if c := m.SystemCall; c != nil {
		says += ": " + cmp.Or(c.Name, "a call without a name") + fmt.Sprintf(", number %d", c.Number)
	}
	if m.Exception != "" {
		says += " of type " + m.Exception
	}
	if m.Message != "" {
		says += fmt.Sprintf(": %q", strings.TrimSpace(m.Message))
	}
	if m.Source != "" {
		says += " at " + m.Source
	}
	if m.File != "" {
		says += ": " + m.File
	}
	return says + details[m.Detail] + instruction(m) + pattern(m)
}

// instruction says what the processor was asked to do.
func instruction(m *finding.Mechanism) string {
	if m.Instruction == "" || m.Kind == finding.StackOverflow {
		return ""
	}
	says := "; the instruction " + m.Instruction
	if (m.Access == "read" || m.Access == "write") && (m.Size > 0 || m.Register != "" && m.Value != nil) {
		says += " " + m.Access + "s"
		if m.Size == 1 {
			says += " 1 byte"
		} else if m.Size > 1 {
			says += fmt.Sprintf(" %d bytes", m.Size)
		}
		if m.Register != "" && m.Value != nil {
			says += " by " + m.Register + ", which " + held(m)
		}
	}
	return says
}

// held says what the register held that led astray. Where that was null, the rest of the address is a field's place.
func held(m *finding.Mechanism) string {
	const nullPage = 64 << 10
	if *m.Value == 0 && m.Address != nil && *m.Address > 0 && *m.Address < nullPage {
		return fmt.Sprintf("was null: a field %#x bytes into nothing", uint64(*m.Address))
	}
	if *m.Value == 0 {
		return "was null"
	}
	return "held " + m.Value.String()
}

// pattern says what the junk pointer looks like.
func pattern(m *finding.Mechanism) string {
	says, pointer := patterns[m.Pattern], m.Value
	if pointer == nil {
		pointer = m.Address
	}
	if m.Pattern == finding.Text && pointer != nil {
		says = fmt.Sprintf(says, strings.TrimRight(string(binary.LittleEndian.AppendUint64(nil, uint64(*pointer))), "\x00"))
	}
	if says == "" {
		return ""
	}
	return "; " + says
}

const clockTime = "15:04:05.000"

var clocks = map[string]string{
	"capture":  "the capture's clock",
	"audit":    "the audit record's clock, which runs in steps of some milliseconds",
	"kernel":   "the kernel log's clock",
	"coredump": "systemd-coredump's clock, of whole seconds",
	"abrt":     "abrt's clock, of whole seconds",
	"oom":      "the kernel log's clock",
	"seccomp":  "the audit record's clock, which runs in steps of some milliseconds",
	"stopped":  "the clock of systemd's log",
	"watchdog": "the clock of systemd's log",
}

func interval(t *finding.Interval) string {
	span := t.Earliest.Format(clockTime) + " to " + t.Latest.Format(clockTime)
	if t.Earliest.IsZero() {
		span = "not after " + t.Latest.Format(clockTime)
	}
	says := fmt.Sprintf("%s %s UTC by %s", t.Latest.Format(time.DateOnly), span, clocks[t.Clock])
	if t.OffsetMS != nil {
		says += fmt.Sprintf("; the host's clock is %.3f s off", *t.OffsetMS/1000)
	}
	return says
}

// culprit says who decided, or who tripped.
func culprit(c *finding.Culprit, d *finding.Death) string {
	who := c.Module
	switch {
	case c.Function != "":
		who += " (" + c.Function + ")"
	case c.Nearest != "":
		who += " (a function without a name; " + c.Nearest + ")"
	}
	if c.Generated {
		who = c.Module + " (code made at run time, which " + cmp.Or(c.Function, "a function without a name") + " called)"
	}
	says := who + " " + did(c, d)
	if n := len(c.Skipped); n > 0 {
		says += ", by calling " + c.Skipped[n-1] + ", which never returns"
	}
	if c.Interrupted != "" {
		says += ", in a signal handler that had interrupted " + c.Interrupted
	}
	return says
}

// did is what the culprit did, or what happened to it.
func did(c *finding.Culprit, d *finding.Death) string {
	m := finding.Mechanism{}
	if d != nil && d.Mechanism != nil {
		m = *d.Mechanism
	}
	switch {
	case c.Role == finding.Victim && m.Detail == finding.NoBlock:
		return "gave free a bad pointer, or tripped over damage done earlier"
	case c.Role == finding.Victim && c.Origin != "":
		return "tripped over damage done earlier by " + c.Origin
	case c.Role == finding.Victim:
		return "tripped over damage done earlier"
	case m.Kind == finding.StackOverflow && m.Repeats == 0:
		return "took more stack than there was"
	case m.Kind == finding.FaultNull && m.Access == "execute":
		return "called through a null pointer"
	case byDetail[m.Detail] != "":
		return byDetail[m.Detail]
	case decisions[m.Kind] != "":
		return decisions[m.Kind]
	case c.Role == finding.Decided:
		return "decided to die"
	}
	return "was running"
}

// decisions are what a culprit did that brought its death about by anything else than a decision.
var decisions = map[finding.MechanismKind]string{
	finding.Fortify:        "overran a buffer",
	finding.StackProtector: "had its stack overwritten",
	finding.FaultRead:      "read where no memory is",
	finding.FaultWrite:     "wrote where it may not",
	finding.FaultExecute:   "returned to where no code is: its stack was overwritten",
	finding.FaultNull:      "used a null pointer",
	finding.Fault:          "touched memory that is not there",
	finding.StackOverflow:  "called itself until its stack was full",
	finding.Arithmetic:     "failed at arithmetic",
	finding.IllegalCode:    "ran into an instruction that the processor refuses",
	finding.BusError:       "used a mapping behind which the file was gone",
	finding.Exception:      "threw what nobody caught",
	finding.PureVirtual:    "called a virtual function too early or too late",
	finding.Panic:          "panicked",
	finding.Sanitizer:      "did what a sanitizer forbids",
	finding.Trap:           "ran into a breakpoint instruction",
	finding.Seccomp:        "made a system call that its filter forbids",
	finding.Limit:          "was running when it reached the limit",
}

// byDetail is where a detail says it better.
var byDetail = map[string]string{
	finding.Misaligned:     "used an address that is not aligned",
	finding.NoMemory:       "asked an allocator for more memory than it had",
	finding.OnPurpose:      "decided to die",
	finding.NotThrown:      "called std::terminate",
	finding.DoubleFree:     "freed a block a second time",
	finding.WritableFormat: "used a format that it should not have",
	finding.BeyondFDSet:    "had more descriptors open than FD_SET has room for",
	finding.JumpOutward:    "jumped to a function that had returned",
	finding.Terminate:      "ended in std::terminate",
	finding.Protection:     "was refused an access by the processor",
	finding.Division:       "failed at a division",
}

// Chain is the way by which control came to the culprit.
func Chain(links []finding.Link) string {
	names := make([]string, len(links))
	for i, l := range links {
		names[i] = l.Module
	}
	return strings.Join(names, " → ")
}
