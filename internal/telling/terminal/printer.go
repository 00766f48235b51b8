package terminal

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/inquest-project/inquest/internal/ground/finding"
)

// printer gathers lines folded to a width.
type printer struct {
	style Style
	out   strings.Builder
}

func (p *printer) line(s string) {
	p.out.WriteString(strings.TrimRight(s, " "))
	p.out.WriteByte('\n')
}

func (p *printer) heading(number, title string) {
	if number != "" {
		title = number + "  " + title
	}
	p.line(p.color("36", title))
}

func (p *printer) item(s string) { p.fold("   ", "   ", s) }

// fold breaks a text at spaces so that no line is wider than the screen; a word that is wider by itself
// stays whole, so that an address or a path can still be copied.
func (p *printer) fold(first, rest, text string) {
	line, indent := first, first
	for _, word := range strings.SplitAfter(text, " ") {
		if line != indent && p.style.Width > 0 && width(line)+width(strings.TrimRight(word, " ")) > p.style.Width {
			p.line(line)
			line, indent = rest, rest
		}
		line += word
	}
	p.line(line)
}

// width is a text's columns on the screen, without colours.
func width(s string) int {
	n := 0
	for len(s) > 0 {
		if strings.HasPrefix(s, "\x1b[") {
			if end := strings.IndexByte(s, 'm'); end >= 0 {
				s = s[end+1:]
				continue
			}
		}
		next := strings.Index(s[1:], "\x1b[") + 1
		if next == 0 {
			next = len(s)
		}
		n += runewidth.StringWidth(s[:next])
		s = s[next:]
	}
	return n
}

func (p *printer) color(code, s string) string {
	if !p.style.Color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p *printer) bold(s string) string { return p.color("1", s) }
func (p *printer) dim(s string) string  { return p.color("2", s) }

// strongest orders evidence by weight, whatever its sign.
func strongest(all []finding.Observation) []finding.Observation {
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b finding.Observation) int {
		return cmp.Compare(math.Abs(b.Bits), math.Abs(a.Bits))
	})
	return sorted
}
