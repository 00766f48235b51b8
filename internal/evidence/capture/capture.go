// Package capture turns a packet capture into packets: who sent what to whom, when, in which frame.
// Open a file, walk its Packets, then ask Damage and Dropped what was lost.
//
// It reads pcap (draft-ietf-opsawg-pcap; micro- and nanoseconds, both byte orders), pcapng
// (draft-ietf-opsawg-pcapng) and, as a poor capture, a packet list that somebody pasted as text (list.go).
// Under them it reads Ethernet with VLAN tags, Linux cooked v1 and v2, BSD loopback and raw IP, then IPv4
// and IPv6 with extension headers, whose fragments it joins, then TCP, UDP and ICMP. PPP is opened, and the tunnels that
// carry other hosts' packets: IP in IP, GRE, VXLAN, Geneve. It does not verify checksums, which offloading makes wrong in
// most captures taken on the sending host.
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
	"slices"

	"github.com/inquest-project/inquest/internal/evidence/unpack"
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
	memory *mapped.File
	walk   func(*File, func(record) bool)
	list   []Packet
	damage []cursor.Damage

	unpacking []cursor.Damage
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
	iface uint32 // number of the interface
	at    int    // offset in the file
}

// Open maps a capture into memory. A packed one is unpacked first, to a file without a name in the directory for temporary
// files ($TMPDIR, else /tmp), up to 256 GiB. It fails only for what is no capture at all.
func Open(path string) (*File, error) {
	memory, damage, err := unpack.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening capture: %w", err)
	}
	f, err := Parse(filepath.Base(path), memory.Data)
	if err != nil {
		return nil, errors.Join(err, memory.Close())
	}
	f.memory, f.unpacking = memory, damage
	return f, nil
}

// Parse reads a capture that is in memory already and must not change while the File is used.
func Parse(name string, data []byte) (*File, error) {
	f := &File{Name: name, data: data, memory: &mapped.File{}}
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
	f.data = nil
	return f.memory.Close()
}

// Sniff says whether a file that begins with head (24 bytes are enough) is a pcap or pcapng file.
func Sniff(head []byte) bool { return isPcapng(head) || isPcap(head) }

// Packets walks over all packets in file order. A frame that holds no IP packet is yielded too, with
// its Frame and Time alone. What there is of a packet whose fragments were not all captured is yielded once more when it is
// given up.
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
		frame, more := 0, true
		var parts waiting
		ahead := f.memory.Ahead()
		defer ahead.End()
		f.walk(f, func(r record) bool {
			frame++
			ahead.At(r.at)
			p := Packet{Frame: frame, Time: timeOf(r.nanos), Of: uint32(len(f.Interfaces))}
			if p.decode(r); p.part != nil {
				for _, given := range parts.add(&p) {
					if more = yield(given); !more {
						return false
					}
				}
			}
			more = yield(p)
			return more
		})
		if !more {
			return
		}
		for _, given := range parts.give(len(parts.order)) {
			if !yield(given) {
				return
			}
		}
	}
}

// Damage is what could not be read, as the last walk over Packets met it.
func (f *File) Damage() []cursor.Damage { return slices.Concat(f.unpacking, f.damage) }

// mostDamage bounds what is kept of a file that is all garbage.
const mostDamage = 1000

func (f *File) damaged(offset int, problem string) {
	if len(f.damage) > mostDamage {
		return
	}
	if len(f.damage) == mostDamage {
		problem = fmt.Sprintf("expected no more than %d damages, found another: this and what follows are not told", mostDamage)
	}
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
