package backtrace

import (
	"regexp"
	"strconv"

	"github.com/inquest-project/inquest/internal/ground/place"
)

// abrtLine is a line of core_backtrace: the symbol may be "-", later columns may be absent.
var abrtLine = regexp.MustCompile(`(?m)^[ \t]*([0-9a-f]{16,64}|-)[ \t]+0x([0-9a-f]{1,16})(?:[ \t]+(\S+))?(?:[ \t]+(\S+))?[^\n]*$`)

func (t *Trace) readABRT(text string) {
	th := Thread{Crashed: true} // abrt writes no other
	for _, m := range abrtLine.FindAllStringSubmatch(text, -1) {
		f := Frame{BuildID: place.BuildID(known(m[1])), Function: known(m[3])}
		if v, err := strconv.ParseUint(m[2], 16, 64); err == nil {
			offset := place.Offset(v)
			f.Offset = &offset
		}
		// "[exe]" is eu-unstrip's name for the main program: what it is called isn't told.
		if module := known(m[4]); module != "[exe]" {
			f.Module = module
		}
		th.Frames = append(th.Frames, f)
	}
	t.Threads = append(t.Threads, th)
}

func known(column string) string {
	if column == "-" {
		return ""
	}
	return column
}
