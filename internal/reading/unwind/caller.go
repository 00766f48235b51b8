package unwind

import (
	"bytes"
	"debug/elf"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/disasm"
)

// found is how a frame's caller was found.
type found struct {
	trust  finding.Trust
	cfa    place.Address
	signal bool // the frame is a signal handler's trampoline
}

// caller finds the frame that called the one at here: by the trampoline's code, by tables, by the call itself, by link
// register, by frame pointer, by scan. The order is that of certainty; the first that applies decides.
func (w *walker) caller(here step, regs registers) (found, registers, *ending) {
	if !w.im.Code(here.pc) {
		return w.fromNowhere(here, regs)
	}
	if w.endsContext(here.pc) {
		return found{cfa: here.sp}, registers{}, &ending{why: "the outermost frame: a context of makecontext(3) ends there", outermost: true}
	}
	if next, ok := w.throughTrampoline(here); ok {
		return found{finding.TrustCFI, here.sp, true}, next, nil
	}
	r := w.row(here.lookup())
	if w.isTrampoline(here.pc) && (r == nil || !r.signal) {
		return found{}, registers{}, endsf("the registers that the kernel saved for the signal handler are not in the core")
	}
	if r != nil {
		next, cfa, end := w.apply(r, here, regs)
		if end != nil || w.plausible(here, next) {
			return found{finding.TrustCFI, cfa, r.signal}, next, end
		}
	}
	for _, guess := range []struct {
		trust finding.Trust
		by    func() (registers, bool)
	}{
		{finding.TrustCall, func() (registers, bool) { return w.byCallOnTop(here, regs) }},
		{finding.TrustLinkRegister, func() (registers, bool) { return w.byLinkRegister(here, regs) }},
		{finding.TrustScan, func() (registers, bool) { return w.generated(here, regs) }},
		{finding.TrustFramePointer, func() (registers, bool) { return w.byFramePointer(here, regs) }},
		{finding.TrustScan, func() (registers, bool) { return w.byScan(here, scanWords) }},
	} {
		if next, ok := guess.by(); ok {
			return found{trust: guess.trust, cfa: next.address(w.abi.sp)}, next, nil
		}
	}
	return found{}, registers{}, w.noCaller(here)
}

func (w *walker) noCaller(here step) *ending {
	m := w.im.Module(here.pc)
	switch {
	case m == nil:
		return endsf("no unwind table and no return address found for code at %v, outside all modules", here.pc)
	case m.File == nil:
		return endsf("the binary of %s is missing, and no return address was found by its call", m.Name)
	}
	if w.row(here.lookup()) != nil {
		return endsf("the unwind table of %s leads to what follows no call; without a build ID it may be another build's", m.Name)
	}
	return endsf("no unwind table covers %v in %s, and no return address was found", here.pc, m.Name)
}

// plausible asks for proof where the tables are of a file that was taken without a build ID: the return
// address must follow a call. Tables of another build would hardly lead to one.
func (w *walker) plausible(here step, next registers) bool {
	if m := w.im.Module(here.pc); m == nil || m.Verified {
		return true
	}
	pc := next.address(w.abi.pc)
	return w.canReturnTo(pc) == yes || w.isOutermost(pc)
}

// fromNowhere is for a jump to where no code is: through a null or junk pointer, or by a smashed return
// address. A call has left its return address on top of the stack, or in the link register; more can't be
// said.
func (w *walker) fromNowhere(here step, regs registers) (found, registers, *ending) {
	if !here.exact {
		return found{}, registers{}, &ending{why: "the saved return address is " + here.pc.String() + ", which is no code", smashed: true}
	}
	if next, trust, ok := w.justCalled(here, regs); ok {
		return found{trust: trust, cfa: next.address(w.abi.sp)}, next, nil
	}
	if next, ok := w.whoReturned(here); ok {
		return found{trust: finding.TrustScan, cfa: here.sp}, next, nil
	}
	return found{}, registers{}, &ending{why: "the program counter " + here.pc.String() + " is no code, and no call led there", smashed: true}
}

// justCalled is the caller right behind its call: that was the last thing that happened, so its registers
// stand. It is no guess if by them the call leads to where control is.
func (w *walker) justCalled(here step, regs registers) (next registers, trust finding.Trust, ok bool) {
	top, ok := w.byScan(here, 1)
	if w.abi.link >= 0 {
		top, ok = w.byLinkRegister(here, regs)
	}
	if !ok {
		return next, "", false
	}
	next = regs
	next.set(w.abi.pc, uint64(top.address(w.abi.pc)))
	next.set(w.abi.sp, uint64(top.address(w.abi.sp)))
	if to, known := w.calls(next); known && to == here.pc {
		return next, finding.TrustCall, true
	}
	return next, finding.TrustScan, true
}

