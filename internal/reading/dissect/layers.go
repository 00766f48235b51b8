package dissect

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
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
	length    func(data []byte) int // of the message that data begins with; 0 if it is none
}{
	{"RADIUS", layers.LayerTypeRADIUS, "udp", nil, radiusLength},
	{"DHCP", layers.LayerTypeDHCPv4, "udp", nil, dhcpLength},
	{"DHCPv6", layers.LayerTypeDHCPv6, "udp", []uint16{546, 547}, whole},
	{"NTP", layers.LayerTypeNTP, "udp", []uint16{123}, ntpLength},
	{"SIP", layers.LayerTypeSIP, "", nil, sipLength},
	{"Diameter", layers.LayerTypeDiameter, "tcp", nil, diameterLength},
	{"Modbus", layers.LayerTypeModbusTCP, "tcp", []uint16{502}, modbusLength},
	{"ENIP", layers.LayerTypeENIP, "", []uint16{44818}, enipLength},
	{"sFlow", layers.LayerTypeSFlow, "udp", []uint16{6343}, whole},
	{"BFD", layers.LayerTypeBFD, "udp", []uint16{3784, 4784}, whole},
	{"RMCP", layers.LayerTypeRMCP, "udp", []uint16{623}, whole},
	{"GTPv2", layers.LayerTypeGTPv2, "udp", []uint16{2123}, whole},
}

// layeredMost bounds a message that gopacket is given, in bytes: it keeps more than that of it.
const layeredMost = 64 << 10

// layer reads what gopacket decodes. A field of bytes is told where it stands; of numbers gopacket doesn't say, so they
// are in the whole layer.
func layer(data []byte, hint Hint) (Dissection, bool) {
	head := data[:min(len(data), layeredMost):min(len(data), layeredMost)]
	for _, p := range layered {
		if p.transport != "" && p.transport != hint.Transport || len(p.ports) > 0 && !slices.Contains(p.ports, hint.Port) {
			continue
		}
		n := p.length(head)
		if n <= 0 || n > len(head) {
			continue
		}
		message := head[:n:n]
		packet := gopacket.NewPacket(message, p.layer, gopacket.DecodeOptions{NoCopy: true})
		if found := packet.Layers(); len(found) > 0 && found[0].LayerType() == p.layer {
			s := &sheet{}
			s.layers(p.name, found, message, hint)
			s.rest = len(data) - n
			return s.done(p.name), true
		}
	}
	return Dissection{}, false
}

// layers keeps what the layers of a message have, and says what the first one is.
func (s *sheet) layers(protocol string, found []gopacket.Layer, message []byte, hint Hint) {
	s.say("%s", protocol)
	s.tag(protocol)
	for _, l := range found {
		switch failed, is := l.(*gopacket.DecodeFailure); {
		case is:
			s.malformed(0, "%v", failed.Error())
			continue
		case l.LayerType() == gopacket.LayerTypePayload:
			continue
		}
		w := layerWalk{s, message, at(message, l.LayerContents(), 0), len(l.LayerContents())}
		w.value(strings.ToLower(l.LayerType().String()), reflect.ValueOf(l), 0)
	}
	if kind := s.kindOf(protocol, found[0]); kind != "" {
		s.say("%s", kind)
		s.tag(kind)
	}
	if hint.FromClient {
		s.tag("request")
	} else {
		s.tag("response")
		s.answer("request")
	}
}

// kindOf is what kind of message it is, if one of its first fields tells by name.
func (s *sheet) kindOf(protocol string, l gopacket.Layer) string {
	if dhcp, is := l.(*layers.DHCPv4); is {
		for _, option := range dhcp.Options {
			if option.Type == layers.DHCPOptMessageType && len(option.Data) == 1 {
				return layers.DHCPMsgType(option.Data[0]).String()
			}
		}
	}
	for _, f := range s.Fields[:min(len(s.Fields), 3)] {
		if f.Value != "" && f.Value[0] >= 'A' && f.Value[0] <= 'Z' && !strings.HasPrefix(f.Value, protocol) {
			return f.Value
		}
	}
	return ""
}

