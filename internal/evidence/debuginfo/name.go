package debuginfo

import (
	"debug/dwarf"
	"slices"
	"sort"
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

// scope is a namespace or a class: what stands between start and end in .debug_info is in it.
type scope struct {
	start, end uint64
	around     int // the scope that it is in itself, in the unit's list
}

const noScope = -1

// openScope is the scope of an entry's children, which are in one already.
func (u *unit) openScope(e *entry, in int) int {
	if !isScope(e.tag) {
		return in
	}
	u.in.spend(costOfKept)
	u.scopes = append(u.scopes, scope{start: e.offset, end: u.end, around: in})
	return len(u.scopes) - 1
}

// scopeOf is the namespaces and classes around an entry, each followed by two colons.
func (u *unit) scopeOf(offset uint64) string {
	if slices.Contains(flat, u.rootEntry().number(slotLanguage)) {
		return ""
	}
	u.index()
	name := ""
	n := sort.Search(len(u.scopes), func(n int) bool { return u.scopes[n].start >= offset }) - 1
	for ; n != noScope; n = u.scopes[n].around {
		if s := u.scopes[n]; offset < s.end {
			e, _ := u.entryAt(s.start)
			name = u.scopeName(&e) + name
		}
	}
	return name
}

func (u *unit) scopeName(e *entry) string {
	name := u.text(e, slotName)
	if name == "" && e.tag == dwarf.TagNamespace {
		name = "(anonymous namespace)"
	}
	if name == "" {
		return ""
	}
	return name + "::"
}

func isScope(tag dwarf.Tag) bool {
	switch tag {
	case dwarf.TagNamespace, dwarf.TagClassType, dwarf.TagStructType, dwarf.TagUnionType, dwarf.TagModule:
		return true
	}
	return false
}
