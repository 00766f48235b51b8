// Package finding holds what inquest concludes, as plain data, in the order of the seven questions:
// who died, how, who is the culprit, what killed it, why only there, can it be proven, will it happen
// again. Reasoning fills the facts, telling fills the sentences (every field called Says), and the
// JSON form of Findings is a stable interface of the program: schema.json describes it.
//
// Unknown is absent, never null and never zero: a field that may be unknown is a pointer, a slice, or
// a string whose empty value means nothing else.
package finding

import (
	"time"

	"github.com/inquest-project/inquest/internal/ground/place"
)

// Findings is everything concluded about one death.
type Findings struct {
	Version   int         `json:"version"`           // of this JSON form; 1
	Verdict   string      `json:"verdict"`           // one sentence
	Summary   []string    `json:"summary,omitempty"` // what to do now
	Process   *Process    `json:"process,omitempty"`
	Death     *Death      `json:"death,omitempty"`
	Culprit   *Culprit    `json:"culprit,omitempty"`
	Suspects  []Suspect   `json:"suspects,omitempty"` // most probable first
	None      *None       `json:"none,omitempty"`     // none of the captured messages, or no input at all
	Older     *Older      `json:"older,omitempty"`
	Acquitted []Acquitted `json:"acquitted,omitempty"`
	Traffic   *Traffic    `json:"traffic,omitempty"`
	Threads   []Thread    `json:"threads,omitempty"` // the one that died first
	// Circumstances are question 5: what is different elsewhere (B) from what this death (A) shows. Each is a candidate.
	Circumstances *Comparison `json:"circumstances,omitempty"`
	Modules       []Module    `json:"modules,omitempty"`
	Missing       []Missing   `json:"missing,omitempty"`
	Problems      []Problem   `json:"problems,omitempty"`
	Evidence      []Evidence  `json:"evidence,omitempty"`
	Candidates    int         `json:"candidates,omitempty"` // messages that were weighed
}

// Process is question 1: who died.
type Process struct {
	Executable string        `json:"executable,omitempty"` // path as mapped or logged
	Command    string        `json:"command,omitempty"`    // the kernel's comm: 15 bytes, often a thread's
	Arguments  string        `json:"arguments,omitempty"`  // at most 80 bytes are in a core
	PID        int           `json:"pid,omitempty"`
	UID        *int          `json:"uid,omitempty"`
	BuildID    place.BuildID `json:"build_id,omitempty"`
	Threads    int           `json:"threads,omitempty"`
	Machine    string        `json:"machine,omitempty"`
}

// Death is question 2: how.
type Death struct {
	Signal       string     `json:"signal,omitempty"` // "SIGABRT"
	SignalNumber int        `json:"signal_number,omitempty"`
	Sender       *Sender    `json:"sender,omitempty"`
	Mechanism    *Mechanism `json:"mechanism,omitempty"`
	Time         *Interval  `json:"time,omitempty"`
	Thread       int        `json:"thread,omitempty"`  // TID of the thread that died of it
	Log          []Logged   `json:"log,omitempty"`     // what the program's logs say around it, in order
	Others       *Others    `json:"others,omitempty"`  // other deaths of the same program
	Signs        []Logged   `json:"signs,omitempty"`   // trouble of the machine before it: memory, processor, lock-ups
	Changed      []Changed  `json:"changed,omitempty"` // code and constants that were not in memory as in their files
	Says         string     `json:"says,omitempty"`
}

// Changed is a module of whose code and constants the core holds other bytes than its file.
type Changed struct {
	Module string       `json:"module"`
	Offset place.Offset `json:"offset"` // of the first
	Bytes  int          `json:"bytes"`  // that differ; a debugger's breakpoints don't count
	Bits   int          `json:"bits"`   // that differ in these
	Says   string       `json:"says,omitempty"`
}

