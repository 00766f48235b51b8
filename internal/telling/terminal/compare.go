package terminal

import (
	"fmt"
	"io"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/finding"
)

// briefDifferences is how many differences are shown that touch neither the backtrace nor the program.
const briefDifferences = 10

// Comparison writes what is different: the verdict, then the differences by whose affair they are.
func Comparison(w io.Writer, c *finding.Comparison, style Style) error {
	p := &printer{style: style}
	p.fold("", "", p.bold(Safe(c.Verdict)))
	p.line("")
	for _, side := range []struct {
		name string
		finding.Side
	}{{"A", c.A}, {"B", c.B}} {
		p.fold("   ", "      ", fmt.Sprintf("%s  %s", side.name, Safe(side.Name)))
		for _, u := range side.Unseen {
			p.fold("      ", "        ", p.dim(Safe("not seen: "+u.What+": "+u.Why)))
		}
	}
	p.modules(c.Modules)
	p.differences(c, finding.OnStack, "What the backtrace touches")
	p.differences(c, finding.Program, "What the program touches")
	p.differences(c, finding.Rest, "The rest")
	p.passedOver(c)
	_, err := io.WriteString(w, p.out.String())
	return err
}

func (p *printer) modules(all []finding.Congruence) {
	if len(all) == 0 {
		return
	}
	p.line("")
	p.heading("", "Module by module, innermost first")
	for _, m := range all {
		p.fold("   ", "      ", Safe(m.Says))
		if p.style.Verbose {
			for _, at := range m.Places {
				p.line(fmt.Sprintf("      %#18x  %#18x  %s", at.A, at.B, Safe(at.Function)))
			}
		}
	}
}

func (p *printer) differences(c *finding.Comparison, touches finding.Touches, title string) {
	shown, left := 0, 0
	for i := range c.Differences {
		d := &c.Differences[i]
		if d.Touches != touches {
			continue
		}
		if touches == finding.Rest && shown >= briefDifferences && !p.style.Verbose {
			left += max(1, len(d.Members))
			continue
		}
		if shown == 0 {
			p.line("")
			p.heading("", title)
		}
		shown++
		p.difference(shown, d)
	}
	if left > 0 {
		p.item(p.dim(fmt.Sprintf("and %d more (-v shows all)", left)))
	}
}

func (p *printer) difference(n int, d *finding.Difference) {
	const named = 5 // members of a group
	p.fold(fmt.Sprintf("   %2d. ", n), "       ", Safe(d.Says))
	if d.Why != "" {
		p.fold("       ", "       ", p.dim("why   ")+Safe(d.Why))
	}
	if d.Settle != "" && p.style.Verbose {
		p.fold("       ", "       ", p.dim("try   ")+Safe(d.Settle))
	}
	members := d.Members
	if !p.style.Verbose && d.Touches != finding.OnStack {
		members = members[:min(named, len(members))]
	}
	if len(members) > 0 {
		names := Safe(strings.Join(members, ", "))
		if len(members) < len(d.Members) {
			names += " …"
		}
		p.fold("       ", "       ", p.dim(names))
	}
}

// passedOver says what was not held against anything.
func (p *printer) passedOver(c *finding.Comparison) {
	p.line("")
	if c.Noise > 0 {
		p.item(p.dim(fmt.Sprintf("%d more differ between any two moments or hosts: process IDs, times, counters, addresses", c.Noise)))
	}
	if len(c.OneSided) > 0 {
		p.item(p.dim("told by one side only, and not compared: " + strings.Join(c.OneSided, ", ")))
	}
	for _, problem := range c.Problems {
		p.item(p.dim(Safe(problem.Part + ": " + problem.Says)))
	}
}
