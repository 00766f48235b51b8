package main

import (
	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/reading/image"
	"github.com/inquest-project/inquest/internal/reading/unwind"
)

// askOurselves gives every thread's stack as inquest sees it.
func askOurselves(it Item) (map[int]stack, error) {
	core, err := elfcore.Open(it.Core)
	if err != nil {
		return nil, err
	}
	defer core.Close()
	im := image.Open(core, image.Finder{Roots: it.Roots, Loose: []string{it.Program}})
	defer im.Close()
	stacks := map[int]stack{}
	for _, s := range unwind.Threads(im) {
		stacks[s.TID] = fromOurs(s)
	}
	return stacks, nil
}

func fromOurs(s unwind.Stack) stack {
	own := stack{TID: s.TID, End: s.End, Total: s.Total}
	for _, f := range s.Frames {
		own.Frames = append(own.Frames, fromOurFrame(f))
	}
	return own
}

func fromOurFrame(f unwind.Frame) frame {
	own := frame{Index: f.Index, PC: uint64(f.PC), SP: uint64(f.SP), Signal: f.Signal, Trust: string(f.Trust)}
	if f.Module != nil {
		own.Module, own.Offset = f.Module.Path, int64(f.Offset)
	}
	for _, c := range f.Inlined {
		own.Calls = append(own.Calls, call{Function: c.Function, Linkage: c.Symbol, File: c.File, Line: c.Line})
	}
	own.Calls = append(own.Calls, call{Function: f.Function, Linkage: f.Symbol, File: f.File, Line: f.Line})
	return own
}
