package terminal

import "testing"

func TestNothingFromEvidenceMovesTheCursor(t *testing.T) {
	for in, want := range map[string]string{
		"GET /index.html":       "GET /index.html",
		"Grüße, 世界":             "Grüße, 世界",
		"\x1b[2Jgone":           `\x1b[2Jgone`,
		"a\rb\nc\x07":           `a\x0db\x0ac\x07`,
		"\u202egnp.exe":         `\u202egnp.exe`,
		"zero\u200bwidth":       `zero\u200bwidth`,
		"\xff\xfe":              `\xff\xfe`,
		"\u009b31m and \u2028.": `\u009b31m and \u2028.`,
	} {
		if got := Safe(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
