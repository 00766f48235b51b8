package main

import (
	"bufio"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/inquest-project/inquest/internal/evidence"
	"github.com/inquest-project/inquest/lab"
)

// variant is what is left of a run's evidence.
type variant struct {
	name   string
	always bool    // every run is looked at so
	least  float64 // of what is found with all evidence, at least so much has to be found
	leave  func(run string, truth lab.Truth, scratch string) (evidence.Request, map[int]int, error)
}

const (
	whole     = "whole"
	coreAlone = "no capture"
	tooLate   = "capture begins after the killer"
	elsewhere = "killer in no capture"
)

// variants are all; wholly first.
var variants = []variant{
	{whole, true, 1, func(run string, _ lab.Truth, _ string) (evidence.Request, map[int]int, error) {
		return wholly(run), nil, nil
	}},
	{coreAlone, true, 0.5, func(run string, _ lab.Truth, _ string) (evidence.Request, map[int]int, error) {
		req := wholly(run)
		req.Captures, req.Logs = nil, nil
		return req, nil, nil
	}},
	{"no log", false, 0.9, func(run string, _ lab.Truth, _ string) (evidence.Request, map[int]int, error) {
		req := wholly(run)
		req.Logs = nil
		return req, nil, nil
	}},
	{"no debug info", false, 0.9, func(run string, _ lab.Truth, _ string) (evidence.Request, map[int]int, error) {
		req := wholly(run)
		req.Sysroots = req.Sysroots[:1]
		return req, nil, nil
	}},
	{"no binaries", false, 0.7, func(run string, _ lab.Truth, scratch string) (evidence.Request, map[int]int, error) {
		req := wholly(run)
		req.Sysroots = []string{scratch} // an empty folder
		return req, nil, nil
	}},
	{"core of notes only", false, 0.6, func(run string, _ lab.Truth, scratch string) (evidence.Request, map[int]int, error) {
		req := wholly(run)
		req.Cores = []string{filepath.Join(scratch, "core")}
		return req, nil, notesOnly(filepath.Join(run, "evidence", "core"), req.Cores[0])
	}},
	{"a tenth of the packets lost", false, 0.8, func(run string, truth lab.Truth, scratch string) (evidence.Request, map[int]int, error) {
		r := rand.New(rand.NewPCG(truth.Seed, 10))
		return recaptured(run, filepath.Join(scratch, "capture.pcap"), func(int, []byte) bool { return r.IntN(10) > 0 }, 0)
	}},
	{"clock off by 90 s", false, 0.95, func(run string, _ lab.Truth, scratch string) (evidence.Request, map[int]int, error) {
		return recaptured(run, filepath.Join(scratch, "capture.pcap"), func(int, []byte) bool { return true }, 90*time.Second)
	}},
	{tooLate, false, 0, func(run string, truth lab.Truth, scratch string) (evidence.Request, map[int]int, error) {
		last := slices.Max(append(truth.Killer.Frames, 0))
		return recaptured(run, filepath.Join(scratch, "capture.pcap"), func(frame int, _ []byte) bool { return frame > last }, 0)
	}},
	{elsewhere, true, 0, func(run string, truth lab.Truth, scratch string) (evidence.Request, map[int]int, error) {
		killer := flow{}
		if !truth.None {
			var err error
			if killer, err = flowAt(run, truth.Killer.Frames[0]); err != nil {
				return evidence.Request{}, nil, err
			}
		}
		return recaptured(run, filepath.Join(scratch, "capture.pcap"), func(_ int, data []byte) bool {
			f := flowOf(data)
			return truth.None || f != killer && f != killer.reverse()
		}, 0)
	}},
}

// observe looks at a run with what the variant leaves of it.
func (v variant) observe(s *seen, run string, truth lab.Truth) error {
	scratch, err := os.MkdirTemp("", "inquest-accuracy-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	req, frame, err := v.leave(run, truth, scratch)
	if err != nil {
		return fmt.Errorf("%s, %s: %w", run, v.name, err)
	}
	s.Case, s.Build, s.Evidence, s.Seed = truth.Case, truth.Build, v.name, truth.Seed
	o := &observed{s, truth, frame}
	if err := o.observe(req); err != nil {
		return fmt.Errorf("observing %s, %s: %w", run, v.name, err)
	}
	return nil
}

// wholly is all evidence of a run.
func wholly(run string) evidence.Request {
	at := func(name string) []string { return []string{filepath.Join(run, "evidence", name)} }
	return evidence.Request{
		Cores: at("core"), Captures: at("capture.pcap"), Logs: at("audit.log"),
		Sysroots: []string{filepath.Join(run, "sysroot"), filepath.Join(run, "debug")},
	}
}

// notesOnly cuts a core behind its notes.
func notesOnly(from, to string) error {
	core, err := elf.Open(from)
	if err != nil {
		return err
	}
	defer core.Close()
	for _, p := range core.Progs {
		if p.Type == elf.PT_NOTE {
			data, err := os.ReadFile(from)
			if err != nil {
				return err
			}
			return os.WriteFile(to, data[:p.Off+p.Filesz], 0o600)
		}
	}
	return errors.New(from + " has no notes")
}

// recaptured is all evidence with another capture: that of some frames, by a clock that is off.
func recaptured(run, to string, keep func(frame int, data []byte) bool, off time.Duration) (evidence.Request, map[int]int, error) {
	req := wholly(run)
	from := req.Captures[0]
	req.Captures = []string{to}
	in, err := os.Open(from)
	if err != nil {
		return req, nil, err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return req, nil, err
	}
	defer out.Close()
	frames, err := copyFrames(out, in, keep, off)
	return req, frames, err
}

func copyFrames(to io.Writer, from io.Reader, keep func(frame int, data []byte) bool, off time.Duration) (map[int]int, error) {
	r, err := pcapgo.NewReader(bufio.NewReader(from))
	if err != nil {
		return nil, err
	}
	buffered := bufio.NewWriter(to)
	w := pcapgo.NewWriter(buffered)
	if err := w.WriteFileHeader(r.Snaplen(), r.LinkType()); err != nil {
		return nil, err
	}
	frames := map[int]int{}
	for frame := 1; ; frame++ {
		data, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return frames, buffered.Flush()
		}
		if err != nil {
			return nil, err
		}
		if !keep(frame, data) {
			continue
		}
		frames[len(frames)+1] = frame
		info = gopacket.CaptureInfo{Timestamp: info.Timestamp.Add(off), CaptureLength: info.CaptureLength, Length: info.Length}
		if err := w.WritePacket(info, data); err != nil {
			return nil, err
		}
	}
}

// flow is what the packets of a conversation's one direction have in common.
type flow struct{ network, transport gopacket.Flow }

func flowOf(data []byte) flow {
	packet := gopacket.NewPacket(data, layers.LinkTypeEthernet, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	network, transport := packet.NetworkLayer(), packet.TransportLayer()
	if network == nil || transport == nil {
		return flow{}
	}
	return flow{network.NetworkFlow(), transport.TransportFlow()}
}

func (f flow) reverse() flow { return flow{f.network.Reverse(), f.transport.Reverse()} }

// flowAt is that of a frame of a run's capture.
func flowAt(run string, frame int) (f flow, err error) {
	_, _, err = recaptured(run, os.DevNull, func(n int, data []byte) bool {
		if n == frame {
			f = flowOf(data)
		}
		return false
	}, 0)
	return f, err
}
