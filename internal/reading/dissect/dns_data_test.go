package dissect

import (
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// answer is a DNS response with one record, made by gopacket.
func answer(t testing.TB, record layers.DNSResourceRecord) []byte {
	t.Helper()
	record.Name, record.Class = []byte("example.org"), layers.DNSClassIN
	message := &layers.DNS{ID: 7, QR: true, ANCount: 1, QDCount: 1, Answers: []layers.DNSResourceRecord{record},
		Questions: []layers.DNSQuestion{{Name: []byte("example.org"), Type: record.Type, Class: layers.DNSClassIN}}}
	b := gopacket.NewSerializeBuffer()
	if err := message.SerializeTo(b, gopacket.SerializeOptions{FixLengths: true}); err != nil {
		t.Fatal(err)
	}
	return slices.Clone(b.Bytes())
}

func TestRecordDataIsShownByItsType(t *testing.T) {
	for _, c := range []struct {
		want   string
		record layers.DNSResourceRecord
	}{
		{"192.0.2.1", layers.DNSResourceRecord{Type: layers.DNSTypeA, IP: net.IP{192, 0, 2, 1}}},
		{"2001:db8::1", layers.DNSResourceRecord{Type: layers.DNSTypeAAAA, IP: net.ParseIP("2001:db8::1")}},
		{"a.example.org", layers.DNSResourceRecord{Type: layers.DNSTypeCNAME, CNAME: []byte("a.example.org")}},
		{"ns.example.org", layers.DNSResourceRecord{Type: layers.DNSTypeNS, NS: []byte("ns.example.org")}},
		{"10 mx.example.org", layers.DNSResourceRecord{Type: layers.DNSTypeMX, MX: layers.DNSMX{Preference: 10, Name: []byte("mx.example.org")}}},
		{"1 2 53 srv.example.org", layers.DNSResourceRecord{Type: layers.DNSTypeSRV, SRV: layers.DNSSRV{Priority: 1, Weight: 2, Port: 53, Name: []byte("srv.example.org")}}},
		{"m.example.org r.example.org 1 2 3 4 5", layers.DNSResourceRecord{Type: layers.DNSTypeSOA,
			SOA: layers.DNSSOA{MName: []byte("m.example.org"), RName: []byte("r.example.org"), Serial: 1, Refresh: 2, Retry: 3, Expire: 4, Minimum: 5}}},
		{`"v=spf1" "-all"`, layers.DNSResourceRecord{Type: layers.DNSTypeTXT, TXTs: [][]byte{[]byte("v=spf1"), []byte("-all")}}},
	} {
		d := Message(answer(t, c.record), Hint{Transport: "udp", Port: 53})
		if got := pathField(t, d, "dns.answer[0].data"); got != c.want {
			t.Errorf("%v: got %s, want %s", c.record.Type, got, c.want)
		}
		if slices.Contains(d.Tags, "malformed") {
			t.Errorf("%v: malformed: %s", c.record.Type, d.Summary)
		}
	}
}

func TestRecordDataFollowsCompressionIntoTheMessage(t *testing.T) {
	message := answer(t, layers.DNSResourceRecord{Type: layers.DNSTypeCNAME, CNAME: []byte("a.example.org")})
	at := strings.LastIndex(string(message), "\x01a\x07example\x03org\x00")
	message = append(message[:at], 1, 'a', 0xc0, 12) // the question's name stands at 12
	message[at-1] = 4
	d := Message(message, Hint{Transport: "udp", Port: 53})
	if got := pathField(t, d, "dns.answer[0].data"); got != "a.example.org" {
		t.Errorf("got %s", got)
	}
}

func TestRecordDataOfAnotherFormIsMalformed(t *testing.T) {
	message := answer(t, layers.DNSResourceRecord{Type: layers.DNSTypeA, IP: net.IP{192, 0, 2, 1}})
	message = append(message, 9)
	message[len(message)-6] = 5
	d := Message(message, Hint{Transport: "udp", Port: 53})
	if got := pathField(t, d, "dns.answer[0].data"); got != "c000020109" || !slices.Contains(d.Tags, "malformed") {
		t.Errorf("got %s, %v", got, d.Tags)
	}
}

// Each type's data may be cut anywhere, or have a byte that it should not have.
func TestDamagedRecordDataIsReadInItsBounds(t *testing.T) {
	recorded(t, "testdata/dns.pcap", func(_ string, data []byte, hint Hint) {
		for at := range data {
			for _, b := range []byte{0, 0x7f, 0xc0, 0xff} {
				damaged := slices.Clone(data[:min(len(data), at+150)])
				damaged[at] = b
				checkRanges(t, Message(damaged, hint), len(damaged))
			}
		}
	})
}

// What follows an OPT record's header in a query for the root.
func TestOptionsOfNoKnownFamilyAreReadAsBytes(t *testing.T) {
	const query = "\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x01x\x00\x00\x01\x00\x01\x00\x00\x29\x04\xd0\x00\x00\x00\x00"
	for option, want := range map[string]string{
		"\x00\x08\x00\x04\x00\x00\x00\x00":     "",
		"\x00\x08\x00\x05\x00\x03\x00\x00\x09": "09",
	} {
		d := Message([]byte(query+"\x00"+string(rune(len(option)))+option), Hint{Transport: "udp", Port: 53})
		if got := pathField(t, d, "dns.opt.client.addr"); got != want || slices.Contains(d.Tags, "malformed") {
			t.Errorf("%x: %q, %s", option, got, d.Summary)
		}
	}
}
