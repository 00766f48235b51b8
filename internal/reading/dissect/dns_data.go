package dissect

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// dnsForms tell what the data of common record types is made of (RFC 1035, sections 3.3 and 3.4; RFC 2782,
// RFC 3596, RFC 6672): "n" is a name, "2" and "4" are numbers of so many bytes, "a" and "A" addresses of IPv4
// and IPv6, "s" is a string behind its length, once or more.
var dnsForms = map[int]string{
	1: "a", 28: "A", 2: "n", 5: "n", 12: "n", 39: "n", 15: "2n", 33: "222n", 6: "nn44444", 16: "s", 99: "s",
}

// data shows a record's data by its form. Data that does not keep to the form is noted, and shown as it is.
func (d *dnsReader) data(kind int, r *cursor.Reader) string {
	form, content, at := dnsForms[kind], peek(r), offset(r)
	if form == "" || len(content) == 0 { // empty data stands in dynamic updates (RFC 2136)
		return hexBytes(content)
	}
	inner := &dnsReader{sheet: &sheet{}, message: d.message, begin: d.begin, r: r}
	var words []string
	for _, element := range form {
		words = append(words, inner.element(element))
	}
	if r.Err() != nil || r.Len() > 0 {
		d.malformed(at, "%d bytes are no data of a %s record", len(content), dnsType(kind))
		return hexBytes(content)
	}
	return strings.Join(words, " ")
}

func (d *dnsReader) element(form rune) string {
	switch form {
	case 'n':
		return d.name()
	case '2':
		return fmt.Sprint(d.r.Uint16())
	case '4':
		return fmt.Sprint(d.r.Uint32())
	case 's':
		return d.strings()
	}
	size := map[rune]uint64{'a': 4, 'A': 16}[form]
	addr, _ := netip.AddrFromSlice(d.r.Bytes(size))
	return addr.String()
}

// strings reads strings up to the data's end (RFC 1035, section 3.3).
func (d *dnsReader) strings() string {
	var list []string
	for d.r.Len() > 0 {
		n := d.r.Uint8()
		list = append(list, `"`+printable(d.r.Bytes(uint64(n)))+`"`)
	}
	return strings.Join(list, " ")
}
