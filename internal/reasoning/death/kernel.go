package death

import (
	"debug/elf"
	"strings"

	"github.com/inquest-project/inquest/internal/evidence/logs"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reading/disasm"
)

// Told takes how a process died from the kernel's lines on its fault, where nothing tells it better.
func (d *Death) Told(f *logs.Fault) {
	if f == nil || d.Finding.Mechanism == nil || d.Finding.Mechanism.Kind != finding.SignalOnly {
		return
	}
	m := trapped(f.Trap)
	if f.Trap == "" {
		m = touched(f)
	}
	if m == nil {
		return
	}
	m.Instruction = instructionOf(f)
	d.Finding.Mechanism = m
	switch {
	case d.Culprit == nil:
	case m.Access == "execute": // who went there is not told
		d.Culprit, d.Frame, d.Functions = nil, -1, nil
	case m.Kind == finding.FaultNull, f.Trap != "" && m.Kind != finding.Fault:
		d.Culprit.Role = finding.Decided
	}
}

// trapped is what a processor's trap tells by its name; nil if nothing.
func trapped(name string) *finding.Mechanism {
	switch {
	case strings.Contains(name, "divide"):
		return &finding.Mechanism{Kind: finding.Arithmetic, Detail: finding.Division}
	case strings.Contains(name, "fp"), strings.Contains(name, "simd"), strings.Contains(name, "coprocessor"):
		return &finding.Mechanism{Kind: finding.Arithmetic, Detail: finding.Float}
	case strings.Contains(name, "invalid opcode"), strings.Contains(name, "undefined instruction"):
		return &finding.Mechanism{Kind: finding.IllegalCode}
	case strings.Contains(name, "int3"), strings.Contains(name, "BRK"):
		return &finding.Mechanism{Kind: finding.Trap}
	case strings.Contains(name, "general protection"):
		return &finding.Mechanism{Kind: finding.Fault, Detail: finding.Protection}
	case strings.Contains(name, "stack segment"): // of 64-bit code: an address by way of the stack pointer
		return &finding.Mechanism{Kind: finding.Fault, Detail: finding.NonCanonical}
	}
	return nil
}

// touched is what an access to memory tells.
func touched(f *logs.Fault) *finding.Mechanism {
	m := &finding.Mechanism{Kind: finding.Fault, Access: string(f.Access), Address: f.Address}
	if f.Access == logs.Executes && m.Address == nil && f.IP != 0 {
		m.Address = &f.IP
	}
	kinds := map[logs.Access]struct {
		kind    finding.MechanismKind
		refused string
	}{
		logs.Reads:    {finding.FaultRead, finding.NoAccess},
		logs.Writes:   {finding.FaultWrite, finding.ReadOnly},
		logs.Executes: {finding.FaultExecute, finding.NotExecutable},
	}
	if k, ok := kinds[f.Access]; ok {
		m.Kind = k.kind
		if f.Refused {
			m.Detail = k.refused
		}
	}
	switch {
	case m.Address == nil:
	case *m.Address < nullPage:
		m.Kind, m.Detail = finding.FaultNull, ""
	case f.Access == logs.Writes && !f.Refused && nextToStack(*m.Address, f.SP):
		m.Kind, m.Detail = finding.StackOverflow, ""
	}
	return m
}

// nextToStack says whether a write was to where the stack pointer is, or right below: there the stack should be.
func nextToStack(a, sp place.Address) bool {
	const below = 64 << 10 // what an overflow may skip
	return sp != 0 && a < sp+pageSize && a+below > sp
}

// instructionOf is the instruction as the log shows its bytes; empty if it doesn't.
func instructionOf(f *logs.Fault) string {
	machines := map[string]elf.Machine{"x86_64": elf.EM_X86_64, "aarch64": elf.EM_AARCH64}
	i, ok := disasm.For(machines[f.Machine]).Decode(f.Code[f.CodeAt:], uint64(f.IP))
	if !ok {
		return ""
	}
	return i.Text()
}
