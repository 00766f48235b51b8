package backtrace

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/place"
)

// WriteABRT writes the stack that died as abrt's core_backtrace, four columns a line. An inlined frame has no
// place of its own there.
func (t *Trace) WriteABRT(w io.Writer) error {
	for _, th := range t.Threads {
		if !th.Crashed {
			continue
		}
		for _, f := range kept(th.Frames) {
			if _, err := fmt.Fprintf(w, "%s %v %s %s\n", column(string(f.BuildID)), offsetOrPC(f), column(f.Function), column(f.Module)); err != nil {
				return err
			}
		}
		return nil
	}
	return nil
}

// offsetOrPC is what abrt puts into its second column where it knows no module: the address.
func offsetOrPC(f Frame) place.Offset {
	if f.Offset != nil {
		return *f.Offset
	}
	return place.Offset(*f.PC)
}

// column is a text without the spaces that would end it.
func column(text string) string {
	if text == "" {
		return "-"
	}
	return strings.Join(strings.Fields(text), "_")
}

// WriteJSON writes all stacks as abrt's core_backtrace in JSON.
func (t *Trace) WriteJSON(w io.Writer) error {
	r := report{Signal: t.Signal, Executable: t.Executable, Stacktrace: []jsonThread{}}
	for _, th := range t.Threads {
		jt := jsonThread{Crash: th.Crashed}
		for _, f := range kept(th.Frames) {
			jt.Frames = append(jt.Frames, jsonFrame{
				Address: (*uint64)(f.PC), BuildID: string(f.BuildID), Offset: (*uint64)(f.Offset), Function: f.Function, Module: f.Module,
			})
		}
		r.Stacktrace = append(r.Stacktrace, jt)
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// kept are the frames that abrt tells of: what calls main is everybody's, and of a stack that is too deep it
// keeps the outermost. A frame that has no place is left out.
func kept(frames []Frame) []Frame {
	var all []Frame
	for i, f := range frames {
		if strings.HasPrefix(f.Function, "__libc_start_main") {
			break
		}
		if i > 0 && frames[i-1].Inlined && f.PC == nil {
			f.PC = frames[i-1].PC
		}
		if !f.Inlined && (f.Offset != nil || f.PC != nil) {
			all = append(all, f)
		}
	}
	return all[max(0, len(all)-deepest):]
}
