package backtrace

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/place"
)

// Named is what was found out about a frame: of what is empty nothing is known.
type Named struct {
	Function string
	Into     *place.Offset // from the function's start
	Module   string
	File     string
	Line     int
	Inlined  []Call // functions whose code stood here, innermost first
}

// Call is a place in a source.
type Call struct {
	Function string `json:"function,omitempty"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
}

// Rewrite prints the trace in the form it came in, with what is now known of its frames: names are by thread
// and frame. What was printed stays, and lines of which nothing is known stay as they were.
func (t *Trace) Rewrite(names [][]Named) ([]byte, error) {
	if t.Form == ABRTJSON {
		return t.rewriteJSON(names)
	}
	var out bytes.Buffer
	done := 0
	upTo := func(at int) {
		out.WriteString(t.text[done:max(done, at)])
		done = max(done, at)
	}
	for i, th := range t.Threads {
		for j, f := range th.Frames {
			n := names[i][j]
			if n.Function == "" || f.slot.from < done {
				continue
			}
			upTo(1 + strings.LastIndexByte(t.text[:f.slot.from], '\n'))
			if f.File == "" {
				out.WriteString(inlinedLines(n.Inlined))
			}
			upTo(f.slot.from)
			out.WriteString(t.name(f, n))
			done = f.slot.to
			upTo(f.end)
			out.WriteString(t.behind(f, n))
		}
	}
	upTo(len(t.text))
	return out.Bytes(), nil
}

func inlinedLines(calls []Call) string {
	var b strings.Builder
	for _, c := range calls {
		fmt.Fprintf(&b, "    inlined: %s%s\n", c.Function, at(c.File, c.Line))
	}
	return b.String()
}

func at(file string, line int) string {
	if file == "" {
		return ""
	}
	return fmt.Sprintf(" at %s:%d", file, line)
}

// name is what stands in the name's place now.
func (t *Trace) name(f Frame, n Named) string {
	printed := t.text[f.slot.from:f.slot.to]
	switch {
	case f.Function != "":
		return printed
	case t.Form == Handler && t.text[max(0, f.slot.from-1)] == '(':
		return n.Function + into(n)
	case t.Form == Handler:
		return "(" + n.Function + into(n) + ")"
	case printed == "":
		return " " + n.Function
	}
	return n.Function
}

func into(n Named) string {
	if n.Into == nil {
		return ""
	}
	return "+" + n.Into.String()
}

// behind is what is told behind the frame's text. abrt ignores what follows the module.
func (t *Trace) behind(f Frame, n Named) string {
	switch {
	case t.Form == ABRT:
		return t.module(f, n) + " " + into(n) + at(n.File, n.Line)
	case f.File != "":
		return ""
	case n.File == "" && t.Form == Handler:
		return ""
	case n.File == "":
		return " " + into(n)
	case t.Form == EUStack:
		return fmt.Sprintf("\n    %s:%d", n.File, n.Line)
	}
	return at(n.File, n.Line)
}

// module fills abrt's fourth column, which may be absent.
func (t *Trace) module(f Frame, n Named) string {
	if strings.TrimSpace(t.text[f.slot.to:f.end]) != "" {
		return ""
	}
	if n.Module == "" {
		return " -"
	}
	return " " + baseName(n.Module)
}

// rewriteJSON keeps every key that it doesn't know.
func (t *Trace) rewriteJSON(names [][]Named) ([]byte, error) {
	decoder := json.NewDecoder(strings.NewReader(t.text))
	decoder.UseNumber()
	var whole map[string]any
	if err := decoder.Decode(&whole); err != nil {
		return nil, fmt.Errorf("reading %s: %w", t.Name, err)
	}
	problem := whole
	if p, ok := whole["problem"].(map[string]any); ok {
		problem = p
	}
	threads, _ := problem["stacktrace"].([]any)
	for i, th := range threads {
		th, _ := th.(map[string]any)
		frames, _ := th["frames"].([]any)
		for j, f := range frames {
			if f, ok := f.(map[string]any); ok && i < len(names) && j < len(names[i]) {
				fill(f, names[i][j])
			}
		}
	}
	text, err := json.MarshalIndent(whole, "", "  ")
	return append(text, '\n'), err
}

func fill(frame map[string]any, n Named) {
	if n.Function == "" {
		return
	}
	if name, _ := frame["function_name"].(string); name == "" || name == "??" || name == "--" {
		frame["function_name"] = n.Function
	}
	if n.File != "" {
		frame["source_file"], frame["source_line"] = n.File, n.Line
	}
	if len(n.Inlined) > 0 {
		frame["inlined"] = n.Inlined
	}
}
