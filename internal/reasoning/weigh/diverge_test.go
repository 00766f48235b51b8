package weigh

import (
	"strings"
	"testing"
)

func TestATextThatBeginsAlikeAndGoesOnOtherwiseIsAnother(t *testing.T) {
	const message = "a008 SEARCH CHARSET LATIN1 BODY x"
	for name, c := range map[string]struct {
		memory, shared string
		diverges       bool
	}{
		"itself":                            {"\x00a008 SEARCH CHARSET LATIN1 BODY x\x00", "SEARCH CHARSET", false},
		"another":                           {"\x00a008 SEARCH CHARSET KOI8-R TEXT y\x00", "SEARCH CHARSET", true},
		"its beginning":                     {"\x00a008 SEARCH CHARSET\x00\x00", "SEARCH CHARSET", false},
		"words with zeros between":          {"\x00a008\x00SEARCH\x00CHARSET\x00LATIN1\x00BODY\x00x\x00", "SEARCH\x00CHARSET", false},
		"lower case":                        {"\x00a008 search charset latin1 body x\x00", "search charset", false},
		"bytes that are no text behind":     {"\x00a008 SEARCH CHARSET \x01\x02\x03\x04\x05", "SEARCH CHARSET", false},
		"the rest of it, behind other text": {"KOI8-R, or what\x00 CHARSET LATIN1 BODY x\x00", "CHARSET LATIN1", false},
		"what overwrote its beginning":      {"\x00a009 NOOP\r\nCHARSET LATIN1 BODY x\x00", "CHARSET LATIN1", false},
	} {
		at := strings.Index(c.memory, c.shared)
		folded := strings.ToUpper(strings.ReplaceAll(c.shared, "\x00", " "))
		if got := diverges([]byte(c.memory), at, []byte(message), strings.Index(message, folded), len(c.shared)); got != c.diverges {
			t.Errorf("%s: %v", name, got)
		}
	}
	if diverges([]byte("GET /a b/index.html"), 0, []byte("GET /a%20b/index.html"), 0, 6) {
		t.Error("what was decoded in place is another text")
	}
}