// Logged is a line of a log.
type Logged struct {
	Time   time.Time `json:"time"`
	Source string    `json:"source"`           // "error.log:17"
	Text   string    `json:"text"`             // of a long one the beginning
	Client string    `json:"client,omitempty"` // a remote end of the dead process that it names
	After  bool      `json:"after,omitempty"`  // it was written when the process was dead
}

// Others are other deaths of the same program that logs tell of.
type Others struct {
	Count     int       `json:"count"`
	First     time.Time `json:"first"`
	Last      time.Time `json:"last"`
	Signals   []string  `json:"signals,omitempty"`    // each once
	SamePlace int       `json:"same_place,omitempty"` // of these, with a fault at the same instruction
	RestsOn   []string  `json:"rests_on"`
	Says      string    `json:"says,omitempty"`
}

// Sender is who sent a signal that a process sent.
type Sender struct {
	PID  int    `json:"pid"`
	UID  int    `json:"uid"`
	Self bool   `json:"self"`           // the dead process itself
	Name string `json:"name,omitempty"` // where a log tells who it was
}

// MechanismKind is how a process came to die, in the field's usual terms.
type MechanismKind string

// The mechanisms. A new one needs a sentence in telling/words.
const (
	Abort          MechanismKind = "abort"           // abort() called outright
	Assertion      MechanismKind = "assertion"       // assert() and its kind, with text
	Fortify        MechanismKind = "fortify"         // _FORTIFY_SOURCE found an overflow
	StackProtector MechanismKind = "stack_protector" // a smashed stack was found on return
	AllocatorCheck MechanismKind = "allocator_check" // malloc or free found the heap damaged
	FaultRead      MechanismKind = "fault_read"
	FaultWrite     MechanismKind = "fault_write"
	FaultExecute   MechanismKind = "fault_execute" // a jump or call to where no code is
	FaultNull      MechanismKind = "fault_null"    // a read or write through null, with offset
	Fault          MechanismKind = "fault"         // an access of unknown kind
	StackOverflow  MechanismKind = "stack_overflow"
	Arithmetic     MechanismKind = "arithmetic" // SIGFPE
	IllegalCode    MechanismKind = "illegal_instruction"
	BusError       MechanismKind = "bus_error"
	Exception      MechanismKind = "exception"     // std::terminate: an exception that nobody caught
	PureVirtual    MechanismKind = "pure_virtual"  // a virtual function that its class doesn't have
	Panic          MechanismKind = "panic"         // Rust's or Go's
	Sanitizer      MechanismKind = "sanitizer"     // ASan, UBSan and their kind stopped it
	Trap           MechanismKind = "trap"          // a breakpoint's instruction
	Seccomp        MechanismKind = "seccomp"       // a system call that a filter forbids
	Limit          MechanismKind = "limit"         // of processor time or file size (setrlimit(2))
	OutOfMemory    MechanismKind = "out_of_memory" // the kernel killed it for its memory
	Watchdog       MechanismKind = "watchdog"      // its supervisor killed it since it gave no sign of life
	BrokenMemory   MechanismKind = "broken_memory" // the kernel killed it for memory that the hardware lost
	Killed         MechanismKind = "killed"        // a signal from another process
	SignalOnly     MechanismKind = "signal"        // nothing more is known than the signal
)

