package debuginfo

import (
	"debug/dwarf"
	"slices"
	"strings"
)

// nameOf is a function's linkage name, else its plain one within its namespaces and classes. An inlined or
// cloned function has it from the abstract one, and that from its declaration.
func (u *unit) nameOf(e *entry) string {
	const farthest = 8
	plain := ""
	for range farthest {
		if name := u.text(e, slotLinkage); name != "" {
			return name
		}
		if plain == "" {
			plain = u.text(e, slotName)
		}
		v := e.values[slotOrigin]
		if v.form == 0 {
			v = e.values[slotSpecification]
		}
		to, next, ok := u.refersTo(v)
		if !ok {
			break
		}
		u, e = to, &next
	}
	if plain == "" {
		return ""
	}
	return u.scopeOf(e.offset) + plain
}

// C's codes among the languages (DWARF 5, section 7.12; C17 is newer). C knows no scopes.
var flat = []uint64{0x01, 0x02, 0x0c, 0x1d, 0x2c}

// scopeOf is the namespaces and classes around an entry, each followed by two colons.
func (u *unit) scopeOf(offset uint64) string {
	if slices.Contains(flat, u.rootEntry().number(slotLanguage)) {
		return ""
	}
	var scope []string // of the entries that are open, by depth; empty for those that are no scope
	var e entry
	r := u.reader(u.body)
	for uint64(r.Pos()) < offset && u.readEntry(r, &e) {
		switch sibling := u.sibling(&e); {
		case e.tag == 0:
			scope = scope[:max(0, len(scope)-1)]
		case sibling != 0 && sibling <= offset:
			r.Seek(sibling)
		case e.children:
			scope = append(scope, u.scopeName(&e))
		}
	}
	return strings.Join(scope, "")
}

func (u *unit) scopeName(e *entry) string {
	name := u.text(e, slotName)
	switch e.tag {
	case dwarf.TagNamespace:
		if name == "" {
			name = "(anonymous namespace)"
		}
	case dwarf.TagClassType, dwarf.TagStructType, dwarf.TagUnionType, dwarf.TagModule:
	default:
		return ""
	}
	if name == "" {
		return ""
	}
	return name + "::"
}