// byCallOnTop is for code without tables that has not moved the stack pointer yet, or never does: the return address on
// top is that of the call which, by its registers, led to shortly before where control is. At a return it is what control
// goes to next.
func (w *walker) byCallOnTop(here step, regs registers) (next registers, ok bool) {
	const furthest = 4096 // into a function
	if !here.exact || w.abi.link >= 0 {
		return next, false
	}
	next, _, ok = w.justCalled(here, regs)
	if !ok {
		return next, false
	}
	to, known := w.calls(next)
	return next, w.atReturn(here.pc) || known && to <= here.pc && here.pc-to < furthest
}

// atReturn says whether the next instruction returns.
func (w *walker) atReturn(pc place.Address) bool {
	const longest = 15
	i, ok := w.machine.Decode(w.im.Bytes(pc, longest), uint64(pc))
	return ok && i.Flow == disasm.Returns
}

// generated is for code that no file is behind: compilers at run time seldom keep a frame pointer. If the return
// address is on top, nothing was pushed, and the registers are likely the caller's.
func (w *walker) generated(here step, regs registers) (next registers, ok bool) {
	if !here.exact || w.im.Module(here.pc) != nil {
		return next, false
	}
	next, _, ok = w.justCalled(here, regs)
	return next, ok
}

// calls is where the call before a return address leads, by the registers behind it.
func (w *walker) calls(regs registers) (place.Address, bool) {
	back := regs.address(w.abi.pc)
	before := make([]byte, w.machine.LongestCall())
	if w.im.Read(back-place.Address(len(before)), before) < len(before) {
		return 0, false
	}
	i, ok := w.machine.CallBefore(before, uint64(back))
	if !ok {
		return 0, false
	}
	if i.Direct {
		return place.Address(i.Target), true
	}
	to, ok := i.Goes(regs.get, func(a uint64) (uint64, bool) { return w.im.Uint64(place.Address(a)) })
	return place.Address(to), ok
}

// byLinkRegister takes the return address that a call has left in its register. It is the caller's only in the
// innermost frame, and there only until the function makes a call of its own, which then stands in it.
func (w *walker) byLinkRegister(here step, regs registers) (next registers, ok bool) {
	back, known := regs.get(w.abi.link)
	pc := w.unsigned(back)
	if !known || !here.exact || w.followsCall(pc) == no || w.im.Code(here.pc) && w.functionStart(pc-1) == w.functionStart(here.pc) {
		return next, false
	}
	next = regs
	next.set(w.abi.pc, uint64(pc))
	return next, true
}

// unsigned is a return address without the signature that aarch64 puts into its upper bits (Arm Architecture
// Reference Manual, section D8.10). The core says which bits these are; else they are those that no user's
// address has. What is no code without it either was no signed address, and is left as it is.
func (w *walker) unsigned(v uint64) place.Address {
	mask := w.im.Core.PACMask
	if mask == 0 && w.abi.pointerBits < 64 {
		mask = ^uint64(0) << w.abi.pointerBits
	}
	if plain := place.Address(v &^ mask); w.im.Code(plain) {
		return plain
	}
	return place.Address(v)
}

// whoReturned finds the function that has just returned to where no code is. Its frame lies right below the
// stack pointer, still as it was when the function made its last call: the return address of that call stands
// at the frame's bottom, and the tables say that a frame which made a call there would end where the stack
// pointer is now. What the frame held above has been overrun, so the walk can go no further.
func (w *walker) whoReturned(here step) (next registers, ok bool) {
	const largestFrame = 64 << 10
	if w.abi.link >= 0 {
		return next, false
	}
	if taken, known := w.im.Uint64(here.sp - 8); !known || place.Address(taken) != here.pc {
		return next, false
	}
	for at := here.sp - 16; here.sp-at < largestFrame; at -= 8 {
		back, known := w.im.Uint64(at)
		if !known {
			return next, false
		}
		w.spend(costOfWord)
		if w.followsCall(place.Address(back)) != yes {
			continue
		}
		if r := w.row(place.Address(back) - 1); r != nil && w.endsAt(r, at, here.sp) {
			next.set(w.abi.pc, back)
			next.set(w.abi.sp, uint64(at+8))
			return next, true
		}
	}
	return next, false
}

// longestPrologue is how far into a function its first jump or call is looked for, in bytes. What a symbol
// claims to be the function may be all there is.
const longestPrologue = 4096

// endsAt says whether a frame whose last call's return address stands at an address ends at sp. Where the
// tables count from the frame pointer, which is lost, the function's own beginning says how large its frame is.
func (w *walker) endsAt(r *row, at, sp place.Address) bool {
	bottom := at + 8
	if r.cfa.kind != inRegister {
		return false
	}
	switch r.cfa.register {
	case w.abi.sp:
		return bottom.Add(r.cfa.offset) == sp
	case w.abi.fp:
		back, _ := w.im.Uint64(at)
		start := w.functionStart(place.Address(back) - 1)
		prologue := min(place.Address(back)-start, longestPrologue)
		size := w.machine.FrameSize(w.im.Bytes(start, int(prologue)))
		return bottom+place.Address(size)+8 == sp // 8: the function's own return address
	}
	return false
}