// Details of mechanisms. A new one needs a sentence in telling/words.
const (
	ReadOnly       = "read_only"       // a write to memory that may only be read
	NoAccess       = "no_access"       // memory that may be neither read nor written
	NotExecutable  = "not_executable"  // a jump to memory that holds data
	NonCanonical   = "non_canonical"   // an address that can't exist
	Misaligned     = "misaligned"      // an operand that must lie at a multiple of its size
	BeyondFile     = "beyond_file"     // a mapping's part behind the end of its file
	Privileged     = "privileged"      // an instruction that only the kernel may use
	ByZero         = "by_zero"         // a division
	Quotient       = "quotient"        // a division whose result has no room, as of the least integer by -1
	Float          = "float"           // a floating-point exception that was asked for
	NoMemory       = "no_memory"       // an allocator had none for what was asked of it, and its program ends then
	OnPurpose      = "on_purpose"      // an instruction that can't but fail
	InAllocator    = "in_allocator"    // the C library's malloc or free tripped over its own data
	NotThrown      = "not_thrown"      // std::terminate, and no exception is under way
	MayNotThrow    = "may_not_throw"   // an exception reached a function that may not throw
	DoubleFree     = "double_free"     // a block that had been freed already
	NoBlock        = "no_block"        // free was given what is no block of the heap's
	WritableFormat = "writable_format" // printf with %n in a format that can be written to
	BeyondFDSet    = "beyond_fd_set"   // a descriptor too high for select
	JumpOutward    = "jump_outward"    // longjmp to a function that has returned
	CPUTime        = "cpu_time"        // a limit
	FileSize       = "file_size"       // a limit
	Division       = "division"        // one that failed, and nothing tells why
	Protection     = "protection"      // a general protection fault, and nothing tells of what
	Terminate      = "terminate"       // std::terminate, and nothing tells why
)

// Patterns that a junk pointer may show.
const (
	Text         = "text"          // printable characters
	Fill         = "fill"          // one byte over and over, or a word made to be noticed
	FreedLink    = "freed_link"    // glibc's link between freed blocks (safe-linking)
	FreedMark    = "freed_mark"    // glibc's mark on freed blocks (the tcache's key)
	JemallocJunk = "jemalloc_junk" // what jemalloc fills memory with
	ASanFill     = "asan_fill"     // what AddressSanitizer fills memory with
	DebugFill    = "debug_fill"    // what tcmalloc's debug allocator fills freed memory with
)

// Mechanism is how, in detail.
type Mechanism struct {
	Kind        MechanismKind  `json:"kind"`
	Detail      string         `json:"detail,omitempty"`      // which of its kind: a key of telling/words
	Message     string         `json:"message,omitempty"`     // what the dying code said: the assertion, malloc's message
	Exception   string         `json:"exception,omitempty"`   // the type that was thrown
	Source      string         `json:"source,omitempty"`      // the line that the dying code named, "src/main.rs:12"
	Instruction string         `json:"instruction,omitempty"` // the one that failed, as objdump prints it
	Address     *place.Address `json:"address,omitempty"`     // the faulting address
	Access      string         `json:"access,omitempty"`      // "read", "write" or "execute"
	Size        int            `json:"size,omitempty"`        // of the access, in bytes
	Register    string         `json:"register,omitempty"`    // the one that the address was made from
	Value       *place.Address `json:"value,omitempty"`       // what it held
	Pattern     string         `json:"pattern,omitempty"`     // what a junk pointer looks like: a key of telling/words
	File        string         `json:"file,omitempty"`        // what was mapped where the fault was
	SystemCall  *SystemCall    `json:"system_call,omitempty"`
	Repeats     int            `json:"repeats,omitempty"` // stack overflow: how many frames repeat
	Says        string         `json:"says,omitempty"`
}

// SystemCall is what a filter forbade.
type SystemCall struct {
	Number int    `json:"number"`
	Name   string `json:"name,omitempty"`
}

// Interval is when, as a span and by which clock: no single clock tells the instant of a death.
type Interval struct {
	Earliest time.Time `json:"earliest"`
	Latest   time.Time `json:"latest"`
	Clock    string    `json:"clock"`               // "capture", "audit", "kernel log" or "core file"
	RestsOn  []string  `json:"rests_on"`            // frames, log lines
	OffsetMS *float64  `json:"offset_ms,omitempty"` // host's clock minus capture's, in milliseconds, where both tell
	Says     string    `json:"says,omitempty"`
}

