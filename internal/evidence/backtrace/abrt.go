package backtrace

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/inquest-project/inquest/internal/ground/cursor"
	"github.com/inquest-project/inquest/internal/ground/place"
)

var (
	// abrtLine is a line of core_backtrace: the symbol may be "-", later columns may be absent.
	abrtLine = regexp.MustCompile(`(?m)^[ \t]*([0-9a-f]{16,64}|-)[ \t]+0x([0-9a-f]{1,16})(?:[ \t]+(\S+))?(?:[ \t]+(\S+))?[^\n]*$`)
	// abrtSign asks for a build ID, unless the text begins so: "- 0x10" may be an item in somebody's notes.
	abrtSign = regexp.MustCompile(`(?m)^[ \t]*[0-9a-f]{16,64}[ \t]+0x[0-9a-f]{1,16}(?:\s|$)|\A\s*-[ \t]+0x[0-9a-f]{1,16}(?:\s|$)`)
)

func (t *Trace) readABRT() error {
	th := Thread{Crashed: true} // abrt writes no other
	for _, m := range abrtLine.FindAllStringSubmatchIndex(t.text, -1) {
		f := Frame{BuildID: place.BuildID(known(t.group(m, 1))), Function: known(t.group(m, 3))}
		f.Offset = offsetOf(t.group(m, 2))
		f.slot, f.end = span{m[5], m[5]}, m[1]
		if m[6] >= 0 {
			f.slot = span{m[6], m[7]}
		}
		// "[exe]" is eu-unstrip's name for the main program: what it is called isn't told.
		if module := known(t.group(m, 4)); module != "[exe]" {
			f.Module = module
		}
		th.Frames = append(th.Frames, f)
	}
	t.Threads = append(t.Threads, th)
	t.noticeDepth()
	return nil
}

// deepest is how many frames abrt keeps of a stack: the outermost.
const deepest = 256

// noticeDepth says when the place of the crash may be gone.
func (t *Trace) noticeDepth() {
	for _, th := range t.Threads {
		if th.Crashed && len(th.Frames) == deepest {
			t.damaged(-1, fmt.Sprintf("expected the stack down to the place of the crash, found the %d frames that abrt keeps of a deeper one: they are the outermost, and the crash may be missing", deepest))
		}
	}
}

func (t *Trace) damaged(offset int64, problem string) {
	t.Damage = append(t.Damage, cursor.Damage{Part: t.Name, Offset: offset, Problem: problem})
}

// group is the text of a match's group; empty where it took no part.
func (t *Trace) group(m []int, n int) string {
	if m[2*n] < 0 {
		return ""
	}
	return t.text[m[2*n]:m[2*n+1]]
}

// known is what a column tells; "-" is nothing.
func known(column string) string {
	if column == "-" {
		return ""
	}
	return column
}

// offsetOf reads hexadecimal digits; nil if there are none.
func offsetOf(digits string) *place.Offset {
	v, err := strconv.ParseUint(digits, 16, 64)
	if err != nil {
		return nil
	}
	offset := place.Offset(v)
	return &offset
}

// addressOf does the same for addresses.
func addressOf(digits string) *place.Address {
	v, err := strconv.ParseUint(digits, 16, 64)
	if err != nil {
		return nil
	}
	address := place.Address(v)
	return &address
}
