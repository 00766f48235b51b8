package dissect

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// layered are the protocols that gopacket's layers take apart and nothing here does. Where content shows too little, the port
// has to speak for it, too.
var layered = []struct {
	name      string
	layer     gopacket.LayerType
	transport string // "" if any
	ports     []uint16
	length    func(data []byte) int // as told, of the message that data begins with; 0 if it is none
}{
	{"RADIUS", layers.LayerTypeRADIUS, "udp", nil, radiusLength},
	{"DHCP", layers.LayerTypeDHCPv4, "udp", nil, dhcpLength},
	{"DHCPv6", layers.LayerTypeDHCPv6, "udp", []uint16{546, 547}, beginning(1, 13)},
	{"NTP", layers.LayerTypeNTP, "udp", []uint16{123}, ntpLength},
	{"SIP", layers.LayerTypeSIP, "", nil, sipLength},
	{"Diameter", layers.LayerTypeDiameter, "tcp", nil, diameterLength},
	{"Modbus", layers.LayerTypeModbusTCP, "tcp", []uint16{502}, modbusLength},
	{"ENIP", layers.LayerTypeENIP, "", []uint16{44818}, enipLength},
	{"sFlow", layers.LayerTypeSFlow, "udp", []uint16{6343}, sflowLength},
	{"BFD", layers.LayerTypeBFD, "udp", []uint16{3784, 4784}, bfdLength},
	{"RMCP", layers.LayerTypeRMCP, "udp", []uint16{623}, beginning(6, 6)},
	{"GTPv2", layers.LayerTypeGTPv2, "udp", []uint16{2123}, beginning(0x40, 0x5f)},
}

// cutDatagrams are RADIUS's ports and ENIP's, on which the beginning of a datagram is known for what it is, though gopacket
// reads none of it.
var cutDatagrams = []uint16{1645, 1646, 1812, 1813, 3799, 44818}

// layeredMost bounds a message that gopacket is given, in bytes: it keeps more than that of it.
const layeredMost = 64 << 10

// layer reads what gopacket decodes. gopacket doesn't say where a number stands: its field has where the layer begins, and no
// length.
func layer(data []byte, hint Hint) (Dissection, bool) {
	head := data[:min(len(data), layeredMost):min(len(data), layeredMost)]
	for _, p := range layered {
		if p.transport != "" && p.transport != hint.Transport || len(p.ports) > 0 && !slices.Contains(p.ports, hint.Port) {
			continue
		}
		told := p.length(head)
		if told <= 0 || told > layeredMost {
			continue
		}
		n := min(told, len(head))
		if hint.Transport == "udp" {
			n = len(head) // a datagram is one message, whatever that tells of its length
		}
		s := &sheet{}
		s.say("%s", p.name)
		s.tag(p.name)
		s.direction(hint)
		message := head[:n:n]
		if told <= n || hint.Transport == "udp" {
			packet := gopacket.NewPacket(message, p.layer, gopacket.DecodeOptions{NoCopy: true})
			if found := packet.Layers(); len(found) > 0 && found[0].LayerType() == p.layer {
				s.layers(p.name, found, message)
				s.rest = len(data) - n
				return s.done(p.name), true
			}
		}
		if told > n && (hint.Transport != "udp" || slices.Contains(cutDatagrams, hint.Port)) {
			s.unfinished(p.name, data, told, hint)
			return s.done(p.name), true
		}
	}
	return Dissection{}, false
}

func (s *sheet) direction(hint Hint) {
	if hint.FromClient {
		s.tag("request")
		return
	}
	s.tag("response")
	s.answer("request")
}

// unfinished is the beginning of a message of n bytes: in a stream the rest comes with the next one.
func (s *sheet) unfinished(protocol string, data []byte, n int, hint Hint) {
	s.tag("partial")
	s.say("%d of %d bytes", len(data), n)
	s.field(strings.ToLower(protocol)+".payload", hexBytes(data), 0, len(data))
	if hint.Transport == "tcp" {
		hint.from().keep(data, layer)
	}
}

// layers keeps what the layers of a message have, and what is left of it, and says what kind of message it is.
func (s *sheet) layers(protocol string, found []gopacket.Layer, message []byte) {
	if kind := kindOf(found[0]); kind != "" {
		s.say("%s", kind)
		s.tag(kind)
	}
	w := layerWalk{s: s, message: message, budget: layeredMost}
	for _, l := range found {
		failed, bad := l.(*gopacket.DecodeFailure)
		if bad {
			s.malformed(0, "%v", failed.Error())
		}
		if bad || l.LayerType() == gopacket.LayerTypePayload {
			break
		}
		w.offset = w.place(l.LayerContents(), 0)
		w.value(strings.ToLower(l.LayerType().String()), reflect.ValueOf(l), 0)
		w.left = l.LayerPayload()
	}
	w.bytes(strings.ToLower(protocol)+".payload", w.left)
}

