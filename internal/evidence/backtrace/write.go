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
			offset := place.Offset(0)
			if f.Offset != nil {
				offset = *f.Offset
			}
			if _, err := fmt.Fprintf(w, "%s %v %s %s\n", column(string(f.BuildID)), offset, column(f.Function), column(f.Module)); err != nil {
				return err
			}
		}
		return nil
	}
	return nil
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
// keeps the outermost.
func kept(frames []Frame) []Frame {
	var all []Frame
	for _, f := range frames {
		if strings.HasPrefix(f.Function, "__libc_start_main") {
			break
		}
		if !f.Inlined {
			all = append(all, f)
		}
	}
	return all[max(0, len(all)-deepest):]
}
