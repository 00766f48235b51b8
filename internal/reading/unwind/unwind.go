// Package unwind turns a thread's registers and the image of its process into its stack: the calls that
// were under way, innermost first. Threads is the way in.
//
// A caller is found by the program's unwind tables (call frame information: DWARF 5, section 6.4; System V
// psABI for x86-64, section 3.7; for aarch64 the Arm ABI's document on DWARF), else by the link register or
// the frame pointer, else by scanning the stack for an address behind a call. Every frame says which: what
// was found without tables is a guess, and so is all that was found from there on. Every stack says in words why it ends. Memory that is unknown ends a stack;
// nothing is made up for it.
//
// Stacks are hostile: they may have been written by the input that killed. The walk is bounded, and a stack
// that returns to where no code is, is called smashed.
package unwind

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/evidence/objfile"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/disasm"
	"github.com/inquest-project/inquest/internal/reading/image"
)

// Stack is one thread's calls.
type Stack struct {
	TID       int
	Regs      elfcore.Registers
	Frames    []Frame // innermost first; recursion is folded
	Total     int     // frames walked, before folding
	End       string  // why there are no more, in words
	Outermost bool    // it ends where the process says that nothing called; else there were more frames
	Smashed   bool    // it ends at a return address that is no code
	Overflow  bool    // the stack pointer lies outside all writable memory

	faulted bool // the thread died of what its own instruction did
}

// Frame is one call.
type Frame struct {
	Index         int           // in the stack before folding
	PC            place.Address // the next instruction; of a caller, where the call returns to
	SP            place.Address
	CFA           place.Address // the stack pointer before the call; 0 if unknown
	Trust         finding.Trust
	Signal        bool           // a signal handler's return trampoline: the next frame was interrupted
	Caught        elfcore.Signal // what that handler was called for; without a number if not known
	Unprovoked    bool           // whatever that was, what it interrupted has not called for it
	Module        *image.Module  // nil if the PC is in none
	Offset        place.Offset   // of the PC in Module
	Function      string         // as its source has it, without parameters; empty if unknown
	Symbol        string         // its name in the symbol table: of several the one that users write; else its linkage name
	Stub          bool           // no function, but a linkage table's entry, which jumps to the one that its name tells
	File          string         // of the source; empty if unknown
	Line          int
	Inlined       []objfile.Call // functions that were inlined here, innermost first; this frame's called the last of them
	FunctionStart place.Address  // with FunctionEnd the function's bounds, also where it has no name; 0 if unknown
	FunctionEnd   place.Address
	Nearest       string       // the nearest symbol below, where no symbol covers the PC
	Into          place.Offset // of the PC, from the function's start or from Nearest
	Repeats       int          // recursion: this frame and its neighbours of the same number stand for so many rounds

	regs  registers
	exact bool // the PC is that of an instruction about to run, not of a return
}

// Reg is a register's value in this frame, by its DWARF number; false if the callees have not kept it.
func (f Frame) Reg(n int) (uint64, bool) { return f.regs.get(n) }

// Lookup is the address to look this frame's code up by: for a caller the call itself. The address behind
// it may belong to the next function, if the call never comes back.
func (f Frame) Lookup() place.Address {
	if f.exact || f.PC == 0 {
		return f.PC
	}
	return f.PC - 1
}

// LiveRange is the stack memory from the frame that was running to the outermost one's CFA.
func (s Stack) LiveRange() (lo, hi place.Address) {
	lo = s.Regs.SP()
	if len(s.Frames) == 0 {
		return lo, lo
	}
	running := s.Frames[s.Interrupted():]
	lo = running[0].SP
	hi = lo
	for _, f := range running {
		hi = max(hi, f.SP, f.CFA)
	}
	return lo, hi
}

// Running is the registers of the frame that was running, by name: of one that a signal interrupted, as the
// kernel saved them.
func (s Stack) Running() map[string]uint64 {
	at := s.Interrupted()
	if at == 0 {
		return s.Regs.Named()
	}
	named := map[string]uint64{}
	for n, name := range s.Regs.DWARFNames() {
		if v, ok := s.Frames[at].Reg(n); ok {
			named[name] = v
		}
	}
	return named
}

