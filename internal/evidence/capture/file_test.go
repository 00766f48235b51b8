package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/inquest-project/inquest/internal/evidence/elftest"
)

func TestPcapIsReadInBothByteOrdersAndResolutions(t *testing.T) {
	frame := ordinary(t, 1, 1)[0]
	for _, c := range []struct {
		order binary.ByteOrder
		magic uint32
		want  time.Time
	}{
		{binary.LittleEndian, 0xa1b2c3d4, epoch.Truncate(time.Microsecond)},
		{binary.BigEndian, 0xa1b2c3d4, epoch.Truncate(time.Microsecond)},
		{binary.LittleEndian, 0xa1b23c4d, epoch},
		{binary.BigEndian, 0xa1b23c4d, epoch},
	} {
		fraction := epoch.Nanosecond()
		if c.magic == 0xa1b2c3d4 {
			fraction /= 1000
		}
		var b bytes.Buffer
		for _, v := range []any{c.magic, uint16(2), uint16(4), int32(0), uint32(0), uint32(65535), uint32(Raw),
			uint32(epoch.Unix()), uint32(fraction), uint32(len(frame)), uint32(len(frame)), frame} {
			binary.Write(&b, c.order, v)
		}
		f, packets := parse(t, b.Bytes())
		if len(packets) != 1 || !packets[0].Time.Equal(c.want) || len(f.Damage()) != 0 {
			t.Errorf("%v %x: %d packets, %v", c.order, c.magic, len(packets), f.Damage())
		}
		compare(t, packets[0], frame)
	}
}

