package reasoning

import (
	"slices"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading"
	"github.com/inquest-project/inquest/internal/reading/disasm"
	"github.com/inquest-project/inquest/internal/reading/image"
	"github.com/inquest-project/inquest/internal/reading/unwind"
)

// tellCode adds to each thread the instructions around the one that it was at: where a handler caught the
// signal, the one that was interrupted.
func tellCode(f *finding.Findings, r *reading.Reading) {
	for _, stack := range r.Stacks {
		if len(stack.Frames) == 0 {
			continue
		}
		at := slices.IndexFunc(f.Threads, func(t finding.Thread) bool { return t.TID == stack.TID })
		f.Threads[at].Code = code(r.Image, stack.Frames[stack.Interrupted()])
	}
}

// How many instructions are shown before and behind the one.
const before, behind = 8, 6

// code decodes from the function's beginning, since only from there it is known where instructions begin; where
// that is unknown or far, from the instruction itself.
func code(im *image.Image, f unwind.Frame) (shown []finding.Instruction) {
	const longestFunction = 1 << 20
	machine := disasm.For(im.Core.Machine)
	start := f.FunctionStart
	if start == 0 || start > f.PC || f.PC-start > longestFunction {
		start = f.PC
	}
	bytes := im.Bytes(start, int(f.PC-start)+(behind+1)*machine.Longest)
	left := behind
	for at := start; len(bytes) > 0 && left > 0; {
		i, ok := machine.Decode(bytes, uint64(at))
		line := finding.Instruction{Address: at, Text: i.Text(), Here: at == f.PC}
		if !ok {
			line.Text, i.Len = "(bad)", 1
		}
		if shown = append(shown, line); at > f.PC {
			left--
		} else if len(shown) > before+1 {
			shown = shown[1:]
		}
		bytes, at = bytes[min(i.Len, len(bytes)):], at+place.Address(i.Len)
	}
	return shown
}