// Threads unwinds all threads, in the core's order. Their frames are named last: debug information may have to
// be asked for, and only that of the modules on a stack is.
func Threads(im *image.Image) []Stack {
	w := newWalker(im)
	walks := make([]walk, len(im.Core.Threads))
	for i, t := range im.Core.Threads {
		walks[i] = w.walk(fromCore(t.Regs))
	}
	im.AskDebug(w.met(walks))
	stacks := make([]Stack, len(walks))
	for i, t := range im.Core.Threads {
		stacks[i] = w.stack(t, walks[i])
		stacks[i].faulted = faulted(im, i)
	}
	return stacks
}

// met is the modules that have a frame on a stack.
func (w *walker) met(walks []walk) (modules []*image.Module) {
	for _, walk := range walks {
		for _, s := range walk.steps {
			if m := w.im.Module(s.pc); m != nil && (len(modules) == 0 || modules[len(modules)-1] != m) {
				modules = append(modules, m)
			}
		}
	}
	slices.SortFunc(modules, func(a, b *image.Module) int { return cmp.Compare(a.Start, b.Start) })
	return slices.Compact(modules)
}

// maxFrames bounds a walk: 16 MiB of the smallest frames that a call can make.
const maxFrames = 1 << 20

// keptRegisters is how many innermost frames keep their registers; of a recursion's thousands nobody
// asks for them.
const keptRegisters = 256

// walker goes from frame to frame. What it learns of the code it keeps, for recursion and for the next
// thread.
type walker struct {
	im        *image.Image
	machine   *disasm.Machine
	abi       *convention
	rows      map[place.Address]*row
	functions map[place.Address]place.Address // start by address
	frameRegs registers                       // of the frame that is looked at
	spent     int                             // operations of tables and their like, on all threads
}

// What a walk costs, in operations of unwind tables. Tables may hold programs of any length, and a core
// thousands of threads that share one endless stack: what all of it may cost is bounded, to some seconds.
const (
	costOfFrame = 32
	costOfWord  = 8 // that a scan looks at
	mostSpent   = 1 << 26
)

func (w *walker) spend(operations int) { w.spent += operations }

func newWalker(im *image.Image) *walker {
	return &walker{im: im, machine: disasm.For(im.Core.Machine), abi: conventionOf(im.Core.Machine), rows: map[place.Address]*row{}, functions: map[place.Address]place.Address{}}
}

// step is a frame as it was walked.
type step struct {
	pc, sp, cfa place.Address
	trust       finding.Trust
	signal      bool
	exact       bool
}

func (s step) lookup() place.Address { return Frame{PC: s.pc, exact: s.exact}.Lookup() }

// walk is a stack as it was walked, not yet named.
type walk struct {
	steps []step
	kept  []registers // of the innermost frames
	end   ending
}

// sigpanic is the function that Go's signal handler makes appear called at the instruction that faulted.
const sigpanic = "runtime.sigpanic"

// stack names and folds what was walked.
func (w *walker) stack(t elfcore.Thread, walked walk) Stack {
	s := Stack{TID: t.TID, Regs: t.Regs, Total: len(walked.steps), End: walked.end.why, Outermost: walked.end.outermost, Smashed: walked.end.smashed}
	s.Overflow = !w.writable(t.Regs.SP())
	for _, k := range fold(walked.steps, w.functionStart) {
		if called := len(s.Frames) - 1; called >= 0 && s.Frames[called].Symbol == sigpanic {
			walked.steps[k.index].exact = true
		}
		f := w.frame(walked.steps[k.index])
		f.Index, f.Repeats = k.index, k.repeats
		if k.index < len(walked.kept) {
			f.regs = walked.kept[k.index]
		}
		s.Frames = append(s.Frames, f)
	}
	return s
}

// ending is why a stack has no more frames.
type ending struct {
	why       string
	outermost bool
	smashed   bool
}

func endsf(format string, args ...any) *ending { return &ending{why: fmt.Sprintf(format, args...)} }

// mostBack is how often a caller's frame may lie no further out than what it called: signal handlers and
// coroutines change stacks, and that a few times.
const mostBack = 64

// walk goes from the innermost frame outwards.
func (w *walker) walk(regs registers) (walked walk) {
	here := step{trust: finding.TrustContext, exact: true}
	back := 0
	for len(walked.steps) < maxFrames {
		here.pc, here.sp = regs.address(w.abi.pc), regs.address(w.abi.sp)
		caller, next, why := w.caller(here, regs)
		here.cfa, here.signal = caller.cfa, caller.signal
		walked.steps = append(walked.steps, here)
		if len(walked.kept) < keptRegisters {
			walked.kept = append(walked.kept, regs)
		}
		if why == nil {
			why = w.tooFar(here, next, &back)
		}
		if why != nil {
			walked.end = *why
			return walked
		}
		here = step{trust: here.inherit(caller.trust), exact: caller.signal}
		regs = next
	}
	walked.end = *endsf("more than %d frames", maxFrames)
	return walked
}