// Roles of a culprit.
const (
	Decided = "decided" // it chose to die
	Victim  = "victim"  // it tripped over damage that was done earlier, by Origin
)

// Culprit is question 3: the module and function that decided to die, or tripped over older damage.
type Culprit struct {
	Module      string        `json:"module,omitempty"` // base name of the mapped file, or its build ID
	BuildID     place.BuildID `json:"build_id,omitempty"`
	Function    string        `json:"function,omitempty"` // innermost inline if known
	Nearest     string        `json:"nearest,omitempty"`  // where Function is unknown: "lies between A and B", "called by A"
	Offset      *place.Offset `json:"offset,omitempty"`   // in the module
	Role        string        `json:"role,omitempty"`
	Origin      string        `json:"origin,omitempty"` // who did the damage, where known
	Thread      int           `json:"thread,omitempty"`
	Frame       *int          `json:"frame,omitempty"`       // index in the thread's frames
	Chain       []Link        `json:"chain,omitempty"`       // modules by which control came there, the executable first
	Generated   bool          `json:"generated,omitempty"`   // code that no file is behind did it, and Function called that
	Interrupted string        `json:"interrupted,omitempty"` // what the signal had interrupted in whose handler it was done
	Rule        string        `json:"rule,omitempty"`        // which rule picked the frame: a key of telling/words
	Skipped     []string      `json:"skipped,omitempty"`
	Says        string        `json:"says,omitempty"`
}

// Link is one module of the chain of calls, with the function by which control left it.
type Link struct {
	Module   string `json:"module"`
	Function string `json:"function,omitempty"`
	Frames   int    `json:"frames"`
}

// Where a suspect's bytes were seen.
const (
	FromWire   = "wire"
	FromMemory = "memory"
)

// Suspect is question 4: a message, or an ordered set of them, that may have killed.
type Suspect struct {
	Message
	Probability float64       `json:"probability"`
	Bits        float64       `json:"bits"` // sum of the evidence
	Evidence    []Observation `json:"evidence,omitempty"`
	With        []Message     `json:"with,omitempty"` // a set's earlier messages, in order; this one is the last
	Says        string        `json:"says,omitempty"`
}

// Message is what a daemon received on one conversation between two of its own sends.
type Message struct {
	Client     string         `json:"client,omitempty"`    // the remote end, "IP:port"
	Server     string         `json:"server,omitempty"`    // the daemon's end, "IP:port"
	Direction  string         `json:"direction,omitempty"` // "inbound": the remote end opened; "outbound": the daemon did
	Transport  string         `json:"transport,omitempty"` // "tcp" or "udp"
	Source     string         `json:"source"`              // "wire" or "memory"
	Capture    string         `json:"capture,omitempty"`   // file name
	Frames     []int          `json:"frames,omitempty"`    // in that capture, from 1, as Wireshark counts
	Time       *time.Time     `json:"time,omitempty"`      // of its last byte
	Length     int            `json:"length"`
	Protocol   string         `json:"protocol,omitempty"`
	Summary    string         `json:"summary,omitempty"` // "ClientHello, TLS 1.2, 14 cipher suites"
	Fields     []Field        `json:"fields,omitempty"`
	Inferred   int            `json:"inferred,omitempty"`   // no dissector knows it: its fields were inferred from so many messages of the service
	Bytes      []byte         `json:"bytes,omitempty"`      // base64; at most the first 64 KiB
	Sealed     *Sealed        `json:"sealed,omitempty"`     // it was encrypted, and is told as decrypted
	Address    *place.Address `json:"address,omitempty"`    // where it lies in memory
	Descriptor *int           `json:"descriptor,omitempty"` // file descriptor, where known
	Says       string         `json:"says,omitempty"`
}

// FromKeyLog is where keys were that a key log had; others are FromMemory.
const FromKeyLog = "key log"

