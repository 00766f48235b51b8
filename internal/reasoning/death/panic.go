package death

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// goPanic tells a Go panic by its value, which preprintpanics (runtime/panic.go) has made a string by then: an interface
// of type string on the stack. A fatal error of the runtime itself is kept in its backlog, printBacklog.
func (s *scene) goPanic(m *finding.Mechanism, culprit int) bool {
	inGo := strings.HasPrefix(s.frame().Symbol, goRuntime)
	if !inGo && s.hasRuntime() {
		return false
	}
	s.words(s.frame().SP, s.stack.Frames[culprit].SP, func(at, word place.Address) bool {
		if !s.isGoString(word) {
			return false
		}
		header, _ := s.im.Uint64(at + 8)
		m.Message = s.counted(place.Address(header), 0)
		return m.Message != ""
	})
	if m.Message == "" {
		m.Message = s.goFatal()
	}
	if m.Message != "" || inGo {
		m.Kind = finding.Panic
	}
	return m.Kind == finding.Panic
}

// isGoString says whether an address is that of the description of the type string (internal/abi.Type).
func (s *scene) isGoString(a place.Address) bool {
	const toAlign, kindMask, kindString = 21, 0x1f, 24
	size, ok1 := s.im.Uint64(a)
	pointers, ok2 := s.im.Uint64(a + 8)
	b := s.im.Bytes(a+toAlign, 3)
	return ok1 && ok2 && len(b) == 3 && size == 16 && pointers == 8 && b[0] == 8 && b[1] == 8 && b[2]&kindMask == kindString && !s.writable(a)
}

func (s *scene) goFatal() string {
	begin, longest := []byte("fatal error: "), 400
	for _, region := range s.im.Writable() {
		if m := s.owner(region.Start); m == nil || !m.Executable {
			continue
		}
		if at := bytes.Index(region.Data, begin); at >= 0 {
			line, _, _ := bytes.Cut(region.Data[at:min(len(region.Data), at+longest)], []byte("\n"))
			return string(line)
		}
	}
	return ""
}

// counted is the text that a pointer and a length at an address mean; empty if it is none, or if least is more than its
// length.
func (s *scene) counted(at place.Address, least int) string {
	const longest = 4096
	pointer, ok1 := s.im.Uint64(at)
	length, ok2 := s.im.Uint64(at + 8)
	if !ok1 || !ok2 || length > longest || int(length) < least {
		return ""
	}
	if text := string(s.im.Bytes(place.Address(pointer), int(length))); len(text) == int(length) && printable(text) {
		return text
	}
	return ""
}

// rustPanic tells a Rust panic: by the place that panicked, a core::panic::Location in constant memory, to which the
// functions of the standard library that end the process have pointers on their stack; and by the message there.
func (s *scene) rustPanic(m *finding.Mechanism, culprit int) bool {
	const deepest = 16 << 10 // of those functions' frames, where the culprit wasn't found
	end := max(s.stack.Frames[culprit].SP, s.frame().SP+deepest)
	s.words(s.frame().SP, end, func(_, word place.Address) bool {
		m.Source = s.rustLocation(word)
		return m.Source != ""
	})
	if m.Source == "" {
		return false
	}
	m.Kind = finding.Panic
	m.Message = s.rustMessage(end)
	return true
}

// rustMessage is the panic's message: made from a format it is a String, else constant text. Of all texts there it is the
// longest: the others are a thread's name, or what an earlier call has left. Of constant text, fmt::Arguments (library/core/
// src/fmt/mod.rs, since Rust 1.93) keep the length doubled and one more, and stand near the text's own pointer and length.
func (s *scene) rustMessage(end place.Address) (message string) {
	lengths := map[place.Address]uint64{}
	s.words(s.frame().SP, end, func(at, word place.Address) bool {
		if n, ok := s.im.Uint64(at + 8); ok && n > 1 && (lengths[word] == 0 || n < lengths[word]) {
			lengths[word] = n
		}
		return false
	})
	s.words(s.frame().SP, end, func(at, word place.Address) bool {
		var text string
		if s.writable(word) {
			text = s.rustString(at)
		} else if text = s.counted(at, 2); strings.HasSuffix(text, ".rs") || uint64(len(text)) == 2*lengths[word]+1 {
			text = ""
		}
		if len(text) > len(message) {
			message = text
		}
		return false
	})
	return message
}

// rustString is the text of a String whose pointer stands at an address. The capacity stands before the pointer or, in
// older compilers' programs, between it and the length.
func (s *scene) rustString(at place.Address) string {
	const largest, least = 1 << 16, 2
	pointer, _ := s.im.Uint64(at)
	next, _ := s.im.Uint64(at + 8)
	for _, where := range []struct{ capacity, length place.Address }{{at - 8, at + 8}, {at + 8, at + 16}} {
		capacity, _ := s.im.Uint64(where.capacity)
		length, _ := s.im.Uint64(where.length)
		if capacity < length || capacity > largest || length < least || next > largest {
			continue
		}
		if text := string(s.im.Bytes(place.Address(pointer), int(length))); len(text) == int(length) && printable(text) {
			return text
		}
	}
	return ""
}

// rustLocation is the source line that a core::panic::Location means: file, line and column.
func (s *scene) rustLocation(a place.Address) string {
	const toLine, shortest, mostLines, mostColumns = 16, 4, 1 << 22, 1 << 16
	if s.writable(a) {
		return ""
	}
	file := s.counted(a, shortest)
	numbers, ok := s.im.Uint64(a + toLine)
	line, column := uint32(numbers), uint32(numbers>>32)
	if !ok || !strings.HasSuffix(file, ".rs") || line == 0 || line > mostLines || column == 0 || column > mostColumns {
		return ""
	}
	return fmt.Sprintf("%s:%d", file, line)
}
