package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// What must hold for a core of 1 GB and a capture of 1 GB, on two processors.
const (
	grownSize   = 1 << 30
	grownTime   = 10.0 // seconds
	grownMemory = 1 << 30
)

// BenchmarkAnalyzeAGigabyteOfEach has the demo's death in a core and a capture of 1 GB each: after hours of such traffic, and
// after ten seconds.
func BenchmarkAnalyzeAGigabyteOfEach(b *testing.B) {
	inquest := builtInquest(b)
	req := unpackDemo(b)
	evidence := req.Paths[0]
	small := filepath.Join(b.TempDir(), "core")
	if out, err := exec.Command("zstd", "-q", "-d", filepath.Join(evidence, "core.zst"), "-o", small).CombinedOutput(); err != nil {
		b.Fatalf("unpacking the core: %v: %s", err, out)
	}
	capture := read(b, filepath.Join(evidence, "capture.pcap"))
	core := generated(b, func(w io.Writer) error { return grownCore(w, read(b, small), grownSize) })
	for name, span := range map[string]time.Duration{"hours": 3 * time.Hour, "ten-seconds": 10 * time.Second} {
		b.Run(name, func(b *testing.B) {
			pcap := generated(b, func(w io.Writer) error { return grownCapture(w, capture, grownSize, span) })
			for b.Loop() {
				start := time.Now()
				memory, processor, talk, err := sampled(exec.Command(inquest, "analyze", "--sysroot", req.Sysroots[0],
					"--core", core, "--pcap", pcap, "--log", filepath.Join(evidence, "audit.log")))
				if err != nil {
					b.Fatalf("inquest analyze: %v: %s", err, talk)
				}
				atMost(b, time.Since(start).Seconds(), grownTime, "s")
				atMost(b, memory, grownMemory, "bytes-anonymous")
				b.ReportMetric(processor, "CPU-s")
			}
		})
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// grownCapture writes a capture behind copies of its first half that came before, each with clients and sequence numbers of
// its own.
func grownCapture(w io.Writer, capture []byte, size int, span time.Duration) error {
	const fileHead, recordHead, server = 24, 16, 8443
	le, be := binary.LittleEndian, binary.BigEndian
	end := fileHead
	for end < len(capture)/2 {
		end += recordHead + int(le.Uint32(capture[end+8:]))
	}
	copies := size / end
	if _, err := w.Write(capture[:fileHead]); err != nil {
		return err
	}
	for i := range copies {
		back := span - span*time.Duration(i)/time.Duration(copies)
		var first time.Duration
		for at := fileHead; at < end; {
			record := append([]byte(nil), capture[at:at+recordHead+int(le.Uint32(capture[at+8:]))]...)
			at += len(record)
			stamp := time.Duration(le.Uint32(record))*time.Second + time.Duration(le.Uint32(record[4:]))*time.Microsecond
			if first == 0 {
				first = stamp
			}
			stamp = first - back + min(stamp-first, span/time.Duration(copies)) // one copy behind the other
			le.PutUint32(record, uint32(stamp/time.Second))
			le.PutUint32(record[4:], uint32(stamp%time.Second/time.Microsecond))
			ip := record[recordHead+14:]
			tcp := ip[int(ip[0]&15)*4:]
			for side := range 2 {
				if port := tcp[2*side:]; be.Uint16(port) != server {
					ip[12+4*side+1] = byte(1 + i%200)
					be.PutUint16(port, be.Uint16(port)^uint16(i/200)<<4)
				}
				number := tcp[4+4*side:]
				be.PutUint32(number, be.Uint32(number)+uint32(i+1)*0x01234567)
			}
			if _, err := w.Write(record); err != nil {
				return err
			}
		}
	}
	_, err := w.Write(capture[fileHead:])
	return err
}

// grownCore writes a core with so many bytes of writable memory more: blocks of text, of pointers, of zeros and of noise.
func grownCore(w io.Writer, core []byte, size int) error {
	const programHeader, start = 56, 0x7000_0000_0000
	le := binary.LittleEndian
	headers, count := int(le.Uint64(core[32:])), int(le.Uint16(core[56:]))
	table := append([]byte(nil), core[headers:headers+count*programHeader]...)
	at := 0
	for at < count && (le.Uint32(table[at*programHeader:]) != 1 || le.Uint64(table[at*programHeader+16:]) < start) {
		at++ // segments stand in the order of their addresses, behind the notes
	}
	segment := le.AppendUint32(nil, 1)    // PT_LOAD
	segment = le.AppendUint32(segment, 6) // that can be read and written
	padded := (len(core) + 4095) &^ 4095
	for _, field := range []int{padded, start, 0, size, size, 4096} {
		segment = le.AppendUint64(segment, uint64(field))
	}
	table = append(table[:at*programHeader:at*programHeader], append(segment, table[at*programHeader:]...)...)
	core = append(core, make([]byte, padded-len(core))...)
	le.PutUint64(core[32:], uint64(padded+size))
	le.PutUint16(core[56:], uint16(count+1))
	if _, err := w.Write(core); err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for written := 0; written < size; written += 4096 {
		block := make([]byte, 0, 4096+64)
		for kind := rng.IntN(4); len(block) < 4096; {
			switch kind {
			case 0:
				block = fmt.Appendf(block, "Host: %x.example\r\nAccept: */*\r\nX-Request: %d\r\n", rng.Uint32(), rng.IntN(1000))
			case 1:
				block = le.AppendUint64(block, start+uint64(rng.IntN(size))&^15)
			case 2:
				block = append(block, make([]byte, 64)...)
			case 3:
				block = le.AppendUint64(block, rng.Uint64())
			}
		}
		if _, err := w.Write(block[:4096]); err != nil {
			return err
		}
	}
	_, err := w.Write(table)
	return err
}
