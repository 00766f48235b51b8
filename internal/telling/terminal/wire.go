package terminal

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/telling/words"
)

// Wire writes what captures say: a line for each conversation, and the messages of one that was followed.
func Wire(w io.Writer, f *finding.Wire, style Style) error {
	p := &printer{style: style}
	p.fold("", "", Safe(f.Says))
	for _, problem := range f.Problems {
		p.fold("", "  ", p.dim(Safe(problem)))
	}
	if len(f.Conversations) > 0 {
		p.line("")
		p.conversations(f.Conversations)
	}
	for i := range f.Conversations {
		p.messages(&f.Conversations[i])
	}
	_, err := io.WriteString(w, p.out.String())
	return err
}

// conversations is a table: its columns are as wide as what stands in them, the last aside.
func (p *printer) conversations(all []finding.Conversation) {
	rows := [][]string{{"#", "client", "server", "protocol", "packets", "messages", "bytes", "lasted", "ended"}}
	for i := range all {
		rows = append(rows, conversationRow(&all[i]))
	}
	columns := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			columns[i] = max(columns[i], width(cell))
		}
	}
	for n, row := range rows {
		line := ""
		for i, cell := range row {
			if i+1 < len(row) {
				cell += strings.Repeat(" ", columns[i]-width(cell)+2)
			}
			line += cell
		}
		if n == 0 {
			line = p.dim(line)
		}
		p.line(line)
	}
}

func conversationRow(c *finding.Conversation) []string {
	client := c.Client
	if c.Guessed {
		client += "?"
	}
	protocol := c.Transport
	if c.Protocol != "" {
		protocol += " " + c.Protocol
	}
	if c.Inside != "" {
		protocol += ": " + c.Inside
	}
	lost := ""
	if missing := c.FromClient.Missing + c.FromServer.Missing; missing > 0 {
		lost = fmt.Sprintf(" (%d missing)", missing)
	}
	return []string{fmt.Sprint(c.Number), Safe(client), Safe(c.Server), Safe(protocol),
		fmt.Sprintf("%d/%d", c.FromClient.Packets, c.FromServer.Packets),
		fmt.Sprintf("%d/%d", c.FromClient.Messages, c.FromServer.Messages),
		fmt.Sprintf("%d/%d%s", c.FromClient.Bytes, c.FromServer.Bytes, lost),
		lasted(c.End.Sub(c.Start)), Safe(c.Ended)}
}

func lasted(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }

// messages prints each message with its fields, and the bytes that nothing explains.
func (p *printer) messages(c *finding.Conversation) {
	if c.Inferred > 0 {
		p.line("")
		p.fold("", "  ", words.Inferred(c.Inferred))
	}
	for _, m := range c.Messages {
		arrow := "client → server"
		if m.From == "server" {
			arrow = "server → client"
		}
		p.line("")
		head := fmt.Sprintf("%s  %s  %s  %d bytes  %s", m.Start.Format("15:04:05.000000"), arrow, frames(m.Frames), m.Length, m.Protocol)
		if m.Missing > 0 {
			head += fmt.Sprintf("  (%d bytes were not captured)", m.Missing)
		}
		if m.Sealed != nil {
			head += fmt.Sprintf("  (decrypted: %s, %s)", Safe(m.Sealed.Version), Safe(m.Sealed.Suite))
		}
		if m.Inferred {
			head += "  (fields inferred)"
		}
		p.line(p.bold(head))
		p.fold("  ", "  ", Safe(m.Summary))
		for _, field := range m.Fields {
			p.line(fmt.Sprintf("  %6d %5d  %s = %s", field.Offset, field.Length, Safe(field.Name), Safe(field.Value)))
		}
	}
}

func frames(numbers []int) string {
	const most = 6
	said := make([]string, 0, most)
	for i, n := range numbers {
		if i == most {
			said = append(said, "…")
			break
		}
		said = append(said, fmt.Sprint(n))
	}
	if len(numbers) == 1 {
		return "frame " + said[0]
	}
	return "frames " + strings.Join(said, ", ")
}
