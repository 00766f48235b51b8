package death

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ianlancetaylor/demangle"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/unwind"
)

// Layout of a C++ exception (Itanium C++ ABI: Exception Handling, 2.2.1): struct __cxa_exception ends in struct
// _Unwind_Exception, which begins with the class of the language that threw; the thrown object comes behind it.
const (
	fromTypeInfo = 80 // from the pointer to the object's type_info to _Unwind_Exception
	toObject     = 32 // from _Unwind_Exception to the object
)

// exceptionClasses are libstdc++'s and libc++'s: "GNUCC++" and "CLNGC++", read as words.
var exceptionClasses = map[place.Address]bool{0x474e5543432b2b00: true, 0x434c4e47432b2b00: true}

// exception tells an uncaught C++ exception. The functions that throw and end have its address on their stack.
func (s *scene) exception(m *finding.Mechanism, culprit int) bool {
	if m.Kind != finding.Exception && s.hasRuntime() {
		return false
	}
	s.words(s.frame().SP, s.stack.Frames[culprit].SP, func(_, word place.Address) bool {
		class, ok := s.im.Uint64(word)
		if !ok || !exceptionClasses[place.Address(class)] {
			return false
		}
		mangled := s.typeName(word - fromTypeInfo)
		m.Exception = typeText(mangled)
		m.Message = s.carried(mangled, word+toObject)
		return m.Exception != ""
	})
	if m.Exception != "" {
		m.Kind = finding.Exception
	}
	if m.Kind == finding.Exception {
		m.Detail = s.howThrown(m, culprit)
	}
	return m.Kind == finding.Exception
}

// howThrown tells std::terminate's reasons apart, by who called it: nobody who throws; or the search for a handler,
// which came to a function that lets none pass.
func (s *scene) howThrown(m *finding.Mechanism, culprit int) string {
	calls := func(symbols ...string) bool {
		return slices.ContainsFunc(s.stack.Frames[s.first:culprit], func(f unwind.Frame) bool { return slices.Contains(symbols, f.Symbol) })
	}
	switch {
	case calls("__gxx_personality_v0"):
		return finding.MayNotThrow
	case m.Exception == "" && !calls("__cxa_throw", "__cxa_rethrow", "_Unwind_Resume", "_Unwind_RaiseException"):
		return finding.NotThrown
	}
	return ""
}

// typeName is the mangled name in a type_info that a pointer at an address leads to.
func (s *scene) typeName(pointer place.Address) string {
	const longest, toName = 1024, 8
	info, _ := s.im.Uint64(pointer)
	name, ok := s.im.Uint64(place.Address(info) + toName)
	if !ok {
		return ""
	}
	text, _ := s.im.CString(place.Address(name), longest)
	return strings.TrimPrefix(text, "*") // of a type that only one file knows
}

// typeText is a type as C++ writes it; empty if the name is none.
func typeText(mangled string) string {
	const kind = "typeinfo name for "
	text, err := demangle.ToString("_ZTS"+mangled, demangle.NoClones)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(text, kind)
}

// carried is the text in an exception: what std::exception's heirs answer to what() stands behind their pointer to
// virtual functions; a thrown text or number is the object itself.
func (s *scene) carried(mangled string, object place.Address) string {
	const longest, word = 1024, 8
	switch mangled {
	case "i":
		v, _ := s.im.Uint64(object)
		return fmt.Sprint(int32(v))
	case "PKc", "Pc", "NSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE":
		object -= word
	}
	pointer, _ := s.im.Uint64(object + word)
	if text, ok := s.im.CString(place.Address(pointer), longest); ok && printable(text) {
		return text
	}
	return ""
}
