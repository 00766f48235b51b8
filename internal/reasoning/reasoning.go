// Package reasoning is the third room: what the evidence means. Analyze answers the seven questions as
// far as the evidence goes, as plain facts; the sentences are telling's.
package reasoning

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reading"
	"github.com/inquest-project/inquest/internal/reading/conversation"
	"github.com/inquest-project/inquest/internal/reasoning/death"
	"github.com/inquest-project/inquest/internal/reasoning/moment"
	"github.com/inquest-project/inquest/internal/reasoning/weigh"
)

// Analyze concludes what can be concluded. servers are the dead process's listening ends if somebody tells them; else the
// traffic does. The second result is false if nothing shows a death.
func Analyze(r *reading.Reading, servers ...netip.AddrPort) (*finding.Findings, bool) {
	f := &finding.Findings{Version: 1}
	d, when := Death(r, servers...)
	c, sessions := Case(r, d, when)

	tellProcess(f, r, when)
	tellDeath(f, r, d, when)
	tellLogs(f, r, when)
	tellThreads(f, r, d)
	tellModules(f, r)
	tellTraffic(f, r, when, c, sessions)
	switch {
	case f.Death != nil && Killed(f.Death.Mechanism) || lived(r) && f.Death == nil: // no input that it held did
		c.Candidates = nil
	case len(c.Candidates) == 0 && r.Image != nil:
		c.FromMemory()
	}
	tellSuspects(f, c, weigh.Rank(c, weigh.Fitted()), sessions)
	tellAlternatives(f, r, when)
	tellMissing(f, r, d, when, sessions)
	tellProblems(f, r)
	tellEvidence(f, r)
	return f, f.Death != nil
}

// Case gathers what is to be weighed, with what was opened of TLS.
func Case(r *reading.Reading, d death.Death, when moment.Moment) (*weigh.Case, []*reading.Session) {
	sessions := openSessions(r, when)
	c := weigh.NewCase(r.Image, r.Stacks, d, when, opened(sessions))
	c.Candidates = slices.DeleteFunc(c.Candidates, func(k *weigh.Candidate) bool { return early(k.Message, r.Traffic) })
	c.Lost, c.Began = lost(r.Traffic, when), began(r.Traffic, when)
	if Killed(d.Finding.Mechanism) {
		c.Candidates = nil
	}
	return c, sessions
}

// early says whether a message came before the part of the traffic that was read: it is at hand since it begins a
// conversation, but its answer may not be.
func early(m *conversation.Message, t *conversation.Traffic) bool {
	return !t.Whole && m.End.Before(t.From)
}

// Killed says whether another process ended it, or broken memory.
func Killed(m *finding.Mechanism) bool {
	return m != nil && (m.Kind == finding.Killed || m.Kind == finding.BrokenMemory)
}

// Backtrace tells who died, how, and what every thread was doing, and no more. With code it disassembles
// around the place where each thread was running.
func Backtrace(r *reading.Reading, code bool) (*finding.Findings, bool) {
	f := &finding.Findings{Version: 1}
	d, when := Death(r)
	tellProcess(f, r, when)
	tellDeath(f, r, d, when)
	tellThreads(f, r, d)
	if code {
		tellCode(f, r)
	}
	tellModules(f, r)
	tellProblems(f, r)
	tellEvidence(f, r)
	return f, f.Death != nil
}

// Death finds how and when, in the order in which each helps the other: the core names the process that
// the log is searched for, and the log's signal judges a trace that has none.
func Death(r *reading.Reading, servers ...netip.AddrPort) (death.Death, moment.Moment) {
	d := death.Death{Thread: -1, Frame: -1}
	process := moment.Process{}
	if r.Image != nil {
		d = death.Judge(r.Image, r.Stacks)
		process = processOf(r)
	}
	process.Servers = servers
	if r.Traffic != nil && !r.Traffic.Whole {
		r.Traffic.LoadAround(moment.Window(process, r.Traffic, r.Logs))
	}
	when := moment.Judge(process, r.Traffic, r.Logs)
	if r.Image == nil && len(r.Traces) > 0 {
		signal := r.Traces[0].Signal
		if signal == 0 && when.Record != nil {
			signal = when.Record.Signal
		}
		d = death.FromTrace(r.Traces[0], signal)
		if r.Fault != nil {
			d.Told(r.Fault.Fault)
		}
	}
	return d, when
}

