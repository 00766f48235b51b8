package infer

import "encoding/binary"

// form is a way to write a number.
type form int

const (
	u8 form = iota
	u16be
	u16le
	u24be
	u32be
	u32le
	varint // seven bits a byte, the least first, as protobuf and MQTT have it
	ber    // as BER writes lengths (X.690, 8.1.3)
	formsEnd
)

var formNames = [formsEnd]string{"u8", "u16 big-endian", "u16 little-endian", "u24 big-endian", "u32 big-endian",
	"u32 little-endian", "varint", "BER length"}

var formWidths = [formsEnd]int{u8: 1, u16be: 2, u16le: 2, u24be: 3, u32be: 4, u32le: 4}

// forms are those that a protocol with numbers of one order has, the likelier first.
func (l *learner) forms() []form {
	if l.little {
		return []form{u8, u16le, u32le, varint, ber}
	}
	return []form{u8, u16be, u24be, u32be, varint, ber}
}

// absent is how some protocols write that there is nothing, not even of no length: -1.
const absent = 1<<32 - 1

// read is the number that data begins with, and its size. A number of four bytes that is -1 is 0: nothing.
func (f form) read(data []byte) (n, width int, ok bool) {
	width = formWidths[f]
	if len(data) < max(width, 1) {
		return 0, 0, false
	}
	switch f {
	case u8:
		n = int(data[0])
	case u16be:
		n = int(binary.BigEndian.Uint16(data))
	case u16le:
		n = int(binary.LittleEndian.Uint16(data))
	case u24be:
		n = int(data[0])<<16 | int(data[1])<<8 | int(data[2])
	case u32be:
		n = int(binary.BigEndian.Uint32(data))
	case u32le:
		n = int(binary.LittleEndian.Uint32(data))
	case varint:
		return readVarint(data)
	case ber:
		return readBER(data)
	}
	if width == 4 && n == absent {
		n = 0
	}
	return n, width, true
}

func readVarint(data []byte) (n, width int, ok bool) {
	for i, b := range data[:min(len(data), 4)] {
		n |= int(b&0x7f) << (7 * i)
		if b < 0x80 {
			return n, i + 1, true
		}
	}
	return 0, 0, false
}

func readBER(data []byte) (n, width int, ok bool) {
	if data[0] < 0x80 {
		return int(data[0]), 1, true
	}
	more := int(data[0] & 0x7f)
	if more < 1 || more > 4 || len(data) <= more {
		return 0, 0, false
	}
	for _, b := range data[1 : 1+more] {
		n = n<<8 | int(b)
	}
	return n, 1 + more, true
}
