package death

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/unwind"
)

// aborted tells the kinds of abort apart: by what the C library or a runtime said last, else by the names of the
// machinery, else by what the helper was told that the culprit called.
func (s *scene) aborted() *finding.Mechanism {
	if message := s.lastMessage(); message != "" {
		return &finding.Mechanism{Kind: messageKind(message), Message: strings.TrimSpace(message), Detail: messageDetail(message)}
	}
	m := &finding.Mechanism{Kind: finding.Abort}
	at, _, skipped := s.pick(finding.Abort)
	if at < 0 {
		at = len(s.stack.Frames) - 1
	}
	m.Kind = s.machineryKind(at)
	for _, tell := range []func(*finding.Mechanism, int) bool{s.exception, s.report, s.goPanic, s.rustPanic} {
		if tell(m, at) {
			return m
		}
	}
	if s.refusedMemory(at) {
		m.Detail = finding.NoMemory
		return m
	}
	if m.Kind == finding.Assertion || len(skipped) > 0 {
		s.fromHelper(m, at)
	}
	return m
}

// refusedMemory says whether a frame asked an allocator that had no memory for it.
func (s *scene) refusedMemory(culprit int) bool {
	for i := culprit - 1; i > s.first && s.stack.Frames[i].Module == s.stack.Frames[culprit-1].Module; i-- {
		if s.askedAllocator(i) == culprit {
			return true
		}
	}
	return false
}

// messageDetails are glibc's words that tell more than their kind: for a block that is freed twice, of those that can mean
// nothing else; for a pointer that leads to no block; and for the checks that find no overrun.
var messageDetails = []struct{ words, detail string }{
	{"double free detected", finding.DoubleFree},
	{"double free or corruption (fasttop)", finding.DoubleFree},
	{"free(): invalid pointer", finding.NoBlock},
	{"realloc(): invalid pointer", finding.NoBlock},
	{"munmap_chunk(): invalid pointer", finding.NoBlock},
	{"%n in writable segment", finding.WritableFormat},
	{"invalid %N$ use detected", finding.WritableFormat},
	{"bit out of range 0 - FD_SETSIZE", finding.BeyondFDSet},
	{"longjmp causes uninitialized stack frame", finding.JumpOutward},
}

func messageDetail(message string) string {
	for _, d := range messageDetails {
		if strings.Contains(message, d.words) {
			return d.detail
		}
	}
	return ""
}

// machineryKind is what the outermost of the machinery inside a frame tells: it is what the culprit called.
func (s *scene) machineryKind(at int) finding.MechanismKind {
	kind := finding.Abort
	frames := s.stack.Frames
	for _, f := range frames[s.first:at] {
		if told := deadly[f.Symbol]; told != "" && told != finding.SignalOnly {
			kind = told
		}
	}
	c, _ := s.callBefore(frames[at].PC)
	if _, name := s.target(c); deadly[name] != "" && deadly[name] != finding.SignalOnly {
		kind = deadly[name]
	}
	return kind
}

// fromHelper tells what the culprit told its helper. Where that was a format, it is what the helper, or one further in,
// made of it.
func (s *scene) fromHelper(m *finding.Mechanism, culprit int) {
	message, source := s.told(s.stack.Frames[culprit])
	for at := culprit; at > s.first && m.Message == ""; at-- {
		m.Message = s.formatted(s.stack.Frames[at])
	}
	if m.Message == "" && message != "" && source != "" {
		m.Kind = finding.Assertion
	}
	m.Message, m.Source = cmp.Or(m.Message, message), source
}

// lastMessage is what glibc printed before it aborted. It keeps it in __abort_msg for post-mortems
// (struct abort_msg_s: a 32-bit size, then the text). Where that symbol is not known, a pointer to it is
// still on the dying functions' stack.
func (s *scene) lastMessage() string {
	for _, m := range s.im.Modules {
		if m.File == nil || !isRuntime(m) && !m.Executable {
			continue
		}
		if vaddr, _, ok := m.File.Symbol("__abort_msg"); ok {
			kept, _ := s.im.Uint64(m.Bias + place.Address(vaddr))
			return s.message(place.Address(kept))
		}
	}
	return s.messageOnStack()
}

// message is the text of a struct abort_msg_s; empty if there is none.
func (s *scene) message(kept place.Address) string {
	const longest = 4096
	if kept == 0 {
		return ""
	}
	text, _ := s.im.CString(kept+4, longest)
	return text
}

// messageOnStack follows the innermost stack words to texts that the C library's checks print.
func (s *scene) messageOnStack() string {
	const words, longest = 512, 1024
	if s.signal.Number != sigabrt {
		return ""
	}
	for at := s.frame().SP; at < s.frame().SP+8*words; at += 8 {
		p, ok := s.im.Uint64(at)
		if !ok {
			return ""
		}
		if !s.writable(place.Address(p)) {
			continue
		}
		if text, ok := s.im.CString(place.Address(p), longest); ok && printable(text) && messageKind(text) != finding.Abort {
			return text
		}
	}
	return ""
}

