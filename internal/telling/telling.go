// Package telling is the last room: how findings are told. Complete fills in the sentences; JSON and
// Text write them, for programs and for people.
package telling

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/telling/terminal"
	"github.com/inquest-project/inquest/internal/telling/words"
)

// Complete fills every sentence of the findings.
func Complete(f *finding.Findings) { words.Fill(f) }

// JSON writes completed findings, what captures say, or what is different, as one document, described by schema.json, wire.json and compare.json in
// package finding.
func JSON[F finding.Findings | finding.Wire | finding.Comparison](w io.Writer, f *F) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(f); err != nil {
		return fmt.Errorf("writing the findings as JSON: %w", err)
	}
	return nil
}

// CompleteWire fills every sentence of what captures say.
func CompleteWire(w *finding.Wire) { words.FillWire(w) }

// Wire writes what captures say, completed, for a terminal.
func Wire(w io.Writer, f *finding.Wire, style Style) error { return terminal.Wire(w, f, style) }

// CompleteComparison fills every sentence of what is different between two.
func CompleteComparison(c *finding.Comparison) { words.FillComparison(c) }

// Comparison writes what is different between two, completed, for a terminal.
func Comparison(w io.Writer, c *finding.Comparison, style Style) error {
	return terminal.Comparison(w, c, style)
}

// Safe makes visible what could play tricks on a terminal: what is printed may be an attacker's.
func Safe(s string) string { return terminal.Safe(s) }

// Style is how Text prints.
type Style = terminal.Style

// Text writes completed findings for a terminal.
func Text(w io.Writer, f *finding.Findings, style Style) error {
	return terminal.Write(w, f, style)
}

// Backtrace writes the threads of completed findings for a terminal.
func Backtrace(w io.Writer, f *finding.Findings, style Style) error {
	return terminal.Backtrace(w, f, style)
}
