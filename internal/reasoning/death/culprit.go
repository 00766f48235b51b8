package death

import (
	"fmt"
	"slices"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/image"
	"github.com/inquest-project/inquest/internal/reading/unwind"
)

// Rules by which a culprit's frame is picked.
const (
	ruleInnermost   = "innermost"   // the innermost frame outside the C library and the runtimes
	ruleHelper      = "helper"      // likewise, and outside helpers that never return
	ruleInterrupted = "interrupted" // likewise, below a signal handler
	ruleRecursion   = "recursion"   // the function by which the recursion was entered
	ruleOnlyRuntime = "runtime"     // nothing but the C library is on the stack
)

// culprit picks the culprit's frame, -1 if there is none, and describes it.
func (s *scene) culprit(m *finding.Mechanism) (int, *finding.Culprit) {
	at, rule, skipped := s.pick(m.Kind)
	if at < 0 {
		return -1, nil
	}
	frames := s.stack.Frames
	f := frames[at]
	c := &finding.Culprit{
		Function: functionName(f), Role: s.role(m, at), Thread: s.stack.TID, Frame: &at,
		Chain: chain(frames[at:]), Rule: rule, Skipped: skipped, Generated: s.generated(),
	}
	if f.Module != nil {
		c.Module, c.BuildID, c.Offset = moduleName(f.Module), f.Module.BuildID, &f.Offset
		c.Nearest = nearest(frames, at)
	}
	c.Interrupted = s.interrupted(at)
	return at, c
}

// interrupted is the function that a signal found running, if the culprit's frame is in that signal's handler.
func (s *scene) interrupted(culprit int) string {
	frames := s.stack.Frames
	at := slices.IndexFunc(frames[culprit:], func(f unwind.Frame) bool { return f.Signal })
	if at < 0 {
		return ""
	}
	for _, f := range frames[culprit+at+1:] {
		if f.Module != nil && !isMachinery(f) {
			return called(f)
		}
	}
	return ""
}

// generated says whether what was running has no file behind it, as a compiler's output at run time.
func (s *scene) generated() bool {
	f := s.frame()
	return f.Module == nil && s.im.Code(f.PC)
}

func (s *scene) pick(kind finding.MechanismKind) (at int, rule string, skipped []string) {
	if kind == finding.StackOverflow {
		if at := s.recursion(); at >= 0 {
			return at, ruleRecursion, nil
		}
	}
	rule = ruleInnermost
	if s.first > 0 {
		rule = ruleInterrupted
	}
	frames := s.stack.Frames
	start := s.first
	if deliberate(kind) {
		start = max(s.behindStaticAbort(), s.lastDeadly())
	}
	dead := start > s.first // the frame inside the one at i never comes back
	for i := start; i < len(frames); i++ {
		f := frames[i]
		if s.onlyLeads(f) || deadly[f.Symbol] != "" {
			// What the next frame called speaks for itself, where it is known: __memcpy_chk comes back, also
			// where it has made way for __chk_fail by a jump.
			dead = deadly[f.Symbol] != "" && deadly[f.Symbol] != finding.PureVirtual && i+1 < len(frames) && s.calledBy(frames[i+1]) == 0
			continue
		}
		if dead = deliberate(kind) && s.isHelper(i, dead); dead {
			rule, skipped = ruleHelper, append(skipped, called(f))
			continue
		}
		if asked := s.askedAllocator(i); len(skipped) > 0 && asked > i {
			for _, f := range frames[i:asked] {
				skipped = append(skipped, called(f))
			}
			return asked, rule, skipped
		}
		return i, rule, skipped
	}
	// Where the stack was lost, somebody whom we don't see had called: the runtime does as it is asked.
	if s.stack.Outermost && s.first < len(frames) && frames[s.first].Module != nil && isRuntime(frames[s.first].Module) {
		return s.behindDeadly(), ruleOnlyRuntime, nil
	}
	return -1, "", nil
}

// askedAllocator is the frame that asked an allocator for memory that there is none of, if the frame at i is a library's allocator
// and told its program so, which ended: it called through a pointer, with ENOMEM for a first argument. The library's other
// functions on the way only passed the wish on. It is i where nothing of the kind is seen.
//
// Seen in Apache, whose pools (libapr's) are given a function that aborts: a length below zero is as impossible to have.
func (s *scene) askedAllocator(i int) int {
	const noMemory = 12 // ENOMEM
	frames := s.stack.Frames
	f := frames[i]
	if c, ok := s.callBefore(f.PC); !ok || c.Target != 0 || f.Module == nil || f.Module.Executable || len(s.machine.Arguments) == 0 {
		return i
	} else if name := s.imported(place.Address(c.Slot)); name != "" {
		return i
	}
	if code, known := s.constants(f)[s.machine.Arguments[0]]; !known || code != noMemory {
		return i
	}
	for at := i + 1; at < len(frames); at++ {
		if frames[at].Module != f.Module && !s.onlyLeads(frames[at]) {
			return at
		}
	}
	return i
}

// lastDeadly is the outermost of the machinery that the innermost frames are part of: whatever it called to send the
// signal is machinery, too, also in a program that holds the C library in itself.
func (s *scene) lastDeadly() int {
	const deepest = 12
	frames, last := s.stack.Frames, s.first
	for i := s.first; i < min(len(frames), s.first+deepest); i++ {
		if kind := deadly[frames[i].Symbol]; kind != "" && kind != finding.SignalOnly {
			last = i
		}
	}
	return last
}