// ngFile writes frames to two interfaces by turns, the second of which counts nanoseconds.
func ngFile(t testing.TB, frames ...[]byte) []byte {
	var b bytes.Buffer
	w, err := pcapgo.NewNgWriterInterface(&b, pcapgo.NgInterface{Name: "lo", LinkType: layers.LinkTypeRaw, TimestampResolution: 6}, pcapgo.NgWriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	second, err := w.AddInterface(pcapgo.NgInterface{Name: "eth0", LinkType: layers.LinkTypeRaw, TimestampResolution: 9})
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range frames {
		info := gopacket.CaptureInfo{Timestamp: epoch.Add(time.Duration(i) * time.Millisecond), CaptureLength: len(f), Length: len(f), InterfaceIndex: i % 2 * second}
		if err := w.WritePacket(info, f); err != nil {
			t.Fatal(err)
		}
	}
	stats := pcapgo.NgInterfaceStatistics{LastUpdate: epoch, PacketsReceived: 10, PacketsDropped: 3}
	if err := w.WriteInterfaceStats(0, stats); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPcapngGivesInterfacesTimesAndDrops(t *testing.T) {
	frames := ordinary(t, 1, 2)
	f, packets := parse(t, ngFile(t, frames...))
	if len(packets) != len(frames) || len(f.Damage()) > 0 {
		t.Fatalf("%d packets, want %d; damage %v", len(packets), len(frames), f.Damage())
	}
	for i, p := range packets {
		compare(t, p, frames[i])
		if d := epoch.Add(time.Duration(i) * time.Millisecond).Sub(p.Time); d < 0 || d >= time.Microsecond {
			t.Errorf("frame %d at %v", p.Frame, p.Time)
		}
	}
	if len(f.Interfaces) != 2 || f.Interfaces[0].Name != "lo" || f.Interfaces[1].Name != "eth0" || f.Dropped != 3 {
		t.Errorf("interfaces %v, %d dropped", f.Interfaces, f.Dropped)
	}
}

func TestPcapngHandsOutTheKeyLogsThatItCarries(t *testing.T) {
	var b bytes.Buffer
	w, err := pcapgo.NewNgWriter(&b, layers.LinkTypeRaw)
	if err != nil {
		t.Fatal(err)
	}
	const wireGuard = 0x57474b4c
	for _, secrets := range []struct {
		kind uint32
		text string
	}{{0x544c534b, "one log, 17 bytes"}, {wireGuard, "no"}, {0x544c534b, "another"}} {
		if err := w.WriteDecryptionSecretsBlock(secrets.kind, []byte(secrets.text)); err != nil {
			t.Fatal(err)
		}
	}
	w.Flush()
	f, _ := parse(t, b.Bytes())
	for range f.Packets() { // a second walk must not count them twice
	}
	if len(f.Secrets) != 2 || string(f.Secrets[0]) != "one log, 17 bytes" || string(f.Secrets[1]) != "another" || len(f.Damage()) > 0 {
		t.Errorf("secrets %q, damage %v", f.Secrets, f.Damage())
	}
	file := b.Bytes()
	at := bytes.Index(file, []byte("another"))
	binary.LittleEndian.PutUint32(file[at-4:], 1<<31)
	f, _ = parse(t, file)
	if len(f.Secrets) != 2 || len(f.Damage()) != 1 || f.Damage()[0].Offset != int64(at-4) {
		t.Errorf("a length that lies: %q, %v", f.Secrets, f.Damage())
	}
}

func TestPcapngSectionsMayDifferInByteOrder(t *testing.T) {
	frame := ordinary(t, 1, 1)[0]
	little := ngFile(t, frame)
	var b bytes.Buffer
	block := func(kind uint32, body ...any) {
		var inner bytes.Buffer
		for _, v := range body {
			binary.Write(&inner, binary.BigEndian, v)
		}
		for inner.Len()%4 != 0 {
			inner.WriteByte(0)
		}
		length := uint32(inner.Len() + 12)
		binary.Write(&b, binary.BigEndian, [2]uint32{kind, length})
		b.Write(inner.Bytes())
		binary.Write(&b, binary.BigEndian, length)
	}
	block(0x0a0d0d0a, uint32(0x1a2b3c4d), uint16(1), uint16(0), int64(-1))
	block(1, uint16(Raw), uint16(0), uint32(0), uint16(14), uint16(8), int64(3600)) // if_tsoffset: an hour
	block(3, uint32(len(frame)), frame)
	block(2, uint16(0), uint16(0), uint32(0), uint32(5_000_000), uint32(len(frame)), uint32(len(frame)), frame)
	f, packets := parse(t, append(little, b.Bytes()...))
	if len(packets) != 3 || len(f.Damage()) > 0 {
		t.Fatalf("%d packets, want 3; damage %v", len(packets), f.Damage())
	}
	for i, p := range packets {
		if p.Frame != i+1 {
			t.Errorf("frame %d, want %d", p.Frame, i+1)
		}
		compare(t, p, frame)
	}
	if want := time.Unix(3605, 0); !packets[2].Time.Equal(want) {
		t.Errorf("time %v, want %v", packets[2].Time, want)
	}
}

// TestACutFileGivesTheFramesBeforeTheCut cuts at every byte.
func TestACutFileGivesTheFramesBeforeTheCut(t *testing.T) {
	frames := ordinary(t, 6, 1)
	for name, whole := range map[string][]byte{"pcap": pcapFile(t, Raw, frames...), "pcapng": ngFile(t, frames...)} {
		_, want := parse(t, whole)
		for n := 28; n < len(whole); n++ {
			f, got := parse(t, whole[:n])
			if len(got) > len(want) {
				t.Fatalf("%s cut at %d: %d packets of %d", name, n, len(got), len(want))
			}
			for i := range max(0, len(got)-1) {
				if got[i].Src != want[i].Src || !bytes.Equal(got[i].Payload, want[i].Payload) {
					t.Fatalf("%s cut at %d: packet %d differs", name, n, i)
				}
			}
			if len(got) < len(want) && len(f.Damage()) == 0 && !atBoundary(whole, n, name) {
				t.Fatalf("%s cut at %d: nothing said", name, n)
			}
		}
	}
}

// atBoundary says whether a cut falls between two records, where nothing shows it.
func atBoundary(whole []byte, n int, name string) bool {
	for off := 24; name == "pcap" && off <= n; off += 16 + int(binary.LittleEndian.Uint32(whole[off+8:])) {
		if off == n {
			return true
		}
	}
	for off := 0; name == "pcapng" && off <= n; off += int(binary.LittleEndian.Uint32(whole[off+4:])) {
		if off == n {
			return true
		}
	}
	return false
}

func TestDamageNamesFileOffsetAndValues(t *testing.T) {
	frame := ordinary(t, 1, 1)[0]
	file := pcapFile(t, Raw, frame, frame)
	second := 24 + 16 + len(frame)
	binary.LittleEndian.PutUint32(file[second+8:], 0xfffffff0)
	f, packets := parse(t, file)
	if len(packets) != 1 || len(f.Damage()) != 1 {
		t.Fatalf("%d packets, damage %v", len(packets), f.Damage())
	}
	want := fmt.Sprintf("test: offset 0x%x: expected a frame of at most 1048576 bytes, found a length of 4294967280", second)
	if got := f.Damage()[0].String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestWhatIsNoCaptureIsRefusedByName(t *testing.T) {
	_, err := Parse("notes.bin", []byte("\x7fELF and so on, no capture"))
	if err == nil || !strings.Contains(err.Error(), "notes.bin") || !strings.Contains(err.Error(), "7f 45 4c 46") {
		t.Errorf("got %v", err)
	}
	for _, data := range [][]byte{nil, {}, {0xd4}, []byte("\xd4\xc3\xb2\xa1")} {
		if _, err := Parse("x", data); err == nil {
			t.Errorf("% x was taken for a capture", data)
		}
	}
}

func TestOpenMapsAndCloses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.pcap")
	if err := os.WriteFile(path, pcapFile(t, Raw, ordinary(t, 1, 1)...), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(collect(f)); n != 6 || f.Name != "a.pcap" {
		t.Errorf("%s: %d packets, want 6", f.Name, n)
	}
	if n := len(collect(f)); n != 6 {
		t.Errorf("second walk: %d packets, want 6", n)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error("closing twice:", err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	os.WriteFile(empty, nil, 0o600)
	if _, err := Open(empty); err == nil {
		t.Error("an empty file was opened")
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(fifo); err == nil {
		t.Error("a FIFO was opened")
	}
}

// FuzzCapture walks any bytes as a capture and holds what no capture may break.
func FuzzCapture(f *testing.F) {
	frames := ordinary(f, 7, 1)
	for _, link := range allLinks {
		f.Add(pcapFile(f, link, linked(f, link, frames[0]), linked(f, link, frames[5])))
	}
	f.Add(ngFile(f, frames...))
	for _, hostile := range elftest.Hostile() {
		f.Add(hostile)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse("fuzz", data)
		if err != nil {
			return
		}
		last := 0
		for p := range file.Packets() {
			if !file.Listed && p.Frame != last+1 && !(p.Again && p.Frame <= last) {
				t.Fatalf("frame %d after %d", p.Frame, last)
			}
			last = max(last, p.Frame)
			if len(p.Payload) > p.Length || p.Length < 0 {
				t.Fatalf("%d bytes captured of %d", len(p.Payload), p.Length)
			}
			if p.ICMP != nil {
				p.ICMP.PortUnreachable()
			}
			_ = p.Flags.String()
		}
		for _, d := range file.Damage() {
			if d.Offset < 0 || d.Offset > int64(len(data)) {
				t.Fatalf("damage outside the file: %v", d)
			}
		}
	})
}
