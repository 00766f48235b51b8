package unwind

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/evidence/elftest"
	"github.com/inquest-project/inquest/internal/evidence/objfile"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/image"
	host "github.com/inquest-project/inquest/lab/machine"
)

const (
	libraryAt = 0x7f0000000000
	stackAt   = 0x7ffd00000000
	buildID   = "0123456789abcdefghij"

	// longest is what the unwinder may work on some kilobytes of anything.
	longest = 10 * time.Second
)

// dead is a process that died with a stack, in the middle of a library's text.
func dead(library, stack []byte, pc, fp uint64) []byte {
	return elftest.Process{
		Threads:  []elftest.Thread{{TID: 1, Signal: 11, PC: libraryAt + elftest.Text + pc, SP: stackAt, FP: fp}},
		Mappings: elftest.Mappings("/lib/library.so", libraryAt),
		Memory: append(elftest.Pages(library, libraryAt, nil),
			elftest.Segment{Flags: elftest.RW, Vaddr: stackAt, Data: stack, Size: 1 << 20}),
	}.Core()
}

func openImage(t testing.TB, core, library []byte) *image.Image {
	t.Helper()
	var find image.Finder
	if library != nil {
		find.Loose = []string{filepath.Join(t.TempDir(), "library.so")}
		if err := os.WriteFile(find.Loose[0], library, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := elfcore.Parse("core", core)
	if err != nil {
		t.Fatal(err)
	}
	im := image.Open(parsed, find)
	t.Cleanup(im.Close)
	return im
}

// calls is text made of calls only: behind each 5 bytes a return address may be.
func calls() []byte {
	var text []byte
	for len(text) < 200 {
		text = append(text, 0xe8, 0, 0, 0, 0)
	}
	return text
}

func TestTheMadeLibraryUnwindsByItsTables(t *testing.T) {
	stack := elftest.Words(0, libraryAt+elftest.Text+10, 1, libraryAt+elftest.Text+15, 2, 0)
	library := elftest.Library(buildID, calls(), []byte{0x0e, 16}) // DW_CFA_def_cfa_offset 16
	stacks := Threads(openImage(t, dead(library, stack, 5, 0), library))
	if len(stacks) != 1 || len(stacks[0].Frames) != 3 || stacks[0].Frames[2].Trust != "cfi" {
		t.Fatalf("expected three frames by CFI, found %+v", stacks)
	}
}

// A core names each thread with some hundred bytes, and all may share one stack that fills the file.
func TestThousandsOfThreadsOnOneEndlessStackAreUnwoundInBoundedTime(t *testing.T) {
	var stack []byte
	for len(stack) < 1<<20 {
		stack = append(stack, elftest.Words(libraryAt+elftest.Text+10)...)
	}
	library := elftest.Library(buildID, calls(), nil) // frames of nothing but a return address
	process := elftest.Process{Mappings: elftest.Mappings("/lib/library.so", libraryAt),
		Memory: append(elftest.Pages(library, libraryAt, nil), elftest.Segment{Flags: elftest.RW, Vaddr: stackAt, Data: stack})}
	for tid := range uint32(3000) {
		process.Threads = append(process.Threads, elftest.Thread{TID: tid + 1, PC: libraryAt + elftest.Text + 5, SP: stackAt})
	}
	begin := host.Worked()
	stacks := Threads(openImage(t, process.Core(), library))
	total := 0
	for _, s := range stacks {
		total += s.Total
		touch(t, nil, s)
	}
	if took := host.Worked() - begin; len(stacks) != 3000 || total < 1<<20 || total > mostSpent/costOfFrame+2*3000 || took > longest {
		t.Errorf("%d threads, %d frames, %v", len(stacks), total, took)
	}
}

// Tables can hold programs, and each frame may need another one's result.
func TestTablesThatComputeForLongAreRunForABoundedTime(t *testing.T) {
	code := []byte{}
	for range 900 {
		code = append(code, 0x96) // DW_OP_nop
	}
	code = append(code, 0x77, 9) // and the CFA is rsp+9
	cfi := append([]byte{0x0f, byte(len(code)&0x7f | 0x80), byte(len(code) >> 7)}, code...)
	cfi = append(cfi, 0x16, 16, 12, 0x03) // DW_CFA_val_expression of the return address: DW_OP_addr
	cfi = append(append(cfi, elftest.Words(libraryAt+elftest.Text+10)...), 0x96, 0x96, 0x96)
	library := elftest.Library(buildID, calls(), cfi)
	begin := host.Worked()
	s := Threads(openImage(t, dead(library, make([]byte, 1<<20), 5, 0), library))[0]
	if took := host.Worked() - begin; s.Total < 1000 || took > longest {
		t.Errorf("%d frames until %q took %v", s.Total, s.End, took)
	}
}

// FuzzThreads unwinds any stack by any unwind table through any code. What is known of half the stack must
// not be contradicted by the whole: the unwinder makes nothing up for what it doesn't know.
func FuzzThreads(f *testing.F) {
	back := elftest.Words(0, libraryAt+elftest.Text+10, stackAt+40, libraryAt+elftest.Text+15, 2, 0, 3, libraryAt+elftest.Text+20)
	f.Add([]byte{0x0e, 16}, calls(), back, uint16(5), uint64(0))
	f.Add([]byte{}, calls(), back, uint16(0), uint64(stackAt+16))
	f.Add([]byte{0x0f, 3, 0x77, 16, 0x96}, calls(), back, uint16(5), uint64(0))                                               // CFA by DW_OP_breg7 16
	f.Add([]byte{0x0f, 4, 0x77, 8, 0x06, 0x96, 0x10, 16, 2, 0x77, 8}, calls(), back, uint16(5), uint64(0))                    // a dereferenced CFA
	f.Add([]byte{0x0a, 0x0b, 0x41, 0x0e, 16, 0xc6, 0x07, 16}, calls(), back, uint16(5), uint64(0))                            // remember, restore, undefined
	f.Add([]byte{0x0f, 3, 0x2f, 0xfd, 0xff}, calls(), back, uint16(5), uint64(0))                                             // DW_OP_skip to itself
	f.Add([]byte{}, []byte("\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05"), append(make([]byte, 160), back...), uint16(0), uint64(0)) // a trampoline
	f.Add([]byte{0x0e, 16}, calls(), elftest.Words(0x41414141, 0x41414141, 0x41414141), uint16(5), uint64(0x41414141))
	f.Fuzz(func(t *testing.T, cfi, text, stack []byte, pc uint16, fp uint64) {
		if len(text) > 4096 || len(cfi) > 2048 || len(stack) > 64<<10 {
			return // a page each
		}
		library := elftest.Library(buildID, text, cfi)
		begin := host.Worked()
		im := openImage(t, dead(library, stack, uint64(pc), fp), library)
		whole := Threads(im)[0]
		touch(t, im, whole)
		sure := map[[2]place.Address]bool{}
		for _, fr := range whole.Frames {
			sure[[2]place.Address{fr.PC, fr.SP}] = true
		}
		cut := openImage(t, dead(library, stack[:len(stack)/2], uint64(pc), fp), library)
		for _, fr := range Threads(cut)[0].Frames {
			if !fr.Trust.Guessed() && !sure[[2]place.Address{fr.PC, fr.SP}] {
				t.Errorf("half the stack has frame %d at %v, the whole has not", fr.Index, fr.PC)
			}
		}
		if took := host.Worked() - begin; took > longest {
			t.Errorf("%d bytes of stack took %v", len(stack), took)
		}
	})
}

// touch asks a stack everything and holds what must be true of it.
func touch(t *testing.T, im *image.Image, s Stack) {
	lo, hi := s.LiveRange()
	if hi < lo || s.Total > maxFrames || len(s.Frames) > s.Total || s.End == "" {
		t.Fatalf("%d of %d frames from %v to %v, because %q", len(s.Frames), s.Total, lo, hi, s.End)
	}
	last := -1
	for _, fr := range s.Frames {
		if fr.Index <= last || fr.Index >= s.Total {
			t.Fatalf("frame %d of %d stands behind frame %d", fr.Index, s.Total, last)
		}
		last = fr.Index
		for n := -1; n <= regCount; n++ {
			fr.Reg(n)
		}
		if im != nil {
			im.Function(fr.Lookup())
		}
		if fr.Module != nil && (fr.Lookup() < fr.Module.Start || fr.Lookup() >= fr.Module.End) {
			t.Fatalf("%v is not in %s", fr.Lookup(), fr.Module.Name)
		}
	}
}

// FuzzExpression evaluates any DWARF expression over memory of which half is known, and of which all is:
// what came out of the half must come out of the whole.
func FuzzExpression(f *testing.F) {
	memory := elftest.Words(stackAt+16, 2, 3, 4)
	for _, code := range [][]byte{
		{0x77, 0x08, 0x06},                   // the word at rsp+8
		{0x77, 0x10, 0x06, 0x06},             // through unknown memory
		{0x33, 0x34, 0x22, 0x16},             // underflow
		{0x31, 0x28, 0xfc, 0xff},             // round and round
		{0x2f, 0x00, 0x80},                   // far back
		{0x31, 0x12, 0x12, 0x15, 0xff},       // pick from too deep
		{0x10, 0xff, 0xff, 0xff, 0xff, 0xff}, // a number without an end
		{0x92, 0x07, 0x00, 0x11, 0x7f, 0x24, 0x31, 0x26, 0x2d},
	} {
		f.Add(code, memory, uint64(1))
	}
	f.Fuzz(func(t *testing.T, code, memory []byte, initial uint64) {
		if len(memory) > 4096 {
			return
		}
		evaluate := func(known []byte) (uint64, bool) {
			regs := registers{}
			regs.set(amd64.sp, stackAt)
			e := evaluation{im: openImage(t, dead(nothing, known, 0, 0), nil), regs: &regs, spent: new(int)}
			return e.expression(code, initial)
		}
		begin := host.Worked()
		half, ok := evaluate(memory[:len(memory)/2])
		whole, known := evaluate(memory)
		if ok && (!known || half != whole) {
			t.Errorf("half the memory makes %d, the whole makes %d (%v)", half, whole, known)
		}
		if took := host.Worked() - begin; took > longest {
			t.Errorf("%d bytes of code took %v", len(code), took)
		}
	})
}

// nothing is a library's first page, empty.
var nothing = make([]byte, 4096)

// FuzzRow runs any call frame instructions; a row that comes out must be of registers that exist.
func FuzzRow(f *testing.F) {
	f.Add([]byte("\x0c\x07\x08\x90\x01"), []byte("\x41\x0e\x10\x86\x02\x43\x0d\x06"), uint64(20), uint64(1), int64(-8), amd64.pc)
	f.Add([]byte("\x0c\x07\x08"), []byte("\x0a\x0a\x0b\x0b\x0b"), uint64(20), uint64(1), int64(-8), amd64.pc)
	f.Add([]byte("\x0f\xff\xff\xff\xff\x0f"), []byte("\x10\x10\x01"), uint64(20), uint64(1)<<63, int64(-1)<<63, amd64.pc)
	f.Add([]byte("\x0d\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), []byte{}, uint64(0), uint64(0), int64(0), amd64.pc)
	f.Add([]byte("\x0c\x07\x08"), []byte{}, uint64(0), uint64(1), int64(-8), -1) // an ULEB128 of 2^64-1
	regs := registers{}
	regs.set(amd64.sp, stackAt)
	f.Fuzz(func(t *testing.T, initial, instructions []byte, vaddr, codeAlign uint64, dataAlign int64, returnRegister int) {
		fde := &objfile.FDE{Start: 0, End: 1 << 20, Instructions: instructions,
			CIE: objfile.CIE{CodeAlign: codeAlign, DataAlign: dataAlign, ReturnRegister: returnRegister, Instructions: initial}}
		r := rowAt(fde, vaddr)
		if r == nil {
			return
		}
		im := openImage(t, dead(nothing, elftest.Words(1, 2, 3, 4), 0, 0), nil)
		next, cfa, end := newWalker(im).apply(r, step{sp: stackAt}, regs)
		if pc, known := next.get(amd64.pc); end == nil && (!known || pc == 0 || cfa <= stackAt && !r.signal) {
			t.Errorf("a caller at %v with a stack up to %v", place.Address(pc), cfa)
		}
	})
}
