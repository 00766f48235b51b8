package dissect

import (
	"encoding/hex"
	"strings"
	"testing"
)

// quicSample begins like the client's Initial of RFC 9001, appendix A.2 (DCID 8394c8f03e515708, no SCID).
func quicSample(first, version string) []byte {
	head, _ := hex.DecodeString(first + version + "088394c8f03e515708" + "00" + "00449e")
	return append(head, make([]byte, 1180)...)
}

func TestAQUICInitialIsRecognised(t *testing.T) {
	for _, c := range []struct{ first, version, want string }{
		{"c3", "00000001", "version 1"}, {"d3", "6b3343cf", "version 2"}, {"c0", "ff00001d", "draft 29"},
	} {
		d := Message(quicSample(c.first, c.version), Hint{Transport: "udp"})
		if d.Protocol != "QUIC" || !strings.Contains(d.Summary, c.want) {
			t.Fatalf("%s: %s, %q", c.want, d.Protocol, d.Summary)
		}
		if f := d.Fields[1]; f.Name != "quic.dcid" || f.Value != "8394c8f03e515708" || f.Offset != 6 || f.Length != 8 {
			t.Errorf("%s: %v", c.want, f)
		}
		if f := d.Fields[2]; f.Name != "quic.scid" || f.Value != "" || f.Offset != 15 || f.Length != 0 {
			t.Errorf("%s: %v", c.want, f)
		}
	}
}

func TestWhatIsNoQUICInitialIsNotTakenForOne(t *testing.T) {
	long := quicSample("c3", "00000001")
	long[5] = 21 // a connection ID that these versions don't have
	for name, c := range map[string]struct {
		data      []byte
		transport string
	}{
		"over TCP":            {quicSample("c3", "00000001"), "tcp"},
		"a short header":      {quicSample("43", "00000001"), "udp"},
		"an unknown version":  {quicSample("c3", "00000007"), "udp"},
		"version 2's retry":   {quicSample("c3", "6b3343cf"), "udp"},
		"a handshake packet":  {quicSample("e3", "00000001"), "udp"},
		"a long ID":           {long, "udp"},
		"cut inside the DCID": {quicSample("c3", "00000001")[:9], "udp"},
	} {
		if d := Message(c.data, Hint{Transport: c.transport}); d.Protocol == "QUIC" {
			t.Errorf("%s: %q", name, d.Summary)
		}
	}
}
