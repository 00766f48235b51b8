package dissect

import "bytes"

// framedMost bounds how far ahead the end of a head is looked for, in bytes.
const framedMost = 1 << 16

// Framed is the length in bytes of the message that surely begins at data's first byte, by its own
// framing, or 0: for finding messages in memory, where most bytes are no message at all.
func Framed(data []byte) int {
	switch {
	case isRecord(data):
		return framedRecords(data)
	case bytes.HasPrefix(data, []byte(proxyMagic)) || isProxyLine(data):
		return framedProxy(data)
	case len(data) > 0 && data[0] >= 'A' && data[0] <= 'Z':
		return framedHTTP(data)
	case len(data) > 0 && data[0] == '*':
		return framedCommand(data)
	case len(data) > 0 && data[0] == mqttConnect<<4:
		return framedConnect(data)
	case len(data) > 0 && data[0] == berSequence:
		return framedLDAP(data)
	case isPgsqlStartup(data):
		return framedStartup(data)
	}
	return framedDNS(data)
}

// framedRecords is a run of TLS records that are there whole. The first must hold a handshake message
// whole, of a known kind: five bytes of header alone occur by chance.
func framedRecords(data []byte) int {
	n := recordEnd(data)
	if n < 9 || data[0] != contentHandshake || handshakeNames[int(data[5])] == "" ||
		int(data[6])<<16|int(data[7])<<8|int(data[8]) > n-9 {
		return 0
	}
	for {
		next := recordEnd(data[n:])
		if next == 0 {
			return n
		}
		n += next
	}
}

// recordEnd is the length of the record that data begins with, 0 if it is none or not there whole.
func recordEnd(data []byte) int {
	if !isRecord(data) {
		return 0
	}
	n := 5 + int(data[3])<<8 + int(data[4])
	if n == 5 || n > len(data) {
		return 0
	}
	return n
}

// framedHTTP is a request or response whose head is there whole, and its body if that is.
func framedHTTP(data []byte) int {
	if !bytes.Contains(data[:min(len(data), framedMost)], []byte("\r\n\r\n")) {
		return 0
	}
	h := newHTTPReader(data, Hint{past: new(Dialogue)})
	head, body, ok := h.httpHead(data, 0)
	if !ok || h.isMalformed() {
		return 0
	}
	if b := h.bodyOf(head); !b.untilClose && b.length <= len(data)-body {
		return h.body(b, body)
	}
	return body
}

// framedDNS is a DNS message that asks or answers one question and can be read to where its sections end,
// with names as hosts have them. Counts above 255 are taken for chance.
func framedDNS(data []byte) int {
	if len(data) < dnsHeader+6 || data[4] != 0 || data[5] != 1 || data[6] != 0 || data[8] != 0 || data[10] != 0 {
		return 0
	}
	s := &sheet{}
	d := &dnsReader{sheet: s, message: data, r: open("DNS message", dnsHeader, data[dnsHeader:])}
	d.question()
	for i, section := range dnsSections[1:] {
		for n := range int(data[7+2*i]) {
			d.record(section, n)
		}
	}
	if d.r.Err() != nil || !s.wellNamed || s.isMalformed() {
		return 0
	}
	if kind, class := d.asked.kind, d.asked.class; dnsTypes[kind] == "" || class != 1 && class != 3 && class != 255 {
		return 0
	}
	return offset(d.r)
}
