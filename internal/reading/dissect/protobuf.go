package dissect

import (
	"encoding/binary"
	"fmt"
)

// Wire types of Protocol Buffers (protobuf.dev/programming-guides/encoding). Groups are of old and not read.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// protobufField is a field of a message without its schema.
type protobufField struct {
	number, wire int
	begin, end   int // of the value, without tag and length
	value        uint64
}

// nextProtobuf reads the field at an offset.
func nextProtobuf(data []byte, at int) (f protobufField, ok bool) {
	tag, n := shortestVarint(data[at:])
	if n == 0 || tag>>3 == 0 || tag>>3 >= 1<<29 {
		return f, false
	}
	f.number, f.wire, f.begin = int(tag>>3), int(tag&7), at+n
	size := uint64(0)
	switch rest := data[f.begin:]; f.wire {
	case wireVarint:
		f.value, n = shortestVarint(rest)
		size, ok = uint64(n), n > 0
	case wireFixed64:
		size, ok = 8, true
	case wireFixed32:
		size, ok = 4, true
	case wireBytes:
		size, n = shortestVarint(rest)
		f.begin, ok = f.begin+n, n > 0
	}
	if !ok || size > uint64(len(data)-f.begin) {
		return f, false
	}
	f.end = f.begin + int(size)
	return f, true
}

// shortestVarint reads a number in the fewest bytes that hold it, as all encoders write them; 0 bytes if it is
// none.
func shortestVarint(data []byte) (uint64, int) {
	v, n := binary.Uvarint(data)
	if n <= 0 || n > 1 && data[n-1] == 0 {
		return 0, 0
	}
	return v, n
}

// isProtobuf says whether bytes are convincingly a message: they parse to their exact end, the fields come in
// order, as encoders write them, with small numbers, and there is text among them. Chance does not do that.
func isProtobuf(data []byte) bool { return tellsProtobuf(data, 0) }

func tellsProtobuf(data []byte, depth int) bool {
	const (
		least       = 8   // bytes
		most        = 200 // the greatest field number
		tellingText = 5   // bytes
	)
	if _, ok := nextProtobuf(data, 0); !ok || len(data) < least || depth > nestedMost || mostlyText(data) {
		return false
	}
	last, told := 0, 0
	for at := 0; at < len(data); {
		f, ok := nextProtobuf(data, at)
		if !ok || f.number < last || f.number > most {
			return false
		}
		if text := data[f.begin:f.end]; f.wire == wireBytes && (len(text) >= tellingText && isPrintable(text) || tellsProtobuf(text, depth+1)) {
			told += len(text)
		}
		last, at = f.number, f.end
	}
	return told*4 >= len(data)
}

// parsesAsProtobuf says whether bytes can be read as fields to their exact end.
func parsesAsProtobuf(data []byte) bool {
	for at := 0; at < len(data); {
		f, ok := nextProtobuf(data, at)
		if !ok {
			return false
		}
		at = f.end
	}
	return len(data) > 0
}

// protobuf reads a message's fields, named by their numbers.
func (s *sheet) protobuf(path string, data []byte, at, depth int) {
	for from := 0; from < len(data); {
		f, ok := nextProtobuf(data, from)
		if !ok {
			s.malformed(at+from, "expected a field of protobuf, found %s", hexBytes(data[from:]))
			return
		}
		if !s.protobufField(fmt.Sprintf("%s.%d", path, f.number), data[f.begin:f.end], f, at+f.begin, depth) {
			return
		}
		from = f.end
	}
}

func (s *sheet) protobufField(path string, value []byte, f protobufField, at, depth int) bool {
	switch {
	case f.wire == wireVarint:
		return s.value(path, fmt.Sprint(f.value), at, len(value))
	case f.wire != wireBytes:
		return s.value(path, "0x"+fmt.Sprintf("%0*x", 2*len(value), littleEndian(value)), at, len(value))
	}
	s.part("protobuf value", at, len(value))
	switch {
	case isPrintable(value):
		more := s.value(path, printable(value), at, len(value))
		s.carried(value, at, depth+1)
		return more
	case depth < nestedMost && parsesAsProtobuf(value):
		s.protobuf(path, value, at, depth+1)
		return s.values < valuesMost
	}
	return s.value(path, hexBytes(value), at, len(value))
}

func littleEndian(b []byte) (v uint64) {
	for i := range b {
		v |= uint64(b[i]) << (8 * i)
	}
	return v
}

// grpc reads messages with the five bytes that gRPC puts before each (PROTOCOL-HTTP2.md, Length-Prefixed-Message).
func (s *sheet) grpc(data []byte, at int) {
	s.tag("grpc", "protobuf")
	r := open("gRPC message", at, data)
	for r.Len() >= 5 && !s.full() {
		compressed := s.number(r, 1, "grpc.compressed", decimal)
		begin := offset(r)
		message := s.vector(r, 4, "gRPC message")
		s.field("grpc.length", decimal(message.Len()), begin, 4)
		body := offset(message)
		content := message.Rest()
		s.part("grpc message", body, len(content))
		if compressed == 0 {
			s.protobuf("protobuf", content, body, 0)
		}
	}
}