func processOf(r *reading.Reading) moment.Process {
	core := r.Image.Core
	p := moment.Process{PID: core.Process.PID, Command: core.Process.Command, Signal: core.Signal.Number}
	if exe := r.Image.Executable(); exe != nil {
		p.Executable = exe.Path
	}
	if core.Expected <= core.Size { // of a core that was cut the address may be in what is lost
		held := sync.OnceValue(func() map[netip.AddrPort]bool { return weigh.SocketAddresses(r.Image) })
		p.Names = func(a netip.AddrPort) bool { return held()[a] }
	}
	return p
}

func tellProcess(f *finding.Findings, r *reading.Reading, when moment.Moment) {
	p := &finding.Process{}
	if record := when.Record; record != nil {
		p.Command, p.Executable, p.PID = record.Command, record.Executable, cmp.Or(record.PID, record.TID)
	}
	if r.Image == nil {
		if len(r.Traces) > 0 {
			p.Executable, p.PID = cmp.Or(p.Executable, r.Traces[0].Executable), cmp.Or(p.PID, r.Traces[0].PID)
		}
		if *p != (finding.Process{}) {
			f.Process = p
		}
		return
	}
	if core := r.Image.Core; core.Process.Known {
		p.PID, p.Command, p.Arguments = core.Process.PID, core.Process.Command, core.Process.Arguments
		p.UID = &core.Process.UID
	}
	p.Threads = len(r.Image.Core.Threads)
	p.Machine = machineName(r.Image.Core.Machine)
	if exe := r.Image.Executable(); exe != nil {
		p.Executable, p.BuildID = exe.Path, exe.BuildID
	}
	f.Process = p
}

func tellDeath(f *finding.Findings, r *reading.Reading, d death.Death, when moment.Moment) {
	found := d.Finding
	if record := when.Record; record != nil && found.SignalNumber == 0 {
		fromRecord(&found, record)
	}
	fromLogs(&found, pidOf(r, when), r.Logs)
	if !when.Latest.IsZero() {
		interval := &finding.Interval{
			Earliest: when.Earliest.UTC(), Latest: when.Latest.UTC(), Clock: when.Clock, RestsOn: when.RestsOn,
		}
		if when.Offset != nil {
			ms := float64(when.Offset.Microseconds()) / 1000
			interval.OffsetMS = &ms
		}
		found.Time = interval
	}
	if found.SignalNumber == 0 && found.Mechanism == nil && r.Image == nil && len(r.Traces) == 0 && when.Record == nil {
		return // captures alone don't show that anybody died
	}
	if (lived(r) || untold(r, found)) && when.Record == nil {
		return
	}
	f.Death, f.Culprit = &found, d.Culprit
	if r.Image != nil && d.Culprit != nil && d.Thread >= 0 && d.Frame >= 0 {
		shown := shownIndex(r.Stacks[d.Thread].Frames, d.Frame, d.Culprit.Function)
		f.Culprit.Frame = &shown
	}
}

// untold says whether the core was cut before it told anything of the process, not even that it died.
func untold(r *reading.Reading, found finding.Death) bool {
	return r.Image != nil && len(r.Image.Core.Threads) == 0 && found.SignalNumber == 0
}

// lived says whether the core is of a process that nothing had killed, as gcore writes them: it has no signal, or
// the one by which the debugger stopped it.
func lived(r *reading.Reading) bool {
	const sigstop = 19
	if r.Image == nil || len(r.Image.Core.Threads) == 0 {
		return false
	}
	n := r.Image.Core.Signal.Number
	return n == 0 || n == sigstop
}

func tellTraffic(f *finding.Findings, r *reading.Reading, when moment.Moment, c *weigh.Case, sessions []*reading.Session) {
	if r.Traffic == nil {
		return
	}
	t := &finding.Traffic{
		Packets:       r.Traffic.Packets,
		Conversations: len(r.Traffic.Conversations),
		Own:           len(when.Own),
		Shared:        when.Siblings,
		Messages:      len(c.Candidates),
		Servers:       when.Servers,
		Dropped:       r.Traffic.Dropped,
		Duplicates:    r.Traffic.Duplicates,
		Folded:        r.Traffic.Folded,
		Forgotten:     r.Traffic.Forgotten,
		Strange:       c.Strange,
		TLS:           counted(sessions),
	}
	if !r.Traffic.Whole {
		t.Window = &finding.Window{From: r.Traffic.From.UTC(), To: r.Traffic.To.UTC()}
	}
	for _, own := range when.Own {
		switch own.State {
		case moment.ClosedFIN:
			t.ClosedFIN++
		case moment.ClosedRST:
			t.ClosedRST++
		}
	}
	f.Traffic = t
}

