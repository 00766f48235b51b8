// Package capture turns a packet capture into packets: who sent what to whom, when, in which frame.
// Open a file, walk its Packets, then ask Damage and Dropped what was lost.
//
// It reads pcap (draft-ietf-opsawg-pcap; micro- and nanoseconds, both byte orders), pcapng
// (draft-ietf-opsawg-pcapng) and, as a poor capture, a packet list that somebody pasted as text (list.go).
// Under them it reads Ethernet with VLAN tags, Linux cooked v1 and v2, BSD loopback and raw IP, then IPv4
// and IPv6 with extension headers, then TCP, UDP and ICMP. It does not join fragments, open tunnels or
// verify checksums, which offloading makes wrong in most captures taken on the sending host.
//
// A file is mapped, not read: payloads are slices of the mapping, valid until Close, and memory does not
// grow with the file. Nothing in it is trusted: what a length claims is cut to what is there, and what
// can't be read is counted, so that frame numbers stay those that Wireshark shows.
package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"path/filepath"

	"github.com/inquest-project/inquest/internal/ground/cursor"
	"github.com/inquest-project/inquest/internal/ground/mapped"
)

// File is one capture. Interfaces, Damage, Dropped and Secrets tell what the walks over Packets have met so far.
type File struct {
	Name       string      // base name
	Listed     bool        // a text packet list: no payloads, and endpoints may be mere names
	Interfaces []Interface // in order of appearance; pcap has one
	Dropped    uint64      // packets that the capture itself lost, as pcapng's statistics tell; pcap can't tell
	Secrets    [][]byte    // TLS key logs that pcapng carries, for package keylog; slices of the mapping

	data   []byte
	memory *mapped.File // nil for Parse
	walk   func(*File, func(record) bool)
	list   []Packet
	damage []cursor.Damage
}

// Interface is where packets were captured.
type Interface struct {
	Name string
	Link LinkType
	clock
}

// record is one captured frame as the file format delimits it.
type record struct {
	link  LinkType
	nanos int64  // since 1970 UTC
	data  []byte // as captured
	wire  int    // length on the wire, at least len(data)
}

// Open maps a capture into memory. It fails only for what is no capture at all.
func Open(path string) (*File, error) {
	memory, err := mapped.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening capture: %w", err)
	}
	f, err := Parse(filepath.Base(path), memory.Data)
	if err != nil {
		return nil, errors.Join(err, memory.Close())
	}
	f.memory = memory
	return f, nil
}

// Parse reads a capture that is in memory already and must not change while the File is used.
func Parse(name string, data []byte) (*File, error) {
	f := &File{Name: name, data: data}
	switch {
	case isPcapng(data):
		f.walk = (*File).walkPcapng
	case isPcap(data):
		f.walk = (*File).walkPcap
	case SniffList(data):
		f.Listed = true
		f.list, f.damage = parseList(name, data)
	default:
		return nil, &cursor.Error{Part: name, Problem: "expected a pcap or pcapng file or a packet list, found " + leading(data)}
	}
	return f, nil
}

// Close unmaps the file. No payload may be used after it.
func (f *File) Close() error {
	if f.memory == nil {
		return nil
	}
	f.data = nil
	return f.memory.Close()
}

// Sniff says whether a file that begins with head (24 bytes are enough) is a pcap or pcapng file.
func Sniff(head []byte) bool { return isPcapng(head) || isPcap(head) }

// Packets walks over all packets in file order. A frame that holds no IP packet is yielded too, with
// its Frame and Time alone.
func (f *File) Packets() iter.Seq[Packet] {
	return func(yield func(Packet) bool) {
		if f.Listed {
			for _, p := range f.list {
				if !yield(p) {
					return
				}
			}
			return
		}
		f.Interfaces, f.Dropped, f.Secrets, f.damage = nil, 0, nil, nil
		frame := 0
		f.walk(f, func(r record) bool {
			frame++
			p := Packet{Frame: frame, Time: timeOf(r.nanos)}
			p.decode(r)
			return yield(p)
		})
	}
}

// Damage is what could not be read, as the last walk over Packets met it.
func (f *File) Damage() []cursor.Damage { return f.damage }

func (f *File) damaged(offset int, problem string) {
	f.damage = append(f.damage, cursor.Damage{Part: f.Name, Offset: int64(offset), Problem: problem})
}

// byteOrder tells the order in which a file's writer left the magic number, by the value in big-endian.
func byteOrder(head []byte, big, little uint32) binary.ByteOrder {
	if len(head) < 4 {
		return nil
	}
	switch binary.BigEndian.Uint32(head) {
	case big:
		return binary.BigEndian
	case little:
		return binary.LittleEndian
	}
	return nil
}
