package main

import (
	"cmp"
	"strings"
)

// plainName is a demangled name without what demanglers differ in: parameters of the function and of what it is
// in, return types, qualifiers and spaces.
func plainName(name string) string {
	const operator, anonymous = "operator", "(anonymous namespace)"
	var plain strings.Builder
	for i := 0; i < len(name); {
		rest := name[i:]
		switch {
		case strings.HasPrefix(rest, anonymous):
			plain.WriteString(anonymous)
			i += len(anonymous)
		case strings.HasPrefix(rest, operator+"()"):
			plain.WriteString(operator + "()")
			i += len(operator + "()")
		case strings.HasPrefix(rest, " [clone "):
			i = len(name)
		case rest[0] == '(':
			i += group(rest)
		case strings.HasPrefix(rest, " const"):
			i += len(" const")
		case rest[0] == ' ':
			i++
		default:
			plain.WriteByte(rest[0])
			i++
		}
	}
	return cmp.Or(plain.String(), "??")
}

// group is how long the text in brackets is that s begins with.
func group(s string) int {
	depth := 0
	for i, r := range s {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(s)
}

// lastPart is a function's own name, without what it is in and its template's arguments.
func lastPart(name string) string {
	name = plainName(name)
	depth, from := 0, 0
	for i := 0; i < len(name); i++ {
		switch {
		case name[i] == '<' || name[i] == '{':
			depth++
		case name[i] == '>' || name[i] == '}':
			depth--
		case depth == 0 && strings.HasPrefix(name[i:], "::"):
			from = i + len("::")
		}
	}
	own, _, _ := strings.Cut(name[from:], "<")
	return own
}