// kindOf is what kind of message it is, for those that tell.
func kindOf(l gopacket.Layer) string {
	switch l := l.(type) {
	case *layers.RADIUS:
		return l.Code.String()
	case *layers.DHCPv4:
		for _, option := range l.Options {
			if option.Type == layers.DHCPOptMessageType && len(option.Data) == 1 {
				return layers.DHCPMsgType(option.Data[0]).String()
			}
		}
	case *layers.DHCPv6:
		return l.MsgType.String()
	case *layers.SIP:
		if l.IsResponse {
			return printable([]byte(strconv.Itoa(l.ResponseCode) + " " + l.ResponseStatus))
		}
		return l.Method.String()
	}
	return ""
}

// layerWalk walks through what a layer has, by reflection.
type layerWalk struct {
	s       *sheet
	message []byte
	offset  int    // of the layer
	left    []byte // what the last layer left
	budget  int    // bytes that may still be looked through for where copies stand
}

// layerDeepest bounds how deep it goes.
const layerDeepest = 6

func (w *layerWalk) value(name string, v reflect.Value, depth int) {
	if depth > layerDeepest || w.s.full() {
		return
	}
	if b, ok := bytesIn(v); ok {
		if told, ok := v.Interface().(fmt.Stringer); ok && v.Kind() == reflect.Slice {
			w.said(name, told.String(), b)
		} else {
			w.bytes(name, b)
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			w.value(name, v.Elem(), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() && field.Name != "BaseLayer" {
				w.value(name+"."+snake(field.Name), v.Field(i), depth+1)
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			w.value(fmt.Sprintf("%s[%d]", name, i), v.Index(i), depth+1)
		}
	case reflect.Map:
		w.entries(name, v, depth)
	case reflect.String:
		w.bytes(name, []byte(v.String()))
	case reflect.Func, reflect.Chan, reflect.UnsafePointer, reflect.Invalid:
	default:
		w.s.field(name, printable([]byte(fmt.Sprint(v.Interface()))), w.offset, 0)
	}
}

// entries are a map's values, in the order of their keys.
func (w *layerWalk) entries(name string, v reflect.Value, depth int) {
	values := map[string]reflect.Value{}
	var keys []string
	for key, value := range v.Seq2() {
		said := printable([]byte(fmt.Sprint(key.Interface())))
		keys = append(keys, said)
		values[said] = value
	}
	slices.Sort(keys)
	for _, key := range keys {
		w.value(name+"."+key, values[key], depth+1)
	}
}

// bytesIn are a value's bytes, if it is made of them.
func bytesIn(v reflect.Value) ([]byte, bool) {
	made := v.Kind() == reflect.Slice || v.Kind() == reflect.Array && v.CanAddr()
	if !made || v.Type().Elem().Kind() != reflect.Uint8 {
		return nil, false
	}
	return v.Bytes(), true
}

// bytes keeps a field of bytes, as text if it reads as such.
func (w *layerWalk) bytes(name string, b []byte) {
	says := hexBytes(b)
	if mostlyText(b) {
		says = printable(b)
	}
	w.said(name, says, b)
}

// said keeps a field of bytes, and where it is known where they stand, a part.
func (w *layerWalk) said(name, says string, b []byte) {
	if len(b) == 0 {
		return
	}
	begin := w.place(b, -1)
	if begin < 0 {
		w.s.field(name, says, w.offset, 0)
		return
	}
	w.s.field(name, says, begin, len(b))
	w.s.part(name[strings.LastIndexByte(name, '.')+1:], begin, len(b))
}

// place is where in the message bytes stand: they are a piece of it, or a copy of one that is there once. Otherwise it is what
// is given.
func (w *layerWalk) place(piece []byte, otherwise int) int {
	const short, searches = 4, 32
	if begin := cap(w.message) - cap(piece); len(piece) > 0 && begin >= 0 && begin+len(piece) <= len(w.message) && &w.message[begin] == &piece[0] {
		return begin
	}
	if w.budget += len(w.message) / searches; len(piece) < short || w.budget < len(w.message) {
		return otherwise
	}
	w.budget -= len(w.message)
	begin := bytes.Index(w.message, piece)
	if begin < 0 || bytes.Contains(w.message[begin+1:], piece) {
		return otherwise
	}
	return begin
}

// beginning takes a datagram as a whole whose first byte is in a range.
func beginning(least, most byte) func([]byte) int {
	return func(data []byte) int {
		if len(data) == 0 || data[0] < least || data[0] > most {
			return 0
		}
		return len(data)
	}
}

// radiusLength is that of a RADIUS packet (RFC 2865, section 3), whose attributes fill it.
func radiusLength(data []byte) int {
	const header, most = 20, 4096
	if len(data) < header || data[0] == 0 || data[0] > 50 {
		return 0
	}
	n := int(binary.BigEndian.Uint16(data[2:]))
	if n < len(data) || n > most {
		return 0
	}
	at := header
	for at+2 <= len(data) {
		if data[at+1] < 2 {
			return 0
		}
		at += int(data[at+1])
	}
	if at > n || n == len(data) && at != n {
		return 0
	}
	return n
}

// dhcpLength is that of a DHCP message (RFC 2131, section 2): the cookie before its options tells it.
func dhcpLength(data []byte) int {
	const cookie = 236
	if len(data) < cookie+4 || data[0] < 1 || data[0] > 2 || string(data[cookie:cookie+4]) != "\x63\x82\x53\x63" {
		return 0
	}
	return len(data)
}

// ntpLength is that of an NTP packet (RFC 5905, section 7.3) of version 1 to 4 between a client and a server.
func ntpLength(data []byte) int {
	if len(data) < 48 {
		return 0
	}
	if version, mode := data[0]>>3&7, data[0]&7; version < 1 || version > 4 || mode < 1 || mode > 5 {
		return 0
	}
	return len(data)
}

// sipLength is that of a SIP message (RFC 3261, section 7): its head, and as much of a body as that tells.
func sipLength(data []byte) int {
	line, _, ok := bytes.Cut(data, []byte("\r\n"))
	if !ok || !bytes.HasPrefix(line, []byte("SIP/2.0 ")) && !bytes.HasSuffix(line, []byte(" SIP/2.0")) {
		return 0
	}
	head, _, ended := bytes.Cut(data, []byte("\r\n\r\n"))
	if !ended {
		return len(data)
	}
	n := len(head) + len("\r\n\r\n")
	for line := range bytes.Lines(head) {
		name, value, _ := strings.Cut(string(line[:min(len(line), 100)]), ":")
		if name = strings.ToLower(strings.TrimSpace(name)); name != "content-length" && name != "l" {
			continue
		}
		body, err := strconv.Atoi(strings.TrimSpace(value))
		if err != nil || body < 0 {
			return len(data)
		}
		return n + min(body, layeredMost)
	}
	return len(data)
}

// diameterLength is that of a Diameter message (RFC 6733, section 3): version 1, and a length that its flags' reserved bits
// and its attributes, in fours, bear out.
func diameterLength(data []byte) int {
	const header = 20
	if len(data) < header || data[0] != 1 || data[4]&0x0f != 0 {
		return 0
	}
	n := int(data[1])<<16 | int(data[2])<<8 | int(data[3])
	if n < header || n%4 != 0 {
		return 0
	}
	for at := header; at < n; {
		if at+8 > n {
			return 0
		}
		if at+8 > len(data) {
			break
		}
		size := int(data[at+5])<<16 | int(data[at+6])<<8 | int(data[at+7])
		if size < 8 || at+size > n {
			return 0
		}
		at += (size + 3) &^ 3
	}
	return n
}

// modbusLength is that of a Modbus message over TCP (MODBUS Messaging on TCP/IP, section 3.1.3).
func modbusLength(data []byte) int {
	const header, most = 6, 254
	if len(data) < header+2 || data[2] != 0 || data[3] != 0 {
		return 0
	}
	n := int(binary.BigEndian.Uint16(data[4:]))
	if n < 2 || n > most {
		return 0
	}
	return header + n
}

// enipLength is that of an EtherNet/IP packet (its length is little-endian, without the header of 24 bytes).
func enipLength(data []byte) int {
	const header = 24
	if len(data) < header {
		return 0
	}
	return header + int(binary.LittleEndian.Uint16(data[2:]))
}

// sflowLength is that of an sFlow datagram of version 5 (sflow_version_5.txt).
func sflowLength(data []byte) int {
	if len(data) < 28 || binary.BigEndian.Uint32(data) != 5 {
		return 0
	}
	return len(data)
}

// bfdLength is that of a BFD control packet (RFC 5880, section 4.1), of version 1.
func bfdLength(data []byte) int {
	if len(data) < 24 || data[0]>>5 != 1 || int(data[3]) != len(data) {
		return 0
	}
	return len(data)
}