// Sealed is how a message was encrypted, and what opened it.
type Sealed struct {
	Version string          `json:"version"` // "TLS 1.3"
	Suite   string          `json:"suite"`   // "AES_128_GCM_SHA256", as IANA names it
	Keys    string          `json:"keys"`    // "key log", or "memory": they were found in the core
	At      []place.Address `json:"at,omitempty"`
}

// Field is one part of a message, by name.
type Field struct {
	Name   string `json:"name"`  // as Wireshark names it, where it does: "tls.handshake.ciphersuite"
	Value  string `json:"value"` // as a person reads it
	Offset int    `json:"offset"`
	Length int    `json:"length"`
}

// Observation is one piece of evidence for or against a suspect.
type Observation struct {
	Kind    string   `json:"kind"`
	Level   string   `json:"level"`
	Bits    float64  `json:"bits"` // log2 of how much likelier this is for a killer than for an innocent, beside all other kinds
	Says    string   `json:"says,omitempty"`
	RestsOn []string `json:"rests_on,omitempty"` // "frame 4823", "0x00007f…", "audit.log:17"
	// What the sentence is made of, by name; not part of the JSON.
	Facts map[string]string `json:"-"`
}

// Share is the kind of the observation that corrects the sum of the others: what the wire tells is shared out
// among all messages of a death.
const Share = "share"

// None is the competing explanation: none of the captured messages killed, or no input at all did.
type None struct {
	Probability float64       `json:"probability"`
	Prior       float64       `json:"prior"`
	Says        string        `json:"says,omitempty"`
	Signs       []Observation `json:"signs,omitempty"` // of whether it died at once of a message; bits that speak for that
	Or          []Alternative `json:"or,omitempty"`    // what may have been instead, the likelier first
}

// Alternative is one way in which no captured message was what killed.
type Alternative struct {
	What  string            `json:"what"` // a key of telling/words
	Says  string            `json:"says,omitempty"`
	Facts map[string]string `json:"-"`
}

// Older is the explanation that a captured message killed, but not at once: it did damage, or left something behind, that the
// process ran into later.
type Older struct {
	Probability float64 `json:"probability"` // of all, beside that it died at once and that of none
	Says        string  `json:"says,omitempty"`
}

// Acquitted is a message that the evidence clears.
type Acquitted struct {
	Message
	Probability float64       `json:"probability"`
	Evidence    []Observation `json:"evidence,omitempty"`
}

// Traffic is what the captures hold, in numbers.
type Traffic struct {
	Packets       int      `json:"packets"`
	Conversations int      `json:"conversations"`
	Own           int      `json:"own"`              // conversations of the dead process
	Shared        bool     `json:"shared,omitempty"` // other processes served the same ends: at most Own were its own
	Messages      int      `json:"messages"`
	Strange       bool     `json:"strange,omitempty"` // nothing in the core is of these conversations: they may be another process's
	Servers       []string `json:"servers,omitempty"` // the daemon's listening ends
	ClosedFIN     int      `json:"closed_fin"`        // closed at death with FIN
	ClosedRST     int      `json:"closed_rst"`
	TLS           *TLS     `json:"tls,omitempty"`
	Dropped       uint64   `json:"dropped,omitempty"`    // packets that the captures lost, where they tell
	Duplicates    int      `json:"duplicates,omitempty"` // packets that were captured at a second place
	Folded        int      `json:"folded,omitempty"`     // conversations that were captured again with addresses translated
	Forgotten     int      `json:"forgotten,omitempty"`  // conversations left out, since there were too many
	Window        *Window  `json:"window,omitempty"`     // of the captures, where they are too large to be read as a whole
	Says          []string `json:"says,omitempty"`
}

// Window is a span of time.
type Window struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// TLS is how many of the dead process's conversations were encrypted, and by what they were opened.
type TLS struct {
	Connections int `json:"connections"`
	FromLog     int `json:"from_log"`  // opened with a key log
	FromCore    int `json:"from_core"` // opened with keys that the dead process still had
}

