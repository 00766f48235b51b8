package debuginfo

import (
	"cmp"
	"encoding/binary"
	"path"
	"slices"
	"sort"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// lineTable is a unit's line number program (DWARF 5, section 6.2), run.
type lineTable struct {
	directories []string
	files       []lineFile
	firstFile   int // how the program counts files: from 0, before DWARF 5 from 1
	sequences   []sequence
}

type lineFile struct {
	name      string
	directory int
}

// sequence is a stretch of code without gaps.
type sequence struct {
	start, end uint64
	rows       []lineRow // by address
}

type lineRow struct {
	address    uint64
	line       uint32
	file       uint32
	recommends bool // a breakpoint on the line would be set here (is_stmt)
}

// lineAt is the file and line of the code at pc; empty and 0 if unknown.
func (u *unit) lineAt(pc uint64) (file string, line int) {
	t := u.lineTable()
	last := sort.Search(len(t.sequences), func(n int) bool { return t.sequences[n].start > pc })
	for n := last - 1; n >= max(0, last-2); n-- {
		if s := t.sequences[n]; pc < s.end {
			row := s.at(pc)
			return t.fileName(uint64(row.file)), int(row.line)
		}
	}
	return "", 0
}

// at is the row for pc. Of several at one address the last counts that a debugger would stop at.
func (s sequence) at(pc uint64) lineRow {
	last := sort.Search(len(s.rows), func(n int) bool { return s.rows[n].address > pc }) - 1
	for n := last; n >= 0 && s.rows[n].address == s.rows[last].address; n-- {
		if s.rows[n].recommends {
			return s.rows[n]
		}
	}
	return s.rows[last]
}

// fileName names a file as the unit's entries number it.
func (u *unit) fileName(number uint64) string { return u.lineTable().fileName(number) }

func (t *lineTable) fileName(number uint64) string {
	n := int(min(number, 1<<30)) - t.firstFile
	if n < 0 || n >= len(t.files) {
		return ""
	}
	f := t.files[n]
	if f.directory < 0 || f.directory >= len(t.directories) || path.IsAbs(f.name) {
		return f.name
	}
	// Directory 0 is where the compiler ran, which the name is relative to; it says something only where
	// whoever built the program has made it relative, too.
	directory := t.directories[f.directory]
	if directory == "" || f.directory == 0 && path.IsAbs(directory) {
		return f.name
	}
	return directory + "/" + f.name
}

// lineTable reads and runs the unit's program, once. A split unit's skeleton has it.
func (u *unit) lineTable() *lineTable {
	if u.lines == nil {
		u.lines = &lineTable{}
		if at := u.rootEntry().values[slotLines]; at.form != 0 {
			u.readLines(u.lines, at.n)
		}
	}
	return u.lines
}

// lineProgram is a program while it runs.
type lineProgram struct {
	u     *unit
	table *lineTable
	r     *cursor.Reader

	minLength, maxOperations uint64
	defaultStatement         bool
	lineBase                 int64
	lineRange                uint64
	firstSpecial             uint8 // opcodes from here on have no operands and make a row
	operands                 []byte

	row     lineRow
	address uint64
	pending []lineRow
}

func (u *unit) readLines(t *lineTable, at uint64) {
	data := u.in.section(".debug_line")
	r := cursor.New(".debug_line", 0, data, binary.LittleEndian)
	r.Seek(at)
	form := unit{in: u.in, addressSize: u.addressSize}
	length := uint64(r.Uint32())
	if length >= largest32 {
		form.wide, length = true, r.Uint64()
	}
	if length > uint64(r.Len()) || !u.in.spend(costOfKept*int(length)) {
		return
	}
	p := &lineProgram{u: &form, table: t, r: cursor.New(".debug_line", int64(r.Pos()), r.Bytes(length), binary.LittleEndian)}
	if p.header() {
		p.run()
	}
	slices.SortStableFunc(t.sequences, func(a, b sequence) int { return cmp.Compare(a.start, b.start) })
}

// header reads what stands before the opcodes.
func (p *lineProgram) header() bool {
	r := p.r
	version := r.Uint16()
	p.u.version = int(version)
	if version >= 5 {
		p.u.addressSize = int(r.Uint8())
		r.Uint8() // size of segment selectors
	}
	length := p.u.readOffset(r)
	program := uint64(r.Pos()) + length
	p.minLength, p.maxOperations = uint64(r.Uint8()), 1
	if version >= 4 {
		p.maxOperations = uint64(r.Uint8())
	}
	p.defaultStatement = r.Uint8() != 0
	p.lineBase, p.lineRange = int64(int8(r.Uint8())), uint64(r.Uint8())
	p.firstSpecial = r.Uint8()
	if version < 2 || version > 5 || p.lineRange == 0 || p.firstSpecial == 0 || r.Err() != nil {
		return false
	}
	p.operands = r.Bytes(uint64(p.firstSpecial) - 1)
	if version >= 5 {
		p.tables()
	} else {
		p.oldTables()
	}
	ok := r.Err() == nil
	r.Seek(program)
	return ok && r.Err() == nil
}

// oldTables reads directories and files as they were before DWARF 5, where directory 0 and file 0 are not
// listed.
func (p *lineProgram) oldTables() {
	t, r := p.table, p.r
	t.firstFile, t.directories = 1, []string{""}
	for name := r.CString(); name != ""; name = r.CString() {
		t.directories = append(t.directories, name)
	}
	for name := r.CString(); name != ""; name = r.CString() {
		t.files = append(t.files, lineFile{name, int(r.ULEB128())})
		r.ULEB128() // time
		r.ULEB128() // size
	}
}

// What an entry of a DWARF 5 table tells (section 6.2.4.1).
const contentPath, contentDirectory = 1, 2

// tables reads directories and files, of which DWARF 5 says first how each is written.
func (p *lineProgram) tables() {
	t := p.table
	p.eachEntry(func(name string, _ int) { t.directories = append(t.directories, name) })
	p.eachEntry(func(name string, directory int) { t.files = append(t.files, lineFile{name, directory}) })
}

func (p *lineProgram) eachEntry(each func(name string, directory int)) {
	r := p.r
	type column struct {
		content uint64
		spec    spec
	}
	columns := make([]column, r.Uint8())
	for i := range columns {
		columns[i] = column{r.ULEB128(), spec{form: form(r.ULEB128())}}
	}
	count := r.ULEB128()
	for ; count > 0 && r.Err() == nil && len(columns) > 0; count-- {
		before, name, directory := r.Len(), "", 0
		for _, c := range columns {
			inline := r.Pos()
			v := p.u.readValue(r, c.spec)
			switch c.content {
			case contentPath:
				if name = p.u.text(&entry{values: [slots]value{slotName: v}}, slotName); v.form == formString {
					name = p.inline(inline)
				}
			case contentDirectory:
				directory = int(min(v.n, 1<<30))
			}
		}
		if r.Len() == before {
			return // entries that take no room could be told of without end
		}
		each(name, directory)
	}
}

// inline is a string that stands in the table itself.
func (p *lineProgram) inline(at int) string {
	r := *p.r
	r.Seek(uint64(at))
	return r.CString()
}

// Opcodes (DWARF 5, sections 6.2.5.2 and 6.2.5.3).
const (
	lineExtended, lineCopy, lineAdvance, lineAdvanceLine, lineSetFile = 0, 1, 2, 3, 4
	lineNegate, lineConstAdd, lineFixedAdvance                        = 6, 8, 9

	lineEndSequence, lineSetAddress = 1, 2
)

func (p *lineProgram) run() {
	p.reset()
	for p.r.Len() > 0 && p.r.Err() == nil {
		op := p.r.Uint8()
		if op >= p.firstSpecial {
			p.advance(uint64(op-p.firstSpecial) / p.lineRange)
			p.row.line += uint32(p.lineBase + int64(uint64(op-p.firstSpecial)%p.lineRange))
			p.emit()
			continue
		}
		p.standard(op)
	}
}

func (p *lineProgram) reset() {
	p.address, p.pending = 0, nil
	p.row = lineRow{file: 1, line: 1, recommends: p.defaultStatement}
}

// advance moves on by operations. Only processors that bundle them tell them from instructions.
func (p *lineProgram) advance(operations uint64) { p.address += p.minLength * operations }

func (p *lineProgram) emit() {
	p.row.address = p.address
	// Addresses of a sequence only grow; lookups rely on it.
	if n := len(p.pending); n > 0 && p.pending[n-1].address > p.address {
		return
	}
	p.pending = append(p.pending, p.row)
}

func (p *lineProgram) standard(op uint8) {
	r := p.r
	switch op {
	case lineExtended:
		p.extended()
	case lineCopy:
		p.emit()
	case lineAdvance:
		p.advance(r.ULEB128())
	case lineAdvanceLine:
		p.row.line += uint32(r.SLEB128())
	case lineSetFile:
		p.row.file = uint32(r.ULEB128())
	case lineNegate:
		p.row.recommends = !p.row.recommends
	case lineConstAdd:
		p.advance(uint64(255-p.firstSpecial) / p.lineRange)
	case lineFixedAdvance:
		p.address += uint64(r.Uint16())
	default: // of no use here; the header says how many operands to pass over
		for range p.operands[op-1] {
			r.ULEB128()
		}
	}
}

func (p *lineProgram) extended() {
	length := p.r.ULEB128()
	body := cursor.New(".debug_line", p.r.Offset(), p.r.Bytes(length), binary.LittleEndian)
	switch body.Uint8() {
	case lineSetAddress:
		p.address = p.u.readAddress(body)
	case lineEndSequence:
		p.finish()
	}
}

// finish ends a sequence. Those that the linker threw away begin at 0 or 1.
func (p *lineProgram) finish() {
	if n := len(p.pending); n > 0 && p.pending[0].address > 1 && p.address > p.pending[0].address {
		p.table.sequences = append(p.table.sequences, sequence{start: p.pending[0].address, end: p.address, rows: p.pending})
	}
	p.reset()
}
