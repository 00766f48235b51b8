package backtrace

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/cursor"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// abrtJSON is satyr's core stacktrace, or a uReport that holds one.
var abrtJSON = regexp.MustCompile(`(?s)\A\s*\{.*"stacktrace"\s*:\s*\[`)

// report is core_backtrace as JSON: all numbers are decimal. In a uReport it is the problem.
type report struct {
	Signal     int          `json:"signal"`
	Executable string       `json:"executable,omitempty"`
	OnlyCrash  bool         `json:"only_crash_thread,omitempty"`
	Stacktrace []jsonThread `json:"stacktrace"`
	Problem    *report      `json:"problem,omitempty"`
}

// jsonThread may be empty: a thread that could not be unwound.
type jsonThread struct {
	Crash  bool        `json:"crash_thread,omitempty"`
	Frames []jsonFrame `json:"frames,omitempty"`
}

type jsonFrame struct {
	Address  *uint64 `json:"address,omitempty"`
	BuildID  string  `json:"build_id,omitempty"`
	Offset   *uint64 `json:"build_id_offset,omitempty"` // from the module's start
	Function string  `json:"function_name,omitempty"`
	Module   string  `json:"file_name,omitempty"`
}

func (t *Trace) readJSON() error {
	var r report
	err := json.Unmarshal([]byte(t.text), &r)
	if mistyped := new(json.UnmarshalTypeError); errors.As(err, &mistyped) {
		t.damaged(mistyped.Offset, fmt.Sprintf("expected %s to be a %v, found a %s", mistyped.Field, mistyped.Type, mistyped.Value))
	} else if err != nil {
		return &cursor.Error{Part: t.Name, Offset: jsonOffset(err), Problem: "expected abrt's core_backtrace as whole JSON, found: " + err.Error()}
	}
	if r.Problem != nil {
		r = *r.Problem
	}
	t.Signal, t.Executable = r.Signal, r.Executable
	for _, jt := range r.Stacktrace {
		th := Thread{Crashed: jt.Crash || r.OnlyCrash && len(r.Stacktrace) == 1}
		for _, jf := range jt.Frames {
			th.Frames = append(th.Frames, jf.frame())
		}
		t.Threads = append(t.Threads, th)
	}
	t.noticeDepth()
	return nil
}

func jsonOffset(err error) int64 {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return syntax.Offset
	}
	return 0
}

// hexadecimal is a build ID: it becomes part of paths.
var hexadecimal = regexp.MustCompile(`^[0-9a-f]{16,64}$`)

func (jf jsonFrame) frame() Frame {
	f := Frame{Function: jf.Function, Module: jf.Module}
	if f.Function == "??" || f.Function == "--" {
		f.Function = ""
	}
	if id := strings.ToLower(jf.BuildID); hexadecimal.MatchString(id) {
		f.BuildID = place.BuildID(id)
	}
	if jf.Address != nil {
		pc := place.Address(*jf.Address)
		f.PC = &pc
	}
	if jf.Offset != nil {
		offset := place.Offset(*jf.Offset)
		f.Offset = &offset
	}
	return f
}
