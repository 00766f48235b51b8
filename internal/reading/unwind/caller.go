package unwind

import (
	"bytes"
	"debug/elf"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// found is how a frame's caller was found.
type found struct {
	trust  finding.Trust
	cfa    place.Address
	signal bool // the frame is a signal handler's trampoline
}

// caller finds the frame that called the one at here: by tables, by the trampoline's code, by frame
// pointer, by scan. The order is that of certainty; the first that applies decides.
func (w *walker) caller(here step, regs registers) (found, registers, *ending) {
	if !w.im.Code(here.pc) {
		return w.fromNowhere(here, regs)
	}
	if r := w.row(here.lookup()); r != nil {
		next, cfa, end := w.apply(r, here, regs)
		if end != nil || w.plausible(here, next) {
			return found{finding.TrustCFI, cfa, r.signal}, next, end
		}
	}
	if next, ok := w.throughTrampoline(here); ok {
		return found{finding.TrustCFI, here.sp, true}, next, nil
	}
	if next, ok := w.byFramePointer(here, regs); ok {
		return found{trust: finding.TrustFramePointer, cfa: next.address(regSP)}, next, nil
	}
	if next, ok := w.byScan(here, scanWords); ok {
		return found{trust: finding.TrustScan, cfa: next.address(regSP)}, next, nil
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
	return endsf("no unwind table covers %v in %s, and no return address was found", here.pc, m.Name)
}

// plausible asks for proof where a file was taken without a build ID: the return address must follow a
// call. Tables of another build would hardly lead to one.
func (w *walker) plausible(here step, next registers) bool {
	pc := next.address(regPC)
	for _, a := range []place.Address{here.pc, pc} {
		if m := w.im.Module(a); m != nil && !m.Verified {
			return w.followsCall(pc) == yes || w.isTrampoline(pc)
		}
	}
	return true
}

// fromNowhere is for a jump to where no code is: through a null or junk pointer, or by a smashed return
// address. A call has left its return address on top of the stack; more can't be said.
func (w *walker) fromNowhere(here step, regs registers) (found, registers, *ending) {
	if next, ok := w.byScan(here, 1); ok && here.trust == finding.TrustContext {
		for n := range regCount { // the call was the last thing that happened: the caller's registers stand
			if v, ok := regs.get(n); ok && n != regSP && n != regPC {
				next.set(n, v)
			}
		}
		return found{trust: finding.TrustScan, cfa: next.address(regSP)}, next, nil
	}
	if next, ok := w.whoReturned(here); ok && here.trust == finding.TrustContext {
		return found{trust: finding.TrustScan, cfa: here.sp}, next, nil
	}
	if here.trust == finding.TrustContext {
		return found{}, registers{}, &ending{why: "the program counter " + here.pc.String() + " is no code, and no call led there", smashed: true}
	}
	return found{}, registers{}, &ending{why: "the saved return address is " + here.pc.String() + ", which is no code", smashed: true}
}

// whoReturned finds the function that has just returned to where no code is. Its frame lies right below the
// stack pointer, still as it was when the function made its last call: the return address of that call stands
// at the frame's bottom, and the tables say that a frame which made a call there would end where the stack
// pointer is now. What the frame held above has been overrun, so the walk can go no further.
func (w *walker) whoReturned(here step) (next registers, ok bool) {
	const largestFrame = 64 << 10
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
			next.set(regPC, back)
			next.set(regSP, uint64(at+8))
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
	case regSP:
		return bottom.Add(r.cfa.offset) == sp
	case regFP:
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
	fp, known := regs.get(regFP)
	if !known || fp%8 != 0 || fp < uint64(here.sp) || fp-uint64(here.sp) > farthest {
		return next, false
	}
	saved, ok1 := w.im.Uint64(place.Address(fp))
	pc, ok2 := w.im.Uint64(place.Address(fp + 8))
	if !ok1 || !ok2 || w.followsCall(place.Address(pc)) == no {
		return next, false
	}
	next.set(regFP, saved)
	next.set(regSP, fp+16)
	next.set(regPC, pc)
	return next, true
}

// scanWords is how far up a scan looks: 8 KiB hold the locals of most functions.
const scanWords = 1024

// byScan takes the first word on the stack that is an address behind a call.
func (w *walker) byScan(here step, words int) (next registers, ok bool) {
	at := (here.sp + 7) &^ 7
	for range words {
		pc, known := w.im.Uint64(at)
		if !known {
			return next, false
		}
		at += 8
		w.spend(costOfWord)
		if w.followsCall(place.Address(pc)) == yes {
			next.set(regPC, pc)
			next.set(regSP, uint64(at))
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

func (w *walker) writable(a place.Address) bool {
	flags, ok := w.im.Flags(a)
	return ok && flags&elf.PF_W != 0
}

// trampoline is the code that a signal handler returns to: mov $15,%eax (or %rax); syscall, which is
// rt_sigreturn. The C library gives the kernel its address. musl's has no unwind table.
var trampolines = [][]byte{
	{0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05},
	{0xb8, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05},
}

func (w *walker) isTrampoline(a place.Address) bool {
	code := make([]byte, len(trampolines[0]))
	code = code[:w.im.Read(a, code)]
	for _, t := range trampolines {
		if bytes.HasPrefix(code, t) {
			return true
		}
	}
	return false
}

// savedOrder is the order of the registers in the kernel's struct sigcontext (asm/sigcontext.h), by DWARF
// number: r8 to r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip.
var savedOrder = [...]int{8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7, 16}

// throughTrampoline takes the interrupted registers from the frame that the kernel built for the signal
// handler: struct rt_sigframe, of which ucontext stands at the stack pointer, with struct sigcontext 40
// bytes into it.
func (w *walker) throughTrampoline(here step) (next registers, ok bool) {
	const toContext = 40
	if !w.isTrampoline(here.pc) {
		return next, false
	}
	for i, n := range savedOrder {
		v, known := w.im.Uint64(here.sp + toContext + place.Address(8*i))
		if !known {
			return next, false
		}
		next.set(n, v)
	}
	return next, true
}
