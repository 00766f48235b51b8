package disasm

// Body is a function's code.
type Body struct {
	Start, End   uint64
	Instructions []Instruction // by address
	Gaps         int           // bytes that are no instruction

	index map[uint64]int // of Instructions by address
}

// Call is a place where a function hands control to another.
type Call struct {
	At     uint64
	Next   uint64 // where control comes back to
	Target uint64 // of a direct call; 0 if it is indirect
	Slot   uint64 // address of the pointer it goes by, if that is fixed; else 0
	Tail   bool   // a jump: the callee returns to this function's caller
}

// Function decodes the code of a function that begins at start.
func (m *Machine) Function(code []byte, start uint64) *Body {
	b := &Body{Start: start, End: start + uint64(len(code)), index: map[uint64]int{}}
	for n := 0; n < len(code); {
		i, ok := m.decode(code[n:], start+uint64(n))
		if !ok {
			b.Gaps++
			n += m.unit
			continue
		}
		b.index[i.At] = len(b.Instructions)
		b.Instructions = append(b.Instructions, i)
		n += i.Len
	}
	return b
}

// At is the instruction that begins at an address.
func (b *Body) At(at uint64) (Instruction, bool) {
	i, ok := b.index[at]
	if !ok {
		return Instruction{}, false
	}
	return b.Instructions[i], true
}

// Calls is every call, and every jump out of the function.
func (b *Body) Calls() []Call {
	var calls []Call
	for _, i := range b.Instructions {
		if c, ok := b.call(i); ok {
			calls = append(calls, c)
		}
	}
	return calls
}

// call says whether an instruction hands control to another function.
func (b *Body) call(i Instruction) (Call, bool) {
	c := Call{At: i.At, Next: i.Next(), Target: i.Target, Slot: i.Slot}
	switch {
	case i.Flow == Calls:
		return c, true
	case i.Flow == Jumps && (c.Slot != 0 || i.Direct && !b.inside(c.Target)),
		i.Flow == Branches && !b.inside(c.Target):
		c.Tail = true
		return c, true
	}
	return c, false
}

func (b *Body) inside(at uint64) bool { return at >= b.Start && at < b.End }

// Fate is how control can leave a function.
type Fate struct {
	Returns bool // it can come back to the caller
	Loops   bool // it can run in a circle
}

// Fate follows all paths from an entry; a path ends at a call that never comes back, as never tells.
// In doubt the function returns: where a jump goes to an unknown place, or into bytes that are no
// instruction.
func (b *Body) Fate(entry uint64, never func(Call) bool) Fate {
	const entered, left = 1, 2
	var fate Fate
	state := map[uint64]int{}
	type visit struct {
		at   uint64
		next []uint64
	}
	enter := func(at uint64) visit {
		state[at] = entered
		next, returns := b.successors(at, never)
		fate.Returns = fate.Returns || returns
		return visit{at, next}
	}
	for path := []visit{enter(entry)}; len(path) > 0; {
		top := &path[len(path)-1]
		if len(top.next) == 0 {
			state[top.at] = left
			path = path[:len(path)-1]
			continue
		}
		at := top.next[0]
		top.next = top.next[1:]
		switch state[at] {
		case entered:
			fate.Loops = true
		case 0:
			path = append(path, enter(at))
		}
	}
	return fate
}

// successors is where control goes from an instruction, inside the function; returns says that it can
// also leave to the caller.
func (b *Body) successors(at uint64, never func(Call) bool) (next []uint64, returns bool) {
	i, ok := b.At(at)
	if !ok {
		// Beyond the end only a call that never comes back leads, one that never did not know.
		return nil, b.inside(at)
	}
	if c, ok := b.call(i); ok {
		return b.afterCall(i, c, never)
	}
	switch i.Flow {
	case Returns:
		return nil, true
	case Stops:
		return nil, false
	case Jumps:
		if !i.Direct { // a switch's table
			return nil, true
		}
		return []uint64{i.Target}, false
	case Branches:
		return []uint64{i.Next(), i.Target}, false
	}
	return []uint64{i.Next()}, false
}

func (b *Body) afterCall(i Instruction, c Call, never func(Call) bool) (next []uint64, returns bool) {
	if !c.Tail {
		if never(c) || !b.inside(c.Next) { // no compiler lets a call that comes back end a function
			return nil, false
		}
		return []uint64{c.Next}, false
	}
	if i.Flow == Branches {
		next = []uint64{c.Next}
	}
	return next, !never(c)
}