// at is where in a message bytes stand that are a piece of it; otherwise it is what is given.
func at(message, piece []byte, otherwise int) int {
	if len(piece) == 0 || cap(piece) > cap(message) {
		return otherwise
	}
	if begin := cap(message) - cap(piece); begin+len(piece) <= len(message) && &message[begin] == &piece[0] {
		return begin
	}
	if begin := bytes.Index(message, piece); begin >= 0 && len(piece) > 3 {
		return begin
	}
	return otherwise
}

// layerWalk walks through what a layer has, by reflection.
type layerWalk struct {
	s              *sheet
	message        []byte
	offset, length int // of the layer
}

// layerDeepest bounds how deep it goes.
const layerDeepest = 6

func (w layerWalk) value(name string, v reflect.Value, depth int) {
	if depth > layerDeepest || w.s.full() {
		return
	}
	if b, ok := bytesIn(v); ok {
		w.bytes(name, b, v)
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
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		for _, key := range keys {
			w.value(name+"."+printable([]byte(fmt.Sprint(key))), v.MapIndex(key), depth+1)
		}
	case reflect.String:
		w.bytes(name, []byte(v.String()), v)
	case reflect.Func, reflect.Chan, reflect.UnsafePointer, reflect.Invalid:
	default:
		w.s.field(name, printable([]byte(fmt.Sprint(v.Interface()))), w.offset, w.length)
	}
}

// bytesIn are a value's bytes, if it is made of them.
func bytesIn(v reflect.Value) ([]byte, bool) {
	switch v.Kind() {
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return v.Bytes(), true
		}
	case reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 && v.CanAddr() {
			return v.Bytes(), true
		}
	}
	return nil, false
}

// bytes keeps a field of bytes, and as a part where it is known where they stand.
func (w layerWalk) bytes(name string, b []byte, v reflect.Value) {
	if len(b) == 0 {
		return
	}
	begin := at(w.message, b, -1)
	says := hexBytes(b)
	if told, ok := v.Interface().(fmt.Stringer); ok && v.Kind() != reflect.Array {
		says = told.String()
	} else if mostlyText(b) {
		says = printable(b)
	}
	if begin < 0 {
		w.s.field(name, says, w.offset, w.length)
		return
	}
	w.s.field(name, says, begin, len(b))
	w.s.part(name[strings.LastIndexByte(name, '.')+1:], begin, len(b))
}

func whole(data []byte) int { return len(data) }

// radiusLength is that of a RADIUS packet (RFC 2865, section 3), whose attributes fill it.
func radiusLength(data []byte) int {
	const header = 20
	if len(data) < header || data[0] == 0 || data[0] > 50 || int(binary.BigEndian.Uint16(data[2:])) != len(data) {
		return 0
	}
	for at := header; at < len(data); at += int(data[at+1]) {
		if at+2 > len(data) || data[at+1] < 2 || at+int(data[at+1]) > len(data) {
			return 0
		}
	}
	return len(data)
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
	if version, mode := data0(data)>>3&7, data0(data)&7; len(data) < 48 || version < 1 || version > 4 || mode < 1 || mode > 5 {
		return 0
	}
	return len(data)
}

func data0(data []byte) byte {
	if len(data) == 0 {
		return 0
	}
	return data[0]
}

// sipLength is that of a SIP message (RFC 3261, section 7) up to the end of its body.
func sipLength(data []byte) int {
	line, _, ok := bytes.Cut(data, []byte("\r\n"))
	if !ok || !bytes.HasPrefix(line, []byte("SIP/2.0 ")) && !bytes.HasSuffix(line, []byte(" SIP/2.0")) {
		return 0
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
	if n < header || n%4 != 0 || n > len(data) {
		return 0
	}
	for at := header; at < n; {
		if at+8 > n {
			return 0
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
	const header = 6
	if len(data) < header+2 || data[2] != 0 || data[3] != 0 {
		return 0
	}
	return header + int(binary.BigEndian.Uint16(data[4:]))
}

// enipLength is that of an EtherNet/IP packet (its length is little-endian, without the header of 24 bytes).
func enipLength(data []byte) int {
	const header = 24
	if len(data) < header {
		return 0
	}
	return header + int(binary.LittleEndian.Uint16(data[2:]))
}
