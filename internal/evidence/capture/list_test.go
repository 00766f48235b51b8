package capture

import (
	"strings"
	"testing"
	"time"
)

func TestThePastedListOfTheIncident(t *testing.T) {
	f, err := Open("testdata/packets.txt")
	if err != nil {
		t.Fatal(err)
	}
	packets := collect(f)
	want := []struct {
		frame            int
		src, dst         string
		sport, dport     uint16
		seq, ack, length int
		flags            Flags
		inferred         bool
	}{
		{4816, "server", "client", 443, 38409, 4097, 264, 1100, ACK, true},
		{4819, "client", "server", 38409, 443, 264, 5197, 0, ACK, false},
		{4823, "client", "server", 38409, 443, 264, 5197, 198, ACK, true},
		{4824, "server", "client", 443, 38409, 5197, 462, 0, ACK, false},
		{4955, "server", "client", 443, 38409, 5197, 462, 0, RST | ACK, false},
	}
	if len(packets) != len(want) || len(f.Damage()) > 0 {
		t.Fatalf("%d packets, want %d; damage %v", len(packets), len(want), f.Damage())
	}
	for i, w := range want {
		p := packets[i]
		l := p.Listed
		if p.Frame != w.frame || l.Source != w.src || l.Destination != w.dst || p.Src.Port() != w.sport || p.Dst.Port() != w.dport ||
			int(p.Seq) != w.seq || int(p.Ack) != w.ack || p.Length != w.length || p.Flags != w.flags || l.Inferred != w.inferred || p.Protocol != TCP {
			t.Errorf("frame %d: %+v %+v", w.frame, p, *l)
		}
	}
	if info := packets[2].Listed.Info; info != "Client Key Exchange, Change Cipher Spec, Encrypted Handshake Message" {
		t.Errorf("info %q", info)
	}
	if want := time.Date(2014, 1, 29, 22, 1, 24, 810406000, time.UTC); !packets[2].Time.Equal(want) {
		t.Errorf("time %v, want %v", packets[2].Time, want)
	}
}

func TestListsInTheFormsThatWiresharkAndTsharkPrint(t *testing.T) {
	for _, c := range []struct {
		name, row, src, dst string
		relative            bool
		time                time.Time
	}{
		{"tshark with arrows, relative", "    7 0.000123456    10.0.0.1 → 10.0.0.2    TCP 74 38409 → 443 [SYN] Seq=0 Win=64240 Len=0 MSS=1460", "10.0.0.1:38409", "10.0.0.2:443", true, time.Unix(0, 123456)},
		{"ASCII arrow, time of day", "7 22:01:24.790906 10.0.0.1 -> 10.0.0.2 TCP 74 38409 > https [SYN] Seq=0 Len=0", "10.0.0.1:38409", "10.0.0.2:443", true, time.Unix(22*3600+84, 790906000)},
		{"epoch", "7 1391032884.790906 10.0.0.1 10.0.0.2 TCP 74 38409 > 443 [SYN] Seq=0 Len=0", "10.0.0.1:38409", "10.0.0.2:443", false, time.Unix(1391032884, 790906000)},
		{"IPv6, UTC with Z", "7 2014-01-29T22:01:24.790906Z 2001:db8::1 2001:db8::2 UDP 74 5353 → 53 Len=20", "[2001:db8::1]:5353", "[2001:db8::2]:53", false, time.Unix(1391032884, 790906000)},
		{"a remark before the ports", "7 1391032884.5 10.0.0.1 10.0.0.2 TCP 74 [TCP Retransmission] 38409 > 443 [PSH, ACK] Seq=1 Ack=1 Win=5 Len=8", "10.0.0.1:38409", "10.0.0.2:443", false, time.Unix(1391032884, 500000000)},
	} {
		_, packets := parse(t, []byte("No. Time Source Destination Protocol Length Info\n"+c.row+"\n"))
		if len(packets) != 1 {
			t.Errorf("%s: %d packets", c.name, len(packets))
			continue
		}
		p := packets[0]
		if p.Frame != 7 || p.Src.String() != c.src || p.Dst.String() != c.dst || p.Listed.Relative != c.relative || !p.Time.Equal(c.time) {
			t.Errorf("%s: %v %v %v %v", c.name, p.Src, p.Dst, p.Listed.Relative, p.Time)
		}
	}
}

func TestARowThatCannotBeReadIsDamageAndTheOthersStay(t *testing.T) {
	list := "1 0.1 a b TCP 60 1 > 2 [SYN] Seq=0 Len=0\n2 0.2 a b\n3 0.3 b a TCP 60 2 > 1 [SYN, ACK] Seq=0 Ack=1 Len=0\n"
	f, packets := parse(t, []byte(list))
	if len(packets) != 2 || len(f.Damage()) != 1 || f.Damage()[0].Offset != int64(strings.Index(list, "2 0.2")) {
		t.Errorf("%d packets, damage %v", len(packets), f.Damage())
	}
}

func TestRowsWithoutPortsBelongToTheNearestConversation(t *testing.T) {
	list := `1 0.1 a b TCP 74 100 > 443 [SYN] Seq=0 Len=0
2 0.2 b a TCP 74 443 > 100 [SYN, ACK] Seq=0 Ack=1 Len=0
3 0.3 a b TLSv1 254 Client Hello
4 0.4 b a TCP 54 443 > 100 [ACK] Seq=1 Ack=201 Len=0
5 0.5 a b TCP 74 101 > 443 [SYN] Seq=0 Len=0
6 0.6 a b TLSv1 154 Client Hello`
	_, packets := parse(t, []byte(list))
	for i, port := range []uint16{100, 443, 100, 443, 101, 101} {
		if packets[i].Src.Port() != port {
			t.Errorf("frame %d from port %d, want %d", i+1, packets[i].Src.Port(), port)
		}
	}
	if p := packets[2]; p.Length != 200 || p.Seq != 1 {
		t.Errorf("frame 3: %d bytes from %d, want 200 from 1", p.Length, p.Seq)
	}
}

// FuzzList reads any text as a packet list.
func FuzzList(f *testing.F) {
	f.Add("4816 2014-01-29 22:01:24.790906 server client TLSv1 1154 Certificate\n4955 2014-01-29 22:01:24.825933 server client TCP 54 https > 38409 [RST, ACK]\nSeq=5197 Ack=462 Win=16896 Len=0")
	f.Add("1 0.1 a b DNS 70 Standard query 0x1 A example.org\n2 22:01:24 b a UDP 70 53 → 1 Len=20")
	f.Fuzz(func(t *testing.T, text string) {
		packets, _ := parseList("fuzz", []byte(text))
		for _, p := range packets {
			if p.Listed == nil || p.Length < 0 {
				t.Fatalf("packet %+v", p)
			}
		}
	})
}