// Trust is how a frame was found, the most certain first.
type Trust string

// Ways to find a frame.
const (
	TrustContext      Trust = "context"       // the registers at death
	TrustCFI          Trust = "cfi"           // call frame information
	TrustCall         Trust = "call"          // the call right before the return address leads to where control went, or the callee is about to return there
	TrustLinkRegister Trust = "link_register" // a guess: the register that a call leaves its return address in
	TrustFramePointer Trust = "frame_pointer" // a guess: the frame pointer chain
	TrustScan         Trust = "scan"          // a guess: a return address found on the stack
	TrustPrinted      Trust = "printed"       // as a pasted trace tells it
	TrustInline       Trust = "inline"        // inlined into the next frame, by debug information
)

// Guessed says whether a frame found this way may be wrong.
func (t Trust) Guessed() bool {
	return t == TrustLinkRegister || t == TrustFramePointer || t == TrustScan
}

// Thread is one thread's registers and stack.
type Thread struct {
	TID       int                      `json:"tid,omitempty"`
	Died      bool                     `json:"died,omitempty"`
	Frames    []Frame                  `json:"frames,omitempty"`
	Total     int                      `json:"total_frames,omitempty"` // where Frames is folded or capped
	Registers map[string]place.Address `json:"registers,omitempty"`
	Code      []Instruction            `json:"code,omitempty"` // around where the thread was running
	End       string                   `json:"end,omitempty"`  // why unwinding ended
}

// Instruction is one line of disassembly.
type Instruction struct {
	Address place.Address `json:"address"`
	Text    string        `json:"text"`           // as objdump prints it; "(bad)" for bytes that are none
	Here    bool          `json:"here,omitempty"` // the thread was here
}

// Frame is one call on a thread's stack.
type Frame struct {
	Level    int            `json:"level"` // as debuggers count, from the innermost, inlined functions too
	PC       *place.Address `json:"pc,omitempty"`
	Module   string         `json:"module,omitempty"` // base name
	Path     string         `json:"path,omitempty"`   // as mapped
	BuildID  place.BuildID  `json:"build_id,omitempty"`
	Offset   *place.Offset  `json:"offset,omitempty"` // of the PC from the module's start
	Function string         `json:"function,omitempty"`
	Nearest  string         `json:"nearest,omitempty"` // the nearest symbol below, where it doesn't cover the PC
	Into     *place.Offset  `json:"into,omitempty"`    // of the PC in the function or from Nearest
	File     string         `json:"file,omitempty"`
	Line     int            `json:"line,omitempty"`
	Trust    Trust          `json:"trust"`
	Repeats  int            `json:"repeats,omitempty"` // this and the frames above stand for so many rounds
	Signal   bool           `json:"signal,omitempty"`  // a signal handler's return trampoline
}

// Module is one mapped program or library.
type Module struct {
	Path    string        `json:"path"`
	BuildID place.BuildID `json:"build_id,omitempty"`
	Start   place.Address `json:"start"`
	End     place.Address `json:"end"`
	File    string        `json:"file,omitempty"`    // the binary that was read for it
	Problem string        `json:"problem,omitempty"` // why none was
}

// Missing is evidence that was not there, what it would have told, and how to have it the next time.
type Missing struct {
	What      string `json:"what"` // a key of telling/words
	Says      string `json:"says,omitempty"`
	WouldTell string `json:"would_tell,omitempty"`
	Get       string `json:"get,omitempty"` // a command or setting
	// What the sentences are made of; not part of the JSON.
	Facts map[string]string `json:"-"`
}

// Problem is damage to the evidence that did not stop the reading.
type Problem struct {
	Part   string `json:"part"`
	Offset *int64 `json:"offset,omitempty"`
	Says   string `json:"says"`
}

// Evidence is one file that was read.
type Evidence struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	Size int64  `json:"size"`
}