// lost is the share of the packets that the captures lost: where they tell, or by the bytes that are missing in what was sent.
// Where packets were cut, it is mostly their ends that are missing.
func lost(t *conversation.Traffic, when moment.Moment) float64 {
	if t == nil {
		return 0
	}
	dropped := float64(t.Dropped) / max(1, float64(t.Dropped)+float64(t.Packets))
	if snapped(when) > 0 {
		return dropped
	}
	missing, sent := uint64(0), uint64(0)
	for _, c := range t.Conversations {
		for i := range c.Streams {
			missing += c.Streams[i].Missing
			sent += c.Streams[i].Sent
		}
	}
	return max(dropped, min(1, float64(missing)/max(1, float64(sent))))
}

// began is how long before the death the captures began.
func began(t *conversation.Traffic, when moment.Moment) time.Duration {
	if t == nil || t.Packets == 0 || when.Latest.IsZero() {
		return 0
	}
	return max(0, when.Latest.Sub(t.First))
}

// shownBest is how many suspects are told; the rest of the probability is theirs.
const shownBest = 10

func tellSuspects(f *finding.Findings, c *weigh.Case, ranking weigh.Ranking, sessions []*reading.Session) {
	message := func(c *weigh.Candidate) finding.Message { return message(c, sessions) }
	f.Candidates = len(ranking.Candidates)
	if len(ranking.Candidates) == 0 {
		return
	}
	for i, candidate := range ranking.Candidates[:min(shownBest, len(ranking.Candidates))] {
		if !weigh.Suspected(candidate, i) {
			break
		}
		s := finding.Suspect{
			Message:     message(candidate),
			Probability: candidate.Probability,
			Bits:        candidate.Bits,
			Evidence:    candidate.Observations,
		}
		if i == 0 {
			for _, earlier := range weigh.Accomplices(c, candidate) {
				s.With = append(s.With, message(earlier))
			}
		}
		f.Suspects = append(f.Suspects, s)
	}
	_, prior := weigh.Prior(len(ranking.Candidates), c.Missed())
	f.None = &finding.None{Probability: ranking.None, Prior: prior, Signs: c.Signs}
	f.Older = &finding.Older{Probability: ranking.Older}
	for _, candidate := range weigh.Acquitted(ranking, shownBest) {
		f.Acquitted = append(f.Acquitted, finding.Acquitted{
			Message: message(candidate), Probability: candidate.Probability, Evidence: weigh.Reasons(candidate),
		})
	}
}

// keptBytes bounds how much of a message goes into the findings.
const keptBytes = 64 << 10

func message(c *weigh.Candidate, sessions []*reading.Session) finding.Message {
	m := finding.Message{
		Source:   finding.FromMemory,
		Length:   len(c.Data),
		Protocol: c.Dissection.Protocol,
		Summary:  c.Dissection.Summary,
		Fields:   c.Dissection.Fields,
		Inferred: c.Inferred,
		Bytes:    c.Data[:min(keptBytes, len(c.Data))],
	}
	if c.Memory != nil {
		m.Address = &c.Memory.Address
	}
	if c.Message == nil {
		if c.Peer.IsValid() {
			m.Client = c.Peer.String()
		}
		return m
	}
	conv := c.Message.Conversation
	end := c.Message.End.UTC()
	m.Source, m.Capture, m.Transport, m.Time = finding.FromWire, c.Message.Capture(), conv.Transport, &end
	names := conv.Names()
	m.Client, m.Server = names[c.Own.Side.Other()], names[c.Own.Side]
	m.Direction = "inbound"
	if c.Own.Outbound {
		m.Direction = "outbound"
	}
	m.Frames, m.Length = c.Message.Frames(), c.Message.Length
	if c.Sealed {
		m.Sealed = sealed(conv, sessions)
	}
	return m
}

func tellProblems(f *finding.Findings, r *reading.Reading) {
	for _, d := range r.Problems {
		p := finding.Problem{Part: d.Part, Says: d.Problem}
		if d.Offset >= 0 {
			p.Offset = &d.Offset
		}
		f.Problems = append(f.Problems, p)
	}
}

func tellEvidence(f *finding.Findings, r *reading.Reading) {
	for _, file := range r.Files {
		f.Evidence = append(f.Evidence, finding.Evidence{Name: file.Path, Kind: string(file.Kind), Size: file.Size})
	}
}