// tooFar is why a walk must not go on, or nil; back counts callers that lie no further out than what they called.
func (w *walker) tooFar(here step, next registers, back *int) *ending {
	if next.address(w.abi.sp) <= here.sp {
		if *back++; *back > mostBack {
			return endsf("the stack leads in a circle: %d callers lie no further out than what they called", *back)
		}
	}
	if w.spend(costOfFrame); w.spent > mostSpent {
		return endsf("unwinding this core takes too long: more than %d operations", mostSpent)
	}
	return nil
}

// inherit is the trust in a frame that was found from this one: a sound step from a guess is a guess.
func (s step) inherit(found finding.Trust) finding.Trust {
	if s.trust.Guessed() && !found.Guessed() {
		return s.trust
	}
	return found
}

// frame names a step.
func (w *walker) frame(s step) Frame {
	f := Frame{PC: s.pc, SP: s.sp, CFA: s.cfa, Trust: s.trust, Signal: s.signal, exact: s.exact}
	if s.signal {
		f.Caught = caught(w.im, s.sp)
		f.Unprovoked = f.Caught.Number == 0 && w.unprovoked(s.sp)
	}
	module, fn, ok := w.im.Function(f.Lookup())
	if module == nil {
		return f
	}
	f.Module, f.Offset = module, module.Offset(f.PC)
	if ok {
		f.Symbol, f.Function = fn.Name, objfile.Readable(fn.Name)
		f.FunctionStart, f.FunctionEnd = place.Address(fn.Start)+module.Bias, place.Address(fn.End)+module.Bias
		f.Into = place.Offset(f.PC - f.FunctionStart)
	}
	if f.Symbol == "" {
		w.stub(&f)
	}
	if module.File != nil {
		w.source(&f, uint64(f.Lookup()-module.Bias))
	}
	return f
}

// stub names an entry of a procedure linkage table, for which no symbol stands, by the function that it leads to.
// Entries begin at multiples of 8, and no jump stands behind an entry's first 16 bytes.
func (w *walker) stub(f *Frame) {
	if f.Module.File == nil {
		return
	}
	for _, start := range []place.Address{f.PC &^ 7, f.PC&^7 - 8} {
		slot, ok := w.machine.Stub(w.im.Bytes(start, disasm.LongestStub), uint64(start))
		if !ok || start < f.FunctionStart {
			continue
		}
		if name, ok := f.Module.File.Import(slot - uint64(f.Module.Bias)); ok {
			f.Symbol, f.Function, f.Stub = name+"@plt", objfile.Readable(name)+"@plt", true
			f.Into = place.Offset(f.PC - start)
			return
		}
	}
}

// source adds what the debug information tells. Where it names no function, and no symbol does, the nearest
// symbol below is better than nothing.
func (w *walker) source(f *Frame, vaddr uint64) {
	if calls := f.Module.File.Source(vaddr); len(calls) > 0 {
		own := calls[len(calls)-1]
		f.File, f.Line, f.Inlined = own.File, own.Line, calls[:len(calls)-1]
		// Link-time optimisation leaves a bare name of what the symbol table has with its classes.
		if bare := own.Function == own.Symbol && !strings.Contains(own.Function, "::"); own.Function != "" && !(bare && mangled(f.Symbol)) {
			f.Function = own.Function
		}
		f.Symbol = cmp.Or(f.Symbol, own.Symbol)
	}
	if f.Function == "" {
		if name, start, ok := f.Module.File.NearestSymbol(vaddr); ok {
			f.Nearest, f.Into = objfile.Readable(name), place.Offset(f.PC-f.Module.Bias)-place.Offset(start)
		}
	}
}

// mangled says whether a symbol is a name of C++ or Rust as linkers know it.
func mangled(symbol string) bool { return objfile.Readable(symbol) != symbol }

// functionStart is the identity of the function at an address; the address itself where it is unknown.
func (w *walker) functionStart(a place.Address) place.Address {
	start, known := w.functions[a]
	if !known {
		start = a
		if module, fn, ok := w.im.Function(a); ok {
			start = place.Address(fn.Start) + module.Bias
		}
		w.functions[a] = start
	}
	return start
}