// messageKind reads a mechanism from the words of the C library's last message: those of glibc's assert,
// debug/fortify_fail.c and malloc/malloc.c, and musl's assert.
func messageKind(message string) finding.MechanismKind {
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(message, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("stack smashing detected"):
		return finding.StackProtector
	case has("buffer overflow detected", "%n in writable segment", "bit out of range 0 - FD_SETSIZE",
		"longjmp causes uninitialized stack frame", "invalid %N$ use detected"):
		return finding.Fortify
	case has("malloc(", "free()", "realloc()", "calloc()", "memalign", "munmap_chunk()", "mremap_chunk()", "malloc_consolidate",
		"corrupted ", "corrupted_", "double free", "tcache", "_int_", "sysmalloc", "break adjusted to free malloc space"):
		return finding.AllocatorCheck
	case has("Assertion `", "Assertion failed"):
		return finding.Assertion
	}
	return finding.Abort
}

// told is what the culprit told the function that it called last: the texts among the constant arguments of the call.
// A helper like assert's is told a source file and a line; source is these then.
func (s *scene) told(culprit unwind.Frame) (message, source string) {
	const longest, largestLine = 400, 1 << 20
	values := s.constants(culprit)
	line := ""
	for _, register := range s.machine.Arguments {
		v, ok := values[register]
		text, isText := s.im.CString(place.Address(v), longest)
		switch isText = isText && printable(text) && !s.writable(place.Address(v)); {
		case isText && sourceFile[path.Ext(text)]:
			source = text
		case isText && !strings.Contains(text, "%") && len(text) > len(message): // a format says only what was made of it
			message = strings.TrimSpace(text)
		case ok && v > 0 && v < largestLine && line == "":
			line = fmt.Sprintf(":%d", v)
		}
	}
	if source != "" {
		source += line
	}
	return message, source
}

var sourceFile = map[string]bool{".c": true, ".cc": true, ".cpp": true, ".cxx": true, ".h": true, ".hh": true, ".hpp": true, ".rs": true, ".y": true, ".l": true}

// formatted is the text that a helper made of the format that the culprit gave it: such a text still lies in the
// helper's frames, or below them, where the functions had theirs that wrote it.
func (s *scene) formatted(culprit unwind.Frame) string {
	const longest, below = 400, 32 << 10
	values := s.constants(culprit)
	for _, register := range s.machine.Arguments {
		format, ok := s.im.CString(place.Address(values[register]), longest)
		if !ok || !strings.Contains(format, "%") || !printable(format) || s.writable(place.Address(values[register])) {
			continue
		}
		made := madeFrom(format)
		if made == nil {
			continue
		}
		if text := made.Find(s.stackMemory(s.stack.Regs.SP()-below, culprit.SP)); text != nil {
			return strings.TrimSpace(string(text))
		}
	}
	return ""
}

// conversion is one of printf's (printf(3)).
var conversion = regexp.MustCompile(`%[-+ #0']*[0-9*]*(\.[0-9*]*)?(hh|h|ll|l|q|L|j|z|t)?[a-zA-Z%]`)

// madeFrom matches what printf makes of a format; nil if the format has too little text of its own.
func madeFrom(format string) *regexp.Regexp {
	const least, most = 5, 16
	parts := conversion.Split(format, -1)
	if len(strings.TrimSpace(strings.Join(parts, ""))) < least || len(parts) > most {
		return nil
	}
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	pattern := strings.Join(parts, `[\x20-\x7e]{0,200}?`)
	if parts[len(parts)-1] == "" { // nothing of the format's own says where the last value ends
		pattern = strings.TrimSuffix(pattern, "?")
	}
	made, err := regexp.Compile(pattern)
	if err != nil {
		return nil
	}
	return made
}

// stackMemory is the stack between two addresses, as far as it is known and not longer than a stack's innermost frames
// can be.
func (s *scene) stackMemory(from, to place.Address) []byte {
	const largest = 256 << 10
	if to <= from {
		return nil
	}
	for !s.writable(from) && from < to { // below the stack's lowest page
		from = (from + pageSize) &^ (pageSize - 1)
	}
	return s.im.Bytes(from, int(min(to-from, largest)))
}

// constants are the registers that the straight code before a call sets to constants.
func (s *scene) constants(caller unwind.Frame) map[int]uint64 {
	c, ok := s.callBefore(caller.PC)
	if !ok {
		return nil
	}
	return s.constantsUpTo(caller, place.Address(c.At))
}

// constantsUpTo are the registers that hold constants at a place in a frame's function.
func (s *scene) constantsUpTo(f unwind.Frame, end place.Address) map[int]uint64 {
	values := map[int]uint64{}
	size := int(end - f.FunctionStart)
	const largest = 1 << 20
	if f.FunctionStart == 0 || size <= 0 || size > largest {
		return values
	}
	code := s.im.Bytes(f.FunctionStart, size)
	for _, i := range s.machine.Function(code, uint64(f.FunctionStart)).Instructions {
		if i.Leaves() {
			clear(values)
			continue
		}
		i.Track(values)
	}
	return values
}

func printable(text string) bool {
	for _, r := range text {
		if r < ' ' && r != '\n' && r != '\t' || r > '~' {
			return false
		}
	}
	return len(strings.TrimSpace(text)) > 1
}
