package terminal

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/telling/words"
)

// How many differences are shown by whose affair they are, of how many members the names, and how much of what was not seen.
var briefDifferences = map[finding.Touches]int{finding.OnStack: 8, finding.Program: 6, finding.Rest: 6}

const briefMembers, briefUnseen = 5, 2

// Comparison writes what is different: the verdict, then the differences by whose affair they are.
func Comparison(w io.Writer, c *finding.Comparison, style Style) error {
	p := &printer{style: style}
	p.fold("", "", p.bold(Safe(c.Verdict)))
	p.line("")
	p.side("A", c.A, c.B.Unseen)
	p.side("B", c.B, c.A.Unseen)
	p.modules(c.Modules)
	p.differences(c, finding.OnStack, "What the backtrace touches")
	p.differences(c, finding.Program, "What the program touches")
	p.differences(c, finding.Rest, "The rest")
	p.passedOver(c)
	_, err := io.WriteString(w, p.out.String())
	return err
}

// side tells of one of the two what was not seen; what of neither was made no difference.
func (p *printer) side(letter string, side finding.Side, other []finding.Unseen) {
	p.fold("   ", "      ", letter+"  "+Safe(side.Name))
	if says := words.Kinds[side.Kind]; says != "" {
		p.fold("      ", "        ", p.dim(says))
	}
	unseen := side.Unseen
	if !p.style.Verbose {
		unseen = slices.DeleteFunc(slices.Clone(unseen), func(u finding.Unseen) bool { return slices.Contains(other, u) })
		unseen = unseen[:min(briefUnseen, len(unseen))]
	}
	for _, u := range unseen {
		p.fold("      ", "        ", p.dim(Safe("not seen: "+u.What+": "+u.Why)))
	}
	if n := len(side.Unseen) - len(unseen); n > 0 && len(unseen) > 0 {
		p.fold("      ", "        ", p.dim(fmt.Sprintf("and %d more not seen (-v shows all)", n)))
	}
}

func (p *printer) modules(all []finding.Congruence) {
	if len(all) == 0 {
		return
	}
	p.line("")
	p.heading("", "Module by module, innermost first")
	p.item(p.dim(words.ModulesMove))
	for _, m := range all {
		p.fold("   ", "      ", Safe(m.Says))
		if p.style.Verbose {
			for _, at := range m.Places {
				p.line(fmt.Sprintf("      %18s  %18s  %s", at.A, at.B, Safe(at.Function)))
			}
		}
	}
}

func (p *printer) differences(c *finding.Comparison, touches finding.Touches, title string) {
	shown, left, settle := 0, 0, ""
	for i := range c.Differences {
		d := &c.Differences[i]
		if d.Touches != touches {
			continue
		}
		if shown >= briefDifferences[touches] && !p.style.Verbose {
			left += max(1, len(d.Members))
			continue
		}
		if shown == 0 {
			p.line("")
			p.heading("", title)
		}
		shown++
		p.difference(shown, d)
		if p.style.Verbose && d.Settle != settle {
			settle = d.Settle
			p.fold("       ", "       ", p.dim("try   ")+Safe(settle))
		}
	}
	if left > 0 {
		p.item(p.dim(fmt.Sprintf("and %d more (-v shows all)", left)))
	}
}

func (p *printer) difference(n int, d *finding.Difference) {
	p.fold(fmt.Sprintf("   %2d. ", n), "       ", Safe(d.Says))
	if d.Why != "" {
		p.fold("       ", "       ", p.dim("why   ")+Safe(d.Why))
	}
	members := d.Members
	if !p.style.Verbose {
		members = members[:min(briefMembers, len(members))]
	}
	if len(members) > 0 {
		names := Safe(strings.Join(members, ", "))
		if len(members) < len(d.Members) {
			names += " …"
		}
		p.fold("       ", "       ", p.dim(names))
	}
}

// briefCircumstances is how many are shown of what is different elsewhere from what a death shows.
const briefCircumstances = 4

// circumstances tell in short what is different elsewhere: which builds, and what touches the backtrace or the program. Each is
// a candidate.
func (p *printer) circumstances(c *finding.Comparison) {
	p.item(Safe(fmt.Sprintf("A, this death, held against B, %s: %s", c.B.Name, c.Verdict)))
	for _, m := range c.Modules {
		if !m.Congruent || p.style.Verbose {
			p.fold("   - ", "     ", Safe(m.Says))
		}
	}
	shown, left := 0, 0
	for i := range c.Differences {
		if shown >= briefCircumstances && !p.style.Verbose || c.Differences[i].Touches == finding.Rest {
			left++
			continue
		}
		shown++
		p.difference(shown, &c.Differences[i])
		if settle := c.Differences[i].Settle; shown == 1 && settle != "" {
			p.fold("       ", "       ", p.dim("try   ")+Safe(settle))
		}
	}
	if left > 0 {
		p.item(p.dim(fmt.Sprintf("and %d more: inquest compare shows them", left)))
	}
}

// passedOver says what was not held against anything.
func (p *printer) passedOver(c *finding.Comparison) {
	p.line("")
	for _, says := range words.PassedOver(c) {
		p.item(p.dim(Safe(says)))
	}
}