// behindDeadly is the first frame that is no dying machinery: where the runtime alone is on the stack, the one
// that called the machinery says more than the machinery itself.
func (s *scene) behindDeadly() int {
	frames := s.stack.Frames
	for i := s.first; i < len(frames); i++ {
		if deadly[frames[i].Symbol] == "" && frames[i].Function != "" && isRuntime(frames[i].Module) {
			return i
		}
	}
	return s.first
}

// onlyLeads says whether a frame is no function's that could decide: it is of a runtime, where no code is, or a stub of
// the linkage table.
func (s *scene) onlyLeads(f unwind.Frame) bool {
	return f.Module == nil || f.Stub || isMachinery(f) || !s.im.Code(f.PC)
}

// recursion is the frame by which a folded recursion was entered: the outermost, which stands behind the
// folded ones. Which of its functions ran out of stack is chance.
func (s *scene) recursion() int {
	frames := s.stack.Frames
	for i := s.first; i+1 < len(frames); i++ {
		if frames[i].Repeats >= recursionLeast && frames[i+1].Repeats == 0 && !isRuntime(frames[i+1].Module) {
			return i + 1
		}
	}
	return -1
}

// deliberate says whether a process dies of this by a call of its own, so that helpers may stand between.
func deliberate(kind finding.MechanismKind) bool {
	switch kind {
	case finding.Abort, finding.Assertion, finding.Fortify, finding.StackProtector, finding.SignalOnly, finding.IllegalCode,
		finding.Exception, finding.PureVirtual, finding.Panic, finding.Sanitizer, finding.Trap, finding.AllocatorCheck:
		return true
	}
	return false
}

// role says whether the culprit brought the death about or tripped over older damage.
func (s *scene) role(m *finding.Mechanism, at int) string {
	switch m.Kind {
	case finding.AllocatorCheck:
		if m.Detail != finding.DoubleFree { // who frees a second time does it now
			return finding.Victim
		}
	case finding.FaultRead, finding.FaultWrite, finding.Fault, finding.FaultNull:
		if m.Detail == finding.InAllocator || m.Kind != finding.FaultNull && !s.beyond && (m.Address == nil || s.wild(*m.Address) && !s.indexed(*m.Address, at)) {
			return finding.Victim
		}
	case finding.FaultExecute:
		if !s.returned() {
			return finding.Victim
		}
	}
	return finding.Decided
}

// indexed says whether an address is where an index of 32 bits that wrapped around leads to, from what a register of the
// culprit's points to: then it was reckoned wrongly, and no pointer was damaged.
func (s *scene) indexed(a place.Address, culprit int) bool {
	const reach, slack = 1 << 32, 1 << 20 // of what the index counts bytes of
	for n := range s.machine.Registers {
		v, known := s.stack.Frames[culprit].Reg(n)
		p := place.Address(v)
		if known && s.writable(p) && a > p && a-p < reach && a-p > reach-slack {
			return true
		}
	}
	return false
}

// functionName is the name that the source has. Of functions inlined there it is the innermost that isn't from a
// system header: those only do as they are asked.
func functionName(f unwind.Frame) string {
	for _, inlined := range f.Inlined {
		if inlined.Function != "" && !isSystemHeader(inlined.File) {
			return inlined.Function
		}
	}
	return sourceName(f.Function)
}

// sourceName is a name without what the compiler adds: it calls the unlikely part that it moved out of a function f
// "f.cold", and a specialised copy "f.constprop.0".
func sourceName(name string) string {
	for _, suffix := range []string{".cold", ".part.", ".constprop.", ".isra.", ".lto_priv."} {
		name, _, _ = strings.Cut(name, suffix)
	}
	return name
}

// isSystemHeader knows the headers of C and C++, and Rust's standard library, which is inlined likewise and whose files
// are told as they were where Rust itself was built.
func isSystemHeader(file string) bool {
	for _, prefix := range []string{"/usr/include/", "/usr/lib/", "/rustc/", "library/core/", "library/alloc/", "library/std/"} {
		if strings.HasPrefix(file, prefix) {
			return true
		}
	}
	return false
}

// called is how a frame is referred to in a list.
func called(f unwind.Frame) string {
	if f.Function != "" {
		return f.Function
	}
	return fmt.Sprintf("%s+%v", moduleName(f.Module), f.Offset)
}

// moduleName is the base name of a module, or its build ID where it has none.
func moduleName(m *image.Module) string {
	if m.Name == "" {
		return string(m.BuildID)
	}
	return m.Name
}

// nearest says where a function without a name lies: by its nearest named caller in the same module, else
// by the symbol before it. Empty where it has a name.
func nearest(frames []unwind.Frame, at int) string {
	f := frames[at]
	if f.Function != "" {
		return ""
	}
	for _, outer := range frames[at+1:] {
		if outer.Module == f.Module && outer.Function != "" {
			return "called by " + outer.Function
		}
	}
	if f.Nearest != "" {
		return "behind " + f.Nearest
	}
	return ""
}

// chain folds frames, innermost first, into the modules by which control came, the outermost first.
// Frames of the runtime, such as __libc_start_main, are no station.
func chain(frames []unwind.Frame) []finding.Link {
	var links []finding.Link
	for i := len(frames) - 1; i >= 0; i-- {
		f := frames[i]
		if f.Module == nil || isMachinery(f) && i > 0 {
			continue
		}
		links = addLink(links, moduleName(f.Module), f.Function)
	}
	return links
}

// addLink adds a frame that control came to next.
func addLink(links []finding.Link, module, function string) []finding.Link {
	if n := len(links); n > 0 && links[n-1].Module == module {
		links[n-1].Function = function
		links[n-1].Frames++
		return links
	}
	return append(links, finding.Link{Module: module, Function: function, Frames: 1})
}
