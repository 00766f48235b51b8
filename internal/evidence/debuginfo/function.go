package debuginfo

import "debug/dwarf"

// functionsAt is the function that was compiled at pc and those that were inlined into it there, the
// outermost first; empty if none is known.
func (u *unit) functionsAt(pc uint64) []entry {
	u.index()
	s, ok := u.functions.find(pc)
	if !ok {
		return nil
	}
	f, ok := u.entryAt(s.of)
	if !ok {
		return nil
	}
	return append([]entry{f}, u.inlinedAt(&f, pc)...)
}

// index notes where the unit's functions have their code, and what its namespaces and classes hold. What lies
// inside a function is passed over if the entry says where it ends.
func (u *unit) index() {
	if u.indexed {
		return
	}
	u.indexed = true
	const deepest = 1024
	open := []int{noScope} // of each entry around this one the scope that its children are in
	var e entry
	for r := u.reader(u.body); r.Len() > 0 && len(open) <= deepest && u.readEntry(r, &e); {
		in := open[len(open)-1]
		if e.tag == 0 {
			if open = open[:max(1, len(open)-1)]; open[len(open)-1] != in {
				u.scopes[in].end = e.offset
			}
			continue
		}
		if e.tag == dwarf.TagSubprogram {
			u.eachRange(&e, func(start, end uint64) {
				u.in.spend(costOfKept)
				u.functions.add(start, end, e.offset)
			})
		}
		if sibling := u.sibling(&e); sibling != 0 && !holdsFunctions(e.tag) {
			r.Seek(sibling)
		} else if e.children {
			open = append(open, u.openScope(&e, in))
		}
	}
	u.functions.sort()
}

// holdsFunctions says whether entries of a kind may have functions with code among their children: nested
// functions in C, methods in Rust's namespaces and types.
func holdsFunctions(tag dwarf.Tag) bool {
	switch tag {
	case dwarf.TagFormalParameter, dwarf.TagVariable, dwarf.TagEnumerationType, dwarf.TagArrayType,
		dwarf.TagSubroutineType, dwarf.TagInlinedSubroutine:
		return false
	}
	return true
}

// sibling is the offset behind the entry's children, if it says so; 0 if not. It must lead forward.
func (u *unit) sibling(e *entry) uint64 {
	v := e.values[slotSibling]
	switch v.form {
	case formRef1, formRef2, formRef4, formRef8, formRefUData:
		if to := u.offset + v.n; e.children && to >= e.next && to < u.end {
			return to
		}
	}
	return 0
}

// inlinedAt walks the entries below a function's to those inlined at pc. Blocks say nothing that the
// inlined functions in them don't say themselves.
func (u *unit) inlinedAt(f *entry, pc uint64) (inlined []entry) {
	if !f.children {
		return nil
	}
	var e entry
	r := u.reader(f.next)
	for depth := 1; depth > 0 && u.readEntry(r, &e); {
		if e.tag == 0 {
			depth--
			continue
		}
		enter := e.tag != dwarf.TagSubprogram
		if e.tag == tagInlined {
			if enter = u.covers(&e, pc); enter {
				inlined = append(inlined, e)
			}
		}
		if sibling := u.sibling(&e); sibling != 0 && !enter {
			r.Seek(sibling)
		} else if e.children {
			depth++
		}
	}
	return inlined
}

func (u *unit) covers(e *entry, pc uint64) (covers bool) {
	u.eachRange(e, func(start, end uint64) { covers = covers || pc >= start && pc < end })
	return covers
}