// byFramePointer follows the chain that code compiled with frame pointers keeps: the caller's frame
// pointer, and above it the return address.
func (w *walker) byFramePointer(here step, regs registers) (next registers, ok bool) {
	const farthest = 16 << 20
	fp, known := regs.get(w.abi.fp)
	if !known || fp%8 != 0 || fp < uint64(here.sp) || fp-uint64(here.sp) > farthest {
		return next, false
	}
	saved, ok1 := w.im.Uint64(place.Address(fp))
	back, ok2 := w.im.Uint64(place.Address(fp + 8))
	pc := w.unsigned(back)
	if !ok1 || !ok2 || w.canReturnTo(pc) == no {
		return next, false
	}
	next.set(w.abi.fp, saved)
	next.set(w.abi.sp, fp+16)
	next.set(w.abi.pc, uint64(pc))
	return next, true
}

// scanWords is how far up a scan looks: 8 KiB hold the locals of most functions.
const scanWords = 1024

// byScan takes the first word on the stack that is an address behind a call.
func (w *walker) byScan(here step, words int) (next registers, ok bool) {
	at := (here.sp + 7) &^ 7
	for range words {
		word, known := w.im.Uint64(at)
		if !known {
			return next, false
		}
		at += 8
		w.spend(costOfWord)
		if pc := w.unsigned(word); w.canReturnTo(pc) == yes {
			next.set(w.abi.pc, uint64(pc))
			next.set(w.abi.sp, uint64(at))
			return next, true
		}
	}
	return next, false
}

type answer int

const (
	no answer = iota
	yes
	unknown // the code is not known
)

// followsCall says whether a can be a return address: code, behind a call.
func (w *walker) followsCall(a place.Address) answer {
	if !w.im.Code(a) || !w.im.Code(a-1) {
		return no
	}
	before := make([]byte, w.machine.LongestCall())
	if w.im.Read(a-place.Address(len(before)), before) < len(before) {
		return unknown
	}
	if _, ok := w.machine.CallBefore(before, uint64(a)); ok {
		return yes
	}
	return no
}

// canReturnTo says whether a can be a return address: behind a call, or a signal's trampoline, which the kernel
// lets a handler return to.
func (w *walker) canReturnTo(a place.Address) answer {
	if is := w.followsCall(a); is != no {
		return is
	}
	if r := w.rowOfFirst(a); w.isTrampoline(a) || r != nil && r.signal {
		return yes
	}
	return no
}

// isOutermost says whether a is the first instruction of what nothing calls: makecontext(3) lets its function
// return there. Pointers to such code, as to a program's entry, lie on stacks for other reasons, too.
func (w *walker) isOutermost(a place.Address) bool {
	r := w.rowOfFirst(a)
	return r != nil && r.regs[r.column].kind == undefined || w.endsContext(a)
}

// endsContext knows where makecontext's function returns by the code. The unwind table (of Debian 12's glibc
// 2.36) takes the context to go on to, which lies there, for a return address.
func (w *walker) endsContext(a place.Address) bool {
	code := make([]byte, len(w.abi.contextEnd))
	return w.im.Read(a, code) == len(code) && bytes.Equal(code, w.abi.contextEnd) && w.rowOfFirst(a) != nil
}

// rowOfFirst is the row for a, if an entry of the unwind tables begins there; else nil.
func (w *walker) rowOfFirst(a place.Address) *row {
	m := w.im.Module(a)
	if m == nil || m.File == nil || !w.im.Code(a) {
		return nil
	}
	if fde, ok := m.File.CFI(uint64(a - m.Bias)); !ok || fde.Start != uint64(a-m.Bias) {
		return nil
	}
	return w.row(a)
}

func (w *walker) writable(a place.Address) bool {
	flags, ok := w.im.Flags(a)
	return ok && flags&elf.PF_W != 0
}

// isTrampoline says whether the code at a is what a signal handler returns to.
func (w *walker) isTrampoline(a place.Address) bool {
	const longest = 9
	code := make([]byte, longest)
	code = code[:w.im.Read(a, code)]
	for _, t := range w.abi.trampolines {
		if bytes.HasPrefix(code, t) {
			return true
		}
	}
	return false
}

// throughTrampoline takes the interrupted registers from the frame that the kernel built for the signal
// handler.
func (w *walker) throughTrampoline(here step) (next registers, ok bool) {
	if !w.isTrampoline(here.pc) {
		return next, false
	}
	for i, n := range w.abi.saved.order {
		v, known := w.im.Uint64(here.sp + w.abi.saved.offset + place.Address(8*i))
		if !known {
			return next, false
		}
		next.set(n, v)
	}
	return next, true
}
