package lab

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// tcpdump is a running capture of the loopback interface.
type tcpdump struct {
	path   string
	cmd    *exec.Cmd
	stderr *bufio.Reader
}

func startTcpdump(path string) (*tcpdump, error) {
	// -Z root: without it tcpdump gives its privileges away and can't write below a private folder.
	cmd := exec.Command("tcpdump", "-i", "lo", "-n", "-U", "-s", "16384", "--immediate-mode", "-B", "65536", "-Z", "root", "-w", path)
	pipe, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting tcpdump: %w", err)
	}
	t := &tcpdump{path, cmd, bufio.NewReader(pipe)}
	for {
		line, err := t.stderr.ReadString('\n')
		if strings.Contains(line, "listening on") {
			return t, nil
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("starting tcpdump: %s", line), cmd.Wait())
		}
	}
}

// settle waits until tcpdump has written what the kernel holds for it: what is in the ring when it is
// interrupted is lost, and the last packets are those that matter.
func (t *tcpdump) settle() {
	const quiet, tries = 100 * time.Millisecond, 50
	size := int64(-1)
	for range tries {
		info, err := os.Stat(t.path)
		if err != nil || info.Size() == size {
			return
		}
		size = info.Size()
		time.Sleep(quiet)
	}
}

var lostPackets = regexp.MustCompile(`(?m)^[1-9]\d* packets? dropped by (kernel|interface)`)

// Stop ends the capture; packets that tcpdump lost are an error, as the truth may be among them.
func (t *tcpdump) Stop() error {
	t.settle()
	if err := t.cmd.Process.Signal(syscall.SIGINT); err != nil {
		return err
	}
	rest, _ := io.ReadAll(t.stderr)
	if err := t.cmd.Wait(); err != nil {
		return fmt.Errorf("tcpdump: %w: %s", err, rest)
	}
	if lost := lostPackets.Find(rest); lost != nil {
		return fmt.Errorf("tcpdump: %s", lost)
	}
	return nil
}

// frame is one packet of a finished capture, as far as finding a message again needs it.
type frame struct {
	Number   int
	Src, Dst netip.AddrPort
	UDP      bool
	SYN      bool
	FIN, RST bool
	Seq      uint32
	Payload  []byte
}

// readFrames reads a capture with gopacket, which shares no code with the product's own reader.
func readFrames(path string) ([]frame, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	r, err := pcapgo.NewReader(bufio.NewReader(file))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	var frames []frame
	for n := 1; ; n++ {
		data, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return frames, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading packet %d of %s: %w", n, path, err)
		}
		if f, ok := decode(gopacket.NewPacket(data, r.LinkType(), gopacket.NoCopy)); ok {
			f.Number = n
			frames = append(frames, f)
		}
	}
}

func decode(p gopacket.Packet) (f frame, ok bool) {
	ip := p.NetworkLayer()
	if ip == nil {
		return f, false
	}
	src, _ := netip.AddrFromSlice(ip.NetworkFlow().Src().Raw())
	dst, _ := netip.AddrFromSlice(ip.NetworkFlow().Dst().Raw())
	switch t := p.TransportLayer().(type) {
	case *layers.TCP:
		f.Src, f.Dst = netip.AddrPortFrom(src, uint16(t.SrcPort)), netip.AddrPortFrom(dst, uint16(t.DstPort))
		f.SYN, f.FIN, f.RST, f.Seq, f.Payload = t.SYN, t.FIN, t.RST, t.Seq, t.Payload
	case *layers.UDP:
		f.Src, f.Dst = netip.AddrPortFrom(src, uint16(t.SrcPort)), netip.AddrPortFrom(dst, uint16(t.DstPort))
		f.UDP, f.Payload = true, t.Payload
	default:
		return f, false
	}
	return f, true
}

// deed is a message that the script sent, before its frames are known.
type deed struct {
	Role     Role
	Remote   netip.AddrPort
	Local    netip.AddrPort // the daemon's end, where the remote one has several streams to it
	Outbound bool
	UDP      bool
	Offset   uint32 // of its first byte in the remote end's stream
	Bytes    []byte
}

func (d deed) find(frames []frame) Deed {
	out := Deed{Client: d.Remote.String(), Direction: "inbound", Bytes: d.Bytes}
	if d.Outbound {
		out.Direction = "outbound"
	}
	var start uint32 // sequence number of the stream's first byte
	for _, f := range frames {
		if f.Src != d.Remote || f.UDP != d.UDP || d.Local.IsValid() && f.Dst != d.Local {
			continue
		}
		if f.SYN {
			start = f.Seq + 1
		}
		at := f.Seq - start - d.Offset // wraps below zero for what comes before
		tcp := !d.UDP && len(f.Payload) > 0 && (at < uint32(len(d.Bytes)) || -at < uint32(len(f.Payload)))
		if tcp || d.UDP && bytes.Equal(f.Payload, d.Bytes) {
			out.Frames = append(out.Frames, f.Number)
		}
	}
	return out
}
