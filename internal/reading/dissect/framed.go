package dissect

import "bytes"

// Framed is the length in bytes of the message that surely begins at data's first byte, by its own
// framing, or 0: for finding messages in memory, where most bytes are no message at all.
func Framed(data []byte) int {
	switch {
	case isRecord(data) && data[0] == contentHandshake:
		return framedRecord(data)
	case requestLine.Match(data[:min(len(data), 9000)]), statusLine.Match(data[:min(len(data), 200)]):
		return framedHTTP(data)
	}
	return framedDNS(data)
}

// framedRecord is a TLS handshake record that is there whole and holds a message of a plausible kind.
func framedRecord(data []byte) int {
	n := 5 + int(data[3])<<8 + int(data[4])
	if n <= 9 || n > len(data) || data[5] > 24 {
		return 0
	}
	return n
}

func framedHTTP(data []byte) int {
	end := bytes.Index(data, []byte("\r\n\r\n"))
	if end < 0 {
		return 0
	}
	s := &sheet{}
	return s.httpMessage(data, 0)
}

// framedDNS is a DNS message that claims one question and reads to an end. Where it ends isn't told by
// the message, so only its sections count.
func framedDNS(data []byte) int {
	if len(data) < dnsHeader+6 || data[4] != 0 || data[5] != 1 || data[6] != 0 || data[8] != 0 || data[10] != 0 {
		return 0
	}
	s := &sheet{}
	d := &dnsReader{sheet: s, message: data, r: open("DNS message", dnsHeader, data[dnsHeader:])}
	d.question()
	for i, section := range dnsSections[1:] {
		for range int(data[7+2*i]) {
			if d.r.Err() == nil {
				d.record(section)
			}
		}
	}
	if d.r.Err() != nil || !s.wellNamed {
		return 0
	}
	return offset(d.r)
}
