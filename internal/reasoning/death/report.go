package death

import (
	"bytes"
	"regexp"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// A runtime that dies prints why, and its text stays where it was made: on the stack, in the frame of the function
// that printed it or below, or in a buffer of the runtime's own.
var reports = []struct {
	kind  finding.MechanismKind
	begin string // of the text
	line  *regexp.Regexp
}{
	// jemalloc's malloc_printf fills a buffer on the stack; not all that it says is of the heap.
	{finding.Abort, "<jemalloc>: ", regexp.MustCompile(`<jemalloc>: (Abort|Invalid conf)[\x20-\x7e]{4,400}`)},
	{finding.AllocatorCheck, "<jemalloc>: ", regexp.MustCompile(`<jemalloc>: [\x20-\x7e]{4,400}`)},
	// tcmalloc's Log(kCrash, file, line, ...), too.
	{finding.AllocatorCheck, "tcmalloc", regexp.MustCompile(`[\w./-]*tcmalloc[\w./-]*:\d+\] [\x20-\x7e]{4,400}`)},
}

// sanitizerReports are looked for where a sanitizer's runtime is: it keeps the whole report in memory of its own.
var sanitizerReports = []*regexp.Regexp{
	regexp.MustCompile(`ERROR: [A-Z][A-Za-z]+Sanitizer: [\x20-\x7e]{4,400}`),
	regexp.MustCompile(`runtime error: [\x20-\x7e]{4,400}`),
}

// report finds the text by which an allocator or a sanitizer said why it aborts.
func (s *scene) report(m *finding.Mechanism, culprit int) bool {
	if s.frame().Module != nil && m.Kind == finding.Sanitizer || s.hasSanitizer() {
		if text := s.sanitizerReport(); text != "" {
			m.Kind, m.Message = finding.Sanitizer, text
			return true
		}
	}
	const below = 64 << 10
	memory := s.stackMemory(s.stack.Regs.SP()-below, s.stack.Frames[culprit].SP)
	for _, r := range reports {
		if !bytes.Contains(memory, []byte(r.begin)) {
			continue
		}
		if text := r.line.Find(memory); text != nil {
			m.Kind, m.Message = r.kind, string(text)
			return true
		}
	}
	return false
}

// hasSanitizer says whether the process was built with one, as a library or in its program.
func (s *scene) hasSanitizer() bool {
	for _, m := range s.im.Modules {
		switch name := m.SoName(); {
		case len(name) > 8 && (name[:7] == "libasan" || name[:8] == "libubsan" || name[:7] == "libtsan" || name[:7] == "liblsan"):
			return true
		case m.Executable && m.File != nil:
			if _, _, ok := m.File.Symbol("__sanitizer_report_error_summary"); ok {
				return true
			}
		}
	}
	return false
}

func (s *scene) sanitizerReport() string {
	for _, region := range s.im.Writable() {
		for _, r := range sanitizerReports {
			if text := r.Find(region.Data); text != nil {
				return string(text)
			}
		}
	}
	return ""
}

// words calls each for the words of the stack between two addresses.
func (s *scene) words(from, to place.Address, each func(at, word place.Address) bool) {
	const most = 1 << 15
	for at, n := from&^7, 0; at < to && n < most; at, n = at+8, n+1 {
		word, ok := s.im.Uint64(at)
		if !ok || each(at, place.Address(word)) {
			return
		}
	}
}
